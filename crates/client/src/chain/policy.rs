//! What the chain keeps of a cluster's policy and of the stakes on its contracts.

use super::{CLUSTERS, ChainClient, ChainError, read::Reader};
use codec::Encode;
use phat_primitives::{
    AccountId, Balance, ClusterId, ContractId, Hash,
    limits::{MAX_ALLOWED_DEPLOYERS, MAX_FREE_CALLERS},
    policy::{Control, FeeModel, FreeCallers, Policy},
};
use std::collections::HashMap;
use subxt::{
    ext::scale_decode::{self, DecodeAsType},
    utils::H256,
};

/// The pallet of stakes on contracts.
pub(super) const TOKENOMIC: &str = "PhalaPhatTokenomic";

/// Who may upload code and make contracts in a cluster.
#[derive(Clone, PartialEq, Eq, Debug, Encode)]
pub enum Permission {
    /// Everybody.
    #[codec(index = 0)]
    Public,
    /// This account.
    #[codec(index = 1)]
    OnlyOwner(AccountId),
    /// The owner and these accounts: at most
    /// [`MAX_ALLOWED_DEPLOYERS`].
    #[codec(index = 2)]
    AllowList(Vec<AccountId>),
}

impl Permission {
    /// What clients of Phala call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Public => "Public",
            Self::OnlyOwner(_) => "OnlyOwner",
            Self::AllowList(_) => "AllowList",
        }
    }

    /// Those of a list of accounts; `None` if there are more than the chain keeps.
    pub fn list(accounts: Vec<AccountId>) -> Option<Self> {
        (accounts.len() <= MAX_ALLOWED_DEPLOYERS as usize).then_some(Self::AllowList(accounts))
    }
}

/// A permission in the chain's storage.
#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
pub(super) enum PermissionValue {
    Public,
    OnlyOwner([u8; 32]),
    AllowList(Vec<[u8; 32]>),
}

impl From<PermissionValue> for Permission {
    fn from(value: PermissionValue) -> Self {
        match value {
            PermissionValue::Public => Self::Public,
            PermissionValue::OnlyOwner(owner) => Self::OnlyOwner(AccountId(owner)),
            PermissionValue::AllowList(list) => {
                Self::AllowList(list.into_iter().map(AccountId).collect())
            }
        }
    }
}

/// Who calls free, from a list of accounts; `None` if there are more than
/// [`MAX_FREE_CALLERS`].
pub fn free_callers(accounts: Vec<AccountId>) -> Option<FreeCallers> {
    accounts.try_into().ok().map(FreeCallers::Listed)
}

/// A policy in the chain's storage.
#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
struct PolicyValue {
    free: FreeValue,
    fee_model: FeeModelValue,
    control: Option<ControlValue>,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
enum FreeValue {
    Nobody,
    Everybody,
    Listed(Vec<[u8; 32]>),
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
enum FeeModelValue {
    Stake,
    PayPerWeight,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
struct ControlValue {
    contract: [u8; 32],
    gas_limit: u64,
}

impl From<PolicyValue> for Policy {
    fn from(value: PolicyValue) -> Self {
        Self {
            free: match value.free {
                FreeValue::Nobody => FreeCallers::Nobody,
                FreeValue::Everybody => FreeCallers::Everybody,
                // A chain keeps no more than fit; of more, the first count.
                FreeValue::Listed(list) => {
                    let first = list.into_iter().take(MAX_FREE_CALLERS as usize);
                    free_callers(first.map(AccountId).collect()).unwrap_or_default()
                }
            },
            fee_model: match value.fee_model {
                FeeModelValue::Stake => FeeModel::Stake,
                FeeModelValue::PayPerWeight => FeeModel::PayPerWeight,
            },
            control: value.control.map(|control| Control {
                contract: Hash::from(control.contract),
                gas_limit: control.gas_limit,
            }),
        }
    }
}

impl ChainClient {
    /// The policy of a cluster, but for who may deploy, which is in [`super::Cluster`].
    pub async fn policy(&self, id: ClusterId) -> Result<Policy, ChainError> {
        let value: Option<PolicyValue> = self.read(CLUSTERS, "Policies", (H256(id.0),)).await?;
        Ok(value.map(Policy::from).unwrap_or_default())
    }

    /// What an account has staked on a contract.
    pub async fn stake(
        &self,
        account: &AccountId,
        contract: ContractId,
    ) -> Result<Balance, ChainError> {
        let key = (account.0, H256(contract.0));
        let stake = self.read(TOKENOMIC, "ContractUserStakes", key).await?;
        Ok(stake.unwrap_or_default())
    }

    /// The least that one account may have staked on one contract, if it has staked anything.
    pub async fn min_stake(&self) -> Result<Balance, ChainError> {
        let least = self.read(TOKENOMIC, "MinStake", ()).await?;
        Ok(least.unwrap_or_default())
    }

    /// What all together have staked on a contract: its share of its cluster's workers.
    pub async fn contract_stake(&self, contract: ContractId) -> Result<Balance, ChainError> {
        let key = (H256(contract.0),);
        let stake = self.read(TOKENOMIC, "ContractTotalStakes", key).await?;
        Ok(stake.unwrap_or_default())
    }

    /// What all together have staked on each contract that somebody has staked on.
    pub async fn contract_stakes(&self) -> Result<HashMap<ContractId, Balance>, ChainError> {
        let at = self.at_head().await?;
        let reader = Reader {
            chain: self,
            at: &at,
        };
        let entries = reader
            .all::<(H256,), Balance, _>(TOKENOMIC, "ContractTotalStakes", ())
            .await?;
        let named = |((contract,), stake): ((H256,), _)| (Hash::from(contract.0), stake);
        Ok(entries.into_iter().map(named).collect())
    }

    /// What an account has staked on each contract that it has staked on.
    pub async fn stakes(
        &self,
        account: &AccountId,
    ) -> Result<HashMap<ContractId, Balance>, ChainError> {
        let at = self.at_head().await?;
        let reader = Reader {
            chain: self,
            at: &at,
        };
        let entries = reader
            .all::<([u8; 32], H256), Balance, _>(TOKENOMIC, "ContractUserStakes", (account.0,))
            .await?;
        let named = |((_, contract), stake): ((_, H256), _)| (Hash::from(contract.0), stake);
        Ok(entries.into_iter().map(named).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_as_long_as_the_chain_keeps_them_and_no_longer() {
        let accounts = |count: u32| vec![AccountId([1; 32]); count as usize];
        assert!(Permission::list(accounts(MAX_ALLOWED_DEPLOYERS)).is_some());
        assert!(Permission::list(accounts(MAX_ALLOWED_DEPLOYERS + 1)).is_none());
        assert!(free_callers(accounts(MAX_FREE_CALLERS)).is_some());
        assert!(free_callers(accounts(MAX_FREE_CALLERS + 1)).is_none());
    }
}
