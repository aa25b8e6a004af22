//! A chain made up for the tests: real headers, real keys, real votes, no state transition.

use codec::Encode;
use finality_grandpa::SignedPrecommit;
use phat_follower::{Batch, BlockData, Follower, Genesis};
use phat_primitives::message::{DIGEST_ENGINE, Message, Outbound};
use phat_primitives::{Hash, WorkerId};
use polkadot_sdk::sp_consensus_grandpa as grandpa;
use polkadot_sdk::sp_core::{Pair as _, ed25519};
use polkadot_sdk::sp_runtime::generic::{self, Digest, DigestItem};
use polkadot_sdk::sp_runtime::traits::BlakeTwo256;

pub(crate) type Header = generic::Header<u32, BlakeTwo256>;
pub(crate) type Justification = grandpa::GrandpaJustification<Header>;
pub(crate) type Vote =
    SignedPrecommit<Hash, u32, grandpa::AuthoritySignature, grandpa::AuthorityId>;

/// The round in which everything here is finalised.
pub(crate) const ROUND: u64 = 17;

/// The key pair with this seed.
pub(crate) fn key(seed: u8) -> ed25519::Pair {
    ed25519::Pair::from_seed(&[seed; 32])
}

/// Its public key.
pub(crate) fn public(seed: u8) -> [u8; 32] {
    key(seed).public().0
}

/// The messages of a block.
pub(crate) fn outbound(number: u32) -> Outbound {
    Outbound {
        now_ms: u64::from(number) * 6_000,
        first: u64::from(number),
        messages: vec![Message::GatekeeperAdded(WorkerId([number as u8; 32]))],
    }
}

/// The digest item of a block's messages.
pub(crate) fn outbound_item(outbound: &Outbound) -> DigestItem {
    DigestItem::Consensus(DIGEST_ENGINE, outbound.hash().as_bytes().to_vec())
}

/// The digest item that schedules a change to the authorities with these seeds.
pub(crate) fn change_item(seeds: &[u8], delay: u32) -> DigestItem {
    let next_authorities = seeds
        .iter()
        .map(|seed| (key(*seed).public().into(), 1))
        .collect();
    let change = grandpa::ScheduledChange {
        next_authorities,
        delay,
    };
    let log = grandpa::ConsensusLog::<u32>::ScheduledChange(change);
    DigestItem::Consensus(grandpa::GRANDPA_ENGINE_ID, log.encode())
}

/// A header on top of another one.
pub(crate) fn child(parent: &Header, logs: Vec<DigestItem>) -> Header {
    let number = parent.number + 1;
    Header {
        parent_hash: parent.hash(),
        number,
        state_root: Hash::repeat_byte(number as u8),
        extrinsics_root: Hash::zero(),
        digest: Digest { logs },
    }
}

/// One vote for a block.
pub(crate) fn vote(seed: u8, block: &Header, round: u64, set_id: u64) -> Vote {
    let precommit = finality_grandpa::Precommit {
        target_hash: block.hash(),
        target_number: block.number,
    };
    let message = grandpa::Message::<Header>::Precommit(precommit.clone());
    let signature = key(seed).sign(&grandpa::localized_payload(round, set_id, &message));
    Vote {
        precommit,
        signature: signature.into(),
        id: key(seed).public().into(),
    }
}

/// A justification of a block, by these votes.
pub(crate) fn justification(
    block: &Header,
    votes: Vec<Vote>,
    votes_ancestries: Vec<Header>,
) -> Justification {
    Justification {
        round: ROUND,
        commit: grandpa::Commit::<Header> {
            target_hash: block.hash(),
            target_number: block.number,
            precommits: votes,
        },
        votes_ancestries,
    }
}

/// The chain, and who finalises it.
pub(crate) struct Chain {
    pub(crate) genesis: Header,
    pub(crate) head: Header,
    /// Seeds of the keys of the current authorities, each of weight 1.
    pub(crate) seeds: Vec<u8>,
    pub(crate) set_id: u64,
}

impl Chain {
    /// A chain with four authorities: three make a block final.
    pub(crate) fn new() -> Self {
        let genesis = Header {
            parent_hash: Hash::zero(),
            number: 0,
            state_root: Hash::repeat_byte(0xaa),
            extrinsics_root: Hash::zero(),
            digest: Digest::default(),
        };
        Self {
            head: genesis.clone(),
            genesis,
            seeds: vec![1, 2, 3, 4],
            set_id: 0,
        }
    }

    pub(crate) fn genesis(&self) -> Genesis {
        Genesis {
            hash: self.genesis.hash(),
            header: self.genesis.encode(),
            authorities: [1, 2, 3, 4].map(|seed| (public(seed), 1)).to_vec(),
            set_id: 0,
        }
    }

    pub(crate) fn follower(&self) -> Follower {
        Follower::new(self.genesis()).unwrap()
    }

    /// The next block, with more in its digest than its messages.
    pub(crate) fn block_with(&mut self, mut logs: Vec<DigestItem>) -> BlockData {
        let outbound = outbound(self.head.number + 1);
        logs.push(outbound_item(&outbound));
        self.head = child(&self.head, logs);
        BlockData {
            header: self.head.encode(),
            outbound: outbound.encode(),
        }
    }

    /// The next block.
    pub(crate) fn block(&mut self) -> BlockData {
        self.block_with(vec![DigestItem::PreRuntime(*b"aura", vec![1, 2, 3])])
    }

    /// Votes of these authorities for the head.
    pub(crate) fn votes(&self, seeds: &[u8]) -> Vec<Vote> {
        seeds
            .iter()
            .map(|seed| vote(*seed, &self.head, ROUND, self.set_id))
            .collect()
    }

    /// A justification of the head by all authorities.
    pub(crate) fn justify(&self) -> Vec<u8> {
        justification(&self.head, self.votes(&self.seeds), vec![]).encode()
    }

    /// The next blocks, justified.
    pub(crate) fn batch(&mut self, blocks: usize) -> Batch {
        let blocks = (0..blocks).map(|_| self.block()).collect();
        Batch {
            blocks,
            justification: self.justify(),
        }
    }
}
