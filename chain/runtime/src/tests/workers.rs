//! What workers rely on: where they read, how their reports get in, and that each block tells them
//! what it ordered.

use super::*;
use frame_support::dispatch::GetDispatchInfo;
use frame_support::storage::{TransactionOutcome, unhashed, with_transaction_unchecked};
use pallet_phat_registry::VersionedEndpoints;
use phat_attestation::software::{SoftwareCollateral, attest, dangerous_development_root};
use phat_crypto::rand_core::OsRng;
use phat_crypto::{Keypair, contexts};
use phat_primitives::credit::{CreditReport, SliceUse};
use phat_primitives::limits::{
    MAX_CREDIT_LINES, MAX_EVIDENCE_LEN, MAX_PENDING_WITHDRAWALS, MAX_REPORT_HEARTBEATS,
    MAX_REPORT_PAYLOADS, MAX_TRANSPORT_CHAINS,
};
use phat_primitives::message::{
    DIGEST_ENGINE, KeyDelivery, Message, OUTBOUND_KEY, Outbound, SealedKey, TransportDelivery,
};
use phat_primitives::report::{
    ContractReady, Heartbeat, Payload, PrivateContractReady, Report, SignedContractReady,
    SignedPrivateContractReady, SignedReport, WithdrawalOutcome,
};
use phat_primitives::{AccountId as RawAccount, ContractId, WorkerId, ids, storage};
use sp_consensus_aura::{AURA_ENGINE_ID, Slot};
use sp_runtime::traits::Dispatchable;
use sp_runtime::transaction_validity::{
    InvalidTransaction, TransactionSource, TransactionValidity, TransactionValidityError,
};
use sp_runtime::{ApplyExtrinsicResult, Digest, DigestItem, ExtrinsicInclusionMode};

pub(super) const GENESIS: Hash = Hash::repeat_byte(0x47);
const SLOT: u64 = 1_000_000;

fn worker() -> Keypair {
    Keypair::from_seed([1; 32])
}

fn worker_id() -> WorkerId {
    WorkerId(worker().public())
}

fn cluster_key() -> Keypair {
    Keypair::from_seed([2; 32])
}

fn contract() -> ContractId {
    ContractId::repeat_byte(3)
}

/// A block in which `body` happens, after the time has been set; its header.
pub(super) fn block(body: impl FnOnce()) -> Header {
    let number = System::block_number() + 1;
    let slot = Slot::from(SLOT + u64::from(number));
    let header = Header {
        parent_hash: match number {
            1 => GENESIS,
            _ => Hash::from_low_u64_be(number.into()),
        },
        number,
        state_root: Hash::zero(),
        extrinsics_root: Hash::zero(),
        digest: Digest {
            logs: vec![DigestItem::PreRuntime(AURA_ENGINE_ID, slot.encode())],
        },
    };
    call::<ExtrinsicInclusionMode>("Core_initialize_block", header);
    let now = *slot * timing::DEFAULT_SLOT_DURATION;
    let set = RuntimeCall::Timestamp(pallet_timestamp::Call::set { now });
    apply(&UncheckedExtrinsic::new_bare(set).encode())
        .expect("the time is set")
        .expect("and accepted");
    body();
    call("BlockBuilder_finalize_block", ())
}

pub(super) fn apply(extrinsic: &[u8]) -> ApplyExtrinsicResult {
    let answer = dispatch("BlockBuilder_apply_extrinsic", extrinsic).expect("the method exists");
    Decode::decode(&mut &answer[..]).expect("the answer has the method's type")
}

/// Whether a transaction pool takes this after the last block.
fn validate(extrinsic: &[u8]) -> TransactionValidity {
    let best = Hash::from_low_u64_be(99);
    let argument = [
        &TransactionSource::External.encode(),
        extrinsic,
        &best.encode(),
    ]
    .concat();
    with_transaction_unchecked(|| {
        let method = "TaggedTransactionQueue_validate_transaction";
        TransactionOutcome::Rollback(dispatch(method, &argument))
    })
    .map(|answer| Decode::decode(&mut &answer[..]).expect("the answer has the method's type"))
    .expect("the method exists")
}

