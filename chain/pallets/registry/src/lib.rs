//! Who there is: workers with their evidence and endpoints, gatekeepers, and the public keys of
//! clusters and contracts.
//!
//! A worker is registered by its operator, who hands in evidence that binds the worker's key, the
//! operator, the program's measurement and a recent block of this very chain. There is one way to
//! verify it, [`phat_attestation::verify`], and no way around it. Evidence of the *software* kind is
//! accepted only where the genesis names a development root. The operator of a worker stays the same:
//! evidence stays good for a while, so if a renewal could change the operator, each of two could take
//! the worker from the other with evidence made before.
//!
//! # In service and out of it
//!
//! Evidence is believed until it expires, see [`phat_attestation::Verified::expires_ms`]. Until then the
//! worker is *in service*. It renews by itself, with a report ([`Payload::Evidence`]), or its operator
//! registers it again; evidence that names the same block as the last one, or an older one, is a
//! replay and refused. A worker whose evidence expires, or whose program is revoked, *lapses*: it
//! stays registered and may report, but other pallets take away what it had ([`OnService`]) until it
//! has renewed. At most [`MAX_LAPSES_PER_BLOCK`] lapse in a block, so each may stay a few blocks longer.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

use polkadot_sdk::{frame_support, frame_system, sp_runtime};

use frame_support::{pallet_prelude::*, storage::with_storage_layer, traits::UnixTime};
use pallet_phat_messages::{OnReport, Reporters};
use phat_attestation::{Evidence, EvidenceError, Policy, Verified};
use phat_primitives::{
    AccountId as RawAccount, ClusterId, ContractId, Hash, WorkerId,
    limits::{
        MAX_ADVISORY_LEN, MAX_EVIDENCE_AGE, MAX_EVIDENCE_LEN, MAX_EVIDENCE_LIFE_MS,
        MAX_GATEKEEPERS, MAX_LAPSES_PER_BLOCK,
    },
    message::Message,
    report::Payload,
};
use sp_runtime::traits::UniqueSaturatedInto;

mod endpoint;
mod gatekeepers;
mod service;
mod weights;

pub use endpoint::{Endpoint, VersionedEndpoints};
pub use gatekeepers::Gatekeeper;
pub use pallet::*;

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

/// The name of one of Intel's advisories.
pub type Advisory = BoundedVec<u8, ConstU32<MAX_ADVISORY_LEN>>;

fn capitals(mut advisory: Advisory) -> Advisory {
    advisory.as_mut().make_ascii_uppercase();
    advisory
}

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
    /// The block that this evidence names. The next one must name a later block.
    pub evidence_block: BlockNumber,
    /// Performance score that the program has measured, see
    /// [`phat_attestation::Claims::performance`].
    pub performance: u64,
}

/// Since when and until when a worker is in service, in milliseconds since the Unix epoch. Workers
/// read it with a storage proof, so that it is part of the wire format.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct ServiceTime {
    /// When its evidence was accepted.
    pub since_ms: u64,
    /// When it expires.
    pub expires_ms: u64,
}

/// Why a worker went out of service.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum LapseCause {
    /// Its evidence expired.
    Expired,
    /// The program that it runs may not run any more.
    Revoked,
}

/// What follows when a worker goes out of service or comes back.
pub trait OnService {
    /// The worker is out of service. An error keeps it in service until the next block.
    fn lapsed(worker: &WorkerId) -> DispatchResult;

    /// The worker is in service, and was not before. An error refuses its evidence.
    fn returned(worker: &WorkerId) -> DispatchResult;

    /// Most that either of them costs.
    fn weight() -> Weight;
}

