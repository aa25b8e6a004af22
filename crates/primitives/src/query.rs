//! What a client asks of one worker, and the answer. The formats are those of `@phala/sdk` 0.6
//! (`InkQuery`, `InkResponse`, `CertificateBody`); they travel inside
//! [`crate::command::EncryptedData`].

use crate::{AccountId, Balance, BlockNumber, CodeHash, ContractId, Hash, MessageNumber};
use alloc::{boxed::Box, string::String, vec::Vec};
use codec::{Decode, DecodeAll, Encode};

/// A query of a contract.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct InkQuery {
    /// Which contract, and a nonce.
    pub head: QueryHead,
    /// What is asked.
    pub data: InkQueryData,
}

impl InkQuery {
    /// The query as it is encrypted: followed by what the caller pays for it, unless that is nothing.
    /// Where calls are weighed by stake, nothing may be paid.
    pub fn encode_paying(&self, amount: Balance) -> Vec<u8> {
        let mut bytes = self.encode();
        if amount > 0 {
            amount.encode_to(&mut bytes);
        }
        bytes
    }

    /// A query that was encrypted, and what the caller pays for it.
    ///
    /// # Errors
    ///
    /// If the bytes are anything else, or say that nothing is paid where they need not say anything.
    pub fn decode_paying(mut bytes: &[u8]) -> Result<(Self, Balance), codec::Error> {
        let query = Self::decode(&mut bytes)?;
        if bytes.is_empty() {
            return Ok((query, 0));
        }
        match Balance::decode_all(&mut bytes)? {
            0 => Err("a query that pays nothing does not say so".into()),
            amount => Ok((query, amount)),
        }
    }
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

/// Asks for a proof of the receipt of a command. Only the command's sender gets it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct ReceiptProofRequest {
    /// Number of the message.
    pub number: MessageNumber,
    /// The block whose agreed commitment the proof is to lead to: not before that of the receipt.
    pub agreed: BlockNumber,
    /// Chosen by the client: makes each request unique.
    pub nonce: [u8; 32],
}

/// The answer to a [`ReceiptProofRequest`].
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum ReceiptProofResponse {
    /// The command or the block has not been applied yet by this worker.
    Pending,
    /// There is no such receipt, or it belongs to somebody else, or it is too old.
    Unknown,
    /// There are more blocks between the receipt and the commitment than a proof may have.
    TooFar,
    /// Here it is.
    Found(Box<crate::commitment::ReceiptProof>),
}

/// What a worker says of its answer to a query, under its own key, if the caller asks for that.
///
/// The hashes are BLAKE2b-256 of what was encrypted: the SCALE-encoded [`InkQuery`] and
/// [`InkResponse`]. Whoever has both, and the statement, can show to others what was asked and
/// answered; nobody else can guess it, because both hold the query's nonce.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct AnswerStatement {
    /// Genesis hash of the chain.
    pub genesis: Hash,
    /// Who asked.
    pub caller: AccountId,
    /// Hash of the query.
    pub request: Hash,
    /// Hash of the answer.
    pub answer: Hash,
    /// Code of the contract that was asked; `None` if there is no such contract.
    pub code_hash: Option<CodeHash>,
    /// Last block of the state that was asked.
    pub block: BlockNumber,
    /// Root of that state.
    pub state_root: Hash,
}

/// [`AnswerStatement`] with the worker's signature in the context `answer`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct SignedAnswer {
    /// The statement.
    pub statement: AnswerStatement,
    /// sr25519 signature by the worker's key.
    pub signature: [u8; 64],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_paid_follows_the_query_and_nothing_follows_one_that_pays_nothing() {
        let query = InkQuery {
            head: QueryHead {
                id: Hash::zero(),
                nonce: [1; 32],
            },
            data: InkQueryData::SidevmMessage(alloc::vec![2]),
        };
        assert_eq!(query.encode_paying(0), query.encode());
        for amount in [0, 1, Balance::MAX] {
            let bytes = query.encode_paying(amount);
            assert_eq!(InkQuery::decode_paying(&bytes), Ok((query.clone(), amount)));
        }
        let mut bytes = query.encode_paying(7);
        assert!(InkQuery::decode_paying(&bytes[..bytes.len() - 1]).is_err());
        bytes.push(0);
        assert!(InkQuery::decode_paying(&bytes).is_err());
        let zero = [query.encode(), Balance::encode(&0)].concat();
        assert!(InkQuery::decode_paying(&zero).is_err());
    }
}
