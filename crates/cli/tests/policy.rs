//! What the policy of a cluster does on a real network, and that its owner is never locked out.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod running;

use phat_client::{
    Options,
    primitives::{
        policy::{Refusal, Refused},
        receipt::Failure,
    },
};
use running::{
    Network,
    clients::{artifact, bundle},
    start,
};
use serde_json::{Value, json};
use std::path::Path;

/// A user's folder and the network.
struct At<'a> {
    network: &'a Network,
    folder: &'a Path,
}

impl At<'_> {
    /// A command of `phat` that works, as an account.
    fn does(&self, suri: &str, args: &[&str]) -> Value {
        self.network
            .does(self.folder, &[args, &["--suri", suri]].concat())
    }

    /// A command of `phat` that fails: what it says.
    fn fails(&self, suri: &str, args: &[&str]) -> Value {
        let output = self
            .network
            .phat(self.folder, &[args, &["--suri", suri]].concat());
        assert!(!output.status.success(), "{args:?} works");
        let said = match output.stderr.is_empty() {
            true => output.stdout,
            false => output.stderr,
        };
        serde_json::from_slice(&said).unwrap()
    }

    fn deploys(&self, suri: &str, name: &str, args: &[&str]) -> Value {
        let path = artifact(name);
        self.does(suri, &[&["deploy", &path], args].concat())
    }
}

