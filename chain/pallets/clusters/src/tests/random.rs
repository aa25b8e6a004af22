//! Random operations keep the invariants and the money.

use crate::{
    AgreedRoots, ClusterCounter, ClusterPermission, ClusterWorkers, Diverged, Event,
    WithdrawalCount, Withdrawals, WorkerCluster, mock::*,
};
use codec::Encode;
use pallet_phat_registry::{ClusterKeys, OnService};
use phat_primitives::{
    Balance, ClusterId, Hash, MessageNumber, blake2_256, ids,
    message::{ClusterMessage, Message},
    policy::{Control, FeeModel, Policy},
    report::Roots,
};
use polkadot_sdk::{
    frame_support::dispatch::DispatchResult, frame_system::RawOrigin, sp_runtime::DispatchError,
};
use proptest::{
    prelude::*,
    test_runner::{TestRng, TestRunner},
};
use std::{cell::Cell, collections::BTreeMap};

/// What somebody does. Most of it is possible only at times: a refusal must change nothing.
#[derive(Clone, Debug)]
enum Step {
    Create {
        owner: u8,
        workers: Vec<u8>,
    },
    AddWorker {
        owner: u8,
        worker: u8,
        cluster: u64,
    },
    RemoveWorker {
        owner: u8,
        worker: u8,
        cluster: u64,
    },
    /// The evidence of a worker expires.
    Lapse {
        worker: u8,
    },
    /// A worker renews its evidence.
    Return {
        worker: u8,
    },
    Deposit {
        sender: u8,
        amount: Balance,
        cluster: u64,
        dest: u8,
    },
    Instantiate {
        deployer: u8,
        salt: u8,
        deposit: Balance,
    },
    Ready {
        deployer: u8,
        salt: u8,
    },
    Withdraw {
        account: u8,
        cluster: u64,
        amount: Balance,
    },
    /// An honest heartbeat: how all withdrawals that wait have ended inside the worker's cluster.
    Heartbeat {
        worker: u8,
    },
    /// A new block begins.
    Block,
    /// A worker reports the roots of a block, which is some blocks back.
    Roots {
        worker: u8,
        back: u32,
    },
    /// [`LIAR`] reports other roots than its cluster has.
    BentRoots {
        back: u32,
    },
    /// The operator of a worker that has diverged lets it in again.
    Readmit {
        owner: u8,
        worker: u8,
    },
    /// [`LIAR`] says that money left with each of them that is for at least this much.
    Lie {
        amount: Balance,
    },
    /// The policy of a cluster is set, perhaps to what cannot be one.
    Policy {
        owner: u8,
        cluster: u64,
        public: bool,
        pay: bool,
        controlled: bool,
    },
    /// Somebody takes all their money elsewhere, so that their account is gone.
    Leave {
        account: u8,
    },
}

fn worker_number() -> impl Strategy<Value = u8> {
    prop_oneof![1u8..=6, 10u8..=12]
}

/// Mostly the last block, at times one that is long past or not there yet.
fn back() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 1u32..4, 1 => 0u32..80]
}

/// What the honest workers of a cluster have after a block.
fn roots_after(cluster: ClusterId, block: u32) -> Roots {
    let hash = |part: u8| Hash::from(blake2_256(&(part, cluster, block).encode()));
    Roots {
        state_root: hash(0),
        receipts: hash(1),
    }
}

fn amount() -> impl Strategy<Value = Balance> {
    prop_oneof![1 => 0u128..30, 6 => 0u128..20_000, 1 => Just(ENDOWMENT)]
}

