//! The chain and the simulator agree, to the last unit.
//!
//! Random scenarios are written as the file that `phat economy simulate` reads, and are played on the
//! chain at the same time.

use crate::{Error, Event, Pools, WorkerStatus, Workers, mock::*};
use phat_economy::{CapacityReward, PopularityReward, point, simulator::simulate};
use phat_primitives::WorkerId;
use polkadot_sdk::sp_runtime::DispatchError;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Workers of the scenarios: numbers from 10 on, of the accounts 2 to 5.
const WORKERS: std::ops::Range<u8> = 10..26;
/// Clusters of the scenarios are 2 to 4 on the chain.
const CLUSTERS: std::ops::Range<u64> = 2..5;

#[derive(Clone, Debug)]
struct Plan {
    reserved: u32,
    f: CapacityReward,
    g: PopularityReward,
    workers: Vec<(u64, u8, u128)>,
    eras: Vec<Turn>,
}

#[derive(Clone, Debug)]
struct Turn {
    joins: Vec<u8>,
    stakes: Vec<(u64, u128)>,
    preferences: Vec<(u64, Vec<u8>)>,
    slashes: Vec<(u8, u128)>,
    payouts: Vec<(u8, Option<u128>)>,
    leaves: Vec<u8>,
}

fn turn() -> impl Strategy<Value = Turn> {
    let many = |size: usize| prop::collection::vec(WORKERS, 0..size);
    (
        many(8),
        prop::collection::vec((CLUSTERS, prop_oneof![Just(0u128), 1u128..2_000]), 0..3),
        prop::collection::vec((CLUSTERS, many(6)), 0..2),
        prop::collection::vec((WORKERS, 1u128..600), 0..4),
        prop::collection::vec((WORKERS, prop::option::of(1u128..300)), 0..5),
        many(3),
    )
        .prop_map(
            |(joins, stakes, preferences, slashes, payouts, leaves)| Turn {
                joins,
                stakes,
                preferences,
                slashes,
                payouts,
                leaves,
            },
        )
}

fn plan() -> impl Strategy<Value = Plan> {
    let f = prop_oneof![
        (0u128..50, 0u128..5, 0u128..3).prop_map(|(base, per_confidence, per_power)| {
            CapacityReward::Linear {
                base,
                per_confidence,
                per_power,
            }
        }),
        (0u128..9, 1u128..500).prop_map(|(rate, unit)| CapacityReward::Product { rate, unit }),
    ];
    let g = prop_oneof![
        (0u128..20).prop_map(|per_point| PopularityReward::Linear { per_point }),
        (0u128..500, 0u128..50)
            .prop_map(|(max, half2)| PopularityReward::Saturating { max, half2 }),
    ];
    let worker = (1u64..300, 1u8..=128, 1u128..900);
    (
        0u32..=1_000_000_000,
        f,
        g,
        prop::collection::vec(worker, WORKERS.len()),
        prop::collection::vec(turn(), 1..7),
    )
        .prop_map(|(reserved, f, g, workers, eras)| Plan {
            reserved,
            f,
            g,
            workers,
            eras,
        })
}

/// The text that a worker's id is.
fn name(number: u8) -> String {
    text(&worker(number))
}

fn text(worker: &WorkerId) -> String {
    String::from_utf8(worker.0.to_vec()).unwrap()
}

/// What a cluster is called in the file.
fn letter(id: u64) -> String {
    format!("cluster {id}")
}

/// The seed that the chain draws for a worker.
fn seed(number: u8) -> String {
    use codec::Encode;
    Letters::seed(&(b"phat/economy/ring", &worker(number).0[..]).encode())
}

impl Plan {
    /// What a worker that joins is, as the file says it.
    fn joining(&self, number: u8) -> Value {
        let (performance, confidence, deposit) = self.workers[usize::from(number - WORKERS.start)];
        json!({
            "id": name(number),
            "seed": seed(number),
            // More is better here.
            "confidence": 129 - u64::from(confidence),
            "performance": performance,
            "deposit": deposit.to_string(),
        })
    }

    /// Leaves out what a file must not say: workers that join twice, or are named and never join, and
    /// repetitions.
    fn made_sound(mut self) -> Self {
        let mut joined = BTreeSet::new();
        for turn in &mut self.eras {
            turn.joins.retain(|number| joined.insert(*number));
        }
        for turn in &mut self.eras {
            turn.slashes = once(std::mem::take(&mut turn.slashes));
            turn.payouts = once(std::mem::take(&mut turn.payouts));
            turn.stakes = once(std::mem::take(&mut turn.stakes));
            turn.preferences = once(std::mem::take(&mut turn.preferences));
            turn.slashes.retain(|(number, _)| joined.contains(number));
            turn.payouts.retain(|(number, _)| joined.contains(number));
            let mut seen = BTreeSet::new();
            turn.leaves
                .retain(|number| joined.contains(number) && seen.insert(*number));
            for (_, names) in &mut turn.preferences {
                let mut seen = BTreeSet::new();
                names.retain(|number| joined.contains(number) && seen.insert(*number));
            }
        }
        self
    }

