//! The worker's own key and how it shows what it runs on.

use phat_attestation::{Claims, Evidence, software};
use phat_crypto::{Keypair, contexts, rand_core::OsRng};
use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// Name of the file that holds the worker's seed.
const FILE: &str = "identity.key";

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
    /// The file does not hold a key.
    #[error("{} does not hold a worker's key: put back the right file, or remove it to begin as a new worker", .0.display())]
    NotAKey(PathBuf),
}

/// Reads the worker's key, or makes one if there is none. Only the file's owner may read it; nothing
/// seals it to the hardware, which is why it goes with software evidence only.
pub fn load_or_create(directory: &Path) -> Result<Keypair, IdentityError> {
    let path = directory.join(FILE);
    let io_error = |source| IdentityError::Io {
        path: path.clone(),
        source,
    };
    match fs::File::open(&path) {
        Ok(mut file) => {
            let mut bytes = Vec::new();
            Read::by_ref(&mut file)
                .take(33)
                .read_to_end(&mut bytes)
                .map_err(io_error)?;
            let seed = bytes
                .try_into()
                .map_err(|_| IdentityError::NotAKey(path.clone()))?;
            Ok(Keypair::from_seed(seed))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = Keypair::generate(&mut OsRng);
            write_whole(&path, key.expose_seed()).map_err(io_error)?;
            Ok(key)
        }
        Err(error) => Err(io_error(error)),
    }
}

/// Writes a file so that it is there whole or not at all, also when the power fails.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    // What a crash has left there may be readable for others: it is made anew.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    match path.parent() {
        Some(directory) => fs::File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// The key under which the worker's records are kept on disk.
pub(crate) fn store_key(identity: &Keypair) -> phat_crypto::Zeroizing<[u8; 32]> {
    identity.derive_secret(contexts::STORE_KEY, &[])
}

/// Makes evidence of what the worker runs on.
pub trait Attester: Send + Sync {
    /// Evidence for these claims. The measurement in them is replaced by the one that was measured,
    /// where something measures it.
    fn attest(&self, claims: Claims) -> Evidence;
}

/// Makes software evidence, under the development root: it proves nothing, and only chains whose
/// genesis names that root accept it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SoftwareAttester;

impl Attester for SoftwareAttester {
    fn attest(&self, claims: Claims) -> Evidence {
        software::attest(&software::dangerous_development_root(), claims, &mut OsRng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_only_its_owner_can_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let first = load_or_create(directory.path()).unwrap();
        let again = load_or_create(directory.path()).unwrap();
        assert_eq!(first.public(), again.public());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(directory.path().join(FILE))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o077, 0);
        }
        let other = tempfile::tempdir().unwrap();
        assert_ne!(
            load_or_create(other.path()).unwrap().public(),
            first.public()
        );
    }

    #[test]
    fn a_damaged_key_is_refused_and_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        for damaged in [&[1; 31][..], &[1; 33], b""] {
            fs::write(&path, damaged).unwrap();
            let refused = load_or_create(directory.path()).unwrap_err();
            assert!(matches!(refused, IdentityError::NotAKey(_)));
            assert_eq!(fs::read(&path).unwrap(), damaged);
        }
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        let gone = Path::new("/nonexistent/worker");
        assert!(matches!(
            load_or_create(gone),
            Err(IdentityError::Io { .. })
        ));
    }
}
