//! What a worker says about itself.

/// State of a worker.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PhactoryInfo {
    /// The worker has its keys and follows a chain.
    #[prost(bool, tag = "1")]
    pub initialized: bool,
    /// The chain has accepted its evidence.
    #[prost(bool, tag = "2")]
    pub registered: bool,
    /// Genesis hash of the chain it follows, hex without `0x`.
    #[prost(string, optional, tag = "4")]
    pub genesis_block_hash: Option<String>,
    /// sr25519 public key, hex without `0x`: the worker's identity.
    #[prost(string, optional, tag = "5")]
    pub public_key: Option<String>,
    /// Key for key agreement, hex without `0x`. Equal to [`public_key`](Self::public_key); clients
    /// compare it with the identity on the chain.
    #[prost(string, optional, tag = "6")]
    pub ecdh_public_key: Option<String>,
    /// Number of the next header it expects.
    #[prost(uint32, tag = "7")]
    pub headernum: u32,
    /// The same for a parachain's header; there is none here.
    #[prost(uint32, tag = "8")]
    pub para_headernum: u32,
    /// Number of the next block it will apply. Clients wait until it is greater than the block of
    /// their transaction.
    #[prost(uint32, tag = "9")]
    pub blocknum: u32,
    /// State root of the chain after the last applied block, hex without `0x`.
    #[prost(string, tag = "10")]
    pub state_root: String,
    /// It serves a development chain.
    #[prost(bool, tag = "11")]
    pub dev_mode: bool,
    /// Reports that the chain has not taken yet.
    #[prost(uint64, tag = "12")]
    pub pending_messages: u64,
    /// Performance score: what its machine can compute in a minute, in units of 10⁹ gas. 0 until it is
    /// measured.
    #[prost(uint64, tag = "13")]
    pub score: u64,
    /// Its part as a gatekeeper.
    #[prost(message, optional, tag = "14")]
    pub gatekeeper: Option<GatekeeperStatus>,
    /// Version of the program.
    #[prost(string, tag = "15")]
    pub version: String,
    /// Revision of the source that the program was built from.
    #[prost(string, tag = "16")]
    pub git_revision: String,
    /// Memory in use.
    #[prost(message, optional, tag = "18")]
    pub memory_usage: Option<MemoryUsage>,
    /// It waits for headers of a parachain; never here.
    #[prost(bool, tag = "21")]
    pub waiting_for_paraheaders: bool,
    /// State of its clusters and contracts; absent until the worker is registered.
    #[prost(message, optional, tag = "23")]
    pub system: Option<SystemInfo>,
    /// It could start from a copy of the chain's state; never here.
    #[prost(bool, tag = "24")]
    pub can_load_chain_state: bool,
    /// 0: it works as usual.
    #[prost(uint32, tag = "25")]
    pub safe_mode_level: u32,
    /// Time of the last applied block, milliseconds since the Unix epoch.
    #[prost(uint64, tag = "26")]
    pub current_block_time: u64,
    /// Newest version of the contract runtime it can run, as `major.minor`.
    #[prost(string, tag = "27")]
    pub max_supported_pink_runtime_version: String,
    /// Until when the chain believes its evidence, milliseconds since the Unix epoch; 0 if it does not.
    #[prost(uint64, tag = "100")]
    pub evidence_expires_ms: u64,
    /// What is wrong with its evidence; empty if nothing is.
    #[prost(string, tag = "101")]
    pub evidence_warning: String,
    /// Processors that the queries of all contracts share.
    #[prost(uint32, tag = "102")]
    pub query_processors: u32,
    /// What some calls cost there, for those who want to know what a share of it is worth. Empty until
    /// it is measured.
    #[prost(message, repeated, tag = "103")]
    pub typical_calls: Vec<TypicalCall>,
}

/// What a query of one kind costs on one processor: to decrypt it, to check its signature, to run the
/// contract, to encrypt the answer.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TypicalCall {
    /// What it does.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Nanoseconds.
    #[prost(uint64, tag = "2")]
    pub nanoseconds: u64,
}

