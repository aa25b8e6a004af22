//! What the worker keeps on disk, and under which names.
//!
//! | space | group | key | value |
//! |---|---|---|---|
//! | [`META`] | | see the constants | the worker's own position and keys |
//! | [`CLUSTERS`] | | cluster id | [`ClusterRecord`]: its beginning, its workers |
//! | [`NEEDS`] | | [`Need`] | block since which a worker waits for a key |
//! | [`HASHES`] | block number / 4096 | block number | hash of the block |
//! | [`STATE`] | see [`ClusterState`] | key | value of the cluster's state |
//! | [`RECEIPTS`] | message number / 1024 | message number | receipt |
//! | [`OUTBOX`] | | counter | a [`Payload`] that the chain has not got yet |
//! | [`COMPILED`] | key | | compiled code; see [`crate::compiled`] |
//! | [`BLOCKS`] | block number / 4096 | block number | what commits to the block's receipts |
//! | [`READY`] | | contract id | a [`Statement`] that the chain has not got yet |

use crate::{
    keys::{ClusterRecord, Gatekeepers, Need},
    node::Left,
};
use codec::{Decode, DecodeAll, Encode};
use phat_cluster::Accumulator;
use phat_crypto::{Keypair, TransportSecret, Zeroizing};
use phat_engine::{Changes, State, StateError};
use phat_primitives::{
    BlockNumber, ClusterId, ContractId, Hash, MessageNumber,
    commitment::{self, Link, MAX_LINKS, ReceiptProof},
    limits::MAX_REPORT_HEARTBEATS,
    message::Outbound,
    receipt::Receipt,
    report::{Payload, Roots, SignedContractReady, SignedPrivateContractReady},
};
use phat_store::{Batch, ReadError, Snapshot, Space};
use std::collections::BTreeMap;

/// Version of what the records mean. A change that an older worker cannot read raises it.
pub(crate) const VERSION: u32 = 2;

const META: Space = Space(0);
const CLUSTERS: Space = Space(1);
const HASHES: Space = Space(2);
const STATE: Space = Space(3);
const RECEIPTS: Space = Space(4);
const OUTBOX: Space = Space(5);
const READY: Space = Space(6);
pub(crate) const COMPILED: Space = Space(7);
const NEEDS: Space = Space(8);
const BLOCKS: Space = Space(9);

const HASHES_PER_GROUP: u32 = 4096;
const RECEIPTS_PER_GROUP: u64 = 1024;
/// Groups of receipts that are kept: somewhat more than a hundred thousand messages. A client asks
/// for its receipt within seconds; the history is for those who come back later.
const RECEIPT_GROUPS: u64 = 100;
/// Groups of blocks whose commitments are kept, for proofs of receipts: a quarter of a million blocks,
/// nine days of one every three seconds.
const BLOCK_GROUPS: u32 = 64;
/// Reports that wait at most: far more than a worker ever has.
pub(crate) const MAX_OUTBOX: usize = 65_536;
/// Workers that wait for keys at most: all workers of all clusters that move at once.
const MAX_NEEDS: usize = 1024 * 1024;
/// Records that one group of the cluster's state may hold when it is listed.
const MAX_LISTED: usize = 16 * 1024 * 1024;

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The store failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record is there but means nothing to this version.
    #[error(
        "the record of {0} in the worker's data cannot be decoded: it was written by another version"
    )]
    Undecodable(&'static str),
}

/// How far the worker has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Position {
    /// Last block whose effects are committed.
    pub(crate) number: BlockNumber,
    /// Time of that block, in milliseconds since the Unix epoch.
    pub(crate) now_ms: u64,
    /// Number of the first message after that block.
    pub(crate) next_message: MessageNumber,
}

impl Position {
    pub(crate) fn after(number: BlockNumber, outbound: &Outbound) -> Self {
        let next_message = outbound
            .first
            .saturating_add(outbound.messages.len() as u64);
        Self {
            number,
            now_ms: outbound.now_ms,
            next_message,
        }
    }
}

/// 32 secret bytes in a record. Erased when dropped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// The seed of a key.
    pub(crate) fn of(key: &Keypair) -> Self {
        Self(Zeroizing::new(*key.expose_seed()))
    }

    /// The key whose seed this is.
    pub(crate) fn keypair(&self) -> Keypair {
        Keypair::from_seed(*self.0)
    }
}

impl Encode for Secret {
    fn encode_to<T: codec::Output + ?Sized>(&self, dest: &mut T) {
        dest.write(&*self.0);
    }
}

impl Decode for Secret {
    fn decode<I: codec::Input>(input: &mut I) -> Result<Self, codec::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        input.read(&mut *bytes)?;
        Ok(Self(bytes))
    }
}

