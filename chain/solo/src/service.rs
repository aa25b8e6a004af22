//! What the sealing loop and the JSON-RPC server share: the pool behind a lock,
//! the newest block, and the clients that wait to hear of their transactions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use codec::{DecodeLimit, Encode};
use polkadot_sdk::*;
use serde::Serialize;
use tokio::sync::{Notify, Semaphore, mpsc, watch};

use frame_support::MAX_EXTRINSIC_DEPTH;
use sp_runtime::generic::Preamble;
use sp_runtime::traits::{BlakeTwo256, Hash as _};
use sp_runtime::transaction_validity::{TransactionSource, TransactionValidityError};

use phat_runtime::{AccountId, Address, BlockNumber, Executive, Hash, UncheckedExtrinsic};

use crate::chain::{Chain, Sealed, reason};
use crate::limits::{
    FOLLOWED_BLOCKS, FOLLOWED_BYTES, RPC_RUNTIME_CALLS, STATUSES, TRANSACTION_BYTES,
};
use crate::pool::{Event, Limits, Offer, Pool, PoolError, Transaction};
use crate::state::{RuntimePanic, State, StateError};
use crate::stepped::Blocks;
use crate::store::{Nodes, Store, StoreError};

/// The newest block, which is also the newest final one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) number: BlockNumber,
    pub(crate) hash: Hash,
}

/// What a client that watches its transaction hears, as Substrate's nodes say it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Status {
    Future,
    Ready,
    InBlock(Hash),
    Finalized(Hash),
    Usurped(Hash),
    Dropped,
    Invalid,
}

