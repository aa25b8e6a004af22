//! Opening a store, and finding out in time that it is not ours to use.
//!
//! Beside the records, the file has a table with two entries: who the store belongs to (readable
//! version, sealed identity), and the sealed tally of all records (see [`crate::seal`]).

use crate::backend::CheckedFile;
use crate::batch::{Batch, CommitError};
use crate::contain::contained;
use crate::limits::CACHE_LEN;
use crate::seal::{Keys, NotAuthentic};
use crate::snapshot::{ReadError, Snapshot};
use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Sealed records by their names.
pub(crate) const RECORDS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");
/// What there is to know about the store itself.
pub(crate) const ABOUT: TableDefinition<&str, &[u8]> = TableDefinition::new("about");
const OWNER: &str = "owner";
/// Entry of [`ABOUT`] with the sealed sum over all records; also its context.
pub(crate) const TALLY: &str = "tally";
const VERSION_LEN: usize = size_of::<u32>();

/// Whom a store belongs to. It can be opened only with the values that it was created with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner<'a> {
    /// Version of what the records mean. It stands in the file readably, so that a worker of another
    /// version can say so.
    pub version: u32,
    /// Whatever tells this worker's data from that of others: a chain, a role.
    pub identity: &'a [u8],
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or this one, has it open.
    #[error("{} is in use by another process; stop that one first", .0.display())]
    Locked(PathBuf),
    /// The file cannot be created, read or written.
    #[error("{} cannot be opened for writing; check that its directory exists and is yours", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The records were written by another version.
    #[error("{} holds data of version {found}, this program uses version {expected}; \
             start over with an empty directory, or use the version that wrote it", path.display())]
    AnotherVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version asked for.
        expected: u32,
    },
    /// The key is not the one that the store was created with.
    #[error(
        "{} was sealed with another key: it is from another worker, or the worker's own key was replaced; put back what belongs together, or start over with an empty directory",
        .0.display()
    )]
    WrongKey(PathBuf),
    /// The key is right but the store belongs to another chain or worker.
    #[error("{} belongs to another worker or another chain; use a directory of its own", .0.display())]
    AnotherOwner(PathBuf),
    /// The database is damaged, or no database.
    #[error("{} is damaged or is not a store; start over with an empty directory", path.display())]
    Corrupted {
        /// The file.
        path: PathBuf,
        /// What the database says.
        source: redb::Error,
    },
    /// The database is intact, but the records are not those that were last committed.
    #[error("the records in {} have been tampered with; start over with an empty directory", .0.display())]
    Tampered(PathBuf),
    /// A new store could not be written.
    #[error("a new store cannot be written to {}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: CommitError,
    },
}

pub(crate) struct Shared {
    pub(crate) database: Database,
    pub(crate) keys: Keys,
    /// The tally of all committed records. Locked for as long as a commit takes.
    pub(crate) tally: Mutex<u128>,
}

/// An open store. Clones are the same store; the file is closed with the last of them, of its
/// snapshots and of its batches.
#[derive(Clone)]
pub struct Store(pub(crate) Arc<Shared>);

impl Store {
    /// Opens the store in the file `path`, or creates it if there is no file or an empty one. The
    /// directory must exist. `key` should come from the hardware's sealing.
    ///
    /// All of the file is read and checked, so this takes time in proportion to its size.
    pub fn open(path: &Path, key: &[u8; 32], owner: Owner<'_>) -> Result<Self, OpenError> {
        contained(|| Self::open_file(path, key, owner))
            .unwrap_or_else(|error| Err(failure(path, error)))
    }

    fn open_file(path: &Path, key: &[u8; 32], owner: Owner<'_>) -> Result<Self, OpenError> {
        let fails = |error| failure(path, error);
        let is_new = std::fs::metadata(path).map_or(true, |file| file.len() == 0);
        let io = |source| OpenError::Io {
            path: path.to_owned(),
            source,
        };
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io)?;
        if is_new {
            sync_directory(path).map_err(io)?;
        }
        let backend = FileBackend::new(file).map_err(|error| fails(error.into()))?;
        let database = redb::Builder::new()
            .set_cache_size(CACHE_LEN)
            .create_with_backend(CheckedFile(backend))
            .map_err(|error| fails(error.into()))?;

