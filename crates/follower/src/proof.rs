//! Storage proofs: values of the chain's state, checked against a state root.

use crate::limits::MAX_PROOF_LEN;
use phat_primitives::Hash;
use polkadot_sdk::sp_core::Blake2Hasher;
use polkadot_sdk::sp_trie::{EMPTY_PREFIX, HashDBT, LayoutV1, StorageProof, read_trie_value};

/// Why a proof proves nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProofError {
    /// Longer than [`MAX_PROOF_LEN`].
    #[error("the proof has {0} bytes, more than {MAX_PROOF_LEN}; ask for fewer keys")]
    TooLong(usize),
    /// The proof belongs to another state: the node with the root's hash is not in it.
    #[error("the proof is not for the state {0:?}; ask another server")]
    WrongRoot(Hash),
    /// The nodes on the way to a key are not all there, or not authentic.
    #[error("the proof does not show what the value of 0x{} is; ask another server", hex::encode(.0))]
    Incomplete(Vec<u8>),
}

/// Reads the values of `keys` (`None` where there is no value) from a proof as `state_getReadProof`
/// returns it, against the state root of a final block. The state is of version 1 and the keys are
/// those of its top trie.
///
/// Every value, and that a value is absent, is proven by hashes down from the root: a server can
/// withhold an answer, not change it. Nodes that no key needs are ignored.
pub fn read_proof<K: AsRef<[u8]>>(
    state_root: Hash,
    proof: Vec<Vec<u8>>,
    keys: &[K],
) -> Result<Vec<Option<Vec<u8>>>, ProofError> {
    let len = proof.iter().map(Vec::len).sum();
    if len > MAX_PROOF_LEN {
        return Err(ProofError::TooLong(len));
    }
    // The nodes are stored under hashes computed here.
    let nodes = StorageProof::new(proof).into_memory_db::<Blake2Hasher>();
    if !nodes.contains(&state_root, EMPTY_PREFIX) {
        return Err(ProofError::WrongRoot(state_root));
    }
    keys.iter()
        .map(|key| {
            let key = key.as_ref();
            read_trie_value::<LayoutV1<Blake2Hasher>, _>(&nodes, &state_root, key, None, None)
                .map_err(|_| ProofError::Incomplete(key.to_vec()))
        })
        .collect()
}
