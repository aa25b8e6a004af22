//! Who there is: workers with their evidence and endpoints, gatekeepers, and the public keys of
//! clusters and contracts.
//!
//! A worker is registered by its operator, who hands in evidence that binds the worker's key, the
//! operator, the program's measurement and a recent block of this very chain. There is one way to
//! verify it, [`phat_attestation::verify`], and no way around it. Evidence of the *software* kind is
//! accepted only where the genesis names a development root. The operator of a worker stays the same:
//! evidence stays good for a while, so if a renewal could change the operator, each of two could take
//! the worker from the other with evidence made before.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

use polkadot_sdk::{frame_support, frame_system, sp_runtime};

use frame_support::pallet_prelude::*;
use pallet_phat_messages::{OnReport, Reporters};
use phat_attestation::{Evidence, EvidenceError, Policy};
use phat_primitives::{
    AccountId as RawAccount, ClusterId, ContractId, Hash, WorkerId,
    limits::{MAX_EVIDENCE_AGE, MAX_EVIDENCE_LEN, MAX_GATEKEEPERS},
    message::Message,
    report::Payload,
};
use sp_runtime::traits::UniqueSaturatedInto;

mod endpoint;
mod gatekeepers;

pub use endpoint::{Endpoint, VersionedEndpoints};
pub use gatekeepers::Gatekeeper;
pub use pallet::*;

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

