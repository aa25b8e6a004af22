//! What host functions cost, in gas.
//!
//! Each price is at or below the weight `pallet-contracts` 51 has measured for the function, without
//! what it adds for reading and writing its database.

use super::Cost;

const fn cost(base: u64, per_byte: u64) -> Cost {
    Cost { base, per_byte }
}

/// Copying output to a contract, as far as it is not part of a function's price.
pub(super) const COPY_OUT: Cost = cost(430_000, 113);
/// Copying input from a contract.
pub(super) const COPY_IN: Cost = cost(389_000, 203);

pub(super) const GETTER: Cost = cost(300_000, 0);
pub(super) const SEED: Cost = cost(2_000_000, 0);
pub(super) const FEE: Cost = cost(1_500_000, 0);
pub(super) const BALANCE: Cost = cost(4_500_000, 0);
pub(super) const LOOK_UP: Cost = cost(7_900_000, 0);
pub(super) const NONCE: Cost = cost(3_000_000, 0);

pub(super) const SET_STORAGE: Cost = cost(8_000_000, 276);
pub(super) const CLEAR_STORAGE: Cost = cost(7_600_000, 137);
pub(super) const GET_STORAGE: Cost = cost(7_500_000, 557);
pub(super) const CONTAINS_STORAGE: Cost = cost(6_800_000, 119);
pub(super) const TAKE_STORAGE: Cost = cost(8_100_000, 590);
pub(super) const SET_TRANSIENT: Cost = cost(2_600_000, 204);
pub(super) const CLEAR_TRANSIENT: Cost = cost(2_500_000, 227);
pub(super) const GET_TRANSIENT: Cost = cost(2_100_000, 226);
pub(super) const CONTAINS_TRANSIENT: Cost = cost(1_900_000, 112);
/// The reference has 8 100 000 and 3 per byte; up to its largest value this is less.
pub(super) const TAKE_TRANSIENT: Cost = cost(6_000_000, 100);

pub(super) const TRANSFER: Cost = cost(9_200_000, 0);
/// A call takes an instance from the pool; its memory is charged by the page besides.
pub(super) const CALL: Cost = cost(40_000_000, 0);
pub(super) const DELEGATE_CALL: Cost = cost(40_000_000, 0);
pub(super) const CALL_TRANSFER: Cost = cost(9_000_000, 0);
pub(super) const CLONE_INPUT: Cost = cost(0, 7);
pub(super) const INSTANTIATE: Cost = cost(60_000_000, 1_660);
pub(super) const TERMINATE: Cost = cost(15_000_000, 0);
/// For each delegate dependency that a termination releases.
pub(super) const TERMINATE_DEPENDENCY: u64 = 4_500_000;
pub(super) const SET_CODE_HASH: Cost = cost(20_000_000, 0);
pub(super) const LOCK_DEPENDENCY: Cost = cost(9_600_000, 0);

pub(super) const EVENT: Cost = cost(4_100_000, 1_000);
pub(super) const EVENT_TOPIC: u64 = 2_180_000;
pub(super) const DEBUG_MESSAGE: Cost = cost(580_000, 712);

pub(super) const SHA2_256: Cost = cost(800_000, 1_322);
pub(super) const KECCAK_256: Cost = cost(800_000, 3_515);
pub(super) const BLAKE2_256: Cost = cost(800_000, 1_458);
pub(super) const BLAKE2_128: Cost = cost(800_000, 1_495);
pub(super) const ECDSA_RECOVER: Cost = cost(48_000_000, 0);
pub(super) const ECDSA_TO_ETH: Cost = cost(13_000_000, 0);
pub(super) const SR25519_VERIFY: Cost = cost(41_000_000, 4_949);

/// The chain extension as such; its functions add their own.
pub(super) const EXTENSION: Cost = cost(389_000, 203);
