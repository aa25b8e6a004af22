//! From a request to a method of the service and back.

use super::{
    ServerLimits, Service, ServiceError,
    error::{Failure, success},
    snapshots,
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{self, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use http_body_util::BodyExt;
use phat_prpc::{Empty, GetContractInfoRequest, Message, Method};
use std::{any::Any, fmt::Display, future::Future, sync::Arc};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{self, CorsLayer},
};

/// A body that is larger than permitted is read to its end, up to this many times the limit, and
/// thrown away: a client that is still sending does not read the error.
const DISCARD_FACTOR: usize = 4;

/// The routes of a worker. Clients run in web pages of any origin.
pub(super) fn router<S: Service>(service: Arc<S>, limits: ServerLimits) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(cors::Any)
        .allow_methods([http::Method::GET, http::Method::POST])
        .allow_headers(cors::Any)
        .expose_headers([header::RETRY_AFTER]);
    Router::new()
        .route("/health", get(health::<S>))
        .merge(snapshots::router(service.clone(), limits))
        .fallback(call::<S>)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(cors)
        .with_state(Arc::new(App {
            service,
            limits,
            places: Semaphore::new(limits.max_running.saturating_add(limits.max_waiting)),
            running: Semaphore::new(limits.max_running),
        }))
}

struct App<S> {
    service: Arc<S>,
    limits: ServerLimits,
    /// A place for each query that runs or waits.
    places: Semaphore,
    /// A place for each query that runs.
    running: Semaphore,
}

async fn health<S: Service>(State(app): State<Arc<App<S>>>) -> Response {
    match app.service.health() {
        Ok(()) => "ok\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn call<S: Service>(
    State(app): State<Arc<App<S>>>,
    uri: Uri,
    verb: http::Method,
    body: Body,
) -> Result<Response, Failure> {
    let name = uri.path().strip_prefix("/prpc/").unwrap_or_default();
    match name.parse::<Method>() {
        Ok(method) => app.serve(method, verb, body).await,
        Err(unknown) => Err(Failure::new(
            StatusCode::NOT_FOUND,
            "unknown-method",
            unknown,
        )),
    }
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
            let request = self.read(body).await?;
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
    async fn read(&self, body: Body) -> Result<Bytes, Failure> {
        timeout(
            self.limits.body_timeout,
            collect(body, self.limits.max_body),
        )
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

    /// Runs a query when its turn comes, unless too many wait already.
    async fn admit<M>(
        &self,
        query: impl Future<Output = Result<M, ServiceError>>,
    ) -> Result<M, Failure> {
        let retry_after = self.limits.retry_after;
        let overloaded = ServiceError::Overloaded { retry_after };
        let deadline = Instant::now() + self.limits.query_timeout;
        let Ok(_place) = self.places.try_acquire() else {
            return Err(overloaded.into());
        };
        let Ok(Ok(_turn)) = timeout_at(deadline, self.running.acquire()).await else {
            return Err(overloaded.into());
        };
        match timeout_at(deadline, query).await {
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
