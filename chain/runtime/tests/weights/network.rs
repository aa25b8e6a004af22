//! A network that is as full as it can be: a cluster with as many workers, contracts and listed accounts
//! as it may have, as many gatekeepers, and an era in force.

use pallet_phat_clusters::{ClusterPermission, CodeIndex, ContractInfo};
use pallet_phat_economy::{Change, Entry, MAX_LEDGER, Settings, Slashes};
use pallet_phat_registry::{Gatekeeper, ServiceTime, WorkerInfo};
use phat_crypto::{Keypair, contexts, rand_core::OsRng};
use phat_primitives::{
    AccountId as RawAccount, Balance, ClusterId, ContractId, Hash, WorkerId, ids,
    limits::{
        MAX_ALLOWED_DEPLOYERS, MAX_CLUSTER_CONTRACTS, MAX_CLUSTER_WORKERS, MAX_CODE_LEN,
        MAX_FREE_CALLERS, MAX_GATEKEEPERS, MAX_MASTER_GENERATIONS,
    },
    policy::{Control, FeeModel, FreeCallers, Policy},
    report::{Payload, Report, SignedReport},
};
use phat_runtime::*;
use polkadot_sdk::{
    frame_support::{
        BoundedVec,
        traits::{Hooks, UnfilteredDispatchable, fungible::Mutate},
        weights::Weight,
    },
    frame_system::RawOrigin,
    sp_io::TestExternalities,
    sp_runtime::BuildStorage,
    *,
};

/// The block that everything happens in, and its time.
pub(crate) const NOW: u32 = 20_000;
pub(crate) const NOW_MS: u64 = 1_750_377_600_000;
/// The program of all workers.
pub(crate) const MEASUREMENT: [u8; 32] = [9; 32];
/// Members of the cluster. The workers after them are in none.
pub(crate) const MEMBERS: u32 = MAX_CLUSTER_WORKERS;
/// What everybody has who has something.
pub(crate) const ENDOWMENT: Balance = 1_000_000 * PHA;
/// More than any worker has.
const RUIN: Balance = 1 << 100;

pub(crate) fn key(number: u32) -> Keypair {
    let mut seed = [1; 32];
    seed[..4].copy_from_slice(&number.to_le_bytes());
    Keypair::from_seed(seed)
}

pub(crate) fn worker(number: u32) -> WorkerId {
    WorkerId(key(number).public())
}

/// Signs evidence of workers.
pub(crate) fn development_root() -> Keypair {
    Keypair::from_seed([100; 32])
}

/// Signs statements of the cluster.
pub(crate) fn cluster_key() -> Keypair {
    Keypair::from_seed([101; 32])
}

/// The owner of everything.
pub(crate) fn owner() -> AccountId {
    account(0)
}

