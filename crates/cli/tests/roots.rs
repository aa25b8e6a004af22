//! Workers of a cluster agree on its state and receipts; one that differs leaves; receipts are proven
//! against what was agreed on; answers are signed.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod running;

use codec::Decode;
use phat_client::{Account, Options, Terms};
use phat_crypto::contexts;
use phat_primitives::{
    AccountId, Hash,
    ids::cluster_id,
    query::{AnswerStatement, InkQuery},
};
use phat_store::{OpenError, Owner, Space, Store};
use running::{
    clients::{bundle, found},
    start,
};
use serde_json::Value;
use std::path::Path;

/// Gives an account in a worker's copy of the cluster's state one unit more than it has. The worker is
/// not running; its own key opens its records.
fn bend(folder: &Path, genesis: Hash, account: AccountId) {
    let sealer = phat_worker::sealing::Sealer::development(folder).unwrap();
    let identity = phat_worker::identity::load_or_create(folder, &sealer)
        .unwrap()
        .key;
    let key = identity.derive_secret(contexts::STORE_KEY, &[]);
    let path = folder.join("records.redb");
    let open = |version| {
        let identity = &genesis.0;
        Store::open(&path, &key, Owner { version, identity })
    };
    let store = match open(0) {
        Err(OpenError::AnotherVersion { found, .. }) => open(found).unwrap(),
        _ => panic!("no worker writes version 0"),
    };
    // The space of the cluster's state, and the engine's record of an account in it.
    let (space, group) = (Space(3), b"a");
    let name = [group, &account.0[..]].concat();
    let value = store.snapshot().unwrap().get(space, group, &name).unwrap();
    let (free, held) = <(u128, u128)>::decode(&mut &value.unwrap()[..]).unwrap();
    let mut batch = store.batch();
    batch.put(
        space,
        group,
        &name,
        codec::Encode::encode(&(free + 1, held)),
    );
    batch.commit().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_differs_from_the_majority_is_marked_and_stops_serving() {
    let folder = tempfile::tempdir().unwrap();
    let network = start(folder.path(), &["--block-time", "0.2"]);
    let genesis = network.connect().await.genesis();
    let bent_url = network.worker(2);
    let bent_id = phat_client::WorkerClient::connect(&bent_url)
        .await
        .unwrap()
        .id();
    let user = folder.path().join("user");
    let status = network.does(&user, &["status"]);
    assert_eq!(status["clusters"][0]["workers_diverged"], 0);
    let flipper = bundle("flipper");
    let deployed = network
        .client(0, "//Bob")
        .await
        .deploy(&flipper, "new", &["true"], &Options::default())
        .await
        .unwrap();
    let (id, api) = (deployed.contract, flipper.interface);
    network.stop();

    let alice = Account::from_suri("//Alice").unwrap().id();
    bend(&folder.path().join("worker-2"), genesis, alice);
    let network = start(folder.path(), &["--block-time", "0.2"]);
    // The command's fee goes to Alice, so that it touches the record that was bent.
    let bob = network.client(0, "//Bob").await;
    let none: [&str; 0] = [];
    bob.call(id, &api, "flip", &none, &Options::default())
        .await
        .unwrap();

    let url = network.worker(2);
    let reason = found("the worker stops serving", async || {
        let response = reqwest::get(format!("{url}/health")).await.unwrap();
        let stopped = response.status().as_u16() == 503;
        let text = response.text().await.unwrap();
        (stopped && text.contains("taken out")).then_some(text)
    })
    .await;
    assert!(
        reason.contains("was not the one of the other workers"),
        "{reason}"
    );
    let chain = network.connect().await;
    let members = chain.cluster_workers(cluster_id(1)).await.unwrap();
    assert_eq!(members.len(), 2);
    assert!(!members.contains(&bent_id));
    let divergence = chain.divergence(bent_id).await.unwrap().unwrap();
    assert_ne!(divergence.reported.state_root, divergence.agreed.state_root);
    assert_ne!(divergence.reported.receipts, divergence.agreed.receipts);
    let workers = network.does(&user, &["workers"]);
    let shown = workers
        .as_array()
        .unwrap()
        .iter()
        .find(|worker| worker["id"] == bent_id.to_string());
    assert_eq!(shown.unwrap()["diverged"]["block"], divergence.block);
    let status = network.does(&user, &["status"]);
    assert_eq!(status["well"], false);
    assert_eq!(status["clusters"][0]["workers_diverged"], 1);
    // The others go on.
    bob.call(id, &api, "flip", &none, &Options::default())
        .await
        .unwrap();
    network.stop();

    // It stays out of a network that is started again, until its operator asks.
    let network = start(folder.path(), &["--block-time", "0.2"]);
    assert_eq!(network.workers(), 2);
    let output = network.phat(&user, &["readmit", &bent_id.to_string(), "--suri", "//Bob"]);
    assert!(!output.status.success(), "only its operator may");
    network.does(&user, &["readmit", &bent_id.to_string()]);
    network.stop();
    let network = start(folder.path(), &["--block-time", "0.2"]);
    assert_eq!(network.workers(), 3, "it has replayed its cluster's blocks");
    let status = network.does(&user, &["status"]);
    assert_eq!(status["well"], true, "{status:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_proven_to_somebody_who_has_the_chain_only() {
    let folder = tempfile::tempdir().unwrap();
    let network = start(folder.path(), &["--block-time", "0.2"]);
    let user = folder.path().join("user");
    let bob_to_carol = ["call", "token", "transfer", "//Charlie", "5", "''"];
    let number = network.does(&user, &[&bob_to_carol[..5], &[""]].concat())["number"].to_string();
    for _ in 0..2 {
        network.does(&user, &[&bob_to_carol[..5], &[""]].concat());
    }
    let file = folder.path().join("proof.json");
    let file = file.to_str().unwrap();
    let proven = network.does(&user, &["receipt", &number, "--prove", "--output", file]);
    assert_eq!(proven["receipt"]["number"].to_string(), number);
    let written: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(written, proven);

    // Somebody else, without any worker.
    let stranger = folder.path().join("stranger");
    let nowhere = ["--worker", "http://127.0.0.1:1"];
    let check = ["receipt", "--check", file];
    let seen = network.does(&stranger, &[&check[..], &nowhere].concat());
    assert_eq!(seen["receipt"]["ok"], true);
    assert_eq!(
        seen["receipt"]["state_root"],
        proven["receipt"]["state_root"]
    );

    // What is shown comes from what is proven, not from what else is in the file.
    let mut lying = proven.clone();
    lying["receipt"]["fee"] = "0".into();
    std::fs::write(file, lying.to_string()).unwrap();
    let seen = network.does(&stranger, &check);
    assert_eq!(seen["receipt"]["fee"], proven["receipt"]["fee"]);

    let refused = |document: &Value| {
        std::fs::write(file, document.to_string()).unwrap();
        let output = network.phat(&stranger, &check);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let hex = proven["proof"].as_str().unwrap();
    for position in (2..hex.len()).step_by(hex.len() / 12) {
        let mut bent = proven.clone();
        let mut text = hex.as_bytes().to_vec();
        text[position] = if text[position] == b'0' { b'1' } else { b'0' };
        bent["proof"] = String::from_utf8(text).unwrap().into();
        refused(&bent);
    }
    let mut other = proven.clone();
    other["genesis"] = format!("{:?}", Hash::repeat_byte(1)).into();
    assert!(refused(&other).contains("not of this one"));
    let mut later = proven.clone();
    later["agreed_block"] = 1_000_000.into();
    assert!(refused(&later).contains("does not remember"));

    let output = network.phat(&user, &["receipt", &number, "--prove", "--suri", "//Bob"]);
    assert!(!output.status.success(), "a receipt is its sender's");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_signed_if_asked_for_and_says_which_state_it_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let network = start(folder.path(), &[]);
    let client = network.client(1, "//Bob").await;
    let (token_id, api) = (network.contract("token"), bundle("token").interface);
    let none: [&str; 0] = [];
    let plain = client
        .query(token_id, &api, "total_supply", &none)
        .await
        .unwrap();
    assert!(plain.signed.is_none());
    assert!(plain.block > 0 && plain.state_root != Hash::zero());
    let signed = Terms {
        sign: true,
        ..Terms::default()
    };
    let answer = client
        .ask(token_id, &api, "total_supply", &none, signed)
        .await
        .unwrap();
    assert_eq!(answer.output, plain.output);
    let signed = answer.signed.unwrap();
    assert!(signed.holds());
    let AnswerStatement {
        caller, code_hash, ..
    } = signed.statement.statement;
    assert_eq!(caller, Account::from_suri("//Bob").unwrap().id());
    assert_eq!(code_hash, Some(bundle("token").code_hash));
    let query = InkQuery::decode(&mut &signed.request[..]).unwrap();
    assert_eq!(query.head.id, token_id);
    for change in [
        (|signed| signed.answer[40] ^= 1) as fn(&mut phat_client::worker::Signed),
        |signed| signed.request[40] ^= 1,
        |signed| signed.statement.signature[3] ^= 1,
        |signed| signed.statement.statement.block += 1,
        |signed| signed.statement.statement.code_hash = None,
        |signed| signed.statement.statement.state_root = Hash::zero(),
        |signed| signed.worker.0[1] ^= 1,
    ] {
        let mut bent = signed.clone();
        change(&mut bent);
        assert!(!bent.holds());
    }
    let user = folder.path().join("user");
    let shown = network.does(&user, &["query", "token", "total_supply", "--signed"]);
    assert_eq!(shown["signed"]["state_root"], shown["state_root"]);
    assert!(shown["signed"]["signature"].as_str().unwrap().len() == 130);
}
