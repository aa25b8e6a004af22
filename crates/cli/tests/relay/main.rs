//! A worker that is fed by a relay it must not believe: whatever the relay makes of what the chain says,
//! the worker applies, serves and reports nothing wrong, goes on serving, and goes on when it hears
//! the truth.

#![allow(
    clippy::unwrap_used,
    reason = "the whole file is a test, which stops at the first thing that is not as it should be"
)]

mod beginning;
mod headers;
mod log;
mod member;
mod relay;
#[path = "../running/mod.rs"]
mod running;

use phat_follower::Genesis;
use phat_primitives::AccountId;
use phat_worker::{
    Config, Engines, Platform, SnapshotConfig, SoftwareAttester, Worker, egress::EgressConfig,
    server::ServerLimits,
};
use std::path::Path;

/// Starts a worker in this process, and says where it serves.
async fn start_worker(folder: &Path, genesis: Genesis, chain: &str) -> (Worker, String) {
    std::fs::create_dir_all(folder).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let config = Config {
        directory: folder.to_owned(),
        chain: chain.to_owned(),
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
