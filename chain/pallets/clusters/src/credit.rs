//! Credits of callers, and the slices of them that are lent to workers: see [`phat_primitives::credit`]
//! for what they are, and for why nothing of them is spent twice.
//!
//! Money of a credit lies on the account of its cluster. What is spent of it stays there, and is
//! minted to the treasury inside, as fees for gas are.

use super::*;
use frame_support::{storage::with_storage_layer, traits::tokens::Preservation};
use phat_primitives::{
    credit::{CreditOrder, CreditReport, Lent, SliceUse},
    limits::SLICE_GRACE,
};

impl<T: Config> Pallet<T> {
    /// Adds to a credit. At most `slice` of it is at a worker unspent.
    pub(crate) fn prepay(
        cluster: ClusterId,
        account: &T::AccountId,
        amount: Balance,
        slice: Balance,
    ) -> DispatchResult {
        let least = T::Currency::minimum_balance();
        ensure!(
            amount >= least && slice >= least,
            Error::<T>::CreditTooSmall
        );
        ensure!(
            Policies::<T>::get(cluster).fee_model == FeeModel::PayPerWeight,
            Error::<T>::NotPaidByWeight
        );
        let pool = Self::account_of(&cluster);
        T::Currency::transfer(account, &pool, amount, Preservation::Preserve)?;
        let mut credit = Credits::<T>::get(cluster, account).unwrap_or_default();
        Self::write_off(&cluster, &mut credit);
        credit.free = credit
            .free
            .checked_add(amount)
            .ok_or(Error::<T>::CreditTooLarge)?;
        credit.slice = slice;
        credit.closing = false;
        Credits::<T>::insert(cluster, account, credit);
        Self::settle(&cluster);
        Self::deposit_event(Event::CreditPrepaid {
            cluster,
            account: account.clone(),
            amount,
        });
        Ok(())
    }

    /// Pays back what is free of a credit, and recalls what workers have.
    pub(crate) fn close_credit(cluster: ClusterId, account: &T::AccountId) -> DispatchResult {
        let mut credit = Credits::<T>::get(cluster, account).ok_or(Error::<T>::NoCredit)?;
        Self::write_off(&cluster, &mut credit);
        credit.closing = true;
        Self::return_free(&cluster, account, &mut credit)?;
        if !credit.slices.is_empty() {
            let raw = RawAccount(account.clone().into());
            let order = CreditOrder::Recalled(raw);
            Self::order(cluster, ClusterMessage::Credit(order))?;
        }
        Self::keep_credit(&cluster, account, credit);
        Self::settle(&cluster);
        Ok(())
    }

    /// Takes what a worker says of its slices, and lends it what it wants.
    pub(crate) fn on_credit(worker: &WorkerId, report: &CreditReport) -> DispatchResult {
        let cluster = report.cluster;
        CreditSessions::<T>::insert(worker, report.session);
        for line in &report.slices {
            Self::on_slice(worker, report, line);
        }
        if WorkerCluster::<T>::get(worker) == Some(cluster) {
            for account in &report.wanted {
                // One that cannot be served, because the block is full of messages, is asked for again.
                let _ = with_storage_layer(|| {
                    Self::lend(&cluster, worker, report.session, &account.0.into())
                });
            }
        }
        Self::settle(&cluster);
        Ok(())
    }

    fn on_slice(worker: &WorkerId, report: &CreditReport, line: &SliceUse) {
        let (cluster, account) = (report.cluster, T::AccountId::from(line.account.0));
        let Some(mut credit) = Credits::<T>::get(cluster, &account) else {
            return;
        };
        let Some(index) = credit.slice_of(worker, report, line) else {
            // It has been given back already, or counts as spent.
            return;
        };
        let spent = credit.slices[index].take_word(line);
        Self::owe(&cluster, spent);
        if line.done {
            let slice = credit.slices.swap_remove(index);
            credit.free = credit.free.saturating_add(slice.unspent());
            if credit.closing {
                // What cannot be paid back now can be withdrawn later.
                let _ = Self::return_free(&cluster, &account, &mut credit);
            }
        }
        Self::keep_credit(&cluster, &account, credit);
    }

    /// Lends a worker so much that it has a whole slice, if the credit has that much.
    fn lend(
        cluster: &ClusterId,
        worker: &WorkerId,
        session: Hash,
        account: &T::AccountId,
    ) -> DispatchResult {
        let Some(mut credit) = Credits::<T>::get(cluster, account) else {
            return Ok(());
        };
        Self::write_off(cluster, &mut credit);
        let amount = credit.wants(worker, &session);
        if amount > 0 {
            let own = |slice: &&mut Slice| (slice.worker, slice.session) == (*worker, session);
            let slice = match credit.slices.iter_mut().find(own) {
                Some(slice) => {
                    slice.lent = slice.lent.saturating_add(amount);
                    *slice
                }
                None => {
                    let slice = Slice {
                        number: NextSlice::<T>::get(),
                        worker: *worker,
                        session,
                        lent: amount,
                        spent: 0,
                        parted: None,
                    };
                    NextSlice::<T>::put(slice.number.saturating_add(1));
                    let room = credit.slices.try_push(slice);
                    room.map_err(|_| Error::<T>::TooManySlices)?;
                    slice
                }
            };
            credit.free = credit.free.saturating_sub(amount);
            let lent = Lent {
                number: slice.number,
                worker: *worker,
                session,
                account: RawAccount(account.clone().into()),
                total: slice.lent,
            };
            Self::order(*cluster, ClusterMessage::Credit(CreditOrder::Lent(lent)))?;
        }
        Self::keep_credit(cluster, account, credit);
        Ok(())
    }

