//! Every bound on what strangers, or time, can make grow, with its reason.

use std::time::Duration;

/// Blocks whose state can still be read: four thousand blocks are hours of an idle
/// chain and minutes of a busy one, enough for clients that read at the block they
/// last saw and for mortal transactions, whose lives are at most this long.
pub const STATE_WINDOW: u32 = 4096;

/// Transactions in the pool: several full blocks' worth.
pub const POOL_TRANSACTIONS: usize = 8192;

/// Bytes of all transactions in the pool: a dozen full blocks.
pub const POOL_BYTES: usize = 64 * 1024 * 1024;

/// Transactions in the pool from one account, so that none can fill it alone.
pub const POOL_PER_SENDER: usize = 4096;

/// Transactions in the pool that no account has signed. They pay no fee, so they
/// get a small share.
pub const POOL_WITHOUT_SENDER: usize = 1024;

/// Bytes of one transaction: what fits into a block of the runtime.
pub const TRANSACTION_BYTES: usize = 4 * 1024 * 1024;

/// Transactions that did not fit, after which a block counts as full. More than
/// one, because a small transaction may fit where a large one did not.
pub const MISFITS_PER_BLOCK: usize = 16;

/// Shortest distance between two blocks. Each block costs a synchronous write and
/// every follower a proof; what arrives in between travels together.
pub const BLOCK_INTERVAL: Duration = Duration::from_millis(20);

/// Connections to the JSON-RPC server at one time.
pub const RPC_CONNECTIONS: u32 = 512;

/// Bytes of a JSON-RPC request: a transaction of [`TRANSACTION_BYTES`] in hex, with
/// room around it.
pub const RPC_REQUEST_BYTES: u32 = 10 * 1024 * 1024;

/// Bytes of a JSON-RPC response: a full block, or a page of blocks, in hex.
pub const RPC_RESPONSE_BYTES: u32 = 32 * 1024 * 1024;

/// Subscriptions of one connection. polkadot.js opens one for each query that a
/// page watches.
pub const RPC_SUBSCRIPTIONS: u32 = 1024;

/// Messages waiting for a slow reader of one connection before its subscriptions
/// are made to wait too.
pub const RPC_BUFFERED_MESSAGES: u32 = 256;

/// Requests in a JSON-RPC batch.
pub const RPC_BATCH: u32 = 256;

/// Calls into the runtime that run at one time on behalf of strangers; the others
/// wait. A call can keep a core busy for a while.
pub const RPC_RUNTIME_CALLS: usize = 16;

/// Bytes of the arguments of a call into the runtime.
pub const CALL_BYTES: usize = TRANSACTION_BYTES + 1024;

/// Storage keys in one answer, or in one request.
pub const KEYS: usize = 1000;

/// Storage keys in one subscription: each is read again with every block.
pub const WATCHED_KEYS: usize = 256;

/// Blocks that a query for changes of storage may span.
pub const QUERY_BLOCKS: u32 = 1024;

/// Block numbers in a request for hashes.
pub const HASHES: usize = 1024;

/// Blocks in an answer to `phat_blocks`.
pub const FOLLOWED_BLOCKS: u32 = 256;

/// Bytes of an answer to `phat_blocks` after which no further block is added:
/// in hex it still fits into [`RPC_RESPONSE_BYTES`] together with the last one.
pub const FOLLOWED_BYTES: usize = 8 * 1024 * 1024;

/// Status updates waiting for a client that watches its transaction. There are
/// fewer than these in the life of one.
pub const STATUSES: usize = 16;
