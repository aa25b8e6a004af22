//! The state at one block, and the runtime executed natively over it.
//!
//! Knows nothing of blocks, databases or time: trie nodes come through
//! [`TrieBackendStorage`], and what an execution changed is handed out, not
//! written.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use polkadot_sdk::*;

use sp_externalities::set_and_run_with_externalities;
use sp_runtime::StateVersion;
use sp_runtime::traits::BlakeTwo256;
use sp_state_machine::{
    Backend, BackendTransaction, Ext, InMemoryBackend, IterArgs, OverlayedChanges, TrieBackend,
    TrieBackendBuilder, TrieBackendStorage,
};
use sp_trie::StorageProof;

use phat_runtime::Hash;

use crate::genesis::Genesis;

/// How values stand in the trie: large ones by hash (the runtime's `system_version` 1).
const STATE_VERSION: StateVersion = StateVersion::V1;

/// What became of trie nodes, by their key in the database: how often each was
/// added (positive) or removed (negative).
pub(crate) type NodeChanges = BackendTransaction<BlakeTwo256>;

/// The runtime could not finish what it was asked for.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the runtime stopped: {0}")]
pub struct RuntimePanic(pub String);

/// The state could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot read the chain's state: {0}")]
pub struct StateError(pub String);

/// The state at one block.
pub(crate) struct State<S: TrieBackendStorage<BlakeTwo256>> {
    backend: TrieBackend<S, BlakeTwo256>,
}

impl<S: TrieBackendStorage<BlakeTwo256>> State<S> {
    /// The state whose root is `root`, with its nodes in `nodes`.
    pub(crate) fn new(nodes: S, root: Hash) -> Self {
        Self {
            backend: TrieBackendBuilder::new(nodes, root).build(),
        }
    }

    /// The value under `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.backend.storage(key).map_err(StateError)
    }

    /// The hash of the value under `key`.
    pub(crate) fn hash(&self, key: &[u8]) -> Result<Option<Hash>, StateError> {
        self.backend.storage_hash(key).map_err(StateError)
    }

    /// Up to `count` keys that begin with `prefix`, in order, after `after` if given.
    pub(crate) fn keys(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        count: usize,
    ) -> Result<Vec<Vec<u8>>, StateError> {
        let mut args = IterArgs::default();
        args.prefix = Some(prefix);
        args.start_at = after;
        args.start_at_exclusive = true;
        self.backend
            .keys(args)
            .map_err(StateError)?
            .take(count)
            .collect::<Result<_, _>>()
            .map_err(StateError)
    }

    /// The trie nodes that prove what stands, or does not stand, under `keys`.
    pub(crate) fn prove(&self, keys: &[Vec<u8>]) -> Result<StorageProof, StateError> {
        sp_state_machine::prove_read_on_trie_backend(&self.backend, keys)
            .map_err(|error| StateError(error.to_string()))
    }

    /// Runs `f` on the state and forgets what it changed.
    pub(crate) fn inspect<R>(&self, f: impl FnOnce() -> R) -> Result<R, RuntimePanic> {
        self.execute().run(f)
    }

    /// Begins to change the state.
    pub(crate) fn execute(&self) -> Execution<'_, S> {
        Execution {
            state: self,
            changes: OverlayedChanges::default(),
        }
    }
}

/// The state with changes on top of it.
pub(crate) struct Execution<'a, S: TrieBackendStorage<BlakeTwo256>> {
    state: &'a State<S>,
    changes: OverlayedChanges<BlakeTwo256>,
}

impl<S: TrieBackendStorage<BlakeTwo256>> Execution<'_, S> {
    /// Runs `f`, which may read and change the state through the runtime. If it
    /// panics, nothing of what it changed remains.
    pub(crate) fn run<R>(&mut self, f: impl FnOnce() -> R) -> Result<R, RuntimePanic> {
        self.run_unless(f, |_| false)
    }

    /// Like [`Self::run`], and nothing of what `f` changed remains if its result
    /// `is_void`.
    pub(crate) fn run_unless<R>(
        &mut self,
        f: impl FnOnce() -> R,
        is_void: impl FnOnce(&R) -> bool,
    ) -> Result<R, RuntimePanic> {
        const PAIRED: &str = "this function alone opens and closes transactions of the overlay";
        self.changes.start_transaction();
        self.changes.enter_runtime().expect(PAIRED);
        let result = {
            let mut ext = Ext::new(&mut self.changes, &self.state.backend, None);
            catch(|| set_and_run_with_externalities(&mut ext, f))
        };
        // Closes what a panic left open.
        self.changes.exit_runtime().expect(PAIRED);
        if result.as_ref().is_ok_and(|result| !is_void(result)) {
            self.changes.commit_transaction().expect(PAIRED);
        } else {
            self.changes.rollback_transaction().expect(PAIRED);
        }
        result
    }

    /// The value under `key` as changed so far.
    pub(crate) fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        match self.changes.storage(key) {
            Some(changed) => Ok(changed.map(<[u8]>::to_vec)),
            None => self.state.get(key),
        }
    }

    /// The root of the changed state, and the nodes that lead to it.
    pub(crate) fn finish(mut self) -> Result<(Hash, NodeChanges), StateError> {
        let changes = self
            .changes
            .drain_storage_changes(&self.state.backend, STATE_VERSION)
            .map_err(StateError)?;
        Ok((changes.transaction_storage_root, changes.transaction))
    }
}

/// The root of the state that holds `entries` and nothing else, and its nodes.
pub(crate) fn initial(entries: &Genesis) -> (Hash, NodeChanges) {
    InMemoryBackend::<BlakeTwo256>::default().full_storage_root(
        entries
            .iter()
            .map(|(key, value)| (key.as_slice(), Some(value.as_slice()))),
        std::iter::empty::<(&_, std::iter::Empty<_>)>(),
        STATE_VERSION,
    )
}

thread_local! {
    /// While the runtime runs on this thread: the message of its panic, if any.
    static PANIC: RefCell<Option<Option<String>>> = const { RefCell::new(None) };
}

/// Runs `f`, and turns a panic into an error with its message. In Wasm the same
/// would be a trap that the host survives; a stranger can cause one, for instance
/// by asking for a runtime call with arguments that do not decode.
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, RuntimePanic> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let other = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let ours = PANIC.with_borrow_mut(|slot| match slot {
                Some(message) => {
                    *message = Some(describe(info.payload()));
                    true
                }
                None => false,
            });
            if !ours {
                other(info);
            }
        }));
    });
    let outer = PANIC.replace(Some(None));
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    let message = PANIC.replace(outer).flatten();
    result.map_err(|payload| RuntimePanic(message.unwrap_or_else(|| describe(&*payload))))
}

fn describe(payload: &(dyn Any + Send)) -> String {
    if let Some(message) = payload.downcast_ref::<&str>() {
        (*message).to_owned()
    } else if let Some(message) = payload.downcast_ref::<String>() {
        message.clone()
    } else {
        "no message".to_owned()
    }
}
