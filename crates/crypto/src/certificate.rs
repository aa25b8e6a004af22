//! Who has signed a query: chains of certificates, as `@phala/sdk` 0.6 builds them.
//!
//! A query's data is signed by a session key. The session key stands in a [`Certificate`], which is
//! signed by the key of an account; that key stands in a further certificate, the root, which nobody
//! has signed. Each link has its kind of signature, because wallets sign in different ways:
//!
//! ```text
//! data ◀─signature─ certificate of the session key ◀─signature─ certificate of the account's key
//! ```
//!
//! The signatures have no context of Phat's. Bytes signed for something else are not taken for a
//! certificate because a body must decode to its last byte and hold a key of exactly the length that
//! its kind of signature demands.

mod eip712;
mod scheme;

use crate::Keypair;
use alloc::{boxed::Box, vec::Vec};
use codec::{DecodeAll, Encode};
use phat_primitives::{
    AccountId, BlockNumber, blake2_256, limits::MAX_CERTIFICATES, query::CertificateBody,
};
use rand_core::CryptoRngCore;

/// Time to live that never ends in practice: what clients use by default.
pub const NO_EXPIRY: BlockNumber = i32::MAX as BlockNumber;

/// A signature with the certificate of the key that made it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    /// The certificate of the signing key. Without it nobody can tell who has signed.
    pub signed_by: Option<Box<Certificate>>,
    /// In which way it was signed.
    pub signature_type: SignatureType,
    /// The bytes of the signature.
    pub signature: Vec<u8>,
}

/// Says that a key may sign for whoever signed the certificate; the root, which is not signed, says
/// which key an account has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Certificate {
    /// A SCALE-encoded [`CertificateBody`]: exactly what is signed.
    pub encoded_body: Vec<u8>,
    /// The signature of the next certificate's key over the body; none in the root.
    pub signature: Option<Box<Signature>>,
}

/// Kinds of signature, with the numbers they have in pRPC's protobuf schema. The kinds that end in
/// `WrapBytes` sign `<Bytes>message</Bytes>`, as browser wallets do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignatureType {
    /// Ed25519 over the message.
    Ed25519 = 0,
    /// sr25519 in the signing context `substrate`.
    Sr25519 = 1,
    /// ECDSA on secp256k1 over the message's BLAKE2b-256, recoverable, as Substrate has it.
    Ecdsa = 2,
    /// Ed25519 over the wrapped message.
    Ed25519WrapBytes = 3,
    /// sr25519 over the wrapped message.
    Sr25519WrapBytes = 4,
    /// ECDSA over the wrapped message.
    EcdsaWrapBytes = 5,
    /// ECDSA over EIP-712 typed data that contains the message, as Ethereum's wallets show it.
    Eip712 = 6,
}

/// A number that stands for no known [`SignatureType`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown kind of signature {0}; 0 to 6 are known")]
pub struct UnknownSignatureType(pub i32);

impl TryFrom<i32> for SignatureType {
    type Error = UnknownSignatureType;

    fn try_from(number: i32) -> Result<Self, UnknownSignatureType> {
        Ok(match number {
            0 => Self::Ed25519,
            1 => Self::Sr25519,
            2 => Self::Ecdsa,
            3 => Self::Ed25519WrapBytes,
            4 => Self::Sr25519WrapBytes,
            5 => Self::EcdsaWrapBytes,
            6 => Self::Eip712,
            other => return Err(UnknownSignatureType(other)),
        })
    }
}

impl From<SignatureType> for i32 {
    fn from(kind: SignatureType) -> Self {
        kind as i32
    }
}

/// Who has signed a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signer {
    /// The account at the root of the chain.
    pub account: AccountId,
    /// Last block for which the chain is good: the smallest time to live in it.
    pub valid_until: BlockNumber,
}

/// Why a chain of certificates proves nothing. `depth` counts signatures: 0 is the one over the data,
/// 1 the one over the session key's certificate, and so on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CertificateError {
    /// A signature comes without the certificate of its key.
    #[error("signature {depth} comes without the certificate of its key; attach it as signed_by")]
    Missing {
        /// Which signature.
        depth: usize,
    },
    /// More certificates than [`MAX_CERTIFICATES`].
    #[error(
        "more than {MAX_CERTIFICATES} certificates; sign the session key with the account's key directly"
    )]
    TooDeep,
    /// A certificate's body is not the encoding of a [`CertificateBody`], or has bytes left over.
    #[error("the body of certificate {depth} does not decode")]
    BadBody {
        /// The certificate of which signature.
        depth: usize,
    },
    /// A certificate asks for something that this version does not know, and so cannot honour.
    #[error("certificate {depth} has config_bits {config_bits}; only 0 is known")]
    UnknownConfig {
        /// The certificate of which signature.
        depth: usize,
        /// What it has.
        config_bits: u32,
    },
    /// A certificate's time to live is over.
    #[error(
        "certificate {depth} was valid until block {ttl}, and this is block {block}; sign a new one"
    )]
    Expired {
        /// The certificate of which signature.
        depth: usize,
        /// Its last block.
        ttl: BlockNumber,
        /// The present block.
        block: BlockNumber,
    },
    /// A certificate's key is not a key of the kind that its signature needs.
    #[error("the key in certificate {depth} cannot have made a signature of kind {kind:?}")]
    BadPublicKey {
        /// The certificate of which signature.
        depth: usize,
        /// The kind of signature.
        kind: SignatureType,
    },
    /// A signature was not made by the key in its certificate over these bytes.
    #[error("signature {depth} ({kind:?}) was not made by its certificate's key over this data")]
    BadSignature {
        /// Which signature.
        depth: usize,
        /// Its kind.
        kind: SignatureType,
    },
}

