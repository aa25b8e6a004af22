//! Connections: how many, for how long, and how they end.

use super::{ServerLimits, Service, routes};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{future::Future, pin::pin, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};

/// Pause after a failed `accept`, which means that the process has run out of descriptors: without
/// it the loop would turn idly until some connection ends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `service` on `listener` until `shutdown` is ready and the requests under way have ended or
/// used up [`ServerLimits::shutdown_grace`].
pub async fn serve<S: Service>(
    listener: TcpListener,
    service: Arc<S>,
    limits: ServerLimits,
    shutdown: impl Future<Output = ()> + Send,
) {
    let router = routes::router(service, limits);
    let places = Arc::new(Semaphore::new(limits.max_connections));
    // Nothing is ever sent: that the sender is gone tells the connections to finish.
    let (stop, stopped) = watch::channel(());
    let mut shutdown = pin!(shutdown);
    loop {
        let next = async {
            // The semaphore is never closed, so there always is a place some time.
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, router.clone(), limits, stopped.clone());
                tokio::spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    drop(stop);
    // All places are free again when all connections have ended.
    let all = u32::try_from(limits.max_connections).unwrap_or(u32::MAX);
    let _ = places.acquire_many(all).await;
}

async fn connection(
    stream: TcpStream,
    router: Router,
    limits: ServerLimits,
    mut stopped: watch::Receiver<()>,
) {
    // Answers are small and wanted at once. If the option cannot be set they are only later.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.max_head)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let grace = tokio::select! {
        // What a connection fails with is the client's doing: it went away or does not speak HTTP.
        _ = &mut connection => return,
        () = sleep(limits.connection_age) => limits.query_timeout,
        _ = stopped.changed() => limits.shutdown_grace,
    };
    connection.as_mut().graceful_shutdown();
    let _ = timeout(grace, connection).await;
}
