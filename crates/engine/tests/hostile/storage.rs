//! Attacks on storage, transient storage and deposits.

use phat_engine::{ContractError, ContractError::*};

use super::attack::*;
use crate::common::*;

/// Runs with gas enough to reach the limits of memory.
fn fails_at_length(expected: ContractError, body: &str) {
    let outcome = attack_with(&contract(TOOLS, body), GAS, vec![]);
    assert_eq!(error_of(&outcome), expected, "{body}");
}

#[test]
fn one_value_written_over_and_over_ends_before_the_log_of_old_values_is_too_large() {
    fails_at_length(
        ValueTooLarge,
        "(drop (memory.grow (i32.const 14)))
         (loop $l
            (drop (call $set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0xfffff)))
            (br $l))",
    );
}

#[test]
fn ever_new_large_values_end_before_memory_does() {
    fails_at_length(
        ValueTooLarge,
        "(drop (memory.grow (i32.const 14)))
         (loop $l
            (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
            (drop (call $set (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 0xfffff)))
            (br $l))",
    );
}

#[test]
fn ever_new_small_values_run_out_of_gas() {
    fails(
        OutOfGas,
        "(loop $l
            (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
            (drop (call $set (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 0)))
            (br $l))",
    );
}

#[test]
fn writing_and_clearing_without_end_runs_out_of_gas() {
    fails(
        OutOfGas,
        "(loop $l
            (drop (call $set (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 9)))
            (drop (call $clear (i32.const 0) (i32.const 4)))
            (br $l))",
    );
}

#[test]
fn values_and_keys_over_their_limits_are_refused() {
    fails(
        ValueTooLarge,
        "(drop (call $set (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 0x100001)))",
    );
    fails(
        DecodingFailed,
        "(drop (call $set (i32.const 0) (i32.const 129) (i32.const 0) (i32.const 1)))",
    );
    fails(
        DecodingFailed,
        "(drop (call $get (i32.const 0) (i32.const -1) (i32.const 0) (i32.const 1)))",
    );
}

#[test]
fn an_empty_key_names_a_value_like_any_other() {
    answers(
        3,
        "(drop (call $set (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 3)))
         (i32.store (i32.const 0) (call $clear (i32.const 0) (i32.const 0)))",
    );
}

#[test]
fn transient_storage_is_bounded_however_it_is_filled() {
    fails(
        OutOfTransientStorage,
        "(loop $l
            (drop (call $set_transient (i32.const 0) (i32.const 4) (i32.const 0)
                (i32.const 0x8000)))
            (br $l))",
    );
    fails(
        OutOfGas,
        "(loop $l
            (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
            (drop (call $set_transient (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 0)))
            (br $l))",
    );
}

#[test]
fn a_value_taken_into_a_buffer_that_is_too_small_stays() {
    fails(
        OutputBufferTooSmall,
        "(drop (call $set (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 64)))
         (i32.store (i32.const 0x100) (i32.const 63))
         (drop (call $take (i32.const 0) (i32.const 4) (i32.const 0x200) (i32.const 0x100)))",
    );
}

#[test]
fn an_output_that_covers_its_own_length_is_written_in_order() {
    answers(
        4,
        "(drop (call $set (i32.const 0) (i32.const 4) (i32.const 0x1000) (i32.const 4)))
         (i32.store (i32.const 0) (i32.const 4))
         (drop (call $get (i32.const 0x2000) (i32.const 4) (i32.const 0) (i32.const 0)))",
    );
}

/// A callee that writes a value of 1 MiB when it is constructed, and reads it when it is called
/// with gas for the call and not for the bytes.
#[test]
fn work_that_cannot_be_paid_for_costs_all_there_is() {
    let imports = r#"
        (import "seal2" "set_storage" (func $set (param i32 i32 i32 i32) (result i32)))
        (import "seal1" "contains_storage" (func $has (param i32 i32) (result i32)))"#;
    let wat = contract(imports, "(drop (call $has (i32.const 0) (i32.const 4)))").replace(
        r#"(func (export "deploy"))"#,
        r#"(func (export "deploy") (drop (memory.grow (i32.const 14)))
            (drop (call $set (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 0x100000))))"#,
    );
    const GAS: u64 = 100_000_000;
    let outcome = attack_with(&wat, GAS, vec![]);
    assert_eq!(error_of(&outcome), OutOfGas);
    assert_eq!(outcome.report.gas_consumed, GAS);
}

#[test]
fn a_deposit_beyond_the_limit_undoes_everything() {
    let mut world = World::new();
    let body = "(drop (call $set (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 0x8000)))";
    let id = world.deploy(&contract(TOOLS, body));
    let before = world.overlay.get(b"c").unwrap();
    let mut args = World::args(id, []);
    args.storage_deposit_limit = Some(0x8000);
    let outcome = world.call_with(args);
    assert_eq!(error_of(&outcome), StorageDepositLimitExhausted);
    assert_eq!(world.overlay.get(b"c").unwrap(), before);
    assert_eq!(
        phat_engine::schema::contract(&world.overlay, &id)
            .unwrap()
            .unwrap()
            .items,
        0
    );
}

#[test]
fn locks_on_what_is_not_there_and_on_itself_are_refused() {
    fails(CodeNotFound, "(call $self) (call $lock (i32.const 0x8000))");
    fails(
        CannotAddSelfAsDelegateDependency,
        "(call $self) (call $lock (i32.const 0x8040))",
    );
}

#[test]
fn code_replaced_by_itself_without_end_runs_out_of_gas() {
    fails(
        OutOfGas,
        "(call $self) (loop $l (drop (call $set_code (i32.const 0x8040))) (br $l))",
    );
}

#[test]
fn code_that_does_not_exist_cannot_be_set() {
    answers(
        7,
        "(i32.store (i32.const 0) (call $set_code (i32.const 0x9000)))",
    );
}
