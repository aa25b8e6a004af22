//! `phat worker`: one command from nothing to serving, also after a crash and without its disk.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod running;

use phat_client::{Account, chain::Call};
use phat_primitives::ids::cluster_id;
use running::{
    Network, Stream,
    clients::{agree, bundle, until},
    start,
    worker::{Worker, refused},
};
use std::fs;

/// Blocks after which a worker takes a snapshot rather than apply them, and some more.
const FAR: u64 = 64 + 20;

/// Some commands, and then so many blocks that a worker that joins takes a snapshot.
async fn grow(network: &Network) {
    let stream = Stream::begin(
        network.client(0, "//Alice").await,
        network.contract("token"),
        &bundle("token").interface,
        "//Bob",
    );
    stream.wait_for(5).await;
    stream.stop();
    let chain = network.connect().await;
    until("the chain is long enough", async || {
        chain.head().await.unwrap().number > FAR
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_joins_takes_a_snapshot_and_serves() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--block-time", "0.1", "--workers", "2"];
    let network = start(&folder.path().join("network"), &options);
    grow(&network).await;

    let home = folder.path().join("worker");
    let worker = Worker::start(&home, &network, &["--cluster", "1"]);
    let (id, url) = (worker.text("worker"), worker.text("url"));
    assert!(
        worker.said().contains("snapshot taken"),
        "{}",
        worker.said()
    );
    agree(&url, &network.worker(0)).await;
    let members = network.members(cluster_id(1)).await;
    assert_eq!(members.len(), 3);
    assert!(members.iter().any(|member| member.to_string() == id));
    assert_ne!(network.balance_of_bob(&url).await, "0");

    // It goes on where it was after a kill.
    worker.kill();
    let worker = Worker::start(&home, &network, &["--cluster", "1"]);
    assert_eq!(worker.text("worker"), id);
    agree(&worker.text("url"), &network.worker(0)).await;
    assert!(
        !worker.said().contains("snapshot taken"),
        "it had the state"
    );

    // And rejoins by itself when all but its key is lost.
    worker.kill();
    fs::remove_file(home.join("records.redb")).unwrap();
    fs::remove_dir_all(home.join("snapshots")).unwrap();
    let worker = Worker::start(&home, &network, &["--cluster", "1"]);
    assert_eq!(worker.text("worker"), id);
    assert!(
        worker.said().contains("snapshot taken"),
        "{}",
        worker.said()
    );
    agree(&worker.text("url"), &network.worker(0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_whose_workers_are_all_gone_comes_back_from_a_file_store() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--block-time", "0.1", "--workers", "2"];
    let network = start(&folder.path().join("network"), &options);
    grow(&network).await;

    // A third worker leaves a copy of its snapshot in a plain folder, and is then gone for good.
    let store = folder.path().join("bucket");
    let copies = store.to_str().unwrap();
    let third = Worker::start(
        &folder.path().join("third"),
        &network,
        &["--cluster", "1", "--snapshot-copies", copies],
    );
    let newest = store.join(hex::encode(cluster_id(1).0)).join("latest");
    until("a snapshot is copied", async || newest.exists()).await;
    third.kill();

    // All of the cluster's workers leave it; worker 0 is still the gatekeeper.
    let chain = network.connect().await;
    let alice = Account::from_suri("//Alice").unwrap();
    let cluster = cluster_id(1);
    for worker in network.members(cluster).await {
        let call = Call::RemoveWorker { worker, cluster };
        chain.submit(&alice, call).await.unwrap();
    }
    assert_eq!(network.members(cluster).await, []);

    let fresh = Worker::start(
        &folder.path().join("fresh"),
        &network,
        &["--cluster", "1", "--snapshots", copies],
    );
    let said = fresh.said();
    assert!(said.contains(&format!("source={copies}")), "{said}");
    assert!(said.contains("snapshot taken"), "{said}");
    assert_ne!(network.balance_of_bob(&fresh.text("url")).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let network = start(&folder.path().join("network"), &["--workers", "1"]);
    let home = folder.path().join("worker");
    let chain = network.chain();
    let wrong = format!("0x{}", "11".repeat(32));
    let said = refused(&home, chain, &["--genesis", &wrong]);
    assert!(said.contains("it is another chain"), "{said}");
    let said = refused(&home, "ws://127.0.0.1:1", &[]);
    assert!(said.contains("does not answer"), "{said}");
    let said = refused(&home, chain, &["--cluster", "99"]);
    assert!(said.contains("ClusterNotFound"), "{said}");
    let said = refused(&home, chain, &["--cluster", "1", "--suri", "//Bob"]);
    assert!(
        said.contains("operator") || said.contains("NotOperator"),
        "{said}"
    );
    let taken = network.worker(0).replace("http://", "");
    let said = refused(&home, chain, &["--listen", &taken]);
    assert!(said.contains("cannot listen on"), "{said}");
    let said = refused(&home, chain, &["--tee", "tdx"]);
    assert!(said.contains("--sealing-key"), "{said}");
    let said = refused(&home, chain, &["--tee", "gramine"]);
    assert!(said.contains("sealing key"), "{said}");
}
