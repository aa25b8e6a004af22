//! Results of cryptography that are kept, because they depend on nothing but what they were computed
//! from: which certificates bear a good signature, the keys agreed with clients, and records of the
//! cluster's state that have been decrypted.

use crate::records::ClusterState;
use phat_crypto::{SharedKey, certificate::KnownCertificates};
use phat_engine::{State, StateError};
use phat_primitives::AccountId;
use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Certificates and keys that are kept, of each. A few megabytes; making a client's key known to the
/// worker again costs about 50 µs.
const KEPT: usize = 32_768;

/// Bytes of the cluster's state that are kept decrypted: enough for what thousands of contracts are
/// asked all the time.
const KEPT_STATE: usize = 32 * 1024 * 1024;
/// Bytes counted for a record beyond those of its key and value: what the tables need.
const RECORD_OVERHEAD: usize = 128;
/// Bytes of the largest record that is kept. Those of contracts are small; code is compiled once.
const LARGEST_KEPT: usize = 64 * 1024;

/// Keeps what was used lately: a young and an old half. When the young one is full it becomes the old
/// one, and what was not used in the meantime is dropped.
struct Halves<K, V> {
    young: HashMap<K, (V, usize)>,
    old: HashMap<K, (V, usize)>,
    /// Sizes of what is in the young half.
    used: usize,
    most: usize,
}

impl<K: Eq + Hash, V: Clone> Halves<K, V> {
    /// Keeps things whose sizes add up to `most`, in a unit of the caller's.
    fn new(most: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            used: 0,
            most,
        }
    }

    fn get<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        if let Some((value, _)) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, (value, size)) = self.old.remove_entry(key)?;
        self.insert(key, value.clone(), size);
        Some(value)
    }

    /// `size` is at most half of what is kept.
    fn insert(&mut self, key: K, value: V, size: usize) {
        if self.used.saturating_add(size) > self.most / 2 {
            self.old = std::mem::take(&mut self.young);
            self.used = 0;
        }
        if let Some((_, before)) = self.young.insert(key, (value, size)) {
            self.used -= before;
        }
        self.used += size;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is kept is whole after each operation, so a panic elsewhere spoils nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The certificates whose signatures are known to be good.
pub(crate) struct Certificates(Mutex<Halves<[u8; 32], AccountId>>);

impl Default for Certificates {
    fn default() -> Self {
        Self(Mutex::new(Halves::new(KEPT)))
    }
}

impl KnownCertificates for Certificates {
    fn account(&self, proof: &[u8; 32]) -> Option<AccountId> {
        lock(&self.0).get(proof)
    }

    fn remember(&self, proof: [u8; 32], account: AccountId) {
        lock(&self.0).insert(proof, account, 1);
    }
}

/// The keys agreed with clients, by the clients' public keys. A key is erased when it is dropped.
pub(crate) struct Agreements(Mutex<Halves<[u8; 32], SharedKey>>);

impl Default for Agreements {
    fn default() -> Self {
        Self(Mutex::new(Halves::new(KEPT)))
    }
}

impl Agreements {
    pub(crate) fn get(&self, client: &[u8; 32]) -> Option<SharedKey> {
        lock(&self.0).get(client)
    }

    pub(crate) fn remember(&self, client: [u8; 32], shared: SharedKey) {
        lock(&self.0).insert(client, shared, 1);
    }
}

/// Records of one state of the cluster, by their keys; `None` stands for one that is not there.
type Records = Halves<Vec<u8>, Option<Arc<[u8]>>>;

/// Records that have been read from one state of the cluster. It is for that state only: whoever has
/// another one begins with an empty one.
#[derive(Clone)]
pub(crate) struct Opened(Arc<Mutex<Records>>);

impl Default for Opened {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Halves::new(KEPT_STATE))))
    }
}

/// The state of the cluster as queries read it. To find and decrypt a record takes several
/// microseconds, and most queries read the same few.
pub(crate) struct OpenedState {
    pub(crate) state: ClusterState,
    pub(crate) opened: Opened,
}

impl State for OpenedState {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        let kept = lock(&self.opened.0).get(key);
        if let Some(value) = kept {
            return Ok(value.map(|value| value.to_vec()));
        }
        let value = self.state.get(key)?;
        let size = RECORD_OVERHEAD + key.len() + value.as_ref().map_or(0, Vec::len);
        if size <= LARGEST_KEPT {
            let value = value.as_deref().map(Arc::from);
            lock(&self.opened.0).insert(key.to_vec(), value, size);
        }
        Ok(value)
    }

    fn keys_with_prefix(&self, prefix: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, StateError> {
        self.state.keys_with_prefix(prefix, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes_in_time() {
        let mut kept = Halves::new(8);
        for number in 0..100u8 {
            kept.insert([number; 32], number, 1);
            assert!(kept.young.len() + kept.old.len() <= 8);
            assert_eq!(kept.get(&[0; 32]), Some(0), "used all the time");
        }
        assert_eq!(kept.get(&[99; 32]), Some(99));
        assert_eq!(kept.get(&[50; 32]), None);
    }

    #[test]
    fn what_is_large_takes_the_room_of_many() {
        let mut kept = Halves::new(20);
        for number in 0..100u8 {
            kept.insert(number, (), 1 + usize::from(number % 10));
            kept.insert(number, (), 1 + usize::from(number % 7));
            let sizes = kept.young.values().chain(kept.old.values());
            assert!(sizes.map(|(_, size)| size).sum::<usize>() <= 20);
        }
    }

    #[test]
    fn a_record_is_read_once_and_the_next_state_is_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let owner = phat_store::Owner {
            version: 1,
            identity: b"test",
        };
        let path = folder.path().join("records");
        let store = phat_store::Store::open(&path, &[1; 32], owner).unwrap();
        let put = |value: Option<&[u8]>| {
            let mut batch = store.batch();
            let value = value.map(<[u8]>::to_vec);
            crate::records::put_state(&mut batch, &[(b"key".to_vec(), value)].into());
            batch.commit().unwrap();
            ClusterState(store.snapshot().unwrap())
        };
        let opened = Opened::default();
        let reader = |state| OpenedState {
            state,
            opened: opened.clone(),
        };
        let first = reader(put(Some(b"one")));
        assert_eq!(first.get(b"key").unwrap(), Some(b"one".to_vec()));
        assert_eq!(first.get(b"other").unwrap(), None);
        // It is kept, so another state must not share it.
        let wrong = reader(put(Some(b"two")));
        assert_eq!(wrong.get(b"key").unwrap(), Some(b"one".to_vec()));
        let right = OpenedState {
            state: put(None),
            opened: Opened::default(),
        };
        assert_eq!(right.get(b"key").unwrap(), None);
    }
}
