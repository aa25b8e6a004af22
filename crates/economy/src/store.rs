//! What an era reads and writes, and where: the trait that a pallet and the simulator implement.

use crate::{Node, Point, Spot};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::cmp::{Ordering, Reverse};
use phat_primitives::Balance;
use scale_info::TypeInfo;

/// What a worker brings to an era.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct Capacity {
    /// P, its performance score.
    pub power: u64,
    /// C, its confidence level; more is better.
    pub confidence: u64,
}

/// A cluster's claim to power. Ordered by who chooses first: more stake, then the lower point; should
/// two points be equal, the id decides.
///
/// A map whose keys are sorted as bytes keeps this order with the key
/// `big-endian(!stake) ‖ point ‖ cluster`.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct Bid<C> {
    /// S, above 0.
    pub stake: Balance,
    /// Where the cluster stands on the ring.
    pub point: Point,
    /// Who bids.
    pub cluster: C,
}

impl<C: Ord> Bid<C> {
    fn key(&self) -> (Reverse<Balance>, &Point, &C) {
        (Reverse(self.stake), &self.point, &self.cluster)
    }
}

impl<C: Ord> PartialOrd for Bid<C> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<C: Ord> Ord for Bid<C> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// Where a worker has ended, and why.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct Seat<C> {
    /// The cluster that took it.
    pub cluster: C,
    /// Its rank among those that the cluster had named, from 1 on; `None` if it was found on the ring.
    pub rank: Option<u32>,
}

/// A worker that takes part in an era, while the era is being computed.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct Entrant<W, C> {
    /// Who, and where on the ring.
    pub spot: Spot<W>,
    /// What it brings.
    pub capacity: Capacity,
    /// Who has taken it.
    pub seat: Option<Seat<C>>,
    /// Doubled points it has beyond those that a worker gets whom nobody names.
    pub named: u64,
}

/// What an era means for a worker that takes part.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct Outcome<C> {
    /// The cluster it works for; `None` is the general cluster.
    pub seat: Option<Seat<C>>,
    /// Its popularity, doubled.
    pub popularity: u64,
    /// f + g.
    pub accrued: Balance,
    /// V, its value promise with this era's f + g.
    pub value: Balance,
}

/// What an era means for a cluster that takes part.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct Share {
    /// When it chose, from 1 on.
    pub rank: u32,
    /// S, its stake.
    pub stake: Balance,
    /// B, the power it could take.
    pub budget: u128,
    /// The power it has taken.
    pub power: u128,
    /// The workers it has taken.
    pub workers: u32,
}

/// What an era reads and writes.
///
/// Three kinds of data are behind it.
/// *Inputs* are read only, and must be answered as they were when the era began, whatever has changed
/// since ([`Versioned`](crate::Versioned)).
/// *Scratch* belongs to the era: what it has written it must find again, but may also find what an
/// earlier era has left; only [bids](Self::add_bid) are removed when the next era begins.
/// *Results* must not show before the caller switches them on, all at once, when the era is complete.
///
/// Every method is one access to one record, and costs at most the logarithm of how many there are. The
/// crate's page says how a pallet stores each.
pub trait Store {
    /// Names a worker. The order decides between equal points.
    type Worker: Copy + Ord;
    /// Names a cluster. The order decides between equal points.
    type Cluster: Copy + Ord;

    /// Input: the next spot on the ring, in its order, with what the worker there brings; `None` for
    /// one that is not active, or was not when the era began.
    ///
    /// It is asked once for every spot and era, in the phase [`Workers`](crate::Phase::Workers). So here
    /// is where workers are ended, and spots cleared away that no era will need.
    fn next_worker(
        &mut self,
        after: Option<&Spot<Self::Worker>>,
    ) -> Option<(Spot<Self::Worker>, Option<Capacity>)>;

    /// Input: the next cluster, in any order that stays, with its point and its stake.
    fn next_cluster(
        &mut self,
        after: Option<Self::Cluster>,
    ) -> Option<(Self::Cluster, Point, Balance)>;

    /// Input: the workers that a cluster has named, best first. Those that do not take part or stand
    /// there already are passed over.
    fn preferences(&self, cluster: Self::Cluster) -> Vec<Self::Worker>;

    /// Input: a worker's value promise V in the era in force; 0 for one that is new.
    fn value(&self, worker: Self::Worker) -> Balance;

    /// Scratch: who has a place on the ring, counted from 0.
    fn entrant(&self, place: u32) -> Option<Entrant<Self::Worker, Self::Cluster>>;
    /// Scratch: gives a place, or changes who has it.
    fn put_entrant(&mut self, place: u32, entrant: Entrant<Self::Worker, Self::Cluster>);

    /// Scratch: the place a worker has; any place or none if it does not take part.
    fn place(&self, worker: Self::Worker) -> Option<u32>;
    /// Scratch: notes the place a worker has.
    fn put_place(&mut self, worker: Self::Worker, place: u32);

    /// Scratch: a node of the tree of free workers.
    fn node(&self, level: u8, index: u32) -> Option<Node>;
    /// Scratch: writes a node of the tree of free workers.
    fn put_node(&mut self, level: u8, index: u32, node: Node);

    /// Scratch: enters a bid.
    fn add_bid(&mut self, bid: Bid<Self::Cluster>);
    /// Scratch: the next bid in the order of bids. The one before may have been removed.
    fn next_bid(&self, after: Option<&Bid<Self::Cluster>>) -> Option<Bid<Self::Cluster>>;
    /// Scratch: removes a bid.
    fn remove_bid(&mut self, bid: &Bid<Self::Cluster>);

    /// Result: for each cluster that takes part.
    fn put_share(&mut self, cluster: Self::Cluster, share: Share);
    /// Result: for each worker that takes part.
    fn put_outcome(&mut self, worker: Self::Worker, outcome: Outcome<Self::Cluster>);
}
