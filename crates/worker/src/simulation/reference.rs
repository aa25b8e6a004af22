//! What has really happened: the chain's messages, each cluster as it is when nothing goes wrong, and
//! which worker has been told what.

use crate::keys;
use phat_cluster::{Accumulator, Block, Cluster};
use phat_crypto::{Keypair, TransportSecret};
use phat_engine::{Changes, Engine};
use phat_primitives::{
    BlockNumber, ClusterId, Hash, MessageNumber, WorkerId, commitment,
    message::{ClusterMessage, Message, Outbound},
    receipt::{Receipt, Success},
    report::Roots,
};
use std::{collections::BTreeMap, sync::Arc};

/// A worker's place in a cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seat {
    pub(super) cluster: ClusterId,
    /// Block in which it was sent the keys.
    pub(super) keyed: Option<BlockNumber>,
}

/// The gatekeepers and workers after a block.
#[derive(Clone, Default)]
pub(super) struct Roles {
    pub(super) seats: BTreeMap<WorkerId, Seat>,
    pub(super) gatekeepers: Vec<WorkerId>,
    /// Public half of the master keys that have been made.
    pub(super) masters: Vec<[u8; 32]>,
}

impl Roles {
    fn take(&mut self, number: BlockNumber, message: &Message) {
        match message {
            Message::GatekeeperAdded(worker) => self.gatekeepers.push(*worker),
            Message::GatekeeperRemoved(worker) => self.gatekeepers.retain(|known| known != worker),
            Message::MasterKeyMade { public, .. } => self.masters.push(*public),
            Message::Cluster(cluster, message) => self.take_seat(number, *cluster, message),
            _ => {}
        }
    }

    fn take_seat(&mut self, number: BlockNumber, cluster: ClusterId, message: &ClusterMessage) {
        let seat = Seat {
            cluster,
            keyed: None,
        };
        match message {
            ClusterMessage::Created(genesis) => {
                self.seats
                    .extend(genesis.workers.iter().map(|worker| (*worker, seat)));
            }
            ClusterMessage::WorkerAdded(worker) => drop(self.seats.insert(*worker, seat)),
            ClusterMessage::WorkerRemoved(worker) => drop(self.seats.remove(worker)),
            ClusterMessage::KeyDelivered(delivery) => {
                let seat = self.seats.get_mut(&delivery.worker).unwrap();
                assert_eq!(seat.cluster, cluster, "keys go to the cluster's workers");
                seat.keyed.get_or_insert(number);
            }
            _ => {}
        }
    }
}

/// A cluster without faults. It has every key that any worker was sent.
pub(super) struct Reference {
    pub(super) id: ClusterId,
    birth: BlockNumber,
    root: Option<Keypair>,
    secrets: Vec<TransportSecret>,
    pub(super) state: Changes,
    accumulator: Accumulator,
    commitment: Hash,
    /// Last block that the state contains.
    pub(super) applied: BlockNumber,
    /// What it has come to after each block.
    pub(super) roots: BTreeMap<BlockNumber, Roots>,
    pub(super) receipts: BTreeMap<MessageNumber, Receipt>,
}

/// All that the chain has said.
#[derive(Default)]
pub(super) struct History {
    /// By block.
    pub(super) outbound: Vec<Outbound>,
    /// By block.
    pub(super) roles: Vec<Roles>,
    pub(super) clusters: Vec<Reference>,
    /// Every transport secret that a worker has ever been able to decrypt.
    pub(super) told: BTreeMap<(WorkerId, ClusterId), Vec<TransportSecret>>,
}

fn wants_receipt(message: &ClusterMessage) -> bool {
    matches!(
        message,
        ClusterMessage::Upload { .. }
            | ClusterMessage::Instantiate(_)
            | ClusterMessage::Command { .. }
            | ClusterMessage::Withdraw { .. }
            | ClusterMessage::UploadPrivate { .. }
            | ClusterMessage::InstantiatePrivate { .. }
    )
}

impl History {
    /// Takes the messages of the next block. `identities` are the keys of all workers.
    pub(super) fn take(&mut self, outbound: Outbound, identities: &BTreeMap<WorkerId, Keypair>) {
        let number = self.outbound.len() as BlockNumber;
        let mut roles = self.roles.last().cloned().unwrap_or_default();
        for message in &outbound.messages {
            roles.take(number, message);
            match message {
                Message::Cluster(id, ClusterMessage::Created(_)) => {
                    self.clusters.push(Reference::new(*id, number));
                }
                Message::Cluster(id, ClusterMessage::KeyDelivered(delivery)) => {
                    for (worker, identity) in identities {
                        let opened = keys::open_delivery(identity, id, delivery);
                        assert_eq!(opened.is_ok(), *worker == delivery.worker);
                        let Ok((root, transport)) = opened else {
                            continue;
                        };
                        let cluster = self.clusters.iter_mut().find(|known| known.id == *id);
                        cluster.unwrap().learn(root, &transport);
                        self.told
                            .entry((*worker, *id))
                            .or_default()
                            .extend(transport);
                    }
                }
                _ => {}
            }
        }
        self.outbound.push(outbound);
        self.roles.push(roles);
    }

