//! The chain as a state machine: given transactions and a time it makes the next
//! block, executes it, seals it, finalises it and writes it.
//!
//! It has no clock and no queue of its own.

use std::path::Path;
use std::sync::Arc;

use codec::{Decode, Encode};
use polkadot_sdk::*;

use sp_consensus_aura::digests::CompatibleDigestItem;
use sp_consensus_aura::sr25519::AuthoritySignature as AuraSignature;
use sp_consensus_aura::{Slot, SlotDuration};
use sp_consensus_grandpa::SetId;
use sp_inherents::InherentData;
use sp_runtime::generic::{Digest, DigestItem};
use sp_runtime::traits::{BlakeTwo256, Hash as _, Header as _};
use sp_runtime::transaction_validity::{InvalidTransaction, TransactionValidityError};
use sp_runtime::{ApplyExtrinsicResult, OpaqueExtrinsic};
use sp_state_machine::TrieBackendStorage;

use phat_runtime::{Executive, Hash, Header, Runtime, UncheckedExtrinsic};

use crate::authority::Authority;
use crate::genesis::Genesis;
use crate::limits::{MISFITS_PER_BLOCK, STATE_WINDOW};
use crate::pool::Transaction;
use crate::state::{self, Execution, RuntimePanic, StateError};
use crate::store::{DataDirError, NewBlock, Store, StoreError};

/// Why the chain in a data directory cannot be continued.
#[derive(Debug, thiserror::Error)]
pub enum OpenChainError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// What is in it cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state of its newest block cannot be used.
    #[error(transparent)]
    Runtime(#[from] RuntimePanic),
    /// The keys given are not the chain's.
    #[error(
        "the authority given is not this chain's: genesis or root must name its Aura and GRANDPA keys, alone"
    )]
    NotTheAuthority,
}

/// Why a block could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The runtime could not begin or end a block.
    #[error("no block can be made: {0}")]
    Runtime(#[from] RuntimePanic),
    /// The runtime did not take what every block must contain.
    #[error("no block can be made: the runtime refused its own inherent: {0:?}")]
    Inherent(ApplyExtrinsicResult),
    /// The runtime's answer is not what its interface says.
    #[error("no block can be made: the runtime's inherents do not decode: {0}")]
    Answer(codec::Error),
}

/// What became of a transaction offered for a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is in the block; whether it did what it wanted, events tell.
    Included,
    /// It can never be in a block, with the reason.
    Invalid(String),
    /// Not this time: the block is full.
    Deferred,
    /// Something must come before it.
    Premature,
}

/// A block made.
pub(crate) struct Sealed {
    pub(crate) header: Header,
    pub(crate) hash: Hash,
    /// For each transaction offered, in order.
    pub(crate) outcomes: Vec<Outcome>,
}

/// The chain.
pub(crate) struct Chain {
    store: Arc<Store>,
    authority: Authority,
    outbound_key: Vec<u8>,
    best: Header,
    genesis_hash: Hash,
}

impl Chain {
    /// Opens the chain in `dir` that begins with `genesis`, or begins it there.
    /// After each block the bytes under `outbound_key` are kept beside it.
    pub(crate) fn open(
        dir: &Path,
        genesis: &Genesis,
        authority: Authority,
        outbound_key: Vec<u8>,
    ) -> Result<Self, OpenChainError> {
        Self::open_with_window(dir, genesis, authority, outbound_key, STATE_WINDOW)
    }

    /// The same, and the states of the last `window` blocks stay readable.
    pub(crate) fn open_with_window(
        dir: &Path,
        genesis: &Genesis,
        authority: Authority,
        outbound_key: Vec<u8>,
        window: u32,
    ) -> Result<Self, OpenChainError> {
        let (state_root, nodes) = state::initial(genesis);
        let header = Header::new(
            0,
            BlakeTwo256::ordered_trie_root(Vec::new(), sp_runtime::StateVersion::V1),
            state_root,
            Hash::zero(),
            Digest::default(),
        );
        let hash = header.hash();
        let store = Store::open(
            dir,
            NewBlock {
                header: &header,
                hash,
                body: &[],
                justification: None,
                outbound: genesis.get(&outbound_key).map_or(&[], Vec::as_slice),
                nodes,
            },
            window,
        )?;
        let best = store.best()?;
        let ours = store.state(best.number)?.inspect(|| {
            let aura = pallet_aura::Authorities::<Runtime>::get();
            let grandpa = phat_runtime::Grandpa::grandpa_authorities();
            aura.into_inner() == [authority.aura_id()]
                && grandpa.len() == 1
                && grandpa.iter().all(|(id, _)| *id == authority.grandpa_id())
        })?;
        if !ours {
            return Err(OpenChainError::NotTheAuthority);
        }
        Ok(Self {
            store: Arc::new(store),
            authority,
            outbound_key,
            best,
            genesis_hash: hash,
        })
    }

    /// Where blocks and states can be read.
    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The newest block.
    pub(crate) fn best(&self) -> &Header {
        &self.best
    }

    /// Hash of block 0.
    pub(crate) fn genesis_hash(&self) -> Hash {
        self.genesis_hash
    }

