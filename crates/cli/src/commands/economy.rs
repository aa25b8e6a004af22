//! `phat economy`: the rules of the economy, tried out. Needs no network.

use crate::error::CliError;
use phat_economy::simulator::simulate;
use std::{
    io::{self, Write},
    path::PathBuf,
};

/// Arguments of `phat economy`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Run a scenario through the same code as the chain's, era by era, and print the outcome as JSON
    #[command(after_help = "\
Examples:
  phat economy simulate scenario.json
  phat economy simulate scenario.json | jq '.eras[-1].budgets'

The format of scenarios and of the answer is described in crates/economy/README.md.")]
    Simulate {
        /// The scenario: parameters, workers, clusters, and what happens in each era
        #[arg(value_name = "SCENARIO.json")]
        scenario: PathBuf,
    },
}

/// Prints the document that was asked for: always JSON, and nothing else.
pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let What::Simulate { scenario: path } = args.what;
    let file = std::fs::read(&path);
    let file = file.map_err(|source| CliError::File {
        path: path.clone(),
        source,
    })?;
    let mut answer = simulate(&file).map_err(|source| CliError::Scenario { path, source })?;
    answer.push('\n');
    let mut out = io::stdout().lock();
    match out.write_all(answer.as_bytes()).and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(CliError::Output(error)),
        Ok(()) => Ok(()),
    }
}
