//! What commits a cluster to its receipts, so that one of them can be proven to somebody who has
//! nothing but the chain.
//!
//! The receipts of a block are the leaves of a Merkle tree. The roots of all blocks that have
//! receipts form a hash chain, the cluster's *receipts commitment*:
//!
//! ```text
//! leaf       = blake2_256(0x00 ‖ SCALE receipt)
//! node       = blake2_256(0x01 ‖ left ‖ right)        the last one of an odd number moves up alone
//! commitment = blake2_256("phat/receipts" ‖ commitment before ‖ block (u32, little-endian) ‖ root)
//! ```
//!
//! Before the first receipt the commitment is zero. Workers report it beside the state root; what
//! more than half of a cluster's workers report stands on the chain. A [`ReceiptProof`] leads from a
//! receipt to a commitment there.

use crate::{
    BlockNumber, Hash, blake2_256, limits::MAX_MESSAGES_PER_BLOCK, receipt::Receipt, report::Roots,
};
use alloc::vec::Vec;
use codec::{Decode, Encode};
use core::fmt;

const LEAF: u8 = 0;
const NODE: u8 = 1;
const COMMITMENT: &[u8] = b"phat/receipts";

/// Steps from a leaf to the root: a block has at most [`MAX_MESSAGES_PER_BLOCK`] receipts.
const MAX_PATH: usize = MAX_MESSAGES_PER_BLOCK.ilog2() as usize;
/// Blocks with receipts between the proven one and the commitment: 36 bytes each, so that a proof
/// stays well below the longest answer of a worker. A proof taken soon has a handful.
pub const MAX_LINKS: usize = 16_384;

/// The leaf of a receipt.
pub fn leaf(receipt: &Receipt) -> Hash {
    let mut bytes = alloc::vec![LEAF];
    receipt.encode_to(&mut bytes);
    Hash::from(blake2_256(&bytes))
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [NODE; 65];
    bytes[1..33].copy_from_slice(&left.0);
    bytes[33..].copy_from_slice(&right.0);
    Hash::from(blake2_256(&bytes))
}

fn level_above(level: &[Hash]) -> Vec<Hash> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => node(left, right),
            alone => alone.iter().copied().next().unwrap_or_default(),
        })
        .collect()
}

/// Root of the tree over these leaves; `None` if there are none.
pub fn root(leaves: &[Hash]) -> Option<Hash> {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = level_above(&level);
    }
    level.first().copied()
}

/// The way from a leaf to the root; `None` if there is no such leaf.
pub fn path(leaves: &[Hash], index: usize) -> Option<Vec<Sibling>> {
    leaves.get(index)?;
    let (mut level, mut index) = (leaves.to_vec(), index);
    let mut path = Vec::new();
    while level.len() > 1 {
        let sibling = level.get(index ^ 1).copied();
        path.extend(sibling.map(|hash| match index % 2 {
            0 => Sibling::Right(hash),
            _ => Sibling::Left(hash),
        }));
        level = level_above(&level);
        index /= 2;
    }
    Some(path)
}

/// The commitment after a block whose receipts have this root.
pub fn commitment(before: &Hash, block: BlockNumber, root: &Hash) -> Hash {
    let mut bytes = COMMITMENT.to_vec();
    bytes.extend_from_slice(&before.0);
    bytes.extend_from_slice(&block.to_le_bytes());
    bytes.extend_from_slice(&root.0);
    Hash::from(blake2_256(&bytes))
}

/// What stands beside a node on the way to the root, and on which side.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Sibling {
    /// On the left.
    Left(Hash),
    /// On the right.
    Right(Hash),
}

/// A later block with receipts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Link {
    /// Its number.
    pub block: BlockNumber,
    /// Root of its receipts.
    pub root: Hash,
}

/// A receipt, and what leads from it to a commitment of its cluster.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct ReceiptProof {
    /// The receipt.
    pub receipt: Receipt,
    /// From the receipt to the root of its block.
    pub path: Vec<Sibling>,
    /// The commitment before that block.
    pub before: Hash,
    /// The blocks with receipts after that block, in order.
    pub links: Vec<Link>,
}

/// Why a proof proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProofError {
    /// It is longer than a proof can be.
    TooLong,
    /// Its blocks are not in order, or later than the commitment.
    OutOfOrder,
    /// It leads to another commitment: the receipt is not the cluster's.
    OtherCommitment,
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the proof is longer than a proof can be",
            Self::OutOfOrder => "the blocks of the proof are not in order",
            Self::OtherCommitment => {
                "the proof does not lead to what the cluster has agreed on: the receipt is not the cluster's, or was altered"
            }
        })
    }
}

impl core::error::Error for ProofError {}

