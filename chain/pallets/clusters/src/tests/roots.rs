//! What workers agree on, and what becomes of one that differs.

use crate::{
    AgreedBlocks, AgreedRoots, ClusterWorkers, Diverged, Divergence, Error, Event, OpenRoots,
    RootVotes, WorkerCluster, WorkerStates, mock::*,
};
use phat_primitives::{
    limits::{MAX_AGREED_ROOTS, ROOT_VOTE_BLOCKS},
    message::{ClusterMessage, TransportEpoch},
    report::Roots,
};
use polkadot_sdk::frame_support::{assert_noop, assert_ok, dispatch::DispatchResult};

fn say(number: u8, block: u32, said: Roots) -> DispatchResult {
    heartbeat_after(first(), number, block, said, &[])
}

fn agreed(block: u32) -> Option<Roots> {
    AgreedRoots::<Test>::get(first(), block)
}

/// The first cluster, with the workers 1 to `workers`, in block 100.
fn in_cluster(workers: u8, body: impl FnOnce()) {
    on_chain(|| {
        assert_ok!(create(1, &(1..=workers).collect::<Vec<_>>()));
        ordered();
        System::set_block_number(100);
        body();
    });
}

#[test]
fn what_more_than_half_of_the_workers_report_is_agreed_on() {
    for (workers, needed) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)] {
        in_cluster(workers, || {
            for number in 1..=needed {
                assert_eq!(agreed(99), None, "{number} of {workers}");
                assert_ok!(say(number, 99, roots(1)));
            }
            assert_eq!(agreed(99), Some(roots(1)), "{workers}");
            assert_eq!(AgreedBlocks::<Test>::get(first()), vec![99]);
            System::assert_has_event(
                Event::RootsAgreed {
                    cluster: first(),
                    block: 99,
                    state_root: roots(1).state_root,
                    receipts: roots(1).receipts,
                }
                .into(),
            );
            assert!(!RootVotes::<Test>::contains_key(first(), 99));
        });
    }
}

#[test]
fn one_worker_has_one_vote_and_its_last_word_counts() {
    in_cluster(3, || {
        for _ in 0..3 {
            assert_ok!(say(1, 99, roots(1)));
        }
        assert_eq!(agreed(99), None);
        assert_ok!(say(1, 99, roots(2)));
        assert_ok!(say(2, 99, roots(1)));
        assert_eq!(agreed(99), None);
        assert_ok!(say(1, 99, roots(1)));
        assert_eq!(agreed(99), Some(roots(1)));
        assert!(Diverged::<Test>::iter_keys().next().is_none());
    });
}

#[test]
fn the_state_and_the_receipts_both_count() {
    in_cluster(3, || {
        let other_receipts = Roots {
            receipts: roots(2).receipts,
            ..roots(1)
        };
        assert_ok!(say(1, 99, roots(1)));
        assert_ok!(say(2, 99, other_receipts));
        assert_eq!(agreed(99), None);
        assert_ok!(say(3, 99, roots(1)));
        assert_eq!(agreed(99), Some(roots(1)));
        assert!(Diverged::<Test>::contains_key(worker(2)));
    });
}

#[test]
fn a_worker_that_differs_is_marked_told_why_and_taken_out() {
    // Once when the others agree after it has spoken, once when it speaks after them.
    for order in [[3, 1, 2], [1, 2, 3]] {
        in_cluster(3, || {
            for number in order {
                let said = if number == 3 { roots(9) } else { roots(1) };
                assert_ok!(say(number, 99, said));
            }
            assert_eq!(
                Diverged::<Test>::get(worker(3)),
                Some(Divergence {
                    cluster: first(),
                    block: 99,
                    reported: roots(9),
                    agreed: roots(1),
                })
            );
            assert_eq!(WorkerCluster::<Test>::get(worker(3)), None);
            assert!(!WorkerStates::<Test>::contains_key(worker(3)));
            assert_eq!(
                ClusterWorkers::<Test>::get(first()),
                vec![worker(1), worker(2)]
            );
            assert_eq!(
                ordered_there(),
                vec![
                    ClusterMessage::WorkerDiverged {
                        worker: worker(3),
                        block: 99
                    },
                    ClusterMessage::WorkerRemoved(worker(3)),
                    ClusterMessage::TransportRotated(TransportEpoch::default().next(0)),
                ]
            );
            System::assert_has_event(
                Event::WorkerDiverged {
                    worker: worker(3),
                    cluster: first(),
                    block: 99,
                }
                .into(),
            );
            assert_noop!(say(3, 99, roots(1)), Error::<Test>::WorkerNotInCluster);
        });
    }
}

#[test]
fn what_else_a_diverged_worker_reports_counts_for_nothing() {
    in_cluster(3, || {
        assert_ok!(Clusters::transfer_to_cluster(
            signed(2),
            1_000,
            first(),
            account(2)
        ));
        let number = withdraw(2, 100);
        assert_ok!(say(1, 99, roots(1)));
        assert_ok!(say(2, 99, roots(1)));
        assert_ok!(heartbeat_after(first(), 3, 99, roots(9), &[(number, 100)]));
        let pending = crate::Withdrawals::<Test>::get(first(), number).unwrap();
        assert!(pending.votes.is_empty());
    });
}

