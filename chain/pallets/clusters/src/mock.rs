//! A chain with money, the registry, the messages and this pallet.

#![allow(
    unreachable_pub,
    reason = "what a configuration names must be as public as the runtime that the macro makes"
)]

use crate::{self as pallet_phat_clusters, ClusterPermission, CodeIndex};
use core::time::Duration;
use pallet_phat_messages::OnReport;
use phat_crypto::{Keypair, contexts, rand_core::OsRng};
use phat_primitives::{
    Balance, ClusterId, ContractId, Hash, MessageNumber, WorkerId, blake2_256, ids,
    message::{ClusterMessage, Message},
    report::{ContractReady, Heartbeat, Payload, Roots, SignedContractReady, WithdrawalOutcome},
};
use polkadot_sdk::{
    frame_support::{derive_impl, pallet_prelude::*, traits::UnixTime},
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
    }
);

/// The smallest balance of an account.
pub(crate) const MINIMUM: Balance = 10;
/// What each of the accounts 1 to 5 begins with.
pub(crate) const ENDOWMENT: Balance = 1_000_000;
/// The system contract, to this pallet.
pub(crate) const SYSTEM_CODE: &[u8] = b"system";

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

/// The worker with this number. Its operator is account 1 for the numbers 1 to 9, account 2 for the
/// numbers 10 to 19, and so on.
pub(crate) fn worker(number: u8) -> WorkerId {
    WorkerId([number; 32])
}

/// Registers a worker, as the registry does once it has seen its evidence.
pub(crate) fn register(number: u8) {
    let info = pallet_phat_registry::WorkerInfo {
        operator: account(1 + number / 10),
        measurement: [0; 32],
        confidence: 128,
        attested_at: 1,
        evidence_block: 0,
        performance: 0,
    };
    pallet_phat_registry::Workers::<Test>::insert(worker(number), info);
    enter_service(number);
}

/// Puts a registered worker into service.
pub(crate) fn enter_service(number: u8) {
    let time = pallet_phat_registry::ServiceTime {
        since_ms: 0,
        expires_ms: u64::MAX,
    };
    pallet_phat_registry::InService::<Test>::insert(worker(number), time);
}

/// A chain with funded accounts, the workers 1 to 5 and 10 to 12, and all that a cluster needs.
pub(crate) fn chain() -> TestExternalities {
    let genesis = RuntimeGenesisConfig {
        balances: pallet_balances::GenesisConfig {
            balances: (1..=5).map(|byte| (account(byte), ENDOWMENT)).collect(),
            ..Default::default()
        },
        ..Default::default()
    };
    let mut state = TestExternalities::from(genesis.build_storage().unwrap());
    state.execute_with(|| {
        System::set_block_number(2);
        for number in [1, 2, 3, 4, 5, 10, 11, 12] {
            register(number);
        }
        Registry::add_gatekeeper(RawOrigin::Root.into(), worker(1)).unwrap();
        let made = Payload::MasterKey {
            generation: 0,
            public: [6; 32],
        };
        Registry::on_payload(&worker(1), &made).unwrap();
        ordered();
        Clusters::set_pink_system_code(
            RawOrigin::Root.into(),
            SYSTEM_CODE.to_vec().try_into().unwrap(),
        )
        .unwrap();
    });
    state
}

/// Runs the body on [`chain`], and checks the invariants after it.
pub(crate) fn on_chain(body: impl FnOnce()) {
    chain().execute_with(|| {
        body();
        assert_eq!(Clusters::do_try_state(), Ok(()));
    });
}

pub(crate) fn create(owner: u8, workers: &[u8]) -> DispatchResult {
    create_with(owner, ClusterPermission::Public, workers)
}

pub(crate) fn create_with(
    owner: u8,
    permission: ClusterPermission<AccountId32>,
    workers: &[u8],
) -> DispatchResult {
    let workers: Vec<_> = workers.iter().copied().map(worker).collect();
    Clusters::add_cluster(
        signed(owner),
        permission,
        workers.try_into().unwrap(),
        1,
        2,
        3,
        account(9),
    )
}

/// The first cluster.
pub(crate) fn first() -> ClusterId {
    ids::cluster_id(1)
}

