//! Contracts that were deployed from here: their names and bundles, kept in the user's own folder.
//!
//! A contract can only be talked to with its bundle, which is nowhere on the chain. So it is kept:
//!
//! ```text
//! ~/.local/share/phat/            or $XDG_DATA_HOME/phat
//!   bundles/<code hash>.contract  as its author published it
//!   contracts/<id>.json           a Record
//! ```

use phat_client::{
    Bundle,
    bundle::BundleError,
    keys::parse_account,
    limits::MAX_BUNDLE_LEN,
    primitives::{CodeHash, ContractId, Hash},
};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// The folder.
#[derive(Clone, Debug)]
pub(crate) struct Book {
    folder: PathBuf,
}

/// A contract that is known here. Hashes are hex with `0x`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    /// What it is called here.
    pub(crate) name: String,
    /// Its id.
    pub(crate) contract: String,
    /// Hash of its code, by which its bundle is found.
    pub(crate) code_hash: String,
    /// Genesis hash of its chain: names on different chains have nothing to do with each other.
    pub(crate) genesis: String,
    /// When it was written, seconds since the Unix epoch: of two contracts of the same name, the
    /// newer one is meant.
    pub(crate) saved_at: u64,
}

/// Why the book cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BookError {
    /// The user has no folder.
    #[error("there is no home folder to keep bundles in: set XDG_DATA_HOME to a folder")]
    NoFolder,
    /// A file cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not what it was.
    #[error("{} is damaged: {source}; remove it and deploy again, or name the bundle with --bundle", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: BundleError,
    },
    /// The file is another bundle's.
    #[error("{} is the bundle of other code ({found:?}); remove it and deploy again, or name the bundle with --bundle", path.display())]
    OtherCode {
        /// The file.
        path: PathBuf,
        /// Hash of the code that it is the bundle of.
        found: CodeHash,
    },
    /// Neither a name nor an address.
    #[error("there is no contract `{asked}` here. {}", instead(.known))]
    UnknownName {
        /// What was asked for.
        asked: String,
        /// The names that are known.
        known: Vec<String>,
    },
    /// The contract is known, its bundle is not.
    #[error(
        "the bundle of this contract (code {0:?}) is not known here: name its .contract file with --bundle"
    )]
    NoBundle(CodeHash),
}

fn instead(names: &[String]) -> String {
    match names {
        [] => "Deploy one with `phat deploy`, or give its address".into(),
        names => format!(
            "Known are: {}. Otherwise give its address",
            names.join(", ")
        ),
    }
}

impl Book {
    /// The user's own.
    pub(crate) fn open() -> Result<Self, BookError> {
        let folders = directories::ProjectDirs::from("", "", "phat").ok_or(BookError::NoFolder)?;
        Ok(Self::at(folders.data_dir()))
    }

    /// The one in this folder, which is made when it is needed.
    pub(crate) fn at(folder: &Path) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// Keeps a bundle's file.
    pub(crate) fn keep_bundle(&self, code_hash: CodeHash, bytes: &[u8]) -> Result<(), BookError> {
        self.write(&self.bundle_path(code_hash), bytes)
    }

    /// Keeps a contract under a name.
    pub(crate) fn keep_contract(
        &self,
        name: &str,
        contract: ContractId,
        code_hash: CodeHash,
        genesis: Hash,
    ) -> Result<(), BookError> {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let record = Record {
            name: name.into(),
            contract: hex(contract),
            code_hash: hex(code_hash),
            genesis: hex(genesis),
            saved_at: since_epoch.as_secs(),
        };
        let path = self
            .folder
            .join("contracts")
            .join(format!("{}.json", hex(contract)));
        let json = serde_json::to_vec_pretty(&record).map_err(|error| BookError::Io {
            path: path.clone(),
            source: error.into(),
        })?;
        self.write(&path, &json)
    }

