//! A worker that is fed by a relay it must not believe: whatever the relay makes of the chain's
//! blocks, the worker does not advance, goes on serving, and goes on when it hears the truth.

#![allow(
    clippy::unwrap_used,
    reason = "the whole file is a test, which stops at the first thing that is not as it should be"
)]

use jsonrpsee::{
    PendingSubscriptionSink, RpcModule,
    core::client::ClientT,
    rpc_params,
    server::{ServerBuilder, ServerHandle},
    types::ErrorObjectOwned,
    ws_client::{WsClient, WsClientBuilder},
};
use phat_client::WorkerClient;
use phat_follower::Genesis;
use phat_primitives::{AccountId, message::OUTBOUND_KEY};
use phat_solo::{Authority, Solo, genesis::from_preset};
use phat_worker::{
    Config, Engines, Platform, SnapshotConfig, SoftwareAttester, Worker, egress::EgressConfig,
    server::ServerLimits,
};
use serde_json::{Value, json};
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::sleep;

/// What the relay makes of the chain's answer. The arguments are the answer and the last answer that
/// was true.
type Lie = fn(&mut Value, &Value);

struct Relay {
    chain: WsClient,
    lie: Mutex<Option<Lie>>,
    last_truth: Mutex<Value>,
}

impl Relay {
    async fn blocks(&self, first: u32, max: u32) -> Result<Value, ErrorObjectOwned> {
        let mut answer: Value = self
            .chain
            .request("phat_blocks", rpc_params![first, max])
            .await
            .map_err(|error| ErrorObjectOwned::owned(1, error.to_string(), None::<()>))?;
        let lie = *self.lie.lock().unwrap();
        let has_blocks = answer["blocks"]
            .as_array()
            .is_some_and(|blocks| !blocks.is_empty());
        match lie {
            Some(lie) if has_blocks => lie(&mut answer, &self.last_truth.lock().unwrap()),
            None if has_blocks => *self.last_truth.lock().unwrap() = answer.clone(),
            _ => {}
        }
        Ok(answer)
    }

    fn tell(&self, lie: Option<Lie>) {
        *self.lie.lock().unwrap() = lie;
    }
}

async fn serve(relay: Arc<Relay>) -> (String, ServerHandle) {
    let server = ServerBuilder::default().build("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", server.local_addr().unwrap());
    let mut module = RpcModule::new(relay);
    module
        .register_async_method("phat_blocks", |params, relay, _| async move {
            let (first, max): (u32, u32) = params.parse()?;
            relay.blocks(first, max).await
        })
        .unwrap();
    module
        .register_subscription(
            "phat_subscribeFinalized",
            "phat_finalized",
            "phat_unsubscribeFinalized",
            |_, pending: PendingSubscriptionSink, _, _| async move {
                let sink = pending.accept().await?;
                for number in 0u32.. {
                    let message = serde_json::value::to_raw_value(&number)?;
                    if sink.send(message).await.is_err() {
                        break;
                    }
                    sleep(Duration::from_millis(50)).await;
                }
                Ok(())
            },
        )
        .unwrap();
    (url, server.start(module))
}

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

async fn start_worker(folder: &Path, genesis: Genesis, url: &str) -> (Worker, String) {
    std::fs::create_dir_all(folder).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let config = Config {
        directory: folder.to_owned(),
        chain: url.to_owned(),
        genesis,
        operator: AccountId([1; 32]),
        measurement: [0; 32],
        platform: Platform::software(SoftwareAttester::default(), folder).unwrap(),
        egress: EgressConfig::default(),
        limits: ServerLimits::default(),
        snapshots: SnapshotConfig::default(),
        tls: None,
    };
    let engines = Engines::new(&config.limits).unwrap();
    (Worker::start(config, engines, listener).unwrap(), address)
}

/// Changes one hex digit in the middle of a text.
fn bend(text: &mut Value) {
    let mut digits = text.as_str().unwrap().to_owned().into_bytes();
    let middle = digits.len() / 2;
    digits[middle] = if digits[middle] == b'0' { b'1' } else { b'0' };
    *text = String::from_utf8(digits).unwrap().into();
}

const LIES: &[(&str, Lie)] = &[
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
    let folder = tempfile::tempdir().unwrap();
    let solo = open_chain(&folder.path().join("chain"));
    let genesis = solo.genesis_hash();
    let chain_url = format!("ws://{}", solo.rpc_addr());
    let chain_task = tokio::spawn(solo.serve(std::future::pending()));
    let genesis = phat_worker::beginning(&chain_url, Some(genesis))
        .await
        .unwrap();
    let chain = WsClientBuilder::default().build(&chain_url).await.unwrap();
    let relay = Arc::new(Relay {
        chain,
        lie: Mutex::default(),
        last_truth: Mutex::default(),
    });
    let (url, _server) = serve(relay.clone()).await;
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
        relay.tell(Some(*lie));
        // What was on its way when the relay began to lie may still be true.
        sleep(Duration::from_millis(150)).await;
        let before = worker.views().borrow().head;
        sleep(Duration::from_millis(400)).await;
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
