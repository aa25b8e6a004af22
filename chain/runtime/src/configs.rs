//! How each pallet is configured.

use polkadot_sdk::*;

use frame_support::derive_impl;
use frame_support::dispatch::DispatchClass;
use frame_support::traits::tokens::imbalance::ResolveTo;
use frame_support::traits::{ConstBool, ConstU8, ConstU32, ConstU64, VariantCountOf};
use frame_support::weights::constants::RocksDbWeight;
use frame_support::weights::{ConstantMultiplier, IdentityFee, Weight};
use frame_system::limits::{BlockLength, BlockWeights};
use pallet_phat_messages::weights::records;
use pallet_transaction_payment::{ConstFeeMultiplier, FungibleAdapter, Multiplier};
use sp_consensus_aura::sr25519::AuthorityId as AuraId;
use sp_runtime::traits::{AccountIdLookup, One};
use sp_version::RuntimeVersion;

use crate::{
    AccountId, Balance, Balances, Block, Hash, MAX_BLOCK_LENGTH, MAX_BLOCK_WEIGHT, MICRO_PHA,
    MILLI_PHA, NORMAL_DISPATCH_RATIO, Nonce, OriginCaller, PalletInfo, PhatEconomy, Runtime,
    RuntimeCall, RuntimeEvent, RuntimeFreezeReason, RuntimeHoldReason, RuntimeOrigin, RuntimeTask,
    System, VERSION, timing,
};

/// Most authorities a chain can have. Solo has one; a network of machines that
/// orders commands needs tens, not thousands.
const MAX_AUTHORITIES: u32 = 100;

frame_support::parameter_types! {
    /// Blocks whose hashes stay known to the runtime: the longest a mortal
    /// transaction can live.
    pub const BlockHashCount: crate::BlockNumber = 4096;
    /// The runtime's version.
    pub const Version: RuntimeVersion = VERSION;
    /// How much computation fits into a block.
    pub Weights: BlockWeights =
        BlockWeights::with_sensible_defaults(MAX_BLOCK_WEIGHT, NORMAL_DISPATCH_RATIO);
    /// How many bytes fit into a block.
    pub Length: BlockLength = BlockLength::builder()
        .max_length(MAX_BLOCK_LENGTH)
        .modify_max_length_for_class(DispatchClass::Normal, |length| {
            *length = NORMAL_DISPATCH_RATIO * MAX_BLOCK_LENGTH;
        })
        .build();
    /// Address format of the chain, known to wallets as Phala's.
    pub const Ss58Prefix: u16 = 30;
    /// Smallest balance that keeps an account alive.
    pub const ExistentialDeposit: Balance = 10 * MILLI_PHA;
    /// Fee of a byte of transaction: a megabyte of contract code costs about one PHA.
    pub const ByteFee: Balance = MICRO_PHA;
    /// Fees do not rise with load: authors pay for computing by stake, and what
    /// remains on chain is bounded by the length and weight of blocks.
    pub FeeMultiplier: Multiplier = Multiplier::one();
    /// Gets fees and tips. It has an account from the first block on, so that no fee is too small
    /// for it.
    pub Treasury: AccountId = PhatEconomy::treasury();
}

#[derive_impl(frame_system::config_preludes::SolochainDefaultConfig)]
impl frame_system::Config for Runtime {
    type Block = Block;
    type BlockWeights = Weights;
    type BlockLength = Length;
    type BlockHashCount = BlockHashCount;
    type AccountId = AccountId;
    type Lookup = AccountIdLookup<AccountId, ()>;
    type Nonce = Nonce;
    type Hash = Hash;
    type DbWeight = RocksDbWeight;
    type Version = Version;
    type AccountData = pallet_balances::AccountData<Balance>;
    type SystemWeightInfo = frame_system::weights::SubstrateWeight<Runtime>;
    type SS58Prefix = Ss58Prefix;
    type MaxConsumers = ConstU32<16>;
}

impl timing::Config for Runtime {}

