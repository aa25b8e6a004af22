//! Credits: what is lent, settled, given back and written off.

use crate::{ClusterPermission, Credit, CreditOwed, Credits, Error, Event, Slice, mock::*};
use pallet_phat_messages::OnReport;
use phat_primitives::{
    AccountId as RawAccount, Balance, Hash,
    credit::{CreditOrder, CreditReport, Lent, SliceUse},
    limits::{MAX_CREDIT_SLICES, SLICE_GRACE},
    message::ClusterMessage,
    policy::{FeeModel, Policy},
    report::Payload,
};
use polkadot_sdk::{
    frame_support::{assert_noop, assert_ok, storage::with_storage_layer},
    sp_runtime::TokenError,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};

/// A cluster of account 1 with these workers that weighs calls by what is paid.
fn paid_cluster(workers: &[u8]) {
    create_with(1, ClusterPermission::OnlyOwner(account(1)), workers).unwrap();
    weigh_by(FeeModel::PayPerWeight);
    ordered();
}

fn weigh_by(fee_model: FeeModel) {
    let policy = Policy {
        fee_model,
        ..Policy::default()
    };
    let permission = ClusterPermission::OnlyOwner(account(1));
    Clusters::set_policy(signed(1), first(), permission, policy).unwrap();
}

fn raw(byte: u8) -> RawAccount {
    RawAccount([byte; 32])
}

fn report(session: u8, slices: Vec<SliceUse>, wanted: Vec<RawAccount>) -> CreditReport {
    CreditReport {
        cluster: first(),
        session: Hash::repeat_byte(session),
        slices,
        wanted,
    }
}

fn used(number: u64, spent: Balance, done: bool) -> SliceUse {
    SliceUse {
        account: raw(2),
        number,
        spent,
        done,
    }
}

/// A worker's session reports; returns whether a block was worth it.
fn tell(number: u8, report: CreditReport) -> bool {
    let payload = Payload::Credit(report);
    let urgent = Clusters::is_urgent(&worker(number), &payload);
    with_storage_layer(|| Clusters::on_payload(&worker(number), &payload)).unwrap();
    assert!(
        !Clusters::is_urgent(&worker(number), &payload),
        "what was urgent has been done"
    );
    urgent
}

fn credit() -> Credit {
    Credits::<Test>::get(first(), account(2)).unwrap_or_default()
}

/// What was lent to sessions since this was asked last.
fn lent() -> Vec<(u64, Balance)> {
    let lent = |message| match message {
        ClusterMessage::Credit(CreditOrder::Lent(Lent { number, total, .. })) => {
            Some((number, total))
        }
        _ => None,
    };
    ordered_there().into_iter().filter_map(lent).collect()
}

fn prepay(amount: Balance, slice: Balance) {
    assert_ok!(Clusters::prepay_credit(signed(2), first(), amount, slice));
}

#[test]
fn workers_are_lent_slices_and_never_more_than_was_paid() {
    on_chain(|| {
        paid_cluster(&[1, 2, 3]);
        prepay(250, 100);
        assert_eq!(balance(2), ENDOWMENT - 250);
        for (number, expected) in [(1, (0, 100)), (2, (1, 100)), (3, (2, 50))] {
            assert!(tell(number, report(number, vec![], vec![raw(2)])));
            assert_eq!(lent(), [expected]);
        }
        assert_eq!(credit().free, 0);
        assert!(!tell(1, report(1, vec![], vec![raw(2)])));
        assert_eq!(lent(), [], "nothing is left");
    });
}

