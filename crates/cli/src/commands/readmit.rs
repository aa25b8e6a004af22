//! `phat readmit`: lets a worker that has diverged be in a cluster again.

use crate::{
    context::Context,
    error::CliError,
    report::{Report, waiting},
};
use phat_client::{chain::Call, primitives::WorkerId};
use serde_json::json;

/// Arguments of `phat readmit`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  phat workers          shows which worker differed, and after which block
  phat readmit 0x1234…  once you know why")]
pub(crate) struct Args {
    /// Public key of the worker, as `phat workers --json` shows it. You must be its operator
    #[arg(value_name = "WORKER", value_parser = parse_worker)]
    id: WorkerId,
}

fn parse_worker(text: &str) -> Result<WorkerId, String> {
    let mut id = [0; 32];
    hex::decode_to_slice(text.trim_start_matches("0x"), &mut id)
        .map_err(|_| "write the 32 bytes of the worker's public key in hex".to_owned())?;
    Ok(WorkerId(id))
}

/// Readmits a worker.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Report, CliError> {
    let account = context.account()?;
    let chain = context.chain().await?;
    let worker = args.id;
    let submitting = chain.submit(&account, Call::ReadmitWorker { worker });
    let submitted = waiting("waiting for the chain", submitting).await?;
    let text = format!(
        "{worker} may be assigned to a cluster again. It has wiped the state that differed, and will replay its cluster's blocks."
    );
    let json = json!({ "worker": worker.to_string(), "block": submitted.block });
    Ok(Report::new(text, json))
}
