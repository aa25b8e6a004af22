//! Connections: how many, for how long, and how they end.

use super::{ServerLimits, Service, Tls, routes};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{
    collections::HashMap,
    future::Future,
    net::{IpAddr, Ipv6Addr},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};

/// Pause after a failed `accept`, which means that the process has run out of descriptors: without
/// it the loop would turn idly until some connection ends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `service` on `listener`, with TLS if there is a certificate, until `shutdown` is ready and the requests under way have ended or
/// used up [`ServerLimits::shutdown_grace`].
pub async fn serve<S: Service>(
    listener: TcpListener,
    service: Arc<S>,
    limits: ServerLimits,
    tls: Option<Tls>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let router = routes::router(service, limits, places.clone());
    let addresses = Arc::new(Addresses::default());
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
            Ok((stream, peer)) => {
                let most = limits.max_connections_per_address;
                let Some(from) = Addresses::enter(&addresses, peer.ip(), most) else {
                    continue;
                };
                let connection =
                    connection(stream, tls.clone(), router.clone(), limits, stopped.clone());
                tokio::spawn(async move {
                    connection.await;
                    drop((place, from));
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

/// How many connections there are from each address.
#[derive(Default)]
struct Addresses(Mutex<HashMap<IpAddr, usize>>);

/// A connection counted towards its address.
struct From {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Addresses {
    /// Counts a connection, unless there are `most` from its address.
    fn enter(this: &Arc<Self>, address: IpAddr, most: usize) -> Option<From> {
        let address = network(address);
        let mut counts = this.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= most.max(1) {
            return None;
        }
        *count += 1;
        Some(From {
            addresses: this.clone(),
            address,
        })
    }
}

impl Drop for From {
    fn drop(&mut self) {
        let counts = self.addresses.0.lock();
        let mut counts = counts.unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// What counts as one address: providers give a customer 2^64 of the sixth version.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

async fn connection(
    stream: TcpStream,
    tls: Option<Tls>,
    router: Router,
    limits: ServerLimits,
    stopped: watch::Receiver<()>,
) {
    // Answers are small and wanted at once. If the option cannot be set they are only later.
    let _ = stream.set_nodelay(true);
    match tls {
        None => speak(stream, router, limits, stopped).await,
        Some(Tls(acceptor)) => {
            // Who does not finish the handshake in time is cut off like who sends no head.
            if let Ok(Ok(stream)) = timeout(limits.head_timeout, acceptor.accept(stream)).await {
                speak(stream, router, limits, stopped).await;
            }
        }
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    limits: ServerLimits,
    mut stopped: watch::Receiver<()>,
) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_number_of_connections_and_gets_them_back() {
        let addresses = Arc::new(Addresses::default());
        let enter = |address: &str| Addresses::enter(&addresses, address.parse().unwrap(), 2);
        let first = enter("2001:db8::1");
        let second = enter("2001:db8::2");
        assert!(first.is_some() && second.is_some());
        assert!(enter("2001:db8::3").is_none(), "the same network");
        assert!(enter("2001:db8:0:1::1").is_some());
        let mapped = enter("::ffff:192.0.2.1");
        let plain = enter("192.0.2.1");
        assert!(mapped.is_some() && plain.is_some() && enter("192.0.2.1").is_none());
        drop(first);
        assert!(enter("2001:db8::3").is_some());
        drop((second, mapped, plain));
        assert!(addresses.0.lock().unwrap().is_empty());
    }
}