#[test]
fn what_is_spent_is_settled_once_and_the_slice_filled_again() {
    on_chain(|| {
        paid_cluster(&[1]);
        prepay(250, 100);
        tell(1, report(1, vec![], vec![raw(2)]));
        ordered();
        let some = report(1, vec![used(0, 40, false)], vec![raw(2)]);
        assert!(!tell(1, some.clone()), "more than half of it is left");
        assert_eq!(
            ordered_there(),
            [ClusterMessage::CreditSettled { amount: 40 }]
        );
        tell(1, some);
        assert_eq!(ordered_there(), [], "said twice");
        assert!(tell(1, report(1, vec![used(0, 90, false)], vec![raw(2)])));
        let lent = Lent {
            number: 0,
            worker: worker(1),
            session: Hash::repeat_byte(1),
            account: raw(2),
            total: 190,
        };
        assert_eq!(
            ordered_there(),
            [
                ClusterMessage::Credit(CreditOrder::Lent(lent)),
                ClusterMessage::CreditSettled { amount: 50 }
            ]
        );
        // An older report that comes late, and one that claims more than there was.
        tell(1, report(1, vec![used(0, 10, false)], vec![]));
        assert_eq!(credit().slices[0].spent, 90);
        tell(1, report(1, vec![used(0, 1_000, false)], vec![]));
        assert_eq!(credit().slices[0].spent, 190);
        assert_eq!((credit().free, pool()), (60, MINIMUM + 250));
    });
}

#[test]
fn a_credit_comes_back_when_all_workers_have_said_what_is_left() {
    on_chain(|| {
        paid_cluster(&[1, 2]);
        prepay(250, 100);
        for number in [1, 2] {
            tell(number, report(number, vec![], vec![raw(2)]));
        }
        ordered();
        assert_ok!(Clusters::withdraw_credit(signed(2), first()));
        assert_eq!(balance(2), ENDOWMENT - 200);
        let recalled = ClusterMessage::Credit(CreditOrder::Recalled(raw(2)));
        assert_eq!(ordered_there(), [recalled]);
        assert!(!tell(1, report(1, vec![], vec![raw(2)])));
        assert!(tell(1, report(1, vec![used(0, 30, true)], vec![])));
        assert!(tell(2, report(2, vec![used(1, 0, true)], vec![])));
        assert_eq!(balance(2), ENDOWMENT - 30);
        assert!(!Credits::<Test>::contains_key(first(), account(2)));
        assert_noop!(
            Clusters::withdraw_credit(signed(2), first()),
            Error::<Test>::NoCredit
        );
    });
}

#[test]
fn what_a_session_had_is_not_lent_again_and_counts_as_spent_after_a_while() {
    on_chain(|| {
        paid_cluster(&[1]);
        prepay(250, 100);
        tell(1, report(1, vec![], vec![raw(2)]));
        // The worker starts again: it does not know what it has spent.
        tell(1, report(2, vec![], vec![raw(2)]));
        assert_eq!(lent(), [(0, 100), (1, 100)]);
        assert_eq!(credit().free, 50);
        // The new session knows nothing of the old one's slice.
        assert!(!tell(1, report(2, vec![used(0, 0, true)], vec![])));
        System::set_block_number(2 + SLICE_GRACE - 1);
        prepay(MINIMUM, 100);
        assert_eq!(credit().slices.len(), 2);
        System::set_block_number(2 + SLICE_GRACE);
        ordered();
        assert_ok!(Clusters::withdraw_credit(signed(2), first()));
        assert_eq!(credit().slices.len(), 1);
        let settled = ClusterMessage::CreditSettled { amount: 100 };
        assert!(ordered_there().contains(&settled));
        assert_eq!(balance(2), ENDOWMENT - 200);
    });
}

#[test]
fn a_worker_that_has_left_has_its_last_word() {
    on_chain(|| {
        paid_cluster(&[1, 2]);
        prepay(100, 100);
        tell(1, report(1, vec![], vec![raw(2)]));
        Clusters::remove_worker_from_cluster(signed(1), worker(1), first()).unwrap();
        assert!(!tell(1, report(1, vec![], vec![raw(2)])), "it gets no more");
        assert!(tell(1, report(1, vec![used(0, 70, true)], vec![])));
        assert_eq!((credit().free, credit().slices.len()), (30, 0));
    });
}

