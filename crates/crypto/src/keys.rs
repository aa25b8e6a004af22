//! sr25519 keys: signing, key agreement, derivation. Equal byte for byte to what polkadot.js and
//! Substrate compute from the same seed.

use crate::contexts::{Context, signing_payload};
use core::fmt;
use curve25519_dalek::{Scalar, traits::IsIdentity};
use hkdf::Hkdf;
use rand_core::CryptoRngCore;
use schnorrkel::{ExpansionMode, MiniSecretKey, PublicKey, Signature, context::attach_rng};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The signing context that Substrate uses for every sr25519 signature.
const SUBSTRATE: &[u8] = b"substrate";

/// Bytes that are not an sr25519 public key, or the one (the neutral element) that nobody can hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "not an sr25519 public key: check that the 32 bytes were copied whole and are not an address of another kind"
)]
pub struct BadPublicKey;

/// An sr25519 key with its seed. The secret is erased from memory when it is dropped, and shown by
/// no formatter.
#[derive(Clone)]
pub struct Keypair {
    pair: schnorrkel::Keypair,
    seed: Zeroizing<[u8; 32]>,
}

impl Keypair {
    /// The key that polkadot.js's `sr25519PairFromSeed` and Substrate make from this seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        let pair = MiniSecretKey::from_bytes(&*seed)
            .expect("32 bytes are always a mini secret key")
            .expand_to_keypair(ExpansionMode::Ed25519);
        Self { pair, seed }
    }

    /// A new key from the given randomness.
    pub fn generate(rng: &mut impl CryptoRngCore) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self::from_seed(*seed)
    }

    /// The public key: it names its holder, verifies signatures and serves key agreement.
    pub fn public(&self) -> [u8; 32] {
        self.pair.public.to_bytes()
    }

    /// The secret itself, to seal it for somebody or to keep it. Never log it, never send it open.
    pub fn expose_seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// Signs a message for one purpose, see [`signing_payload`].
    ///
    /// The randomness protects against faulty hardware only: a signature made with a generator that
    /// always returns zeros is still safe, because the nonce also depends on the secret and the
    /// message.
    pub fn sign(&self, context: Context, message: &[u8], rng: &mut impl CryptoRngCore) -> [u8; 64] {
        self.sign_raw(&signing_payload(context, message), rng)
    }

    /// Signs bytes as a wallet does, without a context. Only for formats that others have fixed
    /// (certificates, extrinsics); everything of Phat's own goes through [`Keypair::sign`].
    pub fn sign_raw(&self, message: &[u8], rng: &mut impl CryptoRngCore) -> [u8; 64] {
        let transcript = schnorrkel::signing_context(SUBSTRATE).bytes(message);
        self.pair.sign(attach_rng(transcript, rng)).to_bytes()
    }

    /// The key that this key and the holder of `peer` have in common: the compressed Ristretto point
    /// secret × peer. Equal to `sr25519Agreement(secretKey, publicKey)` of polkadot.js.
    pub fn agree(&self, peer: &[u8; 32]) -> Result<SharedKey, BadPublicKey> {
        let peer = parse_public(peer)?;
        let secret = Zeroizing::new(self.pair.secret.to_bytes());
        let scalar = secret
            .first_chunk()
            .and_then(|half| Scalar::from_canonical_bytes(*half).into_option())
            .map(Zeroizing::new)
            .expect("an expanded secret key begins with a canonical scalar");
        let point = Zeroizing::new(*scalar * peer.as_point());
        Ok(SharedKey(Zeroizing::new(point.compress().to_bytes())))
    }

    /// 32 secret bytes for a purpose: HKDF-SHA256 (RFC 5869) without salt over the seed, with
    /// `context ‖ 0x00 ‖ data` as its info. Who knows the result learns nothing about this key or
    /// about what is derived for other purposes or data.
    pub fn derive_secret(&self, context: Context, data: &[u8]) -> Zeroizing<[u8; 32]> {
        hkdf(&self.seed, context, &[data])
    }

    /// A key for a purpose: the one whose seed is [`Keypair::derive_secret`].
    pub fn derive(&self, context: Context, data: &[u8]) -> Keypair {
        Keypair::from_seed(*self.derive_secret(context, data))
    }
}

impl fmt::Debug for Keypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keypair({})", phat_primitives::WorkerId(self.public()))
    }
}

/// A key that two sides have in common, see [`Keypair::agree`]. Erased when dropped, shown by no
/// formatter. Computing it is the most expensive part of opening an envelope; it depends on the two
/// keys only, so that it may be kept.
#[derive(Clone)]
pub struct SharedKey(Zeroizing<[u8; 32]>);

impl SharedKey {
    /// The secret itself.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey(…)")
    }
}

/// Whether the holder of `public` signed this message for this purpose. False for whatever is not a
/// key or not a signature.
pub fn verify(public: &[u8; 32], context: Context, message: &[u8], signature: &[u8; 64]) -> bool {
    verify_raw(public, &signing_payload(context, message), signature)
}