/// Why a transaction is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubmitError {
    #[error("the transaction has {0} bytes; the chain takes at most {TRANSACTION_BYTES}")]
    TooLong(usize),
    #[error(
        "the bytes are not a transaction of this chain: {0}; compare the client's metadata with the chain's"
    )]
    Malformed(codec::Error),
    #[error("{}", reason(*.0))]
    Invalid(TransactionValidityError),
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error(transparent)]
    Runtime(#[from] RuntimePanic),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the state at a block cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AtError {
    #[error("there is no block {0:?}")]
    UnknownBlock(Hash),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Runtime(#[from] RuntimePanic),
}

/// The shared part of a running chain.
pub(crate) struct Service {
    pub(crate) store: Arc<Store>,
    pub(crate) genesis_hash: Hash,
    pub(crate) chain_name: String,
    pool: Mutex<Pool>,
    watchers: Mutex<HashMap<Hash, mpsc::Sender<Status>>>,
    head: watch::Sender<Head>,
    arrival: Notify,
    runtime_calls: Arc<Semaphore>,
}

impl Service {
    pub(crate) fn new(chain: &Chain, chain_name: String) -> Self {
        let head = Head {
            number: chain.best().number,
            hash: chain.best().hash(),
        };
        Self {
            store: chain.store().clone(),
            genesis_hash: chain.genesis_hash(),
            chain_name,
            pool: Mutex::new(Pool::new(Limits::default(), head.number)),
            watchers: Mutex::default(),
            head: watch::Sender::new(head),
            arrival: Notify::new(),
            runtime_calls: Arc::new(Semaphore::new(RPC_RUNTIME_CALLS)),
        }
    }

    /// The newest block.
    pub(crate) fn head(&self) -> Head {
        *self.head.borrow()
    }

    /// Follows the newest block.
    pub(crate) fn heads(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    /// Number of the block `at`, or of the newest.
    pub(crate) fn number_at(&self, at: Option<Hash>) -> Result<BlockNumber, AtError> {
        match at {
            Some(hash) => self.store.number(hash)?.ok_or(AtError::UnknownBlock(hash)),
            None => Ok(self.head().number),
        }
    }

    /// The state after the block `at`, or after the newest.
    pub(crate) fn state_at(&self, at: Option<Hash>) -> Result<State<Nodes>, AtError> {
        Ok(self.store.state(self.number_at(at)?)?)
    }

    /// Up to `max` blocks from number `from` on, as many as there are and as fit into an answer.
    pub(crate) fn blocks(&self, from: BlockNumber, max: u32) -> Result<Blocks, StoreError> {
        let finalized = self.head().number;
        let end = from
            .saturating_add(max.min(FOLLOWED_BLOCKS))
            .min(finalized.saturating_add(1));
        let mut blocks = Vec::new();
        let mut bytes = 0;
        let mut last = None;
        for number in from..end {
            let (Some(header), Some(outbound)) =
                (self.store.header(number)?, self.store.outbound(number)?)
            else {
                break;
            };
            let header = header.encode();
            bytes += header.len() + outbound.len();
            blocks.push((header, outbound));
            last = Some(number);
            if bytes > FOLLOWED_BYTES {
                break;
            }
        }
        let justification = match last {
            Some(number) => self.store.justification(number)?,
            None => None,
        };
        Ok(Blocks {
            blocks,
            justification,
            finalized,
        })
    }

    /// Runs `work`, which computes or reads for a while, on a thread where that
    /// holds up nobody. Only so many at a time.
    pub(crate) async fn offload<R: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Arc<Self>) -> R + Send + 'static,
    ) -> Option<R> {
        let permit = self.runtime_calls.clone().acquire_owned().await.ok()?;
        let service = self.clone();
        tokio::task::spawn_blocking(move || {
            let result = work(&service);
            drop(permit);
            result
        })
        .await
        .ok()
    }

    /// Takes a transaction into the pool. With `watch`, what happens to it is
    /// reported there.
    pub(crate) fn submit(
        &self,
        bytes: &[u8],
        watch: Option<mpsc::Sender<Status>>,
    ) -> Result<Hash, SubmitError> {
        let extrinsic = decode(bytes)?;
        let hash = BlakeTwo256::hash_of(&extrinsic);
        if self.pool().contains(&hash) {
            return Err(PoolError::AlreadyIn.into());
        }
        // Validation takes longer than a lock should be held, so a block may be
        // made meanwhile; the second time it has to wait for us.
        let height = self.pool().height();
        let mut transaction = self.validate(hash, &extrinsic, height)?;
        let mut pool = self.pool();
        if pool.height() != height {
            transaction = self.validate(hash, &extrinsic, pool.height())?;
        }
        let events = pool.insert(Arc::new(transaction))?;
        if let Some(watch) = watch {
            self.watchers().insert(hash, watch);
        }
        // Under the pool's lock, so that nobody hears of a block before this.
        self.report(events, None);
        drop(pool);
        self.arrival.notify_one();
        Ok(hash)
    }

    fn validate(
        &self,
        hash: Hash,
        extrinsic: &UncheckedExtrinsic,
        height: BlockNumber,
    ) -> Result<Transaction, SubmitError> {
        let block_hash = self.store.hash(height)?.unwrap_or_default();
        let length = extrinsic.encoded_size();
        let validity = self
            .store
            .state(height)?
            .inspect(|| {
                Executive::validate_transaction(
                    TransactionSource::External,
                    extrinsic.clone(),
                    block_hash,
                )
            })?
            .map_err(SubmitError::Invalid)?;
        let longevity = u32::try_from(validity.longevity).unwrap_or(u32::MAX);
        Ok(Transaction {
            hash,
            extrinsic: extrinsic.clone(),
            length,
            sender: sender(extrinsic),
            requires: validity.requires,
            provides: validity.provides,
            priority: validity.priority,
            last_block: height.saturating_add(longevity),
        })
    }

    /// Waits until a block should be made for the sake of a transaction.
    pub(crate) async fn block_wanted(&self) {
        loop {
            let arrival = self.arrival.notified();
            if self.pool().wants_block() {
                return;
            }
            arrival.await;
        }
    }

    /// The transactions that wait for nothing but a block.
    pub(crate) fn ready(&self) -> Vec<Arc<Transaction>> {
        self.pool().ready()
    }

    /// What the next block should be made of, see [`Pool::offer`].
    pub(crate) fn offer(&self, general_due: bool) -> Offer {
        self.pool().offer(general_due)
    }

    /// Whether a waiting transaction provides `tag`.
    pub(crate) fn provides(&self, tag: &[u8]) -> bool {
        self.pool().provides(tag)
    }

    /// Lets everybody know of a new block that was offered `offered`.
    pub(crate) fn sealed(&self, offered: &[Arc<Transaction>], sealed: Sealed) {
        let head = Head {
            number: sealed.header.number,
            hash: sealed.hash,
        };
        let mut pool = self.pool();
        let outcomes = offered.iter().map(|t| t.hash).zip(sealed.outcomes);
        let events = pool.follow(head.number, outcomes);
        // First the block, then what is in it: who hears of a transaction can read.
        self.head.send_replace(head);
        self.report(events, Some(head.hash));
    }

    fn report(&self, events: Vec<(Hash, Event)>, block: Option<Hash>) {
        let mut watchers = self.watchers();
        for (hash, event) in events {
            tracing::debug!(transaction = ?hash, ?event, "transaction");
            let Some(watcher) = watchers.get(&hash) else {
                continue;
            };
            let (statuses, last) = match (event, block) {
                (Event::Future, _) => (vec![Status::Future], false),
                (Event::Ready, _) => (vec![Status::Ready], false),
                (Event::Included, Some(block)) => {
                    (vec![Status::InBlock(block), Status::Finalized(block)], true)
                }
                (Event::Usurped(by), _) => (vec![Status::Usurped(by)], true),
                (Event::Dropped, _) => (vec![Status::Dropped], true),
                (Event::Invalid(_), _) | (Event::Included, None) => (vec![Status::Invalid], true),
            };
            // A client that does not listen misses what does not fit.
            let gone = statuses
                .into_iter()
                .any(|status| watcher.try_send(status).is_err());
            if last || gone {
                watchers.remove(&hash);
            }
        }
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watchers(&self) -> MutexGuard<'_, HashMap<Hash, mpsc::Sender<Status>>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A channel for the statuses of one transaction.
pub(crate) fn status_channel() -> (mpsc::Sender<Status>, mpsc::Receiver<Status>) {
    mpsc::channel(STATUSES)
}

/// The transaction in `bytes`. Calls nest; a limit on the depth keeps a hostile one
/// from exhausting the stack.
pub(crate) fn decode(bytes: &[u8]) -> Result<UncheckedExtrinsic, SubmitError> {
    if bytes.len() > TRANSACTION_BYTES {
        return Err(SubmitError::TooLong(bytes.len()));
    }
    UncheckedExtrinsic::decode_all_with_depth_limit(MAX_EXTRINSIC_DEPTH, &mut &bytes[..])
        .map_err(SubmitError::Malformed)
}

fn sender(extrinsic: &UncheckedExtrinsic) -> Option<AccountId> {
    match &extrinsic.preamble {
        Preamble::Signed(Address::Id(account), ..) => Some(account.clone()),
        _ => None,
    }
}
