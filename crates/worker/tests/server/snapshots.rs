//! Snapshots are handed out to whoever takes them.

use super::*;

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