/// Takes what was ordered so far, as a block's end does.
pub(crate) fn ordered() -> Vec<Message> {
    pallet_phat_messages::PendingSize::<Test>::kill();
    pallet_phat_messages::Pending::<Test>::take()
}

/// What was ordered so far, all of it for the first cluster.
pub(crate) fn ordered_there() -> Vec<ClusterMessage> {
    ordered()
        .into_iter()
        .map(|message| match message {
            Message::Cluster(cluster, message) if cluster == first() => message,
            other => panic!("{other:?} is not for the first cluster"),
        })
        .collect()
}

/// Makes the messages of this block as many as may be.
pub(crate) fn fill_block() {
    let most = phat_primitives::limits::MAX_MESSAGES_PER_BLOCK;
    pallet_phat_messages::PendingSize::<Test>::put((most, 0));
}

pub(crate) fn cluster_key() -> Keypair {
    Keypair::from_seed([77; 32])
}

/// The id of what `deployer` makes of [`code`] in the first cluster.
pub(crate) fn contract(deployer: u8, salt: &[u8]) -> ContractId {
    let deployer = phat_primitives::AccountId([deployer; 32]);
    ids::contract_id(&deployer, &code(), &first(), salt)
}

/// The hash of some code.
pub(crate) fn code() -> Hash {
    Hash::from(blake2_256(b"code"))
}

pub(crate) fn instantiate(deployer: u8, salt: &[u8], deposit: Balance) -> DispatchResult {
    Clusters::instantiate_contract(
        signed(deployer),
        CodeIndex::WasmCode(code()),
        b"new".to_vec(),
        salt.to_vec(),
        first(),
        5,
        6,
        Some(7),
        deposit,
    )
}

/// The statement of the first cluster that it has this contract.
pub(crate) fn ready(contract: ContractId) -> SignedContractReady {
    sign(
        &cluster_key(),
        ContractReady {
            cluster: first(),
            contract,
            public: [5; 32],
        },
    )
}

pub(crate) fn sign(key: &Keypair, statement: ContractReady) -> SignedContractReady {
    let signature = key.sign(contexts::CONTRACT_READY, &statement.encode(), &mut OsRng);
    SignedContractReady {
        statement,
        signature,
    }
}

/// A heartbeat of a worker in the first cluster, with what became of withdrawals.
pub(crate) fn heartbeat(number: u8, outcomes: &[(MessageNumber, Balance)]) -> DispatchResult {
    heartbeat_in(first(), number, outcomes)
}

pub(crate) fn heartbeat_in(
    cluster: ClusterId,
    number: u8,
    outcomes: &[(MessageNumber, Balance)],
) -> DispatchResult {
    let block = System::block_number() - 1;
    heartbeat_after(cluster, number, block, roots(1), outcomes)
}

/// What a cluster may have come to.
pub(crate) fn roots(byte: u8) -> Roots {
    Roots {
        state_root: Hash::repeat_byte(byte),
        receipts: Hash::repeat_byte(!byte),
    }
}

/// A heartbeat about a block.
pub(crate) fn heartbeat_after(
    cluster: ClusterId,
    number: u8,
    block: u32,
    roots: Roots,
    outcomes: &[(MessageNumber, Balance)],
) -> DispatchResult {
    let withdrawals = outcomes
        .iter()
        .map(|&(number, amount)| WithdrawalOutcome { number, amount })
        .collect();
    let payload = Payload::Heartbeat(Heartbeat {
        cluster,
        block,
        state_root: roots.state_root,
        receipts: roots.receipts,
        withdrawals,
    });
    frame_support::storage::with_storage_layer(|| Clusters::on_payload(&worker(number), &payload))
}

/// Asks for a withdrawal from the first cluster and returns its number.
pub(crate) fn withdraw(byte: u8, amount: Balance) -> MessageNumber {
    let number = pallet_phat_messages::NextMessage::<Test>::get();
    Clusters::transfer_from_cluster(signed(byte), first(), amount).unwrap();
    number
}

pub(crate) fn pool() -> Balance {
    Balances::free_balance(Clusters::account_of(&first()))
}

pub(crate) fn balance(byte: u8) -> Balance {
    Balances::free_balance(account(byte))
}
