//! What an era reads and writes, in the chain's storage. What each method costs at most is in
//! [`weights::step`].

use super::*;
use core::marker::PhantomData;
use phat_economy::{Bid, Point, Store};

/// The records of the era that has begun last.
pub(crate) struct Records<T> {
    /// Its number.
    era: EraNumber,
    /// The slot that its results go to.
    slot: Slot,
    /// Whether the last step has ended or suspended a worker.
    ended: bool,
    _config: PhantomData<T>,
}

impl<T: Config> Records<T> {
    pub(crate) fn of_last_era() -> Self {
        Self {
            era: LastEra::<T>::get(),
            slot: Self::free_slot(),
            ended: false,
            _config: PhantomData,
        }
    }

    /// Whether a worker was ended or suspended since this was asked last.
    pub(crate) fn have_ended_one(&mut self) -> bool {
        core::mem::take(&mut self.ended)
    }

    /// The slot that is not in force.
    pub(crate) fn free_slot() -> Slot {
        EraInForce::<T>::get().map_or_else(Slot::default, |in_force| in_force.slot.other())
    }

    /// Ends a worker whose time has come, and says what the others bring. A worker passes here once in
    /// every era, as it was when the era began, which is the end of the era before.
    fn pass(
        &mut self,
        spot: Spot<WorkerId>,
        mut entry: Versioned<Option<Capacity>>,
    ) -> Option<Capacity> {
        let worker = spot.worker;
        let seen = *entry.seen_in(self.era);
        // A worker that was settled, and is perhaps back at another place.
        let Some(mut known) = Workers::<T>::get(worker).filter(|known| known.point == spot.point)
        else {
            Ring::<T>::remove(spot);
            return None;
        };
        let leaves = seen.is_none() && known.status == WorkerStatus::Leaving;
        if seen.is_none() && entry.now().is_none() {
            Ring::<T>::remove(spot);
        }
        if seen.is_none() && !leaves {
            if known.status != WorkerStatus::Active {
                known.value = Pallet::<T>::value_of(&worker, &known);
                Workers::<T>::insert(worker, known);
            }
            return None;
        }
        let value = Pallet::<T>::value_of(&worker, &known);
        known.value = value;
        if known.account.seen_in(self.era).is_exhausted(value) {
            Workers::<T>::insert(worker, known);
            Ring::<T>::remove(spot);
            self.ended = true;
            Pallet::<T>::exhaust(&worker);
            return None;
        }
        let missed = known.heard < known.asked && known.status.is_on_duty();
        if leaves {
            known.status = Pallet::<T>::cooling_down(worker, self.era);
        } else if missed {
            Pallet::<T>::suspend(&worker, &mut known, Cause::Missed);
        } else {
            if pallet_phat_clusters::DeliveredEpochs::<T>::contains_key(worker) {
                known.asked = self.era;
            }
            // New evidence may have said something else; a worker on its way out stays as it is.
            let present = Pallet::<T>::capacity_of(&worker);
            if entry.now().is_some() && *entry.now() != present {
                entry.set(present, self.era);
                Ring::<T>::insert(spot, entry);
            }
        }
        Workers::<T>::insert(worker, known);
        if missed {
            self.ended = true;
            let amount = Setting::<T>::get().slashes.missed;
            Pallet::<T>::slash(&worker, amount, Cause::Missed);
        }
        seen.filter(|_| !leaves && !missed)
    }
}

fn bid_key(bid: &Bid<ClusterId>) -> BidKey {
    ((!bid.stake).to_be_bytes(), bid.point, bid.cluster)
}

impl<T: Config> Store for Records<T> {
    type Worker = WorkerId;
    type Cluster = ClusterId;

    fn next_worker(
        &mut self,
        after: Option<&Spot<WorkerId>>,
    ) -> Option<(Spot<WorkerId>, Option<Capacity>)> {
        let mut spots = match after {
            Some(after) => Ring::<T>::iter_from(Ring::<T>::hashed_key_for(after)),
            None => Ring::<T>::iter(),
        };
        let (spot, entry) = spots.next()?;
        Some((spot, self.pass(spot, entry)))
    }

    fn next_cluster(&mut self, after: Option<ClusterId>) -> Option<(ClusterId, Point, Balance)> {
        let mut pools = match after {
            Some(after) => Pools::<T>::iter_from(Pools::<T>::hashed_key_for(after)),
            None => Pools::<T>::iter(),
        };
        let (cluster, pool) = pools.next()?;
        Some((cluster, pool.point, *pool.stake.seen_in(self.era)))
    }

    fn preferences(&self, cluster: ClusterId) -> Vec<WorkerId> {
        Preferences::<T>::get(cluster)
            .map(|list| list.seen_in(self.era).clone().into_inner())
            .unwrap_or_default()
    }

    fn value(&self, worker: WorkerId) -> Balance {
        Workers::<T>::get(worker).map_or(0, |known| Pallet::<T>::value_of(&worker, &known))
    }

    fn entrant(&self, place: u32) -> Option<Entrant<WorkerId, ClusterId>> {
        Entrants::<T>::get(place)
    }

    fn put_entrant(&mut self, place: u32, entrant: Entrant<WorkerId, ClusterId>) {
        Entrants::<T>::insert(place, entrant);
    }

    fn place(&self, worker: WorkerId) -> Option<u32> {
        Places::<T>::get(worker)
    }

    fn put_place(&mut self, worker: WorkerId, place: u32) {
        Places::<T>::insert(worker, place);
    }

    fn node(&self, level: u8, index: u32) -> Option<Node> {
        Nodes::<T>::get((level, index))
    }

    fn put_node(&mut self, level: u8, index: u32, node: Node) {
        Nodes::<T>::insert((level, index), node);
    }

    fn add_bid(&mut self, bid: Bid<ClusterId>) {
        Bids::<T>::insert(bid_key(&bid), ());
    }

    fn next_bid(&self, after: Option<&Bid<ClusterId>>) -> Option<Bid<ClusterId>> {
        let mut bids = match after {
            Some(after) => Bids::<T>::iter_keys_from(Bids::<T>::hashed_key_for(bid_key(after))),
            None => Bids::<T>::iter_keys(),
        };
        let (stake, point, cluster) = bids.next()?;
        Some(Bid {
            stake: !Balance::from_be_bytes(stake),
            point,
            cluster,
        })
    }

    fn remove_bid(&mut self, bid: &Bid<ClusterId>) {
        Bids::<T>::remove(bid_key(bid));
    }

    fn put_share(&mut self, cluster: ClusterId, share: Share) {
        Shares::<T>::insert(self.slot, cluster, (self.era, share));
    }

    fn put_outcome(&mut self, worker: WorkerId, outcome: Outcome<ClusterId>) {
        Outcomes::<T>::insert(self.slot, worker, (self.era, outcome));
    }
}
