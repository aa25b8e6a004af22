//! A worker that is killed at random moments under load loses nothing that it has committed, and has
//! the same state as the others in the end.
//!
//! A short run is among the ordinary tests; a long one is
//!
//! ```text
//! PHAT_CRASHES=200 cargo test --release --test crash -- --nocapture
//! ```
//!
//! `PHAT_SEED` repeats the moments of a run, as far as the machine repeats its own.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod running;

use phat_client::{Account, Options, WorkerClient, chain::Call};
use phat_primitives::{MessageNumber, receipt::Receipt};
use rand::{Rng, SeedableRng, rngs::StdRng};
use running::{Network, Stream, clients::bundle, receipts_seen, start, worker::Worker};
use std::{
    collections::BTreeMap,
    env,
    path::Path,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// Crashes of a short run.
const SHORT: u32 = 6;
/// Every so many crashes the chain and its workers are killed, too.
const ALL_EVERY: u32 = 5;
/// Longest time that a worker is left alone.
const LONGEST_MS: u64 = 1_200;

fn setting(name: &str, default: u64) -> u64 {
    match env::var(name) {
        Ok(text) => text.parse().unwrap(),
        Err(_) => default,
    }
}

fn network(folder: &Path) -> Network {
    let options = ["--block-time", "0.2", "--workers", "2"];
    start(&folder.join("network"), &options)
}

fn bob() -> Account {
    Account::from_suri("//Bob").unwrap()
}

/// Gives Bob what he needs to send commands: tokens, and money in the cluster.
async fn endow(network: &Network) {
    let alice = network.client(0, "//Alice").await;
    let (token, api) = (network.contract("token"), bundle("token").interface);
    let args = ["//Bob", "100000", ""];
    let moved = alice
        .call(token, &api, "transfer", &args, &Options::default())
        .await
        .unwrap();
    assert!(moved.receipt.outcome.is_ok(), "{moved:?}");
    let call = Call::TransferToCluster {
        cluster: alice.cluster().id,
        to: bob().id(),
        amount: 1_000_000_000_000_000,
    };
    alice.chain().submit(&bob(), call).await.unwrap();
}

/// What a worker has shown to the outside: it must not take back any of it.
#[derive(Default)]
struct Seen {
    /// The next block that it would apply.
    next: u32,
    receipts: BTreeMap<MessageNumber, Receipt>,
}

impl Seen {
    /// Looks at the worker and compares with what it has shown before.
    async fn look(&mut self, network: &Network, url: &str, ordered: &[MessageNumber]) {
        let info = WorkerClient::connect(url)
            .await
            .unwrap()
            .info()
            .await
            .unwrap();
        assert!(
            info.blocknum >= self.next,
            "it was at block {} and is at {}",
            self.next,
            info.blocknum
        );
        self.next = info.blocknum;
        let client = network.client_at(url, "//Bob").await;
        let known: Vec<_> = self.receipts.keys().copied().collect();
        let again = receipts_seen(&client, &known).await;
        assert_eq!(again.len(), known.len(), "a receipt is gone");
        for receipt in again {
            assert_eq!(self.receipts[&receipt.number], receipt);
        }
        let new: Vec<_> = ordered
            .iter()
            .filter(|number| !self.receipts.contains_key(number))
            .copied()
            .take(20)
            .collect();
        for receipt in receipts_seen(&client, &new).await {
            self.receipts.insert(receipt.number, receipt);
        }
        // The latest are enough: older ones were compared before.
        while self.receipts.len() > 30 {
            self.receipts.pop_first();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_loses_nothing() {
    let crashes = setting("PHAT_CRASHES", u64::from(SHORT)) as u32;
    let seed = setting("PHAT_SEED", 1);
    eprintln!("{crashes} crashes, seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("worker");
    let join = ["--cluster", "1", "--snapshot-every", "2"];
    let mut network = network(folder.path());
    endow(&network).await;
    let mut seen = Seen::default();
    let begun = Instant::now();
    for crash in 0..crashes {
        // Not Alice, who operates the worker.
        let load = Stream::begin_as(
            bob(),
            network.client(0, "//Bob").await,
            network.contract("token"),
            &bundle("token").interface,
            "//Charlie",
        );
        load.wait_for(1).await;
        let pause = Duration::from_millis(random.gen_range(0..LONGEST_MS));
        if random.gen_bool(0.3) {
            // While it starts: at any moment before it serves.
            let mut process = Worker::spawn(&home, &network, &join);
            sleep(pause).await;
            process.kill().unwrap();
            process.wait().unwrap();
        } else {
            let worker = Worker::start(&home, &network, &join);
            seen.look(&network, &worker.text("url"), &load.ordered())
                .await;
            sleep(pause).await;
            worker.kill();
        }
        if crash % ALL_EVERY == ALL_EVERY - 1 {
            network.kill();
            network = self::network(folder.path());
        }
        if crash % 20 == 19 {
            eprintln!("{} crashes in {:?}", crash + 1, begun.elapsed());
        }
        load.stop();
    }

    // In the end it has what the others have, and the chain has nothing to say against it.
    let worker = Worker::start(&home, &network, &join);
    let url = worker.text("url");
    seen.look(&network, &url, &[]).await;
    let mut agreed = false;
    for _ in 0..300 {
        let mut roots = Vec::new();
        for url in [&url, &network.worker(0), &network.worker(1)] {
            let info = WorkerClient::connect(url).await.unwrap().info().await;
            roots.push(info.unwrap().state_root);
        }
        agreed = roots.iter().all(|root| *root == roots[0]);
        if agreed {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert!(agreed, "the workers end with different states");
    let chain = network.connect().await;
    for worker in chain.workers().await.unwrap() {
        assert_eq!(chain.divergence(worker).await.unwrap(), None);
    }
}
