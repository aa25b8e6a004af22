//! `phat economy simulate`: a scenario, written by hand or by a program, run through the same code as
//! the chain's.
//!
//! It is for governance, to try parameters, and for tests. The whole file is checked before the first
//! era runs. A scenario is refused as a whole, with the place and the reason, or answered as a whole.

mod json;
mod scenario;

use crate::{Account, BadParameters, EraError, memory::Memory};
use json::Document;
use scenario::{Events, Scenario};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

pub use json::Refusal;

/// The cluster that gets every worker that nobody else took. No other can have this name.
const GENERAL: &str = "general";

/// Runs a scenario file. The answer is a JSON document with sorted keys.
pub fn simulate(file: &[u8]) -> Result<String, Refusal> {
    let document = Document::new(file)?;
    let scenario = Scenario::read(&document)?;
    let mut simulation = Simulation::new(&scenario);
    let mut eras = Vec::with_capacity(scenario.eras.len());
    for (number, events) in scenario.eras.iter().enumerate() {
        let report = simulation.era(number, events);
        eras.push(report.map_err(|why| {
            document.refuse(format!("/eras/{number}"), events.offset, &why.to_string())
        })?);
    }
    let answer = Answer { eras };
    serde_json::to_string_pretty(&answer).map_err(|error| {
        document
            .root()
            .refuse(format_args!("cannot be answered: {error}"))
    })
}

/// The answer. Fields stand in the order of their names.
#[derive(Serialize)]
struct Answer<'a> {
    eras: Vec<EraReport<'a>>,
}

/// What happened in an era. Fields stand in the order of their names.
#[derive(Default, Serialize)]
struct EraReport<'a> {
    accrued: BTreeMap<&'a str, Amount>,
    assignment: BTreeMap<&'a str, &'a str>,
    budgets: BTreeMap<&'a str, u128>,
    era: usize,
    #[serde(rename = "final")]
    last: BTreeMap<&'a str, Amount>,
    paid: BTreeMap<&'a str, Amount>,
    popularity_doubled: BTreeMap<&'a str, u64>,
    refused: BTreeMap<&'a str, Amount>,
    removed: Vec<&'a str>,
    reserved: u128,
    slashed: BTreeMap<&'a str, Amount>,
    total_power: u128,
}

/// An amount of money: a string of digits, since many readers of JSON lose those of large numbers.
struct Amount(u128);

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Why an era of a well-formed scenario cannot be.
#[derive(Debug, thiserror::Error)]
enum Impossible<'a> {
    /// A value promise is beyond `u128`.
    #[error("the value promise of worker {0:?} becomes more than 2^128 - 1: lower f or g")]
    Value(&'a str),
    /// A final payout is beyond `u128`.
    #[error("the final payout of worker {0:?} is more than 2^128 - 1")]
    Final(&'a str),
    /// The parameters, which have been checked before.
    #[error(transparent)]
    Parameters(#[from] BadParameters),
    /// All others.
    #[error(transparent)]
    Era(EraError<u32>),
}

/// A scenario on its way through the eras.
struct Simulation<'a> {
    scenario: &'a Scenario,
    store: Memory,
    /// The accounts of those who are active.
    accounts: BTreeMap<u32, Account>,
}

impl<'a> Simulation<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let mut simulation = Self {
            scenario,
            store: Memory::default(),
            accounts: BTreeMap::new(),
        };
        for (number, cluster) in (0..).zip(scenario.clusters()) {
            simulation.store.add_cluster(number, cluster.point);
        }
        simulation.change(&scenario.start);
        simulation
    }

    /// What comes before an era: who joins, stakes, preferences.
    fn change(&mut self, events: &Events) {
        for number in &events.joins {
            let worker = self.scenario.worker(*number);
            let spot = worker.spot(*number);
            self.store.add_worker(spot, worker.capacity);
            self.accounts.insert(*number, Account::new(worker.deposit));
        }
        for (cluster, stake) in &events.stakes {
            self.store.set_stake(*cluster, *stake);
        }
        for (cluster, workers) in &events.preferences {
            self.store.set_preferences(*cluster, workers.clone());
        }
    }

    /// A worker is no longer active.
    fn end(&mut self, worker: u32) {
        let spot = self.scenario.worker(worker).spot(worker);
        self.store.remove_worker(&spot);
        self.accounts.remove(&worker);
    }

    fn id(&self, worker: u32) -> &'a str {
        &self.scenario.worker(worker).id
    }

    fn cluster(&self, cluster: u32) -> &'a str {
        &self.scenario.clusters()[cluster as usize].id
    }

    fn era(&mut self, number: usize, events: &Events) -> Result<EraReport<'a>, Impossible<'a>> {
        let mut report = EraReport {
            era: number,
            ..EraReport::default()
        };
        self.change(events);
        self.allocate(&mut report)?;
        for (worker, amount) in &events.slashes {
            if let Some(account) = self.accounts.get_mut(worker) {
                account.slash(*amount);
                report.slashed.insert(self.id(*worker), Amount(*amount));
            }
        }
        for (worker, request) in &events.payouts {
            let value = self.value(*worker);
            let id = self.id(*worker);
            if let Some(account) = self.accounts.get_mut(worker) {
                match account.pay(value, *request) {
                    Ok(paid) => report.paid.insert(id, Amount(paid)),
                    Err(above) => report.refused.insert(id, Amount(above.limit)),
                };
            }
        }
        let exhausted: Vec<u32> = self
            .accounts
            .iter()
            .filter(|(worker, account)| account.is_exhausted(self.value(**worker)))
            .map(|(worker, _)| *worker)
            .collect();
        for worker in exhausted {
            self.end(worker);
            report.removed.push(self.id(worker));
        }
        for worker in &events.leaves {
            let Some(account) = self.accounts.get(worker) else {
                continue;
            };
            let id = self.id(*worker);
            let payout = account.leave(self.value(*worker)).payout();
            let payout = payout.ok_or(Impossible::Final(id))?;
            report.last.insert(id, Amount(payout));
            self.end(*worker);
        }
        Ok(report)
    }

    /// A worker's value promise.
    fn value(&self, worker: u32) -> u128 {
        let outcome = self.store.outcome(worker);
        outcome.map_or(0, |outcome| outcome.value)
    }

    /// Budgets, matching, popularity and value.
    fn allocate(&mut self, report: &mut EraReport<'a>) -> Result<(), Impossible<'a>> {
        let parameters = self.scenario.parameters;
        let mut era = self.store.begin(parameters)?;
        era.finish(&mut self.store).map_err(|error| match error {
            EraError::Value(worker) => Impossible::Value(self.id(worker)),
            error => Impossible::Era(error),
        })?;
        self.store.switch();
        report.total_power = era.totals().power;
        report.reserved = era.totals().reserved;
        for (cluster, share) in self.store.shares() {
            report.budgets.insert(self.cluster(*cluster), share.budget);
        }
        for worker in self.accounts.keys() {
            let id = self.id(*worker);
            let Some(outcome) = self.store.outcome(*worker) else {
                continue;
            };
            let cluster = outcome.seat.map(|seat| self.cluster(seat.cluster));
            report.assignment.insert(id, cluster.unwrap_or(GENERAL));
            report.popularity_doubled.insert(id, outcome.popularity);
            report.accrued.insert(id, Amount(outcome.accrued));
        }
        Ok(())
    }
}
