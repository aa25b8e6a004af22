//! What a cluster keeps of itself beside the contracts: its prices and system contract, and the
//! weights that contracts have in the queues of the workers, and who made which contract.

use codec::{Decode, Encode};
use phat_engine::{Overlay, State, StateError};
use phat_primitives::{AccountId, Balance, ContractId, message::Prices};

/// First byte of the keys of this module. The engine's keys begin with lower-case letters.
const SETTINGS: &[u8] = b"S";
const HOOKS: &[u8] = b"H";
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

/// The weight of a contract in the queues of the workers; 0 if it has none.
pub fn weight(state: &dyn State, contract: &ContractId) -> Result<Balance, SettingsError> {
    let Some(bytes) = state.get(&weight_key(contract))? else {
        return Ok(0);
    };
    Balance::decode(&mut &bytes[..]).map_err(|_| SettingsError::Undecodable)
}

/// All weights above 0.
pub fn weights(state: &dyn State) -> Result<Vec<(ContractId, Balance)>, SettingsError> {
    let keys = state.keys_with_prefix(&[WEIGHT], crate::limits::MAX_LISTED_CONTRACTS)?;
    keys.iter()
        .map(|key| {
            let id = key.get(1..).unwrap_or_default();
            let id: [u8; 32] = id.try_into().map_err(|_| SettingsError::Undecodable)?;
            let contract = ContractId::from(id);
            Ok((contract, weight(state, &contract)?))
        })
        .collect()
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
    let Some(bytes) = state.get(&owner_key(&contract.0))? else {
        return Ok(None);
    };
    Owner::decode(&mut &bytes[..])
        .map(Some)
        .map_err(|_| SettingsError::Undecodable)
}

pub(crate) fn put_owner(overlay: &mut Overlay, contract: &ContractId, owner: &Owner) {
    overlay.set(owner_key(&contract.0), owner.encode());
}

pub(crate) fn owner_key(contract: &[u8]) -> Vec<u8> {
    [&[OWNER], contract].concat()
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

/// The contracts that exist, at most [`crate::limits::MAX_LISTED_CONTRACTS`].
pub fn contracts(state: std::sync::Arc<dyn State>) -> Result<Vec<ContractId>, StateError> {
    let overlay = Overlay::new(state);
    let listed = phat_engine::schema::contracts(&overlay, crate::limits::MAX_LISTED_CONTRACTS)?;
    Ok(listed.into_iter().map(ContractId::from).collect())
}

pub(crate) fn put_settings(overlay: &mut Overlay, settings: &Settings) {
    overlay.set(SETTINGS.to_vec(), settings.encode());
}

pub(crate) fn put_weight(overlay: &mut Overlay, contract: &ContractId, weight: Balance) {
    if weight == 0 {
        overlay.remove(weight_key(contract));
    } else {
        overlay.set(weight_key(contract), weight.encode());
    }
}

fn weight_key(contract: &ContractId) -> Vec<u8> {
    let mut key = vec![WEIGHT];
    key.extend_from_slice(&contract.0);
    key
}
