//! Money into a cluster and out of it.

use crate::{Error, Event, WithdrawalCount, Withdrawals, mock::*};
use phat_primitives::{
    AccountId as RawAccount, ids, limits::MAX_PENDING_WITHDRAWALS, message::ClusterMessage,
};
use polkadot_sdk::{
    frame_support::{
        assert_noop, assert_ok,
        dispatch::DispatchResult,
        traits::tokens::{Fortitude, Preservation, fungible::Inspect},
    },
    sp_runtime::TokenError,
};

fn transfer(sender: u8, amount: u128, dest: u8) -> DispatchResult {
    Clusters::transfer_to_cluster(signed(sender), amount, first(), account(dest))
}

/// A cluster of the workers 1, 2 and 3, and of 1000 that account 2 has there.
fn on_cluster(body: impl FnOnce()) {
    on_chain(|| {
        assert_ok!(create(1, &[1, 2, 3]));
        assert_ok!(transfer(2, 1_000, 2));
        ordered();
        body();
    });
}

#[test]
fn money_goes_in_before_the_workers_hear_of_it() {
    on_cluster(|| {
        assert_ok!(transfer(3, 500, 4));
        assert_eq!((balance(3), balance(4)), (ENDOWMENT - 500, ENDOWMENT));
        assert_eq!(pool(), MINIMUM + 1_500);
        let expected = ClusterMessage::Deposit {
            account: RawAccount([4; 32]),
            amount: 500,
        };
        assert_eq!(ordered_there(), vec![expected]);
        System::assert_last_event(
            Event::Transferred {
                cluster: first(),
                account: account(4),
                amount: 500,
            }
            .into(),
        );
    });
}

#[test]
fn even_the_smallest_unit_goes_in_since_the_clusters_account_is_alive() {
    on_chain(|| {
        assert_ok!(create(1, &[1]));
        assert_ok!(transfer(2, 1, 2));
        assert_eq!(pool(), MINIMUM + 1);
    });
}

#[test]
fn nothing_goes_in_that_is_nothing_or_not_there_or_keeps_the_sender_alive() {
    on_cluster(|| {
        assert_noop!(transfer(2, 0, 2), Error::<Test>::ZeroAmount);
        assert_noop!(
            transfer(3, ENDOWMENT - MINIMUM + 1, 3),
            TokenError::NotExpendable
        );
        assert_noop!(transfer(3, ENDOWMENT + 1, 3), TokenError::FundsUnavailable);
        assert_noop!(
            Clusters::transfer_to_cluster(signed(3), 5, ids::cluster_id(2), account(3)),
            Error::<Test>::ClusterNotFound
        );
        fill_block();
        let full = pallet_phat_messages::Error::<Test>::BlockFull;
        assert_noop!(transfer(3, 500, 3), full);
    });
}

#[test]
fn a_withdrawal_is_ordered_and_moves_nothing_yet() {
    on_cluster(|| {
        let number = withdraw(2, 400);
        let expected = ClusterMessage::Withdraw {
            account: RawAccount([2; 32]),
            amount: 400,
        };
        assert_eq!(ordered_there(), vec![expected]);
        assert_eq!((balance(2), pool()), (ENDOWMENT - 1_000, MINIMUM + 1_000));
        let pending = Withdrawals::<Test>::get(first(), number).unwrap();
        assert_eq!((pending.account, pending.amount), (account(2), 400));
        assert_eq!(WithdrawalCount::<Test>::get(first()), 1);
    });
}

#[test]
fn a_withdrawal_is_paid_at_a_majority_and_exactly_once() {
    on_cluster(|| {
        let number = withdraw(2, 400);
        assert_ok!(heartbeat(1, &[(number, 400)]));
        assert_eq!(balance(2), ENDOWMENT - 1_000, "one of three is no majority");
        assert_ok!(heartbeat(1, &[(number, 400)]));
        assert_eq!(
            balance(2),
            ENDOWMENT - 1_000,
            "nor is one that says it twice"
        );
        assert_ok!(heartbeat(2, &[(number, 400)]));
        assert_eq!((balance(2), pool()), (ENDOWMENT - 600, MINIMUM + 600));
        System::assert_has_event(
            Event::Withdrawn {
                cluster: first(),
                account: account(2),
                amount: 400,
            }
            .into(),
        );
        assert_ok!(heartbeat(3, &[(number, 400)]));
        assert_ok!(heartbeat(2, &[(number, 400), (number, 400)]));
        assert_eq!((balance(2), pool()), (ENDOWMENT - 600, MINIMUM + 600));
        assert_eq!(WithdrawalCount::<Test>::get(first()), 0);
    });
}

#[test]
fn half_of_the_workers_are_no_majority() {
    on_chain(|| {
        assert_ok!(create(1, &[1, 2]));
        assert_ok!(transfer(2, 1_000, 2));
        let number = withdraw(2, 400);
        assert_ok!(heartbeat(1, &[(number, 400)]));
        assert_eq!(pool(), MINIMUM + 1_000);
        assert_ok!(heartbeat(2, &[(number, 400)]));
        assert_eq!(pool(), MINIMUM + 600);
    });
}

