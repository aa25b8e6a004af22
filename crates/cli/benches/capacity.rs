//! How much a worker holds at once: queries that wait for HTTP, and contracts.
//!
//! ```sh
//! cargo bench -p phat-cli --bench capacity
//! ```
//!
//! `phat dev` runs in a process of its own, with one worker. Figures are of that process: the chain is
//! in it too, so each stands beside the same without the load.

#[path = "../tests/running/mod.rs"]
mod running;
mod sender;

use phat_client::{Account, Bundle, Caller, WorkerClient};
use phat_primitives::{CodeHash, ContractId, blake2_256, ids, message::ResourceKind};
use running::{Network, start};
use sender::Sender;
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// Queries that wait for HTTP at once.
const WAITING: usize = 1_000;
/// Queries of one client: a worker takes no more of each at once.
const PER_CLIENT: usize = 100;
/// For how long the server waits for all of them before it answers: less than contracts wait.
const PATIENCE: Duration = Duration::from_secs(8);
/// Codes that are uploaded.
const CODES: u32 = 50;
/// Contracts that are made of them.
const CONTRACTS: u32 = 10_000;
/// Transactions sent before the worker has done what they ask for.
const AHEAD: u32 = 500;
/// Gas for a constructor that writes one value: ten times what it uses.
const CONSTRUCTOR_GAS: u64 = 5_000_000_000;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        waiting().await;
        println!();
        contracts().await;
    });
}

/// What the system says of a process.
struct Load {
    threads: u64,
    /// KiB that are in memory.
    resident: u64,
}

impl Load {
    fn of(network: &Network) -> Self {
        let path = format!("/proc/{}/status", network.process());
        let text = std::fs::read_to_string(path).expect("it runs, on Linux");
        let number = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            let digits = line.and_then(|line| line.split_whitespace().nth(1));
            digits.and_then(|digits| digits.parse().ok())
        };
        Self {
            threads: number("Threads:").expect("it is there"),
            resident: number("VmRSS:").expect("it is there"),
        }
    }

    fn print(&self, what: &str) {
        println!(
            "{what:<44} {:>4} threads {:>10.1} MiB",
            self.threads,
            self.resident as f64 / 1024.0
        );
    }
}

fn bundle(name: &str) -> Bundle {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/artifacts");
    let bytes = std::fs::read(folder.join(format!("{name}.contract"))).expect("it is committed");
    Bundle::parse(&bytes).expect("it is a bundle")
}

fn caller() -> Caller {
    Caller::new(&Account::from_suri("//Alice").expect("a development account"))
}

/// A server that answers nobody until it is told to.
struct SlowServer {
    url: String,
    asked: Arc<AtomicUsize>,
    answer: watch::Sender<bool>,
}

impl SlowServer {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        // By name, so that it has to be looked up.
        let url = format!("http://localhost:{}/", address.port());
        let asked = Arc::new(AtomicUsize::new(0));
        let (answer, answering) = watch::channel(false);
        let count = asked.clone();
        let app = axum::Router::new().fallback(move || {
            count.fetch_add(1, Ordering::Relaxed);
            let mut answering = answering.clone();
            async move {
                // It ends with the benchmark.
                let _ = answering.wait_for(|answer| *answer).await;
                r#"{"rate":"0.92"}"#
            }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, asked, answer }
    }
}

/// A thousand queries wait for the same server.
async fn waiting() {
    let folder = tempfile::tempdir().expect("a folder");
    let connections = WAITING.to_string();
    let options = [
        "--workers",
        "1",
        "--max-connections-per-address",
        &connections,
    ];
    let network = start(folder.path(), &options);
    let worker = WorkerClient::connect(&network.worker(0))
        .await
        .expect("it answers");
    let (contract, caller) = (network.contract("http"), caller());
    let api = bundle("http").interface;
    let fetch = api.message("fetch").expect("it is there");
    let question = |server: &SlowServer| {
        api.encode_call(fetch, &[&server.url, "/rate"])
            .expect("it fits")
    };
    // What the first requests take once is not counted.
    let ready = SlowServer::start().await;
    ready.answer.send_replace(true);
    for _ in 0..20 {
        let answer = worker.call(&caller, contract, question(&ready)).await;
        answer.expect("it answers").result.expect("it has run");
    }
    let before = Load::of(&network);
    let server = SlowServer::start().await;
    let question = question(&server);
    let mut clients = Vec::new();
    while clients.len() * PER_CLIENT < WAITING {
        let client = WorkerClient::connect(&network.worker(0)).await;
        clients.push(client.expect("it answers"));
    }
    let queries: Vec<_> = (0..WAITING)
        .map(|number| {
            let worker = clients[number / PER_CLIENT].clone();
            let (caller, question) = (caller.clone(), question.clone());
            tokio::spawn(async move { worker.call(&caller, contract, question).await })
        })
        .collect();
    let begun = Instant::now();
    while server.asked.load(Ordering::Relaxed) < WAITING && begun.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (arrived, took) = (server.asked.load(Ordering::Relaxed), begun.elapsed());
    let during = Load::of(&network);
    server.answer.send_replace(true);
    let mut answered = 0;
    for query in queries {
        let answer = query.await.expect("no client fails");
        answered += usize::from(answer.is_ok_and(|answer| answer.result.is_ok()));
    }
    before.print("no query");
    during.print(&format!("{arrived} queries wait for HTTP"));
    let grown = during.resident.saturating_sub(before.resident);
    println!("memory of each: {:.1} KiB", grown as f64 / arrived as f64);
    println!(
        "all had asked after {:.2} s; {answered} were answered",
        took.as_secs_f64()
    );
    network.stop();
}

