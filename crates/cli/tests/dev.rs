//! `phat dev` from outside: the built program in its own process, real contracts, real clients.

mod running;

use phat_client::{Account, Client, Interface, Options, WorkerClient};
use phat_primitives::{
    ContractId,
    receipt::{Receipt, Success},
};
use running::{Network, clients::bundle, start};
use serde_json::Value;
use std::time::Duration;

/// What the token is made with, see the examples of `phat dev`.
const SUPPLY: u128 = 1_000_000_000_000_000_000;

/// An account's tokens, asked of one worker.
async fn balance(network: &Network, worker: usize, token: ContractId, owner: &str) -> u128 {
    let client = network.client(worker, owner).await;
    let api = bundle("token").interface;
    let answer = client
        .query(token, &api, "balance_of", &[owner])
        .await
        .expect("an answer");
    answer
        .output
        .readable()
        .to_string()
        .replace('_', "")
        .parse()
        .expect("a number")
}

/// Blocks until all workers report the same block, and returns their state roots.
async fn roots(network: &Network) -> Vec<String> {
    for _ in 0..200 {
        let mut infos = Vec::new();
        for index in 0..network.workers() {
            let worker = WorkerClient::connect(&network.worker(index))
                .await
                .expect("it answers");
            infos.push(worker.info().await.expect("it answers"));
        }
        if infos.iter().all(|info| info.blocknum == infos[0].blocknum) {
            return infos.into_iter().map(|info| info.state_root).collect();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the workers do not come to the same block");
}

fn all_equal(roots: &[String]) -> bool {
    roots
        .iter()
        .all(|root| root == &roots[0] && root.len() == 66)
}

async fn transfer(client: &Client, token: ContractId, to: &str, amount: u128) {
    let api = bundle("token").interface;
    let args = [to.to_owned(), amount.to_string(), String::new()];
    let applied = client
        .call(token, &api, "transfer", &args, &Options::default())
        .await
        .expect("the command is applied");
    assert!(
        matches!(applied.receipt.outcome, Ok(Success::Called(_))),
        "{applied:?}"
    );
    assert!(applied.receipt.gas_used > 0);
    assert!(
        !applied.receipt.events.is_empty(),
        "a transfer emits an event"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_moves_by_command_and_every_worker_says_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = start(folder.path(), &[]);
    let token = network.contract("token");
    for worker in 0..3 {
        assert_eq!(balance(&network, worker, token, "//Alice").await, SUPPLY);
    }
    let alice = network.client(0, "//Alice").await;
    transfer(&alice, token, "//Bob", 1_000).await;
    assert!(all_equal(&roots(&network).await));
    for worker in 0..3 {
        assert_eq!(
            balance(&network, worker, token, "//Alice").await,
            SUPPLY - 1_000
        );
        assert_eq!(balance(&network, worker, token, "//Bob").await, 1_000);
    }
    // More than Bob has: the trial run says so, with the contract's own error.
    let bob = network.client(1, "//Bob").await;
    let api = bundle("token").interface;
    let refused = bob
        .call(
            token,
            &api,
            "transfer",
            &["//Alice", "5000", ""],
            &Options::default(),
        )
        .await
        .expect_err("there is not enough");
    assert!(
        refused.to_string().contains("InsufficientBalance"),
        "{refused}"
    );
    let before = roots(&network).await;
    network.stop();

    let network = start(folder.path(), &[]);
    assert_eq!(roots(&network).await, before, "everything is there again");
    assert_eq!(balance(&network, 2, token, "//Bob").await, 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_reads_from_a_server_and_keeps_what_it_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = start(folder.path(), &[]);
    let http = network.contract("http");
    let api = bundle("http").interface;
    let server = running::json_server(r#"{"rates": {"EUR": "0.91", "n": [1, 2]}}"#).await;
    let url = format!("http://{server}/rates");
    let alice = network.client(1, "//Alice").await;
    let fetched = alice
        .query(http, &api, "fetch", &[url.as_str(), "/rates/EUR"])
        .await
        .expect("an answer");
    assert_eq!(found(&fetched.output.readable().to_json()), "0.91");
    let missing = alice
        .query(http, &api, "fetch", &[url.as_str(), "/rates/USD"])
        .await
        .expect("an answer");
    assert!(missing.output.error().is_some(), "{missing:?}");
    alice
        .call(http, &api, "keep", &["0.91"], &Options::default())
        .await
        .expect("applied");
    for worker in 0..3 {
        let client = network.client(worker, "//Bob").await;
        let none: [&str; 0] = [];
        let kept = client
            .query(http, &api, "latest", &none)
            .await
            .expect("an answer");
        assert_eq!(kept.output.readable().to_json(), Value::from("0.91"));
    }
    // Addresses of the machine are allowed here, those of cloud providers' secrets never are.
    let secrets = "http://169.254.169.254/latest/meta-data";
    let refused = alice
        .query(http, &api, "fetch", &[secrets, "/x"])
        .await
        .expect("an answer");
    assert!(refused.output.error().is_some(), "{refused:?}");
}

fn found(json: &Value) -> &str {
    json.get("Ok").unwrap_or(json).as_str().expect("text")
}

#[test]
fn a_bundle_of_ink_3_is_deployed_called_and_asked_by_the_names_of_its_messages() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = start(&folder.path().join("network"), &["--no-examples"]);
    let run = |args: &[&str]| -> Value {
        let output = network.phat(folder.path(), args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let file = |name: &str| folder.path().join(name).display().to_string();
    let whole = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../contracts/legacy/artifacts/flipper3.contract"
    );
    // As the author's folder had it: the bundle, and its two halves.
    let mut json: Value = serde_json::from_slice(&std::fs::read(whole).expect("it is committed"))
        .expect("it is JSON");
    let source = json["source"].as_object_mut().expect("an object");
    let code = source.remove("wasm").expect("code");
    let code = hex::decode(code.as_str().expect("text").trim_start_matches("0x")).expect("hex");
    std::fs::write(file("flipper3.wasm"), code).expect("it is written");
    std::fs::write(file("metadata.json"), json.to_string()).expect("it is written");

    for (bundle, name) in [(whole, "whole"), (&file("flipper3.wasm"), "halves")] {
        let constructor = ["--constructor", "new", "true", "--name", name];
        let deployed = run(&[&["deploy", bundle][..], &constructor].concat());
        assert_eq!(deployed["ok"], true, "{deployed:#}");
        assert_eq!(run(&["query", name, "get"])["output"], true);

        let flipped = run(&["call", name, "flip"]);
        assert_eq!(flipped["ok"], true, "{flipped:#}");
        let event = &flipped["events"][0]["event"]["Flipped"];
        assert_eq!(event["value"], false, "{flipped:#}");
        assert_eq!(run(&["query", name, "get"])["output"], false);

        let set = run(&["call", name, "set_mine", "true"]);
        assert_eq!(set["output"], Value::Null, "None: {set:#}");
        let mine = run(&["query", name, "get_of", "//Alice"]);
        assert_eq!(mine["output"], true, "Some(true): {mine:#}");

        let refused = network.phat(folder.path(), &["call", name, "flip_at_most", "0"]);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(
            !refused.status.success() && said.contains("TooOften"),
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_in_a_contract_is_told_and_hurts_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = start(folder.path(), &["--no-examples"]);
    let alice = network.client(0, "//Alice").await;
    let caller = bundle("caller");
    let none: [&str; 0] = [];
    let deployed = alice
        .deploy(&caller, "new", &none, &Options::default())
        .await
        .expect("it is deployed");
    let (id, api) = (deployed.contract, &caller.interface);
    let fixed = Options {
        gas_limit: Some(50_000_000_000),
        ..Options::default()
    };

    let panicked = alice
        .query(id, api, "panic", &["out of cheese"])
        .await
        .expect_err("it panics");
    assert!(panicked.to_string().contains("out of cheese"), "{panicked}");
    let endless = alice
        .query(id, api, "spin", &none)
        .await
        .expect_err("it never ends");
    assert!(endless.to_string().contains("OutOfGas"), "{endless}");
    let unknown = alice
        .query(ContractId::repeat_byte(7), api, "count", &none)
        .await
        .expect_err("there is no such contract");
    assert!(unknown.to_string().contains("no contract"), "{unknown}");

    // As commands, which a trial run would have stopped, they end in a receipt.
    let before = count(&alice, id, api).await;
    for (message, arg) in [("spin", None), ("panic", Some("again"))] {
        let receipt = running::push_without_trial(&alice, id, api, message, arg, &fixed).await;
        assert!(receipt.outcome.is_err(), "{message}: {receipt:?}");
        assert!(receipt.fee > 0, "the fee for the gas used is kept");
    }
    let garbage = running::push_garbage(&alice, id).await;
    assert!(garbage.outcome.is_err());
    assert_eq!(garbage.fee, 0, "what cannot be read is not charged");
    assert_eq!(count(&alice, id, api).await, before);
    alice
        .call(id, api, "increment", &none, &Options::default())
        .await
        .expect("it works on");
    assert_eq!(count(&alice, id, api).await, before + 1);
    assert!(all_equal(&roots(&network).await));

    let wasm = running::upload_bytes(&alice, b"this is not Wasm".to_vec()).await;
    assert!(wasm.outcome.is_err(), "{wasm:?}");
}

async fn count(client: &Client, id: ContractId, api: &Interface) -> i64 {
    let none: [&str; 0] = [];
    let answer = client
        .query(id, api, "count", &none)
        .await
        .expect("an answer");
    answer
        .output
        .readable()
        .to_string()
        .replace('_', "")
        .parse()
        .expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_in_the_middle_of_a_stream_lose_no_applied_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut network = start(folder.path(), &[]);
    let token = network.contract("token");
    let mut ordered = Vec::new();
    let mut receipts: Vec<Receipt> = Vec::new();
    for round in 0..3 {
        let alice = network.client(round, "//Alice").await;
        let stream =
            running::Stream::begin(alice.clone(), token, &bundle("token").interface, "//Bob");
        // The kill comes while commands are being sent, ordered and applied.
        stream.wait_for(8 + 3 * round).await;
        let seen = running::receipts_seen(&alice, &stream.ordered()).await;
        network.kill();
        ordered.extend(stream.end().await);
        receipts.extend(seen);

        network = start(folder.path(), &[]);
        let alice = network.client(round, "//Alice").await;
        for number in &ordered {
            // It was in a block of the chain, so it is applied in the end.
            let receipt = alice.wait_for_receipt(*number).await.expect("a receipt");
            assert!(receipt.outcome.is_ok(), "{receipt:?}");
        }
        for receipt in &receipts {
            let again = alice
                .wait_for_receipt(receipt.number)
                .await
                .expect("a receipt");
            assert_eq!(again, *receipt, "an applied command stays as it was");
        }
        assert!(all_equal(&roots(&network).await));
        let bob = balance(&network, 0, token, "//Bob").await;
        for worker in 1..3 {
            assert_eq!(balance(&network, worker, token, "//Bob").await, bob);
        }
        // Of each round, the one on its way may have been ordered without our knowing.
        let known = ordered.len() as u128;
        assert!(
            bob >= known && bob <= known + round as u128 + 1,
            "{bob} of {known}"
        );
    }
    assert!(!receipts.is_empty(), "some were applied before a kill");
}

#[tokio::test(flavor = "multi_thread")]
async fn money_goes_into_a_cluster_and_out_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = start(folder.path(), &["--no-examples", "--block-time", "0.3"]);
    let client = network.client(0, "//Charlie").await;
    let id = Account::from_suri("//Charlie").expect("an account").id();
    let amount = 5_000_000_000_000;
    running::transfer_to_cluster(&client, amount).await;
    assert_eq!(
        client.cluster_balance(&id).await.expect("an answer").total,
        amount
    );
    let chain_before = client.chain().balance(&id).await.expect("an answer").free;
    let receipt = client
        .transfer_from_cluster(amount)
        .await
        .expect("it is applied");
    assert!(matches!(receipt.outcome, Ok(Success::Withdrawn(withdrawn)) if withdrawn == amount));
    // It arrives when most of the workers have reported it.
    for attempt in 0.. {
        let free = client.chain().balance(&id).await.expect("an answer").free;
        if free > chain_before {
            assert!(
                free - chain_before > amount / 2,
                "less the fee of the transaction"
            );
            break;
        }
        assert!(attempt < 200, "the money does not arrive");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(
        client.cluster_balance(&id).await.expect("an answer").total,
        0
    );
    let receipt = client
        .transfer_from_cluster(amount)
        .await
        .expect("it is applied");
    assert!(receipt.outcome.is_err(), "it is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_comes_later_has_the_same_state() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = start(folder.path(), &["--workers", "2"]);
    let token = network.contract("token");
    let alice = network.client(0, "//Alice").await;
    transfer(&alice, token, "//Bob", 77).await;
    network.stop();
    let network = start(folder.path(), &["--workers", "4"]);
    assert_eq!(network.workers(), 4);
    assert!(all_equal(&roots(&network).await));
    assert_eq!(balance(&network, 3, token, "//Bob").await, 77);
}

#[test]
fn what_keeps_it_from_starting_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    for (option, other) in [
        ("--chain-port", "--worker-port"),
        ("--worker-port", "--chain-port"),
    ] {
        let error = running::fails(folder.path(), &[option, &port, other, "0"]);
        assert!(
            error.contains(&port) && error.contains("stop what listens"),
            "{error}"
        );
    }
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").expect("it is written");
    let error = running::fails(&file, &["--chain-port", "0", "--worker-port", "0"]);
    assert!(error.contains("file"), "{error}");
    let error = running::fails(folder.path(), &["--workers", "0"]);
    assert!(error.contains("--workers"), "{error}");
}

/// What `phat workers` says of each worker, in the order of their ids.
fn workers_of(network: &Network, folder: &std::path::Path) -> Vec<Value> {
    let output = network.phat(folder, &["workers"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn worker_by_url(workers: &[Value], url: &str) -> Value {
    let mut workers = workers.iter();
    let found = workers.find(|worker| worker["endpoints"][0] == url);
    found.expect("it is registered").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_renew_their_evidence_and_one_that_cannot_goes_out_of_service_and_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let life = ["--evidence-life", "30", "--block-time", "0.5"];
    let faulty = [&life[..], &["--fault", "2:wrong-key"]].concat();
    let network = start(folder.path(), &faulty);
    let token = network.contract("token");
    let begun = workers_of(&network, folder.path());
    for worker in &begun {
        assert_eq!(worker["in_service"], true, "{worker:#}");
        assert_eq!(worker["confidence"], 128);
        assert!(worker["performance"].as_u64() > Some(0), "{worker:#}");
    }
    let expiry = |worker: &Value| worker["evidence_expires_ms"].as_u64();
    let (honest, liar) = (network.worker(0), network.worker(2));
    let mut attempts = 0;
    let (renewed, out) = loop {
        let workers = workers_of(&network, folder.path());
        let (renewed, out) = (
            worker_by_url(&workers, &honest),
            worker_by_url(&workers, &liar),
        );
        let later = expiry(&renewed) > expiry(&worker_by_url(&begun, &honest));
        // The worker asks the chain how it stands every few blocks.
        let told = out["warning"]
            .as_str()
            .is_some_and(|warning| warning.contains("out of service"));
        if later && out["in_service"] == false && told {
            break (renewed, out);
        }
        attempts += 1;
        assert!(attempts < 300, "{renewed:#} {out:#}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    };
    assert_eq!(renewed["in_service"], true);
    assert_eq!(out["cluster"], Value::Null, "{out:#}");
    // The others are fine, and serve.
    let alice = network.client(0, "//Alice").await;
    transfer(&alice, token, "//Bob", 5).await;
    assert_eq!(balance(&network, 1, token, "//Bob").await, 5);
    network.stop();

    // Without the fault it renews, is back in its cluster, and has the cluster's state again.
    let network = start(folder.path(), &life);
    assert_eq!(balance(&network, 2, token, "//Bob").await, 5);
    assert!(all_equal(&roots(&network).await));
    for worker in workers_of(&network, folder.path()) {
        assert_eq!(worker["in_service"], true, "{worker:#}");
        assert_ne!(worker["cluster"], Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_whose_evidence_expired_while_it_was_stopped_comes_up_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ["--evidence-life", "12", "--block-time", "1"];
    let network = start(folder.path(), &options);
    let token = network.contract("token");
    let alice = network.client(0, "//Alice").await;
    transfer(&alice, token, "//Bob", 7).await;
    network.stop();
    tokio::time::sleep(Duration::from_secs(13)).await;
    let network = start(folder.path(), &options);
    assert_eq!(balance(&network, 1, token, "//Bob").await, 7);
    assert!(all_equal(&roots(&network).await));
}
