//! A worker's life.

use crate::{
    Cause, Change, Clock as ChainClock, Error, Event, Rewards, Ring, WorkerStatus, Workers, mock::*,
};
use phat_economy::Spot;
use phat_primitives::message::Message;
use polkadot_sdk::{
    frame_support::{assert_noop, assert_ok},
    sp_runtime::DispatchError,
};

fn slashed(number: u8) -> u128 {
    known(number).account.now().slashed.low_u128()
}

#[test]
fn an_operator_activates_a_worker_with_a_deposit_and_it_gets_a_place_on_the_ring() {
    on_chain(|| {
        register(1, 100, 3);
        assert_ok!(activate(1, 1_000));
        let record = known(1);
        assert_eq!(record.status, WorkerStatus::Active);
        assert_eq!(record.account.now().deposit, 1_000);
        assert_eq!(balance(1), ENDOWMENT - MINIMUM - 1_000);
        let spot = Spot {
            point: record.point,
            worker: worker(1),
        };
        let capacity = Ring::<Test>::get(spot).unwrap().now().unwrap();
        // In evidence, 1 is the best confidence and 128 the worst.
        assert_eq!((capacity.power, capacity.confidence), (100, 126));
        let lines = Rewards::<Test>::get(worker(1));
        assert_eq!(lines[0].change, Change::Deposited(1_000));
    });
}

#[test]
fn what_cannot_be_activated_is_refused_with_the_reason() {
    on_chain(|| {
        assert_noop!(activate(1, 1_000), Error::<Test>::WorkerNotRegistered);
        register(1, 100, 128);
        let stranger = Economy::activate(signed(2), worker(1), 1_000);
        assert_noop!(stranger, Error::<Test>::NotOperator);
        assert_noop!(activate(1, 99), Error::<Test>::DepositTooSmall);
        assert_noop!(activate(1, ENDOWMENT), Error::<Test>::NotEnoughFree);
        assert_noop!(activate(1, u128::MAX), Error::<Test>::NotEnoughFree);
        lapse(1);
        assert_noop!(activate(1, 1_000), Error::<Test>::WorkerOutOfService);
        renew(1);
        assert_ok!(activate(1, 1_000));
        assert_noop!(activate(1, 1_000), Error::<Test>::AlreadyActivated);
        register(2, 0, 128);
        assert_noop!(activate(2, 1_000), Error::<Test>::NoPerformance);
    });
}

#[test]
fn a_worker_leaves_with_the_next_era_and_is_paid_when_its_cool_down_is_over() {
    on_chain(|| {
        workers([1, 2]);
        start();
        assert_eq!(place(1), Some(1));
        assert_ok!(Economy::leave(signed(1), worker(1)));
        assert_eq!(place(1), Some(1), "it serves to the end of the era");
        assert_noop!(Economy::leave(signed(1), worker(1)), Error::<Test>::HasLeft);
        next_era();
        assert_eq!(place(1), None);
        assert_eq!(known(1).status, WorkerStatus::CoolingDown(4));
        // 10 + 5·1 + 100: the worst confidence counts as 1, and without clusters nobody is popular.
        assert_eq!(Economy::value_promise(worker(1)), 115);
        for _ in 0..2 {
            let early = Economy::settle(signed(3), worker(1));
            assert_noop!(early, Error::<Test>::NotSettleable);
            next_era();
        }
        let before = balance(1);
        assert_ok!(Economy::settle(signed(3), worker(1)));
        assert_eq!(balance(1), before + 1_000 + 115);
        assert!(!Workers::<Test>::contains_key(worker(1)));
        let lines = Rewards::<Test>::get(worker(1));
        let last = lines.last().unwrap();
        assert_eq!(
            last.change,
            Change::Settled {
                rewards: 115,
                deposit: 1_000,
                forfeited: 0
            }
        );
        // It can begin anew, with nothing of what it had.
        assert_ok!(activate(1, 1_000));
        assert_eq!(Economy::value_promise(worker(1)), 0);
    });
}

#[test]
fn who_leaves_while_no_eras_run_need_not_wait() {
    on_chain(|| {
        workers([1, 2]);
        start();
        assert_ok!(Economy::leave(signed(1), worker(1)));
        assert_ok!(Economy::stop_eras(root()));
        assert_ok!(Economy::leave(signed(1), worker(2)));
        let before = balance(1);
        assert_ok!(Economy::settle(signed(3), worker(1)));
        assert_ok!(Economy::settle(signed(3), worker(2)));
        assert_eq!(balance(1), before + 2 * 1_115);
    });
}

#[test]
fn only_the_operator_decides_about_a_worker() {
    on_chain(|| {
        workers([1]);
        start();
        let id = worker(1);
        assert_noop!(Economy::leave(signed(2), id), Error::<Test>::NotOperator);
        assert_noop!(Economy::resume(signed(2), id), Error::<Test>::NotOperator);
        assert_noop!(
            Economy::payout(signed(2), id, None),
            Error::<Test>::NotOperator
        );
        let slash = Economy::slash_worker(signed(1), id, 5);
        assert_noop!(slash, DispatchError::BadOrigin);
        let id = worker(9);
        assert_noop!(Economy::leave(signed(1), id), Error::<Test>::NotActivated);
        assert_noop!(Economy::resume(signed(1), id), Error::<Test>::NotActivated);
        assert_noop!(Economy::settle(signed(1), id), Error::<Test>::NotActivated);
        assert_noop!(
            Economy::payout(signed(1), id, None),
            Error::<Test>::NotActivated
        );
        assert_noop!(
            Economy::slash_worker(root(), id, 5),
            Error::<Test>::NotActivated
        );
    });
}

