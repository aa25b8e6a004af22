//! A worker's life: it takes part, is suspended, comes back, leaves.

use super::*;
use frame_support::traits::tokens::Precision;
use phat_economy::{Account, point};

/// One more than the worst level of confidence in the registry, where less is better.
const BELOW_WORST: u64 = 129;

impl<T: Config> Pallet<T> {
    /// What a worker brings to an era, by its evidence; `None` if it is not registered. The registry's
    /// confidence is 1 at best and 128 at worst. Here more is better: 128 at best, 1 at worst.
    pub fn capacity_of(worker: &WorkerId) -> Option<Capacity> {
        let info = pallet_phat_registry::Workers::<T>::get(worker)?;
        Some(Capacity {
            power: info.performance,
            confidence: BELOW_WORST
                .saturating_sub(u64::from(info.confidence))
                .max(1),
        })
    }

    /// Draws a place on the ring, for good.
    pub(crate) fn draw(id: &[u8]) -> [u8; 32] {
        let subject = (b"phat/economy/ring", id).encode();
        let (seed, _) = T::Randomness::random(&subject);
        point(seed.as_ref(), id)
    }

    /// Whether the worker may do something for a cluster.
    fn ensure_fit(worker: &WorkerId) -> Result<Capacity, DispatchError> {
        let capacity = Self::capacity_of(worker).ok_or(Error::<T>::WorkerNotRegistered)?;
        ensure!(
            Registry::<T>::is_in_service(worker),
            Error::<T>::WorkerOutOfService
        );
        ensure!(
            !pallet_phat_clusters::Diverged::<T>::contains_key(worker),
            Error::<T>::WorkerHasDiverged
        );
        ensure!(capacity.power > 0, Error::<T>::NoPerformance);
        Ok(capacity)
    }

    /// The record of a worker that this account operates.
    fn operated(
        worker: &WorkerId,
        operator: &T::AccountId,
    ) -> Result<Worker<T::AccountId>, DispatchError> {
        let known = Workers::<T>::get(worker).ok_or(Error::<T>::NotActivated)?;
        ensure!(known.operator == *operator, Error::<T>::NotOperator);
        Ok(known)
    }

    pub(crate) fn enter(
        worker: WorkerId,
        operator: T::AccountId,
        deposit: Balance,
    ) -> DispatchResult {
        let info = pallet_phat_registry::Workers::<T>::get(worker)
            .ok_or(Error::<T>::WorkerNotRegistered)?;
        ensure!(info.operator == operator, Error::<T>::NotOperator);
        ensure!(
            !Workers::<T>::contains_key(worker),
            Error::<T>::AlreadyActivated
        );
        let capacity = Self::ensure_fit(&worker)?;
        ensure!(
            deposit > 0 && deposit >= Setting::<T>::get().minimum_deposit,
            Error::<T>::DepositTooSmall
        );
        T::Token::hold(&HoldReason::Deposit.into(), &operator, deposit)
            .map_err(|_| Error::<T>::NotEnoughFree)?;
        let era = LastEra::<T>::get();
        let point = Self::draw(&worker.0);
        Workers::<T>::insert(
            worker,
            Worker {
                operator: operator.clone(),
                point,
                account: Versioned::new(Account::new(deposit), era),
                value: 0,
                status: WorkerStatus::Active,
                asked: 0,
                heard: era,
            },
        );
        Self::set_on_ring(Spot { point, worker }, Some(capacity), era);
        Self::note(&worker, Change::Deposited(deposit));
        Self::deposit_event(Event::WorkerActivated {
            worker,
            operator,
            deposit,
        });
        Ok(())
    }

    /// Changes what a worker brings, from the next era on.
    pub(crate) fn set_on_ring(spot: Spot<WorkerId>, capacity: Option<Capacity>, era: EraNumber) {
        let entry = match Ring::<T>::get(spot) {
            Some(mut entry) => {
                entry.set(capacity, era);
                entry
            }
            None => Versioned::new(capacity, era),
        };
        Ring::<T>::insert(spot, entry);
    }

    pub(crate) fn begin_to_leave(worker: WorkerId, operator: &T::AccountId) -> DispatchResult {
        let mut known = Self::operated(&worker, operator)?;
        let era = LastEra::<T>::get();
        let takes_part = known.status == WorkerStatus::Active;
        ensure!(
            takes_part || matches!(known.status, WorkerStatus::Suspended(_)),
            Error::<T>::HasLeft
        );
        if takes_part {
            let spot = Spot {
                point: known.point,
                worker,
            };
            Self::set_on_ring(spot, None, era);
        }
        if takes_part && ErasRun::<T>::get() {
            known.status = WorkerStatus::Leaving;
            Self::deposit_event(Event::WorkerLeaving { worker });
        } else {
            known.value = Self::value_of(&worker, &known);
            // The last era that has begun may still count on it.
            known.status = Self::cooling_down(worker, era.saturating_add(1));
        }
        Workers::<T>::insert(worker, known);
        Ok(())
    }

    /// The status of a worker that has left with this era.
    pub(crate) fn cooling_down(worker: WorkerId, era: EraNumber) -> WorkerStatus {
        let until = era.saturating_add(Setting::<T>::get().cool_down);
        Self::deposit_event(Event::WorkerCoolingDown { worker, until });
        WorkerStatus::CoolingDown(until)
    }

