//! Changing many records at once, all or nothing.

use crate::Space;
use crate::contain::contained;
use crate::limits::{MAX_NAME_LEN, MAX_VALUE_LEN};
use crate::open::{ABOUT, RECORDS, Shared, write_tally};
use crate::seal::{Keys, NoRandomness};
use crate::snapshot::after;
use redb::{ReadableTable, Table};
use std::sync::{Arc, PoisonError};
use zeroize::Zeroizing;

/// Why a batch was not committed. The store is as it was before; only after
/// [`CommitError::Storage`] does the next opening show whether the batch is in it.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A group or a key is longer than [`MAX_NAME_LEN`].
    #[error("a record's group or key has {0} bytes, more than {MAX_NAME_LEN}")]
    NameTooLong(usize),
    /// A value is longer than [`MAX_VALUE_LEN`].
    #[error("a record's value has {0} bytes, more than {MAX_VALUE_LEN}")]
    ValueTooLong(usize),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
    /// The database or the disk failed. The store has to be opened again.
    #[error("the store cannot be written; free some space or repair the disk, then start again")]
    Storage(#[from] redb::Error),
}

impl From<NoRandomness> for CommitError {
    fn from(NoRandomness: NoRandomness) -> Self {
        Self::NoRandomness
    }
}

enum Change {
    Put {
        space: Space,
        group: Vec<u8>,
        key: Vec<u8>,
        /// Erased when it has been written: it may be a secret.
        value: Zeroizing<Vec<u8>>,
    },
    Delete {
        space: Space,
        group: Vec<u8>,
        key: Vec<u8>,
    },
    DeleteGroup {
        space: Space,
        group: Vec<u8>,
    },
    DeleteSpace {
        space: Space,
    },
}

/// Changes that take effect together, in the order in which they were collected. A batch that is
/// dropped leaves nothing.
pub struct Batch {
    shared: Arc<Shared>,
    changes: Vec<Change>,
}

impl Batch {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            changes: Vec::new(),
        }
    }

    /// Gives a record a value, new or in place of the one it has.
    pub fn put(&mut self, space: Space, group: &[u8], key: &[u8], value: impl Into<Vec<u8>>) {
        self.changes.push(Change::Put {
            space,
            group: group.to_vec(),
            key: key.to_vec(),
            value: Zeroizing::new(value.into()),
        });
    }

    /// Removes a record, if it is there.
    pub fn delete(&mut self, space: Space, group: &[u8], key: &[u8]) {
        self.changes.push(Change::Delete {
            space,
            group: group.to_vec(),
            key: key.to_vec(),
        });
    }

    /// Removes all records of a group.
    pub fn delete_group(&mut self, space: Space, group: &[u8]) {
        self.changes.push(Change::DeleteGroup {
            space,
            group: group.to_vec(),
        });
    }

    /// Removes all records of a space.
    pub fn delete_space(&mut self, space: Space) {
        self.changes.push(Change::DeleteSpace { space });
    }

    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Writes all changes to the disk. Batches are committed one after the other; this waits for its
    /// turn, and for the disk.
    pub fn commit(self) -> Result<(), CommitError> {
        let Self { shared, changes } = self;
        for change in &changes {
            change.check()?;
        }
        // The number is replaced as a whole, so a panic of another thread has not harmed it.
        let mut tally = shared.tally.lock().unwrap_or_else(PoisonError::into_inner);
        *tally = contained(|| write(&shared, changes, *tally))??;
        Ok(())
    }
}

/// Writes changes to the disk; returns the tally after them.
fn write(shared: &Shared, changes: Vec<Change>, mut tally: u128) -> Result<u128, CommitError> {
    // Durable as soon as `commit` returns: it is the database's default.
    let transaction = shared.database.begin_write().map_err(redb::Error::from)?;
    {
        let mut records = transaction.open_table(RECORDS).map_err(redb::Error::from)?;
        for change in changes {
            change.apply(&shared.keys, &mut records, &mut tally)?;
        }
        let mut about = transaction.open_table(ABOUT).map_err(redb::Error::from)?;
        write_tally(&mut about, &shared.keys, tally)?;
    }
    transaction.commit().map_err(redb::Error::from)?;
    Ok(tally)
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch")
            .field("changes", &self.changes.len())
            .finish_non_exhaustive()
    }
}

type Records<'a> = Table<'a, &'static [u8], &'static [u8]>;

impl Change {
    fn check(&self) -> Result<(), CommitError> {
        let (names, value) = match self {
            Self::Put {
                group, key, value, ..
            } => ([group.len(), key.len()], value.len()),
            Self::Delete { group, key, .. } => ([group.len(), key.len()], 0),
            Self::DeleteGroup { group, .. } => ([group.len(), 0], 0),
            Self::DeleteSpace { .. } => ([0, 0], 0),
        };
        for len in names {
            if len > MAX_NAME_LEN {
                return Err(CommitError::NameTooLong(len));
            }
        }
        if value > MAX_VALUE_LEN {
            return Err(CommitError::ValueTooLong(value));
        }
        Ok(())
    }

    fn apply(
        self,
        keys: &Keys,
        records: &mut Records<'_>,
        tally: &mut u128,
    ) -> Result<(), CommitError> {
        match self {
            Self::Put {
                space,
                group,
                key,
                value,
            } => {
                let name = keys.name(space, &group, &key);
                let sealed = keys.seal_record(&name, space, &group, &key, &value)?;
                *tally = tally.wrapping_add(keys.tally(&name, &sealed));
                let old = records
                    .insert(&name[..], &sealed[..])
                    .map_err(redb::Error::from)?;
                if let Some(old) = old {
                    *tally = tally.wrapping_sub(keys.tally(&name, old.value()));
                }
            }
            Self::Delete { space, group, key } => {
                remove(keys, records, &keys.name(space, &group, &key), tally)?;
            }
            Self::DeleteGroup { space, group } => {
                remove_all(keys, records, &keys.group_prefix(space, &group), tally)?;
            }
            Self::DeleteSpace { space } => {
                remove_all(keys, records, &keys.space_prefix(space), tally)?;
            }
        }
        Ok(())
    }
}

fn remove(
    keys: &Keys,
    records: &mut Records<'_>,
    name: &[u8],
    tally: &mut u128,
) -> Result<(), CommitError> {
    if let Some(old) = records.remove(name).map_err(redb::Error::from)? {
        *tally = tally.wrapping_sub(keys.tally(name, old.value()));
    }
    Ok(())
}

/// Removes all records whose names begin with `prefix`.
fn remove_all(
    keys: &Keys,
    records: &mut Records<'_>,
    prefix: &[u8],
    tally: &mut u128,
) -> Result<(), CommitError> {
    let end = after(prefix);
    let range = match &end {
        Some(end) => records.range(prefix..&end[..]),
        None => records.range(prefix..),
    };
    let names = range
        .map_err(redb::Error::from)?
        .map(|entry| Ok(entry.map_err(redb::Error::from)?.0.value().to_vec()))
        .collect::<Result<Vec<_>, redb::Error>>()?;
    for name in names {
        remove(keys, records, &name, tally)?;
    }
    Ok(())
}
