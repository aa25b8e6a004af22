//! The chain without its clock, its sockets and its tasks: whoever holds it says when a block is made
//! and at what time, and asks it directly what others ask over JSON-RPC. Simulations need that, since
//! they must run the same way twice.

use std::path::Path;
use std::sync::Arc;

use codec::Encode;
use jsonrpsee::RpcModule;
use jsonrpsee::core::RegisterMethodError;

use phat_runtime::{BlockNumber, Hash};

use crate::authority::Authority;
use crate::chain::{Chain, OpenChainError, SealError};
use crate::genesis::Genesis;
use crate::rpc;
use crate::service::{AtError, Service, SubmitError};
use crate::state::RuntimePanic;
use crate::store::StoreError;

/// Why a stepped chain did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

impl From<SubmitError> for Refused {
    fn from(error: SubmitError) -> Self {
        Self(error.to_string())
    }
}

impl From<AtError> for Refused {
    fn from(error: AtError) -> Self {
        Self(error.to_string())
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<RuntimePanic> for Refused {
    fn from(error: RuntimePanic) -> Self {
        Self(error.to_string())
    }
}

/// Consecutive blocks, as followers ask for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocks {
    /// Header (SCALE) and outbound bytes of each.
    pub blocks: Vec<(Vec<u8>, Vec<u8>)>,
    /// GRANDPA justification (SCALE) of the last one. The first block of a chain has none.
    pub justification: Option<Vec<u8>>,
    /// Number of the newest final block.
    pub finalized: BlockNumber,
}

/// A chain that stands still until it is told to make a block.
pub struct Stepped {
    chain: Chain,
    service: Arc<Service>,
}

impl Stepped {
    /// Opens the chain in `dir` that begins with `genesis`, or begins it there. The bytes under
    /// `outbound_key` are kept beside every block.
    pub fn open(
        dir: &Path,
        genesis: &Genesis,
        authority: Authority,
        outbound_key: Vec<u8>,
    ) -> Result<Self, OpenChainError> {
        let chain = Chain::open(dir, genesis, authority, outbound_key)?;
        let service = Arc::new(Service::new(&chain, String::new()));
        Ok(Self { chain, service })
    }

    /// Hash of block 0.
    pub fn genesis_hash(&self) -> Hash {
        self.chain.genesis_hash()
    }

    /// Number of the newest block. It is final.
    pub fn height(&self) -> BlockNumber {
        self.service.head().number
    }

    /// Takes a transaction into the pool.
    pub fn submit(&self, extrinsic: &[u8]) -> Result<Hash, Refused> {
        Ok(self.service.submit(extrinsic, None)?)
    }

    /// Makes the next block at `now_ms` (milliseconds since 1970) out of what waits: transactions that
    /// nobody has signed, the reports of workers among them, go first with `general_due`.
    pub fn seal(&mut self, now_ms: u64, general_due: bool) -> Result<BlockNumber, SealError> {
        let offer = self.service.offer(general_due);
        let sealed = self.chain.seal(now_ms, &offer.transactions)?;
        let number = sealed.header.number;
        self.service.sealed(&offer.transactions, sealed);
        Ok(number)
    }

    /// The JSON-RPC interface, without its server. It needs a tokio runtime.
    pub fn rpc(&self) -> Result<RpcModule<()>, RegisterMethodError> {
        rpc::methods(self.service.clone())
    }

    /// Up to `max` blocks from number `from` on, as `phat_blocks` answers.
    pub fn blocks(&self, from: BlockNumber, max: u32) -> Result<Blocks, Refused> {
        Ok(self.service.blocks(from, max)?)
    }

    /// The transactions (SCALE) in a block.
    pub fn body(&self, number: BlockNumber) -> Result<Vec<Vec<u8>>, Refused> {
        let body = self.service.store.body(number)?.unwrap_or_default();
        Ok(body.iter().map(Encode::encode).collect())
    }

    /// The trie nodes that prove what stands under `keys` after the block `at`.
    pub fn prove(&self, keys: &[Vec<u8>], at: Hash) -> Result<Vec<Vec<u8>>, Refused> {
        let state = self.service.state_at(Some(at))?;
        let proof = state.prove(keys).map_err(AtError::from)?;
        Ok(proof.into_iter_nodes().collect())
    }

    /// Calls one of the runtime's functions on the newest state. What it changes is forgotten.
    pub fn call(&self, method: &str, arguments: &impl Encode) -> Result<Vec<u8>, Refused> {
        let arguments = arguments.encode();
        self.inspect(|| phat_runtime::apis::api::dispatch(method, &arguments))?
            .ok_or_else(|| Refused(format!("the runtime has no function {method}")))
    }

    /// Runs `f` on the newest state: it can read through the runtime's pallets. What it changes is
    /// forgotten.
    pub fn inspect<R>(&self, f: impl FnOnce() -> R) -> Result<R, Refused> {
        Ok(self.service.state_at(None)?.inspect(f)?)
    }
}
