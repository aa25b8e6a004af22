//! Keys on their way: which worker needs which, and what a gatekeeper does about it.
//!
//! Every worker keeps the book of it, because all of it is in the ordered messages: who is gatekeeper,
//! who is in which cluster, which transport epoch is in force, and who has not been sent a key yet that
//! it needs. Only a gatekeeper can do something about it. There may be several, so they take turns: the
//! first delivers at once, the next one when nothing has arrived for a while. The chain passes on the
//! first delivery of each key and drops the rest.
//!
//! A master key is derived from the key of the gatekeeper that makes it, and not drawn: a gatekeeper
//! whose disk was put back to an older copy, and that is asked for the same generation again, makes the
//! same key again.

use crate::records::{self, RecordError, Secret};
use codec::{Decode, Encode};
use phat_crypto::{Keypair, TransportSecret, Zeroizing, contexts, envelope, rand_core::OsRng};
use phat_primitives::{
    BlockNumber, ClusterId, Hash, WorkerId,
    limits::MAX_TRANSPORT_CHAINS,
    message::{
        ClusterMessage, KeyDelivery, MasterKeys, Message, SealedKey, TransportDelivery,
        TransportEpoch,
    },
    report::Payload,
};
use phat_store::{Batch, Snapshot};
use std::collections::BTreeMap;

/// Blocks for which each gatekeeper leaves a delivery to the one before it.
const TURN: BlockNumber = 10;
/// Blocks after which a gatekeeper sends a key again that has not arrived.
const SEND_AGAIN_AFTER: BlockNumber = 20;
/// Keys that are sealed at once: bounds the time that a block takes.
const DELIVERIES_AT_ONCE: usize = 256;

/// What a worker knows of a cluster, its own or another.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct ClusterRecord {
    /// Number of the block that created it.
    pub(crate) birth: BlockNumber,
    /// Generation of the master key that its root key comes from.
    generation: u32,
    /// The last epoch of each chain of transport keys; the one in force at the end.
    transport: Vec<TransportEpoch>,
    /// Its workers.
    members: Vec<WorkerId>,
}

impl ClusterRecord {
    /// The workers of the cluster.
    pub(crate) fn members(&self) -> &[WorkerId] {
        &self.members
    }
}

/// What a worker knows of the gatekeepers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Gatekeepers {
    /// In the order in which they take turns.
    workers: Vec<WorkerId>,
    /// Who was asked last to make a master key.
    maker: Option<WorkerId>,
    /// Public half of the master key of each generation that has been made.
    publics: Vec<[u8; 32]>,
}

/// A worker that needs keys: those of a cluster, or the master keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub(crate) struct Need {
    cluster: Option<ClusterId>,
    worker: WorkerId,
}

/// The book of keys, and the master keys of a gatekeeper.
pub(crate) struct Keyring {
    me: Keypair,
    genesis: Hash,
    /// By generation. Empty unless this worker is a gatekeeper.
    masters: Vec<Keypair>,
    gatekeepers: Gatekeepers,
    /// Clusters that the block under way concerns.
    clusters: BTreeMap<ClusterId, ClusterRecord>,
    /// Who needs keys, and since when.
    needs: BTreeMap<Need, BlockNumber>,
    /// What this worker has sent and not seen arrive. Forgotten by a restart, which costs nothing but
    /// sending it twice.
    sent: BTreeMap<Need, BlockNumber>,
    /// When this worker last told the chain of the master key that it was asked to make. Forgotten in the
    /// same way.
    announced: Option<BlockNumber>,
}

impl Keyring {
    /// Reads the book.
    pub(crate) fn read(
        snapshot: &Snapshot,
        me: Keypair,
        genesis: Hash,
    ) -> Result<Self, RecordError> {
        let masters = records::masters(snapshot)?.unwrap_or_default();
        Ok(Self {
            me,
            genesis,
            masters: masters.iter().map(Secret::keypair).collect(),
            gatekeepers: records::gatekeepers(snapshot)?.unwrap_or_default(),
            clusters: BTreeMap::new(),
            needs: records::needs(snapshot)?,
            sent: BTreeMap::new(),
            announced: None,
        })
    }

