//! What contracts may fetch, and how much.

use std::time::Duration;

/// What contracts may fetch, and how much of the worker it may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EgressConfig {
    /// Dangerous: lets contracts talk to services on the worker's own machine. For development.
    pub allow_loopback: bool,
    /// Dangerous: lets contracts talk to the private networks that the worker's machine is in. What
    /// cloud providers answer about a machine and its credentials stays refused.
    pub allow_private: bool,
    /// Requests under way at once, of all contracts. Each may hold a connection and
    /// [`max_body`](Self::max_body) of memory.
    pub max_concurrent: usize,
    /// Host names looked up at once; more wait. Unlike a request, a lookup holds a thread, until the
    /// system's resolver returns.
    pub max_lookups: usize,
    /// Longest time for a request, whatever the contract asks for.
    pub max_timeout: Duration,
    /// Bytes of the body of a request.
    pub max_request_body: usize,
    /// Bytes of a URL.
    pub max_url: usize,
    /// Headers of a request.
    pub max_headers: usize,
    /// Bytes of names and values of all headers of a request: servers refuse more than a few KiB.
    pub max_header_bytes: usize,
    /// Bytes of the body of a response.
    pub max_body: usize,
    /// Redirects followed for one request.
    pub max_redirects: usize,
    /// Time that an unused connection is kept for the next request to the same server.
    pub idle_timeout: Duration,
    /// Unused connections kept for one server.
    pub max_idle_per_host: usize,
}

impl Default for EgressConfig {
    /// Public addresses only. Time and size of a response are what contracts in the field were
    /// written for: 10 seconds and 2 MiB.
    fn default() -> Self {
        Self {
            allow_loopback: false,
            allow_private: false,
            max_concurrent: 1_024,
            max_lookups: 64,
            max_timeout: Duration::from_secs(10),
            max_request_body: 1024 * 1024,
            max_url: 8 * 1024,
            max_headers: 64,
            max_header_bytes: 16 * 1024,
            max_body: 2 * 1024 * 1024,
            max_redirects: 10,
            idle_timeout: Duration::from_secs(30),
            max_idle_per_host: 4,
        }
    }
}
