//! Taking the state of the cluster from a snapshot, and giving it away as one.
//!
//! A snapshot is read twice: what the worker has is given up only for one that is whole. It is taken in
//! steps, since it may be larger than memory. The membership says so from the first step to the last
//! one: a worker that is stopped in between begins anew.

use super::{Member, Node, NodeError};
use crate::{
    records::{
        self, BlockReceipts, ClusterState, Kind, Membership, Position, RecordError, Secret,
        SnapshotRecord,
    },
    snapshot::{FormatError, Head, Item, Job, Latest, Reader},
};
use phat_cluster::Accumulator;
use phat_crypto::TransportSecret;
use phat_primitives::{
    BlockNumber, ClusterId, Hash, MessageNumber, WorkerId, commitment,
    receipt::Receipt,
    report::{Heartbeat, Payload, Roots},
};
use phat_store::{CommitError, ReadError};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Seek},
};

/// Blocks behind which a snapshot is worth more than applying them one by one.
pub(crate) const FAR_BEHIND: BlockNumber = 64;
/// Bytes of records that are written at once.
const STEP_LEN: usize = 4 * 1024 * 1024;

/// Why a snapshot was not taken. The worker goes on with the state that it has, if it has not begun to
/// replace it, and takes another one or applies the cluster's blocks.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error("the worker's data cannot be written: {0}")]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Node(#[from] Box<NodeError>),
    #[error("the worker is in no cluster")]
    NoMember,
    #[error("it does not begin with what it is of")]
    NoHead,
    #[error("it is of block {0}, which this worker has not followed")]
    NotFollowed(BlockNumber),
    #[error("it holds a record that does not belong into a snapshot")]
    StrangeRecord,
    #[error("its state has another root than the one that the cluster has agreed on")]
    AnotherRoot,
    #[error("its receipts are not those that the cluster has agreed on")]
    OtherReceipts,
}

/// A cluster whose state this worker needs.
pub(crate) struct Wanted {
    pub(crate) cluster: ClusterId,
    /// Last block that the worker's own state contains.
    pub(crate) applied: BlockNumber,
    /// Its other workers, which may have a snapshot.
    pub(crate) peers: Vec<WorkerId>,
}

impl Membership {
    /// A member without any state.
    pub(crate) fn begin(
        cluster: ClusterId,
        root: Secret,
        transport: Vec<records::Transport>,
        birth: BlockNumber,
        joined: BlockNumber,
    ) -> Self {
        Self {
            cluster,
            root,
            transport,
            applied: Position {
                number: birth.saturating_sub(1),
                ..Position::default()
            },
            accumulator: Accumulator::default().to_bytes(),
            oldest_receipts: 0,
            oldest_blocks: 0,
            commitment: Hash::zero(),
            recent: Vec::new(),
            joined,
            restoring: false,
        }
    }

    /// The transport secret of an epoch.
    fn secret_of(&self, epoch: u32) -> Option<TransportSecret> {
        self.transport
            .iter()
            .rev()
            .find_map(|secret| TransportSecret::from(secret).at(epoch))
    }
}

impl Node {
    /// The cluster whose state is to be taken from a snapshot, if the worker lacks much of it.
    pub(crate) fn wants_snapshot(&self) -> Result<Option<Wanted>, RecordError> {
        let Some(member) = &self.member else {
            return Ok(None);
        };
        let missing = self
            .position
            .number
            .saturating_sub(member.record.applied.number);
        if missing <= FAR_BEHIND {
            return Ok(None);
        }
        let cluster = member.record.cluster;
        let me = WorkerId(self.identity.public());
        let peers = records::cluster(&self.store.snapshot()?, &cluster)?
            .map(|record| record.members().to_vec())
            .unwrap_or_default()
            .into_iter()
            .filter(|worker| *worker != me)
            .collect();
        Ok(Some(Wanted {
            cluster,
            applied: member.record.applied.number,
            peers,
        }))
    }

