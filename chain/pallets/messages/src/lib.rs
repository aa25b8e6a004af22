//! Messages between the chain and the workers.
//!
//! **Chain → workers.** Other pallets [`push`](Pallet::push) messages. At the end of a block they are
//! written, with the block's time, as one [`Outbound`] value under a well-known storage key, and its
//! hash is put into the header's digest: a worker that trusts the header can check them wherever it
//! got them from. They are gone from the state with the next block.
//!
//! **Workers → chain.** A worker signs a [`SignedReport`] and numbers it. Reports cost no fee: what
//! authorises them is the signature of a registered worker and the next number in turn, so each is
//! accepted once and a stranger cannot send any. A report must be the next one at the moment it is
//! checked, so a transaction pool never holds more than one of each worker: that is what a worker
//! can make a block carry for nothing. What is in reports is handled by the pallets that the runtime
//! names in [`Config::OnReport`].

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

use polkadot_sdk::{frame_support, frame_system, sp_runtime};

use alloc::vec::Vec;
use frame_support::{pallet_prelude::*, traits::UnixTime};
use phat_crypto::contexts;
use phat_primitives::{
    Hash, MessageNumber, WorkerId,
    credit::CreditReport,
    limits::{
        MAX_CREDIT_LINES, MAX_EVIDENCE_LEN, MAX_MASTER_GENERATIONS, MAX_MESSAGES_PER_BLOCK,
        MAX_OUTBOUND_LEN, MAX_PENDING_WITHDRAWALS, MAX_REPORT_HEARTBEATS, MAX_REPORT_PAYLOADS,
        MAX_TRANSPORT_CHAINS,
    },
    message::{DIGEST_ENGINE, Message, OUTBOUND_KEY, Outbound},
    report::{Payload, SignedReport},
};

pub mod weights;

pub use pallet::*;

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

/// Bytes that the messages of one block may have: what [`MAX_OUTBOUND_LEN`] leaves beside the time,
/// the first number and the length prefix of the list (of at most four bytes), since workers hold
/// the whole [`Outbound`] value to that limit.
pub const MAX_MESSAGES_LEN: u32 = MAX_OUTBOUND_LEN - (8 + 8 + 4);

/// Handles what workers report. Each implementation takes the payloads that are its own and leaves
/// the others alone.
pub trait OnReport {
    /// Handles one payload of a registered worker. An error is shown in an event and undoes nothing
    /// but this payload.
    fn on_payload(worker: &WorkerId, payload: &Payload) -> DispatchResult;

    /// Most that [`OnReport::on_payload`] costs for this payload, whatever comes of it.
    fn weight(payload: &Payload) -> Weight;

    /// Whether somebody waits for what this payload changes, so that a block should be made for it. It
    /// must become false by taking the payload, or workers could make blocks as fast as they report.
    fn is_urgent(_worker: &WorkerId, _payload: &Payload) -> bool {
        false
    }

    /// Most that [`OnReport::is_urgent`] costs for this payload.
    fn urgency_weight(_payload: &Payload) -> Weight {
        Weight::zero()
    }
}

