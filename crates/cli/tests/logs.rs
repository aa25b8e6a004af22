//! Logs of contracts: who reads them, and how they come.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod running;

use phat_client::{
    Options,
    logs::{LogEntry, LogRecord},
};
use running::{
    clients::{artifact, bundle},
    start,
};
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_contracts_log_is_for_who_made_it_and_for_the_clusters_owner() {
    let folder = tempfile::tempdir().unwrap();
    let network = start(folder.path(), &["--no-examples", "--workers", "1"]);
    let (alice, bob, charlie) = (
        network.client(0, "//Alice").await,
        network.client(0, "//Bob").await,
        network.client(0, "//Charlie").await,
    );
    let token = bundle("token");
    let supply = ["1_000", "Token", "TKN", "12"];
    for private in [false, true] {
        let options = Options {
            private,
            ..Options::default()
        };
        let deployed = bob.deploy(&token, "new", &supply, &options).await.unwrap();
        let id = deployed.contract;
        let transfer = ["//Charlie", "5", ""];
        bob.call(
            id,
            &token.interface,
            "transfer",
            &transfer,
            &Options::default(),
        )
        .await
        .unwrap();
        let own = bob.logs(id, 0, 100).await.unwrap();
        let kinds: Vec<_> = own.records.iter().map(|record| &record.entry).collect();
        assert!(
            kinds
                .iter()
                .any(|kind| matches!(kind, LogEntry::Event { .. })),
            "{kinds:?}"
        );
        assert!(
            kinds
                .iter()
                .any(|kind| matches!(kind, LogEntry::MessageOutput { .. })),
            "{kinds:?}"
        );
        assert!(
            bob.logs(id, own.next as i64, 100)
                .await
                .unwrap()
                .records
                .is_empty()
        );
        let last = bob.logs(id, -1, 100).await.unwrap().records;
        assert_eq!(last, own.records[own.records.len() - 1..]);
        assert!(charlie.logs(id, 0, 100).await.unwrap().records.is_empty());
        let of_cluster = alice.logs(id, 0, 100).await.unwrap().records;
        let expected = if private { 0 } else { own.records.len() };
        assert_eq!(of_cluster.len(), expected, "private: {private}");
    }
}

#[test]
fn the_command_prints_records_as_they_come_until_ctrl_c() {
    let folder = tempfile::tempdir().unwrap();
    let network = start(folder.path(), &["--no-examples", "--workers", "1"]);
    let user = folder.path().join("user");
    let bob = ["--suri", "//Bob"];
    let run = |args: &[&str]| {
        let output = network.phat(&user, &[args, &bob].concat());
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let file = artifact("token");
    let made = [
        "deploy",
        &file,
        "--constructor",
        "new",
        "1_000",
        "Token",
        "TKN",
        "12",
    ];
    run(&made);
    let mut process = Command::new(env!("CARGO_BIN_EXE_phat"))
        .args(["logs", "token", "--follow", "--tail", "0", "--json"])
        .args(["--chain", network.chain(), "--suri", "//Bob"])
        .env("XDG_DATA_HOME", &user)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (sender, lines) = std::sync::mpsc::channel();
    let stdout = process.stdout.take().unwrap();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    // Time to begin: what is there already is not printed.
    std::thread::sleep(Duration::from_secs(2));
    run(&["call", "token", "transfer", "//Charlie", "5", ""]);
    let record = |line: &str| serde_json::from_str::<LogRecord>(line).unwrap();
    let first = record(&lines.recv_timeout(Duration::from_secs(20)).unwrap());
    let second = record(&lines.recv_timeout(Duration::from_secs(20)).unwrap());
    assert_eq!(second.sequence, first.sequence + 1);
    let interrupted = Command::new("kill")
        .args(["-INT", &process.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    assert!(process.wait().unwrap().success(), "Ctrl-C ends it well");

    let all = run(&["logs", "token"]);
    assert!(all.lines().count() >= 3, "{all}");
    assert!(
        all.lines()
            .all(|line| serde_json::from_str::<LogRecord>(line).is_ok())
    );
    let output = network.phat(&user, &["logs", "token", "--suri", "//Charlie"]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("for who made it"), "{said}");
}