    fn file(&self) -> Value {
        let f = match self.f {
            CapacityReward::Linear {
                base,
                per_confidence,
                per_power,
            } => json!({"linear": {
                "base": base.to_string(),
                "per_confidence": per_confidence.to_string(),
                "per_power": per_power.to_string(),
            }}),
            CapacityReward::Product { rate, unit } => {
                json!({"product": {"rate": rate.to_string(), "unit": unit.to_string()}})
            }
        };
        let g = match self.g {
            PopularityReward::Linear { per_point } => {
                json!({"linear": {"per_point": per_point.to_string()}})
            }
            PopularityReward::Saturating { max, half2 } => {
                json!({"saturating": {"max": max.to_string(), "half2": half2.to_string()}})
            }
        };
        let clusters: Vec<_> = CLUSTERS
            .map(|id| json!({"id": letter(id), "seed": "seed"}))
            .collect();
        let eras: Vec<_> = self.eras.iter().map(|turn| self.era(turn)).collect();
        json!({
            "parameters": {"reserved_parts_per_billion": self.reserved, "f": f, "g": g},
            "workers": [],
            "clusters": clusters,
            "eras": eras,
        })
    }

    fn era(&self, turn: &Turn) -> Value {
        let joins: Vec<_> = turn
            .joins
            .iter()
            .map(|number| self.joining(*number))
            .collect();
        let stakes = turn.stakes.iter();
        let preferences = turn.preferences.iter();
        let slashes = turn.slashes.iter();
        let payouts = turn.payouts.iter();
        json!({
            "joins": joins,
            "stakes": stakes
                .map(|(id, amount)| (letter(*id), json!(amount.to_string())))
                .collect::<Map<_, _>>(),
            "preferences": preferences
                .map(|(id, names)| {
                    let names: Vec<_> = names.iter().copied().map(name).collect();
                    (letter(*id), json!(names))
                })
                .collect::<Map<_, _>>(),
            "slashes": slashes
                .map(|(number, amount)| (name(*number), json!(amount.to_string())))
                .collect::<Map<_, _>>(),
            "payouts": payouts
                .map(|(number, amount)| {
                    let amount = amount.map_or("max".to_owned(), |amount| amount.to_string());
                    (name(*number), json!(amount))
                })
                .collect::<Map<_, _>>(),
            "leaves": turn.leaves.iter().copied().map(name).collect::<Vec<_>>(),
        })
    }

    /// Plays the scenario on the chain, and returns what came of each era in the form of the simulator's
    /// answer.
    fn play(&self) -> Vec<Value> {
        let mut sums = settings();
        sums.parameters.reserved = self.reserved;
        sums.parameters.f = self.f;
        sums.parameters.g = self.g;
        sums.minimum_deposit = 1;
        sums.minimum_stake = 1;
        sums.cool_down = 0;
        sums.unbonding = 0;
        Economy::set_settings(root(), sums).unwrap();
        start();
        for id in CLUSTERS {
            create(1, &[]).unwrap();
            Pools::<Test>::mutate(cluster(id), |pool| {
                pool.as_mut().unwrap().point = point(b"seed", letter(id).as_bytes());
            });
        }
        for (number, (performance, confidence, _)) in WORKERS.zip(&self.workers) {
            register(number, *performance, *confidence);
        }
        let mut answers: Vec<Value> = Vec::new();
        for (number, turn) in self.eras.iter().enumerate() {
            self.change(turn);
            let ended = begin();
            if let Some(before) = answers.last_mut() {
                add_ended(before, ended);
            }
            answers.push(decided(number, turn));
        }
        let ended = begin();
        add_ended(answers.last_mut().unwrap(), ended);
        answers
    }

    fn change(&self, turn: &Turn) {
        for number in &turn.joins {
            let (_, _, deposit) = self.workers[usize::from(number - WORKERS.start)];
            activate(*number, deposit).unwrap();
        }
        for (id, amount) in &turn.stakes {
            let present = crate::Stakes::<Test>::get(cluster(*id), account(1));
            if *amount > present {
                Economy::stake(signed(1), cluster(*id), amount - present).unwrap();
            } else if *amount < present {
                Economy::unstake(signed(1), cluster(*id), present - amount).unwrap();
            }
        }
        for (id, names) in &turn.preferences {
            let names = names.iter().copied().map(worker).collect();
            Economy::set_preferences(signed(1), cluster(*id), names).unwrap();
        }
    }
}

/// The last word on each counts in a JSON object; here there is one.
fn once<K: Ord + Copy, V>(list: Vec<(K, V)>) -> Vec<(K, V)> {
    let mut seen = BTreeSet::new();
    list.into_iter()
        .filter(|(key, _)| seen.insert(*key))
        .collect()
}

/// Who was removed and who left at the end of the last era, with its final payout.
struct Ended {
    removed: Vec<String>,
    last: BTreeMap<String, String>,
}

