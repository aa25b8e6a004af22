//! Scenarios at random.

use super::{Case, Cluster, Events, F, G, Worker};
use proptest::{collection::vec, prelude::*};
use std::collections::{BTreeMap, BTreeSet};

/// Amounts that meet each other, and now and then one of any size.
fn amount() -> impl Strategy<Value = u128> {
    prop_oneof![
        20 => 0u128..300,
        20 => (0u128..6).prop_map(|n| n * 50),
        1 => (any::<u128>(), 0u32..128).prop_map(|(amount, shift)| amount >> shift),
    ]
}

fn small() -> impl Strategy<Value = u64> {
    prop_oneof![
        10 => 0u64..200,
        10 => (0u64..4).prop_map(|n| n * 50),
        1 => any::<u64>(),
    ]
}

fn f() -> impl Strategy<Value = F> {
    prop_oneof![
        (amount(), 0u128..20, 0u128..5).prop_map(|(base, c, p)| F::Linear(base, c, p)),
        (amount(), amount()).prop_map(|(rate, unit)| F::Product(rate, unit.max(1))),
    ]
}

fn g() -> impl Strategy<Value = G> {
    prop_oneof![
        (0u128..20).prop_map(G::Linear),
        (amount(), amount()).prop_map(|(max, half)| G::Saturating(max, half)),
    ]
}

fn reserved() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(100_000_000),
        Just(1_000_000_000),
        0..=1_000_000_000u64
    ]
}

/// An era, with numbers for names.
#[derive(Clone, Debug)]
struct Draft {
    joins: usize,
    stakes: Vec<(usize, u128)>,
    preferences: Vec<(usize, Vec<usize>)>,
    slashes: Vec<(usize, u128)>,
    payouts: Vec<(usize, Option<u128>)>,
    leaves: Vec<usize>,
}

fn draft(names: usize) -> impl Strategy<Value = Draft> {
    let any_one = 0..1_000usize;
    (
        0..3usize,
        vec((any_one.clone(), amount()), 0..4),
        vec((any_one.clone(), vec(any_one.clone(), 0..names)), 0..3),
        vec((any_one.clone(), amount()), 0..3),
        vec((any_one.clone(), prop::option::of(amount())), 0..3),
        vec(any_one, 0..2),
    )
        .prop_map(
            |(joins, stakes, preferences, slashes, payouts, leaves)| Draft {
                joins,
                stakes,
                preferences,
                slashes,
                payouts,
                leaves,
            },
        )
}

/// Scenarios with up to so many workers and clusters, and lists of up to so many names.
pub(crate) fn case(workers: usize, clusters: usize, names: usize) -> impl Strategy<Value = Case> {
    let worker = (small(), small(), amount(), 0..4usize);
    let cluster = (0..4usize, vec(0..1_000usize, 0..names), amount());
    (
        (reserved(), f(), g()),
        vec(worker, 1..=workers),
        vec(cluster, 1..=clusters),
        vec(draft(names), 1..6),
    )
        .prop_map(|((reserved, f, g), workers, clusters, drafts)| {
            // Ids whose order is not that of their numbers, and in which bytes count.
            let ids = ["w", "é", "W-", "\"\\"];
            let all: Vec<Worker> = (0..)
                .zip(workers)
                .map(|(n, (confidence, performance, deposit, kind))| Worker {
                    id: format!("{}{n}", ids[kind]),
                    seed: ["", "a", "ß", "\u{1}"][(n + kind) % 4].to_string(),
                    confidence,
                    performance,
                    deposit,
                })
                .collect();
            let worker = |n: usize| all[n % all.len()].id.clone();
            let list = |list: Vec<usize>| list.into_iter().map(worker).collect::<Vec<_>>();
            let stakes: Vec<u128> = clusters.iter().map(|cluster| cluster.2).collect();
            let clusters: Vec<Cluster> = (0..)
                .zip(clusters)
                .map(|(n, (kind, preferences, _))| Cluster {
                    id: format!("{}{n}", ids[kind]),
                    seed: ["", "x"][n % 2].to_string(),
                    preferences: list(preferences),
                })
                .collect();
            let cluster = |n: usize| clusters[n % clusters.len()].id.clone();
            let first = all.len().div_ceil(2);
            let mut later = all[first..].iter().cloned();
            let mut eras: Vec<Events> = drafts
                .into_iter()
                .map(|draft| Events {
                    joins: later.by_ref().take(draft.joins).collect(),
                    stakes: keyed(draft.stakes, cluster, |amount| amount),
                    preferences: keyed(draft.preferences, cluster, list),
                    slashes: keyed(draft.slashes, worker, |amount| amount),
                    payouts: keyed(draft.payouts, worker, |request| request),
                    leaves: BTreeSet::from_iter(draft.leaves.into_iter().map(worker))
                        .into_iter()
                        .collect(),
                })
                .collect();
            // Most clusters have stake from the beginning; whoever has not joined yet does at the end.
            for (cluster, stake) in clusters.iter().zip(stakes) {
                eras[0].stakes.entry(cluster.id.clone()).or_insert(stake);
            }
            eras.push(Events {
                joins: later.collect(),
                ..Events::default()
            });
            Case {
                reserved,
                f,
                g,
                workers: all[..first].to_vec(),
                clusters,
                eras,
            }
        })
}

fn keyed<A, B>(
    list: Vec<(usize, A)>,
    name: impl Fn(usize) -> String,
    value: impl Fn(A) -> B,
) -> BTreeMap<String, B> {
    let list = list.into_iter();
    list.map(|(n, a)| (name(n), value(a))).collect()
}
