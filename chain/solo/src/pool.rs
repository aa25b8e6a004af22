//! Transactions waiting for a block.
//!
//! A transaction *provides* tags and may *require* tags that others provide (one's
//! nonce requires the one before it). It is *ready* if the chain or a ready
//! transaction of the pool provides all it requires, otherwise it is *future*.
//! Within that, priority decides, then arrival.
//!
//! Knows nothing of clocks, locks or clients: what happens to a transaction is
//! returned as [`Event`]s.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;

use polkadot_sdk::*;

use sp_runtime::generic::Preamble;
use sp_runtime::transaction_validity::TransactionTag as Tag;

use phat_runtime::{AccountId, BlockNumber, Hash, UncheckedExtrinsic};

use crate::chain::Outcome;
use crate::limits;

/// A transaction that was valid when it arrived.
pub(crate) struct Transaction {
    pub(crate) hash: Hash,
    pub(crate) extrinsic: UncheckedExtrinsic,
    /// Length of its encoding.
    pub(crate) length: usize,
    /// Who signed it; nobody, for instance, signs a worker's report.
    pub(crate) sender: Option<AccountId>,
    /// Tags that neither the chain nor the transaction itself provides.
    pub(crate) requires: Vec<Tag>,
    pub(crate) provides: Vec<Tag>,
    /// Higher goes first. With 0 it causes no block: it goes along with the next.
    pub(crate) priority: u64,
    /// The last block it can be in.
    pub(crate) last_block: BlockNumber,
}

impl Transaction {
    /// Whether it has the general format (version 5) instead of the signed one (4).
    fn is_general(&self) -> bool {
        matches!(self.extrinsic.preamble, Preamble::General(_))
    }
}

/// What happened to a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// It waits for another one.
    Future,
    /// It can go into the next block.
    Ready,
    /// It is in the block just made.
    Included,
    /// Another one with the same tags and a higher priority took its place.
    Usurped(Hash),
    /// It made room for others.
    Dropped,
    /// It can never be in a block, with the reason.
    Invalid(String),
}

/// Why a valid transaction is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PoolError {
    #[error("the transaction is already waiting")]
    AlreadyIn,
    #[error(
        "another transaction with the same nonce waits with priority {waiting}; this one has {offered}: raise the tip to replace it"
    )]
    PriorityTooLow { waiting: u64, offered: u64 },
    #[error("this account has {0} transactions waiting: wait until some are in a block")]
    SenderFull(usize),
    #[error("the pool is full: try again after the next block")]
    Full,
}

/// Bounds of a pool.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) transactions: usize,
    pub(crate) bytes: usize,
    pub(crate) per_sender: usize,
    pub(crate) without_sender: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            transactions: limits::POOL_TRANSACTIONS,
            bytes: limits::POOL_BYTES,
            per_sender: limits::POOL_PER_SENDER,
            without_sender: limits::POOL_WITHOUT_SENDER,
        }
    }
}

/// What a block should be made of.
#[derive(Clone)]
pub(crate) struct Offer {
    pub(crate) transactions: Vec<Arc<Transaction>>,
    /// Whether they are general ones.
    pub(crate) is_general: bool,
}

struct Entry {
    transaction: Arc<Transaction>,
    /// Order of arrival.
    arrival: u64,
    ready: bool,
    /// Required tags that no block has provided yet.
    unmet: BTreeSet<Tag>,
}

/// The pool. Invariants, checked by the tests after random operations:
/// - a tag has at most one provider;
/// - an entry is ready exactly if the providers of all its unmet tags are in the
///   pool and ready;
/// - counts and bytes are those of the entries, and within the limits.
pub(crate) struct Pool {
    limits: Limits,
    /// The block whose state the entries were validated against, or brought up to.
    height: BlockNumber,
    entries: HashMap<Hash, Entry>,
    provider: HashMap<Tag, Hash>,
    /// By tag: those that have it among their unmet ones.
    waiting: HashMap<Tag, Vec<Hash>>,
    per_sender: HashMap<Option<AccountId>, usize>,
    bytes: usize,
    arrivals: u64,
}

impl Pool {
    /// An empty pool for the block after `height`.
    pub(crate) fn new(limits: Limits, height: BlockNumber) -> Self {
        Self {
            limits,
            height,
            entries: HashMap::new(),
            provider: HashMap::new(),
            waiting: HashMap::new(),
            per_sender: HashMap::new(),
            bytes: 0,
            arrivals: 0,
        }
    }

    /// The block against whose state a transaction must be valid to be inserted.
    pub(crate) fn height(&self) -> BlockNumber {
        self.height
    }

    /// Whether a transaction with this hash waits.
    pub(crate) fn contains(&self, hash: &Hash) -> bool {
        self.entries.contains_key(hash)
    }

    /// Whether a waiting transaction provides `tag`.
    pub(crate) fn provides(&self, tag: &[u8]) -> bool {
        self.provider.contains_key(tag)
    }