#[test]
fn a_diverged_worker_comes_back_only_when_its_operator_asks() {
    in_cluster(3, || {
        for (number, said) in [(1, roots(1)), (2, roots(1)), (3, roots(9))] {
            assert_ok!(say(number, 99, said));
        }
        let add = || Clusters::add_worker_to_cluster(signed(1), worker(3), first());
        assert_noop!(add(), Error::<Test>::WorkerHasDiverged);
        assert_noop!(create(1, &[3]), Error::<Test>::WorkerHasDiverged);
        let readmit = |who, number| Clusters::readmit_worker(signed(who), worker(number));
        assert_noop!(readmit(2, 3), Error::<Test>::NotWorkerOperator);
        assert_noop!(readmit(1, 2), Error::<Test>::WorkerNotDiverged);
        assert_noop!(readmit(1, 77), Error::<Test>::WorkerNotFound);
        assert_ok!(readmit(1, 3));
        System::assert_last_event(Event::WorkerReadmitted { worker: worker(3) }.into());
        assert_ok!(add());
        assert_ok!(say(3, 99, roots(1)));
    });
}

#[test]
fn without_a_majority_nothing_is_agreed_on_and_nobody_is_marked() {
    in_cluster(4, || {
        for number in 1..=4 {
            assert_ok!(say(number, 99, roots(number % 2)));
        }
        assert_eq!(agreed(99), None);
        assert!(Diverged::<Test>::iter_keys().next().is_none());
    });
}

#[test]
fn workers_that_have_left_do_not_count() {
    in_cluster(4, || {
        assert_ok!(say(1, 99, roots(1)));
        assert_ok!(say(2, 99, roots(1)));
        assert_ok!(Clusters::remove_worker_from_cluster(
            signed(1),
            worker(1),
            first()
        ));
        assert_ok!(say(3, 99, roots(2)));
        assert_eq!(agreed(99), None);
        assert_ok!(say(4, 99, roots(1)));
        assert_eq!(agreed(99), Some(roots(1)));
    });
}

#[test]
fn a_block_that_is_not_finished_cannot_be_reported() {
    in_cluster(1, || {
        for block in [100, 101, u32::MAX] {
            assert_noop!(say(1, block, roots(1)), Error::<Test>::BlockNotYet);
        }
    });
}

#[test]
fn late_reports_do_not_count_but_are_compared() {
    in_cluster(3, || {
        assert_ok!(say(1, 99, roots(1)));
        assert_ok!(say(2, 99, roots(1)));
        assert_ok!(say(1, 90, roots(1)));
        System::set_block_number(90 + ROOT_VOTE_BLOCKS + 1);
        assert_ok!(say(2, 90, roots(1)));
        assert_eq!(agreed(90), None);
        assert_ok!(say(3, 99, roots(9)));
        assert!(Diverged::<Test>::contains_key(worker(3)));
    });
}

#[test]
fn votes_that_lead_nowhere_are_bounded_and_go_away() {
    in_cluster(3, || {
        for block in 1..5 * ROOT_VOTE_BLOCKS {
            System::set_block_number(block + 1);
            assert_ok!(say(1, block, roots(1)));
            assert!(OpenRoots::<Test>::get(first()).len() <= ROOT_VOTE_BLOCKS as usize);
        }
        // All at once, long after.
        for back in (1..=ROOT_VOTE_BLOCKS).rev() {
            System::set_block_number(10_000);
            assert_ok!(say(1, 10_000 - back, roots(1)));
        }
        let open = OpenRoots::<Test>::get(first());
        assert_eq!(open.len(), ROOT_VOTE_BLOCKS as usize);
        assert_eq!(open[0], 10_000 - ROOT_VOTE_BLOCKS);
        assert_eq!(RootVotes::<Test>::iter_keys().count(), open.len());
    });
}

#[test]
fn the_chain_remembers_the_last_agreements_also_if_they_come_out_of_order() {
    in_cluster(1, || {
        System::set_block_number(MAX_AGREED_ROOTS * 4);
        let first_block = MAX_AGREED_ROOTS * 4 - ROOT_VOTE_BLOCKS;
        let full: Vec<u32> = (1..=MAX_AGREED_ROOTS).map(|index| index * 2).collect();
        for block in &full {
            AgreedRoots::<Test>::insert(first(), block, roots(1));
        }
        AgreedBlocks::<Test>::insert(
            first(),
            polkadot_sdk::frame_support::BoundedVec::try_from(full).unwrap(),
        );
        assert_ok!(say(1, first_block + 5, roots(1)));
        assert_ok!(say(1, first_block + 1, roots(1)));
        let blocks = AgreedBlocks::<Test>::get(first());
        assert_eq!(blocks.len(), MAX_AGREED_ROOTS as usize);
        assert_eq!(blocks[0], 6);
        assert!(blocks.ends_with(&[first_block + 1, first_block + 5]));
        assert_eq!(agreed(2), None);
        assert_eq!(agreed(6), Some(roots(1)));
    });
}

#[test]
fn a_full_block_leaves_a_diverged_worker_for_its_next_report() {
    in_cluster(3, || {
        assert_ok!(say(3, 99, roots(9)));
        assert_ok!(say(1, 99, roots(1)));
        fill_block();
        assert_ok!(say(2, 99, roots(1)));
        assert_eq!(agreed(99), Some(roots(1)), "the others have agreed");
        assert!(!Diverged::<Test>::contains_key(worker(3)));
        assert!(say(3, 99, roots(9)).is_err());
        ordered();
        assert_ok!(say(3, 99, roots(9)));
        assert!(Diverged::<Test>::contains_key(worker(3)));
    });
}
