//! `state_*`: what stands in storage, proofs of it, and calls into the runtime.

use std::collections::BTreeMap;

use codec::{Decode, DecodeLimit};
use jsonrpsee::PendingSubscriptionSink;
use jsonrpsee::core::{RpcResult, SubscriptionResult, async_trait};
use jsonrpsee::proc_macros::rpc;
use jsonrpsee::types::ErrorObjectOwned;
use polkadot_sdk::*;
use serde::Serialize;

use frame_support::MAX_EXTRINSIC_DEPTH;
use sp_core::Bytes;
use sp_core::storage::{StorageChangeSet, StorageData, StorageKey};
use sp_runtime::transaction_validity::TransactionSource;
use sp_version::RuntimeVersion;

use phat_runtime::apis::api::dispatch;
use phat_runtime::{Hash, RuntimeCall, UncheckedExtrinsic, VERSION};

use super::error::{done, internal, invalid, over_limit};
use super::{Api, hex, send};
use crate::limits::{CALL_BYTES, KEYS, QUERY_BLOCKS, WATCHED_KEYS};
use crate::service::AtError;
use crate::state::State as ChainState;
use crate::store::Nodes;

/// Trie nodes that prove entries of the storage at a block.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ReadProof {
    /// The block whose state root the nodes lead to.
    at: Hash,
    proof: Vec<Bytes>,
}

/// What stands in storage, proofs of it, and calls into the runtime. `at` is a
/// block's hash; without it the newest block is meant.
#[rpc(server)]
pub(super) trait State {
    #[method(name = "state_call", aliases = ["state_callAt"])]
    async fn call(&self, method: String, arguments: Bytes, at: Option<Hash>) -> RpcResult<Bytes>;

    #[method(name = "state_getKeys")]
    async fn keys(&self, prefix: StorageKey, at: Option<Hash>) -> RpcResult<Vec<StorageKey>>;

    #[method(name = "state_getKeysPaged", aliases = ["state_getKeysPagedAt"])]
    async fn keys_paged(
        &self,
        prefix: Option<StorageKey>,
        count: u32,
        start_key: Option<StorageKey>,
        at: Option<Hash>,
    ) -> RpcResult<Vec<StorageKey>>;

    #[method(name = "state_getStorage", aliases = ["state_getStorageAt"])]
    async fn storage(&self, key: StorageKey, at: Option<Hash>) -> RpcResult<Option<StorageData>>;

    #[method(name = "state_getStorageHash", aliases = ["state_getStorageHashAt"])]
    async fn storage_hash(&self, key: StorageKey, at: Option<Hash>) -> RpcResult<Option<Hash>>;

    #[method(name = "state_getStorageSize", aliases = ["state_getStorageSizeAt"])]
    async fn storage_size(&self, key: StorageKey, at: Option<Hash>) -> RpcResult<Option<u64>>;

    #[method(name = "state_getMetadata")]
    async fn metadata(&self, at: Option<Hash>) -> RpcResult<Bytes>;

    #[method(name = "state_getRuntimeVersion", aliases = ["chain_getRuntimeVersion"])]
    fn runtime_version(&self, at: Option<Hash>) -> RpcResult<RuntimeVersion>;

    #[method(name = "state_queryStorage")]
    async fn query(
        &self,
        keys: Vec<StorageKey>,
        from: Hash,
        to: Option<Hash>,
    ) -> RpcResult<Vec<StorageChangeSet<Hash>>>;

    #[method(name = "state_queryStorageAt")]
    async fn query_at(
        &self,
        keys: Vec<StorageKey>,
        at: Option<Hash>,
    ) -> RpcResult<Vec<StorageChangeSet<Hash>>>;

    #[method(name = "state_getReadProof")]
    async fn read_proof(&self, keys: Vec<StorageKey>, at: Option<Hash>) -> RpcResult<ReadProof>;

    #[subscription(
        name = "state_subscribeRuntimeVersion" => "state_runtimeVersion",
        aliases = ["chain_subscribeRuntimeVersion"],
        unsubscribe = "state_unsubscribeRuntimeVersion",
        unsubscribe_aliases = ["chain_unsubscribeRuntimeVersion"],
        item = RuntimeVersion
    )]
    async fn follow_runtime_version(&self) -> SubscriptionResult;

    #[subscription(
        name = "state_subscribeStorage" => "state_storage",
        unsubscribe = "state_unsubscribeStorage",
        item = StorageChangeSet<Hash>
    )]
    async fn follow_storage(&self, keys: Option<Vec<StorageKey>>) -> SubscriptionResult;
}

