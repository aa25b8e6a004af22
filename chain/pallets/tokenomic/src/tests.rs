//! What stakes on contracts promise, on a small chain (`mock.rs`).

use crate::{
    ContractTotalStakes, ContractUserStakes, DEFAULT_MIN_STAKE, Error, Event, HoldReason, MinStake,
    mock::*,
};
use phat_primitives::{Balance, limits::MAX_MESSAGES_PER_BLOCK};
use polkadot_sdk::{
    frame_support::{
        assert_noop, assert_ok, dispatch::DispatchResult, traits::fungible::InspectHold,
    },
    frame_system::RawOrigin,
};
use proptest::{
    prelude::*,
    test_runner::{TestRng, TestRunner},
};
use std::{cell::Cell, collections::BTreeMap};

fn stake(sender: u8, number: u8, amount: Balance) -> DispatchResult {
    Tokenomic::adjust_stake(signed(sender), contract(number), amount)
}

fn held(byte: u8) -> Balance {
    Balances::balance_on_hold(&HoldReason::ContractStake.into(), &account(byte))
}

fn free(byte: u8) -> Balance {
    Balances::free_balance(account(byte))
}

#[test]
fn stake_moves_up_down_and_away_at_once() {
    on_chain(|| {
        for amount in [5_000, 9_000, 300, 0] {
            assert_ok!(stake(1, 1, amount));
            assert_eq!(
                ContractUserStakes::<Test>::get(account(1), contract(1)),
                amount
            );
            assert_eq!(ContractTotalStakes::<Test>::get(contract(1)), amount);
            assert_eq!((free(1), held(1)), (ENDOWMENT - amount, amount));
            assert_eq!(told(), [(contract(1), amount)]);
        }
        assert_eq!(ContractUserStakes::<Test>::iter().count(), 0);
        assert_eq!(ContractTotalStakes::<Test>::iter().count(), 0);
    });
}

#[test]
fn the_workers_are_told_the_sum_of_all_stakes_on_a_contract() {
    on_chain(|| {
        assert_ok!(stake(1, 1, 500));
        assert_ok!(stake(2, 1, 300));
        assert_ok!(stake(2, 2, 200));
        assert_ok!(stake(1, 1, 0));
        let sums = [(1, 500), (1, 800), (2, 200), (1, 300)];
        assert_eq!(told(), sums.map(|(number, sum)| (contract(number), sum)));
        assert_eq!((held(1), held(2)), (0, 500));
        System::assert_has_event(
            Event::ContractDepositChanged {
                cluster: Some(cluster()),
                contract: contract(1),
                deposit: 300,
            }
            .into(),
        );
        System::assert_last_event(
            Event::UserStakeChanged {
                cluster: Some(cluster()),
                account: account(1),
                contract: contract(1),
                stake: 0,
            }
            .into(),
        );
    });
}

#[test]
fn to_set_the_same_stake_again_tells_the_workers_again() {
    on_chain(|| {
        assert_ok!(stake(1, 1, 500));
        assert_ok!(stake(1, 1, 500));
        assert_eq!(told(), [(contract(1), 500); 2]);
        assert_eq!(held(1), 500);
    });
}

#[test]
fn dust_is_refused_and_nothing_is_not_dust() {
    on_chain(|| {
        assert_noop!(stake(1, 1, LEAST - 1), Error::<Test>::InvalidAmountOfStake);
        assert_ok!(stake(1, 1, LEAST));
        assert_noop!(stake(1, 1, 1), Error::<Test>::InvalidAmountOfStake);
        assert_ok!(stake(1, 1, 0));
        assert_ok!(stake(1, 1, 0));
    });
}

#[test]
fn the_first_minimum_is_more_than_a_system_contract_can_give_as_a_weight() {
    chain().execute_with(|| {
        MinStake::<Test>::kill();
        assert_eq!(MinStake::<Test>::get(), DEFAULT_MIN_STAKE);
    });
    assert!(DEFAULT_MIN_STAKE > Balance::from(u32::MAX));
}

#[test]
fn governance_sets_the_minimum() {
    on_chain(|| {
        assert!(Tokenomic::set_min_stake(signed(1), 7).is_err());
        assert_ok!(stake(1, 1, LEAST));
        assert_ok!(Tokenomic::set_min_stake(RawOrigin::Root.into(), 7 * LEAST));
        assert_noop!(stake(1, 1, 2 * LEAST), Error::<Test>::InvalidAmountOfStake);
        assert_ok!(stake(1, 1, 7 * LEAST));
    });
}

#[test]
fn only_contracts_that_have_been_instantiated_are_staked_on() {
    on_chain(|| {
        for unknown in [4, 5] {
            assert_noop!(stake(1, unknown, 500), Error::<Test>::ContractNotFound);
        }
    });
}

#[test]
fn nobody_stakes_more_than_is_free_or_than_a_number_can_say() {
    on_chain(|| {
        assert_noop!(stake(1, 1, ENDOWMENT + 1), Error::<Test>::NotEnoughFree);
        assert_ok!(stake(1, 1, ENDOWMENT / 2));
        assert_noop!(stake(1, 2, ENDOWMENT / 2 + 1), Error::<Test>::NotEnoughFree);
        assert_noop!(stake(2, 1, Balance::MAX), Error::<Test>::StakeTooLarge);
        assert_noop!(stake(2, 2, Balance::MAX), Error::<Test>::NotEnoughFree);
        assert_noop!(stake(9, 1, LEAST), Error::<Test>::NotEnoughFree);
    });
}

