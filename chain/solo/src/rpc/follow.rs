//! `phat_*`: what a worker needs to follow the chain as a light client.

use jsonrpsee::PendingSubscriptionSink;
use jsonrpsee::core::{RpcResult, SubscriptionResult, async_trait};
use jsonrpsee::proc_macros::rpc;
use polkadot_sdk::*;
use serde::Serialize;

use sp_core::Bytes;

use phat_runtime::BlockNumber;

use super::{Api, hex};
use crate::stepped;

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

impl From<stepped::Blocks> for Blocks {
    fn from(read: stepped::Blocks) -> Self {
        let block = |(header, outbound): (Vec<u8>, Vec<u8>)| Block {
            header: hex(header),
            outbound: hex(outbound),
        };
        Self {
            blocks: read.blocks.into_iter().map(block).collect(),
            justification: read.justification.map(hex),
            finalized: read.finalized,
        }
    }
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
        let read = self.0.offload(move |service| service.blocks(from, max));
        super::error::done(read.await.map(|read| read.map(Blocks::from)))
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
