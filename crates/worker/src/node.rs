//! What a worker does with the blocks it follows: the state machine between the chain and the disk.
//!
//! A block's effects are committed as one: the position, the state of the cluster, receipts, and what
//! is to be reported. A crash loses nothing that was committed and leaves nothing half done; after
//! it, the worker fetches the blocks after its position again.
//!
//! The worker's *position* is the last block it has processed. The state of its cluster has a
//! position of its own, which is behind when the worker has just joined: it then replays the
//! cluster's blocks from the first one on, each checked against the hash that it has followed.

mod engines;
mod member;
mod restore;
mod view;

pub use engines::Engines;
#[cfg(test)]
pub(crate) use restore::FAR_BEHIND;
pub(crate) use restore::{RestoreError, Wanted};
pub use view::{Left, MemberView, View};

use crate::{
    chain::{BLOCKS_PER_REQUEST, ChainError, Line},
    keys::{self, Keyring},
    purse::Purse,
    records::{
        self, BlockReceipts, ClusterState, Membership, Position, RecordError, Secret, Statement,
    },
};
use codec::Encode;
use member::Member;
use phat_cluster::{ApplyError, Block, Cluster, LogRecord, Made};
use phat_crypto::{Keypair, contexts, rand_core::OsRng};
use phat_engine::{Engine, StateError, pink::PinkEvent, schema};
use phat_follower::{Batch, BlockError, FinalBlock, FollowError, Follower, Head, verify_old};
use phat_primitives::{
    Balance, BlockNumber, ClusterId, ContractId, Hash, WorkerId, commitment,
    credit::CreditOrder,
    message::{ClusterMessage, KeyDelivery, Message, Outbound},
    policy::FeeModel,
    report::{
        ContractReady, Heartbeat, Payload, PrivateContractReady, Roots, SignedContractReady,
        SignedPrivateContractReady,
    },
};
use phat_store::{CommitError, Snapshot, Store};
use std::sync::Arc;
use tokio::sync::watch;

