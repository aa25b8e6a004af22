//! How votes are counted when they are not all for the same block.

use crate::chain::{Chain, Header, ROUND, Vote, child, justification, key, vote};
use codec::Encode;
use finality_grandpa::{Chain as AncestryChain, Error, validate_commit, voter_set::VoterSet};
use phat_follower::{Batch, FollowError, JustificationError};
use phat_primitives::Hash;
use polkadot_sdk::sp_consensus_grandpa::{Message, localized_payload};
use polkadot_sdk::sp_core::Pair as _;
use polkadot_sdk::sp_runtime::generic::DigestItem;
use proptest::prelude::*;

/// Blocks around the one to be finalised, which is the first.
struct Tree {
    chain: Chain,
    batch: Batch,
    blocks: Vec<Header>,
}

/// Positions in [`Tree::blocks`].
const TARGET: usize = 0;
const CHILD: usize = 1;
const GRANDCHILD: usize = 2;
const OTHER_CHILD: usize = 3;
const SIBLING: usize = 4;
const PARENT: usize = 5;

fn tree() -> Tree {
    let mut chain = Chain::new();
    let parent = chain.genesis.clone();
    let batch = chain.batch(1);
    let mark = |text: &[u8]| vec![DigestItem::Other(text.to_vec())];
    let target = chain.head.clone();
    let first = child(&target, mark(b"child"));
    let grandchild = child(&first, mark(b"grandchild"));
    let other = child(&target, mark(b"other child"));
    let sibling = child(&parent, mark(b"sibling"));
    Tree {
        chain,
        batch,
        blocks: vec![target, first, grandchild, other, sibling, parent],
    }
}

impl Tree {
    /// Votes as (authority, block).
    fn votes(&self, votes: &[(u8, usize)]) -> Vec<Vote> {
        votes
            .iter()
            .map(|(seed, block)| vote(*seed, &self.blocks[*block], ROUND, 0))
            .collect()
    }