#[test]
fn a_treasury_gets_its_due_although_a_block_was_full() {
    on_chain(|| {
        paid_cluster(&[1]);
        prepay(250, 100);
        tell(1, report(1, vec![], vec![raw(2)]));
        ordered();
        fill_block();
        let full = Payload::Credit(report(1, vec![used(0, 60, false)], vec![raw(2)]));
        with_storage_layer(|| Clusters::on_payload(&worker(1), &full)).unwrap();
        assert_eq!(CreditOwed::<Test>::get(first()), 60);
        assert_eq!(credit().free, 150, "the worker would not have heard of it");
        ordered();
        tell(1, report(1, vec![used(0, 61, false)], vec![]));
        let settled = ClusterMessage::CreditSettled { amount: 61 };
        assert_eq!(ordered_there(), [settled]);
    });
}

#[test]
fn credits_are_for_clusters_that_weigh_calls_by_them_and_not_too_small() {
    on_chain(|| {
        paid_cluster(&[1]);
        let pay = |amount, slice| Clusters::prepay_credit(signed(2), first(), amount, slice);
        assert_noop!(pay(MINIMUM - 1, 100), Error::<Test>::CreditTooSmall);
        assert_noop!(pay(100, MINIMUM - 1), Error::<Test>::CreditTooSmall);
        assert_noop!(pay(ENDOWMENT, 100), TokenError::NotExpendable);
        weigh_by(FeeModel::Stake);
        assert_noop!(pay(100, 100), Error::<Test>::NotPaidByWeight);
        let nowhere = phat_primitives::ids::cluster_id(7);
        assert_noop!(
            Clusters::prepay_credit(signed(2), nowhere, 100, 100),
            Error::<Test>::NotPaidByWeight
        );
    });
}

#[test]
fn a_credit_can_be_withdrawn_whatever_the_cluster_weighs_calls_by() {
    on_chain(|| {
        paid_cluster(&[1]);
        prepay(100, 100);
        weigh_by(FeeModel::Stake);
        assert_ok!(Clusters::withdraw_credit(signed(2), first()));
        System::assert_last_event(
            Event::CreditReturned {
                cluster: first(),
                account: account(2),
                amount: 100,
            }
            .into(),
        );
        assert_eq!(balance(2), ENDOWMENT);
    });
}

#[test]
fn so_many_sessions_have_a_slice_and_no_more() {
    on_chain(|| {
        paid_cluster(&[1]);
        prepay(100_000, 100);
        for session in 1..=MAX_CREDIT_SLICES as u8 {
            tell(1, report(session, vec![], vec![raw(2)]));
        }
        assert_eq!(lent().len(), MAX_CREDIT_SLICES as usize);
        assert!(!tell(1, report(99, vec![], vec![raw(2)])));
        assert_eq!(lent(), []);
    });
}

/// What happens to one credit and the sessions that have some of it.
#[derive(Clone, Debug)]
enum Step {
    Prepay {
        amount: Balance,
        slice: Balance,
    },
    Withdraw,
    /// Somebody asks a worker, and names an amount.
    Ask {
        worker: u8,
        amount: Balance,
    },
    /// A worker reads the next message that it has not read.
    Hear {
        worker: u8,
    },
    Report {
        worker: u8,
        wants: bool,
    },
    /// A worker starts again, and has forgotten everything.
    Restart {
        worker: u8,
    },
    /// The worker leaves the cluster, or comes back.
    Move {
        worker: u8,
    },
    Blocks {
        count: u32,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let worker = || 1u8..=3;
    prop_oneof![
        2 => (MINIMUM..2_000, MINIMUM..300)
            .prop_map(|(amount, slice)| Step::Prepay { amount, slice }),
        1 => Just(Step::Withdraw),
        10 => (worker(), 1u128..80).prop_map(|(worker, amount)| Step::Ask { worker, amount }),
        10 => worker().prop_map(|worker| Step::Hear { worker }),
        8 => (worker(), any::<bool>()).prop_map(|(worker, wants)| Step::Report { worker, wants }),
        1 => worker().prop_map(|worker| Step::Restart { worker }),
        1 => worker().prop_map(|worker| Step::Move { worker }),
        2 => prop_oneof![1u32..5, Just(SLICE_GRACE)].prop_map(|count| Step::Blocks { count }),
    ]
}

/// One start of a worker. It keeps to the rules.
#[derive(Default)]
struct Session {
    name: u8,
    unread: VecDeque<ClusterMessage>,
    number: Option<u64>,
    lent: Balance,
    spent: Balance,
    closed: bool,
}

impl Session {
    fn hear(&mut self, me: u8, message: ClusterMessage) {
        match message {
            ClusterMessage::Credit(CreditOrder::Lent(lent))
                if lent.worker == worker(me) && lent.session == Hash::repeat_byte(self.name) =>
            {
                if self.number != Some(lent.number) {
                    (self.number, self.spent, self.closed) = (Some(lent.number), 0, false);
                }
                self.lent = lent.total;
            }
            ClusterMessage::Credit(CreditOrder::Recalled(_)) => self.closed = true,
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200, failure_persistence: None, ..Default::default()
    })]

