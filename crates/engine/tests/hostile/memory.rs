//! Attacks on linear memory, tables, arithmetic and the Wasm stack.

use phat_engine::ContractError::*;

use super::attack::*;
use crate::common::*;

#[test]
fn memory_filled_over_and_over_runs_out_of_gas() {
    fails(
        OutOfGas,
        "(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x20000)) (br $l))",
    );
}

#[test]
fn a_copy_of_megabytes_costs_by_the_byte() {
    let cost = |bytes: u32| {
        let body = format!(
            "(drop (memory.grow (i32.const 14)))
             (memory.copy (i32.const 0) (i32.const 0x80000) (i32.const {bytes}))"
        );
        let outcome = attack(&body);
        assert!(outcome.succeeded());
        outcome.report.gas_consumed
    };
    assert!(cost(0x80000) - cost(0) >= 0x80000 * 100);
}

#[test]
fn bulk_operations_beyond_the_memory_trap() {
    for body in [
        "(memory.fill (i32.const 0x1ffff) (i32.const 1) (i32.const 2))",
        "(memory.copy (i32.const 0) (i32.const 0x1ffff) (i32.const 2))",
        "(memory.copy (i32.const 0x1ffff) (i32.const 0) (i32.const 2))",
    ] {
        fails(ContractTrapped, body);
    }
    // The bytes are charged before the bounds are checked.
    fails(
        OutOfGas,
        "(memory.fill (i32.const -1) (i32.const 1) (i32.const -1))",
    );
}

#[test]
fn a_dropped_segment_is_empty() {
    let tools = format!(r#"{TOOLS} (data $d "data")"#);
    let body = "(data.drop $d) (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1))";
    let outcome = attack_with(&contract(&tools, body), GAS, vec![]);
    assert_eq!(error_of(&outcome), ContractTrapped);
}

#[test]
fn loads_and_stores_beyond_the_memory_trap() {
    for body in [
        "(drop (i32.load (i32.const 0x1fffd)))",
        "(drop (i32.load (i32.const -1)))",
        "(drop (i64.load offset=0xffffffff (i32.const -1)))",
        "(i32.store8 (i32.const 0x20000) (i32.const 1))",
        "(i64.store offset=0x1fff9 (i32.const 0) (i64.const 1))",
    ] {
        fails(ContractTrapped, body);
    }
}

#[test]
fn what_was_not_granted_cannot_be_touched_after_growing_failed() {
    fails(
        ContractTrapped,
        "(drop (memory.grow (i32.const 0x7fff))) (i32.store (i32.const 0x20000) (i32.const 1))",
    );
}

#[test]
fn growing_in_a_loop_ends_at_the_maximum() {
    answers(
        16,
        "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
         (i32.store (i32.const 0) (memory.size))",
    );
}

#[test]
fn growing_that_always_fails_still_costs() {
    fails(
        OutOfGas,
        "(loop $l (drop (memory.grow (i32.const -1))) (br $l))",
    );
}

#[test]
fn forged_function_pointers_trap() {
    let tools = format!(
        "{TOOLS} (type $t (func (param i64) (result i64))) (table 4 funcref)
         (elem (i32.const 0) $answer $self)"
    );
    for index in ["0", "1", "2", "3", "4", "-1", "0x7fffffff"] {
        let body = format!("(drop (call_indirect (type $t) (i64.const 1) (i32.const {index})))");
        let outcome = attack_with(&contract(&tools, &body), GAS, vec![]);
        assert_eq!(error_of(&outcome), ContractTrapped, "{index}");
    }
}

#[test]
fn a_table_cannot_be_filled_beyond_its_end() {
    let tools = format!("{TOOLS} (table 2 funcref) (elem $e func $answer $self $answer)");
    for body in [
        "(table.init $e (i32.const 0) (i32.const 0) (i32.const 3))",
        "(table.init $e (i32.const 1) (i32.const 0) (i32.const 2))",
        "(table.init $e (i32.const 0) (i32.const 3) (i32.const 1))",
        "(table.copy (i32.const 1) (i32.const 0) (i32.const 2))",
        "(table.copy (i32.const -1) (i32.const 0) (i32.const 2))",
        "(elem.drop $e) (table.init $e (i32.const 0) (i32.const 0) (i32.const 1))",
    ] {
        let outcome = attack_with(&contract(&tools, body), GAS, vec![]);
        assert_eq!(error_of(&outcome), ContractTrapped, "{body}");
    }
}

#[test]
fn arithmetic_without_a_result_traps() {
    for body in [
        "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))",
        "(drop (i64.div_s (i64.const 0x8000000000000000) (i64.const -1)))",
        "(drop (i32.rem_u (i32.const 1) (i32.const 0)))",
        "(drop (i64.rem_s (i64.const 1) (i64.const 0)))",
    ] {
        fails(ContractTrapped, body);
    }
    answers(
        0,
        "(i32.store (i32.const 0) (i32.rem_s (i32.const 0x80000000) (i32.const -1)))",
    );
}

#[test]
fn recursion_through_the_table_exhausts_the_counted_stack() {
    let tools = format!(
        "{TOOLS} (type $t (func)) (table 1 funcref) (elem (i32.const 0) $down)
         (func $down (call_indirect (type $t) (i32.const 0)))"
    );
    let outcome = attack_with(&contract(&tools, "(call $down)"), GAS, vec![]);
    assert_eq!(outcome.report.traps[0].reason, "stack exhausted");
}

#[test]
fn mutual_recursion_exhausts_the_counted_stack() {
    let tools = format!("{TOOLS} (func $a (call $b)) (func $b (call $a) (call $a))");
    let outcome = attack_with(&contract(&tools, "(call $a)"), GAS, vec![]);
    assert_eq!(outcome.report.traps[0].reason, "stack exhausted");
}

#[test]
fn the_largest_frames_exhaust_the_stack_before_the_machine_does() {
    let tools = format!(
        "{TOOLS} (func $down (local {}) (call $down))",
        "i64 ".repeat(8_000)
    );
    let outcome = attack_with(&contract(&tools, "(call $down)"), GAS, vec![]);
    assert_eq!(outcome.report.traps[0].reason, "stack exhausted");
}

/// What a call costs that calls a contract of so many initial pages, and the outcome of that with
/// `gas` at most. The outermost frame's own memory is part of every call's base price.
fn calling_a_contract_of(pages: u32, gas: u64) -> phat_engine::Outcome {
    let mut world = World::new();
    let large = world.deploy(&format!(
        r#"(module (import "env" "memory" (memory {pages}))
            (func (export "deploy")) (func (export "call")))"#
    ));
    let caller = world.deploy(&contract(
        TOOLS,
        "(call $load_input)
         (if (call $call (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 0x8080)
            (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0)) (then (unreachable)))",
    ));
    world.call_with(phat_engine::CallArgs {
        gas_limit: gas,
        ..World::args(caller, large)
    })
}

#[test]
fn the_largest_initial_memory_is_paid_for_in_every_nested_call() {
    let cost = |pages| {
        let outcome = calling_a_contract_of(pages, GAS);
        assert!(outcome.succeeded());
        outcome.report.gas_consumed
    };
    assert!(cost(64) - cost(1) >= 63 * 1_000_000);
}

#[test]
fn an_initial_memory_that_cannot_be_paid_for_is_not_made() {
    let outcome = calling_a_contract_of(64, 40_101_400 + 63 * 1_000_000);
    assert_eq!(error_of(&outcome), OutOfGas);
}
