//! The database's file, presented so that the database checks all of it when it opens it.
//!
//! redb keeps a checksum of every page, but looks at the checksums only when it has to repair a file
//! that was not closed cleanly. After a clean close it trusts the file, and a flipped bit makes it
//! panic. It knows a clean close by a flag in the file's first page (bit 2 of byte 9, see "god byte"
//! in redb's design document: the last commit was of the kind that a clean close ends with).
//! Here the flag always reads as not set. The repair that follows changes nothing in a good file; in
//! a damaged one it falls back to the commit before the last, if that one is good, or reports the
//! damage.

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};
use std::io::Error;
use std::ops::Bound;

/// Position of the byte with the flag.
const FLAGS_OFFSET: u64 = 9;
/// The flag.
const TWO_PHASE_COMMIT: u8 = 0b100;

/// A file that always looks as if it had not been closed cleanly.
#[derive(Debug)]
pub(crate) struct CheckedFile(pub(crate) FileBackend);

impl StorageBackend for CheckedFile {
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        self.0.read(offset, out)?;
        let position = FLAGS_OFFSET
            .checked_sub(offset)
            .and_then(|at| usize::try_from(at).ok());
        if let Some(flags) = position.and_then(|position| out.get_mut(position)) {
            *flags &= !TWO_PHASE_COMMIT;
        }
        Ok(())
    }

    fn len(&self) -> Result<u64, Error> {
        self.0.len()
    }

    fn set_len(&self, len: u64) -> Result<(), Error> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> Result<(), Error> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.0.write(offset, data)
    }

    fn close(&self) -> Result<(), Error> {
        self.0.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}
