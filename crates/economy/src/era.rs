//! An era, computed step by step.

use crate::{
    BadParameters, Bid, Entrant, MAX_WORKERS, Outcome, Parameters, Point, Seat, Share, Spot, Store,
    reward::{BILLION, multiply_divide},
    tree,
};
use alloc::{collections::BTreeSet, vec::Vec};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use phat_primitives::Balance;
use primitive_types::U256;
use scale_info::TypeInfo;

/// Number of an era.
pub type EraNumber = u32;

/// How far the computation of an era has come. With the store it is all there is: kept as bytes between
/// two steps, it goes on as if nothing had happened.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Era<W, C> {
    parameters: Parameters,
    totals: Totals,
    /// How many clusters have had their turn.
    rank: u32,
    phase: Phase<W, C>,
}

/// Sums over all who take part.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct Totals {
    /// m, how many workers are active.
    pub workers: u32,
    /// How many clusters have stake.
    pub clusters: u32,
    /// P, the power of all workers.
    pub power: u128,
    /// What of it no cluster can have.
    pub reserved: u128,
    /// ΣS, the stake of all clusters.
    pub stake: Balance,
    /// Doubled points that a worker gets whom nobody names.
    pub tied: u64,
}

/// What the next step does, and what it costs. `m` is the number of workers, `L` that of the workers
/// that the cluster names.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum Phase<W, C> {
    /// Removes a bid that the era before has left, complete or not: one read, one write.
    #[codec(index = 0)]
    Clear {
        /// The last one.
        after: Option<Bid<C>>,
    },
    /// Enters a worker: one read on the ring, two writes, and at most [`HEIGHT`](crate::HEIGHT) nodes
    /// read and written.
    #[codec(index = 1)]
    Workers {
        /// The last one.
        after: Option<Spot<W>>,
    },
    /// Enters a cluster: one read, one write.
    #[codec(index = 2)]
    Clusters {
        /// The last one.
        after: Option<C>,
    },
    /// A cluster goes through the workers that it has named, and its points are given out: `2·L + 2`
    /// reads, `L` writes, and at most `L·HEIGHT` nodes read and written; and it finds its place on the
    /// ring by at most `log2 m + 1` reads.
    #[codec(index = 3)]
    Names {
        /// The bid of the cluster before it.
        after: Option<Bid<C>>,
    },
    /// A cluster takes one worker from the ring, or finds that none fits any more: at most
    /// `4·HEIGHT − 2` nodes read, then one read and one write and at most `HEIGHT` nodes read and
    /// written; one write if none fits.
    #[codec(index = 4)]
    Tail {
        /// Its bid.
        bid: Bid<C>,
        /// What it has so far.
        share: Share,
        /// From where on it looks.
        place: u32,
    },
    /// What a worker has earned: two reads, one write.
    #[codec(index = 5)]
    Values {
        /// Its place.
        place: u32,
    },
    /// Nothing is left: the results can be switched on.
    #[codec(index = 6)]
    Complete,
}

/// A record that a store has been given is not there, or an impossible one is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the era's records are damaged: drop this era, keep the results in force, and begin another"
)]
pub struct Lost;

/// Why an era cannot be computed. It has to be dropped then; the results in force stay.
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
    thiserror::Error,
)]
pub enum EraError<W> {
    /// ΣS is beyond `u128`.
    #[error("the stakes of all clusters add up to more than 2^128 - 1")]
    Stake,
    /// f + g, or V with it, is beyond `u128`.
    #[error("a worker's value promise would be more than 2^128 - 1: lower f or g")]
    Value(W),
    /// More workers than the tree has places for.
    #[error("an era has at most {MAX_WORKERS} workers")]
    TooManyWorkers,
    /// More clusters than can be counted.
    #[error("an era has less than 2^32 clusters")]
    TooManyClusters,
    /// The store is not what it should be.
    #[error("{Lost}")]
    Lost,
}

impl<W> From<Lost> for EraError<W> {
    fn from(Lost: Lost) -> Self {
        Self::Lost
    }
}

impl<W: Copy + Ord, C: Copy + Ord> Era<W, C> {
    /// Begins an era. From now on the store answers what the era reads as it is at this moment.
    pub fn begin(parameters: Parameters) -> Result<Self, BadParameters> {
        parameters.check()?;
        Ok(Self {
            parameters,
            totals: Totals::default(),
            rank: 0,
            phase: Phase::Clear { after: None },
        })
    }

    /// What the next step will do.
    pub fn phase(&self) -> &Phase<W, C> {
        &self.phase
    }

