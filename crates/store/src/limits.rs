//! Bounds on what the store takes, each with its reason.

/// Bytes of a record's group and of its key, each. Keys of contract storage are hashes or short
/// paths; anything longer is a mistake.
pub const MAX_NAME_LEN: usize = 64 * 1024;
/// Bytes of a record's value. The largest known are the ordered messages of one block (4 MiB).
pub const MAX_VALUE_LEN: usize = 64 * 1024 * 1024;
/// Bytes of memory in which the database keeps pages that it has read or is about to write.
pub const CACHE_LEN: usize = 128 * 1024 * 1024;
