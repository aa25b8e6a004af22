//! What a chain's server answers a worker, read from its JSON. Nothing of it is believed; here it is
//! bounded, and brought into the form in which it is checked.

use codec::Decode;
use phat_follower::{Batch, BlockData};
use phat_primitives::BlockNumber;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};
use std::{fmt, marker::PhantomData};

/// Blocks asked for at once, and most that are taken.
pub const BLOCKS_PER_REQUEST: u32 = 32;
/// Nodes of one storage proof: several times what the longest one has that a worker asks for, with a few
/// hundred keys. Each takes memory, even if it is empty.
pub const MAX_PROOF_NODES: usize = 16 * 1024;

const BLOCKS: &str = "phat_blocks";
const PROOF: &str = "state_getReadProof";
const CALL: &str = "state_call";

/// The answer to this method is not in the form it must have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the chain's answer to {0} is not in the form it must have")]
pub struct Malformed(pub(super) &'static str);

/// The answer to `phat_blocks`.
#[derive(Deserialize)]
pub struct BlocksAnswer {
    blocks: AtMost<BlockAnswer, { BLOCKS_PER_REQUEST as usize }>,
    justification: Option<String>,
    finalized: BlockNumber,
}

#[derive(Deserialize)]
struct BlockAnswer {
    header: String,
    outbound: String,
}

impl BlocksAnswer {
    /// The blocks with the justification of the last one, and the height that the chain claims to have.
    /// `None` if there are no blocks.
    pub fn read(self) -> Result<Option<(Batch, BlockNumber)>, Malformed> {
        let blocks = self.blocks.0;
        if blocks.is_empty() {
            return Ok(None);
        }
        let block = |block: &BlockAnswer| {
            Ok(BlockData {
                header: bytes(&block.header, BLOCKS)?,
                outbound: bytes(&block.outbound, BLOCKS)?,
            })
        };
        let batch = Batch {
            blocks: blocks.iter().map(block).collect::<Result<_, _>>()?,
            justification: bytes(&self.justification.unwrap_or_default(), BLOCKS)?,
        };
        Ok(Some((batch, self.finalized)))
    }
}

/// The answer to `state_getReadProof`.
#[derive(Deserialize)]
pub struct ProofAnswer {
    proof: AtMost<String, MAX_PROOF_NODES>,
}

impl ProofAnswer {
    /// The nodes of the proof.
    pub fn read(self) -> Result<Vec<Vec<u8>>, Malformed> {
        let nodes = self.proof.0.iter();
        nodes.map(|node| bytes(node, PROOF)).collect()
    }
}

/// The transaction in the answer of one of the runtime's functions that make some.
pub fn extrinsic(answer: &str) -> Result<Vec<u8>, Malformed> {
    Vec::<u8>::decode(&mut &bytes(answer, CALL)?[..]).map_err(|_| Malformed(CALL))
}

/// A list that is not read on when it has more than so many items: the length of an answer in bytes does
/// not bound what short ones take in memory.
struct AtMost<T, const N: usize>(Vec<T>);

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for AtMost<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T, const N: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Items<T, N> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {N} items")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    if list.len() == N {
                        return Err(A::Error::invalid_length(N + 1, &self));
                    }
                    list.push(item);
                }
                Ok(list)
            }
        }

        deserializer
            .deserialize_seq(Items::<T, N>(PhantomData))
            .map(Self)
    }
}

fn bytes(text: &str, method: &'static str) -> Result<Vec<u8>, Malformed> {
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).map_err(|_| Malformed(method))
}
