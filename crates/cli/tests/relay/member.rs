//! A worker in a cluster that has much to do, and lies about everything that it asks the chain for.

use crate::{
    log::Log,
    relay::{Lie, Lied, NEWS, Relay, bend},
    running::{self, Network, Stream, clients::bundle},
    start_worker,
};
use codec::{Decode, Encode};
use jsonrpsee::{core::client::ClientT, rpc_params, ws_client::WsClientBuilder};
use phat_client::WorkerClient;
use phat_primitives::{
    BlockNumber, WorkerId,
    ids::cluster_id,
    message::Outbound,
    report::{Roots, WorkerState},
    storage::worker_state_key,
};
use phat_worker::{Worker, node::View};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::sleep;

const BLOCKS: &str = "phat_blocks";
const PROOF: &str = "state_getReadProof";
const CALL: &str = "state_call";
const SUBMIT: &str = "author_submitExtrinsic";

/// Changes the messages of the first block of an answer.
fn messages(answer: &mut Value, change: impl FnOnce(&mut Outbound)) {
    let text = &mut answer["blocks"][0]["outbound"];
    let bytes = hex::decode(text.as_str().unwrap().trim_start_matches("0x")).unwrap();
    let mut outbound = Outbound::decode(&mut &bytes[..]).unwrap();
    let before = outbound.clone();
    change(&mut outbound);
    if outbound == before {
        outbound.first += 1;
    }
    *text = format!("0x{}", hex::encode(outbound.encode())).into();
}

/// As many bytes as hex.
fn zeros(len: usize) -> Value {
    format!("0x{}", "00".repeat(len)).into()
}

const NOT_THE_BLOCKS: &str = "the ordered messages are not those of the block";
const NOT_PROVEN: &str = "the chain's answer is not proven";

