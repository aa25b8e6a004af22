//! The state root: a hash over a set of records that is kept up to date record by record.
//!
//! It is LtHash with 1024 lanes of 16 bits over BLAKE3 (Bellare and Micciancio 1997; parameters of
//! Lewi, Kim, Maykov and Weis, *Securing Update Propagation with Homomorphic Hashing*, 2019, which
//! put its security above 200 bits). Each record is expanded to 2048 bytes; the sum over all records,
//! lane by lane, is the accumulator, and its hash is the state root.
//!
//! A Merkle trie would cost several hashes and stored nodes for each record written. Here a write
//! costs two expansions, nothing is stored but the sum, and a snapshot is checked by adding up its
//! records. What it does not give is a proof for a single record; those who need one get the state
//! itself, or a receipt.

use phat_primitives::{Hash, blake2_256};

const LANES: usize = 1024;

/// The sum over the records of a state.
#[derive(Clone, PartialEq, Eq)]
pub struct Accumulator(Box<[u16; LANES]>);

/// Bytes that are not an accumulator.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a state accumulator has 2048 bytes, not {0}")]
pub struct BadAccumulator(usize);

impl Default for Accumulator {
    fn default() -> Self {
        Self(Box::new([0; LANES]))
    }
}

impl core::fmt::Debug for Accumulator {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Accumulator({:?})", self.root())
    }
}

impl Accumulator {
    /// Adds a record.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        self.combine(key, value, u16::wrapping_add);
    }

    /// Takes out a record that was added.
    pub fn remove(&mut self, key: &[u8], value: &[u8]) {
        self.combine(key, value, u16::wrapping_sub);
    }

    /// The state root.
    pub fn root(&self) -> Hash {
        Hash::from(blake2_256(&self.to_bytes()))
    }

    /// The accumulator as bytes, to be kept beside the state.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|lane| lane.to_le_bytes()).collect()
    }

    /// The accumulator from [`Self::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadAccumulator> {
        if bytes.len() != LANES * 2 {
            return Err(BadAccumulator(bytes.len()));
        }
        let mut lanes = Box::new([0; LANES]);
        for (lane, pair) in lanes.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *lane = u16::from_le_bytes(*pair);
        }
        Ok(Self(lanes))
    }

    fn combine(&mut self, key: &[u8], value: &[u8], op: fn(u16, u16) -> u16) {
        let mut hasher = blake3::Hasher::new();
        // The length keeps (key, value) pairs with the same concatenation apart.
        hasher
            .update(&(key.len() as u64).to_le_bytes())
            .update(key)
            .update(value);
        let mut expanded = [0; LANES * 2];
        hasher.finalize_xof().fill(&mut expanded);
        for (lane, pair) in self.0.iter_mut().zip(expanded.as_chunks::<2>().0) {
            *lane = op(*lane, u16::from_le_bytes(*pair));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn key_and_value_are_kept_apart() {
        let mut one = Accumulator::default();
        one.add(b"ab", b"c");
        let mut two = Accumulator::default();
        two.add(b"a", b"bc");
        assert_ne!(one.root(), two.root());
    }

    #[test]
    fn only_bytes_of_the_right_length_are_an_accumulator() {
        let mut sum = Accumulator::default();
        sum.add(b"key", b"value");
        assert_eq!(Accumulator::from_bytes(&sum.to_bytes()), Ok(sum));
        assert_eq!(Accumulator::from_bytes(&[0; 5]), Err(BadAccumulator(5)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_root_depends_on_the_records_and_not_on_how_they_came(
            writes in prop::collection::vec((0u8..8, prop::option::of(any::<u8>())), 0..40),
        ) {
            let mut state = BTreeMap::new();
            let mut sum = Accumulator::default();
            for (key, value) in writes {
                let old = match value {
                    Some(value) => state.insert(key, value),
                    None => state.remove(&key),
                };
                if let Some(old) = old {
                    sum.remove(&[key], &[old]);
                }
                if let Some(value) = value {
                    sum.add(&[key], &[value]);
                }
            }
            let mut fresh = Accumulator::default();
            for (key, value) in state.iter().rev() {
                fresh.add(&[*key], &[*value]);
            }
            prop_assert_eq!(sum, fresh);
        }
    }
}
