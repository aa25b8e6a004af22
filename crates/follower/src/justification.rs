//! GRANDPA justifications: the votes that make a block final.
//!
//! A justification names a block and carries the precommits of one round. A vote for a descendant
//! of the block is also a vote for the block; the headers that prove the descent come with it. The
//! block is final if authorities with more than two thirds of the weight have voted for it.
//!
//! The encoding is that of `sp_consensus_grandpa::GrandpaJustification`. What is final for
//! Substrate's nodes is final here, with one exception, to the safe side: GRANDPA lets a voter who
//! has cast two different votes count for every block; here such a voter counts only if one of the
//! votes supports the block. The votes are counted here rather than by the nodes' library, which
//! trusts them to have been collected by an honest node.

use crate::authorities::AuthoritySet;
use crate::block::Header;
use crate::limits::MAX_JUSTIFICATION_LEN;
use codec::{DecodeAll, Encode};
use phat_primitives::{BlockNumber, Hash, blake2_256};
use polkadot_sdk::sp_consensus_grandpa::{
    AuthorityPair, GrandpaJustification, Message, localized_payload,
};
use polkadot_sdk::sp_core::Pair;
use std::collections::{BTreeMap, BTreeSet};

/// Why a justification does not make a block final.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JustificationError {
    /// Longer than [`MAX_JUSTIFICATION_LEN`].
    #[error("it has {0} bytes, more than {MAX_JUSTIFICATION_LEN}")]
    TooLong(usize),
    /// No justification, or bytes left over.
    #[error("it cannot be decoded")]
    Undecodable(#[source] codec::Error),
    /// It is for another block.
    #[error("it is for block {number} ({hash:?}), not for the last block of the batch")]
    WrongTarget {
        /// Height of the block it is for.
        number: BlockNumber,
        /// Hash of the block it is for.
        hash: Hash,
    },
    /// More votes than all authorities together could honestly or dishonestly need: two each.
    #[error("it has {votes} votes of {authorities} authorities")]
    TooManyVotes {
        /// How many votes it has.
        votes: usize,
        /// How many authorities there are.
        authorities: usize,
    },
    /// Somebody voted who is no authority of the current set.
    #[error("0x{} has voted but is no authority", hex::encode(.0))]
    UnknownVoter([u8; 32]),
    /// A signature is forged, or was made for another round or another set of authorities.
    #[error("the signature of authority 0x{} is not valid for this round and set", hex::encode(.0))]
    BadSignature([u8; 32]),
    /// Two thirds of the weight or less have voted for the block.
    #[error("only {weight} of {total} votes are for the block; more than two thirds are needed")]
    TooFewVotes {
        /// Weight of the authorities that have voted for the block.
        weight: u64,
        /// Weight of all.
        total: u64,
    },
}

/// Checks that `bytes` makes the block `target` final, under the given authorities.
pub(crate) fn verify(
    bytes: &[u8],
    (number, hash): (BlockNumber, Hash),
    authorities: &AuthoritySet,
    set_id: u64,
) -> Result<(), JustificationError> {
    if bytes.len() > MAX_JUSTIFICATION_LEN {
        return Err(JustificationError::TooLong(bytes.len()));
    }
    let GrandpaJustification::<Header> {
        round,
        commit,
        votes_ancestries,
    } = DecodeAll::decode_all(&mut &bytes[..]).map_err(JustificationError::Undecodable)?;
    if (commit.target_number, commit.target_hash) != (number, hash) {
        return Err(JustificationError::WrongTarget {
            number: commit.target_number,
            hash: commit.target_hash,
        });
    }
    let votes = commit.precommits.len();
    if votes > 2 * authorities.len() {
        return Err(JustificationError::TooManyVotes {
            votes,
            authorities: authorities.len(),
        });
    }

    let supporting = block_and_descendants((number, hash), &votes_ancestries);
    let mut counted = BTreeSet::new();
    let mut weight = 0u64;
    for vote in commit.precommits {
        let key: [u8; 32] = polkadot_sdk::sp_core::ed25519::Public::from(vote.id.clone()).0;
        let Some(own_weight) = authorities.weight(&vote.id) else {
            return Err(JustificationError::UnknownVoter(key));
        };
        let supports =
            supporting.contains(&(vote.precommit.target_number, vote.precommit.target_hash));
        let signed =
            localized_payload(round, set_id, &Message::<Header>::Precommit(vote.precommit));
        if !AuthorityPair::verify(&vote.signature, signed, &vote.id) {
            return Err(JustificationError::BadSignature(key));
        }
        if supports && counted.insert(key) {
            // Cannot overflow: each authority counts once, and the weight of all fits.
            weight = weight.saturating_add(own_weight);
        }
    }
    let total = authorities.total();
    if u128::from(weight) * 3 <= u128::from(total) * 2 {
        return Err(JustificationError::TooFewVotes { weight, total });
    }
    Ok(())
}

/// The block and those of the headers that descend from it.
fn block_and_descendants(
    block: (BlockNumber, Hash),
    headers: &[Header],
) -> BTreeSet<(BlockNumber, Hash)> {
    let mut children = BTreeMap::<Hash, Vec<(BlockNumber, Hash)>>::new();
    for header in headers {
        let hash = blake2_256(&header.encode()).into();
        children
            .entry(header.parent_hash)
            .or_default()
            .push((header.number, hash));
    }
    let mut found = BTreeSet::new();
    let mut open = vec![block];
    while let Some(next) = open.pop() {
        // Removing the entry makes this end even if a header comes twice.
        open.extend(children.remove(&next.1).unwrap_or_default());
        found.insert(next);
    }
    found
}
