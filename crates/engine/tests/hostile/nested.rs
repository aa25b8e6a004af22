//! Failure at every possible moment of a nested call: by gas, by deposit, by trap, by revert.
//!
//! Three contracts that do a bit of everything: the first writes, pays and calls the second, which
//! calls the third, which instantiates a fourth. The first handles the failure of the others, the
//! second does not. And one that enters itself twice and calls every function that changes anything,
//! told before or after which call of the host to trap.

use std::sync::Arc;

use phat_engine::{CallArgs, Changes, ContractId, Determinism, ExecMode, Outcome};

use super::attack::*;
use crate::common::*;

/// The accounts and codes that contracts call stand in the input: callee at 0, code at 32.
const PREPARE: &str = "
    (i32.store (i32.const 0xfffc) (i32.const 0x100))
    (call $input (i32.const 0) (i32.const 0xfffc))
    (i32.store (i32.const 0x8080) (i32.const 2000))";

/// One step of a contract each; a failure can be put before and after every one.
const FIRST: &[&str] = &[
    "(drop (call $set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 90)))",
    "(call $event (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8))",
    "(drop (call $call (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 0x8080)
        (i32.const 32) (i32.const 64) (i32.const -1) (i32.const 0)))",
    "(drop (call $take (i32.const 0) (i32.const 1) (i32.const 0x1000) (i32.const 0xfffc)))",
    "(drop (call $set (i32.const 4) (i32.const 2) (i32.const 0) (i32.const 10)))",
];
const SECOND: &[&str] = &[
    "(drop (call $set_transient (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 10)))",
    "(drop (call $set (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 50)))",
    "(if (call $call (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 0x8080)
        (i32.const 32) (i32.const 32) (i32.const -1) (i32.const 0)) (then (unreachable)))",
    "(call $event (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4))",
];
const THIRD: &[&str] = &[
    "(drop (call $transfer (i32.const 0x9000) (i32.const 32) (i32.const 0x8080) (i32.const 16)))",
    "(drop (call $instantiate (i32.const 0) (i64.const 0) (i32.const 0x8090) (i32.const 0)
        (i32.const 0) (i32.const -1) (i32.const 0) (i32.const -1) (i32.const 0) (i32.const 0)
        (i32.const 4)))",
    "(drop (call $debug (i32.const 0x9000) (i32.const 1)))",
    "(drop (call $set (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 20)))",
];

/// How a contract ends before its time.
const TRAP: &str = "(unreachable)";
const REVERT: &str = "(call $return (i32.const 1) (i32.const 0) (i32.const 0))";
const BAD_POINTER: &str = "(call $address (i32.const -1) (i32.const -1))";

fn code(steps: &[&str], failure: Option<(usize, &str)>) -> String {
    let mut steps: Vec<_> = steps.to_vec();
    if let Some((position, failure)) = failure {
        steps.insert(position, failure);
    }
    contract(TOOLS, &format!("{PREPARE} {}", steps.concat()))
}

struct Scene {
    state: Arc<Changes>,
    first: ContractId,
    input: Vec<u8>,
}

fn scene(failure: Option<(usize, usize, &str)>) -> Scene {
    let mut world = World::new();
    let mut deployed = Vec::new();
    for (index, steps) in [FIRST, SECOND, THIRD].into_iter().enumerate() {
        let failure = failure.and_then(|(contract, position, failure)| {
            (contract == index).then_some((position, failure))
        });
        deployed.push(world.deploy(&code(steps, failure)));
    }
    let fourth = wat::parse_str(contract("", "")).unwrap();
    let fourth = world.upload_wasm(&fourth, Determinism::Enforced);
    let input = [deployed[1], deployed[2], fourth].concat();
    Scene {
        state: Arc::new(world.overlay.into_changes().unwrap()),
        first: deployed[0],
        input,
    }
}

impl Scene {
    fn call(&self, gas: u64, deposit: Option<u128>) -> (Outcome, Changes) {
        let args = || phat_engine::CallArgs {
            gas_limit: gas,
            storage_deposit_limit: deposit,
            value: 100 * ED,
            ..World::args(self.first, self.input.clone())
        };
        let (outcome, changes) = call_on(&ENGINE, ExecMode::Transaction, &self.state, args());
        let (again, same) = call_on(&ENGINE, ExecMode::Transaction, &self.state, args());
        assert_eq!(outcome.result, again.result);
        assert_eq!(outcome.report.gas_consumed, again.report.gas_consumed);
        assert_eq!(changes, same);
        (outcome, changes)
    }
}