    /// Makes the next block at `now` (milliseconds since 1970), out of those of
    /// `offered` that are valid and fit, in their order. Its timestamp is later if
    /// the chain's minimum period asks for it. When this returns, the block is
    /// final and on the disk; when it fails, nothing has changed.
    pub(crate) fn seal(
        &mut self,
        now: u64,
        offered: &[Arc<Transaction>],
    ) -> Result<Sealed, SealError> {
        let state = self.store.state(self.best.number)?;
        let mut block = state.execute();

        let (timestamp, slot, set_id) = block.run(|| timing(now))?;
        let number = self.best.number + 1;
        let header = Header::new(
            number,
            Hash::zero(),
            Hash::zero(),
            self.best.hash(),
            Digest {
                logs: vec![
                    <DigestItem as CompatibleDigestItem<AuraSignature>>::aura_pre_digest(slot),
                ],
            },
        );
        block.run(|| Executive::initialize_block(&header))?;

        let mut body = Vec::new();
        for inherent in inherents(&mut block, timestamp)? {
            let applied = apply(&mut block, inherent.clone())?;
            if !matches!(applied, Ok(Ok(()))) {
                return Err(SealError::Inherent(applied));
            }
            body.push(OpaqueExtrinsic::from(inherent));
        }
        let outcomes = apply_all(&mut block, offered, &mut body);

        let mut header = block.run(Executive::finalize_block)?;
        let outbound = block.get(&self.outbound_key)?.unwrap_or_default();
        let (_, nodes) = block.finish()?;

        self.authority.seal(&mut header);
        let hash = header.hash();
        let justification = self.authority.justify(&header, set_id).encode();
        self.store.commit(NewBlock {
            header: &header,
            hash,
            body: &body,
            justification: Some(&justification),
            outbound: &outbound,
            nodes,
        })?;
        self.best = header.clone();
        Ok(Sealed {
            header,
            hash,
            outcomes,
        })
    }
}

/// The next block's timestamp, its slot, and the set of authorities that
/// finalises it. Runs inside the state of the block before.
fn timing(now: u64) -> (u64, Slot, SetId) {
    let last = pallet_timestamp::Now::<Runtime>::get();
    let earliest = last.saturating_add(phat_runtime::timing::MinimumPeriod::<Runtime>::get());
    let timestamp = now.max(earliest);
    let slot_duration =
        SlotDuration::from_millis(phat_runtime::timing::SlotDuration::<Runtime>::get());
    (
        timestamp,
        Slot::from_timestamp(timestamp.into(), slot_duration),
        pallet_grandpa::CurrentSetId::<Runtime>::get(),
    )
}

fn inherents<S: TrieBackendStorage<BlakeTwo256>>(
    block: &mut Execution<'_, S>,
    timestamp: u64,
) -> Result<Vec<UncheckedExtrinsic>, SealError> {
    let mut data = InherentData::new();
    data.put_data(sp_timestamp::INHERENT_IDENTIFIER, &timestamp)
        .expect("the timestamp is put once, and integers always encode");
    let answer = block.run(|| {
        phat_runtime::apis::api::dispatch("BlockBuilder_inherent_extrinsics", &data.encode())
    })?;
    let inherents: Vec<UncheckedExtrinsic> =
        Decode::decode(&mut answer.unwrap_or_default().as_slice()).map_err(SealError::Answer)?;
    // In the format that clients of any age can decode.
    let legacy =
        |inherent: UncheckedExtrinsic| UncheckedExtrinsic::new_bare_legacy(inherent.function);
    Ok(inherents.into_iter().map(legacy).collect())
}

fn apply<S: TrieBackendStorage<BlakeTwo256>>(
    block: &mut Execution<'_, S>,
    extrinsic: UncheckedExtrinsic,
) -> Result<ApplyExtrinsicResult, RuntimePanic> {
    block.run_unless(|| Executive::apply_extrinsic(extrinsic), Result::is_err)
}

/// Why a transaction cannot be in a block, in words; a pallet's own reason has a
/// number alone.
pub(crate) fn reason(error: TransactionValidityError) -> String {
    match error {
        TransactionValidityError::Invalid(InvalidTransaction::Custom(code)) => {
            format!("custom error {code}")
        }
        error => <&str>::from(error).to_owned(),
    }
}

/// Applies what fits of `offered` and adds it to `body`.
fn apply_all<S: TrieBackendStorage<BlakeTwo256>>(
    block: &mut Execution<'_, S>,
    offered: &[Arc<Transaction>],
    body: &mut Vec<OpaqueExtrinsic>,
) -> Vec<Outcome> {
    let mut misfits = 0;
    let mut included = 0;
    offered
        .iter()
        .map(|transaction| {
            if misfits >= MISFITS_PER_BLOCK {
                return Outcome::Deferred;
            }
            match apply(block, transaction.extrinsic.clone()) {
                Ok(Ok(_)) => {
                    included += 1;
                    body.push(OpaqueExtrinsic::from(transaction.extrinsic.clone()));
                    Outcome::Included
                }
                // What does not fit into an empty block never will.
                Ok(Err(error)) if error.exhausted_resources() && included > 0 => {
                    misfits += 1;
                    Outcome::Deferred
                }
                Ok(Err(TransactionValidityError::Invalid(InvalidTransaction::Future))) => {
                    Outcome::Premature
                }
                Ok(Err(error)) => Outcome::Invalid(reason(error)),
                Err(panic) => Outcome::Invalid(panic.to_string()),
            }
        })
        .collect()
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
