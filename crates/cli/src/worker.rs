//! `phat worker`: one worker, from nothing to serving. It makes a key, registers on the chain, joins the
//! cluster, takes the cluster's state from a snapshot or from the chain, and serves; started again, it
//! goes on where it was.

use crate::{
    args::{parse_cluster, parse_hash},
    context::Context,
    error::CliError,
    progress::Progress,
    report::style,
    serving::{self, Certificate, LogFormat, WorkerLimits},
};
use codec::Encode;
use phat_client::{
    Account, ChainClient,
    chain::{Call, ChainError},
};
use phat_primitives::{BlockNumber, ClusterId, Hash, WorkerId};
use phat_runtime::presets::DEVELOPMENT_MEASUREMENT;
use phat_worker::{
    BeginningError, Config, Engines, Platform, SnapshotConfig, SoftwareAttester, Source,
    StartError, Worker,
    attest::AttestError,
    collateral::Pccs,
    handover::HandoverError,
    platform::PlatformError,
    quoting::{Gramine, Tsm},
    server::TlsError,
};
use serde_json::json;
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, time::sleep};

/// How often to look how far the worker has come.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Attempts to send a transaction.
const ATTEMPTS: u32 = 20;

/// Arguments of `phat worker`.
#[derive(Debug, clap::Args)]
pub(crate) struct WorkerArgs {
    /// Number or id of the cluster to join; you must own it [default: wait to be assigned]
    #[arg(long, value_name = "CLUSTER", value_parser = parse_cluster)]
    cluster: Option<ClusterId>,
    /// Where everything is kept [default: phat/worker in your data folder]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Where to serve HTTP
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8100")]
    listen: SocketAddr,
    /// Where others reach the worker [default: http:// and the address it listens on]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Hash of the chain's first block: no other chain will do [default: believe --chain the first
    /// time]
    #[arg(long, value_name = "HASH", value_parser = parse_hash)]
    genesis: Option<Hash>,
    /// Seconds between two snapshots of the cluster
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    snapshot_every: u64,
    /// A folder that gets a copy of every snapshot
    #[arg(long, value_name = "FOLDER")]
    snapshot_copies: Option<PathBuf>,
    /// A folder or URL to look for a snapshot in before the other workers are asked; may be given
    /// several times
    #[arg(long = "snapshots", value_name = "SOURCE")]
    snapshot_sources: Vec<Source>,
    /// Take over the identity of the worker that is reached there, whose successor this one is; it
    /// stops for good. Both must have the same operator
    #[arg(long, value_name = "URL")]
    successor_of: Option<String>,
    /// Form of the log on standard error
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
    #[command(flatten)]
    machine: Machine,
    #[command(flatten)]
    certificate: Certificate,
    #[command(flatten)]
    limits: WorkerLimits,
}

/// What the worker runs in, which makes its evidence and seals its key.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Machine of a worker")]
struct Machine {
    /// What the worker runs in. Software proves nothing, and only development chains accept it
    #[arg(long, value_enum, default_value_t)]
    tee: Tee,
    /// File with the key that seals the worker's own, unlocked by the guest's measured boot
    #[arg(long, value_name = "FILE", required_if_eq("tee", "tdx"))]
    sealing_key: Option<PathBuf>,
    /// Service that has the collateral of quotes
    #[arg(long, value_name = "URL", default_value = Pccs::INTEL)]
    pccs: String,
}

/// Kinds of machines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
enum Tee {
    /// None.
    #[default]
    Software,
    /// An SGX enclave in Gramine.
    Gramine,
    /// A TDX guest.
    Tdx,
}

impl Machine {
    fn platform(&self, folder: &Path) -> Result<Platform, PlatformError> {
        match (self.tee, &self.sealing_key) {
            (Tee::Software, _) => Platform::software(SoftwareAttester::default(), folder),
            (Tee::Gramine, _) => Platform::gramine(Path::new(Gramine::ROOT), &self.pccs, folder),
            (Tee::Tdx, key) => {
                let key = key.as_deref().unwrap_or(Path::new(""));
                Platform::tdx(Path::new(Tsm::ROOT), key, &self.pccs, folder)
            }
        }
    }
}

