//! Why something could not be done with chain and worker together.

use crate::{
    bundle::{BundleError, Function, UnknownFunction},
    chain::ChainError,
    exec::ExecError,
    keys::address,
    proof::BadProof,
    transcode::{EncodeError, ReadError, Readable},
    worker::WorkerError,
};
use phat_crypto::envelope;
use phat_primitives::{
    AccountId, Balance, BlockNumber, ClusterId, ContractId, MessageNumber, WorkerId,
};

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The worker.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// There is no such constructor or message.
    #[error(transparent)]
    Unknown(#[from] UnknownFunction),
    /// The arguments.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// What came back is not of the type that the bundle says.
    #[error("the answer does not fit the bundle: {0}")]
    Decode(#[from] ReadError),
    /// The chain has no clusters, or not this one.
    #[error("there is no {} on this chain", .0.map_or("cluster".into(), |id| format!("cluster {id:?}")))]
    NoCluster(Option<ClusterId>),
    /// No worker of the cluster can be reached.
    #[error("no worker of the cluster can be reached at the endpoints on the chain{}: name one with its URL", tried(.0))]
    NoWorker(Vec<WorkerError>),
    /// Somebody else answers.
    #[error(
        "{url} answers as worker {id}, which is not a worker of the cluster: it gets no queries"
    )]
    ForeignWorker {
        /// Where.
        url: String,
        /// As whom.
        id: WorkerId,
    },
    /// There is no such contract.
    #[error("there is no contract at {}", address(&AccountId::from(*.0)))]
    NoContract(ContractId),
    /// It exists on the chain only.
    #[error("the contract at {} has not been instantiated (yet): see the receipt of its instantiation", address(&AccountId::from(*.0)))]
    NotInstantiated(ContractId),
    /// Nothing can be encrypted to the cluster.
    #[error("cluster {} has no key yet that something could be encrypted to: see `phat status`", .0.to_low_u64_be())]
    NoClusterKey(ClusterId),
    /// The message does not take money.
    #[error("`{0}` does not accept money: leave the transfer out")]
    NotPayable(String),
    /// It would fail, and has not been sent.
    #[error("`{function}` would fail: {reason}{}", printed(.debug))]
    WouldFail {
        /// The constructor or message.
        function: String,
        /// Why.
        reason: FailReason,
        /// What the contract printed.
        debug: String,
    },
    /// The account has too little on the chain.
    #[error(
        "the account lacks money: {needed} (in smallest units) have to go into the cluster, {available} are there"
    )]
    Poor {
        /// What would have to go into the cluster.
        needed: Balance,
        /// What the account has on the chain.
        available: Balance,
    },
    /// The worker has no receipt of this number for this account.
    #[error(
        "the worker has no receipt {0} for this account: it may be somebody else's, too old, or in another cluster"
    )]
    NoReceipt(MessageNumber),
    /// The workers have not applied it in time.
    #[error(
        "message {number} has not been applied within {seconds} s; ask again with `phat receipt {number}`"
    )]
    NotApplied {
        /// Number of the message.
        number: MessageNumber,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The workers have not agreed in time.
    #[error(
        "the workers of the cluster have not agreed within {seconds} s on what it has come to after block {block}: see `phat status`, and ask again"
    )]
    NotAgreed {
        /// The block of the receipt.
        block: BlockNumber,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The receipt is too old for a proof.
    #[error(
        "the receipt {0} is too old: a proof would be too long, or the worker has forgotten a part of it"
    )]
    ProofTooFar(MessageNumber),
    /// The worker's proof does not hold.
    #[error("the worker's receipt is not proven: {0}; ask another worker")]
    Unproven(#[source] BadProof),
    /// The worker has signed for another chain.
    #[error("the worker has signed its answer for another chain: ask another worker")]
    SignedElsewhere,
    /// The command cannot be encrypted.
    #[error("the command cannot be encrypted: {0}")]
    Envelope(#[from] envelope::EnvelopeError),
}

/// Why an execution fails.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FailReason {
    /// The contract says no.
    #[error("the contract returns {0}")]
    Returned(Readable),
    /// The contract says no, in bytes that the bundle does not describe.
    #[error("the contract undoes everything and returns 0x{}", hex::encode(.0))]
    Reverted(Vec<u8>),
    /// It could not be executed.
    #[error(transparent)]
    Exec(#[from] ExecError),
}

fn tried(errors: &[WorkerError]) -> String {
    errors.iter().map(|error| format!("\n  {error}")).collect()
}

fn printed(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!("\nthe worker adds: {}", message.trim_end())
    }
}

pub(super) fn would_fail(function: &Function, reason: FailReason, debug: &[u8]) -> ClientError {
    ClientError::WouldFail {
        function: function.label.clone(),
        reason,
        debug: String::from_utf8_lossy(debug).into_owned(),
    }
}
