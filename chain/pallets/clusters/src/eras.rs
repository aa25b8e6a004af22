//! What the economy has to say about clusters, and hears of them.

use super::*;
use frame_support::storage::with_storage_layer;

/// The economy, as this pallet sees it.
pub trait Eras {
    /// Whether eras run. While they do, only they decide which worker is in which cluster.
    fn run() -> bool;

    /// A cluster was created.
    fn created(cluster: &ClusterId);

    /// A worker's state was not that of its cluster, and it leaves.
    fn diverged(worker: &WorkerId);

    /// Most that any of them costs.
    fn weight() -> Weight;
}

/// No economy: owners assign workers.
impl Eras for () {
    fn run() -> bool {
        false
    }

    fn created(_: &ClusterId) {}

    fn diverged(_: &WorkerId) {}

    fn weight() -> Weight {
        Weight::zero()
    }
}

impl<T: Config> Pallet<T> {
    /// Whether there is such a cluster.
    pub fn exists(cluster: &ClusterId) -> bool {
        Clusters::<T>::contains_key(cluster)
    }

    /// The cluster that a worker is in.
    pub fn cluster_of(worker: &WorkerId) -> Option<ClusterId> {
        WorkerCluster::<T>::get(worker)
    }

    /// How many workers a cluster has.
    pub fn size(cluster: &ClusterId) -> usize {
        ClusterWorkers::<T>::decode_len(cluster).unwrap_or(0)
    }

    /// Whether a worker more can be in the cluster.
    pub fn has_room(cluster: &ClusterId) -> bool {
        Self::size(cluster) < MAX_CLUSTER_WORKERS as usize
    }

    /// Whether a worker can leave its cluster without taking the state along: it has not got it, or
    /// another one has.
    pub fn can_spare(cluster: &ClusterId, worker: &WorkerId) -> bool {
        let newest = AgreedBlocks::<T>::get(cluster).last().copied();
        let has_state = |member: &WorkerId| {
            WorkerStates::<T>::get(member).is_some_and(|state| Some(state.block) >= newest)
        };
        let members = ClusterWorkers::<T>::get(cluster);
        let mut others = members.iter().filter(|member| *member != worker);
        !has_state(worker) || others.any(has_state)
    }

    /// Takes a worker out of the cluster that it is in, and puts it into another, or into none. Does all
    /// of it or, with an error, nothing.
    pub fn relocate(worker: &WorkerId, to: Option<ClusterId>) -> DispatchResult {
        with_storage_layer(|| {
            if let Some(present) = WorkerCluster::<T>::get(worker) {
                Self::take_out(worker, present)?;
            }
            let Some(cluster) = to else {
                return Ok(());
            };
            ensure!(Self::exists(&cluster), Error::<T>::ClusterNotFound);
            Self::ensure_fit(worker)?;
            WorkerCluster::<T>::insert(worker, cluster);
            Self::put_in(*worker, cluster)
        })
    }
}
