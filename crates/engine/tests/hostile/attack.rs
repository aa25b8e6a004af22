//! Runs a hostile contract and checks what must hold whatever it does.

use std::sync::Arc;

use phat_engine::{ContractError, Determinism, ExecMode, Outcome};

pub(crate) use crate::common::invariants::*;
use crate::common::*;

/// What attacks import, and what they are prepared with: `$self` leaves the contract's own address
/// at 0x8000, its code hash at 0x8040, and sixteen zeros, a value of nothing, at 0x8080.
pub(crate) const TOOLS: &str = r#"
    (import "seal2" "set_storage" (func $set (param i32 i32 i32 i32) (result i32)))
    (import "seal1" "get_storage" (func $get (param i32 i32 i32 i32) (result i32)))
    (import "seal0" "take_storage" (func $take (param i32 i32 i32 i32) (result i32)))
    (import "seal1" "clear_storage" (func $clear (param i32 i32) (result i32)))
    (import "seal0" "set_transient_storage"
        (func $set_transient (param i32 i32 i32 i32) (result i32)))
    (import "seal1" "call"
        (func $call (param i32 i32 i64 i32 i32 i32 i32 i32) (result i32)))
    (import "seal0" "delegate_call"
        (func $delegate (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "seal1" "instantiate"
        (func $instantiate (param i32 i64 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "seal1" "terminate" (func $terminate (param i32)))
    (import "seal0" "transfer" (func $transfer (param i32 i32 i32 i32) (result i32)))
    (import "seal0" "deposit_event" (func $event (param i32 i32 i32 i32)))
    (import "seal0" "debug_message" (func $debug (param i32 i32) (result i32)))
    (import "seal0" "address" (func $address (param i32 i32)))
    (import "seal0" "own_code_hash" (func $own_code (param i32 i32)))
    (import "seal0" "set_code_hash" (func $set_code (param i32) (result i32)))
    (import "seal0" "lock_delegate_dependency" (func $lock (param i32)))
    (import "seal0" "value_transferred" (func $value (param i32 i32)))
    (import "seal0" "hash_keccak_256" (func $keccak (param i32 i32 i32)))
    (import "seal0" "call_chain_extension"
        (func $extension (param i32 i32 i32 i32 i32) (result i32)))
    (func $self
        (i32.store (i32.const 0x8020) (i32.const 32))
        (call $address (i32.const 0x8000) (i32.const 0x8020))
        (call $own_code (i32.const 0x8040) (i32.const 0x8020))
        (memory.fill (i32.const 0x8080) (i32.const 0) (i32.const 16)))
    (func $call_self (param $flags i32) (result i32)
        (call $call (local.get $flags) (i32.const 0x8000) (i64.const 0) (i32.const 0x8080)
            (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0)))"#;

/// Runs a contract's `call` with `gas` in all modes and both profiles, checks that they agree, and
/// returns the outcome of the transaction.
pub(crate) fn attack_with(wat: &str, gas: u64, input: Vec<u8>) -> Outcome {
    let wasm = wat::parse_str(wat).unwrap();
    guarded(move || {
        let mut world = World::new();
        let code_hash = world.upload_wasm(&wasm, Determinism::Enforced);
        let contract = world.instantiate(code_hash, Vec::new());
        let state = Arc::new(world.overlay.into_changes().unwrap());
        let args = phat_engine::CallArgs {
            gas_limit: gas,
            value: 100 * ED,
            ..World::args(contract, input)
        };
        for mode in [ExecMode::Query, ExecMode::Estimating] {
            agree(|| TestHost::new(mode), &state, &args);
        }
        let run = || agree(|| TestHost::new(ExecMode::Transaction), &state, &args);
        let (first, again) = (run(), run());
        assert_eq!(first, again);
        first.0
    })
}

/// Runs a body with the [`TOOLS`].
pub(crate) fn attack(body: &str) -> Outcome {
    const GAS: u64 = 20_000_000_000;
    attack_with(&contract(TOOLS, body), GAS, b"input".to_vec())
}

/// Checks that a body fails with `expected`.
pub(crate) fn fails(expected: ContractError, body: &str) -> Outcome {
    let outcome = attack(body);
    assert_eq!(error_of(&outcome), expected, "{body}");
    outcome
}

/// Runs a body that leaves a number at 0 and checks the number.
pub(crate) fn answers(expected: u32, body: &str) {
    let outcome = attack(&format!(
        "{body} (call $answer (i32.const 0) (i32.const 4))"
    ));
    let data = outcome.result.unwrap().data;
    assert_eq!(data, expected.to_le_bytes(), "{body}");
}
