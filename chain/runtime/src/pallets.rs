//! Which pallets the runtime is made of, and under which index.

// The macro's output carries no documentation of its own.
#![allow(missing_docs)]

use alloc::vec::Vec;

use polkadot_sdk::*;

use sp_inherents::{CheckInherentsResult, InherentData};
use sp_runtime::traits::Block as BlockT;

use crate::{Block, UncheckedExtrinsic, timing};

/// The pallets. An index, once given, belongs to its pallet for ever: encoded
/// calls, events and errors carry it.
#[frame_support::runtime]
mod runtime {
    /// The runtime: the type every pallet is configured for.
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeFreezeReason,
        RuntimeHoldReason,
        RuntimeSlashReason,
        RuntimeLockId,
        RuntimeTask,
        RuntimeViewFunction
    )]
    pub struct Runtime;

    #[runtime::pallet_index(0)]
    pub type System = frame_system;

    #[runtime::pallet_index(1)]
    pub type Timestamp = pallet_timestamp;

    #[runtime::pallet_index(2)]
    pub type Aura = pallet_aura;

    #[runtime::pallet_index(3)]
    pub type Grandpa = pallet_grandpa;

    #[runtime::pallet_index(4)]
    pub type Balances = pallet_balances;

    #[runtime::pallet_index(5)]
    pub type TransactionPayment = pallet_transaction_payment;

    #[runtime::pallet_index(6)]
    pub type Sudo = pallet_sudo;

    #[runtime::pallet_index(7)]
    pub type Utility = pallet_utility;

    #[runtime::pallet_index(8)]
    pub type RandomnessCollectiveFlip = pallet_insecure_randomness_collective_flip;

    #[runtime::pallet_index(9)]
    pub type Timing = timing;

    #[runtime::pallet_index(40)]
    pub type PhalaRegistry = pallet_phat_registry;

    // Calls push messages, and at the end of the block this pallet writes them down: what a pallet
    // behind it pushed at the end of a block would come with the next one.
    #[runtime::pallet_index(41)]
    pub type PhalaMq = pallet_phat_messages;

    #[runtime::pallet_index(42)]
    pub type PhalaPhatContracts = pallet_phat_clusters;

    #[runtime::pallet_index(43)]
    pub type PhalaPhatTokenomic = pallet_phat_tokenomic;

    // It pushes messages too, in idle time, which comes before the end of the block.
    #[runtime::pallet_index(44)]
    pub type PhatEconomy = pallet_phat_economy;
}

// The macro keeps the trait behind these two private to this module.

/// The inherents that the pallets make of what the block's author observed.
///
/// They are encoded as version 4, as long as there are clients in use that cannot decode a block with
/// a bare extrinsic of version 5.
pub(crate) fn inherent_extrinsics(data: InherentData) -> Vec<UncheckedExtrinsic> {
    let inherents = data.create_extrinsics().into_iter();
    inherents
        .map(|inherent| UncheckedExtrinsic::new_bare_legacy(inherent.function))
        .collect()
}

/// What the pallets think of the inherents in `block`.
pub(crate) fn check_inherents(
    block: <Block as BlockT>::LazyBlock,
    data: InherentData,
) -> CheckInherentsResult {
    data.check_extrinsics(&block)
}
