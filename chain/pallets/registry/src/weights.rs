//! Weights, upper bounds: see [`pallet_phat_messages::weights`] for how they were found.

use super::*;
use frame_support::weights::RuntimeDbWeight;
use pallet_phat_messages::weights::{bytes, compute, records, signature};
use phat_primitives::{
    limits::{MAX_ENDPOINT_LEN, MAX_ENDPOINTS},
    message::MasterKeys,
};

/// Checking a quote with its collateral, in picoseconds. Those of real machines take 4.4 ms (SGX)
/// and 5.1 ms (TDX), natively, on one core; the rest is for chains of certificates made to take
/// long, on which the verifier sets bounds.
const QUOTE: u64 = 50_000_000_000;
/// Advisories that may concern one machine: those of 2026 name up to 20, under Intel's signature.
const ADVISORIES: u64 = 64;

/// Evidence of the kind that the first byte names, as it is encoded.
fn verify(kind: u8, len: usize, db: RuntimeDbWeight) -> Weight {
    let check = match kind {
        0 => signature(),
        _ => compute(QUOTE).saturating_add(db.reads(ADVISORIES)),
    };
    check.saturating_add(bytes(len))
}

fn all_endpoints() -> Weight {
    bytes((MAX_ENDPOINT_LEN * MAX_ENDPOINTS) as usize)
}

/// The worker, its service, the program, the root, the time and two block hashes are read; worker,
/// service, endpoints and two indices are written, the indices twice.
fn accept<T: Config>() -> Weight {
    records(T::DbWeight::get(), 10, 7)
        .saturating_add(all_endpoints())
        .saturating_add(T::OnService::weight())
}

pub(crate) fn register<T: Config>(evidence: &Evidence) -> Weight {
    let kind = u8::from(!matches!(evidence, Evidence::Software(_)));
    verify(kind, evidence.encoded_size(), T::DbWeight::get()).saturating_add(accept::<T>())
}

pub(crate) fn renew<T: Config>(bytes: &[u8]) -> Weight {
    let kind = bytes.first().copied().unwrap_or_default();
    verify(kind, bytes.len(), T::DbWeight::get()).saturating_add(accept::<T>())
}

pub(crate) fn endpoints(db: RuntimeDbWeight) -> Weight {
    records(db, 1, 1).saturating_add(all_endpoints())
}

/// One more or one less: all of them are looked at, and whether they are in service, to find one that
/// holds all keys. It is asked for a new one.
pub(crate) fn gatekeepers(db: RuntimeDbWeight) -> Weight {
    let all = u64::from(MAX_GATEKEEPERS);
    records(db, all.saturating_add(8), 6)
}

/// A program is allowed or revoked.
pub(crate) fn program(db: RuntimeDbWeight) -> Weight {
    records(db, 0, 2)
}

/// An advisory is refused or accepted.
pub(crate) fn advisory(db: RuntimeDbWeight) -> Weight {
    records(db, 0, 1)
}

/// The gatekeepers, the reporter's service, what was asked for, and the key in two places.
pub(crate) fn master_key(db: RuntimeDbWeight) -> Weight {
    records(db, 8, 7)
}

/// The gatekeepers, two of them in service, what has been made; the keys are copied into a message.
pub(crate) fn master_keys(keys: &MasterKeys, db: RuntimeDbWeight) -> Weight {
    records(db, 8, 4).saturating_add(bytes(keys.encoded_size()))
}

/// So many workers that go out of service, and looking for one more of either cause.
pub(crate) fn lapses<T: Config>(count: usize) -> Weight {
    let db = T::DbWeight::get();
    let each = records(db, 4, 4).saturating_add(T::OnService::weight());
    each.saturating_mul(count as u64)
        .saturating_add(records(db, 4, 1))
}