/// What a call left of each contract: all of its writes and events, or none.
fn check_whole(outcome: &Outcome, changes: &Changes) {
    let events = outcome.report.events.len();
    let created = outcome.report.lifecycle.len();
    let written = changes
        .iter()
        .filter(|(key, value)| key.first() == Some(&b's') && value.is_some())
        .count();
    if outcome.succeeded() {
        // The first alone, or all of them.
        assert!(
            (events, created, written) == (1, 0, 1) || (events, created, written) == (2, 1, 3),
            "{events} events, {created} contracts, {written} values"
        );
    } else {
        assert_eq!((events, created, written), (0, 0, 0));
    }
}

#[test]
fn the_scene_does_everything_when_nothing_fails() {
    let (outcome, changes) = scene(None).call(GAS, None);
    assert!(outcome.succeeded());
    assert_eq!(outcome.report.events.len(), 2);
    assert_eq!(outcome.report.lifecycle.len(), 1);
    check_whole(&outcome, &changes);
    assert!(
        outcome.report.traps.is_empty(),
        "{:?}",
        outcome.report.traps
    );
}

#[test]
fn running_out_of_gas_anywhere_leaves_all_or_nothing() {
    guarded(|| {
        let scene = scene(None);
        let (whole, _) = scene.call(GAS, None);
        let required = whole.report.gas_required;
        const STEPS: u64 = 600;
        let mut succeeded = 0;
        for step in 0..=STEPS {
            let gas = required * step / STEPS;
            let (outcome, changes) = scene.call(gas, None);
            check_whole(&outcome, &changes);
            succeeded += u32::from(outcome.report.events.len() == 2);
        }
        assert!(succeeded >= 1, "what is said to be required suffices");
        for gas in required - 20..required {
            let (outcome, changes) = scene.call(gas, None);
            check_whole(&outcome, &changes);
        }
    });
}

#[test]
fn exhausting_the_deposit_anywhere_leaves_all_or_nothing() {
    guarded(|| {
        let scene = scene(None);
        let (whole, _) = scene.call(GAS, None);
        let phat_engine::StorageDeposit::Charge(needed) = whole.report.storage_deposit else {
            panic!("it stores");
        };
        for limit in (0..=needed).step_by(7).chain([needed]) {
            let (outcome, changes) = scene.call(GAS, Some(limit));
            check_whole(&outcome, &changes);
            assert!(limit < needed || outcome.report.events.len() == 2);
        }
    });
}

#[test]
fn failing_at_every_step_of_every_contract_leaves_all_or_nothing() {
    guarded(|| {
        for (contract, steps) in [FIRST, SECOND, THIRD].into_iter().enumerate() {
            for position in 0..=steps.len() {
                for failure in [TRAP, REVERT, BAD_POINTER] {
                    let (outcome, changes) =
                        scene(Some((contract, position, failure))).call(GAS, None);
                    check_whole(&outcome, &changes);
                    assert_eq!(outcome.succeeded(), contract > 0, "{contract} {position}");
                    assert!(outcome.report.events.len() < 2);
                }
            }
        }
    });
}

/// Calls of the host that change something, each of which leaves what says how deep it was: at 0x100
/// stands the depth. The input, at 0, is: how many moments to live, the depth, a code to instantiate,
/// a code to delegate to.
const CHANGES: &[&str] = &[
    "(drop (call $set (i32.const 0x100) (i32.const 4) (i32.const 0) (i32.const 9)))",
    "(call $event (i32.const 0) (i32.const 0) (i32.const 0x100) (i32.const 4))",
    // Two values come and go.
    "(drop (call $set (i32.const 0x110) (i32.const 2) (i32.const 0) (i32.const 30)))",
    "(drop (call $clear (i32.const 0x110) (i32.const 2)))",
    "(drop (call $set (i32.const 0x110) (i32.const 3) (i32.const 0) (i32.const 40)))",
    "(drop (call $take (i32.const 0x110) (i32.const 3) (i32.const 0x1000) (i32.const 0xfff8)))",
    // An account that has the depth in its name gets money.
    "(drop (call $transfer (i32.const 0x100) (i32.const 32) (i32.const 0x8080) (i32.const 16)))",
    "(drop (call $instantiate (i32.const 8) (i64.const 0) (i32.const 0x8080) (i32.const 0)
        (i32.const 0) (i32.const -1) (i32.const 0) (i32.const -1) (i32.const 0) (i32.const 0x100)
        (i32.const 4)))",
    "(drop (call $delegate (i32.const 0) (i32.const 40) (i32.const 0x100) (i32.const 4)
        (i32.const -1) (i32.const 0)))",
    "(drop (call $set_code (i32.const 0x8040)))",
    "(call $lock (i32.const 8))",
    "(call $unlock (i32.const 8))",
    // `cache_remove`, of a key of four bytes.
    "(drop (call $extension (i32.const 9) (i32.const 0xff) (i32.const 5) (i32.const 0x1000)
        (i32.const 0xfff8)))",
    "(drop (call $debug (i32.const 0x110) (i32.const 4)))",
    // Twice it enters itself; only the outermost goes on if that fails.
    "(if (i32.lt_u (i32.load (i32.const 4)) (i32.const 2)) (then
        (i32.store (i32.const 4) (i32.add (i32.load (i32.const 4)) (i32.const 1)))
        (if (call $call (i32.const 8) (i32.const 0x8000) (i64.const 0) (i32.const 0x8090)
                (i32.const 0) (i32.const 72) (i32.const -1) (i32.const 0))
            (then (if (i32.load (i32.const 0x100)) (then (unreachable)))))))",
];

