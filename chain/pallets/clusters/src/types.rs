//! What the pallet keeps of clusters and contracts.

use super::*;
use phat_primitives::credit::{CreditReport, SliceUse};

/// A cluster. The order of the fields is what clients expect.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct ClusterInfo<AccountId> {
    /// Who owns it.
    pub owner: AccountId,
    /// Who may deploy in it.
    pub permission: ClusterPermission<AccountId>,
    /// Id of its system contract.
    pub system_contract: ContractId,
    /// Price of one unit of gas.
    pub gas_price: Balance,
    /// Deposit per storage item.
    pub deposit_per_item: Balance,
    /// Deposit per byte of storage.
    pub deposit_per_byte: Balance,
}

impl<AccountId: PartialEq> ClusterInfo<AccountId> {
    /// Whether this account may upload code and make contracts in the cluster.
    pub fn lets_deploy(&self, account: &AccountId) -> bool {
        match &self.permission {
            ClusterPermission::Public => true,
            ClusterPermission::OnlyOwner(owner) => owner == account,
            ClusterPermission::AllowList(list) => self.owner == *account || list.contains(account),
        }
    }
}

/// Who may deploy in a cluster. The first two are what clients know.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum ClusterPermission<AccountId> {
    /// Everybody.
    Public,
    /// This account.
    OnlyOwner(AccountId),
    /// The owner and these accounts.
    AllowList(BoundedVec<AccountId, ConstU32<MAX_ALLOWED_DEPLOYERS>>),
}

/// What a contract is made from.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum CodeIndex {
    /// Uploaded code.
    WasmCode(CodeHash),
    /// Code that only the workers know.
    Private,
}

/// A contract.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct ContractInfo<AccountId> {
    /// Who made it.
    pub deployer: AccountId,
    /// Where it is.
    pub cluster: ClusterId,
    /// What it was made from.
    pub code_index: CodeIndex,
}

/// A worker's state that was not the one that most workers of its cluster had agreed on.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Divergence {
    /// The cluster that it was in.
    pub cluster: ClusterId,
    /// After this block.
    pub block: u32,
    /// What it said.
    pub reported: Roots,
    /// What the others said.
    pub agreed: Roots,
}

/// What an account has paid in advance in a cluster, and what workers have of it.
#[derive(
    Clone,
    PartialEq,
    Eq,
    Debug,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Credit {
    /// What no worker has.
    pub free: Balance,
    /// Most that one worker has unspent.
    pub slice: Balance,
    /// The account wants it back: nothing is lent, and what comes back is paid out.
    pub closing: bool,
    /// What workers have.
    pub slices: BoundedVec<Slice, ConstU32<MAX_CREDIT_SLICES>>,
}

impl Credit {
    /// How much is to be lent to a session that asks. Nothing to one that still has half a slice:
    /// lending in larger pieces means fewer messages.
    pub(crate) fn wants(&self, worker: &WorkerId, session: &Hash) -> Balance {
        let own = |slice: &&Slice| (slice.worker, slice.session) == (*worker, *session);
        let own = self.slices.iter().find(own);
        let has = own.map_or(0, Slice::unspent);
        let has_room = own.is_some() || self.slices.len() < MAX_CREDIT_SLICES as usize;
        if self.closing || !has_room || has > self.slice / 2 {
            return 0;
        }
        self.slice.saturating_sub(has).min(self.free)
    }

    /// The place of the slice that a worker speaks of, if it is one of this session of it. It may have
    /// been given back already, or count as spent.
    pub(crate) fn slice_of(
        &self,
        worker: &WorkerId,
        report: &CreditReport,
        line: &SliceUse,
    ) -> Option<usize> {
        let named = (line.number, *worker, report.session);
        let mut slices = self.slices.iter();
        slices.position(|slice| (slice.number, slice.worker, slice.session) == named)
    }
}

/// The part of a credit that one session of a worker may spend.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Slice {
    /// Which one.
    pub number: SliceNumber,
    /// The worker.
    pub worker: WorkerId,
    /// The session.
    pub session: Hash,
    /// All that was ever lent.
    pub lent: Balance,
    /// All that was reported to be spent.
    pub spent: Balance,
    /// The block in which the chain has noticed that the worker has left, or has begun another session.
    pub parted: Option<u32>,
}

impl Slice {
    /// What may be there still.
    pub fn unspent(&self) -> Balance {
        self.lent.saturating_sub(self.spent)
    }

    /// Takes a worker's word for what it has spent, and returns by how much that is more than before.
    /// A worker cannot spend what it was not lent, nor take anything back.
    pub(crate) fn take_word(&mut self, line: &SliceUse) -> Balance {
        let before = self.spent;
        self.spent = line.spent.min(self.lent).max(before);
        self.spent.saturating_sub(before)
    }
}

/// A withdrawal that waits for the reports of workers.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct PendingWithdrawal<AccountId> {
    /// Who gets it.
    pub account: AccountId,
    /// What was asked for.
    pub amount: Balance,
    /// What each worker has reported to have left the account.
    pub votes: BoundedVec<(WorkerId, Balance), ConstU32<MAX_CLUSTER_WORKERS>>,
}
