//! The scenario file: its format, and what in it is refused.

use super::{
    GENERAL,
    json::{Document, Node, Refusal},
};
use crate::{
    BILLION, Capacity, CapacityReward, Parameters, Point, PopularityReward, Request, Spot, point,
};
use phat_primitives::Balance;
use std::collections::{BTreeMap, BTreeSet, HashMap, btree_map::Entry};

/// A scenario. Workers and clusters go by numbers, which are in the order of their ids' bytes.
pub(super) struct Scenario {
    pub(super) parameters: Parameters,
    names: Names,
    /// The workers listed at the top, and the preferences clusters have there.
    pub(super) start: Events,
    pub(super) eras: Vec<Events>,
}

/// A worker that becomes active at some time.
pub(super) struct Worker {
    pub(super) id: String,
    point: Point,
    pub(super) capacity: Capacity,
    pub(super) deposit: Balance,
}

/// A cluster.
pub(super) struct Cluster {
    pub(super) id: String,
    pub(super) point: Point,
}

/// What happens in an era.
#[derive(Default)]
pub(super) struct Events {
    /// The byte of the file where it stands.
    pub(super) offset: usize,
    pub(super) joins: Vec<u32>,
    pub(super) stakes: Vec<(u32, Balance)>,
    pub(super) preferences: Vec<(u32, Vec<u32>)>,
    pub(super) slashes: Vec<(u32, Balance)>,
    pub(super) payouts: Vec<(u32, Request)>,
    pub(super) leaves: Vec<u32>,
}

const SCENARIO: [&str; 4] = ["parameters", "workers", "clusters", "eras"];
const PARAMETERS: [&str; 3] = ["reserved_parts_per_billion", "f", "g"];
const WORKER: [&str; 5] = ["id", "seed", "confidence", "performance", "deposit"];
const CLUSTER: [&str; 3] = ["id", "seed", "preferences"];
const ERA: [&str; 6] = [
    "stakes",
    "preferences",
    "joins",
    "slashes",
    "payouts",
    "leaves",
];

impl Worker {
    /// Where the worker with this number stands.
    pub(super) fn spot(&self, worker: u32) -> Spot<u32> {
        Spot {
            point: self.point,
            worker,
        }
    }
}

impl Scenario {
    /// Reads a scenario and checks all of it.
    pub(super) fn read(document: &Document<'_>) -> Result<Self, Refusal> {
        let root = document.root();
        let scenario = root.fields(&SCENARIO)?;
        let parameters = parameters(&scenario.need("parameters")?)?;
        let workers = scenario.need("workers")?;
        let clusters = scenario.need("clusters")?;
        let eras = scenario.need("eras")?;
        // Who there is comes first: the file may name a worker before it joins.
        let names = Names::declared(&workers, &clusters, &eras)?;
        let start = Events {
            joins: workers.items(|worker| names.joining(&worker))?,
            preferences: clusters.items(|cluster| {
                let fields = cluster.fields(&CLUSTER)?;
                let id = names.cluster(&fields.need("id")?)?;
                Ok((id, names.workers(fields.get("preferences"))?))
            })?,
            ..Events::default()
        };
        let eras = eras.items(|era| names.events(&era))?;
        Ok(Self {
            parameters,
            names,
            start,
            eras,
        })
    }

    /// The worker with a number.
    pub(super) fn worker(&self, worker: u32) -> &Worker {
        &self.names.workers.list[worker as usize]
    }

    /// All clusters, by number.
    pub(super) fn clusters(&self) -> &[Cluster] {
        &self.names.clusters.list
    }
}

/// Everybody in the file.
struct Names {
    workers: Numbered<Worker>,
    clusters: Numbered<Cluster>,
}

/// Those that are declared, numbered in the order of their ids' bytes.
struct Numbered<T> {
    list: Vec<T>,
    numbers: HashMap<String, u32>,
}

impl<T> From<BTreeMap<String, T>> for Numbered<T> {
    fn from(declared: BTreeMap<String, T>) -> Self {
        let numbers = declared.keys().cloned().zip(0..).collect();
        let list = declared.into_values().collect();
        Self { list, numbers }
    }
}

impl<T> Numbered<T> {
    fn find(&self, id: &str) -> Option<u32> {
        self.numbers.get(id).copied()
    }
}

