//! A cluster that weighs queries by what is paid for them: workers spend a credit together, and what is
//! left of it comes back.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod running;

use phat_client::{
    Account, Caller, ChainClient, Terms, WorkerClient,
    chain::{Credit, Slice},
    primitives::{Balance, ids::cluster_id, query::InkQueryData},
    worker::WorkerError,
};
use running::{
    Network,
    clients::{bundle, found},
    start,
};
use std::time::Duration;

const PHA: Balance = 1_000_000_000_000;

fn bob() -> Account {
    Account::from_suri("//Bob").unwrap()
}

fn question() -> InkQueryData {
    let interface = bundle("token").interface;
    let function = interface.message("total_supply").unwrap();
    InkQueryData::InkMessage {
        payload: interface.encode_call(function, &[""; 0]).unwrap(),
        deposit: 0,
        transfer: 0,
        estimating: false,
    }
}

async fn ask(network: &Network, worker: usize, pay: Balance) -> Result<(), WorkerError> {
    let worker = WorkerClient::connect(&network.worker(worker))
        .await
        .unwrap();
    let terms = Terms { sign: false, pay };
    let (caller, token) = (Caller::new(&bob()), network.contract("token"));
    let asked = worker.ask(&caller, token, question(), terms).await;
    asked.map(drop)
}

/// Asks a worker again and again, until it has had nothing to spend for some seconds. Returns how many
/// queries were answered.
async fn ask_all(network: &Network, worker: usize) -> Balance {
    let (mut answered, mut in_vain) = (0, 0);
    while in_vain < 16 {
        match ask(network, worker, PHA).await {
            Ok(()) => (answered, in_vain) = (answered + 1, 0),
            Err(WorkerError::NoCredit) => {
                in_vain += 1;
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    answered
}

async fn credit(chain: &ChainClient) -> Option<Credit> {
    let account = bob().id();
    chain.credit(cluster_id(1), &account).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_asked_at_once_spend_a_credit_together_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let network = start(folder.path(), &[]);
    let chain = network.connect().await;
    let policy = ["cluster", "policy", "--deploy", "owner", "--fee-model"];
    let model = |model| [&policy[..], &[model, "--suri", "//Alice"]].concat();
    let refused = ask(&network, 0, PHA).await;
    assert!(
        matches!(&refused, Err(WorkerError::Refused { code, .. }) if code == "not-paid-by-weight"),
        "{refused:?}"
    );
    network.does(folder.path(), &model("pay-per-weight"));
    let prepay = [
        "credit", "prepay", "20PHA", "--slice", "6PHA", "--suri", "//Bob",
    ];
    network.does(folder.path(), &prepay);

    let (one, two, three) = tokio::join!(
        ask_all(&network, 0),
        ask_all(&network, 1),
        ask_all(&network, 2)
    );
    assert_eq!(one + two + three, 20, "all of it and no more");
    ask(&network, 0, 0).await.unwrap();

    // More is paid in, and one worker has a slice of it when it is wanted back.
    let prepay = [
        "credit", "prepay", "10PHA", "--slice", "4PHA", "--suri", "//Bob",
    ];
    network.does(folder.path(), &prepay);
    found("a slice", async || ask(&network, 1, PHA).await.ok()).await;
    let before = chain.balance(&bob().id()).await.unwrap().free;
    let withdraw = ["credit", "withdraw", "--suri", "//Bob"];
    network.does(folder.path(), &withdraw);
    found("the credit is closed", async || {
        credit(&chain).await.is_none().then_some(())
    })
    .await;
    let back = chain.balance(&bob().id()).await.unwrap().free - before;
    // But for the fee of the transaction that asked for it.
    assert!(
        back <= 9 * PHA && back > 9 * PHA - PHA / 10,
        "{back} came back"
    );
    network.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_gives_back_and_one_that_is_killed_does_not_spend_what_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let network = start(folder.path(), &["--workers", "1"]);
    let policy = [
        "cluster",
        "policy",
        "--deploy",
        "owner",
        "--fee-model",
        "pay-per-weight",
        "--suri",
        "//Alice",
    ];
    network.does(folder.path(), &policy);
    let prepay = [
        "credit", "prepay", "10PHA", "--slice", "4PHA", "--suri", "//Bob",
    ];
    network.does(folder.path(), &prepay);
    found("a slice", async || ask(&network, 0, PHA).await.ok()).await;
    network.stop();

    let network = start(folder.path(), &["--workers", "1"]);
    let chain = network.connect().await;
    let kept = credit(&chain).await.unwrap();
    assert_eq!((kept.free, kept.slices), (9 * PHA, vec![]));
    drop(chain);
    found("a slice", async || ask(&network, 0, PHA).await.ok()).await;
    network.kill();

    // What of the four it has spent nobody knows: five are left for the next start.
    let network = start(folder.path(), &["--workers", "1"]);
    let chain = network.connect().await;
    assert_eq!(ask_all(&network, 0).await, 5);
    let kept = credit(&chain).await.unwrap();
    let lost = |slice: &&Slice| (slice.lent, slice.spent) == (4 * PHA, 0);
    assert_eq!(kept.slices.iter().filter(lost).count(), 1, "{kept:?}");
    network.stop();
}
