//! Every message of every committed bundle gives the same, to the bit and to the unit of gas, in both
//! profiles and whenever it runs.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use arbitrary::Unstructured;
use common::{
    invariants::{ENCLAVE, call_as, merged},
    messages::{Bundle, bundles},
    *,
};
use phat_engine::{CallArgs, Changes, Config, Engine, ExecMode, Outcome, pink::HttpRequest};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

/// Arguments that each message is called with.
const ROUNDS: usize = 3;

/// All that is to be seen of one call.
#[derive(Debug, PartialEq)]
struct Seen {
    call: String,
    outcome: Outcome,
    changes: Changes,
    logs: Vec<([u8; 32], u8, String)>,
    requests: Vec<HttpRequest>,
}

/// Calls every message in every mode, one after the other on the state that the transactions leave.
fn run(engine: &Engine, bundle: &Bundle) -> Vec<Seen> {
    let mut world = World::with_engine(engine.clone(), ExecMode::Transaction);
    let contract = bundle.deploy(&mut world);
    let mut state = Arc::new(world.overlay.into_changes().unwrap());
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut all = Vec::new();
    for message in &bundle.messages {
        for _ in 0..ROUNDS {
            let mut values = [0; 512];
            random.fill_bytes(&mut values);
            let mut values = Unstructured::new(&values);
            let args = CallArgs {
                gas_limit: 2_000_000_000,
                ..World::args(
                    contract,
                    bundle
                        .input(message, &[ALICE, BOB, contract], &mut values)
                        .unwrap(),
                )
            };
            for mode in [ExecMode::Query, ExecMode::Estimating, ExecMode::Transaction] {
                let host = Arc::new(TestHost {
                    system: Some(contract),
                    ..TestHost::new(mode)
                });
                let (outcome, changes) = call_as(engine, &host, &state, args.clone());
                if mode == ExecMode::Transaction {
                    state = Arc::new(merged(&state, &changes));
                }
                all.push(Seen {
                    call: format!("{}.{} in {mode:?}", bundle.name, message.label),
                    outcome,
                    changes,
                    logs: std::mem::take(&mut *host.logs.lock().unwrap()),
                    requests: std::mem::take(&mut *host.requests.lock().unwrap()),
                });
            }
        }
    }
    all
}

#[test]
fn every_message_of_every_bundle_gives_the_same_in_both_profiles_and_again() {
    // A worker that starts again: it compiles again.
    let restarted = Engine::new(Config {
        instances: 40,
        ..Config::default()
    });
    let restarted = restarted.unwrap();
    for bundle in bundles() {
        let first = run(&ENGINE, &bundle);
        let succeeded = first.iter().filter(|seen| seen.outcome.succeeded()).count();
        assert!(
            succeeded > first.len() / 4,
            "{}: only {succeeded} calls of {} show anything",
            bundle.name,
            first.len()
        );
        for other in [&ENGINE, &ENCLAVE, &restarted] {
            let other = run(other, &bundle);
            for (one, other) in first.iter().zip(&other) {
                assert_eq!(one, other);
            }
            assert_eq!(first.len(), other.len());
        }
    }
}
