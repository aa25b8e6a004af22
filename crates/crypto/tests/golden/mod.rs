//! Values that the published clients computed: `clients.json`, made by `generate.mjs` beside it.

use phat_crypto::certificate::{Certificate, Signature, SignatureType};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Golden {
    pub(crate) ttl: u32,
    pub(crate) keys: Vec<Key>,
    pub(crate) agreements: Vec<Agreement>,
    pub(crate) in_context: InContext,
    pub(crate) envelopes: Vec<Envelope>,
    pub(crate) queries: Vec<Query>,
}

#[derive(Deserialize)]
pub(crate) struct Key {
    pub(crate) seed: String,
    pub(crate) public: String,
}

#[derive(Deserialize)]
pub(crate) struct Agreement {
    pub(crate) seed: String,
    pub(crate) peer_public: String,
    pub(crate) shared: String,
}

#[derive(Deserialize)]
pub(crate) struct InContext {
    pub(crate) public: String,
    pub(crate) message: String,
    pub(crate) signature: String,
}

#[derive(Deserialize)]
pub(crate) struct Envelope {
    pub(crate) seed: String,
    pub(crate) peer_seed: String,
    pub(crate) plain: String,
    pub(crate) encoded: String,
}

#[derive(Deserialize)]
pub(crate) struct Query {
    pub(crate) name: String,
    pub(crate) account: String,
    pub(crate) data: String,
    pub(crate) signature: SignatureJson,
}

#[derive(Deserialize)]
pub(crate) struct SignatureJson {
    signed_by: CertificateJson,
    signature_type: i32,
    signature: String,
}

#[derive(Deserialize)]
struct CertificateJson {
    encoded_body: String,
    signature: Option<Box<SignatureJson>>,
}

pub(crate) fn load() -> Golden {
    serde_json::from_str(include_str!("clients.json")).unwrap()
}

pub(crate) fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

pub(crate) fn array<const N: usize>(text: &str) -> [u8; N] {
    bytes(text).try_into().unwrap()
}

impl SignatureJson {
    pub(crate) fn parse(&self) -> Signature {
        Signature {
            signed_by: Some(Box::new(self.signed_by.parse())),
            signature_type: SignatureType::try_from(self.signature_type).unwrap(),
            signature: bytes(&self.signature),
        }
    }
}

impl CertificateJson {
    fn parse(&self) -> Certificate {
        Certificate {
            encoded_body: bytes(&self.encoded_body),
            signature: self
                .signature
                .as_ref()
                .map(|signature| Box::new(signature.parse())),
        }
    }
}
