//! How a cluster begins, who owns it, and which workers it may have.

use super::*;
use alloc::boxed::Box;
use frame_system::pallet_prelude::OriginFor;
use pallet_phat_registry::OnService;
use phat_primitives::message::ClusterGenesis;

impl<T: Config> Pallet<T> {
    /// Creates a cluster and orders that its workers begin.
    pub(crate) fn create(
        owner: T::AccountId,
        permission: ClusterPermission<T::AccountId>,
        workers: BoundedVec<WorkerId, ConstU32<MAX_CLUSTER_WORKERS>>,
        prices: Prices,
    ) -> DispatchResult {
        if T::Eras::run() {
            ensure!(workers.is_empty(), Error::<T>::ErasDecide);
        } else {
            ensure!(!workers.is_empty(), Error::<T>::NoWorkerSpecified);
        }
        let generation = pallet_phat_registry::Pallet::<T>::master_generation()
            .ok_or(Error::<T>::NoGatekeeper)?;
        let code = PinkSystemCode::<T>::get().ok_or(Error::<T>::NoPinkSystemCode)?;
        let counter = ClusterCounter::<T>::get();
        let counter = counter.checked_add(1).ok_or(Error::<T>::CounterExhausted)?;
        let cluster = ids::cluster_id(counter);
        for worker in &workers {
            Self::assign(worker, cluster, &owner)?;
        }
        Self::open_account(&cluster, &owner)?;
        let raw_owner = RawAccount(owner.clone().into());
        let code_hash = Hash::from(phat_primitives::blake2_256(&code));
        let system_contract = ids::contract_id(&raw_owner, &code_hash, &cluster, &[]);
        ClusterCounter::<T>::put(counter);
        ClusterWorkers::<T>::insert(cluster, &workers);
        Clusters::<T>::insert(
            cluster,
            ClusterInfo {
                owner: owner.clone(),
                permission,
                system_contract,
                gas_price: prices.gas_price,
                deposit_per_item: prices.deposit_per_item,
                deposit_per_byte: prices.deposit_per_byte,
            },
        );
        Contracts::<T>::insert(
            system_contract,
            ContractInfo {
                deployer: owner,
                cluster,
                code_index: CodeIndex::WasmCode(code_hash),
            },
        );
        let genesis = ClusterGenesis {
            owner: raw_owner,
            prices,
            system_code: code.into_inner(),
            system_contract,
            workers: workers.into_inner(),
            generation,
        };
        let epoch = TransportEpoch {
            generation,
            ..TransportEpoch::default()
        };
        TransportEpochs::<T>::insert(cluster, epoch);
        Self::order(cluster, ClusterMessage::Created(Box::new(genesis)))?;
        T::Eras::created(&cluster);
        Self::deposit_event(Event::ClusterCreated {
            cluster,
            system_contract,
        });
        Ok(())
    }

    /// The sender, if it owns the cluster.
    pub(crate) fn ensure_owner(
        origin: OriginFor<T>,
        cluster: &ClusterId,
    ) -> Result<T::AccountId, DispatchError> {
        let sender = frame_system::ensure_signed(origin)?;
        let info = Clusters::<T>::get(cluster).ok_or(Error::<T>::ClusterNotFound)?;
        ensure!(info.owner == sender, Error::<T>::NotClusterOwner);
        Ok(sender)
    }

    /// The sender of something sealed, if it may deploy in the cluster and has kept the limit.
    pub(crate) fn ensure_deployer(
        origin: OriginFor<T>,
        cluster: &ClusterId,
        sealed: &SealedData,
        max_len: u32,
    ) -> Result<T::AccountId, DispatchError> {
        let sender = frame_system::ensure_signed(origin)?;
        ensure!(
            sealed.data.data.len() <= max_len as usize,
            Error::<T>::PayloadTooLarge
        );
        let info = Clusters::<T>::get(cluster).ok_or(Error::<T>::ClusterNotFound)?;
        ensure!(info.lets_deploy(&sender), Error::<T>::NoPermission);
        // Workers wait for a key that they do not have: it must be one that is on its way to them.
        ensure!(
            TransportKeys::<T>::get(cluster).is_some_and(|(epoch, _)| sealed.epoch <= epoch),
            Error::<T>::NoSuchTransportKey
        );
        Ok(sender)
    }

