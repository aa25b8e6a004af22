//! The beginning of trust: the first block, and who finalises those after it.

use crate::{
    log::Log,
    relay::{Lie, Lied, Relay, bend},
    running,
};
use phat_primitives::Hash;
use serde_json::json;

/// What the relay does, and what somebody is told who wants to begin with it.
const LIES: &[(&str, Lied, &str)] = &[
    (
        "the first block is another one",
        (
            "phat_blocks",
            Lie::Answer(|answer, _| bend(&mut answer["blocks"][0]["header"])),
        ),
        "it is another chain",
    ),
    (
        "the first block is a later one",
        (
            "phat_blocks",
            Lie::Question(|params, _| params[0] = 1.into()),
        ),
        "it is another chain",
    ),
    (
        "there is no first block",
        (
            "phat_blocks",
            Lie::Invention(|| json!({ "blocks": [], "justification": null, "finalized": 9 })),
        ),
        "not in the form it must have",
    ),
    (
        "it is not proven who finalises",
        (
            "state_getReadProof",
            Lie::Answer(|answer, _| answer["proof"] = json!([])),
        ),
        "it is not proven who finalises the blocks",
    ),
    (
        "the authorities are altered",
        (
            "state_getReadProof",
            Lie::Answer(|answer, _| {
                let proof = answer["proof"].as_array_mut().unwrap();
                proof.iter_mut().for_each(bend);
            }),
        ),
        "it is not proven who finalises the blocks",
    ),
    (
        "the proof is of something else",
        (
            "state_getReadProof",
            Lie::Question(|params, _| params[0] = json!(["0x3a636f6465"])),
        ),
        "it is not proven who finalises the blocks",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn nobody_begins_with_what_a_relay_makes_up() {
    let _log = Log::take().await;
    let folder = tempfile::tempdir().unwrap();
    let network = running::start(folder.path(), &["--workers", "1"]);
    let genesis = network.connect().await.genesis();
    let relay = Relay::new(network.chain()).await;
    let (url, _server) = relay.clone().serve().await;
    let good = phat_worker::beginning(&url, Some(genesis)).await.unwrap();
    for (what, lie, expected) in LIES {
        relay.tell(Some(*lie));
        let error = phat_worker::beginning(&url, Some(genesis))
            .await
            .unwrap_err();
        assert!(error.to_string().contains(expected), "{what}: {error}");
    }
    relay.tell(None);
    let again = phat_worker::beginning(&url, Some(genesis)).await.unwrap();
    assert_eq!(again, good);
    let other = Some(Hash::repeat_byte(1));
    let error = phat_worker::beginning(&url, other).await.unwrap_err();
    assert!(error.to_string().contains("it is another chain"), "{error}");
}
