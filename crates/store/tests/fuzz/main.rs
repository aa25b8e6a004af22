//! A short run of the fuzz target. How to run it for longer, on bytes that libFuzzer finds:
//! `fuzz/README.md`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod targets;

use phat_fuzzing::short;

#[test]
fn whatever_is_done_to_the_file_the_store_gives_what_was_committed_or_an_error() {
    short::run(targets::file, 100, 40, 10);
}
