//! Taking the state of the cluster from a snapshot, and giving it away as one.
//!
//! A snapshot is taken in steps, since it may be larger than memory. The membership says so from the
//! first step to the last one: a worker that is stopped in between begins anew.

use super::{Member, Node, NodeError};
use crate::{
    records::{self, Membership, Position, RecordError, Secret, SnapshotRecord},
    snapshot::{FormatError, Head, Item, Job, Latest, Reader},
};
use phat_cluster::Accumulator;
use phat_crypto::TransportSecret;
use phat_primitives::{BlockNumber, ClusterId, Hash, WorkerId};
use phat_store::CommitError;
use std::{fs, io};

/// Blocks behind which a snapshot is worth more than applying them one by one.
pub(crate) const FAR_BEHIND: BlockNumber = 64;
/// Bytes of records that are written at once.
const STEP_LEN: usize = 4 * 1024 * 1024;

/// Why a snapshot was not taken. The worker has no state of its cluster then, and takes another one or
/// applies the cluster's blocks from the first one on.
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
    pub(super) fn begin(
        cluster: ClusterId,
        root: Secret,
        transport: Vec<records::Transport>,
        birth: BlockNumber,
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
        Some(Job {
            cluster: served.cluster.id(),
            latest: Latest {
                block: served.applied,
                root: served.state_root,
            },
            head: Head {
                block: served.applied,
                now_ms: served.now_ms,
                oldest_receipts: member.record.oldest_receipts,
            },
            secret,
            records: view.snapshot.clone(),
        })
    }

    /// Takes the state of the cluster from a snapshot. `root` is what the cluster has agreed on after
    /// the block of the snapshot.
    pub(crate) fn restore(
        &mut self,
        file: fs::File,
        block: BlockNumber,
        root: Hash,
    ) -> Result<(), RestoreError> {
        let restored = self.try_restore(io::BufReader::new(file), block, root);
        if restored.is_err() {
            self.reload().map_err(Box::new)?;
            self.begin_anew().map_err(Box::new)?;
        }
        restored
    }

    fn try_restore(
        &mut self,
        input: impl io::Read,
        block: BlockNumber,
        root: Hash,
    ) -> Result<(), RestoreError> {
        let member = self.member.as_ref().ok_or(RestoreError::NoMember)?;
        let mut record = member.record.clone();
        let secret_of = |epoch| record.secret_of(epoch);
        let mut reader = Reader::new(input, record.cluster, root, secret_of)?;
        let mut items = reader.next_chunk::<Item>()?.unwrap_or_default().into_iter();
        let Some(Item::Head(head)) = items.next() else {
            return Err(RestoreError::NoHead);
        };
        if head.block != block || block > self.position.number {
            return Err(RestoreError::NotFollowed(head.block));
        }
        let mut writes = self.store.batch();
        records::delete_state(&mut writes);
        record.restoring = true;
        records::put_membership(&mut writes, &record);
        let mut accumulator = Accumulator::default();
        let mut written = 0;
        loop {
            for item in items {
                let Item::Record(entry) = item else {
                    return Err(RestoreError::StrangeRecord);
                };
                written += entry.len();
                if let Some((key, value)) = entry.as_state() {
                    accumulator.add(key, value);
                }
                if !records::put_from_snapshot(&mut writes, entry) {
                    return Err(RestoreError::StrangeRecord);
                }
                if written >= STEP_LEN {
                    std::mem::replace(&mut writes, self.store.batch()).commit()?;
                    written = 0;
                }
            }
            match reader.next_chunk::<Item>()? {
                Some(more) => items = more.into_iter(),
                None => break,
            }
        }
        if accumulator.root() != root {
            return Err(RestoreError::AnotherRoot);
        }
        record.restoring = false;
        record.applied = Position {
            number: head.block,
            now_ms: head.now_ms,
            ..Position::default()
        };
        record.accumulator = accumulator.to_bytes();
        record.oldest_receipts = head.oldest_receipts;
        records::put_membership(&mut writes, &record);
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
        );
        let mut writes = self.store.batch();
        records::delete_state(&mut writes);
        records::put_membership(&mut writes, &record);
        writes.commit()?;
        self.member = Some(Member::new(record, &self.engines.commands)?);
        Ok(())
    }
}

impl SnapshotRecord {
    /// Bytes of it, about.
    fn len(&self) -> usize {
        self.key.len() + self.value.len()
    }
}
