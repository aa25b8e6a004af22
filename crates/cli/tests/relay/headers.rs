//! A worker without a cluster, and blocks that are not those of the chain.

use crate::{
    log::Log,
    relay::{Lie, Relay, bend},
    start_worker,
};
use phat_client::WorkerClient;
use phat_primitives::message::OUTBOUND_KEY;
use phat_solo::{Authority, Solo, genesis::from_preset};
use serde_json::{Value, json};
use std::{path::Path, time::Duration};
use tokio::time::sleep;

fn open_chain(folder: &Path) -> Solo {
    Solo::open(phat_solo::Config {
        data_dir: folder.to_owned(),
        genesis: from_preset("development", Value::Null).unwrap(),
        chain_name: "test".into(),
        block_time: Duration::from_millis(100),
        rpc_addr: "127.0.0.1:0".parse().unwrap(),
        authority: Authority::from_secret_uri("//Alice").unwrap(),
        outbound_key: OUTBOUND_KEY.to_vec(),
    })
    .unwrap()
}

/// Changes an answer. The arguments are the answer and the first one that was true.
type Change = fn(&mut Value, &Value);

/// Lies about blocks, headers and finality.
const LIES: &[(&str, Change)] = &[
    ("a header is forged", |answer, _| {
        bend(&mut answer["blocks"][0]["header"])
    }),
    ("messages are forged", |answer, _| {
        bend(&mut answer["blocks"][0]["outbound"])
    }),
    ("the justification is forged", |answer, _| {
        bend(&mut answer["justification"])
    }),
    ("the justification is missing", |answer, _| {
        answer["justification"] = Value::Null
    }),
    ("an old justification is used again", |answer, truth| {
        answer["justification"] = truth["justification"].clone();
    }),
    ("old blocks come again", |answer, truth| {
        *answer = truth.clone()
    }),
    ("the first block is left out", |answer, _| {
        let blocks = answer["blocks"].as_array_mut().unwrap();
        let last = blocks.last().unwrap().clone();
        *blocks = vec![last.clone(), last];
    }),
    ("messages of a block are left out", |answer, _| {
        answer["blocks"][0]["outbound"] = "0x".into();
    }),
    ("it is not hex", |answer, _| {
        answer["blocks"][0]["header"] = "0xzz".into()
    }),
    ("it is something else", |answer, _| {
        *answer = json!({"blocks": 7})
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_lying_relay_gets_nowhere() {
    let _log = Log::take().await;
    let folder = tempfile::tempdir().unwrap();
    let solo = open_chain(&folder.path().join("chain"));
    let genesis = solo.genesis_hash();
    let chain_url = format!("ws://{}", solo.rpc_addr());
    let chain_task = tokio::spawn(solo.serve(std::future::pending()));
    let genesis = phat_worker::beginning(&chain_url, Some(genesis))
        .await
        .unwrap();
    let relay = Relay::new(&chain_url).await;
    let (url, _server) = relay.clone().serve().await;
    let (worker, address) = start_worker(&folder.path().join("worker"), genesis, &url).await;
    let truth_heard = |least: u32| {
        let mut views = worker.views();
        async move {
            let wait = views.wait_for(|view| view.head.number > least);
            tokio::time::timeout(Duration::from_secs(20), wait)
                .await
                .unwrap()
                .unwrap()
                .head
                .number
        }
    };
    let mut height = truth_heard(1).await;
    for (what, lie) in LIES {
        relay.tell(Some(("phat_blocks", Lie::Answer(*lie))));
        // What was on its way when the relay began to lie may still be true.
        sleep(Duration::from_millis(150)).await;
        let before = worker.views().borrow().head;
        relay.has_lied(what, 2).await;
        assert_eq!(worker.views().borrow().head, before, "{what}");
        let client = WorkerClient::connect(&address)
            .await
            .expect("it goes on serving");
        let info = client.info().await.expect("it goes on serving");
        assert_eq!(info.blocknum, before.number + 1, "{what}");
        relay.tell(None);
        height = truth_heard(height.max(before.number)).await;
    }
    worker.stop().await;
    chain_task.abort();
}
