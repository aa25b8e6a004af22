//! The chain: what it says about accounts, clusters, workers and contracts, and transactions.
//!
//! Names and shapes are read from the chain's own metadata when they are used, so this client works
//! with every chain that has pallets of these names: see the constants below for all it relies on.

mod credit;
pub mod economy;
mod policy;
mod read;
mod submit;

pub use credit::{Credit, Slice};
pub use policy::{Permission, free_callers};
pub use submit::{Call, Submitted};

use crate::limits::CONNECT_TIMEOUT;
use phat_primitives::{
    AccountId, Balance, BlockNumber, ClusterId, CodeHash, ContractId, Hash, WorkerId, report::Roots,
};
use read::Reader;
use std::{sync::Arc, time::Duration};
use subxt::{
    OnlineClient, PolkadotConfig,
    backend::LegacyBackend,
    client::OnlineClientAtBlock,
    dynamic,
    error::DispatchError,
    ext::{
        frame_decode::storage::{IntoDecodableValues, IntoEncodableValues},
        scale_decode::{self, DecodeAsType},
    },
    rpcs::RpcClient,
    utils::H256,
};

/// The pallet of clusters and contracts.
const CLUSTERS: &str = "PhalaPhatContracts";
/// The pallet of workers and keys.
const REGISTRY: &str = "PhalaRegistry";
/// The pallet of messages between chain and workers.
const MESSAGES: &str = "PhalaMq";

/// How long the chain may take to answer a request, or a transaction to get into a block.
const CHAIN_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection to a chain.
#[derive(Clone, Debug)]
pub struct ChainClient {
    api: OnlineClient<PolkadotConfig>,
    url: String,
}

/// Why the chain gave no answer or did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// Nothing answers at the address.
    #[error("no chain answers at {url}: check the address, or start a network with `phat dev`")]
    Unreachable {
        /// The address.
        url: String,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It took too long.
    #[error("the chain at {url} did not answer within {} s", CHAIN_TIMEOUT.as_secs())]
    Timeout {
        /// The address.
        url: String,
    },
    /// The transaction never got into a block.
    #[error("the chain did not take the transaction: {0}")]
    NotTaken(String),
    /// The transaction is in a block, but did nothing.
    #[error("{call} failed: {reason}")]
    Failed {
        /// The call.
        call: &'static str,
        /// The error with its description from the chain's metadata.
        reason: String,
    },
    /// The call did not report what it always reports.
    #[error("the chain took {call} but did not report `{event}`: it may be of another version")]
    NoEvent {
        /// The call.
        call: String,
        /// The event that is missing.
        event: &'static str,
    },
    /// The chain answered with an error, or its metadata is not as expected.
    #[error("the chain's answer cannot be used: {0}")]
    Rpc(#[source] Box<subxt::Error>),
}

impl<E: Into<subxt::Error>> From<E> for ChainError {
    fn from(error: E) -> Self {
        Self::Rpc(Box::new(error.into()))
    }
}

/// Money of an account on the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
pub struct AccountBalance {
    /// Can be spent, unless it is frozen.
    pub free: Balance,
    /// Held for a purpose.
    pub reserved: Balance,
    /// The part of `free` that cannot leave.
    pub frozen: Balance,
}

/// A cluster as the chain records it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cluster {
    /// Its id.
    pub id: ClusterId,
    /// Who owns it.
    pub owner: AccountId,
    /// Who may deploy in it.
    pub permission: Permission,
    /// Its system contract.
    pub system_contract: ContractId,
    /// Price of one unit of gas.
    pub gas_price: Balance,
    /// Deposit per storage item.
    pub deposit_per_item: Balance,
    /// Deposit per byte of storage.
    pub deposit_per_byte: Balance,
}

/// A contract as the chain records it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contract {
    /// Who made it.
    pub deployer: AccountId,
    /// Where it is.
    pub cluster: ClusterId,
    /// The code it was made from; `None` if it was made in private.
    pub code_hash: Option<CodeHash>,
}

/// A worker's state that was not the one that most workers of its cluster had agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Divergence {
    /// The cluster that it was in.
    pub cluster: ClusterId,
    /// After this block.
    pub block: BlockNumber,
    /// What it said.
    pub reported: Roots,
    /// What the others said.
    pub agreed: Roots,
}