#[async_trait]
impl StateServer for Api {
    async fn call(&self, method: String, arguments: Bytes, at: Option<Hash>) -> RpcResult<Bytes> {
        check_call(&method, &arguments.0)?;
        let answer = self
            .with_state(at, move |state| {
                Ok(state
                    .inspect(|| dispatch(&method, &arguments.0))?
                    .ok_or(method))
            })
            .await?;
        answer
            .map(hex)
            .map_err(|method| invalid(format!("the runtime has no function {method}")))
    }

    async fn keys(&self, prefix: StorageKey, at: Option<Hash>) -> RpcResult<Vec<StorageKey>> {
        let keys = self
            .with_state(at, move |state| {
                Ok(state.keys(&prefix.0, None, KEYS + 1)?)
            })
            .await?;
        if keys.len() > KEYS {
            return Err(invalid(format!(
                "more than {KEYS} keys begin like this: ask for them with state_getKeysPaged"
            )));
        }
        Ok(keys.into_iter().map(StorageKey).collect())
    }

    async fn keys_paged(
        &self,
        prefix: Option<StorageKey>,
        count: u32,
        start_key: Option<StorageKey>,
        at: Option<Hash>,
    ) -> RpcResult<Vec<StorageKey>> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > KEYS {
            return Err(over_limit("keys", count, KEYS));
        }
        let prefix = prefix.map_or_else(Vec::new, |prefix| prefix.0);
        self.with_state(at, move |state| {
            let keys = state.keys(&prefix, start_key.as_ref().map(|key| &key.0[..]), count)?;
            Ok(keys.into_iter().map(StorageKey).collect())
        })
        .await
    }

    async fn storage(&self, key: StorageKey, at: Option<Hash>) -> RpcResult<Option<StorageData>> {
        self.with_state(at, move |state| Ok(state.get(&key.0)?.map(StorageData)))
            .await
    }

    async fn storage_hash(&self, key: StorageKey, at: Option<Hash>) -> RpcResult<Option<Hash>> {
        self.with_state(at, move |state| Ok(state.hash(&key.0)?))
            .await
    }

    async fn storage_size(&self, key: StorageKey, at: Option<Hash>) -> RpcResult<Option<u64>> {
        let value = self.storage(key, at).await?;
        Ok(value.map(|value| value.0.len() as u64))
    }

    async fn metadata(&self, at: Option<Hash>) -> RpcResult<Bytes> {
        let answer = self
            .with_state(at, |state| {
                Ok(state.inspect(|| dispatch("Metadata_metadata", &[]))?)
            })
            .await?;
        Vec::<u8>::decode(&mut answer.unwrap_or_default().as_slice())
            .map(hex)
            .map_err(internal)
    }

    fn runtime_version(&self, at: Option<Hash>) -> RpcResult<RuntimeVersion> {
        // The program is the runtime: there is one version, for every block.
        self.0.number_at(at)?;
        Ok(VERSION)
    }

    async fn query(
        &self,
        keys: Vec<StorageKey>,
        from: Hash,
        to: Option<Hash>,
    ) -> RpcResult<Vec<StorageChangeSet<Hash>>> {
        check_keys(&keys, KEYS)?;
        let first = self.0.number_at(Some(from))?;
        let last = self.0.number_at(to)?;
        if first > last {
            return Err(invalid("the first block comes after the last"));
        }
        if last - first >= QUERY_BLOCKS {
            return Err(over_limit(
                "blocks",
                (last - first) as usize + 1,
                QUERY_BLOCKS as usize,
            ));
        }
        done(
            self.0
                .offload(move |service| {
                    let mut watch = Watch::new(keys);
                    let mut sets = Vec::new();
                    for number in first..=last {
                        let hash = service.store.hash(number)?.unwrap_or_default();
                        let state = service.store.state(number)?;
                        sets.extend(watch.changes(hash, &state)?);
                    }
                    Ok::<_, AtError>(sets)
                })
                .await,
        )
    }

    async fn query_at(
        &self,
        keys: Vec<StorageKey>,
        at: Option<Hash>,
    ) -> RpcResult<Vec<StorageChangeSet<Hash>>> {
        check_keys(&keys, KEYS)?;
        let hash = at.unwrap_or(self.0.head().hash);
        self.with_state(Some(hash), move |state| {
            Ok(Watch::new(keys).changes(hash, state)?.into_iter().collect())
        })
        .await
    }

    async fn read_proof(&self, keys: Vec<StorageKey>, at: Option<Hash>) -> RpcResult<ReadProof> {
        check_keys(&keys, KEYS)?;
        let at = at.unwrap_or(self.0.head().hash);
        self.with_state(Some(at), move |state| {
            let keys: Vec<_> = keys.into_iter().map(|key| key.0).collect();
            let proof = state.prove(&keys)?.into_iter_nodes().map(hex).collect();
            Ok(ReadProof { at, proof })
        })
        .await
    }

    async fn follow_runtime_version(&self, pending: PendingSubscriptionSink) -> SubscriptionResult {
        let sink = pending.accept().await?;
        if send(&sink, &VERSION).await? {
            // It does not change while the process lives.
            sink.closed().await;
        }
        Ok(())
    }

    async fn follow_storage(
        &self,
        pending: PendingSubscriptionSink,
        keys: Option<Vec<StorageKey>>,
    ) -> SubscriptionResult {
        let keys = keys.unwrap_or_default();
        let checked = match keys.len() {
            0 => Err(invalid("name the storage keys to watch")),
            _ => check_keys(&keys, WATCHED_KEYS),
        };
        if let Err(error) = checked {
            pending.reject(error).await;
            return Ok(());
        }
        let sink = pending.accept().await?;
        let mut watch = Watch::new(keys);
        self.follow(&sink, |head| {
            let state = self.0.store.state(head.number)?;
            Ok(watch.changes(head.hash, &state)?)
        })
        .await
    }
}

