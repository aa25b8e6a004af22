//! Weights, upper bounds: see [`pallet_phat_messages::weights`] for how they were found.

use super::*;
use frame_support::weights::RuntimeDbWeight;
use pallet_phat_messages::weights::records;

/// The minimum, the contract and its key, two stakes, the account and its holds, and a message.
pub(crate) fn adjust_stake(db: RuntimeDbWeight) -> Weight {
    records(db, 10, 9)
}

pub(crate) fn set_min_stake(db: RuntimeDbWeight) -> Weight {
    records(db, 0, 1)
}