#[test]
fn a_withdrawal_of_what_the_account_did_not_have_pays_nothing_and_is_over() {
    on_cluster(|| {
        let number = withdraw(3, 400);
        assert_ok!(heartbeat(1, &[(number, 0)]));
        assert_ok!(heartbeat(2, &[(number, 0)]));
        assert_eq!((balance(3), pool()), (ENDOWMENT, MINIMUM + 1_000));
        System::assert_has_event(
            Event::Withdrawn {
                cluster: first(),
                account: account(3),
                amount: 0,
            }
            .into(),
        );
        assert!(!Withdrawals::<Test>::contains_key(first(), number));
        assert_eq!(WithdrawalCount::<Test>::get(first()), 0);
    });
}

#[test]
fn only_a_workers_last_word_counts() {
    on_cluster(|| {
        let number = withdraw(2, 400);
        assert_ok!(heartbeat(1, &[(number, 0)]));
        assert_ok!(heartbeat(1, &[(number, 400)]));
        assert_ok!(heartbeat(2, &[(number, 0)]));
        assert!(Withdrawals::<Test>::contains_key(first(), number));
        assert_ok!(heartbeat(2, &[(number, 400)]));
        assert_eq!(pool(), MINIMUM + 600);
    });
}

#[test]
fn an_outcome_other_than_all_or_nothing_is_not_counted() {
    on_cluster(|| {
        let number = withdraw(2, 400);
        for amount in [1, 399, 401, u128::MAX] {
            for worker in [1, 2, 3] {
                assert_ok!(heartbeat(worker, &[(number, amount)]));
            }
        }
        assert_eq!(pool(), MINIMUM + 1_000);
        let pending = Withdrawals::<Test>::get(first(), number).unwrap();
        assert!(pending.votes.is_empty());
    });
}

#[test]
fn votes_of_workers_that_have_left_do_not_count() {
    on_cluster(|| {
        let number = withdraw(2, 400);
        assert_ok!(heartbeat(1, &[(number, 400)]));
        assert_ok!(Clusters::remove_worker_from_cluster(
            signed(1),
            worker(1),
            first()
        ));
        assert_ok!(heartbeat(2, &[(number, 400)]));
        assert_eq!(pool(), MINIMUM + 1_000, "one of the two that are left");
        assert_ok!(heartbeat(3, &[(number, 400)]));
        assert_eq!(pool(), MINIMUM + 600);
    });
}

#[test]
fn workers_that_join_make_the_majority_larger() {
    on_cluster(|| {
        let number = withdraw(2, 400);
        assert_ok!(heartbeat(1, &[(number, 400)]));
        for new in [4, 5] {
            let origin = signed(1);
            assert_ok!(Clusters::add_worker_to_cluster(
                origin,
                worker(new),
                first()
            ));
        }
        assert_ok!(heartbeat(2, &[(number, 400)]));
        assert_eq!(pool(), MINIMUM + 1_000, "two of five");
        assert_ok!(heartbeat(5, &[(number, 400)]));
        assert_eq!(pool(), MINIMUM + 600);
    });
}

#[test]
fn all_that_is_in_a_cluster_can_leave_to_the_last_unit() {
    on_cluster(|| {
        assert_ok!(transfer(3, MINIMUM + 1, 3));
        let issued = Balances::total_issuance();
        let outcomes = [
            (withdraw(2, 1_000), 1_000),
            (withdraw(3, MINIMUM + 1), MINIMUM + 1),
        ];
        assert_ok!(heartbeat(1, &outcomes));
        assert_ok!(heartbeat(2, &outcomes));
        assert_eq!((balance(2), balance(3)), (ENDOWMENT, ENDOWMENT));
        assert_eq!(pool(), MINIMUM);
        assert_eq!(Balances::total_issuance(), issued);
    });
}

#[test]
fn a_withdrawal_reaches_an_account_that_is_gone_in_the_meantime() {
    on_cluster(|| {
        let small = withdraw(2, MINIMUM);
        assert_noop!(
            Clusters::transfer_from_cluster(signed(2), first(), MINIMUM - 1),
            Error::<Test>::WithdrawalTooSmall
        );
        assert_ok!(Balances::transfer_all(signed(2), account(3), false));
        assert_eq!(balance(2), 0);
        assert_ok!(heartbeat(1, &[(small, MINIMUM)]));
        assert_ok!(heartbeat(2, &[(small, MINIMUM)]));
        assert_eq!(balance(2), MINIMUM);
    });
}

#[test]
fn what_a_cluster_cannot_pay_waits_and_holds_up_nothing_else() {
    on_cluster(|| {
        // More than there is in the cluster: its workers lie.
        let (lie, honest) = (withdraw(3, 5_000), withdraw(2, 400));
        let outcomes = [(lie, 5_000), (honest, 400)];
        assert_ok!(heartbeat(1, &outcomes));
        assert_ok!(heartbeat(2, &outcomes));
        assert_eq!((balance(3), balance(2)), (ENDOWMENT, ENDOWMENT - 600));
        assert_eq!(pool(), MINIMUM + 600);
        System::assert_has_event(
            Event::WithdrawalUnpaid {
                cluster: first(),
                number: lie,
                error: TokenError::FundsUnavailable.into(),
            }
            .into(),
        );
        assert_eq!(WithdrawalCount::<Test>::get(first()), 1);
        // The money turns up.
        assert_ok!(transfer(4, 4_400, 3));
        assert_ok!(heartbeat(3, &[(lie, 5_000)]));
        assert_eq!((balance(3), pool()), (ENDOWMENT + 5_000, MINIMUM));
    });
}

