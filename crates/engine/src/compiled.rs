//! Compiled code that outlives the process.
//!
//! Compiling takes about a second per megabyte, and a worker that starts again would compile all
//! codes again. What the compiler made is therefore handed to a [`CompiledCodes`], under a key that
//! stands for the code, how it was prepared and for what; and is taken back only with a tag under the
//! worker's own key: whoever can write to the disk must not be able to hand machine code to a worker.

use blake2::{
    Blake2bMac,
    digest::{Mac, consts::U32},
};
use codec::{Decode, Encode};
use std::sync::Arc;

use crate::{
    pink::crypto,
    schema::{CodeHash, Determinism},
    wasm,
};

/// Where compiled codes are kept. It may lose them.
pub trait CompiledCodes: Send + Sync {
    /// What was kept under `key`.
    fn load(&self, key: &[u8; 32]) -> Option<Vec<u8>>;

    /// Keeps `compiled`, in place of what was there.
    fn keep(&self, key: &[u8; 32], compiled: Vec<u8>);
}

/// A place for compiled codes, and the key that authenticates them.
#[derive(Clone)]
pub(crate) struct Shelf {
    pub(crate) codes: Arc<dyn CompiledCodes>,
    pub(crate) key: [u8; 32],
}

/// What the compiler made of a code, and what else has to be known of it.
#[derive(Encode, Decode)]
pub(crate) struct Compiled {
    /// Whether `deploy` and `call` return an `i32` that is ignored.
    pub(crate) deploy_returns: bool,
    pub(crate) call_returns: bool,
    /// The module as wasmtime serialises it.
    pub(crate) module: Vec<u8>,
}

const TAG: usize = 32;

impl Shelf {
    /// Codes that are prepared in another way, or for another use, have another name.
    fn name(hash: &CodeHash, determinism: Determinism) -> [u8; 32] {
        crypto::blake2_256(&(wasm::PREPARATION, hash, determinism).encode())
    }

    fn tag(&self, name: &[u8; 32], body: &[u8]) -> Blake2bMac<U32> {
        let mac = <Blake2bMac<U32> as blake2::digest::KeyInit>::new_from_slice(&self.key)
            .expect("BLAKE2b takes keys of 32 bytes");
        mac.chain_update(name).chain_update(body)
    }

    pub(crate) fn load(&self, hash: &CodeHash, determinism: Determinism) -> Option<Compiled> {
        let name = Self::name(hash, determinism);
        let kept = self.codes.load(&name)?;
        let (tag, body) = kept.split_at_checked(TAG)?;
        self.tag(&name, body).verify_slice(tag).ok()?;
        Compiled::decode(&mut &body[..]).ok()
    }

    pub(crate) fn keep(&self, hash: &CodeHash, determinism: Determinism, compiled: &Compiled) {
        let name = Self::name(hash, determinism);
        let body = compiled.encode();
        let mut kept = self.tag(&name, &body).finalize().into_bytes().to_vec();
        kept.extend(body);
        self.codes.keep(&name, kept);
    }
}
