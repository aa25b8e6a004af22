//! What is served: the worker as it was after one block.

use super::member::Member;
use crate::{
    keys::Keyring,
    memo::{Opened, OpenedState},
    records::{ClusterState, Position},
};
use codec::{Decode, Encode};
use phat_cluster::Cluster;
use phat_engine::{Engine, State};
use phat_follower::{Follower, Head};
use phat_primitives::{BlockNumber, ClusterId, ContractId, Hash, MessageNumber, report::Roots};
use phat_store::Snapshot;
use std::{fmt, sync::Arc};

/// The worker as it was after one block. What is served, is served from a view: it does not change.
#[derive(Clone)]
pub struct View {
    /// The last block followed.
    pub head: Head,
    /// The last block whose effects are committed.
    pub position: BlockNumber,
    /// Time of that block, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// Number of the first message after that block.
    pub next_message: MessageNumber,
    /// Whether the chain has had no newer block since the worker was started.
    pub caught_up: bool,
    /// Public half of the network's newest master key, and whether this worker holds the secret one.
    pub(crate) master: Option<([u8; 32], bool)>,
    /// The cluster that the worker is in.
    pub member: Option<MemberView>,
    /// Why it is in none any more.
    pub left: Option<Left>,
    pub(crate) snapshot: Snapshot,
    /// What has been read of the cluster's state.
    pub(super) opened: Opened,
}

/// The worker's cluster as it was after one block.
#[derive(Clone)]
pub struct MemberView {
    /// The cluster.
    pub cluster: Cluster,
    /// Root of its state.
    pub state_root: Hash,
    /// Last block that the state contains.
    pub applied: BlockNumber,
    /// Time of that block, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// The contracts in the state.
    pub contracts: Arc<[ContractId]>,
    /// What the cluster has come to after the last blocks that have changed it, oldest first.
    pub recent: Arc<[(BlockNumber, Roots)]>,
    /// Block in which the worker has got the cluster's key.
    pub joined: BlockNumber,
}

/// Why the worker is in no cluster any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Left {
    /// The cluster it was in.
    pub cluster: ClusterId,
    /// Block after which its state was not the one that most others had, if that is why.
    pub diverged: Option<BlockNumber>,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.cluster.to_low_u64_be();
        match self.diverged {
            Some(block) => write!(
                f,
                "the worker was taken out of cluster {number}: after block {block} its state was not the one of the other workers; its operator has to find out why and to readmit it; ask another worker"
            ),
            None => write!(
                f,
                "the worker was taken out of cluster {number}; ask one that is in it"
            ),
        }
    }
}

impl View {
    /// What is served, before the worker has caught up.
    pub(super) fn new(
        follower: &Follower,
        position: &Position,
        member: Option<&Member>,
        keys: &Keyring,
        queries: &Engine,
        snapshot: Snapshot,
    ) -> Self {
        Self {
            head: follower.head(),
            position: position.number,
            now_ms: position.now_ms,
            next_message: position.next_message,
            caught_up: false,
            master: keys.master(),
            member: member.map(|member| MemberView {
                cluster: member.cluster.with_engine(queries.clone()),
                state_root: member.accumulator.root(),
                applied: member.record.applied.number,
                now_ms: member.record.applied.now_ms,
                contracts: member.contracts.clone().unwrap_or_default(),
                recent: member.record.recent.clone().into(),
                joined: member.record.joined,
            }),
            left: None,
            snapshot,
            opened: Opened::default(),
        }
    }

    /// The state of the worker's cluster.
    pub fn state(&self) -> Arc<dyn State> {
        Arc::new(OpenedState {
            state: ClusterState(self.snapshot.clone()),
            opened: self.opened.clone(),
        })
    }

    /// Root of that state, and whose it is.
    pub(super) fn state_root(&self) -> Option<(ClusterId, Hash)> {
        let member = self.member.as_ref()?;
        Some((member.cluster.id(), member.state_root))
    }

    /// Number of the next block that will be applied.
    pub fn next_block(&self) -> BlockNumber {
        let done = self
            .member
            .as_ref()
            .map_or(self.position, |member| member.applied);
        done.min(self.position).saturating_add(1)
    }

    /// Whether the state of the cluster is that of the last block followed, and that was the chain's
    /// last one at some time since the worker was started.
    pub fn is_current(&self) -> bool {
        self.caught_up
            && self
                .member
                .as_ref()
                .is_some_and(|member| member.applied == self.head.number)
    }
}
