//! A short run of the fuzz target. How to run it for longer, on bytes that libFuzzer finds:
//! `fuzz/README.md`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../src/book.rs"]
#[allow(dead_code, reason = "the commands use the rest of it")]
mod book;
mod targets;

use phat_fuzzing::short;

#[test]
fn whatever_becomes_of_the_users_book_a_name_means_what_is_written_and_code_has_its_bundle() {
    short::run(targets::book, 100, 120, 10);
}
