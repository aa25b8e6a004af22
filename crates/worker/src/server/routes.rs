//! From a request to a method of the service and back.

use super::{
    ServerLimits, Service, ServiceError,
    error::{Failure, success},
    snapshots,
};
use crate::{handover, metrics::Page};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    extract::State,
    http::{self, HeaderName, HeaderValue, StatusCode, Uri, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http_body_util::BodyExt;
use phat_crypto::rand_core::{OsRng, RngCore};
use phat_prpc::{Empty, GetContractInfoRequest, Message, Method};
use std::{
    any::Any,
    collections::BTreeMap,
    fmt::Display,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{self, CorsLayer},
};
use tracing::Instrument;

/// A body that is larger than permitted is read to its end, up to this many times the limit, and
/// thrown away: a client that is still sending does not read the error.
const DISCARD_FACTOR: usize = 4;

/// Names a request, in its answer and in the worker's log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Bytes of a request's name that a client may choose.
const MAX_REQUEST_ID: usize = 64;
/// When a client should try again that came while as many requests of its kind as may be were in hand.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The routes of a worker, which [`serve`](super::serve) puts behind its connections. Clients run in
/// web pages of any origin. `connections` has a permit for each connection that may still come.
pub fn router<S: Service>(
    service: Arc<S>,
    limits: ServerLimits,
    connections: Arc<Semaphore>,
) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(cors::Any)
        .allow_methods([http::Method::GET, http::Method::POST])
        .allow_headers(cors::Any)
        .expose_headers([header::RETRY_AFTER, REQUEST_ID]);
    Router::new()
        .route("/health", get(health::<S>))
        .merge(snapshots::router(service.clone(), limits))
        .route("/metrics", get(metrics::<S>))
        .route(handover::PATH, post(hand_over::<S>))
        .fallback(call::<S>)
        // As one layer, the outermost first: each costs every request an allocation or two.
        .layer((cors, from_fn(named), CatchPanicLayer::custom(panicked)))
        .with_state(Arc::new(App {
            service,
            limits,
            places: Semaphore::new(limits.max_running.saturating_add(limits.max_waiting)),
            connections,
            calls: Mutex::default(),
        }))
}

struct App<S> {
    service: Arc<S>,
    limits: ServerLimits,
    /// A place for each query that runs or waits. Who computes when is the service's business; this
    /// bounds what a query costs before it knows.
    places: Semaphore,
    connections: Arc<Semaphore>,
    /// Calls that have ended, by method and code.
    calls: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
}

/// Names the request, so that its answer and what the log says of it can be found together.
async fn named(request: Request, next: Next) -> Response {
    let given = request.headers().get(REQUEST_ID).filter(|id| {
        let visible = id.as_bytes().iter().all(u8::is_ascii_graphic);
        visible && (1..=MAX_REQUEST_ID).contains(&id.len())
    });
    let id = match given {
        Some(id) => id.clone(),
        None => {
            let mut bytes = [0; 8];
            OsRng.fill_bytes(&mut bytes);
            // Hex fits into a header.
            HeaderValue::from_str(&hex::encode(bytes)).unwrap_or(HeaderValue::from_static("-"))
        }
    };
    let path = request.uri().path().to_owned();
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or_default(), path);
    let begun = Instant::now();
    let mut response = async {
        let response = next.run(request).await;
        tracing::info!(
            status = response.status().as_u16(),
            microseconds = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
            "answered"
        );
        response
    }
    .instrument(span)
    .await;
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

async fn metrics<S: Service>(State(app): State<Arc<App<S>>>) -> Response {
    let mut page = Page::default();
    let name = "phat_calls_total";
    page.family(
        name,
        "counter",
        "Calls that have ended, by method and by the code of the error.",
    );
    let calls = app.calls.lock().unwrap_or_else(PoisonError::into_inner);
    for ((method, code), count) in calls.iter() {
        page.sample(name, &[("method", method), ("code", code)], count);
    }
    drop(calls);
    let open = app
        .limits
        .max_connections
        .saturating_sub(app.connections.available_permits());
    page.single("phat_connections", "gauge", "Connections of clients.", open);
    app.service.metrics(&mut page);
    let kind = "text/plain; version=0.0.4";
    ([(header::CONTENT_TYPE, kind)], page.text()).into_response()
}

