//! How a command ended. Every upload, instantiation, command and withdrawal has a receipt.

use crate::{
    AccountId, Balance, BlockNumber, CodeHash, ContractId, Hash, MessageNumber, policy::Refused,
};
use alloc::{string::String, vec::Vec};
use codec::{Decode, Encode};
use core::fmt;

/// How a command ended.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Receipt {
    /// Number of the message.
    pub number: MessageNumber,
    /// Block in which it was ordered and applied.
    pub block: BlockNumber,
    /// Who sent it.
    pub sender: AccountId,
    /// What came of it.
    pub outcome: Result<Success, Failure>,
    /// Gas used.
    pub gas_used: u64,
    /// Gas that was paid up front and not used: its price has been returned.
    pub gas_refunded: u64,
    /// Fee kept for what was used.
    pub fee: Balance,
    /// Storage deposit paid (positive) or returned (negative).
    pub storage_deposit: i128,
    /// Events of contracts, in order.
    pub events: Vec<ContractEvent>,
    /// Root of the cluster's state after the command's block.
    pub state_root: Hash,
}

/// What a command has done.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Success {
    /// Code was added.
    Uploaded(CodeHash),
    /// A contract was made. The bytes are what its constructor returned.
    Instantiated(ContractId, Vec<u8>),
    /// A message was called. The bytes are what it returned.
    Called(Vec<u8>),
    /// Money left the cluster.
    Withdrawn(Balance),
}

/// Why a command has done nothing.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Failure {
    /// The contract asked for all to be undone, and returned these bytes (usually an encoded error).
    Reverted(Vec<u8>),
    /// The contract stopped or could not be run; the reason in words.
    Failed(String),
    /// The command could not be decrypted or decoded.
    Unreadable(String),
    /// The sender could not pay.
    Unpaid {
        /// What was needed up front.
        needed: Balance,
        /// What the sender had.
        available: Balance,
    },
    /// The code was refused; the reason in words.
    CodeRejected(String),
    /// The policy of the cluster does not allow it. Nothing was charged.
    #[codec(index = 5)]
    Refused(Refused),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reverted(data) => write!(f, "reverted with 0x{}", hex::encode(data)),
            Self::Failed(reason) | Self::Unreadable(reason) | Self::CodeRejected(reason) => {
                f.write_str(reason)
            }
            Self::Refused(refused) => write!(f, "refused by the cluster's policy: {refused}"),
            Self::Unpaid { needed, available } => {
                write!(
                    f,
                    "{needed} is needed up front, the account has {available}"
                )
            }
        }
    }
}

/// An event that a contract emitted.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct ContractEvent {
    /// The contract.
    pub contract: ContractId,
    /// Its topics.
    pub topics: Vec<Hash>,
    /// Its data.
    pub data: Vec<u8>,
}
