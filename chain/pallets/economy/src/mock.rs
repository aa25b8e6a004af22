//! A chain with money, the registry, the messages, clusters and this pallet.

#![allow(
    unreachable_pub,
    reason = "what a configuration names must be as public as the runtime that the macro makes"
)]

use crate::{self as pallet_phat_economy, Settings, Slashes, Stage};
use core::{cell::Cell, time::Duration};
use pallet_phat_clusters::ClusterPermission;
use pallet_phat_messages::OnReport;
use pallet_phat_registry::OnService;
use phat_economy::{CapacityReward, Parameters, PopularityReward};
use phat_primitives::{
    Balance, ClusterId, Hash, WorkerId, blake2_256, ids,
    message::Message,
    report::{Heartbeat, Payload, Roots, WorkerState},
};
use polkadot_sdk::{
    frame_support::{
        derive_impl,
        dispatch::DispatchResult,
        pallet_prelude::*,
        storage::with_storage_layer,
        traits::{Hooks, Randomness, UnixTime},
    },
    frame_system::RawOrigin,
    sp_io::TestExternalities,
    sp_runtime::{AccountId32, BuildStorage, traits::IdentityLookup},
    *,
};

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        Messages: pallet_phat_messages,
        Registry: pallet_phat_registry,
        Clusters: pallet_phat_clusters,
        Economy: pallet_phat_economy,
    }
);

/// The smallest balance of an account.
pub(crate) const MINIMUM: Balance = 10;
/// What each of the accounts 1 to 5 begins with.
pub(crate) const ENDOWMENT: Balance = 1_000_000;
/// What there is for rewards at first.
pub(crate) const REWARDS: Balance = 100_000_000;
/// Length of an era, in milliseconds.
pub(crate) const ERA_MS: u64 = 10_000;
/// Time in which a heartbeat is to come, in milliseconds.
pub(crate) const HEARTBEAT_MS: u64 = 4_000;
/// How long a move waits for a successor, in milliseconds.
pub(crate) const HANDOVER_MS: u64 = 6_000;

frame_support::parameter_types! {
    pub const ExistentialDeposit: Balance = MINIMUM;
    pub const BlockHashCount: u32 = 256;
    pub Weights: frame_system::limits::BlockWeights =
        frame_system::limits::BlockWeights::simple_max(Weight::from_parts(1 << 50, u64::MAX));
    /// What the runtime says that a record costs.
    pub const Records: frame_support::weights::RuntimeDbWeight =
        frame_support::weights::RuntimeDbWeight { read: 25_000_000, write: 100_000_000 };
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = frame_system::mocking::MockBlockU32<Test>;
    type BlockWeights = Weights;
    type DbWeight = Records;
    type AccountId = AccountId32;
    type Lookup = IdentityLookup<AccountId32>;
    type AccountData = pallet_balances::AccountData<Balance>;
    type BlockHashCount = BlockHashCount;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type Balance = Balance;
    type ExistentialDeposit = ExistentialDeposit;
    type AccountStore = System;
    type RuntimeHoldReason = RuntimeHoldReason;
}

impl pallet_phat_messages::Config for Test {
    type Time = Clock;
    type Reporters = Registry;
    type OnReport = (Registry, Clusters, Economy);
}

impl pallet_phat_registry::Config for Test {
    type OnService = (Clusters, Economy);
}

impl pallet_phat_clusters::Config for Test {
    type Currency = Balances;
    type Eras = Economy;
}

impl pallet_phat_economy::Config for Test {
    type Token = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Randomness = Letters;
}

/// Draws seeds that are text, so that a scenario file of the simulator can name them.
pub struct Letters;

impl Letters {
    pub(crate) fn seed(subject: &[u8]) -> String {
        let hash = blake2_256(subject);
        hash.iter()
            .map(|byte| char::from(b'a' + byte % 16))
            .collect()
    }
}

impl Randomness<Hash, u32> for Letters {
    fn random(subject: &[u8]) -> (Hash, u32) {
        (Hash::from_slice(Self::seed(subject).as_bytes()), 0)
    }
}

thread_local! {
    static TIME: Cell<u64> = const { Cell::new(0) };
}

/// Goes when a test lets it.
pub struct Clock;

impl UnixTime for Clock {
    fn now() -> Duration {
        Duration::from_millis(TIME.get())
    }
}

