//! What contracts and the Pink extension exchange, byte for byte as `pink` 0.4.1 and `pink-types`
//! 0.1.2 encode it.

use codec::{Decode, DecodeWithMemTracking, Encode};

use crate::schema::{AccountId, CodeHash};

/// An HTTP request of a contract.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct HttpRequest {
    /// Where to.
    pub url: String,
    /// `GET`, `POST`, …
    pub method: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// The answer to a [`HttpRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HttpResponse {
    /// Status; 523 if the server was not reached, 524 if it failed half-way.
    pub status_code: u16,
    /// What the status means.
    pub reason_phrase: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no [`HttpResponse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum HttpRequestError {
    /// The URL does not parse.
    #[error("Invalid URL")]
    InvalidUrl,
    /// There is no such method.
    #[error("Invalid method")]
    InvalidMethod,
    /// A header's name has bad characters.
    #[error("Invalid header name")]
    InvalidHeaderName,
    /// A header's value has bad characters.
    #[error("Invalid header value")]
    InvalidHeaderValue,
    /// The worker could not set up the request.
    #[error("Failed to create client")]
    FailedToCreateClient,
    /// It took too long.
    #[error("Timeout")]
    Timeout,
    /// Not in transactions, or not to this address.
    #[error("Not allowed")]
    NotAllowed,
    /// The batch is too large.
    #[error("Too many requests")]
    TooManyRequests,
    /// The connection failed.
    #[error("Network error")]
    NetworkError,
    /// The body is too large.
    #[error("Response too large")]
    ResponseTooLarge,
}

impl HttpRequestError {
    /// The number by which the extension returns it: the variant, counted from one.
    pub(crate) fn status(self) -> u32 {
        self as u32 + 1
    }

    /// Whether contracts on runtime 1.0 know it; others reach them as status 524.
    pub(crate) fn is_original(self) -> bool {
        (self as u32) <= Self::Timeout as u32
    }
}

/// A scheme of signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum SigType {
    /// Ed25519.
    Ed25519,
    /// Schnorrkel.
    Sr25519,
    /// ECDSA over secp256k1, of the `blake2_256` of the message.
    Ecdsa,
}

/// A script for the JavaScript runtime.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub enum JsCode {
    /// Source text.
    Source(String),
    /// QuickJS bytecode.
    Bytecode(Vec<u8>),
}

/// What a script evaluates to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum JsValue {
    /// `undefined`.
    Undefined,
    /// `null`.
    Null,
    /// A string.
    String(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Anything else, as text.
    Other(String),
    /// It threw this.
    Exception(String),
}

/// A scheme of SGX attestation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum AttestationType {
    /// EPID.
    Epid,
    /// DCAP.
    Dcap,
}

/// An SGX quote.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SgxQuote {
    /// Its scheme.
    pub attestation_type: AttestationType,
    /// Its bytes.
    pub quote: Vec<u8>,
}

/// When a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum HookPoint {
    /// After all messages of a block.
    OnBlockEnd,
}

/// A request of a contract to the worker.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PinkEvent {
    /// Call a contract at some point of every block.
    #[codec(index = 2)]
    SetHook {
        /// The point.
        hook: HookPoint,
        /// The contract to call.
        contract: AccountId,
        /// The message to call.
        selector: u32,
        /// Gas for the call.
        gas_limit: u64,
    },
    /// Start a SideVM beside a contract.
    #[codec(index = 3)]
    DeploySidevmTo {
        /// The contract.
        contract: AccountId,
        /// The program.
        code_hash: CodeHash,
    },
    /// Push a message to the emitter's SideVM.
    #[codec(index = 4)]
    SidevmMessage(Vec<u8>),
    /// Change the emitter's cache.
    #[codec(index = 5)]
    CacheOp(CacheOp),
    /// Stop the emitter's SideVM.
    #[codec(index = 6)]
    StopSidevm,
    /// Stop a contract's SideVM.
    #[codec(index = 7)]
    ForceStopSidevm {
        /// The contract.
        contract: AccountId,
    },
    /// Send logs to this contract.
    #[codec(index = 8)]
    SetLogHandler(AccountId),
    /// Set a contract's share of the workers.
    #[codec(index = 9)]
    SetContractWeight {
        /// The contract.
        contract: AccountId,
        /// Its weight.
        weight: u32,
    },
    /// Switch the engine's version.
    #[codec(index = 10)]
    UpgradeRuntimeTo {
        /// Major and minor.
        version: (u32, u32),
    },
    /// Start a SideVM on some workers, or bound its life.
    #[codec(index = 11)]
    SidevmOperation(SidevmOperation),
    /// Set the program that evaluates JavaScript.
    #[codec(index = 12)]
    SetJsRuntime(CodeHash),
}

/// See [`PinkEvent::SidevmOperation`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum SidevmOperation {
    /// Start.
    Start {
        /// The contract.
        contract: AccountId,
        /// The program.
        code_hash: CodeHash,
        /// Where.
        workers: Workers,
        /// Bounds.
        config: SidevmConfig,
    },
    /// Bound the life of a running one.
    SetDeadline {
        /// The contract.
        contract: AccountId,
        /// Last block.
        deadline: u32,
    },
}

/// Bounds on a SideVM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SidevmConfig {
    /// Bytes of code.
    pub max_code_size: u32,
    /// Pages of memory.
    pub max_memory_pages: u32,
    /// Gas between two host calls.
    pub vital_capacity: u64,
    /// Last block.
    pub deadline: u32,
}

/// Some or all workers of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Workers {
    /// All.
    All,
    /// These.
    List(Vec<[u8; 32]>),
}

/// A change of a contract's cache.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum CacheOp {
    /// Write.
    Set {
        /// The key.
        key: Vec<u8>,
        /// The value.
        value: Vec<u8>,
    },
    /// Let expire.
    SetExpiration {
        /// The key.
        key: Vec<u8>,
        /// In so many seconds.
        expiration: u64,
    },
    /// Remove.
    Remove {
        /// The key.
        key: Vec<u8>,
    },
}

impl PinkEvent {
    /// The only topic of such an event: the SCALE encoding of `b"phala.pink.event"`, padded.
    pub const TOPIC: [u8; 32] = *b"\x40phala.pink.event\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

    /// What is wrong with the bytes of an event that does not decode. Those of `pink-extension` 0.1
    /// and 0.2 that have gone since are named: 0 and 1, and those whose index has another meaning now.
    pub(crate) fn explain_unknown(data: &[u8]) -> &'static str {
        match (data.first(), data.len()) {
            (Some(0 | 1), _) => "contracts can no longer push messages to the chain's queue",
            (Some(2), 5) => "a hook at the end of a block is set by the system contract",
            (Some(10), 33) => "the system contract is upgraded with `set_code_hash`",
            _ => "it does not decode",
        }
    }

    /// Whether only the system contract may emit it.
    pub fn is_system_only(&self) -> bool {
        !matches!(
            self,
            Self::SidevmMessage(_) | Self::CacheOp(_) | Self::StopSidevm
        )
    }

    /// Whether it means anything in a query.
    pub fn is_allowed_in_query(&self) -> bool {
        !matches!(
            self,
            Self::SetHook { .. }
                | Self::SetLogHandler(_)
                | Self::SetContractWeight { .. }
                | Self::UpgradeRuntimeTo { .. }
                | Self::SetJsRuntime(_)
        )
    }
}

#[cfg(test)]
mod tests {
    use codec::DecodeAll;

    use super::*;

    #[test]
    fn the_topic_is_the_padded_encoding_of_the_name() {
        let mut topic = b"phala.pink.event".to_vec().encode();
        topic.resize(32, 0);
        assert_eq!(topic, PinkEvent::TOPIC);
    }

    #[test]
    fn events_keep_the_indices_that_contracts_send() {
        assert_eq!(PinkEvent::StopSidevm.encode(), [6]);
        assert_eq!(PinkEvent::SetJsRuntime([7; 32]).encode()[0], 12);
        let set = PinkEvent::CacheOp(CacheOp::Remove { key: vec![1] });
        assert_eq!(set.encode(), [5, 2, 4, 1]);
    }

    #[test]
    fn events_of_old_contracts_are_not_taken_for_others() {
        let selector_at_block_end = [2, 0x11, 0x22, 0x33, 0x44];
        let upgrade_with_payer = [[10].as_slice(), &[7; 32]].concat();
        let message = (0u8, b"payload".to_vec(), b"topic".to_vec()).encode();
        for old in [&selector_at_block_end[..], &upgrade_with_payer, &message] {
            assert!(PinkEvent::decode_all(&mut &*old).is_err());
            assert_ne!(PinkEvent::explain_unknown(old), "it does not decode");
        }
        assert_eq!(PinkEvent::explain_unknown(&[99]), "it does not decode");
    }
}
