//! Random operations keep the invariants and the money.

use crate::{Workers, mock::*};
use phat_primitives::Balance;
use polkadot_sdk::frame_support::{
    dispatch::DispatchResult, storage::with_storage_layer, weights::Weight,
};
use proptest::{
    prelude::*,
    test_runner::{TestRng, TestRunner},
};
use std::cell::Cell;

/// What somebody does. Most of it is possible only at times: a refusal must change nothing.
#[derive(Clone, Debug)]
enum Step {
    Activate {
        worker: u8,
        deposit: Balance,
    },
    Leave {
        worker: u8,
    },
    Resume {
        worker: u8,
    },
    Payout {
        worker: u8,
        amount: Option<Balance>,
    },
    Settle {
        worker: u8,
    },
    Slash {
        worker: u8,
        amount: Balance,
    },
    Stake {
        who: u8,
        cluster: u64,
        amount: Balance,
    },
    Unstake {
        who: u8,
        cluster: u64,
        amount: Balance,
    },
    Withdraw {
        who: u8,
    },
    Cap {
        cluster: u64,
        cap: Option<Balance>,
    },
    Prefer {
        cluster: u64,
        workers: Vec<u8>,
    },
    Create {
        workers: Vec<u8>,
    },
    /// A worker has got its cluster's state.
    SettleIn {
        worker: u8,
    },
    Heartbeat {
        worker: u8,
    },
    /// A worker reports another state than its cluster has.
    Bent {
        worker: u8,
    },
    Readmit {
        worker: u8,
    },
    Lapse {
        worker: u8,
    },
    Renew {
        worker: u8,
    },
    /// New evidence says something else.
    Measure {
        worker: u8,
        performance: u64,
    },
    /// The owner of cluster `cluster` moves a worker.
    Assign {
        worker: u8,
        cluster: u64,
        away: bool,
    },
    Start,
    Stop,
    /// A block comes, with time for so many times what the dearest step of an era costs.
    Block {
        after_ms: u64,
        steps: u64,
    },
    /// A block whose messages are full already.
    FullBlock {
        after_ms: u64,
    },
    General {
        cluster: u64,
    },
    Fund {
        amount: Balance,
    },
}

fn number() -> impl Strategy<Value = u8> {
    0u8..16
}

fn id() -> impl Strategy<Value = u64> {
    1u64..6
}

fn amount() -> impl Strategy<Value = Balance> {
    prop_oneof![8 => 0u128..3_000, 2 => 0u128..200, 1 => any::<u128>()]
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 1u8..=4;
    prop_oneof![
        12 => (number(), amount()).prop_map(|(worker, deposit)| Step::Activate { worker, deposit }),
        3 => number().prop_map(|worker| Step::Leave { worker }),
        8 => number().prop_map(|worker| Step::Resume { worker }),
        8 => (number(), prop::option::of(amount()))
            .prop_map(|(worker, amount)| Step::Payout { worker, amount }),
        8 => number().prop_map(|worker| Step::Settle { worker }),
        4 => (number(), amount()).prop_map(|(worker, amount)| Step::Slash { worker, amount }),
        12 => (who(), id(), amount())
            .prop_map(|(who, cluster, amount)| Step::Stake { who, cluster, amount }),
        8 => (who(), id(), amount())
            .prop_map(|(who, cluster, amount)| Step::Unstake { who, cluster, amount }),
        4 => who().prop_map(|who| Step::Withdraw { who }),
        2 => (id(), prop::option::of(amount())).prop_map(|(cluster, cap)| Step::Cap { cluster, cap }),
        5 => (id(), prop::collection::vec(number(), 0..5))
            .prop_map(|(cluster, workers)| Step::Prefer { cluster, workers }),
        3 => prop::collection::vec(number(), 0..2).prop_map(|workers| Step::Create { workers }),
        20 => number().prop_map(|worker| Step::SettleIn { worker }),
        20 => number().prop_map(|worker| Step::Heartbeat { worker }),
        2 => number().prop_map(|worker| Step::Bent { worker }),
        3 => number().prop_map(|worker| Step::Readmit { worker }),
        3 => number().prop_map(|worker| Step::Lapse { worker }),
        8 => number().prop_map(|worker| Step::Renew { worker }),
        3 => (number(), 0u64..500)
            .prop_map(|(worker, performance)| Step::Measure { worker, performance }),
        3 => (number(), id(), any::<bool>())
            .prop_map(|(worker, cluster, away)| Step::Assign { worker, cluster, away }),
        3 => Just(Step::Start),
        1 => Just(Step::Stop),
        30 => (0u64..6_000, 0u64..8)
            .prop_map(|(after_ms, steps)| Step::Block { after_ms, steps }),
        2 => (0u64..12_000).prop_map(|after_ms| Step::FullBlock { after_ms }),
        1 => id().prop_map(|cluster| Step::General { cluster }),
        1 => (0u128..10_000).prop_map(|amount| Step::Fund { amount }),
    ]
}

fn operator(worker: u8) -> u8 {
    1 + worker / 10
}

