//! The embedded host of a Phat chain.
//!
//! It runs the runtime natively, in this process: one authority, blocks sealed as
//! soon as there is something to seal, each of them final at once, everything in
//! one database file, and the JSON-RPC interface of a Substrate node on top.
//! Nothing above that interface can tell which host it talks to.
//!
//! ```text
//!   rpc ──▶ service ──▶ pool            transactions waiting, with their tags
//!             │  ▲
//!   sealing ──┴──┘ ──▶ chain ──▶ state  the runtime over the trie of one block
//!                        │
//!                        └─────▶ store  blocks and trie nodes on disk
//! ```
//!
//! `pool`, `state` and `chain` have no clock, no socket and no task: the sealing
//! loop in this file brings them the time, and the service the transactions.
//! [`Stepped`] is the same without that loop and without the RPC, for simulations.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let solo = phat_solo::Solo::open(phat_solo::Config {
//!     data_dir: "data".into(),
//!     genesis: phat_solo::genesis::from_preset("development", serde_json::Value::Null)?,
//!     chain_name: "Phat Development".into(),
//!     block_time: phat_solo::DEFAULT_BLOCK_TIME,
//!     rpc_addr: "127.0.0.1:9944".parse()?,
//!     authority: phat_solo::Authority::from_secret_uri("//Alice")?,
//!     outbound_key: Vec::new(),
//! })?;
//! println!("ws://{}", solo.rpc_addr());
//! solo.serve(async { drop(tokio::signal::ctrl_c().await) }).await?;
//! # Ok(())
//! # }
//! ```

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, sleep_until};

use phat_runtime::Hash;

mod authority;
mod chain;
pub mod genesis;
pub mod limits;
mod pool;
mod rpc;
mod service;
mod state;
mod stepped;
mod store;
#[cfg(test)]
mod testing;

pub use authority::{Authority, BadSecretUri};
pub use chain::{OpenChainError, SealError};
pub use genesis::{Genesis, GenesisError};
pub use state::{RuntimePanic, StateError};
pub use stepped::{Blocks, Refused, Stepped};
pub use store::{DataDirError, StoreError};

use chain::Chain;
use service::Service;

/// Time after which a block is made even if nothing waits, unless configured.
pub const DEFAULT_BLOCK_TIME: Duration = Duration::from_secs(3);

/// What a chain is opened with.
pub struct Config {
    /// Folder of the chain's database; made if it is not there.
    pub data_dir: PathBuf,
    /// The state at block 0. A chain that is there already must have begun with it.
    pub genesis: Genesis,
    /// What clients are told the chain is called.
    pub chain_name: String,
    /// Time after which a block is made even if nothing waits.
    pub block_time: Duration,
    /// Where JSON-RPC (HTTP and WebSocket) is served. Port 0 takes any free one.
    pub rpc_addr: SocketAddr,
    /// The keys that genesis names.
    pub authority: Authority,
    /// Storage key of the messages that a block sends to workers. Its bytes are
    /// kept beside every block, for followers that come when the state is gone.
    pub outbound_key: Vec<u8>,
}

/// Why a chain cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The chain in the data directory cannot be continued.
    #[error(transparent)]
    Chain(#[from] OpenChainError),
    /// The address cannot be listened on.
    #[error(
        "cannot serve JSON-RPC on {addr}: {source}; stop what listens there or choose another port"
    )]
    Address {
        /// The address.
        addr: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// Why a running chain stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The next block cannot be made.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The JSON-RPC server cannot be started.
    #[error("cannot serve JSON-RPC: {0}")]
    Rpc(#[source] io::Error),
    /// The thread that makes blocks died.
    #[error("the sealing of blocks was aborted: {0}")]
    Aborted(#[from] tokio::task::JoinError),
}

/// A chain, opened, with its address taken, and not yet running.
pub struct Solo {
    chain: Chain,
    listener: TcpListener,
    rpc_addr: SocketAddr,
    chain_name: String,
    block_time: Duration,
}

impl Solo {
    /// Opens the chain in the data directory, or begins it there, and takes the
    /// address of the JSON-RPC server.
    pub fn open(config: Config) -> Result<Self, OpenError> {
        let unavailable = |source| OpenError::Address {
            addr: config.rpc_addr,
            source,
        };
        let listener = TcpListener::bind(config.rpc_addr).map_err(unavailable)?;
        listener.set_nonblocking(true).map_err(unavailable)?;
        let rpc_addr = listener.local_addr().map_err(unavailable)?;
        let chain = Chain::open(
            &config.data_dir,
            &config.genesis,
            config.authority,
            config.outbound_key,
        )?;
        Ok(Self {
            chain,
            listener,
            rpc_addr,
            chain_name: config.chain_name,
            block_time: config.block_time,
        })
    }

    /// Where JSON-RPC is served.
    pub fn rpc_addr(&self) -> SocketAddr {
        self.rpc_addr
    }

    /// Hash of block 0, by which clients and evidence name the chain.
    pub fn genesis_hash(&self) -> Hash {
        self.chain.genesis_hash()
    }

    /// Makes blocks and serves JSON-RPC until `shutdown` completes or a block cannot
    /// be made. Needs a tokio runtime. A block that is being made is finished.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let service = Arc::new(Service::new(&self.chain, self.chain_name));
        let server = rpc::serve(self.listener, service.clone()).map_err(ServeError::Rpc)?;
        let result = seal(self.chain, &service, self.block_time, shutdown).await;
        // Fails only if it has stopped already.
        let _ = server.stop();
        server.stopped().await;
        result
    }
}

/// Makes blocks: the first at once, the others when a transaction wants one, and
/// at least every `block_time`.
async fn seal(
    mut chain: Chain,
    service: &Arc<Service>,
    block_time: Duration,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    tokio::pin!(shutdown);
    let mut last_general = Instant::now();
    loop {
        let started = Instant::now();
        let offer = service.offer(started >= last_general + block_time);
        if offer.is_general {
            last_general = started;
        }
        let offered = offer.transactions.clone();
        let sealing = tokio::task::spawn_blocking(move || {
            let result = chain.seal(now(), &offered);
            (chain, result)
        });
        let (returned, result) = sealing.await?;
        chain = returned;
        let sealed = result?;
        tracing::debug!(
            number = sealed.header.number,
            hash = ?sealed.hash,
            offered = offer.transactions.len(),
            "block"
        );
        service.sealed(&offer.transactions, sealed);

        let wanted = async {
            sleep_until(started + limits::BLOCK_INTERVAL).await;
            service.block_wanted().await;
        };
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            () = wanted => {}
            () = sleep_until(started + block_time) => {}
        }
    }
}

/// Milliseconds since 1970. A clock before that counts as 1970: the chain's time
/// only moves forward anyway.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| {
            elapsed.as_millis().try_into().unwrap_or(u64::MAX)
        })
}
