//! Connections: how many there may be, what goes over them, and how they end.

use super::*;
use std::time::Instant;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

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
