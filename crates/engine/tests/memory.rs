//! The most memory that one call can make the process use.
//!
//! Each attack runs in a process of its own, which is this test again: what it used at most stands in
//! what Linux keeps of it, and other tests do not disturb it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::process::Command;

use common::{invariants::ENCLAVE, *};
use phat_engine::{CallArgs, Engine, ExecMode, Limits};

/// What a process with an engine takes that has run nothing, in bytes: the program, the compiler, the
/// host functions; and on top of what limits allow, what the allocator wastes.
const RESERVE: usize = 96 * 1024 * 1024;

/// The most that one call may make the process use, in bytes: what each limit allows, and
/// [`RESERVE`].
fn most(limits: &Limits) -> usize {
    const PAGE: usize = 64 * 1024;
    let memory = limits.memory_pages as usize * PAGE;
    let frames = limits.call_depth + 1;
    // Every frame has a memory, and its input, which came out of the memory of its caller. Where
    // memory is not reserved it moves when it grows: one of them is there twice. So is an output.
    let nested = frames * 2 * memory + 2 * memory;
    // A value stands in the log and in what is written.
    let written = limits.undo_bytes + limits.undo_bytes;
    nested + written + limits.event_bytes + limits.transient_bytes + limits.debug_bytes + RESERVE
}

/// Calls itself down to the limit, each time with all the memory there is as input, and returns as
/// much. On the way it fills its memory, writes, emits and says all that it may.
fn greedy() -> String {
    const IMPORTS: &str = r#"
        (import "seal2" "set_storage" (func $set (param i32 i32 i32 i32) (result i32)))
        (import "seal0" "set_transient_storage"
            (func $set_transient (param i32 i32 i32 i32) (result i32)))
        (import "seal0" "deposit_event" (func $event (param i32 i32 i32 i32)))
        (import "seal0" "debug_message" (func $debug (param i32 i32) (result i32)))
        (import "seal0" "address" (func $address (param i32 i32)))
        (import "seal1" "call"
            (func $call (param i32 i32 i64 i32 i32 i32 i32 i32) (result i32)))"#;
    // The depth is the first byte of the input, and every byte of the memory.
    const BODY: &str = r#"
        (local $depth i32) (local $values i32)
        (if (i32.eq (memory.grow (i32.const 62)) (i32.const -1)) (then (unreachable)))
        (i32.store (i32.const 0xff00) (i32.const 0x3c0000))
        (call $input (i32.const 0x20000) (i32.const 0xff00))
        (local.set $depth (i32.load8_u (i32.const 0x20000)))
        (memory.fill (i32.const 0x20000) (i32.add (local.get $depth) (i32.const 1))
            (i32.const 0x3e0000))
        (loop $more
            (i32.store (i32.const 0x100) (local.get $depth))
            (i32.store (i32.const 0x104) (local.get $values))
            (drop (call $set (i32.const 0x100) (i32.const 8)
                (i32.const 0x20000) (i32.const 0xfffff)))
            (local.set $values (i32.add (local.get $values) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $values) (i32.const 3))))
        (drop (call $set_transient (i32.const 0x100) (i32.const 4)
            (i32.const 0x20000) (i32.const 0x7000)))
        (call $event (i32.const 0) (i32.const 0) (i32.const 0x20000) (i32.const 0x70000))
        (drop (call $debug (i32.const 0x20000) (i32.const 8000)))
        (if (i32.lt_u (local.get $depth) (i32.const 31))
            (then
                (i32.store (i32.const 0xff00) (i32.const 32))
                (call $address (i32.const 0x8000) (i32.const 0xff00))
                (i32.store (i32.const 0xff00) (i32.const 0x3c0000))
                (if (call $call (i32.const 8) (i32.const 0x8000) (i64.const 0) (i32.const 0x8080)
                        (i32.const 0x20000) (i32.const 0x3c0000)
                        (i32.const 0x20000) (i32.const 0xff00))
                    (then (unreachable)))))
        (call $return (i32.const 0) (i32.const 0x20000) (i32.const 0x3c0000))"#;
    contract(IMPORTS, BODY).replace("(memory 2 16)", "(memory 2 64)")
}

/// Writes one value over and over until it may not: all of them are kept for undoing.
fn rewriting() -> String {
    contract(
        r#"(import "seal2" "set_storage" (func $set (param i32 i32 i32 i32) (result i32)))"#,
        r#"(drop (memory.grow (i32.const 14)))
        (loop $again
            (drop (call $set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0xfffff)))
            (br $again))"#,
    )
}

fn run(engine: &Engine, wat: &str, succeeds: bool) {
    let mut world = World::with_engine(engine.clone(), ExecMode::Transaction);
    let contract = world.deploy(wat);
    let outcome = world.call_with(CallArgs {
        gas_limit: 100 * GAS,
        ..World::args(contract, [0])
    });
    assert_eq!(outcome.succeeded(), succeeds, "{:?}", outcome.report.traps);
}

/// The most memory that this process had resident so far, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.unwrap().trim().trim_end_matches("kB").trim();
    kilobytes.parse::<usize>().unwrap() * 1024
}

/// Set in the process that runs an attack, to its name.
const ATTACK: &str = "PHAT_TEST_MEMORY_ATTACK";

#[test]
fn no_call_takes_more_memory_than_the_limits_add_up_to() {
    let engine: fn(&str) -> &Engine = |name| match name.starts_with("server") {
        true => &ENGINE,
        false => &ENCLAVE,
    };
    if let Ok(attack) = std::env::var(ATTACK) {
        match attack.ends_with("greedy") {
            true => run(engine(&attack), &greedy(), true),
            false => run(engine(&attack), &rewriting(), false),
        }
        println!("peak {}", peak());
        return;
    }
    let most = most(&Limits::default());
    for attack in [
        "server greedy",
        "enclave greedy",
        "server rewriting",
        "enclave rewriting",
    ] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("no_call_takes_more_memory_than_the_limits_add_up_to")
            .env(ATTACK, attack)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{attack}: {output:?}");
        let peak = text.split_once("peak ").unwrap().1;
        let peak: usize = peak.split_whitespace().next().unwrap().parse().unwrap();
        println!("{attack}: {} MiB of {}", peak >> 20, most >> 20);
        assert!(peak < most, "{attack} took {peak} bytes, more than {most}");
        // An attack that takes next to nothing is none.
        assert!(peak > most / 8, "{attack} took {peak} bytes only");
    }
}
