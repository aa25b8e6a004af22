//! Contracts that try to break out, hang, or cost more than they pay.
//!
//! After every attack the same is checked ([`attack`]): nothing panics, the machine reports no fault,
//! a failed call leaves the state as it was, no money appears or vanishes, the report stays within its
//! limits, and a second run, the other profile included, gives the same to the unit of gas.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attack;
mod bytecode;
mod calls;
#[path = "../common/mod.rs"]
mod common;
mod interface;
mod memory;
mod nested;
mod output;
mod sandbox;
mod storage;