impl ReceiptProof {
    /// Checks the proof against what the cluster has agreed on after `block`.
    pub fn check(&self, block: BlockNumber, agreed: &Roots) -> Result<(), ProofError> {
        if self.path.len() > MAX_PATH || self.links.len() > MAX_LINKS {
            return Err(ProofError::TooLong);
        }
        let mut last = self.receipt.block;
        for link in &self.links {
            if link.block <= last {
                return Err(ProofError::OutOfOrder);
            }
            last = link.block;
        }
        if last > block {
            return Err(ProofError::OutOfOrder);
        }
        let root = self
            .path
            .iter()
            .fold(leaf(&self.receipt), |below, sibling| match sibling {
                Sibling::Left(left) => node(left, &below),
                Sibling::Right(right) => node(&below, right),
            });
        let first = commitment(&self.before, self.receipt.block, &root);
        let reached = self.links.iter().fold(first, |before, link| {
            commitment(&before, link.block, &link.root)
        });
        if reached != agreed.receipts {
            return Err(ProofError::OtherCommitment);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountId, receipt::Success};

    fn receipt(number: u64, block: BlockNumber) -> Receipt {
        Receipt {
            number,
            block,
            sender: AccountId([1; 32]),
            outcome: Ok(Success::Called(alloc::vec![number as u8])),
            gas_used: 1,
            gas_refunded: 2,
            fee: 3,
            storage_deposit: 4,
            events: Vec::new(),
            state_root: Hash::repeat_byte(5),
        }
    }

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|number| leaf(&receipt(number, 7))).collect()
    }

    fn agreed(receipts: Hash) -> Roots {
        Roots {
            state_root: Hash::zero(),
            receipts,
        }
    }

    /// A proof of receipt `index` of `count` in block 7, with the blocks 9 and 12 after it, and the
    /// commitment that it leads to.
    fn proof(index: u64, count: u64) -> (ReceiptProof, Hash) {
        let before = Hash::repeat_byte(8);
        let links = [9, 12].map(|block| Link {
            block,
            root: Hash::repeat_byte(block as u8),
        });
        let leaves = leaves(count);
        let mut reached = commitment(&before, 7, &root(&leaves).unwrap());
        for link in &links {
            reached = commitment(&reached, link.block, &link.root);
        }
        let proof = ReceiptProof {
            receipt: receipt(index, 7),
            path: path(&leaves, index as usize).unwrap(),
            before,
            links: links.to_vec(),
        };
        (proof, reached)
    }

    #[test]
    fn every_receipt_of_a_block_of_any_size_is_proven() {
        for count in (1..=33).chain([1_023, 1_024]) {
            for index in (0..count).step_by(1 + count as usize / 40) {
                let (proof, reached) = proof(index, count);
                assert_eq!(
                    proof.check(12, &agreed(reached)),
                    Ok(()),
                    "{index} of {count}"
                );
                assert_eq!(proof.check(500, &agreed(reached)), Ok(()));
            }
        }
        assert_eq!(root(&[]), None);
        assert_eq!(path(&leaves(3), 3), None);
    }

    #[test]
    fn nothing_in_a_proof_can_be_changed() {
        let (good, reached) = proof(2, 5);
        let refused = |change: fn(&mut ReceiptProof)| {
            let mut bent = good.clone();
            change(&mut bent);
            assert_ne!(bent, good);
            bent.check(12, &agreed(reached)).unwrap_err()
        };
        for change in [
            (|proof| proof.receipt.gas_used = 9) as fn(&mut ReceiptProof),
            |proof| proof.receipt.block = 6,
            |proof| proof.receipt.sender = AccountId([2; 32]),
            |proof| proof.before = Hash::zero(),
            |proof| proof.links[0].block = 8,
            |proof| proof.links[1].root = Hash::zero(),
            |proof| proof.links.truncate(1),
            |proof| proof.links = proof.links.split_off(1),
            |proof| proof.path.truncate(1),
            |proof| proof.path.reverse(),
            |proof| {
                if let Sibling::Right(hash) = proof.path[0] {
                    proof.path[0] = Sibling::Left(hash);
                }
            },
        ] {
            assert_eq!(refused(change), ProofError::OtherCommitment);
        }
        for change in [
            (|proof| proof.links.swap(0, 1)) as fn(&mut ReceiptProof),
            |proof| proof.links[0].block = 7,
            |proof| proof.receipt.block = 10,
            |proof| proof.links[1].block = 13,
        ] {
            assert_eq!(refused(change), ProofError::OutOfOrder);
        }
        let longer = |proof: &mut ReceiptProof| {
            proof.path = alloc::vec![Sibling::Left(Hash::zero()); MAX_PATH + 1];
        };
        assert_eq!(refused(longer), ProofError::TooLong);
        assert_eq!(
            good.check(11, &agreed(reached)),
            Err(ProofError::OutOfOrder)
        );
    }

    #[test]
    fn a_node_is_not_taken_for_a_receipt_and_order_counts() {
        let two = leaves(2);
        assert_ne!(root(&two), root(&[two[1], two[0]]));
        let mut inner = alloc::vec![0u8; 0];
        inner.extend_from_slice(&two[0].0);
        inner.extend_from_slice(&two[1].0);
        assert_ne!(root(&two), Some(Hash::from(blake2_256(&inner))));
        let mut as_leaf = alloc::vec![LEAF];
        as_leaf.extend_from_slice(&inner);
        assert_ne!(root(&two), Some(Hash::from(blake2_256(&as_leaf))));
    }

    #[test]
    fn the_commitment_depends_on_all_that_came_before() {
        let root = Hash::repeat_byte(1);
        let base = commitment(&Hash::zero(), 1, &root);
        assert_ne!(base, commitment(&Hash::zero(), 2, &root));
        assert_ne!(base, commitment(&Hash::zero(), 1, &Hash::zero()));
        assert_ne!(base, commitment(&root, 1, &root));
    }
}
