//! Workers go to where the era in force wants them, in as many blocks as that takes.
//!
//! Each goes at once from its old cluster to its new one: its old cluster is told that it leaves, and
//! gets a new transport key; the new one is told that it comes, and a gatekeeper sends it the keys. It
//! takes the state from a snapshot of the others there.
//!
//! **No cluster loses its state to a move.** A worker that has the state of its cluster, when no other
//! worker there has, waits until another one does: until it has reported a state that is as new as the
//! last one agreed on. Newcomers are therefore there before the last one leaves. Two workers may wait for
//! each other, as in a swap between two clusters of one worker each, or nobody may come to take over. So
//! the wait has an end: after [`Settings::handover_ms`], or twice that time if there are others who
//! should have the state soon, the worker goes nevertheless ([`Event::ClusterBereft`]). Whoever comes makes
//! the state again from the chain's blocks, which hold all of it for ever. That is slow, but loses nothing.
//!
//! A worker whose cluster has no room (there are
//! [`MAX_CLUSTER_WORKERS`](phat_primitives::limits::MAX_CLUSTER_WORKERS) at most) is in none until there
//! is: it earns what it is promised, and is in reserve. One that is out of service, or was not readmitted,
//! is not moved.
//!
//! A way through all workers is repeated until none has to wait; the first one also tells each what it
//! earns. Whatever fails, because the block is full of messages, say, is tried on the next way.

use super::*;
use frame_support::{storage::with_storage_layer, weights::WeightMeter};

/// What became of a worker that was looked at.
enum Move {
    /// It is where it should be.
    There,
    /// It cannot go yet.
    Waits,
    /// It could go, and this block has no time left for it.
    NextBlock,
}

impl<T: Config> Pallet<T> {
    /// Goes on with a way as far as the weight allows. Says whether the next stage can begin in this
    /// block.
    pub(crate) fn go_on_moving(
        mut sweep: Sweep,
        now: u64,
        meter: &mut WeightMeter,
    ) -> (Stage, bool) {
        let Some(in_force) = EraInForce::<T>::get() else {
            return (Stage::Waiting, true);
        };
        while meter.try_consume(weights::look(T::DbWeight::get())).is_ok() {
            let next = match sweep.strangers {
                false => Self::next_worker(sweep.after),
                true => Self::next_member(sweep.after),
            };
            let Some(worker) = next else {
                sweep.after = None;
                if !sweep.strangers {
                    sweep.strangers = true;
                    continue;
                }
                if sweep.waiting == 0 {
                    Self::deposit_event(Event::MovesDone { era: in_force.era });
                    return (Stage::Waiting, true);
                }
                // Not in this block: nobody can have reported anything in between.
                return (Stage::Moving(Sweep::again()), false);
            };
            let known = Workers::<T>::get(worker);
            if !(sweep.strangers && known.is_some()) {
                match Self::send(&worker, known, now, meter) {
                    Move::There => {}
                    Move::Waits => sweep.waiting = sweep.waiting.saturating_add(1),
                    Move::NextBlock => break,
                }
                if !sweep.told {
                    Self::tell(&worker, in_force.era);
                }
            }
            sweep.after = Some(worker);
        }
        (Stage::Moving(sweep), false)
    }

    fn next_worker(after: Option<WorkerId>) -> Option<WorkerId> {
        match after {
            Some(after) => Workers::<T>::iter_keys_from(Workers::<T>::hashed_key_for(after)),
            None => Workers::<T>::iter_keys(),
        }
        .next()
    }

    fn next_member(after: Option<WorkerId>) -> Option<WorkerId> {
        type Members<T> = pallet_phat_clusters::WorkerCluster<T>;
        match after {
            Some(after) => Members::<T>::iter_keys_from(Members::<T>::hashed_key_for(after)),
            None => Members::<T>::iter_keys(),
        }
        .next()
    }

    /// Tells a worker what it was promised.
    fn tell(worker: &WorkerId, era: EraNumber) {
        let Some(outcome) = Self::outcome_in_force(worker) else {
            return;
        };
        let Outcome { accrued, value, .. } = outcome;
        Self::note_in(worker, era, Change::Accrued(accrued));
        Self::deposit_event(Event::Accrued {
            worker: *worker,
            era,
            amount: accrued,
            value,
        });
    }

    /// The cluster that a worker should be in. `Err` if that is not decided yet, since it joined
    /// after the era in force had begun.
    pub(crate) fn wanted(
        worker: &WorkerId,
        known: Option<&Worker<T::AccountId>>,
    ) -> Result<Option<ClusterId>, ()> {
        let Some(known) = known.filter(|known| known.status.is_on_duty()) else {
            return Ok(None);
        };
        match Self::outcome_in_force(worker) {
            Some(outcome) => Ok(match outcome.seat {
                Some(seat) => Some(seat.cluster),
                None => GeneralCluster::<T>::get(),
            }),
            None if known.status == WorkerStatus::Active => Err(()),
            None => Ok(None),
        }
    }

    fn send(
        worker: &WorkerId,
        known: Option<Worker<T::AccountId>>,
        now: u64,
        meter: &mut WeightMeter,
    ) -> Move {
        let Ok(wanted) = Self::wanted(worker, known.as_ref()) else {
            return Move::There;
        };
        let present = Clusters::<T>::cluster_of(worker);
        if wanted == present {
            if Waiting::<T>::contains_key(worker) {
                Waiting::<T>::remove(worker);
            }
            return Move::There;
        }
        if meter
            .try_consume(weights::relocate(T::DbWeight::get()))
            .is_err()
        {
            return Move::NextBlock;
        }
        let bereft = match present {
            Some(cluster) if !Clusters::<T>::can_spare(&cluster, worker) => Some(cluster),
            _ => None,
        };
        if let Some(cluster) = bereft
            && Self::is_to_wait(worker, &cluster, now)
        {
            return Move::Waits;
        }
        let goes_to = wanted.filter(|cluster| Clusters::<T>::has_room(cluster));
        if goes_to == present {
            return Move::Waits;
        }
        if with_storage_layer(|| Clusters::<T>::relocate(worker, goes_to)).is_err() {
            return Move::Waits;
        }
        Waiting::<T>::remove(worker);
        if let Some(mut known) = known {
            known.heard = LastEra::<T>::get();
            Workers::<T>::insert(worker, known);
        }
        if let Some(cluster) = bereft {
            Self::deposit_event(Event::ClusterBereft { cluster });
        }
        Self::deposit_event(Event::WorkerMoved {
            worker: *worker,
            from: present,
            to: goes_to,
        });
        match goes_to == wanted {
            true => Move::There,
            false => Move::Waits,
        }
    }
    /// Whether a worker that its cluster cannot spare waits on.
    fn is_to_wait(worker: &WorkerId, cluster: &ClusterId, now: u64) -> bool {
        let since = Waiting::<T>::get(worker).unwrap_or_else(|| {
            Waiting::<T>::insert(worker, now);
            now
        });
        let handover = Setting::<T>::get().handover_ms;
        let patience = match Clusters::<T>::size(cluster) {
            0 | 1 => handover,
            _ => handover.saturating_mul(2),
        };
        now.saturating_sub(since) < patience
    }
}