    /// Public half of the newest master key, and whether this worker holds the secret one.
    pub(crate) fn master(&self) -> Option<([u8; 32], bool)> {
        let public = *self.gatekeepers.publics.last()?;
        Some((public, self.masters.len() >= self.gatekeepers.publics.len()))
    }

    /// Genesis hash of the chain.
    pub(crate) fn genesis(&self) -> Hash {
        self.genesis
    }

    fn id(&self) -> WorkerId {
        WorkerId(self.me.public())
    }

    /// Takes note of a message.
    pub(crate) fn on_message(
        &mut self,
        number: BlockNumber,
        message: &Message,
        snapshot: &Snapshot,
        writes: &mut Batch,
    ) -> Result<(), RecordError> {
        match message {
            Message::GatekeeperAdded(worker) => {
                self.gatekeepers.workers.push(*worker);
                records::put_gatekeepers(writes, &self.gatekeepers);
                if !self.gatekeepers.publics.is_empty() {
                    self.need(None, *worker, number, writes);
                }
            }
            Message::GatekeeperRemoved(worker) => {
                self.gatekeepers.workers.retain(|known| known != worker);
                records::put_gatekeepers(writes, &self.gatekeepers);
                self.settled(None, *worker, writes);
                if *worker == self.id() {
                    tracing::info!("no gatekeeper any more: the master keys are forgotten");
                    self.set_masters(Vec::new(), writes);
                }
            }
            Message::MasterKeyWanted { generation, maker } => {
                self.gatekeepers.maker = Some(*maker);
                records::put_gatekeepers(writes, &self.gatekeepers);
                if *maker == self.id() {
                    self.make_master(*generation, writes);
                }
            }
            Message::MasterKeyMade { generation, public } => {
                self.master_made(number, *generation, *public, writes);
            }
            Message::MasterKeysDelivered(delivery) => {
                if delivery.worker == self.id() {
                    self.take_masters(delivery, writes);
                }
                if delivery.keys.len() >= self.gatekeepers.publics.len() {
                    self.settled(None, delivery.worker, writes);
                }
            }
            Message::Cluster(cluster, message) => {
                self.on_cluster_message(number, *cluster, message, snapshot, writes)?;
            }
            // It concerns what is reported of a cluster, not its keys.
            Message::HeartbeatWanted => {}
        }
        Ok(())
    }

