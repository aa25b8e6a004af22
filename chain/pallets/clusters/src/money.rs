//! Money into a cluster and out of it.

use super::*;
use alloc::collections::BTreeSet;
use frame_support::{PalletId, storage::with_storage_layer, traits::tokens::Preservation};
use phat_primitives::report::WithdrawalOutcome;
use sp_runtime::traits::AccountIdConversion;

/// Identifies the accounts that hold the money inside clusters.
const PALLET_ID: PalletId = PalletId(*b"phat/clu");

impl<T: Config> Pallet<T> {
    /// The account that holds the money inside a cluster.
    pub fn account_of(cluster: &ClusterId) -> T::AccountId {
        // Only the low bytes of the counter differ; an account id has no room for all of them.
        let counter = sp_core::U256::from_big_endian(&cluster.0).low_u64();
        PALLET_ID.into_sub_account_truncating(counter)
    }

    /// Gives the account of a new cluster what keeps it alive for good.
    pub(crate) fn open_account(cluster: &ClusterId, owner: &T::AccountId) -> DispatchResult {
        let pool = Self::account_of(cluster);
        let deposit = T::Currency::minimum_balance();
        T::Currency::transfer(owner, &pool, deposit, Preservation::Preserve).map(drop)
    }

    /// Takes money of the sender and orders that it appear on an account in the cluster.
    pub(crate) fn deposit_into(
        cluster: ClusterId,
        sender: &T::AccountId,
        account: &T::AccountId,
        amount: Balance,
    ) -> DispatchResult {
        let pool = Self::account_of(&cluster);
        T::Currency::transfer(sender, &pool, amount, Preservation::Preserve)?;
        let raw = RawAccount(account.clone().into());
        Self::order(
            cluster,
            ClusterMessage::Deposit {
                account: raw,
                amount,
            },
        )?;
        Self::deposit_event(Event::Transferred {
            cluster,
            account: account.clone(),
            amount,
        });
        Ok(())
    }

    /// Counts one worker's word on a withdrawal and pays out when more than half of the cluster's
    /// workers agree. A worker may change its word; only its last one counts, and only while it is
    /// in the cluster. Workers keep how a withdrawal ended in the cluster's state until they are told that
    /// it is decided, and say it again when somebody has come or gone: those who have voted may all
    /// leave.
    ///
    /// It never fails for reasons that lie in this one withdrawal: the heartbeat that it came with
    /// has more to say.
    pub(crate) fn vote_withdrawal(
        worker: &WorkerId,
        cluster: &ClusterId,
        members: &BTreeSet<WorkerId>,
        outcome: &WithdrawalOutcome,
    ) -> DispatchResult {
        let Some(mut pending) = Withdrawals::<T>::get(cluster, outcome.number) else {
            // Decided already, or never asked for.
            return Ok(());
        };
        let amount = outcome.amount;
        if amount != 0 && amount != pending.amount {
            // Nothing but all or nothing can have happened.
            return Ok(());
        }
        // Only workers of the cluster have a vote, so the list cannot outgrow it.
        pending
            .votes
            .retain(|(voter, _)| voter != worker && members.contains(voter));
        pending
            .votes
            .try_push((*worker, amount))
            .map_err(|_| Error::<T>::TooManyWorkers)?;
        let agreed = pending
            .votes
            .iter()
            .filter(|(_, voted)| *voted == amount)
            .count();
        if agreed.saturating_mul(2) <= members.len() {
            Withdrawals::<T>::insert(cluster, outcome.number, pending);
            return Ok(());
        }
        if let Err(error) = Self::decide(cluster, &pending.account, outcome) {
            Withdrawals::<T>::insert(cluster, outcome.number, pending);
            Self::deposit_event(Event::WithdrawalUnpaid {
                cluster: *cluster,
                number: outcome.number,
                error,
            });
            return Ok(());
        }
        Withdrawals::<T>::remove(cluster, outcome.number);
        WithdrawalCount::<T>::mutate(cluster, |count| *count = count.saturating_sub(1));
        Self::deposit_event(Event::Withdrawn {
            cluster: *cluster,
            account: pending.account,
            amount,
        });
        Ok(())
    }

    /// Pays, and tells the workers that nothing more need be said of the withdrawal.
    fn decide(
        cluster: &ClusterId,
        account: &T::AccountId,
        outcome: &WithdrawalOutcome,
    ) -> DispatchResult {
        let pool = Self::account_of(cluster);
        // Both or neither: what was taken of the cluster's account by an attempt that failed must come
        // back.
        with_storage_layer(|| {
            if outcome.amount > 0 {
                let whole = Preservation::Preserve;
                T::Currency::transfer(&pool, account, outcome.amount, whole)?;
            }
            let number = outcome.number;
            Self::order(*cluster, ClusterMessage::WithdrawalDecided { number }).map(drop)
        })
    }
}
