//! What is true between any two calls, and the check of it.

use super::*;
use alloc::collections::{BTreeMap, BTreeSet};
use frame_support::traits::fungible::InspectHold;
use sp_runtime::TryRuntimeError;

impl<T: Config> Pallet<T> {
    /// Checks the pallet's invariants. It goes through all of the state: for tests and for trying an
    /// upgrade, never for a block.
    ///
    /// 1. Every unit of money is somewhere: what is held as deposits on an account is what the workers
    ///    have that it operates; what is held as stake is what it has staked, and what is on its way
    ///    back. Nobody else has either.
    /// 2. The stake of a pool is what everybody together has staked on its cluster, which exists. The
    ///    general cluster has none. Portions on their way back are in order, and of one era each.
    /// 3. A worker that takes part is on the ring, at its point, and no other is. A worker is there at
    ///    most once for each place that it had.
    /// 4. No more was paid to a worker than it was promised.
    /// 5. While eras run and nobody waits to be moved, a worker on duty is in the one cluster that the
    ///    era in force wants it in, or in reserve because that one is full; and nobody else is in any.
    /// 6. Preferences name each worker once. The era in force is not later than the last one.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        Self::try_money()?;
        Self::try_pools()?;
        Self::try_ring()?;
        Self::try_workers()
    }

    fn try_money() -> Result<(), TryRuntimeError> {
        let mut owed = BTreeMap::<T::AccountId, (Balance, Balance)>::new();
        for (_, known) in Workers::<T>::iter() {
            let deposit = known.account.now().deposit;
            let of = owed.entry(known.operator).or_default();
            of.0 = of.0.saturating_add(deposit);
        }
        for (_, staker, amount) in Stakes::<T>::iter() {
            ensure!(amount > 0, "a stake of nothing");
            let of = owed.entry(staker).or_default();
            of.1 = of.1.saturating_add(amount);
        }
        for (staker, portions) in Unbonding::<T>::iter() {
            ensure!(!portions.is_empty(), "nothing is on its way back");
            ensure!(
                portions.is_sorted_by(|a, b| a.until < b.until),
                "portions on their way back are not in order"
            );
            let of = owed.entry(staker).or_default();
            for portion in portions {
                of.1 = of.1.saturating_add(portion.amount);
            }
        }
        for account in frame_system::Account::<T>::iter_keys() {
            let (deposits, stake) = owed.remove(&account).unwrap_or_default();
            let held = |reason: HoldReason| T::Token::balance_on_hold(&reason.into(), &account);
            ensure!(
                held(HoldReason::Deposit) == deposits,
                "deposits are not what is held"
            );
            ensure!(
                held(HoldReason::Stake) == stake,
                "stake is not what is held"
            );
        }
        ensure!(owed.is_empty(), "somebody without account is owed money");
        Ok(())
    }

    fn try_pools() -> Result<(), TryRuntimeError> {
        let mut staked = BTreeMap::<ClusterId, Balance>::new();
        for (cluster, _, amount) in Stakes::<T>::iter() {
            let of = staked.entry(cluster).or_default();
            *of = of.saturating_add(amount);
        }
        for (cluster, pool) in Pools::<T>::iter() {
            ensure!(
                Clusters::<T>::exists(&cluster),
                "a pool of a cluster that is not"
            );
            ensure!(
                *pool.stake.now() == staked.remove(&cluster).unwrap_or(0),
                "a pool is not what is staked on its cluster"
            );
            ensure!(
                GeneralCluster::<T>::get() != Some(cluster) || *pool.stake.now() == 0,
                "somebody has staked on the general cluster"
            );
        }
        ensure!(staked.is_empty(), "there is stake without a pool");
        for (_, list) in Preferences::<T>::iter() {
            let distinct: BTreeSet<_> = list.now().iter().collect();
            ensure!(
                distinct.len() == list.now().len(),
                "a cluster names a worker twice"
            );
        }
        Ok(())
    }

    fn try_ring() -> Result<(), TryRuntimeError> {
        for (spot, entry) in Ring::<T>::iter() {
            if entry.now().is_some() {
                ensure!(
                    Workers::<T>::get(spot.worker).is_some_and(|known| {
                        known.point == spot.point && known.status == WorkerStatus::Active
                    }),
                    "a worker that does not take part is on the ring"
                );
            }
        }
        for (worker, known) in Workers::<T>::iter() {
            let spot = Spot {
                point: known.point,
                worker,
            };
            let there = Ring::<T>::get(spot).is_some_and(|entry| entry.now().is_some());
            ensure!(
                there == (known.status == WorkerStatus::Active),
                "a worker that takes part is not on the ring"
            );
        }
        Ok(())
    }

    fn try_workers() -> Result<(), TryRuntimeError> {
        let last = LastEra::<T>::get();
        ensure!(
            EraInForce::<T>::get().is_none_or(|in_force| in_force.era <= last),
            "an era is in force that has not begun"
        );
        for (worker, known) in Workers::<T>::iter() {
            ensure!(
                known.account.now().paid <= Self::value_of(&worker, &known),
                "a worker was paid what it was not promised"
            );
            ensure!(
                known.asked <= last && known.heard <= last,
                "a worker was asked or heard in an era that has not begun"
            );
        }
        let settled = matches!(Progress::<T>::get(), Stage::Waiting);
        if !ErasRun::<T>::get() || !settled {
            return Ok(());
        }
        for (worker, cluster) in pallet_phat_clusters::WorkerCluster::<T>::iter() {
            let known = Workers::<T>::get(worker);
            ensure!(
                Self::wanted(&worker, known.as_ref()).is_ok_and(|wanted| wanted == Some(cluster))
                    || known.is_some_and(|known| known.status == WorkerStatus::Active),
                "a worker is in a cluster where no era wants it"
            );
        }
        for (worker, known) in Workers::<T>::iter() {
            let Ok(Some(wanted)) = Self::wanted(&worker, Some(&known)) else {
                continue;
            };
            let present = Clusters::<T>::cluster_of(&worker);
            ensure!(
                present == Some(wanted) || (present.is_none() && !Clusters::<T>::has_room(&wanted)),
                "a worker is not where the era in force wants it"
            );
        }
        Ok(())
    }
}