    /// Whether a block should be made for the sake of what waits.
    pub(crate) fn wants_block(&self) -> bool {
        self.entries
            .values()
            .any(|entry| entry.ready && entry.transaction.priority > 0)
    }

    /// Takes a transaction that is valid at [`Self::height`].
    pub(crate) fn insert(
        &mut self,
        transaction: Arc<Transaction>,
    ) -> Result<Vec<(Hash, Event)>, PoolError> {
        if self.contains(&transaction.hash) {
            return Err(PoolError::AlreadyIn);
        }
        let rivals: BTreeSet<Hash> = transaction
            .provides
            .iter()
            .filter_map(|tag| self.provider.get(tag).copied())
            .collect();
        let waiting = rivals
            .iter()
            .filter_map(|rival| self.entries.get(rival))
            .map(|entry| entry.transaction.priority)
            .max();
        if let Some(waiting) = waiting.filter(|waiting| *waiting >= transaction.priority) {
            return Err(PoolError::PriorityTooLow {
                waiting,
                offered: transaction.priority,
            });
        }
        let sender_limit = match transaction.sender {
            Some(_) => self.limits.per_sender,
            None => self.limits.without_sender,
        };
        let from_sender = self.per_sender.get(&transaction.sender).copied();
        if from_sender.unwrap_or(0) >= sender_limit && rivals.is_empty() {
            return Err(PoolError::SenderFull(sender_limit));
        }

        let mut events = Vec::new();
        for rival in rivals {
            self.remove(rival, &mut events);
            events.push((rival, Event::Usurped(transaction.hash)));
        }
        self.make_room(transaction.length, &mut events)?;
        self.add(transaction, &mut events);
        Ok(events)
    }

    /// Drops future transactions, the least urgent first, until one of `length`
    /// bytes fits.
    fn make_room(
        &mut self,
        length: usize,
        events: &mut Vec<(Hash, Event)>,
    ) -> Result<(), PoolError> {
        while self.entries.len() >= self.limits.transactions
            || self.bytes.saturating_add(length) > self.limits.bytes
        {
            let victim = self
                .entries
                .iter()
                .filter(|(_, entry)| !entry.ready)
                .min_by_key(|(_, entry)| (entry.transaction.priority, Reverse(entry.arrival)))
                .map(|(hash, _)| *hash)
                .ok_or(PoolError::Full)?;
            self.remove(victim, events);
            events.push((victim, Event::Dropped));
        }
        Ok(())
    }

    fn add(&mut self, transaction: Arc<Transaction>, events: &mut Vec<(Hash, Event)>) {
        let hash = transaction.hash;
        self.bytes += transaction.length;
        *self
            .per_sender
            .entry(transaction.sender.clone())
            .or_default() += 1;
        for tag in &transaction.provides {
            self.provider.insert(tag.clone(), hash);
        }
        let unmet: BTreeSet<Tag> = transaction.requires.iter().cloned().collect();
        for tag in &unmet {
            self.waiting.entry(tag.clone()).or_default().push(hash);
        }
        self.arrivals += 1;
        self.entries.insert(
            hash,
            Entry {
                transaction,
                arrival: self.arrivals,
                ready: false,
                unmet,
            },
        );
        self.promote(vec![hash], events);
        if self.entries.get(&hash).is_some_and(|entry| !entry.ready) {
            events.push((hash, Event::Future));
        }
    }

    /// Makes ready what can be, beginning with `candidates`.
    fn promote(&mut self, mut candidates: Vec<Hash>, events: &mut Vec<(Hash, Event)>) {
        while let Some(hash) = candidates.pop() {
            let can_be = self.entries.get(&hash).is_some_and(|entry| {
                !entry.ready && entry.unmet.iter().all(|tag| self.ready_provider(tag))
            });
            if let Some(entry) = self.entries.get_mut(&hash).filter(|_| can_be) {
                entry.ready = true;
                events.push((hash, Event::Ready));
                let provides = entry.transaction.provides.iter();
                let next = provides.filter_map(|tag| self.waiting.get(tag)).flatten();
                candidates.extend(next.copied());
            }
        }
    }

    fn ready_provider(&self, tag: &Tag) -> bool {
        self.provider
            .get(tag)
            .and_then(|hash| self.entries.get(hash))
            .is_some_and(|entry| entry.ready)
    }

    /// Takes an entry out; what was ready because of it is future again.
    fn remove(&mut self, hash: Hash, events: &mut Vec<(Hash, Event)>) {
        let Some(entry) = self.take(hash) else { return };
        let mut orphaned: Vec<Hash> = self.waiting_for(&entry.transaction.provides);
        while let Some(hash) = orphaned.pop() {
            if let Some(entry) = self.entries.get_mut(&hash).filter(|entry| entry.ready) {
                entry.ready = false;
                events.push((hash, Event::Future));
                let provides = entry.transaction.provides.clone();
                orphaned.extend(self.waiting_for(&provides));
            }
        }
    }

