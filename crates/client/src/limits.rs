//! Bounds on what others can make this client hold or wait for: bundles come from strangers, answers
//! from workers that need not be honest.

use std::time::Duration;

/// Bytes of a bundle's file. Code may have 2 MiB, which is 4 MiB in hex; metadata of the largest
/// contracts seen has less than 1 MiB.
pub const MAX_BUNDLE_LEN: usize = 16 * 1024 * 1024;
/// Nesting of a value. The type of a contract may be recursive, and so as deep as somebody's bytes
/// say; no interface made for people comes near this.
pub const MAX_VALUE_DEPTH: usize = 64;
/// Values inside one decoded value. Elements of a list may take no bytes at all, so the length of the
/// bytes bounds nothing.
pub const MAX_VALUE_NODES: usize = 1 << 20;
/// Bytes of a type's name, beyond which it is cut off: more than a line or two helps nobody.
pub const MAX_TYPE_NAME_LEN: usize = 256;
/// Bytes of an answer of a worker. A contract can return at most 16 KiB by the rules of most chains,
/// here a little more; lists of contracts are the longest answers.
pub const MAX_ANSWER_LEN: usize = 16 * 1024 * 1024;
/// How long a request to a worker may take, connecting included. Queries may wait for other servers,
/// for which the worker has a limit of its own, below this one.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait for a connection: nobody wants to look at a terminal for longer to learn that
/// an address is wrong.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait until a command has been applied, if the caller gives no limit of its own.
pub const RECEIPT_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause between two questions for the same receipt.
pub const RECEIPT_POLL: Duration = Duration::from_millis(100);
