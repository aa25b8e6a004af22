//! `phat dev`: a network on this machine. Chain, workers, a cluster and example contracts in one
//! process, ready when it says so, and still there when it is started again.

mod bundles;
mod chain;
mod error;
mod setup;
mod show;

use crate::{
    args::Global,
    book::Book,
    context,
    serving::{self, Certificate, LogFormat, WorkerLimits},
};
use bundles::Example;
use chain::ChainRpc;
use error::DevError;
use phat_client::{Account, Caller, Roots, WorkerClient};
use phat_follower::Genesis;
use phat_primitives::{
    AccountId, BlockNumber, ClusterId, Hash, WorkerId, ids, limits::MAX_EVIDENCE_LIFE_MS,
    message::OUTBOUND_KEY,
};
use phat_runtime::presets::DEVELOPMENT_MEASUREMENT;
use phat_solo::{Authority, Solo};
use phat_worker::{
    Config, Engines, Fault, Platform, SnapshotConfig, SoftwareAttester, Worker,
    egress::EgressConfig,
};
use polkadot_sdk::sp_genesis_builder::DEV_RUNTIME_PRESET;
use std::{
    error::Error,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    time::{sleep, timeout},
};

pub(crate) use setup::{DEPOSIT_PER_BYTE, DEPOSIT_PER_ITEM, GAS_PRICE};

/// Workers of the network: each has an engine's memory and a port, so this machine sets the limit.
const MAX_WORKERS: u16 = 16;
/// How long to wait until everything is ready before giving up. The first start does it in a few
/// seconds on two cores; replaying a long chain takes longer.
const READY_WITHIN: Duration = Duration::from_secs(300);
/// How often to look whether something is ready.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// The account that sets everything up: sudo, owner of the cluster, operator of the workers.
pub(crate) const OWNER: &str = "//Alice";

/// Arguments of `phat dev`.
#[derive(Debug, clap::Args)]
pub(crate) struct DevArgs {
    /// Where everything is kept [default: phat/dev in your data folder]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Remove what is there and begin anew
    #[arg(long)]
    fresh: bool,
    /// Number of workers, 16 at most
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_WORKERS)))]
    workers: u16,
    /// Seconds after which a block is made even if nothing happens, 0.1 to 3600
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = parse_block_time)]
    block_time: Duration,
    /// Seconds from the beginning of an era to that of the next one, a year at most, once
    /// `phat era start` lets eras run [default: as it was; 60 at first]
    #[arg(long, value_name = "SECONDS", value_parser = parse_era)]
    era: Option<Duration>,
    /// Leave out the example contracts
    #[arg(long)]
    no_examples: bool,
    /// Port of the chain's JSON-RPC (HTTP and WebSocket)
    #[arg(long, value_name = "PORT", default_value_t = 9944)]
    chain_port: u16,
    /// Port of worker 0; the others follow
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    worker_port: u16,
    /// Seconds for which the workers' evidence is good [default: seven days]
    #[arg(long, value_name = "SECONDS", hide = true, value_parser = parse_life)]
    evidence_life: Option<Duration>,
    /// Let the evidence of a worker be faulty from its first renewal on: 2:wrong-key, say
    #[arg(long, value_name = "WORKER:FAULT", hide = true, value_parser = parse_fault)]
    fault: Vec<(u16, Fault)>,
    /// Form of the log on standard error
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
    #[command(flatten)]
    certificate: Certificate,
    #[command(flatten)]
    limits: WorkerLimits,
}

fn parse_life(text: &str) -> Result<Duration, String> {
    let longest = MAX_EVIDENCE_LIFE_MS / 1000;
    let seconds: u64 = text.parse().map_err(|_| "write seconds".to_owned())?;
    match (1..=longest).contains(&seconds) {
        true => Ok(Duration::from_secs(seconds)),
        false => Err(format!("write seconds between 1 and {longest}")),
    }
}

fn parse_fault(text: &str) -> Result<(u16, Fault), String> {
    let (worker, fault) = text
        .split_once(':')
        .ok_or("write the number of a worker, a colon and a fault")?;
    let worker = worker
        .parse()
        .map_err(|_| format!("{worker:?} is not the number of a worker"))?;
    Ok((worker, fault.parse()?))
}

fn parse_era(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=31_536_000) => Ok(Duration::from_secs(seconds)),
        _ => Err("write seconds between 1 and 31536000".into()),
    }
}

