//! Eras on a network: workers go where the stake is, and serve there with the right state.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod running;

use jsonrpsee::{core::client::ClientT, rpc_params, ws_client::WsClientBuilder};
use pallet_phat_economy::{Call as Economy, Settings};
use phat_client::WorkerClient;
use phat_primitives::{ClusterId, WorkerId, ids::cluster_id};
use phat_runtime::{PHA, RuntimeCall, presets, signed_extrinsic};
use polkadot_sdk::{
    pallet_sudo, pallet_utility,
    sp_core::{Pair, sr25519},
};
use running::{Network, clients::until, start};

type Calls = pallet_phat_economy::Call<phat_runtime::Runtime>;
type Clusters = pallet_phat_clusters::Call<phat_runtime::Runtime>;

/// Milliseconds of an era, long enough for workers to move in.
const ERA_MS: u64 = 6_000;

fn as_root(call: Calls) -> RuntimeCall {
    let call = Box::new(call.into());
    pallet_sudo::Call::sudo { call }.into()
}

/// Alice sends all of these, or none.
async fn send(network: &Network, calls: Vec<RuntimeCall>) {
    let chain = network.connect().await;
    let rpc = WsClientBuilder::default()
        .build(network.chain())
        .await
        .unwrap();
    let alice = sr25519::Pair::from_string("//Alice", None).unwrap();
    let address = presets::DEVELOPMENT_ACCOUNTS[0].to_account_id().to_string();
    let nonce: u32 = rpc
        .request("system_accountNextIndex", rpc_params![address])
        .await
        .unwrap();
    let batch = pallet_utility::Call::batch_all { calls };
    let bytes = signed_extrinsic(&alice, batch.into(), nonce, chain.genesis());
    let bytes = format!("0x{}", hex::encode(bytes));
    let _: String = rpc
        .request("author_submitExtrinsic", rpc_params![bytes])
        .await
        .unwrap();
}

/// The address of a worker.
async fn url(network: &Network, worker: WorkerId) -> String {
    let chain = network.connect().await;
    chain.endpoints(worker).await.unwrap().remove(0)
}

/// Waits until a worker has the state that the cluster has agreed on last, which has been told to the
/// chain.
async fn serves(network: &Network, worker: WorkerId, cluster: ClusterId) {
    let chain = network.connect().await;
    let url = url(network, worker).await;
    until("the worker has the state of its cluster", async || {
        let Some(block) = chain.agreed_blocks(cluster).await.unwrap().pop() else {
            return false;
        };
        let agreed = chain.agreed_roots(cluster, block).await.unwrap();
        let Ok(client) = WorkerClient::connect(&url).await else {
            return false;
        };
        let Ok(info) = client.info().await else {
            return false;
        };
        agreed.is_some_and(|agreed| info.state_root.contains(&hex::encode(agreed.state_root)))
    })
    .await;
}

/// What a worker says that Bob has of the token.
async fn balance_of_bob(network: &Network, worker: WorkerId) -> String {
    network.balance_of_bob(&url(network, worker).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_go_where_the_stake_is_and_come_back_with_the_state() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--block-time", "0.2", "--workers", "4"];
    let network = start(folder.path(), &options);
    let (general, other) = (cluster_id(1), cluster_id(2));
    let workers = network.members(general).await;
    assert_eq!(workers.len(), 4);
    let before = balance_of_bob(&network, workers[0]).await;

    let mut settings = Settings::default();
    settings.parameters.reserved = 0;
    settings.era_ms = ERA_MS;
    settings.heartbeat_ms = ERA_MS;
    settings.handover_ms = 60_000;
    let mut calls: Vec<RuntimeCall> = workers
        .iter()
        .map(|worker| {
            Economy::activate {
                worker: *worker,
                deposit: 10 * PHA,
            }
            .into()
        })
        .collect();
    calls.push(as_root(Economy::set_settings { settings }));
    calls.push(as_root(Economy::set_general_cluster { cluster: general }));
    calls.push(as_root(Economy::start_eras {}));
    let create = Clusters::add_cluster {
        permission: pallet_phat_clusters::ClusterPermission::Public,
        workers: Vec::new().try_into().unwrap(),
        gas_price: 1,
        deposit_per_item: 1,
        deposit_per_byte: 1,
        treasury_account: presets::DEVELOPMENT_ACCOUNTS[0].to_account_id(),
    };
    calls.push(create.into());
    // Two workers of one power fit into a little more than half of all.
    let stake = Economy::stake {
        cluster: other,
        amount: 100 * PHA,
    };
    calls.push(stake.into());
    send(&network, calls).await;

    // All power belongs to the one cluster that has stake, and all workers but those that it cannot
    // take before it has the state: it is new, so nobody has to wait but for the state of the old one.
    until("three workers have moved", async || {
        network.members(other).await.len() >= 3
    })
    .await;
    for worker in network.members(other).await {
        serves(&network, worker, other).await;
    }
    let stayed = network.members(general).await;
    assert_eq!(stayed.len(), 1, "the last one keeps the state");
    assert_eq!(balance_of_bob(&network, stayed[0]).await, before);

    let back = Economy::unstake {
        cluster: other,
        amount: 100 * PHA,
    };
    send(&network, vec![back.into()]).await;
    until("the workers are back", async || {
        network.members(general).await.len() >= 3
    })
    .await;
    for worker in network.members(general).await {
        serves(&network, worker, general).await;
        assert_eq!(balance_of_bob(&network, worker).await, before);
    }
    // Whoever has served has earned.
    let pay = workers.iter().map(|worker| {
        let (worker, amount) = (*worker, None);
        Economy::payout { worker, amount }.into()
    });
    send(&network, pay.collect()).await;
}
