//! `phat era`: the era in force, cluster by cluster and worker by worker, as of one block.

use crate::{
    commands::{
        operate::{short, status, status_json},
        stake::{soon, span},
    },
    context::Context,
    error::CliError,
    report::{Report, lines, style, table, waiting},
};
use phat_client::{
    amount::show_amount,
    chain::economy::{Economy, EconomyWorker, InForce, Phase, Score, Share, Stage},
    primitives::{ClusterId, WorkerId},
};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Shows the era in force.
pub(super) async fn run(context: &Context) -> Result<Report, CliError> {
    let chain = context.chain().await?;
    let economy = waiting("asking the chain", chain.economy()).await?;
    let known = Known {
        shares: economy.shares().await?,
        workers: economy.workers().await?,
        scores: economy.scores().await?,
        places: economy.places().await?,
    };
    let mut text = head(&economy);
    text.push_str(&known.clusters(&economy));
    text.push_str(&known.each(&economy));
    let json = json!({
        "block": economy.block(),
        "run": economy.run,
        "last_era": economy.last_era,
        "next_in_ms": economy.run.then(|| economy.next_in_ms()),
        "stage": stage_json(&economy.stage),
        "general": economy.general.map(number),
        "in_force": economy.in_force.map(in_force_json),
        "clusters": known.clusters_json(),
        "workers": known.workers_json(&economy),
    });
    Ok(Report::new(text, json))
}

/// What there is beside the economy's few single values.
struct Known {
    shares: BTreeMap<ClusterId, Share>,
    workers: Vec<EconomyWorker>,
    scores: BTreeMap<WorkerId, Score>,
    places: BTreeMap<WorkerId, ClusterId>,
}

fn number(cluster: ClusterId) -> u64 {
    cluster.to_low_u64_be()
}

fn head(economy: &Economy<'_>) -> String {
    let title = match (&economy.in_force, economy.run) {
        (None, false) => return "Eras do not run: see `phat era start`.\n".into(),
        (None, true) => "No era is in force yet".into(),
        (Some(in_force), run) => {
            let since = economy.now_ms.saturating_sub(in_force.since_ms) / 1000;
            let stopped = if run { "" } else { "; eras are stopped" };
            format!(
                "era {}, in force for {}{stopped}",
                in_force.era,
                span(since)
            )
        }
    };
    let mut rows = Vec::new();
    if economy.run {
        let next = economy.last_era.saturating_add(1);
        rows.push((
            "next",
            format!("era {next}, {}", soon(economy.next_in_ms())),
        ));
        rows.push(("under way", stage(economy)));
    }
    if let Some(InForce { totals, .. }) = &economy.in_force {
        let power = format!(
            "{} of {} workers, {} of it reserved",
            totals.power, totals.workers, totals.reserved
        );
        rows.push(("power", power));
        let stake = format!(
            "{} on {} clusters",
            show_amount(totals.stake),
            totals.clusters
        );
        rows.push(("stake", stake));
    }
    format!("{}\n{}", style::strong(&title), lines(&rows))
}

fn stage(economy: &Economy<'_>) -> String {
    match economy.stage {
        Stage::Waiting => "nothing".into(),
        Stage::Computing { phase, chosen } => {
            let what = match phase {
                Phase::Clear => "what the one before has left is cleared away".into(),
                Phase::Workers => "workers enter".into(),
                Phase::Clusters => "clusters enter".into(),
                Phase::Names | Phase::Tail => {
                    format!("clusters choose, {chosen} have had their turn")
                }
                Phase::Values => "what workers have earned is computed".into(),
                Phase::Complete => "it can be switched on".into(),
            };
            format!("era {} is computed: {what}", economy.last_era)
        }
        Stage::Moving { waiting: 0 } => "workers move".into(),
        Stage::Moving { waiting } => {
            format!(
                "workers move, and {waiting} wait until somebody else has their cluster's state"
            )
        }
    }
}

fn stage_json(stage: &Stage) -> Json {
    match stage {
        Stage::Waiting => json!({ "name": "waiting" }),
        Stage::Computing { phase, chosen } => {
            let phase = format!("{phase:?}").to_lowercase();
            json!({ "name": "computing", "phase": phase, "chosen": chosen })
        }
        Stage::Moving { waiting } => json!({ "name": "moving", "waiting": waiting }),
    }
}

fn in_force_json(in_force: InForce) -> Json {
    let totals = in_force.totals;
    json!({
        "era": in_force.era,
        "since_ms": in_force.since_ms,
        "workers": totals.workers,
        "clusters": totals.clusters,
        "power": totals.power.to_string(),
        "reserved": totals.reserved.to_string(),
        "stake": totals.stake.to_string(),
    })
}

impl Known {
    fn by_rank(&self) -> Vec<(&ClusterId, &Share)> {
        let mut shares: Vec<_> = self.shares.iter().collect();
        shares.sort_by_key(|(_, share)| share.rank);
        shares
    }

