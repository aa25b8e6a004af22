//! Chain and worker together: deploy a contract, call it, query it.
//!
//! What a command or a deployment costs is found out by a query first, so that one which cannot
//! succeed is not sent. What the account has too little of inside the cluster goes along with the
//! transaction as a deposit.

mod asking;
mod commands;
mod deploy;
mod error;
mod receipts;

pub use commands::output;
pub use error::{ClientError, FailReason};

use crate::{
    chain::{ChainClient, Cluster},
    keys::Account,
    transcode::Output,
    worker::{Caller, Roots, Signed, WorkerClient, WorkerError},
};
use phat_primitives::{
    Balance, BlockNumber, ClusterId, ContractId, Hash, WorkerId, receipt::Receipt,
};

/// An account at work in one cluster.
#[derive(Clone)]
pub struct Client {
    chain: ChainClient,
    worker: WorkerClient,
    cluster: Cluster,
    account: Account,
    caller: Caller,
}

/// What may be chosen for a command or a deployment.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Money that goes to the contract.
    pub transfer: Balance,
    /// Most gas to use; found out if absent.
    pub gas_limit: Option<u64>,
    /// Most storage deposit to pay; unlimited if absent.
    pub storage_deposit_limit: Option<Balance>,
    /// Money to put into the cluster along the way; what is missing if absent.
    pub deposit: Option<Balance>,
    /// Sends the command so that anybody can read it.
    pub plain: bool,
    /// Salt of a deployment; random if absent. In private it should be neither known nor guessable.
    pub salt: Option<Vec<u8>>,
    /// Deploys in private: nobody but the workers of the cluster can read code, arguments and limits.
    pub private: bool,
}

/// The answer to a query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// What the message returned.
    pub output: Output,
    /// The contract asked for everything to be undone (nothing stays of a query anyway).
    pub reverted: bool,
    /// Gas used.
    pub gas: u64,
    /// Last block of the state that it comes from. A worker that has been put back to an older copy
    /// shows it here.
    pub block: BlockNumber,
    /// Root of that state.
    pub state_root: Hash,
    /// The worker's signature, if it was asked for.
    pub signed: Option<Signed>,
}

/// A command that the workers have applied, successfully or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Applied {
    /// The receipt.
    pub receipt: Receipt,
    /// What the function returned: its value, or the error for which it undid everything. `None` if
    /// there is nothing, or if the bundle does not describe it.
    pub output: Option<Output>,
}

/// A contract that has been deployed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deployed {
    /// Its id.
    pub contract: ContractId,
    /// How its instantiation ended. The contract exists only if this is a success.
    pub applied: Applied,
    /// The receipt of the upload, if the code was not there yet.
    pub upload: Option<Receipt>,
}

/// Money of an account inside a cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClusterBalance {
    /// All of it.
    pub total: Balance,
    /// What can be spent.
    pub free: Balance,
}

impl Client {
    /// Connects an account to a cluster (the first one if none is named) through one of its workers
    /// (the first that answers at its endpoint if none is named).
    ///
    /// A worker is only accepted if the chain lists its public key in the cluster: then what is
    /// encrypted to it can be read there and nowhere else.
    pub async fn connect(
        chain: ChainClient,
        worker: Option<&str>,
        cluster: Option<ClusterId>,
        account: Account,
    ) -> Result<Self, ClientError> {
        Self::connect_trusting(chain, worker, cluster, account, &Roots::default()).await
    }

    /// As [`Client::connect`], to a worker whose certificate may come from one of `roots`.
    pub async fn connect_trusting(
        chain: ChainClient,
        worker: Option<&str>,
        cluster: Option<ClusterId>,
        account: Account,
        roots: &Roots,
    ) -> Result<Self, ClientError> {
        let clusters = chain.clusters().await?;
        let cluster = clusters
            .into_iter()
            .find(|known| cluster.is_none_or(|id| known.id == id))
            .ok_or(ClientError::NoCluster(cluster))?;
        let members = chain.cluster_workers(cluster.id).await?;
        let worker = match worker {
            Some(url) => {
                let worker = WorkerClient::connect_trusting(url, roots).await?;
                if !members.contains(&worker.id()) {
                    return Err(ClientError::ForeignWorker {
                        url: url.into(),
                        id: worker.id(),
                    });
                }
                worker
            }
            None => first_that_answers(&chain, &members, roots).await?,
        };
        let caller = Caller::new(&account);
        Ok(Self {
            chain,
            worker,
            cluster,
            account,
            caller,
        })
    }

    /// The chain.
    pub fn chain(&self) -> &ChainClient {
        &self.chain
    }

    /// The worker that is asked.
    pub fn worker(&self) -> &WorkerClient {
        &self.worker
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }
}

/// The first worker of the cluster that answers at one of its endpoints on the chain.
async fn first_that_answers(
    chain: &ChainClient,
    members: &[WorkerId],
    roots: &Roots,
) -> Result<WorkerClient, ClientError> {
    let mut errors = Vec::new();
    for id in members {
        for url in chain.endpoints(*id).await? {
            match WorkerClient::connect_trusting(&url, roots).await {
                Ok(worker) if worker.id() == *id => return Ok(worker),
                Ok(worker) => errors.push(WorkerError::BadAnswer {
                    what: format!("it is {} instead of {id}", worker.id()),
                    url,
                }),
                Err(error) => errors.push(error),
            }
        }
    }
    Err(ClientError::NoWorker(errors))
}
