//! The targets, for libFuzzer. They are those of the crates' tests, which are modules of a test and not
//! a library: here they become one.

#![allow(dead_code, reason = "the tests use the rest of what they share")]

// What two of the targets stand on; they look for it here.
#[path = "../../crates/cli/src/book.rs"]
mod book;
#[path = "../../crates/follower/tests/follower/chain.rs"]
mod chain;

#[path = "../../crates/cli/tests/fuzz/targets.rs"]
mod cli;
#[path = "../../crates/client/tests/fuzz/targets.rs"]
mod client;
#[path = "../../crates/crypto/tests/fuzz/targets.rs"]
mod crypto;
#[path = "../../crates/economy/tests/fuzz/targets.rs"]
mod economy;
#[path = "../../crates/follower/tests/fuzz/targets.rs"]
mod follower;
#[path = "../../crates/primitives/tests/fuzz/targets.rs"]
mod primitives;
#[path = "../../crates/prpc/tests/fuzz/targets.rs"]
mod prpc;
#[path = "../../crates/store/tests/fuzz/targets.rs"]
mod store;
#[path = "../../crates/worker/tests/fuzz/targets.rs"]
mod worker;
#[path = "../../crates/worker/tests/fuzz/chain.rs"]
mod worker_chain;
#[path = "../../crates/worker/tests/fuzz/collateral.rs"]
mod worker_collateral;
#[path = "../../crates/worker/tests/fuzz/keys.rs"]
mod worker_keys;

/// What workers answer, and receipts that people hand on.
pub fn answer(data: &[u8]) {
    client::answer(data);
}

/// Blocks, headers and justifications of a chain server.
pub fn batches(data: &[u8]) {
    follower::batches(data);
}

/// The user's book of contracts.
pub fn book(data: &[u8]) {
    cli::book(data);
}

/// Bundles, and output that is shown by them.
pub fn bundle(data: &[u8]) {
    client::bundle(data);
}

/// What chain servers answer.
pub fn chain(data: &[u8]) {
    worker_chain::answers(data);
}

/// What a collateral service answers, and what is kept of it.
pub fn collateral(data: &[u8]) {
    worker_collateral::collateral(data);
}

/// The store's file.
pub fn file(data: &[u8]) {
    store::file(data);
}

/// The files that a worker's key comes from.
pub fn keys(data: &[u8]) {
    worker_keys::keys(data);
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