/// Counts the moments that are left, in storage that all of its frames share, and traps at the end.
const MOMENT: &str = "(call $moment)";

fn dying() -> String {
    let tools = format!(
        r#"(import "seal0" "unlock_delegate_dependency" (func $unlock (param i32)))
        (import "seal0" "get_transient_storage"
            (func $get_transient (param i32 i32 i32 i32) (result i32)))
        {TOOLS}
        (func $moment (local $left i32)
            (i32.store (i32.const 0xfff4) (i32.const 4))
            (if (call $get_transient (i32.const 0) (i32.const 0)
                    (i32.const 0xfff0) (i32.const 0xfff4))
                (then (local.set $left (i32.load (i32.const 0))))
                (else (local.set $left (i32.load (i32.const 0xfff0)))))
            (if (i32.eqz (local.get $left)) (then (unreachable)))
            (i32.store (i32.const 0xfff0) (i32.sub (local.get $left) (i32.const 1)))
            (drop (call $set_transient (i32.const 0) (i32.const 0)
                (i32.const 0xfff0) (i32.const 4))))"#
    );
    let steps: String = CHANGES
        .iter()
        .map(|step| format!("{MOMENT} {step} {MOMENT}"))
        .collect();
    let body = format!(
        "(i32.store (i32.const 0xfffc) (i32.const 72))
        (call $input (i32.const 0) (i32.const 0xfffc))
        (call $self)
        (i32.store (i32.const 0x8080) (i32.const 3000))
        (i32.store (i32.const 0xfff8) (i32.const 100))
        ;; The depth, with the length of a key before it, and the same for keys that go.
        (i32.store8 (i32.const 0xff) (i32.const 16))
        (i32.store (i32.const 0x100) (i32.load (i32.const 4)))
        (i32.store (i32.const 0x110) (i32.const 0x2d2d2d2d))
        {steps}"
    );
    contract(&tools, &body)
}

#[test]
fn trapping_at_every_call_of_the_host_leaves_all_of_a_frame_or_nothing() {
    guarded(|| {
        let mut world = World::new();
        let dying = world.deploy(&dying());
        let made = world.upload(&contract("", "(nop)"));
        // Writes under the depth and one byte more.
        let library = world.upload(&contract(
            r#"(import "seal2" "set_storage" (func $set (param i32 i32 i32 i32) (result i32)))"#,
            "(call $load_input)
            (drop (call $set (i32.const 0) (i32.const 5) (i32.const 0) (i32.const 7)))",
        ));
        let state = Arc::new(world.overlay.into_changes().unwrap());
        let mut depths = std::collections::BTreeMap::new();
        for moments in 0u32.. {
            let input = [&moments.to_le_bytes()[..], &[0; 4], &made, &library];
            let args = CallArgs {
                value: 100 * ED,
                ..World::args(dying, input.concat())
            };
            // Checks that nothing is left of a call that failed, too.
            let (outcome, changes) = agree(|| TestHost::new(ExecMode::Transaction), &state, &args);
            let report = &outcome.report;
            let depth = report.events.len();
            let left = |kind: u8| {
                let of_kind = |(key, value): &(&Vec<u8>, &Option<Vec<u8>>)| {
                    key.first() == Some(&kind) && value.is_some() && !state.contains_key(*key)
                };
                changes.iter().filter(of_kind).count()
            };
            // New values, and accounts that were paid or made.
            let (written, accounts) = (left(b's'), left(b'a'));
            assert_eq!((written, accounts), (2 * depth, 2 * depth), "{moments}");
            assert_eq!(report.lifecycle.len(), 2 * depth, "{moments}");
            assert_eq!(report.pink_events.len(), depth, "{moments}");
            *depths.entry(depth).or_insert(0) += 1;
            if depth == 3 {
                break;
            }
            assert!(moments < 1000, "it never comes to its end");
        }
        // All three frames, the outermost alone, or nothing, each of them at some moments.
        assert!(
            depths[&0] > 20 && depths[&1] > 5 && !depths.contains_key(&2),
            "{depths:?}"
        );
    });
}
