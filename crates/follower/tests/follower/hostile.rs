//! Batches that must not be believed. Each is refused for its own reason, and the follower is the
//! same after it as before.

use crate::chain::{
    Chain, ROUND, Vote, change_item, child, justification, key, outbound, outbound_item, public,
    vote,
};
use codec::{Decode, Encode};
use phat_follower::limits::{
    MAX_BATCH_BLOCKS, MAX_BATCH_OUTBOUND_LEN, MAX_HEADER_LEN, MAX_JUSTIFICATION_LEN,
};
use phat_follower::{
    AuthoritiesError, Batch, BlockData, BlockError, ChangeError, FollowError, Follower,
    JustificationError,
};
use phat_primitives::message::DIGEST_ENGINE;
use phat_primitives::{Hash, blake2_256, limits::MAX_OUTBOUND_LEN};
use polkadot_sdk::sp_consensus_grandpa::{ConsensusLog, GRANDPA_ENGINE_ID, ScheduledChange};
use polkadot_sdk::sp_core::Pair as _;
use polkadot_sdk::sp_runtime::generic::DigestItem;

/// A chain of which the follower knows two blocks.
pub(crate) fn setting() -> (Chain, Follower) {
    let mut chain = Chain::new();
    let mut follower = chain.follower();
    follower.apply(chain.batch(2)).unwrap();
    (chain, follower)
}

/// Applies a batch that must be refused without a trace, and returns the reason.
fn refuse(follower: &mut Follower, batch: Batch) -> FollowError {
    let before = follower.clone();
    let error = follower
        .apply(batch)
        .expect_err("this must not be believed");
    assert_eq!(*follower, before);
    error
}

fn block_error(error: FollowError) -> (usize, BlockError) {
    match error {
        FollowError::Block { index, source } => (index, source),
        error => panic!("{error:?}"),
    }
}

fn justification_error(error: FollowError) -> JustificationError {
    match error {
        FollowError::Justification { source, .. } => source,
        error => panic!("{error:?}"),
    }
}

fn change_error(error: FollowError) -> ChangeError {
    match error {
        FollowError::Change { source, .. } => source,
        error => panic!("{error:?}"),
    }
}

/// One block with these logs, justified by all.
fn block_of(chain: &mut Chain, logs: Vec<DigestItem>) -> Batch {
    let outbound = outbound(chain.head.number + 1).encode();
    chain.head = child(&chain.head, logs);
    let block = BlockData {
        header: chain.head.encode(),
        outbound,
    };
    Batch {
        blocks: vec![block],
        justification: chain.justify(),
    }
}

#[test]
fn a_batch_without_blocks_is_refused() {
    let (chain, mut follower) = setting();
    let batch = Batch {
        blocks: vec![],
        justification: chain.justify(),
    };
    assert_eq!(refuse(&mut follower, batch), FollowError::Empty);
}

#[test]
fn blocks_that_do_not_follow_the_head_are_refused() {
    let (mut chain, mut follower) = setting();
    let batch = chain.batch(3);

    let mut gap = batch.clone();
    gap.blocks.remove(0);
    let expected = FollowError::WrongNumber {
        expected: 3,
        found: 4,
    };
    assert_eq!(refuse(&mut follower, gap), expected);

    let mut hole = batch.clone();
    hole.blocks.remove(1);
    let expected = FollowError::WrongNumber {
        expected: 4,
        found: 5,
    };
    assert_eq!(refuse(&mut follower, hole), expected);

    let mut twice = batch.clone();
    twice.blocks.insert(0, batch.blocks[0].clone());
    let expected = FollowError::WrongNumber {
        expected: 4,
        found: 3,
    };
    assert_eq!(refuse(&mut follower, twice), expected);

    // The same height on another branch, by the right authorities.
    let mut branch = Chain::new();
    branch.batch(1);
    branch.block_with(vec![]);
    let error = refuse(&mut follower, branch.batch(1));
    assert!(
        matches!(error, FollowError::WrongParent { number: 3, .. }),
        "{error:?}"
    );

    follower.apply(batch.clone()).unwrap();
    let error = refuse(&mut follower, batch);
    assert_eq!(
        error,
        FollowError::WrongNumber {
            expected: 6,
            found: 3
        }
    );
}

