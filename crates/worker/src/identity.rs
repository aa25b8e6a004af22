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

/// Opens the worker's key, or makes one and seals it if there is none.
pub fn load_or_create(directory: &Path, sealer: &Sealer) -> Result<Keypair, IdentityError> {
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
            let seed: Zeroizing<[u8; 32]> = seed
                .as_slice()
                .try_into()
                .map(Zeroizing::new)
                .map_err(|_| IdentityError::NotAKey(path.clone()))?;
            Ok(Keypair::from_seed(*seed))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = Keypair::generate(&mut OsRng);
            write_whole(&path, &sealer.seal(key.expose_seed())).map_err(io_error)?;
            Ok(key)
        }
        Err(error) => Err(io_error(error)),
    }
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
        let first = load_or_create(directory.path(), &sealer).unwrap();
        let again = load_or_create(directory.path(), &sealer).unwrap();
        assert_eq!(first.public(), again.public());
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
            load_or_create(other.path(), &sealer).unwrap().public(),
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
            let refused = load_or_create(directory.path(), &sealer).unwrap_err();
            assert!(matches!(refused, IdentityError::Sealed { .. }));
            assert_eq!(fs::read(&path).unwrap(), damaged);
        }
        fs::write(&path, sealer.seal(&[1; 31])).unwrap();
        let refused = load_or_create(directory.path(), &sealer).unwrap_err();
        assert!(matches!(refused, IdentityError::NotAKey(_)));
    }

    #[test]
    fn another_sealing_key_opens_nothing_and_replaces_nothing() {
        let (mine, yours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key = load_or_create(mine.path(), &sealer(mine.path())).unwrap();
        let refused = load_or_create(mine.path(), &sealer(yours.path())).unwrap_err();
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
        assert_eq!(again.public(), key.public());
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
