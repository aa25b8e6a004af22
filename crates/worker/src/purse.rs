//! What this start of the worker may spend of credits: see [`phat_primitives::credit`] for what slices
//! are, and for why all of this stands in memory only.
//!
//! A query that pays reserves its amount before it waits for its turn. The amount is spent once the
//! contract has begun to run; a query that ends before gives it back.

use phat_primitives::{
    AccountId, Balance, ClusterId, Hash, WorkerId,
    credit::{CreditReport, Lent, SliceNumber, SliceUse},
    limits::MAX_CREDIT_LINES,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// More of a credit is asked for when so many queries like the last one would use up the slice.
const QUERIES_AHEAD: Balance = 16;

/// Whose credit, and where.
type Owner = (ClusterId, AccountId);

/// The slices of one session of a worker. There are as many as the chain has lent, each of somebody's
/// money.
pub(crate) struct Purse {
    worker: WorkerId,
    session: Hash,
    inner: Mutex<Inner>,
    pressing: Notify,
}

#[derive(Default)]
struct Inner {
    slices: BTreeMap<Owner, Held>,
    /// Who is about to spend more than there is; those who came last. Anybody may claim to have a
    /// credit, so the oldest make room.
    wanted: VecDeque<Owner>,
}

struct Held {
    number: SliceNumber,
    lent: Balance,
    spent: Balance,
    /// For queries that wait or run.
    reserved: Balance,
    /// Nothing more is to be spent.
    closed: bool,
    /// What the chain has been told.
    told: (Balance, bool),
}

impl Held {
    fn rest(&self) -> Balance {
        match self.closed {
            true => 0,
            false => self
                .lent
                .saturating_sub(self.spent.saturating_add(self.reserved)),
        }
    }

    fn is_done(&self) -> bool {
        self.closed && self.reserved == 0
    }

    fn word(&self) -> (Balance, bool) {
        (self.spent, self.is_done())
    }
}

impl Inner {
    fn want(&mut self, owner: Owner) {
        if self.wanted.contains(&owner) {
            return;
        }
        if self.wanted.len() >= MAX_CREDIT_LINES as usize {
            self.wanted.pop_front();
        }
        self.wanted.push_back(owner);
    }
}

/// The slice of the account has not got that much.
#[derive(Debug)]
pub(crate) struct NotEnough;

impl Purse {
    /// The empty purse of a new session.
    pub(crate) fn new(worker: WorkerId, session: Hash) -> Arc<Self> {
        Arc::new(Self {
            worker,
            session,
            inner: Mutex::default(),
            pressing: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // It is whole after each operation, so a panic elsewhere spoils nothing.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets an amount aside for a query. If there is too little, or soon will be, the chain is asked
    /// for more.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        cluster: ClusterId,
        account: AccountId,
        amount: Balance,
    ) -> Result<Charge, NotEnough> {
        let owner = (cluster, account);
        let mut inner = self.lock();
        let held = inner.slices.get_mut(&owner);
        let reserved = held.filter(|held| held.rest() >= amount).map(|held| {
            held.reserved = held.reserved.saturating_add(amount);
            (held.number, held.rest() / QUERIES_AHEAD < amount)
        });
        let is_low = reserved.is_none_or(|(_, is_low)| is_low);
        if is_low {
            inner.want(owner);
            self.pressing.notify_one();
        }
        let (number, _) = reserved.ok_or(NotEnough)?;
        Ok(Charge {
            purse: self.clone(),
            owner,
            number,
            amount,
            begun: false,
        })
    }

    /// The chain has lent something to some worker.
    pub(crate) fn lent(&self, cluster: ClusterId, lent: &Lent) {
        if (lent.worker, lent.session) != (self.worker, self.session) {
            return;
        }
        let mut inner = self.lock();
        let owner = (cluster, lent.account);
        match inner.slices.get_mut(&owner) {
            Some(held) if held.number == lent.number => held.lent = held.lent.max(lent.total),
            Some(held) if held.number > lent.number => {}
            // The chain lends a new slice only when it has got the old one back.
            _ => {
                let held = Held {
                    number: lent.number,
                    lent: lent.total,
                    spent: 0,
                    reserved: 0,
                    closed: false,
                    told: (0, false),
                };
                inner.slices.insert(owner, held);
            }
        }
    }

    /// An account wants its credit back.
    pub(crate) fn recalled(&self, cluster: ClusterId, account: AccountId) {
        self.close(|owner| *owner == (cluster, account));
    }

    /// The worker serves nobody any more: it has left its cluster, or stops.
    pub(crate) fn close_all(&self) {
        self.close(|_| true);
    }

    fn close(&self, which: impl Fn(&Owner) -> bool) {
        let mut inner = self.lock();
        inner.wanted.retain(|owner| !which(owner));
        for (owner, held) in &mut inner.slices {
            if which(owner) {
                held.closed = true;
                self.pressing.notify_one();
            }
        }
    }

    /// What the chain has not been told yet, of one cluster.
    pub(crate) fn report(&self) -> Option<CreditReport> {
        let inner = self.lock();
        let mut news = inner.slices.iter();
        let first = news.find(|(_, held)| held.word() != held.told);
        let first = first.map(|(owner, _)| owner);
        let (cluster, _) = *first.or(inner.wanted.back())?;
        let slices = inner.slices.iter().filter(|((of, _), _)| *of == cluster);
        let slices = slices.filter(|(_, held)| held.word() != held.told);
        let slices = slices.map(|((_, account), held)| SliceUse {
            account: *account,
            number: held.number,
            spent: held.spent,
            done: held.is_done(),
        });
        let wanted = inner.wanted.iter().filter(|(of, _)| *of == cluster);
        Some(CreditReport {
            cluster,
            session: self.session,
            slices: slices.take(MAX_CREDIT_LINES as usize).collect(),
            wanted: wanted.map(|(_, account)| *account).collect(),
        })
    }

    /// The chain has taken this report.
    pub(crate) fn told(&self, report: &CreditReport) {
        let mut inner = self.lock();
        for line in &report.slices {
            let owner = (report.cluster, line.account);
            let Some(held) = inner.slices.get_mut(&owner) else {
                continue;
            };
            if held.number == line.number {
                held.told = (line.spent, line.done);
                if line.done {
                    inner.slices.remove(&owner);
                }
            }
        }
        let told = |owner: &Owner| owner.0 == report.cluster && report.wanted.contains(&owner.1);
        inner.wanted.retain(|owner| !told(owner));
    }

    /// Ends when there is something to report that somebody waits for.
    pub(crate) async fn is_pressing(&self) {
        self.pressing.notified().await;
    }

    fn settle(&self, owner: &Owner, number: SliceNumber, reserved: Balance, spent: Balance) {
        let mut inner = self.lock();
        let held = inner.slices.get_mut(owner);
        if let Some(held) = held.filter(|held| held.number == number) {
            held.reserved = held.reserved.saturating_sub(reserved);
            held.spent = held.spent.saturating_add(spent);
            if held.is_done() {
                self.pressing.notify_one();
            }
        }
    }
}

/// An amount that is set aside for a query. When it is dropped it is spent if the query has begun, and
/// given back otherwise.
pub(crate) struct Charge {
    purse: Arc<Purse>,
    owner: Owner,
    number: SliceNumber,
    amount: Balance,
    begun: bool,
}

impl Charge {
    /// Who pays.
    pub(crate) fn account(&self) -> AccountId {
        self.owner.1
    }

    /// The amount.
    pub(crate) fn amount(&self) -> Balance {
        self.amount
    }

    /// The query begins.
    pub(crate) fn begin(&mut self) {
        self.begun = true;
    }

    /// The query could not begin after all.
    pub(crate) fn spare(&mut self) {
        self.begun = false;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let spent = if self.begun { self.amount } else { 0 };
        self.purse
            .settle(&self.owner, self.number, self.amount, spent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: AccountId = AccountId([1; 32]);

    fn cluster() -> ClusterId {
        ClusterId::repeat_byte(9)
    }

    fn purse() -> Arc<Purse> {
        Purse::new(WorkerId([2; 32]), Hash::repeat_byte(3))
    }

    fn slice(number: SliceNumber, total: Balance) -> Lent {
        Lent {
            number,
            worker: WorkerId([2; 32]),
            session: Hash::repeat_byte(3),
            account: ALICE,
            total,
        }
    }

    fn pay(purse: &Arc<Purse>, amount: Balance) -> bool {
        let charge = purse.reserve(cluster(), ALICE, amount);
        charge.map(|mut charge| charge.begin()).is_ok()
    }

    fn line(purse: &Purse) -> Option<(Balance, bool)> {
        let report = purse.report()?;
        report.slices.first().map(|line| (line.spent, line.done))
    }

    #[test]
    fn no_more_is_spent_than_was_lent_however_often_one_hears_of_it() {
        let purse = purse();
        assert!(!pay(&purse, 1), "nothing is there");
        assert_eq!(
            purse.report().map(|report| report.wanted),
            Some(vec![ALICE])
        );
        for _ in 0..2 {
            purse.lent(cluster(), &slice(0, 100));
        }
        assert!(pay(&purse, 60) && !pay(&purse, 41) && pay(&purse, 40));
        purse.lent(cluster(), &slice(0, 100));
        assert!(!pay(&purse, 1));
        purse.lent(cluster(), &slice(0, 150));
        assert!(pay(&purse, 50) && !pay(&purse, 1));
        assert_eq!(line(&purse), Some((150, false)));
    }

    #[test]
    fn slices_of_other_sessions_and_workers_are_nothing_to_this_one() {
        let purse = purse();
        let other_session = Lent {
            session: Hash::repeat_byte(4),
            ..slice(0, 100)
        };
        let other_worker = Lent {
            worker: WorkerId([5; 32]),
            ..slice(1, 100)
        };
        purse.lent(cluster(), &other_session);
        purse.lent(cluster(), &other_worker);
        assert!(!pay(&purse, 1));
    }

    #[test]
    fn what_did_not_begin_is_given_back_and_what_waits_is_not_spent_twice() {
        let purse = purse();
        purse.lent(cluster(), &slice(0, 100));
        let waits = purse.reserve(cluster(), ALICE, 70).unwrap();
        assert!(!pay(&purse, 31));
        assert_eq!(line(&purse), None, "nothing is spent yet");
        drop(waits);
        let mut begins = purse.reserve(cluster(), ALICE, 70).unwrap();
        begins.begin();
        begins.spare();
        drop(begins);
        assert!(pay(&purse, 100));
    }

    #[test]
    fn a_slice_that_is_recalled_is_done_when_nothing_of_it_is_under_way() {
        let purse = purse();
        purse.lent(cluster(), &slice(0, 100));
        let mut runs = purse.reserve(cluster(), ALICE, 30).unwrap();
        runs.begin();
        purse.recalled(cluster(), ALICE);
        assert!(!pay(&purse, 1));
        assert_eq!(line(&purse), None);
        drop(runs);
        assert_eq!(line(&purse), Some((30, true)));
        purse.lent(cluster(), &slice(0, 200));
        assert!(!pay(&purse, 1), "it stays closed");
        let report = purse.report().unwrap();
        purse.told(&report);
        purse.lent(cluster(), &slice(1, 50));
        assert!(pay(&purse, 50));
        purse.lent(cluster(), &slice(0, 200));
        assert!(!pay(&purse, 1), "old news");
    }

    #[test]
    fn what_was_told_is_told_again_only_when_it_has_changed() {
        let purse = purse();
        purse.lent(cluster(), &slice(0, 10_000));
        assert!(pay(&purse, 1));
        let report = purse.report().unwrap();
        assert!(pay(&purse, 1));
        purse.told(&report);
        assert_eq!(line(&purse), Some((2, false)));
        purse.told(&purse.report().unwrap());
        assert_eq!(purse.report(), None);
    }

    #[test]
    fn whoever_claims_to_have_a_credit_only_replaces_others_who_do() {
        let purse = purse();
        for byte in 0..=u8::MAX {
            let account = AccountId([byte; 32]);
            assert!(purse.reserve(cluster(), account, 1).is_err());
        }
        let wanted = purse.report().unwrap().wanted;
        assert_eq!(wanted.len(), MAX_CREDIT_LINES as usize);
        assert_eq!(wanted.last(), Some(&AccountId([u8::MAX; 32])));
    }
}
