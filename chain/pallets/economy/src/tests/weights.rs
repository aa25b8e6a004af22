//! What calls and steps touch, and how long they take.
//!
//! The first tests count distinct records that are read and written, and fail if a weight allows less
//! for them. Only a look for the next key of a map is not seen; weights have it. The last one takes the
//! time:
//!
//! ```text
//! cargo test --release -p pallet-phat-economy --lib -- --ignored --nocapture figures
//! ```
//!
//! It prints for each call and step the weight in picoseconds, what of it is not for the records that it
//! touched at most, and the time that it took.

use crate::{Call, Cause, MAX_PREFERENCES, Settings, mock::*, store::Records as Store, weights};
use core::{fmt::Debug, mem};
use frame_support::weights::Weight;
use phat_economy::{Era, Phase};
use polkadot_sdk::{
    frame_support::{
        dispatch::GetDispatchInfo,
        traits::{GetCallName, UnfilteredDispatchable, fungible::Mutate},
    },
    *,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Instant,
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Keys of records, and the time that it took.
#[derive(Default)]
struct Touched {
    read: BTreeSet<String>,
    written: BTreeSet<String>,
    nanoseconds: u128,
}

impl Touched {
    fn weight(&self) -> Weight {
        let (reads, writes) = (self.read.len() as u64, self.written.len() as u64);
        Records::get().reads_writes(reads, writes)
    }
}

/// Notes what the chain's storage says that it does.
#[derive(Clone, Default)]
struct Witness(Arc<Mutex<Touched>>);

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
        let mut touched = self.0.lock().unwrap();
        match access.method.as_str() {
            "Put" | "Append" => touched.written.insert(access.key),
            _ => touched.read.insert(access.key),
        };
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// What was measured, and under which name.
#[derive(Default)]
struct Figures {
    /// Only the time is taken: who counts is slow.
    timed: bool,
    /// The weight, what of it is for records, and each time in nanoseconds.
    of: BTreeMap<String, (Weight, Weight, Vec<u128>)>,
}

impl Figures {
    /// Runs the body, and checks that it touches no more records than its weight allows.
    fn check<R>(&mut self, name: &str, weight: Weight, body: impl FnOnce() -> R) -> R {
        let (result, touched) = self.observe(body);
        self.note(name, weight, touched);
        result
    }

    /// Checks what was touched.
    fn note(&mut self, name: &str, weight: Weight, touched: Touched) {
        let records = touched.weight();
        assert!(
            records.all_lte(weight),
            "{name}: {:#?} read and {:#?} written are more than {weight}",
            touched.read,
            touched.written,
        );
        let entry = self
            .of
            .entry(name.into())
            .or_insert((weight, records, Vec::new()));
        entry.1 = entry.1.max(records);
        if self.timed {
            entry.2.push(touched.nanoseconds);
        }
    }

    /// Runs the body, and says what it touches or how long it takes.
    fn observe<R>(&self, body: impl FnOnce() -> R) -> (R, Touched) {
        if self.timed {
            let begun = Instant::now();
            let result = body();
            let nanoseconds = begun.elapsed().as_nanos();
            return (
                result,
                Touched {
                    nanoseconds,
                    ..Touched::default()
                },
            );
        }
        let witness = Witness::default();
        let result = tracing::subscriber::with_default(witness.clone(), body);
        let touched = mem::take(&mut *witness.0.lock().unwrap());
        let touched = Touched {
            read: without_system(touched.read),
            written: without_system(touched.written),
            nanoseconds: 0,
        };
        (result, touched)
    }
}

/// Events, what a block counts for itself and the depth of transactions are not for a call to pay.
fn without_system(keys: BTreeSet<String>) -> BTreeSet<String> {
    let accounts = hex(&frame_support::storage::storage_prefix(
        b"System", b"Account",
    ));
    let (system, level) = (&accounts[..32], hex(b":transaction_level:"));
    let ours =
        |key: &String| key.starts_with(&accounts) || !(key.starts_with(system) || *key == level);
    keys.into_iter().filter(ours).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Workers of [`crowd`].
const CROWD: u8 = 200;

/// Many workers, of whom some have nothing left, some have not answered and some leave; and clusters that
/// name as many as they may.
fn crowd() {
    for number in 1..CROWD {
        Balances::mint_into(&account(1 + number / 10), 1_000_000).unwrap();
    }
    workers(1..CROWD);
    start();
    for number in 2..5u64 {
        create(2, &[]).unwrap();
        Economy::stake(signed(3), cluster(number), 1_000 * u128::from(number)).unwrap();
        let names = (0..MAX_PREFERENCES as u8)
            .map(|name| worker(name + 1))
            .collect();
        Economy::set_preferences(signed(2), cluster(number), names).unwrap();
    }
    for number in 1..CROWD {
        settle_in(number);
    }
    next_era();
    for number in 1..CROWD {
        match number % 7 {
            0 => Economy::slash_worker(root(), worker(number), 100_000).unwrap(),
            1 => Economy::leave(signed(1 + number / 10), worker(number)).unwrap(),
            2 => register(number, 300, 9),
            3 => {}
            _ => drop(heartbeat(number)),
        }
    }
}

fn steps(figures: &mut Figures) {
    crowd();
    let mut era = Era::begin(Settings::default().parameters).unwrap();
    crate::LastEra::<Test>::mutate(|era| *era += 1);
    let mut store = Store::<Test>::of_last_era();
    while !era.is_complete() {
        let name = match era.phase() {
            Phase::Clear { .. } => "step: clear",
            Phase::Workers { .. } => "step: workers",
            Phase::Clusters { .. } => "step: clusters",
            Phase::Names { .. } => "step: names",
            Phase::Tail { .. } => "step: tail",
            Phase::Values { .. } => "step: values",
            Phase::Complete => "step: complete",
        };
        let step = weights::step::<Test>(era.phase());
        let (_, touched) = figures.observe(|| era.step(&mut store).unwrap());
        let (name, weight) = match store.have_ended_one() {
            true => (
                "step: workers, an end",
                step + weights::ending(Records::get()),
            ),
            false => (name, step),
        };
        figures.note(name, weight, touched);
    }
}

fn calls(figures: &mut Figures) {
    crowd();
    ordered();
    let mut run = |origin: RuntimeOrigin, call: Call<Test>| {
        let weight = call.get_dispatch_info().call_weight;
        let name = call.get_call_name();
        let done = figures.check(name, weight, || call.dispatch_bypass_filter(origin));
        assert!(done.is_ok(), "{name}: {done:?}");
    };
    let (id, five) = (worker(5), signed(1));
    run(
        root(),
        Call::set_settings {
            settings: settings(),
        },
    );
    run(
        root(),
        Call::set_general_cluster {
            cluster: cluster(1),
        },
    );
    run(
        root(),
        Call::set_treasury {
            treasury: account(5),
        },
    );
    run(root(), Call::fund_rewards { amount: 1_000 });
    run(
        root(),
        Call::slash_worker {
            worker: id,
            amount: 1,
        },
    );
    run(
        five.clone(),
        Call::payout {
            worker: id,
            amount: Some(3),
        },
    );
    lapse(5);
    renew(5);
    crate::Workers::<Test>::mutate(id, |known| {
        known.as_mut().unwrap().status = crate::WorkerStatus::Suspended(Cause::Missed);
    });
    run(five.clone(), Call::resume { worker: id });
    run(five.clone(), Call::leave { worker: id });
    for _ in 0..4 {
        next_era();
    }
    run(signed(4), Call::settle { worker: id });
    let deposit = 500;
    run(
        five,
        Call::activate {
            worker: id,
            deposit,
        },
    );
    let cluster = cluster(2);
    run(
        signed(4),
        Call::stake {
            cluster,
            amount: 500,
        },
    );
    run(
        signed(4),
        Call::unstake {
            cluster,
            amount: 100,
        },
    );
    for _ in 0..4 {
        next_era();
    }
    run(signed(4), Call::withdraw {});
    run(
        signed(2),
        Call::set_cap {
            cluster,
            cap: Some(5),
        },
    );
    let workers = (0..MAX_PREFERENCES as u8)
        .map(|name| worker(name + 1))
        .collect();
    run(signed(2), Call::set_preferences { cluster, workers });
    run(root(), Call::stop_eras {});
    run(root(), Call::start_eras {});
}

fn hooks(figures: &mut Figures) {
    crowd();
    ordered();
    let weight = weights::fail(Records::get());
    let number = (1..CROWD).find(|number| number % 7 == 4).unwrap();
    figures.check("heard", weight, || Economy::hear(&worker(number)));
    figures.check("lapsed", weight, || {
        <Economy as pallet_phat_registry::OnService>::lapsed(&worker(number)).unwrap();
    });
    let slashed = crate::Settings {
        slashes: crate::Slashes {
            missed: 1 << 40,
            lapsed: 1 << 40,
            diverged: 1 << 40,
        },
        ..settings()
    };
    Economy::set_settings(root(), slashed).unwrap();
    figures.check("lapsed, with nothing left", weight, || {
        <Economy as pallet_phat_registry::OnService>::lapsed(&worker(number + 7)).unwrap();
    });
    // All members of the general cluster are looked at: nobody has its state but the one who goes.
    let general = cluster(1);
    let weight = weights::relocate(Records::get());
    let members = pallet_phat_clusters::ClusterWorkers::<Test>::get(general);
    let (first, others) = members.split_first().unwrap();
    for other in others {
        pallet_phat_clusters::WorkerStates::<Test>::remove(other);
    }
    figures.check("relocate", weight, || {
        Clusters::can_spare(&general, first);
        Clusters::relocate(first, Some(cluster(2))).unwrap();
    });
}

#[test]
fn no_step_of_an_era_touches_more_than_its_weight_allows() {
    let mut figures = Figures::default();
    chain().execute_with(|| steps(&mut figures));
    let (_, records, _) = figures.of["step: names"];
    assert!(records.ref_time() > 0, "nothing was counted");
}

#[test]
fn no_call_touches_more_than_its_weight_allows() {
    chain().execute_with(|| calls(&mut Figures::default()));
}

#[test]
fn no_hook_and_no_move_touches_more_than_its_weight_allows() {
    chain().execute_with(|| hooks(&mut Figures::default()));
}

#[test]
#[ignore = "takes the time: for whoever sets the constants"]
fn figures() {
    let mut figures = Figures::default();
    for timed in [false, true] {
        figures.timed = timed;
        for body in [steps, calls, hooks] {
            chain().execute_with(|| body(&mut figures));
        }
    }
    println!(
        "{:<28} {:>14} {:>14} {:>14}",
        "", "weight ps", "for time", "median"
    );
    for (name, (weight, records, mut times)) in figures.of {
        times.sort_unstable();
        let nanoseconds = times.get(times.len() / 2).copied().unwrap_or_default();
        let weight = weight.ref_time();
        let rest = weight.saturating_sub(records.ref_time());
        println!(
            "{name:<28} {weight:>14} {rest:>14} {:>14}",
            nanoseconds * 1_000
        );
    }
}
