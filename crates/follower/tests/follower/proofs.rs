//! Storage proofs, genuine and not.

use phat_follower::limits::MAX_PROOF_LEN;
use phat_follower::{ProofError, read_proof};
use phat_primitives::Hash;
use polkadot_sdk::sp_core::Blake2Hasher;
use polkadot_sdk::sp_trie::recorder::Recorder;
use polkadot_sdk::sp_trie::{LayoutV1, MemoryDB, Trie, TrieDBBuilder, TrieDBMutBuilder, TrieMut};
use proptest::prelude::*;

type Layout = LayoutV1<Blake2Hasher>;

/// A value so long that the trie keeps it in a node of its own.
const LONG: &[u8] = &[7; 5_000];

/// A state with some neighbours for each key, and its root.
fn state() -> (MemoryDB<Blake2Hasher>, Hash) {
    let mut nodes = MemoryDB::default();
    let mut root = Hash::zero();
    {
        let mut trie = TrieDBMutBuilder::<Layout>::new(&mut nodes, &mut root).build();
        for number in 0..200u32 {
            let key = [b"balance", &number.to_be_bytes()[..]].concat();
            trie.insert(&key, &number.to_le_bytes().repeat(4)).unwrap();
        }
        trie.insert(b":phat:outbound", LONG).unwrap();
        trie.insert(b":phat", b"a prefix of a key is a key")
            .unwrap();
    }
    (nodes, root)
}

/// What `state_getReadProof` would return.
fn proof_of(keys: &[&[u8]]) -> (Hash, Vec<Vec<u8>>) {
    let (nodes, root) = state();
    let recorder = Recorder::<Blake2Hasher>::default();
    {
        let mut recording = recorder.as_trie_recorder(root);
        let trie = TrieDBBuilder::<Layout>::new(&nodes, &root)
            .with_recorder(&mut recording)
            .build();
        for key in keys {
            trie.get(key).unwrap();
        }
    }
    let proof = recorder.drain_storage_proof();
    (root, proof.into_iter_nodes().collect())
}

const BALANCE_5: &[u8] = b"balance\0\0\0\x05";
const ABSENT: [&[u8]; 4] = [b"balance\0\0\0\xff", b"", b":phat:", b"zzz"];

#[test]
fn values_and_their_absence_are_read() {
    let mut keys = vec![BALANCE_5, b":phat:outbound", b":phat"];
    keys.extend(ABSENT);
    let (root, proof) = proof_of(&keys);
    let values = read_proof(root, proof, &keys).unwrap();
    assert_eq!(
        values[0].as_deref(),
        Some(&5u32.to_le_bytes().repeat(4)[..])
    );
    assert_eq!(values[1].as_deref(), Some(LONG));
    assert_eq!(
        values[2].as_deref(),
        Some(&b"a prefix of a key is a key"[..])
    );
    assert_eq!(values[3..], [None, None, None, None]);
}

#[test]
fn the_order_of_the_nodes_and_nodes_too_many_do_not_matter() {
    let (root, mut proof) = proof_of(&[BALANCE_5]);
    proof.reverse();
    proof.push(b"not a node".to_vec());
    proof.push(proof[0].clone());
    let values = read_proof(root, proof, &[BALANCE_5]).unwrap();
    assert_eq!(
        values[0].as_deref(),
        Some(&5u32.to_le_bytes().repeat(4)[..])
    );
}

#[test]
fn a_proof_for_another_state_is_refused() {
    let (root, proof) = proof_of(&[BALANCE_5]);
    let other = Hash::repeat_byte(1);
    assert_eq!(
        read_proof(other, proof, &[BALANCE_5]),
        Err(ProofError::WrongRoot(other))
    );
    assert_eq!(
        read_proof(root, vec![], &[BALANCE_5]),
        Err(ProofError::WrongRoot(root))
    );
}

#[test]
fn a_proof_of_another_key_says_nothing() {
    let (root, proof) = proof_of(&[b":phat"]);
    let expected = Err(ProofError::Incomplete(BALANCE_5.to_vec()));
    assert_eq!(read_proof(root, proof, &[BALANCE_5]), expected);
}

#[test]
fn without_any_of_its_nodes_a_proof_is_refused() {
    for key in [BALANCE_5, b":phat:outbound", ABSENT[0]] {
        let (root, proof) = proof_of(&[key]);
        assert!(proof.len() > 1, "{key:?}");
        for missing in 0..proof.len() {
            let mut proof = proof.clone();
            proof.remove(missing);
            let error = read_proof(root, proof, &[key]).unwrap_err();
            assert!(
                matches!(error, ProofError::WrongRoot(_) | ProofError::Incomplete(_)),
                "{error:?}"
            );
        }
    }
}

#[test]
fn an_oversized_proof_is_refused() {
    let (root, mut proof) = proof_of(&[BALANCE_5]);
    proof.push(vec![0; MAX_PROOF_LEN]);
    assert!(matches!(
        read_proof(root, proof, &[BALANCE_5]),
        Err(ProofError::TooLong(_))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    /// Invariant: a changed proof proves the true value or nothing.
    #[test]
    fn a_changed_proof_never_shows_another_value(
        node in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        bits in 1..=u8::MAX,
        is_present in any::<bool>(),
    ) {
        let key = if is_present { BALANCE_5 } else { ABSENT[0] };
        let (root, mut proof) = proof_of(&[key]);
        let good = read_proof(root, proof.clone(), &[key]).unwrap();
        prop_assert_eq!(good[0].is_some(), is_present);
        let node = node.index(proof.len());
        let at = at.index(proof[node].len());
        proof[node][at] ^= bits;
        if let Ok(values) = read_proof(root, proof, &[key]) {
            prop_assert_eq!(values, good);
        }
    }
}
