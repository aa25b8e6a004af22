//! The functions that the worker has for contracts: extension 0, functions 1 to 25.
//!
//! Contracts call them as `pink::ext().getrandom(32)`. Each says in which contract
//! and where it works: in a query, in a transaction, or in both. Where it does not
//! work, it returns what it says, and the call as a whole goes on.

use ink::prelude::{borrow::Cow, string::String, vec::Vec};
use ink::ChainExtensionInstance;
use pink_types::sgx::SgxQuote;

pub use crate::http::{HttpRequest, HttpRequestError, HttpResponse};
pub use pink_types::js::{JsCode, JsValue};

use crate::{AccountId, Balance, EcdhPublicKey, EcdsaPublicKey, EcdsaSignature, Hash};

/// A scheme of signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub enum SigType {
    /// Ed25519.
    Ed25519,
    /// Schnorrkel.
    Sr25519,
    /// ECDSA over secp256k1, of the BLAKE2b-256 hash of the message.
    Ecdsa,
}

/// The cache has no room for this value within the contract's share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub struct StorageQuotaExceeded;

impl From<ErrorCode> for StorageQuotaExceeded {
    fn from(code: ErrorCode) -> Self {
        match code.0 {
            1 => Self,
            _ => invalid_output("StorageQuotaExceeded"),
        }
    }
}

impl From<ink::scale::Error> for StorageQuotaExceeded {
    fn from(_: ink::scale::Error) -> Self {
        invalid_output("StorageQuotaExceeded")
    }
}

/// The answers to a batch of requests, in their order.
pub type BatchHttpResult = Result<Vec<Result<HttpResponse, HttpRequestError>>, HttpRequestError>;

/// The status by which a function says that it failed; each function gives the
/// numbers their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub struct ErrorCode(pub(crate) u32);

impl ink::env::chain_extension::FromStatusCode for ErrorCode {
    fn from_status_code(status: u32) -> Result<(), Self> {
        match status {
            0 => Ok(()),
            status => Err(Self(status)),
        }
    }
}

/// Stops the contract: the worker does not speak this version of the extension.
pub(crate) fn invalid_output(what: &str) -> ! {
    crate::error!("chain extension: not a {what}");
    panic!("chain extension: not a {what}")
}

/// The functions of the worker.
#[ink::chain_extension(extension = 0)]
pub trait PinkExt {
    type ErrorCode = ErrorCode;

    /// Makes an HTTP request. Any contract, in a query; in a transaction the answer
    /// is status 523.
    #[ink(function = 1, handle_status = false)]
    fn http_request(request: HttpRequest) -> HttpResponse;

    /// Signs a message with a private key, which is 32 bytes (`Sr25519`: 32 or 64).
    /// Any contract, in a query or a transaction; `Sr25519`, whose signatures are
    /// random, is empty in a transaction.
    #[ink(function = 2, handle_status = false)]
    fn sign(sigtype: SigType, key: &[u8], message: &[u8]) -> Vec<u8>;

    /// Whether `signature` is the one of `pubkey` for this message. Any contract, in
    /// a query or a transaction.
    #[ink(function = 3, handle_status = false)]
    fn verify(sigtype: SigType, pubkey: &[u8], message: &[u8], signature: &[u8]) -> bool;

    /// Derives a private key of 64 bytes from the contract's own: the same for the
    /// same `salt` on every worker. Any contract, in a query or a transaction.
    #[ink(function = 4, handle_status = false)]
    fn derive_sr25519_key(salt: Cow<[u8]>) -> Vec<u8>;

    /// The public key that belongs to a private one. Any contract, in a query or a
    /// transaction.
    #[ink(function = 5, handle_status = false)]
    fn get_public_key(sigtype: SigType, key: &[u8]) -> Vec<u8>;

    /// Puts a value into the contract's cache on this worker for 7 days, or until
    /// the worker stops or needs the room. Contracts share the room by their stake.
    /// Any contract, in a query or a transaction; the latter is always told `Ok`.
    #[ink(function = 6, handle_status = true)]
    fn cache_set(key: &[u8], value: &[u8]) -> Result<(), StorageQuotaExceeded>;

    /// Lets a value of the cache expire in `expire` seconds from now. Any contract,
    /// in a query or a transaction.
    #[ink(function = 7, handle_status = false)]
    fn cache_set_expiration(key: &[u8], expire: u64);

