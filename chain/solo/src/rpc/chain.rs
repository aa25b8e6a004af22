//! `chain_*` and `grandpa_*`: blocks and their finality.

use codec::Encode;
use jsonrpsee::PendingSubscriptionSink;
use jsonrpsee::core::{RpcResult, SubscriptionResult, async_trait};
use jsonrpsee::proc_macros::rpc;
use polkadot_sdk::*;
use serde::{Deserialize, Serialize};

use sp_consensus_grandpa::GRANDPA_ENGINE_ID;
use sp_core::Bytes;
use sp_runtime::Justifications;
use sp_runtime::generic::SignedBlock;

use phat_runtime::{BlockNumber, Hash, Header, OpaqueBlock};

use super::error::{invalid, over_limit};
use super::{Api, hex};
use crate::limits::HASHES;

/// A block number as clients write it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum NumberOrHex {
    Number(u64),
    Hex(String),
}

/// One or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

/// Blocks and their finality. A block is final as soon as it is there, so "best",
/// "all" and "finalized" heads are the same.
#[rpc(server)]
pub(super) trait Chain {
    #[method(name = "chain_getHeader")]
    fn header(&self, at: Option<Hash>) -> RpcResult<Option<Header>>;

    #[method(name = "chain_getBlock")]
    fn block(&self, at: Option<Hash>) -> RpcResult<Option<SignedBlock<OpaqueBlock>>>;

    #[method(name = "chain_getBlockHash", aliases = ["chain_getHead"])]
    fn block_hash(
        &self,
        number: Option<OneOrMany<NumberOrHex>>,
    ) -> RpcResult<OneOrMany<Option<Hash>>>;

    #[method(name = "chain_getFinalizedHead", aliases = ["chain_getFinalisedHead"])]
    fn finalized_head(&self) -> RpcResult<Hash>;

    #[subscription(
        name = "chain_subscribeAllHeads" => "chain_allHead",
        unsubscribe = "chain_unsubscribeAllHeads",
        item = Header
    )]
    async fn all_heads(&self) -> SubscriptionResult;

    #[subscription(
        name = "chain_subscribeNewHeads" => "chain_newHead",
        aliases = ["subscribe_newHead", "chain_subscribeNewHead"],
        unsubscribe = "chain_unsubscribeNewHeads",
        unsubscribe_aliases = ["unsubscribe_newHead", "chain_unsubscribeNewHead"],
        item = Header
    )]
    async fn new_heads(&self) -> SubscriptionResult;

    #[subscription(
        name = "chain_subscribeFinalizedHeads" => "chain_finalizedHead",
        aliases = ["chain_subscribeFinalisedHeads"],
        unsubscribe = "chain_unsubscribeFinalizedHeads",
        unsubscribe_aliases = ["chain_unsubscribeFinalisedHeads"],
        item = Header
    )]
    async fn finalized_heads(&self) -> SubscriptionResult;

    /// SCALE of the block's hash, its justification, and no headers in between:
    /// every block has a justification of its own.
    #[method(name = "grandpa_proveFinality")]
    fn prove_finality(&self, number: BlockNumber) -> RpcResult<Option<Bytes>>;

    #[subscription(
        name = "grandpa_subscribeJustifications" => "grandpa_justifications",
        unsubscribe = "grandpa_unsubscribeJustifications",
        item = Bytes
    )]
    async fn justifications(&self) -> SubscriptionResult;
}

#[async_trait]
impl ChainServer for Api {
    fn header(&self, at: Option<Hash>) -> RpcResult<Option<Header>> {
        match self.block_number(at)? {
            Some(number) => Ok(self.0.store.header(number)?),
            None => Ok(None),
        }
    }

    fn block(&self, at: Option<Hash>) -> RpcResult<Option<SignedBlock<OpaqueBlock>>> {
        let Some(number) = self.block_number(at)? else {
            return Ok(None);
        };
        let store = &self.0.store;
        let (Some(header), Some(extrinsics)) = (store.header(number)?, store.body(number)?) else {
            return Ok(None);
        };
        let justifications = store
            .justification(number)?
            .map(|justification| Justifications::from((GRANDPA_ENGINE_ID, justification)));
        Ok(Some(SignedBlock {
            block: OpaqueBlock { header, extrinsics },
            justifications,
        }))
    }

    fn block_hash(
        &self,
        number: Option<OneOrMany<NumberOrHex>>,
    ) -> RpcResult<OneOrMany<Option<Hash>>> {
        let hash = |number| -> RpcResult<_> {
            match block_number(number)? {
                Some(number) => Ok(self.0.store.hash(number)?),
                None => Ok(None),
            }
        };
        match number {
            None => Ok(OneOrMany::One(Some(self.0.head().hash))),
            Some(OneOrMany::One(number)) => Ok(OneOrMany::One(hash(number)?)),
            Some(OneOrMany::Many(numbers)) => {
                if numbers.len() > HASHES {
                    return Err(over_limit("block numbers", numbers.len(), HASHES));
                }
                let hashes: RpcResult<_> = numbers.into_iter().map(hash).collect();
                Ok(OneOrMany::Many(hashes?))
            }
        }
    }

    fn finalized_head(&self) -> RpcResult<Hash> {
        Ok(self.0.head().hash)
    }

    async fn all_heads(&self, pending: PendingSubscriptionSink) -> SubscriptionResult {
        self.heads(pending).await
    }

    async fn new_heads(&self, pending: PendingSubscriptionSink) -> SubscriptionResult {
        self.heads(pending).await
    }

    async fn finalized_heads(&self, pending: PendingSubscriptionSink) -> SubscriptionResult {
        self.heads(pending).await
    }

    fn prove_finality(&self, number: BlockNumber) -> RpcResult<Option<Bytes>> {
        let store = &self.0.store;
        let (Some(hash), Some(justification)) = (store.hash(number)?, store.justification(number)?)
        else {
            return Ok(None);
        };
        let headers_between = Vec::<Header>::new();
        Ok(Some(hex((hash, justification, headers_between).encode())))
    }

    async fn justifications(&self, pending: PendingSubscriptionSink) -> SubscriptionResult {
        let sink = pending.accept().await?;
        self.follow(&sink, |head| {
            Ok(self.0.store.justification(head.number)?.map(hex))
        })
        .await
    }
}

impl Api {
    fn block_number(&self, at: Option<Hash>) -> RpcResult<Option<BlockNumber>> {
        match at {
            Some(hash) => Ok(self.0.store.number(hash)?),
            None => Ok(Some(self.0.head().number)),
        }
    }

    async fn heads(&self, pending: PendingSubscriptionSink) -> SubscriptionResult {
        let sink = pending.accept().await?;
        self.follow(&sink, |head| Ok(self.0.store.header(head.number)?))
            .await
    }
}

/// The number, or nothing if no block can have it.
fn block_number(number: NumberOrHex) -> RpcResult<Option<BlockNumber>> {
    let number = match number {
        NumberOrHex::Number(number) => u128::from(number),
        NumberOrHex::Hex(hex) => hex
            .strip_prefix("0x")
            .and_then(|digits| u128::from_str_radix(digits, 16).ok())
            .ok_or_else(|| invalid("a block number is a number, or a string like \"0x2a\""))?,
    };
    Ok(BlockNumber::try_from(number).ok())
}
