//! One worker, running: its parts put together and kept going.

use crate::{
    attest::{AttestError, Witness},
    cache::Cache,
    chain::{BLOCKS_PER_REQUEST, Chain, ChainError, Line, News},
    egress::{Egress, EgressConfig, EgressError},
    handover::{self, HandoverError, Predecessor, Side},
    identity::{self, Identity, IdentityError},
    logs::Logs,
    memo::{Agreements, Certificates},
    metrics::Metrics,
    node::{Effects, Engines, Node, NodeError, View},
    platform::Platform,
    purse::Purse,
    records,
    renewal::Standing,
    reporter::Reporter,
    sealing::Sealer,
    server::{self, ServerLimits, Tls},
    service::{Answered, WorkerService},
    snapshot::{self, Photographer, Shelf, SnapshotConfig, Source},
    surroundings::Here,
    turns::{Stakes, Turns},
};
use phat_attestation::Evidence;
use phat_crypto::rand_core::{OsRng, RngCore};
use phat_follower::{Follower, Genesis, GenesisError};
use phat_primitives::{AccountId, Hash, WorkerId};
use phat_store::{OpenError, Owner, Store};
use std::{
    fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};

/// How long to wait before the chain is tried again.
const RECONNECT_AFTER: Duration = Duration::from_millis(500);
/// How long to wait for news of a block before asking for it.
const POLL_AFTER: Duration = Duration::from_secs(10);

/// How long a worker that stops tries to tell the chain what it has spent of credits.
const LAST_WORD: Duration = Duration::from_secs(2);

/// How long to apply blocks before a snapshot is looked for again.
const SEARCH_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// The file of the worker's records.
const RECORDS: &str = "records.redb";

/// How a worker is set up.
pub struct Config {
    /// Where it keeps its key and its records.
    pub directory: PathBuf,
    /// WebSocket address of the chain.
    pub chain: String,
    /// What it trusts: the chain's beginning.
    pub genesis: Genesis,
    /// Who runs it.
    pub operator: AccountId,
    /// Measurement of the program, where nothing measures it.
    pub measurement: [u8; 32],
    /// Makes its evidence, and seals its key.
    pub platform: Platform,
    /// What contracts may fetch.
    pub egress: EgressConfig,
    /// Bounds on what clients may ask.
    pub limits: ServerLimits,
    /// Where snapshots of its cluster go and come from.
    pub snapshots: SnapshotConfig,
    /// The certificate to serve with; plain HTTP if there is none.
    pub tls: Option<Tls>,
}

/// Why a worker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its directory cannot be made.
    #[error("the directory {} cannot be made: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its key is not to be had.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Its records cannot be opened.
    #[error("the worker's records cannot be opened: {0}")]
    Store(#[from] OpenError),
    /// Its records cannot be read.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// What it is to trust as the chain's beginning is wrong.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// Its successor has its identity.
    #[error(
        "the worker's identity was handed over to its successor; remove {} to begin as a new worker", .0.display()
    )]
    HandedOver(PathBuf),
    /// HTTP for contracts cannot be set up.
    #[error(transparent)]
    Egress(#[from] EgressError),
}

/// A running worker. It stops when this is dropped, or by [`Worker::stop`].
pub struct Worker {
    id: WorkerId,
    witness: Arc<Witness>,
    views: watch::Receiver<View>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    side: Side,
    inherited: bool,
    directory: PathBuf,
    sealer: Sealer,
    gone: Arc<AtomicBool>,
}