/// A transport secret of the cluster in a record.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Transport {
    first: u32,
    epoch: u32,
    secret: Secret,
}

impl From<&TransportSecret> for Transport {
    fn from(secret: &TransportSecret) -> Self {
        Self {
            first: secret.first(),
            epoch: secret.epoch(),
            secret: Secret(Zeroizing::new(*secret.expose())),
        }
    }
}

impl From<&Transport> for TransportSecret {
    fn from(record: &Transport) -> Self {
        Self::new(record.first, record.epoch, record.secret.0.clone())
    }
}

/// The cluster that the worker is in. With its secrets: this record is what the store's encryption is
/// for.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Membership {
    pub(crate) cluster: ClusterId,
    /// Seed of the cluster's root key.
    pub(crate) root: Secret,
    /// Its transport keys: of each chain the last one, the one in force at the end.
    pub(crate) transport: Vec<Transport>,
    /// Position of the cluster's state.
    pub(crate) applied: Position,
    /// Accumulator of the cluster's state, as bytes.
    pub(crate) accumulator: Vec<u8>,
    /// First group of receipts that is kept.
    pub(crate) oldest_receipts: u64,
    /// The state is being taken from a snapshot: what is there of it is worth nothing.
    pub(crate) restoring: bool,
    /// First group of blocks whose commitments are kept.
    pub(crate) oldest_blocks: u32,
    /// Commitment to all receipts up to the position.
    pub(crate) commitment: Hash,
    /// What the cluster has come to, after the last blocks that have changed it. Oldest first, at
    /// most [`MAX_REPORT_HEARTBEATS`]: what was not reported in time is not waited for.
    pub(crate) recent: Vec<(BlockNumber, Roots)>,
    /// Block in which the worker has got the key. It tells one membership from another.
    pub(crate) joined: BlockNumber,
}

impl Membership {
    /// Notes what the cluster has come to after a block, if that is anything new or the chain has asked.
    pub(crate) fn note(&mut self, block: BlockNumber, roots: Roots, asked: bool) {
        if !asked && self.recent.last().is_some_and(|(_, last)| *last == roots) {
            return;
        }
        if self.recent.len() >= MAX_REPORT_HEARTBEATS as usize {
            self.recent.remove(0);
        }
        self.recent.push((block, roots));
    }
}

/// What commits to the receipts of one block.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct BlockReceipts {
    /// The commitment before the block.
    pub(crate) before: Hash,
    /// Root of the block's receipts.
    pub(crate) root: Hash,
    /// Number of the message and leaf of each, in order.
    pub(crate) leaves: Vec<(MessageNumber, Hash)>,
}

macro_rules! single {
    ($name:ident, $put:ident, $key:literal, $type:ty) => {
        pub(crate) fn $name(snapshot: &Snapshot) -> Result<Option<$type>, RecordError> {
            read(snapshot, META, &[], $key, stringify!($name))
        }

        pub(crate) fn $put(batch: &mut Batch, value: &$type) {
            batch.put(META, &[], $key, value.encode());
        }
    };
}

single!(follower, put_follower, b"follower", Vec<u8>);
single!(position, put_position, b"position", Position);
single!(membership, put_membership, b"membership", Membership);
single!(masters, put_masters, b"masters", Vec<Secret>);
single!(gatekeepers, put_gatekeepers, b"gatekeepers", Gatekeepers);
single!(left, put_left, b"left", Left);
single!(outbox_counter, put_outbox_counter, b"outbox", u64);
single!(handed_over, put_handed_over, b"handed-over", bool);

fn read<T: Decode>(
    snapshot: &Snapshot,
    space: Space,
    group: &[u8],
    key: &[u8],
    name: &'static str,
) -> Result<Option<T>, RecordError> {
    // Some of these are secrets.
    let Some(bytes) = snapshot.get(space, group, key)?.map(Zeroizing::new) else {
        return Ok(None);
    };
    T::decode(&mut &bytes[..])
        .map(Some)
        .map_err(|_| RecordError::Undecodable(name))
}

/// What is known of a cluster.
pub(crate) fn cluster(
    snapshot: &Snapshot,
    cluster: &ClusterId,
) -> Result<Option<ClusterRecord>, RecordError> {
    read(snapshot, CLUSTERS, &[], &cluster.0, "a cluster")
}

pub(crate) fn put_cluster(batch: &mut Batch, cluster: &ClusterId, record: &ClusterRecord) {
    batch.put(CLUSTERS, &[], &cluster.0, record.encode());
}

