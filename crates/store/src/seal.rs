//! How records look on disk: what hides their names, seals their values and notices that one is
//! missing.
//!
//! Three keys come from the store's key, each by keyed BLAKE2b of a label:
//!
//! - *names* hides which record is which. A record is found under
//!   `prf(space)[8] ‖ prf(space, group)[16] ‖ prf(space, group, key)[16]`, so that a space and a
//!   group are each one range of the table.
//! - *values* seals: XChaCha20-Poly1305 over the SCALE tuple of space, group, key and value, with the
//!   name on disk as associated data. The nonce has 24 random bytes: a counter would be used twice
//!   once somebody puts back an old copy of the file.
//! - *tally* adds up one number per record, made from its name, nonce and tag. The sum is stored
//!   sealed. A record that was removed, or put back to an earlier value, does not add up.

use crate::Space;
use blake2::Blake2bMac;
use blake2::digest::consts::{U16, U32};
use blake2::digest::generic_array::{ArrayLength, GenericArray};
use blake2::digest::typenum::{IsLessOrEqual, LeEq, NonZero, U64};
use blake2::digest::{FixedOutput, KeyInit, Update};
use chacha20poly1305::aead::rand_core::RngCore;
use chacha20poly1305::aead::{AeadInPlace, OsRng};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use codec::{DecodeAll, Encode};
use zeroize::Zeroizing;

const SPACE_LEN: usize = 8;
const PART_LEN: usize = 16;
const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;

/// Name of a record on disk.
pub(crate) type Name = [u8; SPACE_LEN + 2 * PART_LEN];

/// A record in the open.
#[derive(Clone, PartialEq, Eq, Debug, codec::Decode)]
pub struct Record {
    /// The space it is in.
    pub space: Space,
    /// The group it belongs to.
    pub group: Vec<u8>,
    /// Its key within the group.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

/// The bytes were not sealed under this key and name.
#[derive(Debug)]
pub(crate) struct NotAuthentic;

/// The operating system gave no random bytes.
#[derive(Debug)]
pub(crate) struct NoRandomness;

/// The keys of a store.
pub(crate) struct Keys {
    names: [u8; 32],
    tally: [u8; 32],
    values: XChaCha20Poly1305,
}

impl Keys {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let subkey = |label: &[u8]| mac::<U32>(key, &[label]);
        Self {
            names: subkey(b"phat-store names").into(),
            tally: subkey(b"phat-store tally").into(),
            values: XChaCha20Poly1305::new(&subkey(b"phat-store values")),
        }
    }

    /// What the names of all records of a space begin with.
    pub(crate) fn space_prefix(&self, space: Space) -> Vec<u8> {
        prf(&self.names, &[&[0, space.0]])[..SPACE_LEN].to_vec()
    }

    /// What the names of all records of a group begin with.
    pub(crate) fn group_prefix(&self, space: Space, group: &[u8]) -> Vec<u8> {
        let mut prefix = self.space_prefix(space);
        prefix.extend(prf(&self.names, &[&[1, space.0], group]));
        prefix
    }

    /// The name of a record.
    pub(crate) fn name(&self, space: Space, group: &[u8], key: &[u8]) -> Name {
        let mut name = [0; SPACE_LEN + 2 * PART_LEN];
        let (prefix, last) = name.split_at_mut(SPACE_LEN + PART_LEN);
        prefix.copy_from_slice(&self.group_prefix(space, group));
        let group_len = (group.len() as u64).to_le_bytes();
        last.copy_from_slice(&prf(&self.names, &[&[2, space.0], &group_len, group, key]));
        name
    }

    /// Seals a record under its name.
    pub(crate) fn seal_record(
        &self,
        name: &Name,
        space: Space,
        group: &[u8],
        key: &[u8],
        value: &[u8],
    ) -> Result<Vec<u8>, NoRandomness> {
        self.seal(name, &Zeroizing::new((space, group, key, value).encode()))
    }

    /// Opens the record that is stored under `name`.
    pub(crate) fn open_record(&self, name: &[u8], sealed: &[u8]) -> Result<Record, NotAuthentic> {
        let plain = Zeroizing::new(self.open(name, sealed)?);
        // That the content belongs to this name follows from the associated data.
        Record::decode_all(&mut &plain[..]).map_err(|_| NotAuthentic)
    }

    /// Encrypts `plain`, bound to `context`.
    pub(crate) fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, NoRandomness> {
        let mut sealed = vec![0; NONCE_LEN];
        OsRng
            .try_fill_bytes(&mut sealed)
            .map_err(|_| NoRandomness)?;
        let nonce = *XNonce::from_slice(&sealed);
        sealed.reserve_exact(plain.len() + TAG_LEN);
        sealed.extend_from_slice(plain);
        let tag = self
            .values
            .encrypt_in_place_detached(&nonce, context, &mut sealed[NONCE_LEN..])
            .expect("what is sealed is shorter than the cipher's limit of 256 GiB");
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Decrypts what was sealed with the same context.
    pub(crate) fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, NotAuthentic> {
        let (nonce, cipher) = sealed.split_at_checked(NONCE_LEN).ok_or(NotAuthentic)?;
        let mut plain = cipher.to_vec();
        self.values
            .decrypt_in_place(XNonce::from_slice(nonce), context, &mut plain)
            .map_err(|_| NotAuthentic)?;
        Ok(plain)
    }

    /// What a record adds to the tally of all records.
    pub(crate) fn tally(&self, name: &[u8], sealed: &[u8]) -> u128 {
        let nonce = &sealed[..NONCE_LEN.min(sealed.len())];
        let tag = &sealed[sealed.len().saturating_sub(TAG_LEN)..];
        u128::from_le_bytes(prf(&self.tally, &[name, nonce, tag]))
    }
}

fn prf(key: &[u8; 32], parts: &[&[u8]]) -> [u8; PART_LEN] {
    mac::<U16>(key, parts).into()
}

/// BLAKE2b with a key and `Len` bytes of output.
fn mac<Len>(key: &[u8; 32], parts: &[&[u8]]) -> GenericArray<u8, Len>
where
    Len: ArrayLength<u8> + IsLessOrEqual<U64>,
    LeEq<Len, U64>: NonZero,
{
    let mut mac =
        <Blake2bMac<Len> as KeyInit>::new_from_slice(key).expect("BLAKE2b takes a key of 32 bytes");
    for part in parts {
        mac.update(part);
    }
    mac.finalize_fixed()
}
