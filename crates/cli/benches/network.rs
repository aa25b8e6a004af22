//! How fast a network on this machine is, from outside: `phat dev` in its own process, HTTP and
//! JSON-RPC in between.
//!
//! ```sh
//! cargo bench -p phat-cli --bench network
//! ```
//!
//! Each figure stands beside what it is to be compared with, measured in the same run:
//!
//! | figure | compared with |
//! |---|---|
//! | latency of a signed, encrypted query | a request to the same worker that only returns its state |
//! | queries a second | the same, and the pure cost of the cryptography on one core |
//! | commands a second, applied by all workers | transfers a second on the chain alone |

#[path = "../tests/running/mod.rs"]
mod running;
mod sender;

use codec::Encode;
use phat_client::{Account, Bundle, Caller, ChainClient, Client, WorkerClient};
use phat_crypto::{Keypair, certificate, envelope, rand_core::OsRng, verify_raw};
use phat_primitives::{
    ContractId,
    command::{CommandPayload, InkCommand},
    ids,
};
use polkadot_sdk::{pallet_balances, sp_runtime::MultiAddress};
use running::{Network, start};
use sender::Sender;
use std::{
    future::Future,
    time::{Duration, Instant},
};

/// Queries whose latency is measured one after the other.
const LATENCIES: usize = 2_000;
/// Clients at once when throughput is measured.
const CLIENTS: usize = 8;
/// For how long throughput is measured.
const SPAN: Duration = Duration::from_secs(5);
/// Commands, and transfers on the chain.
const COMMANDS: u32 = 1_000;
/// Gas for a transfer of tokens: it uses less than a third.
const TRANSFER_GAS: u64 = 300_000_000;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let network = start(folder.path(), &[]);
        println!(
            "{:<44} {:>10} {:>10} {:>10}",
            "one after the other", "p50", "p99", "mean"
        );
        latency(&network).await;
        println!();
        println!(
            "{:<44} {:>12}",
            format!("{CLIENTS} clients at once"),
            "a second"
        );
        throughput(&network).await;
        println!();
        println!(
            "{:<44} {:>12}",
            format!("{COMMANDS} in a stream"),
            "a second"
        );
        stream(&network).await;
        network.stop();
    });
}

fn token_api() -> Bundle {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../contracts/artifacts/token.contract"
    );
    Bundle::parse(&std::fs::read(path).expect("it is committed")).expect("it is a bundle")
}

fn question() -> Vec<u8> {
    let bundle = token_api();
    let function = bundle.interface.message("balance_of").expect("it is there");
    bundle
        .interface
        .encode_call(function, &["//Alice"])
        .expect("it fits")
}

fn alice() -> Account {
    Account::from_suri("//Alice").expect("a development account")
}

async fn latency(network: &Network) {
    let worker = WorkerClient::connect(&network.worker(0))
        .await
        .expect("it answers");
    let caller = Caller::new(&alice());
    let (token, question) = (network.contract("token"), question());
    times("balance_of, signed and encrypted", || async {
        ask(&worker, &caller, token, question.clone()).await;
    })
    .await;
    times("the worker's state (GetInfo)", || async {
        worker.info().await.expect("it answers");
    })
    .await;
}

async fn ask(worker: &WorkerClient, caller: &Caller, token: ContractId, question: Vec<u8>) {
    let answer = worker
        .call(caller, token, question)
        .await
        .expect("it answers");
    answer.result.expect("the contract answers");
}

