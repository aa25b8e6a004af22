//! Keeps the worker's identity on the disk, under a key that the platform gives.
//!
//! | from | the key | who gets it |
//! |---|---|---|
//! | [`Sealer::gramine`] | SGX's sealing key of the enclave's signer, from Gramine | enclaves on this machine that the same signer has signed, so also the next version |
//! | [`Sealer::key_file`] | a file that the guest's measured boot has unlocked | whoever the boot lets in: see `operators/README.md` |
//! | [`Sealer::development`] | a file beside the identity | everybody who may read it: it protects nothing, and goes with software evidence only |
//!
//! What is sealed:
//!
//! ```text
//! version (1) ‖ where the key is from (1) ‖ nonce (24) ‖ XChaCha20-Poly1305(secret ‖ tag)
//! ```
//!
//! The first two bytes are the associated data. The key is BLAKE2b-256 over the context
//! `phat/sealed-identity`, a zero byte, and what the platform gave.
//!
//! Sealing does not tell an old copy from a new one. Nothing here needs that: an identity never changes.

use crate::files::{read_up_to, write_whole};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use phat_crypto::{
    Zeroizing,
    contexts::{SEALED_IDENTITY, signing_payload},
    rand_core::{OsRng, RngCore},
};
use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// Name of the development sealer's file.
const DEVELOPMENT_FILE: &str = "sealing.key";
/// Where Gramine shows the key of the enclave's signer, under its folder.
const GRAMINE_KEY: &str = "keys/_sgx_mrsigner";
/// Bytes of Gramine's key.
const GRAMINE_KEY_LEN: usize = 16;
/// Fewest bytes of a key file: what cannot be guessed.
const MIN_KEY_LEN: usize = 32;
/// Most bytes of a key file.
const MAX_KEY_LEN: usize = 4096;

const VERSION: u8 = 1;
const HEAD_LEN: usize = 2;
const NONCE_LEN: usize = 24;

/// Why nothing can be sealed, or opened again.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key cannot be read, or the development key cannot be made.
    #[error("the sealing key {} cannot be read: {source}", path.display())]
    Key {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is something else in place of the key.
    #[error("{} is no sealing key: it must have {expected}; put back the right file", path.display())]
    NotAKey {
        /// Which file.
        path: PathBuf,
        /// What a key has.
        expected: &'static str,
    },
    /// The bytes are not what a sealer makes.
    #[error("it is damaged, or was sealed by a newer version of the program")]
    NotSealed,
    /// Sealed under a key from elsewhere.
    #[error(
        "it was sealed with {by}, and the worker was started with {present}: start it as before"
    )]
    OtherOrigin {
        /// Where its key is from.
        by: Origin,
        /// Where the present one is from.
        present: Origin,
    },
    /// Sealed under another key, or changed.
    #[error(
        "it was sealed under another key or has been changed: it opens only on the machine and, with SGX, to the signer that sealed it"
    )]
    WrongKey,
}

/// Where a sealing key is from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A file beside the identity.
    Development,
    /// Gramine.
    Gramine,
    /// A file that was named.
    KeyFile,
}

impl Origin {
    const ALL: [Self; 3] = [Self::Development, Self::Gramine, Self::KeyFile];

    fn byte(self) -> u8 {
        match self {
            Self::Development => 0,
            Self::Gramine => 1,
            Self::KeyFile => 2,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Development => "a development key",
            Self::Gramine => "the enclave's own key",
            Self::KeyFile => "a key file",
        })
    }
}

