//! Encrypted, crash-safe storage of a worker.
//!
//! A [`Store`] is one file that holds records: a value under a [`Space`], a group and a key. The file
//! shows how many records there are and how long they are, and nothing else; without the store's key
//! neither names nor values can be read or made.
//!
//! - A [`Batch`] changes many records at once: after a crash at any moment either all of it is there
//!   or nothing. [`Batch::commit`] returns when the disk has it.
//! - A [`Snapshot`] is the store as it was at one moment. It is cheap, can be shared between threads,
//!   and later batches do not change it.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use phat_store::{Owner, Space, Store};
//!
//! const ACCOUNTS: Space = Space(1);
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("worker.db");
//! let owner = Owner { version: 1, identity: b"genesis and worker" };
//! let store = Store::open(&path, &[7; 32], owner)?;
//! let mut batch = store.batch();
//! batch.put(ACCOUNTS, b"cluster", b"alice", 10u32.to_le_bytes());
//! batch.commit()?;
//! let value = store.snapshot()?.get(ACCOUNTS, b"cluster", b"alice")?;
//! assert_eq!(value, Some(10u32.to_le_bytes().to_vec()));
//! # Ok(())
//! # }
//! ```
//!
//! # What is noticed, and what is not
//!
//! The file lies on the disk of somebody who is not trusted. A record that was changed, moved to
//! another name, made up, removed or put back to an earlier value is noticed when the store is
//! opened, at the latest when it is read; so is damage to the database around the records. Two
//! things cannot be noticed here:
//!
//! - *The whole file put back to an earlier state.* It was authentic then. The worker compares the
//!   state root and the block it resumes at with what the chain knows.
//! - *Which records are touched when.* Names are the same for as long as the key is.
//!
//! Records are sealed one by one above an ordinary database (redb), rather than pages below it, so
//! that a torn write damages what the database repairs, not what nobody can. The price is that the
//! database parses bytes that were not authenticated. It checks its own checksums when the store is
//! opened, which catches accidents. Somebody who forges pages with good checksums, or while the
//! process runs, may make it stop with a panic, which becomes an error (`contain`); they cannot make it
//! return a record that is not authentic.

mod backend;
mod batch;
mod contain;
pub mod limits;
mod open;
mod seal;
mod snapshot;

pub use batch::{Batch, CommitError};
pub use open::{OpenError, Owner, Store};
pub use seal::Record;
pub use snapshot::{Entry, ReadError, Snapshot};

/// A kind of record. The user of the store chooses the numbers; records of different spaces never
/// meet.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, codec::Encode, codec::Decode,
)]
pub struct Space(pub u8);
