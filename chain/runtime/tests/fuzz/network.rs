//! A development chain on which everything has begun: workers, two clusters, a contract, stake, a credit,
//! eras.

use codec::{Decode, Encode};
use pallet_phat_clusters::{ClusterPermission, CodeIndex};
use pallet_phat_registry::VersionedEndpoints;
use phat_attestation::software::{SoftwareCollateral, attest, dangerous_development_root};
use phat_attestation::{Claims, Evidence, TcbLevel};
use phat_crypto::Keypair;
use phat_fuzzing::Repeatable;
use phat_primitives::policy::{FeeModel, Policy};
use phat_primitives::{AccountId as RawAccount, ClusterId, ContractId, WorkerId, ids};
use phat_runtime::apis::api::dispatch;
use phat_runtime::*;
use polkadot_sdk::*;
use sp_consensus_aura::{AURA_ENGINE_ID, Slot};
use sp_io::TestExternalities;
use sp_keyring::Sr25519Keyring;
use sp_runtime::traits::Dispatchable;
use sp_runtime::{Digest, DigestItem};

/// Hash of the first block.
pub(crate) const GENESIS: Hash = Hash::repeat_byte(0x47);
const SLOT: u64 = 1_000_000;
/// Runs the network and is not sudo.
pub(crate) const OPERATOR: Sr25519Keyring = Sr25519Keyring::Bob;
/// Has stake and credit, and never sends anything after that.
pub(crate) const BYSTANDER: Sr25519Keyring = Sr25519Keyring::Dave;
/// What there is to stake on and to pay with.
pub(crate) const AMOUNT: Balance = 10_000 * PHA;
const CODE: Hash = Hash::repeat_byte(0x43);

/// The key of a worker. Those of 1 and 2 are registered.
pub(crate) fn worker(number: u8) -> Keypair {
    Keypair::from_seed([number; 32])
}

pub(crate) fn worker_id(number: u8) -> WorkerId {
    WorkerId(worker(number).public())
}

/// The key of both clusters.
pub(crate) fn cluster_key() -> Keypair {
    Keypair::from_seed([0x4b; 32])
}

/// The clusters: the general one, and one on which the bystander has staked, and in which what is paid
/// for calls gives them their weight.
pub(crate) fn cluster(number: u64) -> ClusterId {
    ids::cluster_id(number)
}

/// A contract in the second cluster, made as far as the chain is concerned.
pub(crate) fn contract(salt: &[u8]) -> ContractId {
    let deployer = RawAccount(OPERATOR.to_raw_public());
    ids::contract_id(&deployer, &CODE, &cluster(2), salt)
}

/// Evidence of a worker, for an operator.
pub(crate) fn evidence(number: u8, operator: Sr25519Keyring) -> Evidence {
    let claims = Claims {
        worker: worker_id(number),
        operator: Some(operator.to_raw_public().into()),
        measurement: presets::DEVELOPMENT_MEASUREMENT,
        genesis: GENESIS,
        block: 0,
        block_hash: GENESIS,
        performance: 1_000,
    };
    let collateral = SoftwareCollateral {
        level: TcbLevel::UpToDate,
        expires_ms: u64::MAX,
    };
    let root = dangerous_development_root();
    attest(&root, claims, collateral, &mut Repeatable(0))
}

fn by(who: Sr25519Keyring, call: impl Into<RuntimeCall>) {
    let origin = RuntimeOrigin::signed(who.to_account_id());
    call.into().dispatch(origin).expect("they may do this");
}

fn by_root(call: impl Into<RuntimeCall>) {
    let dispatched = call.into().dispatch(RuntimeOrigin::root());
    dispatched.expect("root may do this");
}

fn call<R: Decode>(method: &str, argument: impl Encode) -> R {
    let answer = dispatch(method, &argument.encode()).expect("the method exists");
    R::decode(&mut &answer[..]).expect("the answer has the method's type")
}

/// A block in which `body` happens, after the time has been set.
pub(crate) fn block(body: impl FnOnce()) {
    let number = System::block_number() + 1;
    let slot = Slot::from(SLOT + u64::from(number));
    let parent_hash = match number {
        1 => GENESIS,
        _ => Hash::from_low_u64_be(number.into()),
    };
    let logs = vec![DigestItem::PreRuntime(AURA_ENGINE_ID, slot.encode())];
    Executive::initialize_block(&Header {
        parent_hash,
        number,
        state_root: Hash::zero(),
        extrinsics_root: Hash::zero(),
        digest: Digest { logs },
    });
    let now = *slot * timing::DEFAULT_SLOT_DURATION;
    let set = RuntimeCall::Timestamp(pallet_timestamp::Call::set { now });
    let applied = Executive::apply_extrinsic(UncheckedExtrinsic::new_bare(set));
    assert_eq!(applied, Ok(Ok(())), "the time is set");
    body();
    Executive::finalize_block();
}