    /// What a snapshot would be made of now.
    pub(crate) fn snapshot_job(&self) -> Option<Job> {
        let view = self.views.borrow();
        let served = view.member.as_ref().filter(|_| view.is_current())?;
        let member = self.member.as_ref()?;
        let secret = member.record.transport.last().map(TransportSecret::from)?;
        // Nothing has changed since that block, and it is the one that the workers agree on.
        let (block, roots) = *served.recent.last()?;
        Some(Job {
            cluster: served.cluster.id(),
            latest: Latest {
                block,
                root: roots.state_root,
            },
            head: Head {
                block,
                now_ms: served.now_ms,
                oldest_receipts: member.record.oldest_receipts,
                oldest_blocks: member.record.oldest_blocks,
            },
            secret,
            records: view.snapshot.clone(),
        })
    }

    /// Takes the state of the cluster from a snapshot. `agreed` is what the cluster has agreed on after
    /// the block of the snapshot.
    pub(crate) fn restore(
        &mut self,
        file: fs::File,
        block: BlockNumber,
        agreed: Roots,
    ) -> Result<(), RestoreError> {
        let restored = self.try_restore(file, block, agreed);
        if restored.is_err() {
            self.reload().map_err(Box::new)?;
            self.begin_anew().map_err(Box::new)?;
        }
        restored
    }

    fn try_restore(
        &mut self,
        mut file: fs::File,
        block: BlockNumber,
        agreed: Roots,
    ) -> Result<(), RestoreError> {
        let member = self.member.as_ref().ok_or(RestoreError::NoMember)?;
        let mut record = member.record.clone();
        if block > self.position.number {
            return Err(RestoreError::NotFollowed(block));
        }
        let head = read(&file, &record, block, &agreed, |_, _| Ok(()))?;
        file.rewind().map_err(FormatError::from)?;
        let mut writes = self.store.batch();
        records::delete_state(&mut writes);
        record.restoring = true;
        records::put_membership(&mut writes, &record);
        let mut written = 0;
        read(&file, &record, block, &agreed, |entry, len| {
            records::put_from_snapshot(&mut writes, entry);
            written += len;
            if written >= STEP_LEN {
                std::mem::replace(&mut writes, self.store.batch()).commit()?;
                written = 0;
            }
            Ok(())
        })?;
        writes.commit()?;
        // A record that comes very often adds nothing to the sum over a snapshot. On the disk it is once.
        let accumulator =
            records::accumulate(&self.store.snapshot().map_err(unreadable)?).map_err(unreadable)?;
        if accumulator.root() != agreed.state_root {
            return Err(RestoreError::AnotherRoot);
        }
        let mut writes = self.store.batch();
        record.restoring = false;
        record.applied = Position {
            number: head.block,
            now_ms: head.now_ms,
            ..Position::default()
        };
        record.accumulator = accumulator.to_bytes();
        record.commitment = agreed.receipts;
        record.recent = vec![(head.block, agreed)];
        record.oldest_receipts = head.oldest_receipts;
        record.oldest_blocks = head.oldest_blocks;
        records::put_membership(&mut writes, &record);
        // Those who applied the withdrawals may have left before the chain had enough votes.
        let state = ClusterState(self.store.snapshot().map_err(unreadable)?);
        let undecided = phat_cluster::undecided(&state).map_err(|error| Box::new(error.into()))?;
        if !undecided.is_empty() {
            let heartbeat = Heartbeat::new(record.cluster, head.block, agreed, undecided);
            self.report(&mut writes, Payload::Heartbeat(heartbeat));
            records::put_outbox_counter(&mut writes, &self.outbox_counter);
        }
        writes.commit()?;
        self.member = Some(Member::new(record, &self.engines.commands).map_err(Box::new)?);
        Ok(())
    }

