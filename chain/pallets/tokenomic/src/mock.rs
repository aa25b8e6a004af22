//! A chain with money, clusters and this pallet.

#![allow(
    unreachable_pub,
    reason = "what a configuration names must be as public as the runtime that the macro makes"
)]

use crate as pallet_phat_tokenomic;
use core::time::Duration;
use pallet_phat_clusters::{CodeIndex, ContractInfo};
use phat_primitives::{
    Balance, ClusterId, CodeHash, ContractId, ids,
    message::{ClusterMessage, Message},
};
use polkadot_sdk::{
    frame_support::{derive_impl, traits::UnixTime},
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
        Tokenomic: pallet_phat_tokenomic,
    }
);

/// The smallest balance of an account.
pub(crate) const MINIMUM: Balance = 10;
/// What each of the accounts 1 to 3 begins with.
pub(crate) const ENDOWMENT: Balance = 1_000_000;
/// The least that can be staked.
pub(crate) const LEAST: Balance = 100;

frame_support::parameter_types! {
    pub const ExistentialDeposit: Balance = MINIMUM;
    pub const BlockHashCount: u32 = 256;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = frame_system::mocking::MockBlockU32<Test>;
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
    type OnReport = (Registry, Clusters);
}

impl pallet_phat_registry::Config for Test {
    type OnService = Clusters;
}

impl pallet_phat_clusters::Config for Test {
    type Currency = Balances;
    type Eras = ();
}

impl crate::Config for Test {
    type RuntimeHoldReason = RuntimeHoldReason;
    type Currency = Balances;
}

/// Stands still.
pub struct Clock;

impl UnixTime for Clock {
    fn now() -> Duration {
        Duration::from_secs(1)
    }
}

pub(crate) fn account(byte: u8) -> AccountId32 {
    AccountId32::new([byte; 32])
}

pub(crate) fn signed(byte: u8) -> RuntimeOrigin {
    RawOrigin::Signed(account(byte)).into()
}

/// The cluster that all contracts are in.
pub(crate) fn cluster() -> ClusterId {
    ids::cluster_id(1)
}

pub(crate) fn contract(number: u8) -> ContractId {
    ContractId::repeat_byte(number)
}

/// Puts a contract on the chain, as it is when its instantiation has been ordered.
fn order(number: u8) {
    let info = ContractInfo {
        deployer: account(1),
        cluster: cluster(),
        code_index: CodeIndex::WasmCode(CodeHash::zero()),
    };
    pallet_phat_clusters::Contracts::<Test>::insert(contract(number), info);
}

/// A contract that can be staked on, from 1 to 3.
pub(crate) fn instantiate(number: u8) {
    order(number);
    pallet_phat_registry::ContractKeys::<Test>::insert(contract(number), [number; 32]);
}

/// Takes a contract off the chain, which nothing there does at present.
pub(crate) fn forget(number: u8) {
    pallet_phat_clusters::Contracts::<Test>::remove(contract(number));
    pallet_phat_registry::ContractKeys::<Test>::remove(contract(number));
}

/// A chain with funded accounts, the contracts 1 to 3, and contract 4 of which nobody knows yet whether
/// it will be.
pub(crate) fn chain() -> TestExternalities {
    let genesis = RuntimeGenesisConfig {
        balances: pallet_balances::GenesisConfig {
            balances: (1..=3).map(|byte| (account(byte), ENDOWMENT)).collect(),
            ..Default::default()
        },
        ..Default::default()
    };
    let mut state = TestExternalities::from(genesis.build_storage().unwrap());
    state.execute_with(|| {
        System::set_block_number(2);
        (1..=3).for_each(instantiate);
        order(4);
        crate::MinStake::<Test>::put(LEAST);
    });
    state
}

/// Runs the body on [`chain`], and checks the invariants after it.
pub(crate) fn on_chain(body: impl FnOnce()) {
    chain().execute_with(|| {
        body();
        assert_eq!(Tokenomic::do_try_state(), Ok(()));
    });
}

/// Takes what the workers were told of stakes so far, as a block's end does.
pub(crate) fn told() -> Vec<(ContractId, Balance)> {
    pallet_phat_messages::PendingSize::<Test>::kill();
    let messages = pallet_phat_messages::Pending::<Test>::take();
    let stake = |message| match message {
        Message::Cluster(there, ClusterMessage::ContractStake { contract, stake })
            if there == cluster() =>
        {
            (contract, stake)
        }
        other => panic!("{other:?} is no stake"),
    };
    messages.into_iter().map(stake).collect()
}
