//! Reading the store as it was at one moment.

use crate::Space;
use crate::contain::contained;
use crate::open::{RECORDS, Shared};
use crate::seal::{NotAuthentic, Record};
use redb::{ReadOnlyTable, ReadableDatabase};
use std::sync::Arc;

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// What is stored under the name was not written by this store's owner for this name.
    #[error("a record has been tampered with; start over with an empty directory")]
    Tampered,
    /// There are more records than asked for.
    #[error("there are more than {limit} records")]
    TooMany {
        /// How many were asked for.
        limit: usize,
    },
    /// The database or the disk failed.
    #[error("the store cannot be read")]
    Storage(#[from] redb::Error),
}

/// Key and value of a record.
pub type Entry = (Vec<u8>, Vec<u8>);

/// The store as it was when the snapshot was taken. Clones are the same snapshot.
///
/// As long as a snapshot exists, the file keeps what later batches have replaced: drop it when the
/// work is done.
#[derive(Clone)]
pub struct Snapshot(Arc<Inner>);

struct Inner {
    records: ReadOnlyTable<&'static [u8], &'static [u8]>,
    shared: Arc<Shared>,
}

impl Snapshot {
    pub(crate) fn new(shared: Arc<Shared>) -> Result<Self, ReadError> {
        let records = contained(|| -> Result<_, redb::Error> {
            Ok(shared.database.begin_read()?.open_table(RECORDS)?)
        })??;
        Ok(Self(Arc::new(Inner { records, shared })))
    }

    /// The value of a record, if it is there.
    pub fn get(
        &self,
        space: Space,
        group: &[u8],
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let Inner { records, shared } = &*self.0;
        let name = shared.keys.name(space, group, key);
        let found = contained(|| records.get(&name[..]))?.map_err(redb::Error::from)?;
        let Some(sealed) = found else {
            return Ok(None);
        };
        let record = shared
            .keys
            .open_record(&name, sealed.value())
            .map_err(|NotAuthentic| ReadError::Tampered)?;
        Ok(Some(record.value))
    }

    /// Keys and values of all records of a group, in no particular order. Fails if there are more
    /// than `limit`.
    pub fn group(&self, space: Space, group: &[u8], limit: usize) -> Result<Vec<Entry>, ReadError> {
        let prefix = self.0.shared.keys.group_prefix(space, group);
        let records = self.range(&prefix, limit)?;
        Ok(records
            .into_iter()
            .map(|record| (record.key, record.value))
            .collect())
    }

    /// All records of a space, those of one group together, otherwise in no particular order. Fails
    /// if there are more than `limit`.
    pub fn all(&self, space: Space, limit: usize) -> Result<Vec<Record>, ReadError> {
        self.range(&self.0.shared.keys.space_prefix(space), limit)
    }

    /// Calls `visit` with each record of a space, in no particular order, until it fails. Only one
    /// record is in memory at a time.
    pub fn for_each<E: From<ReadError>>(
        &self,
        space: Space,
        mut visit: impl FnMut(Record) -> Result<(), E>,
    ) -> Result<(), E> {
        self.visit(&self.0.shared.keys.space_prefix(space), &mut visit)
    }

    fn range(&self, prefix: &[u8], limit: usize) -> Result<Vec<Record>, ReadError> {
        let mut found = Vec::new();
        self.visit(prefix, &mut |record| {
            if found.len() == limit {
                return Err(ReadError::TooMany { limit });
            }
            found.push(record);
            Ok(())
        })?;
        Ok(found)
    }

    fn visit<E: From<ReadError>>(
        &self,
        prefix: &[u8],
        visit: &mut impl FnMut(Record) -> Result<(), E>,
    ) -> Result<(), E> {
        let Inner { records, shared } = &*self.0;
        let end = after(prefix);
        let range = || match &end {
            Some(end) => records.range(prefix..&end[..]),
            None => records.range(prefix..),
        };
        let failed = |error: redb::Error| ReadError::Storage(error);
        let mut range = contained(range)
            .map_err(failed)?
            .map_err(|error| failed(error.into()))?;
        while let Some(entry) = contained(|| range.next()).map_err(failed)? {
            let (name, sealed) = entry.map_err(|error| failed(error.into()))?;
            let record = shared
                .keys
                .open_record(name.value(), sealed.value())
                .map_err(|NotAuthentic| ReadError::Tampered)?;
            visit(record)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}

/// The first name after all names with this prefix; `None` if there is none, the prefix being all
/// ones.
pub(crate) fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}