    fn on_cluster_message(
        &mut self,
        number: BlockNumber,
        cluster: ClusterId,
        message: &ClusterMessage,
        snapshot: &Snapshot,
        writes: &mut Batch,
    ) -> Result<(), RecordError> {
        match message {
            ClusterMessage::Created(genesis) => {
                let record = ClusterRecord {
                    birth: number,
                    generation: genesis.generation,
                    transport: vec![TransportEpoch {
                        generation: genesis.generation,
                        ..TransportEpoch::default()
                    }],
                    members: genesis.workers.clone(),
                };
                self.clusters.insert(cluster, record);
                for worker in &genesis.workers {
                    self.need(Some(cluster), *worker, number, writes);
                }
            }
            ClusterMessage::WorkerAdded(worker) => {
                if let Some(record) = self.cluster(&cluster, snapshot)? {
                    record.members.push(*worker);
                    self.need(Some(cluster), *worker, number, writes);
                }
            }
            ClusterMessage::WorkerRemoved(worker) => {
                if let Some(record) = self.cluster(&cluster, snapshot)? {
                    record.members.retain(|member| member != worker);
                    self.settled(Some(cluster), *worker, writes);
                }
            }
            ClusterMessage::TransportRotated(epoch) => {
                let Some(record) = self.cluster(&cluster, snapshot)? else {
                    return Ok(());
                };
                match record.transport.last_mut() {
                    Some(last) if last.first == epoch.first => *last = *epoch,
                    _ => record.transport.push(*epoch),
                }
                let excess = record
                    .transport
                    .len()
                    .saturating_sub(MAX_TRANSPORT_CHAINS as usize);
                record.transport.drain(..excess);
                for worker in record.members.clone() {
                    self.need(Some(cluster), worker, number, writes);
                }
            }
            ClusterMessage::KeyDelivered(delivery) => {
                let delivered = delivery.transport.last().map(|key| key.epoch);
                if let Some(record) = self.cluster(&cluster, snapshot)?
                    && record.transport.last().map(|epoch| epoch.epoch) == delivered
                {
                    self.settled(Some(cluster), delivery.worker, writes);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes what the block has changed. Must be called before the block is committed.
    pub(crate) fn finish_block(&mut self, writes: &mut Batch) {
        for (cluster, record) in std::mem::take(&mut self.clusters) {
            records::put_cluster(writes, &cluster, &record);
        }
    }

    /// The record of a cluster, to be changed in the block under way.
    fn cluster(
        &mut self,
        cluster: &ClusterId,
        snapshot: &Snapshot,
    ) -> Result<Option<&mut ClusterRecord>, RecordError> {
        if !self.clusters.contains_key(cluster)
            && let Some(record) = records::cluster(snapshot, cluster)?
        {
            self.clusters.insert(*cluster, record);
        }
        Ok(self.clusters.get_mut(cluster))
    }

    /// A worker needs keys from this block on: also if it did before, since these are newer.
    fn need(
        &mut self,
        cluster: Option<ClusterId>,
        worker: WorkerId,
        number: BlockNumber,
        writes: &mut Batch,
    ) {
        let need = Need { cluster, worker };
        self.needs.insert(need, number);
        self.sent.remove(&need);
        records::put_need(writes, &need, &number);
    }

    fn settled(&mut self, cluster: Option<ClusterId>, worker: WorkerId, writes: &mut Batch) {
        let need = Need { cluster, worker };
        self.sent.remove(&need);
        if self.needs.remove(&need).is_some() {
            records::delete_need(writes, &need);
        }
    }

    fn set_masters(&mut self, masters: Vec<Keypair>, writes: &mut Batch) {
        let seeds: Vec<_> = masters.iter().map(Secret::of).collect();
        records::put_masters(writes, &seeds);
        self.masters = masters;
    }

    /// Makes the master key of a generation, as the chain has asked this worker to.
    fn make_master(&mut self, generation: u32, writes: &mut Batch) {
        self.announced = None;
        if self.masters.len() < generation as usize {
            tracing::error!(
                generation,
                held = self.masters.len(),
                "asked for a master key without the ones before it"
            );
            return;
        }
        if self.masters.len() > generation as usize {
            // It was asked before, and another one after it, which has not made the key either.
            return;
        }
        let data = [&self.genesis.0[..], &generation.to_le_bytes()].concat();
        let master = self.me.derive(contexts::MASTER_KEY, &data);
        let masters = self.masters.iter().cloned().chain([master]).collect();
        self.set_masters(masters, writes);
    }

    /// The master keys that the chain knows. One more may have been made, and become another gatekeeper's
    /// if that is faster: nothing may come from it until then.
    fn announced_masters(&self) -> &[Keypair] {
        let announced = self.masters.len().min(self.gatekeepers.publics.len());
        self.masters.get(..announced).unwrap_or_default()
    }

    /// The public half of the master key that this worker has made and the chain waits for. It is said
    /// until the chain knows it: nobody else can, and the chain refuses it while this worker is out of
    /// service.
    fn announcement(&mut self, now: BlockNumber) -> Option<Payload> {
        let generation = self.gatekeepers.publics.len();
        let public = self.masters.get(generation)?.public();
        let recent = |said: BlockNumber| now.saturating_sub(said) < SEND_AGAIN_AFTER;
        if self.gatekeepers.maker != Some(self.id()) || self.announced.is_some_and(recent) {
            return None;
        }
        self.announced = Some(now);
        let generation = generation as u32;
        Some(Payload::MasterKey { generation, public })
    }

    fn master_made(
        &mut self,
        number: BlockNumber,
        generation: u32,
        public: [u8; 32],
        writes: &mut Batch,
    ) {
        self.gatekeepers.publics.truncate(generation as usize);
        self.gatekeepers.publics.push(public);
        records::put_gatekeepers(writes, &self.gatekeepers);
        let mine = self.masters.get(generation as usize);
        if mine.is_some_and(|mine| mine.public() != public) {
            // This worker was asked first and too slow, and another one was asked.
            let mut masters = self.masters.clone();
            masters.truncate(generation as usize);
            self.set_masters(masters, writes);
        }
        let maker = self.gatekeepers.maker;
        for worker in self.gatekeepers.workers.clone() {
            if Some(worker) != maker {
                self.need(None, worker, number, writes);
            }
        }
    }

    fn take_masters(&mut self, delivery: &MasterKeys, writes: &mut Batch) {
        let mut masters = Vec::with_capacity(delivery.keys.len());
        for (generation, sealed) in (0u32..).zip(&delivery.keys) {
            let purpose = contexts::MASTER_KEY_TRANSPORT;
            let opened = envelope::open_key(&self.me, sealed, purpose, &generation.to_le_bytes());
            let expected = self.gatekeepers.publics.get(generation as usize);
            match opened.map(|seed| Keypair::from_seed(*seed)) {
                Ok(master) if Some(&master.public()) == expected => masters.push(master),
                Ok(_) => {
                    tracing::error!(generation, "a master key is not the one that was announced");
                    return;
                }
                Err(error) => {
                    tracing::error!(generation, %error, "a master key cannot be opened");
                    return;
                }
            }
        }
        tracing::info!(generations = masters.len(), "received the master keys");
        self.set_masters(masters, writes);
    }

    /// As a gatekeeper: the keys that are to be sent or told of now. To be called when there is no newer
    /// block: what is missing in the middle of the chain may have been delivered since.
    pub(crate) fn deliveries(
        &mut self,
        now: BlockNumber,
        snapshot: &Snapshot,
    ) -> Result<Vec<Payload>, RecordError> {
        if self.masters.is_empty() {
            return Ok(Vec::new());
        }
        let me = self.id();
        let Some(turn) = self.gatekeepers.workers.iter().position(|w| *w == me) else {
            return Ok(Vec::new());
        };
        let patience = TURN.saturating_mul(turn as u32);
        let due: Vec<Need> = self
            .needs
            .iter()
            .filter(|(need, since)| {
                let sent = self.sent.get(need);
                now.saturating_sub(**since) >= patience
                    && sent.is_none_or(|sent| now.saturating_sub(*sent) >= SEND_AGAIN_AFTER)
            })
            .map(|(need, _)| *need)
            .take(DELIVERIES_AT_ONCE)
            .collect();
        let mut payloads: Vec<_> = self.announcement(now).into_iter().collect();
        let mut bunch: Option<(ClusterId, Bunch)> = None;
        for need in due {
            let payload = match need.cluster {
                None => self.seal_masters(need.worker),
                Some(cluster) => {
                    if bunch.as_ref().is_none_or(|(known, _)| *known != cluster) {
                        bunch = records::cluster(snapshot, &cluster)?
                            .and_then(|record| {
                                Bunch::derive(self.announced_masters(), &cluster, &record)
                            })
                            .map(|keys| (cluster, keys));
                    }
                    bunch
                        .as_ref()
                        .filter(|(known, _)| *known == cluster)
                        .and_then(|(_, keys)| keys.seal(&cluster, need.worker))
                }
            };
            if let Some(payload) = payload {
                self.sent.insert(need, now);
                payloads.push(payload);
            }
        }
        Ok(payloads)
    }

    /// The master keys for another gatekeeper.
    fn seal_masters(&self, worker: WorkerId) -> Option<Payload> {
        if worker == self.id() || self.masters.len() < self.gatekeepers.publics.len() {
            return None;
        }
        let keys = (0u32..)
            .zip(self.announced_masters())
            .map(|(generation, master)| {
                let data = generation.to_le_bytes();
                seal(
                    worker,
                    master.expose_seed(),
                    contexts::MASTER_KEY_TRANSPORT,
                    &data,
                )
            })
            .collect::<Option<_>>()?;
        Some(Payload::MasterKeys(MasterKeys { worker, keys }))
    }
}

/// The keys of one cluster, to be sealed for its workers.
struct Bunch {
    root: Keypair,
    transport: Vec<TransportSecret>,
}

impl Bunch {
    /// `None` as long as this gatekeeper lacks a master key for it.
    fn derive(masters: &[Keypair], cluster: &ClusterId, record: &ClusterRecord) -> Option<Self> {
        let root = masters
            .get(record.generation as usize)?
            .derive(contexts::CLUSTER_KEY, &cluster.0);
        let transport = record
            .transport
            .iter()
            .map(|epoch| {
                let master = masters.get(epoch.generation as usize)?;
                TransportSecret::derive(master, cluster, epoch.first, epoch.epoch)
            })
            .collect::<Option<_>>()?;
        Some(Self { root, transport })
    }

    fn seal(&self, cluster: &ClusterId, worker: WorkerId) -> Option<Payload> {
        let secret = seal(
            worker,
            self.root.expose_seed(),
            contexts::CLUSTER_KEY_TRANSPORT,
            &cluster.0,
        )?;
        let transport = self
            .transport
            .iter()
            .map(|key| {
                let data = TransportSecret::transport_data(cluster, key.epoch());
                let purpose = contexts::TRANSPORT_SECRET_TRANSPORT;
                Some(TransportDelivery {
                    first: key.first(),
                    epoch: key.epoch(),
                    public: key.keypair().public(),
                    secret: seal(worker, key.expose(), purpose, &data)?,
                })
            })
            .collect::<Option<_>>()?;
        let delivery = KeyDelivery {
            worker,
            public: self.root.public(),
            secret,
            transport,
        };
        let cluster = *cluster;
        Some(Payload::ClusterKey { cluster, delivery })
    }
}

fn seal(
    worker: WorkerId,
    secret: &[u8; 32],
    purpose: phat_crypto::Context,
    data: &[u8],
) -> Option<SealedKey> {
    match envelope::seal_key(&worker.0, secret, purpose, data, &mut OsRng) {
        Ok(sealed) => Some(sealed),
        // The chain has checked evidence of the worker's key, so this does not happen.
        Err(error) => {
            tracing::error!(%worker, %error, "no key can be sent to the worker");
            None
        }
    }
}

/// The keys of a cluster that a delivery brings to the holder of `me`. The error says what is wrong.
pub(crate) fn open_delivery(
    me: &Keypair,
    cluster: &ClusterId,
    delivery: &KeyDelivery,
) -> Result<(Keypair, Vec<TransportSecret>), String> {
    let purpose = contexts::CLUSTER_KEY_TRANSPORT;
    let seed = envelope::open_key(me, &delivery.secret, purpose, &cluster.0)
        .map_err(|error| format!("the cluster's key {error}"))?;
    let root = Keypair::from_seed(*seed);
    if root.public() != delivery.public {
        return Err("the cluster's key is not the one that was announced".into());
    }
    let transport = delivery
        .transport
        .iter()
        .map(|key| {
            let data = TransportSecret::transport_data(cluster, key.epoch);
            let purpose = contexts::TRANSPORT_SECRET_TRANSPORT;
            let secret: Zeroizing<[u8; 32]> =
                envelope::open_key(me, &key.secret, purpose, &data)
                    .map_err(|error| format!("the transport key {error}"))?;
            let secret = TransportSecret::new(key.first, key.epoch, secret);
            match secret.keypair().public() == key.public {
                true => Ok(secret),
                false => Err("the transport key is not the one that was announced".to_owned()),
            }
        })
        .collect::<Result<_, _>>()?;
    Ok((root, transport))
}

#[cfg(test)]
mod tests;
