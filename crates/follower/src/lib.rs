//! Light client of the chain: headers, finality, storage proofs and ordered messages.
//!
//! A worker trusts no server, not even a chain in its own process. It starts from the hash and the
//! authorities of the genesis block, and from then on believes only what these authorities have
//! signed:
//!
//! 1. [`Follower::apply`] takes the blocks after its head, with their ordered messages and one
//!    GRANDPA justification for the last of them. Headers must link to the head without a gap; the
//!    justification must carry valid votes of more than two thirds of the current authorities; the
//!    messages must have the hash that stands in their header. Unless all of it holds, nothing
//!    advances.
//! 2. [`read_proof`] reads the state of a block that became final, from a storage proof.
//! 3. [`verify_old`] checks a block that is fetched again, against its known hash.
//!
//! ```
//! use phat_follower::{Batch, Follower, Genesis};
//!
//! // No parent, number 0, two roots and an empty digest: all bytes are zero.
//! let header = vec![0; 98];
//! let hash = phat_primitives::blake2_256(&header).into();
//! let genesis = Genesis { hash, header, authorities: vec![([1; 32], 1)], set_id: 0 };
//! let mut follower = Follower::new(genesis)?;
//! let batch = Batch { blocks: vec![], justification: b"trust me".to_vec() };
//! assert!(follower.apply(batch).is_err());
//! assert_eq!(follower.head().hash, hash);
//! # Ok::<(), phat_follower::GenesisError>(())
//! ```
//!
//! What a server can still do is to withhold blocks: a follower never knows how far behind it is.
//!
//! The crate is pure: no IO, no clock, no randomness. Formats are Substrate's: SCALE headers with
//! BLAKE2b hashes, `sp_consensus_grandpa` justifications, tries of state version 1. Nothing that
//! comes from outside makes it panic.

mod authorities;
mod block;
mod justification;
pub mod limits;
mod proof;

pub use authorities::{AuthoritiesError, Authority, ChangeError};
pub use block::{BlockData, BlockError, FinalBlock, verify_old};
pub use justification::JustificationError;
pub use proof::{ProofError, read_proof};

use authorities::{AuthoritySet, scheduled_change};
use block::{OpenHeader, decode_header};
use codec::{Decode, DecodeAll, Encode};
use limits::{MAX_BATCH_BLOCKS, MAX_BATCH_OUTBOUND_LEN};
use phat_primitives::{BlockNumber, Hash, blake2_256, storage::GRANDPA_AUTHORITIES};

/// Where trust begins. The hash and the authorities come from the worker's own configuration; the
/// header may come from anywhere, as it is checked against the hash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Genesis {
    /// Hash of the genesis block.
    pub hash: Hash,
    /// Its SCALE-encoded header.
    pub header: Vec<u8>,
    /// The authorities that finalise the blocks after it.
    pub authorities: Vec<Authority>,
    /// Number of this set of authorities: 0 on a chain that begins with GRANDPA.
    pub set_id: u64,
}

impl Genesis {
    /// The beginning of the chain with this first header, whoever sent it: the authorities come from a
    /// proof of [`GRANDPA_AUTHORITIES`] in the state of that block. It is as good as the reason to
    /// believe in the header's hash.
    pub fn from_proof(header: Vec<u8>, proof: Vec<Vec<u8>>) -> Result<Self, GenesisError> {
        let state_root = decode_header(&header)?.state_root;
        let value = read_proof(state_root, proof, &[GRANDPA_AUTHORITIES])?
            .into_iter()
            .next()
            .flatten()
            .ok_or(GenesisError::NoAuthorities)?;
        let authorities =
            DecodeAll::decode_all(&mut &value[..]).map_err(|_| GenesisError::NoAuthorities)?;
        Ok(Self {
            hash: blake2_256(&header).into(),
            header,
            authorities,
            set_id: 0,
        })
    }
}

/// Why a follower cannot begin.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GenesisError {
    /// The header is no header, or that of another block.
    #[error("the genesis header is not valid: {0}")]
    Header(#[from] BlockError),
    /// The authorities are no valid set.
    #[error("the genesis authorities are not valid: {0}")]
    Authorities(#[from] AuthoritiesError),
    /// The proof of the authorities does not hold.
    #[error(
        "it is not proven who finalises the blocks: {0}; use a node that keeps the state of its first block"
    )]
    Proof(#[from] ProofError),
    /// The state of the first block names no authorities.
    #[error("the state of the first block names no authorities: is this a chain with GRANDPA?")]
    NoAuthorities,
}

/// A final block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Head {
    /// Its height.
    pub number: BlockNumber,
    /// Its hash.
    pub hash: Hash,
    /// Root of the chain's state after it.
    pub state_root: Hash,
}

/// Blocks to advance by. Nothing in it is trusted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// The blocks after the follower's head, in order.
    pub blocks: Vec<BlockData>,
    /// The justification of the last one, SCALE-encoded.
    pub justification: Vec<u8>,
}

