//! Everything an execution needs beyond the state. The engine itself has no clock, no socket, no
//! randomness and no keys: they come in here.

use std::{future::Future, pin::Pin};

use blake2::{Blake2b, Digest, digest::consts::U32};

use crate::{
    config::Prices,
    pink::{HttpRequest, HttpRequestError, HttpResponse, JsCode, JsValue, SgxQuote},
    schema::{AccountId, CodeHash, ContractId},
};

/// A boxed future, as trait methods return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The answers to a batch of HTTP requests, in the order of the requests; an error if the batch as
/// a whole failed.
pub type HttpAnswers = Result<Vec<Result<HttpResponse, HttpRequestError>>, HttpRequestError>;

/// Why a contract is executed. Pink documents for each function where it is available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecMode {
    /// A command: every worker executes it, so everything must be equal on all of them.
    Transaction,
    /// A query: this worker answers from a snapshot, and changes are dropped.
    Query,
    /// A query that asks what a transaction would cost. Contracts see what they would see in a
    /// transaction; deposits are computed and not collected.
    Estimating,
}

impl ExecMode {
    /// Whether contracts must be deterministic.
    pub fn is_deterministic(self) -> bool {
        !matches!(self, Self::Query)
    }

    /// Whether deposits move balances.
    pub fn collects_deposits(self) -> bool {
        matches!(self, Self::Transaction)
    }
}

/// Everything beyond the state, one value per execution. In [`ExecMode::Transaction`] what
/// `block_number`, `now_ms`, `prices`, `system_contract`, `latest_system_code`, `derive_secret`,
/// `contract_address` and `random_seed` answer must be equal on every worker; the engine calls no
/// other method whose answer a contract could see.
pub trait Host: Send + Sync {
    /// Why this execution takes place.
    fn mode(&self) -> ExecMode;

    /// Number of the block the execution belongs to.
    fn block_number(&self) -> u32;

    /// Time of that block, in milliseconds since 1970.
    fn now_ms(&self) -> u64;

    /// The time by this machine's clock, in milliseconds since 1970; queries only.
    fn untrusted_now_ms(&self) -> u64 {
        self.now_ms()
    }

    /// What the cluster charges.
    fn prices(&self) -> Prices;

    /// The cluster, as contract addresses contain it: a counter as a big-endian number.
    fn cluster_id(&self) -> [u8; 32];

    /// Address of a new contract: `blake2_256(deployer ‖ code_hash ‖ cluster_id ‖ salt)`.
    fn contract_address(
        &self,
        deployer: &AccountId,
        code_hash: &CodeHash,
        _input: &[u8],
        salt: &[u8],
    ) -> ContractId {
        Blake2b::<U32>::new()
            .chain_update(deployer)
            .chain_update(code_hash)
            .chain_update(self.cluster_id())
            .chain_update(salt)
            .finalize()
            .into()
    }

    /// The cluster's system contract, once there is one.
    fn system_contract(&self) -> Option<ContractId>;

    /// Code of the latest system contract known to the chain.
    fn latest_system_code(&self) -> Option<Vec<u8>> {
        None
    }

    /// The worker's public key; queries only.
    fn worker_pubkey(&self) -> [u8; 32];

    /// An sr25519 secret key (64 bytes as schnorrkel encodes it) derived from the contract's key
    /// and `salt`. The same on every worker, for the life of the cluster. `None` if the worker has
    /// no key.
    fn derive_secret(&self, contract: &ContractId, salt: &[u8]) -> Option<[u8; 64]>;

    /// `length` random bytes; queries only.
    fn random(&self, length: usize) -> Vec<u8>;

    /// A value that differs from block to block and from subject to subject, for the old `random`
    /// of ink! 3. Not secret, and equal on every worker.
    fn random_seed(&self, subject: &[u8]) -> [u8; 32];

    /// Sends HTTP requests; queries only. There are at most
    /// [`Limits::http_batch`](crate::Limits::http_batch) of them.
    fn http(
        &self,
        contract: &ContractId,
        requests: Vec<HttpRequest>,
        timeout_ms: u64,
    ) -> BoxFuture<'_, HttpAnswers>;

    /// Reads the contract's cache on this worker; queries only.
    fn cache_get(&self, contract: &ContractId, key: &[u8]) -> Option<Vec<u8>>;

    /// Writes to the contract's cache on this worker; queries only. `false` if its quota is
    /// exceeded. In transactions the engine collects an event instead.
    fn cache_set(&self, contract: &ContractId, key: &[u8], value: &[u8]) -> bool;

    /// Lets an entry of the contract's cache expire after `seconds`; queries only.
    fn cache_set_expiration(&self, contract: &ContractId, key: &[u8], seconds: u64);

    /// Removes an entry of the contract's cache and returns it; queries only.
    fn cache_remove(&self, contract: &ContractId, key: &[u8]) -> Option<Vec<u8>>;

    /// A log line of a contract; levels from 1 (error) to 5 (trace).
    fn log(&self, contract: &ContractId, level: u8, message: String);

    /// Number of the next block of ordered messages and hash of the last one, as far as this worker
    /// has applied them.
    fn event_chain_head(&self) -> (u64, [u8; 32]) {
        (0, [0; 32])
    }

    /// Evaluates JavaScript; queries only. The default says that there is no such thing.
    fn js_eval(
        &self,
        _contract: &ContractId,
        _codes: Vec<JsCode>,
        _args: Vec<String>,
    ) -> BoxFuture<'_, JsValue> {
        Box::pin(async { JsValue::Exception("No Js Runtime".into()) })
    }

    /// The worker's SGX quote, if it has one; queries only.
    fn sgx_quote(&self) -> Option<SgxQuote> {
        None
    }

    /// Whether to stop. Asked now and then while a contract calls host functions, for those who poll
    /// an execution to its end; who does not can drop its future whenever it yields. Never stop a
    /// transaction.
    fn interrupted(&self) -> bool {
        false
    }
}
