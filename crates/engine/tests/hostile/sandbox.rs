//! The bounds of the sandbox: gas, stack, memory, the pool, and the code that is let in.

use std::sync::Arc;

use phat_engine::{
    CodeRejected, Config, ContractError, Determinism, Engine, ExecMode, ExecutionFault, Overlay,
    Profile, State, StateError,
};

use crate::common::*;

fn run(body: &str) -> (phat_engine::Outcome, ContractError) {
    let mut world = World::new();
    let contract = world.deploy(&contract("", body));
    let outcome = world.call(contract, []);
    let error = error_of(&outcome);
    (outcome, error)
}

#[test]
fn an_endless_loop_runs_out_of_gas() {
    let (outcome, error) = run("(loop $l (br $l))");
    assert_eq!(error, ContractError::OutOfGas);
    assert_eq!(outcome.report.gas_consumed, GAS);
}

#[test]
fn a_loop_that_ends_in_a_division_by_zero_costs_all_it_was_given() {
    let (outcome, error) = run(r#"
        (local $i i32)
        (local.set $i (i32.const 1000000))
        (loop $l
            (drop (i32.div_u (i32.const 1) (local.get $i)))
            (local.set $i (i32.sub (local.get $i) (i32.const 1)))
            (br $l))"#);
    assert_eq!(error, ContractError::ContractTrapped);
    assert_eq!(outcome.report.gas_consumed, GAS);
}

#[test]
fn unreachable_costs_what_was_used() {
    let (outcome, error) = run("unreachable");
    assert_eq!(error, ContractError::ContractTrapped);
    assert!(outcome.report.gas_consumed < 10_000_000);
}

#[test]
fn unbounded_recursion_exhausts_the_counted_stack_at_the_same_call() {
    let wat = r#"(module
        (import "env" "memory" (memory 1 1))
        (import "seal0" "debug_message" (func $debug (param i32 i32) (result i32)))
        (data (i32.const 0) "x")
        (func $down (param i64 i64 i64) (result i64)
            (drop (call $debug (i32.const 0) (i32.const 1)))
            (i64.add (local.get 0)
                (call $down (local.get 1) (local.get 2) (i64.add (local.get 0) (i64.const 1)))))
        (func (export "deploy"))
        (func (export "call")
            (drop (call $down (i64.const 1) (i64.const 2) (i64.const 3)))))"#;
    let mut depths = Vec::new();
    for profile in [Profile::Server, Profile::Enclave] {
        let engine = Engine::new(Config {
            profile,
            instances: 10,
            ..Config::default()
        })
        .unwrap();
        let mut world = World::with_engine(engine, ExecMode::Transaction);
        let contract = world.deploy(wat);
        let outcome = world.call(contract, []);
        assert_eq!(error_of(&outcome), ContractError::ContractTrapped);
        assert_eq!(outcome.report.traps[0].reason, "stack exhausted");
        depths.push((
            outcome.report.debug_message.len(),
            outcome.report.gas_consumed,
        ));
    }
    assert_eq!(depths[0], depths[1]);
    assert!(depths[0].0 > 1024, "as deep as the reference: {depths:?}");
}

#[test]
fn mutual_recursion_of_large_frames_does_not_reach_the_native_limit() {
    // Many values live across a call: what the native frame needs is far more than its locals.
    let mut work = String::new();
    for i in 0..400 {
        work += &format!("(i64.mul (local.get 0) (i64.const {}))\n", i * 7 + 3);
    }
    let sums = "(i64.add)\n".repeat(399);
    let wat = format!(
        r#"(module
        (import "env" "memory" (memory 1 1))
        (func $down (param i64) (result i64)
            {work} {sums}
            (drop (call $down (i64.add (local.get 0) (i64.const 1))))
            drop
            {work} {sums})
        (func (export "deploy"))
        (func (export "call") (drop (call $down (i64.const 1)))))"#
    );
    let mut world = World::new();
    let contract = world.deploy(&wat);
    let outcome = world.call(contract, []);
    assert_eq!(outcome.report.traps[0].reason, "stack exhausted");
}

#[test]
fn memory_grows_to_its_limit_and_is_paid_for() {
    let mut world = World::new();
    let body = r#"
        (i32.store (i32.const 0) (memory.grow (i32.const 14)))
        (i32.store (i32.const 4) (memory.grow (i32.const 1)))
        (i32.store (i32.const 8) (memory.grow (i32.const 100000)))
        (call $answer (i32.const 0) (i32.const 12))"#;
    let contract = world.deploy(&contract("", body));
    let outcome = world.call(contract, []);
    assert!(outcome.report.gas_consumed > 14_000_000);
    assert_eq!(
        outcome.result.unwrap().data,
        [2, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]
    );
}

