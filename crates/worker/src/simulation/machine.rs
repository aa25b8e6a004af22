//! One worker on a machine that may stop at any time, lose its disk, or have an older copy of it put
//! back.

use super::network::Wire;
use crate::{
    SnapshotConfig, SoftwareAttester, Source,
    attest::Witness,
    identity,
    node::{Engines, Node, View},
    purse::Purse,
    records,
    renewal::Standing,
    reporter::Reporter,
    snapshot::{Photographer, Shelf},
    worker::{Advance, Snapshots, advance},
};
use phat_crypto::Keypair;
use phat_follower::{Follower, Genesis};
use phat_primitives::{AccountId, BlockNumber, Hash, WorkerId, report::Payload};
use phat_store::{Owner, Store};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;

/// How long evidence lives: somewhat more than a hundred blocks.
pub(super) const EVIDENCE_LIFE: Duration = Duration::from_secs(400);
/// Copies of a disk that are kept.
const COPIES: usize = 3;

/// What every worker of the simulation begins with.
pub(super) struct Setting {
    pub(super) genesis: Genesis,
    pub(super) engines: Engines,
    pub(super) operator: AccountId,
    /// One folder for each machine.
    pub(super) folder: PathBuf,
    /// Machines that there may be.
    pub(super) machines: usize,
}

impl Setting {
    fn folder_of(&self, machine: usize) -> PathBuf {
        self.folder.join(format!("machine{machine}"))
    }
}

/// A copy of a worker's records.
struct Copy {
    file: PathBuf,
    position: BlockNumber,
}

pub(super) struct Machine {
    pub(super) number: usize,
    pub(super) identity: Keypair,
    folder: PathBuf,
    copies: Vec<Copy>,
    copied: usize,
    pub(super) running: Option<Running>,
    /// Last block that is committed on the disk. A crash must not lose it.
    pub(super) reached: BlockNumber,
    /// Last block whose receipts have been compared.
    pub(super) compared: BlockNumber,
    /// What it had to report after the last step.
    pub(super) outbox: Vec<(u64, Payload)>,
}

/// What is in memory.
pub(super) struct Running {
    pub(super) store: Store,
    pub(super) views: watch::Receiver<View>,
    pub(super) witness: Arc<Witness>,
    node: Node,
    snapshots: Snapshots,
    reporter: Reporter,
    _standing: watch::Receiver<Standing>,
    /// The chain has said, since the start, that it has no newer block.
    pub(super) asked: bool,
}

impl Machine {
    pub(super) fn new(number: usize, setting: &Setting) -> Self {
        let folder = setting.folder_of(number);
        fs::create_dir_all(&folder).unwrap();
        let mut seed = [number as u8 + 1; 32];
        seed[0] = 7;
        Self {
            number,
            identity: Keypair::from_seed(seed),
            folder,
            copies: Vec::new(),
            copied: 0,
            running: None,
            reached: 0,
            compared: 0,
            outbox: Vec::new(),
        }
    }

    pub(super) fn id(&self) -> WorkerId {
        WorkerId(self.identity.public())
    }

    fn records(&self) -> PathBuf {
        self.folder.join("records.redb")
    }

    pub(super) fn snapshots(&self) -> PathBuf {
        self.folder.join("snapshots")
    }