#[test]
fn a_forged_header_is_refused() {
    let (mut chain, mut follower) = setting();
    let genuine = chain.head.clone();
    let batch = chain.batch(1);

    // Another state root under the genuine justification.
    let mut forged = chain.head.clone();
    forged.state_root = Hash::repeat_byte(0xee);
    let mut other = batch.clone();
    other.blocks[0].header = forged.encode();
    let error = justification_error(refuse(&mut follower, other));
    assert!(
        matches!(error, JustificationError::WrongTarget { number: 3, .. }),
        "{error:?}"
    );

    // In the middle of a batch nothing but the chain of hashes protects it.
    chain.head = genuine;
    let mut batch = chain.batch(3);
    let mut forged = crate::chain::Header::decode(&mut &batch.blocks[1].header[..]).unwrap();
    forged.state_root = Hash::repeat_byte(0xee);
    batch.blocks[1].header = forged.encode();
    let error = refuse(&mut follower, batch);
    assert!(
        matches!(error, FollowError::WrongParent { number: 5, .. }),
        "{error:?}"
    );
}

#[test]
fn a_header_that_is_no_header_is_refused() {
    let (mut chain, mut follower) = setting();
    let batch = chain.batch(1);
    let header = &batch.blocks[0].header;
    for bytes in [
        &[][..],
        &header[..1],
        &header[..header.len() - 1],
        &[&header[..], &[0]].concat(),
    ] {
        let mut bad = batch.clone();
        bad.blocks[0].header = bytes.to_vec();
        let error = block_error(refuse(&mut follower, bad));
        assert!(
            matches!(error, (0, BlockError::HeaderUndecodable(_))),
            "{error:?}"
        );
    }
    let mut bad = batch.clone();
    bad.blocks[0].header.resize(MAX_HEADER_LEN + 1, 0);
    let error = block_error(refuse(&mut follower, bad));
    assert_eq!(error, (0, BlockError::HeaderTooLong(MAX_HEADER_LEN + 1)));
}

#[test]
fn a_header_that_does_not_name_its_messages_once_is_refused() {
    let item = |number| outbound_item(&outbound(number));
    let hash = outbound(3).hash().as_bytes().to_vec();
    for (logs, expected) in [
        (vec![], BlockError::NoDigest),
        (
            vec![DigestItem::PreRuntime(DIGEST_ENGINE, hash.clone())],
            BlockError::NoDigest,
        ),
        (
            vec![DigestItem::Consensus(*b"pha_", hash.clone())],
            BlockError::NoDigest,
        ),
        (vec![item(3), item(3)], BlockError::RepeatedDigest),
        (vec![item(4), item(3)], BlockError::RepeatedDigest),
        (
            vec![DigestItem::Consensus(DIGEST_ENGINE, hash[..31].to_vec())],
            BlockError::MalformedDigest,
        ),
        (
            vec![DigestItem::Consensus(
                DIGEST_ENGINE,
                [&hash[..], &[0]].concat(),
            )],
            BlockError::MalformedDigest,
        ),
    ] {
        let (mut chain, mut follower) = setting();
        let batch = block_of(&mut chain, logs);
        assert_eq!(block_error(refuse(&mut follower, batch)), (0, expected));
    }
    let (mut chain, mut follower) = setting();
    let batch = block_of(&mut chain, vec![item(3)]);
    follower.apply(batch).unwrap();
}

#[test]
fn messages_that_are_not_those_of_their_block_are_refused() {
    let (mut chain, mut follower) = setting();
    let batch = chain.batch(3);

    let mut swapped = batch.clone();
    swapped.blocks[1].outbound = batch.blocks[2].outbound.clone();
    swapped.blocks[2].outbound = batch.blocks[1].outbound.clone();
    assert_eq!(
        block_error(refuse(&mut follower, swapped)),
        (1, BlockError::WrongOutbound)
    );

    for change in [
        |bytes: &mut Vec<u8>| bytes.clear(),
        |bytes: &mut Vec<u8>| bytes.push(0),
        |bytes: &mut Vec<u8>| bytes[20] ^= 1,
        |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 1),
    ] {
        let mut changed = batch.clone();
        change(&mut changed.blocks[2].outbound);
        assert_eq!(
            block_error(refuse(&mut follower, changed)),
            (2, BlockError::WrongOutbound)
        );
    }

    let mut long = batch;
    long.blocks[0].outbound = vec![0; MAX_OUTBOUND_LEN as usize + 1];
    let expected = BlockError::OutboundTooLong(MAX_OUTBOUND_LEN as usize + 1);
    assert_eq!(block_error(refuse(&mut follower, long)), (0, expected));
}

#[test]
fn authentic_messages_that_are_not_understood_stop_the_follower() {
    let (mut chain, mut follower) = setting();
    for bytes in [
        &b"from the future"[..],
        &[&outbound(3).encode()[..], &[0]].concat(),
    ] {
        let item = DigestItem::Consensus(DIGEST_ENGINE, blake2_256(bytes).to_vec());
        let parent = chain.head.clone();
        let mut batch = block_of(&mut chain, vec![item]);
        batch.blocks[0].outbound = bytes.to_vec();
        let error = block_error(refuse(&mut follower, batch));
        assert!(
            matches!(error, (0, BlockError::OutboundUndecodable(_))),
            "{error:?}"
        );
        chain.head = parent;
    }
}

