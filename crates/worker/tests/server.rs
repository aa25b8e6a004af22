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
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore, oneshot},
    task::JoinHandle,
};

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

#[tokio::test]
async fn methods_answer_with_their_message() {
    let server = Server::start(ServerLimits::default()).await;
    for request in [
        server.post(Method::GetInfo.path(), ""),
        server.get(Method::GetInfo.path()),
    ] {
        let (status, _, body) = answer(request).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(PhactoryInfo::decode(body.as_slice()).unwrap().blocknum, 7);
    }
    let (status, _, body) = answer(server.post(Method::Receipt.path(), query(b"?"))).await;
    assert_eq!((status, body), (StatusCode::OK, query(b"receipt")));
    server.serves().await;
    let (status, _, body) = answer(server.get("/health")).await;
    assert_eq!(
        (status, body.as_slice()),
        (StatusCode::OK, b"ok\n".as_slice())
    );
}

#[tokio::test]
async fn errors_of_the_service_reach_the_client_with_code_and_sentence() {
    let server = Server::start(ServerLimits::default()).await;
    let refused = answer(server.post(Method::ContractQuery.path(), query(b"refuse"))).await;
    assert_eq!(
        failed(refused, 400, "unknown-contract"),
        "there is no such contract"
    );
    let unavailable = answer(server.post(Method::GetRuntimeInfo.path(), "")).await;
    assert_eq!(
        unavailable.1,
        Some(3),
        "a wait is rounded up to whole seconds"
    );
    failed(unavailable, 503, "unavailable");
}

#[tokio::test]
async fn the_cause_of_an_internal_error_stays_inside() {
    let server = Server::start(ServerLimits::default()).await;
    let message = failed(
        answer(server.get(Method::GetClusterInfo.path())).await,
        500,
        "internal",
    );
    assert!(!message.contains("disk"), "{message}");
}

#[tokio::test]
async fn a_panic_is_an_internal_error_and_the_next_request_is_fine() {
    let limits = ServerLimits {
        max_running: 1,
        max_waiting: 0,
        ..Default::default()
    };
    let server = Server::start(limits).await;
    for _ in 0..3 {
        let message = failed(server.query(b"panic").await.unwrap(), 500, "internal");
        assert!(!message.contains("secret"), "{message}");
        failed(
            answer(server.get(Method::GetEndpointInfo.path())).await,
            500,
            "internal",
        );
    }
    server.serves().await;
}