/// The code with a section behind it that only tells it from others.
fn variant(code: &[u8], number: u32) -> Vec<u8> {
    // A custom section of five bytes: an empty name and the number.
    [code, &[0, 5, 0], &number.to_le_bytes()].concat()
}

/// The number of contracts in the worker.
async fn made(worker: &WorkerClient) -> u64 {
    let info = worker.info().await.expect("it answers");
    info.system.expect("it is in a cluster").number_of_contracts
}

/// Thousands of contracts in one worker, and how it starts with them.
async fn contracts() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ["--workers", "1", "--no-examples"];
    let network = start(folder.path(), &options);
    network.stop();
    let network = start(folder.path(), &options);
    let took = network.took();
    Load::of(&network).print(&format!(
        "started without contracts in {} ms",
        took.as_millis()
    ));
    let worker = WorkerClient::connect(&network.worker(0))
        .await
        .expect("it answers");
    let begun = Instant::now();
    let ids = make(&network, &worker).await;
    println!(
        "{CONTRACTS} contracts of {CODES} codes made in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    Load::of(&network).print("after that");
    network.stop();

    let network = start(folder.path(), &options);
    let took = network.took();
    let worker = WorkerClient::connect(&network.worker(0))
        .await
        .expect("it answers");
    assert!(made(&worker).await >= u64::from(CONTRACTS));
    Load::of(&network).print(&format!("started with them in {} ms", took.as_millis()));
    let (api, caller) = (bundle("flipper").interface, caller());
    let get = api.message("get").expect("it is there");
    let question = api.encode_call(get, &[""; 0]).expect("it fits");
    let ask = async |id: &ContractId| {
        let answer = worker.call(&caller, *id, question.clone()).await;
        answer.expect("it answers").result.expect("it has run");
    };
    for what in ["first query of each code", "second"] {
        let begun = Instant::now();
        for id in ids.iter().take(CODES as usize) {
            ask(id).await;
        }
        let each = begun.elapsed() / CODES;
        Load::of(&network).print(&format!("{what}: {} µs each", each.as_micros()));
    }
    let begun = Instant::now();
    for id in &ids {
        ask(id).await;
    }
    let each = begun.elapsed() / CONTRACTS;
    Load::of(&network).print(&format!(
        "a query of each contract: {} µs",
        each.as_micros()
    ));
    network.stop();
}

/// Makes contracts, and waits until the worker has all of them.
async fn make(network: &Network, worker: &WorkerClient) -> Vec<ContractId> {
    let flipper = bundle("flipper");
    let new = flipper.interface.constructor("new").expect("it is there");
    let data = flipper
        .interface
        .encode_call(new, &["true"])
        .expect("it fits");
    let code = flipper.code().expect("a bundle has code");
    let cluster = ids::cluster_id(1);
    let alice = Account::from_suri("//Alice").expect("a development account");
    let mut sender = Sender::connect(network.chain()).await;
    let mut hashes = Vec::new();
    for number in 0..CODES {
        let code = variant(code, number);
        hashes.push(CodeHash::from(blake2_256(&code)));
        let call = pallet_phat_clusters::Call::cluster_upload_resource {
            cluster_id: cluster,
            resource_type: ResourceKind::InkCode,
            resource_data: code,
        };
        sender.send(call).await;
    }
    let before = made(worker).await;
    let mut ids = Vec::new();
    for (number, code_hash) in (0..CONTRACTS).zip(hashes.iter().cycle()) {
        let salt = number.to_le_bytes().to_vec();
        ids.push(ids::contract_id(&alice.id(), code_hash, &cluster, &salt));
        let call = pallet_phat_clusters::Call::instantiate_contract {
            code_index: pallet_phat_clusters::CodeIndex::WasmCode(*code_hash),
            data: data.clone(),
            salt,
            cluster_id: cluster,
            transfer: 0,
            gas_limit: CONSTRUCTOR_GAS,
            storage_deposit_limit: None,
            deposit: 0,
        };
        sender.send(call).await;
        let expected = before + u64::from((number + 1).saturating_sub(AHEAD));
        while (number + 1) % AHEAD == 0 && made(worker).await < expected {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let begun = Instant::now();
    while made(worker).await < before + u64::from(CONTRACTS) {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "some are not made"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    ids
}