/// [`Roots`] in the chain's storage.
#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
struct RootsValue {
    state_root: [u8; 32],
    receipts: [u8; 32],
}

impl From<RootsValue> for Roots {
    fn from(value: RootsValue) -> Self {
        Self {
            state_root: Hash::from(value.state_root),
            receipts: Hash::from(value.receipts),
        }
    }
}

/// A worker as the chain records it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Worker {
    /// Who runs it.
    pub operator: AccountId,
    /// Measurement of its program.
    pub measurement: [u8; 32],
    /// How far its evidence can be trusted: 1 (best) to 5 by hardware, 128 and more without.
    pub confidence: u8,
    /// What its machine can compute in a minute, in units of 10⁹ gas, as its program has measured it.
    pub performance: u64,
    /// Until when the chain believes its evidence, in milliseconds since the Unix epoch; `None` if it
    /// does not, and the worker is out of service.
    pub expires_ms: Option<u64>,
}

/// Number and hash of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: Hash,
}

type AtBlock = OnlineClientAtBlock<PolkadotConfig>;

impl ChainClient {
    /// Connects to a chain over WebSocket, such as `ws://127.0.0.1:9944`.
    pub async fn connect(url: &str) -> Result<Self, ChainError> {
        let unreachable =
            |source: Box<dyn std::error::Error + Send + Sync>| ChainError::Unreachable {
                url: url.into(),
                source,
            };
        let connecting = async {
            let rpc = RpcClient::from_insecure_url(url)
                .await
                .map_err(|error| unreachable(Box::new(error)))?;
            // The methods that every Substrate node has had for years, embedded ones included.
            let backend: LegacyBackend<PolkadotConfig> = LegacyBackend::builder().build(rpc);
            OnlineClient::from_backend(Arc::new(backend))
                .await
                .map_err(|error| unreachable(Box::new(error)))
        };
        let api = tokio::time::timeout(CONNECT_TIMEOUT, connecting)
            .await
            .map_err(|late| unreachable(Box::new(late)))??;
        Ok(Self {
            api,
            url: url.into(),
        })
    }

    /// The address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Hash of the chain's first block: it names the chain.
    pub fn genesis(&self) -> Hash {
        Hash::from(self.api.genesis_hash().0)
    }

    /// The last final block.
    pub async fn head(&self) -> Result<Head, ChainError> {
        let at = self.at_head().await?;
        Ok(Head {
            number: at.block_number(),
            hash: Hash::from(at.block_hash().0),
        })
    }

    /// Money of an account. An account that the chain does not know has none.
    pub async fn balance(&self, account: &AccountId) -> Result<AccountBalance, ChainError> {
        #[derive(DecodeAsType)]
        #[decode_as_type(crate_path = "scale_decode")]
        struct Info {
            data: AccountBalance,
        }
        let info: Option<Info> = self.read("System", "Account", (account.0,)).await?;
        Ok(info.map(|info| info.data).unwrap_or_default())
    }

    /// All clusters.
    pub async fn clusters(&self) -> Result<Vec<Cluster>, ChainError> {
        let at = self.at_head().await?;
        let reader = Reader {
            chain: self,
            at: &at,
        };
        let entries = reader
            .all::<(H256,), ClusterValue, _>(CLUSTERS, "Clusters", ())
            .await?;
        let named = |((id,), value): ((H256,), ClusterValue)| value.named(Hash::from(id.0));
        let mut clusters: Vec<_> = entries.into_iter().map(named).collect();
        // Ids are counters; the storage has another order.
        clusters.sort_by_key(|cluster| cluster.id);
        Ok(clusters)
    }

    /// One cluster.
    pub async fn cluster(&self, id: ClusterId) -> Result<Option<Cluster>, ChainError> {
        let value: Option<ClusterValue> = self.read(CLUSTERS, "Clusters", (H256(id.0),)).await?;
        Ok(value.map(|value| value.named(id)))
    }

    /// Contracts of a cluster that have been instantiated.
    pub async fn cluster_contracts(&self, id: ClusterId) -> Result<Vec<ContractId>, ChainError> {
        let ids: Option<Vec<[u8; 32]>> = self
            .read(CLUSTERS, "ClusterContracts", (H256(id.0),))
            .await?;
        Ok(ids
            .unwrap_or_default()
            .into_iter()
            .map(Hash::from)
            .collect())
    }

