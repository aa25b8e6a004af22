//! Compiled code among the worker's records, so that a worker that starts again need not compile what
//! it has compiled before. The store encrypts and authenticates it as everything else; the engine
//! authenticates it once more with a key of its own.

use crate::records::COMPILED;
use codec::{Decode, Encode};
use phat_engine::CompiledCodes;
use phat_store::Store;
use std::sync::{Mutex, PoisonError};

/// Bytes of compiled code that are kept. The oldest goes first.
const MAX_BYTES: u64 = 512 * 1024 * 1024;
/// The group of the list of what there is; the groups of codes are longer.
const LIST: &[u8] = b"list";

/// See the module.
pub(crate) struct Shelf {
    store: Store,
    max_bytes: u64,
    /// Held while the list is read and written.
    turn: Mutex<()>,
}

/// Keys and sizes of what is kept, the oldest first.
type List = Vec<([u8; 32], u64)>;

impl Shelf {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            max_bytes: MAX_BYTES,
            turn: Mutex::default(),
        }
    }

    fn read(&self, group: &[u8]) -> Option<Vec<u8>> {
        let read = self
            .store
            .snapshot()
            .and_then(|s| s.get(COMPILED, group, b""));
        read.unwrap_or_else(|error| {
            tracing::warn!(%error, "compiled code cannot be read, and is made again");
            None
        })
    }

    fn list(&self) -> List {
        let list = self.read(LIST).unwrap_or_default();
        List::decode(&mut &list[..]).unwrap_or_default()
    }
}

impl CompiledCodes for Shelf {
    fn load(&self, key: &[u8; 32]) -> Option<Vec<u8>> {
        self.read(key)
    }

    fn keep(&self, key: &[u8; 32], compiled: Vec<u8>) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let size = compiled.len() as u64;
        if size > self.max_bytes {
            return;
        }
        let mut list = self.list();
        list.retain(|(present, _)| present != key);
        list.push((*key, size));
        let mut writes = self.store.batch();
        let mut total: u64 = list.iter().map(|(_, size)| size).sum();
        while total > self.max_bytes {
            let (oldest, size) = list.remove(0);
            writes.delete(COMPILED, &oldest, b"");
            total -= size;
        }
        writes.put(COMPILED, key, b"", compiled);
        writes.put(COMPILED, LIST, b"", list.encode());
        if let Err(error) = writes.commit() {
            tracing::warn!(%error, "compiled code was not kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phat_store::Owner;

    fn shelf(max_bytes: u64) -> (tempfile::TempDir, Shelf) {
        let folder = tempfile::tempdir().unwrap();
        let owner = Owner {
            version: 1,
            identity: b"test",
        };
        let store = Store::open(&folder.path().join("records.redb"), &[7; 32], owner).unwrap();
        let mut shelf = Shelf::new(store);
        shelf.max_bytes = max_bytes;
        (folder, shelf)
    }

    #[test]
    fn what_is_kept_is_found_again() {
        let (_folder, shelf) = shelf(100);
        assert_eq!(shelf.load(&[1; 32]), None);
        shelf.keep(&[1; 32], vec![1; 10]);
        shelf.keep(&[1; 32], vec![2; 20]);
        assert_eq!(shelf.load(&[1; 32]), Some(vec![2; 20]));
        assert_eq!(shelf.list(), [([1; 32], 20)]);
    }

    #[test]
    fn the_oldest_goes_when_there_is_too_much() {
        let (_folder, shelf) = shelf(100);
        for key in 1..=4 {
            shelf.keep(&[key; 32], vec![key; 40]);
        }
        let there = |key: u8| shelf.load(&[key; 32]).is_some();
        assert_eq!(
            [there(1), there(2), there(3), there(4)],
            [false, false, true, true]
        );
        shelf.keep(&[5; 32], vec![0; 101]);
        assert!(
            !there(5),
            "one that is too large does not push out the others"
        );
        assert!(there(4));
    }
}
