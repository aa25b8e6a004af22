//! What must hold of every execution, whatever the contract does: the machine reports no fault, a
//! failed execution leaves the state as it was, no money appears or vanishes, the report stays within
//! its limits, and both profiles give the same to the unit of gas.

use std::{
    fmt::Debug,
    sync::{Arc, LazyLock, mpsc},
    thread,
    time::Duration,
};

use codec::Decode;
use phat_engine::{
    CallArgs, Changes, Config, Engine, ExecMode, InstantiateArgs, InstantiateOutcome, Outcome,
    Overlay, Profile, Report, schema::Account,
};

use super::*;

/// Longer than any attack may take, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) static ENCLAVE: LazyLock<Engine> = LazyLock::new(|| {
    Engine::new(Config {
        profile: Profile::Enclave,
        ..Config::default()
    })
    .unwrap()
});

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

/// Checks what must hold of every execution on `state`.
fn check(
    engine: &Engine,
    host: &TestHost,
    state: &Changes,
    changes: &Changes,
    report: &Report,
    (succeeded, gas_limit): (bool, u64),
) {
    assert!(report.gas_consumed <= gas_limit);
    assert!(report.gas_consumed <= report.gas_required && report.gas_required <= gas_limit);
    let limits = engine.limits();
    assert!(report.debug_message.len() <= limits.debug_bytes);
    assert!(report.events.len() + report.pink_events.len() <= limits.events);
    let event_bytes: usize = report.events.iter().map(|event| event.data.len()).sum();
    assert!(event_bytes <= limits.event_bytes);
    assert!(report.traps.len() <= 16);
    if !succeeded {
        assert!(changes.is_empty(), "a failed execution changed {changes:?}");
        assert!(report.events.is_empty() && report.pink_events.is_empty());
        assert!(report.lifecycle.is_empty());
    }
    if host.mode == ExecMode::Transaction {
        assert_eq!(money(&merged(state, changes)), money(state));
    }
    for (_, _, line) in host.logs.lock().unwrap().iter() {
        assert!(line.len() <= limits.extension_input_bytes as usize);
    }
}

/// Calls on a frozen state, checks what must hold of every outcome, and returns it with the changes.
pub(crate) fn call_as(
    engine: &Engine,
    host: &Arc<TestHost>,
    state: &Arc<Changes>,
    args: CallArgs,
) -> (Outcome, Changes) {
    let mut overlay = Overlay::new(state.clone());
    let limit = args.gas_limit;
    let outcome = futures::executor::block_on(engine.call(&mut overlay, host.clone(), args))
        .expect("no contract can make the machine fail");
    let changes = overlay.into_changes().unwrap();
    let ending = (outcome.succeeded(), limit);
    check(engine, host, state, &changes, &outcome.report, ending);
    (outcome, changes)
}

/// [`call_as`] with a host that has nothing of its own.
pub(crate) fn call_on(
    engine: &Engine,
    mode: ExecMode,
    state: &Arc<Changes>,
    args: CallArgs,
) -> (Outcome, Changes) {
    call_as(engine, &Arc::new(TestHost::new(mode)), state, args)
}

/// Instantiates in a transaction as [`call_as`] calls.
pub(crate) fn instantiate_on(
    engine: &Engine,
    state: &Arc<Changes>,
    args: InstantiateArgs,
) -> (InstantiateOutcome, Changes) {
    let host = Arc::new(TestHost::new(ExecMode::Transaction));
    let mut overlay = Overlay::new(state.clone());
    let limit = args.gas_limit;
    let outcome = futures::executor::block_on(engine.instantiate(&mut overlay, host.clone(), args))
        .expect("no contract can make the machine fail");
    let changes = overlay.into_changes().unwrap();
    let ending = (outcome.succeeded(), limit);
    check(engine, &host, state, &changes, &outcome.report, ending);
    (outcome, changes)
}

/// What `run` gives on an engine of either profile, which must be the same.
pub(crate) fn in_both_profiles<T: Debug + PartialEq>(run: impl Fn(&Engine) -> T) -> T {
    let (server, enclave) = (run(&ENGINE), run(&ENCLAVE));
    assert_eq!(server, enclave, "what server and enclave say");
    server
}

/// Calls in both profiles, and checks that all there is to see of it is the same: result, gas,
/// deposit, events, traps, changes, log lines and HTTP requests.
pub(crate) fn agree(
    host: impl Fn() -> TestHost,
    state: &Arc<Changes>,
    args: &CallArgs,
) -> (Outcome, Changes) {
    let ((outcome, changes), _) = in_both_profiles(|engine| {
        let host = Arc::new(host());
        let seen = call_as(engine, &host, state, args.clone());
        let logs = std::mem::take(&mut *host.logs.lock().unwrap());
        let requests = std::mem::take(&mut *host.requests.lock().unwrap());
        (seen, (logs, requests))
    });
    (outcome, changes)
}