/// What the relay does, and what the worker says about it.
const LIES: &[(&str, Lied, &str)] = &[
    (
        "messages are left out",
        (
            BLOCKS,
            Lie::Answer(|answer, _| messages(answer, |out| out.messages.clear())),
        ),
        NOT_THE_BLOCKS,
    ),
    (
        "messages come in another order",
        (
            BLOCKS,
            Lie::Answer(|answer, _| messages(answer, |out| out.messages.reverse())),
        ),
        NOT_THE_BLOCKS,
    ),
    (
        "a message comes twice",
        (
            BLOCKS,
            Lie::Answer(|answer, _| {
                messages(answer, |out| {
                    out.messages.extend_from_within(..1.min(out.messages.len()))
                });
            }),
        ),
        NOT_THE_BLOCKS,
    ),
    (
        "messages have other numbers",
        (
            BLOCKS,
            Lie::Answer(|answer, _| messages(answer, |out| out.first += 7)),
        ),
        NOT_THE_BLOCKS,
    ),
    (
        "a block has another time",
        (
            BLOCKS,
            Lie::Answer(|answer, _| messages(answer, |out| out.now_ms += 7)),
        ),
        NOT_THE_BLOCKS,
    ),
    (
        "a block has the messages of another one",
        (
            BLOCKS,
            Lie::Answer(|answer, truth| {
                answer["blocks"][0]["outbound"] = truth["blocks"][0]["outbound"].clone();
            }),
        ),
        NOT_THE_BLOCKS,
    ),
    (
        "old blocks come in place of new ones",
        (BLOCKS, Lie::Question(|params, _| params[0] = 1.into())),
        "was due, the server sent block",
    ),
    (
        "a block is skipped",
        (
            BLOCKS,
            Lie::Answer(|answer, _| {
                answer["blocks"][0] = Value::Null;
            }),
        ),
        "does not answer as it should",
    ),
    (
        "there are more blocks than may be",
        (
            BLOCKS,
            Lie::Answer(|answer, _| {
                let block = answer["blocks"][0].clone();
                answer["blocks"] = vec![block; 2000].into();
            }),
        ),
        "expected at most 32 items",
    ),
    (
        "a header is larger than may be",
        (
            BLOCKS,
            Lie::Answer(|answer, _| answer["blocks"][0]["header"] = zeros(70_000)),
        ),
        "the header has 70000 bytes, more than 65536",
    ),
    (
        "messages are longer than may be",
        (
            BLOCKS,
            Lie::Answer(|answer, _| answer["blocks"][0]["outbound"] = zeros(5 << 20)),
        ),
        "the ordered messages have 5242880 bytes, more than 4194304",
    ),
    (
        "an answer is larger than any may be",
        (
            BLOCKS,
            Lie::Answer(|answer, _| answer["blocks"][0]["header"] = zeros(40 << 20)),
        ),
        "following the chain was interrupted",
    ),
    (
        "news are as long as answers",
        (
            NEWS,
            Lie::Answer(|news, _| *news = "7".repeat(1 << 20).into()),
        ),
        "the chain has closed the connection",
    ),
    (
        "news are nonsense",
        (
            NEWS,
            Lie::Answer(|news, _| *news = json!({ "block": "soon" })),
        ),
        "the chain has closed the connection",
    ),
    (
        "the chain is said to be much longer",
        (
            BLOCKS,
            Lie::Answer(|answer, _| answer["finalized"] = u32::MAX.into()),
        ),
        "",
    ),
    (
        "a proof lacks its last node",
        (
            PROOF,
            Lie::Answer(|answer, _| drop(answer["proof"].as_array_mut().unwrap().pop())),
        ),
        NOT_PROVEN,
    ),
    (
        "a proof is empty, as if nothing were there",
        (PROOF, Lie::Answer(|answer, _| answer["proof"] = json!([]))),
        NOT_PROVEN,
    ),
    (
        "a proof is bent",
        (
            PROOF,
            Lie::Answer(|answer, _| bend(&mut answer["proof"][0])),
        ),
        NOT_PROVEN,
    ),
    (
        "a proof is of the state after an old block",
        (
            PROOF,
            Lie::Question(|params, first| params[1] = first[1].clone()),
        ),
        NOT_PROVEN,
    ),
    (
        "an old proof comes again",
        (PROOF, Lie::Answer(|answer, truth| *answer = truth.clone())),
        NOT_PROVEN,
    ),
    (
        "a proof is of other keys",
        (
            PROOF,
            Lie::Question(|params, _| params[0] = json!(["0x3a636f6465", "0x00"])),
        ),
        NOT_PROVEN,
    ),
    (
        "a proof has more nodes than may be",
        (
            PROOF,
            Lie::Answer(|answer, _| answer["proof"] = vec![json!(""); 100_000].into()),
        ),
        "",
    ),
    (
        "a proof is larger than may be",
        (
            PROOF,
            Lie::Answer(|answer, _| answer["proof"] = json!([zeros(17 << 20)])),
        ),
        NOT_PROVEN,
    ),
    (
        "a proof is not hex",
        (
            PROOF,
            Lie::Answer(|answer, _| answer["proof"] = json!(["0xzz"])),
        ),
        "the chain's answer to state_getReadProof is not in the form it must have",
    ),
    (
        "the runtime's answer is no transaction",
        (CALL, Lie::Invention(|| "0xff".into())),
        "the chain's answer to state_call is not in the form it must have",
    ),
    (
        "the runtime's answer is another transaction",
        (
            CALL,
            Lie::Invention(|| format!("0x{}", hex::encode(vec![4u8, 0, 0].encode())).into()),
        ),
        "",
    ),
    (
        "reports are said to be taken, and are not",
        (SUBMIT, Lie::Invention(|| zeros(32))),
        "",
    ),
    (
        "nobody answers when blocks are asked for",
        (BLOCKS, Lie::Silence),
        "",
    ),
    (
        "nobody answers when proofs are asked for",
        (PROOF, Lie::Silence),
        "",
    ),
    (
        "nobody answers when something is to be reported",
        (SUBMIT, Lie::Silence),
        "",
    ),
];

async fn wait_for(worker: &Worker, what: &str, right: impl FnMut(&View) -> bool) {
    let mut views = worker.views();
    tokio::time::timeout(Duration::from_secs(60), views.wait_for(right))
        .await
        .unwrap_or_else(|_| panic!("never: {what}"))
        .unwrap();
}

