//! What is true between any two calls, and the check of it.

use super::*;
use alloc::collections::BTreeMap;
use sp_runtime::TryRuntimeError;

impl<T: Config> Pallet<T> {
    /// Checks the pallet's invariants. It goes through all of the state: for tests and for trying an
    /// upgrade, never for a block.
    ///
    /// 1. No record says 0: what is not staked has no record.
    /// 2. What is staked on a contract by all together is the sum of what each account has staked on it.
    /// 3. Each account has on hold for this pallet exactly what it has staked on all contracts together:
    ///    no unit is held that is not owed, and none is owed that is not held.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        let mut totals = BTreeMap::<ContractId, Balance>::new();
        let mut owed = BTreeMap::<T::AccountId, Balance>::new();
        for (account, contract, stake) in ContractUserStakes::<T>::iter() {
            ensure!(stake > 0, "a stake of nothing is kept");
            for sum in [
                totals.entry(contract).or_default(),
                owed.entry(account).or_default(),
            ] {
                *sum = sum
                    .checked_add(stake)
                    .ok_or("stakes are beyond all money")?;
            }
        }
        let kept: BTreeMap<_, _> = ContractTotalStakes::<T>::iter().collect();
        ensure!(
            kept == totals,
            "the stake on a contract is not the sum of its stakes"
        );
        let reason = HoldReason::ContractStake.into();
        for account in frame_system::Account::<T>::iter_keys() {
            let held = <T as Config>::Currency::balance_on_hold(&reason, &account);
            ensure!(
                held == owed.remove(&account).unwrap_or_default(),
                "an account has another amount on hold than it has staked"
            );
        }
        ensure!(
            owed.is_empty(),
            "something is owed to an account that is not there"
        );
        Ok(())
    }
}
