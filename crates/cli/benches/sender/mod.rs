//! Sends Alice's transactions one after the other, without waiting until one is in a block.

use jsonrpsee::{
    core::client::ClientT,
    rpc_params,
    ws_client::{WsClient, WsClientBuilder},
};
use phat_client::{Account, keys::address};
use phat_primitives::Hash;
use phat_runtime::RuntimeCall;
use polkadot_sdk::sp_core::{Pair, sr25519};
use serde_json::Value;

/// A connection to the chain that knows the number of Alice's next transaction.
pub(crate) struct Sender {
    rpc: WsClient,
    pair: sr25519::Pair,
    genesis: Hash,
    nonce: u32,
}

impl Sender {
    pub(crate) async fn connect(chain: &str) -> Self {
        let rpc = WsClientBuilder::default()
            .build(chain)
            .await
            .expect("it answers");
        let genesis: String = rpc
            .request("chain_getBlockHash", rpc_params![0])
            .await
            .expect("it answers");
        let alice = Account::from_suri("//Alice").expect("a development account");
        let nonce = rpc
            .request("system_accountNextIndex", rpc_params![address(&alice.id())])
            .await
            .expect("it answers");
        Self {
            rpc,
            pair: sr25519::Pair::from_string("//Alice", None).expect("a secret"),
            genesis: Hash::from_slice(&hex::decode(&genesis[2..]).expect("hex")),
            nonce,
        }
    }

    pub(crate) async fn send(&mut self, call: impl Into<RuntimeCall>) {
        let extrinsic =
            phat_runtime::signed_extrinsic(&self.pair, call.into(), self.nonce, self.genesis);
        self.nonce += 1;
        let text = format!("0x{}", hex::encode(extrinsic));
        let _: Value = self
            .rpc
            .request("author_submitExtrinsic", rpc_params![text])
            .await
            .expect("it is taken");
    }
}
