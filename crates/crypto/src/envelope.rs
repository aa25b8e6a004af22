//! Envelopes: data and keys encrypted from one sr25519 key to another.
//!
//! Data ([`EncryptedData`]) is in the format of `@phala/sdk`: AES-256-GCM under the agreed key, with
//! a nonce of 12 bytes and the tag of 16 bytes at the end. Keys ([`SealedKey`]) are Phat's own: the
//! sender is a key made for the one message, and the cipher's key is bound to recipient and purpose.
//! Data can be bound in the same way ([`seal_data`]).

use crate::{
    contexts::Context,
    keys::{BadPublicKey, Keypair, SharedKey, hkdf},
};
use aes_gcm::{AeadInPlace, Aes256Gcm, KeyInit, Nonce, Tag, aead::Aead};
use alloc::vec::Vec;
use phat_primitives::{command::EncryptedData, message::SealedKey};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

/// Why an envelope could not be made or opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// The other side's public key is none.
    #[error(transparent)]
    BadPublicKey(#[from] BadPublicKey),
    /// The key is not the one it was encrypted for, or the data is damaged or cut off.
    #[error(
        "does not decrypt: it was encrypted for another key or another purpose, or it is damaged; encrypt it again for the present key"
    )]
    Undecipherable,
    /// More than the cipher can encrypt under one nonce (64 GiB).
    #[error("too long to encrypt at once; send it in parts")]
    TooLong,
}

/// Encrypts under a shared key. `own_public` is the sender's public key, from which the recipient
/// computes the shared key.
pub fn encrypt(
    shared: &SharedKey,
    own_public: [u8; 32],
    plain: &[u8],
    rng: &mut impl CryptoRngCore,
) -> Result<EncryptedData, EnvelopeError> {
    let iv = random(rng);
    let data = cipher(shared.expose())
        .encrypt(Nonce::from_slice(&iv), plain)
        .map_err(|_| EnvelopeError::TooLong)?;
    Ok(EncryptedData {
        iv,
        pubkey: own_public,
        data,
    })
}

/// Decrypts with a shared key: the one the recipient agrees on with `envelope.pubkey`.
pub fn decrypt(shared: &SharedKey, envelope: &EncryptedData) -> Result<Vec<u8>, EnvelopeError> {
    cipher(shared.expose())
        .decrypt(Nonce::from_slice(&envelope.iv), envelope.data.as_slice())
        .map_err(|_| EnvelopeError::Undecipherable)
}

/// Seals 32 secret bytes so that only the holder of `recipient` can open them, for the given purpose
/// (a context and data, such as the id of the cluster whose key it is).
///
/// The sender stays unnamed and keeps nothing by which it could open the seal again: whoever needs to
/// know the sender must find out from what carries the message (a signed report).
pub fn seal_key(
    recipient: &[u8; 32],
    secret: &[u8; 32],
    purpose: Context,
    data: &[u8],
    rng: &mut impl CryptoRngCore,
) -> Result<SealedKey, EnvelopeError> {
    let sender = Keypair::generate(rng);
    let ephemeral = sender.public();
    let key = transport_key(
        &sender.agree(recipient)?,
        &ephemeral,
        recipient,
        purpose,
        data,
    );
    let iv = random(rng);
    let mut sealed = [0; 48];
    let (text, tag) = sealed.split_at_mut(32);
    text.copy_from_slice(secret);
    let made = cipher(&key)
        .encrypt_in_place_detached(Nonce::from_slice(&iv), &[], text)
        .map_err(|_| EnvelopeError::TooLong)?;
    tag.copy_from_slice(&made);
    Ok(SealedKey {
        iv,
        ephemeral,
        data: sealed,
    })
}

