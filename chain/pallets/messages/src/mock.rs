//! A chain that has nothing but this pallet, with a clock and a handler of reports made for tests.

#![allow(
    unreachable_pub,
    reason = "what a configuration names must be as public as the runtime that the macro makes"
)]

use crate::{self as pallet_phat_messages, OnReport, Reporters};
use core::time::Duration;
use phat_crypto::{Keypair, contexts, rand_core::OsRng};
use phat_primitives::{
    Hash, WorkerId,
    message::{OUTBOUND_KEY, Outbound},
    report::{Payload, Report, SignedReport},
};
use polkadot_sdk::{
    frame_support::{
        derive_impl,
        pallet_prelude::*,
        storage::unhashed,
        traits::{Hooks, UnixTime},
    },
    sp_io::TestExternalities,
    sp_runtime::BuildStorage,
    *,
};

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Messages: pallet_phat_messages,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = frame_system::mocking::MockBlockU32<Test>;
}

impl pallet_phat_messages::Config for Test {
    type Time = Clock;
    type Reporters = Workers;
    type OnReport = Handler;
}

/// The genesis hash of the mock chain.
pub(crate) const GENESIS: Hash = Hash::repeat_byte(7);
/// What [`Handler`] refuses.
pub(crate) const BAD: Payload = Payload::MasterKey {
    generation: 0,
    public: [0xff; 32],
};
/// How many payloads [`Handler`] took.
const HANDLED: &[u8] = b"handled";

/// Each block is a second after the one before.
pub struct Clock;

impl UnixTime for Clock {
    fn now() -> Duration {
        Duration::from_secs(System::block_number().into())
    }
}

/// Workers 1 and 2 are registered, and worker 1 is a gatekeeper.
pub struct Workers;

impl Reporters for Workers {
    fn is_registered(worker: &WorkerId) -> bool {
        [id(1), id(2)].contains(worker)
    }

    fn is_gatekeeper(worker: &WorkerId) -> bool {
        *worker == id(1)
    }
}

/// Counts payloads, and fails for [`BAD`] after it has counted it.
pub struct Handler;

impl OnReport for Handler {
    fn on_payload(_: &WorkerId, payload: &Payload) -> DispatchResult {
        unhashed::put(HANDLED, &(handled() + 1));
        ensure!(*payload != BAD, DispatchError::CannotLookup);
        Ok(())
    }

    fn weight(_: &Payload) -> Weight {
        Weight::from_parts(1_000, 0)
    }

    fn is_urgent(_: &WorkerId, payload: &Payload) -> bool {
        matches!(payload, Payload::Credit(report) if !report.wanted.is_empty())
    }
}

pub(crate) fn handled() -> u32 {
    unhashed::get_or_default(HANDLED)
}

pub(crate) fn key(worker: u8) -> Keypair {
    Keypair::from_seed([worker; 32])
}

pub(crate) fn id(worker: u8) -> WorkerId {
    WorkerId(key(worker).public())
}

pub(crate) fn report(worker: u8, sequence: u64, payloads: Vec<Payload>) -> SignedReport {
    let report = Report {
        genesis: GENESIS,
        worker: id(worker),
        sequence,
        payloads,
    };
    sign(worker, report)
}

pub(crate) fn sign(worker: u8, report: Report) -> SignedReport {
    let signature = key(worker).sign(contexts::REPORT, &report.encode(), &mut OsRng);
    SignedReport { report, signature }
}

pub(crate) fn chain() -> TestExternalities {
    frame_system::GenesisConfig::<Test>::default()
        .build_storage()
        .unwrap()
        .into()
}

/// A block in which `body` happens: what workers are told, and the payloads of the digest's items
/// that are meant for them.
pub(crate) fn block(body: impl FnOnce()) -> (Outbound, Vec<Vec<u8>>) {
    let number = System::block_number() + 1;
    let parent = match number {
        1 => GENESIS,
        _ => Hash::from_low_u64_be(number.into()),
    };
    System::initialize(&number, &parent, &Default::default());
    Messages::on_initialize(number);
    assert!(
        !unhashed::exists(OUTBOUND_KEY),
        "the last block's are still there"
    );
    System::note_finished_initialize();
    body();
    System::note_finished_extrinsics();
    Messages::on_finalize(number);
    let header = System::finalize();
    let outbound = unhashed::get(OUTBOUND_KEY).expect("every block has the value");
    let items = header
        .digest
        .logs
        .iter()
        .filter_map(|item| match item {
            sp_runtime::DigestItem::Consensus(engine, data)
                if *engine == phat_primitives::message::DIGEST_ENGINE =>
            {
                Some(data.clone())
            }
            _ => None,
        })
        .collect();
    (outbound, items)
}