impl Names {
    fn declared(
        workers: &Node<'_, '_>,
        clusters: &Node<'_, '_>,
        eras: &Node<'_, '_>,
    ) -> Result<Self, Refusal> {
        let mut known = BTreeMap::new();
        workers.items(|worker| declare_worker(&mut known, &worker))?;
        eras.items(|era| match era.fields(&ERA)?.get("joins") {
            Some(joins) => joins
                .items(|worker| declare_worker(&mut known, &worker))
                .map(drop),
            None => Ok(()),
        })?;
        let workers = known.into();
        let mut known = BTreeMap::new();
        clusters.items(|cluster| declare_cluster(&mut known, &cluster))?;
        let clusters = known.into();
        Ok(Self { workers, clusters })
    }

    /// The worker with this id.
    fn find_worker(&self, id: &str, node: &Node<'_, '_>) -> Result<u32, Refusal> {
        self.workers.find(id).ok_or_else(|| {
            node.refuse(format_args!(
                "nothing declares a worker {id:?}: list it under `workers`, or in `joins` of an era"
            ))
        })
    }

    /// The cluster with this id.
    fn find_cluster(&self, id: &str, node: &Node<'_, '_>) -> Result<u32, Refusal> {
        self.clusters.find(id).ok_or_else(|| {
            node.refuse(format_args!(
                "nothing declares a cluster {id:?}: list it under `clusters`"
            ))
        })
    }

    /// A worker that is named.
    fn worker(&self, node: &Node<'_, '_>) -> Result<u32, Refusal> {
        self.find_worker(&node.string()?, node)
    }

    /// Workers that are named, if there is a list.
    fn workers(&self, node: Option<Node<'_, '_>>) -> Result<Vec<u32>, Refusal> {
        match node {
            Some(node) => node.items(|worker| self.worker(&worker)),
            None => Ok(Vec::new()),
        }
    }

    /// A cluster that is named.
    fn cluster(&self, node: &Node<'_, '_>) -> Result<u32, Refusal> {
        self.find_cluster(&node.string()?, node)
    }

    /// The worker that an object declares.
    fn joining(&self, node: &Node<'_, '_>) -> Result<u32, Refusal> {
        self.worker(&node.fields(&WORKER)?.need("id")?)
    }

    fn events(&self, era: &Node<'_, '_>) -> Result<Events, Refusal> {
        let fields = era.fields(&ERA)?;
        let find_worker = |id: &str, node: &Node<'_, '_>| self.find_worker(id, node);
        let find_cluster = |id: &str, node: &Node<'_, '_>| self.find_cluster(id, node);
        Ok(Events {
            offset: era.offset(),
            joins: match fields.get("joins") {
                Some(joins) => joins.items(|worker| self.joining(&worker))?,
                None => Vec::new(),
            },
            stakes: by_id(fields.get("stakes"), find_cluster, |stake| stake.amount())?,
            preferences: by_id(fields.get("preferences"), find_cluster, |list| {
                self.workers(Some(*list))
            })?,
            slashes: by_id(fields.get("slashes"), find_worker, |amount| amount.amount())?,
            payouts: by_id(fields.get("payouts"), find_worker, request)?,
            leaves: match fields.get("leaves") {
                Some(leaves) => {
                    let mut seen = BTreeSet::new();
                    leaves.items(|node| {
                        let worker = self.worker(&node)?;
                        match seen.insert(worker) {
                            true => Ok(worker),
                            false => Err(node.refuse("this worker leaves twice")),
                        }
                    })?
                }
                None => Vec::new(),
            },
        })
    }
}

/// The members of an object whose keys are ids, if it is there.
fn by_id<T>(
    node: Option<Node<'_, '_>>,
    find: impl Fn(&str, &Node<'_, '_>) -> Result<u32, Refusal>,
    read: impl Fn(&Node<'_, '_>) -> Result<T, Refusal>,
) -> Result<Vec<(u32, T)>, Refusal> {
    let Some(node) = node else {
        return Ok(Vec::new());
    };
    let members = node.members()?.into_iter();
    members
        .map(|(id, raw)| {
            let member = node.member(&id, raw);
            Ok((find(&id, &member)?, read(&member)?))
        })
        .collect()
}

fn request(node: &Node<'_, '_>) -> Result<Request, Refusal> {
    match node.string()?.as_str() {
        "max" => Ok(Request::Max),
        _ => node.amount().map(Request::Exactly),
    }
}

fn declare_worker(
    known: &mut BTreeMap<String, Worker>,
    node: &Node<'_, '_>,
) -> Result<(), Refusal> {
    let fields = node.fields(&WORKER)?;
    let id_node = fields.need("id")?;
    let id = id(&id_node)?;
    let worker = Worker {
        point: point(seed(fields.get("seed"))?.as_bytes(), id.as_bytes()),
        capacity: Capacity {
            power: fields.need("performance")?.integer(u64::MAX)?,
            confidence: fields.need("confidence")?.integer(u64::MAX)?,
        },
        deposit: fields.need("deposit")?.amount()?,
        id: id.clone(),
    };
    declare(known, id, worker, &id_node)
}