/// Why the worker does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    /// The user has no folder.
    #[error("there is no home folder to keep the worker in: give one with --data-dir")]
    NoFolder,
    /// The address is taken.
    #[error("cannot listen on {address}: {source}; stop what listens there or give --listen")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The chain's beginning cannot be trusted.
    #[error(transparent)]
    Beginning(#[from] BeginningError),
    /// The folder cannot be made.
    #[error("the folder {} cannot be made: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The machine does not offer what was named.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// No evidence can be made.
    #[error("no evidence can be made: {0}")]
    Evidence(#[from] AttestError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The engine cannot be set up.
    #[error("the engine cannot be set up: {0}")]
    Engine(String),
    /// The worker cannot start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The predecessor's identity is not to be had.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// It is elsewhere.
    #[error(
        "the worker is in cluster {present} and not in {wanted}: remove it there first, or start it without --cluster"
    )]
    Elsewhere {
        /// Where it is.
        present: ClusterId,
        /// Where it should be.
        wanted: ClusterId,
    },
    /// The worker has ended.
    #[error("the worker has stopped by itself; its log says why")]
    Ended,
}

/// Runs a worker until Ctrl-C.
pub(crate) async fn run(context: &Context, args: WorkerArgs) -> Result<(), CliError> {
    serving::logging(args.log_format);
    let json = context.global().json;
    let mut progress = Progress::new(json);
    let begun = Instant::now();
    let account = context.account()?;
    let folder = match &args.data_dir {
        Some(folder) => folder.clone(),
        None => directories::ProjectDirs::from("", "", "phat")
            .ok_or(WorkerError::NoFolder)?
            .data_dir()
            .join("worker"),
    };
    std::fs::create_dir_all(&folder).map_err(|source| WorkerError::Folder {
        path: folder.clone(),
        source,
    })?;
    progress.step("starting");
    let mut running = Running::start(context, &args, &folder, account.clone()).await?;
    let interrupted = async {
        // That the signal cannot be waited for is no reason to go on without an end.
        let _ = crate::dev::interrupted().await;
    };
    let up = async {
        if let Some(predecessor) = &args.successor_of {
            if running.worker.is_successor() {
                running.worker.tell_predecessor(predecessor).await;
            } else {
                running.register(context, &mut progress).await?;
                progress.step("taking over the identity");
                let taken = running.worker.take_over(predecessor).await;
                taken.map_err(WorkerError::from)?;
                running = Running::start(context, &args, &folder, account).await?;
                running.new_machine = true;
            }
        }
        match running.bring_up(context, &mut progress).await {
            Ok(()) => Ok(running),
            Err(error) => {
                running.worker.stop().await;
                Err(error)
            }
        }
    };
    let outcome = tokio::select! {
        outcome = up => outcome,
        () = interrupted => {
            progress.clear();
            return Ok(());
        }
    };
    progress.clear();
    let running = outcome?;
    running.show(json, &folder, begun.elapsed());
    let mut views = running.worker.views();
    let ended = tokio::select! {
        _ = crate::dev::interrupted() => false,
        () = async { while views.changed().await.is_ok() {} } => true,
    };
    let handed_over = running.worker.is_handed_over();
    running.worker.stop().await;
    match ended && !handed_over {
        true => Err(WorkerError::Ended.into()),
        false => Ok(()),
    }
}

/// A worker that has been started.
struct Running {
    account: Account,
    cluster: Option<ClusterId>,
    url: String,
    worker: Worker,
    /// What the chain knows of the worker is of another machine or program.
    new_machine: bool,
}

