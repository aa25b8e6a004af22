//! `phat receipt`: how a command ended. Other commands show receipts in the same way.

use crate::{
    book::hex,
    context::Context,
    error::CliError,
    report::{Report, lines, style, waiting},
};
use phat_client::{
    Interface, Output,
    amount::show_amount,
    keys::address,
    primitives::{
        AccountId, ContractId,
        receipt::{ContractEvent, Failure, Receipt, Success},
    },
};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Arguments of `phat receipt`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  phat receipt 42")]
pub(crate) struct Args {
    /// Number of the command's message, as `phat call` and `phat deploy` show it
    number: u64,
}

/// Shows a receipt.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Report, CliError> {
    let client = context.client().await?;
    let Some(receipt) = waiting("asking a worker", client.receipt(args.number)).await? else {
        let text = format!(
            "Message {} has not been applied yet: ask again.",
            args.number
        );
        return Ok(Report::new(
            text,
            json!({ "number": args.number, "pending": true }),
        ));
    };
    let mut bundles = BTreeMap::new();
    for event in &receipt.events {
        if !bundles.contains_key(&event.contract)
            && let Some(bundle) = context.known_bundle(client.chain(), event.contract).await
        {
            bundles.insert(event.contract, bundle);
        }
    }
    let interface = |id| bundles.get(&id).map(|bundle| &bundle.interface);
    Ok(show(
        &format!("message {}", args.number),
        &receipt,
        None,
        interface,
    ))
}

/// Reports a receipt. `interface` knows the contracts whose events can be read.
pub(crate) fn show<'a>(
    title: &str,
    receipt: &Receipt,
    output: Option<&Output>,
    interface: impl Fn(ContractId) -> Option<&'a Interface>,
) -> Report {
    let failed = receipt.outcome.is_err() || output.is_some_and(|output| output.error().is_some());
    let mark = if failed {
        style::bad("failed")
    } else {
        style::good("done")
    };
    let mut text = format!(
        "{mark} {title}, block {}, message {}\n",
        receipt.block, receipt.number
    );
    let mut rows = Vec::new();
    let (word, said) = outcome(receipt, output);
    rows.push((word, said.clone()));
    rows.push((
        "gas",
        format!("{}, fee {}", receipt.gas_used, show_amount(receipt.fee)),
    ));
    if receipt.storage_deposit != 0 {
        let amount = show_amount(receipt.storage_deposit.unsigned_abs());
        let way = if receipt.storage_deposit > 0 {
            "paid"
        } else {
            "returned"
        };
        rows.push(("storage", format!("{amount} {way}")));
    }
    let events: Vec<(String, Json)> = receipt
        .events
        .iter()
        .map(|event| show_event(event, interface(event.contract)))
        .collect();
    rows.extend(events.iter().map(|(text, _)| ("event", text.clone())));
    text.push_str(&lines(&rows));
    let json = json!({
        "ok": !failed,
        "number": receipt.number,
        "block": receipt.block,
        "sender": address(&receipt.sender),
        word: said,
        "output": output.map(|output| output.readable().to_json()),
        "gas_used": receipt.gas_used.to_string(),
        "fee": receipt.fee.to_string(),
        "storage_deposit": receipt.storage_deposit.to_string(),
        "events": events.into_iter().map(|(_, json)| json).collect::<Vec<_>>(),
        "state_root": hex(receipt.state_root),
    });
    Report { text, json, failed }
}

