//! The worker's own key, sealed on the disk.

use crate::{
    files::{read_up_to, write_whole},
    sealing::{SealError, Sealer},
};
use phat_crypto::{Keypair, Zeroizing, contexts, rand_core::OsRng};
use std::{
    io,
    path::{Path, PathBuf},
};

/// Name of the file that holds the worker's seed, sealed.
const FILE: &str = "identity.key";
/// Most bytes of that file.
const MAX_LEN: usize = 1024;

/// Why the worker's key is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read or written.
    #[error("the worker's key {} cannot be read or written: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file cannot be unsealed. It is never replaced: with it the worker would lose its name, its
    /// records and its place.
    #[error("the worker's key {} cannot be opened: {source}. Put back the right file, or remove it to begin as a new worker", path.display())]
    Sealed {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: SealError,
    },
    /// What was sealed is not a key.
    #[error("{} does not hold a worker's key: put back the right file, or remove it to begin as a new worker", .0.display())]
    NotAKey(PathBuf),
}

/// Follows the seed in the file if the key was taken over from another worker.
const INHERITED: u8 = 1;

/// The worker's key.
#[derive(Clone)]
pub struct Identity {
    /// The key.
    pub key: Keypair,
    /// Whether another worker has had it before: see [`crate::handover`].
    pub inherited: bool,
}

/// Opens the worker's key, or makes one and seals it if there is none.
pub fn load_or_create(directory: &Path, sealer: &Sealer) -> Result<Identity, IdentityError> {
    let path = directory.join(FILE);
    let io_error = |source| IdentityError::Io {
        path: path.clone(),
        source,
    };
    match read_up_to(&path, MAX_LEN) {
        Ok(sealed) => {
            let seed = sealer
                .unseal(&sealed)
                .map_err(|source| IdentityError::Sealed {
                    path: path.clone(),
                    source,
                })?;
            let (seed, inherited) = match seed.split_first_chunk::<32>() {
                Some((seed, [])) => (seed, false),
                Some((seed, [INHERITED])) => (seed, true),
                _ => return Err(IdentityError::NotAKey(path.clone())),
            };
            Ok(Identity {
                key: Keypair::from_seed(*seed),
                inherited,
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = Keypair::generate(&mut OsRng);
            write_whole(&path, &sealer.seal(key.expose_seed())).map_err(io_error)?;
            Ok(Identity {
                key,
                inherited: false,
            })
        }
        Err(error) => Err(io_error(error)),
    }
}

/// Seals a key that another worker has had, in the place of the one that is there.
pub(crate) fn inherit(
    directory: &Path,
    sealer: &Sealer,
    key: &Keypair,
) -> Result<(), IdentityError> {
    let path = directory.join(FILE);
    let mut content = Zeroizing::new([INHERITED; 33]);
    content[..32].copy_from_slice(key.expose_seed());
    write_whole(&path, &sealer.seal(&*content)).map_err(|source| IdentityError::Io { path, source })
}

/// The key under which the worker's records are kept on disk.
pub(crate) fn store_key(identity: &Keypair) -> Zeroizing<[u8; 32]> {
    identity.derive_secret(contexts::STORE_KEY, &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn sealer(directory: &Path) -> Sealer {
        Sealer::development(directory).unwrap()
    }

    #[test]
    fn the_key_is_made_once_and_does_not_lie_in_the_open() {
        let directory = tempfile::tempdir().unwrap();
        let sealer = sealer(directory.path());
        let first = load_or_create(directory.path(), &sealer).unwrap().key;
        let again = load_or_create(directory.path(), &sealer).unwrap();
        assert_eq!(first.public(), again.key.public());
        assert!(!again.inherited);
        let file = fs::read(directory.path().join(FILE)).unwrap();
        let seed = first.expose_seed();
        assert!(!file.windows(32).any(|part| part == seed));
        #[cfg(unix)]
        for name in [FILE, "sealing.key"] {
            use std::os::unix::fs::PermissionsExt;
            let metadata = fs::metadata(directory.path().join(name)).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o077, 0, "{name}");
        }
        let other = tempfile::tempdir().unwrap();
        assert_ne!(
            load_or_create(other.path(), &sealer).unwrap().key.public(),
            first.public()
        );
    }

    #[test]
    fn a_damaged_key_is_refused_and_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let sealer = sealer(directory.path());
        load_or_create(directory.path(), &sealer).unwrap();
        let path = directory.path().join(FILE);
        let whole = fs::read(&path).unwrap();
        let mut bent = whole.clone();
        bent[40] ^= 1;
        let long = vec![1; 5000];
        for damaged in [&whole[1..], &whole[..70], b"", &bent, &long, &[1; 32]] {
            fs::write(&path, damaged).unwrap();
            let refused = load_or_create(directory.path(), &sealer).err().unwrap();
            assert!(matches!(refused, IdentityError::Sealed { .. }));
            assert_eq!(fs::read(&path).unwrap(), damaged);
        }
        for wrong in [&[1; 31][..], &[2; 33], &[1; 34]] {
            fs::write(&path, sealer.seal(wrong)).unwrap();
            let refused = load_or_create(directory.path(), &sealer).err().unwrap();
            assert!(matches!(refused, IdentityError::NotAKey(_)));
        }
    }

    #[test]
    fn another_sealing_key_opens_nothing_and_replaces_nothing() {
        let (mine, yours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key = load_or_create(mine.path(), &sealer(mine.path())).unwrap();
        let refused = load_or_create(mine.path(), &sealer(yours.path()))
            .err()
            .unwrap();
        assert!(
            matches!(
                &refused,
                IdentityError::Sealed {
                    source: SealError::WrongKey,
                    ..
                }
            ),
            "{refused}"
        );
        let again = load_or_create(mine.path(), &sealer(mine.path())).unwrap();
        assert_eq!(again.key.public(), key.key.public());
    }

    #[test]
    fn a_key_that_is_taken_over_replaces_the_own_one_and_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let sealer = sealer(directory.path());
        load_or_create(directory.path(), &sealer).unwrap();
        let other = Keypair::generate(&mut OsRng);
        inherit(directory.path(), &sealer, &other).unwrap();
        let loaded = load_or_create(directory.path(), &sealer).unwrap();
        assert_eq!(loaded.key.public(), other.public());
        assert!(loaded.inherited);
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let gone = Path::new("/nonexistent/worker");
        assert!(matches!(
            load_or_create(gone, &sealer(directory.path())),
            Err(IdentityError::Io { .. })
        ));
    }
}