/// Opens what [`seal_key`] sealed, with the recipient's key and the same purpose.
pub fn open_key(
    own: &Keypair,
    sealed: &SealedKey,
    purpose: Context,
    data: &[u8],
) -> Result<Zeroizing<[u8; 32]>, EnvelopeError> {
    let shared = own.agree(&sealed.ephemeral)?;
    let key = transport_key(&shared, &sealed.ephemeral, &own.public(), purpose, data);
    let (text, tag) = sealed.data.split_at(32);
    let mut secret = Zeroizing::new([0; 32]);
    secret.copy_from_slice(text);
    cipher(&key)
        .decrypt_in_place_detached(
            Nonce::from_slice(&sealed.iv),
            &[],
            &mut *secret,
            Tag::from_slice(tag),
        )
        .map_err(|_| EnvelopeError::Undecipherable)?;
    Ok(secret)
}

/// Encrypts data so that only the holder of `recipient` can read it, for the given purpose (a context
/// and data, such as the account that may send it). As with [`seal_key`], the sender stays unnamed;
/// the public key in the envelope is made for this one.
pub fn seal_data(
    recipient: &[u8; 32],
    plain: &[u8],
    purpose: Context,
    data: &[u8],
    rng: &mut impl CryptoRngCore,
) -> Result<EncryptedData, EnvelopeError> {
    let sender = Keypair::generate(rng);
    let pubkey = sender.public();
    let key = transport_key(&sender.agree(recipient)?, &pubkey, recipient, purpose, data);
    let iv = random(rng);
    let data = cipher(&key)
        .encrypt(Nonce::from_slice(&iv), plain)
        .map_err(|_| EnvelopeError::TooLong)?;
    Ok(EncryptedData { iv, pubkey, data })
}

/// Decrypts what [`seal_data`] encrypted, with the recipient's key and the same purpose.
pub fn open_data(
    own: &Keypair,
    sealed: &EncryptedData,
    purpose: Context,
    data: &[u8],
) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
    let shared = own.agree(&sealed.pubkey)?;
    let key = transport_key(&shared, &sealed.pubkey, &own.public(), purpose, data);
    cipher(&key)
        .decrypt(Nonce::from_slice(&sealed.iv), sealed.data.as_slice())
        .map(Zeroizing::new)
        .map_err(|_| EnvelopeError::Undecipherable)
}

/// The key of the cipher for a sealed key or data: HKDF over the agreed point, bound to both public keys and
/// the purpose. The two keys come first and have a fixed length, so that no data can imitate them.
fn transport_key(
    shared: &SharedKey,
    ephemeral: &[u8; 32],
    recipient: &[u8; 32],
    purpose: Context,
    data: &[u8],
) -> Zeroizing<[u8; 32]> {
    hkdf(shared.expose(), purpose, &[ephemeral, recipient, data])
}

fn cipher(key: &[u8; 32]) -> Aes256Gcm {
    Aes256Gcm::new(key.into())
}

