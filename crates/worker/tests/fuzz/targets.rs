//! What strangers send a worker over HTTP, and what they hand it as a snapshot, made of bytes. The test
//! beside this file runs the targets on random bytes, libFuzzer (`fuzz` at the root) on bytes that
//! find new paths.

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderName, HeaderValue, Method as Verb, Request, StatusCode, Uri, header},
};
use http_body_util::{BodyExt, StreamBody};
use hyper::{body::Frame, service::Service as _};
use hyper_util::service::TowerToHyperService;
use phat_crypto::{TransportSecret, Zeroizing};
use phat_fuzzing::Input;
use phat_primitives::{ClusterId, Hash};
use phat_prpc::{
    ContractInfo, ContractQueryRequest, ContractQueryResponse, GetClusterInfoResponse,
    GetContractInfoRequest, GetContractInfoResponse, GetEndpointResponse, GetRuntimeInfoRequest,
    InitRuntimeResponse, Message, Method, PhactoryInfo, PrpcError,
};
use phat_worker::{
    metrics::Page,
    server::{ServerLimits, Service, ServiceError, router},
    snapshot::format::{FormatError, Reader, Writer},
};
use std::{
    fs::File,
    io::{Seek, Write},
    sync::{Arc, LazyLock},
    time::Duration,
};
use tokio::{runtime::Runtime, sync::Semaphore};

/// The one snapshot that there is, and what is in it.
const SNAPSHOT: (ClusterId, Hash) = (Hash::repeat_byte(1), Hash::repeat_byte(2));
const SNAPSHOT_CONTENT: &[u8] = b"0123456789";
/// Bytes of a body. Small, so that longer ones are tried.
const MAX_BODY: usize = 256;
const MAX_CONTRACT_IDS: usize = 3;

/// Answers whatever gets through to it, and counts on what the router has promised.
struct Echo;

impl Service for Echo {
    fn health(&self) -> Result<(), String> {
        Ok(())
    }

    fn metrics(&self, page: &mut Page) {
        page.single("echo", "gauge", "Nothing.", 0);
    }

    fn info(&self) -> PhactoryInfo {
        PhactoryInfo::default()
    }

    async fn runtime_info(
        &self,
        _: GetRuntimeInfoRequest,
    ) -> Result<InitRuntimeResponse, ServiceError> {
        Err(ServiceError::Unavailable {
            message: "the worker is not ready: wait".into(),
            retry_after: Duration::from_secs(1),
        })
    }

    fn endpoint_info(&self) -> Result<GetEndpointResponse, ServiceError> {
        Ok(GetEndpointResponse::default())
    }

    fn contract_info(
        &self,
        request: GetContractInfoRequest,
    ) -> Result<GetContractInfoResponse, ServiceError> {
        assert!(request.contracts.len() <= MAX_CONTRACT_IDS);
        let contracts = request.contracts.into_iter().map(|id| ContractInfo {
            id,
            ..ContractInfo::default()
        });
        Ok(GetContractInfoResponse {
            contracts: contracts.collect(),
        })
    }

    fn cluster_info(&self) -> Result<GetClusterInfoResponse, ServiceError> {
        Ok(GetClusterInfoResponse::default())
    }

    async fn contract_query(
        &self,
        request: ContractQueryRequest,
    ) -> Result<ContractQueryResponse, ServiceError> {
        assert!(request.encoded_len() <= MAX_BODY);
        Ok(ContractQueryResponse {
            encoded_encrypted_data: request.encoded_encrypted_data,
            ..ContractQueryResponse::default()
        })
    }

    fn latest_snapshot(&self, cluster: &ClusterId) -> Option<String> {
        (*cluster == SNAPSHOT.0).then(|| "7 0x00".to_owned())
    }

    fn open_snapshot(&self, cluster: &ClusterId, root: &Hash) -> Option<File> {
        if (*cluster, *root) != SNAPSHOT {
            return None;
        }
        let mut file = tempfile::tempfile().ok()?;
        file.write_all(SNAPSHOT_CONTENT).ok()?;
        file.rewind().ok()?;
        Some(file)
    }

    async fn receipt(
        &self,
        request: ContractQueryRequest,
    ) -> Result<ContractQueryResponse, ServiceError> {
        self.contract_query(request).await
    }

    async fn receipt_proof(
        &self,
        request: ContractQueryRequest,
    ) -> Result<ContractQueryResponse, ServiceError> {
        self.contract_query(request).await
    }

