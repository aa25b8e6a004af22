//! Credits: what callers have paid in advance in a cluster that weighs calls by what is paid for them
//! ([`crate::policy::FeeModel::PayPerWeight`]).
//!
//! A credit belongs to an account, and lies on the chain. Workers spend of it without asking anybody,
//! because each has a *slice* of its own: a part that the chain has set aside for this worker alone.
//! What the slices hold together never is more than what was paid, so however many workers are asked at
//! once, they cannot spend more.
//!
//! ```text
//! chain    free ──lend──▶ slice ──settle what was spent──▶ treasury of the cluster
//!            ▲              │
//!            └── give back ─┘   when the worker says that it is done with it
//! ```
//!
//! # Nothing is spent twice
//!
//! A slice is lent to a *session*: one start of a worker, named by random bytes that stand nowhere but
//! in the memory of that process. What a session has lent and spent stands there too, and nobody can put
//! memory back to what it was. A worker that starts again is another session and has nothing, whatever
//! its disk says; two copies of a worker that run at once are two sessions. A worker that lags behind
//! the chain spends what it was lent, which nobody else has.
//!
//! What a session has spent and not reported when it ends, nobody knows. Its slices therefore count as
//! spent once it has been silent for [`crate::limits::SLICE_GRACE`] blocks after the chain has noticed
//! that it is gone. That is why slices are small beside the credit, and why the caller says how small.

use crate::{AccountId, Balance, ClusterId, Hash, WorkerId};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

/// Names a slice. They count from 0 over the whole chain, so a later slice has a greater number.
pub type SliceNumber = u64;

/// What the chain tells a cluster's workers about a credit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum CreditOrder {
    /// A worker has a slice, or more of it.
    #[codec(index = 0)]
    Lent(Lent),
    /// The account wants its credit back: all workers are to spend no more of it, and to report.
    #[codec(index = 1)]
    Recalled(AccountId),
}

/// A slice, as its worker is told of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Lent {
    /// The slice.
    pub number: SliceNumber,
    /// For which worker.
    pub worker: WorkerId,
    /// For which session of it.
    pub session: Hash,
    /// Whose credit it is.
    pub account: AccountId,
    /// All that was ever lent with this slice.
    pub total: Balance,
}

/// What a session of a worker says of its slices. Everything in it is cumulative, so that it can be
/// reported twice.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct CreditReport {
    /// The cluster.
    pub cluster: ClusterId,
    /// The session.
    pub session: Hash,
    /// At most [`crate::limits::MAX_CREDIT_LINES`].
    pub slices: Vec<SliceUse>,
    /// Accounts that are about to spend more here than their slice has. At most
    /// [`crate::limits::MAX_CREDIT_LINES`].
    pub wanted: Vec<AccountId>,
}

/// What has become of a slice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SliceUse {
    /// Whose credit it is.
    pub account: AccountId,
    /// The slice.
    pub number: SliceNumber,
    /// All that was ever spent of it.
    pub spent: Balance,
    /// Nothing more will be.
    pub done: bool,
}
