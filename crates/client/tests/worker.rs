//! A worker's client against a stand-in worker that really decrypts, checks and encrypts.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use axum::{
    Router, body::Bytes, extract::State, http::StatusCode, response::IntoResponse, routing::post,
};
use codec::{Compact, Decode, DecodeAll, Encode};
use phat_client::{
    Account, Caller, WorkerClient,
    exec::ExecError,
    primitives::{
        AccountId, Hash,
        command::EncryptedData,
        query::{
            InkQuery, InkQueryData, InkQueryError, InkQueryOk, InkResponse, ReceiptRequest,
            ReceiptResponse,
        },
    },
    worker::{Assumed, WorkerError},
};
use phat_crypto::{
    Keypair,
    certificate::{self, verify_query},
    envelope,
    rand_core::OsRng,
};
use phat_prpc::{
    Certificate, ContractQueryRequest, ContractQueryResponse, Message, Method, PhactoryInfo,
    PrpcError, Signature,
};
use std::{sync::Arc, time::Duration};
use tokio::net::TcpListener;

const CONTRACT: Hash = Hash::repeat_byte(7);

/// What the stand-in does wrong.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Overloaded,
    Refuses,
    OtherKey,
    OtherNonce,
    Garbage,
    NotAWorker,
    QueryError,
}

struct Worker {
    key: Keypair,
    fault: Fault,
}

