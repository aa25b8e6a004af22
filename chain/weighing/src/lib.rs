//! Weighs what a runtime does: counts the records that it touches, takes the time, and compares both
//! with the weight that is stated for it. For the tests of pallets and of the runtime, nothing else.
//!
//! A test puts a chain's state into the worst condition that there can be for a call, and has it run:
//!
//! ```ignore
//! let mut figures = Figures::new(RocksDbWeight::get());
//! figures.call("a full list", signed(1), Call::add { name });
//! assert!(figures.left_out::<Call<Test>>().is_empty());
//! ```
//!
//! That fails if the weight allows for fewer records than the call reads and writes. What the storage
//! says that it does is what counts; only a look for the next key of a map is not seen, so
//! that weights have to have it. [`Figures::report`] times the same runs too, and shows what of each weight
//! is for computing, and how long that took natively. A node runs the runtime as Wasm, which is slower: a
//! weight that has less than twice the time is marked.

use polkadot_sdk::frame_support::{
    dispatch::GetDispatchInfo,
    storage::storage_prefix,
    traits::{GetCallName, UnfilteredDispatchable},
    weights::{RuntimeDbWeight, Weight},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// How often each thing is timed.
const RUNS: usize = 7;

/// Keys of the records that were touched, in hexadecimal, or how long it took.
#[derive(Default)]
pub struct Touched {
    read: BTreeSet<String>,
    written: BTreeSet<String>,
    nanoseconds: Option<u128>,
}

/// Notes what the chain's storage says that it does.
#[derive(Clone, Default)]
struct Witness(Arc<Mutex<Touched>>);

/// One access to the storage.
#[derive(Default)]
struct Access {
    method: String,
    key: String,
}

impl Visit for Access {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "method" {
            self.method = value.into();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "key" {
            self.key = format!("{value:?}");
        }
    }
}

impl Subscriber for Witness {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "state"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut access = Access::default();
        event.record(&mut access);
        let Access { method, key } = access;
        let mut touched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What is appended to is read before.
        if method != "Put" {
            touched.read.insert(key.clone());
        }
        if method == "Put" || method == "Append" {
            touched.written.insert(key);
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// What was found out about one thing that was weighed.
struct Figure {
    weight: Weight,
    /// Most records that were read, and written.
    read: usize,
    written: usize,
    /// The longest time in this run, and the shortest of those of all runs before.
    slowest: Option<u128>,
    took: Option<u128>,
}

/// What was weighed, by its name.
pub struct Figures {
    record: RuntimeDbWeight,
    timed: bool,
    of: BTreeMap<String, Figure>,
    calls: BTreeSet<&'static str>,
}

impl Figures {
    /// Nothing yet. A record costs what the runtime says.
    pub fn new(record: RuntimeDbWeight) -> Self {
        Self {
            record,
            timed: false,
            of: BTreeMap::new(),
            calls: BTreeSet::new(),
        }
    }

    /// Weighs a call. The sender is in the right, and the call must succeed. `how` tells several runs of
    /// one call apart; it may be empty.
    pub fn call<C>(&mut self, how: &str, sender: C::RuntimeOrigin, call: C)
    where
        C: GetDispatchInfo + GetCallName + UnfilteredDispatchable,
    {
        let name = call.get_call_name();
        self.calls.insert(name);
        let what = match how {
            "" => name.to_owned(),
            how => format!("{name}, {how}"),
        };
        let weight = call.get_dispatch_info().call_weight;
        let done = self.check(&what, weight, || call.dispatch_bypass_filter(sender));
        assert!(done.is_ok(), "{what}: {done:?}");
    }

    /// The calls of a pallet that were not weighed.
    pub fn left_out<C: GetCallName>(&self) -> Vec<&'static str> {
        let names = C::get_call_names().iter().copied();
        names.filter(|name| !self.calls.contains(name)).collect()
    }

    /// Runs the body, and fails if it touches more records than its weight allows.
    pub fn check<R>(&mut self, what: &str, weight: Weight, body: impl FnOnce() -> R) -> R {
        let (result, touched) = self.observe(body);
        self.note(what, weight, touched);
        result
    }

    /// Runs the body, and says what it touches or how long it takes.
    pub fn observe<R>(&self, body: impl FnOnce() -> R) -> (R, Touched) {
        let mut touched = Touched::default();
        if self.timed {
            let begun = Instant::now();
            let result = body();
            touched.nanoseconds = Some(begun.elapsed().as_nanos());
            return (result, touched);
        }
        let witness = Witness::default();
        let result = tracing::subscriber::with_default(witness.clone(), body);
        let seen = mem::take(&mut *witness.0.lock().unwrap_or_else(PoisonError::into_inner));
        touched.read = of_calls(seen.read);
        touched.written = of_calls(seen.written);
        (result, touched)
    }

    /// Notes what was observed, and fails if the weight allows for fewer records.
    pub fn note(&mut self, what: &str, weight: Weight, touched: Touched) {
        let (read, written) = (touched.read.len(), touched.written.len());
        assert!(
            self.records(read, written).all_lte(weight),
            "{what}: {read} records read and {written} written are more than {weight}: {:#?}, {:#?}",
            touched.read,
            touched.written,
        );
        let figure = self.of.entry(what.into()).or_insert(Figure {
            weight,
            read,
            written,
            slowest: None,
            took: None,
        });
        figure.read = figure.read.max(read);
        figure.written = figure.written.max(written);
        figure.slowest = figure.slowest.max(touched.nanoseconds);
    }

    /// Most records that something has read, and written; `None` if it was not weighed.
    pub fn touched(&self, what: &str) -> Option<(usize, usize)> {
        self.of
            .get(what)
            .map(|figure| (figure.read, figure.written))
    }

    /// Weighs some times, and prints a line for each thing that was weighed: its weight and the records
    /// that it touched, what of the weight is not for these, the time that it took, and how many times that
    /// is in it. Times are in microseconds: the longest in a run, of what is done several times there, and
    /// the shortest of some runs, because whatever else a machine does makes them slower, never faster.
    pub fn report(title: &str, record: RuntimeDbWeight, weigh: impl Fn(&mut Self)) {
        let mut figures = Self::new(record);
        weigh(&mut figures);
        // Who counts is slow.
        figures.timed = true;
        for _ in 0..RUNS {
            weigh(&mut figures);
            for figure in figures.of.values_mut() {
                let times = [figure.took, figure.slowest.take()];
                figure.took = times.into_iter().flatten().min();
            }
        }
        figures.print(title);
    }

    fn print(&self, title: &str) {
        println!(
            "{title:<48} {:>10} {:>6} {:>6} {:>10} {:>9} {:>6}",
            "weight", "read", "written", "computing", "took", "times"
        );
        for (what, figure) in &self.of {
            let micros = |picoseconds: u64| picoseconds as f64 / 1e6;
            let records = self.records(figure.read, figure.written);
            let computing = figure.weight.saturating_sub(records).ref_time();
            let took = figure.took.unwrap_or_default() as f64 / 1e3;
            let ratio = micros(computing) / took;
            println!(
                "{what:<48} {:>10.0} {:>6} {:>6} {:>10.0} {took:>9.1} {ratio:>6.1}{}",
                micros(figure.weight.ref_time()),
                figure.read,
                figure.written,
                micros(computing),
                if ratio < 2.0 { " !" } else { "" },
            );
        }
    }

    fn records(&self, read: usize, written: usize) -> Weight {
        self.record.reads_writes(read as u64, written as u64)
    }
}

/// The records that are for a call to pay. Events, what a block counts for itself and the depth of
/// transactions are not.
fn of_calls(keys: BTreeSet<String>) -> BTreeSet<String> {
    let prefix = |item: &[u8]| hex(&storage_prefix(b"System", item));
    let (accounts, blocks) = (prefix(b"Account"), prefix(b"BlockHash"));
    let (system, level) = (&accounts[..32], hex(b":transaction_level:"));
    let is_paid = |key: &String| {
        let of_calls = key.starts_with(&accounts) || key.starts_with(&blocks);
        of_calls || !(key.starts_with(system) || *key == level)
    };
    keys.into_iter().filter(is_paid).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