#[test]
fn even_a_majority_that_lies_leaves_the_clusters_account_alive() {
    on_cluster(|| {
        let number = withdraw(3, 1_001);
        assert_ok!(heartbeat(1, &[(number, 1_001)]));
        assert_ok!(heartbeat(2, &[(number, 1_001)]));
        assert_eq!((balance(3), pool()), (ENDOWMENT, MINIMUM + 1_000));
        assert!(Withdrawals::<Test>::contains_key(first(), number));
    });
}

#[test]
fn the_workers_are_told_of_a_decision_once_and_late_words_change_nothing() {
    on_cluster(|| {
        let (whole, nothing) = (withdraw(2, 400), withdraw(2, 5_000));
        let outcomes = [(whole, 400), (nothing, 0)];
        assert_ok!(heartbeat(1, &outcomes));
        ordered();
        assert_ok!(heartbeat(2, &outcomes));
        let decided = [whole, nothing].map(|number| ClusterMessage::WithdrawalDecided { number });
        assert_eq!(ordered_there(), decided);
        assert_ok!(heartbeat(3, &outcomes));
        assert_ok!(heartbeat(1, &outcomes));
        assert_eq!(ordered_there(), []);
    });
}

#[test]
fn a_decision_that_has_no_room_in_the_block_is_taken_with_the_next_word() {
    on_cluster(|| {
        let number = withdraw(2, 400);
        assert_ok!(heartbeat(1, &[(number, 400)]));
        fill_block();
        assert_ok!(heartbeat(2, &[(number, 400)]));
        assert_eq!((balance(2), pool()), (ENDOWMENT - 1_000, MINIMUM + 1_000));
        System::assert_has_event(
            Event::WithdrawalUnpaid {
                cluster: first(),
                number,
                error: pallet_phat_messages::Error::<Test>::BlockFull.into(),
            }
            .into(),
        );
        ordered();
        assert_ok!(heartbeat(2, &[(number, 400)]));
        assert_eq!((balance(2), pool()), (ENDOWMENT - 600, MINIMUM + 600));
    });
}

#[test]
fn workers_that_came_after_a_withdrawal_can_decide_it() {
    on_cluster(|| {
        let number = withdraw(2, 400);
        assert_ok!(heartbeat(1, &[(number, 400)]));
        for number in [4, 5] {
            assert_ok!(Clusters::add_worker_to_cluster(
                signed(1),
                worker(number),
                first()
            ));
        }
        for number in [1, 2, 3] {
            assert_ok!(Clusters::remove_worker_from_cluster(
                signed(1),
                worker(number),
                first()
            ));
        }
        assert_ok!(heartbeat(4, &[(number, 400)]));
        assert_eq!(
            balance(2),
            ENDOWMENT - 1_000,
            "those who left count no more"
        );
        assert_ok!(heartbeat(5, &[(number, 400)]));
        assert_eq!(balance(2), ENDOWMENT - 600);
    });
}

#[test]
fn one_cluster_never_pays_for_another() {
    on_cluster(|| {
        assert_ok!(create(2, &[10]));
        let number = withdraw(2, 400);
        let second = ids::cluster_id(2);
        assert_ok!(heartbeat_in(second, 10, &[(number, 400)]));
        assert_eq!(pool(), MINIMUM + 1_000);
        assert!(Withdrawals::<Test>::contains_key(first(), number));
        assert_ne!(
            Clusters::account_of(&first()),
            Clusters::account_of(&second)
        );
        let held = Balances::reducible_balance(
            &Clusters::account_of(&second),
            Preservation::Preserve,
            Fortitude::Polite,
        );
        assert_eq!(held, 0);
    });
}

#[test]
fn only_so_many_withdrawals_of_a_cluster_wait() {
    on_cluster(|| {
        assert_noop!(
            Clusters::transfer_from_cluster(signed(2), first(), 0),
            Error::<Test>::ZeroAmount
        );
        assert_noop!(
            Clusters::transfer_from_cluster(signed(2), ids::cluster_id(2), 400),
            Error::<Test>::ClusterNotFound
        );
        let number = withdraw(2, 400);
        for _ in 1..MAX_PENDING_WITHDRAWALS {
            withdraw(3, 400);
        }
        assert_noop!(
            Clusters::transfer_from_cluster(signed(2), first(), 400),
            Error::<Test>::TooManyWithdrawals
        );
        assert_ok!(heartbeat(1, &[(number, 400)]));
        assert_ok!(heartbeat(2, &[(number, 400)]));
        withdraw(2, 400);
    });
}
