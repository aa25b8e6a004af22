//! Where in the chain's state a worker finds what it reads with a proof.
//!
//! A key begins with the xxHash of the pallet's name and of the item's name, as FRAME lays them out.
//! The names are part of the wire format; the runtime's tests check the constants.

use crate::{BlockNumber, ClusterId, ContractId, WorkerId};
use alloc::vec::Vec;
use blake2::{Blake2b, Digest, digest::consts::U16};

/// `PhalaMq::NextReport`.
const NEXT_REPORT: [u8; 32] = [
    0x2f, 0x03, 0x9a, 0x6a, 0x7f, 0x13, 0xe9, 0x4b, 0x95, 0x45, 0x25, 0x7e, 0x54, 0x06, 0x2a, 0x04,
    0x23, 0xa3, 0x04, 0x77, 0x8c, 0x81, 0xaa, 0x25, 0x47, 0x41, 0x41, 0x04, 0xf0, 0xd6, 0x8f, 0xfc,
];
/// `PhalaRegistry::ContractKeys`.
const CONTRACT_KEYS: [u8; 32] = [
    0x0d, 0x74, 0x69, 0x31, 0xe7, 0xa6, 0xbf, 0xd4, 0x7f, 0xbc, 0xcc, 0xfd, 0x71, 0x98, 0x4a, 0xef,
    0x56, 0xd5, 0xf6, 0x99, 0x3e, 0xdd, 0x94, 0x74, 0x76, 0x75, 0x48, 0x48, 0xe5, 0xe2, 0x70, 0xf1,
];
/// `PhalaPhatContracts::WorkerStates`.
const WORKER_STATES: [u8; 32] = [
    0x87, 0xe4, 0x21, 0xa9, 0x1a, 0xbb, 0xc4, 0x2f, 0x22, 0xfc, 0x6f, 0x8d, 0xd9, 0x88, 0x19, 0x42,
    0xf8, 0xdb, 0xfe, 0x25, 0x3c, 0x3a, 0xc9, 0xa1, 0xaf, 0xbf, 0x96, 0xbb, 0x39, 0x0d, 0x82, 0x90,
];
/// `PhalaPhatContracts::AgreedRoots`.
const AGREED_ROOTS: [u8; 32] = [
    0x87, 0xe4, 0x21, 0xa9, 0x1a, 0xbb, 0xc4, 0x2f, 0x22, 0xfc, 0x6f, 0x8d, 0xd9, 0x88, 0x19, 0x42,
    0x70, 0xee, 0xa9, 0xf5, 0x2a, 0xa7, 0xf3, 0x1c, 0x38, 0x08, 0x83, 0x1d, 0x4f, 0xab, 0x4e, 0x37,
];

/// The part of a key that `Blake2_128Concat` makes of a storage map's key.
fn hashed(key: &[u8]) -> Vec<u8> {
    [&Blake2b::<U16>::digest(key)[..], key].concat()
}

/// Key of the number of the next report that the chain accepts of a worker: a `u64`, 0 if absent.
pub fn next_report_key(worker: &WorkerId) -> Vec<u8> {
    [NEXT_REPORT, worker.0].concat()
}

/// Key of the public key of a contract: 32 bytes, absent until it is published.
pub fn contract_key_key(contract: &ContractId) -> Vec<u8> {
    [&CONTRACT_KEYS[..], &hashed(&contract.0)].concat()
}

/// Key of the last state that the chain has got from a worker: a [`crate::report::WorkerState`],
/// absent while the worker is in no cluster.
pub fn worker_state_key(worker: &WorkerId) -> Vec<u8> {
    [&WORKER_STATES[..], &hashed(&worker.0)].concat()
}

/// Key of what most workers of a cluster have agreed on after a block: [`crate::report::Roots`],
/// absent if they have not, or long ago.
pub fn agreed_roots_key(cluster: &ClusterId, block: BlockNumber) -> Vec<u8> {
    [
        &AGREED_ROOTS[..],
        &hashed(&cluster.0),
        &hashed(&block.to_le_bytes()),
    ]
    .concat()
}
