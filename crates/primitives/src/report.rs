//! Workers → chain: reports, signed with the worker's key and numbered without a gap, so that the
//! chain accepts each exactly once and nobody has to pay a fee for it.

use crate::{
    AccountId, Balance, BlockNumber, ClusterId, ContractId, Hash, MessageNumber, WorkerId,
    credit::CreditReport,
    message::{KeyDelivery, MasterKeys},
};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

/// A signed report as it is submitted to the chain.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SignedReport {
    /// What is reported.
    pub report: Report,
    /// The worker's sr25519 signature in the context `report` over the encoded [`Report`].
    pub signature: [u8; 64],
}

/// What a worker tells the chain.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Report {
    /// Genesis hash of the chain it is meant for.
    pub genesis: Hash,
    /// Who reports.
    pub worker: WorkerId,
    /// Number of the report: the chain takes the next one only.
    pub sequence: u64,
    /// At most [`crate::limits::MAX_REPORT_PAYLOADS`].
    pub payloads: Vec<Payload>,
}

impl Report {
    /// By this the chain tells the worker which report of a number it has taken. There can be several:
    /// a worker that is stopped, or put back, may sign another one while the first is on its way.
    pub fn hash(&self) -> Hash {
        Hash::from(crate::blake2_256(&self.encode()))
    }
}

/// One thing reported.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Payload {
    /// The worker is alive and holds this state of its cluster.
    Heartbeat(Heartbeat),
    /// From the gatekeeper that was asked to make it: the master key of a generation.
    MasterKey {
        /// Which one.
        generation: u32,
        /// sr25519 public key.
        public: [u8; 32],
    },
    /// From a gatekeeper: a cluster's keys for one of its workers.
    ClusterKey {
        /// The cluster.
        cluster: ClusterId,
        /// The keys.
        delivery: KeyDelivery,
    },
    /// From a gatekeeper: the master keys for another one.
    #[codec(index = 20)]
    MasterKeys(MasterKeys),
    /// The worker renews its evidence: SCALE of the evidence, at most
    /// [`crate::limits::MAX_EVIDENCE_LEN`] bytes, and once in a report. Its operator need not sign:
    /// the evidence names the operator that the chain knows.
    #[codec(index = 10)]
    Evidence(Vec<u8>),
    /// What the worker has spent of credits. Once in a report.
    #[codec(index = 27)]
    Credit(CreditReport),
}

/// A worker is alive and holds this state.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Heartbeat {
    /// The cluster it serves.
    pub cluster: ClusterId,
    /// Last block applied.
    pub block: BlockNumber,
    /// State root after that block.
    pub state_root: Hash,
    /// Commitment to all receipts up to that block, see [`crate::commitment`].
    pub receipts: Hash,
    /// Withdrawals that this state contains and the chain has not decided yet: those of this block, or
    /// all of them if votes may have been lost with a worker that left.
    pub withdrawals: Vec<WithdrawalOutcome>,
}

impl Heartbeat {
    /// What a worker says of its cluster after a block.
    pub fn new(
        cluster: ClusterId,
        block: BlockNumber,
        roots: Roots,
        withdrawals: Vec<WithdrawalOutcome>,
    ) -> Self {
        Self {
            cluster,
            block,
            state_root: roots.state_root,
            receipts: roots.receipts,
            withdrawals,
        }
    }

    /// What the worker says the cluster has come to.
    pub fn roots(&self) -> Roots {
        Roots {
            state_root: self.state_root,
            receipts: self.receipts,
        }
    }
}

/// What a cluster has come to after a block. Workers that have applied the same blocks say the same.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    codec::MaxEncodedLen,
)]
pub struct Roots {
    /// Root of the state.
    pub state_root: Hash,
    /// Commitment to all receipts, see [`crate::commitment`].
    pub receipts: Hash,
}

/// The last state that a worker reported, as the chain keeps it: the worker reads with a proof
/// whether its reports were taken.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    codec::MaxEncodedLen,
)]
pub struct WorkerState {
    /// Of this cluster.
    pub cluster: ClusterId,
    /// After this block.
    pub block: BlockNumber,
    /// Root of the state.
    pub state_root: Hash,
    /// Commitment to the receipts.
    pub receipts: Hash,
}

/// How a withdrawal ended inside the cluster.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    codec::MaxEncodedLen,
)]
pub struct WithdrawalOutcome {
    /// Number of the message that asked for it.
    pub number: MessageNumber,
    /// What left the account: the amount asked for, or 0 if the account did not have it.
    pub amount: Balance,
}

/// What a cluster (not one worker) says about a contract, under the cluster's key. Whoever holds the
/// statement can hand it to the chain.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct ContractReady {
    /// The cluster.
    pub cluster: ClusterId,
    /// The contract that has been instantiated.
    pub contract: ContractId,
    /// sr25519 public key of the contract: commands are encrypted to it.
    pub public: [u8; 32],
}

/// [`ContractReady`] with the cluster's signature in the context `contract-ready`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SignedContractReady {
    /// The statement.
    pub statement: ContractReady,
    /// sr25519 signature by the cluster's key.
    pub signature: [u8; 64],
}

/// What a cluster says about a contract that was made in private: the chain has not heard of it
/// before. What it is made from is not told.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct PrivateContractReady {
    /// The contract and its key.
    pub ready: ContractReady,
    /// Who made it.
    pub deployer: AccountId,
}

/// [`PrivateContractReady`] with the cluster's signature in the context `private-contract-ready`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SignedPrivateContractReady {
    /// The statement.
    pub statement: PrivateContractReady,
    /// sr25519 signature by the cluster's key.
    pub signature: [u8; 64],
}
