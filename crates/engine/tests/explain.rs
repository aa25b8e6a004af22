//! What a failed execution says of itself: enough to know what to do, without a worker's log.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{ALICE, ED, World, contract};
use phat_engine::{CallArgs, CodeRejected, ExecMode, Outcome};

fn why(outcome: &Outcome) -> String {
    outcome.report.explain(outcome.result.as_ref().unwrap_err())
}

const SET: &str =
    r#"(import "seal2" "set_storage" (func $set (param i32 i32 i32 i32) (result i32)))"#;

/// Stores 1000 bytes.
const STORING: &str =
    "(drop (call $set (i32.const 0) (i32.const 4) (i32.const 16) (i32.const 1000)))";

#[test]
fn out_of_gas_names_the_limit_and_the_contract() {
    let mut world = World::new();
    let spinning = world.deploy(&contract("", "(loop $again (br $again))"));
    let mut args = World::args(spinning, []);
    args.gas_limit = 5_000_000_000;
    let outcome = world.call_with(args);
    let why = why(&outcome);
    assert!(why.starts_with("out of gas at a limit of "), "{why}");
    let limit: u64 = why
        .trim_start_matches("out of gas at a limit of ")
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(limit <= 5_000_000_000 && limit > 4_900_000_000, "{limit}");
    assert!(why.contains(&hex::encode(spinning)), "{why}");
}

#[test]
fn an_exhausted_deposit_limit_says_by_how_much() {
    let mut world = World::new();
    let storing = world.deploy(&contract(SET, STORING));
    let free = world.call_with(CallArgs {
        storage_deposit_limit: Some(100_000),
        ..World::args(storing, [])
    });
    assert!(free.succeeded());
    let mut world = World::new();
    let storing = world.deploy(&contract(SET, STORING));
    let outcome = world.call_with(CallArgs {
        storage_deposit_limit: Some(50),
        ..World::args(storing, [])
    });
    // An item costs 100, and a thousand bytes 1 each.
    let why = why(&outcome);
    assert!(
        why.contains("1100 is needed, 50 is there, 1050 is missing"),
        "{why}"
    );
}

#[test]
fn a_deposit_limit_above_what_the_origin_has_says_what_it_has() {
    let mut world = World::new();
    let storing = world.deploy(&contract(SET, STORING));
    let free = world.free(&ALICE);
    let outcome = world.call_with(CallArgs {
        storage_deposit_limit: Some(free),
        ..World::args(storing, [])
    });
    let why = why(&outcome);
    assert!(why.contains("cannot pay the storage deposit"), "{why}");
    assert!(why.contains(&format!("{free} is needed")), "{why}");
    assert!(why.contains(&format!("{} is missing", 2 * ED)), "{why}");
}

#[test]
fn a_failure_in_a_called_contract_is_told_after_that_of_its_caller() {
    let mut world = World::new();
    let debug = r#"(import "seal0" "debug_message" (func $debug (param i32 i32) (result i32)))
        (data (i32.const 600) "panicked at lib.rs:7: no more tea")"#;
    let panicking = "(drop (call $debug (i32.const 600) (i32.const 33))) (unreachable)";
    let inner = world.deploy(&contract(debug, panicking));
    let call = r#"(import "seal1" "call"
        (func $call (param i32 i32 i64 i32 i32 i32 i32 i32) (result i32)))"#;
    let body = "(call $load_input)
        (if (call $call (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 700) (i32.const 0)
                (i32.const 0) (i32.const -1) (i32.const 0))
            (then (unreachable)))";
    let outer = world.deploy(&contract(call, body));
    let outcome = world.call(outer, inner);
    let why = why(&outcome);
    assert!(why.starts_with("the contract trapped: "), "{why}");
    let (first, second) = why.split_once("; before that: ").unwrap();
    assert!(first.contains(&hex::encode(outer)), "{why}");
    assert!(second.contains("no more tea"), "{why}");
    let both = format!(
        "(in 0x{}, called by 0x{})",
        hex::encode(inner),
        hex::encode(outer)
    );
    assert!(second.contains(&both), "{why}");
}

#[test]
fn clients_read_the_reason_in_the_debug_message() {
    let mut world = World::in_mode(ExecMode::Query);
    let trapping = world.deploy(&contract("", "(unreachable)"));
    let outcome = world.call(trapping, []);
    let bytes = outcome.encode_exec_result();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("the contract trapped: "), "{text}");
    let silent = world.deploy(&contract("", "(nop)"));
    let bytes = world.call(silent, []).encode_exec_result();
    assert!(!String::from_utf8_lossy(&bytes).contains("contract"));
}

#[test]
fn what_made_a_call_fail_is_told_however_many_failures_it_handled_before() {
    let mut world = World::new();
    let trapping = world.deploy(&contract("", "(unreachable)"));
    let imports = r#"(import "seal1" "call"
            (func $call (param i32 i32 i64 i32 i32 i32 i32 i32) (result i32)))
        (import "seal0" "debug_message" (func $debug (param i32 i32) (result i32)))
        (data (i32.const 600) "panicked at lib.rs:7: no more tea")"#;
    let body = "(local $failed i32)
        (call $load_input)
        (loop $again
            (local.set $failed (i32.add (local.get $failed)
                (call $call (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 700)
                    (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0))))
            (br_if $again (i32.lt_u (local.get $failed) (i32.const 30))))
        (drop (call $debug (i32.const 600) (i32.const 33)))
        (unreachable)";
    let caller = world.deploy(&contract(imports, body));
    let outcome = world.call(caller, trapping);
    let traps = &outcome.report.traps;
    assert_eq!(traps.len(), 16);
    assert_eq!(traps.first().unwrap().stack, [caller, trapping]);
    assert_eq!(traps.last().unwrap().stack, [caller]);
    let why = why(&outcome);
    assert!(why.starts_with("the contract trapped: "), "{why}");
    let (first, _) = why.split_once("; before that: ").unwrap();
    assert!(first.contains("no more tea"), "{why}");
}

/// Why code with these functions is refused as deterministic.
fn refusal(functions: &str) -> CodeRejected {
    let wat = contract(functions, "");
    World::new().check(&wat).err().unwrap()
}

#[test]
fn a_refusal_of_floats_names_the_function_and_its_crate() {
    for (function, expected) in [
        (
            "(func $_ZN4core3num7flt2dec6decode17h0123456789abcdefE (drop (f32.const 1)))",
            "floating point in `core::num::flt2dec::decode` (crate core) at byte ",
        ),
        (
            "(func $_RNvNtCs1234_9price_lib5quote5round (drop (f64.const 1)))",
            "floating point in `price_lib::quote::round` (crate price_lib) at byte ",
        ),
        // The function's type comes long before its name.
        (
            "(func) (func $_RNvCs1234_9price_lib5round (param f64))",
            "floating point in `price_lib::round` (crate price_lib) at byte ",
        ),
        (
            "(func (result f32) (f32.const 1))",
            "floating point in function 2 at byte ",
        ),
        (
            "(global f64 (f64.const 1))",
            "floating point in what the module declares at byte ",
        ),
    ] {
        let refused = refusal(function);
        assert!(matches!(refused, CodeRejected::Float { .. }), "{refused:?}");
        let text = refused.to_string();
        assert!(text.starts_with(expected), "{text}");
    }
}
