//! Attacks by calling: recursion, re-entry, forged values, flags, terminations.

use phat_engine::ContractError::*;

use super::attack::*;
use crate::common::*;

const REENTER: u32 = 8;

#[test]
fn a_contract_that_calls_itself_stops_at_the_depth_limit() {
    answers(
        0,
        "(call $self) (i32.store (i32.const 0) (call $call_self (i32.const 8)))",
    );
    fails(
        ContractTrapped,
        "(call $self) (if (call $call_self (i32.const 8)) (then (unreachable)))",
    );
}

#[test]
fn calls_that_double_at_every_depth_run_out_of_gas() {
    let outcome = attack(&format!(
        "(call $self)
         (drop (call $call_self (i32.const {REENTER})))
         (drop (call $call_self (i32.const {REENTER})))"
    ));
    assert_eq!(outcome.report.gas_required, 20_000_000_000);
}

#[test]
fn reentry_that_was_not_allowed_fails() {
    fails(
        ReentranceDenied,
        "(call $self) (drop (call $call_self (i32.const 0)))",
    );
}

#[test]
fn a_tail_call_of_itself_without_end_stops_at_the_depth_limit() {
    fails(
        ContractTrapped,
        "(call $self) (drop (call $call_self (i32.const 12))) (unreachable)",
    );
}

#[test]
fn a_delegate_call_of_its_own_code_stops_at_the_depth_limit() {
    let outcome = attack(
        "(call $self)
         (drop (call $delegate (i32.const 0) (i32.const 0x8040) (i32.const 0) (i32.const 0)
            (i32.const -1) (i32.const 0)))",
    );
    assert!(
        outcome
            .report
            .traps
            .iter()
            .any(|trap| trap.reason.contains("too deep"))
    );
}

#[test]
fn a_constructor_that_constructs_itself_ends() {
    let wat = contract(TOOLS, "(call $spawn)").replace(
        r#"(func (export "deploy"))"#,
        r#"(func $spawn (call $self)
            (i32.store (i32.const 0x8060) (i32.add (i32.load (i32.const 0x8060)) (i32.const 1)))
            (drop (call $instantiate (i32.const 0x8040) (i64.const 0) (i32.const 0x8080)
                (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0) (i32.const -1)
                (i32.const 0) (i32.const 0x8060) (i32.const 4))))
        (func (export "deploy") (if (i32.load (i32.const 0)) (then (call $spawn))))"#,
    );
    attack_with(&wat, GAS, vec![1]);
}

#[test]
fn ever_new_contracts_run_out_of_gas_and_leave_none() {
    fails(
        OutOfGas,
        "(call $self)
         (loop $l
            (i32.store (i32.const 0x8060) (i32.add (i32.load (i32.const 0x8060)) (i32.const 1)))
            (drop (call $instantiate (i32.const 0x8040) (i64.const 0) (i32.const 0x8080)
                (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0) (i32.const -1)
                (i32.const 0) (i32.const 0x8060) (i32.const 4)))
            (br $l))",
    );
}

#[test]
fn two_contracts_cannot_have_one_address() {
    fails(
        DuplicateContract,
        "(call $self)
         (loop $l
            (drop (call $instantiate (i32.const 0x8040) (i64.const 0) (i32.const 0x8080)
                (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0) (i32.const -1)
                (i32.const 0) (i32.const 0x8060) (i32.const 4)))
            (br $l))",
    );
}

#[test]
fn a_value_nobody_has_moves_nothing() {
    answers(
        5,
        "(call $self)
         (memory.fill (i32.const 0x8080) (i32.const 0xff) (i32.const 16))
         (i32.store (i32.const 0) (call $transfer (i32.const 0x9000) (i32.const 32)
            (i32.const 0x8080) (i32.const 16)))",
    );
}

#[test]
fn a_contract_cannot_give_away_what_keeps_it_alive() {
    answers(
        5,
        "(call $self)
         (i32.store (i32.const 0x8080) (i32.const 101000))
         (i32.store (i32.const 0) (call $transfer (i32.const 0x9000) (i32.const 32)
            (i32.const 0x8080) (i32.const 16)))",
    );
}

#[test]
fn transfers_to_itself_of_more_than_it_has_make_no_money() {
    let outcome = attack(
        "(call $self)
         (memory.fill (i32.const 0x8080) (i32.const 0xff) (i32.const 16))
         (drop (call $transfer (i32.const 0x8000) (i32.const 32) (i32.const 0x8080)
            (i32.const 16)))",
    );
    assert!(outcome.succeeded());
}

#[test]
fn transfers_without_end_run_out_of_gas() {
    fails(
        OutOfGas,
        "(call $self)
         (i32.store (i32.const 0x8080) (i32.const 1000))
         (loop $l
            (drop (call $transfer (i32.const 0x9000) (i32.const 32) (i32.const 0x8080)
                (i32.const 16)))
            (br $l))",
    );
}

