//! Signatures and hashes, as `sp-core` computes them.

use blake2::{Blake2b, Digest, digest::consts};
use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use schnorrkel::{ExpansionMode, Keypair, MiniSecretKey, PublicKey, SecretKey, context};

use super::types::SigType;

/// The context of every sr25519 signature in Substrate.
const SR25519_CONTEXT: &[u8] = b"substrate";

pub(crate) fn blake2_256(data: &[u8]) -> [u8; 32] {
    Blake2b::<consts::U32>::digest(data).into()
}

pub(crate) fn blake2_128(data: &[u8]) -> [u8; 16] {
    Blake2b::<consts::U16>::digest(data).into()
}

pub(crate) fn sha2_256(data: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(data).into()
}

pub(crate) fn keccak_256(data: &[u8]) -> [u8; 32] {
    sha3::Keccak256::digest(data).into()
}

fn sr25519_pair(key: &[u8]) -> Option<Keypair> {
    match key.len() {
        32 => Some(
            MiniSecretKey::from_bytes(key)
                .ok()?
                .expand_to_keypair(ExpansionMode::Ed25519),
        ),
        64 => Some(SecretKey::from_bytes(key).ok()?.to_keypair()),
        _ => None,
    }
}

fn ed25519_key(key: &[u8]) -> Option<ed25519_dalek::SigningKey> {
    Some(ed25519_dalek::SigningKey::from_bytes(key.try_into().ok()?))
}

fn ecdsa_key(key: &[u8]) -> Option<SigningKey> {
    (key.len() == 32).then_some(())?;
    SigningKey::from_slice(key).ok()
}

/// Signs; `None` if the key is not one of the scheme. sr25519 takes `randomness`, the others do not
/// need it.
pub(crate) fn sign(
    scheme: SigType,
    key: &[u8],
    message: &[u8],
    randomness: [u8; 32],
) -> Option<Vec<u8>> {
    match scheme {
        SigType::Ed25519 => {
            use ed25519_dalek::Signer;
            Some(ed25519_key(key)?.sign(message).to_bytes().to_vec())
        }
        SigType::Sr25519 => {
            let pair = sr25519_pair(key)?;
            let transcript = context::attach_rng(
                context::signing_context(SR25519_CONTEXT).bytes(message),
                ChaCha20Rng::from_seed(randomness),
            );
            Some(pair.sign(transcript).to_bytes().to_vec())
        }
        SigType::Ecdsa => Some(ecdsa_sign_prehashed(key, &blake2_256(message))?.to_vec()),
    }
}

/// Why a signature could not be checked at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    PublicKey,
    Signature,
}