    /// Workers of a cluster.
    pub async fn cluster_workers(&self, id: ClusterId) -> Result<Vec<WorkerId>, ChainError> {
        let ids: Option<Vec<[u8; 32]>> =
            self.read(CLUSTERS, "ClusterWorkers", (H256(id.0),)).await?;
        Ok(ids.unwrap_or_default().into_iter().map(WorkerId).collect())
    }

    /// A contract, from the moment its instantiation was ordered.
    pub async fn contract(&self, id: ContractId) -> Result<Option<Contract>, ChainError> {
        #[derive(DecodeAsType)]
        #[decode_as_type(crate_path = "scale_decode")]
        struct Value {
            deployer: [u8; 32],
            cluster: [u8; 32],
            code_index: CodeIndex,
        }
        #[derive(DecodeAsType)]
        #[decode_as_type(crate_path = "scale_decode")]
        enum CodeIndex {
            WasmCode([u8; 32]),
            Private,
        }
        let value: Option<Value> = self.read(CLUSTERS, "Contracts", (H256(id.0),)).await?;
        Ok(value.map(|value| Contract {
            deployer: AccountId(value.deployer),
            cluster: Hash::from(value.cluster),
            code_hash: match value.code_index {
                CodeIndex::WasmCode(hash) => Some(Hash::from(hash)),
                CodeIndex::Private => None,
            },
        }))
    }

    /// The cluster that a worker is in.
    pub async fn cluster_of(&self, worker: WorkerId) -> Result<Option<ClusterId>, ChainError> {
        let cluster: Option<[u8; 32]> = self.read(CLUSTERS, "WorkerCluster", (worker.0,)).await?;
        Ok(cluster.map(Hash::from))
    }

    /// Whether a worker is registered.
    pub async fn is_registered(&self, worker: WorkerId) -> Result<bool, ChainError> {
        Ok(self.workers().await?.contains(&worker))
    }

    /// Public key of a contract. There is one as soon as the contract has been instantiated.
    pub async fn contract_key(&self, id: ContractId) -> Result<Option<[u8; 32]>, ChainError> {
        self.read(REGISTRY, "ContractKeys", (H256(id.0),)).await
    }

    /// Public key of a cluster. There is one as soon as a gatekeeper has made it.
    pub async fn cluster_key(&self, id: ClusterId) -> Result<Option<[u8; 32]>, ChainError> {
        self.read(REGISTRY, "ClusterKeys", (H256(id.0),)).await
    }

    /// The key that deployments in private are encrypted to, and its epoch. There is one as soon as a
    /// gatekeeper has made it; it changes when a worker leaves the cluster.
    pub async fn transport_key(
        &self,
        id: ClusterId,
    ) -> Result<Option<(u32, [u8; 32])>, ChainError> {
        self.read(CLUSTERS, "TransportKeys", (H256(id.0),)).await
    }

    /// The blocks after which most workers of a cluster have agreed on what it has come to, in order.
    /// The chain remembers the last ones.
    pub async fn agreed_blocks(&self, id: ClusterId) -> Result<Vec<BlockNumber>, ChainError> {
        let blocks: Option<Vec<BlockNumber>> =
            self.read(CLUSTERS, "AgreedBlocks", (H256(id.0),)).await?;
        Ok(blocks.unwrap_or_default())
    }

    /// What most workers of a cluster have agreed on after a block.
    pub async fn agreed_roots(
        &self,
        id: ClusterId,
        block: BlockNumber,
    ) -> Result<Option<Roots>, ChainError> {
        let key = (H256(id.0), block);
        let value: Option<RootsValue> = self.read(CLUSTERS, "AgreedRoots", key).await?;
        Ok(value.map(Roots::from))
    }

    /// Whether and how a worker's state was not that of its cluster.
    pub async fn divergence(&self, worker: WorkerId) -> Result<Option<Divergence>, ChainError> {
        #[derive(DecodeAsType)]
        #[decode_as_type(crate_path = "scale_decode")]
        struct Value {
            cluster: [u8; 32],
            block: u32,
            reported: RootsValue,
            agreed: RootsValue,
        }
        let value: Option<Value> = self.read(CLUSTERS, "Diverged", (worker.0,)).await?;
        Ok(value.map(|value| Divergence {
            cluster: Hash::from(value.cluster),
            block: value.block,
            reported: value.reported.into(),
            agreed: value.agreed.into(),
        }))
    }

