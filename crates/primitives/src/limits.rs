//! Bounds on everything that a stranger can grow, each with its reason. Chain, workers and clients
//! read them from here, so that no two of them disagree about what is too large.

/// Bytes of Wasm in one uploaded contract. Larger than any contract seen in the field (the largest
/// published Phat contracts have about 1.3 MB) and small enough that a few fit into a block.
pub const MAX_CODE_LEN: u32 = 2 * 1024 * 1024;
/// Bytes of one command's payload, and of constructor arguments. The reference caps a transaction's
/// input at the size of a block; 256 KiB leaves room for many commands in each.
pub const MAX_PAYLOAD_LEN: u32 = 256 * 1024;
/// Bytes of the salt of an instantiation: it only has to be unique.
pub const MAX_SALT_LEN: u32 = 64;
/// Ordered messages in one block. What does not fit is refused and can be sent again, so a worker
/// never has to apply more than this at once.
pub const MAX_MESSAGES_PER_BLOCK: u32 = 1_024;
/// SCALE bytes of the ordered messages of one block: the workers fetch them as one value.
pub const MAX_OUTBOUND_LEN: u32 = 4 * 1024 * 1024;
/// Workers in one cluster: clients read the list as one value, and every worker gets a key message.
pub const MAX_CLUSTER_WORKERS: u32 = 256;
/// Contracts in one cluster: clients read the list as one value (32 bytes each).
pub const MAX_CLUSTER_CONTRACTS: u32 = 16_384;
/// Accounts on a cluster's list of permitted deployers.
pub const MAX_ALLOWED_DEPLOYERS: u32 = 256;
/// Accounts on a cluster's list of those who call free of charge: the list is read with each command.
pub const MAX_FREE_CALLERS: u32 = 256;
/// Most gas that a control contract may take for one answer, 100 ms on the reference hardware of FRAME
/// and far less here. Nobody pays for it, and a block of commands that are all refused has to be applied
/// in bounded time.
pub const MAX_CONTROL_GAS: u64 = 100_000_000_000;
/// Bytes of the sentence by which a control contract refuses: receipts are kept for long.
pub const MAX_REFUSAL_REASON_LEN: usize = 256;
/// Workers that can have a slice of one credit at the same time: a caller asks a few of them. All slices
/// of a credit are read with each change of one.
pub const MAX_CREDIT_SLICES: u32 = 32;
/// Slices, and accounts that want some, in one report of a worker: each costs the chain a credit to read
/// and to write. The others follow in the next report.
pub const MAX_CREDIT_LINES: u32 = 16;
/// Blocks for which the chain waits for the last word of a worker that has left the cluster, or has been
/// started again, before its slices count as spent: half a day of one every three seconds.
pub const SLICE_GRACE: u32 = 14_400;
/// Endpoints one worker announces.
pub const MAX_ENDPOINTS: u32 = 4;
/// Bytes of one endpoint's URL.
pub const MAX_ENDPOINT_LEN: u32 = 256;
/// Payloads in one report of a worker: bounds the weight of one report.
pub const MAX_REPORT_PAYLOADS: u32 = 32;
/// Heartbeats in one report: bounds the votes on roots, and what follows from them, that one report
/// can cause. A worker reports every second block at most, so that it has two or three to tell of.
pub const MAX_REPORT_HEARTBEATS: u32 = 4;
/// Roots that most workers of a cluster have agreed on, kept on the chain for each cluster. Whoever
/// wants to prove a receipt or to check a snapshot does so against one of them.
pub const MAX_AGREED_ROOTS: u32 = 1_024;
/// Blocks for which votes on a cluster's roots are counted after the block they are about. It bounds
/// the votes that are kept; later ones are only compared with what was agreed on.
pub const ROOT_VOTE_BLOCKS: u32 = 64;
/// Withdrawals of one cluster that wait for the workers' reports. Each is kept on the chain until
/// it is decided.
pub const MAX_PENDING_WITHDRAWALS: u32 = 128;
/// Workers that hold the master keys: enough to survive any accident, few enough to be watched.
pub const MAX_GATEKEEPERS: u32 = 16;
/// Generations of the master key: all of them travel in one report, and every gatekeeper keeps all of
/// them, since clusters of every generation live on.
pub const MAX_MASTER_GENERATIONS: u32 = 64;
/// Epochs of one chain of transport keys. The first key of a chain is this many derivations away from
/// its seed: some milliseconds.
pub const EPOCHS_PER_CHAIN: u32 = 4_096;
/// Chains of transport keys that a worker is sent: all keys of a cluster for a quarter of a million
/// departures. What was encrypted to older ones is in the state by then.
pub const MAX_TRANSPORT_CHAINS: u32 = 64;
/// Bytes of attestation evidence: an SGX or TDX quote with its collateral has about 20 KiB.
pub const MAX_EVIDENCE_LEN: u32 = 64 * 1024;
/// Blocks for which evidence stays good after the block it names. Old enough to survive a slow
/// registration, young enough that evidence cannot be kept and replayed.
pub const MAX_EVIDENCE_AGE: u32 = 200;
/// Milliseconds for which a worker's evidence is believed, whatever its collateral says: seven days.
/// Workers renew by themselves when two thirds are over, so a short life costs little, and two days
/// without a collateral service take nobody out of service.
pub const MAX_EVIDENCE_LIFE_MS: u64 = 7 * 24 * 3600 * 1000;
/// Bytes of the name of one of Intel's advisories, such as `INTEL-SA-00615`.
pub const MAX_ADVISORY_LEN: u32 = 32;
/// Workers that go out of service in one block, because their evidence expired or their program was
/// revoked. Each costs the block some writes and a message; the others follow in the next blocks.
pub const MAX_LAPSES_PER_BLOCK: u32 = 16;
/// Certificates in the chain that signs a query: a wallet signs a session key, which signs the query.
pub const MAX_CERTIFICATES: usize = 4;
/// Bytes of an encrypted query.
pub const MAX_QUERY_LEN: usize = 1024 * 1024;
