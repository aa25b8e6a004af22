//! Committed state, seen through a trait, and the writes of an execution layered over it.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

/// Writes in key order; `None` removes the key.
pub type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Why committed state could not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The store failed; the text is its own.
    #[error("reading failed: {0}")]
    Read(String),
    /// A record does not decode.
    #[error("the record at {0} does not decode")]
    Corrupt(String),
    /// A call was dropped before it ended and took the overlay's writes with it.
    #[error("the overlay was lost because a call was cancelled")]
    Lost,
}

/// Read access to the committed state of one cluster. Keys are those of [`crate::schema`].
pub trait State: Send + Sync {
    /// The value at `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError>;

    /// Up to `limit` keys that start with `prefix`, in order.
    fn keys_with_prefix(&self, prefix: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, StateError>;
}

/// Changes are a state too: one that begins empty. Handy in tests and for a first block.
impl State for Changes {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Ok(BTreeMap::get(self, key).cloned().flatten())
    }

    fn keys_with_prefix(&self, prefix: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, StateError> {
        Ok(with_prefix(self, prefix)
            .filter(|(_, value)| value.is_some())
            .map(|(key, _)| key.clone())
            .take(limit)
            .collect())
    }
}

fn with_prefix<'a>(
    changes: &'a Changes,
    prefix: &'a [u8],
) -> impl Iterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)> {
    changes
        .range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded))
        .take_while(move |(key, _)| key.starts_with(prefix))
}

/// A key, and its entry in the changes before a write: none, a removal, or a value.
type Undo = (Vec<u8>, Option<Option<Vec<u8>>>);

/// What keeping one write costs in bytes: its key twice, its value, and the records around them.
fn undo_cost(key: &[u8], value: Option<&Vec<u8>>) -> usize {
    const RECORD: usize = 160;
    RECORD + 2 * key.len() + value.map_or(0, Vec::len)
}

/// Writes layered over a [`State`], with nested checkpoints.
///
/// A checkpoint is a position in an undo log, so reading costs the same however deep calls nest.
pub struct Overlay {
    /// `None` in what an execution has left behind.
    base: Option<Arc<dyn State>>,
    changes: Changes,
    /// The previous entry of `changes` for every write since the first open checkpoint.
    undo: Vec<Undo>,
    /// Bytes that `undo` and the writes in it take.
    undo_bytes: usize,
    checkpoints: Vec<usize>,
}

impl Overlay {
    /// An overlay without writes.
    pub fn new(base: Arc<dyn State>) -> Self {
        Self::over(Some(base))
    }

    fn over(base: Option<Arc<dyn State>>) -> Self {
        Self {
            base,
            changes: Changes::new(),
            undo: Vec::new(),
            undo_bytes: 0,
            checkpoints: Vec::new(),
        }
    }

    fn base(&self) -> Result<&dyn State, StateError> {
        self.base.as_deref().ok_or(StateError::Lost)
    }

