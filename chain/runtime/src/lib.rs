//! The runtime of a Phat chain: which pallets there are, how they are
//! configured, and what the chain answers to its host.
//!
//! One crate, two hosts. `solo` links it with `std` and runs it natively
//! through [`apis::api::dispatch`]; a Substrate node runs it as Wasm, built with
//! `--no-default-features`. Nothing in here may depend on which one it is.
//!
//! Everything that touches storage, the metadata's constants included, must run
//! inside externalities: slot length and minimum period are state (see
//! [`timing`]), not constants of the program.
#![cfg_attr(not(feature = "std"), no_std)]
#![recursion_limit = "256"]

extern crate alloc;

use alloc::borrow::Cow;

use polkadot_sdk::*;

use frame_support::weights::Weight;
use frame_support::weights::constants::WEIGHT_REF_TIME_PER_SECOND;
use sp_runtime::traits::{BlakeTwo256, IdentifyAccount, Verify};
use sp_runtime::{MultiAddress, MultiSignature, Perbill, generic};
use sp_version::RuntimeVersion;

pub mod apis;
mod configs;
mod pallets;
pub mod presets;
mod signing;
pub mod timing;

pub use configs::{ExistentialDeposit, Ss58Prefix};
pub use pallets::*;
#[cfg(feature = "std")]
pub use signing::signed_extrinsic;

/// What this runtime is, for clients deciding whether they can talk to it.
///
/// `spec_version` changes with every change of behaviour, `transaction_version`
/// with every change of how an existing transaction is encoded.
#[sp_version::runtime_version]
pub const VERSION: RuntimeVersion = RuntimeVersion {
    spec_name: Cow::Borrowed("phat"),
    impl_name: Cow::Borrowed("phat"),
    authoring_version: 1,
    spec_version: 1,
    impl_version: 1,
    apis: apis::RUNTIME_API_VERSIONS,
    transaction_version: 1,
    system_version: 1,
};

/// Amount of the chain's token in its smallest unit, 10^-12 PHA.
pub type Balance = u128;
/// Number of a block; genesis is 0.
pub type BlockNumber = u32;
/// Number of transactions an account has sent.
pub type Nonce = u32;
/// Hash of blocks, extrinsics and state.
pub type Hash = sp_core::H256;
/// Signature of a transaction, in any of the schemes wallets use.
pub type Signature = MultiSignature;
/// Account of a signer.
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;
/// How a transaction names an account.
pub type Address = MultiAddress<AccountId, ()>;
/// Header of a block.
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
/// Block with decoded extrinsics.
pub type Block = generic::Block<Header, UncheckedExtrinsic>;
/// Block whose extrinsics are opaque bytes, as hosts and light clients keep it.
pub type OpaqueBlock = generic::Block<Header, sp_runtime::OpaqueExtrinsic>;

/// One PHA.
pub const PHA: Balance = 1_000_000_000_000;
/// A thousandth of a PHA.
pub const MILLI_PHA: Balance = PHA / 1_000;
/// A millionth of a PHA.
pub const MICRO_PHA: Balance = PHA / 1_000_000;

/// What wraps a transaction: who may send it, once, while it is valid, for a fee.
///
/// `AuthorizeCall` comes first because it gives a transaction without signature
/// (a worker's report, say) its origin.
pub type TxExtension = (
    frame_system::AuthorizeCall<Runtime>,
    frame_system::CheckNonZeroSender<Runtime>,
    frame_system::CheckSpecVersion<Runtime>,
    frame_system::CheckTxVersion<Runtime>,
    frame_system::CheckGenesis<Runtime>,
    frame_system::CheckMortality<Runtime>,
    frame_system::CheckNonce<Runtime>,
    frame_system::CheckWeight<Runtime>,
    pallet_transaction_payment::ChargeTransactionPayment<Runtime>,
    frame_system::WeightReclaim<Runtime>,
);

/// Transaction as it stands in a block: version 4 signed, version 5 general, or bare.
pub type UncheckedExtrinsic =
    generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;

/// What a signer signs.
pub type SignedPayload = generic::SignedPayload<RuntimeCall, TxExtension>;

/// Runs blocks through the pallets.
pub type Executive = frame_executive::Executive<
    Runtime,
    Block,
    frame_system::ChainContext<Runtime>,
    Runtime,
    AllPalletsWithSystem,
>;

/// Share of a block that ordinary transactions may fill; the rest is for
/// operational ones, so that a full chain can still be repaired.
const NORMAL_DISPATCH_RATIO: Perbill = Perbill::from_percent(75);

/// Longest block. Contract code travels in transactions: a large ink! contract
/// and its metadata-free Wasm stay well below a megabyte.
const MAX_BLOCK_LENGTH: u32 = 5 * 1024 * 1024;

/// Longest computation of a block: two seconds on the reference hardware, which
/// leaves a second of a three-second slot for building and spreading it. Proof
/// size does not matter to a chain that nobody validates by proof.
const MAX_BLOCK_WEIGHT: Weight = Weight::from_parts(2 * WEIGHT_REF_TIME_PER_SECOND, u64::MAX);

/// Keys an authority signs with during a session.
pub mod session {
    use super::*;
    use alloc::vec::Vec;

    sp_runtime::impl_opaque_keys! {
        /// The keys of one authority: Aura to author, GRANDPA to finalise.
        pub struct SessionKeys {
            /// Key that seals blocks.
            pub aura: Aura,
            /// Key that votes for finality.
            pub grandpa: Grandpa,
        }
    }
}

#[cfg(test)]
mod tests;