    /// All registered workers.
    pub async fn workers(&self) -> Result<Vec<WorkerId>, ChainError> {
        let at = self.at_head().await?;
        let reader = Reader {
            chain: self,
            at: &at,
        };
        let entries = reader
            .all::<([u8; 32],), dynamic::Value, _>(REGISTRY, "Workers", ())
            .await?;
        let mut workers: Vec<_> = entries.into_iter().map(|((id,), _)| WorkerId(id)).collect();
        workers.sort();
        Ok(workers)
    }

    /// What the chain knows of a worker.
    pub async fn worker(&self, worker: WorkerId) -> Result<Option<Worker>, ChainError> {
        #[derive(DecodeAsType)]
        #[decode_as_type(crate_path = "scale_decode")]
        struct Info {
            operator: [u8; 32],
            measurement: [u8; 32],
            confidence: u8,
            performance: u64,
        }
        #[derive(DecodeAsType)]
        #[decode_as_type(crate_path = "scale_decode")]
        struct Service {
            expires_ms: u64,
        }
        let info: Option<Info> = self.read(REGISTRY, "Workers", (worker.0,)).await?;
        let service: Option<Service> = self.read(REGISTRY, "InService", (worker.0,)).await?;
        Ok(info.map(|info| Worker {
            operator: AccountId(info.operator),
            measurement: info.measurement,
            confidence: info.confidence,
            performance: info.performance,
            expires_ms: service.map(|service| service.expires_ms),
        }))
    }

    /// Where a worker says it can be reached, the best first.
    pub async fn endpoints(&self, worker: WorkerId) -> Result<Vec<String>, ChainError> {
        #[derive(DecodeAsType)]
        #[decode_as_type(crate_path = "scale_decode")]
        enum Endpoints {
            V1(Vec<String>),
        }
        let endpoints: Option<Endpoints> = self.read(REGISTRY, "Endpoints", (worker.0,)).await?;
        Ok(endpoints
            .map(|Endpoints::V1(urls)| urls)
            .unwrap_or_default())
    }

    async fn read<K, V>(&self, pallet: &str, entry: &str, key: K) -> Result<Option<V>, ChainError>
    where
        K: IntoEncodableValues + IntoDecodableValues,
        V: DecodeAsType,
    {
        let at = self.at_head().await?;
        let reader = Reader {
            chain: self,
            at: &at,
        };
        reader.one(pallet, entry, key).await
    }

    async fn at_head(&self) -> Result<AtBlock, ChainError> {
        self.in_time(async { Ok(self.api.at_current_block().await?) })
            .await
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, ChainError>>,
    ) -> Result<T, ChainError> {
        tokio::time::timeout(CHAIN_TIMEOUT, work)
            .await
            .map_err(|_| ChainError::Timeout {
                url: self.url.clone(),
            })?
    }
}

/// A cluster in the chain's storage.
#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
struct ClusterValue {
    owner: [u8; 32],
    permission: policy::PermissionValue,
    system_contract: [u8; 32],
    gas_price: Balance,
    deposit_per_item: Balance,
    deposit_per_byte: Balance,
}

impl ClusterValue {
    fn named(self, id: ClusterId) -> Cluster {
        Cluster {
            id,
            owner: AccountId(self.owner),
            permission: self.permission.into(),
            system_contract: Hash::from(self.system_contract),
            gas_price: self.gas_price,
            deposit_per_item: self.deposit_per_item,
            deposit_per_byte: self.deposit_per_byte,
        }
    }
}

/// Shows an error of a pallet by its name and its description in the chain's metadata.
fn describe(error: &DispatchError) -> String {
    if let DispatchError::Module(module) = error
        && let Ok(details) = module.details()
    {
        let docs = details.variant.docs.join(" ");
        let name = format!("{}.{}", details.pallet.name(), details.variant.name);
        return if docs.is_empty() {
            name
        } else {
            format!("{} ({name})", docs.trim())
        };
    }
    error.to_string()
}
