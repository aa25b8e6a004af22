//! The rules once more, as plainly as can be: every list written out, every sum taken anew, nothing
//! shared with the library. Slow, and easy to hold beside the specification.

#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod cases;

use blake2::{Blake2b, Digest, digest::consts::U32};
use primitive_types::U512;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// A scenario that is well-formed.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) reserved: u64,
    pub(crate) f: F,
    pub(crate) g: G,
    /// Active from the first era on.
    pub(crate) workers: Vec<Worker>,
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) eras: Vec<Events>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum F {
    Linear(u128, u128, u128),
    Product(u128, u128),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum G {
    Linear(u128),
    Saturating(u128, u128),
}

#[derive(Clone, Debug)]
pub(crate) struct Worker {
    pub(crate) id: String,
    pub(crate) seed: String,
    pub(crate) confidence: u64,
    pub(crate) performance: u64,
    pub(crate) deposit: u128,
}

#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) id: String,
    pub(crate) seed: String,
    pub(crate) preferences: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Events {
    pub(crate) joins: Vec<Worker>,
    pub(crate) stakes: BTreeMap<String, u128>,
    pub(crate) preferences: BTreeMap<String, Vec<String>>,
    pub(crate) slashes: BTreeMap<String, u128>,
    /// `None` asks for `max`.
    pub(crate) payouts: BTreeMap<String, Option<u128>>,
    pub(crate) leaves: Vec<String>,
}

impl Case {
    /// The scenario file.
    pub(crate) fn file(&self) -> String {
        let text = |amount: &u128| amount.to_string();
        let worker = |worker: &Worker| {
            json!({
                "id": worker.id, "seed": worker.seed, "confidence": worker.confidence,
                "performance": worker.performance, "deposit": text(&worker.deposit),
            })
        };
        let workers = |list: &[Worker]| list.iter().map(worker).collect::<Vec<_>>();
        let amounts = |amounts: &BTreeMap<String, u128>| -> BTreeMap<String, String> {
            let amounts = amounts.iter();
            amounts
                .map(|(id, amount)| (id.clone(), text(amount)))
                .collect()
        };
        let clusters: Vec<_> = self
            .clusters
            .iter()
            .map(|c| json!({ "id": c.id, "seed": c.seed, "preferences": c.preferences }))
            .collect();
        let eras: Vec<_> = self
            .eras
            .iter()
            .map(|era| {
                let payouts: BTreeMap<_, _> = era
                    .payouts
                    .iter()
                    .map(|(id, amount)| (id, amount.map_or("max".into(), |amount| text(&amount))))
                    .collect();
                json!({
                    "joins": workers(&era.joins), "stakes": amounts(&era.stakes),
                    "preferences": era.preferences, "slashes": amounts(&era.slashes),
                    "payouts": payouts, "leaves": era.leaves,
                })
            })
            .collect();
        let f = match &self.f {
            F::Linear(base, c, p) => json!({ "linear": {
                "base": text(base), "per_confidence": text(c), "per_power": text(p) } }),
            F::Product(rate, unit) => json!({ "product": {
                "rate": text(rate), "unit": text(unit) } }),
        };
        let g = match &self.g {
            G::Linear(point) => json!({ "linear": { "per_point": text(point) } }),
            G::Saturating(max, half) => json!({ "saturating": {
                "max": text(max), "half2": text(half) } }),
        };
        let file = json!({
            "parameters": { "reserved_parts_per_billion": self.reserved, "f": f, "g": g },
            "workers": workers(&self.workers), "clusters": clusters, "eras": eras,
        });
        file.to_string()
    }
}

fn point(seed: &str, id: &str) -> Vec<u8> {
    let mut hasher = Blake2b::<U32>::new();
    hasher.update(seed.as_bytes());
    hasher.update([0]);
    hasher.update(id.as_bytes());
    hasher.finalize().to_vec()
}

/// The workers, in the order in which a cluster considers them: those it has named (the number says
/// how many), then around the ring from its own point on.
pub(crate) fn list(cluster: &Cluster, active: &[Worker]) -> (Vec<String>, usize) {
    let mut list: Vec<String> = Vec::new();
    for id in &cluster.preferences {
        if active.iter().any(|worker| worker.id == *id) && !list.contains(id) {
            list.push(id.clone());
        }
    }
    let named = list.len();
    let own = point(&cluster.seed, &cluster.id);
    let mut tail: Vec<(bool, Vec<u8>, String)> = active
        .iter()
        .filter(|worker| !list.contains(&worker.id))
        .map(|worker| {
            let point = point(&worker.seed, &worker.id);
            (point < own, point, worker.id.clone())
        })
        .collect();
    tail.sort();
    list.extend(tail.into_iter().map(|(_, _, id)| id));
    (list, named)
}

/// What an era gives to whom.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Allocation {
    pub(crate) power: u128,
    pub(crate) reserved: u128,
    pub(crate) budgets: BTreeMap<String, u128>,
    /// The cluster of each worker that has one besides the general cluster.
    pub(crate) taken: BTreeMap<String, String>,
    pub(crate) popularity: BTreeMap<String, u128>,
}

