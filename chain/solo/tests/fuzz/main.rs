//! A short run of the fuzz target. How to run it for longer, on bytes that libFuzzer finds:
//! `fuzz/README.md`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod targets;

use phat_fuzzing::short;

#[test]
fn whatever_is_asked_over_json_rpc_it_is_answered_or_refused_and_changes_nothing() {
    short::run(targets::rpc, 1000, 80, 10);
}
