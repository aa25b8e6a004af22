//! Payouts and what pays for them.

use crate::{Cause, Change, Entry, Error, MAX_LEDGER, Rewards, mock::*};
use polkadot_sdk::{
    frame_support::{assert_noop, assert_ok},
    sp_runtime::DispatchError,
};

#[test]
fn a_payout_is_at_most_what_was_promised_and_not_taken_or_paid() {
    on_chain(|| {
        workers([1]);
        start();
        next_era();
        let pay = |amount| Economy::payout(signed(1), worker(1), amount);
        assert_eq!(Economy::payout_limit(worker(1)), 230);
        assert_noop!(pay(Some(231)), Error::<Test>::AboveLimit);
        assert_noop!(pay(Some(u128::MAX)), Error::<Test>::AboveLimit);
        assert_noop!(pay(Some(0)), Error::<Test>::ZeroAmount);
        assert_ok!(pay(Some(30)));
        assert_ok!(Economy::slash_worker(root(), worker(1), 50));
        assert_eq!(Economy::payout_limit(worker(1)), 150);
        assert_ok!(pay(None));
        assert_noop!(pay(None), Error::<Test>::NothingToPay);
        assert_eq!(balance(1), ENDOWMENT - MINIMUM - 1_000 + 180);
        let rewards = Balances::free_balance(Economy::reward_account());
        assert_eq!(rewards, REWARDS - 180);
        let lines: Vec<_> = Rewards::<Test>::get(worker(1))
            .iter()
            .map(|entry| (entry.era, entry.change))
            .collect();
        let slash = Change::Slashed {
            amount: 50,
            cause: Cause::Governance,
        };
        assert_eq!(
            lines,
            [
                (0, Change::Deposited(1_000)),
                (1, Change::Accrued(115)),
                (2, Change::Accrued(115)),
                (2, Change::Paid(30)),
                (2, slash),
                (2, Change::Paid(150)),
            ]
        );
    });
}

#[test]
fn rewards_are_paid_from_an_account_that_governance_mints_to() {
    on_chain(|| {
        workers([1]);
        start();
        let issued = Balances::total_issuance();
        let all = REWARDS - MINIMUM - 100;
        let rewards = Economy::reward_account();
        Balances::transfer_keep_alive(
            polkadot_sdk::frame_system::RawOrigin::Signed(rewards).into(),
            account(5),
            all,
        )
        .unwrap();
        let pay = || Economy::payout(signed(1), worker(1), None);
        assert_noop!(pay(), Error::<Test>::RewardsExhausted);
        let stranger = Economy::fund_rewards(signed(1), 15);
        assert_noop!(stranger, DispatchError::BadOrigin);
        assert_ok!(Economy::fund_rewards(root(), 15));
        assert_ok!(pay());
        assert_eq!(Balances::total_issuance(), issued + 15);
    });
}

#[test]
fn what_exceeds_the_promise_is_taken_from_the_deposit() {
    on_chain(|| {
        workers([1]);
        start();
        assert_ok!(Economy::slash_worker(root(), worker(1), 315));
        assert_ok!(Economy::leave(signed(1), worker(1)));
        for _ in 0..3 {
            next_era();
        }
        let treasury = Balances::free_balance(Economy::treasury());
        assert_ok!(Economy::settle(signed(2), worker(1)));
        assert_eq!(balance(1), ENDOWMENT - MINIMUM - 200);
        let now = Balances::free_balance(Economy::treasury());
        assert_eq!(now, treasury + 200);
    });
}

#[test]
fn who_has_left_gets_no_payout_but_the_last() {
    on_chain(|| {
        workers([1]);
        start();
        assert_ok!(Economy::leave(signed(1), worker(1)));
        next_era();
        let pay = Economy::payout(signed(1), worker(1), None);
        assert_noop!(pay, Error::<Test>::HasLeft);
        // It can still be found out.
        assert_ok!(Economy::slash_worker(root(), worker(1), 15));
        next_era();
        next_era();
        assert_ok!(Economy::settle(signed(1), worker(1)));
        assert_eq!(balance(1), ENDOWMENT - MINIMUM + 100);
    });
}

#[test]
fn the_ledger_forgets_the_oldest_lines() {
    on_chain(|| {
        workers([1]);
        start();
        for amount in 1..=u128::from(MAX_LEDGER) {
            assert_ok!(Economy::slash_worker(root(), worker(1), amount));
        }
        let lines = Rewards::<Test>::get(worker(1));
        assert_eq!(lines.len(), MAX_LEDGER as usize);
        let change = Change::Slashed {
            amount: u128::from(MAX_LEDGER),
            cause: Cause::Governance,
        };
        assert_eq!(lines.last(), Some(&Entry { era: 1, change }));
    });
}
