//! `/snapshots`: the worker's snapshots, for others that need the state of the cluster. They are
//! encrypted, so everybody may have them. A transfer that was interrupted can be taken up again
//! (`Range: bytes=N-`): connections do not live for ever.

use super::{ServerLimits, Service, ServiceError, error::Failure, routes::RETRY_AFTER};
use crate::snapshot;
use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use phat_primitives::Hash;
use std::{io, sync::Arc};
use tokio::{
    fs::File,
    io::{AsyncSeekExt, SeekFrom},
    sync::Semaphore,
};
use tokio_util::io::ReaderStream;

/// Bytes that are read from the disk at once.
const PIECE_LEN: usize = 64 * 1024;

struct App<T> {
    service: Arc<T>,
    places: Arc<Semaphore>,
}

pub(super) fn router<T: Service, S: Clone + Send + Sync + 'static>(
    service: Arc<T>,
    limits: ServerLimits,
) -> Router<S> {
    let path = snapshot::PATH;
    Router::new()
        .route(&format!("/{path}/{{cluster}}/latest"), get(latest::<T>))
        .route(&format!("/{path}/{{cluster}}/{{root}}"), get(one::<T>))
        .with_state(Arc::new(App {
            service,
            places: Arc::new(Semaphore::new(limits.max_snapshots)),
        }))
}

fn parse(hex: &str) -> Result<Hash, Failure> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(hex, &mut bytes)
        .map_err(|_| Failure::bad_request("malformed", "give 32 bytes as hex, without 0x"))?;
    Ok(Hash::from(bytes))
}

fn missing() -> Failure {
    let message = "there is no such snapshot here: ask for the latest one, or another worker";
    Failure::new(StatusCode::NOT_FOUND, "no-snapshot", message)
}

async fn latest<T: Service>(
    State(app): State<Arc<App<T>>>,
    Path(cluster): Path<String>,
) -> Result<Response, Failure> {
    let latest = app
        .service
        .latest_snapshot(&parse(&cluster)?)
        .ok_or_else(missing)?;
    Ok(format!("{latest}\n").into_response())
}

async fn one<T: Service>(
    State(app): State<Arc<App<T>>>,
    Path((cluster, root)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (cluster, root) = (parse(&cluster)?, parse(&root)?);
    let Ok(place) = app.places.clone().try_acquire_owned() else {
        return Err(ServiceError::Overloaded {
            code: "overloaded",
            retry_after: RETRY_AFTER,
        }
        .into());
    };
    let file = app
        .service
        .open_snapshot(&cluster, &root)
        .ok_or_else(missing)?;
    let internal = |error: io::Error| Failure::from(ServiceError::Internal(Box::new(error)));
    let len = file.metadata().map_err(internal)?.len();
    let mut file = File::from_std(file);
    let (status, from) = match first_byte(&headers) {
        Some(from) if from < len => (StatusCode::PARTIAL_CONTENT, from),
        Some(_) => {
            let message = format_args!("the snapshot has {len} bytes");
            return Err(Failure::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "no-such-range",
                message,
            ));
        }
        None => (StatusCode::OK, 0),
    };
    file.seek(SeekFrom::Start(from)).await.map_err(internal)?;
    let stream = ReaderStream::with_capacity(file, PIECE_LEN);
    // The place is held until the last piece has been sent, or the client is gone.
    let stream = futures::StreamExt::map(stream, move |piece| {
        let _held = &place;
        piece
    });
    let mut response = (status, Body::from_stream(stream)).into_response();
    let headers = response.headers_mut();
    let fixed = header::HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, fixed);
    headers.insert(header::CONTENT_LENGTH, (len - from).into());
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(range) = format!("bytes {from}-{}/{len}", len - 1).parse()
    {
        headers.insert(header::CONTENT_RANGE, range);
    }
    Ok(response)
}

/// The first byte that a client asks for, if it asks for all from some byte on. Other ranges are
/// ignored, which is allowed: it gets everything.
fn first_byte(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(header::RANGE)?.to_str().ok()?;
    range
        .strip_prefix("bytes=")?
        .strip_suffix('-')?
        .parse()
        .ok()
}