fn begin_workers_and_clusters() {
    for number in [1, 2] {
        by(
            OPERATOR,
            pallet_phat_registry::Call::register_worker {
                evidence: Box::new(evidence(number, OPERATOR)),
                endpoints: VersionedEndpoints::new(["http://127.0.0.1:8000"]).unwrap(),
            },
        );
    }
    by_root(pallet_phat_registry::Call::add_gatekeeper {
        worker: worker_id(1),
    });
    by_root(pallet_phat_clusters::Call::set_pink_system_code {
        code: b"system".to_vec().try_into().unwrap(),
    });
    for number in [1, 2] {
        by(
            OPERATOR,
            pallet_phat_clusters::Call::add_cluster {
                permission: ClusterPermission::Public,
                workers: vec![worker_id(number)].try_into().unwrap(),
                gas_price: 1,
                deposit_per_item: 1,
                deposit_per_byte: 1,
                treasury_account: OPERATOR.to_account_id(),
            },
        );
        // As a gatekeeper would report them.
        let id = cluster(number.into());
        pallet_phat_registry::ClusterKeys::<Runtime>::insert(id, cluster_key().public());
        pallet_phat_clusters::TransportKeys::<Runtime>::insert(id, (0, [0x54; 32]));
    }
}

fn begin_contracts_and_stake() {
    for salt in [&b"made"[..], b"ordered"] {
        by(
            OPERATOR,
            pallet_phat_clusters::Call::instantiate_contract {
                code_index: CodeIndex::WasmCode(CODE),
                data: Vec::new(),
                salt: salt.to_vec(),
                cluster_id: cluster(2),
                transfer: 0,
                gas_limit: 1,
                storage_deposit_limit: None,
                deposit: 0,
            },
        );
    }
    pallet_phat_registry::ContractKeys::<Runtime>::insert(contract(b"made"), [0x50; 32]);
    pallet_phat_clusters::ClusterContracts::<Runtime>::try_append(cluster(2), contract(b"made"))
        .unwrap();
    by(
        OPERATOR,
        pallet_phat_clusters::Call::set_policy {
            cluster_id: cluster(2),
            permission: ClusterPermission::OnlyOwner(OPERATOR.to_account_id()),
            policy: Policy {
                fee_model: FeeModel::PayPerWeight,
                ..Policy::default()
            },
        },
    );
    by(
        BYSTANDER,
        pallet_phat_clusters::Call::prepay_credit {
            cluster_id: cluster(2),
            amount: AMOUNT,
            slice: AMOUNT / 10,
        },
    );
    let (contract, amount) = (contract(b"made"), AMOUNT);
    by(
        BYSTANDER,
        pallet_phat_tokenomic::Call::adjust_stake { contract, amount },
    );
    for number in [1, 2] {
        let (worker, deposit) = (worker_id(number), AMOUNT);
        by(
            OPERATOR,
            pallet_phat_economy::Call::activate { worker, deposit },
        );
    }
    by_root(pallet_phat_economy::Call::set_general_cluster {
        cluster: cluster(1),
    });
    let (cluster, amount) = (cluster(2), AMOUNT);
    by(
        BYSTANDER,
        pallet_phat_economy::Call::stake { cluster, amount },
    );
    by_root(pallet_phat_economy::Call::start_eras {});
}

/// The state of the chain after some blocks.
pub(crate) fn state() -> TestExternalities {
    let mut state = TestExternalities::new_empty();
    state.execute_with(|| {
        let preset = |id: Option<&str>| {
            let json: Option<Vec<u8>> = call("GenesisBuilder_get_preset", id.map(String::from));
            serde_json::from_slice::<serde_json::Value>(&json.unwrap()).unwrap()
        };
        let mut config = preset(None);
        merge(&mut config, preset(Some("development")));
        let config = config.to_string().into_bytes();
        call::<Result<(), String>>("GenesisBuilder_build_state", config).unwrap();
        block(begin_workers_and_clusters);
        block(begin_contracts_and_stake);
        // The first era is computed and put in force.
        for _ in 0..5 {
            block(|| {});
        }
        assert!(pallet_phat_economy::EraInForce::<Runtime>::get().is_some());
        must_hold();
    });
    state.commit_all().unwrap();
    state
}

fn merge(base: &mut serde_json::Value, patch: serde_json::Value) {
    match (base, patch) {
        (serde_json::Value::Object(base), serde_json::Value::Object(patch)) => {
            for (key, value) in patch {
                merge(base.entry(key).or_insert(serde_json::Value::Null), value);
            }
        }
        (base, patch) => *base = patch,
    }
}

/// The invariants that the pallets state.
pub(crate) fn must_hold() {
    assert_eq!(PhalaRegistry::do_try_state(), Ok(()));
    assert_eq!(PhalaPhatContracts::do_try_state(), Ok(()));
    assert_eq!(PhalaPhatTokenomic::do_try_state(), Ok(()));
    assert_eq!(PhatEconomy::do_try_state(), Ok(()));
}