async fn health<S: Service>(State(app): State<Arc<App<S>>>) -> Response {
    match app.service.health() {
        Ok(()) => "ok\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn hand_over<S: Service>(
    State(app): State<Arc<App<S>>>,
    body: Body,
) -> Result<Response, Failure> {
    let request = app.read(body, handover::MAX_REQUEST_LEN).await?;
    let answer = app.admit(app.service.handover(&request)).await?;
    Ok(answer.into_response())
}

async fn call<S: Service>(
    State(app): State<Arc<App<S>>>,
    uri: Uri,
    verb: http::Method,
    body: Body,
) -> Result<Response, Failure> {
    let name = uri.path().strip_prefix("/prpc/").unwrap_or_default();
    let (method, answer) = match name.parse::<Method>() {
        Ok(method) => (method.name(), app.serve(method, verb, body).await),
        Err(unknown) => {
            let failure = Failure::new(StatusCode::NOT_FOUND, "unknown-method", unknown);
            ("unknown", Err(failure))
        }
    };
    let code = answer.as_ref().err().map_or("ok", Failure::code);
    let mut calls = app.calls.lock().unwrap_or_else(PoisonError::into_inner);
    *calls.entry((method, code)).or_default() += 1;
    drop(calls);
    answer
}

/// Whether the request of a method is [`Empty`], so that a person can open it in a browser.
fn takes_nothing(method: Method) -> bool {
    match method {
        Method::GetInfo | Method::GetEndpointInfo | Method::GetClusterInfo => true,
        Method::GetRuntimeInfo
        | Method::ContractQuery
        | Method::GetContractInfo
        | Method::Receipt
        | Method::ReceiptProof => false,
    }
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Failure::from(ServiceError::Internal(format!("panic: {message}").into())).into_response()
}

fn malformed(message: impl Display) -> Failure {
    Failure::bad_request("malformed", message)
}

fn decode<M: Message + Default>(request: Bytes) -> Result<M, Failure> {
    M::decode(request).map_err(|error| {
        malformed(format_args!(
            "the request is not the message expected: {error}"
        ))
    })
}

impl<S: Service> App<S> {
    async fn serve(
        &self,
        method: Method,
        verb: http::Method,
        body: Body,
    ) -> Result<Response, Failure> {
        if verb == http::Method::POST {
            let request = self.read(body, self.limits.max_body).await?;
            self.call(method, request).await
        } else if verb == http::Method::GET && takes_nothing(method) {
            self.call(method, Bytes::new()).await
        } else {
            Err(Failure::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "use-post",
                format_args!("send the request of {method} with POST"),
            ))
        }
    }

    /// Reads a body within the limits of size and time.
    async fn read(&self, body: Body, most: usize) -> Result<Bytes, Failure> {
        timeout(self.limits.body_timeout, collect(body, most))
            .await
            .unwrap_or_else(|_| {
                let message = "the body of the request came too slowly; send it again";
                Err(Failure::bad_request("too-slow", message))
            })
    }

    /// Calls a method with an encoded request.
    async fn call(&self, method: Method, request: Bytes) -> Result<Response, Failure> {
        let service = &*self.service;
        Ok(match method {
            Method::GetInfo => {
                decode::<Empty>(request)?;
                success(&service.info())
            }
            Method::GetRuntimeInfo => {
                success(&self.admit(service.runtime_info(decode(request)?)).await?)
            }
            Method::GetEndpointInfo => {
                decode::<Empty>(request)?;
                success(&service.endpoint_info()?)
            }
            Method::ContractQuery => {
                success(&self.admit(service.contract_query(decode(request)?)).await?)
            }
            Method::GetContractInfo => {
                let request: GetContractInfoRequest = decode(request)?;
                let most = self.limits.max_contract_ids;
                if request.contracts.len() > most {
                    let message = format_args!("ask for at most {most} contracts at once");
                    return Err(Failure::bad_request("too-large", message));
                }
                success(&service.contract_info(request)?)
            }
            Method::GetClusterInfo => {
                decode::<Empty>(request)?;
                success(&service.cluster_info()?)
            }
            Method::Receipt => success(&self.admit(service.receipt(decode(request)?)).await?),
            Method::ReceiptProof => {
                success(&self.admit(service.receipt_proof(decode(request)?)).await?)
            }
        })
    }

    /// Lets the service answer a query in time, unless too many are in hand already.
    async fn admit<M>(
        &self,
        query: impl Future<Output = Result<M, ServiceError>>,
    ) -> Result<M, Failure> {
        let Ok(_place) = self.places.try_acquire() else {
            let overloaded = ServiceError::Overloaded {
                code: "overloaded",
                retry_after: RETRY_AFTER,
            };
            return Err(overloaded.into());
        };
        match timeout(self.limits.query_timeout, query).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(Failure::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "timeout",
                "the query took too long; ask for less at once",
            )),
        }
    }
}

async fn collect(mut body: Body, max: usize) -> Result<Bytes, Failure> {
    let mut bytes = Vec::new();
    let mut received = 0usize;
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|_| malformed("the body of the request ended early; send it again"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        received = received.saturating_add(data.len());
        if received <= max {
            bytes.extend_from_slice(&data);
        } else if received > max.saturating_mul(DISCARD_FACTOR) {
            break;
        }
    }
    if received > max {
        let message = format_args!("the request has more than {max} bytes");
        return Err(Failure::bad_request("too-large", message));
    }
    Ok(bytes.into())
}
