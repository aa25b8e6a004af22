//! `phat economy estimate`: what a stake would buy, in a cluster as it is now.

mod machines;

use crate::{
    book::hex,
    context::Context,
    error::CliError,
    refusal::Refusal,
    report::{Report, lines, style, table, waiting},
};
use machines::{Machines, Place};
use phat_client::{
    ChainClient,
    amount::{parse_amount, show_amount},
    chain::{
        Cluster,
        economy::{Economy, Settings, WorkerStatus},
    },
    primitives::{Balance, ClusterId, ContractId},
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
    let roots = context.roots()?;
    let machines = Machines::find(&chain, cluster.id, economy.general, &roots).await?;
    let weights = Weights::of(&chain, &cluster, contract, args.stake).await?;
    let (mut text, mut json) = on_contract(&weights, &machines, args.stake, cluster.id);
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

/// What a stake on a contract buys. If no worker of the cluster tells what calls cost, because it has
/// none yet, say, what others tell is shown, for one worker.
fn on_contract(
    weights: &Weights,
    machines: &Machines,
    stake: Balance,
    cluster: ClusterId,
) -> (String, Json) {
    let own = &machines.own;
    let processors: u32 = own.iter().map(|machine| machine.processors).sum();
    let number = cluster.to_low_u64_be();
    let title = format!("{} on a contract of cluster {number}", show_amount(stake));
    let each = match own.is_empty() {
        true => "each worker that comes",
        false => "each worker",
    };
    let mut facts = vec![
        (
            "share",
            format!(
                "{} of {each}; {} while system contract and workers want theirs, too",
                percent(weights.share()),
                percent(weights.least())
            ),
        ),
        (
            "workers",
            format!(
                "{} answer, with {processors} processors for queries",
                own.len()
            ),
        ),
    ];
    if let Some((place, others)) = &machines.others {
        let whose = match place {
            Place::General => "of the general cluster",
            Place::Elsewhere => "elsewhere",
        };
        let count = match others.len() {
            1 => "1 worker".into(),
            more => format!("{more} workers"),
        };
        facts.push((
            "measured",
            format!("by {count} {whose}: calls are those of one such worker"),
        ));
    }
    let mut text = format!("{}\n{}", style::strong(&title), lines(&facts));
    let [usual_key, least_key] = match &machines.others {
        None => ["per_second", "per_second_at_least"],
        Some(_) => [
            "per_second_on_one_worker",
            "per_second_on_one_worker_at_least",
        ],
    };
    let mut rows = Vec::new();
    let mut calls = Vec::new();
    for (name, rate) in machines.rates() {
        let (usual, least) = (rate.whole * weights.share(), rate.whole * weights.least());
        rows.push(vec![
            name.clone(),
            format!("{:.0} µs", rate.nanoseconds as f64 / 1000.0),
            format!("{usual:.0}"),
            format!("{least:.0}"),
        ]);
        calls.push(json!({
            "name": name,
            "nanoseconds": rate.nanoseconds,
            usual_key: usual,
            least_key: least,
        }));
    }
    let measured_by = match &machines.others {
        Some((Place::General, _)) => Some("general_cluster"),
        Some((Place::Elsewhere, _)) => Some("other_workers"),
        None if rows.is_empty() => None,
        None => Some("cluster"),
    };
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
            "workers": own.len(),
            "processors": processors,
            "measured_by": measured_by,
            "calls": calls,
        },
    });
    (text, json)
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
    use super::{machines::Machine, *};

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

    fn machine() -> Machine {
        Machine {
            processors: 2,
            calls: vec![("read".into(), 100_000)],
        }
    }

    fn shown(machines: &Machines) -> (String, Json) {
        let weights = weights(&[(OTHER, 6_000)], None, 2_000);
        let (text, json) = on_contract(&weights, machines, 2_000, ClusterId::repeat_byte(3));
        (text, json["on_a_contract"].clone())
    }

    #[test]
    fn calls_are_those_of_the_clusters_workers_if_these_tell_what_they_cost() {
        let (text, json) = shown(&Machines {
            own: vec![machine(), machine()],
            others: None,
        });
        assert!(text.contains("25.00 % of each worker;"), "{text}");
        assert_eq!(
            (&json["workers"], &json["measured_by"]),
            (&json!(2), &json!("cluster"))
        );
        assert_eq!(json["calls"][0]["per_second"], 10_000.0);
    }

    #[test]
    fn a_cluster_without_workers_has_figures_of_others_that_say_whose_they_are() {
        for (place, whose, key) in [
            (
                Place::General,
                "by 1 worker of the general cluster",
                "general_cluster",
            ),
            (Place::Elsewhere, "by 1 worker elsewhere", "other_workers"),
        ] {
            let (text, json) = shown(&Machines {
                own: Vec::new(),
                others: Some((place, vec![machine()])),
            });
            assert!(text.contains("25.00 % of each worker that comes"), "{text}");
            assert!(text.contains(whose), "{text}");
            assert_eq!(
                (&json["workers"], &json["measured_by"]),
                (&json!(0), &json!(key))
            );
            let call = &json["calls"][0];
            assert_eq!(call["per_second_on_one_worker"], 5_000.0);
            assert_eq!(call["per_second"], Json::Null, "it is not the cluster's");
        }
    }

    #[test]
    fn if_nobody_tells_the_share_is_all_there_is_to_say() {
        let (text, json) = shown(&Machines {
            own: Vec::new(),
            others: None,
        });
        assert!(text.contains("No worker tells yet"), "{text}");
        assert_eq!(
            (&json["share"], &json["measured_by"]),
            (&json!(0.25), &Json::Null)
        );
    }
}
