//! `phat query`: asks a contract.

use crate::{
    args::Invocation,
    book::hex,
    context::Context,
    error::CliError,
    report::{Report, lines, style, waiting},
};
use codec::Encode;
use phat_client::{
    ClientError, Output, Readable, Terms, amount::parse_amount, keys::address, primitives::Balance,
};
use serde_json::json;

/// Arguments of `phat query`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  phat query token balance_of //Alice
  phat query token balance_of //Alice --worker http://127.0.0.1:8001 --json
  phat query token total_supply --signed --json
  phat query token total_supply --pay 0.01PHA
  phat query 45xGpmHzQQAJW3SjS5fFyJ5t4cQWUKL3SGBzPvrzRLLqnKQt get --bundle flipper.contract")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) call: Invocation,
    /// Have the worker sign its answer, and show what it has signed (all of it with --json), so that
    /// others can check it
    #[arg(long)]
    signed: bool,
    /// Pay so much of your credit, in a cluster that weighs queries by that: 0.01PHA, or smallest units
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount, default_value = "0")]
    pay: Balance,
}

fn bytes(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// Asks a contract.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Report, CliError> {
    let call = args.call;
    let client = context.client_of(&call.contract).await?;
    let (id, bundle) = context
        .contract(client.chain(), &call.contract, call.bundle.as_deref())
        .await?;
    let function = bundle
        .interface
        .message(&call.message)
        .map_err(ClientError::from)?;
    let (interface, message) = (&bundle.interface, &call.message);
    let answer = waiting("waiting for the worker", async {
        let terms = Terms {
            sign: args.signed,
            pay: args.pay,
        };
        client.ask(id, interface, message, &call.args, terms).await
    })
    .await?;
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
    if let Some(signed) = &answer.signed {
        text.push_str(&format!(
            "\n{}",
            lines(&[
                ("signed by", signed.worker.to_string()),
                ("signature", bytes(&signed.statement.signature)),
                ("block", answer.block.to_string()),
                ("state root", hex(answer.state_root)),
            ])
        ));
    }
    let failed = answer.output.error().is_some();
    let json = json!({
        "output": answer.output.readable().to_json(),
        "ok": !failed,
        "reverted": answer.reverted,
        "gas_used": answer.gas.to_string(),
        "worker": client.worker().id().to_string(),
        "block": answer.block,
        "state_root": hex(answer.state_root),
        "signed": answer.signed.as_ref().map(|signed| {
            let statement = &signed.statement.statement;
            json!({
                "worker": signed.worker.to_string(),
                "genesis": hex(statement.genesis),
                "caller": address(&statement.caller),
                "code_hash": statement.code_hash.map(hex),
                "block": statement.block,
                "state_root": hex(statement.state_root),
                "request": bytes(&signed.request),
                "answer": bytes(&signed.answer),
                "statement": bytes(&statement.encode()),
                "signature": bytes(&signed.statement.signature),
            })
        }),
    });
    Ok(Report { text, json, failed })
}