/// Workers that wait for keys, and since when.
pub(crate) fn needs(snapshot: &Snapshot) -> Result<BTreeMap<Need, BlockNumber>, RecordError> {
    let undecodable = |_| RecordError::Undecodable("a worker that waits for a key");
    snapshot
        .group(NEEDS, &[], MAX_NEEDS)?
        .iter()
        .map(|(key, value)| {
            let need = Need::decode(&mut &key[..]).map_err(undecodable)?;
            let since = BlockNumber::decode(&mut &value[..]).map_err(undecodable)?;
            Ok((need, since))
        })
        .collect()
}

pub(crate) fn put_need(batch: &mut Batch, need: &Need, since: &BlockNumber) {
    batch.put(NEEDS, &[], &need.encode(), since.encode());
}

pub(crate) fn delete_need(batch: &mut Batch, need: &Need) {
    batch.delete(NEEDS, &[], &need.encode());
}

/// Hash of a block that has been followed.
pub(crate) fn block_hash(
    snapshot: &Snapshot,
    number: BlockNumber,
) -> Result<Option<Hash>, RecordError> {
    let group = (number / HASHES_PER_GROUP).to_be_bytes();
    read(
        snapshot,
        HASHES,
        &group,
        &number.to_be_bytes(),
        "a block's hash",
    )
}

pub(crate) fn put_block_hash(batch: &mut Batch, number: BlockNumber, hash: &Hash) {
    let group = (number / HASHES_PER_GROUP).to_be_bytes();
    batch.put(HASHES, &group, &number.to_be_bytes(), hash.encode());
}

/// The receipt of a command.
pub(crate) fn receipt(
    snapshot: &Snapshot,
    number: MessageNumber,
) -> Result<Option<Receipt>, RecordError> {
    let group = (number / RECEIPTS_PER_GROUP).to_be_bytes();
    read(
        snapshot,
        RECEIPTS,
        &group,
        &number.to_be_bytes(),
        "a receipt",
    )
}

/// Keeps a receipt, and drops those that are too old. `oldest` is the first group that is kept.
pub(crate) fn put_receipt(batch: &mut Batch, receipt: &Receipt, oldest: &mut u64) {
    let group = receipt.number / RECEIPTS_PER_GROUP;
    let first = (group + 1).saturating_sub(RECEIPT_GROUPS);
    for old in *oldest..first {
        batch.delete_group(RECEIPTS, &old.to_be_bytes());
    }
    *oldest = first.max(*oldest);
    batch.put(
        RECEIPTS,
        &group.to_be_bytes(),
        &receipt.number.to_be_bytes(),
        receipt.encode(),
    );
}

/// What commits to the receipts of a block, if it has any.
pub(crate) fn block_receipts(
    snapshot: &Snapshot,
    number: BlockNumber,
) -> Result<Option<BlockReceipts>, RecordError> {
    let group = (number / HASHES_PER_GROUP).to_be_bytes();
    let key = number.to_be_bytes();
    read(snapshot, BLOCKS, &group, &key, "a block's receipts")
}

/// Keeps what commits to the receipts of a block, and drops what is too old. `oldest` is the first
/// group that is kept.
pub(crate) fn put_block_receipts(
    batch: &mut Batch,
    number: BlockNumber,
    receipts: &BlockReceipts,
    oldest: &mut u32,
) {
    let group = number / HASHES_PER_GROUP;
    let first = (group + 1).saturating_sub(BLOCK_GROUPS);
    for old in *oldest..first {
        batch.delete_group(BLOCKS, &old.to_be_bytes());
    }
    *oldest = first.max(*oldest);
    batch.put(
        BLOCKS,
        &group.to_be_bytes(),
        &number.to_be_bytes(),
        receipts.encode(),
    );
}

/// What leads from a receipt to the commitment after `block`. `None` if that is too far, or the
/// receipt's block too long ago.
pub(crate) fn receipt_proof(
    snapshot: &Snapshot,
    receipt: Receipt,
    block: BlockNumber,
) -> Result<Option<ReceiptProof>, RecordError> {
    if block.saturating_sub(receipt.block) as usize > MAX_LINKS {
        return Ok(None);
    }
    let Some(own) = block_receipts(snapshot, receipt.block)? else {
        return Ok(None);
    };
    let (numbers, leaves): (Vec<_>, Vec<_>) = own.leaves.into_iter().unzip();
    let index = numbers.iter().position(|number| *number == receipt.number);
    let Some(path) = index.and_then(|index| commitment::path(&leaves, index)) else {
        return Ok(None);
    };
    let mut links = Vec::new();
    for later in receipt.block.saturating_add(1)..=block {
        if let Some(BlockReceipts { root, .. }) = block_receipts(snapshot, later)? {
            links.push(Link { block: later, root });
        }
    }
    Ok(Some(ReceiptProof {
        receipt,
        path,
        before: own.before,
        links,
    }))
}

