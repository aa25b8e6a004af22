//! The local cache of contracts: values that a contract keeps on one worker, without the chain. They
//! are gone on restart, and any of them may be gone at any time.

use phat_primitives::ContractId;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Bytes that one contract can keep. Contracts in the field were written for a few megabytes.
const MAX_CONTRACT_BYTES: usize = 4 * 1024 * 1024;
/// Bytes that all contracts of the worker can keep together.
const MAX_TOTAL_BYTES: usize = 256 * 1024 * 1024;
/// Bytes of one key.
const MAX_KEY_BYTES: usize = 256;
/// Bytes counted for an entry beyond those of its key and value: what the tables need.
const ENTRY_OVERHEAD: usize = 128;
/// Milliseconds for which a value is kept unless the contract says otherwise: seven days, as
/// contracts in the field expect.
const DEFAULT_LIFETIME_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// The cache of one worker.
#[derive(Default)]
pub(crate) struct Cache(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    contracts: HashMap<ContractId, Shelf>,
    total: usize,
}

#[derive(Default)]
struct Shelf {
    entries: HashMap<Vec<u8>, Entry>,
    bytes: usize,
}

struct Entry {
    value: Vec<u8>,
    expires_ms: u64,
}

fn size(key: &[u8], value: &[u8]) -> usize {
    key.len() + value.len() + ENTRY_OVERHEAD
}

impl Inner {
    fn remove(&mut self, contract: &ContractId, key: &[u8]) -> Option<Vec<u8>> {
        let shelf = self.contracts.get_mut(contract)?;
        let entry = shelf.entries.remove(key)?;
        let freed = size(key, &entry.value);
        shelf.bytes -= freed;
        self.total -= freed;
        if shelf.entries.is_empty() {
            self.contracts.remove(contract);
        }
        Some(entry.value)
    }

    /// Drops what has expired of one contract.
    fn expire(&mut self, contract: &ContractId, now_ms: u64) {
        let Some(shelf) = self.contracts.get(contract) else {
            return;
        };
        let expired: Vec<_> = shelf
            .entries
            .iter()
            .filter(|(_, entry)| entry.expires_ms <= now_ms)
            .map(|(key, _)| key.clone())
            .collect();
        for key in expired {
            self.remove(contract, &key);
        }
    }

    fn expire_all(&mut self, now_ms: u64) {
        let contracts: Vec<_> = self.contracts.keys().copied().collect();
        for contract in contracts {
            self.expire(&contract, now_ms);
        }
    }
}

impl Cache {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, contract: &ContractId, key: &[u8], now_ms: u64) -> Option<Vec<u8>> {
        let inner = self.lock();
        let entry = inner.contracts.get(contract)?.entries.get(key)?;
        (entry.expires_ms > now_ms).then(|| entry.value.clone())
    }

    /// Keeps a value; `false` if there is no room.
    pub(crate) fn set(&self, contract: &ContractId, key: &[u8], value: &[u8], now_ms: u64) -> bool {
        if key.len() > MAX_KEY_BYTES {
            return false;
        }
        let mut inner = self.lock();
        let needed = size(key, value);
        let present = |inner: &Inner| {
            let shelf = inner.contracts.get(contract);
            let old = shelf.and_then(|shelf| shelf.entries.get(key));
            let old = old.map_or(0, |entry| size(key, &entry.value));
            (
                shelf.map_or(0, |shelf| shelf.bytes) - old,
                inner.total - old,
            )
        };
        let fits = |(own, total): (usize, usize)| {
            own + needed <= MAX_CONTRACT_BYTES && total + needed <= MAX_TOTAL_BYTES
        };
        if !fits(present(&inner)) {
            inner.expire_all(now_ms);
            if !fits(present(&inner)) {
                return false;
            }
        }
        inner.remove(contract, key);
        let entry = Entry {
            value: value.to_vec(),
            expires_ms: now_ms.saturating_add(DEFAULT_LIFETIME_MS),
        };
        let shelf = inner.contracts.entry(*contract).or_default();
        shelf.entries.insert(key.to_vec(), entry);
        shelf.bytes += needed;
        inner.total += needed;
        true
    }

    pub(crate) fn set_expiration(
        &self,
        contract: &ContractId,
        key: &[u8],
        seconds: u64,
        now_ms: u64,
    ) {
        let mut inner = self.lock();
        let shelf = inner.contracts.get_mut(contract);
        if let Some(entry) = shelf.and_then(|shelf| shelf.entries.get_mut(key)) {
            entry.expires_ms = now_ms.saturating_add(seconds.saturating_mul(1000));
        }
    }

    pub(crate) fn remove(&self, contract: &ContractId, key: &[u8], now_ms: u64) -> Option<Vec<u8>> {
        let mut inner = self.lock();
        inner.expire(contract, now_ms);
        inner.remove(contract, key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phat_primitives::Hash;

    fn contract(byte: u8) -> ContractId {
        Hash::repeat_byte(byte)
    }

    #[test]
    fn a_contract_sees_its_own_values_only() {
        let cache = Cache::default();
        assert!(cache.set(&contract(1), b"key", b"value", 0));
        assert_eq!(cache.get(&contract(1), b"key", 1), Some(b"value".to_vec()));
        assert_eq!(cache.get(&contract(2), b"key", 1), None);
        assert_eq!(cache.remove(&contract(2), b"key", 1), None);
        assert_eq!(
            cache.remove(&contract(1), b"key", 1),
            Some(b"value".to_vec())
        );
        assert_eq!(cache.get(&contract(1), b"key", 1), None);
    }

    #[test]
    fn values_expire() {
        let cache = Cache::default();
        cache.set(&contract(1), b"key", b"value", 0);
        cache.set_expiration(&contract(1), b"key", 2, 0);
        assert!(cache.get(&contract(1), b"key", 1_999).is_some());
        assert!(cache.get(&contract(1), b"key", 2_000).is_none());
        cache.set(&contract(1), b"week", b"value", 0);
        assert!(
            cache
                .get(&contract(1), b"week", DEFAULT_LIFETIME_MS - 1)
                .is_some()
        );
        assert!(
            cache
                .get(&contract(1), b"week", DEFAULT_LIFETIME_MS)
                .is_none()
        );
    }

    #[test]
    fn a_full_shelf_refuses_and_gives_room_again_when_values_go() {
        let cache = Cache::default();
        let half = vec![0; MAX_CONTRACT_BYTES / 2];
        assert!(cache.set(&contract(1), b"one", &half, 0));
        assert!(!cache.set(&contract(1), b"two", &half, 0));
        assert!(
            cache.set(&contract(1), b"one", &half, 0),
            "replacing needs no more room"
        );
        assert!(
            cache.set(&contract(2), b"two", &half, 0),
            "another contract has room of its own"
        );
        cache.set_expiration(&contract(1), b"one", 1, 0);
        assert!(cache.set(&contract(1), b"two", &half, 1_000));
        assert!(!cache.set(&contract(1), &[0; MAX_KEY_BYTES + 1], b"", 0));
    }

    #[test]
    fn all_contracts_together_are_bounded() {
        let cache = Cache::default();
        let large = vec![0; MAX_CONTRACT_BYTES - 1024];
        let kept = (0..=255)
            .filter(|byte| cache.set(&contract(*byte), b"key", &large, 0))
            .count();
        assert_eq!(kept, MAX_TOTAL_BYTES / size(b"key", &large));
    }
}