pub(crate) fn account(byte: u8) -> AccountId32 {
    AccountId32::new([byte; 32])
}

pub(crate) fn signed(byte: u8) -> RuntimeOrigin {
    RawOrigin::Signed(account(byte)).into()
}

pub(crate) fn root() -> RuntimeOrigin {
    RawOrigin::Root.into()
}

/// The worker with this number, whose id is text. Its operator is account 1 for the numbers 0 to 9,
/// account 2 for the numbers 10 to 19, and so on.
pub(crate) fn worker(number: u8) -> WorkerId {
    let mut id = [b'w'; 32];
    id[29..].copy_from_slice(format!("{number:03}").as_bytes());
    WorkerId(id)
}

/// Registers a worker, as the registry does once it has seen its evidence.
pub(crate) fn register(number: u8, performance: u64, confidence: u8) {
    let info = pallet_phat_registry::WorkerInfo {
        operator: account(1 + number / 10),
        measurement: [0; 32],
        confidence,
        attested_at: 1,
        evidence_block: 0,
        performance,
    };
    pallet_phat_registry::Workers::<Test>::insert(worker(number), info);
    enter_service(number);
}

fn enter_service(number: u8) {
    let time = pallet_phat_registry::ServiceTime {
        since_ms: 0,
        expires_ms: u64::MAX,
    };
    pallet_phat_registry::InService::<Test>::insert(worker(number), time);
}

/// The evidence of a worker lapses.
pub(crate) fn lapse(number: u8) {
    if pallet_phat_registry::InService::<Test>::take(worker(number)).is_some() {
        <(Clusters, Economy) as OnService>::lapsed(&worker(number)).unwrap();
    }
}

/// A worker renews its evidence.
pub(crate) fn renew(number: u8) {
    if !Registry::is_in_service(&worker(number)) {
        enter_service(number);
        <(Clusters, Economy) as OnService>::returned(&worker(number)).unwrap();
    }
}

/// Settings with short times and small sums.
pub(crate) fn settings() -> Settings {
    Settings {
        parameters: Parameters {
            reserved: 0,
            f: CapacityReward::Linear {
                base: 10,
                per_confidence: 5,
                per_power: 1,
            },
            g: PopularityReward::Linear { per_point: 2 },
        },
        era_ms: ERA_MS,
        heartbeat_ms: HEARTBEAT_MS,
        handover_ms: HANDOVER_MS,
        cool_down: 2,
        unbonding: 2,
        minimum_deposit: 100,
        minimum_stake: 50,
        slashes: Slashes {
            missed: 7,
            lapsed: 11,
            diverged: 13,
        },
    }
}

/// A chain with funded accounts, and a general cluster on worker 0, which is no part of the economy.
pub(crate) fn chain() -> TestExternalities {
    let balances = (1..=5).map(|byte| (account(byte), ENDOWMENT));
    let own = [
        (Economy::reward_account(), REWARDS),
        (Economy::usual_treasury(), MINIMUM),
    ];
    let genesis = RuntimeGenesisConfig {
        balances: pallet_balances::GenesisConfig {
            balances: balances.chain(own).collect(),
            ..Default::default()
        },
        ..Default::default()
    };
    TIME.set(1_700_000_000_000);
    let mut state = TestExternalities::from(genesis.build_storage().unwrap());
    state.execute_with(|| {
        System::set_block_number(2);
        register(0, 1, 128);
        Registry::add_gatekeeper(root(), worker(0)).unwrap();
        Clusters::set_pink_system_code(root(), b"system".to_vec().try_into().unwrap()).unwrap();
        create(1, &[0]).unwrap();
        Economy::set_general_cluster(root(), cluster(1)).unwrap();
        Economy::set_settings(root(), settings()).unwrap();
        ordered();
    });
    state
}

/// Runs the body on [`chain`], and checks the invariants after it.
pub(crate) fn on_chain(body: impl FnOnce()) {
    chain().execute_with(|| {
        body();
        check();
    });
}

/// Checks the invariants of all pallets.
pub(crate) fn check() {
    assert_eq!(Economy::do_try_state(), Ok(()));
    assert_eq!(Clusters::do_try_state(), Ok(()));
}

