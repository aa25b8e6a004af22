//! Where things are in the state of a cluster: keys and records.
//!
//! | key | record |
//! |---|---|
//! | `a` account | [`Account`] |
//! | `c` contract | [`ContractInfo`] |
//! | `i` code hash | [`CodeInfo`] |
//! | `w` code hash | the code as uploaded |
//! | `s` storage id, kind, key | a contract's value; kind 0: fixed keys, 1: variable ones |
//! | `d` storage id | storage of a terminated contract, waiting for [`sweep`] |
//! | `n` | number of instantiations so far |

use std::collections::BTreeMap;

use codec::{Decode, Encode};

use crate::state::{Overlay, StateError};

/// An account: a public key, or a contract.
pub type AccountId = [u8; 32];
/// The account of a contract.
pub type ContractId = AccountId;
/// `blake2_256` of a code.
pub type CodeHash = [u8; 32];

const ACCOUNT: u8 = b'a';
const CONTRACT: u8 = b'c';
const CODE_INFO: u8 = b'i';
const CODE: u8 = b'w';
const STORAGE: u8 = b's';
const DELETED: u8 = b'd';
const NONCE: u8 = b'n';

/// Balances of an account inside the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Account {
    /// What the account may spend.
    pub free: u128,
    /// Deposits held on the account.
    pub held: u128,
}

/// Whether code is the same on every worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Determinism {
    /// May run in transactions: no floating point.
    Enforced,
    /// May use floating point, and runs in queries only.
    Relaxed,
}

/// What is known of an uploaded code.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CodeInfo {
    /// Who uploaded it, holds the deposit and may remove it.
    pub owner: AccountId,
    /// Deposit held on the owner's account.
    pub deposit: u128,
    /// Contracts that use or depend on it.
    pub references: u64,
    /// Where it may run.
    pub determinism: Determinism,
    /// Size in bytes.
    pub size: u32,
}

/// What is known of a contract.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ContractInfo {
    /// Where its storage is; differs between contracts that lived at one address one after another.
    pub storage_id: [u8; 32],
    /// Its code.
    pub code_hash: CodeHash,
    /// Bytes of its stored values.
    pub bytes: u64,
    /// Number of its stored values.
    pub items: u64,
    /// Deposit held for `bytes`.
    pub byte_deposit: u128,
    /// Deposit held for `items`.
    pub item_deposit: u128,
    /// Deposit held for existing.
    pub base_deposit: u128,
    /// Codes locked as delegate dependencies, and the deposit held for each.
    pub delegate_dependencies: BTreeMap<CodeHash, u128>,
}

impl ContractInfo {
    /// All deposits but those of delegate dependencies.
    pub fn deposit(&self) -> u128 {
        self.byte_deposit
            .saturating_add(self.item_deposit)
            .saturating_add(self.base_deposit)
    }
}

fn key(kind: u8, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + rest.len());
    key.push(kind);
    key.extend_from_slice(rest);
    key
}

fn decode<T: Decode>(key: &[u8], value: &[u8]) -> Result<T, StateError> {
    T::decode(&mut &*value).map_err(|_| {
        let name: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        StateError::Corrupt(name)
    })
}

fn read<T: Decode>(overlay: &Overlay, key: &[u8]) -> Result<Option<T>, StateError> {
    overlay
        .get(key)?
        .map(|value| decode(key, &value))
        .transpose()
}

/// The account `id`; one that does not exist has nothing.
pub fn account(overlay: &Overlay, id: &AccountId) -> Result<Account, StateError> {
    Ok(read(overlay, &key(ACCOUNT, id))?.unwrap_or_default())
}

/// Writes an account; one that has nothing is removed.
pub fn set_account(overlay: &mut Overlay, id: &AccountId, account: &Account) {
    if *account == Account::default() {
        overlay.remove(key(ACCOUNT, id));
    } else {
        overlay.set(key(ACCOUNT, id), account.encode());
    }
}