fn step() -> impl Strategy<Value = Step> {
    let account = || 1u8..=3;
    let owner = || 1u8..=2;
    let cluster = || 1u64..=3;
    let marked = prop_oneof![3 => Just(LIAR), 1 => worker_number()];
    prop_oneof![
        4 => (owner(), prop::collection::vec(worker_number(), 0..3))
            .prop_map(|(owner, workers)| Step::Create { owner, workers }),
        8 => (owner(), worker_number(), cluster())
            .prop_map(|(owner, worker, cluster)| Step::AddWorker { owner, worker, cluster }),
        2 => (owner(), worker_number(), cluster())
            .prop_map(|(owner, worker, cluster)| Step::RemoveWorker { owner, worker, cluster }),
        2 => worker_number().prop_map(|worker| Step::Lapse { worker }),
        4 => worker_number().prop_map(|worker| Step::Return { worker }),
        20 => (account(), amount(), cluster(), account())
            .prop_map(|(sender, amount, cluster, dest)| Step::Deposit { sender, amount, cluster, dest }),
        6 => (account(), 0u8..2, amount())
            .prop_map(|(deployer, salt, deposit)| Step::Instantiate { deployer, salt, deposit }),
        6 => (account(), 0u8..2).prop_map(|(deployer, salt)| Step::Ready { deployer, salt }),
        20 => (account(), cluster(), amount())
            .prop_map(|(account, cluster, amount)| Step::Withdraw { account, cluster, amount }),
        40 => worker_number().prop_map(|worker| Step::Heartbeat { worker }),
        4 => amount().prop_map(|amount| Step::Lie { amount }),
        20 => Just(Step::Block),
        30 => (worker_number(), back()).prop_map(|(worker, back)| Step::Roots { worker, back }),
        8 => back().prop_map(|back| Step::BentRoots { back }),
        8 => (owner(), marked).prop_map(|(owner, worker)| Step::Readmit { owner, worker }),
        6 => (owner(), cluster(), any::<[bool; 3]>())
            .prop_map(|(owner, cluster, [public, pay, controlled])| Step::Policy {
                owner,
                cluster,
                public,
                pay,
                controlled,
            }),
        1 => account().prop_map(|account| Step::Leave { account }),
    ]
}

/// The one worker that lies, though only where others outvote it: everything rests on an honest
/// majority.
const LIAR: u8 = 5;

/// What honest workers hold: the accounts inside the clusters, and how withdrawals ended there.
#[derive(Default)]
struct Model {
    inside: BTreeMap<(ClusterId, [u8; 32]), Balance>,
    outcomes: BTreeMap<(ClusterId, MessageNumber), Balance>,
}

impl Model {
    /// Applies what was ordered, as workers do.
    fn apply(&mut self, first: MessageNumber, messages: Vec<Message>) {
        for (number, message) in (first..).zip(messages) {
            let Message::Cluster(cluster, message) = message else {
                continue;
            };
            match message {
                ClusterMessage::Deposit { account, amount } => {
                    *self.inside.entry((cluster, account.0)).or_default() += amount;
                }
                ClusterMessage::Withdraw { account, amount } => {
                    let balance = self.inside.entry((cluster, account.0)).or_default();
                    let left = if *balance >= amount { amount } else { 0 };
                    *balance -= left;
                    self.outcomes.insert((cluster, number), left);
                }
                _ => {}
            }
        }
    }

    fn inside_of(&self, cluster: ClusterId) -> Balance {
        let of = self.inside.iter().filter(|((c, _), _)| *c == cluster);
        of.map(|(_, balance)| *balance).sum()
    }

    /// What has left accounts inside and has not been paid.
    fn on_the_way(&self, cluster: ClusterId) -> Balance {
        Withdrawals::<Test>::iter_key_prefix(cluster)
            .map(|number| self.outcomes[&(cluster, number)])
            .sum()
    }