    async fn handover(&self, request: &[u8]) -> Result<Vec<u8>, ServiceError> {
        Ok(request.to_vec())
    }
}

struct Server {
    runtime: Runtime,
    router: Router,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let limits = ServerLimits {
        max_body: MAX_BODY,
        max_contract_ids: MAX_CONTRACT_IDS,
        ..ServerLimits::default()
    };
    let connections = Arc::new(Semaphore::new(limits.max_connections));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let router = router(Arc::new(Echo), limits, connections);
    Server { runtime, router }
});

/// Sends a request, made of a good one with changes. Answers whether it succeeded.
///
/// Every answer has a name. Every error has a code and a sentence, and is the client's fault or says
/// when to come back; it is never one of the worker.
pub(crate) fn request(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let Some(made) = any_request(&mut input) else {
        return false;
    };
    let (verb, path) = (made.method().clone(), made.uri().path().to_owned());
    let Server { runtime, router } = &*SERVER;
    let (status, headers, body) = runtime.block_on(async {
        let answer = TowerToHyperService::new(router.clone()).call(made).await;
        let (parts, body) = answer.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, parts.headers, body)
    });
    let id = headers.get("x-request-id");
    let preflight = verb == Verb::OPTIONS;
    assert!(preflight || id.is_some_and(|id| !id.is_empty() && id.len() <= 64));
    if status.is_success() {
        return true;
    }
    assert_ne!(
        status,
        StatusCode::INTERNAL_SERVER_ERROR,
        "{verb} {path}: {body:?}"
    );
    let unavailable = status == StatusCode::SERVICE_UNAVAILABLE;
    assert_eq!(unavailable, headers.contains_key(header::RETRY_AFTER));
    assert!(
        status.is_client_error() || unavailable,
        "{verb} {path}: {status}"
    );
    // A fixed page that is asked for in a wrong way is refused without a word, and HEAD gets none.
    let fixed = status == StatusCode::METHOD_NOT_ALLOWED && !path.starts_with("/prpc");
    if !fixed && verb != Verb::HEAD {
        let error = PrpcError::decode(body).unwrap();
        assert!(!error.message.is_empty(), "{verb} {path}: {status}");
    }
    false
}

fn any_request(input: &mut Input<'_>) -> Option<Request<Body>> {
    let cluster = hex::encode(SNAPSHOT.0);
    let root = hex::encode(SNAPSHOT.1);
    let mut path = match input.byte() % 16 {
        0 => "/health".to_owned(),
        1 => "/metrics".to_owned(),
        2 => format!("/snapshots/{cluster}/latest"),
        3..5 => format!("/snapshots/{cluster}/{root}"),
        5 => "/handover".to_owned(),
        _ => input.choose(&Method::ALL).path().to_owned(),
    }
    .into_bytes();
    if input.one_in(4) {
        input.bend(&mut path);
    }
    let verb = match input.byte() % 16 {
        0 => Verb::from_bytes(input.bytes(8)).ok()?,
        1 => Verb::OPTIONS,
        2 => Verb::HEAD,
        3..9 => Verb::GET,
        _ => Verb::POST,
    };
    let mut request = Request::builder()
        .method(verb)
        .uri(Uri::try_from(path).ok()?);
    for _ in 0..input.below(3) {
        let value = match input.byte() % 4 {
            0 => format!("bytes={}-", input.below(20)).into_bytes(),
            1 => b"bytes=18446744073709551615-".to_vec(),
            _ => input.bytes(80).to_vec(),
        };
        let names = [
            header::RANGE,
            HeaderName::from_static("x-request-id"),
            header::ORIGIN,
            header::CONTENT_LENGTH,
            header::ACCESS_CONTROL_REQUEST_METHOD,
        ];
        let value = HeaderValue::from_bytes(&value).ok()?;
        request = request.header(input.choose(&names), value);
    }
    request.body(any_body(input)).ok()
}

