//! What the specification promises of an era, and what a chain needs of its computation.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod reference;

use codec::{Decode, Encode, MaxEncodedLen};
use phat_economy::{
    Account, Bid, Capacity, CapacityReward, Entrant, Era, EraError, HEIGHT, Node, Outcome,
    Parameters, Phase, Point, PopularityReward, Request, Share, Spot, Store, memory::Memory, point,
};
use proptest::{collection::vec, prelude::*};
use std::{cell::Cell, collections::BTreeMap};

/// Something that can happen between two eras, or during one.
#[derive(Clone, Debug)]
enum Change {
    Join(u32, Capacity),
    Leave(u32),
    Stake(u32, u128),
    Prefer(u32, Vec<u32>),
}

const WORKERS: u32 = 150;
const CLUSTERS: u32 = 8;
const NAMES: usize = 12;

fn worker_id(worker: u32) -> String {
    // Digits that sort as the numbers do.
    format!("worker{worker:05}")
}

fn cluster_id(cluster: u32) -> String {
    format!("cluster{cluster:05}")
}

fn spot(worker: u32) -> Spot<u32> {
    Spot {
        point: point(b"", worker_id(worker).as_bytes()),
        worker,
    }
}

fn cluster_point(cluster: u32) -> Point {
    point(b"", cluster_id(cluster).as_bytes())
}

