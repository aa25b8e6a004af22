//! What a worker says about its contracts and its cluster.

/// Asks for contracts.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GetContractInfoRequest {
    /// Their ids, hex with or without `0x`. Empty: all of them.
    #[prost(string, repeated, tag = "1")]
    pub contracts: Vec<String>,
}

/// The contracts asked for.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GetContractInfoResponse {
    /// Those of them that the worker serves.
    #[prost(message, repeated, tag = "1")]
    pub contracts: Vec<ContractInfo>,
}

/// A contract.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ContractInfo {
    /// Its id, hex with `0x`.
    #[prost(string, tag = "1")]
    pub id: String,
    /// BLAKE2b-256 of its code, hex with `0x`.
    #[prost(string, tag = "2")]
    pub code_hash: String,
    /// Its weight in the scheduling of queries.
    #[prost(uint32, tag = "3")]
    pub weight: u32,
    /// The program beside it.
    #[prost(message, optional, tag = "4")]
    pub sidevm: Option<SidevmInfo>,
}

/// The program that runs beside a contract; never present here.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SidevmInfo {
    /// `running` or `stopped`.
    #[prost(string, tag = "1")]
    pub state: String,
    /// Hash of its code, hex.
    #[prost(string, tag = "2")]
    pub code_hash: String,
    /// When it was started.
    #[prost(string, tag = "3")]
    pub start_time: String,
    /// Why it stopped.
    #[prost(string, tag = "4")]
    pub stop_reason: String,
}

/// The cluster that a worker serves.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct GetClusterInfoResponse {
    /// Absent if it serves none.
    #[prost(message, optional, tag = "1")]
    pub info: Option<ClusterInfo>,
}

/// A cluster.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ClusterInfo {
    /// Its id, hex with `0x`.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Version of the contract runtime, as `major.minor`.
    #[prost(string, tag = "2")]
    pub runtime_version: String,
    /// State root after the last applied block, hex with `0x`.
    #[prost(string, tag = "3")]
    pub state_root: String,
    /// Ids of its contracts, hex with `0x`.
    #[prost(string, repeated, tag = "4")]
    pub contracts: Vec<String>,
}
