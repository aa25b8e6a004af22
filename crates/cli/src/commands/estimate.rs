//! `phat economy estimate`: what a stake would buy, in a cluster as it is now.

use crate::{
    book::hex,
    context::Context,
    error::CliError,
    refusal::Refusal,
    report::{Report, lines, style, table, waiting},
};
use phat_client::{
    ChainClient, Roots, WorkerClient,
    amount::{parse_amount, show_amount},
    chain::{
        Cluster,
        economy::{Economy, Settings, WorkerStatus},
    },
    primitives::{Balance, ClusterId, ContractId, WorkerId},
};
use phat_economy::{
    Capacity, CapacityReward, EraError, Parameters, PopularityReward, Share, Spot, memory::Memory,
};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Part of all stake that a worker's own work weighs.
const WORKER_PART: Balance = 4;
/// Part of all stake that the system contract weighs at least.
const SYSTEM_PART: Balance = 8;

/// Arguments of `phat economy estimate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  phat economy estimate --stake 50PHA --cluster 2
  phat economy estimate --stake 50PHA --contract token")]
pub(crate) struct Args {
    /// How much would be staked: 50PHA, or smallest units
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    stake: Balance,
    /// Name or address of a contract that has stake already [default: one without]
    #[arg(long, value_name = "CONTRACT")]
    contract: Option<String>,
}

/// What a worker can do.
struct Machine {
    processors: u32,
    /// What calls cost, in nanoseconds, by what they do.
    calls: Vec<(String, u64)>,
}

/// Estimates.
pub(super) async fn run(context: &Context, args: Args) -> Result<Report, CliError> {
    let chain = context.chain().await?;
    let mut contract = None;
    let mut cluster = None;
    if let Some(name) = &args.contract {
        let id = context.book()?.find(chain.genesis(), name)?;
        let known = chain.contract(id).await?.ok_or(CliError::NoContract(id))?;
        if let Some(named) = context.global().cluster
            && named != known.cluster
        {
            let present = known.cluster;
            return Err(Refusal::OtherCluster { present, named }.into());
        }
        contract = Some(id);
        cluster = chain.cluster(known.cluster).await?;
    }
    let cluster = match cluster {
        Some(cluster) => cluster,
        None => context.cluster(&chain).await?,
    };
    let economy = waiting("asking the chain", chain.economy()).await?;
    let machines = machines(&chain, cluster.id, &context.roots()?).await?;
    let weights = Weights::of(&chain, &cluster, contract, args.stake).await?;
    let (mut text, mut json) = on_contract(&weights, &machines, args.stake, &cluster);
    let (shown, on_cluster) = match economy.general == Some(cluster.id) {
        true => (
            "Nobody can stake on the general cluster itself: it gets what is left.\n".into(),
            Json::Null,
        ),
        false => self::on_cluster(&economy, cluster.id, args.stake).await?,
    };
    text.push_str(&shown);
    json["on_the_cluster"] = on_cluster;
    text.push_str(&style::dim(
        "These figures assume that stakes, workers and their load stay as they are now, that all \
         contracts with stake have work all the time, and that calls cost what the workers measured \
         when they started. Wants of the workers themselves are key agreements and receipts. \
         Who has no competitors gets whole workers, whatever the stake.\n",
    ));
    json["cluster"] = cluster.id.to_low_u64_be().into();
    json["contract"] = contract.map(hex).into();
    json["stake"] = args.stake.to_string().into();
    Ok(Report::new(text, json))
}

/// What weighs how much in the queue of each of a cluster's workers, with a stake on top.
struct Weights {
    /// The contract's.
    own: Balance,
    /// All contracts'.
    contracts: Balance,
    /// Everything's: contracts, the system contract's least, and the worker's own work.
    all: Balance,
}

impl Weights {
    async fn of(
        chain: &ChainClient,
        cluster: &Cluster,
        contract: Option<ContractId>,
        stake: Balance,
    ) -> Result<Self, CliError> {
        let everywhere = chain.contract_stakes().await?;
        let members = chain.cluster_contracts(cluster.id).await?;
        let stakes: BTreeMap<_, _> = members
            .iter()
            .filter_map(|id| Some((*id, *everywhere.get(id)?)))
            .collect();
        let sum = Self::add(&stakes, &cluster.system_contract, contract, stake);
        Ok(sum.ok_or(Refusal::Overflow)?)
    }

