//! HTTP requests of contracts, against servers that help and servers that do not.

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Redirect},
    routing::{any, get},
};
use phat_worker::egress::{Egress, EgressConfig, EgressError, Request, Response};
use std::{convert::Infallible, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const ENOUGH: Duration = Duration::from_secs(5);

/// A development worker's configuration.
fn open() -> EgressConfig {
    EgressConfig {
        allow_loopback: true,
        ..Default::default()
    }
}

fn egress(config: EgressConfig) -> Egress {
    Egress::new(config).expect("a client")
}

/// Starts a server for contracts to talk to.
async fn server() -> SocketAddr {
    let router = Router::new()
        .route(
            "/echo",
            any(
                |method: Method, headers: HeaderMap, body: Bytes| async move {
                    let seen = format!("{method} {:?} ", headers.get("x-key"));
                    (
                        StatusCode::CREATED,
                        [("x-reply", "yes")],
                        [seen.as_bytes(), &body].concat(),
                    )
                },
            ),
        )
        .route(
            "/headers",
            get(async |headers: HeaderMap| format!("{headers:?}")),
        )
        .route("/teapot", get(async || StatusCode::IM_A_TEAPOT))
        .route("/zeros", get(async || vec![0u8; 1_000]))
        .route(
            "/endless",
            get(async || {
                let zeros = Bytes::from_static(&[0; 4_096]);
                Body::from_stream(futures_util::stream::repeat(Ok::<_, Infallible>(zeros)))
            }),
        )
        .route("/never", get(std::future::pending::<StatusCode>))
        .route("/loop", get(async || Redirect::temporary("/loop")))
        .route("/away", get(async || Redirect::temporary("/echo")))
        .route(
            "/inside",
            get(async || Redirect::temporary("http://10.0.0.1/")),
        )
        .route(
            "/credentials",
            get(async || Redirect::temporary("http://169.254.169.254/latest/meta-data/")),
        )
        .route(
            "/file",
            get(async || Redirect::temporary("file:///etc/passwd")),
        )
        .route(
            "/binary",
            get(async || {
                let value = header::HeaderValue::from_bytes(b"\xff\xfe").expect("opaque bytes");
                ([("x-binary", value)], "").into_response()
            }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn request(method: &str, url: impl ToString) -> Request {
    Request {
        method: method.into(),
        url: url.to_string(),
        ..Default::default()
    }
}

async fn fetch(address: SocketAddr, path: &str) -> Result<Response, EgressError> {
    egress(open())
        .fetch(request("GET", format!("http://{address}{path}")), ENOUGH)
        .await
}

#[tokio::test]
async fn a_request_arrives_whole_and_the_response_comes_back_whole() {
    let address = server().await;
    let request = Request {
        headers: vec![
            ("x-key".into(), "first".into()),
            ("X-Key".into(), "last".into()),
        ],
        body: b"body".to_vec(),
        ..request("PATCH", format!("http://{address}/echo"))
    };
    let response = egress(open()).fetch(request, ENOUGH).await.unwrap();
    assert_eq!(
        (response.status, response.reason.as_str()),
        (201, "Created")
    );
    assert_eq!(response.body, b"PATCH Some(\"last\") body");
    assert!(response.headers.contains(&("x-reply".into(), "yes".into())));
}

#[tokio::test]
async fn a_response_of_any_status_is_a_response() {
    let address = server().await;
    assert_eq!(fetch(address, "/teapot").await.unwrap().status, 418);
    assert_eq!(fetch(address, "/nothing").await.unwrap().status, 404);
    let binary = fetch(address, "/binary").await.unwrap();
    assert!(binary.headers.contains(&("x-binary".into(), String::new())));
}

#[tokio::test]
async fn names_are_resolved_and_checked_like_addresses() {
    let address = server().await;
    let url = format!("http://localhost:{}/teapot", address.port());
    assert_eq!(
        egress(open())
            .fetch(request("GET", &url), ENOUGH)
            .await
            .unwrap()
            .status,
        418
    );
    let closed = egress(EgressConfig::default())
        .fetch(request("GET", &url), ENOUGH)
        .await;
    assert!(
        matches!(closed, Err(EgressError::NotAllowed(_))),
        "{closed:?}"
    );
}

#[tokio::test]
async fn the_own_machine_is_out_of_reach_unless_the_operator_opens_it() {
    let port = server().await.port();
    let egress = egress(EgressConfig {
        allow_private: true,
        ..Default::default()
    });
    for host in [
        "127.0.0.1",
        "0.0.0.0",
        "2130706433",
        "0x7f.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
    ] {
        let url = format!("http://{host}:{port}/teapot");
        let result = egress.fetch(request("GET", url), ENOUGH).await;
        assert!(
            matches!(result, Err(EgressError::NotAllowed(_))),
            "{host}: {result:?}"
        );
    }
}

#[tokio::test]
async fn redirects_are_followed_to_permitted_addresses_only() {
    let address = server().await;
    assert_eq!(fetch(address, "/away").await.unwrap().status, 201);
    for path in ["/inside", "/credentials"] {
        let result = fetch(address, path).await;
        assert!(
            matches!(result, Err(EgressError::NotAllowed(_))),
            "{path}: {result:?}"
        );
    }
    let endless = fetch(address, "/loop").await;
    assert!(
        matches!(endless, Err(EgressError::Unreachable(_))),
        "{endless:?}"
    );
    // What is not HTTP is not followed: the contract sees the redirect itself.
    assert_eq!(fetch(address, "/file").await.unwrap().status, 307);
}

#[tokio::test]
async fn a_contract_does_not_decide_about_the_connection() {
    let address = server().await;
    let own = [
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
        "te",
        "expect",
    ];
    let request = Request {
        headers: own
            .iter()
            .map(|name| ((*name).into(), "7".into()))
            .collect(),
        ..request("GET", format!("http://{address}/headers"))
    };
    let response = egress(open()).fetch(request, ENOUGH).await.unwrap();
    let seen = String::from_utf8(response.body).unwrap();
    assert!(seen.contains("host") && !seen.contains("\"7\""), "{seen}");
}

#[tokio::test]
async fn requests_that_cannot_be_made_say_why() {
    let address = server().await;
    let egress = egress(open());
    let url = format!("http://{address}/echo");
    let with_header = |name: &str, value: &str| Request {
        headers: vec![(name.into(), value.into())],
        ..request("GET", &url)
    };
    let many = Request {
        headers: vec![("a".into(), String::new()); open().max_headers + 1],
        ..request("GET", &url)
    };
    let large = Request {
        body: vec![0; open().max_request_body + 1],
        ..request("POST", &url)
    };
    let long = format!("{url}?{}", "x".repeat(open().max_url));
    for (request, expected) in [
        (request("GET", ""), "InvalidUrl"),
        (request("GET", "/relative"), "InvalidUrl"),
        (request("GET", "ftp://example.com/"), "InvalidUrl"),
        (request("GET", "file:///etc/passwd"), "InvalidUrl"),
        (request("GET", "http://[::1"), "InvalidUrl"),
        (request("GET", "http://a:99999/"), "InvalidUrl"),
        (request("GET", long), "InvalidUrl"),
        (request("", &url), "InvalidMethod"),
        (request("G ET", &url), "InvalidMethod"),
        (request("GET\r\nHost: b", &url), "InvalidMethod"),
        (request("CONNECT", &url), "InvalidMethod"),
        (with_header("", "v"), "InvalidHeaderName"),
        (with_header("na me", "v"), "InvalidHeaderName"),
        (with_header("n:\r\nx", "v"), "InvalidHeaderName"),
        (with_header("n", "v\r\nx: y"), "InvalidHeaderValue"),
        (with_header("n", "\0"), "InvalidHeaderValue"),
        (
            with_header("n", &"v".repeat(open().max_header_bytes)),
            "NotAllowed",
        ),
        (many, "NotAllowed"),
        (large, "NotAllowed"),
    ] {
        let text = format!("{request:?}").chars().take(200).collect::<String>();
        let error = egress.fetch(request, ENOUGH).await.unwrap_err();
        assert!(
            format!("{error:?}").starts_with(expected),
            "{text}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_response_is_read_up_to_its_limit_and_no_further() {
    let address = server().await;
    let egress = |max_body| egress(EgressConfig { max_body, ..open() });
    let zeros = || request("GET", format!("http://{address}/zeros"));
    assert_eq!(
        egress(1_000)
            .fetch(zeros(), ENOUGH)
            .await
            .unwrap()
            .body
            .len(),
        1_000
    );
    let endless = request("GET", format!("http://{address}/endless"));
    for request in [zeros(), endless] {
        let result = egress(999).fetch(request, ENOUGH).await;
        assert!(
            matches!(result, Err(EgressError::ResponseTooLarge { most: 999 })),
            "{result:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_costs_the_time_allowed() {
    let address = server().await;
    let never = || request("GET", format!("http://{address}/never"));
    let short = Duration::from_millis(50);
    let result = egress(open()).fetch(never(), short).await;
    assert!(matches!(result, Err(EgressError::Timeout)), "{result:?}");
    let capped = egress(EgressConfig {
        max_timeout: short,
        ..open()
    });
    let result = capped.fetch(never(), Duration::MAX).await;
    assert!(matches!(result, Err(EgressError::Timeout)), "{result:?}");
    let result = egress(open()).fetch(never(), Duration::ZERO).await;
    assert!(matches!(result, Err(EgressError::Timeout)), "{result:?}");
}

#[tokio::test]
async fn requests_beyond_the_limit_wait_and_then_give_up() {
    let address = server().await;
    let egress = egress(EgressConfig {
        max_concurrent: 1,
        ..open()
    });
    let never = request("GET", format!("http://{address}/never"));
    let first = tokio::spawn({
        let egress = egress.clone();
        async move { egress.fetch(never, ENOUGH).await }
    });
    let teapot = || request("GET", format!("http://{address}/teapot"));
    let refused = loop {
        match egress.fetch(teapot(), Duration::from_millis(50)).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(refused, EgressError::TooManyRequests),
        "{refused:?}"
    );
    // A request that nobody waits for any more gives its place back.
    first.abort();
    assert_eq!(egress.fetch(teapot(), ENOUGH).await.unwrap().status, 418);
}

#[tokio::test]
async fn a_server_that_is_not_there_or_breaks_off_is_a_network_error() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let result = fetch(closed, "/").await;
    assert!(
        matches!(result, Err(EgressError::Unreachable(_))),
        "{result:?}"
    );

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for reply in [
            "SSH-2.0-x\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
        ] {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut head = [0; 1_024];
            let _ = stream.read(&mut head).await;
            stream
                .write_all(reply.as_bytes())
                .await
                .expect("it listens");
        }
    });
    let garbage = fetch(address, "/").await;
    assert!(
        matches!(garbage, Err(EgressError::Unreachable(_))),
        "{garbage:?}"
    );
    let short = fetch(address, "/").await;
    assert!(
        matches!(short, Err(EgressError::NetworkError(_))),
        "{short:?}"
    );
}
