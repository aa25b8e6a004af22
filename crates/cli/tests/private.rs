//! Deployment in private: what shows on the chain, and what does not.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod running;

use jsonrpsee::{
    core::client::ClientT,
    rpc_params,
    ws_client::{WsClient, WsClientBuilder},
};
use phat_client::{
    Account, ClientError, Options,
    chain::Call,
    primitives::{
        command::EncryptedData,
        private::SealedData,
        receipt::{Failure, Success},
    },
};
use running::{clients::bundle, start};
use serde_json::{Value, json};
use std::collections::HashSet;

/// Length of the pieces of a secret that are looked for.
const PIECE: usize = 12;

/// Everything that the chain tells of its blocks from the one after `first` on: header and
/// transactions, events, and what workers are told.
async fn told(chain: &WsClient, first: u64) -> Vec<u8> {
    let events = "0x26aa394eea5630e07c48ae0c9558cef780d41e5e16056765bc8461851072c9d7";
    let mut bytes = Vec::new();
    let mut number = first + 1;
    loop {
        let hash: Value = chain
            .request("chain_getBlockHash", rpc_params![number])
            .await
            .unwrap();
        if hash.is_null() {
            return bytes;
        }
        let block: Value = chain
            .request("chain_getBlock", rpc_params![&hash])
            .await
            .unwrap();
        let happened: Value = chain
            .request("state_getStorage", rpc_params![events, &hash])
            .await
            .unwrap();
        let outbound: Value = chain
            .request("phat_blocks", rpc_params![number, 1])
            .await
            .unwrap();
        assert!(happened.is_string() && outbound["blocks"][0]["outbound"].is_string());
        collect(&json!([block, happened, outbound]), &mut bytes);
        number += 1;
    }
}

/// All strings in a document, those in hex decoded.
fn collect(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::String(text) => match text.strip_prefix("0x").map(hex::decode) {
            Some(Ok(decoded)) => bytes.extend(decoded),
            _ => bytes.extend(text.bytes()),
        },
        Value::Array(values) => values.iter().for_each(|value| collect(value, bytes)),
        Value::Object(values) => values.values().for_each(|value| collect(value, bytes)),
        _ => {}
    }
}

