//! Stake pools of clusters, and the workers that clusters name.

use super::*;
use alloc::collections::BTreeSet;
use frame_support::traits::tokens::Precision;

impl Pool {
    /// What can be staked yet.
    pub fn room(&self) -> Balance {
        let cap = self.cap.unwrap_or(Balance::MAX);
        cap.saturating_sub(*self.stake.now())
    }
}

impl<T: Config> Pallet<T> {
    /// Draws a new cluster's place on the ring. One that has a place keeps it.
    pub(crate) fn open_pool(cluster: &ClusterId) -> Pool {
        if let Some(pool) = Pools::<T>::get(cluster) {
            return pool;
        }
        let pool = Pool {
            point: Self::draw(cluster.as_bytes()),
            stake: Versioned::default(),
            cap: None,
        };
        Pools::<T>::insert(cluster, &pool);
        pool
    }

    /// The pool of a cluster on which can be staked.
    fn pool(cluster: &ClusterId) -> Result<Pool, DispatchError> {
        ensure!(Clusters::<T>::exists(cluster), Error::<T>::ClusterNotFound);
        ensure!(
            GeneralCluster::<T>::get() != Some(*cluster),
            Error::<T>::GeneralCluster
        );
        Ok(Self::open_pool(cluster))
    }

    fn ensure_owner(cluster: &ClusterId, sender: &T::AccountId) -> DispatchResult {
        let info =
            pallet_phat_clusters::Clusters::<T>::get(cluster).ok_or(Error::<T>::ClusterNotFound)?;
        ensure!(info.owner == *sender, Error::<T>::NotClusterOwner);
        Ok(())
    }

    pub(crate) fn add_stake(
        cluster: ClusterId,
        staker: T::AccountId,
        amount: Balance,
    ) -> DispatchResult {
        ensure!(amount > 0, Error::<T>::ZeroAmount);
        let mut pool = Self::pool(&cluster)?;
        let staked = Stakes::<T>::get(cluster, &staker)
            .checked_add(amount)
            .ok_or(Error::<T>::Overflow)?;
        ensure!(
            staked >= Setting::<T>::get().minimum_stake,
            Error::<T>::StakeTooSmall
        );
        ensure!(amount <= pool.room(), Error::<T>::CapExceeded);
        let total = Balance::checked_add(*pool.stake.now(), amount);
        T::Token::hold(&HoldReason::Stake.into(), &staker, amount)
            .map_err(|_| Error::<T>::NotEnoughFree)?;
        pool.stake
            .set(total.ok_or(Error::<T>::Overflow)?, LastEra::<T>::get());
        Pools::<T>::insert(cluster, pool);
        Stakes::<T>::insert(cluster, &staker, staked);
        Self::deposit_event(Event::Staked {
            cluster,
            staker,
            amount,
        });
        Ok(())
    }

    pub(crate) fn take_stake(
        cluster: ClusterId,
        staker: T::AccountId,
        amount: Balance,
    ) -> DispatchResult {
        ensure!(amount > 0, Error::<T>::ZeroAmount);
        let mut pool = Pools::<T>::get(cluster).ok_or(Error::<T>::ClusterNotFound)?;
        let settings = Setting::<T>::get();
        let staked = Stakes::<T>::get(cluster, &staker);
        let left = staked.checked_sub(amount).ok_or(Error::<T>::NotStaked)?;
        ensure!(
            left == 0 || left >= settings.minimum_stake,
            Error::<T>::StakeTooSmall
        );
        let era = LastEra::<T>::get();
        // It counts until the next era begins.
        let until = era.saturating_add(1).saturating_add(settings.unbonding);
        Unbonding::<T>::try_mutate(&staker, |portions| -> DispatchResult {
            match portions.iter_mut().find(|portion| portion.until == until) {
                Some(portion) => portion.amount = portion.amount.saturating_add(amount),
                None => portions
                    .try_push(Unbond { until, amount })
                    .map_err(|_| Error::<T>::TooMuchUnbonding)?,
            }
            Ok(())
        })?;
        let total = pool.stake.now().saturating_sub(amount);
        pool.stake.set(total, era);
        Pools::<T>::insert(cluster, pool);
        match left {
            0 => Stakes::<T>::remove(cluster, &staker),
            _ => Stakes::<T>::insert(cluster, &staker, left),
        }
        Self::deposit_event(Event::Unstaked {
            cluster,
            staker,
            amount,
            until,
        });
        Ok(())
    }

    pub(crate) fn release(staker: T::AccountId) -> DispatchResult {
        let (era, run) = (LastEra::<T>::get(), ErasRun::<T>::get());
        // While no eras run nothing would ever come back.
        let is_back = |portion: &Unbond| !run || portion.until <= era;
        let mut portions = Unbonding::<T>::get(&staker);
        let back = portions.iter().filter(|portion| is_back(portion));
        let amount = back.map(|portion| portion.amount).sum::<Balance>();
        ensure!(amount > 0, Error::<T>::NothingToWithdraw);
        portions.retain(|portion| !is_back(portion));
        match portions.is_empty() {
            true => Unbonding::<T>::remove(&staker),
            false => Unbonding::<T>::insert(&staker, portions),
        }
        T::Token::release(&HoldReason::Stake.into(), &staker, amount, Precision::Exact)?;
        Self::deposit_event(Event::Withdrawn { staker, amount });
        Ok(())
    }

    pub(crate) fn cap(
        cluster: ClusterId,
        owner: &T::AccountId,
        cap: Option<Balance>,
    ) -> DispatchResult {
        Self::ensure_owner(&cluster, owner)?;
        let mut pool = Self::pool(&cluster)?;
        pool.cap = cap;
        Pools::<T>::insert(cluster, pool);
        Self::deposit_event(Event::CapSet { cluster, cap });
        Ok(())
    }

    pub(crate) fn prefer(
        cluster: ClusterId,
        owner: &T::AccountId,
        workers: Vec<WorkerId>,
    ) -> DispatchResult {
        let workers = BoundedVec::<_, ConstU32<MAX_PREFERENCES>>::try_from(workers)
            .map_err(|_| Error::<T>::TooManyPreferences)?;
        Self::ensure_owner(&cluster, owner)?;
        Self::pool(&cluster)?;
        let mut named = BTreeSet::new();
        for worker in &workers {
            ensure!(named.insert(worker), Error::<T>::DuplicatedPreference);
            ensure!(
                pallet_phat_registry::Workers::<T>::contains_key(worker),
                Error::<T>::WorkerNotRegistered
            );
        }
        let count = workers.len() as u32;
        let era = LastEra::<T>::get();
        let list = match Preferences::<T>::get(cluster) {
            Some(mut list) => {
                list.set(workers, era);
                list
            }
            None => Versioned::new(workers, era),
        };
        Preferences::<T>::insert(cluster, list);
        Self::deposit_event(Event::PreferencesSet {
            cluster,
            workers: count,
        });
        Ok(())
    }
}