/// Seals secrets and opens them again. The key is erased when this is dropped, and shown by no
/// formatter.
pub struct Sealer {
    key: Zeroizing<[u8; 32]>,
    origin: Origin,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Sealer {
    fn new(origin: Origin, material: &[u8]) -> Self {
        let material = Zeroizing::new(signing_payload(SEALED_IDENTITY, material));
        Self {
            key: Zeroizing::new(phat_primitives::blake2_256(&material)),
            origin,
        }
    }

    /// Under a key in a file in `directory` that only its owner may read, made if it is not there.
    pub fn development(directory: &Path) -> Result<Self, SealError> {
        let path = directory.join(DEVELOPMENT_FILE);
        let failed = |source| SealError::Key {
            path: path.clone(),
            source,
        };
        match read_up_to(&path, MIN_KEY_LEN).map(Zeroizing::new) {
            Ok(key) if key.len() == MIN_KEY_LEN => Ok(Self::new(Origin::Development, &key)),
            Ok(_) => Err(SealError::NotAKey {
                path,
                expected: "32 bytes",
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut key = Zeroizing::new([0; MIN_KEY_LEN]);
                OsRng.fill_bytes(&mut *key);
                write_whole(&path, &*key).map_err(failed)?;
                Ok(Self::new(Origin::Development, &*key))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Under the enclave's key. `root` is `/dev/attestation`.
    pub fn gramine(root: &Path) -> Result<Self, SealError> {
        let key = read_key(
            &root.join(GRAMINE_KEY),
            GRAMINE_KEY_LEN,
            GRAMINE_KEY_LEN,
            "16 bytes",
        )?;
        Ok(Self::new(Origin::Gramine, &key))
    }

    /// Under a key in a file that somebody else has made.
    pub fn key_file(path: &Path) -> Result<Self, SealError> {
        let key = read_key(path, MIN_KEY_LEN, MAX_KEY_LEN, "32 to 4096 random bytes")?;
        Ok(Self::new(Origin::KeyFile, &key))
    }

    fn head(&self) -> [u8; HEAD_LEN] {
        [VERSION, self.origin.byte()]
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.key).into())
    }

    /// Seals a secret.
    pub fn seal(&self, secret: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        OsRng.fill_bytes(&mut nonce);
        let payload = Payload {
            msg: secret,
            aad: &self.head(),
        };
        let sealed = self
            .cipher()
            .encrypt(XNonce::from_slice(&nonce), payload)
            .expect("a secret is shorter than the cipher's limit of 256 GiB");
        [&self.head()[..], &nonce, &sealed].concat()
    }

    /// Opens what was sealed.
    pub fn unseal(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (head, rest) = sealed
            .split_at_checked(HEAD_LEN)
            .ok_or(SealError::NotSealed)?;
        let (nonce, cipher) = rest
            .split_at_checked(NONCE_LEN)
            .ok_or(SealError::NotSealed)?;
        if head[0] != VERSION {
            return Err(SealError::NotSealed);
        }
        let by = Origin::ALL
            .into_iter()
            .find(|origin| origin.byte() == head[1]);
        let by = by.ok_or(SealError::NotSealed)?;
        if by != self.origin {
            return Err(SealError::OtherOrigin {
                by,
                present: self.origin,
            });
        }
        let payload = Payload {
            msg: cipher,
            aad: head,
        };
        self.cipher()
            .decrypt(XNonce::from_slice(nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| SealError::WrongKey)
    }
}

fn read_key(
    path: &Path,
    least: usize,
    most: usize,
    expected: &'static str,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let key = read_up_to(path, most).map_err(|source| SealError::Key {
        path: path.to_owned(),
        source,
    })?;
    let key = Zeroizing::new(key);
    if !(least..=most).contains(&key.len()) {
        return Err(SealError::NotAKey {
            path: path.to_owned(),
            expected,
        });
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A folder as Gramine shows it.
    fn gramine(key: &[u8]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("keys")).unwrap();
        fs::write(root.path().join(GRAMINE_KEY), key).unwrap();
        root
    }

    #[test]
    fn what_is_sealed_opens_under_the_same_key_only() {
        let sealer = Sealer::gramine(gramine(&[7; 16]).path()).unwrap();
        let sealed = sealer.seal(b"secret");
        assert_eq!(&sealed[..2], [1, 1]);
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        assert_ne!(sealed, sealer.seal(b"secret"), "every nonce is new");
        // A restart, or the next version of the same signer.
        let again = Sealer::gramine(gramine(&[7; 16]).path()).unwrap();
        assert_eq!(&again.unseal(&sealed).unwrap()[..], b"secret");
        let other = Sealer::gramine(gramine(&[8; 16]).path()).unwrap();
        assert!(matches!(other.unseal(&sealed), Err(SealError::WrongKey)));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let sealer = Sealer::development(directory.path()).unwrap();
        let sealed = sealer.seal(&[9; 32]);
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(sealer.unseal(&changed).is_err(), "byte {position}");
            assert!(sealer.unseal(&sealed[..position]).is_err());
        }
    }

    #[test]
    fn a_key_from_elsewhere_is_told_from_a_wrong_one() {
        let directory = tempfile::tempdir().unwrap();
        let development = Sealer::development(directory.path()).unwrap();
        let file = Sealer::key_file(&directory.path().join(DEVELOPMENT_FILE)).unwrap();
        let refused = file.unseal(&development.seal(b"secret")).unwrap_err();
        let expected = (Origin::Development, Origin::KeyFile);
        assert!(
            matches!(refused, SealError::OtherOrigin { by, present } if (by, present) == expected)
        );
    }

    #[test]
    fn keys_of_a_wrong_length_are_refused() {
        for wrong in [&[7; 15][..], &[7; 17], &[]] {
            let refused = Sealer::gramine(gramine(wrong).path());
            assert!(matches!(refused, Err(SealError::NotAKey { .. })));
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        for (length, good) in [(31, false), (32, true), (4096, true), (4097, false)] {
            fs::write(&path, vec![7; length]).unwrap();
            assert_eq!(Sealer::key_file(&path).is_ok(), good, "{length}");
        }
        fs::write(directory.path().join(DEVELOPMENT_FILE), [7; 31]).unwrap();
        let refused = Sealer::development(directory.path());
        assert!(matches!(refused, Err(SealError::NotAKey { .. })));
        let missing = Sealer::key_file(&directory.path().join("missing"));
        assert!(matches!(missing, Err(SealError::Key { .. })));
    }

    #[test]
    fn formatters_show_no_key() {
        let sealer = Sealer::new(Origin::KeyFile, &[7; 32]);
        let shown = format!("{sealer:?}");
        assert!(shown.contains("KeyFile") && !shown.contains('7'), "{shown}");
    }
}