    /// Assigns a worker that is free and that the owner operates. The list of the cluster's workers
    /// is the caller's to keep.
    pub(crate) fn assign(
        worker: &WorkerId,
        cluster: ClusterId,
        owner: &T::AccountId,
    ) -> DispatchResult {
        let info =
            pallet_phat_registry::Workers::<T>::get(worker).ok_or(Error::<T>::WorkerNotFound)?;
        ensure!(info.operator == *owner, Error::<T>::NotWorkerOperator);
        Self::ensure_fit(worker)?;
        match WorkerCluster::<T>::get(worker) {
            Some(present) if present == cluster => Err(Error::<T>::DuplicatedWorker.into()),
            Some(_) => Err(Error::<T>::WorkerInUse.into()),
            None => {
                WorkerCluster::<T>::insert(worker, cluster);
                Ok(())
            }
        }
    }

    /// Refuses a worker that may be in no cluster.
    pub(crate) fn ensure_fit(worker: &WorkerId) -> DispatchResult {
        ensure!(
            !Diverged::<T>::contains_key(worker),
            Error::<T>::WorkerHasDiverged
        );
        ensure!(
            pallet_phat_registry::Pallet::<T>::is_in_service(worker),
            Error::<T>::WorkerOutOfService
        );
        Ok(())
    }

    /// Takes a worker out of its cluster, and tells the workers. It must not be able to read what is
    /// encrypted from now on, so the transport key changes.
    pub(crate) fn take_out(worker: &WorkerId, cluster: ClusterId) -> DispatchResult {
        ensure!(
            WorkerCluster::<T>::get(worker) == Some(cluster),
            Error::<T>::WorkerNotInCluster
        );
        WorkerCluster::<T>::remove(worker);
        WorkerStates::<T>::remove(worker);
        DeliveredEpochs::<T>::remove(worker);
        ClusterWorkers::<T>::mutate(cluster, |workers| workers.retain(|w| w != worker));
        Self::order(cluster, ClusterMessage::WorkerRemoved(*worker))?;
        Self::deposit_event(Event::WorkerRemovedFromCluster {
            worker: *worker,
            cluster,
        });
        Self::rotate_transport(cluster)
    }

    /// Begins the next epoch of a cluster's transport key, from the newest master key.
    pub(crate) fn rotate_transport(cluster: ClusterId) -> DispatchResult {
        let present = TransportEpochs::<T>::get(cluster);
        let generation =
            pallet_phat_registry::Pallet::<T>::master_generation().unwrap_or(present.generation);
        let next = present.next(generation);
        TransportEpochs::<T>::insert(cluster, next);
        Self::order(cluster, ClusterMessage::TransportRotated(next))?;
        Ok(())
    }

    /// Lists a worker that has been assigned, and orders that it be given the key.
    pub(crate) fn put_in(worker: WorkerId, cluster: ClusterId) -> DispatchResult {
        ClusterWorkers::<T>::try_append(cluster, worker).map_err(|_| Error::<T>::TooManyWorkers)?;
        Self::order(cluster, ClusterMessage::WorkerAdded(worker))?;
        Self::deposit_event(Event::WorkerAddedToCluster { worker, cluster });
        Ok(())
    }
}

impl<T: Config> OnService for Pallet<T> {
    fn lapsed(worker: &WorkerId) -> DispatchResult {
        let Some(cluster) = WorkerCluster::<T>::get(worker) else {
            return Ok(());
        };
        // While eras run, they say where it belongs when it is back.
        if !T::Eras::run() {
            Lapsed::<T>::insert(worker, cluster);
        }
        Self::take_out(worker, cluster)
    }

    fn returned(worker: &WorkerId) -> DispatchResult {
        let Some(cluster) = Lapsed::<T>::take(worker).filter(|_| !T::Eras::run()) else {
            return Ok(());
        };
        let members = ClusterWorkers::<T>::decode_len(cluster).unwrap_or(0);
        if members >= MAX_CLUSTER_WORKERS as usize {
            Self::deposit_event(Event::WorkerNotReassigned {
                worker: *worker,
                cluster,
            });
            return Ok(());
        }
        WorkerCluster::<T>::insert(worker, cluster);
        Self::put_in(*worker, cluster)
    }

    fn weight() -> Weight {
        weights::membership(T::DbWeight::get())
    }
}
