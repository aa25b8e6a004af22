//! What an execution sees of the world beyond the state.

use crate::{Cluster, contract_key, limits::MAX_LOGS_PER_BLOCK, settings::Settings};
use phat_crypto::{Keypair, contexts};
use phat_engine::{
    BoxFuture, ExecMode, Host, HttpAnswers,
    pink::{HttpRequest, HttpRequestError},
};
use phat_primitives::{AccountId, BlockNumber, ClusterId, ContractId, Hash, blake2_256};
use std::sync::{Arc, Mutex, PoisonError};

/// What only queries may use: the worker they run on. Nothing of it can reach the state.
pub trait Surroundings: Send + Sync {
    /// Public key of the worker.
    fn worker_pubkey(&self) -> [u8; 32];
    /// The worker's clock, in milliseconds since the Unix epoch. Nobody vouches for it.
    fn untrusted_now_ms(&self) -> u64;
    /// Random bytes.
    fn random(&self, length: usize) -> Vec<u8>;
    /// Makes HTTP requests, all at once.
    fn http(
        &self,
        contract: &ContractId,
        requests: Vec<HttpRequest>,
        timeout_ms: u64,
    ) -> BoxFuture<'_, HttpAnswers>;
    /// Reads the contract's cache on this worker.
    fn cache_get(&self, contract: &ContractId, key: &[u8]) -> Option<Vec<u8>>;
    /// Writes to the contract's cache on this worker; `false` if there is no room.
    fn cache_set(&self, contract: &ContractId, key: &[u8], value: &[u8]) -> bool;
    /// Lets an entry of the cache expire.
    fn cache_set_expiration(&self, contract: &ContractId, key: &[u8], seconds: u64);
    /// Takes an entry out of the cache.
    fn cache_remove(&self, contract: &ContractId, key: &[u8]) -> Option<Vec<u8>>;
    /// Keeps a line that a contract has logged.
    fn log(&self, record: LogRecord);
    /// Whether the caller has stopped waiting.
    fn interrupted(&self) -> bool;
}

/// Something that happened to a contract, for the log of the worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogRecord {
    /// Which contract.
    pub contract: ContractId,
    /// Last block of the state it ran on; for commands the block of the command.
    pub block: BlockNumber,
    /// Time of that block, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Whether a command or a query was running.
    pub in_transaction: bool,
    /// What happened.
    pub entry: LogEntry,
}

/// What happened to a contract. These are the kinds that clients know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogEntry {
    /// A line that the contract has logged, or why a command to it failed.
    Line {
        /// 1 error, 2 warning, 3 info, 4 debug, 5 trace.
        level: u8,
        /// The line.
        message: String,
    },
    /// What a command returned.
    Output {
        /// Who sent it.
        origin: AccountId,
        /// The command's nonce.
        nonce: Vec<u8>,
        /// A SCALE-encoded `ContractExecResult`.
        output: Vec<u8>,
    },
    /// An event that the contract emitted.
    Event {
        /// Its topics.
        topics: Vec<Hash>,
        /// Its data.
        payload: Vec<u8>,
    },
}

/// The world as one execution sees it.
pub(crate) struct ClusterHost {
    pub(crate) id: ClusterId,
    /// The cluster's root key.
    pub(crate) root: Keypair,
    pub(crate) settings: Settings,
    pub(crate) mode: ExecMode,
    pub(crate) block: BlockNumber,
    pub(crate) now_ms: u64,
    /// `None` for commands: they must come out the same everywhere.
    pub(crate) surroundings: Option<Arc<dyn Surroundings>>,
    /// Nothing is charged: the system contract of a new cluster is made like this.
    pub(crate) free: bool,
    /// Lines logged by commands.
    pub(crate) logs: Mutex<Vec<LogRecord>>,
}

impl ClusterHost {
    pub(crate) fn for_commands(
        cluster: &Cluster,
        settings: &Settings,
        block: BlockNumber,
        now_ms: u64,
    ) -> Self {
        Self {
            id: cluster.id,
            root: cluster.root.clone(),
            settings: settings.clone(),
            mode: ExecMode::Transaction,
            block,
            now_ms,
            surroundings: None,
            free: false,
            logs: Mutex::new(Vec::new()),
        }
    }

    /// Keeps what something else has logged, up to the limit.
    pub(crate) fn keep_logs(&self, records: Vec<LogRecord>) {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MAX_LOGS_PER_BLOCK.saturating_sub(logs.len());
        logs.extend(records.into_iter().take(room));
    }