impl pallet_timestamp::Config for Runtime {
    type Moment = u64;
    type OnTimestampSet = crate::Aura;
    type MinimumPeriod = timing::MinimumPeriodOf<Runtime>;
    type WeightInfo = pallet_timestamp::weights::SubstrateWeight<Runtime>;
}

impl pallet_aura::Config for Runtime {
    type AuthorityId = AuraId;
    type DisabledValidators = ();
    type MaxAuthorities = ConstU32<MAX_AUTHORITIES>;
    // Solo seals as soon as there is a transaction, often several times in a slot.
    type AllowMultipleBlocksPerSlot = ConstBool<true>;
    type SlotDuration = timing::SlotDurationOf<Runtime>;
}

impl pallet_grandpa::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ();
    type MaxAuthorities = ConstU32<MAX_AUTHORITIES>;
    type MaxNominators = ConstU32<0>;
    type MaxSetIdSessionEntries = ConstU64<0>;
    type KeyOwnerProof = sp_core::Void;
    type EquivocationReportSystem = ();
}

impl pallet_balances::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeHoldReason = RuntimeHoldReason;
    type RuntimeFreezeReason = RuntimeFreezeReason;
    type WeightInfo = pallet_balances::weights::SubstrateWeight<Runtime>;
    type Balance = Balance;
    type DustRemoval = ();
    type ExistentialDeposit = ExistentialDeposit;
    type AccountStore = System;
    type ReserveIdentifier = [u8; 8];
    type FreezeIdentifier = RuntimeFreezeReason;
    type MaxLocks = ConstU32<50>;
    type MaxReserves = ConstU32<50>;
    type MaxFreezes = VariantCountOf<RuntimeFreezeReason>;
    type DoneSlashHandler = ();
}

impl pallet_transaction_payment::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type OnChargeTransaction = FungibleAdapter<Balances, ResolveTo<Treasury, Balances>>;
    type WeightToFee = IdentityFee<Balance>;
    type LengthToFee = ConstantMultiplier<Balance, ByteFee>;
    type FeeMultiplierUpdate = ConstFeeMultiplier<FeeMultiplier>;
    type OperationalFeeMultiplier = ConstU8<5>;
    type WeightInfo = ChargeWeight;
}

/// What it costs to charge for a transaction, with the treasury being looked up and paid.
pub struct ChargeWeight;

impl pallet_transaction_payment::WeightInfo for ChargeWeight {
    fn charge_transaction_payment() -> Weight {
        pallet_transaction_payment::weights::SubstrateWeight::<Runtime>::charge_transaction_payment(
        )
        .saturating_add(records(RocksDbWeight::get(), 2, 1))
    }
}

impl pallet_sudo::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type WeightInfo = pallet_sudo::weights::SubstrateWeight<Runtime>;
}

impl pallet_utility::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type PalletsOrigin = OriginCaller;
    type WeightInfo = pallet_utility::weights::SubstrateWeight<Runtime>;
}

impl pallet_insecure_randomness_collective_flip::Config for Runtime {}

impl pallet_phat_messages::Config for Runtime {
    type Time = crate::Timestamp;
    type Reporters = crate::PhalaRegistry;
    // The economy hears of what the clusters have accepted.
    type OnReport = (
        crate::PhalaRegistry,
        crate::PhalaPhatContracts,
        crate::PhatEconomy,
    );
}

impl pallet_phat_registry::Config for Runtime {
    // A worker leaves its cluster before it is suspended.
    type OnService = (crate::PhalaPhatContracts, crate::PhatEconomy);
}

impl pallet_phat_economy::Config for Runtime {
    type Token = crate::Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Randomness = crate::RandomnessCollectiveFlip;
}

impl pallet_phat_clusters::Config for Runtime {
    type Currency = crate::Balances;
    type Eras = crate::PhatEconomy;
}

impl pallet_phat_tokenomic::Config for Runtime {
    type RuntimeHoldReason = RuntimeHoldReason;
    type Currency = crate::Balances;
}
