//! What a cluster keeps of itself beside the contracts: its prices and system contract, its policy,
//! the weights that contracts have in the queues of the workers, who made which contract, and how
//! withdrawals ended that the chain has not decided yet.

use codec::{Decode, Encode};
use phat_engine::{Overlay, State, StateError};
use phat_primitives::{
    AccountId, Balance, ContractId, message::Prices, policy::Policy, report::WithdrawalOutcome,
};
use std::collections::BTreeMap;

/// First byte of the keys of this module. The engine's keys begin with lower-case letters.
const SETTINGS: &[u8] = b"S";
const HOOKS: &[u8] = b"H";
const POLICY: &[u8] = b"P";
const UNDECIDED: &[u8] = b"U";
const STAKE: u8 = b'K';
const WEIGHT: u8 = b'W';
const OWNER: u8 = b'O';

/// The settings of a cluster.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Settings {
    /// Who owns the cluster.
    pub owner: AccountId,
    /// Prices in force.
    pub prices: Prices,
    /// The system contract.
    pub system_contract: ContractId,
    /// The contract that is told of logs, if the system contract has named one.
    pub log_handler: Option<ContractId>,
}

/// Why settings cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SettingsError {
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// What is there cannot be decoded: it was written by another version, or is damaged.
    #[error("the cluster's settings cannot be decoded: its state is damaged or of another version")]
    Undecodable,
}

/// The settings; `None` before the cluster's first block.
pub fn settings(state: &dyn State) -> Result<Option<Settings>, SettingsError> {
    let Some(bytes) = state.get(SETTINGS)? else {
        return Ok(None);
    };
    Settings::decode(&mut &bytes[..])
        .map(Some)
        .map_err(|_| SettingsError::Undecodable)
}

/// The policy of the cluster; the default if none was ever set.
pub fn policy(state: &dyn State) -> Result<Policy, SettingsError> {
    decode_policy(state.get(POLICY)?)
}

/// The policy as it is after what has been applied already.
pub(crate) fn policy_now(overlay: &Overlay) -> Result<Policy, SettingsError> {
    decode_policy(overlay.get(POLICY)?)
}

fn decode_policy(bytes: Option<Vec<u8>>) -> Result<Policy, SettingsError> {
    match bytes {
        None => Ok(Policy::default()),
        Some(bytes) => Policy::decode(&mut &bytes[..]).map_err(|_| SettingsError::Undecodable),
    }
}

pub(crate) fn put_policy(overlay: &mut Overlay, policy: &Policy) {
    if *policy == Policy::default() {
        overlay.remove(POLICY.to_vec());
    } else {
        overlay.set(POLICY.to_vec(), policy.encode());
    }
}

/// The weight of a contract in the queues of the workers: its stake on the chain. A contract that
/// nobody has staked on has the weight that the system contract has given it; 0 if neither.
pub fn weight(state: &dyn State, contract: &ContractId) -> Result<Balance, SettingsError> {
    weight_from(|key| state.get(key), contract)
}

/// The weight of a contract after what has been applied already.
pub(crate) fn weight_now(
    overlay: &Overlay,
    contract: &ContractId,
) -> Result<Balance, SettingsError> {
    weight_from(|key| overlay.get(key), contract)
}

fn weight_from(
    get: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, StateError>,
    contract: &ContractId,
) -> Result<Balance, SettingsError> {
    for kind in [STAKE, WEIGHT] {
        if let Some(bytes) = get(&contract_key(kind, contract))? {
            return Balance::decode(&mut &bytes[..]).map_err(|_| SettingsError::Undecodable);
        }
    }
    Ok(0)
}

/// All weights above 0.
pub fn weights(state: &dyn State) -> Result<Vec<(ContractId, Balance)>, SettingsError> {
    let mut weights = BTreeMap::new();
    for kind in [STAKE, WEIGHT] {
        for key in state.keys_with_prefix(&[kind], crate::limits::MAX_LISTED_CONTRACTS)? {
            let id = key.get(1..).unwrap_or_default();
            let id: [u8; 32] = id.try_into().map_err(|_| SettingsError::Undecodable)?;
            let contract = ContractId::from(id);
            weights.insert(contract, weight(state, &contract)?);
        }
    }
    Ok(weights.into_iter().collect())
}

/// Who made a contract. It may read what the contract logs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Owner {
    /// The account that sent the command.
    pub account: AccountId,
    /// The contract was made in private: workers tell nobody what it is made from, and show its log
    /// to this account only.
    pub private: bool,
}