pub(crate) fn create(owner: u8, workers: &[u8]) -> DispatchResult {
    let workers: Vec<_> = workers.iter().copied().map(worker).collect();
    with_storage_layer(|| {
        Clusters::add_cluster(
            signed(owner),
            ClusterPermission::Public,
            workers.try_into().unwrap(),
            1,
            2,
            3,
            account(9),
        )
    })
}

pub(crate) fn cluster(number: u64) -> ClusterId {
    ids::cluster_id(number)
}

/// Takes what was ordered so far, as a block's end does.
pub(crate) fn ordered() -> Vec<Message> {
    pallet_phat_messages::PendingSize::<Test>::kill();
    pallet_phat_messages::Pending::<Test>::take()
}

/// Makes the messages of this block as many as may be.
pub(crate) fn fill_block() {
    let most = phat_primitives::limits::MAX_MESSAGES_PER_BLOCK;
    pallet_phat_messages::PendingSize::<Test>::put((most, 0));
}

/// A block comes `after_ms` after the last one, and has this weight left for idle time.
pub(crate) fn block_with(after_ms: u64, weight: Weight) -> Weight {
    TIME.set(TIME.get() + after_ms);
    let number = System::block_number() + 1;
    System::set_block_number(number);
    Economy::on_idle(number, weight)
}

/// A block comes after this time. Its messages are gone with the next one.
pub(crate) fn block(after_ms: u64) {
    ordered();
    block_with(after_ms, Weight::MAX);
}

/// The next era begins, and is in force, and all have moved that can.
pub(crate) fn next_era() {
    let before = crate::LastEra::<Test>::get();
    block(ERA_MS);
    assert_eq!(crate::LastEra::<Test>::get(), before + 1, "an era begins");
    assert!(!matches!(
        crate::Progress::<Test>::get(),
        Stage::Computing(_)
    ));
}

pub(crate) fn start() {
    Economy::start_eras(root()).unwrap();
    block(0);
}

pub(crate) fn activate(number: u8, deposit: Balance) -> DispatchResult {
    let operator = 1 + number / 10;
    with_storage_layer(|| Economy::activate(signed(operator), worker(number), deposit))
}

/// Registers and activates workers of power 100.
pub(crate) fn workers(numbers: impl IntoIterator<Item = u8>) {
    for number in numbers {
        register(number, 100, 128);
        activate(number, 1_000).unwrap();
    }
}

/// The cluster a worker is in, by its number.
pub(crate) fn place(number: u8) -> Option<u64> {
    let id = Clusters::cluster_of(&worker(number))?;
    (1..100).find(|number| cluster(*number) == id)
}

/// A worker of a cluster was sent the keys, has the state, and tells the chain so.
pub(crate) fn settle_in(number: u8) {
    let id = Clusters::cluster_of(&worker(number)).unwrap();
    let epoch = pallet_phat_clusters::TransportEpochs::<Test>::get(id).epoch;
    pallet_phat_clusters::DeliveredEpochs::<Test>::insert(worker(number), epoch);
    heartbeat(number).unwrap();
    let state = WorkerState {
        cluster: id,
        block: System::block_number(),
        state_root: Hash::zero(),
        receipts: Hash::zero(),
    };
    pallet_phat_clusters::WorkerStates::<Test>::insert(worker(number), state);
}

/// A worker reports after the last block what all others of its cluster do.
pub(crate) fn heartbeat(number: u8) -> DispatchResult {
    heartbeat_with(number, 1)
}

/// A worker reports these roots after the last block.
pub(crate) fn heartbeat_with(number: u8, byte: u8) -> DispatchResult {
    let roots = Roots {
        state_root: Hash::repeat_byte(byte),
        receipts: Hash::zero(),
    };
    let payload = Payload::Heartbeat(Heartbeat {
        cluster: Clusters::cluster_of(&worker(number)).ok_or("in no cluster")?,
        block: System::block_number() - 1,
        state_root: roots.state_root,
        receipts: roots.receipts,
        withdrawals: Vec::new(),
    });
    with_storage_layer(|| <(Clusters, Economy) as OnReport>::on_payload(&worker(number), &payload))
}

pub(crate) fn balance(byte: u8) -> Balance {
    Balances::free_balance(account(byte))
}

/// The record of a worker.
pub(crate) fn known(number: u8) -> crate::Worker<AccountId32> {
    crate::Workers::<Test>::get(worker(number)).unwrap()
}
