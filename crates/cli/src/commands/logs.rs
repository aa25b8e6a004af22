//! `phat logs`: what a contract has logged, as it comes.

use crate::{
    context::Context,
    error::CliError,
    report::{style, waiting},
};
use phat_client::{
    Interface,
    logs::{LogEntry, LogRecord},
    primitives::{ContractId, Hash, receipt::ContractEvent},
};
use std::{io::Write, time::Duration};

/// How often to ask for new records.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Records in one answer.
const AT_ONCE: u64 = 500;

/// Arguments of `phat logs`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  phat logs token
  phat logs token --follow --tail 0 --json | jq .message")]
pub(crate) struct Args {
    /// Name or address of the contract. You must have made it, or own the cluster
    contract: String,
    /// Go on until Ctrl-C
    #[arg(long)]
    follow: bool,
    /// How many of the latest records to begin with, 500 at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=500))]
    tail: u32,
}

/// Prints records.
pub(crate) async fn run(context: &Context, args: Args) -> Result<(), CliError> {
    let client = context.client_of(&args.contract).await?;
    let chain = client.chain();
    let id = context.book()?.find(chain.genesis(), &args.contract)?;
    let known = chain.contract(id).await?.ok_or(CliError::NoContract(id))?;
    let account = context.account()?.id();
    if account != known.deployer && account != client.cluster().owner {
        return Err(CliError::NotOwner(id));
    }
    let bundle = context.known_bundle(chain, id).await;
    let interface = bundle.as_ref().map(|bundle| &bundle.interface);
    let json = context.global().json;
    let first = -i64::from(args.tail);
    let asking = async {
        match first {
            // Nothing but where the log ends.
            0 => client.logs(id, i64::MAX, 1).await,
            _ => client.logs(id, first, AT_ONCE).await,
        }
    };
    let mut logs = waiting("asking a worker", asking).await?;
    loop {
        for record in &logs.records {
            if !print(record, id, interface, json) {
                return Ok(());
            }
        }
        if !args.follow {
            return Ok(());
        }
        let full = logs.records.len() as u64 == AT_ONCE;
        let cursor = logs.next;
        tokio::select! {
            () = tokio::time::sleep(ASK_AGAIN), if !full => {}
            () = std::future::ready(()), if full => {}
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
        let from = i64::try_from(cursor).unwrap_or(i64::MAX);
        logs = tokio::select! {
            next = client.logs(id, from, AT_ONCE) => next?,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        if logs.next < cursor {
            // The worker has been started anew, and its log begins again.
            logs = client.logs(id, 0, AT_ONCE).await?;
        }
    }
}

/// Prints a record; `false` if nobody reads any more.
fn print(
    record: &LogRecord,
    contract: ContractId,
    interface: Option<&Interface>,
    json: bool,
) -> bool {
    let line = match json {
        true => serde_json::to_string(record).unwrap_or_default(),
        false => text(record, contract, interface),
    };
    let mut out = anstream::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

fn text(record: &LogRecord, contract: ContractId, interface: Option<&Interface>) -> String {
    let said = match &record.entry {
        LogEntry::Log {
            exec_mode,
            level,
            message,
            ..
        } => {
            let level = match level {
                1 => style::bad("error"),
                2 => style::bad("warn"),
                3 => "info".into(),
                4 => style::dim("debug"),
                _ => style::dim("trace"),
            };
            format!("{level} {} {}", style::dim(exec_mode), clean(message))
        }
        LogEntry::MessageOutput { origin, output, .. } => {
            format!("output {output} {}", style::dim(&format!("for {origin}")))
        }
        LogEntry::Event { topics, payload } => {
            let event = event(contract, topics, payload);
            let decoded = event
                .as_ref()
                .and_then(|event| interface?.decode_event(event))
                .and_then(Result::ok);
            match decoded {
                Some(readable) => format!("event {}", clean(&readable.to_string())),
                None => format!("event {payload}"),
            }
        }
    };
    format!(
        "{} {said}",
        style::dim(&format!("{:>8}", record.block_number))
    )
}

/// A contract's lines must not move the cursor of somebody's terminal.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

fn event(contract: ContractId, topics: &[String], payload: &str) -> Option<ContractEvent> {
    let bytes = |text: &str| hex::decode(text.trim_start_matches("0x")).ok();
    let topics = topics.iter().map(|topic| {
        let topic: [u8; 32] = bytes(topic)?.try_into().ok()?;
        Some(Hash::from(topic))
    });
    Some(ContractEvent {
        contract,
        topics: topics.collect::<Option<_>>()?,
        data: bytes(payload)?,
    })
}
