//! How fast the engine is, beside the same work on `pallet-contracts` and on bare wasmtime.
//!
//! ```sh
//! cargo bench --bench engine             # all of it
//! cargo bench --bench engine -- getter   # one part
//! ```
//!
//! Rivals take turns, many times in one run, and ratios are those within a turn: what disturbs the
//! machine disturbs all of them. Each figure is the median of all turns.
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod bare;
mod cluster;
mod race;

use std::{path::Path, time::Duration};

use bare::Bare;
use codec::Encode;
use futures::executor::block_on;
use phat_cluster::Ask;
use phat_oracle::*;
use race::{Pace, Rival, race};

/// A contract that computes, compiled from the Rust beside it.
const COMPUTE: &[u8] = include_bytes!("../../builds/compute.wasm");

fn compiled(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).unwrap()
}

/// Work that a call asks of a contract that computes.
const LOOPS: u32 = 1_000_000;

fn main() {
    let parts: [(&str, fn()); 6] = [
        ("getter", getter),
        ("mixing", || {
            computing("xor, multiply, store", &compiled(&mixing()))
        }),
        ("sorting", || {
            computing("sort and hash, in Rust", &bare::with_entries_only(COMPUTE));
        }),
        ("sieve", || {
            computing("sieve of Eratosthenes", &compiled(&sieve()))
        }),
        ("transfer", transfers),
        ("threads", threads),
    ];
    let asked: Vec<_> = std::env::args().skip(1).collect();
    for (name, part) in parts {
        if asked.iter().all(|arg| arg.starts_with('-')) || asked.iter().any(|arg| arg == name) {
            part();
        }
    }
}

/// The code of a bundle, as the reference accepts it.
fn for_reference(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("builds/{name}.wasm"));
    std::fs::read(path).unwrap_or_else(|_| Bundle::read(name).wasm)
}

/// Uploads and instantiates. What it costs on the way is not measured, so there is gas for anything.
fn deploy(machine: &mut impl Machine, wasm: &[u8], input: Vec<u8>) -> [u8; 32] {
    machine.mint(ALICE, 1_000_000 * UNIT);
    machine.mint(BOB, UNIT);
    let (code_hash, _) = machine.upload(ALICE, wasm, None).unwrap();
    let ending = machine.instantiate(InstantiateArgs {
        origin: ALICE,
        code_hash,
        value: 0,
        gas_limit: GAS,
        storage_deposit_limit: None,
        input,
        salt: Vec::new(),
    });
    ending.result.unwrap().contract.unwrap()
}

fn call(contract: [u8; 32], input: &[u8]) -> CallArgs {
    CallArgs {
        gas_limit: 100 * GAS,
        ..Pair::args(contract, input)
    }
}

/// A contract's method that reads one value and returns it.
fn getter() {
    let bundle = Bundle::read("flipper");
    let (new, get) = (bundle.input("new", true), bundle.input("get", ()));
    let mut subject = Subject::default();
    let ours = deploy(&mut subject, &bundle.wasm, new.clone());
    subject.commit();
    let mut reference = Reference::default();
    let theirs = deploy(&mut reference, &for_reference("flipper"), new);
    reference.commit();
    let bare = Bare::new(&bundle.wasm, true.encode());
    // `Ok(true)`, as ink! encodes it.
    let expected = [0, 1];
    let right = |ending: Ending| assert_eq!(ending.result.unwrap().data, expected);
    race(
        "a getter of the ink! flipper",
        100,
        &mut [
            Rival::new("engine", 200, || right(subject.call(call(ours, &get)))),
            Rival::new("pallet-contracts", 20, || {
                right(reference.call(call(theirs, &get)));
            }),
            Rival::new("bare wasmtime", 200, || {
                assert_eq!(bare.call(&get), expected);
            }),
        ],
    );
}

/// Works through [`LOOPS`] rounds over numbers and a little memory.
fn mixing() -> String {
    format!(
        r#"(module (import "env" "memory" (memory 1 1))
            (func (export "deploy"))
            (func (export "call") (local $i i32) (local $x i64)
                (local.set $x (i64.const 88172645463325252))
                (loop $again
                    (local.set $x (i64.mul
                        (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 7)))
                        (i64.const 6364136223846793005)))
                    (i64.store
                        (i32.and (i32.shl (local.get $i) (i32.const 3)) (i32.const 0xfff8))
                        (local.get $x))
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $again (i32.lt_u (local.get $i) (i32.const {LOOPS}))))))"#
    )
}