    /// Applies to the clusters what can be applied.
    pub(super) async fn apply(&mut self, engine: &Engine) {
        for cluster in &mut self.clusters {
            cluster.apply(&self.outbound, engine).await;
        }
    }

    pub(super) fn cluster(&self, id: &ClusterId) -> &Reference {
        self.clusters.iter().find(|known| known.id == *id).unwrap()
    }
}

impl Reference {
    fn new(id: ClusterId, birth: BlockNumber) -> Self {
        Self {
            id,
            birth,
            root: None,
            secrets: Vec::new(),
            state: Changes::new(),
            accumulator: Accumulator::default(),
            commitment: Hash::zero(),
            applied: birth - 1,
            roots: BTreeMap::new(),
            receipts: BTreeMap::new(),
        }
    }

    fn learn(&mut self, root: Keypair, transport: &[TransportSecret]) {
        let known = self.root.get_or_insert(root.clone());
        assert_eq!(known.public(), root.public(), "a root key is for life");
        for secret in transport {
            let known = self
                .secrets
                .iter()
                .find_map(|known| known.at(secret.epoch()));
            match known {
                Some(known) => assert!(known == *secret, "all are sent the same key"),
                None => self.secrets.push(secret.clone()),
            }
        }
    }

    async fn apply(&mut self, chain: &[Outbound], engine: &Engine) {
        let Some(root) = &self.root else { return };
        let cluster = Cluster::new(self.id, root.clone(), engine.clone())
            .with_transport(self.secrets.iter().rev().cloned());
        let next = self.applied.max(self.birth - 1) + 1;
        for (number, outbound) in (next..).zip(&chain[next as usize..]) {
            let messages: Vec<_> = (outbound.first..)
                .zip(&outbound.messages)
                .filter_map(|(number, message)| match message {
                    Message::Cluster(id, message) if *id == self.id => {
                        Some((number, message.clone()))
                    }
                    _ => None,
                })
                .collect();
            if messages
                .iter()
                .any(|(_, message)| cluster.can_open(message).is_err())
            {
                return;
            }
            let expected: Vec<_> = messages
                .iter()
                .filter(|(_, message)| wants_receipt(message))
                .map(|(number, _)| *number)
                .collect();
            let block = Block {
                number,
                now_ms: outbound.now_ms,
                messages,
            };
            let state = Arc::new(self.state.clone());
            let applied = cluster
                .apply(state, &self.accumulator, block)
                .await
                .unwrap();
            let numbers: Vec<_> = applied
                .receipts
                .iter()
                .map(|receipt| receipt.number)
                .collect();
            assert_eq!(numbers, expected, "every command has one receipt");
            for (key, value) in applied.changes {
                match value {
                    Some(_) => drop(self.state.insert(key, value)),
                    None => drop(self.state.remove(&key)),
                }
            }
            let leaves: Vec<_> = applied.receipts.iter().map(commitment::leaf).collect();
            if let Some(root) = commitment::root(&leaves) {
                self.commitment = commitment::commitment(&self.commitment, number, &root);
            }
            let receipts = applied.receipts.into_iter();
            self.receipts
                .extend(receipts.map(|receipt| (receipt.number, receipt)));
            self.accumulator = applied.accumulator;
            let roots = Roots {
                state_root: applied.state_root,
                receipts: self.commitment,
            };
            self.roots.insert(number, roots);
            self.applied = number;
        }
    }

    /// The money on all accounts inside.
    pub(super) fn money(&self) -> u128 {
        let accounts = self
            .state
            .iter()
            .filter(|(key, _)| key.first() == Some(&b'a'));
        accounts
            .map(|(_, value)| {
                let (free, held): (u128, u128) =
                    codec::Decode::decode(&mut &value.as_ref().unwrap()[..]).unwrap();
                free + held
            })
            .sum()
    }

    /// What has left with a withdrawal that is applied; `None` if it is not.
    pub(super) fn withdrawn(&self, number: MessageNumber) -> Option<u128> {
        let receipt = self.receipts.get(&number)?;
        Some(match receipt.outcome {
            Ok(Success::Withdrawn(amount)) => amount,
            _ => 0,
        })
    }
}
