//! Builds ink! contracts into `.contract` bundles, and checks the committed
//! bundles against the sources they were built from.
//!
//! A bundle is the JSON file that tools for ink! exchange: the Wasm code, and
//! the metadata that says how to call it. `cargo-contract` makes the same file;
//! it is not used here because it needs `rustup` targets, `wasm-opt` and a
//! network, and because its output does not say which sources it came from.
//!
//! The work, and where it happens:
//!
//! 1. [`source`] finds the contracts of the workspace and fingerprints each
//!    one's sources;
//! 2. [`toolchain`] has cargo compile a contract to Wasm, and again for this
//!    machine, to run the function that ink! generates for its metadata;
//! 3. [`module`] reduces the Wasm to what a contract may have, and checks it;
//! 4. [`bundle`] puts the parts into the file.
//!
//! The fingerprint goes into the bundle. So whether a bundle is up to date can
//! be told without a Wasm toolchain: [`bundle::Bundle::check`].

pub mod bundle;
pub mod module;
pub mod source;
pub mod toolchain;

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};

/// The hash by which code is known on the chain: blake2b with 256 bits.
pub fn blake2_256(bytes: &[u8]) -> [u8; 32] {
    Blake2b::<U32>::digest(bytes).into()
}
