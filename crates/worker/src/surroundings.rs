//! What the queries of contracts may use of this worker: clock, randomness, HTTP, cache and log.

use crate::{
    cache::Cache,
    egress::{Egress, EgressError, Request},
    logs::Logs,
    metrics::Metrics,
};
use futures::future::join_all;
use phat_cluster::{LogRecord, Surroundings};
use phat_crypto::rand_core::{OsRng, RngCore};
use phat_engine::{
    BoxFuture, HttpAnswers,
    pink::{CacheOp, HttpRequest, HttpRequestError, HttpResponse, PinkEvent},
};
use phat_primitives::{ContractId, WorkerId};
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Status by which contracts learn that the server was not reached, and that it broke off. They were
/// written for these numbers.
const STATUS_UNREACHABLE: u16 = 523;
const STATUS_BROKEN: u16 = 524;

/// This worker, as contracts see it.
#[derive(Clone)]
pub(crate) struct Here {
    pub(crate) worker: WorkerId,
    pub(crate) egress: Arc<Egress>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) metrics: Arc<Metrics>,
    /// When a query has had its time: contracts that do nothing but call the host are stopped then.
    pub(crate) deadline: Option<Instant>,
}

pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Here {
    /// Does what commands have asked of the worker. Commands cannot read the cache, so what they
    /// write there cannot make workers differ.
    pub(crate) fn grant(&self, requests: Vec<(ContractId, PinkEvent)>) {
        let now = now_ms();
        for (contract, request) in requests {
            match request {
                PinkEvent::CacheOp(CacheOp::Set { key, value }) => {
                    self.cache.set(&contract, &key, &value, now);
                }
                PinkEvent::CacheOp(CacheOp::SetExpiration { key, expiration }) => {
                    self.cache.set_expiration(&contract, &key, expiration, now);
                }
                PinkEvent::CacheOp(CacheOp::Remove { key }) => {
                    self.cache.remove(&contract, &key, now);
                }
                other => tracing::warn!(?contract, request = ?other, "not available, left undone"),
            }
        }
    }
}

impl Surroundings for Here {
    fn worker_pubkey(&self) -> [u8; 32] {
        self.worker.0
    }

    fn untrusted_now_ms(&self) -> u64 {
        now_ms()
    }

    fn random(&self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        OsRng.fill_bytes(&mut bytes);
        bytes
    }

    fn http(
        &self,
        _contract: &ContractId,
        requests: Vec<HttpRequest>,
        timeout_ms: u64,
    ) -> BoxFuture<'_, HttpAnswers> {
        Box::pin(async move {
            let limit = Duration::from_millis(timeout_ms);
            let answers = requests
                .into_iter()
                .map(|request| self.fetch(request, limit));
            Ok(join_all(answers).await)
        })
    }

    fn cache_get(&self, contract: &ContractId, key: &[u8]) -> Option<Vec<u8>> {
        self.cache.get(contract, key, now_ms())
    }

    fn cache_set(&self, contract: &ContractId, key: &[u8], value: &[u8]) -> bool {
        self.cache.set(contract, key, value, now_ms())
    }

    fn cache_set_expiration(&self, contract: &ContractId, key: &[u8], seconds: u64) {
        self.cache.set_expiration(contract, key, seconds, now_ms());
    }

    fn cache_remove(&self, contract: &ContractId, key: &[u8]) -> Option<Vec<u8>> {
        self.cache.remove(contract, key, now_ms())
    }

    fn log(&self, record: LogRecord) {
        self.logs.add(record);
    }

    fn interrupted(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
    }
}

impl Here {
    async fn fetch(
        &self,
        request: HttpRequest,
        limit: Duration,
    ) -> Result<HttpResponse, HttpRequestError> {
        let HttpRequest {
            url,
            method,
            headers,
            body,
        } = request;
        let request = Request {
            method,
            url,
            headers,
            body,
        };
        let failed = |status_code, reason: &str| HttpResponse {
            status_code,
            reason_phrase: reason.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        let fetched = self.egress.fetch(request, limit).await;
        self.metrics.fetched(match &fetched {
            Ok(_) => "answered",
            Err(EgressError::Timeout) => "timeout",
            Err(EgressError::TooManyRequests) => "too_many",
            Err(EgressError::NotAllowed(_)) => "not_allowed",
            Err(EgressError::Unreachable(_)) => "unreachable",
            Err(_) => "failed",
        });
        match fetched {
            Ok(response) => Ok(HttpResponse {
                status_code: response.status,
                reason_phrase: response.reason,
                headers: response.headers,
                body: response.body,
            }),
            Err(error) => {
                tracing::debug!(%error, "a contract's HTTP request failed");
                Err(match error {
                    EgressError::Unreachable(_) => {
                        return Ok(failed(STATUS_UNREACHABLE, "Unreachable"));
                    }
                    EgressError::NetworkError(_) => return Ok(failed(STATUS_BROKEN, "IO Error")),
                    EgressError::InvalidUrl(_) => HttpRequestError::InvalidUrl,
                    EgressError::InvalidMethod => HttpRequestError::InvalidMethod,
                    EgressError::InvalidHeaderName => HttpRequestError::InvalidHeaderName,
                    EgressError::InvalidHeaderValue(_) => HttpRequestError::InvalidHeaderValue,
                    EgressError::FailedToCreateClient(_) => HttpRequestError::FailedToCreateClient,
                    EgressError::Timeout => HttpRequestError::Timeout,
                    EgressError::NotAllowed(_) => HttpRequestError::NotAllowed,
                    EgressError::TooManyRequests => HttpRequestError::TooManyRequests,
                    EgressError::ResponseTooLarge { .. } => HttpRequestError::ResponseTooLarge,
                })
            }
        }
    }
}
