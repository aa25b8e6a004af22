//! Compiled code that is kept: it is used again, and only if this worker has made it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{ALICE, BOB, World, contract};
use phat_engine::{
    CodeRejected, CompiledCodes, Config, Determinism, Engine, ExecMode, Host, UploadError,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

#[derive(Default)]
struct Shelf {
    codes: Mutex<HashMap<[u8; 32], Vec<u8>>>,
    kept: Mutex<u32>,
}

impl CompiledCodes for Shelf {
    fn load(&self, key: &[u8; 32]) -> Option<Vec<u8>> {
        self.codes.lock().unwrap().get(key).cloned()
    }

    fn keep(&self, key: &[u8; 32], compiled: Vec<u8>) {
        *self.kept.lock().unwrap() += 1;
        self.codes.lock().unwrap().insert(*key, compiled);
    }
}

/// A new process: an engine that has nothing in memory.
fn engine(shelf: &Arc<Shelf>, key: [u8; 32]) -> Engine {
    let config = Config {
        instances: 4,
        ..Config::default()
    };
    Engine::new(config).unwrap().keeping(shelf.clone(), key)
}

fn run(engine: Engine) -> Vec<u8> {
    let mut world = World::with_engine(engine, ExecMode::Transaction);
    let wat = contract(
        r#"(data (i32.const 600) "tea")"#,
        "(call $answer (i32.const 600) (i32.const 3))",
    );
    let id = world.deploy(&wat);
    world.ask(id, [])
}

#[test]
fn code_is_compiled_once_however_often_the_worker_starts() {
    let shelf = Arc::new(Shelf::default());
    for _ in 0..3 {
        assert_eq!(run(engine(&shelf, [1; 32])), b"tea");
    }
    assert_eq!(*shelf.kept.lock().unwrap(), 1);
}

#[test]
fn code_that_another_has_compiled_is_compiled_again() {
    let shelf = Arc::new(Shelf::default());
    assert_eq!(run(engine(&shelf, [1; 32])), b"tea");
    assert_eq!(run(engine(&shelf, [2; 32])), b"tea");
    assert_eq!(*shelf.kept.lock().unwrap(), 2);
}

#[test]
fn code_that_was_tampered_with_or_cut_off_is_compiled_again() {
    let shelf = Arc::new(Shelf::default());
    assert_eq!(run(engine(&shelf, [1; 32])), b"tea");
    let good = shelf.codes.lock().unwrap().clone();
    let length = good.values().next().unwrap().len();
    let mut bad = 0;
    for at in [0, 31, 32, 40, length / 2, length - 1] {
        let mut codes = good.clone();
        codes.values_mut().for_each(|code| code[at] ^= 1);
        *shelf.codes.lock().unwrap() = codes;
        assert_eq!(run(engine(&shelf, [1; 32])), b"tea");
        bad += 1;
        assert_eq!(*shelf.kept.lock().unwrap(), 1 + bad);
    }
    for length in [0, 16, 32, length - 1] {
        let mut codes = good.clone();
        codes.values_mut().for_each(|code| code.truncate(length));
        *shelf.codes.lock().unwrap() = codes;
        assert_eq!(run(engine(&shelf, [1; 32])), b"tea");
        bad += 1;
        assert_eq!(*shelf.kept.lock().unwrap(), 1 + bad);
    }
}

#[test]
fn code_kept_under_the_name_of_another_is_not_taken_for_it() {
    let shelf = Arc::new(Shelf::default());
    let engine_of = || engine(&shelf, [1; 32]);
    assert_eq!(run(engine_of()), b"tea");
    let tea = shelf.codes.lock().unwrap().values().next().unwrap().clone();
    shelf.codes.lock().unwrap().clear();
    let mut world = World::with_engine(engine_of(), ExecMode::Transaction);
    let id = world.deploy(&contract("", "(call $answer (i32.const 0) (i32.const 0))"));
    let other = *shelf.codes.lock().unwrap().keys().next().unwrap();
    shelf.codes.lock().unwrap().insert(other, tea);
    world.engine = engine_of();
    assert_eq!(world.ask(id, []), b"");
}

#[test]
fn code_is_compiled_only_for_who_can_and_will_pay_its_deposit() {
    let shelf = Arc::new(Shelf::default());
    let mut world = World::with_engine(engine(&shelf, [1; 32]), ExecMode::Transaction);
    let prices = world.host.prices();
    let mut upload = |owner, wasm: &[u8], limit| {
        let (engine, overlay) = (&world.engine, &mut world.overlay);
        engine.upload(overlay, &prices, owner, wasm, Determinism::Enforced, limit)
    };
    let good = wat::parse_str(contract("", "")).unwrap();
    let bad = b"\0asm\x01\0\0\0";
    for wasm in [&good[..], bad] {
        let poor = upload(BOB, wasm, None).unwrap_err();
        assert!(matches!(poor, UploadError::NotEnoughFunds { .. }), "{poor}");
        let limited = upload(ALICE, wasm, Some(10)).unwrap_err();
        assert!(
            matches!(limited, UploadError::DepositLimit { limit: 10, .. }),
            "{limited}"
        );
    }
    let large = vec![0; 3 * 1024 * 1024];
    let refused = upload(BOB, &large, None).unwrap_err();
    assert!(
        matches!(
            refused,
            UploadError::Rejected(CodeRejected::TooLarge { .. })
        ),
        "{refused}"
    );
    assert_eq!(*shelf.kept.lock().unwrap(), 0, "nothing was compiled");

    assert!(upload(ALICE, &good, None).is_ok());
    assert_eq!(*shelf.kept.lock().unwrap(), 1);
    let again = upload(BOB, &good, Some(0)).unwrap();
    assert_eq!(again.deposit, 0, "what is there costs nothing");
    assert_eq!(*shelf.kept.lock().unwrap(), 1);
}

#[test]
fn refused_code_costs_no_deposit() {
    let mut world = World::new();
    let before = (world.free(&ALICE), world.held(&ALICE));
    let prices = world.host.prices();
    let refused = world.engine.upload(
        &mut world.overlay,
        &prices,
        ALICE,
        b"no code",
        Determinism::Enforced,
        None,
    );
    assert!(matches!(refused, Err(UploadError::Rejected(_))));
    assert_eq!((world.free(&ALICE), world.held(&ALICE)), before);
}
