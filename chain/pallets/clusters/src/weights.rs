//! Weights, upper bounds: see [`pallet_phat_messages::weights`] for how they were found.

use super::*;
use frame_support::weights::RuntimeDbWeight;
use pallet_phat_messages::weights::{bytes, compute, hash, records, signature};
use phat_primitives::{credit::CreditReport, limits::MAX_FREE_CALLERS, message::KeyDelivery};

/// Sorting the workers of a full cluster, or going through the votes of all of them, in picoseconds.
const ALL_WORKERS: u64 = 50_000_000;

/// Bytes of a cluster's record, most of which is the list of those who may deploy.
const CLUSTER_LEN: usize = 256 + 32 * MAX_ALLOWED_DEPLOYERS as usize;
/// Bytes of a policy, most of which is the list of those who call free of charge.
const POLICY_LEN: usize = 128 + 32 * MAX_FREE_CALLERS as usize;

/// A call that reads a cluster's record, and so many others.
pub(crate) fn in_cluster(db: RuntimeDbWeight, reads: u64, writes: u64) -> Weight {
    bytes(CLUSTER_LEN).saturating_add(records(db, reads, writes))
}

/// A call that carries a payload to the workers.
pub(crate) fn payload(len: usize, db: RuntimeDbWeight) -> Weight {
    bytes(len).saturating_add(in_cluster(db, 10, 10))
}

/// Money goes into a cluster, or is asked out of it.
pub(crate) fn transfer(db: RuntimeDbWeight) -> Weight {
    in_cluster(db, 6, 6)
}

/// A worker that had diverged may come back.
pub(crate) fn readmit(db: RuntimeDbWeight) -> Weight {
    records(db, 2, 1)
}

/// The transport key of a cluster changes.
pub(crate) fn rotate(db: RuntimeDbWeight) -> Weight {
    in_cluster(db, 6, 5)
}

/// Setting a policy: the cluster's record and the policy are read, written and ordered, each with a full
/// list of accounts.
pub(crate) fn policy(db: RuntimeDbWeight) -> Weight {
    bytes(CLUSTER_LEN + 2 * POLICY_LEN).saturating_add(in_cluster(db, 6, 5))
}

/// Bytes of a credit of which as many workers as may have a slice.
const CREDIT_LEN: usize = 64 + 112 * MAX_CREDIT_SLICES as usize;

/// Reads that tell whether the sessions of all slices are there still: of each the worker's cluster and
/// its present session. With the credit and the number of the next slice.
const SESSIONS: u64 = 2 * MAX_CREDIT_SLICES as u64 + 2;

/// Looking after all slices of a credit, in picoseconds.
const ALL_SLICES: u64 = 100_000_000;

/// Changing a credit: two accounts, the policy, the credit with the worker's cluster and session of each
/// slice, what is owed, and two messages.
pub(crate) fn credit(db: RuntimeDbWeight) -> Weight {
    compute(ALL_SLICES)
        .saturating_add(bytes(POLICY_LEN + 2 * CREDIT_LEN))
        .saturating_add(records(db, SESSIONS + 9, 9))
}

/// A worker's report of its slices, and of each account that wants one.
pub(crate) fn credit_report(report: &CreditReport, db: RuntimeDbWeight) -> Weight {
    let slice = bytes(2 * CREDIT_LEN).saturating_add(records(db, 5, 4));
    let wanted = compute(ALL_SLICES)
        .saturating_add(bytes(2 * CREDIT_LEN))
        .saturating_add(records(db, SESSIONS, 4));
    slice
        .saturating_mul(report.slices.len() as u64)
        .saturating_add(wanted.saturating_mul(report.wanted.len() as u64))
        .saturating_add(records(db, 6, 5))
}

/// A look at the same credits, which tells whether the report is urgent.
pub(crate) fn credit_urgency(report: &CreditReport, db: RuntimeDbWeight) -> Weight {
    let lines = report.slices.len().saturating_add(report.wanted.len());
    bytes(2 * CREDIT_LEN)
        .saturating_add(db.reads(1))
        .saturating_mul(lines as u64)
        .saturating_add(db.reads(1))
}

/// The code of the system contract is kept.
pub(crate) fn system_code(len: usize, db: RuntimeDbWeight) -> Weight {
    bytes(len)
        .saturating_add(hash(len))
        .saturating_add(records(db, 0, 1))
}

/// Creating a cluster: the code of the system contract is hashed and travels with it.
pub(crate) fn add_cluster(workers: usize, db: RuntimeDbWeight) -> Weight {
    let (per_worker, code) = (workers as u64, MAX_CODE_LEN as usize);
    payload(code, db)
        .saturating_add(hash(code))
        .saturating_add(records(db, 4, 1).saturating_mul(per_worker))
        .saturating_add(records(db, 4, 4))
}

/// Changing which workers are in a cluster: the list of them is read and written whole.
pub(crate) fn membership(db: RuntimeDbWeight) -> Weight {
    compute(ALL_WORKERS).saturating_add(in_cluster(db, 12, 12))
}

/// Blocks whose roots are agreed on: the list of them is read and written whole.
const AGREED_LEN: usize = 4 * MAX_AGREED_ROOTS as usize;
/// Votes of a full cluster on the roots of one block.
const VOTES_LEN: usize = 96 * MAX_CLUSTER_WORKERS as usize;

/// A worker that leaves because its state is another one: the mark, two messages, the cluster's list
/// and the worker's records.
fn expelled(db: RuntimeDbWeight) -> Weight {
    compute(ALL_WORKERS).saturating_add(db.reads_writes(8, 10))
}

/// A heartbeat: the worker's cluster and state, the members; the votes on the block's roots, those of
/// blocks that got too old, what was agreed on; and of each withdrawal its record, the account that gets
/// it, and a message.
pub(crate) fn heartbeat(withdrawals: usize, db: RuntimeDbWeight) -> Weight {
    let vote = compute(3 * ALL_WORKERS).saturating_add(db.reads_writes(3, 3));
    compute(2 * ALL_WORKERS)
        .saturating_add(bytes(AGREED_LEN + VOTES_LEN))
        .saturating_add(records(db, 9, 9))
        .saturating_add(expelled(db).saturating_mul(roots::MAX_EXPELLED as u64))
        .saturating_add(vote.saturating_mul(withdrawals as u64))
}

/// A cluster's keys on their way to a worker, copied into a message.
pub(crate) fn cluster_key(delivery: &KeyDelivery, db: RuntimeDbWeight) -> Weight {
    bytes(delivery.encoded_size()).saturating_add(records(db, 10, 8))
}

/// Bytes of the list of a full cluster's contracts. It is appended to without being decoded, but
/// read whole.
const CONTRACTS_LEN: usize = 32 * MAX_CLUSTER_CONTRACTS as usize;

pub(crate) fn contract_ready(db: RuntimeDbWeight) -> Weight {
    bytes(CONTRACTS_LEN).saturating_add(records(db, 3, 3))
}

pub(crate) fn authorize_contract_ready(db: RuntimeDbWeight) -> Weight {
    signature()
        .saturating_add(bytes(CONTRACTS_LEN))
        .saturating_add(records(db, 4, 0))
}
