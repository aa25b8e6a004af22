//! Weights of this pallet, and what the weights of all of this chain's pallets are made of.
//!
//! A weight is an upper bound: so many records read and written, at what the runtime says that a record
//! costs, and a time for all else. Both come from tests that run every call, every payload of a report
//! and every hook on storage that is as large as it can be for it: `tests/weights` of the runtime, and
//! `tests/weights.rs` of the economy with the steps of an era. They count the records, and fail if a
//! weight is below; and they take the times:
//!
//! ```text
//! cargo test --release -p phat-runtime -p pallet-phat-economy -- --ignored --nocapture figures
//! ```
//!
//! The constants for times are at least twice what that shows, because it shows how long it takes
//! natively, and a node runs the runtime as Wasm, which is slower. Run it whenever a call or a constant
//! changes, on a machine that has nothing else to do: a line that ends in `!` has less.

use super::*;
use frame_support::weights::RuntimeDbWeight;

/// Computing and encoding of a call that changes a few small records, in picoseconds.
const CALL: u64 = 75_000_000;
/// Checking one sr25519 signature, in picoseconds.
const SIGNATURE: u64 = 150_000_000;
/// Decoding, copying and encoding one byte of what is not small, in picoseconds.
const PER_BYTE: u64 = 5_000;
/// Hashing one byte, in picoseconds.
const PER_HASHED_BYTE: u64 = 10_000;

/// So much time.
pub fn compute(picoseconds: u64) -> Weight {
    Weight::from_parts(picoseconds, 0)
}

/// What comes with so many bytes.
pub fn bytes(len: usize) -> Weight {
    compute((len as u64).saturating_mul(PER_BYTE))
}

/// Hashing so many bytes.
pub fn hash(len: usize) -> Weight {
    compute((len as u64).saturating_mul(PER_HASHED_BYTE))
}

/// Checking a signature.
pub fn signature() -> Weight {
    compute(SIGNATURE)
}

/// A call that reads and writes so many records, all of them small.
pub fn records(db: RuntimeDbWeight, reads: u64, writes: u64) -> Weight {
    compute(CALL).saturating_add(db.reads_writes(reads, writes))
}

/// The messages of a block are gone with the next one; at its end its own are read, written, and
/// encoded once more to be hashed.
pub(crate) fn block<T: Config>() -> Weight {
    let len = MAX_OUTBOUND_LEN as usize;
    records(T::DbWeight::get(), 4, 5)
        .saturating_add(bytes(len).saturating_mul(3))
        .saturating_add(hash(len))
}

/// Reads the genesis hash, the worker, its next number and the gatekeepers; checks a signature. The
/// report is hashed for that, and again when it is taken.
pub(crate) fn authorize<T: Config>(signed: &SignedReport) -> Weight {
    let payloads = signed.report.payloads.iter();
    let urgency = payloads.map(T::OnReport::urgency_weight);
    records(T::DbWeight::get(), 4, 0)
        .saturating_add(signature())
        .saturating_add(bytes(signed.encoded_size().saturating_mul(2)))
        .saturating_add(urgency.fold(Weight::zero(), Weight::saturating_add))
}

/// The number, the hash, and what the handlers do with the payloads.
pub(crate) fn submit<T: Config>(payloads: &[Payload]) -> Weight {
    payloads
        .iter()
        .map(T::OnReport::weight)
        .fold(records(T::DbWeight::get(), 0, 2), Weight::saturating_add)
}
