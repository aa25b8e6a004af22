//! One signature of each kind: is it the key's, and which account has the key.

use super::{SignatureType, Signed, eip712};
use crate::keys::{parse_public, verify_raw};
use alloc::vec::Vec;
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use phat_primitives::{AccountId, blake2_256};
use sha3::{Digest, Keccak256};

/// What is wrong with one signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// The key is none of the kind's keys.
    PublicKey,
    /// The signature is not the key's over the message.
    Signature,
}

/// The account of `public` if it made the signature.
pub(super) fn check(
    kind: SignatureType,
    public: &[u8],
    message: Signed<'_>,
    signature: &[u8],
) -> Result<AccountId, Fault> {
    let (Signed::Query(bytes) | Signed::Certificate { encoded: bytes, .. }) = message;
    match kind {
        SignatureType::Ed25519 => ed25519(public, bytes, signature),
        SignatureType::Ed25519WrapBytes => ed25519(public, &wrap(bytes), signature),
        SignatureType::Sr25519 => sr25519(public, bytes, signature),
        SignatureType::Sr25519WrapBytes => sr25519(public, &wrap(bytes), signature),
        SignatureType::Ecdsa => ecdsa(public, bytes, signature),
        SignatureType::EcdsaWrapBytes => ecdsa(public, &wrap(bytes), signature),
        SignatureType::Eip712 => {
            let signer = recover(&eip712::digest(message), signature)?;
            match compressed(&signer) {
                key if key == public => Ok(ethereum_account(&signer)),
                _ if VerifyingKey::from_sec1_bytes(public).is_err() => Err(Fault::PublicKey),
                _ => Err(Fault::Signature),
            }
        }
    }
}

/// What browser wallets sign in place of raw bytes, so that a page cannot obtain the signature of a
/// transaction.
fn wrap(message: &[u8]) -> Vec<u8> {
    [b"<Bytes>", message, b"</Bytes>"].concat()
}

fn sr25519(public: &[u8], message: &[u8], signature: &[u8]) -> Result<AccountId, Fault> {
    let public: &[u8; 32] = public.try_into().map_err(|_| Fault::PublicKey)?;
    let signature: &[u8; 64] = signature.try_into().map_err(|_| Fault::Signature)?;
    match verify_raw(public, message, signature) {
        true => Ok(AccountId(*public)),
        false if parse_public(public).is_err() => Err(Fault::PublicKey),
        false => Err(Fault::Signature),
    }
}

fn ed25519(public: &[u8], message: &[u8], signature: &[u8]) -> Result<AccountId, Fault> {
    let public: &[u8; 32] = public.try_into().map_err(|_| Fault::PublicKey)?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(public).map_err(|_| Fault::PublicKey)?;
    let signature =
        ed25519_dalek::Signature::from_slice(signature).map_err(|_| Fault::Signature)?;
    key.verify_strict(message, &signature)
        .map_err(|_| Fault::Signature)?;
    Ok(AccountId(*public))
}

/// `public` is the compressed key or, from wallets that only tell the address, the account (the
/// key's hash): the key itself comes out of the signature.
fn ecdsa(public: &[u8], message: &[u8], signature: &[u8]) -> Result<AccountId, Fault> {
    if public.len() != 32 && VerifyingKey::from_sec1_bytes(public).is_err() {
        return Err(Fault::PublicKey);
    }
    let key = compressed(&recover(&blake2_256(message), signature)?);
    let account = blake2_256(&key);
    match public == key || public == account {
        true => Ok(AccountId(account)),
        false => Err(Fault::Signature),
    }
}

/// The key that made a recoverable signature (r ‖ s ‖ v, with v from 0 or, as Ethereum's wallets
/// count, from 27) over a hash.
fn recover(hash: &[u8; 32], signature: &[u8]) -> Result<VerifyingKey, Fault> {
    let (rs, v) = match signature {
        [rs @ .., v] if rs.len() == 64 => (rs, if *v >= 27 { *v - 27 } else { *v }),
        _ => return Err(Fault::Signature),
    };
    let signature = Signature::from_slice(rs).map_err(|_| Fault::Signature)?;
    let id = RecoveryId::from_byte(v).ok_or(Fault::Signature)?;
    VerifyingKey::recover_from_prehash(hash, &signature, id).map_err(|_| Fault::Signature)
}

fn compressed(key: &VerifyingKey) -> Vec<u8> {
    key.to_encoded_point(true).as_bytes().to_vec()
}

/// Ethereum address, then `@evm_address`.
fn ethereum_account(key: &VerifyingKey) -> AccountId {
    let point = key.to_encoded_point(false);
    let hash = Keccak256::digest(point.as_bytes().split_at(1).1);
    let mut account = *b"....................@evm_address";
    account[..20].copy_from_slice(&hash[12..]);
    AccountId(account)
}
