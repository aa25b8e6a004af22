//! The local cache of contracts: values that a contract keeps on one worker, without the chain. They
//! are gone on restart, and any of them may be gone at any time.
//!
//! Half of the room is shared by stake: a contract has the part of it that its weight is of all
//! weights, and nobody else can take it. The other half is for whoever comes first, up to
//! [`MAX_FREE_BYTES`] for each contract, staked or not.

use crate::turns::Stakes;
use phat_primitives::{Balance, ContractId};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Bytes that are shared by stake.
const STAKED_BYTES: usize = 128 * 1024 * 1024;
/// Bytes that are there for all contracts together, beyond what is shared by stake.
const FREE_BYTES: usize = 128 * 1024 * 1024;
/// How many of these one contract can have. Contracts in the field were written for a few megabytes.
const MAX_FREE_BYTES: usize = 4 * 1024 * 1024;
/// The greatest weight that counts, so that sums and products of weights fit. More than all the money
/// of any network.
const MAX_WEIGHT: Balance = 1 << 86;
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
    /// Weights above 0.
    weights: HashMap<ContractId, Balance>,
    /// The sum of all weights.
    total: Balance,
    /// Bytes that contracts have beyond their shares.
    free_used: usize,
}

#[derive(Default)]
struct Shelf {
    entries: HashMap<Vec<u8>, Entry>,
    bytes: usize,
    /// Bytes that belong to the contract because of its stake.
    share: usize,
}

impl Shelf {
    /// Bytes beyond the share.
    fn free_used(&self) -> usize {
        self.bytes.saturating_sub(self.share)
    }
}

struct Entry {
    value: Vec<u8>,
    expires_ms: u64,
}

fn size(key: &[u8], value: &[u8]) -> usize {
    key.len() + value.len() + ENTRY_OVERHEAD
}

impl Inner {
    /// Changes a shelf and keeps the sum of what is used beyond the shares.
    fn change<T>(
        &mut self,
        contract: &ContractId,
        change: impl FnOnce(&mut Shelf) -> T,
    ) -> Option<T> {
        let shelf = self.contracts.get_mut(contract)?;
        let before = shelf.free_used();
        let result = change(shelf);
        self.free_used = self.free_used - before + shelf.free_used();
        if shelf.entries.is_empty() {
            self.contracts.remove(contract);
        }
        Some(result)
    }

    fn remove(&mut self, contract: &ContractId, key: &[u8]) -> Option<Vec<u8>> {
        self.change(contract, |shelf| {
            let entry = shelf.entries.remove(key)?;
            shelf.bytes -= size(key, &entry.value);
            Some(entry.value)
        })?
    }

    /// The part of the shared bytes that a contract's weight is of all weights.
    fn share(&self, contract: &ContractId) -> usize {
        let Some(weight) = self.weights.get(contract) else {
            return 0;
        };
        let share = weight * STAKED_BYTES as Balance / self.total.max(1);
        usize::try_from(share).unwrap_or(STAKED_BYTES)
    }