#[test]
fn what_is_no_contract_cannot_be_called() {
    answers(
        8,
        "(memory.fill (i32.const 0x8000) (i32.const 7) (i32.const 32))
         (i32.store (i32.const 0) (call $call_self (i32.const 0)))",
    );
}

#[test]
fn unknown_flags_of_every_bit_are_refused() {
    for bit in 5..32 {
        fails(
            InvalidCallFlags,
            &format!(
                "(call $self) (drop (call $call_self (i32.const {})))",
                1u32 << bit
            ),
        );
    }
    for bit in 1..32 {
        fails(
            InvalidCallFlags,
            &format!(
                "(call $return (i32.const {}) (i32.const 0) (i32.const 0))",
                1u32 << bit
            ),
        );
    }
}

#[test]
fn delegate_calls_take_no_flags_that_concern_other_contracts() {
    for flags in [8, 16, 24] {
        fails(
            InvalidCallFlags,
            &format!(
                "(call $self)
                 (drop (call $delegate (i32.const {flags}) (i32.const 0x8040) (i32.const 0)
                    (i32.const 0) (i32.const -1) (i32.const 0)))"
            ),
        );
    }
}

#[test]
fn an_input_is_forwarded_once() {
    fails(
        InputForwarded,
        "(call $self)
         (memory.fill (i32.const 0x8000) (i32.const 7) (i32.const 32))
         (drop (call $call_self (i32.const 1)))
         (drop (call $call_self (i32.const 1)))",
    );
    fails(
        InputForwarded,
        "(memory.fill (i32.const 0x8000) (i32.const 7) (i32.const 32))
         (drop (call $call_self (i32.const 1)))
         (call $load_input)",
    );
}

#[test]
fn a_read_only_call_cannot_change_anything_however_deep() {
    let outcome = attack(
        "(call $self)
         (if (i32.eqz (call $call_self (i32.const 24))) (then (unreachable)))
         (drop (call $set (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 4)))",
    );
    // Every nested frame is refused its write; the first may write.
    assert!(outcome.succeeded());
    assert!(
        outcome
            .report
            .traps
            .iter()
            .any(|trap| trap.reason.contains("read-only") || trap.reason.contains("too deep"))
    );
}

#[test]
fn a_termination_gives_everything_to_the_beneficiary_once() {
    let outcome = attack("(call $self) (call $terminate (i32.const 0x9000)) (unreachable)");
    assert!(outcome.succeeded());
    assert_eq!(outcome.report.lifecycle.len(), 1);
}

#[test]
fn a_termination_in_favour_of_itself_makes_no_money() {
    attack("(call $self) (call $terminate (i32.const 0x8000))");
}

#[test]
fn a_contract_that_is_on_the_stack_twice_cannot_terminate() {
    let outcome = attack(
        "(call $self)
         (if (i32.eqz (i32.load (i32.const 0)))
            (then
                (drop (call $delegate (i32.const 0) (i32.const 0x8040) (i32.const 0x8000)
                    (i32.const 4) (i32.const -1) (i32.const 0)))
                (call $return (i32.const 0) (i32.const 0) (i32.const 0))))
         (call $terminate (i32.const 0x9000))",
    );
    assert!(outcome.report.lifecycle.is_empty());
}

#[test]
fn a_constructor_cannot_terminate_its_contract() {
    let wat = contract(TOOLS, "").replace(
        r#"(func (export "deploy"))"#,
        r#"(func (export "deploy") (call $terminate (i32.const 0x9000)))"#,
    );
    let mut world = World::new();
    let code_hash = world.upload(&wat);
    let outcome = world.try_instantiate(code_hash, vec![]);
    assert_eq!(outcome.result, Err(TerminatedInConstructor.into()));
    assert!(!outcome.succeeded());
}

#[test]
fn more_gas_than_there_is_gives_a_callee_what_is_left() {
    let outcome = attack(
        "(call $self)
         (memory.fill (i32.const 0x8000) (i32.const 7) (i32.const 32))
         (drop (call $call (i32.const 8) (i32.const 0x8000) (i64.const -1) (i32.const 0x8080)
            (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0)))",
    );
    assert!(outcome.succeeded());
}

#[test]
fn a_callee_that_is_given_no_gas_to_speak_of_takes_no_more() {
    let outcome = attack(
        "(call $self)
         (drop (call $call (i32.const 8) (i32.const 0x8000) (i64.const 1) (i32.const 0x8080)
            (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0)))",
    );
    assert!(outcome.succeeded());
    assert!(outcome.report.gas_consumed < 200_000_000);
}
