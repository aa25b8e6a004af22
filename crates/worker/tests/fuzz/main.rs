//! A short run of the fuzz targets. How to run them for longer, on bytes that libFuzzer finds:
//! `fuzz/README.md`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chain;
mod collateral;
mod keys;
mod targets;

use phat_fuzzing::short;

#[test]
fn whatever_is_requested_it_is_answered_or_refused_with_a_code_and_a_sentence() {
    short::run(targets::request, 2000, 120, 20);
}

#[test]
fn whatever_is_made_of_a_snapshot_what_is_read_is_what_was_written() {
    short::run(targets::snapshot, 2000, 40, 40);
}

#[test]
fn whatever_a_chain_answers_what_is_read_is_what_it_says_and_bounded() {
    short::run(chain::answers, 3000, 120, 10);
}

#[test]
fn whatever_a_collateral_service_answers_what_is_given_is_what_intel_has_signed() {
    short::run(collateral::collateral, 150, 60, 10);
}

#[test]
fn whatever_becomes_of_a_workers_keys_it_has_its_own_or_none() {
    short::run(keys::keys, 1500, 60, 10);
}
