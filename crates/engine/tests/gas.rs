//! More work costs more gas, whatever the work is.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::*;

/// Imports, and functions of `n`, which the input gives. What lies in memory from 0x1000 is zero.
const TOOLS: &str = r#"
    (import "seal2" "set_storage" (func $set (param i32 i32 i32 i32) (result i32)))
    (import "seal1" "get_storage" (func $get (param i32 i32 i32 i32) (result i32)))
    (import "seal1" "contains_storage" (func $contains (param i32 i32) (result i32)))
    (import "seal0" "take_storage" (func $take (param i32 i32 i32 i32) (result i32)))
    (import "seal1" "clear_storage" (func $clear (param i32 i32) (result i32)))
    (import "seal0" "set_transient_storage"
        (func $set_transient (param i32 i32 i32 i32) (result i32)))
    (import "seal0" "get_transient_storage"
        (func $get_transient (param i32 i32 i32 i32) (result i32)))
    (import "seal1" "call" (func $call (param i32 i32 i64 i32 i32 i32 i32 i32) (result i32)))
    (import "seal0" "deposit_event" (func $event (param i32 i32 i32 i32)))
    (import "seal0" "debug_message" (func $debug (param i32 i32) (result i32)))
    (import "seal0" "hash_sha2_256" (func $sha2 (param i32 i32 i32)))
    (import "seal0" "hash_keccak_256" (func $keccak (param i32 i32 i32)))
    (import "seal0" "hash_blake2_256" (func $blake2 (param i32 i32 i32)))
    (import "seal0" "hash_blake2_128" (func $blake2_128 (param i32 i32 i32)))
    (import "seal0" "caller" (func $caller (param i32 i32)))
    (func $n (result i32) (i32.load (i32.const 0)))
    (func $room (i32.store (i32.const 0x800) (i32.const 0x10000)))
    (func $recurse (param $depth i32)
        (if (local.get $depth) (then
            (call $recurse (i32.sub (local.get $depth) (i32.const 1))))))"#;

/// A loop around `work`, `n` times.
fn repeated(work: &str) -> String {
    format!(
        "(loop $again (if (call $n) (then
            {work}
            (i32.store (i32.const 0) (i32.sub (call $n) (i32.const 1)))
            (br $again))))"
    )
}

/// Gas that `body` takes for a growing `n`, each in a world of its own.
fn prices(body: &str) -> Vec<u64> {
    [1u32, 2, 3, 10, 100, 1_000]
        .map(|n| {
            let mut world = World::new();
            let body = format!("(call $load_input) (call $room) {body}");
            let contract = world.deploy(&contract(TOOLS, &body));
            let outcome = world.call(contract, [n.to_le_bytes().to_vec(), vec![0; 64]].concat());
            assert!(outcome.succeeded(), "{body}: {outcome:?}");
            outcome.report.gas_consumed
        })
        .to_vec()
}

fn grows(body: &str) {
    let prices = prices(body);
    assert!(
        prices.is_sorted_by(|less, more| less < more),
        "{body}: {prices:?}"
    );
}

const KEY: &str = "(i32.const 0x1000) (i32.const 4)";

#[test]
fn every_round_of_a_loop_costs() {
    grows(&repeated(""));
    grows(&repeated("(drop (i64.mul (i64.const 3) (i64.const 5)))"));
    grows("(call $recurse (call $n))");
}

#[test]
fn every_byte_moved_in_memory_costs() {
    grows("(memory.fill (i32.const 0x1000) (i32.const 1) (call $n))");
    grows("(memory.copy (i32.const 0x1000) (i32.const 0x4000) (call $n))");
}

#[test]
fn every_byte_hashed_costs() {
    for hash in ["sha2", "keccak", "blake2", "blake2_128"] {
        grows(&format!(
            "(call ${hash} (i32.const 0x1000) (call $n) (i32.const 0x8000))"
        ));
    }
}

#[test]
fn every_byte_stored_read_and_removed_costs() {
    let store = format!("(drop (call $set {KEY} (i32.const 0x1000) (call $n)))");
    grows(&store);
    for read in [
        "(drop (call $get (i32.const 0x1000) (i32.const 4) (i32.const 0x8000) (i32.const 0x800)))",
        "(drop (call $take (i32.const 0x1000) (i32.const 4) (i32.const 0x8000) (i32.const 0x800)))",
        "(drop (call $contains (i32.const 0x1000) (i32.const 4)))",
        "(drop (call $clear (i32.const 0x1000) (i32.const 4)))",
    ] {
        // More than the storing of more: what is the same in both is taken away.
        let both = prices(&format!("{store} {read}"));
        let extra: Vec<_> = both
            .iter()
            .zip(prices(&store))
            .map(|(a, b)| a - b)
            .collect();
        assert!(
            extra.is_sorted_by(|less, more| less < more),
            "{read}: {extra:?}"
        );
    }
}

#[test]
fn every_byte_of_transient_storage_costs() {
    let store = format!("(drop (call $set_transient {KEY} (i32.const 0x1000) (call $n)))");
    grows(&store);
    let read =
        format!("{store} (drop (call $get_transient {KEY} (i32.const 0x8000) (i32.const 0x800)))");
    let extra: Vec<_> = prices(&read)
        .iter()
        .zip(prices(&store))
        .map(|(a, b)| a - b)
        .collect();
    assert!(extra.is_sorted_by(|less, more| less < more), "{extra:?}");
}

#[test]
fn every_byte_of_an_event_a_message_and_an_output_costs() {
    grows("(call $event (i32.const 0) (i32.const 0) (i32.const 0x1000) (call $n))");
    grows("(drop (call $debug (i32.const 0x1000) (call $n)))");
    grows("(call $answer (i32.const 0x1000) (call $n))");
}

#[test]
fn every_call_of_a_host_function_and_of_an_account_costs() {
    grows(&repeated(
        "(call $room) (call $caller (i32.const 0x8000) (i32.const 0x800))",
    ));
    // There is no contract; the attempt costs.
    grows(&repeated(
        "(drop (call $call (i32.const 0) (i32.const 0x1000) (i64.const 0) (i32.const 0x1000)
            (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0)))",
    ));
}