    /// `None` if the sum is beyond all numbers.
    fn add(
        stakes: &BTreeMap<ContractId, Balance>,
        system: &ContractId,
        contract: Option<ContractId>,
        stake: Balance,
    ) -> Option<Self> {
        let present = |id: &ContractId| stakes.get(id).copied().unwrap_or_default();
        let own = contract.map_or(0, |id| present(&id)).checked_add(stake)?;
        let mut contracts = stake;
        for stake in stakes.values() {
            contracts = contracts.checked_add(*stake)?;
        }
        let least = contracts / SYSTEM_PART;
        let system = match contract {
            Some(id) if id == *system => own,
            _ => present(system),
        };
        let all = contracts
            .checked_add(least.saturating_sub(system))?
            .checked_add(contracts / WORKER_PART)?;
        Some(Self {
            own,
            contracts,
            all,
        })
    }

    /// Share of each worker while all contracts with stake have work to do.
    fn share(&self) -> f64 {
        part(self.own, self.contracts)
    }

    /// Share of each worker while everything else wants its own, too.
    fn least(&self) -> f64 {
        part(self.own, self.all)
    }
}

fn part(some: Balance, all: Balance) -> f64 {
    match all {
        0 => 0.0,
        all => some as f64 / all as f64,
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn on_contract(
    weights: &Weights,
    machines: &[Machine],
    stake: Balance,
    cluster: &Cluster,
) -> (String, Json) {
    let processors: u32 = machines.iter().map(|machine| machine.processors).sum();
    let number = cluster.id.to_low_u64_be();
    let title = format!("{} on a contract of cluster {number}", show_amount(stake));
    let mut text = format!("{}\n", style::strong(&title));
    text.push_str(&lines(&[
        (
            "share",
            format!(
                "{} of each worker; {} while system contract and workers want theirs, too",
                percent(weights.share()),
                percent(weights.least())
            ),
        ),
        (
            "workers",
            format!(
                "{} answer, with {processors} processors for queries",
                machines.len()
            ),
        ),
    ]));
    let mut rows = Vec::new();
    let mut calls = Vec::new();
    for (name, (cheapest, whole)) in rates(machines) {
        let (usual, least) = (whole * weights.share(), whole * weights.least());
        rows.push(vec![
            name.clone(),
            format!("{:.0} µs", cheapest as f64 / 1000.0),
            format!("{usual:.0}"),
            format!("{least:.0}"),
        ]);
        calls.push(json!({
            "name": name,
            "nanoseconds": cheapest,
            "per_second": usual,
            "per_second_at_least": least,
        }));
    }
    match rows.is_empty() {
        true => text.push_str("  No worker tells yet what calls cost.\n\n"),
        false => {
            let head = ["a call that would", "costs", "calls/s", "at least"];
            text.push_str(&format!("{}\n\n", table(&head, rows)));
        }
    }
    let json = json!({
        "on_a_contract": {
            "weight": weights.own.to_string(),
            "share": weights.share(),
            "share_at_least": weights.least(),
            "workers": machines.len(),
            "processors": processors,
            "calls": calls,
        },
    });
    (text, json)
}

/// For each kind of call: what it costs where it is cheapest, and how many there would be each second
/// if all workers did nothing else.
fn rates(machines: &[Machine]) -> BTreeMap<String, (u64, f64)> {
    let mut rates = BTreeMap::new();
    for machine in machines {
        for (name, nanoseconds) in &machine.calls {
            let (cheapest, whole) = rates.entry(name.clone()).or_insert((u64::MAX, 0.0));
            *cheapest = (*nanoseconds).min(*cheapest);
            *whole += f64::from(machine.processors) * 1e9 / (*nanoseconds).max(1) as f64;
        }
    }
    rates
}

/// Asks the workers of a cluster what they can do. Those that do not answer do nothing.
async fn machines(
    chain: &ChainClient,
    cluster: ClusterId,
    roots: &Roots,
) -> Result<Vec<Machine>, CliError> {
    let mut machines = Vec::new();
    for id in chain.cluster_workers(cluster).await? {
        for url in chain.endpoints(id).await? {
            if let Some(machine) = waiting("asking the workers", ask(id, &url, roots)).await {
                machines.push(machine);
                break;
            }
        }
    }
    Ok(machines)
}

async fn ask(id: WorkerId, url: &str, roots: &Roots) -> Option<Machine> {
    let worker = WorkerClient::connect_trusting(url, roots).await.ok()?;
    let info = worker.info().await.ok().filter(|_| worker.id() == id)?;
    let calls = info.typical_calls.into_iter();
    Some(Machine {
        processors: info.query_processors,
        calls: calls.map(|call| (call.name, call.nanoseconds)).collect(),
    })
}

/// The next era, if it began now and had this stake in addition.
async fn on_cluster(
    economy: &Economy<'_>,
    cluster: ClusterId,
    stake: Balance,
) -> Result<(String, Json), CliError> {
    let now = next_era(economy, cluster, 0).await?;
    let then = next_era(economy, cluster, stake).await?;
    let number = cluster.to_low_u64_be();
    let title = format!("{} on cluster {number} itself", show_amount(stake));
    let seen = |share: &Option<Share>| match share {
        Some(share) => format!(
            "{} workers with {} of power, out of a budget of {}",
            share.workers, share.power, share.budget
        ),
        None => "no workers".into(),
    };
    let text = format!(
        "{}\n{}\n",
        style::strong(&title),
        lines(&[
            ("next era", seen(&then)),
            ("without it", seen(&now)),
            (
                "chooses",
                then.map_or("not".into(), |share| format!("at place {}", share.rank))
            ),
        ])
    );
    let json = |share: Option<Share>| {
        share.map(|share| {
            json!({
                "rank": share.rank,
                "stake": share.stake.to_string(),
                "budget": share.budget.to_string(),
                "power": share.power.to_string(),
                "workers": share.workers,
            })
        })
    };
    Ok((
        text,
        json!({ "next_era": json(then), "without": json(now) }),
    ))
}

/// What the next era would mean for a cluster, if it began now: the chain's own rules, run here.
async fn next_era(
    economy: &Economy<'_>,
    cluster: ClusterId,
    stake: Balance,
) -> Result<Option<Share>, CliError> {
    let scores = economy.scores().await?;
    let mut store = Memory::default();
    let mut numbers = BTreeMap::new();
    let active = economy.workers().await?.into_iter();
    for (number, worker) in (0..).zip(active.filter(|w| w.status == WorkerStatus::Active)) {
        let power = scores.get(&worker.id).map_or(0, |score| score.performance);
        // What workers earn is not asked for here.
        let capacity = Capacity {
            power,
            confidence: 1,
        };
        let spot = Spot {
            point: worker.point,
            worker: number,
        };
        store.add_worker(spot, capacity);
        numbers.insert(worker.id, number);
    }
    let mut asked = None;
    for (number, (id, pool)) in (0..).zip(economy.pools().await?) {
        let mut staked = pool.stake;
        if id == cluster {
            asked = Some(number);
            staked = staked.checked_add(stake).ok_or(Refusal::Overflow)?;
        }
        store.add_cluster(number, pool.point);
        store.set_stake(number, staked);
        let named = economy.preferences(id).await?;
        let named = named.iter().filter_map(|id| numbers.get(id).copied());
        store.set_preferences(number, named.collect());
    }
    let mut era = store
        .begin(parameters(&economy.settings))
        .map_err(|error| Refusal::Settings(error.to_string()))?;
    era.finish(&mut store).map_err(|error| match error {
        EraError::Stake => Refusal::Overflow,
        other => Refusal::Settings(other.to_string()),
    })?;
    store.switch();
    Ok(asked.and_then(|number| store.shares().get(&number).copied()))
}

/// α as it is; without rewards, which are not asked for here.
fn parameters(settings: &Settings) -> Parameters {
    Parameters {
        reserved: settings.parameters.reserved,
        f: CapacityReward::Linear {
            base: 0,
            per_confidence: 0,
            per_power: 0,
        },
        g: PopularityReward::Linear { per_point: 0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSTEM: ContractId = ContractId::repeat_byte(1);
    const OTHER: ContractId = ContractId::repeat_byte(2);

    fn weights(
        stakes: &[(ContractId, Balance)],
        of: Option<ContractId>,
        stake: Balance,
    ) -> Weights {
        Weights::add(&stakes.iter().copied().collect(), &SYSTEM, of, stake).unwrap()
    }

    #[test]
    fn a_share_is_of_all_stake_and_leaves_the_worker_and_the_system_contract_theirs() {
        let new = weights(&[(OTHER, 6_000)], None, 2_000);
        assert_eq!(new.share(), 0.25);
        // 8 000, an eighth and a quarter of it.
        assert_eq!(new.least(), 2_000.0 / 11_000.0);
        let more = weights(&[(OTHER, 6_000)], Some(OTHER), 2_000);
        assert_eq!(more.share(), 1.0);
        let system = weights(&[(SYSTEM, 4_000)], None, 4_000);
        assert_eq!(system.all, 10_000, "it has more than an eighth");
        assert_eq!(weights(&[], None, 0).share(), 0.0);
        let stakes = BTreeMap::from([(OTHER, Balance::MAX)]);
        assert!(Weights::add(&stakes, &SYSTEM, None, 1).is_none());
    }

    #[test]
    fn calls_each_second_add_up_over_the_workers() {
        let machine = |processors, nanoseconds| Machine {
            processors,
            calls: vec![("read".into(), nanoseconds)],
        };
        let rates = rates(&[machine(2, 100_000), machine(1, 50_000)]);
        assert_eq!(rates["read"], (50_000, 40_000.0));
    }
}
