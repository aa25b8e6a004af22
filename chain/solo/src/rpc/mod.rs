//! The JSON-RPC interface: the methods of a Substrate node that subxt and
//! polkadot.js use, by the same names and with the same answers, and those with
//! which workers follow the chain.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use jsonrpsee::RpcModule;
use jsonrpsee::core::{RegisterMethodError, SubscriptionError};
use jsonrpsee::server::{
    BatchRequestConfig, PingConfig, Server, ServerConfig, ServerHandle, SubscriptionSink,
};
use polkadot_sdk::*;
use serde::Serialize;
use serde_json::json;
use tower::ServiceBuilder;
use tower_http::cors::{self, CorsLayer};

use sp_core::Bytes;

use crate::limits;
use crate::service::{Head, Service};

mod author;
mod chain;
mod error;
mod follow;
mod state;
mod system;

use author::AuthorServer;
use chain::ChainServer;
use follow::FollowServer;
use state::StateServer;
use system::SystemServer;

/// What each part of the interface works with.
#[derive(Clone)]
struct Api(Arc<Service>);

/// Starts serving on `listener`.
pub(crate) fn serve(listener: TcpListener, service: Arc<Service>) -> std::io::Result<ServerHandle> {
    let config = ServerConfig::builder()
        .max_connections(limits::RPC_CONNECTIONS)
        .max_request_body_size(limits::RPC_REQUEST_BYTES)
        .max_response_body_size(limits::RPC_RESPONSE_BYTES)
        .max_subscriptions_per_connection(limits::RPC_SUBSCRIPTIONS)
        .set_message_buffer_capacity(limits::RPC_BUFFERED_MESSAGES)
        .set_batch_request_config(BatchRequestConfig::Limit(limits::RPC_BATCH))
        // Finds connections whose other end is gone without having said so.
        .enable_ws_ping(PingConfig::new().ping_interval(Duration::from_secs(30)))
        .build();
    // Clients run in web pages too. What they can do here, everybody can who reaches the port.
    let cors = CorsLayer::new()
        .allow_origin(cors::Any)
        .allow_headers(cors::Any)
        .allow_methods(cors::Any);
    let server = Server::builder()
        .set_config(config)
        .set_http_middleware(ServiceBuilder::new().layer(cors))
        .build_from_tcp(listener)?;
    let methods = methods(service).map_err(std::io::Error::other)?;
    Ok(server.start(methods))
}

/// All methods.
pub(crate) fn methods(service: Arc<Service>) -> Result<RpcModule<()>, RegisterMethodError> {
    let api = Api(service);
    let mut module = RpcModule::new(());
    module.merge(AuthorServer::into_rpc(api.clone()))?;
    module.merge(ChainServer::into_rpc(api.clone()))?;
    module.merge(FollowServer::into_rpc(api.clone()))?;
    module.merge(StateServer::into_rpc(api.clone()))?;
    module.merge(SystemServer::into_rpc(api))?;
    let mut names: Vec<&str> = module.method_names().chain(["rpc_methods"]).collect();
    names.sort_unstable();
    let answer = json!({ "methods": names });
    module.register_method("rpc_methods", move |_, (), _| answer.clone())?;
    Ok(module)
}

impl Api {
    /// Sends what `item` makes of each block to `sink`, from the newest on and
    /// without gaps, until the client leaves or `item` fails.
    async fn follow<T: Serialize>(
        &self,
        sink: &SubscriptionSink,
        mut item: impl FnMut(Head) -> Result<Option<T>, SubscriptionError>,
    ) -> Result<(), SubscriptionError> {
        let mut heads = self.0.heads();
        let mut sent: Option<u32> = None;
        loop {
            let newest = *heads.borrow_and_update();
            for number in sent.map_or(newest.number, |sent| sent + 1)..=newest.number {
                let hash = if number == newest.number {
                    newest.hash
                } else {
                    self.0.store.hash(number)?.unwrap_or_default()
                };
                if let Some(item) = item(Head { number, hash })?
                    && !send(sink, &item).await?
                {
                    return Ok(());
                }
                sent = Some(number);
            }
            tokio::select! {
                () = sink.closed() => return Ok(()),
                changed = heads.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }
}

/// Sends `item`; `false` if the client has left.
async fn send(sink: &SubscriptionSink, item: &impl Serialize) -> Result<bool, SubscriptionError> {
    let message = serde_json::value::to_raw_value(item)?;
    Ok(sink.send(message).await.is_ok())
}

/// Bytes as they stand in JSON.
fn hex(bytes: impl Into<Vec<u8>>) -> Bytes {
    Bytes(bytes.into())
}