#[impl_trait_for_tuples::impl_for_tuples(5)]
impl OnService for Tuple {
    fn lapsed(worker: &WorkerId) -> DispatchResult {
        for_tuples!( #( Tuple::lapsed(worker)?; )* );
        Ok(())
    }

    fn returned(worker: &WorkerId) -> DispatchResult {
        for_tuples!( #( Tuple::returned(worker)?; )* );
        Ok(())
    }

    fn weight() -> Weight {
        let mut weight = Weight::zero();
        for_tuples!( #( weight = weight.saturating_add(Tuple::weight()); )* );
        weight
    }
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
        /// What follows when a worker goes out of service or comes back.
        type OnService: OnService;
    }

    /// Registered workers. Workers look with a storage proof whether they are, so name and hasher are
    /// part of the wire format.
    #[pallet::storage]
    pub type Workers<T: Config> =
        StorageMap<_, Blake2_128Concat, WorkerId, WorkerInfo<T::AccountId, BlockNumberFor<T>>>;

    /// Workers in service. Workers read it with a storage proof, so name and hasher are part of the
    /// wire format.
    #[pallet::storage]
    pub type InService<T> = StorageMap<_, Identity, WorkerId, ServiceTime>;

    /// The workers in service in the order in which their evidence expires: the time comes first, in
    /// big-endian bytes, and the hasher keeps the order.
    #[pallet::storage]
    pub type Expiries<T> = StorageMap<_, Identity, ([u8; 8], WorkerId), ()>;

    /// The workers in service by the program that they run.
    #[pallet::storage]
    pub type Running<T> =
        StorageDoubleMap<_, Blake2_128Concat, [u8; 32], Blake2_128Concat, WorkerId, ()>;

    /// Programs that were revoked and may have workers in service still.
    #[pallet::storage]
    pub type Revoking<T> = StorageMap<_, Blake2_128Concat, [u8; 32], ()>;

    /// Advisories of Intel, in capitals: machines that they concern are refused.
    #[pallet::storage]
    pub type RefusedAdvisories<T> = StorageMap<_, Blake2_128Concat, Advisory, ()>;

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
        /// Programs of this measurement may not be registered any more, and their workers go out of
        /// service.
        MeasurementRevoked { measurement: [u8; 32] },
        /// A worker went out of service. It comes back when it renews its evidence.
        WorkerLapsed { worker: WorkerId, cause: LapseCause },
        /// A worker renewed its evidence by itself.
        EvidenceRenewed {
            worker: WorkerId,
            confidence: u8,
            expires_ms: u64,
        },
        /// Machines that this advisory concerns are refused from now on.
        AdvisoryRefused { advisory: Advisory },
        /// Machines that this advisory concerns are judged by their level again.
        AdvisoryAccepted { advisory: Advisory },
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
        /// The quote or its collateral does not hold: the worker's log says why.
        EvidenceQuote,
        /// The quote is of another TEE than the evidence says.
        EvidenceWrongTee,
        /// The quote was not made for these claims.
        EvidenceNotBound,
        /// The hardware has measured another program than the one that is claimed.
        EvidenceOtherProgram,
        /// The collateral of the evidence has expired: fetch it again and make new evidence.
        CollateralExpired,
        /// The machine's firmware or configuration is not good enough: install the updates of its
        /// maker.
        LevelRefused,
        /// The evidence is not newer than the last one of this worker: make it anew.
        EvidenceReplayed,
        /// The bytes are no evidence.
        EvidenceMalformed,
        /// The worker is out of service: it has to renew its evidence first.
        OutOfService,
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
                EvidenceError::Quote => Self::EvidenceQuote,
                EvidenceError::WrongTee => Self::EvidenceWrongTee,
                EvidenceError::NotBound => Self::EvidenceNotBound,
                EvidenceError::MeasurementMismatch => Self::EvidenceOtherProgram,
                EvidenceError::CollateralExpired => Self::CollateralExpired,
                EvidenceError::LevelRefused => Self::LevelRefused,
            }
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        /// Takes workers out of service whose time is over or whose program was revoked. The time is
        /// that of the last block: the present one has none yet.
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            let limit = MAX_LAPSES_PER_BLOCK as usize;
            let expired = Self::lapse_expired(limit);
            let revoked = Self::lapse_revoked(limit.saturating_sub(expired));
            weights::lapses::<T>(expired.saturating_add(revoked))
        }

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
        #[pallet::weight(weights::register::<T>(evidence))]
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
            let worker = evidence.claims().worker;
            if let Some(known) = Workers::<T>::get(worker) {
                ensure!(known.operator == operator, Error::<T>::NotOperator);
            }
            let Verified { confidence, .. } = Self::accept(&evidence, &operator)?;
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
        #[pallet::weight(weights::endpoints(T::DbWeight::get()))]
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
        #[pallet::weight(weights::gatekeepers(T::DbWeight::get()))]
        pub fn add_gatekeeper(origin: OriginFor<T>, worker: WorkerId) -> DispatchResult {
            ensure_root(origin)?;
            Self::elect(worker)
        }

