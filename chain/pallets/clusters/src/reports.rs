//! What workers and clusters report.

use super::*;
use alloc::collections::BTreeSet;
use pallet_phat_messages::OnReport;
use pallet_phat_registry::{ClusterKeys, ContractKeys, Pallet as Registry};
use phat_primitives::{
    message::KeyDelivery,
    report::{ContractReady, Heartbeat, Payload},
};

/// Why a cluster's statement is refused, as the custom code of an invalid transaction. The numbers
/// continue those of [`pallet_phat_messages::refusal`].
pub mod refusal {
    /// The cluster has as many contracts as it may.
    pub const CLUSTER_FULL: u8 = 4;
}

impl<T: Config> Pallet<T> {
    /// Decides whether a cluster's statement may enter a block: about a contract that was ordered in
    /// this cluster, once for each, and under the cluster's key.
    pub(crate) fn authorize_contract_ready(
        _source: TransactionSource,
        signed: &SignedContractReady,
    ) -> TransactionValidityWithRefund {
        let statement = &signed.statement;
        let expected = Contracts::<T>::get(statement.contract)
            .is_some_and(|info| info.cluster == statement.cluster);
        if !expected {
            return Err(InvalidTransaction::Call.into());
        }
        let context = phat_crypto::contexts::CONTRACT_READY;
        Self::authorize_statement(statement, context, &statement.encode(), &signed.signature)
    }

    /// Decides the same about a contract that was made in private: the chain must not know it as one
    /// of another cluster.
    pub(crate) fn authorize_private_contract_ready(
        _source: TransactionSource,
        signed: &SignedPrivateContractReady,
    ) -> TransactionValidityWithRefund {
        let ready = &signed.statement.ready;
        let elsewhere =
            Contracts::<T>::get(ready.contract).is_some_and(|info| info.cluster != ready.cluster);
        if elsewhere {
            return Err(InvalidTransaction::Call.into());
        }
        let context = phat_crypto::contexts::PRIVATE_CONTRACT_READY;
        let message = signed.statement.encode();
        Self::authorize_statement(ready, context, &message, &signed.signature)
    }

    /// What the call could fail for is checked here, or the same statement could be sent again and
    /// again for nothing.
    fn authorize_statement(
        statement: &ContractReady,
        context: phat_crypto::contexts::Context,
        message: &[u8],
        signature: &[u8; 64],
    ) -> TransactionValidityWithRefund {
        if ContractKeys::<T>::contains_key(statement.contract) {
            return Err(InvalidTransaction::Stale.into());
        }
        let genuine = ClusterKeys::<T>::get(statement.cluster)
            .is_some_and(|public| phat_crypto::verify(&public, context, message, signature));
        if !genuine {
            return Err(InvalidTransaction::BadProof.into());
        }
        let contracts = ClusterContracts::<T>::decode_len(statement.cluster).unwrap_or(0);
        if contracts >= MAX_CLUSTER_CONTRACTS as usize {
            return Err(InvalidTransaction::Custom(refusal::CLUSTER_FULL).into());
        }
        let validity = ValidTransaction {
            // Somebody waits for the contract, so hosts that seal on demand do so for it.
            priority: 1,
            requires: Vec::new(),
            provides: alloc::vec![(b"contract-ready", statement.contract).encode()],
            longevity: 64,
            propagate: true,
        };
        Ok((validity, Weight::zero()))
    }

    /// Publishes the key of a contract that has been made.
    pub(crate) fn publish(statement: ContractReady) -> DispatchResult {
        let (cluster, contract) = (statement.cluster, statement.contract);
        let info = Contracts::<T>::get(contract).ok_or(Error::<T>::ContractNotFound)?;
        ClusterContracts::<T>::try_append(cluster, contract)
            .map_err(|_| Error::<T>::TooManyContracts)?;
        ContractKeys::<T>::insert(contract, statement.public);
        Self::deposit_event(Event::ContractPubkeyAvailable {
            contract,
            cluster,
            pubkey: statement.public,
        });
        Self::deposit_event(Event::Instantiated {
            contract,
            cluster,
            deployer: info.deployer,
        });
        Ok(())
    }