/// What kind of end it is, and which.
fn outcome(receipt: &Receipt, output: Option<&Output>) -> (&'static str, String) {
    let returned = |bytes: &[u8]| match output {
        Some(output) => output.readable().to_string(),
        None => format!("0x{}", hex::encode(bytes)),
    };
    match &receipt.outcome {
        Ok(Success::Called(bytes) | Success::Instantiated(_, bytes)) => {
            ("returned", returned(bytes))
        }
        Ok(Success::Uploaded(hash)) => ("code", hex(*hash)),
        Ok(Success::Withdrawn(amount)) => ("withdrawn", show_amount(*amount)),
        Err(Failure::Reverted(bytes)) => ("reverted", returned(bytes)),
        Err(Failure::Failed(reason)) => ("reason", reason.clone()),
        Err(Failure::Unreadable(reason)) => {
            ("reason", format!("the command could not be read: {reason}"))
        }
        Err(Failure::CodeRejected(reason)) => ("reason", format!("the code is refused: {reason}")),
        Err(Failure::Unpaid { needed, available }) => (
            "reason",
            format!(
                "{} were needed in the cluster, {} were there: `phat transfer AMOUNT --to-cluster`",
                show_amount(*needed),
                show_amount(*available),
            ),
        ),
    }
}

fn show_event(event: &ContractEvent, interface: Option<&Interface>) -> (String, Json) {
    let contract = address(&AccountId::from(event.contract));
    let data = format!("0x{}", hex::encode(&event.data));
    let topics: Vec<String> = event.topics.iter().map(|topic| hex(*topic)).collect();
    let decoded = interface
        .and_then(|interface| interface.decode_event(event))
        .and_then(Result::ok);
    let text = match &decoded {
        Some(readable) => readable.to_string(),
        None => format!("{data} of {contract}"),
    };
    let json = json!({
        "contract": contract,
        "topics": topics,
        "data": data,
        "event": decoded.map(|readable| readable.to_json()),
    });
    (text, json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use phat_client::{Readable, primitives::Hash};

    fn receipt(outcome: Result<Success, Failure>) -> Receipt {
        Receipt {
            number: 7,
            block: 3,
            sender: AccountId([1; 32]),
            outcome,
            gas_used: 5,
            fee: 1,
            storage_deposit: -2,
            events: vec![ContractEvent {
                contract: Hash::zero(),
                topics: vec![Hash::zero()],
                data: vec![1],
            }],
            state_root: Hash::repeat_byte(9),
        }
    }

    #[test]
    fn a_success_tells_people_and_programs_the_same() {
        let output = Output::Value(Readable::Small(4));
        let report = show(
            "get applied",
            &receipt(Ok(Success::Called(vec![4]))),
            Some(&output),
            |_| None,
        );
        assert!(!report.failed);
        for part in [
            "get applied",
            "message 7",
            "block 3",
            "4",
            "0.000000000002 PHA returned",
            "0x01 of",
        ] {
            assert!(report.text.contains(part), "{part}: {}", report.text);
        }
        assert_eq!(report.json["ok"], true);
        assert_eq!(report.json["output"], 4);
        assert_eq!(report.json["returned"], "4");
        assert_eq!(report.json["gas_used"], "5");
        assert_eq!(report.json["storage_deposit"], "-2");
        assert_eq!(report.json["events"][0]["data"], "0x01");
    }

    #[test]
    fn every_failure_says_why() {
        for (failure, part) in [
            (Failure::Reverted(vec![0xab]), "0xab"),
            (Failure::Failed("out of gas".into()), "out of gas"),
            (Failure::Unreadable("bad tag".into()), "bad tag"),
            (Failure::CodeRejected("not Wasm".into()), "not Wasm"),
            (
                Failure::Unpaid {
                    needed: 2_000_000_000_000,
                    available: 0,
                },
                "2 PHA were needed",
            ),
        ] {
            let report = show("x", &receipt(Err(failure)), None, |_| None);
            assert!(report.failed);
            assert!(report.text.contains(part), "{part}: {}", report.text);
            assert_eq!(report.json["ok"], false);
        }
    }

    #[test]
    fn an_error_that_the_contract_returns_is_a_failure() {
        let error = Readable::Variant(
            "Err".into(),
            Box::new(Readable::Tuple(vec![Readable::Small(1)])),
        );
        let report = show(
            "x",
            &receipt(Ok(Success::Called(vec![]))),
            Some(&Output::Value(error)),
            |_| None,
        );
        assert!(report.failed);
        assert!(report.text.contains("Err(1)"), "{}", report.text);
    }
}
