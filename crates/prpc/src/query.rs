//! Queries, and the certificates that say who signed them.

use phat_crypto::certificate::{self, UnknownSignatureType};

/// An encrypted, signed query.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ContractQueryRequest {
    /// A SCALE-encoded `EncryptedData` of `phat_primitives::command`.
    #[prost(bytes = "vec", tag = "1")]
    pub encoded_encrypted_data: Vec<u8>,
    /// Signature of [`encoded_encrypted_data`](Self::encoded_encrypted_data). Without it the query
    /// has no caller.
    #[prost(message, optional, tag = "2")]
    pub signature: Option<Signature>,
    /// Asks the worker to sign its answer. Unknown to older workers, which skip it.
    #[prost(bool, tag = "100")]
    pub sign: bool,
}

/// The encrypted answer to a query.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ContractQueryResponse {
    /// A SCALE-encoded `EncryptedData` of `phat_primitives::command`.
    #[prost(bytes = "vec", tag = "1")]
    pub encoded_encrypted_data: Vec<u8>,
    /// Last block of the state that the answer comes from. This and what follows are unknown to older
    /// clients, which skip them.
    #[prost(uint32, tag = "100")]
    pub block: u32,
    /// Root of that state: 32 bytes.
    #[prost(bytes = "vec", tag = "101")]
    pub state_root: Vec<u8>,
    /// If asked for: the `SignedAnswer` of `phat_primitives::query`, SCALE-encoded and then encrypted
    /// as the answer is, because it tells the contract's code.
    #[prost(bytes = "vec", optional, tag = "102")]
    pub encoded_encrypted_statement: Option<Vec<u8>>,
}

/// A signature together with the certificate of its key.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Signature {
    /// Who signed.
    #[prost(message, optional, boxed, tag = "1")]
    pub signed_by: Option<Box<Certificate>>,
    /// How: the number of a [`certificate::SignatureType`].
    #[prost(int32, tag = "2")]
    pub signature_type: i32,
    /// The signature itself.
    #[prost(bytes = "vec", tag = "3")]
    pub signature: Vec<u8>,
}

/// A key, and the signature of whoever lets it speak for them.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Certificate {
    /// A SCALE-encoded `CertificateBody` of `phat_primitives::query`.
    #[prost(bytes = "vec", tag = "1")]
    pub encoded_body: Vec<u8>,
    /// Signature of the body by the next key up. Absent in the root: its key speaks for itself.
    #[prost(message, optional, boxed, tag = "2")]
    pub signature: Option<Box<Signature>>,
}

impl From<certificate::Signature> for Signature {
    fn from(signature: certificate::Signature) -> Self {
        Self {
            signed_by: signature.signed_by.map(|by| Box::new((*by).into())),
            signature_type: signature.signature_type.into(),
            signature: signature.signature,
        }
    }
}

impl From<certificate::Certificate> for Certificate {
    fn from(certificate: certificate::Certificate) -> Self {
        Self {
            encoded_body: certificate.encoded_body,
            signature: certificate.signature.map(|by| Box::new((*by).into())),
        }
    }
}

/// Fails for a kind of signature that is not known. The message's decoder has bounded how deep
/// certificates are nested.
impl TryFrom<Signature> for certificate::Signature {
    type Error = UnknownSignatureType;

    fn try_from(signature: Signature) -> Result<Self, UnknownSignatureType> {
        Ok(Self {
            signed_by: match signature.signed_by {
                Some(by) => Some(Box::new((*by).try_into()?)),
                None => None,
            },
            signature_type: signature.signature_type.try_into()?,
            signature: signature.signature,
        })
    }
}

/// Fails for a kind of signature that is not known, anywhere up to the root.
impl TryFrom<Certificate> for certificate::Certificate {
    type Error = UnknownSignatureType;

    fn try_from(certificate: Certificate) -> Result<Self, UnknownSignatureType> {
        Ok(Self {
            encoded_body: certificate.encoded_body,
            signature: match certificate.signature {
                Some(by) => Some(Box::new((*by).try_into()?)),
                None => None,
            },
        })
    }
}
