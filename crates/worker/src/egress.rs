//! HTTP requests that contracts make.
//!
//! A contract is a stranger's program, and its requests leave from the worker's machine. So an
//! address of that machine or of a private network is refused, whether it stands in the URL, comes
//! from DNS, or hides behind a redirect; the connection goes to exactly the addresses that were
//! checked, so that a name cannot change its meaning in between. Sizes, times and numbers have
//! limits ([`EgressConfig`]), and no state, such as cookies, passes from one request to the next.

mod address;
mod config;
mod error;
mod request;
mod resolver;

pub use address::Reach;
pub use config::EgressConfig;
pub use error::EgressError;
pub use request::{Request, Response};

use address::Policy;
use error::Refused;
use resolver::Resolver;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

/// Makes HTTP requests for contracts. Cheap to clone; clones share limits and connections.
#[derive(Clone)]
pub struct Egress {
    client: reqwest::Client,
    config: EgressConfig,
    policy: Policy,
    places: Arc<Semaphore>,
}

impl Egress {
    /// Prepares to make requests.
    pub fn new(config: EgressConfig) -> Result<Self, EgressError> {
        let policy = Policy::new(&config);
        let client = reqwest::Client::builder()
            .dns_resolver(Arc::new(Resolver::new(policy, config.max_lookups)))
            .redirect(redirects(policy, config.max_redirects))
            // A proxy would connect where this side cannot check.
            .no_proxy()
            .referer(false)
            .pool_idle_timeout(config.idle_timeout)
            .pool_max_idle_per_host(config.max_idle_per_host)
            .build()
            .map_err(EgressError::FailedToCreateClient)?;
        let places = Arc::new(Semaphore::new(config.max_concurrent));
        Ok(Self {
            client,
            config,
            policy,
            places,
        })
    }

    /// Makes a request and reads the whole response, in at most `limit` or
    /// [`EgressConfig::max_timeout`], whichever is shorter. Dropping the future ends the request.
    ///
    /// A response of any status is `Ok`; redirects are followed.
    pub async fn fetch(&self, request: Request, limit: Duration) -> Result<Response, EgressError> {
        if limit.is_zero() {
            return Err(EgressError::Timeout);
        }
        let request = request.checked(&self.config, self.policy)?;
        let deadline = Instant::now() + limit.min(self.config.max_timeout);
        let _place = match timeout_at(deadline, self.places.acquire()).await {
            Ok(Ok(place)) => place,
            _ => return Err(EgressError::TooManyRequests),
        };
        timeout_at(deadline, self.exchange(request))
            .await
            .unwrap_or(Err(EgressError::Timeout))
    }

    async fn exchange(&self, request: reqwest::Request) -> Result<Response, EgressError> {
        let mut response = self
            .client
            .execute(request)
            .await
            .map_err(EgressError::no_response)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(EgressError::NetworkError)? {
            if body.len().saturating_add(chunk.len()) > self.config.max_body {
                return Err(EgressError::ResponseTooLarge {
                    most: self.config.max_body,
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response::new(response.status(), response.headers(), body))
    }
}

fn redirects(policy: Policy, most: usize) -> reqwest::redirect::Policy {
    reqwest::redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > most {
            return attempt.error(format!("more than {most} redirects"));
        }
        match policy.check_url(attempt.url()) {
            Ok(()) => attempt.follow(),
            Err(refused) => attempt.error(refused),
        }
    })
}
