//! Executions give others their turn, and share a budget of memory.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use common::*;
use phat_engine::{Config, Engine, ExecMode, ExecutionFault};

/// Calls and counts how often the execution yields; the gas it used, too.
fn yields(engine: Engine, wat: &str) -> (u64, u64) {
    let mut world = World::with_engine(engine, ExecMode::Query);
    let contract = world.deploy(wat);
    let call = world.engine.call(
        &mut world.overlay,
        world.host.clone(),
        World::args(contract, []),
    );
    let mut call = pin!(call);
    let mut yields = 0;
    loop {
        match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => yields += 1,
            Poll::Ready(outcome) => return (yields, outcome.unwrap().report.gas_consumed),
        }
    }
}

const YIELD_GAS: u64 = 10_000_000;

fn engine(yield_gas: u64) -> Engine {
    Engine::new(Config {
        instances: 4,
        yield_gas,
        ..Config::default()
    })
    .unwrap()
}

/// Runs `body` many times.
fn looping(imports: &str, body: &str) -> String {
    let code = format!(
        "(local $n i32) (loop $l {body}
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $n) (i32.const 50000))))"
    );
    contract(imports, &code)
}

#[test]
fn a_contract_yields_for_the_gas_it_uses_whether_it_computes_or_calls_the_host() {
    let caller = r#"(import "seal0" "caller" (func $caller (param i32 i32)))"#;
    let ask =
        "(i32.store (i32.const 64) (i32.const 32)) (call $caller (i32.const 0) (i32.const 64))";
    let compute = "(i64.store (i32.const 0) (i64.mul (i64.load (i32.const 0)) (i64.const 7)))";
    let both = format!("{ask} {}", compute.repeat(20));
    for wat in [
        looping("", compute),
        looping(caller, ask),
        looping(caller, &both),
    ] {
        let (often, gas) = yields(engine(YIELD_GAS), &wat);
        // After so much gas or up to twice as much, when a stretch of either ends.
        assert!(often >= gas / YIELD_GAS / 2, "{often} times in {gas}");
        assert!(often <= gas / YIELD_GAS + 1, "{often} times in {gas}");
        let (seldom, same) = yields(engine(u64::MAX), &wat);
        assert_eq!((seldom, same), (0, gas), "gas does not depend on it");
    }
}

#[test]
fn instances_have_no_more_memory_together_than_the_engine_allows() {
    const PAGE: usize = 64 * 1024;
    let engine = Engine::new(Config {
        instances: 4,
        memory_bytes: 5 * PAGE,
        ..Config::default()
    })
    .unwrap();
    let mut world = World::with_engine(engine.clone(), ExecMode::Query);
    // Two pages to begin with.
    let grows = |pages: u32| contract("", &format!("(drop (memory.grow (i32.const {pages})))"));
    let (fits, does_not) = (world.deploy(&grows(3)), world.deploy(&grows(4)));
    for _ in 0..3 {
        assert!(world.call(fits, []).succeeded());
        let call = world.engine.call(
            &mut world.overlay,
            world.host.clone(),
            World::args(does_not, []),
        );
        let fault = futures::executor::block_on(call).unwrap_err();
        assert!(matches!(fault, ExecutionFault::Busy), "{fault}");
        assert_eq!(engine.memory_in_use(), 0);
    }
}
