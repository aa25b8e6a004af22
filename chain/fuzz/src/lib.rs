//! The fuzz targets of the chain, for libFuzzer. They are those of its tests, which are modules of a test
//! and not a library: here they become one.

// What the runtime's target stands on; it looks for it here.
#[path = "../../runtime/tests/fuzz/network.rs"]
mod network;
#[path = "../../runtime/tests/fuzz/values.rs"]
mod values;

#[path = "../../runtime/tests/fuzz/targets.rs"]
mod runtime;
#[path = "../../solo/tests/fuzz/targets.rs"]
mod solo;

/// Transactions.
pub fn extrinsic(data: &[u8]) {
    runtime::extrinsic(data);
}

/// JSON-RPC requests.
pub fn rpc(data: &[u8]) {
    solo::rpc(data);
}