/// Account 0 owns everything, and account [`MAX_ALLOWED_DEPLOYERS`] is the last of those who may deploy.
pub(crate) fn account(number: u32) -> AccountId {
    let mut bytes = [2; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    AccountId::new(bytes)
}

pub(crate) fn raw(account: &AccountId) -> RawAccount {
    RawAccount(account.clone().into())
}

pub(crate) fn signed(account: AccountId) -> RuntimeOrigin {
    RawOrigin::Signed(account).into()
}

/// The last one on the list of those who may deploy.
pub(crate) fn deployer() -> AccountId {
    account(MAX_ALLOWED_DEPLOYERS)
}

pub(crate) fn root() -> RuntimeOrigin {
    RawOrigin::Root.into()
}

pub(crate) fn authorized() -> RuntimeOrigin {
    RawOrigin::Authorized.into()
}

/// The cluster.
pub(crate) fn cluster() -> ClusterId {
    ids::cluster_id(1)
}

/// A contract of the cluster. Number 0 is its control contract.
pub(crate) fn contract(number: u32) -> ContractId {
    ContractId::from_low_u64_be(u64::from(number) + 1)
}

pub(crate) fn fund(account: &AccountId) {
    Balances::mint_into(account, ENDOWMENT).unwrap();
}

/// Takes what was ordered so far, as a block's end does.
pub(crate) fn ordered() {
    pallet_phat_messages::PendingSize::<Runtime>::kill();
    pallet_phat_messages::Pending::<Runtime>::kill();
}

/// Runs a call that must succeed.
pub(crate) fn run<C: UnfilteredDispatchable<RuntimeOrigin = RuntimeOrigin>>(
    sender: RuntimeOrigin,
    call: C,
) {
    call.dispatch_bypass_filter(sender).unwrap();
}

/// Puts a worker into service, as the registry does once it has seen its evidence.
pub(crate) fn register(number: u32) {
    let (id, expires_ms) = (worker(number), NOW_MS + 1_000_000 + u64::from(number));
    let info = WorkerInfo {
        operator: owner(),
        measurement: MEASUREMENT,
        confidence: 128,
        attested_at: 1,
        evidence_block: 0,
        performance: 100,
    };
    pallet_phat_registry::Workers::<Runtime>::insert(id, info);
    let time = ServiceTime {
        since_ms: 0,
        expires_ms,
    };
    pallet_phat_registry::InService::<Runtime>::insert(id, time);
    pallet_phat_registry::Expiries::<Runtime>::insert((expires_ms.to_be_bytes(), id), ());
    pallet_phat_registry::Running::<Runtime>::insert(MEASUREMENT, id, ());
}

/// A contract that has been instantiated.
pub(crate) fn instantiate(contract: ContractId) {
    order(contract);
    pallet_phat_registry::ContractKeys::<Runtime>::insert(contract, [5; 32]);
}

/// A contract whose instantiation was ordered.
pub(crate) fn order(contract: ContractId) {
    let info = ContractInfo {
        deployer: owner(),
        cluster: cluster(),
        code_index: CodeIndex::WasmCode(Hash::zero()),
    };
    pallet_phat_clusters::Contracts::<Runtime>::insert(contract, info);
}

/// Workers, gatekeepers and code; no cluster yet.
pub(crate) fn workers() -> TestExternalities {
    let genesis = RuntimeGenesisConfig {
        phala_registry: PhalaRegistryConfig {
            development_root: Some(development_root().public()),
            measurements: vec![MEASUREMENT],
            ..Default::default()
        },
        ..Default::default()
    };
    let mut state = TestExternalities::from(genesis.build_storage().unwrap());
    state.execute_with(|| {
        // The collective flip remembers the hashes of so many blocks.
        for block in 1..=100 {
            System::set_block_number(block);
            RandomnessCollectiveFlip::on_initialize(block);
        }
        for block in NOW - 200..NOW {
            let hash = Hash::from_low_u64_be(block.into());
            frame_system::BlockHash::<Runtime>::insert(block, hash);
        }
        System::set_block_number(NOW);
        pallet_timestamp::Now::<Runtime>::put(NOW_MS);
        for known in [owner(), deployer(), PhatEconomy::reward_account()] {
            fund(&known);
        }
        (0..=MEMBERS).for_each(register);
        let made = MAX_MASTER_GENERATIONS - 1;
        let gatekeepers = (0..MAX_GATEKEEPERS).map(|number| Gatekeeper {
            worker: worker(number),
            generations: made,
        });
        let gatekeepers: Vec<_> = gatekeepers.collect();
        pallet_phat_registry::Gatekeepers::<Runtime>::put(
            BoundedVec::try_from(gatekeepers).unwrap(),
        );
        pallet_phat_registry::MasterGenerations::<Runtime>::put(made);
        let code = vec![1; MAX_CODE_LEN as usize];
        run(
            root(),
            pallet_phat_clusters::Call::<Runtime>::set_pink_system_code {
                code: code.try_into().unwrap(),
            },
        );
    });
    state
}

/// Creates a cluster on these workers.
pub(crate) fn creation(workers: impl Iterator<Item = u32>) -> pallet_phat_clusters::Call<Runtime> {
    let workers: Vec<_> = workers.map(worker).collect();
    pallet_phat_clusters::Call::add_cluster {
        permission: permission(),
        workers: workers.try_into().unwrap(),
        gas_price: 1,
        deposit_per_item: 1,
        deposit_per_byte: 1,
        treasury_account: owner(),
    }
}

/// As many accounts as may be listed.
pub(crate) fn permission() -> ClusterPermission<AccountId> {
    let accounts: Vec<_> = (1..=MAX_ALLOWED_DEPLOYERS).map(account).collect();
    ClusterPermission::AllowList(accounts.try_into().unwrap())
}

/// A policy with as many accounts as may be listed.
pub(crate) fn policy() -> Policy {
    let free: Vec<_> = (1..=MAX_FREE_CALLERS)
        .map(|number| raw(&account(number)))
        .collect();
    Policy {
        free: FreeCallers::Listed(free.try_into().unwrap()),
        fee_model: FeeModel::PayPerWeight,
        control: Some(Control {
            contract: contract(0),
            gas_limit: 1,
        }),
    }
}

/// The whole network: the cluster is the general one, all its workers are in the economy, and each of
/// them loses all that it has if it is slashed. Eras were running and have been stopped.
pub(crate) fn network() -> TestExternalities {
    let mut state = workers();
    state.execute_with(|| {
        run(signed(owner()), creation(0..MEMBERS));
        ordered();
        instantiate(contract(0));
        let contracts: Vec<_> = (0..MAX_CLUSTER_CONTRACTS - 2).map(contract).collect();
        pallet_phat_clusters::ClusterContracts::<Runtime>::insert(
            cluster(),
            BoundedVec::try_from(contracts).unwrap(),
        );
        let call = pallet_phat_clusters::Call::<Runtime>::set_policy {
            cluster_id: cluster(),
            permission: permission(),
            policy: policy(),
        };
        run(signed(owner()), call);
        let public = cluster_key().public();
        pallet_phat_registry::ClusterKeys::<Runtime>::insert(cluster(), public);
        pallet_phat_clusters::TransportKeys::<Runtime>::insert(cluster(), (0, [6; 32]));
        fund(&PhalaPhatContracts::account_of(&cluster()));
        for number in 0..MEMBERS {
            let worker = worker(number);
            pallet_phat_clusters::DeliveredEpochs::<Runtime>::insert(worker, 0);
            let deposit = 100 * PHA;
            let call = pallet_phat_economy::Call::<Runtime>::activate { worker, deposit };
            run(signed(owner()), call);
            let line = Entry {
                era: 0,
                change: Change::Accrued(1),
            };
            let lines = vec![line; MAX_LEDGER as usize];
            pallet_phat_economy::Rewards::<Runtime>::insert(
                worker,
                BoundedVec::truncate_from(lines),
            );
        }
        let settings = Settings {
            heartbeat_ms: 1,
            slashes: Slashes {
                missed: RUIN,
                lapsed: RUIN,
                diverged: RUIN,
            },
            ..Settings::default()
        };
        type Economy = pallet_phat_economy::Call<Runtime>;
        run(root(), Economy::set_settings { settings });
        let cluster = cluster();
        run(root(), Economy::set_general_cluster { cluster });
        start();
        run(root(), Economy::stop_eras {});
        ordered();
    });
    state
}

/// Starts eras, and waits until one is in force and all answers to it come late.
pub(crate) fn start() {
    let last = pallet_phat_economy::LastEra::<Runtime>::get();
    for number in 0..MEMBERS {
        pallet_phat_economy::Workers::<Runtime>::mutate(worker(number), |known| {
            known.as_mut().unwrap().heard = last;
        });
    }
    run(root(), pallet_phat_economy::Call::<Runtime>::start_eras {});
    for _ in 0..50 {
        pallet_timestamp::Now::<Runtime>::mutate(|now| *now += 1_000);
        PhatEconomy::on_idle(NOW, Weight::MAX);
    }
    assert_eq!(
        pallet_phat_economy::Progress::<Runtime>::get(),
        pallet_phat_economy::Stage::Waiting
    );
    let in_force = pallet_phat_economy::EraInForce::<Runtime>::get().unwrap();
    assert_eq!(in_force.totals.workers, MEMBERS);
    ordered();
}

/// A report of the worker that is the next one the chain takes.
pub(crate) fn report(number: u32, payloads: Vec<Payload>) -> SignedReport {
    use codec::Encode;
    let report = Report {
        genesis: System::block_hash(0),
        worker: worker(number),
        sequence: 0,
        payloads,
    };
    let signature = key(number).sign(contexts::REPORT, &report.encode(), &mut OsRng);
    SignedReport { report, signature }
}