#[test]
fn pointers_and_lengths_beyond_the_memory_are_refused() {
    let imports = r#"
        (import "seal2" "set_storage" (func $set (param i32 i32 i32 i32) (result i32)))
        (import "seal1" "get_storage" (func $get (param i32 i32 i32 i32) (result i32)))
        (import "seal0" "hash_blake2_256" (func $hash (param i32 i32 i32)))
        (import "seal0" "deposit_event" (func $event (param i32 i32 i32 i32)))
        (import "seal0" "caller" (func $caller (param i32 i32)))
        (import "seal0" "is_contract" (func $is (param i32) (result i32)))
        (import "seal0" "debug_message" (func $debug (param i32 i32) (result i32)))
        (import "seal0" "call_chain_extension"
            (func $extension (param i32 i32 i32 i32 i32) (result i32)))
        (import "seal0" "sr25519_verify" (func $verify (param i32 i32 i32 i32) (result i32)))"#;
    use ContractError::*;
    let cases = [
        (
            "(drop (call $set (i32.const -1) (i32.const 4) (i32.const 0) (i32.const 4)))",
            OutOfBounds,
        ),
        (
            "(drop (call $set (i32.const 0) (i32.const 129) (i32.const 0) (i32.const 4)))",
            DecodingFailed,
        ),
        (
            "(drop (call $set (i32.const 0) (i32.const -1) (i32.const 0) (i32.const 4)))",
            DecodingFailed,
        ),
        (
            "(drop (call $set (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 0x100001)))",
            ValueTooLarge,
        ),
        (
            "(drop (call $set (i32.const 0) (i32.const 4) (i32.const 0) (i32.const -1)))",
            OutOfGas,
        ),
        (
            "(drop (call $set (i32.const 0) (i32.const 4) (i32.const 0x1ffff) (i32.const 2)))",
            OutOfBounds,
        ),
        (
            "(call $hash (i32.const 0) (i32.const 0x20001) (i32.const 0))",
            OutOfBounds,
        ),
        (
            "(call $hash (i32.const 0) (i32.const 0x70000000) (i32.const 0))",
            OutOfGas,
        ),
        (
            "(call $hash (i32.const 0) (i32.const 4) (i32.const 0x1fff0))",
            OutOfBounds,
        ),
        (
            "(call $event (i32.const 0) (i32.const 33) (i32.const 0) (i32.const 0))",
            DecodingFailed,
        ),
        (
            "(i32.store8 (i32.const 0) (i32.const 20))
             (call $event (i32.const 0) (i32.const 161) (i32.const 0) (i32.const 0))",
            TooManyTopics,
        ),
        (
            "(call $event (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0x100001))",
            ValueTooLarge,
        ),
        ("(call $caller (i32.const 0) (i32.const -1))", OutOfBounds),
        (
            "(call $caller (i32.const 0) (i32.const 0x1fffe))",
            DecodingFailed,
        ),
        (
            "(i32.store (i32.const 0) (i32.const 31))
             (call $caller (i32.const 64) (i32.const 0))",
            OutputBufferTooSmall,
        ),
        (
            "(i32.store (i32.const 0) (i32.const -1))
             (call $caller (i32.const 0x1fff0) (i32.const 0))",
            OutOfBounds,
        ),
        ("(drop (call $is (i32.const 0x1fff0)))", DecodingFailed),
        ("(drop (call $is (i32.const 0x20001)))", OutOfBounds),
        (
            "(drop (call $debug (i32.const 0) (i32.const -1)))",
            OutOfBounds,
        ),
        (
            "(call $return (i32.const 0) (i32.const 0) (i32.const 0x20001))",
            OutOfBounds,
        ),
        (
            "(drop (call $extension (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 0)
                (i32.const 0)))",
            ValueTooLarge,
        ),
        (
            "(drop (call $extension (i32.const 1) (i32.const 0) (i32.const 64) (i32.const 0)
                (i32.const 0)))",
            DecodingFailed,
        ),
        (
            "(drop (call $verify (i32.const 0) (i32.const 0) (i32.const 4) (i32.const -4)))",
            OutOfBounds,
        ),
        (
            "(call $input (i32.const -1) (i32.const 0x1000))",
            OutputBufferTooSmall,
        ),
    ];
    for (body, expected) in cases {
        let mut world = World::new();
        let contract = world.deploy(&contract(imports, body));
        let outcome = world.call(contract, [1, 2, 3]);
        assert_eq!(error_of(&outcome), expected, "{body}");
        assert!(outcome.report.events.is_empty());
    }
}

