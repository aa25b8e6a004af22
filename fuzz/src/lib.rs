//! The targets, for libFuzzer. They are those of the crates' tests, which are modules of a test and not
//! a library: here they become one.

#![allow(dead_code, reason = "the tests use the rest of what they share")]

#[path = "../../crates/client/tests/fuzz/targets.rs"]
mod client;
#[path = "../../crates/crypto/tests/fuzz/targets.rs"]
mod crypto;
#[path = "../../crates/economy/tests/fuzz/targets.rs"]
mod economy;
#[path = "../../crates/primitives/tests/fuzz/targets.rs"]
mod primitives;
#[path = "../../crates/prpc/tests/fuzz/targets.rs"]
mod prpc;
#[path = "../../crates/store/tests/fuzz/targets.rs"]
mod store;
#[path = "../../crates/worker/tests/fuzz/targets.rs"]
mod worker;
#[path = "../../crates/follower/tests/follower/chain.rs"]
mod chain;
#[path = "../../crates/follower/tests/fuzz/targets.rs"]
mod follower;

/// What workers answer, and receipts that people hand on.
pub fn answer(data: &[u8]) {
    client::answer(data);
}

/// Blocks, headers and justifications of a chain server.
pub fn batches(data: &[u8]) {
    follower::batches(data);
}

/// Bundles, and output that is shown by them.
pub fn bundle(data: &[u8]) {
    client::bundle(data);
}

/// The store's file.
pub fn file(data: &[u8]) {
    store::file(data);
}

/// Everything that travels as SCALE.
pub fn message(data: &[u8]) {
    primitives::message(data);
}

/// Storage proofs.
pub fn proof(data: &[u8]) {
    follower::proof(data);
}

/// Messages of the HTTP interface.
pub fn prpc(data: &[u8]) {
    prpc::message(data);
}

/// Signed, encrypted queries.
pub fn query(data: &[u8]) {
    prpc::query(data);
}

/// Proofs of receipts.
pub fn receipt(data: &[u8]) {
    primitives::receipt_proof(data);
}

/// HTTP requests.
pub fn request(data: &[u8]) {
    worker::request(data);
}

/// Scenario files of the simulator.
pub fn scenario(data: &[u8]) {
    economy::scenario(data);
}

/// Sealed keys and data.
pub fn sealed(data: &[u8]) {
    crypto::sealed(data);
}

/// Snapshots.
pub fn snapshot(data: &[u8]) {
    worker::snapshot(data);
}