fn parse_block_time(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "write seconds, such as 3 or 0.5".to_owned())?;
    if !(0.1..=3600.0).contains(&seconds) {
        return Err("write seconds between 0.1 and 3600".into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Starts the network and keeps it running until Ctrl-C.
pub(crate) async fn run(
    args: DevArgs,
    global: &Global,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let roots = context::roots(global)?;
    Ok(run_network(args, global, &roots).await?)
}

async fn run_network(args: DevArgs, global: &Global, roots: &Roots) -> Result<(), DevError> {
    let begun = Instant::now();
    serving::logging(args.log_format);
    let mut out = show::Output::new(global.json);
    let folder = match &args.data_dir {
        Some(folder) => folder.clone(),
        None => default_folder()?,
    };
    out.step("starting the chain");
    let listeners = listen(&args).await?;
    // After the ports are taken: another network that runs on them keeps what it has.
    if args.fresh {
        clear(&folder)?;
    }
    let solo = open_chain(&args, &folder)?;
    let genesis_hash = solo.genesis_hash();
    let chain_url = format!("ws://{}", solo.rpc_addr());
    let (stop_chain, stopped) = oneshot::channel::<()>();
    let mut chain_task = tokio::spawn(solo.serve(async {
        // An error means that the network is gone, which is a stop as well.
        let _ = stopped.await;
    }));

    let network = async {
        out.step("starting the workers");
        let chain = ChainRpc::connect(&chain_url).await?;
        let genesis = phat_worker::beginning(&chain_url, Some(genesis_hash)).await?;
        let mut workers = Vec::new();
        let started = start_workers(&args, &folder, &chain_url, genesis, listeners, &mut workers);
        if let Err(error) = started {
            // They are in the middle of something that the end of the process would tear apart.
            for Running { worker, .. } in workers {
                worker.stop().await;
            }
            return Err(error);
        }
        // Those whose state differed are in no cluster: the network is ready without them.
        let mut serving = Vec::new();
        for running in &workers {
            let id = running.worker.id();
            if chain.has_diverged(&id).await? {
                tracing::warn!(worker = %id, "its state differed from the others', so it serves nothing; see `phat workers` and `phat readmit`");
            } else {
                serving.push(running);
            }
        }
        let examples = if args.no_examples {
            Vec::new()
        } else {
            bundles::examples()?
        };
        let cluster = ids::cluster_id(1);
        let mut contracts = setup::contracts(&cluster, &examples)?;
        if chain.has_cluster(&cluster).await? {
            // The network may have been begun without the examples.
            let ordered = chain.ordered(&contracts).await?;
            contracts.retain(|contract| ordered.contains(&contract.id));
            // Evidence names the last block that a worker knows, which must not be an old one.
            let height = chain.height().await?;
            wait(workers_at(&workers, height)).await?;
            setup::complete(&chain, &cluster, &serving, args.era).await?;
        } else {
            out.step("creating the cluster and the example contracts");
            setup::submit(&chain, &workers, &examples, args.era).await?;
        }
        out.step("waiting for the workers");
        let height = wait_until_ready(&chain, &serving, &cluster, &contracts).await?;
        out.step("asking each worker");
        let members = chain.workers_of(&cluster).await?;
        let answers = ask_each(&serving, &members, contracts.last(), roots).await?;
        remember(&contracts, genesis_hash);
        let ready = show::Ready {
            chain: chain_url.clone(),
            folder: folder.clone(),
            height,
            genesis: genesis_hash,
            cluster,
            workers: answers,
            contracts,
            took: begun.elapsed(),
        };
        Ok::<_, DevError>((workers, ready))
    };
    let (workers, ready) = tokio::select! {
        started = network => started?,
        ended = &mut chain_task => return Err(chain_ended(ended)),
        interrupted = interrupted() => return interrupted,
    };
    out.ready(&ready);

    let outcome = tokio::select! {
        interrupted = interrupted() => interrupted,
        ended = &mut chain_task => return Err(chain_ended(ended)),
    };
    out.step("stopping");
    for running in workers {
        running.worker.stop().await;
    }
    // Nobody listens only if the chain has ended already.
    let _ = stop_chain.send(());
    match chain_task.await {
        Ok(Ok(())) => {}
        ended => return Err(chain_ended(ended)),
    }
    out.stopped();
    outcome
}

/// Ends when the person or the system asks the process to stop.
pub(crate) async fn interrupted() -> Result<(), DevError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(DevError::Signal)?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed.map_err(DevError::Signal),
        _ = terminate.recv() => Ok(()),
    }
}