/// Why a batch was refused. The follower has not moved.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FollowError {
    /// No blocks.
    #[error("the batch has no blocks")]
    Empty,
    /// More than [`MAX_BATCH_BLOCKS`].
    #[error("the batch has {0} blocks, more than {MAX_BATCH_BLOCKS}; ask for fewer")]
    TooManyBlocks(usize),
    /// The messages are longer than [`MAX_BATCH_OUTBOUND_LEN`].
    #[error(
        "the batch has {0} bytes of messages, more than {MAX_BATCH_OUTBOUND_LEN}; ask for fewer blocks"
    )]
    TooManyBytes(usize),
    /// A block is not valid.
    #[error("block {index} of the batch: {source}")]
    Block {
        /// Position in the batch, from 0.
        index: usize,
        /// What is wrong with it.
        source: BlockError,
    },
    /// A block is missing, or comes twice.
    #[error("block {expected} was due, the server sent block {found}")]
    WrongNumber {
        /// Height of the block that was due.
        expected: u64,
        /// Height of the block that came.
        found: BlockNumber,
    },
    /// A block builds on another one than the block before it.
    #[error(
        "block {number} builds on {found:?}, not on {expected:?}; the server follows another chain"
    )]
    WrongParent {
        /// Height of the block.
        number: BlockNumber,
        /// Hash of the block before it.
        expected: Hash,
        /// The parent that it names.
        found: Hash,
    },
    /// A block announces a change of authorities that cannot be followed.
    #[error("block {number}: {source}")]
    Change {
        /// Height of the block.
        number: BlockNumber,
        /// What is wrong with the change.
        source: ChangeError,
    },
    /// A block in the middle of the batch changes the authorities; those of before must make it
    /// final.
    #[error(
        "block {0} changes the authorities and needs its own justification; end the batch with it"
    )]
    ChangeInside(BlockNumber),
    /// The justification does not make the last block final.
    #[error("the justification of block {number} is not valid: {source}")]
    Justification {
        /// Height of the last block of the batch.
        number: BlockNumber,
        /// What is wrong with the justification.
        source: JustificationError,
    },
}

/// Bytes that are no follower's state.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the saved state of the chain follower cannot be read; start again from genesis")]
pub struct ResumeError(#[source] codec::Error);

/// A light client: the last block it knows to be final, and who can make the next one final.
///
/// Its encoding ([`Encode`]) is what a worker stores with the state that the block led to;
/// [`Follower::resume`] reads it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Follower {
    genesis: Hash,
    head: Head,
    authorities: AuthoritySet,
    set_id: u64,
}

impl Follower {
    /// A follower that knows the genesis block only.
    pub fn new(genesis: Genesis) -> Result<Self, GenesisError> {
        let header = decode_header(&genesis.header)?;
        let hash = Hash::from(blake2_256(&genesis.header));
        if hash != genesis.hash {
            return Err(BlockError::WrongHash {
                expected: genesis.hash,
                found: hash,
            }
            .into());
        }
        Ok(Self {
            genesis: hash,
            head: Head {
                number: header.number,
                hash,
                state_root: header.state_root,
            },
            authorities: AuthoritySet::new(genesis.authorities.into_iter())?,
            set_id: genesis.set_id,
        })
    }

    /// A follower as it was when it was encoded. The bytes are trusted: they come from the worker's
    /// own sealed storage.
    pub fn resume(encoded: &[u8]) -> Result<Self, ResumeError> {
        Self::decode_all(&mut &encoded[..]).map_err(ResumeError)
    }

    /// Hash of the genesis block: the chain's name.
    pub fn genesis(&self) -> Hash {
        self.genesis
    }

    /// The last block known to be final.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The authorities that finalise the blocks after the head, ordered by key.
    pub fn authorities(&self) -> Vec<Authority> {
        self.authorities.list()
    }

    /// Number of their set.
    pub fn set_id(&self) -> u64 {
        self.set_id
    }

    /// Advances to the last block of the batch, and returns all of its blocks. If anything in the
    /// batch is not as it must be, an error says what, and nothing has changed.
    pub fn apply(&mut self, batch: Batch) -> Result<Vec<FinalBlock>, FollowError> {
        let Batch {
            blocks,
            justification,
        } = batch;
        if blocks.len() > MAX_BATCH_BLOCKS {
            return Err(FollowError::TooManyBlocks(blocks.len()));
        }
        let bytes = blocks.iter().map(|block| block.outbound.len()).sum();
        if bytes > MAX_BATCH_OUTBOUND_LEN {
            return Err(FollowError::TooManyBytes(bytes));
        }

        let mut head = self.head;
        let mut next_authorities = None;
        let mut headers = Vec::with_capacity(blocks.len());
        for (index, block) in blocks.iter().enumerate() {
            if next_authorities.is_some() {
                return Err(FollowError::ChangeInside(head.number));
            }
            let open = OpenHeader::new(&block.header)
                .map_err(|source| FollowError::Block { index, source })?;
            let (number, parent) = (open.header.number, open.header.parent_hash);
            let expected = u64::from(head.number) + 1;
            if u64::from(number) != expected {
                return Err(FollowError::WrongNumber {
                    expected,
                    found: number,
                });
            }
            if parent != head.hash {
                return Err(FollowError::WrongParent {
                    number,
                    expected: head.hash,
                    found: parent,
                });
            }
            next_authorities = scheduled_change(&open.header.digest)
                .map_err(|source| FollowError::Change { number, source })?;
            head = Head {
                number,
                hash: open.hash,
                state_root: open.header.state_root,
            };
            headers.push(open);
        }
        if headers.is_empty() {
            return Err(FollowError::Empty);
        }

        let target = (head.number, head.hash);
        justification::verify(&justification, target, &self.authorities, self.set_id).map_err(
            |source| FollowError::Justification {
                number: head.number,
                source,
            },
        )?;

        let verified = headers
            .into_iter()
            .zip(blocks)
            .enumerate()
            .map(|(index, (open, block))| {
                open.with_outbound(block.outbound)
                    .map_err(|source| FollowError::Block { index, source })
            })
            .collect::<Result<_, _>>()?;

        self.head = head;
        if let Some(authorities) = next_authorities {
            self.authorities = authorities;
            self.set_id = self.set_id.saturating_add(1);
        }
        Ok(verified)
    }
}
