//! Bounds on what a server can make the follower read, each with its reason.

/// Blocks in one batch. A Substrate node justifies a block at least every 512 blocks; twice that
/// leaves room for a node that was busy.
pub const MAX_BATCH_BLOCKS: usize = 1_024;
/// Bytes of the ordered messages of all blocks of one batch: they are held in memory together.
/// Sixty-four full blocks.
pub const MAX_BATCH_OUTBOUND_LEN: usize = 64 * phat_primitives::limits::MAX_OUTBOUND_LEN as usize;
/// Bytes of one header. The largest is one that announces [`MAX_AUTHORITIES`] authorities, at 40
/// bytes each.
pub const MAX_HEADER_LEN: usize = 64 * 1024;
/// Authorities in one set. Larger than any live GRANDPA set.
pub const MAX_AUTHORITIES: usize = 1_024;
/// Bytes of a justification. Two votes of each of [`MAX_AUTHORITIES`] authorities take 270 KiB; the
/// rest is for the headers between the block and the votes.
pub const MAX_JUSTIFICATION_LEN: usize = 1024 * 1024;
/// Bytes of a storage proof. Values of a few MiB, as contract code and ordered messages are, must
/// fit with the nodes above them.
pub const MAX_PROOF_LEN: usize = 16 * 1024 * 1024;