fn chain_ended(
    ended: Result<Result<(), phat_solo::ServeError>, tokio::task::JoinError>,
) -> DevError {
    match ended {
        Ok(Err(error)) => DevError::Chain(error),
        Ok(Ok(())) => DevError::ChainStopped,
        Err(error) => DevError::ChainPanicked(error),
    }
}

fn default_folder() -> Result<PathBuf, DevError> {
    let folders = directories::ProjectDirs::from("", "", "phat").ok_or(DevError::NoFolder)?;
    Ok(folders.data_dir().join("dev"))
}

/// What is inside the data folder. Nothing else is ever removed.
const CHAIN_FOLDER: &str = "chain";

fn worker_folder(folder: &Path, index: u16) -> PathBuf {
    folder.join(format!("worker-{index}"))
}

/// Removes what earlier runs have left in the data folder.
fn clear(folder: &Path) -> Result<(), DevError> {
    let workers = (0..MAX_WORKERS).map(|index| worker_folder(folder, index));
    for part in workers.chain([folder.join(CHAIN_FOLDER)]) {
        match fs::remove_dir_all(&part) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(DevError::Folder { path: part, source }),
        }
    }
    Ok(())
}

/// Takes the ports of all workers before anything is written.
async fn listen(args: &DevArgs) -> Result<Vec<TcpListener>, DevError> {
    let mut listeners = Vec::new();
    for index in 0..args.workers {
        let port = match args.worker_port {
            0 => 0,
            first => first.checked_add(index).ok_or(DevError::NoPort(index))?,
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| DevError::Port {
                index,
                address,
                source,
            })?;
        listeners.push(listener);
    }
    Ok(listeners)
}

fn open_chain(args: &DevArgs, folder: &Path) -> Result<Solo, DevError> {
    let authority = Authority::from_secret_uri(OWNER)?;
    let genesis = phat_solo::genesis::from_preset(DEV_RUNTIME_PRESET, serde_json::Value::Null)?;
    Ok(Solo::open(phat_solo::Config {
        data_dir: folder.join(CHAIN_FOLDER),
        genesis,
        chain_name: "Phat Development".into(),
        block_time: args.block_time,
        rpc_addr: SocketAddr::from((Ipv4Addr::LOCALHOST, args.chain_port)),
        authority,
        outbound_key: OUTBOUND_KEY.to_vec(),
    })?)
}

/// A worker, and where it is.
pub(crate) struct Running {
    pub(crate) worker: Worker,
    pub(crate) url: String,
}

/// Starts the workers, and adds those that have started to `workers`, also if another one does not start.
fn start_workers(
    args: &DevArgs,
    folder: &Path,
    chain: &str,
    genesis: Genesis,
    listeners: Vec<TcpListener>,
    workers: &mut Vec<Running>,
) -> Result<(), DevError> {
    // The workers share the engines: they hold nothing but compiled code.
    let limits = args.limits.server();
    let engines = Engines::new(&limits)?;
    let tls = args.certificate.load()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let operator = owner()?.id();
    for (index, listener) in (0..).zip(listeners) {
        let address = listener.local_addr().map_err(DevError::Address)?;
        let directory = worker_folder(folder, index);
        fs::create_dir_all(&directory).map_err(|source| DevError::Folder {
            path: directory.clone(),
            source,
        })?;
        let mut faults = args.fault.iter();
        let fault = faults.find(|(worker, _)| *worker == index);
        let longest = Duration::from_millis(MAX_EVIDENCE_LIFE_MS);
        let attester = SoftwareAttester::new(
            args.evidence_life.unwrap_or(longest),
            fault.map(|(_, fault)| *fault),
        );
        let platform = Platform::software(attester, &directory)
            .map_err(|source| DevError::Platform { index, source })?;
        let config = Config {
            directory,
            chain: chain.to_owned(),
            genesis: genesis.clone(),
            operator,
            measurement: DEVELOPMENT_MEASUREMENT,
            platform,
            // A development network talks to development servers.
            egress: EgressConfig {
                allow_loopback: true,
                ..args.limits.egress()
            },
            limits,
            tls: tls.clone(),
            snapshots: SnapshotConfig::default(),
        };
        let worker = Worker::start(config, engines.clone(), listener)
            .map_err(|source| DevError::Worker { index, source })?;
        workers.push(Running {
            worker,
            url: format!("{scheme}://{address}"),
        });
    }
    Ok(())
}

fn owner() -> Result<Account, DevError> {
    Ok(Account::from_suri(OWNER)?)
}

