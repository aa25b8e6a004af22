//! Results of cryptography that are kept, because they depend on nothing but what they were computed
//! from: which certificates bear a good signature, and the keys agreed with clients.

use phat_crypto::{SharedKey, certificate::KnownCertificates};
use phat_primitives::AccountId;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Certificates and keys that are kept, of each. A few megabytes; making a client's key known to the
/// worker again costs about 50 µs.
const KEPT: usize = 32_768;

/// Keeps what was used lately: a young and an old half. When the young one is full it becomes the old
/// one, and what was not used in the meantime is dropped.
struct Halves<V> {
    young: HashMap<[u8; 32], V>,
    old: HashMap<[u8; 32], V>,
    most: usize,
}

impl<V: Clone> Halves<V> {
    fn new(most: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            most,
        }
    }

    fn get(&mut self, key: &[u8; 32]) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let value = self.old.remove(key)?;
        self.insert(*key, value.clone());
        Some(value)
    }

    fn insert(&mut self, key: [u8; 32], value: V) {
        if self.young.len() >= self.most / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

/// The certificates whose signatures are known to be good.
pub(crate) struct Certificates(Mutex<Halves<AccountId>>);

impl Default for Certificates {
    fn default() -> Self {
        Self(Mutex::new(Halves::new(KEPT)))
    }
}

impl KnownCertificates for Certificates {
    fn account(&self, proof: &[u8; 32]) -> Option<AccountId> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(proof)
    }

    fn remember(&self, proof: [u8; 32], account: AccountId) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(proof, account);
    }
}

/// The keys agreed with clients, by the clients' public keys. A key is erased when it is dropped.
pub(crate) struct Agreements(Mutex<Halves<SharedKey>>);

impl Default for Agreements {
    fn default() -> Self {
        Self(Mutex::new(Halves::new(KEPT)))
    }
}

impl Agreements {
    pub(crate) fn get(&self, client: &[u8; 32]) -> Option<SharedKey> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(client)
    }

    pub(crate) fn remember(&self, client: [u8; 32], shared: SharedKey) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(client, shared);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes_in_time() {
        let mut kept = Halves::new(8);
        for number in 0..100u8 {
            kept.insert([number; 32], number);
            assert!(kept.young.len() + kept.old.len() <= 8);
            assert_eq!(kept.get(&[0; 32]), Some(0), "used all the time");
        }
        assert_eq!(kept.get(&[99; 32]), Some(99));
        assert_eq!(kept.get(&[50; 32]), None);
    }
}