    /// The value at `key` as the execution sees it.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        let base = self.base()?;
        match self.changes.get(key) {
            Some(value) => Ok(value.clone()),
            None => base.get(key),
        }
    }

    /// Writes `value` at `key`.
    pub fn set(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.write(key, Some(value));
    }

    /// Removes `key`.
    pub fn remove(&mut self, key: Vec<u8>) {
        self.write(key, None);
    }

    fn write(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        if self.checkpoints.is_empty() {
            self.changes.insert(key, value);
        } else {
            self.undo_bytes += undo_cost(&key, value.as_ref());
            let previous = self.changes.insert(key.clone(), value);
            self.undo.push((key, previous));
        }
    }

    /// Opens a checkpoint.
    pub fn begin(&mut self) {
        self.checkpoints.push(self.undo.len());
    }

    /// Closes the last checkpoint and keeps its writes. Without an open one it does nothing.
    pub fn commit(&mut self) {
        self.checkpoints.pop();
        if self.checkpoints.is_empty() {
            self.undo.clear();
            self.undo_bytes = 0;
        }
    }

    /// Closes the last checkpoint and undoes its writes. Without an open one it does nothing.
    pub fn rollback(&mut self) {
        let Some(mark) = self.checkpoints.pop() else {
            return;
        };
        for (key, previous) in self.undo.drain(mark..).rev() {
            let written = self.changes.remove(&key).flatten();
            self.undo_bytes -= undo_cost(&key, written.as_ref());
            if let Some(value) = previous {
                self.changes.insert(key, value);
            }
        }
    }

    /// Bytes kept to be able to undo: they grow with every write while a checkpoint is open.
    pub(crate) fn undo_bytes(&self) -> usize {
        self.undo_bytes
    }

    /// Up to `limit` existing keys that start with `prefix`, in order.
    pub fn keys_with_prefix(
        &self,
        prefix: &[u8],
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, StateError> {
        let base = self.base()?;
        let removed = with_prefix(&self.changes, prefix)
            .filter(|(_, value)| value.is_none())
            .count();
        let mut keys: Vec<_> = base
            .keys_with_prefix(prefix, limit.saturating_add(removed))?
            .into_iter()
            .filter(|key| !self.changes.contains_key(key))
            .chain(
                with_prefix(&self.changes, prefix)
                    .filter(|(_, value)| value.is_some())
                    .map(|(key, _)| key.clone()),
            )
            .collect();
        keys.sort_unstable();
        keys.truncate(limit);
        Ok(keys)
    }

    /// The writes, sorted by key. Fails if a cancelled call took them.
    pub fn into_changes(self) -> Result<Changes, StateError> {
        self.base()?;
        Ok(self.changes)
    }

    /// Moves the overlay into an execution. What stays behind refuses to be used until
    /// [`Overlay::give_back`].
    pub(crate) fn lend(&mut self) -> Self {
        std::mem::replace(self, Self::over(None))
    }

    pub(crate) fn give_back(&mut self, overlay: Self) {
        *self = overlay;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay() -> Overlay {
        let base = Changes::from([
            (b"a1".to_vec(), Some(b"base".to_vec())),
            (b"a2".to_vec(), Some(b"base".to_vec())),
            (b"b".to_vec(), Some(b"base".to_vec())),
        ]);
        Overlay::new(Arc::new(base))
    }

    #[test]
    fn rolling_back_restores_earlier_writes_and_the_base() {
        let mut overlay = overlay();
        overlay.set(b"a1".to_vec(), b"first".to_vec());
        overlay.begin();
        overlay.set(b"a1".to_vec(), b"second".to_vec());
        overlay.begin();
        overlay.remove(b"a1".to_vec());
        overlay.remove(b"b".to_vec());
        overlay.commit();
        assert_eq!(overlay.get(b"a1").unwrap(), None);
        overlay.rollback();
        assert_eq!(overlay.get(b"a1").unwrap(), Some(b"first".to_vec()));
        assert_eq!(overlay.get(b"b").unwrap(), Some(b"base".to_vec()));
        assert_eq!(overlay.undo_bytes(), 0);
        let changes = overlay.into_changes().unwrap();
        assert_eq!(changes.len(), 1);
    }

    #[test]
    fn keys_of_a_prefix_merge_base_and_writes() {
        let mut overlay = overlay();
        overlay.remove(b"a1".to_vec());
        overlay.set(b"a3".to_vec(), b"new".to_vec());
        let keys = overlay.keys_with_prefix(b"a", 10).unwrap();
        assert_eq!(keys, vec![b"a2".to_vec(), b"a3".to_vec()]);
        let keys = overlay.keys_with_prefix(b"a", 1).unwrap();
        assert_eq!(keys, vec![b"a2".to_vec()]);
    }

    #[test]
    fn an_overlay_that_was_not_given_back_refuses_to_be_used() {
        let mut overlay = overlay();
        drop(overlay.lend());
        assert_eq!(overlay.get(b"a1"), Err(StateError::Lost));
        assert_eq!(overlay.into_changes(), Err(StateError::Lost));
    }
}
