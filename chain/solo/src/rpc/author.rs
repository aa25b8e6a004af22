//! `author_*`: transactions on their way into a block.

use std::time::Duration;

use codec::Encode;
use jsonrpsee::PendingSubscriptionSink;
use jsonrpsee::core::{RpcResult, SubscriptionResult, async_trait};
use jsonrpsee::proc_macros::rpc;
use polkadot_sdk::*;

use sp_core::Bytes;

use phat_runtime::Hash;

use super::error::done;
use super::{Api, hex, send};
use crate::service::{Status, status_channel};

/// Time between telling a client that its transaction is in a block and that the
/// block is final, which are one moment here. polkadot.js fetches the block's events
/// when it hears the first and throws them away if it hears the second meanwhile;
/// and the Phala SDK listens for the first alone. A client that need not wait takes
/// "inBlock" for final.
const FINALIZED_DELAY: Duration = Duration::from_secs(1);

/// Transactions on their way into a block.
#[rpc(server)]
pub(super) trait Author {
    #[method(name = "author_submitExtrinsic")]
    async fn submit(&self, extrinsic: Bytes) -> RpcResult<Hash>;

    #[method(name = "author_pendingExtrinsics")]
    fn pending(&self) -> RpcResult<Vec<Bytes>>;

    #[subscription(
        name = "author_submitAndWatchExtrinsic" => "author_extrinsicUpdate",
        unsubscribe = "author_unwatchExtrinsic",
        item = Status
    )]
    async fn submit_and_watch(&self, extrinsic: Bytes) -> SubscriptionResult;
}

#[async_trait]
impl AuthorServer for Api {
    async fn submit(&self, extrinsic: Bytes) -> RpcResult<Hash> {
        done(self.0.offload(move |s| s.submit(&extrinsic.0, None)).await)
    }

    fn pending(&self) -> RpcResult<Vec<Bytes>> {
        let ready = self.0.ready();
        Ok(ready.iter().map(|t| hex(t.extrinsic.encode())).collect())
    }

    async fn submit_and_watch(
        &self,
        pending: PendingSubscriptionSink,
        extrinsic: Bytes,
    ) -> SubscriptionResult {
        let (watch, mut statuses) = status_channel();
        let submitted = self
            .0
            .offload(move |s| s.submit(&extrinsic.0, Some(watch)))
            .await;
        if let Err(error) = done(submitted) {
            pending.reject(error).await;
            return Ok(());
        }
        let sink = pending.accept().await?;
        let updates = async {
            while let Some(status) = statuses.recv().await {
                if matches!(status, Status::Finalized(_)) {
                    tokio::time::sleep(FINALIZED_DELAY).await;
                }
                if !send(&sink, &status).await? {
                    break;
                }
            }
            Ok(())
        };
        tokio::select! {
            () = sink.closed() => Ok(()),
            result = updates => result,
        }
    }
}
