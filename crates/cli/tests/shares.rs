//! Contracts share a real worker by stake: `phat dev` in its own process, and clients that ask for
//! more than it can do.

mod running;

use phat_client::{
    Account, Caller, Client, Options, WorkerClient, amount::UNIT, chain::Call, worker::WorkerError,
};
use phat_primitives::{Balance, ContractId, blake2_256, ids, query::InkQueryData};
use running::{Network, clients::bundle, start};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;

/// Computes as many rounds as the input says and answers nothing.
const MILL: &str = r#"(module
    (import "env" "memory" (memory 1 1))
    (import "seal0" "input" (func $input (param i32 i32)))
    (func (export "deploy"))
    (func (export "call") (local $n i32)
        (i32.store (i32.const 16) (i32.const 4))
        (call $input (i32.const 0) (i32.const 16))
        (local.set $n (i32.load (i32.const 0)))
        (loop $l
            (i64.store (i32.const 32) (i64.add
                (i64.mul (i64.load (i32.const 32)) (i64.const 6364136223846793005))
                (i64.const 1442695040888963407)))
            (local.set $n (i32.sub (local.get $n) (i32.const 1)))
            (br_if $l (local.get $n)))))"#;
/// Rounds that take about ten milliseconds.
const ROUNDS: u32 = 5_000_000;
/// Rounds of all contracts together over which shares are measured: so many that the queries which
/// happen to be under way at its ends are a percent of it.
const WORK: u64 = 600 * ROUNDS as u64;
/// Longest time for them, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(180);
/// Queries of each contract that are always under way.
const AT_ONCE: usize = 6;

/// Makes mills and returns their ids.
async fn mills(client: &Client, count: u8) -> Vec<ContractId> {
    let alice = Account::from_suri("//Alice").expect("a development account");
    let code = wat::parse_str(MILL).expect("it is Wasm");
    let code_hash = blake2_256(&code).into();
    let cluster = client.cluster().id;
    let upload = Call::Upload { cluster, code };
    client.chain().submit(&alice, upload).await.expect("taken");
    let mut mills = Vec::new();
    for number in 0..count {
        let call = Call::Instantiate {
            cluster,
            code_hash,
            data: Vec::new(),
            salt: vec![number],
            transfer: 0,
            gas_limit: 10_000_000_000,
            storage_deposit_limit: None,
            deposit: 1_000_000_000_000,
        };
        let submitted = client.chain().submit(&alice, call).await.expect("taken");
        let message = submitted.message.expect("a message");
        let receipt = client.wait_for_receipt(message).await.expect("a receipt");
        assert!(receipt.outcome.is_ok(), "{receipt:?}");
        mills.push(ids::contract_id(
            &alice.id(),
            &code_hash,
            &cluster,
            &[number],
        ));
    }
    mills
}

/// Sends the system contract a command; the worker has applied the block when this returns.
async fn tell_system(client: &Client, message: &str, args: &[&str]) {
    let system = bundle("system").interface;
    let (to, options) = (client.cluster().system_contract, Options::default());
    let applied = client
        .call(to, &system, message, args, &options)
        .await
        .expect("it is applied");
    assert!(applied.receipt.outcome.is_ok(), "{applied:?}");
}

/// Sets the weight of a contract, as a driver of the cluster does.
async fn set_weight(client: &Client, contract: ContractId, weight: u32) {
    let contract = format!("0x{}", hex::encode(contract));
    let args = [contract.as_str(), &weight.to_string()];
    tell_system(client, "System::set_contract_weight", &args).await;
}

/// Sets what Alice has staked on a contract, by a transaction. Returns its block.
async fn stake(client: &Client, contract: ContractId, amount: Balance) -> u64 {
    let alice = Account::from_suri("//Alice").expect("a development account");
    let call = Call::AdjustStake { contract, amount };
    let submitted = client.chain().submit(&alice, call).await.expect("taken");
    submitted.block
}

