//! The worker: follows the chain, applies commands, serves queries.
//!
//! This crate is where clock, disk, network and randomness come to the pure parts: the
//! [follower](phat_follower) decides what of the chain is believed, the [cluster](phat_cluster) what
//! a block does, the [store](phat_store) how it lies on the disk.
//!
//! ```text
//!  chain ── blocks ──▶ node ── commit ──▶ store
//!    ▲                   │ view (one after each block)
//!    └── reports ── reporter ◀──┤
//!                               └──▶ service ◀── server ◀── clients
//!                                       └─ surroundings ── egress ──▶ the internet
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`worker`] | one running worker: the parts put together and kept going |
//! | [`chain`] | its line to the chain, and what comes over it |
//! | [`node`] | what the worker does with the blocks it follows |
//! | [`identity`] | the worker's key, kept on disk by [`sealing`] |
//! | [`handover`] | how that key goes to the worker's successor |
//! | [`attest`] | its evidence, from [`quoting`] and [`collateral`] or from software |
//! | [`platform`] | which of these a machine has |
//! | [`server`] | the HTTP service that clients talk to |
//! | [`snapshot`] | the state of a cluster in a file, for workers that join |
//! | [`metrics`] | what it counts |
//! | [`egress`] | HTTP requests that contracts make |
//!
//! What a worker needs beside these is in modules of their own: keys on their way (`keys`), reports
//! to the chain (`reporter`), what is on the disk (`records`).

pub mod attest;
pub mod chain;
pub mod collateral;
pub mod egress;
pub mod handover;
pub mod identity;
pub mod metrics;
pub mod node;
pub mod platform;
mod purse;
pub mod quoting;
pub mod sealing;
pub mod server;
pub mod snapshot;
pub mod worker;

mod cache;
mod compiled;
mod files;
mod keys;
mod logs;
mod memo;
mod performance;
mod records;
mod renewal;
mod reporter;
mod service;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod stand_in;
mod surroundings;
mod turns;

pub use attest::{Attester, Fault, SoftwareAttester};
pub use chain::{BeginningError, beginning};
pub use node::Engines;
pub use platform::Platform;
pub use snapshot::{SnapshotConfig, Source};
pub use worker::{Config, StartError, Worker};
