//! Contracts calling contracts, in WAT.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use phat_engine::{ContractError, Determinism, ExecMode, LifecycleEvent, schema};

const CALL: &str = r#"
    (import "seal2" "call"
        (func $call (param i32 i32 i64 i64 i32 i32 i32 i32 i32 i32) (result i32)))"#;

/// A contract that calls the address at the start of its input, with the flags after it and the
/// rest as input. It answers with the callee's return code and output.
fn proxy(extra: &str) -> String {
    contract(
        &format!(
            "{CALL}
            (data (i32.const 0x8000) \"{}\")",
            "\\00".repeat(16)
        ),
        &format!(
            r#"
            (call $load_input)
            (i32.store (i32.const 0x4000) (i32.const 0x1000))
            (i32.store (i32.const 0x4ffc)
                (call $call
                    (i32.load (i32.const 32)) (i32.const 0) (i64.const 0) (i64.const 0)
                    (i32.const -1) (i32.const 0x8000)
                    (i32.const 36) (i32.sub (i32.load (i32.const 0xfff0)) (i32.const 36))
                    (i32.const 0x5000) (i32.const 0x4000)))
            {extra}
            (call $answer (i32.const 0x4ffc)
                (i32.add (i32.const 4) (i32.load (i32.const 0x4000))))"#
        ),
    )
}

fn to(callee: [u8; 32], flags: u32, input: &[u8]) -> Vec<u8> {
    [&callee[..], &flags.to_le_bytes(), input].concat()
}

/// Stores its input, then returns it with the first byte as flags, or traps on 9.
const STORER: &str = r#"
    (call $load_input)
    (call $set (i32.const 0x6000) (i32.const 0) (i32.load (i32.const 0xfff0)))
    (call $event (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (if (i32.eq (i32.load8_u (i32.const 0)) (i32.const 9)) (then unreachable))
    (call $return (i32.load8_u (i32.const 0)) (i32.const 0) (i32.load (i32.const 0xfff0)))"#;

fn storer() -> String {
    contract(
        r#"(import "seal0" "set_storage" (func $set (param i32 i32 i32)))
           (import "seal0" "deposit_event" (func $event (param i32 i32 i32 i32)))"#,
        STORER,
    )
}

fn items(world: &World, contract: [u8; 32]) -> u64 {
    let info = schema::contract(&world.overlay, &contract).unwrap();
    info.unwrap().items
}

#[test]
fn a_called_contract_keeps_its_changes_and_returns_data() {
    let mut world = World::new();
    let (proxy, callee) = (world.deploy(&proxy("")), world.deploy(&storer()));
    let outcome = world.call(proxy, to(callee, 0, &[0, 5]));
    assert_eq!(outcome.result.unwrap().data, [0, 0, 0, 0, 0, 5]);
    assert_eq!(outcome.report.events.len(), 1);
    assert_eq!(items(&world, callee), 1);
    assert!(world.held(&callee) > 0);
}

#[test]
fn a_reverting_callee_is_rolled_back_and_its_data_seen() {
    let mut world = World::new();
    let (proxy, callee) = (world.deploy(&proxy("")), world.deploy(&storer()));
    let outcome = world.call(proxy, to(callee, 0, &[1, 5]));
    assert_eq!(outcome.result.unwrap().data, [2, 0, 0, 0, 1, 5]);
    assert!(outcome.report.events.is_empty());
    assert_eq!(items(&world, callee), 0);
}

#[test]
fn a_trapping_callee_is_rolled_back_and_named() {
    let mut world = World::new();
    let (proxy, callee) = (world.deploy(&proxy("")), world.deploy(&storer()));
    let outcome = world.call(proxy, to(callee, 0, &[9]));
    assert!(outcome.succeeded());
    assert_eq!(outcome.result.unwrap().data[..4], [1, 0, 0, 0]);
    assert!(outcome.report.events.is_empty());
    assert_eq!(items(&world, callee), 0);
    assert_eq!(outcome.report.traps[0].contract, callee);
    assert_eq!(outcome.report.traps[0].stack, [proxy, callee]);
}

#[test]
fn a_trapping_caller_undoes_what_it_called() {
    let mut world = World::new();
    let (proxy, callee) = (world.deploy(&proxy("unreachable")), world.deploy(&storer()));
    let outcome = world.call(proxy, to(callee, 0, &[0]));
    assert_eq!(error_of(&outcome), ContractError::ContractTrapped);
    assert!(outcome.report.events.is_empty());
    assert_eq!(items(&world, callee), 0);
}

#[test]
fn a_read_only_call_may_not_write() {
    let mut world = World::new();
    let (proxy, callee) = (world.deploy(&proxy("")), world.deploy(&storer()));
    let outcome = world.call(proxy, to(callee, 0b1_0000, &[0]));
    assert_eq!(outcome.result.unwrap().data[..4], [1, 0, 0, 0]);
    assert_eq!(items(&world, callee), 0);
}

#[test]
fn a_tail_call_returns_for_the_caller() {
    let mut world = World::new();
    let (proxy, callee) = (world.deploy(&proxy("unreachable")), world.deploy(&storer()));
    assert_eq!(world.ask(proxy, to(callee, 0b100, &[0, 7])), [0, 7]);
}

#[test]
fn input_is_cloned_or_forwarded() {
    let mut world = World::new();
    let echo = world.deploy(&storer());
    let proxy_again = proxy("(call $load_input)");
    let again = world.deploy(&proxy_again);
    // Cloned: the callee gets all of it and the caller can read it again. The first byte of the
    // address is what the callee takes for flags, so the call reverts or fails; its code is seen.
    let cloned = world.call(again, to(echo, 0b10, &[]));
    assert!(cloned.result.is_ok(), "{cloned:?}");
    let forwarded = world.call(again, to(echo, 0b1, &[]));
    assert_eq!(error_of(&forwarded), ContractError::InputForwarded);
}

#[test]
fn re_entry_needs_permission() {
    let mut world = World::new();
    let proxy = world.deploy(&proxy(""));
    let callee = world.deploy(&storer());
    let inner = to(callee, 0, &[0, 3]);
    // The contract calls itself, and then the other one.
    let denied = world.call(proxy, to(proxy, 0, &inner));
    assert_eq!(error_of(&denied), ContractError::ReentranceDenied);
    let allowed = world.call(proxy, to(proxy, 0b1000, &inner));
    assert_eq!(allowed.result.unwrap().data, [0, 0, 0, 0, 0, 0, 0, 0, 0, 3]);
}

#[test]
fn calling_what_is_no_contract_answers_a_code() {
    let mut world = World::new();
    let proxy = world.deploy(&proxy(""));
    let answer = world.ask(proxy, to(BOB, 0, &[]));
    assert_eq!(answer[..4], [8, 0, 0, 0]);
}

#[test]
fn unknown_call_flags_are_an_error() {
    let mut world = World::new();
    let proxy = world.deploy(&proxy(""));
    let outcome = world.call(proxy, to(BOB, 1 << 7, &[]));
    assert_eq!(error_of(&outcome), ContractError::InvalidCallFlags);
}

#[test]
fn endless_recursion_ends_at_the_call_depth() {
    let mut world = World::new();
    // Calls itself with its own input, and fails unless the call succeeded.
    let code = contract(
        &format!(
            "{CALL} (import \"seal0\" \"address\" (func $address (param i32 i32)))
             (data (i32.const 0x8000) \"{}\")",
            "\\00".repeat(16)
        ),
        r#"
        (i32.store (i32.const 0x4000) (i32.const 32))
        (call $address (i32.const 0x1000) (i32.const 0x4000))
        (if (call $call (i32.const 8) (i32.const 0x1000) (i64.const 0) (i64.const 0)
                (i32.const -1) (i32.const 0x8000) (i32.const 0) (i32.const 0)
                (i32.const -1) (i32.const 0))
            (then unreachable))"#,
    );
    let contract = world.deploy(&code);
    let outcome = world.call(contract, []);
    assert_eq!(error_of(&outcome), ContractError::ContractTrapped);
    let deepest = outcome.report.traps.first().unwrap();
    assert_eq!(deepest.stack.len(), 32, "{deepest:?}");
    assert!(deepest.reason.contains("nested too deep"), "{deepest:?}");
}

#[test]
fn value_moves_with_a_call_and_comes_back_when_it_fails() {
    let mut world = World::new();
    let quiet = world.deploy(&contract("", ""));
    let failing = world.deploy(&contract("", "unreachable"));
    let mut args = World::args(quiet, []);
    args.value = 5 * UNIT;
    assert!(world.call_with(args.clone()).succeeded());
    assert_eq!(world.free(&quiet), ED + 5 * UNIT);
    let before = world.free(&ALICE);
    args.dest = failing;
    assert!(!world.call_with(args.clone()).succeeded());
    assert_eq!((world.free(&failing), world.free(&ALICE)), (ED, before));
    args.value = 10_000 * UNIT;
    let outcome = world.call_with(args);
    assert_eq!(error_of(&outcome), ContractError::TransferFailed);
}

#[test]
fn a_contract_transfers_but_keeps_the_existential_deposit() {
    let mut world = World::new();
    let imports = r#"(import "seal0" "transfer" (func $transfer (param i32 i32 i32 i32)
        (result i32)))"#;
    // Input: account, value.
    let body = r#"
        (call $load_input)
        (i32.store (i32.const 0x1000)
            (call $transfer (i32.const 0) (i32.const 32) (i32.const 32) (i32.const 16)))
        (call $answer (i32.const 0x1000) (i32.const 4))"#;
    let contract = world.deploy(&contract(imports, body));
    let mut args = World::args(contract, [&BOB[..], &UNIT.to_le_bytes()].concat());
    args.value = 2 * UNIT;
    assert_eq!(world.call_with(args.clone()).result.unwrap().data, [0; 4]);
    assert_eq!(world.free(&BOB), UNIT);
    args.value = 0;
    args.input = [&BOB[..], &(UNIT + 1).to_le_bytes()].concat();
    assert_eq!(
        world.call_with(args).result.unwrap().data,
        5u32.to_le_bytes()
    );
    assert_eq!(world.free(&BOB), UNIT);
}

#[test]
fn a_contract_creates_a_contract_once_per_salt() {
    let mut world = World::new();
    let child = world.upload(&contract("", ""));
    let imports = format!(
        r#"(import "seal2" "instantiate" (func $create
            (param i32 i64 i64 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (data (i32.const 0x8000) "{}")"#,
        "\\00".repeat(16)
    );
    let body = r#"
        (call $load_input)
        (i32.store (i32.const 0x4000) (i32.const 32))
        (i32.store (i32.const 0x4ffc)
            (call $create (i32.const 0) (i64.const 0) (i64.const 0) (i32.const -1)
                (i32.const 0x8000) (i32.const 0) (i32.const 0)
                (i32.const 0x5000) (i32.const 0x4000)
                (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 4)))
        (call $answer (i32.const 0x4ffc) (i32.const 36))"#;
    let factory = world.deploy(&contract(&imports, body));
    let outcome = world.call(factory, child);
    let data = outcome.result.clone().unwrap().data;
    assert_eq!(data[..4], [0; 4], "{outcome:?}");
    let address: [u8; 32] = data[4..36].try_into().unwrap();
    assert!(matches!(
        outcome.report.lifecycle[..],
        [LifecycleEvent::Instantiated { deployer, contract, .. }]
            if deployer == factory && contract == address
    ));
    assert!(world.call(address, []).succeeded());
    let again = world.call(factory, child);
    assert_eq!(error_of(&again), ContractError::DuplicateContract);
    let unknown = world.ask(factory, [5; 32]);
    assert_eq!(unknown[..4], 7u32.to_le_bytes());
}

#[test]
fn a_delegate_call_runs_other_code_on_the_own_storage() {
    let mut world = World::new();
    let library = world.upload(&storer());
    let imports = r#"(import "seal0" "delegate_call"
        (func $delegate (param i32 i32 i32 i32 i32 i32) (result i32)))"#;
    let body = r#"
        (call $load_input)
        (i32.store (i32.const 0x4000) (i32.const 16))
        (i32.store (i32.const 0x4ffc)
            (call $delegate (i32.const 0) (i32.const 0) (i32.const 32) (i32.const 2)
                (i32.const 0x5000) (i32.const 0x4000)))
        (call $answer (i32.const 0x4ffc) (i32.const 6))"#;
    let contract = world.deploy(&contract(imports, body));
    let input = [&library[..], &[0, 6]].concat();
    assert_eq!(world.ask(contract, input), [0, 0, 0, 0, 0, 6]);
    assert_eq!(items(&world, contract), 1);
}

#[test]
fn query_only_code_is_delegated_to_in_a_query_and_not_in_a_transaction() {
    let mut world = World::in_mode(ExecMode::Query);
    // Answers 2.5 times the 4 bytes of its input.
    let library = contract(
        "",
        r#"
        (call $load_input)
        (i32.store (i32.const 0x4000) (i32.trunc_f64_s
            (f64.mul (f64.convert_i32_u (i32.load (i32.const 0))) (f64.const 2.5))))
        (call $answer (i32.const 0x4000) (i32.const 4))"#,
    );
    let wasm = wat::parse_str(library).unwrap();
    assert!(world.engine.prepare(&wasm, Determinism::Enforced).is_err());
    let library = world.upload_wasm(&wasm, Determinism::Relaxed);
    let imports = r#"(import "seal0" "delegate_call"
        (func $delegate (param i32 i32 i32 i32 i32 i32) (result i32)))"#;
    let body = r#"
        (call $load_input)
        (i32.store (i32.const 0x4000) (i32.const 4))
        (i32.store (i32.const 0x4ffc)
            (call $delegate (i32.const 0) (i32.const 0) (i32.const 32) (i32.const 4)
                (i32.const 0x5000) (i32.const 0x4000)))
        (call $answer (i32.const 0x4ffc) (i32.const 8))"#;
    let contract = world.deploy(&contract(imports, body));
    let input = [&library[..], &100u32.to_le_bytes()].concat();
    let expected = [0u32.to_le_bytes(), 250u32.to_le_bytes()].concat();
    assert_eq!(world.ask(contract, input.clone()), expected);

    world.host_mut().mode = ExecMode::Transaction;
    let refused = world.call(contract, input);
    assert_eq!(error_of(&refused), ContractError::Indeterministic);
}

#[test]
fn a_constructor_that_fails_leaves_nothing() {
    let mut world = World::new();
    let wat = r#"(module (import "env" "memory" (memory 1 1))
        (func (export "deploy") unreachable) (func (export "call")))"#;
    let code_hash = world.upload(wat);
    let (free, held) = (world.free(&ALICE), world.held(&ALICE));
    let outcome = world.try_instantiate(code_hash, Vec::new());
    assert!(!outcome.succeeded());
    assert_eq!((world.free(&ALICE), world.held(&ALICE)), (free, held));
    assert_eq!(schema::contracts(&world.overlay, 10).unwrap().len(), 0);
    assert_eq!(schema::nonce(&world.overlay).unwrap(), 0);
}

