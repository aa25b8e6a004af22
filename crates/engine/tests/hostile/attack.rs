//! Runs a hostile contract and checks what must hold whatever it does.

use std::{
    sync::{Arc, LazyLock, mpsc},
    thread,
    time::Duration,
};

use codec::Decode;
use phat_engine::{
    Changes, Config, ContractError, Determinism, Engine, ExecMode, Outcome, Overlay, Profile,
    schema::Account,
};

use crate::common::*;

/// Longer than any attack may take, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) static ENCLAVE: LazyLock<Engine> = LazyLock::new(|| {
    Engine::new(Config {
        profile: Profile::Enclave,
        ..Config::default()
    })
    .unwrap()
});

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

/// Fails, rather than hangs, if `case` does not come to an end.
pub(crate) fn guarded<T: Send + 'static>(case: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    let thread = thread::spawn(move || {
        let _ = done.send(case());
    });
    match result.recv_timeout(PATIENCE) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("the attack hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(thread.join().unwrap_err())
        }
    }
}

/// All free and held balances in a state.
pub(crate) fn money(state: &Changes) -> u128 {
    state
        .iter()
        .filter(|(key, _)| key.first() == Some(&b'a'))
        .filter_map(|(_, value)| value.as_ref())
        .map(|value| Account::decode(&mut value.as_slice()).unwrap())
        .map(|account| account.free + account.held)
        .sum()
}

/// A state with the changes of an execution in it.
pub(crate) fn merged(state: &Changes, changes: &Changes) -> Changes {
    let mut merged = state.clone();
    merged.extend(changes.clone());
    merged
}

/// Calls on a frozen state, checks what must hold of every outcome, and returns it with the changes.
pub(crate) fn call_on(
    engine: &Engine,
    mode: ExecMode,
    state: &Arc<Changes>,
    args: phat_engine::CallArgs,
) -> (Outcome, Changes) {
    let host = Arc::new(TestHost::new(mode));
    let mut overlay = Overlay::new(state.clone());
    let limit = args.gas_limit;
    let outcome = futures::executor::block_on(engine.call(&mut overlay, host.clone(), args))
        .expect("no contract can make the machine fail");
    let changes = overlay.into_changes().unwrap();
    let report = &outcome.report;
    assert!(report.gas_consumed <= limit);
    assert!(report.gas_consumed <= report.gas_required && report.gas_required <= limit);
    let limits = engine.limits();
    assert!(report.debug_message.len() <= limits.debug_bytes);
    assert!(report.events.len() + report.pink_events.len() <= limits.events);
    let event_bytes: usize = report.events.iter().map(|event| event.data.len()).sum();
    assert!(event_bytes <= limits.event_bytes);
    assert!(report.traps.len() <= 16);
    if !outcome.succeeded() {
        assert!(changes.is_empty(), "a failed call changed {changes:?}");
        assert!(report.events.is_empty() && report.pink_events.is_empty());
        assert!(report.lifecycle.is_empty());
    }
    if mode == ExecMode::Transaction {
        assert_eq!(money(&merged(state, &changes)), money(state));
    }
    for (_, _, line) in host.logs.lock().unwrap().iter() {
        assert!(line.len() <= limits.extension_input_bytes as usize);
    }
    (outcome, changes)
}

/// Runs a contract's `call` with `gas` in all modes and both profiles, checks that they agree, and
/// returns the outcome of the transaction.
pub(crate) fn attack_with(wat: &str, gas: u64, input: Vec<u8>) -> Outcome {
    let wasm = wat::parse_str(wat).unwrap();
    guarded(move || {
        let mut outcomes = Vec::new();
        for engine in [ENGINE.clone(), ENCLAVE.clone()] {
            let mut world = World::with_engine(engine, ExecMode::Transaction);
            let code_hash = world.upload_wasm(&wasm, Determinism::Enforced);
            let contract = world.instantiate(code_hash, Vec::new());
            let engine = world.engine;
            let state = Arc::new(world.overlay.into_changes().unwrap());
            let args = || phat_engine::CallArgs {
                gas_limit: gas,
                value: 100 * ED,
                ..World::args(contract, input.clone())
            };
            for mode in [ExecMode::Query, ExecMode::Estimating] {
                call_on(&engine, mode, &state, args());
            }
            for _ in 0..2 {
                outcomes.push(call_on(&engine, ExecMode::Transaction, &state, args()));
            }
        }
        let (first, changes) = outcomes.swap_remove(0);
        for (other, other_changes) in &outcomes {
            assert_eq!(other.result, first.result);
            assert_eq!(other.report.gas_consumed, first.report.gas_consumed);
            assert_eq!(other.report.gas_required, first.report.gas_required);
            assert_eq!(other.report.events, first.report.events);
            assert_eq!(other.report.debug_message, first.report.debug_message);
            assert_eq!(*other_changes, changes);
        }
        first
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