#[tokio::test]
async fn requests_that_are_not_the_message_are_malformed() {
    let server = Server::start(ServerLimits::default()).await;
    let good = ContractQueryRequest {
        encoded_encrypted_data: vec![1; 40],
        signature: Some(phat_prpc::Signature {
            signed_by: None,
            signature_type: 1,
            signature: vec![2; 64],
        }),
        sign: false,
    }
    .encode_to_vec();
    let mut bad: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xff; 100],
        vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        good[..41].to_vec(),
    ];
    bad.extend((43..good.len()).map(|end| good[..end].to_vec()));
    for body in bad {
        let text = format!("{body:02x?}");
        let (status, _, body) = answer(server.post(Method::ContractQuery.path(), body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{text}");
        assert_eq!(
            PrpcError::decode(body.as_slice()).unwrap().code,
            "malformed",
            "{text}"
        );
    }
    assert_eq!(server.script.running.load(Ordering::SeqCst), 0);
    server.serves().await;
}

#[tokio::test]
async fn an_unknown_method_is_told_which_ones_there_are() {
    let server = Server::start(ServerLimits::default()).await;
    for path in [
        "/prpc/PhactoryAPI.GetMoney",
        "/prpc/",
        "/",
        "/prpc/a/b",
        "/prpc/%ff%00",
    ] {
        let message = failed(answer(server.post(path, "")).await, 404, "unknown-method");
        assert!(
            Method::ALL
                .iter()
                .all(|method| message.contains(method.name())),
            "{message}"
        );
    }
    failed(
        answer(server.get(Method::ContractQuery.path())).await,
        405,
        "use-post",
    );
    server.serves().await;
}

#[tokio::test]
async fn a_body_of_the_largest_size_passes_and_one_more_byte_does_not() {
    let limits = ServerLimits {
        max_body: 100_000,
        ..Default::default()
    };
    let server = Server::start(limits).await;
    let overhead = query(&[0; 90_000]).len() - 90_000;
    let largest = query(&vec![0; limits.max_body - overhead]);
    assert_eq!(largest.len(), limits.max_body);
    let (status, _, _) = answer(server.post(Method::ContractQuery.path(), largest.clone())).await;
    assert_eq!(status, StatusCode::OK);
    for size in [limits.max_body + 1, limits.max_body * 3] {
        let answer = answer(server.post(Method::ContractQuery.path(), vec![0; size])).await;
        assert!(failed(answer, 400, "too-large").contains("100000"));
    }
    server.serves().await;
}

#[tokio::test]
async fn one_request_asks_for_a_bounded_number_of_contracts() {
    let limits = ServerLimits {
        max_contract_ids: 2,
        ..Default::default()
    };
    let server = Server::start(limits).await;
    let ask = |count: usize| {
        let contracts = vec!["0xaa".to_owned(); count];
        let request = GetContractInfoRequest { contracts }.encode_to_vec();
        answer(server.post(Method::GetContractInfo.path(), request))
    };
    let (status, _, body) = ask(2).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        GetContractInfoResponse::decode(body.as_slice())
            .unwrap()
            .contracts
            .len(),
        2
    );
    failed(ask(3).await, 400, "too-large");
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_says_when_to_come_back() {
    let limits = ServerLimits {
        max_running: 1,
        max_waiting: 1,
        ..Default::default()
    };
    let server = Server::start(limits).await;
    let running: Vec<_> = (0..2).map(|_| server.query(b"wait")).collect();
    server.until_running(2).await;
    let refused = server.query(b"more").await.unwrap();
    assert_eq!(refused.1, Some(1));
    failed(refused, 503, "overloaded");
    // Other methods are served meanwhile.
    assert_eq!(
        answer(server.get(Method::GetInfo.path())).await.0,
        StatusCode::OK
    );
    server.script.release.add_permits(2);
    for query in running {
        assert_eq!(query.await.unwrap().0, StatusCode::OK);
    }
    server.serves().await;
}

#[tokio::test]
async fn connections_of_one_address_are_limited() {
    let limits = ServerLimits {
        max_connections_per_address: 2,
        ..Default::default()
    };
    let server = Server::start(limits).await;
    let held = [
        TcpStream::connect(server.address).await.unwrap(),
        TcpStream::connect(server.address).await.unwrap(),
    ];
    let mut third = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(read_to_end(&mut third).await, b"");
    drop(held);
    // They are given back when the server has noticed.
    while server.get("/health").send().await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_worker_with_a_certificate_speaks_tls_and_nothing_else() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = Tls::load(&certificate, &key).unwrap();
    let limits = ServerLimits {
        head_timeout: Duration::from_millis(250),
        ..Default::default()
    };
    let server = Server::start_with(limits, Some(tls)).await;

    let root = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    let trusting = Client::builder().no_proxy().add_root_certificate(root);
    let url = format!("https://localhost:{}/health", server.address.port());
    let answer = trusting.build().unwrap().get(&url).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "ok\n");
    assert!(server.client.get(&url).send().await.is_err(), "not trusted");
    assert!(server.get("/health").send().await.is_err(), "not TLS");
    // Who does not go on with the handshake is cut off.
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(read_to_end(&mut silent).await, b"");

    assert!(Tls::load(&key, &key).is_err(), "no certificate");
    assert!(Tls::load(&certificate, &certificate).is_err(), "no key");
    assert!(Tls::load(&folder.path().join("none"), &key).is_err());
}

