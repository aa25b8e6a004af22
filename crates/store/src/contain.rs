//! What becomes of a panic of the database.
//!
//! The database parses bytes of a file that is somebody else's. Its checksums are good for accidents;
//! whoever computes new ones, or changes the file while it is open, can make it stop in the middle. That
//! is an error like others: the worker goes on, says so, and serves nothing that it cannot read.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Does something with the database. If that panics there is an error in place of the result.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) -> Result<T, redb::Error> {
    // Nothing of ours is changed before the database has done its part; what is the database's own
    // stays poisoned, and gives errors from then on.
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| {
        redb::Error::Corrupted("it could not be worked with, and is probably damaged".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_database_is_an_error() {
        let failed = contained(|| -> u8 { panic!("a page that cannot be") });
        assert!(matches!(failed, Err(redb::Error::Corrupted(_))));
        assert_eq!(contained(|| 7).ok(), Some(7));
    }
}
