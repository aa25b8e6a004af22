//! Workers go to where the era in force wants them.

use crate::{Event, Progress, Stage, mock::*};
use phat_primitives::{
    limits::MAX_CLUSTER_WORKERS,
    message::{ClusterMessage, Message},
};
use polkadot_sdk::frame_support::{BoundedVec, assert_ok, weights::Weight};

/// Cluster `id`, owned by account 2, wants these workers.
fn wants(id: u64, numbers: &[u8]) {
    let names = numbers.iter().copied().map(worker).collect();
    Economy::set_preferences(signed(2), cluster(id), names).unwrap();
}

/// Clusters 2 and 3 with one worker each, 1 and 2, which have their states.
fn two_clusters() {
    workers([1, 2]);
    start();
    for id in [2, 3] {
        create(2, &[]).unwrap();
        Economy::stake(signed(3), cluster(id), 500).unwrap();
    }
    wants(2, &[1]);
    wants(3, &[2]);
    next_era();
    assert_eq!((place(1), place(2)), (Some(2), Some(3)));
    settle_in(1);
    settle_in(2);
    block(0);
}

#[test]
fn both_clusters_are_told_of_a_move_in_one_block() {
    on_chain(|| {
        workers([1, 2]);
        start();
        assert_eq!((place(1), place(2)), (Some(1), Some(1)));
        create(2, &[]).unwrap();
        Economy::stake(signed(3), cluster(2), 500).unwrap();
        wants(2, &[1]);
        next_era();
        let messages = ordered();
        let told = |id, message| messages.contains(&Message::Cluster(cluster(id), message));
        assert!(told(1, ClusterMessage::WorkerRemoved(worker(1))));
        assert!(told(2, ClusterMessage::WorkerAdded(worker(1))));
        let rotated = |message: &Message| {
            matches!(message, Message::Cluster(id, ClusterMessage::TransportRotated(_))
                if *id == cluster(1))
        };
        assert!(messages.iter().any(rotated));
        System::assert_has_event(
            Event::WorkerMoved {
                worker: worker(1),
                from: Some(cluster(1)),
                to: Some(cluster(2)),
            }
            .into(),
        );
        assert_eq!(Progress::<Test>::get(), Stage::Waiting);
    });
}

#[test]
fn a_worker_that_is_no_part_of_the_economy_leaves_its_cluster() {
    on_chain(|| {
        assert_eq!(place(0), Some(1));
        start();
        assert_eq!(place(0), None);
    });
}

#[test]
fn the_only_worker_with_a_state_waits_until_another_one_has_it() {
    on_chain(|| {
        two_clusters();
        workers([3]);
        wants(2, &[3]);
        Economy::stake(signed(3), cluster(3), 300).unwrap();
        wants(3, &[1]);
        heartbeat(1).unwrap();
        heartbeat(2).unwrap();
        next_era();
        // Cluster 3 gets worker 1, cluster 2 gets 3, and 2 is left over.
        assert_eq!(place(3), Some(2));
        assert_eq!(place(1), Some(2), "nobody else has the state yet");
        assert!(matches!(Progress::<Test>::get(), Stage::Moving(_)));
        block(1);
        assert_eq!(place(1), Some(2));
        settle_in(3);
        block(1);
        assert_eq!((place(1), place(2), place(3)), (Some(3), Some(3), Some(2)));
        settle_in(1);
        block(1);
        assert_eq!((place(1), place(2), place(3)), (Some(3), Some(1), Some(2)));
        System::assert_has_event(Event::MovesDone { era: 3 }.into());
    });
}

#[test]
fn two_that_wait_for_each_other_go_when_the_time_is_over() {
    on_chain(|| {
        two_clusters();
        heartbeat(1).unwrap();
        heartbeat(2).unwrap();
        wants(2, &[2]);
        wants(3, &[1]);
        next_era();
        assert_eq!((place(1), place(2)), (Some(2), Some(3)));
        block(HANDOVER_MS - 1);
        assert_eq!((place(1), place(2)), (Some(2), Some(3)));
        check();
        block(1);
        // One has gone, and cluster 2 is without its state. Cluster 3 has a newcomer to wait for.
        let alone = [place(1), place(2)];
        assert!(
            alone == [Some(3), Some(3)] || alone == [Some(2), Some(2)],
            "{alone:?}"
        );
        let (newcomer, left) = if place(1) == Some(3) { (1, 2) } else { (2, 3) };
        System::assert_has_event(
            Event::ClusterBereft {
                cluster: cluster(left),
            }
            .into(),
        );
        settle_in(newcomer);
        block(1);
        assert_eq!((place(1), place(2)), (Some(3), Some(2)));
    });
}

