//! What an owner may lay down for a cluster.

use super::*;
use alloc::boxed::Box;
use phat_primitives::policy::PolicyError;

impl<T: Config> Pallet<T> {
    /// Sets who may deploy in a cluster, and the policy that its workers keep to from here on.
    pub(crate) fn lay_down(
        cluster: ClusterId,
        permission: ClusterPermission<T::AccountId>,
        policy: Policy,
    ) -> DispatchResult {
        policy.check().map_err(|error| match error {
            PolicyError::ControlGas => Error::<T>::ControlGasOutOfRange,
        })?;
        ensure!(
            policy.fee_model == FeeModel::Stake || permission != ClusterPermission::Public,
            Error::<T>::PublicClusterUsesStake
        );
        if let Some(control) = policy.control {
            ensure!(
                Self::cluster_of_ready(&control.contract) == Some(cluster),
                Error::<T>::ControlNotReady
            );
        }
        Clusters::<T>::try_mutate(cluster, |info| {
            let info = info.as_mut().ok_or(Error::<T>::ClusterNotFound)?;
            info.permission = permission;
            Ok::<_, Error<T>>(())
        })?;
        Policies::<T>::insert(cluster, &policy);
        Self::order(cluster, ClusterMessage::PolicySet(Box::new(policy)))?;
        Self::deposit_event(Event::PolicySet { cluster });
        Ok(())
    }

    /// The cluster of a contract that has been instantiated; `None` if there is no such contract.
    pub fn cluster_of_ready(contract: &ContractId) -> Option<ClusterId> {
        let ready = pallet_phat_registry::ContractKeys::<T>::contains_key(contract);
        let info = Contracts::<T>::get(contract).filter(|_| ready)?;
        Some(info.cluster)
    }
}