/// What the chain knows of a worker.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct WorkerInfo<AccountId, BlockNumber> {
    /// Who runs it, as its evidence says.
    pub operator: AccountId,
    /// Measurement of the program it runs.
    pub measurement: [u8; 32],
    /// How far its evidence can be trusted: smaller is better, see
    /// [`phat_attestation::Verified::confidence`].
    pub confidence: u8,
    /// Block in which its evidence was last accepted.
    pub attested_at: BlockNumber,
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
        pallet_phat_messages::Config<AccountId: Into<[u8; 32]> + From<[u8; 32]>>
        + polkadot_sdk::frame_system::Config<RuntimeEvent: From<Event<Self>>>
    {
    }

    /// Registered workers.
    #[pallet::storage]
    pub type Workers<T: Config> =
        StorageMap<_, Blake2_128Concat, WorkerId, WorkerInfo<T::AccountId, BlockNumberFor<T>>>;

    /// Where workers can be reached.
    #[pallet::storage]
    pub type Endpoints<T: Config> = StorageMap<_, Blake2_128Concat, WorkerId, VersionedEndpoints>;

    /// The workers that hold the network's master keys, in the order in which they were elected.
    #[pallet::storage]
    pub type Gatekeepers<T: Config> =
        StorageValue<_, BoundedVec<Gatekeeper, ConstU32<MAX_GATEKEEPERS>>, ValueQuery>;

    /// Number of generations of the master key, with the one that is being made.
    #[pallet::storage]
    pub type MasterGenerations<T: Config> = StorageValue<_, u32, ValueQuery>;

    /// Public half of the master key of each generation that has been made.
    #[pallet::storage]
    pub type MasterKeys<T: Config> = StorageMap<_, Twox64Concat, u32, [u8; 32]>;

    /// Who is to make the master key of the last generation, until it is there.
    #[pallet::storage]
    pub type MasterKeyMaker<T: Config> = StorageValue<_, WorkerId>;

    /// Public half of the newest master key.
    #[pallet::storage]
    pub type GatekeeperMasterPubkey<T: Config> = StorageValue<_, [u8; 32]>;

    /// Public keys of clusters.
    #[pallet::storage]
    pub type ClusterKeys<T: Config> = StorageMap<_, Blake2_128Concat, ClusterId, [u8; 32]>;

    /// Public keys of contracts: commands are encrypted to them.
    #[pallet::storage]
    pub type ContractKeys<T: Config> = StorageMap<_, Blake2_128Concat, ContractId, [u8; 32]>;

    /// Measurements of programs that may be registered.
    #[pallet::storage]
    pub type Measurements<T: Config> = StorageMap<_, Blake2_128Concat, [u8; 32], ()>;

    /// The root under which software evidence is accepted. Set by the genesis or never.
    #[pallet::storage]
    pub type DevelopmentRoot<T: Config> = StorageValue<_, [u8; 32]>;

    /// What the registry starts with.
    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// The root under which software evidence is accepted; `None` on a network that is worth
        /// something.
        pub development_root: Option<[u8; 32]>,
        /// Measurements of programs that may be registered.
        pub measurements: alloc::vec::Vec<[u8; 32]>,
        #[serde(skip)]
        #[allow(missing_docs, reason = "only ties the type to its parameter")]
        pub _config: core::marker::PhantomData<T>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            if let Some(root) = self.development_root {
                DevelopmentRoot::<T>::put(root);
            }
            for measurement in &self.measurements {
                Measurements::<T>::insert(measurement, ());
            }
        }
    }

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A worker was registered, or its evidence renewed.
        WorkerRegistered {
            worker: WorkerId,
            operator: T::AccountId,
            confidence: u8,
        },
        /// A worker has new endpoints.
        EndpointsUpdated { worker: WorkerId },
        /// A worker is a gatekeeper from now on.
        GatekeeperAdded { worker: WorkerId },
        /// A worker is no gatekeeper any more.
        GatekeeperRemoved { worker: WorkerId },
        /// A gatekeeper was asked to make the master key of a new generation.
        MasterKeyWanted { generation: u32, maker: WorkerId },
        /// A gatekeeper has made a master key.
        MasterKeyAvailable { generation: u32, public: [u8; 32] },
        /// A gatekeeper was sent the master keys.
        MasterKeysDelivered { worker: WorkerId },
        /// Programs of this measurement may be registered from now on.
        MeasurementAllowed { measurement: [u8; 32] },
        /// Programs of this measurement may not be registered any more.
        MeasurementRevoked { measurement: [u8; 32] },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// Software evidence is not accepted on this chain: its genesis names no development root.
        SoftwareEvidenceNotAccepted,
        /// The evidence's signature does not fit its claims: make it again.
        EvidenceSignature,
        /// The evidence was made for another chain.
        EvidenceForOtherChain,
        /// The evidence names a block that this chain does not have or does not remember.
        EvidenceBlockUnknown,
        /// The evidence is too old: make new evidence and send it at once.
        EvidenceTooOld,
        /// The program's measurement is not on the list of those allowed.
        MeasurementNotAllowed,
        /// The evidence names another operator than the sender, or the worker is registered by
        /// another: send it from the operator's account.
        NotOperator,
        /// The evidence is larger than evidence may be.
        EvidenceTooLarge,
        /// No such worker is registered.
        WorkerNotFound,
        /// The worker is a gatekeeper already.
        GatekeeperExists,
        /// Only a gatekeeper may report this, or be removed from their number.
        NotGatekeeper,
        /// The key differs from the one that is known.
        KeyMismatch,
        /// The evidence is signed by another development root than the one in the chain's genesis.
        EvidenceWrongRoot,
        /// There are as many gatekeepers as there may be: remove one first.
        TooManyGatekeepers,
        /// No other gatekeeper holds all master keys: they would be lost. Wait until they have been
        /// delivered to another one.
        LastGatekeeper,
        /// A master key is being made: wait until it is there.
        MasterKeyUnderWay,
        /// There are as many generations of the master key as there may be.
        TooManyGenerations,
        /// No gatekeeper holds all master keys.
        NoMasterKey,
        /// Nobody has asked this worker for this key.
        NotWanted,
    }

    impl<T> From<EvidenceError> for Error<T> {
        fn from(error: EvidenceError) -> Self {
            match error {
                EvidenceError::NotAcceptedHere => Self::SoftwareEvidenceNotAccepted,
                EvidenceError::WrongRoot => Self::EvidenceWrongRoot,
                EvidenceError::BadSignature => Self::EvidenceSignature,
                EvidenceError::WrongChain => Self::EvidenceForOtherChain,
                EvidenceError::UnknownBlock => Self::EvidenceBlockUnknown,
                EvidenceError::TooOld => Self::EvidenceTooOld,
                EvidenceError::UnknownMeasurement => Self::MeasurementNotAllowed,
            }
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn integrity_test() {
            assert!(
                T::BlockHashCount::get() > BlockNumberFor::<T>::from(MAX_EVIDENCE_AGE),
                "the chain must remember the hash of every block that evidence may name"
            );
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Registers a worker, or renews its evidence. Sent by the operator that the evidence names.
        #[pallet::call_index(0)]
        #[pallet::weight(weights::register(evidence.encoded_size(), T::DbWeight::get()))]
        pub fn register_worker(
            origin: OriginFor<T>,
            evidence: alloc::boxed::Box<Evidence>,
            endpoints: VersionedEndpoints,
        ) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            ensure!(
                evidence.encoded_size() <= MAX_EVIDENCE_LEN as usize,
                Error::<T>::EvidenceTooLarge
            );
            let now = frame_system::Pallet::<T>::block_number();
            let policy = Policy {
                genesis: frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero()),
                accepted_root: DevelopmentRoot::<T>::get(),
                current_block: now.unique_saturated_into(),
                max_age: MAX_EVIDENCE_AGE,
                block_hash: |number: u32| {
                    let hash =
                        frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::from(number));
                    (hash != Hash::zero()).then_some(hash)
                },
                measurement_allowed: |measurement: &[u8; 32]| {
                    Measurements::<T>::contains_key(measurement)
                },
            };
            let verified =
                phat_attestation::verify(&evidence, &policy).map_err(Error::<T>::from)?;
            let sender = RawAccount(operator.clone().into());
            ensure!(verified.operator == Some(sender), Error::<T>::NotOperator);
            let worker = verified.worker;
            let confidence = verified.confidence;
            if let Some(known) = Workers::<T>::get(worker) {
                ensure!(known.operator == operator, Error::<T>::NotOperator);
            }
            Workers::<T>::insert(
                worker,
                WorkerInfo {
                    operator: operator.clone(),
                    measurement: verified.measurement,
                    confidence,
                    attested_at: now,
                },
            );
            Endpoints::<T>::insert(worker, endpoints);
            Self::deposit_event(Event::WorkerRegistered {
                worker,
                operator,
                confidence,
            });
            Ok(())
        }

        /// Changes the endpoints of a worker. Sent by its operator.
        #[pallet::call_index(1)]
        #[pallet::weight(T::DbWeight::get().reads_writes(1, 1))]
        pub fn update_endpoints(
            origin: OriginFor<T>,
            worker: WorkerId,
            endpoints: VersionedEndpoints,
        ) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            let info = Workers::<T>::get(worker).ok_or(Error::<T>::WorkerNotFound)?;
            ensure!(info.operator == operator, Error::<T>::NotOperator);
            Endpoints::<T>::insert(worker, endpoints);
            Self::deposit_event(Event::EndpointsUpdated { worker });
            Ok(())
        }

        /// Makes a registered worker a gatekeeper. The first one is asked to make the network's master
        /// key; a later one is sent the keys by another. Root only.
        #[pallet::call_index(2)]
        #[pallet::weight(T::DbWeight::get().reads_writes(6, 6))]
        pub fn add_gatekeeper(origin: OriginFor<T>, worker: WorkerId) -> DispatchResult {
            ensure_root(origin)?;
            Self::elect(worker)
        }

        /// Allows programs of this measurement to be registered. Root only.
        #[pallet::call_index(3)]
        #[pallet::weight(T::DbWeight::get().writes(1))]
        pub fn allow_measurement(origin: OriginFor<T>, measurement: [u8; 32]) -> DispatchResult {
            ensure_root(origin)?;
            Measurements::<T>::insert(measurement, ());
            Self::deposit_event(Event::MeasurementAllowed { measurement });
            Ok(())
        }

        /// Refuses programs of this measurement from now on. Root only.
        #[pallet::call_index(4)]
        #[pallet::weight(T::DbWeight::get().writes(1))]
        pub fn revoke_measurement(origin: OriginFor<T>, measurement: [u8; 32]) -> DispatchResult {
            ensure_root(origin)?;
            Measurements::<T>::remove(measurement);
            Self::deposit_event(Event::MeasurementRevoked { measurement });
            Ok(())
        }

        /// Takes a worker from the gatekeepers. What it knows it cannot be made to forget, so a master
        /// key of a new generation is made, for the clusters created and the transport keys rotated
        /// from then on. Root only.
        #[pallet::call_index(20)]
        #[pallet::weight(T::DbWeight::get().reads_writes(6, 6))]
        pub fn remove_gatekeeper(origin: OriginFor<T>, worker: WorkerId) -> DispatchResult {
            ensure_root(origin)?;
            Self::dismiss(worker)
        }

        /// Has a master key of a new generation made. The old ones are kept: the clusters that come
        /// from them keep their root keys for life. If a key has been asked for and its maker does not
        /// answer, another gatekeeper is asked. Root only.
        #[pallet::call_index(21)]
        #[pallet::weight(T::DbWeight::get().reads_writes(6, 6))]
        pub fn rotate_master_key(origin: OriginFor<T>) -> DispatchResult {
            ensure_root(origin)?;
            Self::rotate()
        }
    }

    impl<T: Config> Pallet<T> {
        /// Remembers the public key of a cluster. The first word counts: a key is for life.
        pub fn set_cluster_key(cluster: ClusterId, public: [u8; 32]) -> DispatchResult {
            match ClusterKeys::<T>::get(cluster) {
                Some(known) => ensure!(known == public, Error::<T>::KeyMismatch),
                None => ClusterKeys::<T>::insert(cluster, public),
            }
            Ok(())
        }
    }

    impl<T: Config> OnReport for Pallet<T> {
        fn on_payload(worker: &WorkerId, payload: &Payload) -> DispatchResult {
            match payload {
                Payload::MasterKey { generation, public } => {
                    Self::on_master_key(worker, *generation, *public)
                }
                Payload::MasterKeys(keys) => Self::on_master_keys(worker, keys.clone()),
                _ => Ok(()),
            }
        }

        fn weight(payload: &Payload) -> Weight {
            match payload {
                Payload::MasterKey { .. } | Payload::MasterKeys(_) => {
                    T::DbWeight::get().reads_writes(8, 8)
                }
                _ => Weight::zero(),
            }
        }
    }

    impl<T: Config> Reporters for Pallet<T> {
        fn is_registered(worker: &WorkerId) -> bool {
            Workers::<T>::contains_key(worker)
        }

        fn is_gatekeeper(worker: &WorkerId) -> bool {
            Gatekeepers::<T>::get()
                .iter()
                .any(|known| known.worker == *worker)
        }
    }
}

/// Weights: upper bounds from counting what is read and written.
mod weights {
    use super::*;
    use frame_support::weights::RuntimeDbWeight;

    /// Verifying evidence: a signature for software evidence, and room for the certificate chains of
    /// hardware quotes, in picoseconds.
    const VERIFY: u64 = 5_000_000_000;
    /// Hashing and decoding one byte, in picoseconds.
    const PER_BYTE: u64 = 3_000;

    pub(crate) fn register(evidence_len: usize, db: RuntimeDbWeight) -> Weight {
        let bytes = (evidence_len as u64).saturating_mul(PER_BYTE);
        Weight::from_parts(VERIFY.saturating_add(bytes), 0).saturating_add(db.reads_writes(5, 2))
    }
}