    /// Whether nothing is left to do.
    pub fn is_complete(&self) -> bool {
        matches!(self.phase, Phase::Complete)
    }

    /// Sums over all who take part. Of workers they are final when the clusters' turn has come, of
    /// clusters when the last has chosen.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Does all that is left. For those who need not divide it.
    pub fn finish<S>(&mut self, store: &mut S) -> Result<(), EraError<W>>
    where
        S: Store<Worker = W, Cluster = C>,
    {
        while !self.is_complete() {
            self.step(store)?;
        }
        Ok(())
    }

    /// Does the next step, whose cost [`Phase`] states. Does nothing if the era is complete.
    ///
    /// After an error the era cannot go on: drop it.
    pub fn step<S>(&mut self, store: &mut S) -> Result<(), EraError<W>>
    where
        S: Store<Worker = W, Cluster = C>,
    {
        self.phase = match self.phase.clone() {
            Phase::Clear { after } => match store.next_bid(after.as_ref()) {
                Some(bid) => {
                    store.remove_bid(&bid);
                    Phase::Clear { after: Some(bid) }
                }
                None => Phase::Workers { after: None },
            },
            Phase::Workers { after } => self.enter_worker(store, after)?,
            Phase::Clusters { after } => self.enter_cluster(store, after)?,
            Phase::Names { after } => match store.next_bid(after.as_ref()) {
                Some(bid) => self.choose_named(store, bid)?,
                None => Phase::Values { place: 0 },
            },
            Phase::Tail { bid, share, place } => self.choose_next(store, bid, share, place)?,
            Phase::Values { place } => self.value(store, place)?,
            Phase::Complete => Phase::Complete,
        };
        Ok(())
    }

    fn enter_worker<S>(
        &mut self,
        store: &mut S,
        after: Option<Spot<W>>,
    ) -> Result<Phase<W, C>, EraError<W>>
    where
        S: Store<Worker = W, Cluster = C>,
    {
        let Some((spot, capacity)) = store.next_worker(after.as_ref()) else {
            // P is below 2^24 times 2^64, and α at most 10^9: the product fits.
            let share = self.totals.power * u128::from(self.parameters.reserved);
            self.totals.reserved = share / u128::from(BILLION);
            return Ok(Phase::Clusters { after: None });
        };
        if let Some(capacity) = capacity {
            let place = self.totals.workers;
            if place >= MAX_WORKERS {
                return Err(EraError::TooManyWorkers);
            }
            store.put_entrant(
                place,
                Entrant {
                    spot,
                    capacity,
                    seat: None,
                    named: 0,
                },
            );
            store.put_place(spot.worker, place);
            tree::free(store, place, capacity.power)?;
            self.totals.workers += 1;
            self.totals.power += u128::from(capacity.power);
        }
        Ok(Phase::Workers { after: Some(spot) })
    }

    fn enter_cluster<S>(
        &mut self,
        store: &mut S,
        after: Option<C>,
    ) -> Result<Phase<W, C>, EraError<W>>
    where
        S: Store<Worker = W, Cluster = C>,
    {
        let Some((cluster, point, stake)) = store.next_cluster(after) else {
            return Ok(Phase::Names { after: None });
        };
        // One without stake would move popularity for nothing.
        if stake > 0 {
            let totals = &mut self.totals;
            totals.stake = totals.stake.checked_add(stake).ok_or(EraError::Stake)?;
            let clusters = totals.clusters.checked_add(1);
            totals.clusters = clusters.ok_or(EraError::TooManyClusters)?;
            store.add_bid(Bid {
                stake,
                point,
                cluster,
            });
        }
        Ok(Phase::Clusters {
            after: Some(cluster),
        })
    }

    /// The turn of a cluster: its budget, and the workers that it has named.
    fn choose_named<S>(&mut self, store: &mut S, bid: Bid<C>) -> Result<Phase<W, C>, EraError<W>>
    where
        S: Store<Worker = W, Cluster = C>,
    {
        let totals = &mut self.totals;
        let available = totals.power - totals.reserved;
        let budget = multiply_divide(available, bid.stake, U256::from(totals.stake)).ok_or(Lost)?;
        self.rank += 1;
        let mut share = Share {
            rank: self.rank,
            stake: bid.stake,
            budget,
            power: 0,
            workers: 0,
        };
        let named = named(store, totals.workers, bid.cluster)?;
        // Points stay below 2·2^24 a cluster and so below 2^57 in all.
        let workers = u64::from(totals.workers);
        let tied = workers + 1 - named.len() as u64;
        totals.tied += tied;
        for (rank, (place, mut entrant)) in (1..).zip(named) {
            // m − k + 1, doubled; what all get, named or not, is added for all at the end.
            entrant.named += 2 * (workers + 1 - u64::from(rank)) - tied;
            take(store, place, &mut entrant, &bid, Some(rank), &mut share)?;
            store.put_entrant(place, entrant);
        }
        let place = first_from(store, totals.workers, &bid.point)?;
        Ok(Phase::Tail { bid, share, place })
    }