pub(crate) fn verify(
    scheme: SigType,
    public: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<bool, Malformed> {
    let public_length = if scheme == SigType::Ecdsa { 33 } else { 32 };
    let signature_length = if scheme == SigType::Ecdsa { 65 } else { 64 };
    if public.len() != public_length {
        return Err(Malformed::PublicKey);
    }
    if signature.len() != signature_length {
        return Err(Malformed::Signature);
    }
    Ok(match scheme {
        SigType::Ed25519 => ed25519_verify(public, message, signature),
        SigType::Sr25519 => sr25519_verify(public, message, signature),
        SigType::Ecdsa => {
            let recovered = signature
                .try_into()
                .ok()
                .and_then(|signature| ecdsa_recover(signature, &blake2_256(message)));
            recovered.is_some_and(|recovered| recovered == public)
        }
    })
}

fn ed25519_verify(public: &[u8], message: &[u8], signature: &[u8]) -> bool {
    use ed25519_dalek::Verifier;
    let Some(public) = public
        .try_into()
        .ok()
        .and_then(|bytes| ed25519_dalek::VerifyingKey::from_bytes(bytes).ok())
    else {
        return false;
    };
    ed25519_dalek::Signature::from_slice(signature)
        .is_ok_and(|signature| public.verify(message, &signature).is_ok())
}

pub(crate) fn sr25519_verify(public: &[u8], message: &[u8], signature: &[u8]) -> bool {
    match (
        PublicKey::from_bytes(public),
        schnorrkel::Signature::from_bytes(signature),
    ) {
        (Ok(public), Ok(signature)) => public
            .verify_simple(SR25519_CONTEXT, message, &signature)
            .is_ok(),
        _ => false,
    }
}

pub(crate) fn public_key(scheme: SigType, key: &[u8]) -> Option<Vec<u8>> {
    Some(match scheme {
        SigType::Ed25519 => ed25519_key(key)?.verifying_key().to_bytes().to_vec(),
        SigType::Sr25519 => sr25519_pair(key)?.public.to_bytes().to_vec(),
        SigType::Ecdsa => compressed(ecdsa_key(key)?.verifying_key()).to_vec(),
    })
}

fn compressed(key: &VerifyingKey) -> [u8; 33] {
    let mut bytes = [0; 33];
    bytes.copy_from_slice(key.to_encoded_point(true).as_bytes());
    bytes
}

/// Signs a hash: `r ‖ s ‖ recovery id`.
pub(crate) fn ecdsa_sign_prehashed(key: &[u8], hash: &[u8; 32]) -> Option<[u8; 65]> {
    let (signature, recovery) = ecdsa_key(key)?.sign_prehash_recoverable(hash).ok()?;
    let mut bytes = [0; 65];
    bytes[..64].copy_from_slice(&signature.to_bytes());
    bytes[64] = recovery.to_byte();
    Some(bytes)
}

/// The compressed public key that signed `hash`. Takes recovery ids as Ethereum writes them (27 and
/// up) too, and signatures with a high `s`.
pub(crate) fn ecdsa_recover(signature: &[u8; 65], hash: &[u8; 32]) -> Option<[u8; 33]> {
    let (scalars, id) = signature.split_at(64);
    let id = *id.first()?;
    let mut id = if id > 26 { id - 27 } else { id };
    let mut scalars = Signature::from_slice(scalars).ok()?;
    if let Some(low) = scalars.normalize_s() {
        scalars = low;
        id ^= 1;
    }
    let key =
        VerifyingKey::recover_from_prehash(hash, &scalars, RecoveryId::from_byte(id)?).ok()?;
    Some(compressed(&key))
}

/// The Ethereum address of a compressed public key.
pub(crate) fn eth_address(compressed: &[u8; 33]) -> Option<[u8; 20]> {
    let key = VerifyingKey::from_sec1_bytes(compressed).ok()?;
    let point = key.to_encoded_point(false);
    let hash = keccak_256(point.as_bytes().get(1..)?);
    let mut address = [0; 20];
    address.copy_from_slice(&hash[12..]);
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_verifies_what_it_signed_and_nothing_else() {
        for scheme in [SigType::Ed25519, SigType::Sr25519, SigType::Ecdsa] {
            let key = [7; 32];
            let public = public_key(scheme, &key).unwrap();
            let signature = sign(scheme, &key, b"message", [1; 32]).unwrap();
            assert_eq!(verify(scheme, &public, b"message", &signature), Ok(true));
            assert_eq!(verify(scheme, &public, b"massage", &signature), Ok(false));
            assert_eq!(
                verify(scheme, &public[1..], b"message", &signature),
                Err(Malformed::PublicKey)
            );
            assert!(sign(scheme, &key[1..], b"message", [1; 32]).is_none());
        }
    }

    #[test]
    fn recovery_takes_both_forms_of_s_and_of_the_id() {
        let hash = blake2_256(b"message");
        let signature = ecdsa_sign_prehashed(&[7; 32], &hash).unwrap();
        let public = ecdsa_recover(&signature, &hash).unwrap();
        let mut ethereum = signature;
        ethereum[64] += 27;
        assert_eq!(ecdsa_recover(&ethereum, &hash), Some(public));

        let low = Signature::from_slice(&signature[..64]).unwrap();
        let (r, s) = low.split_scalars();
        let high = Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
        let mut flipped = [0; 65];
        flipped[..64].copy_from_slice(&high.to_bytes());
        flipped[64] = signature[64] ^ 1;
        assert_eq!(ecdsa_recover(&flipped, &hash), Some(public));

        let mut wrong = signature;
        wrong[64] = 9;
        assert_eq!(ecdsa_recover(&wrong, &hash), None);
    }

    #[test]
    fn an_ethereum_address_is_the_known_one() {
        // The address of the secret key 1.
        let mut key = [0; 32];
        key[31] = 1;
        let public: [u8; 33] = public_key(SigType::Ecdsa, &key)
            .unwrap()
            .try_into()
            .unwrap();
        let address = eth_address(&public).unwrap();
        let hex: String = address.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "7e5f4552091a69125d5dfcb7b8c2659029395bdf");
    }
}