fn by_alice(call: impl Into<RuntimeCall>) {
    let origin = RuntimeOrigin::signed(Sr25519Keyring::Alice.to_account_id());
    call.into().dispatch(origin).expect("Alice may do this");
}

fn by_root(call: impl Into<RuntimeCall>) {
    let dispatched = call.into().dispatch(RuntimeOrigin::root());
    dispatched.expect("root may do this");
}

/// Registers the worker with evidence, makes it the gatekeeper, and creates a cluster on it.
fn set_up() {
    let claims = phat_attestation::Claims {
        worker: worker_id(),
        operator: Some(Sr25519Keyring::Alice.to_raw_public().into()),
        measurement: presets::DEVELOPMENT_MEASUREMENT,
        genesis: GENESIS,
        block: 0,
        block_hash: GENESIS,
        performance: 1,
    };
    let collateral = SoftwareCollateral {
        level: phat_attestation::TcbLevel::UpToDate,
        expires_ms: u64::MAX,
    };
    let root = dangerous_development_root();
    by_alice(pallet_phat_registry::Call::register_worker {
        evidence: Box::new(attest(&root, claims, collateral, &mut OsRng)),
        endpoints: VersionedEndpoints::new(["http://127.0.0.1:8000"]).expect("a short list"),
    });
    by_root(pallet_phat_registry::Call::add_gatekeeper {
        worker: worker_id(),
    });
    by_root(pallet_phat_clusters::Call::set_pink_system_code {
        code: b"system".to_vec().try_into().expect("short code"),
    });
    by_alice(pallet_phat_clusters::Call::add_cluster {
        permission: pallet_phat_clusters::ClusterPermission::Public,
        workers: vec![worker_id()].try_into().expect("one worker"),
        gas_price: 1,
        deposit_per_item: 1,
        deposit_per_byte: 1,
        treasury_account: Sr25519Keyring::Alice.to_account_id(),
    });
}

/// Runs the body in a development chain after [`set_up`] in its first block.
fn after_set_up(body: impl FnOnce()) {
    development().execute_with(|| {
        block(set_up);
        body();
    });
}

fn heartbeat(withdrawals: u32) -> Payload {
    let outcome = |number: u32| WithdrawalOutcome {
        number: number.into(),
        amount: 0,
    };
    Payload::Heartbeat(Heartbeat {
        cluster: ids::cluster_id(1),
        block: 1,
        state_root: Hash::repeat_byte(9),
        receipts: Hash::zero(),
        withdrawals: (0..withdrawals).map(outcome).collect(),
    })
}

fn report(payloads: Vec<Payload>) -> SignedReport {
    let report = Report {
        genesis: GENESIS,
        worker: worker_id(),
        sequence: 0,
        payloads,
    };
    let signature = worker().sign(contexts::REPORT, &report.encode(), &mut OsRng);
    SignedReport { report, signature }
}

fn statement() -> SignedContractReady {
    let statement = ContractReady {
        cluster: ids::cluster_id(1),
        contract: contract(),
        public: [5; 32],
    };
    let signature = cluster_key().sign(contexts::CONTRACT_READY, &statement.encode(), &mut OsRng);
    SignedContractReady {
        statement,
        signature,
    }
}

/// A pool takes the transaction, a block applies it, nobody pays, and it cannot come again.
fn accepted_once_without_fee(extrinsic: &[u8]) {
    validate(extrinsic).expect("a pool takes it");
    let fees = || Balances::free_balance(PhatEconomy::treasury());
    let before = fees();
    block(|| {
        assert_eq!(apply(extrinsic), Ok(Ok(())));
        let stale = TransactionValidityError::Invalid(InvalidTransaction::Stale);
        assert_eq!(apply(extrinsic), Err(stale));
    });
    assert_eq!(fees(), before);
    let stale = TransactionValidityError::Invalid(InvalidTransaction::Stale);
    assert_eq!(validate(extrinsic), Err(stale));
}

