//! What the worker counts, as text for Prometheus (version 0.0.4 of its format).
//!
//! Contracts have labels of their own as long as they are among the `NAMED` with most stake; all
//! others are `other`. So strangers cannot make this grow.

use crate::turns::Flow;
use phat_primitives::ContractId;
use phat_scheduler::FlowStatus;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{Display, Write},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Contracts that are told apart.
const NAMED: usize = 32;
/// Upper bounds of the classes of waiting times, in seconds.
const BOUNDS: [f64; 12] = [
    0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0,
];

/// Why a query was refused although nothing is wrong with it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Refusal {
    /// Too many queries wait.
    QueueFull,
    /// Too many queries of the contract wait.
    ContractQueueFull,
    /// The caller has too many.
    CallerFull,
    /// Running queries have as much memory as they may.
    Memory,
    /// All contract instances are in use.
    Instances,
    /// The worker has too little of the caller's credit.
    Credit,
}

impl Refusal {
    fn label(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::ContractQueueFull => "contract_queue_full",
            Self::CallerFull => "caller_full",
            Self::Memory => "memory",
            Self::Instances => "instances",
            Self::Credit => "credit",
        }
    }
}

/// The counters of one worker.
#[derive(Default)]
pub(crate) struct Metrics(Mutex<Counters>);

#[derive(Default)]
struct Counters {
    named: BTreeSet<ContractId>,
    waits: BTreeMap<String, Waits>,
    refused: BTreeMap<Refusal, u64>,
    egress: BTreeMap<&'static str, u64>,
}

#[derive(Default)]
struct Waits {
    /// How many took at most as long as the bound of this place says, and longer than the one before.
    classes: [u64; BOUNDS.len()],
    count: u64,
    seconds: f64,
}

impl Counters {
    fn label(&self, flow: Flow) -> String {
        match flow {
            Flow::Worker => "worker".into(),
            Flow::Contract(id) | Flow::Paid(_, id) if self.named.contains(&id) => hex::encode(id.0),
            Flow::Contract(_) | Flow::Paid(..) => "other".into(),
        }
    }
}

impl Metrics {
    fn lock(&self) -> MutexGuard<'_, Counters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says which contracts have most stake, in this order.
    pub(crate) fn name(&self, heaviest: impl Iterator<Item = ContractId>) {
        let mut counters = self.lock();
        counters.named = heaviest.take(NAMED).collect();
        let mut waits = std::mem::take(&mut counters.waits);
        let labels = counters.named.iter().map(|id| hex::encode(id.0));
        let known: BTreeSet<_> = labels.chain(["worker".into(), "other".into()]).collect();
        waits.retain(|label, _| known.contains(label));
        counters.waits = waits;
    }

    /// A query has waited so long until it began.
    pub(crate) fn waited(&self, flow: Flow, time: Duration) {
        let mut counters = self.lock();
        let label = counters.label(flow);
        let waits = counters.waits.entry(label).or_default();
        let seconds = time.as_secs_f64();
        waits.count += 1;
        waits.seconds += seconds;
        if let Some(class) = BOUNDS.iter().position(|bound| seconds <= *bound) {
            waits.classes[class] += 1;
        }
    }

    /// A query was refused.
    pub(crate) fn refused(&self, refusal: Refusal) {
        *self.lock().refused.entry(refusal).or_default() += 1;
    }

    /// An HTTP request of a contract ended like this.
    pub(crate) fn fetched(&self, outcome: &'static str) {
        *self.lock().egress.entry(outcome).or_default() += 1;
    }

