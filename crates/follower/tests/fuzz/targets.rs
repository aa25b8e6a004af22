//! What a chain server sends a follower, made of bytes: batches of blocks, and storage proofs. The test
//! beside this file runs the targets on random bytes, libFuzzer (`fuzz` at the root) on bytes that
//! find new paths.

use crate::chain::{Chain, change_item};
use codec::Encode;
use phat_follower::{Batch, BlockData, Follower, Head, read_proof, verify_old};
use phat_fuzzing::Input;
use phat_primitives::Hash;
use polkadot_sdk::sp_core::Blake2Hasher;
use polkadot_sdk::sp_trie::recorder::Recorder;
use polkadot_sdk::sp_trie::{LayoutV1, MemoryDB, Trie, TrieDBBuilder, TrieDBMutBuilder, TrieMut};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A chain whose authorities change, as a server that tells the truth would hand it over.
struct Truth {
    start: Follower,
    /// One after the other.
    batches: Vec<Batch>,
    /// The blocks, by number: the messages of each, and where it leads.
    blocks: BTreeMap<u32, (Vec<u8>, Hash)>,
}

static TRUTH: LazyLock<Truth> = LazyLock::new(|| {
    let mut chain = Chain::new();
    let start = chain.follower();
    let mut batches = vec![chain.batch(1), chain.batch(3)];
    let mut changing = vec![
        chain.block(),
        chain.block_with(vec![change_item(&[5, 6, 7], 0)]),
    ];
    batches.push(Batch {
        blocks: std::mem::take(&mut changing),
        justification: chain.justify(),
    });
    (chain.seeds, chain.set_id) = (vec![5, 6, 7], 1);
    batches.extend([chain.batch(2), chain.batch(1)]);
    let mut follower = start.clone();
    let mut blocks = BTreeMap::new();
    for batch in &batches {
        for block in follower.apply(batch.clone()).expect("it is the truth") {
            blocks.insert(block.number, (block.outbound_bytes, block.hash));
        }
    }
    Truth {
        start,
        batches,
        blocks,
    }
});

/// Hands a follower true batches in any order, with blocks and justifications exchanged, left out,
/// repeated and changed. It must end on a block of the true chain, whatever it was told, and must not
/// have moved if it refused. Answers whether it has moved at all.
pub(crate) fn batches(data: &[u8]) -> bool {
    let truth = &*TRUTH;
    let all: Vec<&BlockData> = truth
        .batches
        .iter()
        .flat_map(|batch| &batch.blocks)
        .collect();
    let mut input = Input::new(data);
    let mut follower = truth.start.clone();
    let mut moved = false;
    for round in 0..truth.batches.len() {
        let mut batch = match input.one_in(4) {
            true => input.choose(&truth.batches).clone(),
            false => truth.batches[round].clone(),
        };
        for _ in 0..input.below(3) {
            bend(&mut input, &mut batch, &all, &truth.batches);
        }
        let before = follower.clone();
        match follower.apply(batch) {
            Err(_) => assert_eq!(follower, before, "it has moved and refused"),
            Ok(blocks) => {
                moved = true;
                for block in blocks {
                    let (outbound, hash) = &truth.blocks[&block.number];
                    assert_eq!((&block.outbound_bytes, &block.hash), (outbound, hash));
                    assert_eq!(block.outbound.encode(), *outbound);
                }
                let Head { number, hash, .. } = follower.head();
                assert_eq!(truth.blocks[&number].1, hash);
                let again = Follower::resume(&follower.encode()).expect("it was encoded");
                assert_eq!(again, follower);
            }
        }
        old_block(&mut input, truth, &all);
    }
    moved
}

fn bend(input: &mut Input<'_>, batch: &mut Batch, all: &[&BlockData], batches: &[Batch]) {
    let at = input.below(batch.blocks.len());
    match input.byte() % 10 {
        0 => input.bend(&mut batch.justification),
        1 => batch.justification = input.choose(batches).justification.clone(),
        2 => batch.blocks.extend([(*input.choose(all)).clone()]),
        3 if !batch.blocks.is_empty() => drop(batch.blocks.remove(at)),
        4 => {
            let other = input.below(batch.blocks.len());
            if at != other {
                batch.blocks.swap(at, other);
            }
        }
        5..7 => {
            if let Some(block) = batch.blocks.get_mut(at) {
                input.bend(&mut block.header);
            }
        }
        7..9 => {
            if let Some(block) = batch.blocks.get_mut(at) {
                input.bend(&mut block.outbound);
            }
        }
        _ => {
            if let Some(block) = batch.blocks.get_mut(at) {
                block.outbound = input.choose(all).outbound.clone();
            }
        }
    }
}