/// Everything that the worker has ever said that its cluster came to.
fn served(worker: &Worker) -> Arc<Mutex<BTreeMap<BlockNumber, Roots>>> {
    let served = Arc::new(Mutex::new(BTreeMap::new()));
    let (seen, mut views) = (served.clone(), worker.views());
    tokio::spawn(async move {
        while views.changed().await.is_ok() {
            let member = views.borrow_and_update().member.clone();
            for (block, roots) in member.iter().flat_map(|member| member.recent.iter()) {
                let before = seen.lock().unwrap().insert(*block, *roots);
                assert!(before.is_none_or(|before| before == *roots));
            }
        }
    });
    served
}

/// Waits until the chain has the worker's word about this block or a later one.
async fn reported(network: &Network, worker: WorkerId, block: BlockNumber, what: &str) {
    let chain = WsClientBuilder::default()
        .build(network.chain())
        .await
        .unwrap();
    let key = format!("0x{}", hex::encode(worker_state_key(&worker)));
    for _ in 0..1200 {
        let value: Option<String> = chain
            .request("state_getStorage", rpc_params![&key])
            .await
            .unwrap();
        let state = value.map(|value| {
            let bytes = hex::decode(value.trim_start_matches("0x")).unwrap();
            WorkerState::decode(&mut &bytes[..]).unwrap()
        });
        if state.is_some_and(|state| state.block >= block) {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}: nothing is reported after block {block}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_in_a_cluster_believes_none_of_a_relays_lies() {
    let mut log = Log::take().await;
    let folder = tempfile::tempdir().unwrap();
    let options = ["--block-time", "0.2", "--workers", "2"];
    let network = running::start(&folder.path().join("network"), &options);
    let home = folder.path().join("worker");
    // It joins from its own machine, and is moved behind the relay.
    let joined = running::worker::Worker::start(&home, &network, &["--cluster", "1"]);
    joined.kill();

    let chain = network.connect().await;
    let stream = Stream::begin(
        network.client(0, "//Alice").await,
        network.contract("token"),
        &bundle("token").interface,
        "//Bob",
    );
    stream.wait_for(3).await;

    let relay = Relay::new(network.chain()).await;
    let (url, _server) = relay.clone().serve().await;
    let genesis = phat_worker::beginning(&url, Some(chain.genesis()))
        .await
        .unwrap();
    let (worker, address) = start_worker(&home, genesis, &url).await;
    let served = served(&worker);
    let head = |worker: &Worker| worker.views().borrow().head.number;
    wait_for(&worker, "it serves", View::is_current).await;
    reported(&network, worker.id(), head(&worker), "the truth").await;

    for (what, lie, expected) in LIES {
        log.forget();
        relay.tell(Some(*lie));
        relay.has_lied(what, 1).await;
        log.says(what, expected).await;
        let info = WorkerClient::connect(&address).await.unwrap().info().await;
        info.unwrap_or_else(|error| panic!("{what}: it does not go on serving: {error}"));
        relay.tell(None);
        let height = chain.head().await.unwrap().number as BlockNumber;
        let current = |view: &View| view.head.number > height && view.is_current();
        wait_for(&worker, what, current).await;
        reported(&network, worker.id(), height, what).await;
    }

    stream.stop();
    let cluster = cluster_id(1);
    let mut compared = 0;
    for block in chain.agreed_blocks(cluster).await.unwrap() {
        let agreed = chain.agreed_roots(cluster, block).await.unwrap().unwrap();
        if let Some(roots) = served.lock().unwrap().get(&block) {
            assert_eq!(*roots, agreed, "block {block}");
            compared += 1;
        }
    }
    assert!(compared >= LIES.len(), "{compared}");
    assert_eq!(chain.divergence(worker.id()).await.unwrap(), None);
    assert_eq!(chain.cluster_of(worker.id()).await.unwrap(), Some(cluster));
    worker.stop().await;
}