#[test]
fn stake_can_be_taken_back_when_the_contract_is_gone() {
    on_chain(|| {
        assert_ok!(stake(1, 1, 500));
        told();
        forget(1);
        assert_noop!(stake(1, 1, 600), Error::<Test>::ContractNotFound);
        assert_ok!(stake(1, 1, 200));
        assert_ok!(stake(1, 1, 0));
        assert_eq!((free(1), held(1)), (ENDOWMENT, 0));
        assert_eq!(told(), []);
    });
}

#[test]
fn a_stake_that_finds_no_room_in_the_block_is_not_set() {
    on_chain(|| {
        assert_ok!(stake(1, 1, 500));
        pallet_phat_messages::PendingSize::<Test>::put((MAX_MESSAGES_PER_BLOCK, 0));
        assert_noop!(
            stake(1, 1, 600),
            pallet_phat_messages::Error::<Test>::BlockFull
        );
    });
}

#[test]
fn what_is_staked_cannot_be_spent() {
    on_chain(|| {
        assert_ok!(stake(1, 1, ENDOWMENT / 2));
        let send = |amount| Balances::transfer_allow_death(signed(1), account(2), amount);
        assert!(send(ENDOWMENT / 2 + 1).is_err());
        assert_ok!(send(ENDOWMENT / 2 - MINIMUM));
        assert_ok!(stake(1, 1, 0));
        assert_eq!(free(1), ENDOWMENT / 2 + MINIMUM);
    });
}

/// What somebody does.
#[derive(Clone, Debug)]
enum Step {
    Stake {
        sender: u8,
        number: u8,
        amount: Balance,
    },
    Send {
        from: u8,
        to: u8,
        amount: Balance,
    },
    /// A contract leaves the chain, or comes.
    Contract {
        number: u8,
        there: bool,
    },
    Minimum(Balance),
}

fn step() -> impl Strategy<Value = Step> {
    let account = || 1u8..=3;
    let amount = prop_oneof![
        3 => Just(0u128),
        8 => 0u128..2_000,
        4 => 0u128..ENDOWMENT,
        1 => any::<u128>(),
    ];
    prop_oneof![
        20 => (account(), 1u8..=4, amount)
            .prop_map(|(sender, number, amount)| Step::Stake { sender, number, amount }),
        3 => (account(), account(), 0..ENDOWMENT)
            .prop_map(|(from, to, amount)| Step::Send { from, to, amount }),
        2 => (1u8..=4, any::<bool>()).prop_map(|(number, there)| Step::Contract { number, there }),
        1 => (0u128..500).prop_map(Step::Minimum),
    ]
}

/// After each step the invariants hold, no money is made or lost, a refusal has changed nothing, and
/// what the workers were told last of each contract is what is staked on it, unless it was gone then.
#[test]
fn random_operations_keep_the_money_and_the_invariants() {
    let config = ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..Default::default()
    };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let (done, refused) = (Cell::new(0u32), Cell::new(0u32));
    TestRunner::new_with_rng(config, rng)
        .run(&prop::collection::vec(step(), 1..120), |steps| {
            chain().execute_with(|| scenario(steps, &done, &refused));
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    assert!(done.get() > 1_000 && refused.get() > 1_000);
}

fn scenario(steps: Vec<Step>, done: &Cell<u32>, refused: &Cell<u32>) {
    let issued = Balances::total_issuance();
    let mut last = BTreeMap::new();
    for step in steps {
        match step.clone() {
            Step::Stake {
                sender,
                number,
                amount,
            } => {
                let before = (free(sender), held(sender));
                match stake(sender, number, amount) {
                    Ok(()) => {
                        done.set(done.get() + 1);
                        let staked =
                            ContractUserStakes::<Test>::get(account(sender), contract(number));
                        assert_eq!(staked, amount, "after {step:?}");
                    }
                    Err(_) => {
                        refused.set(refused.get() + 1);
                        assert_eq!((free(sender), held(sender)), before, "after {step:?}");
                    }
                }
                let news = told();
                assert!(news.len() <= 1);
                for (id, sum) in news {
                    assert_eq!(sum, ContractTotalStakes::<Test>::get(id), "after {step:?}");
                    last.insert(id, sum);
                }
            }
            Step::Send { from, to, amount } => {
                let _ = Balances::transfer_keep_alive(signed(from), account(to), amount);
            }
            Step::Contract { number, there } if there => instantiate(number),
            Step::Contract { number, .. } => {
                forget(number);
                last.remove(&contract(number));
            }
            Step::Minimum(amount) => {
                assert_ok!(Tokenomic::set_min_stake(RawOrigin::Root.into(), amount));
            }
        }
        for (id, sum) in &last {
            assert_eq!(ContractTotalStakes::<Test>::get(id), *sum, "after {step:?}");
        }
        assert_eq!(Tokenomic::do_try_state(), Ok(()), "after {step:?}");
        assert_eq!(Balances::total_issuance(), issued, "after {step:?}");
    }
}