    pub(crate) fn take_logs(&self) -> Vec<LogRecord> {
        std::mem::take(&mut *self.logs.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Host for ClusterHost {
    fn mode(&self) -> ExecMode {
        self.mode
    }

    fn block_number(&self) -> u32 {
        self.block
    }

    fn now_ms(&self) -> u64 {
        self.now_ms
    }

    fn untrusted_now_ms(&self) -> u64 {
        self.surroundings
            .as_ref()
            .map_or(self.now_ms, |s| s.untrusted_now_ms())
    }

    fn prices(&self) -> phat_engine::Prices {
        let prices = &self.settings.prices;
        let charged = |price| if self.free { 0 } else { price };
        phat_engine::Prices {
            gas: charged(prices.gas_price),
            deposit_per_item: charged(prices.deposit_per_item),
            deposit_per_byte: charged(prices.deposit_per_byte),
            existential_deposit: charged(crate::limits::EXISTENTIAL_DEPOSIT),
        }
    }

    fn cluster_id(&self) -> [u8; 32] {
        self.id.0
    }

    fn system_contract(&self) -> Option<[u8; 32]> {
        Some(self.settings.system_contract.0)
    }

    fn worker_pubkey(&self) -> [u8; 32] {
        self.surroundings
            .as_ref()
            .map_or([0; 32], |s| s.worker_pubkey())
    }

    fn derive_secret(&self, contract: &[u8; 32], salt: &[u8]) -> Option<[u8; 64]> {
        let contract_key = contract_key(&self.root, &Hash::from(*contract));
        let seed = contract_key.derive_secret(contexts::CONTRACT_DERIVED, salt);
        let secret = schnorrkel::MiniSecretKey::from_bytes(&*seed).ok()?;
        Some(secret.expand(schnorrkel::ExpansionMode::Ed25519).to_bytes())
    }

    fn random(&self, length: usize) -> Vec<u8> {
        self.surroundings
            .as_ref()
            .map_or_else(Vec::new, |s| s.random(length))
    }

    fn random_seed(&self, subject: &[u8]) -> [u8; 32] {
        let mut seed = self.id.0.to_vec();
        seed.extend_from_slice(&self.block.to_le_bytes());
        seed.extend_from_slice(&self.now_ms.to_le_bytes());
        seed.extend_from_slice(subject);
        blake2_256(&seed)
    }

    fn http(
        &self,
        contract: &[u8; 32],
        requests: Vec<HttpRequest>,
        timeout_ms: u64,
    ) -> BoxFuture<'_, HttpAnswers> {
        match &self.surroundings {
            Some(surroundings) => surroundings.http(&Hash::from(*contract), requests, timeout_ms),
            None => Box::pin(async { Err(HttpRequestError::NotAllowed) }),
        }
    }

    fn cache_get(&self, contract: &[u8; 32], key: &[u8]) -> Option<Vec<u8>> {
        self.surroundings
            .as_ref()?
            .cache_get(&Hash::from(*contract), key)
    }

    fn cache_set(&self, contract: &[u8; 32], key: &[u8], value: &[u8]) -> bool {
        self.surroundings
            .as_ref()
            .is_some_and(|s| s.cache_set(&Hash::from(*contract), key, value))
    }

    fn cache_set_expiration(&self, contract: &[u8; 32], key: &[u8], seconds: u64) {
        if let Some(surroundings) = &self.surroundings {
            surroundings.cache_set_expiration(&Hash::from(*contract), key, seconds);
        }
    }

    fn cache_remove(&self, contract: &[u8; 32], key: &[u8]) -> Option<Vec<u8>> {
        self.surroundings
            .as_ref()?
            .cache_remove(&Hash::from(*contract), key)
    }

    fn log(&self, contract: &[u8; 32], level: u8, message: String) {
        self.record(Hash::from(*contract), LogEntry::Line { level, message });
    }

    fn interrupted(&self) -> bool {
        self.surroundings.as_ref().is_some_and(|s| s.interrupted())
    }
}

impl ClusterHost {
    /// Puts something into the log.
    pub(crate) fn record(&self, contract: ContractId, entry: LogEntry) {
        let record = LogRecord {
            contract,
            block: self.block,
            time_ms: self.now_ms,
            in_transaction: self.surroundings.is_none(),
            entry,
        };
        match &self.surroundings {
            Some(surroundings) => surroundings.log(record),
            None => {
                let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
                if logs.len() < MAX_LOGS_PER_BLOCK {
                    logs.push(record);
                }
            }
        }
    }
}
