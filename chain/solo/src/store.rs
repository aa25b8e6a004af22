//! Blocks and state on disk.
//!
//! A block is written in one transaction, with everything that belongs to it, and
//! is on the disk when the write returns: what a client was told is never lost.
//!
//! ```text
//! meta            "format" → u32, version of this layout
//! headers         number → header (SCALE)
//! numbers         hash → number
//! bodies          number → extrinsics (SCALE)
//! justifications  number → GRANDPA justification (SCALE)
//! outbound        number → bytes under the block's outbound key
//! nodes           position ‖ hash of a trie node → (references, node)
//! removals        number → keys of nodes that this block's state no longer has
//! ```
//!
//! A node is referenced once for each time a block added it at its position, and
//! dereferenced when a block that removed it leaves the window of states that can
//! be read. Blocks themselves are kept for ever.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use codec::{Decode, Encode};
use polkadot_sdk::*;
use redb::{
    Database, DatabaseError, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable,
    StorageError, TableDefinition,
};

use sp_core::hash::H256;
use sp_runtime::OpaqueExtrinsic;
use sp_runtime::traits::BlakeTwo256;
use sp_state_machine::TrieBackendStorage;

use phat_runtime::{BlockNumber, Hash, Header};

use crate::state::{NodeChanges, State, catch};

/// Version of the layout above.
const FORMAT: u32 = 1;

/// The database's file in the data directory.
const FILE: &str = "chain.redb";

const META: TableDefinition<&str, u32> = TableDefinition::new("meta");
const HEADERS: TableDefinition<BlockNumber, &[u8]> = TableDefinition::new("headers");
const NUMBERS: TableDefinition<[u8; 32], BlockNumber> = TableDefinition::new("numbers");
const BODIES: TableDefinition<BlockNumber, &[u8]> = TableDefinition::new("bodies");
const JUSTIFICATIONS: TableDefinition<BlockNumber, &[u8]> = TableDefinition::new("justifications");
const OUTBOUND: TableDefinition<BlockNumber, &[u8]> = TableDefinition::new("outbound");
const NODES: TableDefinition<&[u8], (u32, &[u8])> = TableDefinition::new("nodes");
const REMOVALS: TableDefinition<BlockNumber, &[u8]> = TableDefinition::new("removals");

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The directory cannot be made or written.
    #[error("cannot write to the data directory {}: {source}; choose another with --data-dir", path.display())]
    Unwritable {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process has it open.
    #[error("the data directory {} is in use by another process; stop that one or choose another directory", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The file in it is not a database, or is damaged.
    #[error("{} is not a readable chain database: {source}; start afresh with --fresh or restore a copy", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: StoreError,
    },
    /// The chain in it was written by another version of this program.
    #[error("the chain in {} has data format {found}, this program writes {FORMAT}; start afresh with --fresh or use the program that wrote it", path.display())]
    OtherFormat {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The chain in it began with another genesis.
    #[error("the data directory {} holds another chain: its genesis is {found:?}, not {expected:?}; start afresh with --fresh or choose another directory", path.display())]
    OtherChain {
        /// The directory.
        path: PathBuf,
        /// Hash of the genesis block in it.
        found: Hash,
        /// Hash of the genesis block asked for.
        expected: Hash,
    },
}

/// Why the database could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed, or the disk under it.
    #[error("the chain database failed: {0}")]
    Database(#[source] Box<redb::Error>),
    /// A record does not decode.
    #[error("the chain database is damaged: {what} of block {number} does not decode")]
    Damaged {
        /// Kind of record.
        what: &'static str,
        /// Its block.
        number: BlockNumber,
    },
    /// A record that must be there is not.
    #[error("the chain database is damaged: {what} of block {number} is missing")]
    Missing {
        /// Kind of record.
        what: &'static str,
        /// Its block.
        number: BlockNumber,
    },
    /// The state is no longer, or not yet, there.
    #[error(
        "the state at block {number} cannot be read; states of blocks {oldest} to {newest} can"
    )]
    NoState {
        /// The block asked for.
        number: BlockNumber,
        /// Oldest block whose state is kept.
        oldest: BlockNumber,
        /// Newest block.
        newest: BlockNumber,
    },
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self::Database(Box::new(error.into()))
    }
}

/// Everything that belongs to one block.
pub(crate) struct NewBlock<'a> {
    pub(crate) header: &'a Header,
    pub(crate) hash: Hash,
    pub(crate) body: &'a [OpaqueExtrinsic],
    /// Absent for the genesis block alone.
    pub(crate) justification: Option<&'a [u8]>,
    pub(crate) outbound: &'a [u8],
    pub(crate) nodes: NodeChanges,
}

