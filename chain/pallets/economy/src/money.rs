//! Slashes, payouts, final payouts, and the ledger of each worker.

use super::*;
use frame_support::{
    PalletId,
    storage::with_storage_layer,
    traits::tokens::{Fortitude, Precision, Preservation, Restriction},
};
use phat_economy::{Request, Settlement};
use sp_runtime::traits::AccountIdConversion;

/// Identifies the account that pays rewards.
const REWARDS: PalletId = PalletId(*b"phat/rew");
/// Identifies the treasury, unless governance names another account.
const TREASURY: PalletId = PalletId(*b"phat/tre");

impl Slashes {
    /// What is taken for this cause. Governance says each time how much.
    pub fn of(&self, cause: Cause) -> Balance {
        match cause {
            Cause::Missed => self.missed,
            Cause::Lapsed => self.lapsed,
            Cause::Diverged => self.diverged,
            Cause::Governance => 0,
        }
    }
}

impl<T: Config> Pallet<T> {
    /// The account that rewards are paid from.
    pub fn reward_account() -> T::AccountId {
        REWARDS.into_account_truncating()
    }

    /// The account that gets what slashes take, and fees.
    pub fn treasury() -> T::AccountId {
        Treasury::<T>::get().unwrap_or_else(Self::usual_treasury)
    }

    /// The treasury, unless governance has named another account.
    pub fn usual_treasury() -> T::AccountId {
        TREASURY.into_account_truncating()
    }

    pub(crate) fn exists(account: &T::AccountId) -> bool {
        T::Token::total_balance(account) >= T::Token::minimum_balance()
    }

    /// A worker's value promise V at present.
    pub(crate) fn value_of(worker: &WorkerId, known: &Worker<T::AccountId>) -> Balance {
        Self::outcome_in_force(worker).map_or(known.value, |outcome| outcome.value)
    }

    /// Adds a line to a worker's ledger, in the place of the oldest if it is full.
    pub(crate) fn note(worker: &WorkerId, change: Change) {
        let era = LastEra::<T>::get();
        Self::note_in(worker, era, change);
    }

    pub(crate) fn note_in(worker: &WorkerId, era: EraNumber, change: Change) {
        Rewards::<T>::mutate(worker, |lines| {
            if lines.is_full() {
                lines.remove(0);
            }
            // There is room now.
            let _ = lines.try_push(Entry { era, change });
        });
    }

    /// Takes something from what a worker has, in the era that has begun last. It is recorded whole,
    /// also beyond what the worker has. One that takes part is removed at the end of the era if nothing
    /// is left; any other at once.
    pub(crate) fn slash(worker: &WorkerId, amount: Balance, cause: Cause) {
        let Some(mut known) = Workers::<T>::get(worker).filter(|_| amount > 0) else {
            return;
        };
        let mut account = *known.account.now();
        account.slash(amount);
        known.account.set(account, LastEra::<T>::get());
        Self::note(worker, Change::Slashed { amount, cause });
        Self::deposit_event(Event::Slashed {
            worker: *worker,
            amount,
            cause,
        });
        let spent = account.is_exhausted(Self::value_of(worker, &known));
        let ends = spent && !known.status.is_on_duty();
        Workers::<T>::insert(worker, known);
        if ends {
            Self::exhaust(worker);
        }
    }

    /// Removes a worker that has nothing left.
    pub(crate) fn exhaust(worker: &WorkerId) {
        Workers::<T>::mutate(worker, |known| {
            if let Some(known) = known {
                known.status = WorkerStatus::Exhausted;
            }
        });
        Self::deposit_event(Event::WorkerExhausted { worker: *worker });
        // If the treasury cannot take it now, anybody can settle it later.
        let _ = Self::divide(*worker);
    }

    pub(crate) fn pay(
        worker: WorkerId,
        operator: &T::AccountId,
        amount: Option<Balance>,
    ) -> DispatchResult {
        let mut known = Workers::<T>::get(worker).ok_or(Error::<T>::NotActivated)?;
        ensure!(known.operator == *operator, Error::<T>::NotOperator);
        ensure!(
            known.status.is_on_duty() || matches!(known.status, WorkerStatus::Suspended(_)),
            Error::<T>::HasLeft
        );
        ensure!(amount != Some(0), Error::<T>::ZeroAmount);
        let request = amount.map_or(Request::Max, Request::Exactly);
        let mut account = *known.account.now();
        let paid = account
            .pay(Self::value_of(&worker, &known), request)
            .map_err(|_| Error::<T>::AboveLimit)?;
        ensure!(paid > 0, Error::<T>::NothingToPay);
        Self::reward(operator, paid)?;
        known.account.set(account, LastEra::<T>::get());
        Workers::<T>::insert(worker, known);
        Self::note(&worker, Change::Paid(paid));
        Self::deposit_event(Event::Paid {
            worker,
            operator: operator.clone(),
            amount: paid,
        });
        Ok(())
    }

    fn reward(operator: &T::AccountId, amount: Balance) -> DispatchResult {
        let account = Self::reward_account();
        T::Token::transfer(&account, operator, amount, Preservation::Preserve)
            .map_err(|_| Error::<T>::RewardsExhausted)?;
        Ok(())
    }

    pub(crate) fn divide(worker: WorkerId) -> DispatchResult {
        let known = Workers::<T>::get(worker).ok_or(Error::<T>::NotActivated)?;
        let run = ErasRun::<T>::get();
        let account = known.account.now();
        let settlement = match known.status {
            WorkerStatus::Exhausted => account.remove(),
            WorkerStatus::CoolingDown(until) if !run || until <= LastEra::<T>::get() => {
                account.leave(Self::value_of(&worker, &known))
            }
            // No era would end it.
            WorkerStatus::Leaving if !run => account.leave(Self::value_of(&worker, &known)),
            _ => return Err(Error::<T>::NotSettleable.into()),
        };
        with_storage_layer(|| Self::settle_with(worker, known, settlement))
    }

    fn settle_with(
        worker: WorkerId,
        known: Worker<T::AccountId>,
        settlement: Settlement,
    ) -> DispatchResult {
        let Settlement {
            rewards,
            deposit,
            forfeited,
        } = settlement;
        let operator = known.operator;
        if rewards > 0 {
            Self::reward(&operator, rewards)?;
        }
        if deposit > 0 {
            Self::return_deposit(&operator, deposit)?;
        }
        if forfeited > 0 {
            T::Token::transfer_on_hold(
                &HoldReason::Deposit.into(),
                &operator,
                &Self::treasury(),
                forfeited,
                Precision::Exact,
                Restriction::Free,
                Fortitude::Force,
            )
            .map_err(|_| Error::<T>::NoTreasury)?;
        }
        Workers::<T>::remove(worker);
        Ring::<T>::remove(Spot {
            point: known.point,
            worker,
        });
        Places::<T>::remove(worker);
        for slot in [Slot::A, Slot::B] {
            Outcomes::<T>::remove(slot, worker);
        }
        Self::note(
            &worker,
            Change::Settled {
                rewards,
                deposit,
                forfeited,
            },
        );
        Self::deposit_event(Event::WorkerSettled {
            worker,
            operator,
            rewards,
            deposit,
            forfeited,
        });
        Ok(())
    }
}
