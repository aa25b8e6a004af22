//! A short run of the fuzz targets. How to run them for longer, on bytes that libFuzzer finds:
//! `fuzz/README.md`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

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