    /// Whether an entry of `needed` bytes fits where one of `replaced` bytes goes.
    fn fits(&self, contract: &ContractId, needed: usize, replaced: usize) -> bool {
        let shelf = self.contracts.get(contract);
        let (bytes, share, before) = match shelf {
            Some(shelf) => (shelf.bytes, shelf.share, shelf.free_used()),
            None => (0, self.share(contract), 0),
        };
        let after = (bytes + needed).saturating_sub(replaced + share);
        after <= MAX_FREE_BYTES && self.free_used - before + after <= FREE_BYTES
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

    /// Gives every contract its share as the weights are now. What is too much then goes, the first
    /// to expire first.
    fn share_out(&mut self) {
        let contracts: Vec<_> = self.contracts.keys().copied().collect();
        for contract in contracts {
            let share = self.share(&contract);
            self.change(&contract, |shelf| {
                shelf.share = share;
                if shelf.free_used() <= MAX_FREE_BYTES {
                    return;
                }
                let mut order: Vec<_> = shelf
                    .entries
                    .iter()
                    .map(|(key, entry)| (entry.expires_ms, key.clone()))
                    .collect();
                order.sort_unstable();
                for (_, key) in order {
                    if shelf.free_used() <= MAX_FREE_BYTES {
                        break;
                    }
                    if let Some(entry) = shelf.entries.remove(&key) {
                        shelf.bytes -= size(&key, &entry.value);
                    }
                }
            });
        }
    }
}

impl Cache {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the weights of contracts.
    pub(crate) fn set_weights(&self, stakes: &Stakes) {
        if stakes.is_nothing() {
            return;
        }
        let mut inner = self.lock();
        stakes.put_into(&mut inner.weights);
        for weight in inner.weights.values_mut() {
            *weight = (*weight).min(MAX_WEIGHT);
        }
        inner.total = inner.weights.values().sum();
        inner.share_out();
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
        let fits = |inner: &Inner| {
            let old = inner
                .contracts
                .get(contract)
                .and_then(|shelf| shelf.entries.get(key));
            let replaced = old.map_or(0, |entry| size(key, &entry.value));
            inner.fits(contract, needed, replaced)
        };
        if !fits(&inner) {
            inner.expire_all(now_ms);
            if !fits(&inner) {
                return false;
            }
        }
        inner.remove(contract, key);
        let entry = Entry {
            value: value.to_vec(),
            expires_ms: now_ms.saturating_add(DEFAULT_LIFETIME_MS),
        };
        let share = inner.share(contract);
        let shelf = inner.contracts.entry(*contract).or_default();
        if shelf.entries.is_empty() {
            shelf.share = share;
        }
        inner.change(contract, |shelf| {
            shelf.entries.insert(key.to_vec(), entry);
            shelf.bytes += needed;
        });
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

    fn weigh(cache: &Cache, number: u8, weight: Balance) {
        cache.set_weights(&Stakes::Changed(vec![(contract(number), weight)]));
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
        let half = vec![0; MAX_FREE_BYTES / 2];
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
        let large = vec![0; MAX_FREE_BYTES - 1024];
        let kept = (0..=255)
            .filter(|byte| cache.set(&contract(*byte), b"key", &large, 0))
            .count();
        assert_eq!(kept, FREE_BYTES / size(b"key", &large));
    }

    #[test]
    fn stake_gives_a_share_that_nobody_else_can_take() {
        let cache = Cache::default();
        weigh(&cache, 1, 3 << 80);
        weigh(&cache, 2, 1 << 80);
        let large = vec![0; STAKED_BYTES / 2];
        assert!(cache.set(&contract(1), b"key", &large, 0));
        assert!(
            !cache.set(&contract(2), b"key", &large, 0),
            "a quarter is its own"
        );
        let filler = vec![0; MAX_FREE_BYTES - 1024];
        let others = (3..=255).filter(|byte| cache.set(&contract(*byte), b"key", &filler, 0));
        assert_eq!(others.count(), FREE_BYTES / size(b"key", &filler));
        let quarter = vec![0; STAKED_BYTES / 4 - 1024];
        assert!(cache.set(&contract(2), b"key", &quarter, 0));
    }

    #[test]
    fn less_stake_is_less_room() {
        let cache = Cache::default();
        weigh(&cache, 1, u128::MAX);
        let part = vec![0; STAKED_BYTES / 4];
        for key in 0..4u8 {
            assert!(cache.set(&contract(1), &[key], &part, 0));
            cache.set_expiration(&contract(1), &[key], 10 + u64::from(key), 0);
        }
        weigh(&cache, 2, u128::MAX);
        let kept = |key: u8| cache.get(&contract(1), &[key], 0).is_some();
        assert_eq!(
            [kept(0), kept(1), kept(2), kept(3)],
            [false, false, true, true]
        );
        cache.set_weights(&Stakes::All(vec![(contract(2), 1)]));
        assert!(!kept(3), "in another cluster it has no stake");
        assert!(cache.set(&contract(1), b"small", b"value", 0));
    }
}