    /// What is known of a chain's contracts, the newest first.
    pub(crate) fn records(&self, genesis: Hash) -> Result<Vec<Record>, BookError> {
        let folder = self.folder.join("contracts");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => {
                return Err(BookError::Io {
                    path: folder,
                    source,
                });
            }
        };
        let mut records: Vec<Record> = entries
            .flatten()
            // A record that cannot be read is a name less, not a reason to do nothing.
            .filter_map(|entry| serde_json::from_slice(&read_limited(&entry.path()).ok()?).ok())
            .filter(|record: &Record| record.genesis == hex(genesis))
            .collect();
        records.sort_by(|a, b| {
            b.saved_at
                .cmp(&a.saved_at)
                .then_with(|| a.contract.cmp(&b.contract))
        });
        Ok(records)
    }

    /// The contract of this name or address.
    pub(crate) fn find(&self, genesis: Hash, asked: &str) -> Result<ContractId, BookError> {
        let records = self.records(genesis)?;
        if let Some(record) = records.iter().find(|record| record.name == asked)
            && let Ok(id) = parse_account(&record.contract)
        {
            return Ok(id.into());
        }
        match parse_account(asked) {
            Ok(id) => Ok(id.into()),
            Err(_) => {
                let mut known: Vec<String> =
                    records.into_iter().map(|record| record.name).collect();
                known.sort();
                known.dedup();
                Err(BookError::UnknownName {
                    asked: asked.into(),
                    known,
                })
            }
        }
    }

    /// The code of a contract that was deployed from here.
    pub(crate) fn code_of(
        &self,
        genesis: Hash,
        contract: ContractId,
    ) -> Result<Option<CodeHash>, BookError> {
        let records = self.records(genesis)?;
        let record = records
            .iter()
            .find(|record| record.contract == hex(contract));
        Ok(record.and_then(|record| {
            let mut hash = [0; 32];
            hex::decode_to_slice(record.code_hash.trim_start_matches("0x"), &mut hash).ok()?;
            Some(Hash::from(hash))
        }))
    }

    /// The bundle with this code.
    pub(crate) fn bundle(&self, code_hash: CodeHash) -> Result<Bundle, BookError> {
        let path = self.bundle_path(code_hash);
        match read_limited(&path) {
            Ok(bytes) => match Bundle::parse(&bytes) {
                // What the contract is asked would be encoded for another one.
                Ok(Bundle {
                    code_hash: found, ..
                }) if found != code_hash => Err(BookError::OtherCode { path, found }),
                Ok(bundle) => Ok(bundle),
                Err(source) => Err(BookError::Damaged { path, source }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(BookError::NoBundle(code_hash))
            }
            Err(source) => Err(BookError::Io { path, source }),
        }
    }

    fn bundle_path(&self, code_hash: CodeHash) -> PathBuf {
        self.folder
            .join("bundles")
            .join(format!("{}.contract", hex(code_hash)))
    }

    /// Writes a whole file or nothing: somebody else may be reading it.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), BookError> {
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&temporary, bytes))
            .and_then(|()| fs::rename(&temporary, path))
            .map_err(|source| BookError::Io {
                path: path.into(),
                source,
            })
    }
}

/// Reads a file that may be anything: no further than what no bundle exceeds.
pub(crate) fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(MAX_BUNDLE_LEN as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A hash in hex with `0x`.
pub(crate) fn hex(hash: Hash) -> String {
    format!("{hash:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENESIS: Hash = Hash::repeat_byte(1);

    fn book() -> (tempfile::TempDir, Book) {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::at(folder.path());
        (folder, book)
    }

    #[test]
    fn a_contract_is_found_by_name_on_its_own_chain_only() {
        let (_folder, book) = book();
        let id = Hash::repeat_byte(2);
        book.keep_contract("token", id, Hash::repeat_byte(3), GENESIS)
            .unwrap();
        assert_eq!(book.find(GENESIS, "token").unwrap(), id);
        assert!(book.find(Hash::repeat_byte(9), "token").is_err());
    }

    #[test]
    fn an_address_needs_no_record() {
        let (_folder, book) = book();
        let id = Hash::repeat_byte(2);
        assert_eq!(book.find(GENESIS, &hex(id)).unwrap(), id);
        let ss58 = phat_client::keys::address(&id.into());
        assert_eq!(book.find(GENESIS, &ss58).unwrap(), id);
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let (_folder, book) = book();
        let empty = book.find(GENESIS, "tokn").unwrap_err().to_string();
        assert!(empty.contains("phat deploy"), "{empty}");
        book.keep_contract("token", Hash::repeat_byte(2), GENESIS, GENESIS)
            .unwrap();
        book.keep_contract("http", Hash::repeat_byte(3), GENESIS, GENESIS)
            .unwrap();
        let error = book.find(GENESIS, "tokn").unwrap_err().to_string();
        assert!(error.contains("Known are: http, token"), "{error}");
    }

    #[test]
    fn bundles_are_found_by_their_code() {
        let (_folder, book) = book();
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/artifacts/token.contract");
        let bytes = fs::read(path).unwrap();
        let hash = Bundle::parse(&bytes).unwrap().code_hash;
        assert!(matches!(book.bundle(hash), Err(BookError::NoBundle(_))));
        book.keep_bundle(hash, &bytes).unwrap();
        assert_eq!(book.bundle(hash).unwrap().name, "token");
        book.keep_bundle(hash, b"{}").unwrap();
        assert!(matches!(book.bundle(hash), Err(BookError::Damaged { .. })));
    }

    #[test]
    fn the_bundle_of_other_code_is_not_taken_for_the_right_one() {
        let (_folder, book) = book();
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/artifacts/token.contract");
        let (asked, bytes) = (Hash::repeat_byte(4), fs::read(path).unwrap());
        book.keep_bundle(asked, &bytes).unwrap();
        let refused = book.bundle(asked).unwrap_err();
        assert!(matches!(refused, BookError::OtherCode { .. }), "{refused}");
    }

    #[test]
    fn damaged_records_are_passed_over() {
        let (folder, book) = book();
        book.keep_contract("token", Hash::repeat_byte(2), GENESIS, GENESIS)
            .unwrap();
        fs::write(folder.path().join("contracts/bad.json"), b"{").unwrap();
        assert_eq!(book.records(GENESIS).unwrap().len(), 1);
    }
}
