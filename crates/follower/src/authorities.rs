//! Sets of GRANDPA authorities, and how one set hands over to the next.

use crate::limits::MAX_AUTHORITIES;
use codec::{Decode, DecodeAll, Encode};
use polkadot_sdk::sp_consensus_grandpa::{AuthorityId, ConsensusLog, GRANDPA_ENGINE_ID};
use polkadot_sdk::sp_core::ed25519;
use polkadot_sdk::sp_runtime::generic::Digest;
use std::collections::BTreeMap;

/// An authority: its ed25519 public key and its weight in votes.
pub type Authority = ([u8; 32], u64);

/// Why a list of authorities cannot be a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AuthoritiesError {
    /// Nobody could ever finalise anything.
    #[error("there are no authorities")]
    Empty,
    /// More than [`MAX_AUTHORITIES`].
    #[error("{0} authorities are more than {MAX_AUTHORITIES}")]
    TooMany(usize),
    /// An authority whose vote counts nothing.
    #[error("an authority has no weight")]
    NoWeight,
    /// One key twice.
    #[error("an authority is listed twice")]
    Repeated,
    /// The sum of the weights does not fit into 64 bits.
    #[error("the authorities' weights are too large to add up")]
    Overflow,
}

/// Why an announced change of authorities is not followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChangeError {
    /// The announcement cannot be decoded.
    #[error("the header's GRANDPA digest cannot be decoded")]
    Undecodable,
    /// A forced change replaces the authorities without their votes: nothing a light client could
    /// check.
    #[error(
        "the chain has forced a change of its authorities, which cannot be verified; \
         set up the worker again with a block that is known to be good"
    )]
    Forced,
    /// Only changes that take effect with their own block are supported; it is the kind that FRAME
    /// schedules.
    #[error("the authorities are to change {0} blocks later, which is not supported")]
    Delayed(u32),
    /// The announced list is no valid set.
    #[error("the announced authorities are not valid: {0}")]
    Authorities(#[from] AuthoritiesError),
}

/// A set of authorities: not empty, no key twice, no weight zero, the sum fits into 64 bits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct AuthoritySet {
    weights: BTreeMap<[u8; 32], u64>,
    total: u64,
}

impl AuthoritySet {
    pub(crate) fn new(
        list: impl ExactSizeIterator<Item = Authority>,
    ) -> Result<Self, AuthoritiesError> {
        match list.len() {
            0 => return Err(AuthoritiesError::Empty),
            len if len > MAX_AUTHORITIES => return Err(AuthoritiesError::TooMany(len)),
            _ => {}
        }
        let mut weights = BTreeMap::new();
        let mut total = 0u64;
        for (key, weight) in list {
            if weight == 0 {
                return Err(AuthoritiesError::NoWeight);
            }
            total = total
                .checked_add(weight)
                .ok_or(AuthoritiesError::Overflow)?;
            if weights.insert(key, weight).is_some() {
                return Err(AuthoritiesError::Repeated);
            }
        }
        Ok(Self { weights, total })
    }

    /// How many authorities there are.
    pub(crate) fn len(&self) -> usize {
        self.weights.len()
    }

    /// The weight of one authority, if it belongs to the set.
    pub(crate) fn weight(&self, id: &AuthorityId) -> Option<u64> {
        self.weights
            .get(&ed25519::Public::from(id.clone()).0)
            .copied()
    }

    /// The weight of all.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The authorities, ordered by key.
    pub(crate) fn list(&self) -> Vec<Authority> {
        self.weights
            .iter()
            .map(|(key, weight)| (*key, *weight))
            .collect()
    }
}

impl Encode for AuthoritySet {
    fn encode_to<T: codec::Output + ?Sized>(&self, dest: &mut T) {
        self.list().encode_to(dest);
    }
}

impl Decode for AuthoritySet {
    fn decode<I: codec::Input>(input: &mut I) -> Result<Self, codec::Error> {
        Self::new(Vec::<Authority>::decode(input)?.into_iter())
            .map_err(|_| "not a set of authorities".into())
    }
}

/// The authorities that take over after the block with this digest, if it announces any. As in
/// Substrate, the first announcement in a header counts.
pub(crate) fn scheduled_change(digest: &Digest) -> Result<Option<AuthoritySet>, ChangeError> {
    let mut next = None;
    for (engine, log) in digest.logs.iter().filter_map(|item| item.as_consensus()) {
        if engine != GRANDPA_ENGINE_ID {
            continue;
        }
        let log =
            ConsensusLog::<u32>::decode_all(&mut &log[..]).map_err(|_| ChangeError::Undecodable)?;
        match log {
            ConsensusLog::ForcedChange(..) => return Err(ChangeError::Forced),
            ConsensusLog::ScheduledChange(change) if change.delay != 0 => {
                return Err(ChangeError::Delayed(change.delay));
            }
            ConsensusLog::ScheduledChange(change) if next.is_none() => {
                let list = change.next_authorities.into_iter();
                next = Some(AuthoritySet::new(
                    list.map(|(id, weight)| (ed25519::Public::from(id).0, weight)),
                )?);
            }
            // A repeated announcement, and three signals that nodes ignore too.
            ConsensusLog::ScheduledChange(_)
            | ConsensusLog::OnDisabled(_)
            | ConsensusLog::Pause(_)
            | ConsensusLog::Resume(_) => {}
        }
    }
    Ok(next)
}