#[test]
fn a_call_with_a_gas_limit_leaves_the_caller_the_rest() {
    let mut world = World::new();
    let spinning = world.deploy(&contract("", "(loop $l (br $l))"));
    let code = contract(
        &format!("{CALL} (data (i32.const 0x8000) \"{}\")", "\\00".repeat(16)),
        r#"
        (call $load_input)
        (i32.store (i32.const 0x1000)
            (call $call (i32.const 0) (i32.const 0) (i64.const 1000000000) (i64.const 0)
                (i32.const -1) (i32.const 0x8000) (i32.const 0) (i32.const 0)
                (i32.const -1) (i32.const 0)))
        (call $answer (i32.const 0x1000) (i32.const 4))"#,
    );
    let caller = world.deploy(&code);
    let outcome = world.call(caller, spinning);
    assert_eq!(outcome.result.unwrap().data, [1, 0, 0, 0]);
    let used = outcome.report.gas_consumed;
    assert!((1_000_000_000..2_000_000_000).contains(&used), "{used}");
}

#[test]
fn a_contract_holds_what_its_record_says_though_it_was_refunded_as_it_was_made() {
    let mut world = World::new();
    let small = world.upload(&contract("", ""));
    let large = world.upload(&format!(
        r#"(module
            (import "env" "memory" (memory 2 16))
            (import "seal0" "input" (func $input (param i32 i32)))
            (import "seal0" "set_code_hash" (func $set_code (param i32) (result i32)))
            (data (i32.const 0x100) "{}")
            (func (export "deploy")
                (i32.store (i32.const 0x80) (i32.const 32))
                (call $input (i32.const 0) (i32.const 0x80))
                (if (call $set_code (i32.const 0)) (then (unreachable))))
            (func (export "call")))"#,
        "x".repeat(1_000)
    ));
    let before = world.free(&ALICE);
    let made = world.instantiate(large, small.to_vec());
    let info = schema::contract(&world.overlay, &made).unwrap().unwrap();
    assert_eq!(info.code_hash, small);
    assert_eq!(world.held(&made), info.base_deposit);
    assert_eq!(before - world.free(&ALICE), info.base_deposit + ED);
}