/// Whether the holder of `public` signed these bytes as a wallet does. The neutral element holds no
/// signatures here, while `sp_io::crypto::sr25519_verify` accepts some that anybody can make for it.
pub fn verify_raw(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let (Ok(public), Ok(signature)) = (parse_public(public), Signature::from_bytes(signature))
    else {
        return false;
    };
    public.verify_simple(SUBSTRATE, message, &signature).is_ok()
}

/// The neutral element is a point like any other to schnorrkel, but everybody can sign for it and
/// knows what it agrees on.
pub(crate) fn parse_public(bytes: &[u8; 32]) -> Result<PublicKey, BadPublicKey> {
    match PublicKey::from_bytes(bytes) {
        Ok(public) if !public.as_point().is_identity() => Ok(public),
        _ => Err(BadPublicKey),
    }
}

/// HKDF-SHA256 without salt; the info is the context, a zero byte and the parts. The parts must be
/// such that their concatenation tells them apart.
pub(crate) fn hkdf(secret: &[u8; 32], context: Context, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut info = signing_payload(context, &[]);
    for part in parts {
        info.extend_from_slice(part);
    }
    let mut out = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, secret)
        .expand(&info, &mut *out)
        .expect("32 bytes are fewer than the 8160 that HKDF-SHA256 can give");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contexts;
    use alloc::format;
    use rand_core::OsRng;

    fn key(byte: u8) -> Keypair {
        Keypair::from_seed([byte; 32])
    }

    #[test]
    fn a_signature_holds_for_its_key_context_and_message_only() {
        let signature = key(1).sign(contexts::REPORT, b"message", &mut OsRng);
        let public = key(1).public();
        assert!(verify(&public, contexts::REPORT, b"message", &signature));
        assert!(!verify(
            &public,
            contexts::CONTRACT_READY,
            b"message",
            &signature
        ));
        assert!(!verify(&public, contexts::REPORT, b"massage", &signature));
        assert!(!verify(
            &key(2).public(),
            contexts::REPORT,
            b"message",
            &signature
        ));
        assert!(!verify_raw(&public, b"message", &signature));
        for position in 0..64 {
            let mut bent = signature;
            bent[position] ^= 1;
            assert!(
                !verify(&public, contexts::REPORT, b"message", &bent),
                "byte {position}"
            );
        }
    }

    #[test]
    fn what_is_not_a_key_verifies_nothing_and_agrees_with_nobody() {
        let signature = key(1).sign_raw(b"message", &mut OsRng);
        // The neutral element, a point off the curve, an encoding that is not canonical.
        for bad in [[0; 32], [1; 32], [0xff; 32]] {
            assert!(!verify_raw(&bad, b"message", &signature));
            assert_eq!(key(1).agree(&bad).map(|_| ()), Err(BadPublicKey));
        }
    }

    #[test]
    fn nobody_signs_for_the_neutral_element() {
        // R and s are zero, and the last bit marks the signature as schnorrkel's: to the library it
        // is valid for every message.
        let mut signature = [0; 64];
        signature[63] = 0x80;
        let library = PublicKey::from_bytes(&[0; 32]).unwrap();
        let parsed = Signature::from_bytes(&signature).unwrap();
        assert!(
            library
                .verify_simple(SUBSTRATE, b"message", &parsed)
                .is_ok()
        );
        assert!(!verify_raw(&[0; 32], b"message", &signature));
    }

    #[test]
    fn both_sides_agree_on_one_key_and_others_do_not() {
        let ours = key(1).agree(&key(2).public()).unwrap();
        let theirs = key(2).agree(&key(1).public()).unwrap();
        let foreign = key(3).agree(&key(1).public()).unwrap();
        assert_eq!(ours.expose(), theirs.expose());
        assert_ne!(ours.expose(), foreign.expose());
    }

    #[test]
    fn derived_keys_depend_on_parent_context_and_data() {
        let base = key(1).derive(contexts::CONTRACT_KEY, b"a").public();
        assert_eq!(base, key(1).derive(contexts::CONTRACT_KEY, b"a").public());
        for other in [
            key(2).derive(contexts::CONTRACT_KEY, b"a"),
            key(1).derive(contexts::CONTRACT_DERIVED, b"a"),
            key(1).derive(contexts::CONTRACT_KEY, b"b"),
            key(1).derive(contexts::CONTRACT_KEY, b""),
        ] {
            assert_ne!(base, other.public());
        }
    }

    #[test]
    fn formatters_show_no_secret() {
        let text = format!("{:?} {:?}", key(7), key(7).agree(&key(8).public()).unwrap());
        assert!(!text.contains(&hex::encode([7; 32])));
        assert!(!text.contains("7, 7"));
        assert!(text.contains(&hex::encode(key(7).public())));
        assert!(text.contains("SharedKey(…)"));
    }
}
