//! What people can get wrong: refused, with the cause and, where there is one, the limit.

use crate::{LONG, PHA, net::Economy};
use phat_client::primitives::Balance;
use std::fs;

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_with_its_cause_and_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let options = [
        "--workers",
        "2",
        "--block-time",
        "0.3",
        "--era",
        LONG,
        "--no-examples",
    ];
    let net = Economy::begin(folder.path(), &options).await;
    let ids = net.chain.workers().await.unwrap();
    let (one, other) = (ids[0].to_string(), ids[1].to_string());
    let check = |cases: &[(String, &[&str])]| {
        for (line, said) in cases {
            let refused = net.refused(line);
            for part in *said {
                assert!(refused.contains(part), "{line}: {refused}");
            }
        }
    };

    // Before a worker is in the economy.
    check(&[
        ("era start --suri //Bob".into(), &["Sudo"]),
        ("era stop".into(), &["Eras do not run"]),
        (format!("worker leave {one}"), &["activate it first"]),
        (
            format!("worker payout {one} max"),
            &["is not in the economy"],
        ),
        (
            format!("worker activate {one} --deposit 1PHA"),
            &["at least 10 PHA"],
        ),
        (format!("worker activate {one} --suri //Bob"), &["operator"]),
        (
            "worker activate --suri //Bob".into(),
            &["operates no worker"],
        ),
        ("worker rewards 0x".into(), &["names no worker"]),
        (
            format!("worker settle 0x{}", "0".repeat(63)),
            &["no registered worker"],
        ),
        (
            format!("worker leave {}", "1".repeat(65)),
            &["names no worker"],
        ),
    ]);
    net.phat(&format!("worker activate {one}"));
    net.phat("era start");
    net.settled().await;
    check(&[
        (format!("worker activate {one}"), &["takes part already"]),
        (format!("worker resume {one}"), &["not suspended"]),
        (format!("worker settle {one}"), &["cool-down"]),
        (format!("worker leave {one} --suri //Bob"), &["operator"]),
        (format!("worker payout {one} 0"), &["zero"]),
        (
            format!("worker payout {one} 1000000PHA"),
            &["at most", "can be paid now"],
        ),
        (format!("era slash {other} 1PHA"), &["not in the economy"]),
        ("era start".into(), &["run already"]),
    ]);

    // Stakes and caps.
    net.phat("cluster create --suri //Charlie");
    let most = Balance::MAX.to_string();
    check(&[
        (format!("stake cluster 2 {most}0"), &["is not an amount"]),
        (format!("stake cluster 2 {most}"), &["free", "needed"]),
        ("stake cluster 2 -1".into(), &["unexpected argument"]),
        ("stake cluster 2 1".into(), &["at least 0.1 PHA"]),
        ("stake cluster 2 20000000PHA".into(), &["free"]),
        ("stake cluster 99 1PHA".into(), &["no such cluster"]),
        ("stake cluster 1 1PHA".into(), &["general cluster"]),
        ("unstake cluster 2 1PHA".into(), &["0 PHA staked"]),
        ("withdraw".into(), &["nothing is on its way"]),
        ("cluster cap 1PHA --cluster 2".into(), &["owner"]),
        ("cluster cap much --cluster 2".into(), &["`none`"]),
        (
            "cluster cap 1PHA --cluster 99".into(),
            &["there is no cluster"],
        ),
    ]);
    net.phat("stake cluster 2 5PHA");
    net.phat("cluster cap 2PHA --cluster 2 --suri //Charlie");
    check(&[
        (
            "stake cluster 2 1PHA --suri //Bob".into(),
            &["2 PHA be staked", "at most 0 PHA more"],
        ),
        (
            "unstake cluster 2 4.95PHA".into(),
            &["at least 0.1 PHA", "0.05 PHA"],
        ),
        ("unstake cluster 2 6PHA".into(), &["5 PHA staked", "6 PHA"]),
    ]);
    let shown = net.phat("stake show");
    assert_eq!(
        shown["clusters"][0]["staked"],
        (5 * PHA).to_string(),
        "nobody is driven out"
    );
    net.phat("unstake cluster 2 1PHA");
    check(&[("withdraw".into(), &["1 PHA come back with era"])]);

    // Preferences.
    let long = format!("{one} ").repeat(129);
    check(&[
        (
            format!("cluster prefer {one} {one} --cluster 2 --suri //Charlie"),
            &["named twice"],
        ),
        (
            format!("cluster prefer {}--cluster 2 --suri //Charlie", long),
            &["At most 128"],
        ),
        (
            format!(
                "cluster prefer {} --cluster 2 --suri //Charlie",
                "ab".repeat(32)
            ),
            &["no registered worker"],
        ),
        (format!("cluster prefer {one} --cluster 2"), &["owner"]),
        (format!("cluster prefer {one}"), &["general cluster"]),
        (
            format!("cluster create --with {one}"),
            &["only they decide which worker"],
        ),
    ]);

    // What governance cannot set, and scenarios with a mistake.
    let file = folder.path().join("scenario.json");
    let scenario = r#"{"parameters":{"reserved_parts_per_billion":1000000001,
        "f":{"linear":{}},"g":{"linear":{}}},"workers":[],"clusters":[],"eras":[]}"#;
    fs::write(&file, scenario).unwrap();
    let set = |document: &str| format!("era settings {document}");
    check(&[
        (
            set(r#"{"parameters":{"reserved_parts_per_billion":1000000001}}"#),
            &["at most 1 000 000 000"],
        ),
        (
            set(r#"{"parameters":{"f":{"linear":{"per_power":"-1"}}}}"#),
            &["-1", "is not an amount"],
        ),
        (
            set(r#"{"parameters":{"g":{"saturating":{"max":"1","half2":"-5"}}}}"#),
            &["-5", "is not an amount"],
        ),
        (
            set(r#"{"parameters":{"f":{"product":{"rate":"1","unit":"0"}}}}"#),
            &["1 or more"],
        ),
        (
            set(r#"{"era_ms":0,"heartbeat_ms":0}"#),
            &["1 millisecond or more"],
        ),
        (
            set(r#"{"era_ms":1}"#),
            &["`heartbeat_ms` is at most `era_ms`"],
        ),
        (set(r#"{"erams":1}"#), &["erams"]),
        (set("no-such-file.json"), &["no-such-file.json"]),
        (set(r#"{"era_ms":90000000} --suri //Bob"#), &["Sudo"]),
        ("era general 2".into(), &["has stake"]),
        (
            format!("economy simulate {}", file.display()),
            &["reserved_parts_per_billion", "1000000000"],
        ),
        (
            "economy estimate --stake 1PHA --cluster 99".into(),
            &["no cluster"],
        ),
    ]);
}