impl Worker {
    /// Starts a worker that serves HTTP on `listener`.
    pub fn start(
        config: Config,
        engines: Engines,
        listener: TcpListener,
    ) -> Result<Self, StartError> {
        let Config {
            directory,
            chain,
            genesis,
            operator,
            measurement,
            platform,
            egress,
            limits,
            snapshots,
            tls,
        } = config;
        fs::create_dir_all(&directory).map_err(|source| StartError::Directory {
            path: directory.clone(),
            source,
        })?;
        let Identity {
            key: identity,
            inherited,
        } = identity::load_or_create(&directory, &platform.sealer)?;
        let genesis_hash = genesis.hash;
        let owner = Owner {
            version: records::VERSION,
            identity: &genesis_hash.0,
        };
        let key = identity::store_key(&identity);
        let store = Store::open(&directory.join(RECORDS), &key, owner)?;
        let snapshot = store.snapshot().map_err(NodeError::from)?;
        let handed_over = records::handed_over(&snapshot).map_err(NodeError::from)?;
        if handed_over.is_some() {
            return Err(StartError::HandedOver(directory));
        }
        let follower = Follower::new(genesis)?;
        let queries = engines.queries.clone();
        let id = WorkerId(identity.public());
        let mut session = Hash::zero();
        OsRng.fill_bytes(&mut session.0);
        let purse = Purse::new(id, session);
        let node = Node::open(
            identity.clone(),
            genesis_hash,
            store.clone(),
            engines.clone(),
            follower,
            purse.clone(),
        )?;
        let views = node.views();
        let logs = Arc::new(Logs::default());
        let metrics = Arc::new(Metrics::default());
        let turns = Arc::new(Turns::new(&limits, metrics.clone()));
        let here = Here {
            worker: id,
            egress: Arc::new(Egress::new(egress)?),
            cache: Arc::new(Cache::default()),
            logs: logs.clone(),
            metrics: metrics.clone(),
            deadline: None,
        };
        let (stop, stopped) = watch::channel(false);
        let shelf = Shelf::new(directory.join(snapshot::PATH));
        let witness = Arc::new(Witness {
            worker: id,
            operator,
            measurement,
            genesis: genesis_hash,
            attester: platform.attester,
            engines: engines.clone(),
            views: views.clone(),
            kept: Default::default(),
        });
        let side = Side {
            identity: identity.clone(),
            operator,
            genesis: genesis_hash,
            chain: chain.clone(),
        };
        let predecessor =
            Predecessor::new(side.clone(), store.clone(), views.clone(), stop.clone());
        let gone = predecessor.gone.clone();
        let (standing, stands) = watch::channel(Standing::default());
        let service = Arc::new(WorkerService {
            identity: identity.clone(),
            witness: witness.clone(),
            standing: stands,
            views: views.clone(),
            here: here.clone(),
            logs,
            answered: Answered::default(),
            predecessor,
            shelf: shelf.clone(),
            certificates: Certificates::default(),
            agreements: Agreements::default(),
            turns: turns.clone(),
            purse: purse.clone(),
            metrics,
            queries,
            query_memory: limits.query_memory,
            processors: u32::try_from(limits.processors).unwrap_or(u32::MAX),
            query_timeout: limits.query_timeout,
            max_contract_ids: limits.max_contract_ids,
        });
        let stopping = until(stopped.clone());
        let serving = server::serve(listener, service.clone(), limits, tls, stopping);
        let snapshots = Snapshots {
            folder: directory.join(snapshot::PATH),
            sources: snapshots.sources.clone(),
            photographer: Photographer::new(shelf, snapshots),
            searched: None,
        };
        let following = follow(chain.clone(), node, here, turns, snapshots, stopped.clone());
        // On a thread of its own: applying a block compiles code and waits for the disk, and queries
        // must not wait for that.
        let runtime = tokio::runtime::Handle::current();
        let following = tokio::task::spawn_blocking(move || runtime.block_on(following));
        let reporter = Reporter::new(identity, store, witness.clone(), purse, standing);
        let reporting = report(chain, reporter, views.clone(), stopped);
        // Evidence needs the score: it is there when somebody asks for evidence.
        let measuring = tokio::spawn(async move {
            engines.performance().await;
        });
        let tasks = vec![
            tokio::spawn(serving),
            following,
            tokio::spawn(reporting),
            measuring,
        ];
        Ok(Self {
            id,
            witness,
            views,
            stop,
            tasks,
            side,
            inherited,
            directory,
            sealer: platform.sealer,
            gone,
        })
    }

    /// The worker's id.
    pub fn id(&self) -> WorkerId {
        self.id
    }

    /// Fresh evidence, with which its operator registers it.
    pub async fn evidence(&self) -> Result<Evidence, AttestError> {
        self.witness.evidence().await
    }