    /// Counts as spent what lies at sessions that are gone, and were waited for long enough.
    fn write_off(cluster: &ClusterId, credit: &mut Credit) {
        let now = Self::present();
        for slice in credit.slices.iter_mut() {
            let is_there = WorkerCluster::<T>::get(slice.worker) == Some(*cluster)
                && CreditSessions::<T>::get(slice.worker) == Some(slice.session);
            slice.parted = (!is_there).then(|| slice.parted.unwrap_or(now));
        }
        let mut lost: Balance = 0;
        credit.slices.retain(|slice| {
            let parted = slice.parted;
            let waits = parted.is_none_or(|parted| now < parted.saturating_add(SLICE_GRACE));
            if !waits {
                lost = lost.saturating_add(slice.unspent());
            }
            waits
        });
        Self::owe(cluster, lost);
    }

    fn return_free(
        cluster: &ClusterId,
        account: &T::AccountId,
        credit: &mut Credit,
    ) -> DispatchResult {
        if credit.free == 0 {
            return Ok(());
        }
        let pool = Self::account_of(cluster);
        // What an attempt that failed has taken must come back.
        with_storage_layer(|| {
            T::Currency::transfer(&pool, account, credit.free, Preservation::Preserve).map(drop)
        })?;
        Self::deposit_event(Event::CreditReturned {
            cluster: *cluster,
            account: account.clone(),
            amount: credit.free,
        });
        credit.free = 0;
        Ok(())
    }

    fn keep_credit(cluster: &ClusterId, account: &T::AccountId, credit: Credit) {
        if credit.free == 0 && credit.slices.is_empty() {
            Credits::<T>::remove(cluster, account);
        } else {
            Credits::<T>::insert(cluster, account, credit);
        }
    }

    fn owe(cluster: &ClusterId, amount: Balance) {
        if amount > 0 {
            CreditOwed::<T>::mutate(cluster, |owed| *owed = owed.saturating_add(amount));
        }
    }

    /// Orders that the treasury get what it is owed. If the block is full of messages, the next
    /// settlement does it.
    fn settle(cluster: &ClusterId) {
        let amount = CreditOwed::<T>::get(cluster);
        if amount > 0 && Self::order(*cluster, ClusterMessage::CreditSettled { amount }).is_ok() {
            CreditOwed::<T>::remove(cluster);
            Self::deposit_event(Event::CreditSettled {
                cluster: *cluster,
                amount,
            });
        }
    }

    /// Whether somebody waits for what a report would change: for a slice that can be lent, or for one
    /// that comes back. Each such report uses up what it is urgent for, so that no worker can have
    /// blocks made with it for long.
    pub(crate) fn is_credit_urgent(worker: &WorkerId, report: &CreditReport) -> bool {
        let cluster = report.cluster;
        let credit =
            |account: &RawAccount| Credits::<T>::get(cluster, T::AccountId::from(account.0));
        let comes_back = |line: &SliceUse| {
            line.done
                && credit(&line.account)
                    .is_some_and(|credit| credit.slice_of(worker, report, line).is_some())
        };
        let can_be_lent = |account: &RawAccount| {
            credit(account).is_some_and(|mut credit| {
                // As it will be when the report has been taken.
                for line in report.slices.iter().filter(|line| line.account == *account) {
                    if let Some(index) = credit.slice_of(worker, report, line) {
                        credit.slices[index].take_word(line);
                    }
                }
                credit.wants(worker, &report.session) > 0
            })
        };
        report.slices.iter().any(comes_back)
            || WorkerCluster::<T>::get(worker) == Some(cluster)
                && report.wanted.iter().any(can_be_lent)
    }

    fn present() -> u32 {
        use sp_runtime::SaturatedConversion;
        frame_system::Pallet::<T>::block_number().saturated_into()
    }

    /// Checks what is true of credits, see [`Pallet::do_try_state`].
    pub(crate) fn try_credits() -> Result<(), sp_runtime::TryRuntimeError> {
        use alloc::collections::{BTreeMap, BTreeSet};
        let mut held: BTreeMap<ClusterId, Balance> = CreditOwed::<T>::iter().collect();
        let mut numbers = BTreeSet::new();
        for (cluster, _, credit) in Credits::<T>::iter() {
            ensure!(
                Clusters::<T>::contains_key(cluster),
                "a credit in a cluster that is not"
            );
            ensure!(
                credit.free > 0 || !credit.slices.is_empty(),
                "an empty credit is kept"
            );
            let mut sum = credit.free;
            let mut lent_to = BTreeSet::new();
            for slice in &credit.slices {
                ensure!(slice.spent <= slice.lent, "a slice is overdrawn");
                ensure!(
                    slice.number < NextSlice::<T>::get() && numbers.insert(slice.number),
                    "a slice has the number of another one"
                );
                ensure!(
                    lent_to.insert((slice.worker, slice.session)),
                    "a session has two slices of one credit"
                );
                sum = sum.saturating_add(slice.unspent());
            }
            let all = held.entry(cluster).or_default();
            *all = all.saturating_add(sum);
        }
        for (cluster, held) in held {
            let pool = T::Currency::balance(&Self::account_of(&cluster));
            ensure!(
                pool >= held.saturating_add(T::Currency::minimum_balance()),
                "a cluster does not have the money of its credits"
            );
        }
        Ok(())
    }
}
