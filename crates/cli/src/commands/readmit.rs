//! `phat readmit`: lets a worker that has diverged be in a cluster again.

use crate::{
    context::Context,
    error::CliError,
    report::{Report, waiting},
};
use phat_client::chain::Call;
use serde_json::json;

/// Arguments of `phat readmit`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  phat workers          shows which worker differed, and after which block
  phat readmit 0x1234…  once you know why")]
pub(crate) struct Args {
    /// The worker: its public key, or as much of its beginning as no other has. You must be its
    /// operator
    worker: String,
}

/// Readmits a worker.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Report, CliError> {
    let account = context.account()?;
    let chain = context.chain().await?;
    let worker = context.worker(&chain, &args.worker).await?;
    let submitting = chain.submit(&account, Call::ReadmitWorker { worker });
    let submitted = waiting("waiting for the chain", submitting).await?;
    let text = format!(
        "{worker} may be assigned to a cluster again. It has wiped the state that differed, and will replay its cluster's blocks."
    );
    let json = json!({ "worker": worker.to_string(), "block": submitted.block });
    Ok(Report::new(text, json))
}
