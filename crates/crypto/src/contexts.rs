//! The one registry of contexts. Every signature that Phat's own keys make, every key that is derived
//! from another, and every hash that evidence rests on is tied to one of these, so that nothing made for
//! one purpose can be taken for another. Only this module can make a [`Context`].
//!
//! What people's keys sign (certificates of queries) has no context: its format is given by the
//! clients that exist, see [`crate::certificate`].

use alloc::vec::Vec;

/// What a signature, a derived key or a hash is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Context(&'static str);

impl Context {
    /// The bytes that go into signatures and derivations.
    pub const fn as_bytes(&self) -> &'static [u8] {
        self.0.as_bytes()
    }
}

macro_rules! contexts {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: Context = Context($text);)*

        /// Every context there is.
        pub const ALL: &[Context] = &[$($name),*];
    };
}

contexts! {
    /// Signed by a worker: its reports to the chain ([`phat_primitives::report::Report`]).
    REPORT = "phat/report";
    /// Signed by a cluster's key: a contract exists and has this key
    /// ([`phat_primitives::report::ContractReady`]).
    CONTRACT_READY = "phat/contract-ready";
    /// Signed by a cluster's key: a contract that was made in private exists and has this key
    /// ([`phat_primitives::report::PrivateContractReady`]).
    PRIVATE_CONTRACT_READY = "phat/private-contract-ready";
    /// Signed by a worker: its answer to a query ([`phat_primitives::query::AnswerStatement`]).
    ANSWER = "phat/answer";
    /// Signed by a development root: software evidence for a worker.
    EVIDENCE = "phat/evidence";
    /// Derives a generation of the network's master key from the key of the gatekeeper that makes it;
    /// the data is the chain's genesis hash and the generation.
    MASTER_KEY = "phat/master-key";
    /// Seals a master key to another gatekeeper for transport; the data is the generation.
    MASTER_KEY_TRANSPORT = "phat/master-key-transport";
    /// Hashed into the report data of a quote: the claims of a worker.
    EVIDENCE_CLAIMS = "phat/evidence-claims";
    /// Hashed into the measurement of an SGX enclave.
    MEASUREMENT_SGX = "phat/measurement-sgx";
    /// Hashed into the measurement of a TDX guest.
    MEASUREMENT_TDX = "phat/measurement-tdx";
    /// Derives the key that seals a worker's identity on disk from what the platform gives for it.
    SEALED_IDENTITY = "phat/sealed-identity";
    /// Seals a worker's seed to its successor, and signs that the successor has it; the data is the
    /// chain's genesis hash.
    HANDOVER = "phat/handover";
    /// Derives a cluster's root key from the network's master key; the data is the cluster's id.
    CLUSTER_KEY = "phat/cluster-key";
    /// Derives a contract's key from its cluster's root key; the data is the contract's id.
    CONTRACT_KEY = "phat/contract-key";
    /// Derives what a contract asks for from the contract's key; the data is the contract's choice.
    CONTRACT_DERIVED = "phat/contract-derived";
    /// Derives the key under which a worker keeps its records on disk from the worker's key.
    STORE_KEY = "phat/store-key";
    /// Derives the key that authenticates a worker's compiled code from the worker's key.
    COMPILED_CODE = "phat/compiled-code";
    /// Seals a cluster's key to one worker for transport; the data is the cluster's id.
    CLUSTER_KEY_TRANSPORT = "phat/cluster-key-transport";
    /// Derives the end of a chain of transport keys from the network's master key; the data is the
    /// cluster's id and the first epoch of the chain.
    TRANSPORT_CHAIN = "phat/transport-chain";
    /// Derives the transport secret of an epoch from that of the next.
    TRANSPORT_STEP = "phat/transport-step";
    /// Derives the key that clients encrypt to from the transport secret of an epoch.
    TRANSPORT_KEY = "phat/transport-key";
    /// Seals a transport secret to one worker for transport; the data is the cluster's id and the
    /// epoch.
    TRANSPORT_SECRET_TRANSPORT = "phat/transport-secret-transport";
    /// Derives the key of a snapshot from the transport secret of an epoch; the data is the cluster's
    /// id and the state root.
    SNAPSHOT_KEY = "phat/snapshot-key";
    /// Encrypts code to a cluster; the data is [`phat_primitives::private::binding`].
    PRIVATE_UPLOAD = "phat/private-upload";
    /// Encrypts an instantiation to a cluster; the data is [`phat_primitives::private::binding`].
    PRIVATE_INSTANTIATE = "phat/private-instantiate";
}

/// What is signed for a message in a context: `context ‖ 0x00 ‖ message`. No context contains a
/// zero byte, so no two pairs of context and message have the same payload.
///
/// The signature over it is an ordinary sr25519 signature of Substrate: a runtime can check it with
/// `sp_io::crypto::sr25519_verify`, a wallet's library with its `signatureVerify`.
pub fn signing_payload(context: Context, message: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(context.0.len() + 1 + message.len());
    payload.extend_from_slice(context.as_bytes());
    payload.push(0);
    payload.extend_from_slice(message);
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_differ_and_none_contains_the_separator() {
        for (position, context) in ALL.iter().enumerate() {
            assert!(context.0.starts_with("phat/"));
            assert!(!context.as_bytes().contains(&0));
            assert!(!ALL[..position].contains(context), "{context:?} twice");
        }
    }

    #[test]
    fn a_payload_is_context_zero_message() {
        assert_eq!(signing_payload(REPORT, b"hi"), b"phat/report\0hi");
    }
}
