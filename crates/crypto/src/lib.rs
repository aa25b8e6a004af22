//! Keys, derivation, envelopes, certificates, and the one registry of signing contexts of Phat.
//!
//! Chain, workers and clients do all their cryptography here, with the formats that `@phala/sdk`
//! and polkadot.js use. Nothing here reads a clock or a file or draws randomness by itself: what
//! must be random comes from a generator that the caller passes in, so that every result can be
//! repeated in a test and the same code runs in the chain's runtime.
//!
//! | module | what it holds |
//! |---|---|
//! | [`contexts`] | everything that Phat's own keys sign or derive is tied to one of these |
//! | [`keys`] | sr25519 keys: signing, key agreement, derivation |
//! | [`envelope`] | AES-256-GCM between two keys, and sealed keys |
//! | [`transport`] | the rotating key of a cluster |
//! | [`certificate`] | who has signed a query |
//!
//! ```
//! use phat_crypto::{Keypair, contexts, rand_core::OsRng, verify};
//!
//! let cluster = Keypair::generate(&mut OsRng);
//! let contract = cluster.derive(contexts::CONTRACT_KEY, b"id of the contract");
//! let signature = contract.sign(contexts::REPORT, b"message", &mut OsRng);
//! assert!(verify(&contract.public(), contexts::REPORT, b"message", &signature));
//! assert!(!verify(&contract.public(), contexts::EVIDENCE, b"message", &signature));
//! ```

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod certificate;
pub mod contexts;
pub mod envelope;
pub mod keys;
pub mod transport;

pub use contexts::{Context, signing_payload};
pub use keys::{BadPublicKey, Keypair, SharedKey, verify, verify_raw};
pub use rand_core;
pub use transport::TransportSecret;
pub use zeroize::Zeroizing;
