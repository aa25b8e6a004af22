//! Why the network does not start, or has stopped.

use phat_client::{
    bundle::{BundleError, UnknownFunction},
    keys::AccountError,
    transcode::EncodeError,
    worker::WorkerError,
};
use std::{io, net::SocketAddr, path::PathBuf, time::Duration};

/// Why the network does not start, or has stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DevError {
    /// The user has no folder.
    #[error("there is no home folder to keep the network in: give one with --data-dir")]
    NoFolder,
    /// What is in the data folder cannot be removed, or made.
    #[error("{} cannot be removed or made: {source}", path.display())]
    Folder {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A worker's port is taken.
    #[error(
        "worker {index} cannot listen on {address}: {source}; stop what listens there (another `phat dev`?) or choose other ports with --worker-port"
    )]
    Port {
        /// Number of the worker.
        index: u16,
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The chain's beginning cannot be trusted.
    #[error(transparent)]
    Beginning(#[from] phat_worker::BeginningError),
    /// A worker's identity cannot be sealed.
    #[error("worker {index} cannot seal its identity: {source}")]
    Platform {
        /// Number of the worker.
        index: u16,
        /// Why.
        #[source]
        source: phat_worker::platform::PlatformError,
    },
    /// A worker makes no evidence.
    #[error("a worker makes no evidence: {0}")]
    Evidence(#[from] phat_worker::attest::AttestError),
    /// There is no port with that number.
    #[error("there is no port for worker {0}: choose a smaller --worker-port")]
    NoPort(u16),
    /// The address of a listener is not to be had.
    #[error("the address of a worker is not to be had: {0}")]
    Address(#[source] io::Error),
    /// The chain cannot be opened.
    #[error("the chain cannot start: {0}")]
    Open(#[from] phat_solo::OpenError),
    /// The chain's beginning cannot be made.
    #[error("the chain's beginning cannot be made: {0}")]
    Genesis(#[from] phat_solo::GenesisError),
    /// The authority's secret is not one.
    #[error(transparent)]
    Authority(#[from] phat_solo::BadSecretUri),
    /// The chain has failed.
    #[error("the chain has stopped: {0}")]
    Chain(#[source] phat_solo::ServeError),
    /// The chain has ended by itself.
    #[error("the chain has stopped")]
    ChainStopped,
    /// The chain has panicked.
    #[error("the chain has stopped: {0}")]
    ChainPanicked(#[source] tokio::task::JoinError),
    /// The chain does not answer.
    #[error("the chain does not answer: {0}")]
    Rpc(#[from] jsonrpsee::core::client::Error),
    /// The chain's answer is not in the form it must have.
    #[error("the chain's answer to {0} is not in the form it must have")]
    Malformed(&'static str),
    /// The engine does not start.
    #[error("the engine does not start: {0}")]
    Engine(#[from] phat_engine::ExecutionFault),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] phat_worker::server::TlsError),
    /// A worker does not start.
    #[error("worker {index} does not start: {source}")]
    Worker {
        /// Number of the worker.
        index: u16,
        /// Why.
        #[source]
        source: phat_worker::StartError,
    },
    /// The transaction that sets the network up has failed.
    #[error(
        "the network could not be set up: {0}; start anew with --fresh, which removes what is there"
    )]
    Setup(String),
    /// It takes too long.
    #[error("the workers were not ready after {} seconds; wait and start again, or begin anew with --fresh, which removes what is there", .0.as_secs())]
    NotReady(Duration),
    /// A worker does not answer.
    #[error(transparent)]
    Ask(#[from] WorkerError),
    /// A contract does not answer.
    #[error("{contract} does not answer on {worker}: {reason}")]
    NoAnswer {
        /// The worker.
        worker: String,
        /// The contract.
        contract: String,
        /// Why.
        reason: String,
    },
    /// A built-in bundle is damaged.
    #[error("a built-in contract is damaged: {0}")]
    Bundle(#[from] BundleError),
    /// A built-in bundle lacks a message.
    #[error("a built-in contract is not what it should be: {0}")]
    Message(#[from] UnknownFunction),
    /// A built-in argument is wrong.
    #[error("a built-in contract is not what it should be: {0}")]
    Encode(#[from] EncodeError),
    /// The owner's secret is not one.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// Ctrl-C cannot be waited for.
    #[error("signals cannot be received: {0}")]
    Signal(#[source] io::Error),
}