impl Api {
    async fn with_state<R: Send + 'static>(
        &self,
        at: Option<Hash>,
        work: impl FnOnce(&ChainState<Nodes>) -> Result<R, AtError> + Send + 'static,
    ) -> RpcResult<R> {
        done(
            self.0
                .offload(move |service| work(&service.state_at(at)?))
                .await,
        )
    }
}

/// Keys, and what stood under them when last looked.
struct Watch {
    keys: Vec<StorageKey>,
    seen: BTreeMap<StorageKey, Option<StorageData>>,
}

impl Watch {
    fn new(keys: Vec<StorageKey>) -> Self {
        Self {
            keys,
            seen: BTreeMap::new(),
        }
    }

    /// What differs in `state`, at block `block`, from what was seen before; all,
    /// the first time.
    fn changes(
        &mut self,
        block: Hash,
        state: &ChainState<Nodes>,
    ) -> Result<Option<StorageChangeSet<Hash>>, crate::state::StateError> {
        let mut changes = Vec::new();
        for key in &self.keys {
            let value = state.get(&key.0)?.map(StorageData);
            if self.seen.get(key) != Some(&value) {
                self.seen.insert(key.clone(), value.clone());
                changes.push((key.clone(), value));
            }
        }
        Ok((!changes.is_empty()).then_some(StorageChangeSet { block, changes }))
    }
}

fn check_keys(keys: &[StorageKey], limit: usize) -> RpcResult<()> {
    if keys.len() > limit {
        return Err(over_limit("storage keys", keys.len(), limit));
    }
    Ok(())
}

/// Refuses calls into the runtime that are for block authors, and arguments that
/// could exhaust the stack: calls nest, and the runtime's own interface decodes
/// them without a limit on the depth.
fn check_call(method: &str, arguments: &[u8]) -> Result<(), ErrorObjectOwned> {
    if arguments.len() > CALL_BYTES {
        return Err(over_limit("bytes", arguments.len(), CALL_BYTES));
    }
    let mut input = arguments;
    let depth = MAX_EXTRINSIC_DEPTH;
    let decoded = match method {
        "Core_initialize_block" | "Core_execute_block" | "GenesisBuilder_build_state" => {
            return Err(invalid(format!("{method} is not for clients")));
        }
        _ if method.starts_with("BlockBuilder_") || method.starts_with("OffchainWorkerApi_") => {
            return Err(invalid(format!("{method} is not for clients")));
        }
        "TaggedTransactionQueue_validate_transaction" => {
            <(TransactionSource, UncheckedExtrinsic)>::decode_with_depth_limit(depth, &mut input)
                .map(drop)
        }
        _ if method.starts_with("TransactionPaymentCallApi_query_call") => {
            RuntimeCall::decode_with_depth_limit(depth, &mut input).map(drop)
        }
        "TransactionPaymentApi_query_info" | "TransactionPaymentApi_query_fee_details" => {
            UncheckedExtrinsic::decode_with_depth_limit(depth, &mut input).map(drop)
        }
        _ => Ok(()),
    };
    decoded.map_err(|error| invalid(format!("the arguments of {method} do not decode: {error}")))
}
