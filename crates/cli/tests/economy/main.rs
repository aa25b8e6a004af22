//! The economy on a real network: six workers, four clusters, stake on three of them. The chain's eras
//! must come to what the simulator and the rules come to, to the last unit; workers must really move,
//! and serve what their new cluster has.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod net;
mod refusals;
#[path = "../running/mod.rs"]
mod running;

use net::{Economy, name, number};
use phat_client::{
    chain::economy::{Change, EconomyWorker, WorkerStatus},
    primitives::{Balance, WorkerId, ids::cluster_id},
};
use running::start;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const TOKEN: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../contracts/artifacts/token.contract"
);
/// One token.
const PHA: Balance = 1_000_000_000_000;
/// Eras do not end by themselves here: the test says when the next one begins.
const LONG: &str = "86400";

#[tokio::test(flavor = "multi_thread")]
async fn eras_move_workers_to_where_stake_is_and_pay_them_to_the_last_unit() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--workers", "6", "--block-time", "0.3", "--era", LONG];
    let mut net = Economy::begin(folder.path(), &options).await;
    // Nobody takes over a cluster from which the last worker goes: it does not wait long.
    net.phat(r#"era settings {"handover_ms":2000,"heartbeat_ms":86400000}"#);

    // Without eras nothing is decided; with them everybody is in the general cluster at first.
    assert_eq!(net.phat("era")["run"], false);
    let started = net.phat("era start --activate");
    assert_eq!(started["activated"].as_array().unwrap().len(), 6);
    net.eras.push(json!({}));
    net.settled().await;
    let workers = net.workers().await;
    let scenario = net.scenario(&workers, &[]).await;
    net.is_as_simulated(&net.simulate(&scenario));
    assert_eq!(net.members(1).await.len(), 6);
    assert_eq!(net.on_hold("//Alice").await, 60 * PHA);

    // Three clusters, staked on 5 : 3 : 2; one names a worker.
    let owners = ["//Alice", "//Alice", "//Charlie"];
    for (cluster, owner) in (2u64..).zip(owners) {
        let created = net.phat(&format!("cluster create --suri {owner}"));
        assert_eq!(created["cluster"], cluster);
    }
    let clusters = [2, 3, 4];
    for (cluster, staker, amount) in [(2, "//Bob", 50), (3, "//Charlie", 30), (4, "//Dave", 20)] {
        let line = format!("stake cluster {cluster} {amount}PHA --suri {staker}");
        assert_eq!(number(&net.phat(&line)["staked"]), amount * PHA);
        assert_eq!(net.on_hold(staker).await, amount * PHA);
    }
    let favourite = name(workers[3].id);
    net.phat(&format!("cluster prefer {favourite} --cluster 3"));
    let estimated = net.phat("economy estimate --stake 0 --cluster 2");
    // Cluster 2 has no worker yet: what calls cost is told by those that may come.
    let contract = net.phat("economy estimate --stake 5PHA --cluster 2")["on_a_contract"].clone();
    assert_eq!(
        (&contract["workers"], &contract["share"]),
        (&json!(0), &json!(1.0))
    );
    assert_eq!(contract["measured_by"], "general_cluster");
    for call in contract["calls"].as_array().unwrap() {
        assert!(
            call["per_second_on_one_worker"].as_f64().unwrap() > 0.0,
            "{call}"
        );
    }
    assert_ne!(contract["calls"], json!([]));
    net.next_era().await;
    *net.eras.last_mut().unwrap() = json!({
        "stakes": {
            "2": (50 * PHA).to_string(), "3": (30 * PHA).to_string(), "4": (20 * PHA).to_string(),
        },
        "preferences": { "3": [favourite] },
    });
    let simulated = net.simulate(&net.scenario(&workers, &clusters).await);
    net.is_as_simulated(&simulated);
    net.accruals_agree(&workers, &simulated).await;
    let shares = net.phat("era")["clusters"].clone();
    assert_eq!(
        shares[0],
        with_cluster(&estimated["on_the_cluster"]["next_era"], 2)
    );
    for cluster in clusters {
        let members = net.members(cluster).await.len();
        assert_eq!(shares[cluster as usize - 2]["workers"], members);
        assert!(members > 0, "no worker for cluster {cluster}");
    }

    // A contract in a cluster that had no worker before.
    net.until("cluster 2 has no key", async |chain| {
        chain.cluster_key(cluster_id(2)).await.unwrap().is_some()
    })
    .await;
    let before = net.members(2).await;
    net.phat(&format!(
        "deploy {TOKEN} 1000 Token TKN 12 --constructor new --cluster 2 --name two"
    ));
    net.run(&["call", "two", "transfer", "//Bob", "77", ""]);
    assert_eq!(net.balance_of_bob("two", before[0]).await, balance(77));
    let other = net.members(1).await;
    let url = net.url(other[0]).await;
    let foreign = net.refused(&format!("query two balance_of //Bob --worker {url}"));
    assert!(
        foreign.contains("is not a worker of the cluster"),
        "{foreign}"
    );

    let contract =
        net.phat("economy estimate --stake 5PHA --contract two")["on_a_contract"].clone();
    assert_eq!(
        (&contract["workers"], &contract["measured_by"]),
        (&json!(before.len()), &json!("cluster"))
    );
    assert!(contract["calls"][0]["per_second"].as_f64().unwrap() > 0.0);

    // Stake goes from cluster 3 to 2, and so does power: who comes has the state of its new cluster.
    net.phat("unstake cluster 3 --suri //Charlie");
    net.phat("stake cluster 2 40PHA --suri //Charlie");
    net.next_era().await;
    let last = net.eras.len() - 1;
    net.eras[last] = json!({ "stakes": { "2": (90 * PHA).to_string(), "3": "0" } });
    let simulated = net.simulate(&net.scenario(&workers, &clusters).await);
    net.is_as_simulated(&simulated);
    assert!(net.members(3).await.is_empty());
    let after = net.members(2).await;
    let new: Vec<_> = after.iter().filter(|w| !before.contains(w)).collect();
    assert!(!new.is_empty(), "nobody has moved to cluster 2");
    for worker in &after {
        assert_eq!(net.balance_of_bob("two", *worker).await, balance(77));
    }
    net.run(&["call", "two", "transfer", "//Bob", "3", ""]);
    for worker in new {
        assert_eq!(net.balance_of_bob("two", *worker).await, balance(80));
    }

    // Slashes, payouts, a leave, and one that loses all it has.
    let (paid, leaves, lost) = (workers[0].id, workers[1].id, workers[2].id);
    net.phat(&format!("era slash {paid} 1000"));
    net.happens("slashes", &name(paid), "1000");
    let operator = net.free("//Alice").await;
    let limit = limit(&net.workers().await, paid);
    let above = net.refused(&format!("worker payout {paid} {}", limit + 1));
    assert!(
        above.contains("at most") && above.contains("can be paid now"),
        "{above}"
    );
    assert_eq!(net.phat(&format!("worker payout {paid} 5"))["paid"], "5");
    let payout = net.phat(&format!("worker payout {paid} max"));
    assert_eq!(number(&payout["paid"]), limit - 5);
    assert_eq!(payout["limit"], "0");
    assert!(
        net.free("//Alice").await > operator + limit - PHA,
        "fees are small"
    );
    net.happens("payouts", &name(paid), "max");
    net.phat(&format!("era slash {lost} 100PHA"));
    net.happens("slashes", &name(lost), &(100 * PHA).to_string());
    net.phat(&format!("worker leave {leaves}"));
    net.eras[last]["leaves"] = json!([name(leaves)]);
    let again = net.refused(&format!("worker leave {leaves}"));
    assert!(again.contains("has left already"), "{again}");
    let treasury = treasury();
    let (taken_before, lost_before) = (net.free(&treasury).await, 10 * PHA);
    let operator = net.free("//Alice").await;
    net.next_era().await;
    let simulated = net.simulate(&net.scenario(&workers, &clusters).await);
    net.is_as_simulated(&simulated);
    let ended = &simulated[last];
    assert_eq!(ended["removed"], json!([name(lost)]));
    assert_eq!(number(&ended["paid"][name(paid)]), limit);
    let fees = operator - net.free("//Alice").await;
    assert_eq!(
        net.free(&treasury).await,
        taken_before + lost_before + fees,
        "what was lost and the fees of Alice, who alone has sent something"
    );
    let gone = net.workers().await;
    assert!(gone.iter().all(|worker| worker.id != lost));
    let status = gone
        .iter()
        .find(|worker| worker.id == leaves)
        .unwrap()
        .status;
    assert_eq!(status, WorkerStatus::CoolingDown(net.eras.len() as u32 + 2));

    // The final payout comes after the cool-down, and is what the simulator says.
    let early = net.refused(&format!("worker settle {leaves}"));
    assert!(early.contains("cool-down"), "{early}");
    net.next_era().await;
    net.next_era().await;
    net.phat(&format!("worker settle {leaves}"));
    let rewards = net.phat(&format!("worker rewards {leaves}"));
    let last_line = rewards[0]["entries"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    let sum = number(&last_line["rewards"]) + number(&last_line["deposit"]);
    assert_eq!(sum, number(&ended["final"][name(leaves)]));
    let simulated = net.simulate(&net.scenario(&workers, &clusters).await);
    net.is_as_simulated(&simulated);
    net.accruals_agree(&workers, &simulated).await;

    // What is held is what is owed: four deposits and two stakes, and stake on its way back.
    assert_eq!(net.on_hold("//Alice").await, 40 * PHA);
    assert_eq!(net.on_hold("//Bob").await, 50 * PHA);
    assert_eq!(net.on_hold("//Charlie").await, (30 + 40) * PHA);
    assert_eq!(
        net.phat("withdraw --suri //Charlie")["amount"],
        (30 * PHA).to_string()
    );
    assert_eq!(net.on_hold("//Charlie").await, 40 * PHA);
    assert_eq!(net.on_hold("//Dave").await, 20 * PHA);
    everything_is_somewhere(&net).await;

    // A network whose workers have moved starts again.
    let home = folder.path().join("network");
    let Economy { network, .. } = net;
    network.stop();
    let network = start(&home, &options);
    assert_eq!(network.workers(), 6);
}

/// The share that an estimate shows, as `phat era` shows it.
fn with_cluster(share: &Value, cluster: u64) -> Value {
    let mut share = share.clone();
    share["cluster"] = cluster.into();
    share
}

/// A balance as the token answers it.
fn balance(amount: u64) -> Value {
    json!(amount.to_string())
}

fn limit(workers: &[EconomyWorker], id: WorkerId) -> Balance {
    let worker = workers.iter().find(|worker| worker.id == id).unwrap();
    worker.limit()
}

fn treasury() -> String {
    let account = phat_runtime::PhatEconomy::usual_treasury();
    format!("0x{}", hex::encode::<&[u8]>(account.as_ref()))
}

/// All money that the chain counts is in some account, and all workers have what their ledgers say.
async fn everything_is_somewhere(net: &Economy) {
    let workers = net.workers().await;
    let economy = net.chain.economy().await.unwrap();
    let mut by_name = BTreeMap::new();
    for worker in &workers {
        let (mut earned, mut taken, mut paid, mut deposit) = (0, 0, 0, 0);
        for entry in economy.ledger(worker.id).await.unwrap() {
            match entry.change {
                Change::Accrued(amount) => earned += amount,
                Change::Slashed { amount, .. } => taken += amount,
                Change::Paid(amount) => paid += amount,
                Change::Deposited(amount) => deposit += amount,
                Change::Settled { .. } => panic!("{} is here", worker.id),
            }
        }
        let known = (worker.value, worker.slashed, worker.paid, worker.deposit);
        assert_eq!((earned, taken, paid, deposit), known);
        by_name.insert(name(worker.id), worker.limit());
    }
    assert_eq!(by_name.len(), 4);
    let (accounts, issuance) = net.money().await;
    assert_eq!(accounts, issuance);
}
