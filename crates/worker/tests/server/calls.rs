//! What is called, what comes back, and what is told of it.

use super::*;

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
