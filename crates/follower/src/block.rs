//! One block as a worker sees it: the header, and the ordered messages whose hash the header holds.

use crate::limits::MAX_HEADER_LEN;
use codec::DecodeAll;
use phat_primitives::limits::MAX_OUTBOUND_LEN;
use phat_primitives::message::{DIGEST_ENGINE, Outbound};
use phat_primitives::{BlockNumber, Hash, blake2_256};
use polkadot_sdk::sp_runtime::{generic, traits::BlakeTwo256};

pub(crate) type Header = generic::Header<BlockNumber, BlakeTwo256>;

/// A block as a server hands it over. Nothing in it is trusted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BlockData {
    /// The SCALE-encoded header.
    pub header: Vec<u8>,
    /// The block's SCALE-encoded [`Outbound`], as it stands in the chain's storage.
    pub outbound: Vec<u8>,
}

/// A block that has been checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FinalBlock {
    /// Its height.
    pub number: BlockNumber,
    /// Its hash.
    pub hash: Hash,
    /// Hash of the block before it.
    pub parent: Hash,
    /// Root of the chain's state after it: what [`crate::read_proof`] reads against.
    pub state_root: Hash,
    /// Its ordered messages.
    pub outbound: Outbound,
    /// The same, encoded.
    pub outbound_bytes: Vec<u8>,
}

/// Why a block is not what it is said to be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BlockError {
    /// The header is longer than [`MAX_HEADER_LEN`].
    #[error("the header has {0} bytes, more than {MAX_HEADER_LEN}")]
    HeaderTooLong(usize),
    /// The header is no header, or has bytes left over.
    #[error("the header cannot be decoded")]
    HeaderUndecodable(#[source] codec::Error),
    /// The header is that of another block.
    #[error("the header is that of {found:?}, not of {expected:?}; ask another server")]
    WrongHash {
        /// The block asked for.
        expected: Hash,
        /// The block received.
        found: Hash,
    },
    /// The header does not say which messages belong to it.
    #[error("the header holds no hash of its ordered messages; is this a Phat chain?")]
    NoDigest,
    /// The header holds more than one such hash.
    #[error("the header holds more than one hash of its ordered messages")]
    RepeatedDigest,
    /// What stands in the hash's place is no hash.
    #[error("the header's hash of its ordered messages does not have 32 bytes")]
    MalformedDigest,
    /// The ordered messages are longer than [`MAX_OUTBOUND_LEN`].
    #[error("the ordered messages have {0} bytes, more than {MAX_OUTBOUND_LEN}")]
    OutboundTooLong(usize),
    /// The ordered messages are not those that the header names.
    #[error("the ordered messages are not those of the block; ask another server")]
    WrongOutbound,
    /// The ordered messages are authentic but not understood.
    #[error("the ordered messages cannot be decoded; the chain may need a newer worker")]
    OutboundUndecodable(#[source] codec::Error),
}

/// A header whose encoding is valid, with the hash of its messages.
pub(crate) struct OpenHeader {
    pub(crate) header: Header,
    pub(crate) hash: Hash,
    outbound_hash: Hash,
}

impl OpenHeader {
    pub(crate) fn new(bytes: &[u8]) -> Result<Self, BlockError> {
        let header = decode_header(bytes)?;
        let mut digests = header
            .digest
            .logs
            .iter()
            .filter_map(|item| item.as_consensus())
            .filter(|(engine, _)| *engine == DIGEST_ENGINE)
            .map(|(_, data)| data);
        let outbound_hash = match (digests.next(), digests.next()) {
            (None, _) => return Err(BlockError::NoDigest),
            (Some(_), Some(_)) => return Err(BlockError::RepeatedDigest),
            (Some(data), None) => <[u8; 32]>::try_from(data)
                .map_err(|_| BlockError::MalformedDigest)?
                .into(),
        };
        Ok(Self {
            header,
            hash: blake2_256(bytes).into(),
            outbound_hash,
        })
    }

    /// Checks and decodes the messages of the block.
    pub(crate) fn with_outbound(self, outbound_bytes: Vec<u8>) -> Result<FinalBlock, BlockError> {
        if outbound_bytes.len() > MAX_OUTBOUND_LEN as usize {
            return Err(BlockError::OutboundTooLong(outbound_bytes.len()));
        }
        if Hash::from(blake2_256(&outbound_bytes)) != self.outbound_hash {
            return Err(BlockError::WrongOutbound);
        }
        let outbound = Outbound::decode_all(&mut &outbound_bytes[..])
            .map_err(BlockError::OutboundUndecodable)?;
        Ok(FinalBlock {
            number: self.header.number,
            hash: self.hash,
            parent: self.header.parent_hash,
            state_root: self.header.state_root,
            outbound,
            outbound_bytes,
        })
    }
}

/// Decodes a header, of the genesis block too (which has no messages and no digest).
pub(crate) fn decode_header(bytes: &[u8]) -> Result<Header, BlockError> {
    if bytes.len() > MAX_HEADER_LEN {
        return Err(BlockError::HeaderTooLong(bytes.len()));
    }
    Header::decode_all(&mut &bytes[..]).map_err(BlockError::HeaderUndecodable)
}

/// Checks a block that is fetched again, against its hash, which is known to be final: the head of a
/// [`crate::Follower`], the parent of a block checked before, or a hash kept from earlier. A worker
/// that needs a cluster's history walks back from its head by [`FinalBlock::parent`].
pub fn verify_old(known: Hash, block: BlockData) -> Result<FinalBlock, BlockError> {
    let open = OpenHeader::new(&block.header)?;
    if open.hash != known {
        return Err(BlockError::WrongHash {
            expected: known,
            found: open.hash,
        });
    }
    open.with_outbound(block.outbound)
}