/// Starts a stand-in on a free port and returns its address.
async fn start(fault: Fault) -> String {
    let worker = Arc::new(Worker {
        key: Keypair::from_seed([9; 32]),
        fault,
    });
    let router = Router::new()
        .route(Method::GetInfo.path(), post(info))
        .route(Method::ContractQuery.path(), post(query))
        .route(Method::Receipt.path(), post(receipt))
        .with_state(worker);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn info(State(worker): State<Arc<Worker>>) -> impl IntoResponse {
    match worker.fault {
        Fault::NotAWorker => b"<html>".to_vec(),
        _ => PhactoryInfo {
            public_key: Some(hex::encode(worker.key.public())),
            blocknum: 5,
            ..Default::default()
        }
        .encode_to_vec(),
    }
}

async fn query(State(worker): State<Arc<Worker>>, body: Bytes) -> axum::response::Response {
    let refuse = |status, code: &str| {
        let error = PrpcError {
            message: "no, because".into(),
            code: code.into(),
        };
        (status, [("retry-after", "7")], error.encode_to_vec()).into_response()
    };
    match worker.fault {
        Fault::Overloaded => return refuse(StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
        Fault::Refuses => return refuse(StatusCode::BAD_REQUEST, "expired"),
        Fault::Garbage => return vec![1u8, 2, 3].into_response(),
        _ => {}
    }
    let (caller, plain, encrypted) = open(&worker.key, &body);
    let query = InkQuery::decode_all(&mut plain.as_slice()).unwrap();
    assert_eq!(query.head.id, CONTRACT);
    // Answers with what it was asked, by whom.
    let data = match query.data {
        InkQueryData::InkMessage {
            payload,
            deposit,
            transfer,
            estimating,
        } => (caller, payload, deposit, transfer, estimating).encode(),
        InkQueryData::InkInstantiate {
            code_hash, salt, ..
        } => (caller, code_hash, salt).encode(),
        other => panic!("{other:?}"),
    };
    let nonce = match worker.fault {
        Fault::OtherNonce => [0; 32],
        _ => query.head.nonce,
    };
    let result = match worker.fault {
        Fault::QueryError => Err(InkQueryError::RuntimeError("contract not found".into())),
        _ => Ok(InkQueryOk::InkMessageReturn(exec_result(&data))),
    };
    seal(&worker, &encrypted, &InkResponse { nonce, result })
}

async fn receipt(State(worker): State<Arc<Worker>>, body: Bytes) -> axum::response::Response {
    let (_, plain, encrypted) = open(&worker.key, &body);
    let request = ReceiptRequest::decode_all(&mut plain.as_slice()).unwrap();
    let answer = match request.number {
        0 => ReceiptResponse::Pending,
        _ => ReceiptResponse::Unknown,
    };
    seal(&worker, &encrypted, &answer)
}

/// Decrypts a request and finds out who signed it.
fn open(key: &Keypair, body: &[u8]) -> (AccountId, Vec<u8>, EncryptedData) {
    let request = ContractQueryRequest::decode(body).unwrap();
    let signature = from_prpc(request.signature.unwrap());
    let signer = verify_query(&request.encoded_encrypted_data, &signature, 1).unwrap();
    let encrypted =
        EncryptedData::decode_all(&mut request.encoded_encrypted_data.as_slice()).unwrap();
    let plain = envelope::decrypt(&key.agree(&encrypted.pubkey).unwrap(), &encrypted).unwrap();
    (signer.account, plain, encrypted)
}

fn from_prpc(signature: Signature) -> certificate::Signature {
    certificate::Signature {
        signed_by: signature.signed_by.map(|by: Box<Certificate>| {
            Box::new(certificate::Certificate {
                encoded_body: by.encoded_body,
                signature: by
                    .signature
                    .map(|signature| Box::new(from_prpc(*signature))),
            })
        }),
        signature_type: signature.signature_type.try_into().unwrap(),
        signature: signature.signature,
    }
}

fn seal(worker: &Worker, query: &EncryptedData, answer: &impl Encode) -> axum::response::Response {
    let key = match worker.fault {
        Fault::OtherKey => Keypair::from_seed([1; 32]),
        _ => worker.key.clone(),
    };
    let shared = key.agree(&query.pubkey).unwrap();
    let sealed = envelope::encrypt(&shared, key.public(), &answer.encode(), &mut OsRng).unwrap();
    ContractQueryResponse {
        encoded_encrypted_data: sealed.encode(),
        ..Default::default()
    }
    .encode_to_vec()
    .into_response()
}

/// A `ContractExecResult` of success.
fn exec_result(data: &[u8]) -> Vec<u8> {
    let gas = (Compact(10u64), Compact(0u64));
    (gas, gas, (1u8, 5u128), b"printed".to_vec(), 0u8, 0u32, data).encode()
}

fn alice() -> (Account, Caller) {
    let account = Account::from_suri("//Alice").unwrap();
    let caller = Caller::new(&account);
    (account, caller)
}

async fn ask(fault: Fault) -> Result<Vec<u8>, WorkerError> {
    let worker = WorkerClient::connect(&start(fault).await).await?;
    let result = worker.call(&alice().1, CONTRACT, vec![1, 2, 3, 4]).await?;
    Ok(result.result.unwrap().data)
}

#[tokio::test]
async fn a_query_arrives_decrypted_and_in_the_callers_name() {
    let data = ask(Fault::None).await.unwrap();
    let expected = (alice().0.id(), vec![1u8, 2, 3, 4], 0u128, 0u128, false).encode();
    assert_eq!(data, expected);
}

#[tokio::test]
async fn an_estimate_says_what_it_assumes_and_tells_what_it_costs() {
    let worker = WorkerClient::connect(&start(Fault::None).await)
        .await
        .unwrap();
    let assumed = Assumed {
        deposit: 3,
        transfer: 4,
    };
    let result = worker
        .estimate(&alice().1, CONTRACT, vec![], assumed)
        .await
        .unwrap();
    assert_eq!(result.gas_required.ref_time, 10);
    assert_eq!(result.storage_deposit.charge(), 5);
    assert_eq!(result.debug_message, b"printed");
    let data = result.result.unwrap().data;
    let (_, _, deposit, transfer, estimating) =
        <(AccountId, Vec<u8>, u128, u128, bool)>::decode_all(&mut data.as_slice()).unwrap();
    assert_eq!((deposit, transfer, estimating), (3, 4, true));
}

#[tokio::test]
async fn receipts_are_asked_for_in_the_same_way() {
    let worker = WorkerClient::connect(&start(Fault::None).await)
        .await
        .unwrap();
    assert_eq!(
        worker.receipt(&alice().1, 0).await.unwrap(),
        ReceiptResponse::Pending
    );
    assert_eq!(
        worker.receipt(&alice().1, 1).await.unwrap(),
        ReceiptResponse::Unknown
    );
    assert_eq!(worker.info().await.unwrap().blocknum, 5);
}

#[tokio::test]
async fn overload_is_told_from_refusal() {
    let overloaded = ask(Fault::Overloaded).await;
    let seven = Duration::from_secs(7);
    assert!(
        matches!(overloaded, Err(WorkerError::Overloaded { retry_after: Some(after) }) if after == seven)
    );
    match ask(Fault::Refuses).await {
        Err(WorkerError::Refused {
            status: 400,
            code,
            message,
        }) => {
            assert_eq!(
                (code.as_str(), message.as_str()),
                ("expired", "no, because")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_the_query_ran_into_is_told() {
    let error = ask(Fault::QueryError).await.unwrap_err();
    assert!(matches!(error, WorkerError::Query(_)), "{error:?}");
    assert!(error.to_string().contains("contract not found"));
}

#[tokio::test]
async fn answers_that_were_not_made_for_the_query_are_refused() {
    for fault in [
        Fault::OtherKey,
        Fault::OtherNonce,
        Fault::Garbage,
        Fault::NotAWorker,
    ] {
        let error = ask(fault).await.unwrap_err();
        assert!(matches!(error, WorkerError::BadAnswer { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn nothing_listening_names_the_address_and_what_to_do() {
    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = WorkerClient::connect(&url).await.unwrap_err();
    assert!(
        matches!(error, WorkerError::Unreachable { .. }),
        "{error:?}"
    );
    assert!(
        error.to_string().contains(&url) && error.to_string().contains("phat dev"),
        "{error}"
    );
}

#[test]
fn an_error_of_execution_is_not_lost() {
    let bytes = (
        0u8,
        0u8,
        0u8,
        0u8,
        0u8,
        0u128,
        0u8,
        1u8,
        ExecError::CannotLookup,
    )
        .encode();
    let result =
        phat_client::exec::ExecResult::<phat_client::exec::Returned>::decode(&mut &bytes[..]);
    assert_eq!(result.unwrap().result, Err(ExecError::CannotLookup));
}
