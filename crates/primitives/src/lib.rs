//! What the chain, the workers and the clients of Phat have in common: identifiers, amounts, the
//! messages that pass between them, and the limits they all keep.
//!
//! Chain and worker meet in these types only. Everything here is plain data with a SCALE encoding;
//! there is no cryptography beyond the hash that names things, and no IO.
//!
//! | module | what it holds |
//! |---|---|
//! | [`ids`] | who and what: workers, clusters, contracts, accounts |
//! | [`message`] | chain → workers: the ordered messages of a block |
//! | [`report`] | workers → chain: signed, numbered reports |
//! | [`command`] | what a transaction asks of a contract |
//! | [`private`] | deployment that only the workers of a cluster can read |
//! | [`credit`] | what callers pay in advance, and how workers spend it |
//! | [`policy`] | what the owner of a cluster lays down for it |
//! | [`query`] | what a client asks of one worker, and its answer |
//! | [`receipt`] | how a command ended |
//! | [`commitment`] | what commits a cluster to its receipts, and proofs of single ones |
//! | [`storage`] | where in the chain's state a worker reads |
//! | [`limits`] | bounds on everything that a stranger can grow |

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod command;
pub mod commitment;
pub mod credit;
pub mod ids;
pub mod limits;
pub mod message;
pub mod policy;
pub mod private;
pub mod query;
pub mod receipt;
pub mod report;
pub mod storage;

pub use ids::{
    AccountId, Balance, BlockNumber, ClusterId, CodeHash, ContractId, Hash, MessageNumber,
    WorkerId, blake2_256,
};