/// Budgets, matching and popularity; `None` if the stakes are more than any sum can be.
pub(crate) fn allocate(
    reserved: u64,
    active: &[Worker],
    clusters: &[Cluster],
    stakes: &BTreeMap<String, u128>,
) -> Option<Allocation> {
    let mut result = Allocation::default();
    result.power = active.iter().map(|w| u128::from(w.performance)).sum();
    result.reserved = result.power * u128::from(reserved) / 1_000_000_000;
    let available = result.power - result.reserved;
    let stake = |cluster: &Cluster| stakes.get(&cluster.id).copied().unwrap_or(0);
    let mut order: Vec<&Cluster> = clusters.iter().filter(|c| stake(c) > 0).collect();
    order.sort_by_key(|c| (u128::MAX - stake(c), point(&c.seed, &c.id), c.id.clone()));
    let mut sum = 0u128;
    for cluster in &order {
        sum = sum.checked_add(stake(cluster))?;
    }
    for worker in active {
        result.popularity.insert(worker.id.clone(), 0);
    }
    let m = active.len() as u128;
    for cluster in order {
        let budget = U512::from(available) * U512::from(stake(cluster)) / U512::from(sum);
        let budget = budget.as_u128();
        result.budgets.insert(cluster.id.clone(), budget);
        let mut left = budget;
        let (list, named) = list(cluster, active);
        // The points of the ranks behind the named ones, shared equally and doubled.
        let behind: u128 = (named as u128 + 1..=m).map(|k| 2 * (m - k + 1)).sum();
        for (k, id) in (1u128..).zip(&list) {
            let worker = active.iter().find(|worker| worker.id == *id).unwrap();
            let power = u128::from(worker.performance);
            if !result.taken.contains_key(id) && power <= left {
                left -= power;
                result.taken.insert(id.clone(), cluster.id.clone());
            }
            *result.popularity.get_mut(id).unwrap() += match k <= named as u128 {
                true => 2 * (m - k + 1),
                false => {
                    let unnamed = m - named as u128;
                    assert_eq!(behind % unnamed, 0, "half points are all there is");
                    behind / unnamed
                }
            };
        }
    }
    Some(result)
}

/// What a worker earns in an era, exactly.
pub(crate) fn earned(f: F, g: G, worker: &Worker, doubled: u128) -> U512 {
    let (c, p) = (
        U512::from(worker.confidence),
        U512::from(worker.performance),
    );
    let b2 = U512::from(doubled);
    let f = match f {
        F::Linear(base, per_c, per_p) => {
            U512::from(base) + U512::from(per_c) * c + U512::from(per_p) * p
        }
        F::Product(rate, unit) => U512::from(rate) * c * p / U512::from(unit),
    };
    let g = match g {
        G::Linear(point) => U512::from(point) * b2 / 2,
        G::Saturating(max, half) => (U512::from(max) * b2)
            .checked_div(b2 + U512::from(half))
            .unwrap_or_default(),
    };
    f + g
}

/// A value in the answer.
enum Tree {
    Number(String),
    Text(String),
    List(Vec<Tree>),
    Map(BTreeMap<String, Tree>),
}

impl Tree {
    fn map<T>(map: &BTreeMap<String, T>, value: impl Fn(&T) -> Tree) -> Tree {
        Tree::Map(map.iter().map(|(id, v)| (id.clone(), value(v))).collect())
    }

    fn print(&self, indent: &str, out: &mut String) {
        let deeper = format!("{indent}  ");
        let list = |parts: Vec<(String, &Tree)>, open: char, close: char, out: &mut String| {
            out.push(open);
            let last = parts.len();
            for (number, (key, value)) in parts.iter().enumerate() {
                *out += &format!("\n{deeper}{key}");
                value.print(&deeper, out);
                out.push_str(if number + 1 == last { "\n" } else { "," });
            }
            if last > 0 {
                out.push_str(indent);
            }
            out.push(close);
        };
        match self {
            Tree::Number(digits) => *out += digits,
            Tree::Text(text) => *out += &json!(text).to_string(),
            Tree::List(items) => {
                let parts = items.iter().map(|item| (String::new(), item)).collect();
                list(parts, '[', ']', out)
            }
            Tree::Map(map) => {
                let part = |(key, value)| (format!("{}: ", json!(key)), value);
                list(map.iter().map(part).collect(), '{', '}', out)
            }
        }
    }
}