/// The database. Reads see whole blocks only, and do not wait for a write.
pub(crate) struct Store {
    db: Database,
    /// Blocks before the newest whose state stays readable.
    window: u32,
}

/// Opens the file, and checks the checksum of every page: the database itself does so only where it
/// was not closed, and stops with a panic later on.
fn open_database(file: &Path) -> Result<Database, DatabaseError> {
    let opened = catch(|| {
        let mut db = Database::create(file)?;
        db.check_integrity()?;
        Ok(db)
    });
    opened.unwrap_or_else(|panic| Err(StorageError::Corrupted(panic.to_string()).into()))
}

impl Store {
    /// Opens the chain in `dir` that begins with `genesis`, or begins it there. The
    /// states of the last `window` blocks stay readable.
    pub(crate) fn open(
        dir: &Path,
        genesis: NewBlock<'_>,
        window: u32,
    ) -> Result<Self, DataDirError> {
        let path = || dir.to_owned();
        fs::create_dir_all(dir).map_err(|source| DataDirError::Unwritable {
            path: path(),
            source,
        })?;
        let file = dir.join(FILE);
        let store = match open_database(&file) {
            Ok(db) => Self { db, window },
            Err(DatabaseError::DatabaseAlreadyOpen) => {
                return Err(DataDirError::Locked { path: path() });
            }
            Err(DatabaseError::Storage(redb::StorageError::Io(source)))
                if is_about_access(&source) =>
            {
                return Err(DataDirError::Unwritable {
                    path: path(),
                    source,
                });
            }
            Err(error) => {
                return Err(DataDirError::Unreadable {
                    path: file,
                    source: error.into(),
                });
            }
        };
        let unreadable = |source| DataDirError::Unreadable {
            path: file.clone(),
            source,
        };
        match store.format().map_err(unreadable)? {
            None => store.commit(genesis).map_err(unreadable)?,
            Some(FORMAT) => {
                let found = store.hash(0).map_err(unreadable)?.unwrap_or_default();
                if found != genesis.hash {
                    return Err(DataDirError::OtherChain {
                        path: path(),
                        found,
                        expected: genesis.hash,
                    });
                }
            }
            Some(found) => {
                return Err(DataDirError::OtherFormat {
                    path: path(),
                    found,
                });
            }
        }
        Ok(store)
    }

    /// The layout's version, or nothing if the database is new.
    fn format(&self) -> Result<Option<u32>, StoreError> {
        let reading = self.db.begin_read()?;
        let meta = match reading.open_table(META) {
            Ok(meta) => meta,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(meta.get("format")?.map(|format| format.value()))
    }

    /// Adds a block, all of it or nothing. It is on the disk when this returns.
    pub(crate) fn commit(&self, block: NewBlock<'_>) -> Result<(), StoreError> {
        let number = block.header.number;
        let writing = self.db.begin_write()?;
        {
            writing.open_table(META)?.insert("format", FORMAT)?;
            writing
                .open_table(HEADERS)?
                .insert(number, block.header.encode().as_slice())?;
            writing.open_table(NUMBERS)?.insert(block.hash.0, number)?;
            writing
                .open_table(BODIES)?
                .insert(number, block.body.encode().as_slice())?;
            let mut justifications = writing.open_table(JUSTIFICATIONS)?;
            if let Some(justification) = block.justification {
                justifications.insert(number, justification)?;
            }
            writing
                .open_table(OUTBOUND)?
                .insert(number, block.outbound)?;

            let mut nodes = writing.open_table(NODES)?;
            let mut removed: Vec<Vec<u8>> = Vec::new();
            let mut changes = block.nodes;
            for (key, (node, change)) in changes.drain() {
                if let Ok(added @ 1..) = u32::try_from(change) {
                    // One more for the first state, which is never forgotten: trust in the chain
                    // begins there, and workers have it proven when they join.
                    let added = added.saturating_add(u32::from(number == 0));
                    let references = nodes.get(key.as_slice())?.map_or(0, |n| n.value().0);
                    nodes.insert(
                        key.as_slice(),
                        (references.saturating_add(added), node.as_slice()),
                    )?;
                } else if change < 0 {
                    removed.extend((0..change.unsigned_abs()).map(|_| key.clone()));
                }
            }
            let mut removals = writing.open_table(REMOVALS)?;
            removals.insert(number, removed.encode().as_slice())?;

            // The states from `oldest` on do not have what `oldest` removed.
            let oldest = number.saturating_sub(self.window);
            let obsolete = removals.remove(oldest)?.map(|keys| keys.value().to_vec());
            if let Some(keys) = obsolete {
                let keys =
                    Vec::<Vec<u8>>::decode(&mut &keys[..]).map_err(|_| StoreError::Damaged {
                        what: "journal",
                        number: oldest,
                    })?;
                for key in keys {
                    let node = nodes
                        .remove(key.as_slice())?
                        .map(|node| (node.value().0, node.value().1.to_vec()));
                    if let Some((references @ 2.., node)) = node {
                        nodes.insert(key.as_slice(), (references - 1, node.as_slice()))?;
                    }
                }
            }
        }
        writing.commit()?;
        Ok(())
    }

    /// The newest block.
    pub(crate) fn best(&self) -> Result<Header, StoreError> {
        let headers = self.db.begin_read()?.open_table(HEADERS)?;
        let (number, header) = headers.last()?.ok_or(StoreError::Missing {
            what: "header",
            number: 0,
        })?;
        decode(header.value(), "header", number.value())
    }

    /// The header of block `number`.
    pub(crate) fn header(&self, number: BlockNumber) -> Result<Option<Header>, StoreError> {
        self.read(HEADERS, number)?
            .map(|header| decode(&header, "header", number))
            .transpose()
    }

    /// The hash of block `number`.
    pub(crate) fn hash(&self, number: BlockNumber) -> Result<Option<Hash>, StoreError> {
        Ok(self.header(number)?.map(|header| header.hash()))
    }

    /// The number of the block whose hash is `hash`.
    pub(crate) fn number(&self, hash: Hash) -> Result<Option<BlockNumber>, StoreError> {
        let numbers = self.db.begin_read()?.open_table(NUMBERS)?;
        Ok(numbers.get(hash.0)?.map(|number| number.value()))
    }

    /// The extrinsics of block `number`.
    pub(crate) fn body(
        &self,
        number: BlockNumber,
    ) -> Result<Option<Vec<OpaqueExtrinsic>>, StoreError> {
        self.read(BODIES, number)?
            .map(|body| decode(&body, "body", number))
            .transpose()
    }

    /// The justification of block `number`.
    pub(crate) fn justification(&self, number: BlockNumber) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(JUSTIFICATIONS, number)
    }

