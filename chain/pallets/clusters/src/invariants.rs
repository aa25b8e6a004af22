//! What is true between any two calls, and the check of it.

use super::*;
use alloc::collections::BTreeSet;
use sp_runtime::TryRuntimeError;

impl<T: Config> Pallet<T> {
    /// Checks the pallet's invariants. It goes through all of the state: for tests and for trying an
    /// upgrade, never for a block.
    ///
    /// 1. Every cluster from 1 to the counter exists, and no other. Its system contract is among the
    ///    contracts, and its account holds at least the existential deposit, so that it cannot be
    ///    reaped with somebody's money in it.
    /// 2. A worker is in at most one cluster: [`ClusterWorkers`] names each worker once over all
    ///    clusters, and [`WorkerCluster`] says the same from the other side. All are in service. A
    ///    worker that comes back to a cluster ([`Lapsed`]) is registered, in none, and out of service.
    /// 3. Only workers of a cluster have a state, and it is one of that cluster; only they have been
    ///    sent its keys, of no later transport epoch than the one in force.
    /// 4. A contract belongs to a cluster that exists. Exactly the contracts in [`ClusterContracts`]
    ///    have a key, each is listed once, and in the cluster that its record names.
    /// 5. [`WithdrawalCount`] is the number of withdrawals that wait, of clusters that exist and no
    ///    more than may wait. Each is for at least the existential deposit, and has at most one vote
    ///    of each worker, which is for all or nothing.
    /// 6. [`AgreedBlocks`] lists in order exactly the blocks in [`AgreedRoots`], of clusters that
    ///    exist; [`OpenRoots`] those in [`RootVotes`], of which none is agreed on. Each worker has at
    ///    most one vote on each.
    /// 7. A worker that has diverged is in no cluster.
    /// 8. Policies are of clusters that exist. A cluster in which everybody may deploy weighs calls by
    ///    stake, and a control contract is one of the cluster that it controls.
    /// 9. Credits are of clusters that exist, and none is empty. A slice is spent to what was lent at
    ///    most, has a number of its own, and is the only one of its session in its credit. A cluster's
    ///    account holds the credits, what is owed for them, and the existential deposit.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        let clusters: BTreeSet<_> = Clusters::<T>::iter_keys().collect();
        Self::try_clusters(&clusters)?;
        Self::try_workers(&clusters)?;
        Self::try_contracts(&clusters)?;
        Self::try_withdrawals(&clusters)?;
        Self::try_roots(&clusters)?;
        Self::try_policies()?;
        Self::try_credits()
    }

    fn try_policies() -> Result<(), TryRuntimeError> {
        for (cluster, policy) in Policies::<T>::iter() {
            let info = Clusters::<T>::get(cluster).ok_or("a policy of a cluster that is not")?;
            ensure!(
                policy.fee_model == FeeModel::Stake || info.permission != ClusterPermission::Public,
                "a public cluster does not weigh calls by stake"
            );
            ensure!(
                policy.check().is_ok()
                    && policy.control.is_none_or(|control| Self::cluster_of_ready(
                        &control.contract
                    ) == Some(cluster)),
                "a control contract cannot be asked"
            );
        }
        Ok(())
    }

    fn try_clusters(clusters: &BTreeSet<ClusterId>) -> Result<(), TryRuntimeError> {
        let counted: BTreeSet<_> = (1..=ClusterCounter::<T>::get())
            .map(ids::cluster_id)
            .collect();
        ensure!(*clusters == counted, "clusters and their counter disagree");
        for (cluster, info) in Clusters::<T>::iter() {
            ensure!(
                Contracts::<T>::get(info.system_contract).is_some_and(|c| c.cluster == cluster),
                "a system contract is not among the contracts of its cluster"
            );
            ensure!(
                T::Currency::balance(&Self::account_of(&cluster)) >= T::Currency::minimum_balance(),
                "the account of a cluster can be reaped"
            );
        }
        Ok(())
    }

    fn try_workers(clusters: &BTreeSet<ClusterId>) -> Result<(), TryRuntimeError> {
        let mut listed = 0usize;
        for (cluster, workers) in ClusterWorkers::<T>::iter() {
            ensure!(
                clusters.contains(&cluster),
                "workers of a cluster that is not"
            );
            let distinct: BTreeSet<_> = workers.iter().collect();
            ensure!(distinct.len() == workers.len(), "a worker is listed twice");
            for worker in &workers {
                ensure!(
                    WorkerCluster::<T>::get(worker) == Some(cluster),
                    "a listed worker is elsewhere"
                );
                ensure!(
                    pallet_phat_registry::Pallet::<T>::is_in_service(worker),
                    "a listed worker is out of service"
                );
            }
            listed = listed.saturating_add(workers.len());
        }
        ensure!(
            WorkerCluster::<T>::iter_keys().count() == listed,
            "a worker is in a cluster that does not list it"
        );
        for (worker, epoch) in DeliveredEpochs::<T>::iter() {
            let cluster = WorkerCluster::<T>::get(worker)
                .ok_or("a worker has the key of a cluster that it is not in")?;
            ensure!(
                epoch <= TransportEpochs::<T>::get(cluster).epoch,
                "a worker has a key of the future"
            );
        }
        for (cluster, (epoch, _)) in TransportKeys::<T>::iter() {
            ensure!(
                clusters.contains(&cluster) && epoch <= TransportEpochs::<T>::get(cluster).epoch,
                "a cluster has a key of the future"
            );
        }
        for (worker, cluster) in Lapsed::<T>::iter() {
            ensure!(
                clusters.contains(&cluster)
                    && pallet_phat_registry::Workers::<T>::contains_key(worker)
                    && !WorkerCluster::<T>::contains_key(worker)
                    && !pallet_phat_registry::Pallet::<T>::is_in_service(&worker),
                "a worker comes back that never went"
            );
        }
        for (worker, state) in WorkerStates::<T>::iter() {
            ensure!(
                WorkerCluster::<T>::get(worker) == Some(state.cluster),
                "a worker has a state of a cluster that it is not in"
            );
        }
        Ok(())
    }

    fn try_contracts(clusters: &BTreeSet<ClusterId>) -> Result<(), TryRuntimeError> {
        for (_, info) in Contracts::<T>::iter() {
            ensure!(
                clusters.contains(&info.cluster),
                "a contract of a cluster that is not"
            );
        }
        let mut listed = BTreeSet::new();
        for (cluster, contracts) in ClusterContracts::<T>::iter() {
            for contract in contracts {
                ensure!(
                    Contracts::<T>::get(contract).is_some_and(|info| info.cluster == cluster),
                    "a listed contract belongs elsewhere"
                );
                ensure!(listed.insert(contract), "a contract is listed twice");
            }
        }
        let keyed: BTreeSet<_> = pallet_phat_registry::ContractKeys::<T>::iter_keys().collect();
        ensure!(
            keyed == listed,
            "contracts with a key and listed ones differ"
        );
        Ok(())
    }

    fn try_withdrawals(clusters: &BTreeSet<ClusterId>) -> Result<(), TryRuntimeError> {
        let mut waiting = 0usize;
        for cluster in clusters {
            let pending: Vec<_> = Withdrawals::<T>::iter_prefix_values(cluster).collect();
            ensure!(
                pending.len() == WithdrawalCount::<T>::get(cluster) as usize
                    && pending.len() <= MAX_PENDING_WITHDRAWALS as usize,
                "withdrawals and their count disagree"
            );
            for withdrawal in &pending {
                let voters: BTreeSet<_> = withdrawal.votes.iter().map(|(voter, _)| voter).collect();
                ensure!(
                    voters.len() == withdrawal.votes.len(),
                    "a worker has two votes"
                );
                ensure!(
                    withdrawal
                        .votes
                        .iter()
                        .all(|(_, amount)| *amount == 0 || *amount == withdrawal.amount),
                    "a vote is neither for all nor for nothing"
                );
                ensure!(
                    withdrawal.amount >= T::Currency::minimum_balance(),
                    "a withdrawal could not be delivered"
                );
            }
            waiting = waiting.saturating_add(pending.len());
        }
        ensure!(
            Withdrawals::<T>::iter_keys().count() == waiting,
            "a withdrawal from a cluster that is not"
        );
        Ok(())
    }

    fn try_roots(clusters: &BTreeSet<ClusterId>) -> Result<(), TryRuntimeError> {
        let (mut agreed, mut open) = (BTreeSet::new(), BTreeSet::new());
        for cluster in clusters {
            let blocks = AgreedBlocks::<T>::get(cluster);
            ensure!(
                blocks.is_sorted_by(|a, b| a < b),
                "agreed blocks are not in order"
            );
            agreed.extend(blocks.into_iter().map(|block| (*cluster, block)));
            let blocks = OpenRoots::<T>::get(cluster);
            ensure!(
                blocks.is_sorted_by(|a, b| a < b),
                "blocks that are voted on are not in order"
            );
            open.extend(blocks.into_iter().map(|block| (*cluster, block)));
        }
        ensure!(
            AgreedRoots::<T>::iter_keys().collect::<BTreeSet<_>>() == agreed,
            "agreed roots and the list of their blocks disagree"
        );
        ensure!(
            RootVotes::<T>::iter_keys().collect::<BTreeSet<_>>() == open,
            "votes on roots and the list of their blocks disagree"
        );
        ensure!(
            agreed.is_disjoint(&open),
            "there are votes on what is agreed on"
        );
        for (_, _, votes) in RootVotes::<T>::iter() {
            let voters: BTreeSet<_> = votes.iter().map(|(voter, _)| voter).collect();
            ensure!(
                voters.len() == votes.len() && !votes.is_empty(),
                "a worker has two votes on one block"
            );
        }
        ensure!(
            Diverged::<T>::iter_keys().all(|worker| !WorkerCluster::<T>::contains_key(worker)),
            "a worker that has diverged is in a cluster"
        );
        Ok(())
    }
}
