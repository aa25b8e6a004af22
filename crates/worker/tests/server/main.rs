//! The HTTP service towards clients that keep to the rules and clients that do not.

use phat_primitives::{ClusterId, Hash};
use phat_prpc::{
    ContractInfo, ContractQueryRequest, ContractQueryResponse, GetClusterInfoResponse,
    GetContractInfoRequest, GetContractInfoResponse, GetEndpointResponse, GetRuntimeInfoRequest,
    InitRuntimeResponse, Message, Method, PhactoryInfo, PrpcError,
};
use phat_worker::{
    metrics::Page,
    server::{ServerLimits, Service, ServiceError, Tls, serve},
};
use reqwest::{Client, RequestBuilder, StatusCode};
use std::{
    fs::File,
    io::{Seek, Write},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::{Notify, Semaphore, oneshot},
    task::JoinHandle,
};

mod calls;
mod connections;
mod limits;
mod snapshots;

/// The one snapshot that the service has.
const SNAPSHOT: (ClusterId, Hash) = (Hash::repeat_byte(1), Hash::repeat_byte(2));

/// Does with a query what its data says.
struct Script {
    /// Queries under way.
    running: AtomicUsize,
    /// Tells that a query has begun.
    begun: Notify,
    /// Lets queries that wait end.
    release: Semaphore,
}

impl Service for Script {
    fn health(&self) -> Result<(), String> {
        Ok(())
    }

    fn metrics(&self, page: &mut Page) {
        page.single("script_running", "gauge", "Queries under way.", 0);
    }

    fn info(&self) -> PhactoryInfo {
        PhactoryInfo {
            initialized: true,
            blocknum: 7,
            ..Default::default()
        }
    }

    async fn runtime_info(
        &self,
        _: GetRuntimeInfoRequest,
    ) -> Result<InitRuntimeResponse, ServiceError> {
        Err(ServiceError::Unavailable {
            message: "the worker is not registered yet; wait for its first block".into(),
            retry_after: Duration::from_millis(2_001),
        })
    }

    fn endpoint_info(&self) -> Result<GetEndpointResponse, ServiceError> {
        panic!("endpoints: nobody expects this");
    }

    fn contract_info(
        &self,
        request: GetContractInfoRequest,
    ) -> Result<GetContractInfoResponse, ServiceError> {
        let contracts = request
            .contracts
            .into_iter()
            .map(|id| ContractInfo {
                id,
                ..Default::default()
            })
            .collect();
        Ok(GetContractInfoResponse { contracts })
    }

    fn cluster_info(&self) -> Result<GetClusterInfoResponse, ServiceError> {
        Err(ServiceError::Internal("the disk is gone".into()))
    }

    async fn contract_query(
        &self,
        request: ContractQueryRequest,
    ) -> Result<ContractQueryResponse, ServiceError> {
        struct Leaving<'a>(&'a AtomicUsize);
        impl Drop for Leaving<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.running.fetch_add(1, Ordering::SeqCst);
        let _leaving = Leaving(&self.running);
        self.begun.notify_one();
        match request.encoded_encrypted_data.as_slice() {
            b"panic" => panic!("a secret that must not leave"),
            b"wait" => self.release.acquire().await.expect("never closed").forget(),
            b"refuse" => {
                return Err(ServiceError::Refused {
                    code: "unknown-contract",
                    message: "there is no such contract".into(),
                });
            }
            _ => {}
        }
        Ok(ContractQueryResponse {
            encoded_encrypted_data: request.encoded_encrypted_data,
            ..Default::default()
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
        file.write_all(b"0123456789").ok()?;
        file.rewind().ok()?;
        Some(file)
    }

    async fn receipt(
        &self,
        _: ContractQueryRequest,
    ) -> Result<ContractQueryResponse, ServiceError> {
        Ok(ContractQueryResponse {
            encoded_encrypted_data: b"receipt".to_vec(),
            ..Default::default()
        })
    }

    async fn receipt_proof(
        &self,
        request: ContractQueryRequest,
    ) -> Result<ContractQueryResponse, ServiceError> {
        self.receipt(request).await
    }

    async fn handover(&self, request: &[u8]) -> Result<Vec<u8>, ServiceError> {
        Ok(request.to_vec())
    }
}

struct Server {
    address: SocketAddr,
    script: Arc<Script>,
    client: Client,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

/// An answer: status, `Retry-After`, body.
type Answer = (StatusCode, Option<u64>, Vec<u8>);

impl Server {
    async fn start(limits: ServerLimits) -> Self {
        Self::start_with(limits, None).await
    }

    async fn start_with(limits: ServerLimits, tls: Option<Tls>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let script = Arc::new(Script {
            running: AtomicUsize::new(0),
            begun: Notify::new(),
            release: Semaphore::new(0),
        });
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(serve(listener, script.clone(), limits, tls, async {
            let _ = stopped.await;
        }));
        let client = Client::builder()
            .no_proxy()
            .build()
            .expect("a plain client");
        Self {
            address,
            script,
            client,
            stop,
            serving,
        }
    }

    fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.client
            .post(format!("http://{}{path}", self.address))
            .body(body)
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("http://{}{path}", self.address))
    }

    fn query(&self, data: &[u8]) -> JoinHandle<Answer> {
        tokio::spawn(answer(self.post(Method::ContractQuery.path(), query(data))))
    }

    async fn until_running(&self, count: usize) {
        while self.script.running.load(Ordering::SeqCst) != count {
            tokio::time::timeout(Duration::from_millis(20), self.script.begun.notified())
                .await
                .ok();
        }
    }

    /// Checks that the worker serves as if nothing had happened.
    async fn serves(&self) {
        let (status, _, body) = self.query(b"still there?").await.expect("it ends");
        assert_eq!(status, StatusCode::OK);
        assert_eq!(body, query(b"still there?"));
    }
}

/// A query without a signature: the same bytes as an answer with the same data.
fn query(data: &[u8]) -> Vec<u8> {
    ContractQueryRequest {
        encoded_encrypted_data: data.to_vec(),
        signature: None,
        sign: false,
    }
    .encode_to_vec()
}

async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let retry_after = response
        .headers()
        .get("retry-after")
        .map(|value| value.to_str().expect("text").parse().expect("seconds"));
    let status = response.status();
    (
        status,
        retry_after,
        response.bytes().await.expect("a body").to_vec(),
    )
}

#[track_caller]
fn failed(answer: Answer, status: u16, code: &str) -> String {
    let error = PrpcError::decode(answer.2.as_slice()).expect("an error is a PrpcError");
    assert_eq!(
        (answer.0.as_u16(), error.code.as_str()),
        (status, code),
        "{}",
        error.message
    );
    assert!(!error.message.is_empty());
    error.message
}
