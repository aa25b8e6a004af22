//! Bounds on what strangers can make the HTTP service hold.

use phat_primitives::limits;
use std::time::Duration;

/// Bounds on what strangers can make the HTTP service hold. The defaults suit a machine with a few
/// cores and gigabytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerLimits {
    /// Processors that queries may compute on at once: contracts share them by stake.
    pub processors: usize,
    /// Connections open at once. Each can hold one request, so this times
    /// [`max_body`](Self::max_body) is the most memory that requests take. More connections wait in
    /// the kernel's queue.
    pub max_connections: usize,
    /// Connections from one address: a whole network of the sixth version counts as one. Behind a
    /// proxy all come from its address.
    pub max_connections_per_address: usize,
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
    /// Queries that have begun and not ended. Those that wait for HTTP count, but hold no thread and
    /// about a hundred KiB each: so there may be many.
    pub max_running: usize,
    /// Those of them that may be for contracts without stake.
    pub max_running_unstaked: usize,
    /// Those of them that may be for one contract. Here and for those that wait, what is for no
    /// contract counts as if it were for one more.
    pub max_running_per_contract: usize,
    /// Queries that wait until they may begin. When as many wait, further ones are refused at once.
    pub max_waiting: usize,
    /// Those of them that may be for one contract.
    pub max_waiting_per_contract: usize,
    /// Queries of one client, waiting or running. A client is the key by which it encrypts.
    pub max_per_caller: usize,
    /// Bytes of memory that the contracts of all running queries may have together. From three
    /// quarters on no further query begins; one that needs more than there is is broken off.
    pub query_memory: usize,
    /// Time for a query, waiting included.
    pub query_timeout: Duration,
    /// Contract ids in one `GetContractInfo`: each costs more in the answer than in the request.
    pub max_contract_ids: usize,
    /// Snapshots that are sent at once: each takes as much of the network as it gets.
    pub max_snapshots: usize,
    /// Time that requests under way have to finish when the service is stopped.
    pub shutdown_grace: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            max_connections: 2_048,
            max_connections_per_address: 256,
            connection_age: Duration::from_secs(300),
            head_timeout: Duration::from_secs(15),
            max_head: 32 * 1024,
            body_timeout: Duration::from_secs(15),
            max_body: limits::MAX_QUERY_LEN,
            max_running: 1_400,
            max_running_unstaked: 1_050,
            max_running_per_contract: 1_024,
            max_waiting: 512,
            max_waiting_per_contract: 256,
            max_per_caller: 128,
            query_memory: 1024 * 1024 * 1024,
            query_timeout: Duration::from_secs(60),
            max_contract_ids: 1_024,
            max_snapshots: 4,
            shutdown_grace: Duration::from_secs(5),
        }
    }
}
