//! `phat receipt`: how a command ended. Other commands show receipts in the same way.

use crate::{
    book::{hex, read_limited},
    context::Context,
    error::CliError,
    report::{Report, lines, style, waiting},
};
use phat_client::{
    ChainClient, Interface, Output, ProvenReceipt,
    amount::show_amount,
    keys::address,
    primitives::{
        AccountId, ContractId,
        policy::Refused,
        receipt::{ContractEvent, Failure, Receipt, Success},
    },
};
use serde_json::{Value as Json, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Arguments of `phat receipt`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  phat receipt 42
  phat receipt 42 --prove --output receipt.json   for others, without giving them access
  phat receipt --check receipt.json               asks the chain, and no worker")]
pub(crate) struct Args {
    /// Number of the command's message, as `phat call` and `phat deploy` show it
    #[arg(required_unless_present = "check", conflicts_with = "check")]
    number: Option<u64>,
    /// Prove it: waits until the workers have agreed on a state that contains it
    #[arg(long, requires = "number")]
    prove: bool,
    /// Write the proof to a file [default: with --json, to the standard output]
    #[arg(long, value_name = "FILE", requires = "prove")]
    output: Option<PathBuf>,
    /// Check a proof against the chain
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
}

/// Shows a receipt.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Report, CliError> {
    if let Some(path) = &args.check {
        return check(context, path).await;
    }
    let number = args.number.unwrap_or_default();
    let client = context.client().await?;
    if args.prove {
        let proving = client.prove_receipt(number);
        let proven = waiting("waiting for the workers to agree", proving).await?;
        let mut report = show_proven(context, client.chain(), &proven).await;
        if let Some(path) = &args.output {
            std::fs::write(path, format!("{:#}\n", report.json)).map_err(|source| {
                CliError::Unwritten {
                    path: path.clone(),
                    source,
                }
            })?;
            let written = ("written", path.display().to_string());
            report.text.push_str(&lines(&[written]));
        }
        return Ok(report);
    }
    let Some(receipt) = waiting("asking a worker", client.receipt(number)).await? else {
        let text = format!("Message {number} has not been applied yet: ask again.");
        return Ok(Report::new(
            text,
            json!({ "number": number, "pending": true }),
        ));
    };
    Ok(show_known(context, client.chain(), &receipt).await)
}

/// Checks the proof in a file. Its receipt is shown only if it holds.
async fn check(context: &Context, path: &Path) -> Result<Report, CliError> {
    let bytes = read_limited(path).map_err(|source| CliError::File {
        path: path.into(),
        source,
    })?;
    let bad = |source| CliError::Proof {
        path: path.into(),
        source,
    };
    let proven = ProvenReceipt::from_json(&bytes).map_err(bad)?;
    let chain = context.chain().await?;
    waiting("asking the chain", proven.check(&chain))
        .await
        .map_err(bad)?;
    let report = show_proven(context, &chain, &proven).await;
    // That it is proven is what was asked for, however the command ended.
    Ok(Report {
        failed: false,
        ..report
    })
}

/// Shows a receipt whose proof holds.
async fn show_proven(context: &Context, chain: &ChainClient, proven: &ProvenReceipt) -> Report {
    let mut report = show_known(context, chain, &proven.proof.receipt).await;
    let cluster = proven.cluster.to_low_u64_be();
    report.text.push_str(&lines(&[
        ("state root", hex(proven.proof.receipt.state_root)),
        (
            "proven",
            format!(
                "cluster {cluster} has agreed on it after block {}",
                proven.agreed_block
            ),
        ),
    ]));
    let mut json = proven.to_json();
    json["receipt"] = report.json;
    report.json = json;
    report
}

/// Shows a receipt, and the events of contracts whose bundles are kept here.
async fn show_known(context: &Context, chain: &ChainClient, receipt: &Receipt) -> Report {
    let mut bundles = BTreeMap::new();
    for event in &receipt.events {
        if !bundles.contains_key(&event.contract)
            && let Some(bundle) = context.known_bundle(chain, event.contract).await
        {
            bundles.insert(event.contract, bundle);
        }
    }
    let interface = |id| bundles.get(&id).map(|bundle| &bundle.interface);
    let title = format!("message {}", receipt.number);
    show(&title, receipt, None, interface)
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
        format!(
            "{} used, {} refunded, fee {}",
            receipt.gas_used,
            receipt.gas_refunded,
            show_amount(receipt.fee)
        ),
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
        "refused": refused(match &receipt.outcome {
            Err(Failure::Refused(refused)) => Some(refused.code()),
            _ => None,
        }),
        "gas_used": receipt.gas_used.to_string(),
        "gas_refunded": receipt.gas_refunded.to_string(),
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
        Err(failure @ Failure::Refused(_)) => ("reason", failure.to_string()),
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

/// Why the policy refused something, for programs.
pub(crate) fn refused(code: Option<[u8; 4]>) -> Json {
    match code.and_then(Refused::named) {
        Some((by, code)) => json!({ "by": by, "code": code }),
        None => Json::Null,
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
    use phat_client::{
        Readable,
        primitives::{Hash, policy::Refusal},
    };

    fn receipt(outcome: Result<Success, Failure>) -> Receipt {
        Receipt {
            number: 7,
            block: 3,
            sender: AccountId([1; 32]),
            outcome,
            gas_used: 5,
            gas_refunded: 6,
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
        assert_eq!(report.json["gas_refunded"], "6");
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
    fn a_refusal_by_the_policy_has_its_code_for_programs() {
        let refusal = Refusal {
            code: 7,
            reason: "members only".into(),
        };
        for (refused, by, code) in [
            (Refused::ByControl(refusal), "control", json!(7)),
            (Refused::ControlGone, "control-gone", Json::Null),
        ] {
            let report = show("x", &receipt(Err(Failure::Refused(refused))), None, |_| {
                None
            });
            assert!(report.failed);
            assert!(report.text.contains("policy"), "{}", report.text);
            assert_eq!(report.json["refused"], json!({"by": by, "code": code}));
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