    pub(crate) fn come_back(worker: WorkerId, operator: &T::AccountId) -> DispatchResult {
        let known = Self::operated(&worker, operator)?;
        ensure!(
            matches!(known.status, WorkerStatus::Suspended(_)),
            Error::<T>::NotSuspended
        );
        let capacity = Self::ensure_fit(&worker)?;
        Self::return_to_ring(worker, known, capacity);
        Ok(())
    }

    fn return_to_ring(worker: WorkerId, mut known: Worker<T::AccountId>, capacity: Capacity) {
        let era = LastEra::<T>::get();
        let spot = Spot {
            point: known.point,
            worker,
        };
        Self::set_on_ring(spot, Some(capacity), era);
        known.status = WorkerStatus::Active;
        known.heard = era;
        Workers::<T>::insert(worker, known);
        // If it still has its seat, it goes back there at once.
        Self::look_again();
        Self::deposit_event(Event::WorkerResumed { worker });
    }

    /// Takes a worker out of the eras to come, for a reason that costs it something. What it has earned
    /// stays its own. The worker's record is the caller's to write.
    pub(crate) fn suspend(worker: &WorkerId, known: &mut Worker<T::AccountId>, cause: Cause) {
        if known.status == WorkerStatus::Active {
            let spot = Spot {
                point: known.point,
                worker: *worker,
            };
            Self::set_on_ring(spot, None, LastEra::<T>::get());
            known.status = WorkerStatus::Suspended(cause);
            Self::deposit_event(Event::WorkerSuspended {
                worker: *worker,
                cause,
            });
        }
    }

    /// Suspends a worker on duty, and takes what that costs.
    fn fail(worker: &WorkerId, cause: Cause) {
        // It leaves its cluster in any case.
        Waiting::<T>::remove(worker);
        let Some(mut known) = Workers::<T>::get(worker) else {
            return;
        };
        if !known.status.is_on_duty() {
            return;
        }
        Self::suspend(worker, &mut known, cause);
        Workers::<T>::insert(worker, known);
        Self::slash(worker, Setting::<T>::get().slashes.of(cause), cause);
    }

    /// Notes that a worker was heard. An answer that comes late costs it something.
    pub(crate) fn hear(worker: &WorkerId) {
        let era = LastEra::<T>::get();
        let Some(mut known) = Workers::<T>::get(worker) else {
            return;
        };
        if known.heard >= era || !known.status.is_on_duty() {
            return;
        }
        known.heard = era;
        let asked = known.asked == era;
        Workers::<T>::insert(worker, known);
        let settings = Setting::<T>::get();
        let now = Clock::<T>::get().ran_ms;
        let late = BegunAt::<T>::get()
            .is_some_and(|begun| now.saturating_sub(begun) > settings.heartbeat_ms);
        if ErasRun::<T>::get() && asked && late {
            Self::slash(worker, settings.slashes.missed, Cause::Missed);
        }
    }

    /// Releases part of a worker's deposit.
    pub(crate) fn return_deposit(operator: &T::AccountId, amount: Balance) -> DispatchResult {
        T::Token::release(
            &HoldReason::Deposit.into(),
            operator,
            amount,
            Precision::Exact,
        )
        .map(drop)
    }
}

impl<T: Config> pallet_phat_registry::OnService for Pallet<T> {
    fn lapsed(worker: &WorkerId) -> DispatchResult {
        Self::fail(worker, Cause::Lapsed);
        Ok(())
    }

    fn returned(worker: &WorkerId) -> DispatchResult {
        let Some(known) = Workers::<T>::get(worker) else {
            return Ok(());
        };
        // Whatever else it was suspended for, its operator has to look after.
        if known.status == WorkerStatus::Suspended(Cause::Lapsed)
            && let Ok(capacity) = Self::ensure_fit(worker)
        {
            Self::return_to_ring(*worker, known, capacity);
        }
        Ok(())
    }

    fn weight() -> Weight {
        weights::fail(T::DbWeight::get())
    }
}

impl<T: Config> pallet_phat_clusters::Eras for Pallet<T> {
    fn run() -> bool {
        ErasRun::<T>::get()
    }

    fn created(cluster: &ClusterId) {
        Self::open_pool(cluster);
    }

    fn diverged(worker: &WorkerId) {
        Self::fail(worker, Cause::Diverged);
    }

    fn weight() -> Weight {
        weights::fail(T::DbWeight::get())
    }
}

impl<T: Config> pallet_phat_messages::OnReport for Pallet<T> {
    fn on_payload(worker: &WorkerId, payload: &phat_primitives::report::Payload) -> DispatchResult {
        if matches!(payload, phat_primitives::report::Payload::Heartbeat(_)) {
            Self::hear(worker);
        }
        Ok(())
    }

    fn weight(payload: &phat_primitives::report::Payload) -> Weight {
        match payload {
            phat_primitives::report::Payload::Heartbeat(_) => weights::fail(T::DbWeight::get()),
            _ => Weight::zero(),
        }
    }
}
