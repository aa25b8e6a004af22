//! A short run of the fuzz targets. How to run them for longer, on bytes that libFuzzer finds:
//! `fuzz/README.md`.

#![allow(clippy::unwrap_used, reason = "the chain is made up here")]

#[allow(dead_code, reason = "the other tests of the crate use the rest")]
#[path = "../follower/chain.rs"]
mod chain;
mod targets;

use phat_fuzzing::short;

#[test]
fn whatever_batches_a_server_makes_up_a_follower_stays_on_the_chain() {
    short::run(targets::batches, 400, 200, 3);
}

#[test]
fn whatever_proof_a_server_makes_up_it_shows_what_is_there_or_nothing() {
    short::run(targets::proof, 4000, 40, 10);
}