#[test]
fn workers_read_where_the_chain_writes() {
    assert_eq!(
        storage::next_report_key(&worker_id()),
        pallet_phat_messages::NextReport::<Runtime>::hashed_key_for(worker_id())
    );
    assert_eq!(
        storage::last_report_key(&worker_id()),
        pallet_phat_messages::LastReport::<Runtime>::hashed_key_for(worker_id())
    );
    assert_eq!(
        storage::worker_key(&worker_id()),
        pallet_phat_registry::Workers::<Runtime>::hashed_key_for(worker_id())
    );
    assert_eq!(
        storage::in_service_key(&worker_id()),
        pallet_phat_registry::InService::<Runtime>::hashed_key_for(worker_id())
    );
    assert_eq!(
        storage::contract_key_key(&contract()),
        pallet_phat_registry::ContractKeys::<Runtime>::hashed_key_for(contract())
    );
    assert_eq!(
        storage::worker_state_key(&worker_id()),
        pallet_phat_clusters::WorkerStates::<Runtime>::hashed_key_for(worker_id())
    );
    let cluster = ids::cluster_id(1);
    assert_eq!(
        storage::agreed_roots_key(&cluster, 258),
        pallet_phat_clusters::AgreedRoots::<Runtime>::hashed_key_for(cluster, 258)
    );
}

#[test]
fn a_report_becomes_a_transaction_that_is_accepted_once_without_fee() {
    after_set_up(|| {
        let extrinsic: Vec<u8> = call("WorkerApi_report_extrinsic", report(vec![heartbeat(0)]));
        accepted_once_without_fee(&extrinsic);
        let state = pallet_phat_clusters::WorkerStates::<Runtime>::get(worker_id());
        assert_eq!(
            state.map(|state| state.state_root),
            Some(Hash::repeat_byte(9))
        );
    });
}

#[test]
fn a_statement_becomes_a_transaction_that_is_accepted_once_without_fee() {
    after_set_up(|| {
        pallet_phat_registry::ClusterKeys::<Runtime>::insert(
            ids::cluster_id(1),
            cluster_key().public(),
        );
        let info = pallet_phat_clusters::ContractInfo {
            deployer: Sr25519Keyring::Alice.to_account_id(),
            cluster: ids::cluster_id(1),
            code_index: pallet_phat_clusters::CodeIndex::WasmCode(Hash::zero()),
        };
        pallet_phat_clusters::Contracts::<Runtime>::insert(contract(), info);
        let extrinsic: Vec<u8> = call("WorkerApi_contract_ready_extrinsic", statement());
        accepted_once_without_fee(&extrinsic);
        let key = pallet_phat_registry::ContractKeys::<Runtime>::get(contract());
        assert_eq!(key, Some([5; 32]));
    });
}

#[test]
fn a_statement_about_a_private_contract_is_accepted_once_without_fee() {
    after_set_up(|| {
        pallet_phat_registry::ClusterKeys::<Runtime>::insert(
            ids::cluster_id(1),
            cluster_key().public(),
        );
        let statement = PrivateContractReady {
            ready: statement().statement,
            deployer: Sr25519Keyring::Bob.to_raw_public().into(),
        };
        let context = contexts::PRIVATE_CONTRACT_READY;
        let signature = cluster_key().sign(context, &statement.encode(), &mut OsRng);
        let signed = SignedPrivateContractReady {
            statement,
            signature,
        };
        let extrinsic: Vec<u8> = call("WorkerApi_private_contract_ready_extrinsic", signed);
        accepted_once_without_fee(&extrinsic);
        let info = pallet_phat_clusters::Contracts::<Runtime>::get(contract());
        let info = info.expect("the contract is known");
        assert_eq!(info.deployer, Sr25519Keyring::Bob.to_account_id());
        assert_eq!(info.code_index, pallet_phat_clusters::CodeIndex::Private);
    });
}

#[test]
fn what_nobody_signed_is_refused_by_pool_and_block() {
    after_set_up(|| {
        let bad = Err(InvalidTransaction::BadProof.into());
        let mut forged = report(vec![heartbeat(0)]);
        forged.signature[0] ^= 1;
        let extrinsic: Vec<u8> = call("WorkerApi_report_extrinsic", forged);
        assert_eq!(validate(&extrinsic), bad);
        block(|| assert_eq!(apply(&extrinsic), Err(InvalidTransaction::BadProof.into())));
    });
}

