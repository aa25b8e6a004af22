//! What the HTTP service needs from the worker.

use super::ServiceError;
use crate::metrics::Page;
use phat_primitives::{ClusterId, Hash};
use phat_prpc::{
    ContractQueryRequest, ContractQueryResponse, GetClusterInfoResponse, GetContractInfoRequest,
    GetContractInfoResponse, GetEndpointResponse, GetRuntimeInfoRequest, InitRuntimeResponse,
    PhactoryInfo,
};
use std::{fs::File, future::Future};

/// The methods of a worker, one for each of [`phat_prpc::Method`].
///
/// Those that are not `async` run on the thread that serves HTTP: they look something up and return.
/// The futures of the others are dropped when the client goes away or the time is up, and must leave
/// everything as it was in that case.
pub trait Service: Send + Sync + 'static {
    /// `Err` says in a sentence why the worker serves no queries at present.
    fn health(&self) -> Result<(), String>;

    /// Adds what the worker counts to the page that `/metrics` answers with.
    fn metrics(&self, page: &mut Page);

    /// State of the worker.
    fn info(&self) -> PhactoryInfo;

    /// The worker's registration. Its evidence may have to be made first.
    fn runtime_info(
        &self,
        request: GetRuntimeInfoRequest,
    ) -> impl Future<Output = Result<InitRuntimeResponse, ServiceError>> + Send;

    /// The endpoints that the worker announces.
    fn endpoint_info(&self) -> Result<GetEndpointResponse, ServiceError>;

    /// Contracts that the worker serves. Asks for at most
    /// [`max_contract_ids`](super::ServerLimits::max_contract_ids).
    fn contract_info(
        &self,
        request: GetContractInfoRequest,
    ) -> Result<GetContractInfoResponse, ServiceError>;

    /// The cluster that the worker serves.
    fn cluster_info(&self) -> Result<GetClusterInfoResponse, ServiceError>;

    /// Answers a query.
    fn contract_query(
        &self,
        request: ContractQueryRequest,
    ) -> impl Future<Output = Result<ContractQueryResponse, ServiceError>> + Send;

    /// Answers a request of [`handover`](crate::handover).
    fn handover(
        &self,
        request: &[u8],
    ) -> impl Future<Output = Result<Vec<u8>, ServiceError>> + Send;

    /// Names the newest snapshot of a cluster that the worker has: its block, and its root as hex with
    /// `0x`.
    fn latest_snapshot(&self, cluster: &ClusterId) -> Option<String>;

    /// Opens the snapshot of a cluster at a state root.
    fn open_snapshot(&self, cluster: &ClusterId, root: &Hash) -> Option<File>;

    /// Returns the receipt of a command.
    fn receipt(
        &self,
        request: ContractQueryRequest,
    ) -> impl Future<Output = Result<ContractQueryResponse, ServiceError>> + Send;

    /// Returns the receipt of a command with its proof.
    fn receipt_proof(
        &self,
        request: ContractQueryRequest,
    ) -> impl Future<Output = Result<ContractQueryResponse, ServiceError>> + Send;
}
