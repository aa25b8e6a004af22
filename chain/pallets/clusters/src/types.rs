//! What the pallet keeps of clusters and contracts.

use super::*;

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
