//! Receipts of commands, and proofs of them.

use super::{Client, ClientError};
use crate::{
    limits::{RECEIPT_POLL, RECEIPT_TIMEOUT},
    proof::{BadProof, ProvenReceipt},
};
use phat_primitives::{
    MessageNumber,
    commitment::ProofError,
    query::{ReceiptProofResponse, ReceiptResponse},
    receipt::Receipt,
};
use std::time::Instant;

impl Client {
    /// The receipt of a command of this account; `None` if it has not been applied yet.
    pub async fn receipt(&self, number: MessageNumber) -> Result<Option<Receipt>, ClientError> {
        match self.worker.receipt(&self.caller, number).await? {
            ReceiptResponse::Found(receipt) => Ok(Some(*receipt)),
            ReceiptResponse::Pending => Ok(None),
            ReceiptResponse::Unknown => Err(ClientError::NoReceipt(number)),
        }
    }

    /// Waits for the receipt of a command of this account.
    pub async fn wait_for_receipt(&self, number: MessageNumber) -> Result<Receipt, ClientError> {
        let started = Instant::now();
        loop {
            if let Some(receipt) = self.receipt(number).await? {
                return Ok(receipt);
            }
            if started.elapsed() > RECEIPT_TIMEOUT {
                return Err(ClientError::NotApplied {
                    number,
                    seconds: RECEIPT_TIMEOUT.as_secs(),
                });
            }
            tokio::time::sleep(RECEIPT_POLL).await;
        }
    }

    /// The receipt of a command of this account with a proof that others can check without asking a
    /// worker. Waits until the command has been applied, and until the workers have agreed on what
    /// their cluster has come to after it.
    pub async fn prove_receipt(&self, number: MessageNumber) -> Result<ProvenReceipt, ClientError> {
        let receipt = self.wait_for_receipt(number).await?;
        let started = Instant::now();
        loop {
            if let Some(proven) = self.try_prove(&receipt).await? {
                return Ok(proven);
            }
            if started.elapsed() > RECEIPT_TIMEOUT {
                return Err(ClientError::NotAgreed {
                    block: receipt.block,
                    seconds: RECEIPT_TIMEOUT.as_secs(),
                });
            }
            tokio::time::sleep(RECEIPT_POLL).await;
        }
    }

    /// A proof that leads to the first agreement after the receipt, if there is one.
    async fn try_prove(&self, receipt: &Receipt) -> Result<Option<ProvenReceipt>, ClientError> {
        let cluster = self.cluster.id;
        let agreed = self.chain.agreed_blocks(cluster).await?;
        let Some(block) = agreed.into_iter().find(|block| *block >= receipt.block) else {
            return Ok(None);
        };
        let number = receipt.number;
        let asking = self.worker.receipt_proof(&self.caller, number, block);
        let proof = match asking.await? {
            ReceiptProofResponse::Found(proof) => *proof,
            ReceiptProofResponse::Pending => return Ok(None),
            ReceiptProofResponse::Unknown => return Err(ClientError::NoReceipt(number)),
            ReceiptProofResponse::TooFar => return Err(ClientError::ProofTooFar(number)),
        };
        let proven = ProvenReceipt {
            genesis: self.chain.genesis(),
            cluster,
            agreed_block: block,
            proof,
        };
        if proven.proof.receipt != *receipt {
            return Err(ClientError::Unproven(BadProof::Proof(
                ProofError::OtherCommitment,
            )));
        }
        match proven.check(&self.chain).await {
            Ok(_) => Ok(Some(proven)),
            // The oldest agreement was forgotten between two questions: there is a later one.
            Err(BadProof::NotAgreed { .. }) => Ok(None),
            Err(error) => Err(ClientError::Unproven(error)),
        }
    }
}
