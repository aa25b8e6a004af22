//! A worker under load that lasts: requests at 90 per cent of what it can do, with their latency and
//! the memory of the process.
//!
//! ```sh
//! cargo bench -p phat-cli --bench load            # 60 seconds
//! PHAT_LOAD_SECONDS=600 cargo bench -p phat-cli --bench load
//! ```
//!
//! Capacity is measured first, by clients that each ask again as soon as they have an answer. Then
//! requests begin at fixed times, whether earlier ones have been answered or not; latency counts from
//! the time at which a request should have begun.

#[path = "../tests/running/mod.rs"]
mod running;

use phat_client::{Account, Bundle, Caller, WorkerClient};
use phat_primitives::ContractId;
use running::{Network, start};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, time::sleep_until};

/// Clients at once while capacity is measured, and whose connections are used afterwards.
const CLIENTS: usize = 32;
/// For how long capacity is measured.
const MEASURE: Duration = Duration::from_secs(10);
/// Part of the capacity that is asked for, in per cent.
const LOAD_PERCENT: f64 = 90.0;
/// How often requests are begun: those that are due by then, all at once.
const TICK: Duration = Duration::from_millis(1);
/// Lines of memory that are printed.
const LINES: u32 = 6;

struct Asker {
    worker: WorkerClient,
    caller: Caller,
    token: ContractId,
    question: Vec<u8>,
}

impl Asker {
    async fn ask(&self) -> bool {
        let question = self.question.clone();
        let answer = self.worker.call(&self.caller, self.token, question).await;
        answer.is_ok_and(|answer| answer.result.is_ok())
    }
}

fn main() {
    let seconds = std::env::var("PHAT_LOAD_SECONDS").ok();
    let seconds = seconds.map_or(60, |text| text.parse().expect("a number of seconds"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let network = start(folder.path(), &["--workers", "1"]);
        let askers = askers(&network).await;
        let capacity = capacity(&askers).await;
        println!("{capacity:.0} a second at most, {CLIENTS} clients at once");
        hold(&network, &askers, capacity, Duration::from_secs(seconds)).await;
        network.stop();
    });
}

async fn askers(network: &Network) -> Vec<Arc<Asker>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/artifacts");
    let token = std::fs::read(path.join("token.contract")).expect("it is committed");
    let api = Bundle::parse(&token).expect("it is a bundle").interface;
    let function = api.message("balance_of").expect("it is there");
    let question = api.encode_call(function, &["//Alice"]).expect("it fits");
    let alice = Account::from_suri("//Alice").expect("a development account");
    let mut askers = Vec::new();
    for _ in 0..CLIENTS {
        askers.push(Arc::new(Asker {
            worker: WorkerClient::connect(&network.worker(0))
                .await
                .expect("it answers"),
            caller: Caller::new(&alice),
            token: network.contract("token"),
            question: question.clone(),
        }));
    }
    askers
}

async fn capacity(askers: &[Arc<Asker>]) -> f64 {
    let begun = Instant::now();
    let clients: Vec<_> = askers
        .iter()
        .map(|asker| {
            let asker = asker.clone();
            tokio::spawn(async move {
                let mut done = 0u32;
                while begun.elapsed() < MEASURE {
                    assert!(asker.ask().await, "it answers");
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
    f64::from(done) / begun.elapsed().as_secs_f64()
}

/// KiB of the process that are in memory.
fn resident(network: &Network) -> f64 {
    let path = format!("/proc/{}/status", network.process());
    let text = std::fs::read_to_string(path).expect("it runs, on Linux");
    let line = text.lines().find(|line| line.starts_with("VmRSS:"));
    let digits = line.and_then(|line| line.split_whitespace().nth(1));
    digits.and_then(|text| text.parse().ok()).expect("a number")
}

async fn hold(network: &Network, askers: &[Arc<Asker>], capacity: f64, span: Duration) {
    let rate = capacity * LOAD_PERCENT / 100.0;
    println!("{rate:.0} a second for {} s:", span.as_secs());
    let (sender, mut answers) = mpsc::unbounded_channel();
    let begun = tokio::time::Instant::now();
    let (mut sent, mut line) = (0u64, 0);
    let mut tick = begun;
    while begun.elapsed() < span {
        if begun.elapsed() >= span * line / LINES {
            let (at, memory) = (begun.elapsed().as_secs(), resident(network) / 1024.0);
            println!("after {at:>4} s: {memory:.1} MiB");
            line += 1;
        }
        let due = (tick - begun).as_secs_f64() * rate;
        while (sent as f64) < due {
            let asker = askers[sent as usize % askers.len()].clone();
            let (sender, scheduled) = (sender.clone(), tick);
            tokio::spawn(async move {
                let answered = asker.ask().await;
                // It is received until all senders are gone.
                let _ = sender.send((answered, scheduled.elapsed()));
            });
            sent += 1;
        }
        tick += TICK;
        sleep_until(tick).await;
    }
    drop(sender);
    let (mut times, mut failed) = (Vec::new(), 0);
    while let Some((answered, time)) = answers.recv().await {
        times.push(time);
        failed += u32::from(!answered);
    }
    let memory = resident(network) / 1024.0;
    println!("after {:>4} s: {memory:.1} MiB", span.as_secs());
    times.sort_unstable();
    let at = |per_mille: usize| times[times.len() * per_mille / 1_000].as_secs_f64() * 1e3;
    println!(
        "{} requests, {failed} without an answer; p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms",
        times.len(),
        at(500),
        at(900),
        at(990),
        at(999)
    );
}
