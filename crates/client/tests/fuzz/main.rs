//! A short run of the fuzz targets. How to run them for longer, on bytes that libFuzzer finds:
//! `fuzz/README.md`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod targets;

use phat_fuzzing::short;

#[test]
fn whatever_bundle_and_output_are_given_they_are_shown_within_limits_or_refused() {
    short::run(targets::bundle, 600, 200, 4);
}

#[test]
fn whatever_a_worker_answers_is_read_or_refused() {
    short::run(targets::answer, 2000, 80, 20);
}