        let keys = Keys::new(key);
        let has_tables = {
            let read = database.begin_read().map_err(|error| fails(error.into()))?;
            read.list_tables()
                .map_err(|error| fails(error.into()))?
                .next()
                .is_some()
        };
        // A store whose creation was interrupted has no tables either.
        if !has_tables {
            create(&database, &keys, owner).map_err(|source| OpenError::Create {
                path: path.to_owned(),
                source,
            })?;
        }
        let tally = check(path, &database, &keys, owner)?;
        Ok(Self(Arc::new(Shared {
            database,
            keys,
            tally: Mutex::new(tally),
        })))
    }

    /// The store as it is now.
    pub fn snapshot(&self) -> Result<Snapshot, ReadError> {
        Snapshot::new(self.0.clone())
    }

    /// Begins to collect changes.
    pub fn batch(&self) -> Batch {
        Batch::new(self.0.clone())
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

/// Writes who the store belongs to, and that it has no records.
fn create(database: &Database, keys: &Keys, owner: Owner<'_>) -> Result<(), CommitError> {
    let version = owner.version.to_le_bytes();
    let sealed = keys.seal(&owner_context(version), owner.identity)?;
    let transaction = database.begin_write().map_err(redb::Error::from)?;
    {
        transaction.open_table(RECORDS).map_err(redb::Error::from)?;
        let mut about = transaction.open_table(ABOUT).map_err(redb::Error::from)?;
        let entry = [&version[..], &sealed].concat();
        about.insert(OWNER, &entry[..]).map_err(redb::Error::from)?;
        write_tally(&mut about, keys, 0)?;
    }
    transaction.commit().map_err(redb::Error::from)?;
    Ok(())
}

/// Replaces the tally of all records.
pub(crate) fn write_tally(
    about: &mut redb::Table<'_, &'static str, &'static [u8]>,
    keys: &Keys,
    tally: u128,
) -> Result<(), CommitError> {
    let sealed = keys.seal(TALLY.as_bytes(), &tally.to_le_bytes())?;
    about
        .insert(TALLY, &sealed[..])
        .map_err(redb::Error::from)?;
    Ok(())
}

/// Checks that the store is the owner's and complete; returns the tally of its records.
fn check(
    path: &Path,
    database: &Database,
    keys: &Keys,
    owner: Owner<'_>,
) -> Result<u128, OpenError> {
    let fails = |error| failure(path, error);
    let tampered = || OpenError::Tampered(path.to_owned());
    let read = database.begin_read().map_err(|error| fails(error.into()))?;
    let about = read
        .open_table(ABOUT)
        .map_err(|error| fails(error.into()))?;
    let entry = |name| -> Result<Vec<u8>, OpenError> {
        let value = about.get(name).map_err(|error| fails(error.into()))?;
        Ok(value.ok_or_else(tampered)?.value().to_vec())
    };

    let found = entry(OWNER)?;
    let (version, identity) = found
        .split_first_chunk::<VERSION_LEN>()
        .ok_or_else(tampered)?;
    if u32::from_le_bytes(*version) != owner.version {
        return Err(OpenError::AnotherVersion {
            path: path.to_owned(),
            found: u32::from_le_bytes(*version),
            expected: owner.version,
        });
    }
    let identity = keys
        .open(&owner_context(*version), identity)
        .map_err(|NotAuthentic| OpenError::WrongKey(path.to_owned()))?;
    if identity != owner.identity {
        return Err(OpenError::AnotherOwner(path.to_owned()));
    }

    let expected = keys
        .open(TALLY.as_bytes(), &entry(TALLY)?)
        .map_err(|NotAuthentic| tampered())?;
    let mut tally = 0u128;
    let records = read
        .open_table(RECORDS)
        .map_err(|error| fails(error.into()))?;
    for record in records.iter().map_err(|error| fails(error.into()))? {
        let (name, sealed) = record.map_err(|error| fails(error.into()))?;
        tally = tally.wrapping_add(keys.tally(name.value(), sealed.value()));
    }
    if expected != tally.to_le_bytes() {
        return Err(tampered());
    }
    Ok(tally)
}

/// What the sealed identity is bound to, so that the version beside it cannot be changed.
fn owner_context(version: [u8; VERSION_LEN]) -> Vec<u8> {
    [OWNER.as_bytes(), &version].concat()
}

fn failure(path: &Path, error: redb::Error) -> OpenError {
    let path = path.to_owned();
    match error {
        redb::Error::DatabaseAlreadyOpen => OpenError::Locked(path),
        // The database reports a file that is none of its own as invalid data.
        redb::Error::Io(source)
            if !matches!(
                source.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            OpenError::Io { path, source }
        }
        source => OpenError::Corrupted { path, source },
    }
}

/// Makes the name of a new file as durable as its content.
fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}
