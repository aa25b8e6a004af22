//! A short run of the fuzz target, on bytes that are the same every time. How to run it for longer, on
//! bytes that libFuzzer finds: `crates/attestation/fuzz/README.md`. The seed of an input that went
//! wrong is the last one printed.

#[path = "../common/mod.rs"]
mod common;
mod targets;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

#[test]
fn whatever_evidence_a_stranger_sends_it_is_refused_and_nothing_panics() {
    const RUNS: u64 = 400;
    let mut decoded = 0;
    for seed in 0..RUNS {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut data = vec![0; 1 + random.next_u64() as usize % 40];
        random.fill_bytes(&mut data);
        eprintln!("seed {seed}");
        decoded += u64::from(targets::evidence(&data));
    }
    assert!(
        decoded >= RUNS / 10,
        "only {decoded} of {RUNS} were evidence"
    );
}