/// Remembers which certificates bear a good signature, so that the same certificate costs a check
/// once. It must give back nothing but what it was told.
pub trait KnownCertificates {
    /// The account whose key signed the certificate, if it is known. `proof` is a hash over the
    /// certificate, its signature, and the key and kind of the signature.
    fn account(&self, proof: &[u8; 32]) -> Option<AccountId>;
    /// Remembers a certificate whose signature is good.
    fn remember(&self, proof: [u8; 32], account: AccountId);
}

/// Remembers nothing.
struct Forgetful;

impl KnownCertificates for Forgetful {
    fn account(&self, _: &[u8; 32]) -> Option<AccountId> {
        None
    }

    fn remember(&self, _: [u8; 32], _: AccountId) {}
}

/// What a signature is over: the two have different texts in EIP-712.
#[derive(Clone, Copy)]
enum Signed<'a> {
    Query(&'a [u8]),
    Certificate { encoded: &'a [u8], ttl: BlockNumber },
}

/// Checks the signature over a query's data, and every certificate up to the root, as of the present
/// block. Returns the account at the root:
///
/// - of an sr25519 or Ed25519 key, the key itself;
/// - of an ECDSA key, the BLAKE2b-256 of its compressed form, as in Substrate;
/// - of a key that signs by EIP-712, its Ethereum address followed by `@evm_address`, which is how
///   Phala's runtime and the SDK (`EvmTransparentConverter`) map it.
pub fn verify_query(
    data: &[u8],
    signature: &Signature,
    block: BlockNumber,
) -> Result<Signer, CertificateError> {
    verify_query_knowing(data, signature, block, &Forgetful)
}

/// As [`verify_query`], without checking once more the signatures of certificates that are known.
/// Everything else of them, their time to live above all, is checked each time.
pub fn verify_query_knowing(
    data: &[u8],
    signature: &Signature,
    block: BlockNumber,
    known: &impl KnownCertificates,
) -> Result<Signer, CertificateError> {
    let mut message = Signed::Query(data);
    let mut signature = signature;
    let mut valid_until = BlockNumber::MAX;
    for depth in 0..MAX_CERTIFICATES {
        let certificate = signature
            .signed_by
            .as_ref()
            .ok_or(CertificateError::Missing { depth })?;
        let body = CertificateBody::decode_all(&mut certificate.encoded_body.as_slice())
            .map_err(|_| CertificateError::BadBody { depth })?;
        if body.config_bits != 0 {
            let config_bits = body.config_bits;
            return Err(CertificateError::UnknownConfig { depth, config_bits });
        }
        if body.ttl < block {
            return Err(CertificateError::Expired {
                depth,
                ttl: body.ttl,
                block,
            });
        }
        valid_until = valid_until.min(body.ttl);
        let kind = signature.signature_type;
        let check = || {
            scheme::check(kind, &body.pubkey, message, &signature.signature).map_err(|fault| {
                match fault {
                    scheme::Fault::PublicKey => CertificateError::BadPublicKey { depth, kind },
                    scheme::Fault::Signature => CertificateError::BadSignature { depth, kind },
                }
            })
        };
        let account = match message {
            Signed::Query(_) => check()?,
            Signed::Certificate { encoded, .. } => {
                let proof = (i32::from(kind), &body.pubkey, encoded, &signature.signature);
                let proof = blake2_256(&proof.encode());
                match known.account(&proof) {
                    Some(account) => account,
                    None => {
                        let account = check()?;
                        known.remember(proof, account);
                        account
                    }
                }
            }
        };
        match &certificate.signature {
            None => {
                return Ok(Signer {
                    account,
                    valid_until,
                });
            }
            Some(next) => {
                message = Signed::Certificate {
                    encoded: &certificate.encoded_body,
                    ttl: body.ttl,
                };
                signature = next;
            }
        }
    }
    Err(CertificateError::TooDeep)
}

/// The root of a chain: the account with this key, until block `ttl`. Its key may sign data directly
/// or certify session keys.
pub fn root_certificate(public: &[u8], ttl: BlockNumber) -> Certificate {
    let body = CertificateBody {
        pubkey: public.to_vec(),
        ttl,
        config_bits: 0,
    };
    Certificate {
        encoded_body: body.encode(),
        signature: None,
    }
}

/// Lets the holder of the key `session` sign queries for the account `account` until block `ttl`.
pub fn sign_certificate(
    account: &Keypair,
    session: &[u8; 32],
    ttl: BlockNumber,
    rng: &mut impl CryptoRngCore,
) -> Certificate {
    let mut certificate = root_certificate(session, ttl);
    let root = root_certificate(&account.public(), ttl);
    let signature = sign_query(&certificate.encoded_body, account, root, rng);
    certificate.signature = Some(Box::new(signature));
    certificate
}

/// Signs a query's data (the encoded, encrypted query) with the key that `certificate` is for.
pub fn sign_query(
    data: &[u8],
    key: &Keypair,
    certificate: Certificate,
    rng: &mut impl CryptoRngCore,
) -> Signature {
    Signature {
        signed_by: Some(Box::new(certificate)),
        signature_type: SignatureType::Sr25519,
        signature: key.sign_raw(data, rng).to_vec(),
    }
}
