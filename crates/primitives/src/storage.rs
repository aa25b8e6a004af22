//! Where in the chain's state a worker finds what it reads with a proof.
//!
//! A key begins with the xxHash of the pallet's name and of the item's name, as FRAME lays them out.
//! The names are part of the wire format; the runtime's tests check the constants.

use crate::{ContractId, WorkerId};
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

/// Key of the number of the next report that the chain accepts of a worker: a `u64`, 0 if absent.
pub fn next_report_key(worker: &WorkerId) -> Vec<u8> {
    [NEXT_REPORT, worker.0].concat()
}

/// Key of the public key of a contract: 32 bytes, absent until it is published.
pub fn contract_key_key(contract: &ContractId) -> Vec<u8> {
    let hash = Blake2b::<U16>::digest(contract.0);
    [&CONTRACT_KEYS[..], &hash[..], &contract.0[..]].concat()
}
