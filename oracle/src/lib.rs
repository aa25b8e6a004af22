//! Runs the same contracts and calls on two machines, Phat's engine and `pallet-contracts` 51, and
//! compares everything a contract, a client or an account holder could notice.
//!
//! - [`Machine`] is what both can do; [`Subject`] is our engine, [`Reference`] the pallet.
//! - [`Pair`] does each thing on both and panics, with both sides, where they differ.
//!
//! What is meant to differ is listed in this package's README.

mod bundle;
mod machine;
mod pair;
mod puppet;
mod reference;
mod subject;

pub use bundle::Bundle;
pub use machine::{CodeRecord, ContractRecord, Ending, Machine, Returned, Snapshot};
pub use pair::{Pair, pad};
pub use puppet::{PUPPET, Program, Step};
pub use reference::Reference;
pub use subject::{Subject, engine};

pub use phat_engine::{CallArgs, InstantiateArgs};

/// An account that owns most of the money.
pub const ALICE: [u8; 32] = [1; 32];
/// Another account.
pub const BOB: [u8; 32] = [2; 32];
/// An account that does not exist in the beginning.
pub const NOBODY: [u8; 32] = [0xee; 32];

/// One token.
pub const UNIT: u128 = 1_000_000_000_000;
/// What an account must have to exist, on both machines.
pub const EXISTENTIAL_DEPOSIT: u128 = 1_000;
/// Price of one unit of gas, on both machines.
pub const GAS_PRICE: u128 = 2;
/// Deposit for a stored item, on both machines.
pub const DEPOSIT_PER_ITEM: u128 = 100;
/// Deposit for a stored byte, on both machines.
pub const DEPOSIT_PER_BYTE: u128 = 1;
/// Number of the block all calls belong to.
pub const BLOCK: u32 = 77;
/// Time of that block, in milliseconds since 1970.
pub const NOW_MS: u64 = 1_700_000_000_000;
/// A gas limit that no test means to reach.
pub const GAS: u64 = 500_000_000_000;

/// The cluster's id, a part of contract addresses.
pub const CLUSTER: [u8; 32] = {
    let mut id = [0; 32];
    id[31] = 1;
    id
};
