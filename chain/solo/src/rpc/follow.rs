//! `phat_*`: what a worker needs to follow the chain as a light client.

use codec::Encode;
use jsonrpsee::PendingSubscriptionSink;
use jsonrpsee::core::{RpcResult, SubscriptionResult, async_trait};
use jsonrpsee::proc_macros::rpc;
use polkadot_sdk::*;
use serde::Serialize;

use sp_core::Bytes;

use phat_runtime::BlockNumber;

use super::{Api, hex};
use crate::limits::{FOLLOWED_BLOCKS, FOLLOWED_BYTES};
use crate::store::StoreError;

/// Consecutive blocks, and the proof that the last one is final.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Blocks {
    /// From the number asked for on, as many as there are, as were asked for, or as
    /// fit into an answer.
    blocks: Vec<Block>,
    /// GRANDPA justification (SCALE) of the last of `blocks`, if there is one.
    justification: Option<Bytes>,
    /// Number of the newest final block.
    finalized: BlockNumber,
}

/// What a follower needs of a block.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Block {
    /// The header (SCALE).
    header: Bytes,
    /// The bytes that stood under the outbound key after the block.
    outbound: Bytes,
}

/// What a worker needs to follow the chain. None of it is to be believed: headers
/// chain, the justification proves the last one, digests bind what is outbound.
#[rpc(server)]
pub(super) trait Follow {
    /// Up to `max` blocks from number `from` on.
    #[method(name = "phat_blocks")]
    async fn blocks(&self, from: BlockNumber, max: u32) -> RpcResult<Blocks>;

    /// Numbers of final blocks: the newest at once, then one whenever there are new
    /// ones, which may be several.
    #[subscription(
        name = "phat_subscribeFinalized" => "phat_finalized",
        unsubscribe = "phat_unsubscribeFinalized",
        item = BlockNumber
    )]
    async fn finalized(&self) -> SubscriptionResult;
}

#[async_trait]
impl FollowServer for Api {
    async fn blocks(&self, from: BlockNumber, max: u32) -> RpcResult<Blocks> {
        let api = self.clone();
        super::error::done(self.0.offload(move |_| api.read_blocks(from, max)).await)
    }

    async fn finalized(&self, pending: PendingSubscriptionSink) -> SubscriptionResult {
        let sink = pending.accept().await?;
        let mut heads = self.0.heads();
        loop {
            let number = heads.borrow_and_update().number;
            if !super::send(&sink, &number).await? {
                return Ok(());
            }
            tokio::select! {
                () = sink.closed() => return Ok(()),
                changed = heads.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }
}

impl Api {
    fn read_blocks(&self, from: BlockNumber, max: u32) -> Result<Blocks, StoreError> {
        let store = &self.0.store;
        let finalized = self.0.head().number;
        let end = from
            .saturating_add(max.min(FOLLOWED_BLOCKS))
            .min(finalized.saturating_add(1));
        let mut blocks = Vec::new();
        let mut bytes = 0;
        let mut last = None;
        for number in from..end {
            let (Some(header), Some(outbound)) = (store.header(number)?, store.outbound(number)?)
            else {
                break;
            };
            let header = header.encode();
            bytes += header.len() + outbound.len();
            blocks.push(Block {
                header: hex(header),
                outbound: hex(outbound),
            });
            last = Some(number);
            if bytes > FOLLOWED_BYTES {
                break;
            }
        }
        let justification = match last {
            Some(number) => store.justification(number)?.map(hex),
            None => None,
        };
        Ok(Blocks {
            blocks,
            justification,
            finalized,
        })
    }
}