    /// Forgets the state of the cluster if it was only half taken.
    pub(super) fn begin_anew(&mut self) -> Result<(), NodeError> {
        let Some(member) = &self.member else {
            return Ok(());
        };
        if !member.record.restoring {
            return Ok(());
        }
        let record = &member.record;
        let birth = records::cluster(&self.store.snapshot()?, &record.cluster)?
            .ok_or(NodeError::UnknownCluster(record.cluster))?
            .birth;
        let record = Membership::begin(
            record.cluster,
            record.root.clone(),
            record.transport.clone(),
            birth,
            record.joined,
        );
        let mut writes = self.store.batch();
        records::delete_state(&mut writes);
        records::put_membership(&mut writes, &record);
        writes.commit()?;
        self.member = Some(Member::new(record, &self.engines.commands)?);
        Ok(())
    }
}

fn unreadable(error: ReadError) -> RestoreError {
    RestoreError::Node(Box::new(error.into()))
}

/// Reads a snapshot of a worker's cluster from its beginning to its end, calls `visit` with each record
/// and about how many bytes it has, and checks that it is what the cluster has agreed on after `block`.
fn read(
    input: impl io::Read,
    member: &Membership,
    block: BlockNumber,
    agreed: &Roots,
    mut visit: impl FnMut(SnapshotRecord, usize) -> Result<(), RestoreError>,
) -> Result<Head, RestoreError> {
    let secret_of = |epoch| member.secret_of(epoch);
    let input = io::BufReader::new(input);
    let mut reader = Reader::new(input, member.cluster, agreed.state_root, secret_of)?;
    let mut items = reader.next_chunk::<Item>()?.unwrap_or_default().into_iter();
    let Some(Item::Head(head)) = items.next() else {
        return Err(RestoreError::NoHead);
    };
    if head.block != block {
        return Err(RestoreError::NotFollowed(head.block));
    }
    let mut accumulator = Accumulator::default();
    let mut history = History::default();
    loop {
        for item in items {
            let Item::Record(entry) = item else {
                return Err(RestoreError::StrangeRecord);
            };
            match entry.kind().ok_or(RestoreError::StrangeRecord)? {
                Kind::State => accumulator.add(&entry.key, &entry.value),
                Kind::Receipt(receipt) => history.receipt(&receipt),
                Kind::Block(number, receipts) => history.block(number, receipts),
            }
            let len = entry.key.len() + entry.value.len();
            visit(entry, len)?;
        }
        match reader.next_chunk::<Item>()? {
            Some(more) => items = more.into_iter(),
            None => break,
        }
    }
    if accumulator.root() != agreed.state_root {
        return Err(RestoreError::AnotherRoot);
    }
    if !history.leads_to(&agreed.receipts) {
        return Err(RestoreError::OtherReceipts);
    }
    Ok(head)
}

/// The receipts in a snapshot, as far as it takes to see that they are those of the cluster.
#[derive(Default)]
struct History {
    blocks: BTreeMap<BlockNumber, BlockReceipts>,
    receipts: Vec<(BlockNumber, MessageNumber, Hash)>,
}

impl History {
    fn receipt(&mut self, receipt: &Receipt) {
        let leaf = commitment::leaf(receipt);
        self.receipts.push((receipt.block, receipt.number, leaf));
    }

    fn block(&mut self, number: BlockNumber, receipts: BlockReceipts) {
        self.blocks.insert(number, receipts);
    }

    /// Whether the blocks form a chain that ends with this commitment, and every receipt is in one of
    /// them.
    fn leads_to(&self, expected: &Hash) -> bool {
        let first = self.blocks.values().next();
        let mut reached = first.map_or_else(Hash::zero, |first| first.before);
        for (number, block) in &self.blocks {
            let leaves: Vec<_> = block.leaves.iter().map(|(_, leaf)| *leaf).collect();
            if block.before != reached || commitment::root(&leaves) != Some(block.root) {
                return false;
            }
            reached = commitment::commitment(&block.before, *number, &block.root);
        }
        reached == *expected
            && self.receipts.iter().all(|(block, number, leaf)| {
                self.blocks
                    .get(block)
                    .is_some_and(|block| block.leaves.contains(&(*number, *leaf)))
            })
    }
}

#[cfg(test)]
mod tests;