fn random(rng: &mut impl CryptoRngCore) -> [u8; 12] {
    let mut bytes = [0; 12];
    rng.fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contexts::{CLUSTER_KEY, CLUSTER_KEY_TRANSPORT};
    use proptest::prelude::*;
    use rand_core::OsRng;

    fn key(byte: u8) -> Keypair {
        Keypair::from_seed([byte; 32])
    }

    fn envelope(plain: &[u8]) -> EncryptedData {
        let shared = key(1).agree(&key(2).public()).unwrap();
        encrypt(&shared, key(1).public(), plain, &mut OsRng).unwrap()
    }

    fn open(recipient: &Keypair, envelope: &EncryptedData) -> Result<Vec<u8>, EnvelopeError> {
        decrypt(&recipient.agree(&envelope.pubkey)?, envelope)
    }

    #[test]
    fn only_the_recipient_opens_an_envelope() {
        let envelope = envelope(b"secret");
        assert_eq!(open(&key(2), &envelope).unwrap(), b"secret");
        assert_eq!(open(&key(3), &envelope), Err(EnvelopeError::Undecipherable));
    }

    #[test]
    fn equal_data_looks_different_each_time() {
        let (one, two) = (envelope(b"same"), envelope(b"same"));
        assert_ne!(one.iv, two.iv);
        assert_ne!(one.data, two.data);
    }

    #[test]
    fn a_damaged_or_truncated_envelope_does_not_open() {
        let good = envelope(b"secret");
        for position in 0..good.data.len() {
            let mut bent = good.clone();
            bent.data[position] ^= 1;
            assert_eq!(open(&key(2), &bent), Err(EnvelopeError::Undecipherable));
            let mut short = good.clone();
            short.data.truncate(position);
            assert_eq!(open(&key(2), &short), Err(EnvelopeError::Undecipherable));
        }
        let mut other_iv = good.clone();
        other_iv.iv[0] ^= 1;
        assert_eq!(open(&key(2), &other_iv), Err(EnvelopeError::Undecipherable));
        let mut nobody = good;
        nobody.pubkey = [0; 32];
        assert_eq!(
            open(&key(2), &nobody),
            Err(EnvelopeError::BadPublicKey(BadPublicKey))
        );
    }

    #[test]
    fn a_sealed_key_opens_for_its_recipient_and_purpose_only() {
        let seal = |data: &[u8]| {
            seal_key(
                &key(2).public(),
                &[9; 32],
                CLUSTER_KEY_TRANSPORT,
                data,
                &mut OsRng,
            )
            .unwrap()
        };
        let sealed = seal(b"one");
        let refused = Err(EnvelopeError::Undecipherable);
        assert_eq!(
            open_key(&key(2), &sealed, CLUSTER_KEY_TRANSPORT, b"one").map(|secret| *secret),
            Ok([9; 32])
        );
        assert_eq!(
            open_key(&key(3), &sealed, CLUSTER_KEY_TRANSPORT, b"one"),
            refused
        );
        assert_eq!(
            open_key(&key(2), &sealed, CLUSTER_KEY_TRANSPORT, b"two"),
            refused
        );
        assert_eq!(open_key(&key(2), &sealed, CLUSTER_KEY, b"one"), refused);
        assert_ne!(seal(b"one").data, sealed.data);
        for position in 0..48 {
            let mut bent = sealed;
            bent.data[position] ^= 1;
            assert_eq!(
                open_key(&key(2), &bent, CLUSTER_KEY_TRANSPORT, b"one"),
                refused
            );
        }
    }

    #[test]
    fn sealed_data_opens_for_its_recipient_and_purpose_only() {
        let seal = || {
            seal_data(
                &key(2).public(),
                b"code",
                CLUSTER_KEY_TRANSPORT,
                b"alice",
                &mut OsRng,
            )
            .unwrap()
        };
        let sealed = seal();
        let open = |own: &Keypair, sealed: &EncryptedData, purpose, data: &[u8]| {
            open_data(own, sealed, purpose, data).map(|plain| plain.to_vec())
        };
        let refused = Err(EnvelopeError::Undecipherable);
        let purpose = CLUSTER_KEY_TRANSPORT;
        assert_eq!(
            open(&key(2), &sealed, purpose, b"alice"),
            Ok(b"code".to_vec())
        );
        assert_eq!(open(&key(3), &sealed, purpose, b"alice"), refused);
        assert_eq!(open(&key(2), &sealed, purpose, b"bob"), refused);
        assert_eq!(open(&key(2), &sealed, CLUSTER_KEY, b"alice"), refused);
        assert_ne!(seal().data, sealed.data);
        for position in 0..sealed.data.len() {
            let mut bent = sealed.clone();
            bent.data[position] ^= 1;
            assert_eq!(open(&key(2), &bent, purpose, b"alice"), refused);
            bent.data.truncate(position);
            assert_eq!(open(&key(2), &bent, purpose, b"alice"), refused);
        }
    }

    #[test]
    fn nothing_is_sealed_to_what_is_not_a_key() {
        let refused = seal_key(&[0; 32], &[9; 32], CLUSTER_KEY_TRANSPORT, b"", &mut OsRng);
        assert_eq!(refused, Err(EnvelopeError::BadPublicKey(BadPublicKey)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_is_enclosed_comes_out_again(plain in prop::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(open(&key(2), &envelope(&plain)).unwrap(), plain);
        }

        #[test]
        fn garbage_never_opens_and_never_panics(
            iv in any::<[u8; 12]>(),
            pubkey in any::<[u8; 32]>(),
            data in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let garbage = EncryptedData { iv, pubkey, data };
            prop_assert!(open(&key(2), &garbage).is_err());
        }
    }
}