    /// Writes down what was counted, and how the flows are at present; `forgotten` is work of flows
    /// that are not listed any more, in nanoseconds.
    pub(crate) fn write(&self, page: &mut Page, flows: &[(Flow, FlowStatus)], forgotten: u64) {
        let counters = self.lock();
        let mut by_label: BTreeMap<String, [f64; 4]> = BTreeMap::new();
        by_label.insert("other".into(), [0.0, 0.0, seconds(forgotten), 0.0]);
        for (flow, status) in flows {
            let sums = by_label.entry(counters.label(*flow)).or_default();
            sums[0] += status.waiting as f64;
            sums[1] += status.begun as f64;
            sums[2] += seconds(status.used);
            sums[3] += seconds(status.due);
        }
        let families = [
            (
                "phat_queries_waiting",
                "gauge",
                "Queries that have not begun.",
            ),
            (
                "phat_queries_running",
                "gauge",
                "Queries that have begun, those that wait for HTTP included.",
            ),
            ("phat_work_seconds_total", "counter", "Processor time used."),
            (
                "phat_work_due_seconds_total",
                "counter",
                "Processor time that would have been used if every contract that had work to do had got exactly its share by stake.",
            ),
        ];
        for (place, (name, kind, help)) in families.into_iter().enumerate() {
            page.family(name, kind, help);
            for (label, sums) in &by_label {
                page.sample(name, &[("contract", label)], sums[place]);
            }
        }
        let name = "phat_query_wait_seconds";
        page.family(
            name,
            "histogram",
            "Time from the arrival of a query until it began.",
        );
        for (label, waits) in &counters.waits {
            let mut up_to = 0;
            for (bound, class) in BOUNDS.iter().zip(waits.classes) {
                up_to += class;
                let labels = [("contract", label.as_str()), ("le", &bound.to_string())];
                page.sample(&format!("{name}_bucket"), &labels, up_to);
            }
            let labels = [("contract", label.as_str()), ("le", "+Inf")];
            page.sample(&format!("{name}_bucket"), &labels, waits.count);
            let labels = [("contract", label.as_str())];
            page.sample(&format!("{name}_sum"), &labels, waits.seconds);
            page.sample(&format!("{name}_count"), &labels, waits.count);
        }
        let name = "phat_queries_refused_total";
        page.family(
            name,
            "counter",
            "Queries refused because there was too much to do.",
        );
        for (refusal, count) in &counters.refused {
            page.sample(name, &[("reason", refusal.label())], count);
        }
        let name = "phat_egress_requests_total";
        page.family(
            name,
            "counter",
            "HTTP requests of contracts that have ended.",
        );
        for (outcome, count) in &counters.egress {
            page.sample(name, &[("outcome", outcome)], count);
        }
    }
}

fn seconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds).as_secs_f64()
}

/// A page of metrics. Names and labels must need no escaping: they are ours, or hex.
#[derive(Default)]
pub struct Page(String);

impl Page {
    /// Begins a family: all samples of one name have to follow.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// Adds a sample.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<_> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{value}\""))
            .collect();
        let _ = match labels.is_empty() {
            true => writeln!(self.0, "{name} {value}"),
            false => writeln!(self.0, "{name}{{{}}} {value}", labels.join(",")),
        };
    }

    /// Adds a family of one sample without labels.
    pub fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// The page.
    pub fn text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_contracts_there_are_labels_are_few() {
        let metrics = Metrics::default();
        let id = |byte: u8| ContractId::repeat_byte(byte);
        metrics.name((0..=255).map(id));
        for byte in 0..=255 {
            metrics.waited(Flow::Contract(id(byte)), Duration::from_micros(200));
        }
        metrics.waited(Flow::Worker, Duration::from_secs(100));
        let mut page = Page::default();
        metrics.write(&mut page, &[], 1_500_000_000);
        let text = page.text();
        let lines = |of: &str| text.lines().filter(|line| line.starts_with(of)).count();
        assert_eq!(lines("phat_query_wait_seconds_count"), NAMED + 2);
        for line in [
            "phat_work_seconds_total{contract=\"other\"} 1.5",
            "phat_query_wait_seconds_count{contract=\"other\"} 224",
            "phat_query_wait_seconds_bucket{contract=\"other\",le=\"0.0001\"} 0",
            "phat_query_wait_seconds_bucket{contract=\"other\",le=\"0.0003\"} 224",
            "phat_query_wait_seconds_bucket{contract=\"worker\",le=\"30\"} 0",
            "phat_query_wait_seconds_bucket{contract=\"worker\",le=\"+Inf\"} 1",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} in\n{text}");
        }
        metrics.name([id(255)].into_iter());
        let mut page = Page::default();
        metrics.write(&mut page, &[], 0);
        assert_eq!(
            page.text().matches("_count{").count(),
            2,
            "worker and other"
        );
    }
}
