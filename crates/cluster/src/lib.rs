//! The state machine of one cluster: ordered messages in, state root and receipts out.
//!
//! [`Cluster::apply`] takes the messages of one block of the chain and gives back everything that
//! follows from them: the writes, the new state root, a receipt for each command, the contracts that
//! came to exist. [`Cluster::query`] answers a query on any state and changes none. Both are pure:
//! time comes with the block, and what only a query may do (HTTP, randomness, the cache of the
//! worker) comes through the trait [`Surroundings`].
//!
//! Every worker that applies the same blocks has the same state, bit for bit, and so the same root
//! (see [`accumulator`]). The root covers the records of the state and neither block number nor
//! time: a block without messages for the cluster leaves it as it was.

pub mod accumulator;
pub mod limits;

mod apply;
mod coarse;
mod command;
mod control;
mod host;
mod query;
mod settings;

#[cfg(test)]
mod tests;

use phat_crypto::{
    Keypair, TransportSecret, Zeroizing,
    contexts::{self, Context},
    envelope,
};
use phat_engine::Engine;
use phat_primitives::{
    AccountId, ClusterId, ContractId,
    message::ClusterMessage,
    private::{SealedData, binding},
};
use std::sync::Arc;

pub use accumulator::Accumulator;
pub use apply::{Applied, ApplyError, Block, Made};
pub use host::{LogEntry, LogRecord, Surroundings};
pub use query::{Ask, QueryError};
pub use settings::{
    Owner, Settings, SettingsError, contracts, owner, policy, settings, undecided, weight, weights,
};

/// One cluster: what stays the same over all its blocks.
#[derive(Clone)]
pub struct Cluster {
    id: ClusterId,
    /// The root key, for life. Contract keys and all that contracts derive come from it.
    root: Keypair,
    /// Of each chain of transport keys the last secret that is known.
    transport: Arc<[TransportSecret]>,
    engine: Engine,
}

impl Cluster {
    /// A cluster with this root key.
    pub fn new(id: ClusterId, root: Keypair, engine: Engine) -> Self {
        Self {
            id,
            root,
            transport: Arc::new([]),
            engine,
        }
    }

    /// The same cluster with these transport secrets, of each chain the last one. What was encrypted to
    /// them or to earlier ones can be read.
    pub fn with_transport(self, secrets: impl IntoIterator<Item = TransportSecret>) -> Self {
        Self {
            transport: secrets.into_iter().collect(),
            ..self
        }
    }

    /// The transport key of an epoch; `None` if it is not known.
    pub fn transport_key(&self, epoch: u32) -> Option<Keypair> {
        let known = self.transport.iter().find_map(|secret| secret.at(epoch))?;
        Some(known.keypair())
    }

    /// Whether the key is known that a message is encrypted to, if it is encrypted to the cluster.
    /// Otherwise the epoch whose key is needed.
    pub fn can_open(&self, message: &ClusterMessage) -> Result<(), u32> {
        match message {
            ClusterMessage::UploadPrivate { sealed, .. }
            | ClusterMessage::InstantiatePrivate { sealed, .. } => {
                let known = self.transport_key(sealed.epoch);
                known.map(drop).ok_or(sealed.epoch)
            }
            _ => Ok(()),
        }
    }

    /// The same cluster, run by another engine. Queries have one of their own, so that they cannot
    /// take from commands the instances these need.
    pub fn with_engine(&self, engine: Engine) -> Self {
        Self {
            engine,
            ..self.clone()
        }
    }

    /// The cluster's id.
    pub fn id(&self) -> ClusterId {
        self.id
    }

    /// The cluster's root key: it signs what the cluster, not one worker, says.
    pub fn root(&self) -> &Keypair {
        &self.root
    }

    /// Decrypts what `sender` has encrypted to the cluster for a purpose; an error is the reason why
    /// that is not possible.
    pub(crate) fn open_private(
        &self,
        sealed: &SealedData,
        purpose: Context,
        sender: &AccountId,
    ) -> Result<Zeroizing<Vec<u8>>, String> {
        let key = self
            .transport_key(sealed.epoch)
            .ok_or_else(|| format!("the cluster's transport key {} is not known", sealed.epoch))?;
        let binding = binding(&self.id, sender);
        envelope::open_data(&key, &sealed.data, purpose, &binding)
            .map_err(|error| error.to_string())
    }

    /// The key of a contract: commands are encrypted to it.
    pub fn contract_key(&self, contract: &ContractId) -> Keypair {
        contract_key(&self.root, contract)
    }
}

fn contract_key(root: &Keypair, contract: &ContractId) -> Keypair {
    root.derive(contexts::CONTRACT_KEY, &contract.0)
}