/// An era begins, which ends the one before.
fn begin() -> Ended {
    System::reset_events();
    next_era();
    let mut removed: Vec<_> = events(|event| match event {
        Event::WorkerExhausted { worker } => Some(text(&worker)),
        _ => None,
    });
    removed.sort();
    System::reset_events();
    let left = Workers::<Test>::iter()
        .filter(|(_, known)| matches!(known.status, WorkerStatus::CoolingDown(_)));
    for (worker, _) in left.collect::<Vec<_>>() {
        Economy::settle(signed(1), worker).unwrap();
    }
    let last = events(|event| match event {
        Event::WorkerSettled {
            worker,
            rewards,
            deposit,
            ..
        } => Some((text(&worker), (rewards + deposit).to_string())),
        _ => None,
    });
    check();
    Ended {
        removed,
        last: last.into_iter().collect(),
    }
}

fn events<R>(pick: impl Fn(Event<Test>) -> Option<R>) -> Vec<R> {
    let ours = System::events()
        .into_iter()
        .filter_map(|record| match record.event {
            RuntimeEvent::Economy(event) => Some(event),
            _ => None,
        });
    ours.filter_map(pick).collect()
}

fn add_ended(answer: &mut Value, ended: Ended) {
    answer["removed"] = json!(ended.removed);
    answer["final"] = json!(ended.last);
}

/// What the era in force has decided, and what its slashes, payouts and leaves come to.
fn decided(number: usize, turn: &Turn) -> Value {
    let in_force = crate::EraInForce::<Test>::get().unwrap();
    let mut answer = json!({
        "era": number,
        "total_power": in_force.totals.power,
        "reserved": in_force.totals.reserved,
        "budgets": {}, "assignment": {}, "popularity_doubled": {}, "accrued": {},
        "slashed": {}, "paid": {}, "refused": {},
    });
    for id in CLUSTERS {
        if let Some(share) = Economy::share(cluster(id)) {
            answer["budgets"][letter(id)] = json!(share.budget);
        }
    }
    let mut operators = BTreeMap::new();
    for (id, known) in Workers::<Test>::iter() {
        operators.insert(id, known.operator);
        let outcome = Economy::outcome(id).unwrap();
        let wanted = outcome.seat.map(|seat| {
            let id = { CLUSTERS }
                .find(|id| cluster(*id) == seat.cluster)
                .unwrap();
            (letter(id), seat.cluster)
        });
        let (called, there) = wanted.unwrap_or(("general".into(), cluster(1)));
        assert_eq!(Clusters::cluster_of(&id), Some(there), "it is really there");
        answer["assignment"][text(&id)] = json!(called);
        answer["popularity_doubled"][text(&id)] = json!(outcome.popularity);
        answer["accrued"][text(&id)] = json!(outcome.accrued.to_string());
    }
    for (number, amount) in &turn.slashes {
        if operators.contains_key(&worker(*number)) {
            Economy::slash_worker(root(), worker(*number), *amount).unwrap();
            answer["slashed"][name(*number)] = json!(amount.to_string());
        }
    }
    for (number, amount) in &turn.payouts {
        let Some(operator) = operators.get(&worker(*number)) else {
            continue;
        };
        let origin = polkadot_sdk::frame_system::RawOrigin::Signed(operator.clone()).into();
        let limit = Economy::payout_limit(worker(*number));
        let refused = |error: Error<Test>| Err(DispatchError::from(error));
        match polkadot_sdk::frame_support::storage::with_storage_layer(|| {
            Economy::payout(origin, worker(*number), *amount)
        }) {
            Ok(()) => {
                let paid = amount.unwrap_or(limit);
                answer["paid"][name(*number)] = json!(paid.to_string());
            }
            error if error == refused(Error::AboveLimit) => {
                answer["refused"][name(*number)] = json!(limit.to_string());
            }
            error => {
                assert_eq!(error, refused(Error::NothingToPay));
                answer["paid"][name(*number)] = json!("0");
            }
        }
    }
    for number in &turn.leaves {
        if let Some(operator) = operators.get(&worker(*number)) {
            let origin = polkadot_sdk::frame_system::RawOrigin::Signed(operator.clone()).into();
            Economy::leave(origin, worker(*number)).unwrap();
        }
    }
    answer
}

/// Scenarios in the ordinary test; set `PHAT_CASES` for more.
fn cases() -> u32 {
    std::env::var("PHAT_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(64)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn the_chain_and_the_simulator_agree_to_the_last_unit(plan in plan()) {
        let plan = plan.made_sound();
        let file = plan.file().to_string();
        let answer = simulate(file.as_bytes()).map_err(|why| why.to_string()).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let eras = answer["eras"].as_array().unwrap().clone();
        let played = chain().execute_with(|| plan.play());
        for (simulated, played) in eras.into_iter().zip(played) {
            prop_assert_eq!(simulated, played);
        }
    }
}
