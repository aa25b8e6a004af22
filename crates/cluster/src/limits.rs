//! Bounds on the work of a cluster.

/// Most gas that one command can use: two seconds on the reference hardware of FRAME, far less here.
/// A block of commands has to be applied in bounded time; what a command asks for beyond this is not
/// charged and not given.
pub const MAX_COMMAND_GAS: u64 = 2_000_000_000_000;
/// Most gas that one query can use. Queries hold up nobody but themselves, and are also bounded in
/// time by the worker.
pub const MAX_QUERY_GAS: u64 = 5_000_000_000_000;
/// Contracts that are called at the end of every block. Together with [`MAX_HOOK_GAS`] this bounds
/// what a block costs in which nothing happens.
pub const MAX_HOOKS: usize = 64;
/// Most gas that one call at the end of a block can use: a twentieth of a command.
pub const MAX_HOOK_GAS: u64 = MAX_COMMAND_GAS / 20;
/// Gas for making the system contract of a new cluster. It is part of the protocol and free.
pub const SYSTEM_GAS: u64 = MAX_COMMAND_GAS;
/// Smallest balance of an account inside a cluster. One unit: state is paid for by deposits, so
/// that nothing more is needed than telling that an account exists.
pub const EXISTENTIAL_DEPOSIT: u128 = 1;
/// Log records kept from one block for the worker's log.
pub const MAX_LOGS_PER_BLOCK: usize = 4_096;
/// Records of removed contracts that one block clears away, so that removing a contract with a great
/// deal of storage does not stop the cluster.
pub const SWEEP_PER_BLOCK: usize = 16_384;
/// Contracts that are listed at once.
pub const MAX_LISTED_CONTRACTS: usize = phat_primitives::limits::MAX_CLUSTER_CONTRACTS as usize;