    /// A cluster goes on around the ring, to the next worker that fits.
    fn choose_next<S>(
        &mut self,
        store: &mut S,
        bid: Bid<C>,
        mut share: Share,
        from: u32,
    ) -> Result<Phase<W, C>, EraError<W>>
    where
        S: Store<Worker = W, Cluster = C>,
    {
        let left = share.budget - share.power;
        let workers = self.totals.workers;
        let mut found = None;
        // What it has passed did not fit and never will, since its budget only shrinks. So it can look
        // at the whole ring, and need not know where it began.
        for from in [from, 0] {
            if found.is_none() && from < workers {
                found = tree::find(store, from, left)?;
            }
        }
        let Some(place) = found else {
            store.put_share(bid.cluster, share);
            return Ok(Phase::Names { after: Some(bid) });
        };
        let mut entrant = store.entrant(place).ok_or(Lost)?;
        if !take(store, place, &mut entrant, &bid, None, &mut share)? {
            return Err(EraError::Lost);
        }
        store.put_entrant(place, entrant);
        let place = place + 1;
        Ok(Phase::Tail { bid, share, place })
    }

    fn value<S>(&mut self, store: &mut S, place: u32) -> Result<Phase<W, C>, EraError<W>>
    where
        S: Store<Worker = W, Cluster = C>,
    {
        if place >= self.totals.workers {
            return Ok(Phase::Complete);
        }
        let entrant = store.entrant(place).ok_or(Lost)?;
        let worker = entrant.spot.worker;
        let popularity = self.totals.tied + entrant.named;
        let Parameters { f, g, .. } = &self.parameters;
        let earned = || {
            let f = f.at(entrant.capacity.confidence, entrant.capacity.power)?;
            let accrued = f.checked_add(g.at(popularity)?)?;
            Some((accrued, store.value(worker).checked_add(accrued)?))
        };
        let (accrued, value) = earned().ok_or(EraError::Value(worker))?;
        store.put_outcome(
            worker,
            Outcome {
                seat: entrant.seat,
                popularity,
                accrued,
                value,
            },
        );
        Ok(Phase::Values { place: place + 1 })
    }
}

type EntrantIn<S> = Entrant<<S as Store>::Worker, <S as Store>::Cluster>;

/// The workers that a cluster has named, without those that do not take part and repeated ones.
fn named<S: Store>(
    store: &S,
    workers: u32,
    cluster: S::Cluster,
) -> Result<Vec<(u32, EntrantIn<S>)>, Lost> {
    let mut seen = BTreeSet::new();
    let mut named = Vec::new();
    for worker in store.preferences(cluster) {
        let Some(place) = store.place(worker).filter(|place| *place < workers) else {
            continue;
        };
        let entrant = store.entrant(place).ok_or(Lost)?;
        // If somebody else is there, the place is one that the worker had in an earlier era.
        if entrant.spot.worker == worker && seen.insert(place) {
            named.push((place, entrant));
        }
    }
    Ok(named)
}

/// Gives a worker to the cluster if it is free and fits. Says whether it did.
fn take<S: Store>(
    store: &mut S,
    place: u32,
    entrant: &mut EntrantIn<S>,
    bid: &Bid<S::Cluster>,
    rank: Option<u32>,
    share: &mut Share,
) -> Result<bool, Lost> {
    let power = u128::from(entrant.capacity.power);
    if entrant.seat.is_some() || power > share.budget - share.power {
        return Ok(false);
    }
    entrant.seat = Some(Seat {
        cluster: bid.cluster,
        rank,
    });
    share.power += power;
    share.workers += 1;
    tree::take(store, place)?;
    Ok(true)
}

/// The first place at or behind a point of the ring; the number of workers if there is none.
fn first_from<S: Store>(store: &S, workers: u32, point: &Point) -> Result<u32, Lost> {
    let (mut low, mut high) = (0, workers);
    while low < high {
        let middle = low + (high - low) / 2;
        if store.entrant(middle).ok_or(Lost)?.spot.point < *point {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