#[test]
fn a_batch_that_is_too_large_is_refused_before_it_is_looked_at() {
    let (_, mut follower) = setting();
    let blocks = vec![BlockData::default(); MAX_BATCH_BLOCKS + 1];
    let error = refuse(
        &mut follower,
        Batch {
            blocks,
            justification: vec![],
        },
    );
    assert_eq!(error, FollowError::TooManyBlocks(MAX_BATCH_BLOCKS + 1));

    let half = BlockData {
        header: vec![],
        outbound: vec![0; MAX_BATCH_OUTBOUND_LEN / 2 + 1],
    };
    let batch = Batch {
        blocks: vec![half; 2],
        justification: vec![],
    };
    let error = refuse(&mut follower, batch);
    assert_eq!(error, FollowError::TooManyBytes(MAX_BATCH_OUTBOUND_LEN + 2));
}

/// The next block, under a justification that is made of it.
fn justified_by(make: impl FnOnce(&Chain) -> crate::chain::Justification) -> JustificationError {
    let (mut chain, mut follower) = setting();
    let mut batch = chain.batch(1);
    batch.justification = make(&chain).encode();
    justification_error(refuse(&mut follower, batch))
}

fn by_votes(make: impl FnOnce(&Chain) -> Vec<Vote>) -> JustificationError {
    justified_by(|chain| justification(&chain.head, make(chain), vec![]))
}

#[test]
fn a_justification_by_too_few_is_refused() {
    assert_eq!(
        by_votes(|_| vec![]),
        JustificationError::TooFewVotes {
            weight: 0,
            total: 4
        }
    );
    let two = JustificationError::TooFewVotes {
        weight: 2,
        total: 4,
    };
    assert_eq!(by_votes(|chain| chain.votes(&[1, 3])), two);
    // Voting twice does not count twice.
    assert_eq!(by_votes(|chain| chain.votes(&[1, 3, 1])), two);
    assert_eq!(by_votes(|chain| chain.votes(&[3, 3, 1, 1])), two);
}

#[test]
fn a_justification_by_others_is_refused() {
    assert_eq!(
        by_votes(|chain| chain.votes(&[11, 12, 13, 14])),
        JustificationError::UnknownVoter(public(11))
    );
    // Also if there are enough votes without it.
    assert_eq!(
        by_votes(|chain| chain.votes(&[1, 2, 3, 11])),
        JustificationError::UnknownVoter(public(11))
    );
}

#[test]
fn a_vote_that_its_authority_has_not_signed_is_refused() {
    let bad = |seed: u8| JustificationError::BadSignature(public(seed));
    // Signed by somebody else.
    assert_eq!(
        by_votes(|chain| {
            let mut votes = chain.votes(&[1, 2, 3, 11]);
            votes[3].id = key(4).public().into();
            votes
        }),
        bad(4)
    );
    // Signatures exchanged.
    assert_eq!(
        by_votes(|chain| {
            let mut votes = chain.votes(&[1, 2, 3]);
            votes[0].signature = votes[1].signature.clone();
            votes
        }),
        bad(1)
    );
    // For another block.
    assert_eq!(
        by_votes(|chain| {
            let mut votes = chain.votes(&[1, 2, 3]);
            votes[2].signature = vote(3, &chain.genesis, ROUND, 0).signature;
            votes
        }),
        bad(3)
    );
    // In another round, or as member of another set.
    for (round, set_id) in [
        (ROUND + 1, 0),
        (ROUND - 1, 0),
        (ROUND, 1),
        (ROUND, u64::MAX),
    ] {
        assert_eq!(
            by_votes(|chain| [1, 2, 3]
                .map(|seed| vote(seed, &chain.head, round, set_id))
                .into()),
            bad(1)
        );
    }
}

#[test]
fn a_justification_of_another_block_is_refused() {
    // Of a block in the middle of the batch, which is genuine.
    let (mut chain, mut follower) = setting();
    let blocks = vec![chain.block(), chain.block()];
    let justification_of_4 = chain.justify();
    let batch = Batch {
        blocks: [blocks, vec![chain.block()]].concat(),
        justification: justification_of_4,
    };
    let error = justification_error(refuse(&mut follower, batch));
    assert!(
        matches!(error, JustificationError::WrongTarget { number: 4, .. }),
        "{error:?}"
    );

    // The right hash with another number.
    let error = justified_by(|chain| {
        let mut justification = justification(&chain.head, chain.votes(&[1, 2, 3]), vec![]);
        justification.commit.target_number += 1;
        justification
    });
    assert!(
        matches!(error, JustificationError::WrongTarget { number: 4, .. }),
        "{error:?}"
    );
}