    /// The bytes that stood under the outbound key after block `number`.
    pub(crate) fn outbound(&self, number: BlockNumber) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(OUTBOUND, number)
    }

    /// The state after block `number`: one of the newest, or the first.
    pub(crate) fn state(&self, number: BlockNumber) -> Result<State<Nodes>, StoreError> {
        // One read transaction for the bounds and for the nodes: what it sees
        // stays, whatever is written and pruned meanwhile.
        let reading = self.db.begin_read()?;
        let headers = reading.open_table(HEADERS)?;
        let newest = headers.last()?.map_or(0, |(number, _)| number.value());
        let oldest = newest.saturating_sub(self.window);
        let header = headers
            .get(number)?
            .filter(|_| number >= oldest || number == 0)
            .ok_or(StoreError::NoState {
                number,
                oldest,
                newest,
            })?;
        let header: Header = decode(header.value(), "header", number)?;
        Ok(State::new(Nodes::open(&reading)?, header.state_root))
    }

    fn read(
        &self,
        table: TableDefinition<BlockNumber, &'static [u8]>,
        number: BlockNumber,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let table = self.db.begin_read()?.open_table(table)?;
        Ok(table.get(number)?.map(|bytes| bytes.value().to_vec()))
    }

    #[cfg(test)]
    pub(crate) fn node_count(&self) -> u64 {
        use redb::ReadableTableMetadata;
        let reading = self.db.begin_read().expect("the database is open");
        let nodes = reading.open_table(NODES).expect("the table is there");
        nodes.len().expect("the table can be read")
    }
}

fn decode<T: Decode>(
    mut bytes: &[u8],
    what: &'static str,
    number: BlockNumber,
) -> Result<T, StoreError> {
    T::decode(&mut bytes).map_err(|_| StoreError::Damaged { what, number })
}

fn is_about_access(error: &io::Error) -> bool {
    use io::ErrorKind::{IsADirectory, PermissionDenied, ReadOnlyFilesystem, StorageFull};
    matches!(
        error.kind(),
        PermissionDenied | ReadOnlyFilesystem | StorageFull | IsADirectory
    )
}

/// The trie nodes as they were when a read began.
pub(crate) struct Nodes(ReadOnlyTable<&'static [u8], (u32, &'static [u8])>);

impl Nodes {
    fn open(reading: &ReadTransaction) -> Result<Self, StoreError> {
        Ok(Self(reading.open_table(NODES)?))
    }
}

impl TrieBackendStorage<BlakeTwo256> for Nodes {
    fn get(&self, key: &H256, prefix: (&[u8], Option<u8>)) -> Result<Option<Vec<u8>>, String> {
        let key = sp_trie::prefixed_key::<BlakeTwo256>(key, prefix);
        match self.0.get(key.as_slice()) {
            Ok(node) => Ok(node.map(|node| node.value().1.to_vec())),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
