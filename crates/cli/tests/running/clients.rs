//! Clients of a running network, and what they see, for the tests.

use super::Network;
use phat_client::{Account, Bundle, ChainClient, Client, Output, WorkerClient};
use phat_primitives::{ClusterId, WorkerId};
use serde_json::Value;
use std::{path::Path, time::Duration};

/// The file of a bundle that is committed.
pub(crate) fn artifact(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/artifacts");
    format!("{folder}/{name}.contract")
}

/// A bundle that is committed.
pub(crate) fn bundle(name: &str) -> Bundle {
    let bytes = std::fs::read(artifact(name)).expect("the bundle is committed");
    Bundle::parse(&bytes).expect("it is a bundle")
}

impl Network {
    /// A client of the chain.
    pub(crate) async fn connect(&self) -> ChainClient {
        ChainClient::connect(self.chain())
            .await
            .expect("the chain answers")
    }

    /// A development account's client, which asks the worker of this number.
    pub(crate) async fn client(&self, worker: usize, suri: &str) -> Client {
        self.client_at(&self.worker(worker), suri).await
    }

    /// A development account's client, which asks the worker at this address.
    pub(crate) async fn client_at(&self, worker: &str, suri: &str) -> Client {
        let account = Account::from_suri(suri).expect("a development account");
        Client::connect(self.connect().await, Some(worker), None, account)
            .await
            .expect("the worker is in the cluster")
    }

    /// What a command of `phat` that works answers to a user whose own folder this is.
    pub(crate) fn does(&self, folder: &Path, args: &[&str]) -> Value {
        let output = self.phat(folder, args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// The workers of a cluster.
    pub(crate) async fn members(&self, cluster: ClusterId) -> Vec<WorkerId> {
        let members = self.connect().await.cluster_workers(cluster).await;
        members.expect("the chain answers")
    }

    /// What the worker at this address says that Bob has of the token.
    pub(crate) async fn balance_of_bob(&self, worker: &str) -> String {
        let client = self.client_at(worker, "//Alice").await;
        let (token, api) = (self.contract("token"), bundle("token").interface);
        let answer = client.query(token, &api, "balance_of", &["//Bob"]).await;
        match answer.expect("an answer").output {
            Output::Value(value) => value.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

/// Waits until something is there.
pub(crate) async fn found<T>(what: &str, mut find: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = find().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("never: {what}");
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    found(what, async || so().await.then_some(())).await;
}

/// The root of the state of the worker at this address.
pub(crate) async fn state_root(worker: &str) -> String {
    let client = WorkerClient::connect(worker).await.expect("it answers");
    client.info().await.expect("it answers").state_root
}

/// Waits until the workers at these addresses have the same state, and says which.
pub(crate) async fn agree(one: &str, other: &str) -> String {
    found("the workers agree", async || {
        let root = state_root(one).await;
        (!root.is_empty() && root == state_root(other).await).then_some(root)
    })
    .await
}
