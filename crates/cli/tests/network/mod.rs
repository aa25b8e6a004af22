//! A real chain in this process, whose genesis has a cluster in it, and a stand-in for the cluster's
//! worker: it decrypts, checks who asks and encrypts its answers as a worker does, but makes them up.

use axum::{Router, body::Bytes, extract::State, routing::post};
use codec::{Compact, Decode, DecodeAll, Encode};
use pallet_phat_clusters::{ClusterInfo, ClusterPermission, CodeIndex, ContractInfo};
use pallet_phat_registry::{ServiceTime, VersionedEndpoints, WorkerInfo};
use phat_client::{
    Account, Bundle,
    primitives::{
        AccountId, Hash, WorkerId,
        command::EncryptedData,
        ids::cluster_id,
        query::{InkQuery, InkQueryData, InkQueryOk, InkResponse, ReceiptRequest, ReceiptResponse},
        receipt::{ContractEvent, Failure, Receipt, Success},
    },
};
use phat_crypto::{Keypair, envelope, rand_core::OsRng};
use phat_prpc::{
    ClusterInfo as WorkerCluster, ContractQueryRequest, ContractQueryResponse,
    GetClusterInfoResponse, Message, Method, PhactoryInfo,
};
use phat_runtime::Runtime;
use phat_solo::{Authority, Config, Solo, genesis};
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpListener;

/// The system contract.
pub(crate) const SYSTEM: Hash = Hash::repeat_byte(0x51);
/// A token that exists from the beginning.
pub(crate) const TOKEN: Hash = Hash::repeat_byte(0x70);
/// What Bob has of it.
pub(crate) const BALANCE: u128 = 1_234_567;

/// When the worker's evidence expires: 2100-01-01.
pub(crate) const EXPIRES_MS: u64 = 4_102_444_800_000;

/// Where a network can be reached.
pub(crate) struct Network {
    /// The chain.
    pub(crate) chain: String,
    /// The worker.
    pub(crate) worker: String,
    /// Kept until the network is no longer needed.
    _data: tempfile::TempDir,
}

struct Worker {
    key: Keypair,
    /// Code has been uploaded.
    uploaded: AtomicBool,
}

/// Path of the token's bundle.
pub(crate) fn token_file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../contracts/artifacts/token.contract")
}

/// The token's bundle.
pub(crate) fn token() -> Bundle {
    Bundle::parse(&std::fs::read(token_file()).unwrap()).unwrap()
}