    /// A value of the cache. Any contract, in a query; in a transaction there is
    /// none.
    #[ink(function = 8, handle_status = false)]
    fn cache_get(key: &[u8]) -> Option<Vec<u8>>;

    /// Removes a value from the cache and returns it. Any contract, in a query or a
    /// transaction; the latter is always told that there was none.
    #[ink(function = 9, handle_status = false)]
    fn cache_remove(args: &[u8]) -> Option<Vec<u8>>;

    /// Writes to the contract's log; see [`crate::logger::Level`] for the levels.
    /// Any contract, in a query or a transaction.
    #[ink(function = 10, handle_status = false)]
    fn log(level: u8, message: &str);

    /// Random bytes. Any contract, in a query; none in a transaction.
    #[ink(function = 11, handle_status = false)]
    fn getrandom(length: u8) -> Vec<u8>;

    /// Whether this runs in a transaction. Any contract.
    #[allow(clippy::wrong_self_convention)]
    #[ink(function = 12, handle_status = false)]
    fn is_in_transaction() -> bool;

    /// Signs a hash by ECDSA. Any contract, in a query or a transaction.
    #[ink(function = 13, handle_status = false)]
    fn ecdsa_sign_prehashed(key: &[u8], message_hash: Hash) -> EcdsaSignature;

    /// Whether `signature` is the ECDSA signature of `pubkey` for this hash. Any
    /// contract, in a query or a transaction.
    #[ink(function = 14, handle_status = false)]
    fn ecdsa_verify_prehashed(
        signature: EcdsaSignature,
        message_hash: Hash,
        pubkey: EcdsaPublicKey,
    ) -> bool;

    /// The system contract of the cluster. Any contract, in a query or a
    /// transaction.
    #[ink(function = 15, handle_status = false)]
    fn system_contract_id() -> AccountId;

    /// What an account owns, and what of it is free. The system contract, in a query
    /// or a transaction; others ask it with `System::total_balance_of`.
    #[ink(function = 16, handle_status = false)]
    fn balance_of(account: AccountId) -> (Balance, Balance);

    /// The worker's key for messages. Any contract, in a query; zeros in a
    /// transaction.
    #[ink(function = 17, handle_status = false)]
    fn worker_pubkey() -> EcdhPublicKey;

    /// Milliseconds since 1970 by the worker's clock, which whoever runs the worker
    /// can set. Any contract, in a query; 0 in a transaction.
    #[ink(function = 18, handle_status = false)]
    fn untrusted_millis_since_unix_epoch() -> u64;

    /// Whether the cluster has this code, of contracts or of SideVMs. Any contract,
    /// in a query or a transaction.
    #[ink(function = 19, handle_status = false)]
    fn code_exists(code_hash: Hash, sidevm: bool) -> bool;

    /// Uploads the newest system code of the chain to the cluster, at the expense of
    /// `payer`, and returns its hash. The system contract, in a query or a
    /// transaction.
    #[ink(function = 20, handle_status = false)]
    fn import_latest_system_code(payer: AccountId) -> Option<Hash>;

    /// The version of the interface between contracts and engine: major and minor.
    /// Any contract, in a query or a transaction.
    #[ink(function = 21, handle_status = false)]
    fn runtime_version() -> (u32, u32);

    /// Makes several HTTP requests at once, within `timeout_ms` milliseconds for
    /// all. Any contract, in a query; `NotAllowed` in a transaction. Since 1.1.
    #[ink(function = 22, handle_status = true)]
    fn batch_http_request(requests: Vec<HttpRequest>, timeout_ms: u64) -> BatchHttpResult;

    /// The block of the next event, and the hash of the last. Since 1.1.
    #[ink(function = 23, handle_status = false)]
    fn current_event_chain_head() -> (u64, Hash);

    /// Evaluates JavaScript, one script after the other, with `args` as
    /// `scriptArgs`. The value is what the scripts put into `scriptOutput`, or that
    /// of the last expression. Since 1.2.
    #[ink(function = 24, handle_status = false)]
    fn js_eval(codes: Vec<JsCode>, args: Vec<String>) -> JsValue;

    /// The SGX quote of the worker, if it has one. Any contract, in a query. Since
    /// 1.2.
    #[ink(function = 25, handle_status = false)]
    fn worker_sgx_quote() -> Option<SgxQuote>;
}

/// The worker, for calling the functions of [`PinkExt`].
pub fn pink_extension_instance() -> <PinkExt as ChainExtensionInstance>::Instance {
    <PinkExt as ChainExtensionInstance>::instantiate()
}
