//! `phat query`: asks a contract.

use crate::{
    args::Invocation,
    context::Context,
    error::CliError,
    report::{Report, style, waiting},
};
use phat_client::{ClientError, Output, Readable};
use serde_json::json;

/// Arguments of `phat query`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  phat query token balance_of //Alice
  phat query token balance_of //Alice --worker http://127.0.0.1:8001 --json
  phat query 45xGpmHzQQAJW3SjS5fFyJ5t4cQWUKL3SGBzPvrzRLLqnKQt get --bundle flipper.contract")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) call: Invocation,
}

/// Asks a contract.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Report, CliError> {
    let call = args.call;
    let client = context.client().await?;
    let (id, bundle) = context
        .contract(client.chain(), &call.contract, call.bundle.as_deref())
        .await?;
    let function = bundle
        .interface
        .message(&call.message)
        .map_err(ClientError::from)?;
    let asking = client.query(id, &bundle.interface, &call.message, &call.args);
    let answer = waiting("waiting for the worker", asking).await?;
    let mut text = match answer.output.readable() {
        // Alone, text is shown as it is.
        Readable::Text(text) => text.clone(),
        other => other.to_string(),
    };
    if let Output::LangError(_) = answer.output {
        text = format!(
            "{} {text}",
            style::bad("refused before the contract's own code ran:")
        );
    }
    if function.mutates && !context.global().json {
        anstream::eprintln!(
            "{} `{}` changes the contract, and nothing of that stays after a query: use `phat call`",
            style::strong("note:"),
            function.label,
        );
    }
    let failed = answer.output.error().is_some();
    let json = json!({
        "output": answer.output.readable().to_json(),
        "ok": !failed,
        "reverted": answer.reverted,
        "gas_used": answer.gas.to_string(),
        "worker": client.worker().id().to_string(),
    });
    Ok(Report { text, json, failed })
}