/// Starts chain and worker on free ports.
pub(crate) async fn start() -> Network {
    let key = Keypair::from_seed([9; 32]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let worker_url = format!("http://{}", listener.local_addr().unwrap());
    let worker = Worker {
        key: key.clone(),
        uploaded: false.into(),
    };
    let router = Router::new()
        .route(Method::GetInfo.path(), post(info))
        .route(Method::GetClusterInfo.path(), post(cluster))
        .route(Method::ContractQuery.path(), post(query))
        .route(Method::Receipt.path(), post(receipt))
        .with_state(Arc::new(worker));
    tokio::spawn(async move { axum::serve(listener, router).await });

    let data = tempfile::tempdir().unwrap();
    let solo = Solo::open(Config {
        data_dir: data.path().into(),
        genesis: genesis_with_cluster(&key, &worker_url),
        chain_name: "Test".into(),
        block_time: Duration::from_millis(200),
        rpc_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
        authority: Authority::from_secret_uri("//Alice").unwrap(),
        outbound_key: Vec::new(),
    })
    .unwrap();
    let chain = format!("ws://{}", solo.rpc_addr());
    tokio::spawn(solo.serve(std::future::pending()));
    Network {
        chain,
        worker: worker_url,
        _data: data,
    }
}

fn genesis_with_cluster(worker: &Keypair, url: &str) -> genesis::Genesis {
    let id = cluster_id(1);
    let worker_id = WorkerId(worker.public());
    let alice = Account::from_suri("//Alice").unwrap().id().0.into();
    let info = ClusterInfo::<phat_runtime::AccountId> {
        owner: alice,
        permission: ClusterPermission::Public,
        system_contract: SYSTEM,
        gas_price: 1_000_000_000,
        deposit_per_item: 3,
        deposit_per_byte: 4,
    };
    let registered = WorkerInfo::<phat_runtime::AccountId, u32> {
        operator: info.owner.clone(),
        measurement: [0; 32],
        confidence: 1,
        attested_at: 0,
        evidence_block: 0,
        performance: 1_000,
    };
    let service = ServiceTime {
        since_ms: 0,
        expires_ms: EXPIRES_MS,
    };
    let contract = ContractInfo {
        deployer: info.owner.clone(),
        cluster: id,
        code_index: CodeIndex::WasmCode(token().code_hash),
    };
    let endpoints = VersionedEndpoints::new([url]).unwrap();
    let contract_key = Keypair::from_seed([7; 32]).public();

    let mut genesis = genesis::from_preset("development", serde_json::Value::Null).unwrap();
    genesis.extend(
        [
            (
                pallet_phat_clusters::Clusters::<Runtime>::hashed_key_for(id),
                info.encode(),
            ),
            (
                pallet_phat_clusters::ClusterWorkers::<Runtime>::hashed_key_for(id),
                vec![worker.public()].encode(),
            ),
            (
                pallet_phat_clusters::ClusterContracts::<Runtime>::hashed_key_for(id),
                vec![SYSTEM, TOKEN].encode(),
            ),
            (
                pallet_phat_clusters::Contracts::<Runtime>::hashed_key_for(TOKEN),
                contract.encode(),
            ),
            (
                pallet_phat_registry::Workers::<Runtime>::hashed_key_for(worker_id),
                registered.encode(),
            ),
            (
                pallet_phat_registry::InService::<Runtime>::hashed_key_for(worker_id),
                service.encode(),
            ),
            (
                pallet_phat_registry::Endpoints::<Runtime>::hashed_key_for(worker_id),
                endpoints.encode(),
            ),
            (
                pallet_phat_registry::ContractKeys::<Runtime>::hashed_key_for(TOKEN),
                contract_key.encode(),
            ),
            (
                pallet_phat_registry::ClusterKeys::<Runtime>::hashed_key_for(id),
                [8u8; 32].encode(),
            ),
        ]
        .map(|(key, value)| (key.to_vec(), value)),
    );
    genesis
}

async fn info(State(worker): State<Arc<Worker>>) -> Vec<u8> {
    let public_key = hex::encode(worker.key.public());
    PhactoryInfo {
        public_key: Some(public_key),
        blocknum: 5,
        version: "1.2.3".into(),
        ..Default::default()
    }
    .encode_to_vec()
}

async fn cluster() -> Vec<u8> {
    let info = WorkerCluster {
        id: format!("{:?}", cluster_id(1)),
        state_root: format!("{:?}", Hash::repeat_byte(3)),
        contracts: vec![format!("{SYSTEM:?}"), format!("{TOKEN:?}")],
        ..Default::default()
    };
    GetClusterInfoResponse { info: Some(info) }.encode_to_vec()
}

async fn query(State(worker): State<Arc<Worker>>, body: Bytes) -> Vec<u8> {
    let (plain, encrypted) = open(&worker.key, &body);
    let query = InkQuery::decode_all(&mut plain.as_slice()).unwrap();
    let bytes = match query.data {
        InkQueryData::InkMessage { payload, .. } if query.head.id == SYSTEM => {
            assert!(payload.len() == 36, "a selector and an account");
            // `Ok(0)`: nobody has money in the cluster.
            returned((0u8, 0u128).encode())
        }
        InkQueryData::InkMessage {
            payload,
            estimating,
            ..
        } => match (estimating, &payload[..4]) {
            // `PSP22::transfer` to nobody reverts: `Ok(Err(ZeroRecipientAddress))`.
            (true, _) if payload[4..36] == [0; 32] => failed_estimate(),
            (true, _) => returned(vec![0, 0]),
            (false, _) => returned((0u8, BALANCE).encode()),
        },
        InkQueryData::InkInstantiate { .. } if !worker.uploaded.swap(true, Ordering::SeqCst) => {
            // Module error 4.8: CodeNotFound.
            (costs(), 1u8, [3u8, 4, 8, 0, 0, 0]).encode()
        }
        InkQueryData::InkInstantiate { .. } => {
            (costs(), 0u8, 0u32, vec![0u8, 0], [6u8; 32]).encode()
        }
        other => panic!("{other:?}"),
    };
    let result = Ok(InkQueryOk::InkMessageReturn(bytes));
    seal(
        &worker,
        &encrypted,
        &InkResponse {
            nonce: query.head.nonce,
            result,
        },
    )
}

/// Gas, storage deposit and debug message of a result.
fn costs() -> impl Encode {
    let gas = (Compact(1_000u64), Compact(0u64));
    (gas, gas, (1u8, 5u128), Vec::<u8>::new())
}

fn returned(data: Vec<u8>) -> Vec<u8> {
    (costs(), 0u8, 0u32, data).encode()
}

fn failed_estimate() -> Vec<u8> {
    // `Err` of PSP22Error: its variant 3, ZeroRecipientAddress.
    (costs(), 0u8, 1u32, vec![0u8, 1, 3]).encode()
}

/// Receipts by the order of commands on a new chain.
async fn receipt(State(worker): State<Arc<Worker>>, body: Bytes) -> Vec<u8> {
    let (plain, encrypted) = open(&worker.key, &body);
    let number = ReceiptRequest::decode_all(&mut plain.as_slice())
        .unwrap()
        .number;
    let transferred = token()
        .interface
        .events
        .iter()
        .find(|event| event.label == "Transfer")
        .cloned();
    let outcome = match number {
        // 0 is a deposit.
        1 => Ok(Success::Called(vec![0, 0])),
        // 2 is a deposit.
        3 => Ok(Success::Uploaded(token().code_hash)),
        // 4 is a deposit.
        5 => Err(Failure::Failed("out of gas at 1250".into())),
        _ => return seal(&worker, &encrypted, &ReceiptResponse::Unknown),
    };
    let receipt = Receipt {
        number,
        block: 4,
        sender: AccountId([1; 32]),
        outcome,
        gas_used: 900,
        gas_refunded: 100,
        fee: 1_800,
        storage_deposit: 5,
        events: vec![ContractEvent {
            contract: TOKEN,
            topics: transferred
                .and_then(|event| event.signature_topic)
                .into_iter()
                .collect(),
            data: (None::<[u8; 32]>, None::<[u8; 32]>, 10u128).encode(),
        }],
        state_root: Hash::repeat_byte(3),
    };
    seal(&worker, &encrypted, &ReceiptResponse::Found(receipt.into()))
}

fn open(key: &Keypair, body: &[u8]) -> (Vec<u8>, EncryptedData) {
    let request = ContractQueryRequest::decode(body).unwrap();
    let encrypted = EncryptedData::decode(&mut request.encoded_encrypted_data.as_slice()).unwrap();
    let plain = envelope::decrypt(&key.agree(&encrypted.pubkey).unwrap(), &encrypted).unwrap();
    (plain, encrypted)
}

fn seal(worker: &Worker, query: &EncryptedData, answer: &impl Encode) -> Vec<u8> {
    let shared = worker.key.agree(&query.pubkey).unwrap();
    let sealed =
        envelope::encrypt(&shared, worker.key.public(), &answer.encode(), &mut OsRng).unwrap();
    ContractQueryResponse {
        encoded_encrypted_data: sealed.encode(),
        ..Default::default()
    }
    .encode_to_vec()
}
