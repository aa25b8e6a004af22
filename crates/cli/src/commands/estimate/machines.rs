//! What workers tell of themselves, of which an estimate is made: their processors, and what calls
//! cost on them.

use crate::{error::CliError, report::waiting};
use phat_client::{
    ChainClient, Roots, WorkerClient,
    primitives::{ClusterId, WorkerId},
};
use std::collections::BTreeMap;

/// How many workers of others tell enough of what calls cost: machines of one network are alike, and
/// each is asked over the network.
const ENOUGH: usize = 3;
/// How many workers of others are tried, at most: each that is gone takes as long as a connection may.
const MAX_TRIED: usize = 12;
/// How many workers' records are read, at most, to find some that are in service.
const MAX_RECORDS: usize = 100;

/// What a worker can do.
pub(super) struct Machine {
    /// Processors for queries.
    pub(super) processors: u32,
    /// What calls cost, in nanoseconds, by what they do.
    pub(super) calls: Vec<(String, u64)>,
}

/// The workers that an estimate is made of.
pub(super) struct Machines {
    /// Those of the cluster that answer.
    pub(super) own: Vec<Machine>,
    /// If none of these tells what calls cost: others that do, and where they work.
    pub(super) others: Option<(Place, Vec<Machine>)>,
}

/// Where workers are that do not belong to the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// In the general cluster.
    General,
    /// In any other cluster, or in none.
    Elsewhere,
}

/// What calls of one kind come to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Rate {
    /// What one costs in nanoseconds where it is cheapest.
    pub(super) nanoseconds: u64,
    /// How many there would be each second if nothing else were done: on all workers of the cluster, or
    /// if they do not tell, on one worker such as the others.
    pub(super) whole: f64,
}

impl Machines {
    /// Asks the workers of a cluster. If none tells what calls cost, asks those of the general cluster,
    /// and if need be whoever else is in service.
    pub(super) async fn find(
        chain: &ChainClient,
        cluster: ClusterId,
        general: Option<ClusterId>,
        roots: &Roots,
    ) -> Result<Self, CliError> {
        let mut own = Vec::new();
        for id in chain.cluster_workers(cluster).await? {
            own.extend(ask(chain, id, roots).await?);
        }
        let mut found = Self { own, others: None };
        if found.own.iter().any(Machine::tells) {
            return Ok(found);
        }
        if let Some(general) = general.filter(|id| *id != cluster) {
            let members = chain.cluster_workers(general).await?;
            found
                .ask_others(chain, Place::General, members, roots)
                .await?;
        }
        if found.others.is_none() {
            let mut in_service = Vec::new();
            for id in chain.workers().await?.into_iter().take(MAX_RECORDS) {
                if in_service.len() == MAX_TRIED {
                    break;
                }
                let record = chain.worker(id).await?;
                if record.is_some_and(|record| record.expires_ms.is_some()) {
                    in_service.push(id);
                }
            }
            found
                .ask_others(chain, Place::Elsewhere, in_service, roots)
                .await?;
        }
        Ok(found)
    }

    async fn ask_others(
        &mut self,
        chain: &ChainClient,
        place: Place,
        workers: Vec<WorkerId>,
        roots: &Roots,
    ) -> Result<(), CliError> {
        let mut told = Vec::new();
        for id in workers.into_iter().take(MAX_TRIED) {
            told.extend(ask(chain, id, roots).await?.filter(Machine::tells));
            if told.len() == ENOUGH {
                break;
            }
        }
        self.others = (!told.is_empty()).then_some((place, told));
        Ok(())
    }

    /// What calls come to, by what they do.
    pub(super) fn rates(&self) -> BTreeMap<String, Rate> {
        match &self.others {
            None => rates(&self.own),
            Some((_, others)) => {
                let mut rates = rates(others);
                for rate in rates.values_mut() {
                    rate.whole /= others.len() as f64;
                }
                rates
            }
        }
    }
}

impl Machine {
    fn tells(&self) -> bool {
        !self.calls.is_empty()
    }
}

/// For each kind of call: what it costs where it is cheapest, and how many all these workers would do.
fn rates(machines: &[Machine]) -> BTreeMap<String, Rate> {
    let mut rates = BTreeMap::new();
    for machine in machines {
        for (name, nanoseconds) in &machine.calls {
            let rate = rates.entry(name.clone()).or_insert(Rate {
                nanoseconds: u64::MAX,
                whole: 0.0,
            });
            rate.nanoseconds = (*nanoseconds).min(rate.nanoseconds);
            rate.whole += f64::from(machine.processors) * 1e9 / (*nanoseconds).max(1) as f64;
        }
    }
    rates
}

/// Asks a worker at its endpoints. One that does not answer can do nothing.
async fn ask(
    chain: &ChainClient,
    id: WorkerId,
    roots: &Roots,
) -> Result<Option<Machine>, CliError> {
    for url in chain.endpoints(id).await? {
        let asking = ask_at(id, &url, roots);
        if let Some(machine) = waiting("asking the workers", asking).await {
            return Ok(Some(machine));
        }
    }
    Ok(None)
}

async fn ask_at(id: WorkerId, url: &str, roots: &Roots) -> Option<Machine> {
    let worker = WorkerClient::connect_trusting(url, roots).await.ok()?;
    let info = worker.info().await.ok().filter(|_| worker.id() == id)?;
    let calls = info.typical_calls.into_iter();
    Some(Machine {
        processors: info.query_processors,
        calls: calls.map(|call| (call.name, call.nanoseconds)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(processors: u32, nanoseconds: u64) -> Machine {
        Machine {
            processors,
            calls: vec![("read".into(), nanoseconds)],
        }
    }

    #[test]
    fn calls_each_second_add_up_over_the_workers() {
        let machines = Machines {
            own: vec![machine(2, 100_000), machine(1, 50_000)],
            others: None,
        };
        let rate = Rate {
            nanoseconds: 50_000,
            whole: 40_000.0,
        };
        assert_eq!(machines.rates()["read"], rate);
    }

    #[test]
    fn what_others_measured_is_what_one_worker_such_as_they_would_do() {
        let machines = Machines {
            own: Vec::new(),
            others: Some((
                Place::General,
                vec![machine(2, 100_000), machine(1, 50_000)],
            )),
        };
        let rate = Rate {
            nanoseconds: 50_000,
            whole: 20_000.0,
        };
        assert_eq!(machines.rates()["read"], rate);
    }
}
