//! What a follower does with what is in order.

use crate::chain::{Chain, change_item, justification, outbound, public};
use codec::Encode;
use phat_follower::{
    AuthoritiesError, BlockData, BlockError, Follower, Genesis, GenesisError, Head, verify_old,
};
use phat_primitives::Hash;

#[test]
fn it_begins_at_the_genesis_block() {
    let chain = Chain::new();
    let follower = chain.follower();
    let head = Head {
        number: 0,
        hash: chain.genesis.hash(),
        state_root: chain.genesis.state_root,
    };
    assert_eq!(follower.head(), head);
    assert_eq!(follower.genesis(), chain.genesis.hash());
    assert_eq!(follower.set_id(), 0);
    assert_eq!(follower.authorities().len(), 4);
}

#[test]
fn it_does_not_begin_from_a_genesis_that_is_not_sound() {
    let good = Chain::new().genesis();
    let refuse = |change: fn(&mut Genesis)| {
        let mut genesis = good.clone();
        change(&mut genesis);
        Follower::new(genesis).unwrap_err()
    };
    assert!(matches!(
        refuse(|genesis| genesis.header[40] ^= 1),
        GenesisError::Header(BlockError::WrongHash { .. })
    ));
    assert!(matches!(
        refuse(|genesis| genesis.header.truncate(50)),
        GenesisError::Header(BlockError::HeaderUndecodable(_))
    ));
    for (expected, change) in [
        (
            AuthoritiesError::Empty,
            (|genesis: &mut Genesis| genesis.authorities.clear()) as fn(&mut Genesis),
        ),
        (AuthoritiesError::NoWeight, |genesis| {
            genesis.authorities[1].1 = 0
        }),
        (AuthoritiesError::Repeated, |genesis| {
            genesis.authorities[1] = genesis.authorities[0];
        }),
        (AuthoritiesError::Overflow, |genesis| {
            genesis.authorities[1].1 = u64::MAX
        }),
        (AuthoritiesError::TooMany(1_025), |genesis| {
            genesis.authorities.resize(1_025, ([0; 32], 1));
        }),
    ] {
        assert_eq!(refuse(change), GenesisError::Authorities(expected));
    }
}

#[test]
fn it_advances_over_a_justified_batch_and_returns_its_blocks() {
    let mut chain = Chain::new();
    let mut follower = chain.follower();
    let mut parent = chain.genesis.hash();
    for (first, len) in [(1, 1), (2, 5), (7, 1)] {
        let blocks = follower.apply(chain.batch(len)).unwrap();
        assert_eq!(blocks.len(), len);
        for (number, block) in (first..).zip(&blocks) {
            assert_eq!(block.number, number);
            assert_eq!(block.parent, parent);
            assert_eq!(block.state_root, Hash::repeat_byte(number as u8));
            assert_eq!(block.outbound, outbound(number));
            assert_eq!(block.outbound_bytes, outbound(number).encode());
            parent = block.hash;
        }
        let last = blocks.last().unwrap();
        let head = Head {
            number: last.number,
            hash: last.hash,
            state_root: last.state_root,
        };
        assert_eq!(follower.head(), head);
        assert_eq!(follower.head().hash, chain.head.hash());
    }
}

#[test]
fn it_goes_on_where_it_was_when_it_was_saved() {
    let mut chain = Chain::new();
    let mut follower = chain.follower();
    follower.apply(chain.batch(2)).unwrap();
    let saved = follower.encode();
    let mut resumed = Follower::resume(&saved).unwrap();
    assert_eq!(resumed, follower);
    resumed.apply(chain.batch(1)).unwrap();
    assert_eq!(resumed.head().number, 3);

    for len in 0..saved.len() {
        Follower::resume(&saved[..len]).unwrap_err();
    }
    Follower::resume(&[&saved[..], &[0]].concat()).unwrap_err();
}

#[test]
fn a_scheduled_change_hands_over_to_the_next_authorities() {
    let mut chain = Chain::new();
    let mut follower = chain.follower();
    // The old authorities finalise the block that announces the new ones.
    let blocks = vec![
        chain.block(),
        chain.block_with(vec![change_item(&[5, 6], 0)]),
    ];
    let batch = phat_follower::Batch {
        blocks,
        justification: chain.justify(),
    };
    follower.apply(batch).unwrap();
    assert_eq!(follower.set_id(), 1);
    let mut expected = [5, 6].map(|seed| (public(seed), 1));
    expected.sort();
    assert_eq!(follower.authorities(), expected);

    let by_the_old = chain.batch(1);
    assert!(follower.apply(by_the_old.clone()).is_err());
    chain.seeds = vec![5, 6];
    // The right keys, but for the old set.
    let for_the_old = chain.justify();
    let mut batch = by_the_old;
    batch.justification = for_the_old;
    assert!(follower.apply(batch.clone()).is_err());
    chain.set_id = 1;
    batch.justification = chain.justify();
    follower.apply(batch).unwrap();
    assert_eq!(follower.head().number, 3);
}

#[test]
fn more_than_two_thirds_of_the_weight_make_a_block_final() {
    for (weights, voters, is_final) in [
        (&[1][..], &[1][..], true),
        (&[1, 1], &[1], false),
        (&[1, 1], &[1, 2], true),
        // Two thirds exactly are not enough.
        (&[1, 1, 1], &[1, 2], false),
        (&[1, 1, 1], &[1, 2, 3], true),
        (&[1, 1, 1, 1], &[1, 2], false),
        (&[1, 1, 1, 1], &[1, 2, 4], true),
        (&[10, 1, 1], &[1], true),
        (&[10, 1, 1], &[2, 3], false),
        // Three times this does not fit into 64 bits.
        (&[u64::MAX - 1, 1], &[1], true),
        (&[u64::MAX - 1, 1], &[2], false),
        (&[u64::MAX / 3 * 2, u64::MAX / 3], &[1], false),
        (&[u64::MAX / 3 * 2 + 1, u64::MAX / 3 - 1], &[1], true),
    ] {
        let mut chain = Chain::new();
        let mut genesis = chain.genesis();
        genesis.authorities = (1..)
            .zip(weights)
            .map(|(seed, weight)| (public(seed), *weight))
            .collect();
        let mut follower = Follower::new(genesis).unwrap();
        let mut batch = chain.batch(1);
        batch.justification = justification(&chain.head, chain.votes(voters), vec![]).encode();
        assert_eq!(
            follower.apply(batch).is_ok(),
            is_final,
            "{weights:?} {voters:?}"
        );
        assert_eq!(follower.head().number, u32::from(is_final));
    }
}

#[test]
fn an_old_block_is_checked_against_its_hash() {
    let mut chain = Chain::new();
    let mut follower = chain.follower();
    let batch = chain.batch(4);
    let finals = follower.apply(batch.clone()).unwrap();

    // Walking back from the head.
    let mut known = follower.head().hash;
    for (block, expected) in batch.blocks.iter().zip(&finals).rev() {
        let checked = verify_old(known, block.clone()).unwrap();
        assert_eq!(&checked, expected);
        known = checked.parent;
    }
    assert_eq!(known, chain.genesis.hash());

    let [first, second] = [&batch.blocks[0], &batch.blocks[1]];
    assert!(matches!(
        verify_old(finals[0].hash, second.clone()),
        Err(BlockError::WrongHash { .. })
    ));
    let mixed = BlockData {
        header: first.header.clone(),
        outbound: second.outbound.clone(),
    };
    assert_eq!(
        verify_old(finals[0].hash, mixed),
        Err(BlockError::WrongOutbound)
    );
}