/// Payloads that the chain has not got yet, oldest first, with their counters.
pub(crate) fn outbox(snapshot: &Snapshot) -> Result<Vec<(u64, Payload)>, RecordError> {
    let mut entries = Vec::new();
    for (key, value) in snapshot.group(OUTBOX, &[], MAX_OUTBOX)? {
        let undecodable = || RecordError::Undecodable("a report");
        let counter = key
            .as_slice()
            .try_into()
            .map(u64::from_be_bytes)
            .map_err(|_| undecodable())?;
        let payload = Payload::decode(&mut &value[..]).map_err(|_| undecodable())?;
        entries.push((counter, payload));
    }
    entries.sort_by_key(|(counter, _)| *counter);
    Ok(entries)
}

pub(crate) fn put_outbox(batch: &mut Batch, counter: u64, payload: &Payload) {
    batch.put(OUTBOX, &[], &counter.to_be_bytes(), payload.encode());
}

pub(crate) fn delete_outbox(batch: &mut Batch, counter: u64) {
    batch.delete(OUTBOX, &[], &counter.to_be_bytes());
}

/// What the cluster says of a contract that came to exist.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) enum Statement {
    /// The chain has ordered it to be made.
    Public(SignedContractReady),
    /// The chain hears of it for the first time.
    Private(SignedPrivateContractReady),
}

impl Statement {
    /// The contract.
    pub(crate) fn contract(&self) -> ContractId {
        match self {
            Self::Public(signed) => signed.statement.contract,
            Self::Private(signed) => signed.statement.ready.contract,
        }
    }
}

/// Statements about contracts that the chain has not got yet.
pub(crate) fn ready(snapshot: &Snapshot) -> Result<Vec<Statement>, RecordError> {
    snapshot
        .group(READY, &[], MAX_OUTBOX)?
        .iter()
        .map(|(_, value)| {
            Statement::decode(&mut &value[..])
                .map_err(|_| RecordError::Undecodable("a contract's statement"))
        })
        .collect()
}

pub(crate) fn put_ready(batch: &mut Batch, statement: &Statement) {
    batch.put(READY, &[], &statement.contract().0, statement.encode());
}

pub(crate) fn delete_ready(batch: &mut Batch, statement: &Statement) {
    batch.delete(READY, &[], &statement.contract().0);
}

/// Forgets why the worker was in no cluster.
pub(crate) fn delete_left(batch: &mut Batch) {
    batch.delete(META, &[], b"left");
}

/// Forgets everything of the cluster that the worker was in.
pub(crate) fn delete_membership(batch: &mut Batch) {
    batch.delete(META, &[], b"membership");
    delete_state(batch);
}

/// Forgets the state of the cluster, and what follows from it.
pub(crate) fn delete_state(batch: &mut Batch) {
    for space in [STATE, RECEIPTS, BLOCKS, READY] {
        batch.delete_space(space);
    }
}

/// A record in a snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct SnapshotRecord {
    space: Space,
    group: Vec<u8>,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

/// What a record in a snapshot is.
pub(crate) enum Kind {
    /// A record of the cluster's state.
    State,
    /// A receipt.
    Receipt(Box<Receipt>),
    /// What commits to the receipts of a block.
    Block(BlockNumber, BlockReceipts),
}

impl SnapshotRecord {
    /// A record of a cluster's state.
    #[cfg(test)]
    pub(crate) fn state(key: &[u8], value: &[u8]) -> Self {
        Self {
            space: STATE,
            group: group_of(key).to_vec(),
            key: key.to_vec(),
            value: value.to_vec(),
        }
    }

    /// What it is; `None` if it does not belong into a snapshot, or not under this name.
    pub(crate) fn kind(&self) -> Option<Kind> {
        match self.space {
            STATE => (group_of(&self.key) == self.group).then_some(Kind::State),
            RECEIPTS => {
                let receipt = Receipt::decode_all(&mut &self.value[..]).ok()?;
                let group = (receipt.number / RECEIPTS_PER_GROUP).to_be_bytes();
                let named = self.group == group && self.key == receipt.number.to_be_bytes();
                named.then(|| Kind::Receipt(Box::new(receipt)))
            }
            BLOCKS => {
                let number = BlockNumber::from_be_bytes(self.key.as_slice().try_into().ok()?);
                let group = (number / HASHES_PER_GROUP).to_be_bytes();
                let receipts = BlockReceipts::decode_all(&mut &self.value[..]).ok()?;
                (self.group == group).then_some(Kind::Block(number, receipts))
            }
            _ => None,
        }
    }
}

