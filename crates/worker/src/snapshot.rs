//! Snapshots of a cluster: enough, with the cluster's keys, to rebuild a worker from nothing.
//!
//! A snapshot holds the state of a cluster after one block and the receipts that are kept, encrypted
//! under the cluster's transport key and named by the state root. Workers write one now and then in
//! the background; a worker that joins, that lost its disk or that fell far behind takes one from a
//! folder, a web server or another worker, and checks it against what the chain says most workers of
//! the cluster have agreed on after that block.
//!
//! | file | what it holds |
//! |---|---|
//! | `format.rs` | how a snapshot looks as a file |
//! | `shelf.rs` | where snapshots are put and taken from |
//! | `writing.rs` | making one in the background |
//! | `taking.rs` | taking one from wherever there is one |

pub mod format;
mod shelf;
mod taking;
mod writing;

pub(crate) use format::{FormatError, Reader};
pub use shelf::Source;
pub(crate) use shelf::{FetchError, Latest, Shelf};
pub(crate) use taking::{PATH, take};
pub(crate) use writing::{Job, Photographer};

use crate::records::SnapshotRecord;
use codec::{Decode, Encode};
use phat_primitives::BlockNumber;
use std::{path::PathBuf, time::Duration};

/// Where snapshots go and come from.
#[derive(Clone, Debug)]
pub struct SnapshotConfig {
    /// Time between two snapshots. There is none if nothing has changed.
    pub every: Duration,
    /// A folder that gets every snapshot, beside the worker's own: a mounted bucket, for example.
    pub copies: Option<PathBuf>,
    /// Where to look for a snapshot before asking the other workers of the cluster.
    pub sources: Vec<Source>,
}

impl Default for SnapshotConfig {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(600),
            copies: None,
            sources: Vec::new(),
        }
    }
}

/// What a snapshot consists of. The first item is the head, and there is no other.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) enum Item {
    /// What the rest is.
    Head(Head),
    /// One of the cluster's records.
    Record(SnapshotRecord),
}

/// What a snapshot is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Head {
    /// Last block that the state contains.
    pub(crate) block: BlockNumber,
    /// Time of that block, in milliseconds since the Unix epoch.
    pub(crate) now_ms: u64,
    /// First group of receipts in it.
    pub(crate) oldest_receipts: u64,
    /// First group of blocks whose commitments are in it.
    pub(crate) oldest_blocks: u32,
}