/// State of a worker's clusters and contracts.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SystemInfo {
    /// The chain has accepted its evidence.
    #[prost(bool, tag = "1")]
    pub registered: bool,
    /// sr25519 public key, hex without `0x`.
    #[prost(string, tag = "2")]
    pub public_key: String,
    /// Key for key agreement, hex without `0x`.
    #[prost(string, tag = "3")]
    pub ecdh_public_key: String,
    /// Its part as a gatekeeper.
    #[prost(message, optional, tag = "4")]
    pub gatekeeper: Option<GatekeeperStatus>,
    /// Clusters it serves: 0 or 1.
    #[prost(uint64, tag = "5")]
    pub number_of_clusters: u64,
    /// Contracts it serves.
    #[prost(uint64, tag = "6")]
    pub number_of_contracts: u64,
    /// Newest version of the workers' common rules it knows.
    #[prost(uint32, tag = "7")]
    pub max_supported_consensus_version: u32,
    /// Block from which the worker follows the chain.
    #[prost(uint32, tag = "8")]
    pub genesis_block: u32,
}

/// A worker's part as a gatekeeper.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GatekeeperStatus {
    /// Which part.
    #[prost(enumeration = "GatekeeperRole", tag = "1")]
    pub role: i32,
    /// Public part of the network's master key, hex without `0x`; empty as long as there is none.
    #[prost(string, tag = "2")]
    pub master_public_key: String,
}

/// Which part a worker has as a gatekeeper.
#[derive(Clone, Copy, PartialEq, Eq, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum GatekeeperRole {
    /// None.
    None = 0,
    /// It is one, without tasks.
    Dummy = 1,
    /// It is one, and hands out keys.
    Active = 2,
}

/// Memory in use, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct MemoryUsage {
    /// Held by the program now.
    #[prost(uint64, tag = "1")]
    pub rust_used: u64,
    /// Most the program has held.
    #[prost(uint64, tag = "2")]
    pub rust_peak_used: u64,
    /// Most the process has held.
    #[prost(uint64, tag = "3")]
    pub total_peak_used: u64,
    /// Free on the machine.
    #[prost(uint64, tag = "4")]
    pub free: u64,
    /// Most the program has held since it was last asked.
    #[prost(uint64, tag = "5")]
    pub rust_spike: u64,
}

/// Asks for the worker's registration: what it would send to the chain.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GetRuntimeInfoRequest {
    /// Asks for new evidence. The worker decides: it shows evidence again while it is recent enough to
    /// register with.
    #[prost(bool, tag = "1")]
    pub force_refresh_ra: bool,
    /// SCALE-encoded account of the operator to bind into the evidence.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub encoded_operator: Option<Vec<u8>>,
}

/// A worker's registration.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct InitRuntimeResponse {
    /// SCALE-encoded description of the worker that the evidence binds.
    #[prost(bytes = "vec", tag = "1")]
    pub encoded_runtime_info: Vec<u8>,
    /// SCALE-encoded genesis hash of the chain.
    #[prost(bytes = "vec", tag = "2")]
    pub encoded_genesis_block_hash: Vec<u8>,
    /// SCALE-encoded sr25519 public key.
    #[prost(bytes = "vec", tag = "3")]
    pub encoded_public_key: Vec<u8>,
    /// SCALE-encoded key for key agreement.
    #[prost(bytes = "vec", tag = "4")]
    pub encoded_ecdh_public_key: Vec<u8>,
    /// The evidence.
    #[prost(message, optional, tag = "5")]
    pub attestation: Option<Attestation>,
}

/// Attestation evidence.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Attestation {
    /// Version of this message.
    #[prost(int32, tag = "1")]
    pub version: i32,
    /// Kind of evidence.
    #[prost(string, tag = "2")]
    pub provider: String,
    /// A report of Intel's retired EPID service; never present here.
    #[prost(message, optional, tag = "3")]
    pub payload: Option<AttestationReport>,
    /// The SCALE-encoded evidence.
    #[prost(bytes = "vec", tag = "5")]
    pub encoded_report: Vec<u8>,
    /// When it was made, seconds since the Unix epoch.
    #[prost(uint64, tag = "4")]
    pub timestamp: u64,
}

/// A report of Intel's retired EPID service.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AttestationReport {
    /// The report.
    #[prost(string, tag = "1")]
    pub report: String,
    /// Intel's signature of it.
    #[prost(bytes = "vec", tag = "2")]
    pub signature: Vec<u8>,
    /// The certificate of the signature.
    #[prost(bytes = "vec", tag = "3")]
    pub signing_cert: Vec<u8>,
}

/// Endpoints of a worker.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GetEndpointResponse {
    /// SCALE-encoded announcement of the endpoints.
    #[prost(bytes = "vec", optional, tag = "1")]
    pub encoded_endpoint_payload: Option<Vec<u8>>,
    /// The worker's signature of it.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub signature: Option<Vec<u8>>,
}
