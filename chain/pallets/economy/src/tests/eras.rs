//! When eras begin, how they are spread over blocks, and what starts and stops them.

use crate::{
    EraInForce, ErasRun, Error, Event, LastEra, Outcomes, Progress, Slot, Stage, mock::*, weights,
};
use pallet_phat_clusters::Error as ClusterError;
use phat_economy::{CapacityReward, EraError};
use polkadot_sdk::{
    frame_support::{assert_noop, assert_ok, weights::Weight},
    sp_runtime::DispatchError,
};

#[test]
fn the_first_era_begins_when_eras_start_and_the_next_when_its_time_has_come() {
    on_chain(|| {
        workers([1]);
        assert_ok!(Economy::start_eras(root()));
        assert_noop!(Economy::start_eras(root()), Error::<Test>::ErasRunning);
        block(0);
        assert_eq!(LastEra::<Test>::get(), 1);
        block(ERA_MS - 1);
        assert_eq!(LastEra::<Test>::get(), 1);
        block(1);
        assert_eq!(LastEra::<Test>::get(), 2);
        let in_force = EraInForce::<Test>::get().unwrap();
        assert_eq!((in_force.era, in_force.slot), (2, Slot::B));
        assert_eq!((in_force.totals.workers, in_force.totals.power), (1, 100));
        System::assert_has_event(
            Event::EraSwitched {
                era: 2,
                workers: 1,
                clusters: 0,
                power: 100,
                stake: 0,
            }
            .into(),
        );
    });
}

#[test]
fn eras_need_a_general_cluster_and_a_treasury() {
    on_chain(|| {
        crate::GeneralCluster::<Test>::kill();
        assert_noop!(Economy::start_eras(root()), Error::<Test>::NoGeneralCluster);
        assert_ok!(Economy::set_general_cluster(root(), cluster(1)));
        let nobody = Economy::set_treasury(root(), account(200));
        assert_noop!(nobody, Error::<Test>::NoTreasury);
        assert_ok!(Economy::set_treasury(root(), account(5)));
        assert_ok!(Balances::transfer_all(signed(5), account(4), false));
        assert_noop!(Economy::start_eras(root()), Error::<Test>::NoTreasury);
        assert_noop!(Economy::stop_eras(root()), Error::<Test>::ErasNotRunning);
    });
}

#[test]
fn only_root_governs() {
    on_chain(|| {
        let calls = [
            Economy::set_settings(signed(1), settings()),
            Economy::set_treasury(signed(1), account(1)),
            Economy::start_eras(signed(1)),
            Economy::stop_eras(signed(1)),
        ];
        assert_eq!(calls, [Err(DispatchError::BadOrigin); 4]);
    });
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    on_chain(|| {
        let refused = |change: &dyn Fn(&mut crate::Settings), error: Error<Test>| {
            let mut bad = settings();
            change(&mut bad);
            assert_noop!(Economy::set_settings(root(), bad), error);
        };
        refused(
            &|bad| bad.parameters.reserved = 1_000_000_001,
            Error::ReservedAboveWhole,
        );
        refused(
            &|bad| bad.parameters.f = CapacityReward::Product { rate: 1, unit: 0 },
            Error::ZeroUnit,
        );
        refused(&|bad| bad.era_ms = 0, Error::ZeroEra);
        refused(
            &|bad| bad.heartbeat_ms = ERA_MS + 1,
            Error::HeartbeatTooLate,
        );
    });
}

#[test]
fn while_eras_run_owners_assign_no_workers_and_clusters_begin_without() {
    on_chain(|| {
        workers([1]);
        start();
        let refused = ClusterError::<Test>::ErasDecide;
        assert_noop!(create(1, &[1]), refused);
        let (id, general) = (worker(1), cluster(1));
        let add = Clusters::add_worker_to_cluster(signed(1), worker(0), general);
        assert_noop!(add, ClusterError::<Test>::ErasDecide);
        let remove = Clusters::remove_worker_from_cluster(signed(1), id, general);
        assert_noop!(remove, ClusterError::<Test>::ErasDecide);
        assert_ok!(create(1, &[]));
        assert_ok!(Economy::stop_eras(root()));
        assert_noop!(create(1, &[]), ClusterError::<Test>::NoWorkerSpecified);
        let remove = Clusters::remove_worker_from_cluster(signed(1), id, general);
        assert_ok!(remove);
    });
}

