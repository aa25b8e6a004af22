//! Receipts that can be shown to others: a receipt with what leads from it to something that the
//! workers of its cluster have agreed on, and that stands on the chain.
//!
//! As a file it is one JSON object. What is not listed here is ignored.
//!
//! | name | value |
//! |---|---|
//! | `genesis` | genesis hash of the chain, hex |
//! | `cluster` | id of the cluster, hex |
//! | `agreed_block` | number of the block whose agreed commitment it leads to |
//! | `proof` | SCALE-encoded [`ReceiptProof`], hex |

use crate::chain::{ChainClient, ChainError};
use codec::{DecodeAll, Encode};
use phat_primitives::{
    BlockNumber, ClusterId, Hash,
    commitment::{ProofError, ReceiptProof},
    report::Roots,
};
use serde::{Deserialize, Serialize};

/// A receipt with its proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProvenReceipt {
    /// Genesis hash of the chain.
    pub genesis: Hash,
    /// The cluster.
    pub cluster: ClusterId,
    /// The block whose agreed commitment the proof leads to.
    pub agreed_block: BlockNumber,
    /// The receipt, and what leads from it to that commitment.
    pub proof: ReceiptProof,
}

/// Why something proves no receipt.
#[derive(Debug, thiserror::Error)]
pub enum BadProof {
    /// The chain did not answer.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// It is not what [`ProvenReceipt::to_json`] makes.
    #[error("not a receipt's proof ({0}): make one with `phat receipt NUMBER --prove`")]
    Malformed(String),
    /// It is about another chain.
    #[error("the receipt is of the chain with the genesis {0:?}, not of this one: name that chain")]
    OtherChain(Hash),
    /// The chain knows of no agreement after that block.
    #[error(
        "the chain does not know, or does not remember any more, what cluster {} agreed on after block {block}: ask a worker for a new proof", cluster.to_low_u64_be()
    )]
    NotAgreed {
        /// The cluster.
        cluster: ClusterId,
        /// The block.
        block: BlockNumber,
    },
    /// It leads elsewhere.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

#[derive(Serialize, Deserialize)]
struct Document {
    genesis: String,
    cluster: String,
    agreed_block: BlockNumber,
    proof: String,
}

fn hex_of(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn bytes_of(name: &str, text: &str) -> Result<Vec<u8>, BadProof> {
    hex::decode(text.trim_start_matches("0x"))
        .map_err(|_| BadProof::Malformed(format!("`{name}` is not hex")))
}

fn hash_of(name: &str, text: &str) -> Result<Hash, BadProof> {
    let bytes: [u8; 32] = bytes_of(name, text)?
        .try_into()
        .map_err(|_| BadProof::Malformed(format!("`{name}` has not 32 bytes")))?;
    Ok(Hash::from(bytes))
}

impl ProvenReceipt {
    /// As JSON.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!(Document {
            genesis: hex_of(&self.genesis.0),
            cluster: hex_of(&self.cluster.0),
            agreed_block: self.agreed_block,
            proof: hex_of(&self.proof.encode()),
        })
    }

    /// From JSON.
    pub fn from_json(bytes: &[u8]) -> Result<Self, BadProof> {
        let document: Document = serde_json::from_slice(bytes)
            .map_err(|error| BadProof::Malformed(error.to_string()))?;
        let proof = bytes_of("proof", &document.proof)?;
        Ok(Self {
            genesis: hash_of("genesis", &document.genesis)?,
            cluster: hash_of("cluster", &document.cluster)?,
            agreed_block: document.agreed_block,
            proof: ReceiptProof::decode_all(&mut proof.as_slice())
                .map_err(|_| BadProof::Malformed("`proof` cannot be decoded".into()))?,
        })
    }

    /// Checks the proof against what the cluster has agreed on, which is returned. Only the chain is
    /// asked, no worker.
    pub async fn check(&self, chain: &ChainClient) -> Result<Roots, BadProof> {
        if self.genesis != chain.genesis() {
            return Err(BadProof::OtherChain(self.genesis));
        }
        let (cluster, block) = (self.cluster, self.agreed_block);
        let agreed = chain
            .agreed_roots(cluster, block)
            .await?
            .ok_or(BadProof::NotAgreed { cluster, block })?;
        self.proof.check(block, &agreed)?;
        Ok(agreed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phat_primitives::{
        AccountId,
        commitment::{Link, Sibling},
        receipt::{Failure, Receipt},
    };

    fn proven() -> ProvenReceipt {
        ProvenReceipt {
            genesis: Hash::repeat_byte(1),
            cluster: Hash::repeat_byte(2),
            agreed_block: 9,
            proof: ReceiptProof {
                receipt: Receipt {
                    number: 3,
                    block: 4,
                    sender: AccountId([5; 32]),
                    outcome: Err(Failure::Reverted(vec![6])),
                    gas_used: 7,
                    gas_refunded: 8,
                    fee: 9,
                    storage_deposit: -10,
                    events: Vec::new(),
                    state_root: Hash::repeat_byte(11),
                },
                path: vec![Sibling::Left(Hash::repeat_byte(12))],
                before: Hash::repeat_byte(13),
                links: vec![Link {
                    block: 6,
                    root: Hash::repeat_byte(14),
                }],
            },
        }
    }

    #[test]
    fn a_proof_survives_its_file() {
        let text = proven().to_json().to_string();
        assert_eq!(ProvenReceipt::from_json(text.as_bytes()).unwrap(), proven());
    }

    #[test]
    fn what_is_no_proof_is_malformed() {
        let good = proven().to_json();
        let mut bad = vec!["".into(), "[]".into(), "{}".into()];
        for name in ["genesis", "cluster", "proof"] {
            for value in ["", "0x12", "0xzz", "text"] {
                let mut document = good.clone();
                document[name] = value.into();
                bad.push(document.to_string());
            }
        }
        let mut longer = good.clone();
        longer["proof"] = format!("{}00", good["proof"].as_str().unwrap()).into();
        bad.push(longer.to_string());
        for text in bad {
            let refused = ProvenReceipt::from_json(text.as_bytes()).unwrap_err();
            assert!(matches!(refused, BadProof::Malformed(_)), "{text}");
        }
    }
}