#[test]
fn the_wait_for_a_newcomer_that_never_has_the_state_has_an_end() {
    on_chain(|| {
        two_clusters();
        heartbeat(1).unwrap();
        heartbeat(2).unwrap();
        wants(2, &[2]);
        wants(3, &[1]);
        next_era();
        heartbeat(1).unwrap();
        heartbeat(2).unwrap();
        block(HANDOVER_MS);
        // The wait goes on from era to era.
        block(HANDOVER_MS);
        assert_eq!((place(1), place(2)), (Some(3), Some(2)));
    });
}

#[test]
fn a_worker_without_the_state_goes_at_once() {
    on_chain(|| {
        workers([1, 2]);
        start();
        for id in [2, 3] {
            create(2, &[]).unwrap();
            Economy::stake(signed(3), cluster(id), 500).unwrap();
        }
        wants(2, &[1]);
        wants(3, &[2]);
        next_era();
        wants(2, &[2]);
        wants(3, &[1]);
        next_era();
        assert_eq!((place(1), place(2)), (Some(3), Some(2)));
    });
}

#[test]
fn who_finds_its_cluster_full_is_in_reserve_and_comes_when_there_is_room() {
    on_chain(|| {
        workers([1]);
        let strangers = (0..MAX_CLUSTER_WORKERS)
            .map(|number| phat_primitives::WorkerId([number as u8; 32]))
            .collect::<Vec<_>>();
        let full = BoundedVec::try_from(strangers).unwrap();
        let before = pallet_phat_clusters::ClusterWorkers::<Test>::get(cluster(1));
        start();
        // As if others had come first.
        assert_ok!(Economy::leave(signed(1), worker(1)));
        next_era();
        pallet_phat_clusters::ClusterWorkers::<Test>::insert(cluster(1), full);
        workers([2]);
        next_era();
        assert_eq!(place(2), None);
        assert_eq!(
            Economy::value_promise(worker(2)),
            115,
            "it earns all the same"
        );
        pallet_phat_clusters::ClusterWorkers::<Test>::remove(cluster(1));
        block(1);
        assert_eq!(place(2), Some(1));
        assert!(!before.is_empty());
    });
}

#[test]
fn what_a_full_block_has_no_room_for_moves_in_a_later_one() {
    on_chain(|| {
        workers([1, 2]);
        start();
        create(2, &[]).unwrap();
        Economy::stake(signed(3), cluster(2), 500).unwrap();
        ordered();
        let most = phat_primitives::limits::MAX_MESSAGES_PER_BLOCK;
        // Room for the question to all, and one message more.
        pallet_phat_messages::PendingSize::<Test>::put((most - 2, 0));
        block_with(ERA_MS, Weight::MAX);
        assert_eq!((place(1), place(2)), (Some(1), Some(1)));
        assert!(matches!(Progress::<Test>::get(), Stage::Moving(_)));
        block(1);
        assert_eq!((place(1), place(2)), (Some(2), Some(2)));
    });
}

#[test]
fn each_block_moves_as_many_as_its_time_allows() {
    on_chain(|| {
        workers(1..40);
        start();
        create(2, &[]).unwrap();
        Economy::stake(signed(3), cluster(2), 500).unwrap();
        ordered();
        let named = phat_economy::Phase::Names { after: None };
        let weight = crate::weights::step::<Test>(&named).saturating_mul(2);
        let bound = weight.ref_time() / crate::weights::relocate(Records::get()).ref_time();
        let mut most = 0;
        let there = || (1..40).filter(|number| place(*number) == Some(2)).count();
        block_with(ERA_MS, weight);
        for _ in 0..200 {
            ordered();
            let before = there();
            block_with(1, weight);
            most = most.max(there() - before);
        }
        assert_eq!(there(), 39);
        assert!((1..=bound as usize).contains(&most), "{most} in one block");
    });
}

#[test]
fn eras_that_stop_leave_workers_where_they_are() {
    on_chain(|| {
        two_clusters();
        assert_ok!(Economy::stop_eras(root()));
        block(ERA_MS);
        assert_eq!((place(1), place(2)), (Some(2), Some(3)));
    });
}