/// Why the worker cannot go on with a block. It keeps serving what it has and tries again.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// What the chain sent does not hold.
    #[error("what the chain sent was refused: {0}")]
    Refused(#[from] FollowError),
    /// An earlier block that was fetched again is not the one that was followed.
    #[error("block {number}, fetched again, is not the one that was followed: {source}")]
    NotTheSame {
        /// Number of the block.
        number: BlockNumber,
        /// What is wrong with it.
        #[source]
        source: BlockError,
    },
    /// The chain did not answer.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The worker's data cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The worker's data cannot be read.
    #[error(transparent)]
    Read(#[from] phat_store::ReadError),
    /// The worker's data cannot be written.
    #[error("the worker's data cannot be written: {0}")]
    Commit(#[from] CommitError),
    /// A block could not be applied to the cluster.
    #[error("block {number} cannot be applied: {source}")]
    Apply {
        /// Number of the block.
        number: BlockNumber,
        /// Why.
        #[source]
        source: ApplyError,
    },
    /// The state of the cluster cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The settings of the cluster cannot be read.
    #[error(transparent)]
    Settings(#[from] phat_cluster::SettingsError),
    /// The worker's own record of its cluster is damaged.
    #[error("the worker's record of its cluster's state root is damaged")]
    Accumulator(#[from] phat_cluster::accumulator::BadAccumulator),
    /// The worker is to join a cluster that it has not seen being created.
    #[error("cluster {0:?} is not known to this worker")]
    UnknownCluster(ClusterId),
    /// A block that is needed again has not been followed.
    #[error("block {0} has not been followed")]
    NotFollowed(BlockNumber),
}

/// What a block has led to that is not kept on disk.
#[derive(Default)]
pub struct Effects {
    /// Lines that contracts have logged.
    pub logs: Vec<LogRecord>,
    /// What contracts have asked of the worker.
    pub requests: Vec<(ContractId, PinkEvent)>,
    /// Weights of contracts that were set.
    pub weights: Vec<(ContractId, Balance)>,
    /// The worker has left its cluster or joined one: there are other contracts now.
    pub moved: bool,
}

/// The worker's state machine.
pub struct Node {
    identity: Keypair,
    store: Store,
    engines: Engines,
    follower: Follower,
    position: Position,
    member: Option<Member>,
    keys: Keyring,
    left: Option<Left>,
    outbox_counter: u64,
    /// Whether the chain has had no newer block since the worker was started. Until then it may be
    /// behind by any number of blocks, also because somebody has put back an older copy of its disk.
    caught_up: bool,
    /// Whether the chain is so far ahead that blocks are followed and not applied to the cluster: a
    /// snapshot will be quicker.
    deferring: bool,
    purse: Arc<Purse>,
    views: watch::Sender<View>,
}

impl Node {
    /// Takes up where the records in `store` end; begins with `fresh` if there are none.
    pub(crate) fn open(
        identity: Keypair,
        genesis: Hash,
        store: Store,
        engines: Engines,
        fresh: Follower,
        purse: Arc<Purse>,
    ) -> Result<Self, NodeError> {
        let engines = engines.keeping(&store, &identity);
        let snapshot = store.snapshot()?;
        let mut kept = Kept::read(&snapshot, &engines.commands)?;
        let follower = kept.follower.unwrap_or(fresh);
        if let Some(member) = &mut kept.member {
            member.list_contracts(&snapshot)?;
        }
        let keys = Keyring::read(&snapshot, identity.clone(), genesis)?;
        let (member, queries) = (kept.member.as_ref(), &engines.queries);
        let view = View {
            left: kept.left,
            ..View::new(&follower, &kept.position, member, &keys, queries, snapshot)
        };
        let mut node = Self {
            identity,
            store,
            engines,
            follower,
            position: kept.position,
            member: kept.member,
            keys,
            left: kept.left,
            outbox_counter: kept.outbox_counter,
            caught_up: false,
            deferring: false,
            purse,
            views: watch::Sender::new(view),
        };
        node.begin_anew()?;
        Ok(node)
    }

    /// Forgets what is in memory for what is on disk. After an error in the middle of a block, memory
    /// may be ahead of the disk.
    fn reload(&mut self) -> Result<(), NodeError> {
        let snapshot = self.store.snapshot()?;
        let kept = Kept::read(&snapshot, &self.engines.commands)?;
        if let Some(follower) = kept.follower {
            self.follower = follower;
        }
        self.position = kept.position;
        self.member = kept.member;
        self.keys = Keyring::read(&snapshot, self.identity.clone(), self.keys.genesis())?;
        self.left = kept.left;
        self.outbox_counter = kept.outbox_counter;
        Ok(())
    }

    /// The views of this worker, one after each block.
    pub fn views(&self) -> watch::Receiver<View> {
        self.views.subscribe()
    }

    /// The weights of the contracts of the worker's cluster.
    pub(crate) fn weights(&self) -> Result<Vec<(ContractId, Balance)>, NodeError> {
        if self.member.is_none() {
            return Ok(Vec::new());
        }
        Ok(phat_cluster::weights(&ClusterState(
            self.store.snapshot()?,
        ))?)
    }

    /// The system contract of the worker's cluster.
    pub(crate) fn system_contract(&self) -> Result<Option<ContractId>, NodeError> {
        if self.member.is_none() {
            return Ok(None);
        }
        let settings = phat_cluster::settings(&ClusterState(self.store.snapshot()?))?;
        Ok(settings.map(|settings| settings.system_contract))
    }

    /// What gives calls their weight in the worker's cluster.
    pub(crate) fn fee_model(&self) -> Result<FeeModel, NodeError> {
        if self.member.is_none() {
            return Ok(FeeModel::default());
        }
        let policy = phat_cluster::policy(&ClusterState(self.store.snapshot()?))?;
        Ok(policy.fee_model)
    }

    /// The last block followed.
    pub(crate) fn head(&self) -> Head {
        self.follower.head()
    }

    /// Number of the next block that is wanted.
    pub fn next_block(&self) -> BlockNumber {
        self.follower.head().number.saturating_add(1)
    }

    /// Takes note of the height that the chain claims to have. It only decides how the worker catches
    /// up, so it need not be true.
    pub(crate) fn hear_height(&mut self, height: BlockNumber) {
        self.deferring = height.saturating_sub(self.position.number) > restore::FAR_BEHIND;
    }

    /// Follows a batch of blocks and commits the effects of each. If an error is returned, the blocks
    /// before the one it is about are committed, and the batch can be handed in again.
    pub async fn follow(&mut self, batch: Batch) -> Result<Effects, NodeError> {
        let followed = self.try_follow(batch).await;
        if followed.is_err() {
            self.reload()?;
        }
        followed
    }

    async fn try_follow(&mut self, batch: Batch) -> Result<Effects, NodeError> {
        let mut follower = self.follower.clone();
        let blocks = follower.apply(batch)?;
        let mut effects = Effects::default();
        for block in blocks {
            // Blocks up to the position are here again only after a crash within a batch.
            if block.number > self.position.number {
                self.process(block, &mut effects).await?;
            }
        }
        let mut writes = self.store.batch();
        records::put_follower(&mut writes, &follower.encode());
        writes.commit()?;
        self.follower = follower;
        Ok(effects)
    }

    /// Brings the state of the cluster closer to the worker's position, by replaying some of the blocks
    /// it has not seen yet. They come from the chain again and are checked against the hashes that
    /// were followed. `None` when nothing is missing.
    pub(crate) async fn catch_up(
        &mut self,
        chain: &impl Line,
    ) -> Result<Option<Effects>, NodeError> {
        let Some(first) = self.missing() else {
            return Ok(None);
        };
        let Some((batch, _)) = chain.blocks(first, BLOCKS_PER_REQUEST).await? else {
            return Err(NodeError::NotFollowed(first));
        };
        let replayed = self.replay(first, batch).await;
        if replayed.is_err() {
            self.reload()?;
        }
        replayed.map(Some)
    }

    async fn replay(&mut self, first: BlockNumber, batch: Batch) -> Result<Effects, NodeError> {
        let mut effects = Effects::default();
        let snapshot = self.store.snapshot()?;
        for (number, data) in (first..=self.position.number).zip(batch.blocks) {
            let known =
                records::block_hash(&snapshot, number)?.ok_or(NodeError::NotFollowed(number))?;
            let block = verify_old(known, data)
                .map_err(|source| NodeError::NotTheSame { number, source })?;
            if !self.can_apply(&block.outbound) {
                break;
            }
            let mut writes = self.store.batch();
            self.apply(number, &block.outbound, &mut writes, &mut effects)
                .await?;
            writes.commit()?;
        }
        Ok(effects)
    }

    /// The first block that the state of the cluster lacks.
    fn missing(&self) -> Option<BlockNumber> {
        let member = self.member.as_ref()?;
        if member.awaits_key() {
            return None;
        }
        let applied = member.record.applied.number;
        (applied < self.position.number).then(|| applied.saturating_add(1))
    }

    async fn process(&mut self, block: FinalBlock, effects: &mut Effects) -> Result<(), NodeError> {
        let number = block.number;
        let mut writes = self.store.batch();
        records::put_block_hash(&mut writes, number, &block.hash);
        let snapshot = self.store.snapshot()?;
        let before = self.member.as_ref().map(|member| member.record.cluster);
        for message in &block.outbound.messages {
            self.keys
                .on_message(number, message, &snapshot, &mut writes)?;
            self.on_message(number, message, &snapshot, &mut writes)?;
        }
        self.keys.finish_block(&mut writes);
        effects.moved |= before != self.member.as_ref().map(|member| member.record.cluster);
        let in_step = self
            .member
            .as_ref()
            .is_some_and(|member| member.record.applied.number.saturating_add(1) == number);
        if in_step && !self.deferring && self.can_apply(&block.outbound) {
            self.apply(number, &block.outbound, &mut writes, effects)
                .await?;
        }
        let position = Position::after(number, &block.outbound);
        records::put_position(&mut writes, &position);
        records::put_outbox_counter(&mut writes, &self.outbox_counter);
        writes.commit()?;
        self.position = position;
        Ok(())
    }

    /// Whether the keys are there that a block needs. Without them its effects would not be those that
    /// other workers come to, so the cluster's state stays behind until they come.
    fn can_apply(&mut self, outbound: &Outbound) -> bool {
        let Some(member) = &mut self.member else {
            return true;
        };
        let cluster = member.record.cluster;
        let missing = outbound.messages.iter().find_map(|message| match message {
            Message::Cluster(id, message) if *id == cluster => {
                member.cluster.can_open(message).err()
            }
            _ => None,
        });
        if let Some(epoch) = missing {
            tracing::info!(?cluster, epoch, "waiting for the cluster's transport key");
        }
        member.awaited = missing;
        missing.is_none()
    }

    /// What a message means for the worker's own membership.
    fn on_message(
        &mut self,
        number: BlockNumber,
        message: &Message,
        snapshot: &Snapshot,
        writes: &mut phat_store::Batch,
    ) -> Result<(), NodeError> {
        let me = WorkerId(self.identity.public());
        match message {
            Message::Cluster(cluster, ClusterMessage::WorkerDiverged { worker, block })
                if *worker == me =>
            {
                let left = Left {
                    cluster: *cluster,
                    diverged: Some(*block),
                };
                tracing::error!(worker = %me, "{left}");
                self.leave(left, writes);
            }
            Message::Cluster(cluster, ClusterMessage::WorkerRemoved(worker))
                if *worker == me && self.member.is_some() =>
            {
                tracing::info!(worker = %me, ?cluster, "removed from the cluster");
                let left = Left {
                    cluster: *cluster,
                    diverged: None,
                };
                self.leave(left, writes);
            }
            Message::Cluster(cluster, ClusterMessage::KeyDelivered(delivery))
                if delivery.worker == me =>
            {
                self.take_keys(number, cluster, delivery, snapshot, writes)?;
            }
            // In memory, and before the block is committed: a slice is lent for good once its block is
            // final, and hearing of it twice changes nothing.
            Message::Cluster(cluster, ClusterMessage::Credit(order)) => match order {
                CreditOrder::Lent(lent) => self.purse.lent(*cluster, lent),
                CreditOrder::Recalled(account) => self.purse.recalled(*cluster, *account),
            },
            _ => {}
        }
        Ok(())
    }

    /// Stops serving the cluster, and forgets everything of it.
    fn leave(&mut self, left: Left, writes: &mut phat_store::Batch) {
        records::delete_membership(writes);
        records::put_left(writes, &left);
        self.member = None;
        self.left = Some(left);
        self.purse.close_all();
    }

    /// Takes the keys of a cluster that the worker was assigned to, or new ones of the one it is in.
    fn take_keys(
        &mut self,
        number: BlockNumber,
        cluster: &ClusterId,
        delivery: &KeyDelivery,
        snapshot: &Snapshot,
        writes: &mut phat_store::Batch,
    ) -> Result<(), NodeError> {
        let (root, transport) = match keys::open_delivery(&self.identity, cluster, delivery) {
            Ok(keys) => keys,
            Err(reason) => {
                tracing::error!(?cluster, reason, "the cluster's keys cannot be used");
                return Ok(());
            }
        };
        let transport = transport.iter().map(Into::into).collect();
        if let Some(member) = &mut self.member
            && member.record.cluster == *cluster
        {
            member.record.transport = transport;
            member.take_transport();
            records::put_membership(writes, &member.record);
            return Ok(());
        }
        let birth = records::cluster(snapshot, cluster)?
            .ok_or(NodeError::UnknownCluster(*cluster))?
            .birth;
        let record = Membership::begin(*cluster, Secret::of(&root), transport, birth, number);
        records::delete_membership(writes);
        records::delete_left(writes);
        self.left = None;
        records::put_membership(writes, &record);
        self.member = Some(Member::new(record, &self.engines.commands)?);
        tracing::info!(?cluster, "joined the cluster");
        Ok(())
    }

    /// The chain has no newer block. Does what waits for that: serves, and sends keys that are missed.
    pub(crate) fn caught_up(&mut self) -> Result<bool, NodeError> {
        let snapshot = self.store.snapshot()?;
        let deliveries = self.keys.deliveries(self.position.number, &snapshot)?;
        let news = !self.caught_up || !deliveries.is_empty();
        self.caught_up = true;
        if !deliveries.is_empty() {
            let mut writes = self.store.batch();
            for payload in deliveries {
                self.report(&mut writes, payload);
            }
            records::put_outbox_counter(&mut writes, &self.outbox_counter);
            writes.commit()?;
        }
        Ok(news)
    }

    /// Applies a block to the cluster. Its effects are added to `writes`; the member's own copy of
    /// them is only right once those are committed.
    async fn apply(
        &mut self,
        number: BlockNumber,
        outbound: &Outbound,
        writes: &mut phat_store::Batch,
        effects: &mut Effects,
    ) -> Result<(), NodeError> {
        let Some(member) = &mut self.member else {
            return Ok(());
        };
        let cluster = member.record.cluster;
        let messages: Vec<_> = (outbound.first..)
            .zip(&outbound.messages)
            .filter_map(|(number, message)| match message {
                Message::Cluster(id, message) if *id == cluster => Some((number, message.clone())),
                _ => None,
            })
            .collect();
        let members_change = messages.iter().any(|(_, message)| {
            matches!(
                message,
                ClusterMessage::WorkerAdded(_) | ClusterMessage::WorkerRemoved(_)
            )
        });
        let state = Arc::new(ClusterState(self.store.snapshot()?));
        let block = Block {
            number,
            now_ms: outbound.now_ms,
            messages,
        };
        let applied = member
            .cluster
            .apply(state, &member.accumulator, block)
            .await
            .map_err(|source| NodeError::Apply { number, source })?;
        records::put_state(writes, &applied.changes);
        for receipt in &applied.receipts {
            records::put_receipt(writes, receipt, &mut member.record.oldest_receipts);
        }
        let mut leaves = Vec::with_capacity(applied.receipts.len());
        for receipt in &applied.receipts {
            leaves.push((receipt.number, commitment::leaf(receipt)));
        }
        let hashes: Vec<_> = leaves.iter().map(|(_, leaf)| *leaf).collect();
        if let Some(root) = commitment::root(&hashes) {
            let before = member.record.commitment;
            let receipts = BlockReceipts {
                before,
                root,
                leaves,
            };
            let oldest = &mut member.record.oldest_blocks;
            records::put_block_receipts(writes, number, &receipts, oldest);
            member.record.commitment = commitment::commitment(&before, number, &root);
        }
        let roots = Roots {
            state_root: applied.state_root,
            receipts: member.record.commitment,
        };
        let asked = outbound.messages.contains(&Message::HeartbeatWanted);
        member.record.note(number, roots, asked);
        for made in &applied.instantiated {
            records::put_ready(writes, &statement(&member.cluster, made));
        }
        member.record.applied = Position::after(number, outbound);
        member.record.accumulator = applied.accumulator.to_bytes();
        member.accumulator = applied.accumulator;
        if applied.changes.keys().any(|key| schema::is_contract(key)) {
            member.contracts = None;
        }
        records::put_membership(writes, &member.record);
        effects.logs.extend(applied.logs);
        effects.requests.extend(applied.requests);
        effects.weights.extend(applied.weights);
        // A vote is lost with a worker that leaves, and the chain counts again when there is another one.
        let withdrawals = if asked || members_change {
            applied.undecided
        } else {
            applied.withdrawals
        };
        if !withdrawals.is_empty() {
            let heartbeat = Heartbeat::new(cluster, number, roots, withdrawals);
            self.report(writes, Payload::Heartbeat(heartbeat));
            records::put_outbox_counter(writes, &self.outbox_counter);
        }
        Ok(())
    }

    /// Puts something into the outbox.
    fn report(&mut self, writes: &mut phat_store::Batch, payload: Payload) {
        records::put_outbox(writes, self.outbox_counter, &payload);
        self.outbox_counter += 1;
    }

    /// Serves what has been committed from now on.
    pub(crate) fn publish(&mut self) -> Result<(), NodeError> {
        let snapshot = self.store.snapshot()?;
        if let Some(member) = &mut self.member {
            member.list_contracts(&snapshot)?;
        }
        let (member, queries) = (self.member.as_ref(), &self.engines.queries);
        let (follower, position) = (&self.follower, &self.position);
        let mut view = View {
            left: self.left,
            caught_up: self.caught_up,
            ..View::new(follower, position, member, &self.keys, queries, snapshot)
        };
        let before = self.views.borrow().clone();
        if view.state_root() == before.state_root() {
            view.opened = before.opened;
        }
        self.views.send_replace(view);
        Ok(())
    }
}

/// What the records hold of the worker's own state.
struct Kept {
    follower: Option<Follower>,
    position: Position,
    member: Option<Member>,
    left: Option<Left>,
    outbox_counter: u64,
}

impl Kept {
    fn read(snapshot: &Snapshot, engine: &Engine) -> Result<Self, NodeError> {
        let follower = records::follower(snapshot)?
            .map(|bytes| Follower::resume(&bytes))
            .transpose()
            .map_err(|_| RecordError::Undecodable("the chain that is followed"))?;
        let member = records::membership(snapshot)?
            .map(|record| Member::new(record, engine))
            .transpose()?;
        Ok(Self {
            follower,
            position: records::position(snapshot)?.unwrap_or_default(),
            member,
            left: records::left(snapshot)?,
            outbox_counter: records::outbox_counter(snapshot)?.unwrap_or_default(),
        })
    }
}

/// What the cluster says of a contract that came to exist.
fn statement(cluster: &Cluster, made: &Made) -> Statement {
    let ready = ContractReady {
        cluster: cluster.id(),
        contract: made.contract,
        public: cluster.contract_key(&made.contract).public(),
    };
    if made.owner.private {
        let statement = PrivateContractReady {
            ready,
            deployer: made.owner.account,
        };
        let context = contexts::PRIVATE_CONTRACT_READY;
        let signature = cluster
            .root()
            .sign(context, &statement.encode(), &mut OsRng);
        Statement::Private(SignedPrivateContractReady {
            statement,
            signature,
        })
    } else {
        let context = contexts::CONTRACT_READY;
        let signature = cluster.root().sign(context, &ready.encode(), &mut OsRng);
        Statement::Public(SignedContractReady {
            statement: ready,
            signature,
        })
    }
}