#[test]
fn a_justification_that_is_no_justification_is_refused() {
    let (mut chain, mut follower) = setting();
    let batch = chain.batch(1);
    let good = &batch.justification;
    for bytes in [
        &[][..],
        &good[..8],
        &good[..good.len() - 1],
        &[&good[..], &[0]].concat(),
    ] {
        let mut bad = batch.clone();
        bad.justification = bytes.to_vec();
        let error = justification_error(refuse(&mut follower, bad));
        assert!(
            matches!(error, JustificationError::Undecodable(_)),
            "{error:?}"
        );
    }
    let mut long = batch.clone();
    long.justification.resize(MAX_JUSTIFICATION_LEN + 1, 0);
    assert_eq!(
        justification_error(refuse(&mut follower, long)),
        JustificationError::TooLong(MAX_JUSTIFICATION_LEN + 1)
    );
    assert_eq!(
        by_votes(|chain| chain.votes(&[1; 9])),
        JustificationError::TooManyVotes {
            votes: 9,
            authorities: 4
        }
    );
}

#[test]
fn a_change_of_authorities_inside_a_batch_is_refused() {
    let (mut chain, mut follower) = setting();
    let blocks = vec![
        chain.block_with(vec![change_item(&[5, 6, 7], 0)]),
        chain.block(),
    ];
    // Neither the old nor the new authorities can finalise across the change.
    for (seeds, set_id) in [(vec![1, 2, 3, 4], 0), (vec![5, 6, 7], 1)] {
        (chain.seeds, chain.set_id) = (seeds, set_id);
        let batch = Batch {
            blocks: blocks.clone(),
            justification: chain.justify(),
        };
        assert_eq!(refuse(&mut follower, batch), FollowError::ChangeInside(3));
    }
}

#[test]
fn the_new_authorities_cannot_vote_themselves_in() {
    let (mut chain, mut follower) = setting();
    let blocks = vec![chain.block_with(vec![change_item(&[5, 6, 7], 0)])];
    (chain.seeds, chain.set_id) = (vec![5, 6, 7], 1);
    let batch = Batch {
        blocks,
        justification: chain.justify(),
    };
    assert_eq!(
        justification_error(refuse(&mut follower, batch)),
        JustificationError::UnknownVoter(public(5))
    );
}

#[test]
fn a_change_of_authorities_that_cannot_be_checked_is_refused() {
    let change = |seeds: &[u8]| ScheduledChange {
        next_authorities: seeds
            .iter()
            .map(|seed| (key(*seed).public().into(), 1))
            .collect(),
        delay: 0,
    };
    let log = |log: ConsensusLog<u32>| DigestItem::Consensus(GRANDPA_ENGINE_ID, log.encode());
    let forced = log(ConsensusLog::ForcedChange(1, change(&[5])));
    for (logs, expected) in [
        (vec![forced.clone()], ChangeError::Forced),
        (vec![change_item(&[5], 0), forced], ChangeError::Forced),
        (vec![change_item(&[5], 2)], ChangeError::Delayed(2)),
        (
            vec![change_item(&[], 0)],
            ChangeError::Authorities(AuthoritiesError::Empty),
        ),
        (
            vec![change_item(&[5, 5], 0)],
            ChangeError::Authorities(AuthoritiesError::Repeated),
        ),
        (
            vec![DigestItem::Consensus(GRANDPA_ENGINE_ID, vec![1, 255])],
            ChangeError::Undecodable,
        ),
        (
            vec![DigestItem::Consensus(GRANDPA_ENGINE_ID, vec![])],
            ChangeError::Undecodable,
        ),
    ] {
        let (mut chain, mut follower) = setting();
        let blocks = vec![chain.block_with(logs)];
        let batch = Batch {
            blocks,
            justification: chain.justify(),
        };
        assert_eq!(change_error(refuse(&mut follower, batch)), expected);
    }
    // What nodes ignore does not stop the follower.
    let (mut chain, mut follower) = setting();
    let ignored = [
        ConsensusLog::OnDisabled(1),
        ConsensusLog::Pause(1),
        ConsensusLog::Resume(1),
    ];
    let blocks = vec![chain.block_with(ignored.map(log).to_vec())];
    follower
        .apply(Batch {
            blocks,
            justification: chain.justify(),
        })
        .unwrap();
    assert_eq!(follower.set_id(), 0);
}
