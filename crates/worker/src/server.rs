//! The HTTP service of one worker: pRPC for clients, `/health` and `/metrics` for operators,
//! `/snapshots` for other workers.
//!
//! This part knows HTTP and limits, and nothing of contracts: what a method does is behind
//! [`Service`]. Everybody on the internet can connect here, so nothing that a stranger sends may
//! stop the process, hold a connection for ever, or take more memory than [`ServerLimits`] allows.
//!
//! | a call ends with | status | code in the body |
//! |---|---|---|
//! | the response message | 200 | |
//! | a request that cannot be read | 400 | `malformed`, `too-large`, `too-slow` |
//! | a request that the worker refuses | 400 | as the service says |
//! | a method that does not exist | 404 | `unknown-method` |
//! | GET for a method that takes an argument | 405 | `use-post` |
//! | an error or panic in the worker | 500 | `internal` |
//! | an answer that took too long | 500 | `timeout` |
//! | too many queries at once | 503, `Retry-After` | `overloaded`, `contract-overloaded`, `too-many-queries` |
//! | a worker that cannot serve at present | 503, `Retry-After` | `unavailable` |
//!
//! The body of every error is a [`PrpcError`](phat_prpc::PrpcError). Clients in the field read it
//! with status 400 and 500 only, which is why those two stand for most causes and the code tells
//! them apart.
//!
//! Every answer has the header `x-request-id`: the one of the request, or one that is made up. Lines
//! of the worker's log that are about the request bear it.

mod error;
mod limits;
mod listener;
mod routes;
mod service;
mod snapshots;
mod tls;

pub use error::ServiceError;
pub use limits::ServerLimits;
pub use listener::serve;
pub use routes::router;
pub use service::Service;
pub use tls::{Tls, TlsError};
