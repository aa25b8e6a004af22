//! The follower against a made-up chain and against whoever would deceive it.

#![expect(
    clippy::unwrap_used,
    reason = "a test may stop at the first thing that is not in order"
)]

mod chain;
mod following;
mod hostile;
mod mutated;
mod proofs;
mod votes;
