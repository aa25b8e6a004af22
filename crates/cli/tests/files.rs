//! Files of workers and of the chain that were damaged, cut off, exchanged, or put back to an older copy:
//! refused with a message that says which file and what to do, or mended; never a panic, and nothing
//! wrong is served.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod running;

use phat_follower::Genesis;
use phat_primitives::{AccountId, BlockNumber, Hash};
use phat_worker::{
    Config, Engines, Platform, SnapshotConfig, SoftwareAttester, Worker, egress::EgressConfig,
    server::ServerLimits,
};
use running::{
    Network, Stream,
    clients::{agree, bundle},
    fails, start,
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

const OPTIONS: [&str; 4] = ["--block-time", "0.1", "--workers", "2"];
/// The files of a worker that it cannot do without.
const FILES: [&str; 3] = ["identity.key", "sealing.key", "records.redb"];

fn worker_folder(network: &Path, index: usize) -> PathBuf {
    network.join(format!("worker-{index}"))
}

/// Lets the cluster do some work.
async fn work(network: &Network, commands: usize) {
    let client = network.client(0, "//Alice").await;
    let contract = network.contract("token");
    let stream = Stream::begin(client, contract, &bundle("token").interface, "//Bob");
    stream.wait_for(commands).await;
    stream.stop();
}

/// A network that has done some work and was stopped; its genesis.
async fn stopped(folder: &Path) -> Genesis {
    let network = start(folder, &OPTIONS);
    work(&network, 5).await;
    agree(&network.worker(0), &network.worker(1)).await;
    let genesis = phat_worker::beginning(network.chain(), None).await.unwrap();
    network.stop();
    genesis
}

/// A copy of the files of a worker.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in FILES {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

/// What a worker has of its cluster when it starts: last block, root, and what it has come to.
type Served = (BlockNumber, Hash, Vec<(BlockNumber, Hash)>);

/// Starts a worker without a chain, as it is started in earnest, and stops it again.
async fn try_start(folder: &Path, genesis: &Genesis, engines: &Engines) -> Result<Served, String> {
    let platform = Platform::software(SoftwareAttester::default(), folder)
        .map_err(|error| error.to_string())?;
    let config = Config {
        directory: folder.to_owned(),
        chain: "ws://127.0.0.1:1".into(),
        genesis: genesis.clone(),
        operator: AccountId([1; 32]),
        measurement: [0; 32],
        platform,
        egress: EgressConfig::default(),
        limits: ServerLimits::default(),
        snapshots: SnapshotConfig::default(),
        tls: None,
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let worker =
        Worker::start(config, engines.clone(), listener).map_err(|error| error.to_string())?;
    let view = worker.views().borrow().clone();
    worker.stop().await;
    assert!(
        !view.is_current(),
        "it does not know the chain's last block"
    );
    let member = view.member.ok_or("it is in no cluster")?;
    let recent = member.recent.iter();
    let recent = recent
        .map(|(block, roots)| (*block, roots.state_root))
        .collect();
    Ok((member.applied, member.state_root, recent))
}

/// Changes to the bytes of a file: other bits in some places, an end in some places, other content.
fn damages(good: &[u8]) -> Vec<Vec<u8>> {
    let len = good.len();
    let mut damages = vec![
        good[..len / 2].to_vec(),
        good[..len - 1].to_vec(),
        [good, &[7]].concat(),
        vec![7; len],
        vec![7; 100_000],
    ];
    let pages = good.chunks(4096).enumerate();
    let used = pages.filter(|(_, page)| page.iter().any(|byte| *byte != 0));
    let places = used.flat_map(|(number, page)| {
        let somewhere = number * 89 % page.len();
        [0, 40 % page.len(), somewhere].map(|at| number * 4096 + at)
    });
    // Of a large file not every page.
    let places: Vec<_> = (0..len.min(64)).chain(places).collect();
    for at in places.iter().step_by(places.len().div_ceil(80)) {
        let mut bent = good.to_vec();
        bent[*at] ^= 1 << (at % 8);
        damages.push(bent);
    }
    damages
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_a_workers_files_it_says_which_one_and_serves_nothing_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let network = folder.path().join("network");
    let genesis = stopped(&network).await;
    let engines = Engines::new(&ServerLimits::default()).unwrap();
    let (mine, yours) = (worker_folder(&network, 0), worker_folder(&network, 1));
    let home = folder.path().join("damaged");
    let attempt = async |change: &dyn Fn(&Path)| {
        // A worker may write when it starts.
        let _ = fs::remove_dir_all(&home);
        copy(&mine, &home);
        change(&home);
        try_start(&home, &genesis, &engines).await
    };
    let good = attempt(&|_| {}).await.unwrap();
    let was_true = |(applied, root, _): &Served| {
        let (last, _, recent) = &good;
        let then = recent.iter().rev().find(|(block, _)| block <= applied);
        applied <= last && then.is_some_and(|(_, then)| then == root)
    };
    assert!(was_true(&good));

    let mut opened = 0;
    for name in FILES {
        let whole = fs::read(mine.join(name)).unwrap();
        for damaged in damages(&whole) {
            let damage = |home: &Path| fs::write(home.join(name), &damaged).unwrap();
            match attempt(&damage).await {
                // The database falls back to what it had committed before, if that is whole.
                Ok(served) => {
                    assert_eq!(name, "records.redb");
                    assert!(was_true(&served), "{served:?} instead of {good:?}");
                    opened += 1;
                }
                Err(error) => {
                    // With another sealing key it is the identity that does not open.
                    let named = error.contains(name) || name == "sealing.key";
                    assert!(named && error.contains("damaged/"), "{name}: {error}");
                    let advice = ["Put back", "put back", "start over with an empty directory"];
                    assert!(advice.iter().any(|text| error.contains(text)), "{error}");
                }
            }
        }
    }
    assert!(opened > 0);

    // Exchanged with another worker's: each alone, and the keys together.
    for exchanged in [&FILES[..1], &FILES[1..2], &FILES[2..], &FILES[..2]] {
        let exchange = |home: &Path| {
            for name in exchanged {
                fs::copy(yours.join(name), home.join(name)).unwrap();
            }
        };
        let error = attempt(&exchange).await.unwrap_err();
        assert!(
            error.contains("another key") && error.contains("ut back"),
            "{exchanged:?}: {error}"
        );
    }
    // Nothing of this is undone by a lost file of keys: it is not made anew and used.
    for name in &FILES[..2] {
        let remove = |home: &Path| fs::remove_file(home.join(name)).unwrap();
        let error = attempt(&remove).await;
        assert!(error.unwrap_err().contains("another key"), "{name}");
    }
    // Lost records are had again from the chain.
    let remove = |home: &Path| fs::remove_file(home.join("records.redb")).unwrap();
    let fresh = attempt(&remove).await;
    assert_eq!(fresh, Err("it is in no cluster".to_owned()));
    // Whatever stands where the snapshots are.
    let put = |home: &Path| fs::write(home.join("snapshots"), b"no folder").unwrap();
    assert_eq!(attempt(&put).await.unwrap(), good);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_a_workers_files_catches_up_and_reports_on() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("network");
    stopped(&home).await;
    let old = folder.path().join("old");
    copy(&worker_folder(&home, 1), &old);
    let network = start(&home, &OPTIONS);
    work(&network, 5).await;
    agree(&network.worker(0), &network.worker(1)).await;
    network.stop();
    copy(&old, &worker_folder(&home, 1));
    // Its snapshots are damaged as well: it has no need of them.
    let snapshots = worker_folder(&home, 1).join("snapshots");
    for entry in fs::read_dir(&snapshots).into_iter().flatten() {
        for file in fs::read_dir(entry.unwrap().path()).unwrap() {
            fs::write(file.unwrap().path(), b"damaged").unwrap();
        }
    }
    let network = start(&home, &OPTIONS);
    work(&network, 3).await;
    agree(&network.worker(0), &network.worker(1)).await;
    let chain = network.connect().await;
    for worker in chain.workers().await.unwrap() {
        assert_eq!(chain.divergence(worker).await.unwrap(), None);
    }
    // Both have reported what they came to: with two workers nothing is agreed on otherwise.
    let cluster = phat_primitives::ids::cluster_id(1);
    let height = chain.head().await.unwrap().number as BlockNumber;
    work(&network, 3).await;
    for _ in 0..600 {
        let agreed = chain.agreed_blocks(cluster).await.unwrap();
        if agreed.last().is_some_and(|block| *block > height) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("nothing is agreed on after block {height}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_with_damaged_files_says_which_and_starts_afresh_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("network");
    stopped(&home).await;
    let chain = home.join("chain/chain.redb");
    let records = worker_folder(&home, 1).join("records.redb");
    let identity = worker_folder(&home, 0).join("identity.key");
    for (file, advice) in [
        (&chain, "start afresh with --fresh"),
        (&records, "start over with an empty directory"),
        (&identity, "Put back the right file"),
    ] {
        let good = fs::read(file).unwrap();
        for damaged in [good[..good.len() / 2].to_vec(), vec![7; good.len()]] {
            fs::write(file, damaged).unwrap();
            let said = fails(&home, &OPTIONS);
            assert!(said.contains(&file.display().to_string()), "{said}");
            assert!(said.contains(advice), "{said}");
            assert!(!said.contains("panicked"), "{said}");
        }
        fs::write(file, good).unwrap();
    }
    let network = start(&home, &OPTIONS);
    agree(&network.worker(0), &network.worker(1)).await;
    network.stop();
    fs::write(&chain, b"nothing of use").unwrap();
    let fresh = [&OPTIONS[..], &["--fresh"]].concat();
    start(&home, &fresh).stop();
}