#[test]
fn the_heaviest_report_fits_into_a_block_many_times() {
    development().execute_with(|| {
        let secret = SealedKey {
            iv: [0; 12],
            ephemeral: [0; 32],
            data: [0; 48],
        };
        let transport = TransportDelivery {
            first: 0,
            epoch: 0,
            public: [0; 32],
            secret,
        };
        let keys = Payload::ClusterKey {
            cluster: ids::cluster_id(1),
            delivery: KeyDelivery {
                worker: worker_id(),
                public: [0; 32],
                secret,
                transport: vec![transport; MAX_TRANSPORT_CHAINS as usize],
            },
        };
        let mut payloads = vec![keys; MAX_REPORT_PAYLOADS as usize];
        payloads[..MAX_REPORT_HEARTBEATS as usize].fill(heartbeat(0));
        payloads[0] = heartbeat(MAX_PENDING_WITHDRAWALS);
        let used = SliceUse {
            account: RawAccount([1; 32]),
            number: 0,
            spent: 1,
            done: true,
        };
        let last = payloads.last_mut().expect("there are some");
        *last = Payload::Credit(CreditReport {
            cluster: ids::cluster_id(1),
            session: Hash::zero(),
            slices: vec![used; MAX_CREDIT_LINES as usize],
            wanted: vec![RawAccount([2; 32]); MAX_CREDIT_LINES as usize],
        });
        let evidence = vec![Payload::Evidence(vec![1; MAX_EVIDENCE_LEN as usize])];
        for payloads in [payloads, evidence] {
            let extrinsic: Vec<u8> = call("WorkerApi_report_extrinsic", report(payloads));
            let extrinsic = UncheckedExtrinsic::decode(&mut &extrinsic[..]).expect("it decodes");
            let info = extrinsic.get_dispatch_info();
            let weights = <Runtime as frame_system::Config>::BlockWeights::get();
            let most = weights.get(info.class).max_extrinsic;
            let most = most.expect("there is a limit").ref_time();
            assert!(info.call_weight.ref_time() > 0 && info.extension_weight.ref_time() > 0);
            // All that a report can hold, each at its most, at once: six of them in a block beside others.
            let total = info.total_weight().ref_time();
            assert!(total < most / 6, "{total} of {most}");
        }
    });
}

#[test]
fn state_and_digest_of_every_block_agree_and_messages_have_no_gap() {
    development().execute_with(|| {
        let mut next = 0;
        for round in 0..4 {
            let header = block(|| match round {
                0 => set_up(),
                2 => {
                    for _ in 0..3 {
                        by_alice(pallet_phat_clusters::Call::transfer_to_cluster {
                            amount: PHA,
                            cluster_id: ids::cluster_id(1),
                            dest_account: Sr25519Keyring::Bob.to_account_id(),
                        });
                    }
                }
                _ => {}
            });
            let outbound: Outbound = unhashed::get(OUTBOUND_KEY).expect("every block has it");
            let items = header.digest.logs.iter().filter_map(|item| match item {
                DigestItem::Consensus(DIGEST_ENGINE, hash) => Some(hash.clone()),
                _ => None,
            });
            assert_eq!(items.collect::<Vec<_>>(), [outbound.hash().0.to_vec()]);
            let slot = SLOT + u64::from(header.number);
            assert_eq!(outbound.now_ms, slot * timing::DEFAULT_SLOT_DURATION);
            assert_eq!(outbound.first, next);
            let expected = [3, 0, 3, 0][round];
            assert_eq!(outbound.messages.len(), expected, "round {round}");
            if round == 0 {
                assert_eq!(outbound.messages[0], Message::GatekeeperAdded(worker_id()));
            }
            next += expected as u64;
        }
        assert_eq!(PhalaPhatContracts::do_try_state(), Ok(()));
        assert_eq!(PhalaRegistry::do_try_state(), Ok(()));
    });
}