    fn run(&self, step: Step) -> DispatchResult {
        match step {
            Step::Create { owner, workers } => create(owner, &workers),
            Step::AddWorker {
                owner,
                worker: number,
                cluster,
            } => Clusters::add_worker_to_cluster(
                signed(owner),
                worker(number),
                ids::cluster_id(cluster),
            ),
            Step::RemoveWorker {
                owner,
                worker: number,
                cluster,
            } => Clusters::remove_worker_from_cluster(
                signed(owner),
                worker(number),
                ids::cluster_id(cluster),
            ),
            Step::Lapse { worker: number } => {
                let served = pallet_phat_registry::InService::<Test>::take(worker(number));
                match served {
                    Some(_) => <Clusters as OnService>::lapsed(&worker(number)),
                    None => Err(DispatchError::Unavailable),
                }
            }
            Step::Return { worker: number } => {
                let registered =
                    pallet_phat_registry::Workers::<Test>::contains_key(worker(number));
                if !registered || Registry::is_in_service(&worker(number)) {
                    return Err(DispatchError::Unavailable);
                }
                enter_service(number);
                <Clusters as OnService>::returned(&worker(number))
            }
            Step::Deposit {
                sender,
                amount,
                cluster,
                dest,
            } => Clusters::transfer_to_cluster(
                signed(sender),
                amount,
                ids::cluster_id(cluster),
                account(dest),
            ),
            Step::Instantiate {
                deployer,
                salt,
                deposit,
            } => instantiate(deployer, &[salt], deposit),
            Step::Ready { deployer, salt } => hand_in(deployer, salt),
            Step::Withdraw {
                account,
                cluster,
                amount,
            } => Clusters::transfer_from_cluster(signed(account), ids::cluster_id(cluster), amount),
            Step::Heartbeat { worker } => {
                let cluster = cluster_of(worker)?;
                let outcomes: Vec<_> = Withdrawals::<Test>::iter_key_prefix(cluster)
                    .map(|number| (number, self.outcomes[&(cluster, number)]))
                    .collect();
                report(cluster, worker, 1, &outcomes)
            }
            Step::Block => {
                System::set_block_number(System::block_number() + 1);
                Ok(())
            }
            Step::Roots { worker, back } => report(cluster_of(worker)?, worker, back, &[]),
            Step::BentRoots { back } => {
                let cluster = cluster_of(LIAR)?;
                if !honest_majority(cluster) {
                    return Err("what a majority says is what counts".into());
                }
                let block = System::block_number().saturating_sub(back);
                heartbeat_after(cluster, LIAR, block, roots(9), &[])
            }
            Step::Readmit {
                owner,
                worker: number,
            } => Clusters::readmit_worker(signed(owner), worker(number)),
            Step::Lie { amount } => {
                let cluster = cluster_of(LIAR)?;
                if !honest_majority(cluster) {
                    return Err("a majority that lies may take what it likes".into());
                }
                let outcomes: Vec<_> = Withdrawals::<Test>::iter_prefix(cluster)
                    .map(|(number, pending)| (number, amount.max(pending.amount)))
                    .collect();
                report(cluster, LIAR, 1, &outcomes)
            }
            Step::Policy {
                owner,
                cluster,
                public,
                pay,
                controlled,
            } => Clusters::set_policy(
                signed(owner),
                ids::cluster_id(cluster),
                match public {
                    true => ClusterPermission::Public,
                    false => ClusterPermission::OnlyOwner(account(owner)),
                },
                Policy {
                    fee_model: match pay {
                        true => FeeModel::PayPerWeight,
                        false => FeeModel::Stake,
                    },
                    control: controlled.then(|| Control {
                        contract: contract(1, &[0]),
                        gas_limit: 1,
                    }),
                    ..Policy::default()
                },
            ),
            Step::Leave { account: who } => Balances::transfer_all(signed(who), account(5), false),
        }
    }
}

/// An honest worker's heartbeat about a block.
fn report(
    cluster: ClusterId,
    number: u8,
    back: u32,
    outcomes: &[(MessageNumber, Balance)],
) -> DispatchResult {
    let block = System::block_number().saturating_sub(back);
    let roots = roots_after(cluster, block);
    heartbeat_after(cluster, number, block, roots, outcomes)
}

/// A statement of the first cluster, if the chain would let it into a block.
fn hand_in(deployer: u8, salt: u8) -> DispatchResult {
    use polkadot_sdk::frame_support::{pallet_prelude::TransactionSource, traits::Authorize};
    let signed = ready(contract(deployer, &[salt]));
    let call = RuntimeCall::Clusters(crate::Call::contract_ready {
        signed: signed.clone(),
    });
    match call.authorize(TransactionSource::External) {
        Some(Ok(_)) => Clusters::contract_ready(RawOrigin::Authorized.into(), signed),
        _ => Err("not authorised".into()),
    }
}

fn cluster_of(number: u8) -> Result<ClusterId, DispatchError> {
    WorkerCluster::<Test>::get(worker(number)).ok_or("in no cluster".into())
}

/// How often what is to be tested came about.
#[derive(Default, Debug)]
struct Tally {
    refused: Cell<u32>,
    paid: Cell<u32>,
    unpaid: Cell<u32>,
    instantiated: Cell<u32>,
    agreed: Cell<u32>,
    expelled: Cell<u32>,
    readmitted: Cell<u32>,
    policies: Cell<u32>,
}

fn count(counter: &Cell<u32>, times: usize) {
    counter.set(counter.get() + times as u32);
}

fn happened(what: fn(&Event<Test>) -> bool) -> usize {
    let events = System::events();
    let ours = events.iter().filter_map(|record| match &record.event {
        RuntimeEvent::Clusters(event) => Some(event),
        _ => None,
    });
    ours.filter(|event| what(event)).count()
}