fn declare_cluster(
    known: &mut BTreeMap<String, Cluster>,
    node: &Node<'_, '_>,
) -> Result<(), Refusal> {
    let fields = node.fields(&CLUSTER)?;
    let id_node = fields.need("id")?;
    let id = id(&id_node)?;
    if id == GENERAL {
        let reason = "`general` is the network's own cluster: give this one another id";
        return Err(id_node.refuse(reason));
    }
    let seed = seed(Some(fields.need("seed")?))?;
    let cluster = Cluster {
        point: point(seed.as_bytes(), id.as_bytes()),
        id: id.clone(),
    };
    declare(known, id, cluster, &id_node)
}

fn declare<T>(
    known: &mut BTreeMap<String, T>,
    id: String,
    value: T,
    node: &Node<'_, '_>,
) -> Result<(), Refusal> {
    match known.entry(id) {
        Entry::Vacant(entry) => {
            entry.insert(value);
            Ok(())
        }
        Entry::Occupied(entry) => Err(node.refuse(format_args!(
            "the id {:?} is declared twice; who has gone cannot come back under the same",
            entry.key()
        ))),
    }
}

fn id(node: &Node<'_, '_>) -> Result<String, Refusal> {
    let id = node.string()?;
    match id.is_empty() || id.contains('\0') {
        true => Err(node.refuse("an id has at least one character, and none is U+0000")),
        false => Ok(id),
    }
}

fn seed(node: Option<Node<'_, '_>>) -> Result<String, Refusal> {
    let Some(node) = node else {
        return Ok(String::new());
    };
    let seed = node.string()?;
    match seed.contains('\0') {
        true => Err(node.refuse("a seed must not contain U+0000")),
        false => Ok(seed),
    }
}

fn parameters(node: &Node<'_, '_>) -> Result<Parameters, Refusal> {
    let fields = node.fields(&PARAMETERS)?;
    let reserved = fields.need("reserved_parts_per_billion")?;
    let reserved = reserved.integer(u64::from(BILLION))?;
    let parameters = Parameters {
        reserved: u32::try_from(reserved).unwrap_or(BILLION),
        f: family(&fields.need("f")?, &["linear", "product"], capacity_reward)?,
        g: family(
            &fields.need("g")?,
            &["linear", "saturating"],
            popularity_reward,
        )?,
    };
    match parameters.check() {
        Ok(()) => Ok(parameters),
        Err(error) => Err(node.refuse(error)),
    }
}

/// A function of the one family that the object names.
fn family<T>(
    node: &Node<'_, '_>,
    known: &[&str],
    read: impl Fn(&str, &Node<'_, '_>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let mut families = node.fields(known)?.into_members();
    match (families.next(), families.next()) {
        (Some((family, raw)), None) => read(&family, &node.member(&family, raw)),
        _ => Err(node.refuse(format_args!("must name one of {}", known.join(", ")))),
    }
}

fn capacity_reward(family: &str, node: &Node<'_, '_>) -> Result<CapacityReward, Refusal> {
    Ok(match family {
        "linear" => {
            let [base, per_confidence, per_power] =
                amounts(node, ["base", "per_confidence", "per_power"])?;
            CapacityReward::Linear {
                base,
                per_confidence,
                per_power,
            }
        }
        _ => {
            let [rate, unit] = amounts(node, ["rate", "unit"])?;
            CapacityReward::Product { rate, unit }
        }
    })
}

fn popularity_reward(family: &str, node: &Node<'_, '_>) -> Result<PopularityReward, Refusal> {
    Ok(match family {
        "linear" => {
            let [per_point] = amounts(node, ["per_point"])?;
            PopularityReward::Linear { per_point }
        }
        _ => {
            let [max, half2] = amounts(node, ["max", "half2"])?;
            PopularityReward::Saturating { max, half2 }
        }
    })
}

/// The amounts of a function; one that is not named is 0.
fn amounts<const N: usize>(node: &Node<'_, '_>, names: [&str; N]) -> Result<[Balance; N], Refusal> {
    let fields = node.fields(&names)?;
    let mut amounts = [0; N];
    for (amount, name) in amounts.iter_mut().zip(names) {
        if let Some(node) = fields.get(name) {
            *amount = node.amount()?;
        }
    }
    Ok(amounts)
}
