//! A store in memory, for the simulator, tests and benchmarks.

use crate::{
    BadParameters, Bid, Capacity, Entrant, Era, EraNumber, HEIGHT, Node, Outcome, Parameters,
    Point, Share, Spot, Store, Versioned,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::ops::Bound;
use phat_primitives::Balance;

/// Workers and clusters under numbers that whoever uses it gives out: from 0 on and without large gaps,
/// since memory is in proportion to the largest.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The last era that has begun.
    era: EraNumber,
    ring: BTreeMap<Spot<u32>, Versioned<Option<Capacity>>>,
    clusters: BTreeMap<u32, Cluster>,
    entrants: Vec<Option<Entrant<u32, u32>>>,
    places: Vec<Option<u32>>,
    nodes: [Vec<Option<Node>>; HEIGHT as usize],
    bids: BTreeSet<Bid<u32>>,
    next: Results,
    in_force: Results,
}

#[derive(Clone, Debug)]
struct Cluster {
    point: Point,
    stake: Versioned<Balance>,
    preferences: Versioned<Vec<u32>>,
}

#[derive(Clone, Debug, Default)]
struct Results {
    shares: BTreeMap<u32, Share>,
    outcomes: Vec<Option<Outcome<u32>>>,
}

impl Memory {
    /// Makes a worker active, from the next era on.
    pub fn add_worker(&mut self, spot: Spot<u32>, capacity: Capacity) {
        let entry = self.ring.entry(spot).or_default();
        entry.set(Some(capacity), self.era);
    }

    /// Ends a worker's activity, from the next era on.
    pub fn remove_worker(&mut self, spot: &Spot<u32>) {
        if let Some(capacity) = self.ring.get_mut(spot) {
            capacity.set(None, self.era);
        }
    }

    /// Adds a cluster, without stake and preferences.
    pub fn add_cluster(&mut self, cluster: u32, point: Point) {
        let cluster = self.clusters.entry(cluster);
        cluster.or_insert(Cluster {
            point,
            stake: Versioned::default(),
            preferences: Versioned::default(),
        });
    }

    /// Sets a cluster's stake, from the next era on.
    pub fn set_stake(&mut self, cluster: u32, stake: Balance) {
        if let Some(cluster) = self.clusters.get_mut(&cluster) {
            cluster.stake.set(stake, self.era);
        }
    }

    /// Sets the workers that a cluster names, from the next era on.
    pub fn set_preferences(&mut self, cluster: u32, workers: Vec<u32>) {
        if let Some(cluster) = self.clusters.get_mut(&cluster) {
            cluster.preferences.set(workers, self.era);
        }
    }

    /// Begins an era on what is there now. One that has begun before and is not complete is dropped.
    pub fn begin(&mut self, parameters: Parameters) -> Result<Era<u32, u32>, BadParameters> {
        let era = Era::begin(parameters)?;
        self.era += 1;
        self.next = Results::default();
        Ok(era)
    }

    /// Puts the results of the era that has been completed in force.
    pub fn switch(&mut self) {
        self.in_force = core::mem::take(&mut self.next);
    }

    /// What the era in force means for a worker; `None` if it does not take part.
    pub fn outcome(&self, worker: u32) -> Option<&Outcome<u32>> {
        at(&self.in_force.outcomes, worker)
    }

    /// The clusters that take part in the era in force.
    pub fn shares(&self) -> &BTreeMap<u32, Share> {
        &self.in_force.shares
    }
}

fn at<T>(list: &[Option<T>], index: u32) -> Option<&T> {
    list.get(index as usize)?.as_ref()
}

fn put<T: Clone>(list: &mut Vec<Option<T>>, index: u32, value: T) {
    let index = index as usize;
    if list.len() <= index {
        list.resize(index + 1, None);
    }
    list[index] = Some(value);
}

/// What is behind `after`, or everything.
fn behind<T: Copy>(after: Option<&T>) -> (Bound<T>, Bound<T>) {
    let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(*after));
    (from, Bound::Unbounded)
}

impl Store for Memory {
    type Worker = u32;
    type Cluster = u32;

    fn next_worker(&mut self, after: Option<&Spot<u32>>) -> Option<(Spot<u32>, Option<Capacity>)> {
        let (spot, capacity) = self.ring.range(behind(after)).next()?;
        let (spot, seen) = (*spot, *capacity.seen_in(self.era));
        if seen.is_none() && capacity.now().is_none() {
            self.ring.remove(&spot);
        }
        Some((spot, seen))
    }

    fn next_cluster(&mut self, after: Option<u32>) -> Option<(u32, Point, Balance)> {
        let (id, cluster) = self.clusters.range(behind(after.as_ref())).next()?;
        Some((*id, cluster.point, *cluster.stake.seen_in(self.era)))
    }

    fn preferences(&self, cluster: u32) -> Vec<u32> {
        let cluster = self.clusters.get(&cluster);
        cluster
            .map(|cluster| cluster.preferences.seen_in(self.era).clone())
            .unwrap_or_default()
    }

    fn value(&self, worker: u32) -> Balance {
        self.outcome(worker).map_or(0, |outcome| outcome.value)
    }

    fn entrant(&self, place: u32) -> Option<Entrant<u32, u32>> {
        at(&self.entrants, place).copied()
    }

    fn put_entrant(&mut self, place: u32, entrant: Entrant<u32, u32>) {
        put(&mut self.entrants, place, entrant);
    }

    fn place(&self, worker: u32) -> Option<u32> {
        at(&self.places, worker).copied()
    }

    fn put_place(&mut self, worker: u32, place: u32) {
        put(&mut self.places, worker, place);
    }

    fn node(&self, level: u8, index: u32) -> Option<Node> {
        at(self.nodes.get(usize::from(level))?, index).cloned()
    }

    fn put_node(&mut self, level: u8, index: u32, node: Node) {
        if let Some(level) = self.nodes.get_mut(usize::from(level)) {
            put(level, index, node);
        }
    }

    fn add_bid(&mut self, bid: Bid<u32>) {
        self.bids.insert(bid);
    }

    fn next_bid(&self, after: Option<&Bid<u32>>) -> Option<Bid<u32>> {
        self.bids.range(behind(after)).next().copied()
    }

    fn remove_bid(&mut self, bid: &Bid<u32>) {
        self.bids.remove(bid);
    }

    fn put_share(&mut self, cluster: u32, share: Share) {
        self.next.shares.insert(cluster, share);
    }

    fn put_outcome(&mut self, worker: u32, outcome: Outcome<u32>) {
        put(&mut self.next.outcomes, worker, outcome);
    }
}
