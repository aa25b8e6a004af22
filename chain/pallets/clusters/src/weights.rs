//! Weights: upper bounds from counting what is read and written and the bytes that are hashed and
//! copied, with the costs measured on the reference hardware of FRAME.

use super::*;
use frame_support::weights::RuntimeDbWeight;

/// Hashing and copying one byte of a payload, in picoseconds.
const PER_BYTE: u64 = 5_000;
/// Checking one sr25519 signature, in picoseconds.
const SIGNATURE: u64 = 60_000_000;

/// A call that carries a payload to the workers.
pub(crate) fn payload(len: usize, db: RuntimeDbWeight) -> Weight {
    Weight::from_parts((len as u64).saturating_mul(PER_BYTE), 0)
        .saturating_add(db.reads_writes(10, 10))
}

/// Creating a cluster: the code of the system contract travels with it.
pub(crate) fn add_cluster(workers: usize, db: RuntimeDbWeight) -> Weight {
    let per_worker = workers as u64;
    payload(MAX_CODE_LEN as usize, db)
        .saturating_add(db.reads_writes(per_worker.saturating_mul(2), per_worker))
}

pub(crate) fn contract_ready(db: RuntimeDbWeight) -> Weight {
    // The list of a cluster's contracts is appended to without being decoded.
    db.reads_writes(4, 4)
}

pub(crate) fn authorize_contract_ready(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(SIGNATURE, 0).saturating_add(db.reads(3))
}