    /// What the worker serves, after each block.
    pub fn views(&self) -> watch::Receiver<View> {
        self.views.clone()
    }

    /// Whether the worker has the identity of another that it took over.
    pub fn is_successor(&self) -> bool {
        self.inherited
    }

    /// Whether its own successor has its identity now: it has stopped, and cannot be started again.
    pub fn is_handed_over(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Takes over the identity of the worker at `url`, see [`handover`], and stops: what
    /// is started in the same directory then is that worker. This one must be in service.
    ///
    /// A predecessor that cannot be told goes on beside its successor, until
    /// [`Worker::tell_predecessor`] reaches it.
    pub async fn take_over(mut self, url: &str) -> Result<(), HandoverError> {
        let taken = match self.side.ask(url, &self.views).await {
            Ok(taken) => taken,
            Err(error) => {
                self.end().await;
                return Err(error);
            }
        };
        self.end().await;
        let former = [RECORDS, snapshot::PATH];
        handover::keep(&self.directory, &self.sealer, &taken, &former)?;
        handover::tell(url, &taken, &self.side.genesis).await;
        Ok(())
    }

    /// Tells the worker at `url`, from which this one has its identity, to stop, should it not have
    /// heard.
    pub async fn tell_predecessor(&self, url: &str) {
        handover::tell(url, &self.side.identity, &self.side.genesis).await;
    }

    /// Lets what is being done end, and stops.
    pub async fn stop(mut self) {
        self.end().await;
    }

    async fn end(&mut self) {
        self.stop.send_replace(true);
        for task in std::mem::take(&mut self.tasks) {
            if let Err(error) = task.await {
                tracing::error!(%error, "a part of the worker ended badly");
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // What follows the chain is on a thread of its own, which nobody can abort.
        self.stop.send_replace(true);
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Ends when the worker is to stop.
async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the worker is gone, which is a stop as well.
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// Why following the chain was interrupted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Interrupted {
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error("the chain has closed the connection")]
    Closed,
}

/// Snapshots of the worker's cluster, in both directions.
pub(crate) struct Snapshots {
    pub(crate) folder: PathBuf,
    pub(crate) sources: Vec<Source>,
    pub(crate) photographer: Photographer,
    /// When a snapshot was looked for in vain.
    pub(crate) searched: Option<Instant>,
}

impl Snapshots {
    /// Takes a snapshot if the worker needs one and somebody has one. `false` if it does not, or if
    /// nobody has: then the cluster's blocks are applied one by one.
    async fn take(&mut self, node: &mut Node, chain: &impl Line) -> Result<bool, NodeError> {
        let recently = self
            .searched
            .is_some_and(|at| at.elapsed() < SEARCH_AGAIN_AFTER);
        let Some(wanted) = node.wants_snapshot()?.filter(|_| !recently) else {
            return Ok(false);
        };
        let taken = snapshot::take(node, chain, &wanted, &self.folder, &self.sources).await?;
        self.searched = (!taken).then(Instant::now);
        Ok(taken)
    }
}

/// What a worker has done to come closer to the chain.
pub(crate) enum Advance {
    /// It has followed blocks, or applied some to its cluster. Not yet published.
    Blocks(Effects),
    /// It has taken the state of its cluster from a snapshot. Not yet published.
    Snapshot,
    /// Nothing: the chain has no newer block, and the worker is where it can be. What follows from
    /// that is published.
    Nothing,
}

/// Does the next thing that there is to do, once.
pub(crate) async fn advance(
    node: &mut Node,
    chain: &impl Line,
    snapshots: &mut Snapshots,
) -> Result<Advance, Interrupted> {
    let next = chain.blocks(node.next_block(), BLOCKS_PER_REQUEST).await?;
    if let Some((batch, height)) = next {
        node.hear_height(height);
        return Ok(Advance::Blocks(node.follow(batch).await?));
    }
    if snapshots.take(node, chain).await? {
        return Ok(Advance::Snapshot);
    }
    if let Some(effects) = node.catch_up(chain).await? {
        return Ok(Advance::Blocks(effects));
    }
    if node.caught_up()? {
        node.publish()?;
    }
    snapshots.photographer.tick(|| node.snapshot_job());
    Ok(Advance::Nothing)
}

/// Follows the chain for as long as the worker runs. Whatever goes wrong is tried again: what was
/// committed stays, and what is refused is refused again.
async fn follow(
    url: String,
    mut node: Node,
    here: Here,
    turns: Arc<Turns>,
    mut snapshots: Snapshots,
    stopped: watch::Receiver<bool>,
) {
    loop {
        let ended = tokio::select! {
            ended = follow_connected(&url, &mut node, &here, &turns, &mut snapshots, &stopped) => ended,
            () = until(stopped.clone()) => return,
        };
        match ended {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(worker = %here.worker, error = &error as &dyn std::error::Error, "following the chain was interrupted");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(RECONNECT_AFTER) => {}
            () = until(stopped.clone()) => return,
        }
    }
}

async fn follow_connected(
    url: &str,
    node: &mut Node,
    here: &Here,
    turns: &Turns,
    snapshots: &mut Snapshots,
    stopped: &watch::Receiver<bool>,
) -> Result<(), Interrupted> {
    let chain = Chain::connect(url).await?;
    let mut news = News::subscribe(url).await?;
    let stakes = |node: &Node, changed: Stakes| {
        here.cache.set_weights(&changed);
        turns.set_model(node.fee_model()?);
        turns.set_stakes(&changed, node.system_contract()?);
        Ok::<_, NodeError>(())
    };
    let all_stakes = |node: &Node| stakes(node, Stakes::All(node.weights()?));
    all_stakes(node)?;
    // The log comes before the view: a client that sees a block can read what happened in it.
    let done = |node: &mut Node, effects: Effects| {
        effects
            .logs
            .into_iter()
            .for_each(|line| here.logs.add(line));
        match effects.moved {
            true => all_stakes(node)?,
            false => stakes(node, Stakes::Changed(effects.weights))?,
        }
        here.grant(effects.requests);
        node.publish()
    };
    loop {
        while !*stopped.borrow() {
            match advance(node, &chain, snapshots).await? {
                Advance::Blocks(effects) => done(node, effects)?,
                Advance::Snapshot => {
                    all_stakes(node)?;
                    node.publish()?;
                }
                Advance::Nothing => break,
            }
        }
        if *stopped.borrow() {
            return Ok(());
        }
        match timeout(POLL_AFTER, news.next()).await {
            Ok(true) | Err(_) => {}
            Ok(false) => return Err(Interrupted::Closed),
        }
    }
}

/// Reports to the chain for as long as the worker runs.
async fn report(
    url: String,
    mut reporter: Reporter,
    mut views: watch::Receiver<View>,
    stopped: watch::Receiver<bool>,
) {
    let mut connection = None;
    // What is there at the start may be worth a report, before there is a new block.
    views.mark_changed();
    loop {
        let stops = tokio::select! {
            () = until(stopped.clone()) => true,
            // No more views: what makes them has heard first that the worker stops.
            changed = views.changed() => changed.is_err(),
            () = reporter.has_news() => false,
        };
        if stops {
            let view = views.borrow().clone();
            let last_word = async {
                let chain = match connection.take() {
                    Some(chain) => chain,
                    None => Chain::connect(&url).await?,
                };
                reporter.last_word(&chain, &view).await
            };
            if let Ok(Err(error)) = timeout(LAST_WORD, last_word).await {
                tracing::debug!(%error, "the last report was not sent");
            }
            return;
        }
        let view = views.borrow_and_update().clone();
        let chain = match connection.take() {
            Some(chain) => chain,
            None => match Chain::connect(&url).await {
                Ok(chain) => chain,
                Err(error) => {
                    tracing::debug!(%error, "cannot report");
                    continue;
                }
            },
        };
        match reporter.on_view(&chain, &view).await {
            Ok(()) => connection = Some(chain),
            // The next block is the next attempt, on a new connection.
            Err(error) if error.is_lie() => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a report was not sent"
            ),
            Err(error) => tracing::debug!(
                error = &error as &dyn std::error::Error,
                "a report was not sent"
            ),
        }
    }
}
