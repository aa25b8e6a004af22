//! The worker's line to the chain: JSON-RPC over WebSocket. Nothing that comes over it is
//! believed; the [follower](phat_follower) checks it.

pub mod answers;

pub(crate) use answers::BLOCKS_PER_REQUEST;

use answers::{BlocksAnswer, Malformed, ProofAnswer};
use codec::Encode;
use jsonrpsee::{
    core::client::{ClientT, Error as RpcError, Subscription, SubscriptionClientT},
    rpc_params,
    ws_client::{WsClient, WsClientBuilder},
};
use phat_follower::{Batch, Genesis, GenesisError};
use phat_primitives::{BlockNumber, Hash, blake2_256, storage::GRANDPA_AUTHORITIES};
use std::time::Duration;

/// How long the chain may take to answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of an answer: [`BLOCKS_PER_REQUEST`] blocks full of messages, as hex, would be more; the
/// chain then sends fewer blocks.
const MAX_RESPONSE: u32 = 64 * 1024 * 1024;
/// Bytes of one piece of news: a number, and what JSON-RPC puts around it.
const MAX_NEWS: u32 = 1024;

/// Why the chain gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The request failed.
    #[error("the chain at {url} does not answer as it should")]
    Rpc {
        /// Where it was expected.
        url: String,
        /// What went wrong.
        #[source]
        source: RpcError,
    },
    /// The answer is not in the form it must have.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// Why the beginning of a chain cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum BeginningError {
    /// The chain does not answer.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// It is not the chain that was named.
    #[error(
        "the chain at {url} begins with block {found:?} and not with {expected:?}: it is another chain"
    )]
    Another {
        /// Where it is.
        url: String,
        /// What was named.
        expected: Hash,
        /// What it says.
        found: Hash,
    },
    /// What it says about its beginning does not hold.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
}

/// Where trust in the chain at `url` begins: its first block, and who finalises the blocks after it,
/// proven from the state of the first block. If a hash is expected, only that chain will do; otherwise
/// whatever is at the address is believed, this once.
pub async fn beginning(url: &str, expected: Option<Hash>) -> Result<Genesis, BeginningError> {
    let chain = Chain::connect(url).await?;
    let malformed = || ChainError::from(Malformed("phat_blocks"));
    let (batch, _) = chain.blocks(0, 1).await?.ok_or_else(malformed)?;
    let header = batch
        .blocks
        .into_iter()
        .next()
        .ok_or_else(malformed)?
        .header;
    let hash = Hash::from(blake2_256(&header));
    if let Some(expected) = expected.filter(|expected| *expected != hash) {
        return Err(BeginningError::Another {
            url: url.to_owned(),
            expected,
            found: hash,
        });
    }
    let keys = [GRANDPA_AUTHORITIES.to_vec()];
    let proof = chain.read_proof(&keys, &hash).await?;
    Ok(Genesis::from_proof(header, proof)?)
}

/// What a worker asks of the chain. None of the answers is believed.
pub(crate) trait Line {
    /// Finalised blocks from `first` on, with the justification of the last one, and the height that
    /// the chain claims to have. `None` if there are none.
    async fn blocks(
        &self,
        first: BlockNumber,
        max: u32,
    ) -> Result<Option<(Batch, BlockNumber)>, ChainError>;

    /// Proof of what stands under `keys` after the block `at`.
    async fn read_proof(&self, keys: &[Vec<u8>], at: &Hash) -> Result<Vec<Vec<u8>>, ChainError>;

    /// Lets the chain wrap what the worker has signed into a transaction, and submits that. What the
    /// worker means is in its signature, so the wrapping need not be believed.
    async fn submit<T: Encode + Sync>(&self, wrapper: &str, signed: &T) -> Result<(), ChainError>;
}

/// A connection to the chain.
pub(crate) struct Chain {
    url: String,
    client: WsClient,
}

impl Chain {
    pub(crate) async fn connect(url: &str) -> Result<Self, ChainError> {
        Self::connect_for(url, MAX_RESPONSE).await
    }

    /// A connection on which the chain can send at most so much at once.
    async fn connect_for(url: &str, max_response: u32) -> Result<Self, ChainError> {
        let client = WsClientBuilder::default()
            .request_timeout(REQUEST_TIMEOUT)
            .max_response_size(max_response)
            .build(url)
            .await
            .map_err(|source| ChainError::Rpc {
                url: url.to_owned(),
                source,
            })?;
        Ok(Self {
            url: url.to_owned(),
            client,
        })
    }

    fn failed(&self, source: RpcError) -> ChainError {
        ChainError::Rpc {
            url: self.url.clone(),
            source,
        }
    }
}

impl Line for Chain {
    async fn blocks(
        &self,
        first: BlockNumber,
        max: u32,
    ) -> Result<Option<(Batch, BlockNumber)>, ChainError> {
        let answer: BlocksAnswer = self
            .client
            .request(
                "phat_blocks",
                rpc_params![first, max.min(BLOCKS_PER_REQUEST)],
            )
            .await
            .map_err(|error| self.failed(error))?;
        Ok(answer.read()?)
    }

    async fn read_proof(&self, keys: &[Vec<u8>], at: &Hash) -> Result<Vec<Vec<u8>>, ChainError> {
        let keys: Vec<_> = keys.iter().map(|key| text(key)).collect();
        let answer: ProofAnswer = self
            .client
            .request("state_getReadProof", rpc_params![keys, text(&at.0)])
            .await
            .map_err(|error| self.failed(error))?;
        Ok(answer.read()?)
    }

    async fn submit<T: Encode + Sync>(&self, wrapper: &str, signed: &T) -> Result<(), ChainError> {
        let answer: String = self
            .client
            .request("state_call", rpc_params![wrapper, text(&signed.encode())])
            .await
            .map_err(|error| self.failed(error))?;
        let extrinsic = answers::extrinsic(&answer)?;
        let _hash: String = self
            .client
            .request("author_submitExtrinsic", rpc_params![text(&extrinsic)])
            .await
            .map_err(|error| self.failed(error))?;
        Ok(())
    }
}

/// Tells of finalised blocks. It has a connection of its own: news wait there until somebody has time
/// for them, as many as the chain likes to send, and so must not be as long as answers may be.
pub(crate) struct News {
    subscription: Subscription<BlockNumber>,
    /// Ends the subscription when it goes.
    _chain: Chain,
}

impl News {
    pub(crate) async fn subscribe(url: &str) -> Result<Self, ChainError> {
        let chain = Chain::connect_for(url, MAX_NEWS).await?;
        let subscription = chain
            .client
            .subscribe(
                "phat_subscribeFinalized",
                rpc_params![],
                "phat_unsubscribeFinalized",
            )
            .await
            .map_err(|error| chain.failed(error))?;
        Ok(Self {
            subscription,
            _chain: chain,
        })
    }

    /// Waits for a block. `false` if the chain tells of no more blocks, or talks nonsense.
    pub(crate) async fn next(&mut self) -> bool {
        matches!(self.subscription.next().await, Some(Ok(_)))
    }
}

fn text(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}
