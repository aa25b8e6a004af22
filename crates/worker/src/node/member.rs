//! The worker's cluster.

use super::NodeError;
use crate::records::{ClusterState, Membership};
use phat_cluster::{Accumulator, Cluster};
use phat_engine::{Engine, StateError};
use phat_primitives::ContractId;
use phat_store::Snapshot;
use std::sync::Arc;

/// The worker's cluster, with what is kept of it in memory.
pub(super) struct Member {
    pub(super) cluster: Cluster,
    pub(super) record: Membership,
    pub(super) accumulator: Accumulator,
    /// The contracts in the state. Forgotten when one came or went.
    pub(super) contracts: Option<Arc<[ContractId]>>,
    /// Epoch of the transport key without which the next block cannot be applied. It is on its way: a
    /// gatekeeper sends it to all workers, one after the other.
    pub(super) awaited: Option<u32>,
}

impl Member {
    pub(super) fn new(record: Membership, engine: &Engine) -> Result<Self, NodeError> {
        let accumulator = Accumulator::from_bytes(&record.accumulator)?;
        let mut member = Self {
            cluster: Cluster::new(record.cluster, record.root.keypair(), engine.clone()),
            record,
            accumulator,
            contracts: None,
            awaited: None,
        };
        member.take_transport();
        Ok(member)
    }

    /// Opens what comes with the transport keys of the record.
    pub(super) fn take_transport(&mut self) {
        let secrets = self.record.transport.iter().map(Into::into);
        self.cluster = self.cluster.clone().with_transport(secrets);
    }

    /// Whether the cluster's state stays behind until a key comes.
    pub(super) fn awaits_key(&self) -> bool {
        self.awaited
            .is_some_and(|epoch| self.cluster.transport_key(epoch).is_none())
    }

    /// Lists the contracts, unless the list is known.
    pub(super) fn list_contracts(&mut self, snapshot: &Snapshot) -> Result<(), StateError> {
        if self.contracts.is_none() {
            let state = Arc::new(ClusterState(snapshot.clone()));
            self.contracts = Some(phat_cluster::contracts(state)?.into());
        }
        Ok(())
    }
}