impl Running {
    /// Starts the worker.
    async fn start(
        context: &Context,
        args: &WorkerArgs,
        folder: &Path,
        account: Account,
    ) -> Result<Self, CliError> {
        let failed = |source| WorkerError::Listen {
            address: args.listen,
            source,
        };
        let listener = TcpListener::bind(args.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let tls = args.certificate.load().map_err(WorkerError::from)?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = match &args.url {
            Some(url) => url.clone(),
            None => format!("{scheme}://{address}"),
        };
        let limits = args.limits.server();
        let chain = context.global().chain.clone();
        let genesis = phat_worker::beginning(&chain, args.genesis)
            .await
            .map_err(WorkerError::from)?;
        let config = Config {
            directory: folder.to_owned(),
            chain,
            genesis,
            operator: account.id(),
            measurement: DEVELOPMENT_MEASUREMENT,
            platform: args.machine.platform(folder).map_err(WorkerError::from)?,
            egress: args.limits.egress(),
            limits,
            tls,
            snapshots: SnapshotConfig {
                every: Duration::from_secs(args.snapshot_every),
                copies: args.snapshot_copies.clone(),
                sources: args.snapshot_sources.clone(),
            },
        };
        let engines =
            Engines::new(&limits).map_err(|error| WorkerError::Engine(error.to_string()))?;
        let worker = Worker::start(config, engines, listener).map_err(WorkerError::from)?;
        Ok(Self {
            account,
            cluster: args.cluster,
            url,
            worker,
            new_machine: false,
        })
    }

    /// Does what is to be done on the chain, and waits until the worker serves.
    async fn bring_up(&self, context: &Context, progress: &mut Progress) -> Result<(), CliError> {
        self.register(context, progress).await?;
        if let Some(cluster) = self.cluster {
            let chain = context.chain().await?;
            self.join(&chain, self.worker.id(), cluster, progress)
                .await?;
            self.until(progress, |view| view.is_current()).await;
        }
        Ok(())
    }

    /// Registers the worker with the chain, unless it is.
    async fn register(&self, context: &Context, progress: &mut Progress) -> Result<(), CliError> {
        let chain = context.chain().await?;
        let id = self.worker.id();
        // Evidence names the last block that the worker knows, which must not be an old one.
        self.until(progress, |view| view.caught_up).await;
        progress.step("registering");
        if self.new_machine || !chain.is_registered(id).await? {
            let call = Call::RegisterWorker {
                evidence: self.evidence().await?,
                endpoints: vec![self.url.clone()],
            };
            self.submit(&chain, call).await?;
        } else if chain.endpoints(id).await? != [self.url.as_str()] {
            let call = Call::UpdateEndpoints {
                worker: id,
                endpoints: vec![self.url.clone()],
            };
            self.submit(&chain, call).await?;
        }
        Ok(())
    }

    /// Sends a transaction. Other programs may use the account at the same time, and take its place.
    async fn submit(&self, chain: &ChainClient, call: Call) -> Result<(), CliError> {
        let mut attempt = 1;
        loop {
            match chain.submit(&self.account, call.clone()).await {
                Ok(_) => return Ok(()),
                Err(ChainError::NotTaken(reason)) if attempt < ATTEMPTS => {
                    tracing::info!(
                        reason,
                        "the chain did not take the transaction, trying again"
                    );
                    attempt += 1;
                    sleep(LOOK_AGAIN).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn evidence(&self) -> Result<Vec<u8>, WorkerError> {
        Ok(self.worker.evidence().await?.encode())
    }

    async fn join(
        &self,
        chain: &ChainClient,
        worker: WorkerId,
        cluster: ClusterId,
        progress: &mut Progress,
    ) -> Result<(), CliError> {
        match chain.cluster_of(worker).await? {
            Some(present) if present == cluster => Ok(()),
            Some(present) => Err(WorkerError::Elsewhere {
                present,
                wanted: cluster,
            }
            .into()),
            None => {
                progress.step("joining the cluster");
                let call = Call::AddWorker { worker, cluster };
                self.submit(chain, call).await
            }
        }
    }

    /// Waits until the worker has come so far.
    async fn until(
        &self,
        progress: &mut Progress,
        done: impl Fn(&phat_worker::node::View) -> bool,
    ) {
        let views = self.worker.views();
        loop {
            let step = {
                let view = views.borrow();
                if done(&view) {
                    return;
                }
                doing(&view, self.cluster.is_some())
            };
            progress.step(&step);
            sleep(LOOK_AGAIN).await;
        }
    }

    fn show(&self, json: bool, folder: &Path, took: Duration) {
        let views = self.worker.views();
        let view = views.borrow();
        let member = view.member.as_ref();
        if json {
            let document = json!({
                "ready": true,
                "worker": self.worker.id().to_string(),
                "url": self.url,
                "folder": folder,
                "block": view.head.number,
                "cluster": member.map(|member| format!("0x{}", hex::encode(member.cluster.id().0))),
                "state_root": member.map(|member| format!("0x{}", hex::encode(member.state_root.0))),
                "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            });
            anstream::println!("{document}");
            return;
        }
        let state = match member {
            Some(member) => format!(
                "serves cluster {} at block {}",
                member.cluster.id().to_low_u64_be(),
                member.applied
            ),
            None => "waits to be assigned to a cluster".to_owned(),
        };
        anstream::println!(
            "{} after {:.1} s\n\n  worker   {}\n  serves   {}\n  keeps    {}\n\n{}",
            style::good(&state),
            took.as_secs_f64(),
            self.worker.id(),
            self.url,
            folder.display(),
            style::dim("Ctrl-C stops it; it goes on when it is started again")
        );
    }
}

/// What the worker is doing.
fn doing(view: &phat_worker::node::View, joining: bool) -> String {
    let round = |number: BlockNumber| number - number % 1000;
    match &view.member {
        _ if !view.caught_up => match round(view.head.number) {
            0 => "following the chain".to_owned(),
            number => format!("following the chain: past block {number}"),
        },
        None if joining => "waiting for the cluster's key".to_owned(),
        None => "waiting to be assigned".to_owned(),
        Some(member) if member.applied.saturating_add(1000) < view.head.number => {
            format!(
                "fetching the cluster's state: past block {}",
                round(member.applied)
            )
        }
        Some(_) => "catching up with the cluster".to_owned(),
    }
}