/// Calls `visit` with each record that belongs into a snapshot. Receipts of blocks before those whose
/// commitments are kept, from group `oldest_blocks` on, could not be checked and are left out.
pub(crate) fn for_snapshot<E: From<ReadError>>(
    snapshot: &Snapshot,
    oldest_blocks: u32,
    mut visit: impl FnMut(SnapshotRecord) -> Result<(), E>,
) -> Result<(), E> {
    for space in [STATE, RECEIPTS, BLOCKS] {
        snapshot.for_each(space, |record| {
            let record = SnapshotRecord {
                space,
                group: record.group,
                key: record.key,
                value: record.value,
            };
            match record.kind() {
                Some(Kind::Receipt(receipt))
                    if receipt.block / HASHES_PER_GROUP < oldest_blocks =>
                {
                    Ok(())
                }
                _ => visit(record),
            }
        })?;
    }
    Ok(())
}

/// Writes a record from a snapshot, whose [`SnapshotRecord::kind`] is known.
pub(crate) fn put_from_snapshot(batch: &mut Batch, record: SnapshotRecord) {
    batch.put(record.space, &record.group, &record.key, record.value);
}

/// Adds up the state of the worker's cluster.
pub(crate) fn accumulate(snapshot: &Snapshot) -> Result<Accumulator, ReadError> {
    let mut accumulator = Accumulator::default();
    snapshot.for_each(STATE, |record| {
        accumulator.add(&record.key, &record.value);
        Ok::<_, ReadError>(())
    })?;
    Ok(accumulator)
}

/// The state of the worker's cluster in a snapshot of the store.
///
/// The records of one contract's storage form a group, so that they can be listed; everything else is
/// grouped by the first byte of its key, which tells what it is.
pub(crate) struct ClusterState(pub(crate) Snapshot);

/// First byte of the keys of contract storage, and length of what names the contract (that byte and
/// the storage id). See [`phat_engine::schema::storage_key`].
const STORAGE: u8 = b's';
const STORAGE_GROUP: usize = 33;

fn group_of(key: &[u8]) -> &[u8] {
    match key.first() {
        Some(&STORAGE) => key.get(..STORAGE_GROUP).unwrap_or(key),
        _ => key.get(..1).unwrap_or(key),
    }
}

fn state_error(error: ReadError) -> StateError {
    StateError::Read(error.to_string())
}

impl State for ClusterState {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.0.get(STATE, group_of(key), key).map_err(state_error)
    }

    fn keys_with_prefix(&self, prefix: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, StateError> {
        let records = self
            .0
            .group(STATE, group_of(prefix), MAX_LISTED)
            .map_err(state_error)?;
        let mut keys: Vec<_> = records
            .into_iter()
            .map(|(key, _)| key)
            .filter(|key| key.starts_with(prefix))
            .collect();
        // The store keeps them in an order of its own, which differs between workers.
        keys.sort_unstable();
        keys.truncate(limit);
        Ok(keys)
    }
}

/// Writes changes of the cluster's state.
pub(crate) fn put_state(batch: &mut Batch, changes: &Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => batch.put(STATE, group_of(key), key, value.clone()),
            None => batch.delete(STATE, group_of(key), key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phat_engine::schema::{StorageKey, storage_key};

    #[test]
    fn storage_of_one_contract_is_one_group() {
        let one = storage_key(&[1; 32], &StorageKey::Variable(b"a".to_vec()));
        let same = storage_key(&[1; 32], &StorageKey::Fixed([9; 32]));
        let other = storage_key(&[2; 32], &StorageKey::Variable(b"a".to_vec()));
        assert_eq!(group_of(&one), group_of(&same));
        assert_ne!(group_of(&one), group_of(&other));
        assert_eq!(group_of(b"s"), b"s");
        assert_eq!(group_of(b""), b"");
    }

    #[test]
    fn a_block_in_which_nothing_has_changed_is_noted_only_if_the_chain_asks() {
        let secret = Secret::of(&Keypair::from_seed([1; 32]));
        let mut record = Membership::begin(Hash::zero(), secret, Vec::new(), 1, 1);
        let roots = Roots {
            state_root: Hash::repeat_byte(1),
            receipts: Hash::repeat_byte(2),
        };
        record.note(5, roots, false);
        record.note(6, roots, false);
        record.note(7, roots, true);
        assert_eq!(record.recent, [(5, roots), (7, roots)]);
    }
}
