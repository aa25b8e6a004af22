//! `phat economy`: the rules of the economy, tried out; and what a stake buys.

use super::estimate;
use crate::{context::Context, error::CliError, report::Report};
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
    /// Run a scenario through the same code as the chain's, era by era, and print the outcome as JSON.
    /// Needs no network
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
    /// Show what a stake would buy, in a cluster as it is now
    Estimate(estimate::Args),
}

/// Does it. A simulation prints its document itself: always JSON, and nothing else.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Option<Report>, CliError> {
    match args.what {
        What::Simulate { scenario } => {
            run_scenario(scenario)?;
            Ok(None)
        }
        What::Estimate(args) => estimate::run(context, args).await.map(Some),
    }
}

fn run_scenario(path: PathBuf) -> Result<(), CliError> {
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
