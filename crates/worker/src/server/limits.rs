//! Bounds on what strangers can make the HTTP service hold.

use phat_primitives::limits;
use std::time::Duration;

/// Bounds on what strangers can make the HTTP service hold. The defaults suit a machine with a few
/// cores and gigabytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerLimits {
    /// Connections open at once. Each can hold one request, so this times
    /// [`max_body`](Self::max_body) is the most memory that requests take. More connections wait in
    /// the kernel's queue.
    pub max_connections: usize,
    /// Time after which a connection has to be opened anew: a client that does not read its answer
    /// holds its connection no longer than this.
    pub connection_age: Duration,
    /// Time to send the head of a request; also the time that an idle connection is kept.
    pub head_timeout: Duration,
    /// Bytes of the head of a request.
    pub max_head: usize,
    /// Time to send the body of a request.
    pub body_timeout: Duration,
    /// Bytes of the body of a request.
    pub max_body: usize,
    /// Queries worked on at once. Those that wait for HTTP count, but hold no thread and about a
    /// hundred KiB each: so there may be many.
    pub max_running: usize,
    /// Queries that wait until one of those ends. When as many wait, further ones are refused at
    /// once.
    pub max_waiting: usize,
    /// Time for a query, waiting included.
    pub query_timeout: Duration,
    /// Contract ids in one `GetContractInfo`: each costs more in the answer than in the request.
    pub max_contract_ids: usize,
    /// Snapshots that are sent at once: each takes as much of the network as it gets.
    pub max_snapshots: usize,
    /// When a refused client may try again.
    pub retry_after: Duration,
    /// Time that requests under way have to finish when the service is stopped.
    pub shutdown_grace: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            max_connections: 1_536,
            connection_age: Duration::from_secs(300),
            head_timeout: Duration::from_secs(15),
            max_head: 32 * 1024,
            body_timeout: Duration::from_secs(15),
            max_body: limits::MAX_QUERY_LEN,
            max_running: 1_024,
            max_waiting: 256,
            query_timeout: Duration::from_secs(60),
            max_contract_ids: 1_024,
            max_snapshots: 4,
            retry_after: Duration::from_secs(1),
            shutdown_grace: Duration::from_secs(5),
        }
    }
}