#[test]
fn events_and_debug_messages_are_bounded_in_all() {
    let mut world = World::new();
    let imports = r#"(import "seal0" "deposit_event" (func $event (param i32 i32 i32 i32)))"#;
    let body = r#"(loop $l
        (call $event (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1))
        (br $l))"#;
    let code = contract(imports, body);
    let id = world.deploy(&code);
    assert_eq!(error_of(&world.call(id, [])), ContractError::ValueTooLarge);
    let imports = r#"
        (import "seal0" "debug_message" (func $debug (param i32 i32) (result i32)))"#;
    let body = r#"
        (local $i i32)
        (loop $l
            (drop (call $debug (i32.const 0) (i32.const 0x8000)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $i) (i32.const 100))))"#;
    let id = world.deploy(&contract(imports, body));
    let outcome = world.call(id, []);
    assert!(outcome.succeeded());
    let limit = world.engine.limits().debug_bytes;
    assert!(outcome.report.debug_message.len() <= limit);
}

#[test]
fn what_is_no_contract_is_refused_with_the_reason() {
    let world = World::new();
    let refuse = |wat: &str| match world.check(wat) {
        Err(rejected) => rejected,
        Ok(_) => panic!("accepted: {wat}"),
    };
    let exports = r#"(func (export "deploy")) (func (export "call"))"#;
    let memory = r#"(import "env" "memory" (memory 1 1))"#;
    let both = |rest: &str| format!("(module {memory} {exports} {rest})");

    assert_eq!(refuse(&both("(func $s) (start $s)")), CodeRejected::Start);
    assert!(matches!(
        refuse(&format!("(module {exports})")),
        CodeRejected::Memory(_)
    ));
    assert!(matches!(
        refuse(&format!(r#"(module {memory} (func (export "call")))"#)),
        CodeRejected::Export { name: "deploy", .. }
    ));
    assert!(matches!(
        refuse(&format!(
            r#"(module {memory} (func (export "call") (param i32)) (func (export "deploy")))"#
        )),
        CodeRejected::Export { name: "call", .. }
    ));
    for import in [
        r#"(import "seal0" "nothing" (func))"#,
        r#"(import "seal9" "caller" (func (param i32 i32)))"#,
        r#"(import "seal0" "caller" (func (param i32)))"#,
        r#"(import "seal0" "caller" (func (param i32 i64)))"#,
        r#"(import "seal0" "caller" (func (param i32 i32) (result i32)))"#,
        r#"(import "env" "g" (global i32))"#,
        r#"(import "env" "t" (table 1 funcref))"#,
    ] {
        let rejected = refuse(&format!("(module {import} {memory} {exports})"));
        assert!(
            matches!(rejected, CodeRejected::Import { .. }),
            "{import}: {rejected}"
        );
    }
    let elsewhere = format!(r#"(module (import "env" "mem" (memory 1 1)) {exports})"#);
    assert!(matches!(refuse(&elsewhere), CodeRejected::Import { .. }));
    for (rest, what) in [
        (r#"(table 20000 funcref)"#, "table elements"),
        (&"(global i32 (i32.const 0))".repeat(300), "globals"),
        (&"(func)".repeat(20_001), "functions"),
        (
            &format!("(func (local {}))", "i64 ".repeat(9_000)),
            "locals of a function",
        ),
        (
            &format!("(func {} {})", "block ".repeat(1_100), "end ".repeat(1_100)),
            "nesting of a function",
        ),
        (
            &format!("(func {} {})", "loop ".repeat(33), "end ".repeat(33)),
            "nesting of loops",
        ),
        (
            &format!(
                "(func (local {}) {} {})",
                "i64 ".repeat(1_000),
                "loop ".repeat(20),
                "end ".repeat(20)
            ),
            "locals of a function times its nesting of loops",
        ),
        (
            &format!("(func (br_table {} (i32.const 0)))", "0 ".repeat(17_000)),
            "targets of branch tables",
        ),
        (
            &format!("(func (param {}))", "i32 ".repeat(65)),
            "parameters or results of a function",
        ),
        (
            &format!("(func {})", "i32.const 1000000 drop ".repeat(60_000)),
            "bytes of a function",
        ),
    ] {
        let rejected = refuse(&both(rest));
        assert!(
            matches!(&rejected, CodeRejected::Limit { what: found, .. } if *found == what),
            "{what}: {rejected}"
        );
    }
    for pages in ["(memory 65)", "(memory 1 65)", "(memory 65 100)"] {
        let wat = format!(r#"(module (import "env" "memory" {pages}) {exports})"#);
        assert!(
            matches!(refuse(&wat), CodeRejected::Limit { .. }),
            "{pages}"
        );
    }
    for newer in [
        "(func (drop (v128.const i64x2 0 0)))",
        "(func (drop (ref.null func)))",
        "(func $f (return_call $f))",
        "(table 1 funcref) (table 1 funcref)",
        "(memory 1)",
        "(tag)",
        "(func (drop (i32.atomic.load (i32.const 0))))",
    ] {
        let rejected = refuse(&both(newer));
        assert!(
            matches!(
                rejected,
                CodeRejected::Invalid { .. } | CodeRejected::Memory(_)
            ),
            "{newer}: {rejected}"
        );
    }
    assert!(matches!(
        refuse(&both(r#"(data (i32.const 0xffff) "ab")"#)),
        CodeRejected::Memory(_)
    ));
    let float = refuse(&both(
        "(func $adds (drop (f32.add (f32.const 1) (f32.const 1))))",
    ));
    assert!(
        matches!(&float, CodeRejected::Float { function, .. } if function == "`adds`"),
        "{float}"
    );
    let large = vec![0; world.engine.limits().code_bytes + 1];
    assert!(matches!(
        world.engine.prepare(&large, Determinism::Enforced),
        Err(CodeRejected::TooLarge { .. })
    ));
    for garbage in [&b""[..], b"\0asm", b"\0asm\x01\0\0\0", b"not wasm at all"] {
        assert!(
            world
                .engine
                .prepare(garbage, Determinism::Enforced)
                .is_err()
        );
    }
}

#[test]
fn truncated_and_flipped_code_never_panics() {
    let world = World::new();
    let wasm = wat::parse_str(contract(
        r#"(data (i32.const 0) "data") (table 2 funcref) (elem (i32.const 0) $answer)
           (global $g (mut i32) (i32.const 1))"#,
        "(block $b (br_if $b (i32.const 1)) (return)) (loop $l)",
    ))
    .unwrap();
    assert!(world.engine.prepare(&wasm, Determinism::Enforced).is_ok());
    let accepted = (0..wasm.len())
        .filter(|cut| {
            let result = world.engine.prepare(&wasm[..*cut], Determinism::Enforced);
            result.is_ok()
        })
        .count();
    assert!(
        accepted <= 2,
        "only whole sections at the end can be missing"
    );
    for position in 0..wasm.len() {
        let mut flipped = wasm.clone();
        flipped[position] ^= 0x55;
        let _ = world.engine.prepare(&flipped, Determinism::Enforced);
    }
}

#[test]
fn modern_bytecode_is_accepted_and_computes() {
    let mut world = World::new();
    let rest = r#"
        (data $passive "moved")
        (func $two (result i32 i32) (return (i32.const 3) (i32.const 4)))"#;
    let body = r#"
        (local $a i32) (local $b i32)
        (memory.init $passive (i32.const 0x100) (i32.const 0) (i32.const 5))
        (memory.copy (i32.const 0x200) (i32.const 0x100) (i32.const 5))
        (memory.fill (i32.const 0x205) (i32.const 33) (i32.const 2))
        (call $two) (local.set $b) (local.set $a)
        (i32.store8 (i32.const 0x207) (i32.extend8_s (i32.add (local.get $a) (local.get $b))))
        (call $answer (i32.const 0x200) (i32.const 8))"#;
    let id = world.deploy(&contract(rest, body));
    assert_eq!(world.ask(id, []), b"moved!!\x07");
}

#[test]
fn returns_from_any_depth_keep_the_stack_balanced() {
    // Recurses and leaves by `return`, `br` and falling through; if any of them did not give its
    // stack back, a thousand rounds would exhaust it.
    let wat = r#"(module
        (import "env" "memory" (memory 1 1))
        (func $leaf (result i32) (call $id (i32.const 1)))
        (func $id (param i32) (result i32)
            (block $out (result i32)
                (if (i32.eqz (local.get 0)) (then (return (call $one))))
                (loop $l (br_if $out (call $one) (i32.const 1)) drop)
                (br 1 (call $one))))
        (func $one (result i32) (i32.const 1))
        (func (export "deploy"))
        (func (export "call") (local $i i32)
            (loop $again
                (drop (call $id (i32.const 0)))
                (drop (call $id (i32.const 1)))
                (drop (call $leaf))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get $i) (i32.const 100000))))))"#;
    let mut world = World::new();
    let id = world.deploy(wat);
    assert!(world.call(id, []).succeeded());
}

#[test]
fn query_only_code_runs_in_queries_and_nowhere_else() {
    let wat = contract(
        "",
        r#"(f64.store (i32.const 0) (f64.div (f64.const 1) (f64.const 4)))
           (call $answer (i32.const 0) (i32.const 8))"#,
    );
    let wasm = wat::parse_str(&wat).unwrap();
    let mut world = World::in_mode(ExecMode::Query);
    let code_hash = world.upload_wasm(&wasm, Determinism::Relaxed);
    let outcome = world.try_instantiate(code_hash, Vec::new());
    assert!(outcome.result.is_err(), "it cannot be instantiated");

    let imports = r#"(import "seal0" "delegate_call"
        (func $delegate (param i32 i32 i32 i32 i32 i32) (result i32)))"#;
    let body = r#"
        (call $load_input)
        (drop (call $delegate (i32.const 4) (i32.const 0) (i32.const 32) (i32.const 0)
            (i32.const -1) (i32.const 0)))"#;
    let caller = world.deploy(&contract(imports, body));
    assert_eq!(world.ask(caller, code_hash), 0.25f64.to_le_bytes());
    world.host_mut().mode = ExecMode::Transaction;
    let outcome = world.call(caller, code_hash);
    assert_eq!(error_of(&outcome), ContractError::Indeterministic);
}

#[test]
fn an_interrupted_query_stops_and_gives_the_overlay_back() {
    let mut world = World::in_mode(ExecMode::Query);
    let imports = r#"(import "seal0" "set_storage" (func $set (param i32 i32 i32)))"#;
    let body = r#"(loop $l
        (call $set (i32.const 0) (i32.const 0) (i32.const 9)) (br $l))"#;
    let id = world.deploy(&contract(imports, body));
    world.host_mut().interrupt = true;
    let result = futures::executor::block_on(world.engine.call(
        &mut world.overlay,
        world.host.clone(),
        World::args(id, []),
    ));
    assert!(matches!(result, Err(ExecutionFault::Interrupted)));
    let info = phat_engine::schema::contract(&world.overlay, &id).unwrap();
    assert_eq!(info.unwrap().items, 0);
}

#[test]
fn a_contract_that_only_computes_yields_and_can_be_dropped() {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };
    let mut world = World::in_mode(ExecMode::Query);
    let id = world.deploy(&contract("", "(loop $l (br $l))"));
    {
        let mut args = World::args(id, []);
        args.gas_limit = u64::MAX;
        let mut call = pin!(
            world
                .engine
                .call(&mut world.overlay, world.host.clone(), args)
        );
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            assert!(matches!(call.as_mut().poll(&mut context), Poll::Pending));
        }
    }
    assert_eq!(world.overlay.get(b"x"), Err(StateError::Lost));
}