/// Sieves the numbers below 65536 for primes, again and again.
fn sieve() -> String {
    let times = LOOPS / 100_000;
    format!(
        r#"(module (import "env" "memory" (memory 1 1))
            (func (export "deploy"))
            (func $sieve (local $i i32) (local $j i32)
                (loop $clear
                    (i64.store (local.get $i) (i64.const 0))
                    (local.set $i (i32.add (local.get $i) (i32.const 8)))
                    (br_if $clear (i32.lt_u (local.get $i) (i32.const 65536))))
                (local.set $i (i32.const 2))
                (loop $next
                    (if (i32.eqz (i32.load8_u (local.get $i))) (then
                        (local.set $j (i32.mul (local.get $i) (local.get $i)))
                        (block $done (loop $strike
                            (br_if $done (i32.ge_u (local.get $j) (i32.const 65536)))
                            (i32.store8 (local.get $j) (i32.const 1))
                            (local.set $j (i32.add (local.get $j) (local.get $i)))
                            (br $strike)))))
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $next (i32.lt_u (local.get $i) (i32.const 256)))))
            (func (export "call") (local $n i32)
                (loop $again
                    (call $sieve)
                    (local.set $n (i32.add (local.get $n) (i32.const 1)))
                    (br_if $again (i32.lt_u (local.get $n) (i32.const {times}))))))"#
    )
}

/// A contract that only computes.
fn computing(what: &str, wasm: &[u8]) {
    let mut subject = Subject::default();
    let ours = deploy(&mut subject, wasm, Vec::new());
    let mut reference = Reference::default();
    let theirs = deploy(&mut reference, wasm, Vec::new());
    let bare = Bare::new(wasm, Vec::new());
    let right = |ending: Ending| assert!(ending.result.is_ok(), "{ending:?}");
    race(
        what,
        40,
        &mut [
            Rival::new("engine, metered", 5, || {
                right(subject.call(call(ours, &[])));
            }),
            Rival::new("pallet-contracts, metered", 1, || {
                right(reference.call(call(theirs, &[])));
            }),
            Rival::new("bare wasmtime, not metered", 5, || {
                bare.call(&[]);
            }),
        ],
    );
}

/// Transfers of a PSP22 token, each in a block of its own or many in one, with the state root.
fn transfers() {
    const MANY: usize = 100;
    let bundle = Bundle::read("token");
    let supply = (1_000_000_000_000u128, None::<String>, None::<String>, 0u8);
    let new = bundle.input("new", supply);
    let transfer = bundle.input("PSP22::transfer", (BOB, 1u128, Vec::<u8>::new()));
    let mut cluster = cluster::Running::new();
    let ours = cluster.deploy(&bundle.wasm, new.clone());
    let mut reference = Reference::default();
    let theirs = deploy(&mut reference, &for_reference("token"), new);
    reference.commit();
    for (what, count) in [
        ("a PSP22 transfer, committed with its state root", 1),
        ("100 PSP22 transfers in one block, the same", MANY),
    ] {
        let mut block = || {
            for _ in 0..count {
                let ending = reference.call(call(theirs, &transfer));
                assert_eq!(ending.events.len(), 1);
                ending.result.unwrap();
            }
            reference.commit();
        };
        race(
            what,
            40,
            &mut [
                Rival::new("cluster", (MANY / count) as u32, || {
                    cluster.commands(ours, &transfer, count);
                }),
                Rival::new(
                    "pallet-contracts",
                    (MANY / count / 5).max(1) as u32,
                    &mut block,
                ),
            ],
        );
    }
}

/// Queries of a getter on one thread and on two.
fn threads() {
    let bundle = Bundle::read("flipper");
    let mut running = cluster::Running::new();
    let contract = running.deploy(&bundle.wasm, bundle.input("new", true));
    let input = bundle.input("get", ());
    let query = || {
        let ask = Ask::Call {
            contract: contract.into(),
            input: input.clone(),
            deposit: 0,
            transfer: 0,
            estimating: false,
        };
        assert_eq!(block_on(running.query(ask)).last(), Some(&1));
    };
    scaling("queries of the getter, a second", &query);
    // What two threads can do on this machine at all.
    scaling("hashes of 32 KiB that share nothing, a second", &|| {
        std::hint::black_box(sp_io::hashing::blake2_256(&[1; 32 * 1024]));
    });
}

/// How much more two threads get done than one.
fn scaling(title: &str, work: &(impl Fn() + Sync)) {
    const SPAN: Duration = Duration::from_millis(500);
    let mut turns: Vec<_> = (0..10)
        .map(|_| (Pace::of(1, SPAN, work), Pace::of(2, SPAN, work)))
        .collect();
    println!("{title}");
    for (what, pace) in [
        ("by the clock", (|pace| pace.clock) as fn(&Pace) -> f64),
        ("of processor time", |pace| pace.processor),
    ] {
        turns.sort_by(|(one, two), (other_one, other_two)| {
            let ratio = pace(two) / pace(one);
            ratio.total_cmp(&(pace(other_two) / pace(other_one)))
        });
        let (one, two) = &turns[turns.len() / 2];
        let (one, two) = (pace(one), pace(two));
        println!(
            "  {what:<28} one thread {one:>8.0}, two {two:>8.0}: {:.2} times",
            two / one
        );
    }
}