/// Waits until the worker has applied a block.
async fn applied(network: &Network, block: u64) {
    loop {
        let worker = WorkerClient::connect(&network.worker(0)).await;
        let info = worker.expect("it answers").info().await.expect("an answer");
        if u64::from(info.blocknum) > block {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn grind(rounds: u32) -> InkQueryData {
    InkQueryData::InkMessage {
        payload: rounds.to_le_bytes().to_vec(),
        deposit: 0,
        transfer: 0,
        estimating: false,
    }
}

/// Clients that ask a mill all the time.
struct Crowd {
    rounds: Arc<AtomicU64>,
    clients: Vec<JoinHandle<()>>,
}

impl Crowd {
    async fn begin(network: &Network, mill: ContractId, rounds: u32) -> Self {
        let done = Arc::new(AtomicU64::new(0));
        let mut clients = Vec::new();
        for _ in 0..AT_ONCE {
            let worker = WorkerClient::connect(&network.worker(0)).await;
            let (worker, done) = (worker.expect("it answers"), done.clone());
            let caller = Caller::new(&Account::from_suri("//Bob").expect("an account"));
            clients.push(tokio::spawn(async move {
                loop {
                    // Who has no share may wait for longer than the worker lets anybody wait.
                    match worker.query(&caller, mill, grind(rounds)).await {
                        Ok(_) => done.fetch_add(rounds.into(), Ordering::Relaxed),
                        Err(_) => continue,
                    };
                }
            }));
        }
        Self {
            rounds: done,
            clients,
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for client in &self.clients {
            client.abort();
        }
    }
}

/// Waits until these crowds have got so many rounds more, all together.
async fn worked(crowds: &[&Crowd], rounds: u64) {
    let all = || {
        let done = crowds.iter();
        done.map(|crowd| crowd.rounds.load(Ordering::Relaxed))
            .sum::<u64>()
    };
    let until = all() + rounds;
    let work = async {
        while all() < until {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, work).await;
    in_time.expect("the worker computes");
}

/// What part of all rounds each crowd got, over a while.
async fn shares(crowds: &[&Crowd]) -> Vec<f64> {
    // What was begun before is not counted.
    worked(crowds, WORK / 8).await;
    let count = |crowd: &&Crowd| crowd.rounds.load(Ordering::Relaxed);
    let before: Vec<_> = crowds.iter().map(count).collect();
    worked(crowds, WORK).await;
    let done: Vec<_> = crowds
        .iter()
        .zip(before)
        .map(|(crowd, before)| count(crowd) - before)
        .collect();
    let all: u64 = done.iter().sum();
    println!("rounds: {done:?}");
    done.iter().map(|done| *done as f64 / all as f64).collect()
}

#[track_caller]
fn near(shares: &[f64], expected: &[f64]) {
    for (share, expected) in shares.iter().zip(expected) {
        assert!(
            (share - expected).abs() <= 0.02,
            "{shares:?}, expected {expected}"
        );
    }
}

/// A line of the worker's metrics about a contract.
async fn metric(network: &Network, name: &str, contract: ContractId) -> f64 {
    let page = reqwest::get(format!("{}/metrics", network.worker(0)));
    let page = page.await.expect("it answers").text().await.expect("text");
    let line = format!("{name}{{contract=\"{}\"}} ", hex::encode(contract));
    let value = page.lines().find_map(|other| other.strip_prefix(&line));
    value.expect("it is there").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn contracts_have_their_stakes_shares_and_a_stake_that_moves_counts_with_its_block() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = start(folder.path(), &["--no-examples", "--workers", "1"]);
    let client = network.client(0, "//Alice").await;
    let mills = mills(&client, 4).await;
    // What drivers have given counts for contracts that nobody has staked on.
    tell_system(&client, "System::grant_admin", &["//Alice"]).await;
    set_weight(&client, mills[0], u32::MAX).await;
    let mut block = 0;
    for (mill, amount) in mills.iter().zip([5, 3, 2]) {
        block = stake(&client, *mill, amount * 1_000 * UNIT).await;
    }
    applied(&network, block).await;
    // Short queries and long ones, and a contract without stake.
    let a = Crowd::begin(&network, mills[0], ROUNDS).await;
    let b = Crowd::begin(&network, mills[1], ROUNDS * 2).await;
    let c = Crowd::begin(&network, mills[2], ROUNDS * 4).await;
    let free = Crowd::begin(&network, mills[3], ROUNDS).await;
    let all = [&a, &b, &c, &free];
    near(&shares(&all).await, &[0.5, 0.3, 0.2, 0.0]);
    for mill in &mills[..3] {
        let used = metric(&network, "phat_work_seconds_total", *mill).await;
        let due = metric(&network, "phat_work_due_seconds_total", *mill).await;
        assert!((used / due - 1.0).abs() < 0.1, "{used} used, {due} due");
    }

    // Up, by the command line.
    let home = folder.path().join("user");
    let mill = format!("0x{}", hex::encode(mills[2]));
    let more = network.phat(&home, &["stake", "contract", &mill, "6000PHA"]);
    assert!(more.status.success(), "{more:?}");
    let more: serde_json::Value = serde_json::from_slice(&more.stdout).expect("JSON");
    assert_eq!(more["stake"], (8_000 * UNIT).to_string());
    applied(&network, more["block"].as_u64().expect("a number")).await;
    near(&shares(&all).await, &[0.3125, 0.1875, 0.5, 0.0]);

    // What cannot be is refused with the limit.
    for (refused, why) in [
        (
            ["unstake", "contract", &mill, "7999.999PHA"],
            "the least is 0.01 PHA",
        ),
        (
            ["unstake", "contract", &mill, "8001PHA"],
            "you have staked 8000 PHA",
        ),
        (["stake", "contract", &mill, "90000000PHA"], "NotEnoughFree"),
    ] {
        let output = network.phat(&home, &refused);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(why), "{said}");
    }

    // Down to nothing: back to what the driver has given, which beside any stake is next to nothing.
    let block = stake(&client, mills[0], 0).await;
    applied(&network, block).await;
    near(&shares(&all).await, &[0.0, 3.0 / 11.0, 8.0 / 11.0, 0.0]);

    // What nobody with stake wants goes to the contract without.
    drop((a, b, c));
    worked(&[&free], 10 * u64::from(ROUNDS)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_much_is_told_when_to_come_back_and_others_are_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let limits = [
        "--max-running-per-contract",
        "1",
        "--max-waiting-per-contract",
        "2",
    ];
    let options = [&["--no-examples", "--workers", "1"][..], &limits].concat();
    let network = start(folder.path(), &options);
    let client = network.client(0, "//Alice").await;
    let mills = mills(&client, 2).await;
    let worker = WorkerClient::connect(&network.worker(0))
        .await
        .expect("it answers");
    let caller = Caller::new(&Account::from_suri("//Bob").expect("an account"));
    // The worker knows the client from here on.
    let first = worker.query(&caller, mills[1], grind(1)).await;
    assert!(first.is_ok(), "{first:?}");
    let queries: Vec<_> = (0..8)
        .map(|_| {
            let (worker, caller, mill) = (worker.clone(), caller.clone(), mills[0]);
            tokio::spawn(async move { worker.query(&caller, mill, grind(ROUNDS * 20)).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let other = worker.query(&caller, mills[1], grind(1)).await;
    assert!(other.is_ok(), "another contract: {other:?}");
    let (mut answered, mut refused) = (0, 0);
    for query in queries {
        match query.await.expect("no client fails") {
            Ok(_) => answered += 1,
            Err(WorkerError::Overloaded { retry_after }) => {
                let after = retry_after.expect("it says when");
                assert!((1..=60).contains(&after.as_secs()), "{after:?}");
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((answered, refused), (3, 5), "one runs, two wait");
    assert!(worker.query(&caller, mills[0], grind(1)).await.is_ok());
}