struct BrokenState;

impl State for BrokenState {
    fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Err(StateError::Read("the disk is gone".into()))
    }
    fn keys_with_prefix(&self, _: &[u8], _: usize) -> Result<Vec<Vec<u8>>, StateError> {
        Err(StateError::Read("the disk is gone".into()))
    }
}

#[test]
fn state_that_cannot_be_read_is_a_fault_and_no_result() {
    let mut world = World::new();
    world.overlay = Overlay::new(Arc::new(BrokenState));
    let result = futures::executor::block_on(world.engine.call(
        &mut world.overlay,
        world.host.clone(),
        World::args([1; 32], []),
    ));
    assert!(matches!(result, Err(ExecutionFault::State(_))));
}

#[test]
fn a_full_pool_is_a_fault_that_names_itself() {
    let engine = Engine::new(Config {
        instances: 1,
        ..Config::default()
    })
    .unwrap();
    let mut world = World::with_engine(engine, ExecMode::Query);
    let imports = r#"
        (import "seal0" "call" (func $call (param i32 i32 i64 i32 i32 i32 i32 i32 i32)
            (result i32)))"#;
    let body = r#"
        (call $load_input)
        (drop (call $call (i32.const 0) (i32.const 32) (i64.const 0) (i32.const 0x1000)
            (i32.const 16) (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0)))"#;
    let outer = world.deploy(&contract(imports, body));
    let inner = world.deploy(&contract("", ""));
    let result = futures::executor::block_on(world.engine.call(
        &mut world.overlay,
        world.host.clone(),
        World::args(outer, inner),
    ));
    assert!(matches!(result, Err(ExecutionFault::Busy)), "{result:?}");
    // The instance came back.
    assert!(world.call(inner, []).succeeded());
}