/// Who made a contract; `None` if there is none, or if another contract made it.
pub fn owner(state: &dyn State, contract: &ContractId) -> Result<Option<Owner>, SettingsError> {
    let Some(bytes) = state.get(&contract_key(OWNER, contract))? else {
        return Ok(None);
    };
    Owner::decode(&mut &bytes[..])
        .map(Some)
        .map_err(|_| SettingsError::Undecodable)
}

pub(crate) fn put_owner(overlay: &mut Overlay, contract: &ContractId, owner: &Owner) {
    overlay.set(contract_key(OWNER, contract), owner.encode());
}

/// A message that is called at the end of every block.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Hook {
    /// The contract. It calls itself and pays for it.
    pub(crate) contract: ContractId,
    /// The message.
    pub(crate) selector: [u8; 4],
    /// Gas for the call.
    pub(crate) gas_limit: u64,
}

impl Hook {
    /// The account of the contract.
    pub(crate) fn payer(&self) -> AccountId {
        AccountId::from(self.contract.0)
    }
}

/// The hooks in the order in which they are called.
pub(crate) fn hooks(overlay: &Overlay) -> Result<Vec<Hook>, SettingsError> {
    let Some(bytes) = overlay.get(HOOKS)? else {
        return Ok(Vec::new());
    };
    Vec::decode(&mut &bytes[..]).map_err(|_| SettingsError::Undecodable)
}

pub(crate) fn put_hooks(overlay: &mut Overlay, hooks: &[Hook]) {
    if hooks.is_empty() {
        overlay.remove(HOOKS.to_vec());
    } else {
        overlay.set(HOOKS.to_vec(), hooks.encode());
    }
}

/// How the withdrawals ended that the chain has not decided yet, in order. They are part of the state, so
/// that workers that have it from others can speak for those that have left. The chain lets no more
/// than [`phat_primitives::limits::MAX_PENDING_WITHDRAWALS`] wait.
pub fn undecided(state: &dyn State) -> Result<Vec<WithdrawalOutcome>, SettingsError> {
    decode_undecided(state.get(UNDECIDED)?)
}

/// The same after what has been applied already.
pub(crate) fn undecided_now(overlay: &Overlay) -> Result<Vec<WithdrawalOutcome>, SettingsError> {
    decode_undecided(overlay.get(UNDECIDED)?)
}

fn decode_undecided(bytes: Option<Vec<u8>>) -> Result<Vec<WithdrawalOutcome>, SettingsError> {
    match bytes {
        None => Ok(Vec::new()),
        Some(bytes) => Vec::decode(&mut &bytes[..]).map_err(|_| SettingsError::Undecodable),
    }
}

pub(crate) fn put_undecided(overlay: &mut Overlay, undecided: &[WithdrawalOutcome]) {
    if undecided.is_empty() {
        overlay.remove(UNDECIDED.to_vec());
    } else {
        overlay.set(UNDECIDED.to_vec(), undecided.encode());
    }
}

/// The contracts that exist, at most [`crate::limits::MAX_LISTED_CONTRACTS`].
pub fn contracts(state: std::sync::Arc<dyn State>) -> Result<Vec<ContractId>, StateError> {
    let overlay = Overlay::new(state);
    let listed = phat_engine::schema::contracts(&overlay, crate::limits::MAX_LISTED_CONTRACTS)?;
    Ok(listed.into_iter().map(ContractId::from).collect())
}

pub(crate) fn put_settings(overlay: &mut Overlay, settings: &Settings) {
    overlay.set(SETTINGS.to_vec(), settings.encode());
}

/// Keeps what the system contract says a contract weighs.
pub(crate) fn put_weight(overlay: &mut Overlay, contract: &ContractId, weight: Balance) {
    put_amount(overlay, WEIGHT, contract, weight);
}

/// Keeps what is staked on a contract.
pub(crate) fn put_stake(overlay: &mut Overlay, contract: &ContractId, stake: Balance) {
    put_amount(overlay, STAKE, contract, stake);
}

fn put_amount(overlay: &mut Overlay, kind: u8, contract: &ContractId, amount: Balance) {
    let key = contract_key(kind, contract);
    if amount == 0 {
        overlay.remove(key);
    } else {
        overlay.set(key, amount.encode());
    }
}

fn contract_key(kind: u8, contract: &ContractId) -> Vec<u8> {
    [&[kind], &contract.0[..]].concat()
}

/// The keys of what is kept of a contract here.
pub(crate) fn keys_of(contract: &ContractId) -> [Vec<u8>; 3] {
    [OWNER, STAKE, WEIGHT].map(|kind| contract_key(kind, contract))
}