    fn on_cluster_key(
        reporter: &WorkerId,
        cluster: ClusterId,
        delivery: KeyDelivery,
    ) -> DispatchResult {
        Registry::<T>::ensure_gatekeeper(reporter)?;
        let (worker, pubkey) = (delivery.worker, delivery.public);
        ensure!(
            WorkerCluster::<T>::get(worker) == Some(cluster),
            Error::<T>::WorkerNotInCluster
        );
        // It comes from a master key that the chain knows. One that is being made may still be another's.
        ensure!(
            Registry::<T>::generations_held(reporter)
                > TransportEpochs::<T>::get(cluster).generation,
            pallet_phat_registry::Error::<T>::NoMasterKey
        );
        let newest = delivery.transport.last().ok_or(Error::<T>::StaleKey)?;
        let (epoch, transport) = (newest.epoch, newest.public);
        ensure!(
            epoch == TransportEpochs::<T>::get(cluster).epoch,
            Error::<T>::StaleKey
        );
        // Another gatekeeper may have been faster.
        if DeliveredEpochs::<T>::get(worker) == Some(epoch) {
            return Ok(());
        }
        let first = !ClusterKeys::<T>::contains_key(cluster);
        Registry::<T>::set_cluster_key(cluster, pubkey)?;
        match TransportKeys::<T>::get(cluster) {
            Some((known, public)) if known == epoch => ensure!(
                public == transport,
                pallet_phat_registry::Error::<T>::KeyMismatch
            ),
            _ => {
                TransportKeys::<T>::insert(cluster, (epoch, transport));
                Self::deposit_event(Event::TransportKeyAvailable {
                    cluster,
                    epoch,
                    pubkey: transport,
                });
            }
        }
        DeliveredEpochs::<T>::insert(worker, epoch);
        Self::order(cluster, ClusterMessage::KeyDelivered(delivery))?;
        if first {
            Self::deposit_event(Event::ClusterPubkeyAvailable { cluster, pubkey });
        }
        Self::deposit_event(Event::ClusterDeployed {
            cluster,
            pubkey,
            worker,
        });
        Ok(())
    }

    fn on_heartbeat(worker: &WorkerId, heartbeat: &Heartbeat) -> DispatchResult {
        let cluster = heartbeat.cluster;
        ensure!(
            WorkerCluster::<T>::get(worker) == Some(cluster),
            Error::<T>::WorkerNotInCluster
        );
        let members: BTreeSet<_> = ClusterWorkers::<T>::get(cluster).into_iter().collect();
        let roots = heartbeat.roots();
        if !Self::on_roots(worker, &cluster, &members, heartbeat.block, roots)? {
            // What else it says rests on a state that is not the cluster's.
            return Ok(());
        }
        let state = WorkerState {
            cluster,
            block: heartbeat.block,
            state_root: heartbeat.state_root,
            receipts: heartbeat.receipts,
        };
        // Reports that waited can come after newer ones: the newest state is the one that counts.
        let is_old = WorkerStates::<T>::get(worker)
            .is_some_and(|known| known.cluster == cluster && known.block > state.block);
        if !is_old {
            WorkerStates::<T>::insert(worker, state);
        }
        for outcome in &heartbeat.withdrawals {
            Self::vote_withdrawal(worker, &cluster, &members, outcome)?;
        }
        Self::deposit_event(Event::StateReported {
            worker: *worker,
            cluster,
            block: state.block,
            state_root: state.state_root,
        });
        Ok(())
    }
}

impl<T: Config> OnReport for Pallet<T> {
    fn on_payload(worker: &WorkerId, payload: &Payload) -> DispatchResult {
        match payload {
            Payload::Heartbeat(heartbeat) => Self::on_heartbeat(worker, heartbeat),
            Payload::ClusterKey { cluster, delivery } => {
                Self::on_cluster_key(worker, *cluster, delivery.clone())
            }
            Payload::Credit(report) => Self::on_credit(worker, report),
            _ => Ok(()),
        }
    }

    fn weight(payload: &Payload) -> Weight {
        let db = T::DbWeight::get();
        match payload {
            Payload::Heartbeat(heartbeat) => {
                let expelled = T::Eras::weight().saturating_mul(roots::MAX_EXPELLED as u64);
                weights::heartbeat(heartbeat.withdrawals.len(), db).saturating_add(expelled)
            }
            Payload::ClusterKey { delivery, .. } => weights::cluster_key(delivery, db),
            Payload::Credit(report) => weights::credit_report(report, db),
            _ => Weight::zero(),
        }
    }

    fn is_urgent(worker: &WorkerId, payload: &Payload) -> bool {
        matches!(payload, Payload::Credit(report) if Self::is_credit_urgent(worker, report))
    }

    fn urgency_weight(payload: &Payload) -> Weight {
        match payload {
            Payload::Credit(report) => weights::credit_urgency(report, T::DbWeight::get()),
            _ => Weight::zero(),
        }
    }
}
