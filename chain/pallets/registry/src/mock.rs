//! A chain that has the registry and the messages, and workers with evidence under a root made for
//! tests.

#![allow(
    unreachable_pub,
    reason = "what a configuration names must be as public as the runtime that the macro makes"
)]

use crate as pallet_phat_registry;
use core::time::Duration;
use phat_attestation::{Claims, Evidence, software};
use phat_crypto::{Keypair, rand_core::OsRng};
use phat_primitives::{AccountId as RawAccount, Hash, WorkerId};
use polkadot_sdk::{
    frame_support::{derive_impl, traits::UnixTime},
    sp_io::TestExternalities,
    sp_runtime::{AccountId32, BuildStorage, traits::IdentityLookup},
    *,
};

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Messages: pallet_phat_messages,
        Registry: pallet_phat_registry,
    }
);

frame_support::parameter_types! {
    pub const BlockHashCount: u32 = 256;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = frame_system::mocking::MockBlockU32<Test>;
    type AccountId = AccountId32;
    type Lookup = IdentityLookup<AccountId32>;
    type BlockHashCount = BlockHashCount;
}

impl pallet_phat_messages::Config for Test {
    type Time = Clock;
    type Reporters = Registry;
    type OnReport = Registry;
}

impl pallet_phat_registry::Config for Test {}

/// Stands still.
pub struct Clock;

impl UnixTime for Clock {
    fn now() -> Duration {
        Duration::from_secs(1)
    }
}

/// The only program that may be registered in the beginning.
pub(crate) const MEASUREMENT: [u8; 32] = [9; 32];
/// The block that tests take place in.
pub(crate) const NOW: u32 = 250;

pub(crate) fn root() -> Keypair {
    Keypair::from_seed([100; 32])
}

pub(crate) fn account(byte: u8) -> AccountId32 {
    AccountId32::new([byte; 32])
}

pub(crate) fn id(worker: u8) -> WorkerId {
    WorkerId(Keypair::from_seed([worker; 32]).public())
}

/// The hash of a block of the mock chain.
pub(crate) fn hash(block: u32) -> Hash {
    Hash::from_low_u64_be(u64::from(block) + 1_000)
}

/// What worker 1, operated by account 1, claims to best effect: made after the last block.
pub(crate) fn claims() -> Claims {
    Claims {
        worker: id(1),
        operator: Some(RawAccount([1; 32])),
        measurement: MEASUREMENT,
        genesis: hash(0),
        block: NOW - 1,
        block_hash: hash(NOW - 1),
    }
}

pub(crate) fn attest(claims: Claims) -> Box<Evidence> {
    Box::new(software::attest(&root(), claims, &mut OsRng))
}

/// A chain in block [`NOW`].
pub(crate) fn chain(development_root: Option<[u8; 32]>) -> TestExternalities {
    let genesis = RuntimeGenesisConfig {
        system: Default::default(),
        registry: crate::GenesisConfig {
            development_root,
            measurements: vec![MEASUREMENT],
            ..Default::default()
        },
    };
    let mut state = TestExternalities::from(genesis.build_storage().unwrap());
    state.execute_with(|| {
        for block in 0..NOW {
            frame_system::BlockHash::<Test>::insert(block, hash(block));
        }
        System::set_block_number(NOW);
    });
    state
}
