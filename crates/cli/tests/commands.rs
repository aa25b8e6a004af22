//! The commands on a network: a real chain and a stand-in worker.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod network;

use network::{BALANCE, Network, TOKEN, start, token, token_file};
use serde_json::Value as Json;
use std::{
    path::Path,
    process::{Command, Output},
};

/// Runs `phat` with a folder of its own, beside the network that it asks.
async fn phat(network: &Network, folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phat"));
    command
        .args(args)
        .args(["--chain", &network.chain])
        .env("XDG_DATA_HOME", folder)
        .env_remove("PHAT_SURI");
    tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap()
}

/// Runs a command that succeeds, and returns its JSON.
async fn json(network: &Network, folder: &Path, args: &[&str]) -> Json {
    let output = phat(network, folder, &[args, &["--json"]].concat()).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs a command that fails, and returns what it says.
async fn fails(network: &Network, folder: &Path, args: &[&str]) -> String {
    let output = phat(network, folder, args).await;
    assert_eq!(output.status.code(), Some(1), "{args:?}");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_chain_and_the_workers_say_is_shown() {
    let network = start().await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();

    let status = json(&network, folder, &["status"]).await;
    assert_eq!(status["well"], true, "{status:#}");
    assert_eq!(status["clusters"][0]["workers_answering"], 1);
    assert_eq!(status["clusters"][0]["gas_price"], "1000000000");
    assert_eq!(status["clusters"][0]["permission"], "Public");

    let workers = json(&network, folder, &["workers"]).await;
    assert_eq!(workers[0]["endpoints"][0], network.worker.as_str());
    assert_eq!(workers[0]["answers"], true);
    assert_eq!(workers[0]["version"], "1.2.3");

    let contracts = json(&network, folder, &["contracts"]).await;
    assert_eq!(contracts[0]["name"], "system");
    assert_eq!(contracts[1]["id"], format!("{TOKEN:?}"));
    assert_eq!(
        contracts[1]["code_hash"],
        format!("{:?}", token().code_hash)
    );

    let accounts = json(&network, folder, &["accounts"]).await;
    assert_eq!(accounts.as_array().unwrap().len(), 6);
    assert_eq!(accounts[1]["name"], "//Bob");
    assert_eq!(accounts[1]["free"], "10000000000000000000");
    assert_eq!(accounts[1]["cluster_free"], "0");

    for command in ["status", "workers", "contracts", "accounts"] {
        let text = phat(&network, folder, &[command]).await;
        assert!(
            text.status.success() && !text.stdout.contains(&0x1b),
            "{command}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn money_moves_on_the_chain() {
    let network = start().await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let sent = json(&network, folder, &["transfer", "1.5PHA", "//Bob"]).await;
    assert_eq!(sent["amount"], "1500000000000");
    let sent = json(
        &network,
        folder,
        &["transfer", "2PHA", "--to-cluster", "--suri", "//Bob"],
    )
    .await;
    assert_eq!(
        sent["number"], 0,
        "the deposit is the first message to the workers"
    );
    let bob = json(&network, folder, &["accounts", "//Bob"]).await;
    let free: u128 = bob[0]["free"].as_str().unwrap().parse().unwrap();
    // What he got and gave, and the fee.
    assert!(
        free < 9_999_999_500_000_000_000 && free > 9_999_999_000_000_000_000,
        "{free}"
    );

    let poor = fails(
        &network,
        folder,
        &["transfer", "1PHA", "//Bob", "--suri", "//Nobody"],
    )
    .await;
    assert!(poor.contains("pay"), "{poor}");
    let too_much = fails(
        &network,
        folder,
        &["transfer", "10_000_001PHA", "//Alice", "--suri", "//Bob"],
    )
    .await;
    assert!(
        too_much.contains("transfer_allow_death failed"),
        "{too_much}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn contracts_are_asked_called_and_deployed() {
    let network = start().await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (id, bundle) = (format!("{TOKEN:?}"), token_file());
    let bundle = bundle.to_str().unwrap();

    // The contract is there, but nobody here knows what it can be asked.
    let unknown = fails(&network, folder, &["query", &id, "balance_of", "//Bob"]).await;
    assert!(unknown.contains("--bundle"), "{unknown}");
    let with_bundle = |rest: &[&'static str]| [rest, &["--bundle"]].concat();
    let ask = with_bundle(&["balance_of", "//Bob"]);
    let answer = json(
        &network,
        folder,
        &[&["query", &id], ask.as_slice(), &[bundle]].concat(),
    )
    .await;
    assert_eq!(answer["output"], BALANCE.to_string());
    let worker = network.worker.clone();
    let text = phat(
        &network,
        folder,
        &[
            &["query", &id],
            ask.as_slice(),
            &[bundle, "--worker", &worker],
        ]
        .concat(),
    )
    .await;
    assert_eq!(
        String::from_utf8(text.stdout).unwrap(),
        format!("{BALANCE}\n")
    );

    let wrong = with_bundle(&["balance", "//Bob"]);
    let wrong = fails(
        &network,
        folder,
        &[&["query", &id], wrong.as_slice(), &[bundle]].concat(),
    )
    .await;
    assert!(
        wrong.contains("did you mean `PSP22::balance_of`?"),
        "{wrong}"
    );
    let nowhere = format!("0x{}", "99".repeat(32));
    let nowhere = fails(
        &network,
        folder,
        &["query", &nowhere, "x", "--bundle", bundle],
    )
    .await;
    assert!(nowhere.contains("there is no contract at 4"), "{nowhere}");

    // Messages 0 and 1: nobody has money in the cluster, so the command brings its own.
    let call = with_bundle(&["transfer", "//Bob", "10", ""]);
    let applied = json(
        &network,
        folder,
        &[&["call", &id], call.as_slice(), &[bundle]].concat(),
    )
    .await;
    assert_eq!(applied["ok"], true, "{applied:#}");
    assert_eq!(applied["number"], 1);
    assert_eq!(applied["output"], serde_json::json!({ "Ok": null }));
    assert_eq!(applied["events"][0]["event"]["Transfer"]["value"], "10");

    // What would fail is not sent.
    let nobody = "0x0000000000000000000000000000000000000000000000000000000000000000";
    let refused = fails(
        &network,
        folder,
        &[
            "call", &id, "transfer", nobody, "10", "", "--bundle", bundle,
        ],
    )
    .await;
    assert!(
        refused.contains("would fail: the contract returns Err("),
        "{refused}"
    );

    // Messages 2 and 3 deposit and upload, 4 and 5 deposit and instantiate; the worker says that it runs out of gas.
    let deployed = fails(
        &network,
        folder,
        &["deploy", bundle, "1_000", "Token", "TKN", "12"],
    )
    .await;
    assert!(deployed.contains("out of gas at 1250"), "{deployed}");
    assert!(deployed.contains("message 5"), "{deployed}");

    let receipt = json(&network, folder, &["receipt", "3"]).await;
    assert_eq!(receipt["code"], format!("{:?}", token().code_hash));
    let missing = fails(&network, folder, &["receipt", "99"]).await;
    assert!(missing.contains("no receipt 99"), "{missing}");
}
