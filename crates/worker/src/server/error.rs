//! Why a call fails, and how that looks in HTTP.

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use phat_prpc::{CONTENT_TYPE, Message, PrpcError};
use std::{fmt::Display, time::Duration};

/// Why a method of [`Service`](super::Service) fails. The messages go to the client: they say what
/// to do next, and hold nothing that is secret.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The caller has to change something: the request is garbled, not permitted, or about something
    /// that does not exist.
    #[error("{message}")]
    Refused {
        /// A short constant word by which a program tells causes apart, such as
        /// `unknown-contract`.
        code: &'static str,
        /// What is wrong, and what to do about it.
        message: String,
    },
    /// There is more to do than the worker can.
    #[error("{}", overloaded(.code))]
    Overloaded {
        /// What there is too much of: `overloaded` for the worker as a whole, `contract-overloaded`
        /// for the queries of the contract, `too-many-queries` for those of the caller; `no-credit` if
        /// the worker has too little of the caller's credit.
        code: &'static str,
        /// When to try again.
        retry_after: Duration,
    },
    /// The worker serves nothing at present.
    #[error("{message}")]
    Unavailable {
        /// Why, and what to do about it.
        message: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// Something went wrong inside the worker. The client learns no more than that; the cause goes
    /// into the worker's log.
    #[error("internal error; the worker's log has the cause")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn overloaded(code: &str) -> &'static str {
    match code {
        "contract-overloaded" => {
            "more is asked of this contract than its share of the worker allows; try again later or ask another worker of the cluster"
        }
        "too-many-queries" => "you have asked too much at once; wait for the answers and try again",
        "no-credit" => {
            "this worker has less of your credit than you want to pay, and has asked the chain for more: try again in a few seconds; if that goes on, pay less than one slice, or add to your credit"
        }
        _ => "the worker has too much to do; try again later or ask another worker of the cluster",
    }
}

/// A response that is not the method's message.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    retry_after: Option<Duration>,
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Display) -> Self {
        Self {
            status,
            code,
            message: message.to_string(),
            retry_after: None,
        }
    }

    pub(super) fn bad_request(code: &'static str, message: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        let (status, code, retry_after) = match &error {
            ServiceError::Refused { code, .. } => (StatusCode::BAD_REQUEST, *code, None),
            ServiceError::Overloaded { code, retry_after } => {
                (StatusCode::SERVICE_UNAVAILABLE, *code, Some(*retry_after))
            }
            ServiceError::Unavailable { retry_after, .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                Some(*retry_after),
            ),
            ServiceError::Internal(cause) => {
                tracing::error!(cause = %cause, "a call failed inside the worker");
                (StatusCode::INTERNAL_SERVER_ERROR, "internal", None)
            }
        };
        Self {
            retry_after,
            ..Self::new(status, code, error)
        }
    }
}

impl Failure {
    pub(super) fn code(&self) -> &'static str {
        self.code
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = PrpcError {
            message: self.message,
            code: self.code.to_owned(),
        };
        let mut response = (self.status, success(&body)).into_response();
        if let Some(wait) = self.retry_after {
            // Whole seconds, at least one: 0 would ask clients to come back at once.
            let seconds = wait.as_millis().div_ceil(1_000).max(1);
            let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// A response whose body is `message`.
pub(super) fn success(message: &impl Message) -> Response {
    (
        [
            (header::CONTENT_TYPE, CONTENT_TYPE),
            (header::CACHE_CONTROL, "no-store"),
        ],
        Body::from(message.encode_to_vec()),
    )
        .into_response()
}
