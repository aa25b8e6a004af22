//! What the chain keeps of credits: what accounts have paid in advance for queries.

use super::{CLUSTERS, ChainClient, ChainError};
use phat_primitives::{AccountId, Balance, BlockNumber, ClusterId, WorkerId};
use subxt::{
    ext::scale_decode::{self, DecodeAsType},
    utils::H256,
};

/// What an account has paid in advance in a cluster, and what workers have of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Credit {
    /// What no worker has.
    pub free: Balance,
    /// Most that one worker has unspent.
    pub slice: Balance,
    /// The account wants it back.
    pub closing: bool,
    /// What workers have.
    pub slices: Vec<Slice>,
}

/// What a worker has of a credit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slice {
    /// The worker.
    pub worker: WorkerId,
    /// All that was lent to it.
    pub lent: Balance,
    /// All that it has reported to be spent.
    pub spent: Balance,
    /// Since which block the chain waits for its last word, because it has left or was started again.
    pub parted: Option<BlockNumber>,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
struct CreditValue {
    free: Balance,
    slice: Balance,
    closing: bool,
    slices: Vec<SliceValue>,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
struct SliceValue {
    worker: [u8; 32],
    lent: Balance,
    spent: Balance,
    parted: Option<BlockNumber>,
}

impl From<CreditValue> for Credit {
    fn from(value: CreditValue) -> Self {
        let slices = value.slices.into_iter().map(|slice| Slice {
            worker: WorkerId(slice.worker),
            lent: slice.lent,
            spent: slice.spent,
            parted: slice.parted,
        });
        Self {
            free: value.free,
            slice: value.slice,
            closing: value.closing,
            slices: slices.collect(),
        }
    }
}

impl ChainClient {
    /// The credit of an account in a cluster; `None` if there is none.
    pub async fn credit(
        &self,
        cluster: ClusterId,
        account: &AccountId,
    ) -> Result<Option<Credit>, ChainError> {
        let key = (H256(cluster.0), account.0);
        let value: Option<CreditValue> = self.read(CLUSTERS, "Credits", key).await?;
        Ok(value.map(Credit::from))
    }
}
