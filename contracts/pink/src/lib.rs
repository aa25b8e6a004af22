//! What an ink! 5 contract says to the worker that runs it, and to the system
//! contract of its cluster.
//!
//! - [`ext`]: the functions of the worker, such as HTTP, signing and the cache;
//! - [`PinkEvent`]: what a contract asks of the worker by emitting an event, and
//!   a function for each that a contract may emit;
//! - [`system`]: the interfaces of the system contract and of the drivers;
//! - [`control`]: the interface of a contract that decides who may do what in a
//!   cluster;
//! - [`info!`] and its like, which write to the contract's log.
//!
//! A contract names the environment in its attribute:
//!
//! ```ignore
//! #[ink::contract(env = PinkEnvironment)]
//! mod contract {
//!     use pink::PinkEnvironment;
//! }
//! ```
//!
//! Numbers of functions, topics and encodings are those of the crate `pink` 0.4.1
//! for ink! 4, so that a worker, or another contract, cannot tell which of the two
//! a contract is written on.
#![cfg_attr(not(feature = "std"), no_std)]

pub mod chain_extension;
pub mod control;
mod event;
mod http;
pub mod logger;
pub mod system;

pub use chain_extension::pink_extension_instance as ext;
pub use event::*;
pub use http::{http_get, http_post, http_put};
pub use ink::primitives::AccountId;
pub use pink_types as types;

use ink::env::{DefaultEnvironment, Environment};
use ink::prelude::{format, string::String, vec::Vec};
use ink::EnvAccess;

/// The public key that names a worker (sr25519).
pub type WorkerId = [u8; 32];
/// The public key for messages to a worker (sr25519, used for key agreement).
pub type EcdhPublicKey = [u8; 32];
/// A hash, such as that of code.
pub type Hash = [u8; 32];
/// A compressed public key on secp256k1.
pub type EcdsaPublicKey = [u8; 33];
/// A recoverable ECDSA signature.
pub type EcdsaSignature = [u8; 65];
/// An amount in the smallest unit of the token.
pub type Balance = u128;
/// The number of a block of the chain.
pub type BlockNumber = u32;

/// The environment of a Phat contract: ink!'s own types, with the worker's
/// functions as `self.env().extension()`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[ink::scale_derive(TypeInfo)]
pub enum PinkEnvironment {}

impl Environment for PinkEnvironment {
    const MAX_EVENT_TOPICS: usize = DefaultEnvironment::MAX_EVENT_TOPICS;

    type AccountId = AccountId;
    type Balance = Balance;
    type Hash = <DefaultEnvironment as Environment>::Hash;
    type BlockNumber = BlockNumber;
    type Timestamp = <DefaultEnvironment as Environment>::Timestamp;

    type ChainExtension = chain_extension::PinkExt;
}

/// The environment, for code outside of a contract's messages.
pub fn env() -> EnvAccess<'static, PinkEnvironment> {
    Default::default()
}

/// 64 bytes that this contract alone can compute: the same for the same `salt`,
/// and others in every other contract.
pub fn vrf(salt: &[u8]) -> Vec<u8> {
    // This prefix keeps them apart from the contract's keys.
    let salt = [b"vrf:", salt].concat();
    ext().derive_sr25519_key(salt.into())
}

/// Asks the SideVM of the contract `address` on this worker, in a query. An error
/// is text: the status and what came with it.
pub fn query_local_sidevm(address: AccountId, payload: Vec<u8>) -> Result<Vec<u8>, String> {
    let bytes: &[u8] = address.as_ref();
    let mut url = String::from("sidevm://");
    for byte in bytes {
        url.push_str(&format!("{byte:02x}"));
    }
    let response = http_post(url, payload);
    if response.status_code != 200 {
        return Err(format!(
            "SideVM query failed: {} {}: {}",
            response.status_code,
            response.reason_phrase,
            String::from_utf8_lossy(&response.body)
        ));
    }
    Ok(response.body)
}