fn run(step: Step) -> DispatchResult {
    let w = worker;
    match step {
        Step::Activate { worker, deposit } => activate(worker, deposit),
        Step::Leave { worker } => Economy::leave(signed(operator(worker)), w(worker)),
        Step::Resume { worker } => Economy::resume(signed(operator(worker)), w(worker)),
        Step::Payout { worker, amount } => {
            Economy::payout(signed(operator(worker)), w(worker), amount)
        }
        Step::Settle { worker } => Economy::settle(signed(4), w(worker)),
        Step::Slash { worker, amount } => Economy::slash_worker(root(), w(worker), amount),
        Step::Stake {
            who,
            cluster: id,
            amount,
        } => Economy::stake(signed(who), cluster(id), amount),
        Step::Unstake {
            who,
            cluster: id,
            amount,
        } => Economy::unstake(signed(who), cluster(id), amount),
        Step::Withdraw { who } => Economy::withdraw(signed(who)),
        Step::Cap { cluster: id, cap } => Economy::set_cap(signed(1), cluster(id), cap),
        Step::Prefer {
            cluster: id,
            workers,
        } => {
            let workers = workers.into_iter().map(w).collect();
            Economy::set_preferences(signed(1), cluster(id), workers)
        }
        Step::Create { workers } => create(1, &workers),
        Step::SettleIn { worker } => {
            place(worker).ok_or("in no cluster")?;
            // What the others say is what it says: it has their state.
            heartbeat(worker)?;
            if place(worker).is_some() {
                settle_in(worker);
            }
            Ok(())
        }
        Step::Heartbeat { worker } => heartbeat(worker),
        Step::Bent { worker } => heartbeat_with(worker, 9),
        Step::Readmit { worker } => Clusters::readmit_worker(signed(operator(worker)), w(worker)),
        Step::Lapse { worker } => {
            lapse(worker);
            Ok(())
        }
        Step::Renew { worker } => {
            renew(worker);
            Ok(())
        }
        Step::Measure {
            worker,
            performance,
        } => {
            pallet_phat_registry::Workers::<Test>::mutate(w(worker), |info| {
                if let Some(info) = info {
                    info.performance = performance;
                }
            });
            Ok(())
        }
        Step::Assign {
            worker,
            cluster: id,
            away,
        } => match away {
            true => Clusters::remove_worker_from_cluster(signed(1), w(worker), cluster(id)),
            false => Clusters::add_worker_to_cluster(signed(1), w(worker), cluster(id)),
        },
        Step::Start => Economy::start_eras(root()),
        Step::Stop => Economy::stop_eras(root()),
        Step::Block { after_ms, steps } => {
            ordered();
            let named = phat_economy::Phase::Names { after: None };
            let dearest = crate::weights::step::<Test>(&named);
            let weight = match steps {
                7 => Weight::MAX,
                steps => dearest.saturating_mul(steps),
            };
            let used = block_with(after_ms, weight);
            assert!(used.all_lte(weight));
            Ok(())
        }
        Step::FullBlock { after_ms } => {
            fill_block();
            block_with(after_ms, Weight::MAX);
            ordered();
            Ok(())
        }
        Step::General { cluster: id } => Economy::set_general_cluster(root(), cluster(id)),
        Step::Fund { amount } => Economy::fund_rewards(root(), amount),
    }
}

/// Operations that one run applies.
const STEPS: usize = 1_000;
/// Runs in the ordinary test; set `PHAT_CASES` for more.
fn cases() -> u32 {
    std::env::var("PHAT_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(6)
}

#[test]
fn after_thousands_of_random_operations_every_unit_and_every_worker_is_where_it_should_be() {
    let config = ProptestConfig {
        // A failure names its step; a shorter way there is seldom found.
        max_shrink_iters: 0,
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases())
    };
    let mut runner = TestRunner::new_with_rng(
        config.clone(),
        TestRng::deterministic_rng(config.rng_algorithm),
    );
    let (moves, eras, settled) = (Cell::new(0u32), Cell::new(0u32), Cell::new(0u32));
    let steps = prop::collection::vec(step(), STEPS);
    runner
        .run(&steps, |steps| {
            chain().execute_with(|| {
                for number in 1..16 {
                    register(number, 50 + u64::from(number) * 7, 1 + number);
                }
                let mut issued = Balances::total_issuance();
                for step in steps {
                    System::reset_events();
                    let minted = match step {
                        Step::Fund { amount } => amount,
                        _ => 0,
                    };
                    let label = format!("{step:?}");
                    let before = Workers::<Test>::iter().count();
                    let done = with_storage_layer(|| run(step));
                    issued += if done.is_ok() { minted } else { 0 };
                    prop_assert_eq!(Balances::total_issuance(), issued, "{}", &label);
                    prop_assert_eq!(Economy::do_try_state(), Ok(()), "{}", &label);
                    prop_assert_eq!(Clusters::do_try_state(), Ok(()), "{}", &label);
                    if Workers::<Test>::iter().count() < before {
                        settled.set(settled.get() + 1);
                    }
                    for record in System::events() {
                        match record.event {
                            RuntimeEvent::Economy(crate::Event::WorkerMoved { .. }) => {
                                moves.set(moves.get() + 1);
                            }
                            RuntimeEvent::Economy(crate::Event::EraSwitched { .. }) => {
                                eras.set(eras.get() + 1);
                            }
                            _ => {}
                        }
                    }
                }
                Ok(())
            })
        })
        .unwrap();
    // The test is worth something only if the chain has lived.
    let lived = (moves.get(), eras.get(), settled.get());
    assert!(lived.0 > 100 && lived.1 > 50 && lived.2 > 10, "{lived:?}");
}
