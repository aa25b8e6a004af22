//! Stake pools and preferences.

use crate::{
    Error, Event, MAX_PREFERENCES, MAX_UNBONDING, Pools, Preferences, Stakes, Unbonding, mock::*,
};
use polkadot_sdk::{
    frame_support::{assert_noop, assert_ok, dispatch::DispatchResult},
    sp_runtime::DispatchError,
};

fn stake(who: u8, id: u64, amount: u128) -> DispatchResult {
    Economy::stake(signed(who), cluster(id), amount)
}

fn unstake(who: u8, id: u64, amount: u128) -> DispatchResult {
    Economy::unstake(signed(who), cluster(id), amount)
}

/// A chain where account 2 owns cluster 2, and eras run.
fn with_cluster(body: impl FnOnce()) {
    on_chain(|| {
        start();
        assert_ok!(create(2, &[]));
        body();
    });
}

#[test]
fn anybody_can_stake_on_a_cluster_and_the_money_is_held() {
    with_cluster(|| {
        assert_ok!(stake(1, 2, 300));
        assert_ok!(stake(3, 2, 50));
        assert_ok!(stake(1, 2, 1));
        assert_eq!(*Pools::<Test>::get(cluster(2)).unwrap().stake.now(), 351);
        assert_eq!(Stakes::<Test>::get(cluster(2), account(1)), 301);
        assert_eq!(balance(1), ENDOWMENT - MINIMUM - 301);
    });
}

#[test]
fn what_cannot_be_staked_is_refused_with_the_reason() {
    with_cluster(|| {
        let refused: [(u8, u64, u128, Error<Test>); 7] = [
            (1, 2, 0, Error::ZeroAmount),
            (1, 2, 49, Error::StakeTooSmall),
            (1, 9, 100, Error::ClusterNotFound),
            (1, 1, 100, Error::GeneralCluster),
            (3, 2, ENDOWMENT + 1, Error::NotEnoughFree),
            (3, 2, u128::MAX, Error::NotEnoughFree),
            (4, 2, ENDOWMENT - MINIMUM + 1, Error::NotEnoughFree),
        ];
        for (who, id, amount, error) in refused {
            assert_noop!(stake(who, id, amount), error);
        }
        assert_ok!(stake(1, 2, 100));
        assert_noop!(stake(1, 2, u128::MAX), Error::<Test>::Overflow);
    });
}

#[test]
fn the_owner_moves_the_cap_and_a_cap_below_the_stake_drives_out_nobody() {
    with_cluster(|| {
        let cap = |who, cap| Economy::set_cap(signed(who), cluster(2), cap);
        assert_noop!(cap(1, Some(5)), Error::<Test>::NotClusterOwner);
        assert_ok!(cap(2, Some(400)));
        assert_noop!(stake(1, 2, 401), Error::<Test>::CapExceeded);
        assert_eq!(Economy::pool_room(cluster(2)), 400);
        assert_ok!(stake(1, 2, 400));
        assert_ok!(cap(2, Some(100)));
        assert_eq!(Economy::pool_room(cluster(2)), 0);
        assert_noop!(stake(3, 2, 50), Error::<Test>::CapExceeded);
        assert_eq!(Stakes::<Test>::get(cluster(2), account(1)), 400);
        assert_ok!(unstake(1, 2, 320));
        assert_noop!(stake(3, 2, 50), Error::<Test>::CapExceeded);
        assert_ok!(cap(2, None));
        assert_ok!(stake(3, 2, 50));
        assert_eq!(Economy::pool_room(cluster(1)), 0);
        let general = Economy::set_cap(signed(1), cluster(1), None);
        assert_noop!(general, Error::<Test>::GeneralCluster);
    });
}

#[test]
fn stake_comes_back_when_the_unbonding_is_over() {
    with_cluster(|| {
        assert_ok!(stake(3, 2, 300));
        next_era();
        assert_ok!(unstake(3, 2, 100));
        assert_ok!(unstake(3, 2, 50));
        assert_eq!(Unbonding::<Test>::get(account(3)).len(), 1);
        // It counts to the end of this era, then two more pass.
        for _ in 0..2 {
            next_era();
            let early = Economy::withdraw(signed(3));
            assert_noop!(early, Error::<Test>::NothingToWithdraw);
        }
        assert_eq!(balance(3), ENDOWMENT - 300);
        next_era();
        assert_ok!(Economy::withdraw(signed(3)));
        System::assert_has_event(
            Event::Withdrawn {
                staker: account(3),
                amount: 150,
            }
            .into(),
        );
        assert_eq!(balance(3), ENDOWMENT - 150);
        assert!(!Unbonding::<Test>::contains_key(account(3)));
    });
}

