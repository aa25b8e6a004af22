//! How much one may ask for, and how long a query may take.

use super::*;

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