    fn apply(&self, votes: &[(u8, usize)], headers: &[usize]) -> Result<(), JustificationError> {
        let headers = headers
            .iter()
            .map(|block| self.blocks[*block].clone())
            .collect();
        let justification = justification(&self.chain.head, self.votes(votes), headers);
        let batch = Batch {
            justification: justification.encode(),
            ..self.batch.clone()
        };
        match self.chain.follower().apply(batch) {
            Ok(_) => Ok(()),
            Err(FollowError::Justification { source, .. }) => Err(source),
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn too_few(weight: u64) -> Result<(), JustificationError> {
    Err(JustificationError::TooFewVotes { weight, total: 4 })
}

#[test]
fn a_vote_for_a_descendant_is_a_vote_for_the_block() {
    let votes = [(1, TARGET), (2, CHILD), (3, GRANDCHILD)];
    assert_eq!(tree().apply(&votes, &[CHILD, GRANDCHILD]), Ok(()));
    assert_eq!(tree().apply(&votes, &[GRANDCHILD, CHILD]), Ok(()));
    // On two branches above it, too.
    let votes = [(1, CHILD), (2, OTHER_CHILD), (3, GRANDCHILD)];
    assert_eq!(
        tree().apply(&votes, &[CHILD, GRANDCHILD, OTHER_CHILD]),
        Ok(())
    );
}

#[test]
fn the_descent_has_to_be_shown() {
    let votes = [(1, TARGET), (2, CHILD), (3, GRANDCHILD)];
    assert_eq!(tree().apply(&votes, &[CHILD]), too_few(2));
    assert_eq!(tree().apply(&votes, &[GRANDCHILD]), too_few(1));
    assert_eq!(tree().apply(&votes, &[]), too_few(1));
}

#[test]
fn votes_for_other_blocks_do_not_count() {
    let all = [TARGET, CHILD, GRANDCHILD, OTHER_CHILD, SIBLING, PARENT];
    for other in [SIBLING, PARENT] {
        assert_eq!(
            tree().apply(&[(1, TARGET), (2, TARGET), (3, other)], &all),
            too_few(2)
        );
        let enough = [(1, TARGET), (2, TARGET), (3, TARGET), (4, other)];
        assert_eq!(tree().apply(&enough, &all), Ok(()));
    }
}

#[test]
fn a_second_vote_for_another_block_adds_nothing() {
    let votes = [(1, TARGET), (2, TARGET), (2, CHILD), (1, CHILD)];
    assert_eq!(tree().apply(&votes, &[CHILD]), too_few(2));
}

#[test]
fn a_vote_for_the_hash_under_another_number_does_not_count() {
    let tree = tree();
    let target = &tree.blocks[TARGET];
    let mut votes = tree.votes(&[(1, TARGET), (2, TARGET)]);
    votes.push(vote_for(3, target.hash(), target.number + 1));
    let justification = justification(&tree.chain.head, votes, vec![]);
    let batch = Batch {
        justification: justification.encode(),
        ..tree.batch.clone()
    };
    let error = tree.chain.follower().apply(batch).unwrap_err();
    assert!(
        matches!(
            error,
            FollowError::Justification {
                source: JustificationError::TooFewVotes {
                    weight: 2,
                    total: 4
                },
                ..
            }
        ),
        "{error:?}"
    );
}

/// A vote for a block that need not exist.
fn vote_for(seed: u8, target_hash: Hash, target_number: u32) -> Vote {
    let precommit = finality_grandpa::Precommit {
        target_hash,
        target_number,
    };
    let message = Message::<Header>::Precommit(precommit.clone());
    let pair = key(seed);
    let signature = pair.sign(&localized_payload(ROUND, 0, &message)).into();
    Vote {
        precommit,
        signature,
        id: pair.public().into(),
    }
}

/// What the library of Substrate's nodes has to know about the chain.
struct Ancestry<'a>(&'a [Header]);

impl AncestryChain<Hash, u32> for Ancestry<'_> {
    fn ancestry(&self, base: Hash, block: Hash) -> Result<Vec<Hash>, Error> {
        let mut route = vec![];
        let mut current = block;
        while current != base {
            let header = self.0.iter().find(|header| header.hash() == current);
            current = header.ok_or(Error::NotDescendent)?.parent_hash;
            route.push(current);
        }
        route.pop();
        Ok(route)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    /// Invariant: with one vote of each authority, the block is final exactly if more than two
    /// thirds of them have voted for it or its descendants; and it is final here whenever it is for
    /// Substrate's nodes.
    #[test]
    fn nodes_and_followers_agree(
        choices in prop::collection::vec(
            prop_oneof![
                1 => Just(None),
                4 => Just(Some(TARGET)),
                4 => (0..=PARENT).prop_map(Some),
            ],
            4,
        )
    ) {
        let tree = tree();
        let votes: Vec<(u8, usize)> = (1..)
            .zip(&choices)
            .filter_map(|(seed, choice)| Some((seed, (*choice)?)))
            .collect();
        let all = [TARGET, CHILD, GRANDCHILD, OTHER_CHILD, SIBLING, PARENT];
        let verdict = tree.apply(&votes, &all);
        let supporting = votes.iter().filter(|(_, block)| *block <= OTHER_CHILD).count();
        prop_assert_eq!(verdict.is_ok(), supporting >= 3);

        let commit = justification(&tree.chain.head, tree.votes(&votes), vec![]).commit;
        let keys = tree.chain.seeds.iter().map(|seed| (key(*seed).public().into(), 1));
        let voters = VoterSet::new(keys).unwrap();
        let for_nodes = validate_commit(&commit, &voters, &Ancestry(&tree.blocks)).unwrap();
        prop_assert!(!for_nodes.is_valid() || verdict.is_ok());
        // The usual case: all have voted for the block itself.
        if votes.len() >= 3 && votes.iter().all(|(_, block)| *block == TARGET) {
            prop_assert!(for_nodes.is_valid());
        }
    }
}