/// After each step: nothing is made or lost of the money, the pallet's invariants hold, and each
/// cluster's account holds to the unit what is inside, what is on its way out, and the deposit that
/// keeps it alive. Nobody but the liar is ever marked, and only what honest workers hold is agreed on.
/// At the end, once all honest workers have spoken, every withdrawal is over.
#[test]
fn random_operations_keep_the_money_and_the_invariants() {
    let config = ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..Default::default()
    };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let tally = Tally::default();
    TestRunner::new_with_rng(config, rng)
        .run(&prop::collection::vec(step(), 1..200), |steps| {
            chain().execute_with(|| scenario(steps, &tally));
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    for counter in [
        &tally.refused,
        &tally.paid,
        &tally.unpaid,
        &tally.instantiated,
        &tally.agreed,
        &tally.expelled,
        &tally.policies,
    ] {
        assert!(counter.get() > 50, "too little happened: {tally:?}");
    }
    assert!(
        tally.readmitted.get() > 10,
        "too little happened: {tally:?}"
    );
}

fn scenario(steps: Vec<Step>, tally: &Tally) {
    let mut model = Model::default();
    let issued = Balances::total_issuance();
    create(1, &[1, 2, 3, LIAR]).unwrap();
    create(2, &[10, 11]).unwrap();
    ordered();
    ClusterKeys::<Test>::insert(first(), cluster_key().public());
    for step in steps {
        let number = pallet_phat_messages::NextMessage::<Test>::get();
        let shown = format!("{step:?}");
        let outcome = model.run(step);
        count(&tally.refused, usize::from(outcome.is_err()));
        model.apply(number, ordered());
        check(&model, issued, &shown);
    }
    for number in (1..=4).chain(10..=12) {
        if cluster_of(number).is_ok() {
            model.run(Step::Heartbeat { worker: number }).unwrap();
            check(&model, issued, "the last word");
        }
    }
    for cluster in (1..=ClusterCounter::<Test>::get()).map(ids::cluster_id) {
        if honest_majority(cluster) {
            assert_eq!(WithdrawalCount::<Test>::get(cluster), 0);
        }
    }
    count(
        &tally.paid,
        happened(|event| matches!(event, Event::Withdrawn { amount: 1.., .. })),
    );
    count(
        &tally.unpaid,
        happened(|event| matches!(event, Event::Withdrawn { amount: 0, .. })),
    );
    count(
        &tally.instantiated,
        happened(|event| matches!(event, Event::Instantiated { .. })),
    );
    count(
        &tally.agreed,
        happened(|event| matches!(event, Event::RootsAgreed { .. })),
    );
    count(
        &tally.expelled,
        happened(|event| matches!(event, Event::WorkerDiverged { .. })),
    );
    count(
        &tally.readmitted,
        happened(|event| matches!(event, Event::WorkerReadmitted { .. })),
    );
    count(
        &tally.policies,
        happened(|event| matches!(event, Event::PolicySet { .. })),
    );
    assert_eq!(
        happened(|event| matches!(event, Event::WithdrawalUnpaid { .. })),
        0,
        "an honest majority asks for nothing that is not there"
    );
}

fn honest_majority(cluster: ClusterId) -> bool {
    let workers = ClusterWorkers::<Test>::get(cluster);
    let honest = workers
        .iter()
        .filter(|member| **member != worker(LIAR))
        .count();
    honest * 2 > workers.len()
}

fn check(model: &Model, issued: Balance, after: &str) {
    assert_eq!(Clusters::do_try_state(), Ok(()), "after {after}");
    assert_eq!(Balances::total_issuance(), issued, "after {after}");
    assert!(
        Diverged::<Test>::iter_keys().all(|marked| marked == worker(LIAR)),
        "an honest worker is marked after {after}"
    );
    for (cluster, block, agreed) in AgreedRoots::<Test>::iter() {
        assert_eq!(agreed, roots_after(cluster, block), "after {after}");
    }
    let pools = (1..=ClusterCounter::<Test>::get()).map(ids::cluster_id);
    let mut held = 0;
    for cluster in pools {
        let pool = Balances::free_balance(Clusters::account_of(&cluster));
        let owed = model.inside_of(cluster) + model.on_the_way(cluster);
        assert_eq!(pool, MINIMUM + owed, "after {after}");
        held += pool;
    }
    let outside: Balance = (1..=5).map(balance).sum();
    assert_eq!(outside + held, issued, "after {after}");
}
