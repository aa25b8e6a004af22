//! Weights, upper bounds: see [`pallet_phat_messages::weights`] for how they were found.

use super::*;
use frame_support::weights::RuntimeDbWeight;
use pallet_phat_messages::weights::{compute, records};
use phat_economy::{HEIGHT, Phase};

/// Looking at one worker that a cluster names, in picoseconds.
const NAME: u64 = 12_000_000;
/// A step of an era beside what it does for names, in picoseconds: nodes of the tree are decoded and
/// encoded whole.
const STEP: u64 = 50_000_000;
/// Going through all members of a full cluster, in picoseconds.
const MEMBERS: u64 = 150_000_000;

pub(crate) fn settings(db: RuntimeDbWeight) -> Weight {
    records(db, 2, 2)
}

pub(crate) fn general_cluster(db: RuntimeDbWeight) -> Weight {
    records(db, 6, 3)
}

/// Money that moves between two accounts.
pub(crate) fn transfer(db: RuntimeDbWeight) -> Weight {
    records(db, 4, 3)
}

pub(crate) fn activate(db: RuntimeDbWeight) -> Weight {
    records(db, 13, 6)
}

pub(crate) fn life(db: RuntimeDbWeight) -> Weight {
    records(db, 12, 4)
}

/// The worker, its value promise, its ledger; the end of one that has nothing left.
pub(crate) fn slash(db: RuntimeDbWeight) -> Weight {
    records(db, 8, 3).saturating_add(settle(db))
}

/// A worker that is suspended and slashed, or is heard.
pub(crate) fn fail(db: RuntimeDbWeight) -> Weight {
    records(db, 8, 3).saturating_add(slash(db))
}

pub(crate) fn payout(db: RuntimeDbWeight) -> Weight {
    records(db, 6, 2).saturating_add(transfer(db))
}

/// Three ways for money, and every record of the worker.
pub(crate) fn settle(db: RuntimeDbWeight) -> Weight {
    records(db, 8, 6).saturating_add(transfer(db).saturating_mul(3))
}

pub(crate) fn stake(db: RuntimeDbWeight) -> Weight {
    records(db, 9, 6)
}

pub(crate) fn pool(db: RuntimeDbWeight) -> Weight {
    records(db, 6, 1)
}

pub(crate) fn preferences(named: usize, db: RuntimeDbWeight) -> Weight {
    let named = (named as u64).min(u64::from(MAX_PREFERENCES));
    records(db, 6, 2)
        .saturating_add(compute(NAME.saturating_mul(named)))
        .saturating_add(db.reads(named))
}

/// The time, and what is to be done.
pub(crate) fn idle(db: RuntimeDbWeight) -> Weight {
    records(db, 6, 3)
}

/// An era begins.
pub(crate) fn begin(db: RuntimeDbWeight) -> Weight {
    records(db, 7, 6)
}

/// A look at a worker: its record, its outcome, where it is; and a line in its ledger.
pub(crate) fn look(db: RuntimeDbWeight) -> Weight {
    records(db, 8, 3)
}

/// A worker that goes from one cluster to another: the states of all members of the one that it
/// leaves, the lists of both, three messages.
pub(crate) fn relocate(db: RuntimeDbWeight) -> Weight {
    let members = u64::from(phat_primitives::limits::MAX_CLUSTER_WORKERS);
    compute(MEMBERS)
        .saturating_add(db.reads(members))
        .saturating_add(records(db, 22, 18))
}

/// A worker that is ended or suspended when it passes, beside [`step`]: it may lose all of its records.
pub(crate) fn ending(db: RuntimeDbWeight) -> Weight {
    slash(db)
}

/// The next step of an era, as its phase states it.
pub(crate) fn step<T: Config>(phase: &Phase<WorkerId, ClusterId>) -> Weight {
    let db = T::DbWeight::get();
    let height = u64::from(HEIGHT);
    let named = u64::from(MAX_PREFERENCES);
    let (reads, writes, names) = match phase {
        Phase::Clear { .. } => (2, 1, 0),
        Phase::Workers { .. } => (height.saturating_add(12), height.saturating_add(5), 0),
        Phase::Clusters { .. } => (2, 1, 0),
        Phase::Names { .. } => (
            named
                .saturating_mul(height.saturating_add(2))
                .saturating_add(2 + 25),
            named.saturating_mul(height.saturating_add(1)),
            named,
        ),
        Phase::Tail { .. } => (height.saturating_mul(5), height.saturating_add(1), 0),
        Phase::Values { .. } => (5, 1, 0),
        Phase::Complete => (1, 1, 0),
    };
    compute(STEP)
        .saturating_add(compute(NAME.saturating_mul(names)))
        .saturating_add(db.reads_writes(reads, writes))
}
