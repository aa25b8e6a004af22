//! A chain that has the registry and the messages, and workers with evidence under a root made for
//! tests.

#![allow(
    unreachable_pub,
    reason = "what a configuration names must be as public as the runtime that the macro makes"
)]

use crate as pallet_phat_registry;
use core::{cell::Cell, time::Duration};
use phat_attestation::{
    Claims, Evidence, TcbLevel,
    software::{self, SoftwareCollateral},
};
use phat_crypto::{Keypair, rand_core::OsRng};
use phat_primitives::{AccountId as RawAccount, Hash, WorkerId};
use polkadot_sdk::{
    frame_support::{
        derive_impl,
        dispatch::DispatchResult,
        traits::{Hooks, UnixTime},
        weights::Weight,
    },
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

impl pallet_phat_registry::Config for Test {
    type OnService = Witness;
}

/// The time at which tests begin, and for how long the evidence is good that they make.
pub(crate) const NOW_MS: u64 = 1_700_000_000_000;
pub(crate) const LIFE_MS: u64 = 60_000;

thread_local! {
    static TIME: Cell<u64> = const { Cell::new(NOW_MS) };
    static REFUSES: Cell<bool> = const { Cell::new(false) };
}

/// Goes when a test lets it.
pub struct Clock;

impl UnixTime for Clock {
    fn now() -> Duration {
        Duration::from_millis(TIME.get())
    }
}

/// Other pallets: events of the system tell what they were told.
pub struct Witness;

impl Witness {
    /// Lets other pallets refuse whatever they are told.
    pub(crate) fn refuse(refuses: bool) {
        REFUSES.set(refuses);
    }

    fn note(worker: &WorkerId, word: &str) -> DispatchResult {
        if REFUSES.get() {
            return Err(sp_runtime::DispatchError::Unavailable);
        }
        let key = [word.as_bytes(), &worker.0].concat();
        let count: u32 = frame_support::storage::unhashed::get_or_default(&key);
        frame_support::storage::unhashed::put(&key, &(count + 1));
        Ok(())
    }

    /// How often others were told that a worker has lapsed, and that it is there.
    pub(crate) fn told(worker: &WorkerId) -> (u32, u32) {
        let count = |word: &str| {
            let key = [word.as_bytes(), &worker.0].concat();
            frame_support::storage::unhashed::get_or_default(&key)
        };
        (count("lapsed"), count("returned"))
    }
}

impl crate::OnService for Witness {
    fn lapsed(worker: &WorkerId) -> DispatchResult {
        Self::note(worker, "lapsed")
    }

    fn returned(worker: &WorkerId) -> DispatchResult {
        Self::note(worker, "returned")
    }

    fn weight() -> Weight {
        Weight::from_parts(7, 0)
    }
}

/// A block that comes `after_ms` after the last one. Its beginning sees the time of the last one.
pub(crate) fn next_block(after_ms: u64) -> Weight {
    let number = System::block_number();
    frame_system::BlockHash::<Test>::insert(number, hash(number));
    System::set_block_number(number + 1);
    let weight = Registry::on_initialize(number + 1);
    TIME.set(TIME.get() + after_ms);
    weight
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
        performance: 5,
    }
}

/// The same for another worker, after the last block.
pub(crate) fn claims_of(worker: u8) -> Claims {
    let block = System::block_number() - 1;
    Claims {
        worker: id(worker),
        block,
        block_hash: hash(block),
        ..claims()
    }
}

/// Evidence with collateral that is good for [`LIFE_MS`].
pub(crate) fn attest(claims: Claims) -> Box<Evidence> {
    attest_with(
        claims,
        SoftwareCollateral {
            level: TcbLevel::UpToDate,
            expires_ms: TIME.get() + LIFE_MS,
        },
    )
}

pub(crate) fn attest_with(claims: Claims, collateral: SoftwareCollateral) -> Box<Evidence> {
    Box::new(software::attest(&root(), claims, collateral, &mut OsRng))
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
    TIME.set(NOW_MS);
    Witness::refuse(false);
    let mut state = TestExternalities::from(genesis.build_storage().unwrap());
    state.execute_with(|| {
        for block in 0..NOW {
            frame_system::BlockHash::<Test>::insert(block, hash(block));
        }
        System::set_block_number(NOW);
    });
    state
}