/// A block that is fetched again is the one that was asked for, or refused.
fn old_block(input: &mut Input<'_>, truth: &Truth, all: &[&BlockData]) {
    let mut data = (*input.choose(all)).clone();
    input.bend_often(&mut data.header, 1);
    input.bend_often(&mut data.outbound, 1);
    let number = 1 + input.below(truth.blocks.len()) as u32;
    let (outbound, hash) = &truth.blocks[&number];
    if let Ok(block) = verify_old(*hash, data) {
        assert_eq!((block.number, &block.outbound_bytes), (number, outbound));
    }
}

type Layout = LayoutV1<Blake2Hasher>;

/// Keys that are there, prefixes of them, and others.
const KEYS: &[&[u8]] = &[
    b"",
    b"balance\0\0\0\x05",
    b"balance\0\0\0\xff",
    b"balance",
    b":phat:outbound",
    b":phat",
    b"zzz",
];

/// Two states of one chain: their nodes, their roots, what stands under each of [`KEYS`], and a proof
/// of each key.
struct State {
    root: Hash,
    values: Vec<Option<Vec<u8>>>,
    proofs: Vec<Vec<Vec<u8>>>,
}

static STATES: LazyLock<[State; 2]> = LazyLock::new(|| [state(1), state(2)]);

fn state(salt: u8) -> State {
    let mut nodes = MemoryDB::<Blake2Hasher>::default();
    let mut root = Hash::zero();
    {
        let mut trie = TrieDBMutBuilder::<Layout>::new(&mut nodes, &mut root).build();
        for number in 0..60u8 {
            let key = [b"balance\0\0\0", &[number][..]].concat();
            trie.insert(&key, &[number.wrapping_mul(salt); 20])
                .expect("in memory");
        }
        for (key, len) in [(&b":phat:outbound"[..], 500), (b":phat", 5)] {
            trie.insert(key, &vec![salt; len]).expect("in memory");
        }
    }
    let (mut values, mut proofs) = (Vec::new(), Vec::new());
    for key in KEYS {
        let recorder = Recorder::<Blake2Hasher>::default();
        let value = {
            let mut recording = recorder.as_trie_recorder(root);
            TrieDBBuilder::<Layout>::new(&nodes, &root)
                .with_recorder(&mut recording)
                .build()
                .get(key)
                .expect("all nodes are there")
        };
        values.push(value);
        proofs.push(recorder.drain_storage_proof().into_iter_nodes().collect());
    }
    State {
        root,
        values,
        proofs,
    }
}

/// Puts together a proof from nodes of true ones, of this state and another, changed or left out, and
/// reads keys from it. What is read must be what stands there. Answers whether anything was proven.
pub(crate) fn proof(data: &[u8]) -> bool {
    let [now, before] = &*STATES;
    let mut input = Input::new(data);
    let mut proof = Vec::new();
    for _ in 0..1 + input.below(3) {
        let state = if input.one_in(4) { before } else { now };
        proof.extend(input.choose(&state.proofs).clone());
    }
    for _ in 0..input.below(3) {
        let at = input.below(proof.len());
        match input.byte() % 4 {
            0 => drop(proof.remove(at)),
            1 => proof.push(input.bytes(200).to_vec()),
            _ => input.bend(&mut proof[at]),
        }
        if proof.is_empty() {
            break;
        }
    }
    let wanted: Vec<usize> = (0..1 + input.below(2))
        .map(|_| input.below(KEYS.len()))
        .collect();
    let keys: Vec<&[u8]> = wanted.iter().map(|key| KEYS[*key]).collect();
    let Ok(values) = read_proof(now.root, proof, &keys) else {
        return false;
    };
    for (key, value) in wanted.iter().zip(values) {
        assert_eq!(value, now.values[*key], "key {key}");
    }
    true
}
