//! Weights: upper bounds from counting what is read and written and the bytes that are hashed and
//! copied, with the costs measured on the reference hardware of FRAME.

use super::*;
use frame_support::weights::RuntimeDbWeight;
use phat_primitives::{credit::CreditReport, limits::MAX_FREE_CALLERS};

/// Hashing and copying one byte of a payload, in picoseconds.
const PER_BYTE: u64 = 5_000;
/// Checking one sr25519 signature, in picoseconds.
const SIGNATURE: u64 = 60_000_000;
/// Sorting the workers of a full cluster, or going through the votes of all of them, in picoseconds.
const ALL_WORKERS: u64 = 50_000_000;

fn bytes(len: usize) -> Weight {
    Weight::from_parts((len as u64).saturating_mul(PER_BYTE), 0)
}

/// A call that carries a payload to the workers.
pub(crate) fn payload(len: usize, db: RuntimeDbWeight) -> Weight {
    bytes(len).saturating_add(db.reads_writes(10, 10))
}

/// Setting a policy: the cluster's record and the policy are read, written and ordered, each with a full
/// list of accounts.
pub(crate) fn policy(db: RuntimeDbWeight) -> Weight {
    const LISTS: usize = 2 * 32 * (MAX_ALLOWED_DEPLOYERS + MAX_FREE_CALLERS) as usize;
    payload(LISTS, db)
}

/// Bytes of a credit of which as many workers as may have a slice.
const CREDIT_LEN: usize = 64 + 112 * MAX_CREDIT_SLICES as usize;

/// Reads that tell whether the sessions of all slices are there still: of each the worker's cluster and
/// its present session. With the credit and the number of the next slice.
const SESSIONS: u64 = 2 * MAX_CREDIT_SLICES as u64 + 2;

/// Changing a credit: two accounts, the policy, the credit with the worker's cluster and session of each
/// slice, what is owed, and two messages.
pub(crate) fn credit(db: RuntimeDbWeight) -> Weight {
    bytes(2 * CREDIT_LEN).saturating_add(db.reads_writes(SESSIONS + 9, 9))
}

/// A worker's report of its slices, and of each account that wants one; with the look at the same credits
/// that tells whether it is urgent.
pub(crate) fn credit_report(report: &CreditReport, db: RuntimeDbWeight) -> Weight {
    let look = bytes(CREDIT_LEN).saturating_add(db.reads(1));
    let slice = bytes(2 * CREDIT_LEN).saturating_add(db.reads_writes(5, 4));
    let wanted = bytes(2 * CREDIT_LEN).saturating_add(db.reads_writes(SESSIONS, 4));
    slice
        .saturating_mul(report.slices.len() as u64)
        .saturating_add(wanted.saturating_mul(report.wanted.len() as u64))
        .saturating_add(look.saturating_mul(report.slices.len() as u64))
        .saturating_add(look.saturating_mul(report.wanted.len() as u64))
        .saturating_add(db.reads_writes(5, 5))
}

/// Creating a cluster: the code of the system contract travels with it.
pub(crate) fn add_cluster(workers: usize, db: RuntimeDbWeight) -> Weight {
    let per_worker = workers as u64;
    payload(MAX_CODE_LEN as usize, db)
        .saturating_add(db.reads_writes(per_worker.saturating_mul(2), per_worker))
}

/// Changing which workers are in a cluster: the list of them is read and written whole.
pub(crate) fn membership(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(ALL_WORKERS, 0).saturating_add(db.reads_writes(12, 12))
}

/// Blocks whose roots are agreed on: the list of them is read and written whole.
const AGREED_LEN: usize = 4 * MAX_AGREED_ROOTS as usize;
/// Votes of a full cluster on the roots of one block.
const VOTES_LEN: usize = 96 * MAX_CLUSTER_WORKERS as usize;

/// A worker that leaves because its state is another one: the mark, two messages, the cluster's list
/// and the worker's records.
fn expelled(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(ALL_WORKERS, 0).saturating_add(db.reads_writes(8, 10))
}

/// A heartbeat: the worker's cluster and state, the members; the votes on the block's roots, those of
/// blocks that got too old, what was agreed on; and of each withdrawal its record, the count and two
/// accounts.
pub(crate) fn heartbeat(withdrawals: usize, db: RuntimeDbWeight) -> Weight {
    let vote =
        Weight::from_parts(ALL_WORKERS.saturating_mul(2), 0).saturating_add(db.reads_writes(4, 4));
    Weight::from_parts(ALL_WORKERS.saturating_mul(2), 0)
        .saturating_add(bytes(AGREED_LEN + VOTES_LEN))
        .saturating_add(db.reads_writes(8, 8))
        .saturating_add(expelled(db).saturating_mul(roots::MAX_EXPELLED as u64))
        .saturating_add(vote.saturating_mul(withdrawals as u64))
}

/// A cluster's key on its way to a worker.
pub(crate) fn cluster_key(db: RuntimeDbWeight) -> Weight {
    db.reads_writes(10, 8)
}

/// Bytes of the list of a full cluster's contracts. It is appended to without being decoded, but
/// read and hashed whole.
const CONTRACTS_LEN: usize = 32 * MAX_CLUSTER_CONTRACTS as usize;

pub(crate) fn contract_ready(db: RuntimeDbWeight) -> Weight {
    bytes(CONTRACTS_LEN).saturating_add(db.reads_writes(3, 3))
}

pub(crate) fn authorize_contract_ready(db: RuntimeDbWeight) -> Weight {
    Weight::from_parts(SIGNATURE, 0)
        .saturating_add(bytes(CONTRACTS_LEN))
        .saturating_add(db.reads(4))
}