/// Whether a piece of the secret shows. Pieces with few different bytes, such as zeros, say nothing.
fn shows(told: &[u8], secret: &[u8]) -> bool {
    let pieces: HashSet<&[u8]> = secret
        .windows(PIECE)
        .filter(|piece| piece.iter().collect::<HashSet<_>>().len() > PIECE / 2)
        .collect();
    assert!(!pieces.is_empty());
    told.windows(PIECE).any(|piece| pieces.contains(piece))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_private_deployment_but_its_sizes_shows_on_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    let network = start(folder.path(), &["--no-examples"]);
    let rpc = WsClientBuilder::default()
        .max_response_size(64 * 1024 * 1024)
        .build(network.chain())
        .await
        .unwrap();
    let bob = network.client(0, "//Bob").await;
    let token = bundle("token");
    let (code, name) = (token.code().unwrap(), "A name that nobody must read");
    let args = ["987_654_321_987_654_321", name, "SECRETSYMBOL", "12"];
    let constructor = token.interface.constructor("new").unwrap();
    let data = token.interface.encode_call(constructor, &args).unwrap();
    let salt: Vec<u8> = (1..=32).collect();
    let before = bob.chain().head().await.unwrap().number;
    let options = Options {
        private: true,
        salt: Some(salt.clone()),
        ..Options::default()
    };
    let deployed = bob.deploy(&token, "new", &args, &options).await.unwrap();
    let id = deployed.contract;
    assert!(matches!(
        deployed.applied.receipt.outcome,
        Ok(Success::Instantiated(made, _)) if made == id
    ));

    let told_in_private = told(&rpc, before).await;
    for (what, secret) in [
        ("code", code),
        ("arguments", &data),
        ("code hash", &token.code_hash.0),
        ("salt", &salt),
    ] {
        assert!(!shows(&told_in_private, secret), "{what}");
    }
    let known = bob.chain().contract(id).await.unwrap().unwrap();
    assert_eq!(known.code_hash, None);
    assert_eq!(known.deployer, Account::from_suri("//Bob").unwrap().id());
    let infos = bob.worker().contract_info(&[id]).await.unwrap();
    assert_eq!(infos[0].code_hash, "", "anybody can ask for this");
    // It works as any other.
    let supply = bob
        .query(id, &token.interface, "token_name", &[] as &[&str])
        .await
        .unwrap();
    assert!(supply.output.readable().to_string().contains(name));

    // The same in public, to be sure that it would have been found.
    let before = bob.chain().head().await.unwrap().number;
    let options = Options {
        salt: Some(salt.clone()),
        ..Options::default()
    };
    let alice = network.client(0, "//Alice").await;
    alice.upload(&token).await.unwrap();
    alice.deploy(&token, "new", &args, &options).await.unwrap();
    let told_in_public = told(&rpc, before).await;
    for secret in [code, &data, &token.code_hash.0, &salt] {
        assert!(shows(&told_in_public, secret));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_deployment_that_fails_is_explained_to_its_sender_only() {
    let folder = tempfile::tempdir().unwrap();
    let network = start(folder.path(), &["--no-examples", "--workers", "1"]);
    let (bob, alice) = (
        network.client(0, "//Bob").await,
        network.client(0, "//Alice").await,
    );
    let flipper = bundle("flipper");
    let options = Options {
        private: true,
        gas_limit: Some(1_000),
        ..Options::default()
    };
    let failed = bob
        .deploy(&flipper, "new", &["true"], &options)
        .await
        .unwrap();
    let receipt = failed.applied.receipt;
    assert!(
        matches!(&receipt.outcome, Err(Failure::Failed(_))),
        "{receipt:?}"
    );
    assert!(matches!(
        alice.receipt(receipt.number).await,
        Err(ClientError::NoReceipt(_))
    ));
    // Somebody sends what is not sealed to the cluster, or what somebody else has sealed.
    let garbage = Call::UploadPrivate {
        cluster: bob.cluster().id,
        sealed: SealedData {
            epoch: 0,
            data: EncryptedData {
                iv: [1; 12],
                pubkey: [2; 32],
                data: vec![3; 1_000],
            },
        },
    };
    let account = Account::from_suri("//Bob").unwrap();
    let submitted = bob.chain().submit(&account, garbage).await.unwrap();
    let receipt = bob
        .wait_for_receipt(submitted.message.unwrap())
        .await
        .unwrap();
    assert!(
        matches!(receipt.outcome, Err(Failure::Unreadable(_))),
        "{receipt:?}"
    );
}

#[test]
fn the_commands_deploy_in_private_and_know_their_own_contracts() {
    let folder = tempfile::tempdir().unwrap();
    let network = start(folder.path(), &["--no-examples", "--workers", "1"]);
    let user = folder.path().join("user");
    let artifacts = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/artifacts");
    let file = format!("{artifacts}/flipper.contract");
    let uploaded = network.does(&user, &["upload", &file, "--private"]);
    assert_eq!(uploaded["ok"], true);
    let args = ["deploy", &file, "--private", "--constructor", "new", "true"];
    let deployed = network.does(&user, &[&args[..], &["--name", "mine"]].concat());
    let got = network.does(&user, &["query", "mine", "get"]);
    assert_eq!(got["output"], true);
    network.does(&user, &["call", "mine", "flip"]);
    assert_eq!(
        network.does(&user, &["query", "mine", "get"])["output"],
        false
    );
    let contracts = network.does(&user, &["contracts"]);
    let shown = contracts
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["name"] == "mine");
    let shown = shown.unwrap();
    assert_eq!(shown["private"], true);
    assert_eq!(shown["code_hash"], Value::Null);
    // Somebody else needs the bundle.
    let stranger = folder.path().join("stranger");
    let address = deployed["address"].as_str().unwrap();
    let output = network.phat(&stranger, &["query", address, "get"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("--bundle"));
    let got = network.does(&stranger, &["query", address, "get", "--bundle", &file]);
    assert_eq!(got["output"], false);
}