/// A message with changes, in pieces; one that is too long, or that ends in an error.
fn any_body(input: &mut Input<'_>) -> Body {
    let mut bytes = match input.byte() % 4 {
        0 => Vec::new(),
        1 => GetContractInfoRequest {
            contracts: vec!["0x01".into(); input.below(2 * MAX_CONTRACT_IDS)],
        }
        .encode_to_vec(),
        2 => ContractQueryRequest {
            encoded_encrypted_data: vec![7; input.below(2 * MAX_BODY)],
            signature: Some(Default::default()),
            sign: true,
        }
        .encode_to_vec(),
        _ => input.bytes(MAX_BODY).to_vec(),
    };
    input.bend_often(&mut bytes, 2);
    if input.one_in(16) {
        bytes.resize(input.below(8 * MAX_BODY), 1);
    }
    let breaks_off = input.one_in(16);
    let piece = 1 + input.below(64);
    let mut pieces: Vec<Result<Frame<Bytes>, &str>> = bytes
        .chunks(piece)
        .map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece))))
        .collect();
    if breaks_off {
        pieces.push(Err("the connection is gone"));
    }
    Body::new(StreamBody::new(futures::stream::iter(pieces)))
}

fn secret(epoch: u32) -> TransportSecret {
    TransportSecret::new(0, epoch, Zeroizing::new([7; 32]))
}

/// What was written into a snapshot, piece by piece, and the snapshot.
type Written = (Vec<Vec<u8>>, Vec<u8>);

/// Three snapshots of the same cluster; the second one has several chunks.
static WRITTEN: LazyLock<Vec<Written>> = LazyLock::new(|| {
    let contents = [
        vec![b"one".to_vec(), b"two".to_vec()],
        (0..6u8).map(|byte| vec![byte; 120_000]).collect(),
        vec![],
    ];
    let (cluster, root) = SNAPSHOT;
    let written = contents.into_iter().map(|items: Vec<Vec<u8>>| {
        let mut writer = Writer::new(Vec::new(), &secret(3), cluster, root).unwrap();
        for item in &items {
            writer.push(item).unwrap();
        }
        (items, writer.finish().unwrap())
    });
    written.collect()
});

/// Reads a snapshot that was changed, whose chunks were exchanged, or that is put together from
/// several. What comes out at the end is one of those that were written, whole. Answers whether
/// anything does.
pub(crate) fn snapshot(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let mut bytes = input.choose(&WRITTEN).1.clone();
    for _ in 0..input.below(3) {
        match input.byte() % 4 {
            0 => exchange(&mut input, &mut bytes),
            1 => {
                let cut = input.below(bytes.len());
                bytes.truncate(cut);
                bytes.extend_from_slice(&input.choose(&WRITTEN).1);
            }
            2 => {
                // In the header, where a place at random seldom is.
                let at = input.below(bytes.len().min(100));
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= input.byte().max(1);
                }
            }
            _ => input.bend(&mut bytes),
        }
    }
    let (cluster, root) = SNAPSHOT;
    let known = secret(if input.one_in(8) { 2 } else { 3 });
    let Ok(items) = read(&bytes, cluster, root, |epoch| known.at(epoch)) else {
        return false;
    };
    let whole = WRITTEN
        .iter()
        .find(|(written, file)| items == *written && bytes.starts_with(file));
    assert!(whole.is_some(), "{} items that nobody wrote", items.len());
    true
}

fn read(
    bytes: &[u8],
    cluster: ClusterId,
    root: Hash,
    secret_of: impl FnOnce(u32) -> Option<TransportSecret>,
) -> Result<Vec<Vec<u8>>, FormatError> {
    let mut reader = Reader::new(bytes, cluster, root, secret_of)?;
    let mut items = Vec::new();
    while let Some(chunk) = reader.next_chunk()? {
        items.extend(chunk);
    }
    assert!(reader.next_chunk::<Vec<u8>>()?.is_none());
    Ok(items)
}

/// Exchanges two chunks of a snapshot, leaves one out, or repeats one.
fn exchange(input: &mut Input<'_>, bytes: &mut Vec<u8>) {
    const HEADER_LEN: usize = 96;
    let Some((header, mut rest)) = bytes.split_at_checked(HEADER_LEN) else {
        return;
    };
    let mut chunks = Vec::new();
    while let Some((len, after)) = rest.split_first_chunk::<4>() {
        let len = (u32::from_le_bytes(*len) & (u32::MAX >> 1)) as usize;
        let end = 4 + len.min(after.len());
        chunks.push(rest[..end].to_vec());
        rest = &rest[end..];
    }
    let (one, other) = (input.below(chunks.len()), input.below(chunks.len()));
    match input.byte() % 3 {
        _ if chunks.is_empty() => {}
        0 => chunks.swap(one, other),
        1 => drop(chunks.remove(one)),
        _ => chunks.insert(other, chunks[one].clone()),
    }
    *bytes = [header.to_vec(), chunks.concat()].concat();
}