#[tokio::test]
async fn every_answer_has_the_name_of_its_request() {
    let server = Server::start(ServerLimits::default()).await;
    let id = |response: &reqwest::Response| {
        let id = response.headers().get("x-request-id").expect("it is there");
        id.to_str().expect("text").to_owned()
    };
    let given = server.get("/health").header("x-request-id", "my-7");
    assert_eq!(id(&given.send().await.unwrap()), "my-7");
    let mut seen = std::collections::HashSet::new();
    for wrong in ["", "with space", &"x".repeat(65)] {
        let request = server
            .post("/prpc/Nothing.Here", "")
            .header("x-request-id", wrong);
        let made_up = id(&request.send().await.unwrap());
        assert_eq!(made_up.len(), 16, "{made_up}");
        assert!(seen.insert(made_up));
    }
}

#[tokio::test]
async fn metrics_count_calls_by_method_and_code() {
    let server = Server::start(ServerLimits::default()).await;
    server.serves().await;
    server.query(b"refuse").await.unwrap();
    answer(server.post("/prpc/strange", "")).await;
    let (status, _, page) = answer(server.get("/metrics")).await;
    assert_eq!(status, StatusCode::OK);
    let page = String::from_utf8(page).unwrap();
    for line in [
        r#"phat_calls_total{method="PhactoryAPI.ContractQuery",code="ok"} 1"#,
        r#"phat_calls_total{method="PhactoryAPI.ContractQuery",code="unknown-contract"} 1"#,
        r#"phat_calls_total{method="unknown",code="unknown-method"} 1"#,
        "# TYPE phat_connections gauge",
        "script_running 0",
    ] {
        assert!(page.lines().any(|other| other == line), "{line} in\n{page}");
    }
}

#[tokio::test]
async fn a_query_that_takes_too_long_is_ended() {
    let limits = ServerLimits {
        query_timeout: Duration::from_millis(50),
        max_running: 1,
        ..Default::default()
    };
    let server = Server::start(limits).await;
    failed(server.query(b"wait").await.unwrap(), 500, "timeout");
    assert_eq!(server.script.running.load(Ordering::SeqCst), 0);
    server.serves().await;
}

#[tokio::test]
async fn a_query_whose_client_is_gone_is_ended() {
    let server = Server::start(ServerLimits::default()).await;
    let query = server.query(b"wait");
    server.until_running(1).await;
    query.abort();
    server.until_running(0).await;
    server.serves().await;
}

/// Reads until the server closes the connection; fails if it does not.
async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut received = Vec::new();
    let reading = stream.read_to_end(&mut received);
    // A connection that is reset is closed as well.
    let _ = tokio::time::timeout(Duration::from_secs(10), reading)
        .await
        .expect("it is closed");
    received
}

#[tokio::test]
async fn a_client_that_sends_slowly_is_cut_off() {
    let limits = ServerLimits {
        head_timeout: Duration::from_millis(250),
        body_timeout: Duration::from_millis(250),
        max_connections: 1,
        ..Default::default()
    };
    let server = Server::start(limits).await;
    for head in [
        "",
        "GET /health HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST /prpc/PhactoryAPI.GetInfo HT",
        "GET / HTTP/1.1\r\nhost: a\r\nx: ",
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        read_to_end(&mut stream).await;
    }
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head =
        "POST /prpc/PhactoryAPI.ContractQuery HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n1";
    stream.write_all(head.as_bytes()).await.unwrap();
    let received = read_to_end(&mut stream).await;
    let received = String::from_utf8_lossy(&received);
    assert!(
        received.starts_with("HTTP/1.1 400 ") && received.contains("too-slow"),
        "{received}"
    );
    server.serves().await;
}

#[tokio::test]
async fn bytes_that_are_not_http_close_the_connection_and_nothing_else() {
    let server = Server::start(ServerLimits::default()).await;
    let endless_head = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}", "x".repeat(100_000));
    for bytes in [
        &[0xff; 200][..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        endless_head.as_bytes(),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // The server may close before everything is written.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let received = read_to_end(&mut stream).await;
        assert!(received.is_empty() || received.starts_with(b"HTTP/1.1 4"));
    }
    server.serves().await;
}