#[impl_trait_for_tuples::impl_for_tuples(5)]
impl OnReport for Tuple {
    fn on_payload(worker: &WorkerId, payload: &Payload) -> DispatchResult {
        for_tuples!( #( Tuple::on_payload(worker, payload)?; )* );
        Ok(())
    }

    fn weight(payload: &Payload) -> Weight {
        let mut weight = Weight::zero();
        for_tuples!( #( weight = weight.saturating_add(Tuple::weight(payload)); )* );
        weight
    }

    fn is_urgent(worker: &WorkerId, payload: &Payload) -> bool {
        let mut urgent = false;
        for_tuples!( #( urgent = urgent || Tuple::is_urgent(worker, payload); )* );
        urgent
    }

    fn urgency_weight(payload: &Payload) -> Weight {
        let mut weight = Weight::zero();
        for_tuples!( #( weight = weight.saturating_add(Tuple::urgency_weight(payload)); )* );
        weight
    }
}

/// Tells which workers may report.
pub trait Reporters {
    /// Whether this worker is registered.
    fn is_registered(worker: &WorkerId) -> bool;
    /// Whether this worker is a gatekeeper: others wait for the keys that it reports.
    fn is_gatekeeper(worker: &WorkerId) -> bool;
}

#[frame_support::pallet]
#[allow(
    missing_docs,
    reason = "the macros of FRAME generate undocumented items"
)]
pub mod pallet {
    use super::*;
    use frame_system::pallet_prelude::*;

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config:
        polkadot_sdk::frame_system::Config<RuntimeEvent: From<Event<Self>>, Hash = Hash>
    {
        /// The time that the workers are told.
        type Time: UnixTime;
        /// Who may report.
        type Reporters: Reporters;
        /// Who handles the reports.
        type OnReport: OnReport;
    }

    /// Messages pushed so far in this block. Empty between blocks. Bounded by
    /// [`MAX_MESSAGES_PER_BLOCK`] and [`MAX_MESSAGES_LEN`], which no type can say of it.
    #[pallet::storage]
    #[pallet::unbounded]
    pub type Pending<T> = StorageValue<_, Vec<Message>, ValueQuery>;

    /// Number and bytes of the messages in [`Pending`], kept beside it so that it need not be read.
    #[pallet::storage]
    pub type PendingSize<T> = StorageValue<_, (u32, u32), ValueQuery>;

    /// Number of the next message.
    #[pallet::storage]
    pub type NextMessage<T> = StorageValue<_, MessageNumber, ValueQuery>;

    /// Number of the next report that is accepted of a worker. Workers read it with a storage proof,
    /// so name and hasher are part of the wire format.
    #[pallet::storage]
    pub type NextReport<T> = StorageMap<_, Identity, WorkerId, u64, ValueQuery>;

    /// Hash of the last report that was accepted of a worker. Workers read it with a storage proof, so
    /// name and hasher are part of the wire format.
    #[pallet::storage]
    pub type LastReport<T> = StorageMap<_, Identity, WorkerId, Hash>;

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A message to the workers was queued under this number. The receipt of a command has the
        /// same number.
        MessageQueued { number: MessageNumber },
        /// A payload of a report was refused.
        PayloadRefused {
            worker: WorkerId,
            index: u32,
            error: DispatchError,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// This block holds as many messages as it may: try again in the next one.
        BlockFull,
        /// The message alone is larger than the messages of a block may be.
        MessageTooLarge,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            // The messages of the last block leave the state here, and not where they were written,
            // so that the state after each block proves them.
            frame_support::storage::unhashed::kill(OUTBOUND_KEY);
            // What `on_finalize` reads and writes is charged here: it has no weight of its own.
            weights::block::<T>()
        }

        fn on_finalize(_: BlockNumberFor<T>) {
            let messages = Pending::<T>::take();
            PendingSize::<T>::kill();
            let first = NextMessage::<T>::get().saturating_sub(messages.len() as u64);
            let now_ms = u64::try_from(T::Time::now().as_millis()).unwrap_or(u64::MAX);
            let outbound = Outbound {
                now_ms,
                first,
                messages,
            };
            frame_support::storage::unhashed::put(OUTBOUND_KEY, &outbound);
            frame_system::Pallet::<T>::deposit_log(sp_runtime::DigestItem::Consensus(
                DIGEST_ENGINE,
                outbound.hash().0.to_vec(),
            ));
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Takes a worker's report. Nobody pays for it: see the module's documentation.
        #[pallet::call_index(0)]
        #[pallet::weight(weights::submit::<T>(&signed.report.payloads))]
        #[pallet::authorize(Pallet::<T>::authorize_report)]
        #[pallet::weight_of_authorize(weights::authorize::<T>(signed))]
        pub fn submit(origin: OriginFor<T>, signed: SignedReport) -> DispatchResult {
            ensure_authorized(origin)?;
            let report = signed.report;
            NextReport::<T>::insert(report.worker, report.sequence.saturating_add(1));
            LastReport::<T>::insert(report.worker, report.hash());
            for (index, payload) in report.payloads.iter().enumerate() {
                // Each payload stands for itself: one that is refused must not undo the others, nor
                // the number, or the same report could be sent for ever.
                let handled = frame_support::storage::with_storage_layer(|| {
                    T::OnReport::on_payload(&report.worker, payload)
                });
                if let Err(error) = handled {
                    Self::deposit_event(Event::PayloadRefused {
                        worker: report.worker,
                        index: index as u32,
                        error,
                    });
                }
            }
            Ok(())
        }
    }

    impl<T: Config> Pallet<T> {
        /// Queues a message to the workers and returns its number.
        pub fn push(message: Message) -> Result<MessageNumber, DispatchError> {
            let size = u32::try_from(message.encoded_size()).unwrap_or(u32::MAX);
            ensure!(size <= MAX_MESSAGES_LEN, Error::<T>::MessageTooLarge);
            let (count, bytes) = PendingSize::<T>::get();
            let total = bytes.saturating_add(size);
            ensure!(
                count < MAX_MESSAGES_PER_BLOCK && total <= MAX_MESSAGES_LEN,
                Error::<T>::BlockFull
            );
            let number = NextMessage::<T>::get();
            Pending::<T>::append(message);
            PendingSize::<T>::put((count.saturating_add(1), total));
            NextMessage::<T>::put(number.saturating_add(1));
            Self::deposit_event(Event::MessageQueued { number });
            Ok(number)
        }

        /// Whether a report keeps the limits. It is asked before anything is done with a report that
        /// grows with its length, because whoever sent it pays nothing.
        fn keeps_limits(payloads: &[Payload]) -> bool {
            let withdrawals = |payload: &Payload| match payload {
                Payload::Heartbeat(heartbeat) => heartbeat.withdrawals.len(),
                _ => 0,
            };
            let keys = |payload: &Payload| match payload {
                Payload::ClusterKey { delivery, .. } => {
                    delivery.transport.len() <= MAX_TRANSPORT_CHAINS as usize
                }
                Payload::MasterKeys(keys) => keys.keys.len() <= MAX_MASTER_GENERATIONS as usize,
                _ => true,
            };
            let heartbeats = payloads
                .iter()
                .filter(|payload| matches!(payload, Payload::Heartbeat(_)));
            // Evidence costs as much as all else that may be in a report, so it comes alone.
            let evidence = |payload: &Payload| match payload {
                Payload::Evidence(bytes) => {
                    payloads.len() == 1 && bytes.len() <= MAX_EVIDENCE_LEN as usize
                }
                _ => true,
            };
            let credits = payloads.iter().filter_map(|payload| match payload {
                Payload::Credit(report) => Some(report),
                _ => None,
            });
            let few = |report: &CreditReport| {
                report.slices.len() <= MAX_CREDIT_LINES as usize
                    && report.wanted.len() <= MAX_CREDIT_LINES as usize
            };
            payloads.len() <= MAX_REPORT_PAYLOADS as usize
                && credits.clone().count() <= 1
                && credits.clone().all(few)
                && heartbeats.count() <= MAX_REPORT_HEARTBEATS as usize
                && payloads.iter().all(evidence)
                && payloads.iter().map(withdrawals).sum::<usize>()
                    <= MAX_PENDING_WITHDRAWALS as usize
                && payloads.iter().all(keys)
        }

        /// Decides whether a report may enter a block: it is meant for this chain, keeps the limits,
        /// comes from a registered worker, is the next of that worker, and is signed by it.
        fn authorize_report(
            _source: TransactionSource,
            signed: &SignedReport,
        ) -> TransactionValidityWithRefund {
            let report = &signed.report;
            if report.genesis != frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero())
            {
                return Err(InvalidTransaction::Custom(refusal::OTHER_CHAIN).into());
            }
            if !Self::keeps_limits(&report.payloads) {
                return Err(InvalidTransaction::Custom(refusal::TOO_LARGE).into());
            }
            if !T::Reporters::is_registered(&report.worker) {
                return Err(InvalidTransaction::Custom(refusal::NOT_REGISTERED).into());
            }
            let next = NextReport::<T>::get(report.worker);
            if report.sequence < next {
                return Err(InvalidTransaction::Stale.into());
            }
            if report.sequence > next {
                return Err(InvalidTransaction::Future.into());
            }
            let genuine = phat_crypto::verify(
                &report.worker.0,
                contexts::REPORT,
                &report.encode(),
                &signed.signature,
            );
            if !genuine {
                return Err(InvalidTransaction::BadProof.into());
            }
            let carries_key = report.payloads.iter().any(|payload| {
                !matches!(
                    payload,
                    Payload::Heartbeat(_) | Payload::Evidence(_) | Payload::Credit(_)
                )
            });
            let urgent = carries_key && T::Reporters::is_gatekeeper(&report.worker)
                || report
                    .payloads
                    .iter()
                    .any(|payload| T::OnReport::is_urgent(&report.worker, payload));
            let validity = ValidTransaction {
                // Hosts that seal on demand do so for transactions of a priority above zero: a
                // heartbeat alone must never cause the block that causes the next heartbeat, nor may
                // any worker make blocks as fast as it can report. An urgent report takes the place of
                // one of the same number that waits.
                priority: u64::from(urgent),
                requires: Vec::new(),
                provides: alloc::vec![(b"report", report.worker, report.sequence).encode()],
                longevity: 64,
                propagate: true,
            };
            Ok((validity, Weight::zero()))
        }
    }
}

/// Why a report is refused, as the custom code of an invalid transaction.
pub mod refusal {
    /// It is meant for another chain.
    pub const OTHER_CHAIN: u8 = 1;
    /// The worker is not registered.
    pub const NOT_REGISTERED: u8 = 2;
    /// It has too many payloads or heartbeats, more withdrawals or keys than there can be, or evidence
    /// that is too long or not alone.
    pub const TOO_LARGE: u8 = 3;
}