    /// Workers of the general cluster, and their power.
    fn general(&self) -> (usize, u128) {
        let free = self.workers.iter().filter(|worker| {
            let outcome = worker.outcome.as_ref();
            outcome.is_some_and(|outcome| outcome.seat.is_none())
        });
        let power = |worker: &EconomyWorker| {
            let score = self.scores.get(&worker.id);
            score.map_or(0, |score| u128::from(score.performance))
        };
        free.fold((0, 0), |(count, sum), worker| {
            (count + 1, sum + power(worker))
        })
    }

    fn clusters(&self, economy: &Economy<'_>) -> String {
        if economy.in_force.is_none() {
            return String::new();
        }
        let mut rows: Vec<_> = self
            .by_rank()
            .into_iter()
            .map(|(cluster, share)| {
                vec![
                    number(*cluster).to_string(),
                    share.rank.to_string(),
                    show_amount(share.stake),
                    share.budget.to_string(),
                    share.power.to_string(),
                    share.workers.to_string(),
                ]
            })
            .collect();
        if let Some(general) = economy.general {
            let (workers, power) = self.general();
            rows.push(vec![
                number(general).to_string(),
                "general".into(),
                "none".into(),
                "the rest".into(),
                power.to_string(),
                workers.to_string(),
            ]);
        }
        let head = ["cluster", "rank", "stake", "budget", "power", "workers"];
        format!("{}\n\n", table(&head, rows))
    }

    fn each(&self, economy: &Economy<'_>) -> String {
        if self.workers.is_empty() {
            return "No worker takes part: see `phat worker activate`.\n".into();
        }
        let rows = self.workers.iter().map(|worker| {
            let score = self.scores.get(&worker.id);
            let score = score.map_or("?".into(), |score| score.performance.to_string());
            let place = self.places.get(&worker.id).copied();
            let (wanted, why, popularity, accrued) = match &worker.outcome {
                None => (None, status(&worker.status), String::new(), String::new()),
                Some(outcome) => {
                    let (cluster, why) = match outcome.seat {
                        Some(seat) => (
                            Some(seat.cluster),
                            match seat.rank {
                                Some(rank) => format!("named, rank {rank}"),
                                None => "from the ring".into(),
                            },
                        ),
                        None => (economy.general, "nobody took it".into()),
                    };
                    (
                        cluster,
                        why,
                        halves(outcome.popularity),
                        show_amount(outcome.accrued),
                    )
                }
            };
            let shown = |cluster: Option<ClusterId>| {
                cluster.map_or("none".into(), |cluster| number(cluster).to_string())
            };
            let cluster = match worker.outcome.is_some() && wanted != place {
                true => format!("{}, still in {}", shown(wanted), shown(place)),
                false => shown(place),
            };
            vec![short(&worker.id), score, cluster, why, popularity, accrued]
        });
        let head = ["worker", "score", "cluster", "why", "points", "accrued"];
        format!("{}\n", table(&head, rows))
    }

    fn clusters_json(&self) -> Vec<Json> {
        let shares = self.by_rank().into_iter();
        let json = |(cluster, share): (&ClusterId, &Share)| {
            json!({
                "cluster": number(*cluster),
                "rank": share.rank,
                "stake": share.stake.to_string(),
                "budget": share.budget.to_string(),
                "power": share.power.to_string(),
                "workers": share.workers,
            })
        };
        shares.map(json).collect()
    }

    fn workers_json(&self, economy: &Economy<'_>) -> Vec<Json> {
        let workers = self.workers.iter();
        let json = |worker: &EconomyWorker| {
            let outcome = worker.outcome.as_ref();
            let score = self.scores.get(&worker.id);
            let seat = outcome.map(|outcome| match outcome.seat {
                Some(seat) => json!({
                    "cluster": number(seat.cluster),
                    "why": if seat.rank.is_some() { "named" } else { "ring" },
                    "rank": seat.rank,
                }),
                None => json!({
                    "cluster": economy.general.map(number),
                    "why": "general",
                    "rank": null,
                }),
            });
            json!({
                "worker": worker.id.to_string(),
                "status": status_json(&worker.status),
                "performance": score.map(|score| score.performance),
                "confidence": score.map(|score| score.confidence),
                "seat": seat,
                "present": self.places.get(&worker.id).copied().map(number),
                "popularity_doubled": outcome.map(|outcome| outcome.popularity),
                "accrued": outcome.map(|outcome| outcome.accrued.to_string()),
                "value": worker.value.to_string(),
            })
        };
        workers.map(json).collect()
    }
}

/// Points are kept doubled.
fn halves(doubled: u64) -> String {
    match doubled % 2 {
        0 => (doubled / 2).to_string(),
        _ => format!("{}.5", doubled / 2),
    }
}
