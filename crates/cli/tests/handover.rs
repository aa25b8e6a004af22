//! `phat worker --successor-of`: a worker's identity goes to its successor, and to nobody else.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod running;

use phat_primitives::ids::cluster_id;
use running::{
    Stream,
    clients::{agree, bundle},
    start,
    worker::{Worker, refused},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_is_the_same_worker_and_its_predecessor_stops_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--block-time", "0.1", "--workers", "2"];
    let network = start(&folder.path().join("network"), &options);
    let stream = Stream::begin(
        network.client(0, "//Alice").await,
        network.contract("token"),
        &bundle("token").interface,
        "//Bob",
    );
    stream.wait_for(5).await;
    stream.stop();

    let old_home = folder.path().join("old");
    let old = Worker::start(&old_home, &network, &["--cluster", "1"]);
    let (id, old_url) = (old.text("worker"), old.text("url"));

    // Neither a stranger nor what is no request gets anything, and the worker goes on.
    for suri in ["//Bob", "//Charlie"] {
        let said = refused(
            &folder.path().join(suri.replace('/', "")),
            network.chain(),
            &["--suri", suri, "--successor-of", &old_url],
        );
        assert!(said.contains("has another operator"), "{said}");
    }
    let http = reqwest::Client::new();
    let taken_without_key = [&[1u8][..], &[7; 64]].concat();
    for (body, code) in [
        (vec![], "no handover"),
        (vec![9; 33], "no handover"),
        (vec![0; 32], "no handover"),
        (vec![0; 33], "is not in service"),
        (taken_without_key, "signature"),
        (vec![0; 4096], "more than"),
    ] {
        let post = http.post(format!("{old_url}/handover")).body(body);
        let answer = post.send().await.unwrap();
        assert_eq!(answer.status(), 400);
        let said = String::from_utf8_lossy(&answer.bytes().await.unwrap()).into_owned();
        assert!(said.contains(code), "{said}");
    }
    agree(&old_url, &network.worker(0)).await;

    let home = folder.path().join("new");
    let options = ["--cluster", "1", "--successor-of", &old_url];
    let new = Worker::start(&home, &network, &options);
    assert_eq!(new.text("worker"), id);
    let url = new.text("url");
    assert_ne!(network.balance_of_bob(&url).await, "0");
    agree(&url, &network.worker(0)).await;
    let members = network.members(cluster_id(1)).await;
    let present = members.iter().find(|worker| worker.to_string() == id);
    assert_eq!(members.len(), 3, "nobody has joined or left");
    let endpoints = network
        .connect()
        .await
        .endpoints(*present.unwrap())
        .await
        .unwrap();
    assert_eq!(endpoints, [url.as_str()]);

    // The old one has ended without an error, and does not start again.
    let said = old.said();
    assert!(said.contains("stops for good"), "{said}");
    assert!(old.ended().success());
    let said = refused(&old_home, network.chain(), &["--cluster", "1"]);
    assert!(said.contains("handed over to its successor"), "{said}");

    // The new one is who it is after a crash too, with or without the option, and whether or not the
    // old one answers.
    new.kill();
    let again = Worker::start(&home, &network, &options);
    assert_eq!(again.text("worker"), id);
    assert!(
        again.said().contains("could not be told"),
        "{}",
        again.said()
    );
    again.kill();
    let again = Worker::start(&home, &network, &["--cluster", "1"]);
    assert_eq!(again.text("worker"), id);
    agree(&again.text("url"), &network.worker(0)).await;
}