/// The answer to a scenario; `None` if it is refused.
pub(crate) fn simulate(case: &Case) -> Option<String> {
    let mut active = case.workers.clone();
    let mut clusters = case.clusters.clone();
    let mut stakes = BTreeMap::new();
    // Σ(f + g), Σs, Σw of each worker.
    let mut value: BTreeMap<String, U512> = BTreeMap::new();
    let mut slashed: BTreeMap<String, U512> = BTreeMap::new();
    let mut paid: BTreeMap<String, U512> = BTreeMap::new();
    let mut eras = Vec::new();
    let most = U512::from(u128::MAX);
    let number = |n: &u128| Tree::Number(n.to_string());
    let amount = |n: &U512| Tree::Text(n.to_string());
    for (index, events) in case.eras.iter().enumerate() {
        active.extend(events.joins.iter().cloned());
        stakes.extend(events.stakes.clone());
        for cluster in &mut clusters {
            if let Some(list) = events.preferences.get(&cluster.id) {
                cluster.preferences = list.clone();
            }
        }
        let allocation = allocate(case.reserved, &active, &clusters, &stakes)?;
        let mut accrued = BTreeMap::new();
        let mut assignment = BTreeMap::new();
        for worker in &active {
            let id = &worker.id;
            let earned = earned(case.f, case.g, worker, allocation.popularity[id]);
            accrued.insert(id.clone(), earned);
            let value = value.entry(id.clone()).or_default();
            *value += earned;
            if *value > most {
                return None;
            }
            let cluster = allocation.taken.get(id).cloned();
            assignment.insert(id.clone(), cluster.unwrap_or("general".into()));
        }
        let here = |id: &String| active.iter().any(|worker| worker.id == *id);
        let mut slashed_now = BTreeMap::new();
        for (id, amount) in &events.slashes {
            if here(id) {
                *slashed.entry(id.clone()).or_default() += U512::from(*amount);
                slashed_now.insert(id.clone(), U512::from(*amount));
            }
        }
        let mut paid_now = BTreeMap::new();
        let mut refused = BTreeMap::new();
        for (id, request) in &events.payouts {
            if here(id) {
                let gone =
                    *slashed.entry(id.clone()).or_default() + *paid.entry(id.clone()).or_default();
                let limit = value[id].saturating_sub(gone);
                let wanted = request.map_or(limit, U512::from);
                if wanted > limit {
                    refused.insert(id.clone(), limit);
                } else {
                    *paid.get_mut(id).unwrap() += wanted;
                    paid_now.insert(id.clone(), wanted);
                }
            }
        }
        let sums = |worker: &Worker| {
            let zero = U512::zero();
            let gone =
                slashed.get(&worker.id).unwrap_or(&zero) + paid.get(&worker.id).unwrap_or(&zero);
            (U512::from(worker.deposit) + value[&worker.id], gone)
        };
        let mut removed = BTreeSet::new();
        for worker in &active {
            let (had, gone) = sums(worker);
            if had <= gone {
                removed.insert(worker.id.clone());
            }
        }
        let mut last = BTreeMap::new();
        for id in &events.leaves {
            if let Some(worker) = active.iter().find(|worker| worker.id == *id)
                && !removed.contains(id)
            {
                let (had, gone) = sums(worker);
                last.insert(id.clone(), had - gone);
                if had - gone > most {
                    return None;
                }
            }
        }
        active.retain(|worker| !removed.contains(&worker.id) && !last.contains_key(&worker.id));
        let text = |id: &String| Tree::Text(id.clone());
        let report = [
            ("era", Tree::Number(index.to_string())),
            ("total_power", number(&allocation.power)),
            ("reserved", number(&allocation.reserved)),
            ("budgets", Tree::map(&allocation.budgets, number)),
            ("assignment", Tree::map(&assignment, text)),
            (
                "popularity_doubled",
                Tree::map(&allocation.popularity, number),
            ),
            ("accrued", Tree::map(&accrued, amount)),
            ("slashed", Tree::map(&slashed_now, amount)),
            ("paid", Tree::map(&paid_now, amount)),
            ("refused", Tree::map(&refused, amount)),
            ("removed", Tree::List(removed.iter().map(text).collect())),
            ("final", Tree::map(&last, amount)),
        ];
        let report = report.map(|(key, value)| (key.to_string(), value));
        eras.push(Tree::Map(report.into()));
    }
    let mut out = String::new();
    Tree::Map([("eras".to_string(), Tree::List(eras))].into()).print("", &mut out);
    Some(out)
}