    fn waiting_for(&self, tags: &[Tag]) -> Vec<Hash> {
        let waiting = tags.iter().filter_map(|tag| self.waiting.get(tag));
        waiting.flatten().copied().collect()
    }

    /// Takes an entry out of all tables and leaves the others as they are.
    fn take(&mut self, hash: Hash) -> Option<Entry> {
        let entry = self.entries.remove(&hash)?;
        self.bytes -= entry.transaction.length;
        if let Some(count) = self.per_sender.get_mut(&entry.transaction.sender) {
            *count -= 1;
            if *count == 0 {
                self.per_sender.remove(&entry.transaction.sender);
            }
        }
        for tag in &entry.transaction.provides {
            self.provider.remove(tag);
        }
        for tag in &entry.unmet {
            if let Some(waiting) = self.waiting.get_mut(tag) {
                waiting.retain(|other| *other != hash);
                if waiting.is_empty() {
                    self.waiting.remove(tag);
                }
            }
        }
        Some(entry)
    }

    /// What is ready, in an order in which it can be executed: a transaction comes
    /// after those it requires, and otherwise by priority, then by arrival.
    pub(crate) fn ready(&self) -> Vec<Arc<Transaction>> {
        let rank = |entry: &Entry, hash| (entry.transaction.priority, Reverse(entry.arrival), hash);
        let mut open: HashMap<Hash, usize> = HashMap::new();
        let mut next = BinaryHeap::new();
        for (hash, entry) in self.entries.iter().filter(|(_, entry)| entry.ready) {
            open.insert(*hash, entry.unmet.len());
            if entry.unmet.is_empty() {
                next.push(rank(entry, *hash));
            }
        }
        let mut ordered = Vec::with_capacity(open.len());
        while let Some((_, _, hash)) = next.pop() {
            let Some(entry) = self.entries.get(&hash) else {
                continue;
            };
            ordered.push(entry.transaction.clone());
            for follower in self.waiting_for(&entry.transaction.provides) {
                let Some(count) = open.get_mut(&follower) else {
                    continue;
                };
                *count -= 1;
                if let Some(entry) = self.entries.get(&follower).filter(|_| *count == 0) {
                    next.push(rank(entry, follower));
                }
            }
        }
        ordered
    }

    /// What the next block should be made of: signed transactions or general ones,
    /// the latter if there are no others or if it is their turn (`general_due`).
    ///
    /// Not both, because clients that were made before version 5, the published
    /// Phala SDK among them, cannot decode a block that has one in it, and would
    /// not find what became of their own transaction beside it.
    pub(crate) fn offer(&self, general_due: bool) -> Offer {
        let ready = self.ready().into_iter();
        let (general, signed): (Vec<_>, Vec<_>) = ready.partition(|t| t.is_general());
        let is_general = !general.is_empty() && (signed.is_empty() || general_due);
        Offer {
            transactions: if is_general { general } else { signed },
            is_general,
        }
    }

    /// Follows the chain to block `height`, which was offered the transactions of
    /// `outcomes`.
    pub(crate) fn follow(
        &mut self,
        height: BlockNumber,
        outcomes: impl IntoIterator<Item = (Hash, Outcome)>,
    ) -> Vec<(Hash, Event)> {
        self.height = height;
        let mut events = Vec::new();
        let mut premature = Vec::new();
        for (hash, outcome) in outcomes {
            match outcome {
                Outcome::Included => {
                    if let Some(entry) = self.take(hash) {
                        events.push((hash, Event::Included));
                        self.meet(&entry.transaction.provides, &mut events);
                    }
                }
                Outcome::Invalid(reason) => {
                    self.remove(hash, &mut events);
                    events.push((hash, Event::Invalid(reason)));
                }
                Outcome::Premature => premature.push(hash),
                Outcome::Deferred => {}
            }
        }
        // Nothing in the pool comes before these, and yet the chain says that
        // something must (an account that was reaped begins again at nonce 0, say).
        for hash in premature {
            if self.entries.get(&hash).is_some_and(|e| e.unmet.is_empty()) {
                self.remove(hash, &mut events);
                let reason = "what it waits for is not in the pool".to_owned();
                events.push((hash, Event::Invalid(reason)));
            }
        }
        let expired: Vec<Hash> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.transaction.last_block <= height)
            .map(|(hash, _)| *hash)
            .collect();
        for hash in expired {
            self.remove(hash, &mut events);
            events.push((hash, Event::Invalid("its mortal era is over".to_owned())));
        }
        events
    }

    /// The chain now provides `tags`.
    fn meet(&mut self, tags: &[Tag], events: &mut Vec<(Hash, Event)>) {
        for tag in tags {
            let met = self.waiting.remove(tag).unwrap_or_default();
            for hash in &met {
                if let Some(entry) = self.entries.get_mut(hash) {
                    entry.unmet.remove(tag);
                }
            }
            self.promote(met, events);
        }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
