//! A short run of the fuzz target. How to run it for longer, on bytes that libFuzzer finds:
//! `fuzz/README.md`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod network;
mod targets;
mod values;

use phat_fuzzing::short;

#[test]
fn whatever_is_submitted_pool_and_blocks_stand_it_and_what_must_hold_holds() {
    short::run(targets::extrinsic, 600, 160, 10);
}