        /// Allows programs of this measurement to be registered. Root only.
        #[pallet::call_index(3)]
        #[pallet::weight(weights::program(T::DbWeight::get()))]
        pub fn allow_measurement(origin: OriginFor<T>, measurement: [u8; 32]) -> DispatchResult {
            ensure_root(origin)?;
            Measurements::<T>::insert(measurement, ());
            Revoking::<T>::remove(measurement);
            Self::deposit_event(Event::MeasurementAllowed { measurement });
            Ok(())
        }

        /// Refuses programs of this measurement from now on, and takes the workers that run them out
        /// of service, in the next block or, if they are many, the next blocks. Root only.
        #[pallet::call_index(4)]
        #[pallet::weight(weights::program(T::DbWeight::get()))]
        pub fn revoke_measurement(origin: OriginFor<T>, measurement: [u8; 32]) -> DispatchResult {
            ensure_root(origin)?;
            Measurements::<T>::remove(measurement);
            Revoking::<T>::insert(measurement, ());
            Self::deposit_event(Event::MeasurementRevoked { measurement });
            Ok(())
        }

        /// Refuses machines that this advisory of Intel concerns, such as `INTEL-SA-00615`, whatever
        /// their level. Workers that are in service stay until they have to renew. Root only.
        #[pallet::call_index(10)]
        #[pallet::weight(weights::advisory(T::DbWeight::get()))]
        pub fn refuse_advisory(origin: OriginFor<T>, advisory: Advisory) -> DispatchResult {
            ensure_root(origin)?;
            let advisory = capitals(advisory);
            RefusedAdvisories::<T>::insert(&advisory, ());
            Self::deposit_event(Event::AdvisoryRefused { advisory });
            Ok(())
        }

        /// Lets machines that this advisory concerns be judged by their level again. Root only.
        #[pallet::call_index(11)]
        #[pallet::weight(weights::advisory(T::DbWeight::get()))]
        pub fn accept_advisory(origin: OriginFor<T>, advisory: Advisory) -> DispatchResult {
            ensure_root(origin)?;
            let advisory = capitals(advisory);
            RefusedAdvisories::<T>::remove(&advisory);
            Self::deposit_event(Event::AdvisoryAccepted { advisory });
            Ok(())
        }

        /// Takes a worker from the gatekeepers. What it knows it cannot be made to forget, so a master
        /// key of a new generation is made, for the clusters created and the transport keys rotated
        /// from then on. Root only.
        #[pallet::call_index(20)]
        #[pallet::weight(weights::gatekeepers(T::DbWeight::get()))]
        pub fn remove_gatekeeper(origin: OriginFor<T>, worker: WorkerId) -> DispatchResult {
            ensure_root(origin)?;
            Self::dismiss(worker)
        }

        /// Has a master key of a new generation made. The old ones are kept: the clusters that come
        /// from them keep their root keys for life. If a key has been asked for and its maker does not
        /// answer, another gatekeeper is asked. Root only.
        #[pallet::call_index(21)]
        #[pallet::weight(weights::gatekeepers(T::DbWeight::get()))]
        pub fn rotate_master_key(origin: OriginFor<T>) -> DispatchResult {
            ensure_root(origin)?;
            Self::rotate()
        }
    }

    impl<T: Config> Pallet<T> {
        /// Whether the chain believes the evidence of this worker at present.
        pub fn is_in_service(worker: &WorkerId) -> bool {
            InService::<T>::contains_key(worker)
        }

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
                Payload::Evidence(bytes) => Self::renew(worker, bytes),
                _ => Ok(()),
            }
        }

        fn weight(payload: &Payload) -> Weight {
            let db = T::DbWeight::get();
            match payload {
                Payload::MasterKey { .. } => weights::master_key(db),
                Payload::MasterKeys(keys) => weights::master_keys(keys, db),
                Payload::Evidence(bytes) => weights::renew::<T>(bytes),
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
