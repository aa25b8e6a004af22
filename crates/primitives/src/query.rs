//! What a client asks of one worker, and the answer. The formats are those of `@phala/sdk` 0.6
//! (`InkQuery`, `InkResponse`, `CertificateBody`); they travel inside
//! [`crate::command::EncryptedData`].

use crate::{Balance, CodeHash, ContractId, MessageNumber};
use alloc::{boxed::Box, string::String, vec::Vec};
use codec::{Decode, Encode};

/// A query of a contract.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct InkQuery {
    /// Which contract, and a nonce.
    pub head: QueryHead,
    /// What is asked.
    pub data: InkQueryData,
}

/// Which contract a query is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct QueryHead {
    /// The contract.
    pub id: ContractId,
    /// Chosen by the client; the answer repeats it.
    pub nonce: [u8; 32],
}

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum InkQueryData {
    /// Calls a message.
    InkMessage {
        /// Selector and arguments.
        payload: Vec<u8>,
        /// Money that the caller is assumed to have in addition, for this query only.
        deposit: Balance,
        /// Money that goes to the contract.
        transfer: Balance,
        /// Behaves as in a transaction, to find out what it would cost.
        estimating: bool,
    },
    /// A message for the program beside the contract. To the logger it asks for log records.
    SidevmMessage(Vec<u8>),
    /// Tries an instantiation, to find out what it would cost. Sent to the system contract.
    InkInstantiate {
        /// The code.
        code_hash: CodeHash,
        /// Salt of the contract's id.
        salt: Vec<u8>,
        /// Selector and arguments of the constructor.
        instantiate_data: Vec<u8>,
        /// Money that the caller is assumed to have in addition, for this query only.
        deposit: Balance,
        /// Money that goes to the new contract.
        transfer: Balance,
    },
}

/// The answer to a query.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct InkResponse {
    /// The query's nonce.
    pub nonce: [u8; 32],
    /// The result.
    pub result: Result<InkQueryOk, InkQueryError>,
}

/// A query that was answered.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum InkQueryOk {
    /// A SCALE-encoded `ContractExecResult` (for instantiations `ContractInstantiateResult`), or the
    /// JSON that the logger answers with.
    InkMessageReturn(Vec<u8>),
}

/// A query that was not answered.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum InkQueryError {
    /// The query has no valid signer, and the contract asks for one.
    BadOrigin,
    /// The reason in words.
    RuntimeError(String),
    /// The contract has no program beside it.
    SidevmNotFound,
    /// The program beside the contract gave no answer.
    NoResponse,
    /// The worker does not serve the contract at present.
    ServiceUnavailable,
    /// It took too long.
    Timeout,
}

/// What a certificate says: this key may speak for whoever signed it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct CertificateBody {
    /// The key.
    pub pubkey: Vec<u8>,
    /// Number of the block after which it is void.
    pub ttl: u32,
    /// Reserved; 0.
    pub config_bits: u32,
}

/// Asks for the receipt of a command. Only the command's sender gets it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct ReceiptRequest {
    /// Number of the message.
    pub number: MessageNumber,
    /// Chosen by the client: makes each request unique.
    pub nonce: [u8; 32],
}

/// The answer to a [`ReceiptRequest`].
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum ReceiptResponse {
    /// The command has not been applied yet by this worker.
    Pending,
    /// There is no such receipt, or it belongs to somebody else, or it is too old.
    Unknown,
    /// Here it is.
    Found(Box<crate::receipt::Receipt>),
}