fn text(error: &Value) -> &str {
    error["error"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_contract_refuses_with_its_reason_until_it_allows() {
    let folder = tempfile::tempdir().unwrap();
    let network = start(folder.path(), &["--no-examples", "--workers", "1"]);
    let at = At {
        network: &network,
        folder: &folder.path().join("user"),
    };
    at.deploys("//Alice", "members", &[]);
    let flipper = at.deploys("//Alice", "flipper", &["true", "--constructor", "new"]);
    at.does("//Bob", &["transfer", "10PHA", "--to-cluster"]);
    let set = at.does("//Alice", &["cluster", "policy", "--control", "members"]);
    assert!(set["control"]["contract"].is_string(), "{set}");

    // A command that is in a block: its receipt has the reason and the code.
    let bob = network.client(0, "//Bob").await;
    let api = bundle("flipper").interface;
    let id = flipper["contract"].as_str().unwrap();
    let id = hex::decode(id.trim_start_matches("0x")).unwrap();
    let id = phat_primitives::ContractId::from_slice(&id);
    let alice = network.client(0, "//Alice").await;
    let options = Options {
        gas_limit: Some(10_000_000_000),
        ..Options::default()
    };
    let by_bob = running::push_as(&bob, "//Bob", id, &api, "flip", None, &options).await;
    let Err(Failure::Refused(Refused::ByControl(Refusal { code: 2, reason }))) = &by_bob.outcome
    else {
        panic!("{by_bob:?}")
    };
    assert_eq!(reason, "only members send commands in this cluster");
    assert_eq!((by_bob.gas_used, by_bob.fee), (0, 0));
    let shown = at.fails("//Bob", &["receipt", &by_bob.number.to_string()]);
    assert_eq!(shown["refused"], json!({"by": "control", "code": 2}));
    let by_alice = running::push_as(&alice, "//Alice", id, &api, "flip", None, &options).await;
    assert!(by_alice.outcome.is_ok(), "{by_alice:?}");

    // The same is known before anything is sent.
    let would = at.fails("//Bob", &["call", "flipper", "flip"]);
    assert!(
        text(&would).contains("only members send commands"),
        "{would}"
    );
    assert_eq!(would["refused"], json!({"by": "control", "code": 2}));
    for how in [&[][..], &["--private"]] {
        let path = artifact("flipper");
        let args = [&["deploy", &path, "true", "--constructor", "new"], how].concat();
        let would = at.fails("//Bob", &args);
        assert!(text(&would).contains("only members deploy"), "{would}");
        assert_eq!(would["refused"], json!({"by": "control", "code": 1}));
    }
    let answer = at.does("//Bob", &["query", "flipper", "get"]);
    assert_eq!(answer["output"], json!(false), "{answer}");

    at.does("//Alice", &["call", "members", "admit", "//Bob"]);
    at.does("//Bob", &["call", "flipper", "flip"]);
    at.deploys(
        "//Bob",
        "flipper",
        &["true", "--constructor", "new", "--name", "other"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_contract_that_cannot_answer_refuses_everything_but_what_its_owner_repairs() {
    let folder = tempfile::tempdir().unwrap();
    let network = start(folder.path(), &["--no-examples", "--workers", "1"]);
    let at = At {
        network: &network,
        folder: &folder.path().join("user"),
    };
    // It has no such message.
    at.deploys("//Alice", "flipper", &["true", "--constructor", "new"]);
    at.deploys("//Alice", "members", &[]);
    at.does("//Bob", &["transfer", "10PHA", "--to-cluster"]);
    at.does("//Alice", &["cluster", "policy", "--control", "flipper"]);
    // Calls to it by the owner of the cluster are not asked for; the receipt tells that the worker has
    // applied the policy.
    at.does("//Alice", &["call", "flipper", "flip"]);
    for (who, command) in [
        ("//Bob", &["query", "flipper", "get"][..]),
        ("//Bob", &["call", "flipper", "flip"]),
        ("//Alice", &["query", "members", "is_member", "//Bob"]),
        ("//Alice", &["call", "members", "admit", "//Bob"]),
    ] {
        let refused = at.fails(who, command);
        assert!(text(&refused).contains("gave no answer"), "{refused}");
        assert_eq!(
            refused["refused"],
            json!({"by": "control-unclear", "code": null}),
            "{command:?}"
        );
    }
    at.does("//Alice", &["query", "flipper", "get"]);
    // Money leaves, and the policy does.
    at.does("//Bob", &["transfer", "5PHA", "--from-cluster"]);
    let stranger = at.fails("//Bob", &["cluster", "policy", "--no-control"]);
    assert!(text(&stranger).contains("owner"), "{stranger}");
    let set = at.does("//Alice", &["cluster", "policy", "--no-control"]);
    assert_eq!(set["control"], Value::Null);
    at.does("//Alice", &["call", "flipper", "flip"]);
    at.does("//Bob", &["call", "flipper", "flip"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_says_who_deploys_and_who_pays_no_gas() {
    let folder = tempfile::tempdir().unwrap();
    let network = start(folder.path(), &["--no-examples", "--workers", "1"]);
    let at = At {
        network: &network,
        folder: &folder.path().join("user"),
    };
    at.deploys("//Alice", "flipper", &["true", "--constructor", "new"]);
    let policy = [
        "cluster",
        "policy",
        "--deploy",
        "//Charlie",
        "--free",
        "//Bob",
    ];
    let set = at.does("//Alice", &policy);
    assert_eq!(set["deploy"].as_array().unwrap().len(), 2);
    let shown = at.does("//Bob", &["cluster", "policy"]);
    assert_eq!(shown["free"], set["free"]);
    assert_eq!(shown["fee_model"], "stake");

    let path = artifact("flipper");
    for how in [&[][..], &["--private"]] {
        let deploy = ["deploy", &path, "true", "--constructor", "new"];
        let refused = at.fails("//Bob", &[&deploy[..], how].concat());
        assert!(text(&refused).contains("NoPermission"), "{refused}");
        at.does("//Charlie", &[&deploy[..], how].concat());
    }

    let fee = |report: Value| report["fee"].as_str().unwrap().parse::<u128>().unwrap();
    assert_eq!(fee(at.does("//Bob", &["call", "flipper", "flip"])), 0);
    assert!(fee(at.does("//Charlie", &["call", "flipper", "flip"])) > 0);

    // A cluster for everybody weighs calls by stake.
    let refused = at.fails(
        "//Alice",
        &[
            "cluster",
            "policy",
            "--deploy",
            "everybody",
            "--fee-model",
            "pay-per-weight",
        ],
    );
    assert!(
        text(&refused).contains("PublicClusterUsesStake"),
        "{refused}"
    );
}
