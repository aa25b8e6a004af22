//! Errors as JSON-RPC says them: codes that clients know from Substrate's nodes,
//! and a sentence.

use jsonrpsee::core::RpcResult;
use jsonrpsee::types::ErrorObjectOwned;
use polkadot_sdk::*;

use sp_runtime::transaction_validity::TransactionValidityError;

use crate::pool::PoolError;
use crate::service::{AtError, SubmitError};
use crate::store::StoreError;

/// JSON-RPC's own code for parameters that make no sense.
const INVALID_PARAMS: i32 = -32602;
/// JSON-RPC's own code for what is our fault.
const INTERNAL: i32 = -32603;
/// The transaction's bytes do not decode.
const BAD_FORMAT: i32 = 1001;
/// The transaction could not be validated.
const VERIFICATION: i32 = 1002;
/// The transaction is not valid.
const INVALID_TRANSACTION: i32 = 1010;
/// Whether the transaction is valid cannot be known.
const UNKNOWN_VALIDITY: i32 = 1011;
/// The transaction is in the pool already.
const ALREADY_IMPORTED: i32 = 1013;
/// Another one with the same nonce has a higher priority.
const PRIORITY_TOO_LOW: i32 = 1014;
/// The pool is full.
const DROPPED: i32 = 1016;
/// The block is not known.
const UNKNOWN_BLOCK: i32 = 4001;
/// A number in the request is over its limit.
const OVER_LIMIT: i32 = 4002;
/// The state at the block is not there any more.
const NO_STATE: i32 = 4003;
/// The runtime stopped.
const RUNTIME: i32 = 4004;

fn error(code: i32, message: impl ToString) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(code, message.to_string(), None::<()>)
}

/// A parameter makes no sense.
pub(super) fn invalid(message: impl ToString) -> ErrorObjectOwned {
    error(INVALID_PARAMS, message)
}

/// A parameter is over its limit.
pub(super) fn over_limit(what: &str, given: usize, limit: usize) -> ErrorObjectOwned {
    error(
        OVER_LIMIT,
        format!("{given} {what} in one request are too many: ask for at most {limit}"),
    )
}

/// Something that must not fail did.
pub(super) fn internal(message: impl ToString) -> ErrorObjectOwned {
    error(INTERNAL, message)
}

/// The result of work that was offloaded.
pub(super) fn done<T, E: Into<ErrorObjectOwned>>(result: Option<Result<T, E>>) -> RpcResult<T> {
    match result {
        Some(result) => result.map_err(Into::into),
        None => Err(internal(
            "the request was aborted; the chain may be shutting down",
        )),
    }
}

impl From<StoreError> for ErrorObjectOwned {
    fn from(failure: StoreError) -> Self {
        let code = match failure {
            StoreError::NoState { .. } => NO_STATE,
            StoreError::Database(_) | StoreError::Damaged { .. } | StoreError::Missing { .. } => {
                INTERNAL
            }
        };
        error(code, failure)
    }
}

impl From<AtError> for ErrorObjectOwned {
    fn from(failure: AtError) -> Self {
        match failure {
            AtError::UnknownBlock(_) => error(UNKNOWN_BLOCK, failure),
            AtError::Store(failure) => failure.into(),
            AtError::State(failure) => internal(failure),
            AtError::Runtime(failure) => error(RUNTIME, failure),
        }
    }
}

impl From<SubmitError> for ErrorObjectOwned {
    fn from(failure: SubmitError) -> Self {
        // Clients show `data` beside the message, and look for the reason there.
        let with_reason = |code, message, reason: &SubmitError| {
            ErrorObjectOwned::owned(code, message, Some(reason.to_string()))
        };
        match &failure {
            SubmitError::TooLong(_) | SubmitError::Malformed(_) => error(BAD_FORMAT, failure),
            SubmitError::Invalid(TransactionValidityError::Invalid(_)) => {
                with_reason(INVALID_TRANSACTION, "Invalid Transaction", &failure)
            }
            SubmitError::Invalid(TransactionValidityError::Unknown(_)) => {
                with_reason(UNKNOWN_VALIDITY, "Unknown Transaction Validity", &failure)
            }
            SubmitError::Runtime(_) => error(VERIFICATION, failure),
            SubmitError::Pool(PoolError::AlreadyIn) => {
                with_reason(ALREADY_IMPORTED, "Transaction Already Imported", &failure)
            }
            SubmitError::Pool(PoolError::PriorityTooLow { .. }) => {
                with_reason(PRIORITY_TOO_LOW, "Priority is too low", &failure)
            }
            SubmitError::Pool(PoolError::SenderFull(_) | PoolError::Full) => {
                with_reason(DROPPED, "Immediately Dropped: the pool is full", &failure)
            }
            SubmitError::Store(_) => internal(failure),
        }
    }
}