/// Waits until all workers have the state of the chain's last block and all contracts are there. While
/// eras run, a worker may be in another cluster, or in none.
async fn wait_until_ready(
    chain: &ChainRpc,
    workers: &[&Running],
    cluster: &ClusterId,
    contracts: &[setup::Named],
) -> Result<BlockNumber, DevError> {
    let ready = async {
        loop {
            let height = chain.height().await?;
            let members = chain.workers_of(cluster).await?;
            let eras = chain.eras_run().await?;
            let mut current = true;
            for running in workers {
                let id = running.worker.id();
                let at_rest = eras && !chain.is_in_cluster(&id).await?;
                let at_work = eras || members.contains(&id);
                let views = running.worker.views();
                let view = views.borrow();
                current &= at_rest || at_work && view.is_current();
                current &= view.head.number >= height;
            }
            if current && chain.published(contracts).await?.len() == contracts.len() {
                return Ok(height);
            }
            sleep(LOOK_AGAIN).await;
        }
    };
    wait(ready).await
}

/// Waits until all workers have followed the chain to this height.
async fn workers_at(workers: &[Running], height: BlockNumber) -> Result<(), DevError> {
    let reached = |running: &Running| running.worker.views().borrow().head.number >= height;
    while !workers.iter().all(reached) {
        sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

/// Waits for something, but not for ever.
async fn wait<T>(what: impl Future<Output = Result<T, DevError>>) -> Result<T, DevError> {
    timeout(READY_WITHIN, what)
        .await
        .map_err(|_| DevError::NotReady(READY_WITHIN))?
}

/// Runs one query through each worker, to be sure that it answers. The question goes to `contract`, at
/// those who are in its cluster.
async fn ask_each(
    workers: &[&Running],
    members: &[WorkerId],
    contract: Option<&setup::Named>,
    roots: &Roots,
) -> Result<Vec<show::WorkerLine>, DevError> {
    let caller = Caller::new(&owner()?);
    let mut lines = Vec::new();
    for (index, running) in workers.iter().enumerate() {
        let client = WorkerClient::connect_trusting(&running.url, roots).await?;
        let begun = Instant::now();
        if let Some(contract) = contract.filter(|_| members.contains(&running.worker.id())) {
            let answer = client
                .call(&caller, contract.id, contract.question.clone())
                .await?;
            answer.result.map_err(|error| DevError::NoAnswer {
                worker: running.url.clone(),
                contract: contract.name.clone(),
                reason: error.to_string(),
            })?;
        }
        lines.push(show::WorkerLine {
            index,
            id: running.worker.id(),
            url: running.url.clone(),
            answered_in: begun.elapsed(),
        });
    }
    Ok(lines)
}

/// Writes the contracts into the book, so that other commands know them by name. Without it the
/// network is just as good, so an error is only told.
fn remember(contracts: &[setup::Named], genesis: Hash) {
    let kept = Book::open().and_then(|book| {
        contracts.iter().try_for_each(|contract| {
            book.keep_bundle(contract.code_hash, contract.bundle)?;
            book.keep_contract(&contract.name, contract.id, contract.code_hash, genesis)
        })
    });
    if let Err(error) = kept {
        tracing::warn!(%error, "the contracts are not known by name");
    }
}

/// The owner's account id.
pub(crate) fn owner_id() -> Result<AccountId, DevError> {
    Ok(owner()?.id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_times_are_seconds_within_reason() {
        assert_eq!(parse_block_time("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "0.01", "-1", "nan", "1e9", "soon", ""] {
            assert!(parse_block_time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn faults_name_a_worker_and_a_kind() {
        assert_eq!(parse_fault("2:wrong-key"), Ok((2, Fault::WrongKey)));
        for wrong in ["wrong-key", "x:wrong-key", "1:nothing", ""] {
            assert!(parse_fault(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_life("20"), Ok(Duration::from_secs(20)));
        for wrong in ["0", "-1", "soon", "99999999"] {
            assert!(parse_life(wrong).is_err(), "{wrong}");
            assert!(parse_era(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_era("20"), Ok(Duration::from_secs(20)));
    }

    #[test]
    fn only_what_the_network_made_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("my-thesis.txt");
        fs::write(&own, "years of work").unwrap();
        fs::create_dir_all(folder.path().join(CHAIN_FOLDER)).unwrap();
        fs::create_dir_all(worker_folder(folder.path(), 2)).unwrap();
        clear(folder.path()).unwrap();
        assert!(own.exists());
        assert!(!folder.path().join(CHAIN_FOLDER).exists());
        assert!(!worker_folder(folder.path(), 2).exists());
        clear(folder.path()).unwrap();
    }
}