    /// However workers lag, start again, leave and come back: together they never spend more than was
    /// paid and not returned, and no money is lost or made.
    #[test]
    fn sessions_together_never_spend_more_than_was_paid(
        steps in prop::collection::vec(step(), 1..150),
    ) {
        chain().execute_with(|| {
            paid_cluster(&[1, 2, 3, 4]);
            let (mut paid, mut spent, mut settled) = (0, 0, 0);
            let mut names = 0u8;
            let mut sessions = BTreeMap::new();
            for number in 1..=3 {
                names += 1;
                sessions.insert(number, Session { name: names, ..Session::default() });
            }
            for step in steps {
                match step {
                    Step::Prepay { amount, slice } => {
                        if Clusters::prepay_credit(signed(2), first(), amount, slice).is_ok() {
                            paid += amount;
                        }
                    }
                    Step::Withdraw => drop(Clusters::withdraw_credit(signed(2), first())),
                    Step::Ask { worker, amount } => {
                        let session = sessions.get_mut(&worker).unwrap();
                        if !session.closed && session.lent - session.spent >= amount {
                            session.spent += amount;
                            spent += amount;
                        }
                    }
                    Step::Hear { worker } => {
                        let session = sessions.get_mut(&worker).unwrap();
                        if let Some(message) = session.unread.pop_front() {
                            session.hear(worker, message);
                        }
                    }
                    Step::Report { worker, wants } => {
                        let session = &sessions[&worker];
                        let line = session.number.map(|number| {
                            used(number, session.spent, session.closed)
                        });
                        let wanted = if wants { vec![raw(2)] } else { vec![] };
                        tell(worker, report(session.name, line.into_iter().collect(), wanted));
                    }
                    Step::Restart { worker } => {
                        names = names.checked_add(1).unwrap();
                        sessions.insert(worker, Session { name: names, ..Session::default() });
                    }
                    Step::Move { worker: number } => {
                        let gone = Clusters::remove_worker_from_cluster(
                            signed(1), worker(number), first(),
                        );
                        if gone.is_err() {
                            Clusters::add_worker_to_cluster(signed(1), worker(number), first())
                                .unwrap();
                        }
                    }
                    Step::Blocks { count } => {
                        System::set_block_number(System::block_number() + count);
                    }
                }
                for message in ordered_there() {
                    if let ClusterMessage::CreditSettled { amount } = message {
                        settled += amount;
                    }
                    for session in sessions.values_mut() {
                        session.unread.push_back(message.clone());
                    }
                }
                Clusters::do_try_state().unwrap();
                let held: Balance = {
                    let Credit { free, slices, .. } = credit();
                    free + slices.iter().map(Slice::unspent).sum::<Balance>()
                };
                let returned = paid + balance(2) - ENDOWMENT;
                assert!(spent + returned <= paid, "{spent} spent and {returned} back of {paid}");
                assert_eq!(held + settled + returned, paid);
                assert_eq!(pool(), MINIMUM + paid - returned);
            }
        });
    }
}