fn apply(store: &mut Memory, change: &Change) {
    match change {
        Change::Join(worker, capacity) => store.add_worker(spot(*worker), *capacity),
        Change::Leave(worker) => store.remove_worker(&spot(*worker)),
        Change::Stake(cluster, stake) => {
            store.add_cluster(*cluster, cluster_point(*cluster));
            store.set_stake(*cluster, *stake);
        }
        Change::Prefer(cluster, workers) => {
            store.add_cluster(*cluster, cluster_point(*cluster));
            store.set_preferences(*cluster, workers.clone());
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let worker = 0..WORKERS;
    let cluster = 0..CLUSTERS;
    let power = prop_oneof![0u64..100, Just(50)];
    prop_oneof![
        8 => (worker.clone(), power, 0u64..4).prop_map(|(worker, power, confidence)| {
            Change::Join(worker, Capacity { power, confidence })
        }),
        1 => worker.clone().prop_map(Change::Leave),
        2 => (cluster.clone(), 0u128..20).prop_map(|(cluster, n)| Change::Stake(cluster, n * 100)),
        2 => (cluster, vec(worker, 0..NAMES)).prop_map(|(cluster, list)| Change::Prefer(cluster, list)),
    ]
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    vec(change(), 0..250)
}

fn parameters(reserved: u32) -> Parameters {
    Parameters {
        reserved,
        f: CapacityReward::Linear {
            base: 7,
            per_confidence: 5,
            per_power: 3,
        },
        g: PopularityReward::Linear { per_point: 2 },
    }
}

fn started(changes: &[Change]) -> Memory {
    let mut store = Memory::default();
    for change in changes {
        apply(&mut store, change);
    }
    store
}

/// Computes an era and puts it in force.
fn run(store: &mut Memory, reserved: u32) -> Era<u32, u32> {
    let mut era = store.begin(parameters(reserved)).unwrap();
    era.finish(store).unwrap();
    store.switch();
    era
}

type Results = (BTreeMap<u32, Share>, Vec<Option<Outcome<u32>>>);

fn results(store: &Memory) -> Results {
    let outcomes = (0..WORKERS).map(|worker| store.outcome(worker).copied());
    (store.shares().clone(), outcomes.collect())
}

/// Who is there after these changes, for the reference.
struct There {
    workers: Vec<reference::Worker>,
    clusters: Vec<reference::Cluster>,
    stakes: BTreeMap<String, u128>,
}

fn there(changes: &[Change]) -> There {
    let mut workers = BTreeMap::new();
    let mut stakes = BTreeMap::new();
    let mut preferences = BTreeMap::new();
    for change in changes {
        match change {
            Change::Join(worker, capacity) => drop(workers.insert(*worker, *capacity)),
            Change::Leave(worker) => drop(workers.remove(worker)),
            Change::Stake(cluster, stake) => drop(stakes.insert(cluster_id(*cluster), *stake)),
            Change::Prefer(cluster, list) => drop(preferences.insert(*cluster, list)),
        }
    }
    let workers = workers.iter().map(|(id, capacity)| reference::Worker {
        id: worker_id(*id),
        seed: String::new(),
        confidence: capacity.confidence,
        performance: capacity.power,
        deposit: 0,
    });
    let clusters = (0..CLUSTERS).map(|cluster| reference::Cluster {
        id: cluster_id(cluster),
        seed: String::new(),
        preferences: preferences
            .get(&cluster)
            .map(|list| list.iter().copied().map(worker_id).collect())
            .unwrap_or_default(),
    });
    There {
        workers: workers.collect(),
        clusters: clusters.collect(),
        stakes,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The cursor goes through bytes after every step, as on a chain, and comes to what the plain
    /// reference comes to at once.
    #[test]
    fn an_era_resumed_after_every_step_is_that_of_the_reference(
        changes in changes(),
        reserved in prop_oneof![Just(0), 0u32..=1_000_000_000],
    ) {
        let mut store = started(&changes);
        let mut era = store.begin(parameters(reserved)).unwrap();
        while !era.is_complete() {
            let bytes = era.encode();
            prop_assert!(bytes.len() <= Era::<u32, u32>::max_encoded_len());
            era = Era::decode(&mut &bytes[..]).unwrap();
            era.step(&mut store).unwrap();
        }
        store.switch();

        let There { workers, clusters, stakes } = there(&changes);
        let expected = reference::allocate(u64::from(reserved), &workers, &clusters, &stakes).unwrap();
        prop_assert_eq!(era.totals().power, expected.power);
        prop_assert_eq!(era.totals().reserved, expected.reserved);
        prop_assert_eq!(era.totals().workers as usize, workers.len());
        let budgets = store.shares().iter().map(|(id, share)| (cluster_id(*id), share.budget));
        prop_assert_eq!(budgets.collect::<BTreeMap<_, _>>(), expected.budgets);
        for id in 0..WORKERS {
            let Some(outcome) = store.outcome(id) else {
                prop_assert!(workers.iter().all(|worker| worker.id != worker_id(id)));
                continue;
            };
            let id = worker_id(id);
            let cluster = outcome.seat.map(|seat| cluster_id(seat.cluster));
            prop_assert_eq!(cluster.as_ref(), expected.taken.get(&id));
            prop_assert_eq!(u128::from(outcome.popularity), expected.popularity[&id]);
        }
    }

    #[test]
    fn the_same_inputs_give_the_same_allocation_in_every_era(changes in changes()) {
        let mut store = started(&changes);
        run(&mut store, 100_000_000);
        let (shares, outcomes) = results(&store);
        run(&mut store, 100_000_000);
        let (shares_again, outcomes_again) = results(&store);
        prop_assert_eq!(shares, shares_again);
        for (outcome, again) in outcomes.iter().zip(&outcomes_again) {
            let twice = outcome.map(|outcome| Outcome { value: 2 * outcome.accrued, ..outcome });
            prop_assert_eq!(&twice, again);
        }
    }

    #[test]
    fn what_changes_while_an_era_is_computed_counts_from_the_next_one_on(
        before in changes(),
        during in changes(),
        every in 1usize..5,
    ) {
        let mut still = started(&before);
        let mut busy = still.clone();
        run(&mut still, 0);
        let mut era = busy.begin(parameters(0)).unwrap();
        let mut changes = during.iter();
        let mut steps = 0;
        while !era.is_complete() {
            if steps % every == 0 && let Some(change) = changes.next() {
                apply(&mut busy, change);
            }
            era.step(&mut busy).unwrap();
            steps += 1;
        }
        // Nothing shows before it is switched on.
        prop_assert!(busy.shares().is_empty());
        busy.switch();
        prop_assert_eq!(results(&still), results(&busy));

        for change in changes {
            apply(&mut busy, change);
        }
        for change in &during {
            apply(&mut still, change);
        }
        run(&mut still, 0);
        run(&mut busy, 0);
        prop_assert_eq!(results(&still), results(&busy));
    }

    #[test]
    fn an_era_that_was_dropped_leaves_no_trace(
        before in changes(),
        dropped in changes(),
        changes in changes(),
        steps in 0usize..600,
    ) {
        let mut straight = started(&before);
        run(&mut straight, 0);
        let mut detour = straight.clone();
        for change in &dropped {
            apply(&mut detour, change);
            apply(&mut straight, change);
        }
        let mut era = detour.begin(parameters(0)).unwrap();
        for _ in 0..steps {
            era.step(&mut detour).unwrap();
        }
        for change in &changes {
            apply(&mut detour, change);
            apply(&mut straight, change);
        }
        prop_assert_eq!(results(&straight), results(&detour));
        run(&mut straight, 0);
        run(&mut detour, 0);
        prop_assert_eq!(results(&straight), results(&detour));
    }

    #[test]
    fn a_cluster_stays_within_its_budget_and_the_general_cluster_has_what_is_reserved(
        changes in changes(),
        reserved in 0u32..=1_000_000_000,
    ) {
        let mut store = started(&changes);
        let era = run(&mut store, reserved);
        let powers: BTreeMap<_, _> = there(&changes)
            .workers
            .into_iter()
            .map(|worker| (worker.id, u128::from(worker.performance)))
            .collect();
        let (mut general, mut taken) = (0, BTreeMap::<_, (u128, u32)>::new());
        for worker in 0..WORKERS {
            let Some(outcome) = store.outcome(worker) else { continue };
            let power = powers[&worker_id(worker)];
            match outcome.seat {
                Some(seat) => {
                    let (sum, workers) = taken.entry(seat.cluster).or_default();
                    *sum += power;
                    *workers += 1;
                }
                None => general += power,
            }
        }
        prop_assert!(general >= era.totals().reserved);
        let mut budgets = 0;
        for (cluster, share) in store.shares() {
            let taken = taken.remove(cluster).unwrap_or_default();
            prop_assert_eq!(taken, (share.power, share.workers));
            prop_assert!(share.power <= share.budget);
            budgets += share.budget;
        }
        prop_assert!(taken.is_empty());
        prop_assert!(budgets <= era.totals().power - era.totals().reserved);
    }

    #[test]
    fn a_new_cluster_changes_no_order_among_those_with_more_stake(
        changes in changes(),
        stake in 1u128..2_000,
    ) {
        let newcomer = CLUSTERS;
        let order = |store: &Memory| {
            let shares = store.shares().iter();
            let above = shares.filter(|(_, share)| share.stake > stake);
            let ranks: BTreeMap<_, _> = above.map(|(id, share)| (share.rank, *id)).collect();
            ranks
        };
        let mut store = started(&changes);
        run(&mut store, 0);
        let before = order(&store);
        apply(&mut store, &Change::Stake(newcomer, stake));
        run(&mut store, 0);
        prop_assert!(store.shares().contains_key(&newcomer));
        prop_assert_eq!(before, order(&store));
    }

    #[test]
    fn dividing_a_stake_gains_no_budget(
        changes in changes(),
        parts in vec(1u128..1_000, 1..6),
    ) {
        let mut whole = started(&changes);
        whole.add_cluster(CLUSTERS, cluster_point(CLUSTERS));
        whole.set_stake(CLUSTERS, parts.iter().sum());
        let mut divided = started(&changes);
        for (cluster, part) in (CLUSTERS..).zip(&parts) {
            divided.add_cluster(cluster, cluster_point(cluster));
            divided.set_stake(cluster, *part);
        }
        run(&mut whole, 0);
        run(&mut divided, 0);
        let budget = whole.shares()[&CLUSTERS].budget;
        let sum: u128 = divided.shares().range(CLUSTERS..).map(|(_, share)| share.budget).sum();
        prop_assert!(sum <= budget);
        prop_assert!(sum + parts.len() as u128 > budget, "only rounding is lost");
    }

    #[test]
    fn no_step_costs_more_than_its_phase_says(changes in changes()) {
        let mut store = Counted {
            inner: started(&changes),
            reads: Cell::default(),
            writes: 0,
        };
        let mut era = store.inner.begin(parameters(0)).unwrap();
        // Left by an era before.
        store.inner.add_bid(Bid { stake: 1, point: [0; 32], cluster: 77 });
        let height = u32::from(HEIGHT);
        let mut steps = 0;
        while !era.is_complete() {
            let names = NAMES as u32;
            let search = u32::BITS - era.totals().workers.leading_zeros() + 1;
            let (reads, writes) = match era.phase() {
                Phase::Clear { .. } => (1, 1),
                Phase::Workers { .. } => (1 + height, 2 + height),
                Phase::Clusters { .. } => (1, 1),
                Phase::Names { .. } => (2 * names + 2 + names * height + search, names * (1 + height)),
                Phase::Tail { .. } => (4 * height - 2 + 1 + height, 1 + height),
                Phase::Values { .. } => (2, 1),
                Phase::Complete => (0, 0),
            };
            store.reads.set(0);
            store.writes = 0;
            let phase = era.phase().clone();
            era.step(&mut store).unwrap();
            steps += 1;
            prop_assert!(store.reads.get() <= reads, "{phase:?}: {} reads", store.reads.get());
            prop_assert!(store.writes <= writes, "{phase:?}: {} writes", store.writes);
        }
        let totals = era.totals();
        // One for each spot that is empty.
        let most = 3 * totals.workers + 4 * CLUSTERS + 5 + (WORKERS - totals.workers);
        prop_assert!(steps <= most, "{steps} steps for {totals:?}");
    }

    /// Operators, deposits held, the account that rewards are paid from, the treasury: no operation
    /// makes money or loses it, and nobody gets more than was promised.
    #[test]
    fn money_is_only_moved(
        eras in vec((changes(), vec((0..WORKERS, 0u8..3, 0u128..2_000), 0..40)), 1..6),
    ) {
        const REWARDS: i128 = 1_000_000_000;
        const DEPOSIT: u128 = 500;
        let mut store = Memory::default();
        let mut accounts = BTreeMap::<u32, Account>::new();
        let mut slashed = BTreeMap::<u32, i128>::new();
        let mut operators = BTreeMap::<u32, i128>::new();
        let (mut held, mut rewards, mut treasury) = (0i128, REWARDS, 0i128);
        for (changes, events) in eras {
            for change in &changes {
                match change {
                    // Each worker once: who has gone does not come back.
                    Change::Join(worker, _) if !operators.contains_key(worker) => {
                        operators.insert(*worker, -(DEPOSIT as i128));
                        accounts.insert(*worker, Account::new(DEPOSIT));
                        held += DEPOSIT as i128;
                        apply(&mut store, change);
                    }
                    Change::Join(..) | Change::Leave(_) => {}
                    Change::Stake(..) | Change::Prefer(..) => apply(&mut store, change),
                }
            }
            run(&mut store, 0);
            let mut leaving = Vec::new();
            for (worker, kind, amount) in events {
                let Some(account) = accounts.get_mut(&worker) else { continue };
                match kind {
                    0 => {
                        account.slash(amount);
                        *slashed.entry(worker).or_default() += amount as i128;
                    }
                    1 => {
                        if let Ok(paid) = account.pay(store.value(worker), Request::Exactly(amount)) {
                            rewards -= paid as i128;
                            *operators.get_mut(&worker).unwrap() += paid as i128;
                        }
                    }
                    _ => leaving.push(worker),
                }
            }
            let exhausted: Vec<_> = accounts
                .iter()
                .filter(|(worker, account)| account.is_exhausted(store.value(**worker)))
                .map(|(worker, _)| *worker)
                .collect();
            for worker in exhausted.iter().chain(&leaving) {
                let Some(account) = accounts.remove(worker) else { continue };
                let value = store.value(*worker);
                let removed = exhausted.contains(worker);
                let end = if removed { account.remove() } else { account.leave(value) };
                let operator = operators.get_mut(worker).unwrap();
                *operator += (end.deposit + end.rewards) as i128;
                held -= (end.deposit + end.forfeited) as i128;
                rewards -= end.rewards as i128;
                treasury += end.forfeited as i128;
                // What the operator has won or lost in all.
                let slashed = slashed.get(worker).copied().unwrap_or_default();
                if removed {
                    prop_assert_eq!(*operator, account.paid as i128 - DEPOSIT as i128);
                    prop_assert!(*operator + slashed >= value as i128);
                } else {
                    prop_assert_eq!(*operator, value as i128 - slashed);
                }
                apply(&mut store, &Change::Leave(*worker));
            }
            let sum = operators.values().sum::<i128>() + held + rewards + treasury;
            prop_assert_eq!(sum, REWARDS);
            prop_assert_eq!(held, accounts.len() as i128 * DEPOSIT as i128);
        }
    }
}

#[test]
fn stakes_of_five_to_three_to_two_get_workers_so() {
    let mut store = Memory::default();
    for worker in 0..10 {
        let capacity = Capacity {
            power: 100,
            confidence: 1,
        };
        apply(&mut store, &Change::Join(worker, capacity));
    }
    for (cluster, stake) in [(0, 20_000), (1, 50_000), (2, 30_000)] {
        apply(&mut store, &Change::Stake(cluster, stake));
    }
    run(&mut store, 0);
    let shares: Vec<_> = store.shares().values().collect();
    assert_eq!([3, 1, 2], [0, 1, 2].map(|id| shares[id].rank));
    assert_eq!([200, 500, 300], [0, 1, 2].map(|id| shares[id].budget));
    assert_eq!([2, 5, 3], [0, 1, 2].map(|id| shares[id].workers));
}

#[test]
fn an_outcome_says_whether_a_worker_was_named_and_at_which_rank() {
    let mut store = Memory::default();
    for worker in 0..3 {
        let capacity = Capacity {
            power: 1,
            confidence: 0,
        };
        apply(&mut store, &Change::Join(worker, capacity));
    }
    apply(&mut store, &Change::Stake(0, 1));
    // The first is not there, the third is a repetition.
    apply(&mut store, &Change::Prefer(0, vec![9, 2, 2, 0]));
    run(&mut store, 0);
    let rank = |worker| store.outcome(worker).unwrap().seat.unwrap().rank;
    assert_eq!([rank(0), rank(1), rank(2)], [Some(2), None, Some(1)]);
}

#[test]
fn an_era_of_nobody_is_complete_and_empty() {
    let mut store = Memory::default();
    apply(&mut store, &Change::Stake(0, 1));
    let era = run(&mut store, 0);
    assert_eq!(era.totals().power, 0);
    assert_eq!(store.shares()[&0].budget, 0);
    let mut complete = era.clone();
    complete.step(&mut store).unwrap();
    assert_eq!(complete, era);
}

#[test]
fn sums_beyond_128_bits_are_errors_and_leave_the_era_in_force() {
    let capacity = Capacity {
        power: 1,
        confidence: 0,
    };
    let mut store = started(&[Change::Join(0, capacity), Change::Stake(0, u128::MAX)]);
    run(&mut store, 0);
    let in_force = results(&store);

    apply(&mut store, &Change::Stake(1, 1));
    let mut era = store.begin(parameters(0)).unwrap();
    assert_eq!(era.finish(&mut store), Err(EraError::Stake));
    assert_eq!(results(&store), in_force);

    apply(&mut store, &Change::Stake(1, 0));
    let mut high = parameters(0);
    high.f = CapacityReward::Linear {
        base: u128::MAX - 2,
        per_confidence: 0,
        per_power: 0,
    };
    // f + g fits, but V with it does not.
    let mut era = store.begin(high).unwrap();
    assert_eq!(era.finish(&mut store), Err(EraError::Value(0)));
    assert_eq!(results(&store), in_force);
}

/// Counts accesses to records.
struct Counted {
    inner: Memory,
    reads: Cell<u32>,
    writes: u32,
}

impl Counted {
    fn read(&self) -> &Memory {
        self.reads.set(self.reads.get() + 1);
        &self.inner
    }

    fn write(&mut self) -> &mut Memory {
        self.writes += 1;
        &mut self.inner
    }
}

impl Store for Counted {
    type Worker = u32;
    type Cluster = u32;

    fn next_worker(&mut self, after: Option<&Spot<u32>>) -> Option<(Spot<u32>, Option<Capacity>)> {
        self.read();
        self.inner.next_worker(after)
    }

    fn next_cluster(&mut self, after: Option<u32>) -> Option<(u32, Point, u128)> {
        self.read();
        self.inner.next_cluster(after)
    }

    fn preferences(&self, cluster: u32) -> Vec<u32> {
        self.read().preferences(cluster)
    }

    fn value(&self, worker: u32) -> u128 {
        self.read().value(worker)
    }

    fn entrant(&self, place: u32) -> Option<Entrant<u32, u32>> {
        self.read().entrant(place)
    }

    fn put_entrant(&mut self, place: u32, entrant: Entrant<u32, u32>) {
        self.write().put_entrant(place, entrant)
    }

    fn place(&self, worker: u32) -> Option<u32> {
        self.read().place(worker)
    }

    fn put_place(&mut self, worker: u32, place: u32) {
        self.write().put_place(worker, place)
    }

    fn node(&self, level: u8, index: u32) -> Option<Node> {
        self.read().node(level, index)
    }

    fn put_node(&mut self, level: u8, index: u32, node: Node) {
        self.write().put_node(level, index, node)
    }

    fn add_bid(&mut self, bid: Bid<u32>) {
        self.write().add_bid(bid)
    }

    fn next_bid(&self, after: Option<&Bid<u32>>) -> Option<Bid<u32>> {
        self.read().next_bid(after)
    }

    fn remove_bid(&mut self, bid: &Bid<u32>) {
        self.write().remove_bid(bid)
    }

    fn put_share(&mut self, cluster: u32, share: Share) {
        self.write().put_share(cluster, share)
    }

    fn put_outcome(&mut self, worker: u32, outcome: Outcome<u32>) {
        self.write().put_outcome(worker, outcome)
    }
}