async fn times<F: Future<Output = ()>>(what: &str, mut task: impl FnMut() -> F) {
    for _ in 0..LATENCIES / 10 {
        task().await;
    }
    let mut times = Vec::with_capacity(LATENCIES);
    for _ in 0..LATENCIES {
        let begun = Instant::now();
        task().await;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let mean = times.iter().sum::<Duration>() / LATENCIES as u32;
    let show = |time: Duration| format!("{:.0} µs", time.as_secs_f64() * 1e6);
    println!(
        "{what:<44} {:>10} {:>10} {:>10}",
        show(times[LATENCIES / 2]),
        show(times[LATENCIES * 99 / 100]),
        show(mean)
    );
}

async fn throughput(network: &Network) {
    let question = question();
    let token = network.contract("token");
    let url = network.worker(0);
    let ask_token = question.clone();
    let queries = at_once(&url, move |worker, caller| {
        let question = ask_token.clone();
        async move { ask(&worker, &caller, token, question).await }
    })
    .await;
    println!("{:<44} {queries:>12.0}", "queries of one worker");
    on_one_core(network, &url, token, &question).await;
    let infos = at_once(&url, |worker, _| async move {
        worker.info().await.expect("it answers");
    })
    .await;
    println!("{:<44} {infos:>12.0}", "the worker's state (GetInfo)");
    println!(
        "{:<44} {:>12.0}",
        "the cryptography alone, on one core",
        cryptography(false)
    );
}

async fn at_once<F>(
    url: &str,
    task: impl Fn(WorkerClient, Caller) -> F + Clone + Send + 'static,
) -> f64
where
    F: Future<Output = ()> + Send,
{
    let begun = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (url, task) = (url.to_owned(), task.clone());
            tokio::spawn(async move {
                let worker = WorkerClient::connect(&url).await.expect("it answers");
                let caller = Caller::new(&alice());
                let mut done = 0u64;
                while begun.elapsed() < SPAN {
                    task(worker.clone(), caller.clone()).await;
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for client in clients {
        done += client.await.expect("no client fails");
    }
    done as f64 / begun.elapsed().as_secs_f64()
}

/// What the process needs of a processor for one query, and what part of that is the cryptography that
/// a query cannot do without. Processor time is what the system says; it does not matter who else
/// computes meanwhile.
async fn on_one_core(network: &Network, url: &str, token: ContractId, question: &[u8]) {
    let question = question.to_vec();
    let process = network.process().to_string();
    let before = used(&process);
    let a_second = at_once(url, move |worker, caller| {
        let question = question.clone();
        async move { ask(&worker, &caller, token, question).await }
    })
    .await;
    let used = used(&process) - before;
    let queries = a_second * SPAN.as_secs_f64() / used.as_secs_f64();
    println!("{:<44} {queries:>12.0}", "queries in a second of one core");
    let (all, least) = (cryptography(false), cryptography(true));
    for (what, cryptography) in [
        ("its cryptography, nothing kept", all),
        ("its cryptography, what is kept left out", least),
    ] {
        println!("{what:<44} {cryptography:>12.0}");
        println!("{:<44} {:>12.2}", "  share", queries / cryptography);
    }
}

/// Processor time that a process or thread has used, by its folder in `/proc`.
fn used(whose: &str) -> Duration {
    let path = format!("/proc/{whose}/stat");
    let text = std::fs::read_to_string(path).expect("it runs, on Linux");
    // After the name, which may contain anything but is in brackets: user and system time are the
    // 12th and 13th.
    let (_, rest) = text.rsplit_once(')').expect("it has a name");
    let ticks: u64 = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().expect("a number"))
        .sum();
    // Linux counts in hundredths of a second here, whatever it does inside.
    Duration::from_millis(ticks * 10)
}

/// What a worker has to compute for one query: check two signatures, agree on a key, decrypt, encrypt.
/// Of a client that is known, it has checked the certificate and agreed on a key before.
fn cryptography(known: bool) -> f64 {
    let (account, session) = (Keypair::from_seed([1; 32]), Keypair::from_seed([2; 32]));
    let worker = Keypair::from_seed([3; 32]);
    let certificate = certificate::sign_certificate(
        &account,
        &session.public(),
        certificate::NO_EXPIRY,
        &mut OsRng,
    );
    let shared = session.agree(&worker.public()).expect("a key");
    let sealed =
        envelope::encrypt(&shared, session.public(), &[0; 150], &mut OsRng).expect("small");
    let bytes = sealed.encode();
    let signature = certificate::sign_query(&bytes, &session, certificate, &mut OsRng);
    let message = signature.signature.as_slice().try_into().expect("64 bytes");
    let begun = used("thread-self");
    let mut done = 0u32;
    while used("thread-self") - begun < Duration::from_secs(1) {
        for _ in 0..100 {
            let shared = if known {
                assert!(verify_raw(&session.public(), &bytes, message));
                shared.clone()
            } else {
                certificate::verify_query(&bytes, &signature, 1).expect("it is genuine");
                worker.agree(&sealed.pubkey).expect("a key")
            };
            envelope::decrypt(&shared, &sealed).expect("it opens");
            envelope::encrypt(&shared, worker.public(), &[0; 80], &mut OsRng).expect("small");
            done += 1;
        }
    }
    f64::from(done) / (used("thread-self") - begun).as_secs_f64()
}

/// Sends many transactions without waiting for each, and measures until the last one has done all it
/// does.
async fn stream(network: &Network) {
    let mut sender = Sender::connect(network.chain()).await;
    let chain = ChainClient::connect(network.chain())
        .await
        .expect("it answers");
    let client = Client::connect(chain, Some(&network.worker(0)), None, alice())
        .await
        .expect("the worker is in the cluster");
    let receiver = Account::from_suri("//Bob").expect("a development account");
    let before = client
        .chain()
        .balance(&receiver.id())
        .await
        .expect("it answers")
        .free;
    let bob = phat_runtime::AccountId::from(receiver.id().0);
    let begun = Instant::now();
    for _ in 0..COMMANDS {
        let call = pallet_balances::Call::transfer_allow_death {
            dest: MultiAddress::Id(bob.clone()),
            value: 1,
        };
        sender.send(call).await;
    }
    on_chain(client.chain(), &receiver, before + u128::from(COMMANDS)).await;
    report("transfers on the chain alone", begun);

    let token = network.contract("token");
    let api = token_api().interface;
    let function = api.message("transfer").expect("it is there");
    let message = api
        .encode_call(function, &["//Bob", "1", ""])
        .expect("it fits");
    let payload = CommandPayload::Plain(InkCommand::InkMessage {
        nonce: vec![0; 32],
        message,
        transfer: 0,
        gas_limit: TRANSFER_GAS,
        storage_deposit_limit: None,
    })
    .encode();
    let begun = Instant::now();
    for _ in 0..COMMANDS {
        let call = pallet_phat_clusters::Call::push_contract_message {
            contract_id: token,
            payload: payload.clone(),
            deposit: 0,
        };
        sender.send(call).await;
    }
    applied(network, token, u128::from(COMMANDS)).await;
    report("commands (PSP22 transfers), on all workers", begun);
    println!(
        "cluster {:?}, {} workers",
        ids::cluster_id(1),
        network.workers()
    );
}

fn report(what: &str, begun: Instant) {
    println!(
        "{what:<44} {:>12.0}",
        f64::from(COMMANDS) / begun.elapsed().as_secs_f64()
    );
}

/// Waits until Bob has this much on the chain.
async fn on_chain(chain: &ChainClient, bob: &Account, amount: u128) {
    while chain.balance(&bob.id()).await.expect("it answers").free < amount {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until every worker says that Bob has these tokens.
async fn applied(network: &Network, token: ContractId, expected: u128) {
    let api = token_api().interface;
    let function = api.message("balance_of").expect("it is there");
    let question = api.encode_call(function, &["//Bob"]).expect("it fits");
    let caller = Caller::new(&alice());
    for index in 0..network.workers() {
        let worker = WorkerClient::connect(&network.worker(index))
            .await
            .expect("it answers");
        loop {
            let answer = worker
                .call(&caller, token, question.clone())
                .await
                .expect("it answers");
            let bytes = answer.result.expect("the contract answers").data;
            let balance = api.decode_output(function, &bytes).expect("it decodes");
            if balance.readable().to_string().replace('_', "") == expected.to_string() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