#[test]
fn while_no_eras_run_stake_need_not_wait() {
    with_cluster(|| {
        assert_ok!(stake(3, 2, 300));
        assert_ok!(unstake(3, 2, 300));
        assert_ok!(Economy::stop_eras(root()));
        assert_ok!(Economy::withdraw(signed(3)));
        assert_eq!(balance(3), ENDOWMENT);
    });
}

#[test]
fn what_cannot_be_unstaked_is_refused_with_the_reason() {
    with_cluster(|| {
        assert_ok!(stake(3, 2, 300));
        assert_noop!(unstake(3, 2, 0), Error::<Test>::ZeroAmount);
        assert_noop!(unstake(3, 2, 301), Error::<Test>::NotStaked);
        assert_noop!(unstake(3, 9, 1), Error::<Test>::ClusterNotFound);
        assert_noop!(unstake(4, 2, 1), Error::<Test>::NotStaked);
        // Dust would be left.
        assert_noop!(unstake(3, 2, 251), Error::<Test>::StakeTooSmall);
        assert_ok!(unstake(3, 2, 250));
        assert_ok!(unstake(3, 2, 50));
        assert_noop!(unstake(3, 2, 1), Error::<Test>::NotStaked);
    });
}

#[test]
fn portions_of_stake_on_their_way_back_are_bounded() {
    with_cluster(|| {
        let mut slow = settings();
        slow.unbonding = 1_000;
        assert_ok!(Economy::set_settings(root(), slow));
        assert_ok!(stake(3, 2, 10_000));
        for _ in 0..MAX_UNBONDING {
            assert_ok!(unstake(3, 2, 1));
            assert_ok!(unstake(3, 2, 1));
            next_era();
        }
        assert_noop!(unstake(3, 2, 1), Error::<Test>::TooMuchUnbonding);
    });
}

#[test]
fn the_owner_names_workers_and_mistakes_are_refused() {
    with_cluster(|| {
        workers([1, 2, 3]);
        let name = |who, numbers: &[u8]| {
            let workers = numbers.iter().copied().map(worker).collect();
            Economy::set_preferences(signed(who), cluster(2), workers)
        };
        assert_ok!(name(2, &[2, 1]));
        assert_ok!(name(2, &[3, 2]));
        let list = Preferences::<Test>::get(cluster(2)).unwrap();
        assert_eq!(list.now().to_vec(), [worker(3), worker(2)]);
        assert_noop!(name(1, &[1]), Error::<Test>::NotClusterOwner);
        assert_noop!(name(2, &[1, 2, 1]), Error::<Test>::DuplicatedPreference);
        assert_noop!(name(2, &[1, 200]), Error::<Test>::WorkerNotRegistered);
        let long = vec![worker(1); MAX_PREFERENCES as usize + 1];
        let long = Economy::set_preferences(signed(2), cluster(2), long);
        assert_noop!(long, Error::<Test>::TooManyPreferences);
        let none = Economy::set_preferences(signed(2), cluster(9), vec![]);
        assert_noop!(none, Error::<Test>::ClusterNotFound);
        let general = Economy::set_preferences(signed(1), cluster(1), vec![]);
        assert_noop!(general, Error::<Test>::GeneralCluster);
        assert_ok!(name(2, &[]));
    });
}

#[test]
fn a_cluster_with_stake_cannot_become_the_general_one() {
    with_cluster(|| {
        assert_ok!(stake(3, 2, 300));
        let general = |id| Economy::set_general_cluster(root(), cluster(id));
        assert_noop!(general(2), Error::<Test>::ClusterHasStake);
        assert_noop!(general(9), Error::<Test>::ClusterNotFound);
        assert_ok!(unstake(3, 2, 300));
        next_era();
        next_era();
        assert_ok!(general(2));
        let stranger = Economy::set_general_cluster(signed(2), cluster(2));
        assert_noop!(stranger, DispatchError::BadOrigin);
    });
}