#[test]
fn an_era_spread_over_many_blocks_comes_to_the_same_as_in_one() {
    let outcomes = |weight: Weight| {
        let mut outcomes = Vec::new();
        chain().execute_with(|| {
            workers(1..30);
            Economy::start_eras(root()).unwrap();
            create(2, &[]).unwrap();
            create(2, &[]).unwrap();
            Economy::stake(signed(3), cluster(2), 500).unwrap();
            Economy::stake(signed(3), cluster(3), 300).unwrap();
            let names = [5, 3, 9].map(worker).to_vec();
            Economy::set_preferences(signed(2), cluster(3), names).unwrap();
            let mut blocks = 0;
            while EraInForce::<Test>::get().is_none() {
                ordered();
                let used = block_with(1, weight);
                assert!(used.all_lte(weight), "{used} of {weight}");
                check();
                blocks += 1;
                assert!(blocks < 1_000);
            }
            for number in 1..30 {
                let (_, outcome) = Outcomes::<Test>::get(Slot::A, worker(number)).unwrap();
                outcomes.push(outcome);
            }
            outcomes.push(Economy::outcome(worker(1)).unwrap());
            if weight != Weight::MAX {
                assert!(blocks > 3, "{blocks} blocks");
            }
        });
        outcomes
    };
    // What the dearest step takes, and little more.
    let named = phat_economy::Phase::Names { after: None };
    let little = weights::step::<Test>(&named).saturating_mul(5) / 4;
    assert_eq!(outcomes(little), outcomes(Weight::MAX));
}

#[test]
fn what_changes_while_an_era_is_computed_counts_from_the_next_on() {
    on_chain(|| {
        workers([1, 2, 3, 4]);
        Economy::start_eras(root()).unwrap();
        create(2, &[]).unwrap();
        Economy::stake(signed(3), cluster(2), 500).unwrap();
        let named = phat_economy::Phase::Names { after: None };
        let little = weights::step::<Test>(&named).saturating_mul(2);
        block_with(0, little);
        assert!(matches!(Progress::<Test>::get(), Stage::Computing(_)));
        Economy::unstake(signed(3), cluster(2), 500).unwrap();
        Economy::leave(signed(1), worker(1)).unwrap();
        activate(0, 100).unwrap();
        block(0);
        let in_force = EraInForce::<Test>::get().unwrap();
        assert_eq!(in_force.totals.workers, 4);
        assert_eq!(in_force.totals.stake, 500);
        assert_eq!(place(1), Some(2));
        next_era();
        let in_force = EraInForce::<Test>::get().unwrap();
        assert_eq!((in_force.totals.workers, in_force.totals.stake), (4, 0));
        assert_eq!((place(1), place(2)), (None, Some(1)));
        assert_eq!(place(0), Some(1));
    });
}

#[test]
fn an_era_that_cannot_be_computed_is_dropped_and_the_one_before_goes_on() {
    on_chain(|| {
        workers([1]);
        start();
        let mut generous = settings();
        generous.parameters.f = CapacityReward::Linear {
            base: u128::MAX,
            per_confidence: 0,
            per_power: 0,
        };
        assert_ok!(Economy::set_settings(root(), generous));
        next_era();
        let error = EraError::Value(worker(1));
        System::assert_has_event(Event::EraDropped { era: 2, error }.into());
        assert_eq!(EraInForce::<Test>::get().unwrap().era, 1);
        assert_eq!(Economy::value_promise(worker(1)), 115);
        assert_ok!(Economy::set_settings(root(), settings()));
        next_era();
        assert_eq!(EraInForce::<Test>::get().unwrap().era, 3);
        assert_eq!(Economy::value_promise(worker(1)), 230);
    });
}

#[test]
fn a_block_full_of_messages_leaves_the_beginning_to_the_next() {
    on_chain(|| {
        workers([1]);
        start();
        fill_block();
        block_with(ERA_MS, Weight::MAX);
        assert_eq!(LastEra::<Test>::get(), 1);
        block(0);
        assert_eq!(LastEra::<Test>::get(), 2);
    });
}

#[test]
fn eras_that_were_stopped_go_on_with_what_was_promised() {
    on_chain(|| {
        workers([1]);
        start();
        assert_ok!(Economy::stop_eras(root()));
        assert!(!ErasRun::<Test>::get());
        block(ERA_MS);
        assert_eq!(LastEra::<Test>::get(), 1);
        assert_eq!(place(1), Some(1));
        assert_eq!(Economy::payout_limit(worker(1)), 115);
        start();
        assert_eq!(LastEra::<Test>::get(), 2);
        assert_eq!(Economy::payout_limit(worker(1)), 230);
    });
}

#[test]
fn stakes_of_five_three_and_two_get_workers_accordingly() {
    on_chain(|| {
        workers(1..11);
        start();
        for (id, amount) in [(2, 50_000), (3, 30_000), (4, 20_000)] {
            assert_ok!(create(2, &[]));
            assert_ok!(Economy::stake(signed(3), cluster(id), amount));
        }
        next_era();
        for (id, count) in [(1, 0), (2, 5), (3, 3), (4, 2)] {
            let there = (1..11).filter(|number| place(*number) == Some(id)).count();
            assert_eq!(there, count);
        }
        let share = Economy::share(cluster(2)).unwrap();
        assert_eq!((share.rank, share.budget, share.power), (1, 500, 500));
        assert_eq!(Economy::share(cluster(1)), None);
    });
}