    /// Starts the worker from what is on the disk, as [`crate::Worker::start`] does.
    pub(super) fn start(&mut self, setting: &Setting) {
        let owner = Owner {
            version: records::VERSION,
            identity: &setting.genesis.hash.0,
        };
        let key = identity::store_key(&self.identity);
        let store = Store::open(&self.records(), &key, owner).unwrap();
        // Nobody has a credit here.
        let purse = Purse::new(self.id(), Hash::zero());
        let node = Node::open(
            self.identity.clone(),
            setting.genesis.hash,
            store.clone(),
            setting.engines.clone(),
            Follower::new(setting.genesis.clone()).unwrap(),
            purse.clone(),
        )
        .unwrap();
        let views = node.views();
        let witness = Arc::new(Witness {
            worker: self.id(),
            operator: setting.operator,
            measurement: phat_runtime::presets::DEVELOPMENT_MEASUREMENT,
            genesis: setting.genesis.hash,
            attester: Arc::new(SoftwareAttester::new(EVIDENCE_LIFE, None)),
            engines: setting.engines.clone(),
            views: views.clone(),
            kept: Default::default(),
        });
        let config = SnapshotConfig {
            every: Duration::ZERO,
            ..SnapshotConfig::default()
        };
        let others = (0..setting.machines).filter(|other| *other != self.number);
        let snapshots = Snapshots {
            folder: self.snapshots(),
            sources: others
                .map(|other| Source::Folder(setting.folder_of(other).join("snapshots")))
                .collect(),
            photographer: Photographer::new(Shelf::new(self.snapshots()), config),
            searched: None,
        };
        let (standing, _standing) = watch::channel(Standing::default());
        let reporter = Reporter::new(
            self.identity.clone(),
            store.clone(),
            witness.clone(),
            purse,
            standing,
        );
        self.running = Some(Running {
            store,
            views,
            witness,
            node,
            snapshots,
            reporter,
            _standing,
            asked: false,
        });
    }

    /// Stops the worker without a farewell.
    pub(super) async fn stop(&mut self) {
        self.running = None;
        // Evidence that is being made holds on to the records until it is made.
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }

    /// Keeps a copy of the records as they are.
    pub(super) fn copy_disk(&mut self) {
        self.copied += 1;
        let file = self.folder.join(format!("copy{}", self.copied));
        fs::copy(self.records(), &file).unwrap();
        let position = self.reached;
        self.copies.push(Copy { file, position });
        if self.copies.len() > COPIES {
            fs::remove_file(self.copies.remove(0).file).unwrap();
        }
    }

    /// Puts an older copy in the place of the records of a worker that stands still. `false` if there
    /// is none.
    pub(super) fn put_back(&mut self, which: usize) -> bool {
        let Some(copy) = self.copies.get(which) else {
            return false;
        };
        fs::copy(&copy.file, self.records()).unwrap();
        self.reached = copy.position;
        self.forget();
        true
    }

    /// Gives a worker that stands still an empty disk; its sealed identity is elsewhere.
    pub(super) fn lose_disk(&mut self) {
        fs::remove_file(self.records()).ok();
        fs::remove_dir_all(self.snapshots()).ok();
        self.reached = 0;
        self.forget();
    }

    /// Forgets what is known of a disk that is another one now.
    fn forget(&mut self) {
        self.compared = 0;
        self.outbox.clear();
    }
}

impl Running {
    /// One round of following the chain. `None` if it was interrupted.
    pub(super) async fn advance(&mut self, wire: &Wire) -> Option<Advance> {
        // How long a search for a snapshot was in vain is the machine's clock's business.
        self.snapshots.searched = None;
        let advanced = advance(&mut self.node, wire, &mut self.snapshots)
            .await
            .ok();
        match &advanced {
            Some(Advance::Blocks(_) | Advance::Snapshot) => self.node.publish().unwrap(),
            Some(Advance::Nothing) => self.asked = true,
            None => {}
        }
        self.snapshots.photographer.finished().await;
        advanced
    }

    /// One round of reporting. `false` if it was interrupted.
    pub(super) async fn report(&mut self, wire: &Wire) -> bool {
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        let made = self.reporter.has_news();
        tokio::select! {
            biased;
            () = made => {}
            () = std::future::ready(()) => {}
        }
        let view = self.views.borrow().clone();
        self.reporter.on_view(wire, &view).await.is_ok()
    }

    /// What is on the disk of where the chain is followed to.
    pub(super) fn follower(&self) -> Option<Vec<u8>> {
        records::follower(&self.store.snapshot().unwrap()).unwrap()
    }

    /// Makes the disk what it is when the worker is stopped within a batch: blocks are committed, and
    /// the note of how far the chain was followed is not.
    pub(super) fn tear(&self, follower: &[u8]) {
        let mut writes = self.store.batch();
        records::put_follower(&mut writes, &follower.to_vec());
        writes.commit().unwrap();
    }
}

/// The files of snapshots in a folder, in order.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => files(&path),
                false => vec![path],
            }
        })
        .collect();
    found.sort();
    found
}
