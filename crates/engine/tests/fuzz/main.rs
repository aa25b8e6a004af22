//! A short run of every fuzz target, on bytes that are the same every time. How to run them for
//! longer, on bytes that libFuzzer finds: `crates/engine/fuzz/README.md`. The seed of an input that
//! went wrong is the last one printed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod targets;

use common::invariants::guarded;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

/// Runs a target on `runs` inputs of up to `longest` bytes, and checks that at least one of `every`
/// gets through: a target that refuses everything tests nothing.
fn run(target: fn(&[u8]) -> bool, runs: u64, longest: usize, every: u64) {
    let mut through = 0;
    for seed in 0..runs {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut data = vec![0; random.next_u64() as usize % longest];
        random.fill_bytes(&mut data);
        eprintln!("seed {seed}");
        through += u64::from(guarded(move || target(&data)));
    }
    assert!(
        through >= runs / every,
        "only {through} of {runs} got through"
    );
}

#[test]
fn whatever_code_is_uploaded_is_refused_or_runs_alike_in_both_profiles() {
    run(targets::code, 200, 4096, 4);
}

#[test]
fn whatever_input_a_contract_gets_it_ends_alike_in_both_profiles() {
    run(targets::call, 1000, 1024, 10);
}

#[test]
fn whatever_the_extension_is_asked_it_answers_alike_in_both_profiles() {
    run(targets::extension, 3000, 1024, 4);
}