/// The contract at `id`.
pub fn contract(overlay: &Overlay, id: &ContractId) -> Result<Option<ContractInfo>, StateError> {
    read(overlay, &key(CONTRACT, id))
}

pub(crate) fn set_contract(overlay: &mut Overlay, id: &ContractId, info: &ContractInfo) {
    overlay.set(key(CONTRACT, id), info.encode());
}

pub(crate) fn remove_contract(overlay: &mut Overlay, id: &ContractId) {
    overlay.remove(key(CONTRACT, id));
}

/// Whether the record at this key says that a contract exists.
pub fn is_contract(key: &[u8]) -> bool {
    key.first() == Some(&CONTRACT)
}

/// Up to `limit` contracts, in order of their id.
pub fn contracts(overlay: &Overlay, limit: usize) -> Result<Vec<ContractId>, StateError> {
    overlay
        .keys_with_prefix(&[CONTRACT], limit)?
        .iter()
        .map(|key| decode(key, key.get(1..).unwrap_or_default()))
        .collect()
}

/// What is known of the code `hash`.
pub fn code_info(overlay: &Overlay, hash: &CodeHash) -> Result<Option<CodeInfo>, StateError> {
    read(overlay, &key(CODE_INFO, hash))
}

pub(crate) fn set_code_info(overlay: &mut Overlay, hash: &CodeHash, info: &CodeInfo) {
    overlay.set(key(CODE_INFO, hash), info.encode());
}

/// The code `hash` as it was uploaded.
pub fn code(overlay: &Overlay, hash: &CodeHash) -> Result<Option<Vec<u8>>, StateError> {
    overlay.get(&key(CODE, hash))
}

pub(crate) fn set_code(overlay: &mut Overlay, hash: &CodeHash, wasm: Vec<u8>) {
    overlay.set(key(CODE, hash), wasm);
}

pub(crate) fn remove_code(overlay: &mut Overlay, hash: &CodeHash) {
    overlay.remove(key(CODE, hash));
    overlay.remove(key(CODE_INFO, hash));
}

/// Instantiations in this cluster so far, reverted ones not counted.
pub fn nonce(overlay: &Overlay) -> Result<u64, StateError> {
    Ok(read(overlay, &[NONCE])?.unwrap_or_default())
}

pub(crate) fn set_nonce(overlay: &mut Overlay, nonce: u64) {
    overlay.set(vec![NONCE], nonce.encode());
}

/// A contract's storage key as the contract names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StorageKey {
    /// A key of the interface that knows 32 bytes only.
    Fixed([u8; 32]),
    /// A key of any length.
    Variable(Vec<u8>),
}

/// The state key of a contract's value.
pub fn storage_key(storage_id: &[u8; 32], name: &StorageKey) -> Vec<u8> {
    let (kind, bytes): (u8, &[u8]) = match name {
        StorageKey::Fixed(bytes) => (0, bytes),
        StorageKey::Variable(bytes) => (1, bytes),
    };
    let mut key = Vec::with_capacity(34 + bytes.len());
    key.push(STORAGE);
    key.extend_from_slice(storage_id);
    key.push(kind);
    key.extend_from_slice(bytes);
    key
}

/// Marks a terminated contract's storage for removal.
pub(crate) fn queue_deletion(overlay: &mut Overlay, storage_id: &[u8; 32]) {
    overlay.set(key(DELETED, storage_id), Vec::new());
}

/// Removes up to `budget` values of terminated contracts and says how many it removed. Call it once
/// per block, with the same budget on every worker: termination itself must not take longer the
/// more a contract has stored.
pub fn sweep(overlay: &mut Overlay, budget: usize) -> Result<usize, StateError> {
    let mut removed = 0;
    for marker in overlay.keys_with_prefix(&[DELETED], budget)? {
        let prefix = key(STORAGE, marker.get(1..).unwrap_or_default());
        let keys = overlay.keys_with_prefix(&prefix, budget - removed)?;
        removed += keys.len();
        for value in keys {
            overlay.remove(value);
        }
        if removed == budget {
            break;
        }
        overlay.remove(marker);
    }
    Ok(removed)
}
