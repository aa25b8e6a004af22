//! pRPC, the HTTP interface of a worker: its protobuf messages and its methods.
//!
//! A call is `POST /prpc/Service.Method` with the request message as the body; the answer is the
//! response message with status 200, or a [`PrpcError`] with another status. Names, field numbers and
//! types are those of the protobuf packages `pruntime_rpc` and `prpc` that `@phala/sdk` 0.6 speaks;
//! what is new stands beside them in a service of its own, `PhatAPI`. Fields of the original that no
//! worker fills any more are kept, because clients read them: they stay at their default.
//!
//! The messages are plain data. This crate sends nothing and trusts nothing: bytes inside a message
//! (certificates, encrypted queries) are checked by whoever uses them.
//!
//! | module | what it holds |
//! |---|---|
//! | [`method`] | names and paths of the methods |
//! | [`info`] | what a worker says about itself |
//! | [`query`] | queries and the certificates that sign them |
//! | [`contract`] | contracts and clusters |

pub mod contract;
pub mod info;
pub mod method;
pub mod query;

pub use contract::{
    ClusterInfo, ContractInfo, GetClusterInfoResponse, GetContractInfoRequest,
    GetContractInfoResponse, SidevmInfo,
};
pub use info::{
    Attestation, AttestationReport, GatekeeperRole, GatekeeperStatus, GetEndpointResponse,
    GetRuntimeInfoRequest, InitRuntimeResponse, MemoryUsage, PhactoryInfo, SystemInfo, TypicalCall,
};
pub use method::{CONTENT_TYPE, Method, UnknownMethod};
pub use prost::Message;
pub use query::{Certificate, ContractQueryRequest, ContractQueryResponse, Signature};

/// A message without fields: the request of methods that take no argument.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Empty {}

/// Why a call failed; the body of every answer with a status other than 200.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PrpcError {
    /// The reason, for a person to read.
    #[prost(string, tag = "1")]
    pub message: String,
    /// The reason, for a program to tell causes apart: a short constant word such as `overloaded`.
    /// Ours; clients that do not know the field skip it.
    #[prost(string, tag = "100")]
    pub code: String,
}
