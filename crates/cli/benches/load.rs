//! A worker under load that lasts: requests at 70 and at 90 per cent of what it can do, with their
//! latency and the memory of the process.
//!
//! ```sh
//! cargo bench -p phat-cli --bench load            # 60 seconds for each
//! PHAT_LOAD_SECONDS=600 cargo bench -p phat-cli --bench load
//! ```
//!
//! Capacity is measured first, by clients that each ask again as soon as they have an answer. Then the
//! same clients ask at fixed times, evenly spread. One whose last request is not answered when the next
//! is due waits for it, and latency counts from when the request was due: so a worker that stands still
//! is charged with all that should have been asked meanwhile.
//!
//! Clients and worker share the machine, so capacity is what both can do together, and a machine that
//! is slower for a while has less of it: the latency within each part of the time shows that.

#[path = "../tests/running/mod.rs"]
mod running;

use phat_client::{Account, Bundle, Caller, WorkerClient};
use phat_primitives::ContractId;
use running::{Network, start};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep_until;

/// Clients at once while capacity is measured, and whose connections are used afterwards.
const CLIENTS: usize = 32;
/// For how long clients ask before capacity is measured: caches fill, and memory is allocated.
const WARM_UP: Duration = Duration::from_secs(5);
/// For how long capacity is measured, each time.
const MEASURE: Duration = Duration::from_secs(1);
/// How often it is measured.
const MEASUREMENTS: usize = 20;
/// So often less was measured than what counts as the capacity: a machine that is not always as fast
/// can do the most only at times.
const SLOWER: usize = 2;
/// Parts of the capacity that are asked for, in per cent.
const LOAD_PERCENT: [f64; 2] = [70.0, 90.0];
/// Parts of the time, each of which has a line.
const LINES: u32 = 6;

struct Asker {
    worker: WorkerClient,
    caller: Caller,
    token: ContractId,
    question: Vec<u8>,
}

impl Asker {
    async fn ask(&self) -> Result<(), String> {
        let question = self.question.clone();
        let answer = self.worker.call(&self.caller, self.token, question).await;
        let answer = answer.map_err(|error| error.to_string())?;
        answer
            .result
            .map(drop)
            .map_err(|error| format!("{error:?}"))
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
        saturate(&askers, WARM_UP).await;
        let mut measured = Vec::new();
        for _ in 0..MEASUREMENTS {
            measured.push(saturate(&askers, MEASURE).await);
        }
        measured.sort_by(f64::total_cmp);
        let (capacity, most) = (measured[SLOWER], measured[MEASUREMENTS - 1]);
        println!("{capacity:.0} a second, {most:.0} at most, {CLIENTS} clients at once");
        for percent in LOAD_PERCENT {
            let rate = capacity * percent / 100.0;
            println!("{percent} per cent, {rate:.0} a second for {seconds} s:");
            hold(&network, &askers, rate, Duration::from_secs(seconds)).await;
        }
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

/// Answers in a second to clients that ask again as soon as they have one.
async fn saturate(askers: &[Arc<Asker>], span: Duration) -> f64 {
    let begun = Instant::now();
    let clients: Vec<_> = askers
        .iter()
        .map(|asker| {
            let asker = asker.clone();
            tokio::spawn(async move {
                let mut done = 0u32;
                while begun.elapsed() < span {
                    asker.ask().await.expect("it answers");
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

/// A request: how long after the beginning it was due, and the time from then to its answer, or why
/// there was none.
type Request = (Duration, Result<Duration, String>);

/// Asks whenever the next request of a client is due, or as soon as the last one is answered if that
/// is later.
async fn ask_on_time(
    asker: &Asker,
    begun: Instant,
    first: Duration,
    every: Duration,
    span: Duration,
) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut due = first;
    while due < span {
        sleep_until((begun + due).into()).await;
        let answer = asker.ask().await;
        requests.push((due, answer.map(|()| begun.elapsed() - due)));
        due += every;
    }
    requests
}

async fn hold(network: &Network, askers: &[Arc<Asker>], rate: f64, span: Duration) {
    let every = Duration::from_secs_f64(askers.len() as f64 / rate);
    let begun = Instant::now();
    let clients: Vec<_> = (0u32..)
        .zip(askers)
        .map(|(number, asker)| {
            let asker = asker.clone();
            let first = every * number / CLIENTS as u32;
            tokio::spawn(async move { ask_on_time(&asker, begun, first, every, span).await })
        })
        .collect();
    let mut memory = Vec::new();
    for part in 1..=LINES {
        sleep_until((begun + span * part / LINES).into()).await;
        memory.push(resident(network) / 1024.0);
    }
    let (mut times, mut failures) = (Vec::new(), BTreeMap::<String, u32>::new());
    for client in clients {
        for (due, answer) in client.await.expect("no client fails") {
            match answer {
                Ok(time) => times.push((due, time)),
                Err(why) => *failures.entry(why).or_default() += 1,
            }
        }
    }
    let took = begun.elapsed().as_secs_f64();
    for (part, memory) in (0..LINES).zip(memory) {
        let (from, to) = (span * part / LINES, span * (part + 1) / LINES);
        let within = times.iter().filter(|(due, _)| (from..to).contains(due));
        let latency = latency(within.map(|(_, time)| *time).collect());
        println!("{:>4} s: {memory:.1} MiB; {latency}", to.as_secs());
    }
    let answered = times.len();
    let latency = latency(times.into_iter().map(|(_, time)| time).collect());
    println!("{answered} answers in {took:.1} s; {latency}");
    for (why, count) in failures {
        println!("{count} without an answer: {why}");
    }
}

fn latency(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |per_mille: usize| {
        let time = times.get(times.len() * per_mille / 1_000);
        time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    format!(
        "p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms",
        at(500),
        at(900),
        at(990),
        at(999)
    )
}
