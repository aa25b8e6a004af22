//! Why a request of a contract fails.

use super::Reach;
use std::error::Error;

/// Why a request of a contract failed. The names are those of Pink's `HttpRequestError`, which has
/// no `Unreachable`: to a contract that is a response with status 523.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The URL cannot be read, is too long, or is neither `http` nor `https`.
    #[error("invalid URL: {0}")]
    InvalidUrl(String),
    /// The method is not one that a contract can use.
    #[error("invalid method: use a token such as GET or POST, and not CONNECT")]
    InvalidMethod,
    /// A header's name has characters that names cannot have.
    #[error("invalid header name")]
    InvalidHeaderName,
    /// A header's value has characters that values cannot have.
    #[error("invalid value of the header {0}")]
    InvalidHeaderValue(String),
    /// The worker could not prepare to make requests at all.
    #[error("cannot prepare HTTP requests")]
    FailedToCreateClient(#[source] reqwest::Error),
    /// The time is up.
    #[error("the request took too long")]
    Timeout,
    /// The request is one that this worker does not make.
    #[error("not allowed: {0}")]
    NotAllowed(String),
    /// Too many requests were under way the whole time.
    #[error("too many requests at once; try again later")]
    TooManyRequests,
    /// The server could not be reached, what it said is not HTTP, or it redirected without end.
    #[error("the server could not be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The response broke off.
    #[error("the response broke off")]
    NetworkError(#[source] reqwest::Error),
    /// The response is larger than permitted.
    #[error("the response has more than {most} bytes")]
    ResponseTooLarge {
        /// The limit.
        most: usize,
    },
}

/// An address that contracts may not talk to.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{host} is {reach}, which contracts may not reach from this worker")]
pub(super) struct Refused {
    pub(super) host: String,
    pub(super) reach: Reach,
}

impl From<Refused> for EgressError {
    fn from(refused: Refused) -> Self {
        Self::NotAllowed(refused.to_string())
    }
}

impl EgressError {
    /// Why there is no response. A refusal that was made while connecting or redirecting is somewhere
    /// among the causes.
    pub(super) fn no_response(error: reqwest::Error) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(current) = cause {
            if let Some(refused) = current.downcast_ref::<Refused>() {
                return refused.clone().into();
            }
            cause = current.source();
        }
        Self::Unreachable(error)
    }
}
