//! What the workers of a cluster agree on: the root of its state and the commitment to its receipts
//! after a block. A worker that says something else than most others is marked and leaves.
//!
//! Workers report each block that has changed something, soon after it; a report that comes late is
//! compared with what was agreed on and counts for nothing else. The votes on a block are those of
//! the workers that are in the cluster when the last one comes.

use super::*;
use alloc::collections::BTreeSet;
use frame_support::storage::with_storage_layer;
use sp_runtime::traits::UniqueSaturatedInto;

/// Workers that one heartbeat takes out of a cluster at most: it bounds the heartbeat's weight. The
/// others leave with the next block that is agreed on, since a state that differs stays different.
pub(crate) const MAX_EXPELLED: usize = 2;
/// Blocks without an agreement whose votes one heartbeat clears away. It adds one block at most, so
/// that there are never more than [`ROOT_VOTE_BLOCKS`]: those in time are no more than that, and with
/// every one that is added at least one that is not goes away.
const PRUNED: usize = 2;

impl<T: Config> Pallet<T> {
    /// Takes a worker's word on what its cluster had come to after `block`. Returns whether the
    /// worker stays in the cluster.
    pub(crate) fn on_roots(
        worker: &WorkerId,
        cluster: &ClusterId,
        members: &BTreeSet<WorkerId>,
        block: u32,
        roots: Roots,
    ) -> Result<bool, DispatchError> {
        let now: u32 = frame_system::Pallet::<T>::block_number().unique_saturated_into();
        ensure!(block < now, Error::<T>::BlockNotYet);
        if let Some(agreed) = AgreedRoots::<T>::get(cluster, block) {
            if agreed == roots {
                return Ok(true);
            }
            let divergence = Divergence {
                cluster: *cluster,
                block,
                reported: roots,
                agreed,
            };
            Self::expel(worker, divergence)?;
            return Ok(false);
        }
        if now.saturating_sub(block) <= ROOT_VOTE_BLOCKS {
            Self::vote_roots(worker, cluster, members, block, roots, now)?;
        }
        Ok(true)
    }

    fn vote_roots(
        worker: &WorkerId,
        cluster: &ClusterId,
        members: &BTreeSet<WorkerId>,
        block: u32,
        roots: Roots,
        now: u32,
    ) -> DispatchResult {
        let mut open = OpenRoots::<T>::get(cluster);
        let late = |open: &u32| now.saturating_sub(*open) > ROOT_VOTE_BLOCKS;
        for old in open
            .iter()
            .copied()
            .filter(late)
            .take(PRUNED)
            .collect::<Vec<_>>()
        {
            RootVotes::<T>::remove(cluster, old);
            open.retain(|block| *block != old);
        }
        let mut votes = RootVotes::<T>::get(cluster, block);
        votes.retain(|(voter, _)| voter != worker && members.contains(voter));
        // Only workers of the cluster have a vote, so the list cannot outgrow it.
        votes
            .try_push((*worker, roots))
            .map_err(|_| Error::<T>::TooManyWorkers)?;
        let equal = votes.iter().filter(|(_, voted)| *voted == roots).count();
        if equal.saturating_mul(2) <= members.len() {
            if let Err(place) = open.binary_search(&block) {
                open.try_insert(place, block)
                    .map_err(|_| Error::<T>::TooManyOpenRoots)?;
            }
            RootVotes::<T>::insert(cluster, block, votes);
            OpenRoots::<T>::insert(cluster, open);
            return Ok(());
        }
        open.retain(|other| *other != block);
        OpenRoots::<T>::insert(cluster, open);
        RootVotes::<T>::remove(cluster, block);
        Self::agree(cluster, block, roots);
        let differing = votes.iter().filter(|(_, voted)| *voted != roots);
        for (other, reported) in differing.take(MAX_EXPELLED) {
            let divergence = Divergence {
                cluster: *cluster,
                block,
                reported: *reported,
                agreed: roots,
            };
            // A block that is full of messages leaves it for the worker's next report.
            let expelled = with_storage_layer(|| Self::expel(other, divergence));
            if expelled.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Keeps what was agreed on, in the place of the oldest entry if there are as many as may be.
    fn agree(cluster: &ClusterId, block: u32, roots: Roots) {
        AgreedBlocks::<T>::mutate(cluster, |blocks| {
            let Err(mut place) = blocks.binary_search(&block) else {
                return;
            };
            if blocks.is_full() {
                if place == 0 {
                    return;
                }
                let oldest = blocks.remove(0);
                AgreedRoots::<T>::remove(cluster, oldest);
                place = place.saturating_sub(1);
            }
            if blocks.try_insert(place, block).is_ok() {
                AgreedRoots::<T>::insert(cluster, block, roots);
            }
        });
        Self::deposit_event(Event::RootsAgreed {
            cluster: *cluster,
            block,
            state_root: roots.state_root,
            receipts: roots.receipts,
        });
    }

    /// Takes a worker out of its cluster because its state is another one, and marks it.
    fn expel(worker: &WorkerId, divergence: Divergence) -> DispatchResult {
        let (cluster, block) = (divergence.cluster, divergence.block);
        let why = ClusterMessage::WorkerDiverged {
            worker: *worker,
            block,
        };
        Self::order(cluster, why)?;
        Diverged::<T>::insert(worker, divergence);
        T::Eras::diverged(worker);
        Self::deposit_event(Event::WorkerDiverged {
            worker: *worker,
            cluster,
            block,
        });
        Self::take_out(worker, cluster)
    }
}
