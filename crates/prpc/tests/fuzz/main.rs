//! A short run of the fuzz targets. How to run them for longer, on bytes that libFuzzer finds:
//! `fuzz/README.md`.

#![allow(clippy::unwrap_used, reason = "the queries are made up here")]

mod targets;

use phat_fuzzing::short;

#[test]
fn whatever_is_made_of_a_query_it_speaks_for_nobody_who_has_not_signed_it() {
    short::run(targets::query, 1500, 60, 10);
}

#[test]
fn whatever_is_sent_for_a_message_is_read_alike_when_it_is_written_again() {
    short::run(targets::message, 4000, 80, 10);
}