#[tokio::test]
async fn more_connections_than_permitted_wait_for_their_turn() {
    let limits = ServerLimits {
        max_connections: 2,
        head_timeout: Duration::from_millis(300),
        ..Default::default()
    };
    let server = Server::start(limits).await;
    let started = Instant::now();
    let mut idle = Vec::new();
    for _ in 0..2 {
        idle.push(TcpStream::connect(server.address).await.unwrap());
    }
    server.serves().await;
    assert!(
        started.elapsed() >= limits.head_timeout,
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_web_page_of_any_origin_may_call() {
    let server = Server::start(ServerLimits::default()).await;
    let url = format!("http://{}{}", server.address, Method::ContractQuery.path());
    let preflight = server
        .client
        .request(reqwest::Method::OPTIONS, url)
        .header("origin", "https://dapp.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type")
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status(), StatusCode::OK);
    for (name, part) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "POST"),
        ("access-control-allow-headers", "*"),
    ] {
        let value = preflight.headers()[name].to_str().unwrap();
        assert!(value.contains(part), "{name}: {value}");
    }
    // Errors too, or the page could not read why its call failed.
    for data in [b"fine".as_slice(), b"panic", b"refuse"] {
        let request = server.post(Method::ContractQuery.path(), query(data));
        let response = request
            .header("origin", "https://dapp.example")
            .send()
            .await
            .unwrap();
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
    }
}

#[tokio::test]
async fn snapshots_are_sent_whole_or_from_some_byte_on() {
    let server = Server::start(ServerLimits::default()).await;
    let url = |path: String| format!("http://{}/snapshots/{path}", server.address);
    let (cluster, root) = (hex::encode([1; 32]), hex::encode([2; 32]));
    let get = |path: String, range: Option<&str>| {
        let request = server.client.get(url(path));
        match range {
            Some(range) => request.header("range", range),
            None => request,
        }
        .send()
    };
    let latest = get(format!("{cluster}/latest"), None).await.unwrap();
    assert_eq!(latest.text().await.unwrap(), "7 0x00\n");
    let one = || format!("{cluster}/{root}");
    let whole = get(one(), None).await.unwrap();
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!(whole.content_length(), Some(10));
    assert_eq!(whole.text().await.unwrap(), "0123456789");
    let rest = get(one(), Some("bytes=7-")).await.unwrap();
    assert_eq!(rest.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(rest.headers()["content-range"], "bytes 7-9/10");
    assert_eq!(rest.text().await.unwrap(), "789");
    let nothing = get(one(), Some("bytes=10-")).await.unwrap();
    assert_eq!(nothing.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    for path in [format!("{root}/latest"), format!("{cluster}/{cluster}")] {
        let missing = get(path, None).await.unwrap();
        assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    }
    for path in ["../../etc/passwd", "x/latest", "%2e%2e%2f%2e%2e/latest"] {
        let bad = get(path.to_owned(), None).await.unwrap();
        assert!(bad.status().is_client_error(), "{path}");
    }
}

#[tokio::test]
async fn only_so_many_snapshots_are_sent_at_once() {
    let limits = ServerLimits {
        max_snapshots: 0,
        ..ServerLimits::default()
    };
    let server = Server::start(limits).await;
    let (cluster, root) = (hex::encode([1; 32]), hex::encode([2; 32]));
    let url = format!("http://{}/snapshots/{cluster}/{root}", server.address);
    let answer = server.client.get(url).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn stopping_lets_requests_under_way_finish_and_takes_no_new_ones() {
    let server = Server::start(ServerLimits::default()).await;
    let query = server.query(b"wait");
    server.until_running(1).await;
    let Server {
        address,
        script,
        stop,
        serving,
        ..
    } = server;
    stop.send(()).unwrap();
    // The listener is gone once connections are refused.
    while TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!serving.is_finished());
    script.release.add_permits(1);
    assert_eq!(query.await.unwrap().0, StatusCode::OK);
    serving.await.unwrap();
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let limits = ServerLimits {
        shutdown_grace: Duration::from_millis(50),
        ..Default::default()
    };
    let server = Server::start(limits).await;
    let query = server.query(b"wait");
    server.until_running(1).await;
    server.stop.send(()).unwrap();
    server.serving.await.unwrap();
    assert_eq!(server.script.running.load(Ordering::SeqCst), 0);
    assert!(
        query.await.unwrap_err().is_panic(),
        "the client gets no answer"
    );
}