#[test]
fn every_era_asks_for_a_heartbeat_and_who_does_not_answer_is_suspended() {
    on_chain(|| {
        workers([1, 2]);
        start();
        settle_in(1);
        settle_in(2);
        next_era();
        assert_eq!(ordered()[0], Message::HeartbeatWanted);
        block(1_000);
        heartbeat(1).unwrap();
        next_era();
        assert_eq!(known(1).status, WorkerStatus::Active);
        assert_eq!(known(2).status, WorkerStatus::Suspended(Cause::Missed));
        assert_eq!((slashed(1), slashed(2)), (0, 7));
        assert_eq!((place(1), place(2)), (Some(1), None));
        // It earns nothing and comes back when its operator says so.
        let value = Economy::value_promise(worker(2));
        heartbeat(1).unwrap();
        next_era();
        assert_eq!(Economy::value_promise(worker(2)), value);
        assert_noop!(
            Economy::resume(signed(1), worker(1)),
            Error::<Test>::NotSuspended
        );
        assert_ok!(Economy::resume(signed(1), worker(2)));
        next_era();
        assert_eq!(place(2), Some(1));
        assert!(Economy::value_promise(worker(2)) > value);
    });
}

#[test]
fn an_answer_that_comes_late_costs_something_and_no_more() {
    on_chain(|| {
        workers([1]);
        start();
        settle_in(1);
        next_era();
        block(HEARTBEAT_MS + 1);
        heartbeat(1).unwrap();
        heartbeat(1).unwrap();
        assert_eq!(slashed(1), 7);
        next_era();
        assert_eq!(known(1).status, WorkerStatus::Active);
        assert_eq!(slashed(1), 7);
    });
}

#[test]
fn who_was_not_sent_the_keys_owes_no_heartbeat() {
    on_chain(|| {
        workers([1]);
        start();
        next_era();
        next_era();
        assert_eq!(known(1).status, WorkerStatus::Active);
        assert_eq!(slashed(1), 0);
    });
}

#[test]
fn time_in_which_the_chain_stood_still_counts_for_nobody() {
    on_chain(|| {
        workers([1]);
        start();
        let mut long = settings();
        long.era_ms = 3_600_000;
        long.heartbeat_ms = 3_600_000;
        assert_ok!(Economy::set_settings(root(), long));
        let ran = ChainClock::<Test>::get().ran_ms;
        block(24 * 3_600_000);
        assert_eq!(
            ChainClock::<Test>::get().ran_ms,
            ran + crate::MAX_BLOCK_GAP_MS
        );
        assert_eq!(crate::LastEra::<Test>::get(), 1);
    });
}

#[test]
fn a_worker_whose_evidence_lapses_is_slashed_and_returns_to_its_seat_with_new_evidence() {
    on_chain(|| {
        workers([1, 2]);
        start();
        lapse(1);
        assert_eq!(known(1).status, WorkerStatus::Suspended(Cause::Lapsed));
        assert_eq!((slashed(1), place(1)), (11, None));
        assert_noop!(
            Economy::resume(signed(1), worker(1)),
            Error::<Test>::WorkerOutOfService
        );
        check();
        renew(1);
        assert_eq!(known(1).status, WorkerStatus::Active);
        block(0);
        assert_eq!(place(1), Some(1));
        check();
        lapse(1);
        next_era();
        assert_eq!(place(1), None);
        renew(1);
        block(0);
        assert_eq!(place(1), None, "it has no seat in this era");
        next_era();
        assert_eq!(place(1), Some(1));
    });
}

#[test]
fn a_worker_whose_state_differs_is_slashed_and_comes_back_when_readmitted() {
    on_chain(|| {
        workers([1, 2, 3]);
        start();
        block(1);
        heartbeat(1).unwrap();
        heartbeat(2).unwrap();
        heartbeat_with(3, 9).unwrap();
        let status = WorkerStatus::Suspended(Cause::Diverged);
        assert_eq!((known(3).status, place(3)), (status, None));
        assert_eq!(slashed(3), 13);
        next_era();
        assert_noop!(
            Economy::resume(signed(1), worker(3)),
            Error::<Test>::WorkerHasDiverged
        );
        assert_ok!(Clusters::readmit_worker(signed(1), worker(3)));
        assert_ok!(Economy::resume(signed(1), worker(3)));
        next_era();
        assert_eq!(place(3), Some(1));
    });
}

#[test]
fn a_worker_that_has_nothing_left_is_removed_and_its_deposit_goes_to_the_treasury() {
    on_chain(|| {
        workers([1]);
        start();
        let treasury = Balances::free_balance(Economy::treasury());
        assert_ok!(Economy::slash_worker(root(), worker(1), 5_000));
        assert_eq!(place(1), Some(1), "at the end of the era");
        next_era();
        assert_eq!(place(1), None);
        assert!(!Workers::<Test>::contains_key(worker(1)));
        System::assert_has_event(Event::WorkerExhausted { worker: worker(1) }.into());
        let now = Balances::free_balance(Economy::treasury());
        assert_eq!(now, treasury + 1_000);
        assert_eq!(balance(1), ENDOWMENT - MINIMUM - 1_000);
    });
}

#[test]
fn a_suspended_worker_that_has_nothing_left_is_removed_at_once() {
    on_chain(|| {
        workers([1]);
        start();
        lapse(1);
        assert_ok!(Economy::slash_worker(root(), worker(1), 5_000));
        assert!(!Workers::<Test>::contains_key(worker(1)));
    });
}

#[test]
fn new_evidence_changes_a_workers_capacity_from_the_era_after_on() {
    on_chain(|| {
        workers([1]);
        start();
        register(1, 300, 128);
        next_era();
        assert_eq!(Economy::outcome(worker(1)).unwrap().accrued, 115);
        next_era();
        assert_eq!(Economy::outcome(worker(1)).unwrap().accrued, 315);
    });
}
