//! A short run of the fuzz target. How to run it for longer, on bytes that libFuzzer finds:
//! `fuzz/README.md`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod targets;

use phat_fuzzing::short;

#[test]
fn whatever_scenario_is_given_it_is_refused_with_a_place_or_answered_as_a_whole() {
    short::run(targets::scenario, 3000, 60, 20);
}
