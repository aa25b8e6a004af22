//! Clusters: environments that run contracts on a set of workers, and what is asked of them.
//!
//! This pallet runs no contract. It keeps who owns a cluster and which workers and contracts it has,
//! holds the money that is inside, checks who may ask for what, and orders it: every request becomes
//! a message to the workers. The names are those that clients of Phala know (`PhalaPhatContracts`).
//!
//! # The life of a cluster
//!
//! 1. Root stores the code of the system contract ([`Pallet::set_pink_system_code`]).
//! 2. Somebody creates a cluster with workers of their own ([`Pallet::add_cluster`]). The gatekeeper
//!    makes its key and reports it once for each worker, encrypted; the pallet passes it on as an
//!    ordered message, so a worker has the key only after the chain has accepted its evidence and
//!    assigned it.
//! 3. Its workers instantiate the system contract, and whatever is asked for from then on. For each
//!    contract they hand in a statement under the cluster's key ([`Pallet::contract_ready`]), which
//!    publishes the contract's key.
//!
//! # In private
//!
//! Code and constructor arguments can be encrypted to the cluster ([`Pallet::upload_private`],
//! [`Pallet::instantiate_private`]). The chain then knows who has sent how much, in steps, and orders
//! it. It hears of the contract only when it is there, by a statement that does not say what it is
//! made from ([`Pallet::private_contract_ready`]), so that commands to it have somewhere to go.
//!
//! # The policy of a cluster
//!
//! Its owner says who may deploy, who calls free of charge, what gives calls their weight, and which
//! contract is asked before anything is run ([`Pallet::set_policy`]). Who may deploy is decided here,
//! for code and contracts, public and private ones alike, before anything is ordered; the rest is the
//! workers' to keep to, and ordered. The call itself asks nobody, so that no policy can lock its owner
//! out.
//!
//! # Money
//!
//! What is inside a cluster is held by [`Pallet::account_of`] the cluster. Its owner puts the chain's
//! existential deposit there in the beginning, which belongs to nobody inside and keeps the account
//! alive, so that all that is inside can leave to the last unit. Money that goes in is transferred
//! there before the workers hear of it. Money that goes out stays there until more than half of the
//! cluster's workers have reported a state that contains the withdrawal.
//!
//! # Credits
//!
//! In a cluster that weighs queries by what is paid for them, callers pay in advance
//! ([`Pallet::prepay_credit`]). Workers are lent slices of that when they ask, and report what they have
//! spent, which goes to the treasury inside. What is left comes back ([`Pallet::withdraw_credit`]). See
//! [`phat_primitives::credit`].
//!
//! | file | what it holds |
//! |---|---|
//! | `lib.rs` | storage, events, errors and calls |
//! | `eras.rs` | what the economy has to say and to hear |
//! | `membership.rs` | how a cluster begins, who owns it, and which workers it may have |
//! | `policy.rs` | what an owner may lay down |
//! | `credit.rs` | what callers pay in advance, and what workers have of it |
//! | `money.rs` | into a cluster and out of it |
//! | `reports.rs` | what workers and clusters report |
//! | `roots.rs` | what workers agree on, and what becomes of one that differs |
//! | `invariants.rs` | what is true between any two calls |

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

use polkadot_sdk::{frame_support, frame_system, sp_core, sp_runtime};

use alloc::vec::Vec;
use frame_support::{
    pallet_prelude::*,
    traits::fungible::{Inspect, Mutate},
};
use pallet_phat_messages::Pallet as Messages;
use phat_primitives::{
    AccountId as RawAccount, Balance, ClusterId, CodeHash, ContractId, Hash, MessageNumber,
    WorkerId,
    credit::SliceNumber,
    ids,
    limits::{
        MAX_AGREED_ROOTS, MAX_ALLOWED_DEPLOYERS, MAX_CLUSTER_CONTRACTS, MAX_CLUSTER_WORKERS,
        MAX_CODE_LEN, MAX_CREDIT_SLICES, MAX_PAYLOAD_LEN, MAX_PENDING_WITHDRAWALS, MAX_SALT_LEN,
        ROOT_VOTE_BLOCKS,
    },
    message::{ClusterMessage, Instantiate, Message, Prices, ResourceKind, TransportEpoch},
    policy::{FeeModel, Policy},
    private::{MAX_SEALED_ARGUMENTS_LEN, MAX_SEALED_CODE_LEN, SealedData},
    report::{
        PrivateContractReady, Roots, SignedContractReady, SignedPrivateContractReady, WorkerState,
    },
};

mod credit;
mod eras;
mod invariants;
mod membership;
mod money;
mod policy;
mod reports;
mod roots;
mod types;
mod weights;

pub use eras::Eras;
pub use pallet::*;
pub use reports::refusal;
pub use types::{
    ClusterInfo, ClusterPermission, CodeIndex, ContractInfo, Credit, Divergence, PendingWithdrawal,
    Slice,
};

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

#[frame_support::pallet]
#[allow(
    missing_docs,
    reason = "the macros of FRAME generate undocumented items"
)]
#[allow(
    clippy::too_many_arguments,
    reason = "the shape of a call is part of the wire format"
)]
pub mod pallet {
    use super::*;
    use frame_system::pallet_prelude::*;

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config:
        pallet_phat_registry::Config
        + polkadot_sdk::frame_system::Config<RuntimeEvent: From<Event<Self>>>
    {
        /// The token.
        type Currency: Mutate<Self::AccountId> + Inspect<Self::AccountId, Balance = Balance>;
        /// The economy, which decides while its eras run which worker is in which cluster.
        type Eras: Eras;
    }

    /// Number of clusters created so far.
    #[pallet::storage]
    pub type ClusterCounter<T> = StorageValue<_, u64, ValueQuery>;

    /// The clusters.
    #[pallet::storage]
    pub type Clusters<T: Config> =
        StorageMap<_, Twox64Concat, ClusterId, ClusterInfo<T::AccountId>>;

    /// The policy of each cluster, but for who may deploy, which is in [`Clusters`].
    #[pallet::storage]
    pub type Policies<T> = StorageMap<_, Twox64Concat, ClusterId, Policy, ValueQuery>;

    /// Workers of each cluster.
    #[pallet::storage]
    pub type ClusterWorkers<T> = StorageMap<
        _,
        Twox64Concat,
        ClusterId,
        BoundedVec<WorkerId, ConstU32<MAX_CLUSTER_WORKERS>>,
        ValueQuery,
    >;

    /// Which cluster a worker is in.
    #[pallet::storage]
    pub type WorkerCluster<T> = StorageMap<_, Blake2_128Concat, WorkerId, ClusterId>;

    /// Which transport key of each cluster is in force.
    #[pallet::storage]
    pub type TransportEpochs<T> =
        StorageMap<_, Twox64Concat, ClusterId, TransportEpoch, ValueQuery>;

    /// The transport key that clients encrypt to: its epoch and public half. It is there, and as new
    /// as [`TransportEpochs`], once a gatekeeper has delivered it to the first worker.
    #[pallet::storage]
    pub type TransportKeys<T> = StorageMap<_, Twox64Concat, ClusterId, (u32, [u8; 32])>;

    /// The transport epoch of which each worker in a cluster was sent the key last.
    #[pallet::storage]
    pub type DeliveredEpochs<T> = StorageMap<_, Blake2_128Concat, WorkerId, u32>;

    /// The cluster that a worker was in when it went out of service, and comes back to.
    #[pallet::storage]
    pub type Lapsed<T> = StorageMap<_, Blake2_128Concat, WorkerId, ClusterId>;

    /// Contracts of each cluster that have been instantiated.
    #[pallet::storage]
    pub type ClusterContracts<T> = StorageMap<
        _,
        Twox64Concat,
        ClusterId,
        BoundedVec<ContractId, ConstU32<MAX_CLUSTER_CONTRACTS>>,
        ValueQuery,
    >;

    /// Contracts, from the moment their instantiation was ordered.
    #[pallet::storage]
    pub type Contracts<T: Config> =
        StorageMap<_, Blake2_128Concat, ContractId, ContractInfo<T::AccountId>>;

    /// Code of the system contract that new clusters get.
    #[pallet::storage]
    pub type PinkSystemCode<T> = StorageValue<_, BoundedVec<u8, ConstU32<MAX_CODE_LEN>>>;

    /// Last state that each worker reported.
    #[pallet::storage]
    pub type WorkerStates<T> = StorageMap<_, Blake2_128Concat, WorkerId, WorkerState>;

    /// Withdrawals that wait for the reports of the cluster's workers.
    #[pallet::storage]
    pub type Withdrawals<T: Config> = StorageDoubleMap<
        _,
        Twox64Concat,
        ClusterId,
        Twox64Concat,
        MessageNumber,
        PendingWithdrawal<T::AccountId>,
    >;

    /// Number of entries in [`Withdrawals`] of each cluster.
    #[pallet::storage]
    pub type WithdrawalCount<T> = StorageMap<_, Twox64Concat, ClusterId, u32, ValueQuery>;

    /// What more than half of a cluster's workers have reported after a block. Workers and clients
    /// read it with a storage proof, so names and hashers are part of the wire format.
    #[pallet::storage]
    pub type AgreedRoots<T> =
        StorageDoubleMap<_, Blake2_128Concat, ClusterId, Blake2_128Concat, u32, Roots>;

    /// The blocks of each cluster in [`AgreedRoots`], in order.
    #[pallet::storage]
    pub type AgreedBlocks<T> = StorageMap<
        _,
        Twox64Concat,
        ClusterId,
        BoundedVec<u32, ConstU32<MAX_AGREED_ROOTS>>,
        ValueQuery,
    >;

    /// What workers have reported after blocks that are not agreed on yet.
    #[pallet::storage]
    pub type RootVotes<T> = StorageDoubleMap<
        _,
        Twox64Concat,
        ClusterId,
        Twox64Concat,
        u32,
        BoundedVec<(WorkerId, Roots), ConstU32<MAX_CLUSTER_WORKERS>>,
        ValueQuery,
    >;

    /// The blocks of each cluster in [`RootVotes`], in order.
    #[pallet::storage]
    pub type OpenRoots<T> = StorageMap<
        _,
        Twox64Concat,
        ClusterId,
        BoundedVec<u32, ConstU32<ROOT_VOTE_BLOCKS>>,
        ValueQuery,
    >;

    /// Workers whose state was not the one that the others had agreed on. They are in no cluster
    /// until their operator has readmitted them.
    #[pallet::storage]
    pub type Diverged<T> = StorageMap<_, Blake2_128Concat, WorkerId, Divergence>;

    /// What accounts have paid in advance for queries in clusters that weigh calls by that.
    #[pallet::storage]
    pub type Credits<T: Config> =
        StorageDoubleMap<_, Twox64Concat, ClusterId, Blake2_128Concat, T::AccountId, Credit>;

    /// Number of the next slice of a credit.
    #[pallet::storage]
    pub type NextSlice<T> = StorageValue<_, SliceNumber, ValueQuery>;

    /// The session in which each worker has last reported about credits.
    #[pallet::storage]
    pub type CreditSessions<T> = StorageMap<_, Blake2_128Concat, WorkerId, Hash>;

    /// What was spent of credits in each cluster and has not been ordered for its treasury yet.
    #[pallet::storage]
    pub type CreditOwed<T> = StorageMap<_, Twox64Concat, ClusterId, Balance, ValueQuery>;

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A cluster was created.
        ClusterCreated {
            cluster: ClusterId,
            system_contract: ContractId,
        },
        /// The key of a cluster is known.
        ClusterPubkeyAvailable {
            cluster: ClusterId,
            pubkey: [u8; 32],
        },
        /// The transport key of a cluster has changed. Clients can use it.
        TransportKeyAvailable {
            cluster: ClusterId,
            epoch: u32,
            pubkey: [u8; 32],
        },
        /// A worker was sent the keys of its cluster.
        ClusterDeployed {
            cluster: ClusterId,
            pubkey: [u8; 32],
            worker: WorkerId,
        },
        /// The instantiation of a contract was ordered.
        Instantiating {
            contract: ContractId,
            cluster: ClusterId,
            deployer: T::AccountId,
        },
        /// The key of a contract is known.
        ContractPubkeyAvailable {
            contract: ContractId,
            cluster: ClusterId,
            pubkey: [u8; 32],
        },
        /// A contract has been instantiated.
        Instantiated {
            contract: ContractId,
            cluster: ClusterId,
            deployer: T::AccountId,
        },
        /// Money went into a cluster.
        Transferred {
            cluster: ClusterId,
            account: T::AccountId,
            amount: Balance,
        },
        /// Money came out of a cluster. 0 if the account in the cluster did not have it.
        Withdrawn {
            cluster: ClusterId,
            account: T::AccountId,
            amount: Balance,
        },
        /// A worker was assigned to a cluster.
        WorkerAddedToCluster {
            worker: WorkerId,
            cluster: ClusterId,
        },
        /// A worker left a cluster.
        WorkerRemovedFromCluster {
            worker: WorkerId,
            cluster: ClusterId,
        },
        /// A worker is in service again, but its cluster has no room left for it. The cluster's owner
        /// may assign it.
        WorkerNotReassigned {
            worker: WorkerId,
            cluster: ClusterId,
        },
        /// Clusters that are created from now on get this system contract.
        SystemCodeSet { code_hash: CodeHash },
        /// A worker reported the state of its cluster.
        StateReported {
            worker: WorkerId,
            cluster: ClusterId,
            block: u32,
            state_root: Hash,
        },
        /// More than half of a cluster's workers reported a withdrawal that the cluster's account
        /// cannot pay, or whose decision has no room in the block. It waits for the next report of it.
        WithdrawalUnpaid {
            cluster: ClusterId,
            number: MessageNumber,
            error: DispatchError,
        },
        /// More than half of a cluster's workers have reported the same after this block.
        RootsAgreed {
            cluster: ClusterId,
            block: u32,
            state_root: Hash,
            receipts: Hash,
        },
        /// A worker reported something else after this block than most workers of its cluster, and
        /// leaves it.
        WorkerDiverged {
            worker: WorkerId,
            cluster: ClusterId,
            block: u32,
        },
        /// A worker that had diverged may be in a cluster again.
        WorkerReadmitted { worker: WorkerId },
        /// The owner of a cluster has set its policy: see [`Clusters`] and [`Policies`].
        PolicySet { cluster: ClusterId },
        /// An account has added to its credit in a cluster.
        CreditPrepaid {
            cluster: ClusterId,
            account: T::AccountId,
            amount: Balance,
        },
        /// What was left of a credit, or a part of it, was paid back.
        CreditReturned {
            cluster: ClusterId,
            account: T::AccountId,
            amount: Balance,
        },
        /// What was spent of credits in a cluster goes to its treasury.
        CreditSettled { cluster: ClusterId, amount: Balance },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// There is no such cluster.
        ClusterNotFound,
        /// There is no such contract.
        ContractNotFound,
        /// A contract of this deployer, code and salt exists in the cluster: use another salt.
        DuplicatedContract,
        /// Only the cluster's owner may do this.
        NotClusterOwner,
        /// The cluster does not let this account deploy.
        NoPermission,
        /// Root has not stored the code of the system contract yet.
        NoPinkSystemCode,
        /// A cluster needs at least one worker.
        NoWorkerSpecified,
        /// A worker is listed twice.
        DuplicatedWorker,
        /// No such worker is registered.
        WorkerNotFound,
        /// The worker is in a cluster already.
        WorkerInUse,
        /// The worker is not in this cluster.
        WorkerNotInCluster,
        /// Only the worker's operator may assign it.
        NotWorkerOperator,
        /// The cluster has as many workers as it may.
        TooManyWorkers,
        /// The cluster has as many contracts as it may.
        TooManyContracts,
        /// The code or payload is larger than it may be.
        PayloadTooLarge,
        /// SideVM programs do not run here.
        SidevmNotSupported,
        /// The amount is zero.
        ZeroAmount,
        /// Too many withdrawals of this cluster wait: try again after the next reports.
        TooManyWithdrawals,
        /// There are no numbers left for clusters.
        CounterExhausted,
        /// The network has no gatekeeper yet, which makes the keys of clusters.
        NoGatekeeper,
        /// The key is not of the cluster's present transport epoch: a newer one is on its way.
        StaleKey,
        /// Less than the chain's existential deposit cannot be withdrawn: the receiving account may
        /// be gone when the workers have reported, and so little could not bring it back.
        WithdrawalTooSmall,
        /// The report is about a block that is not finished yet.
        BlockNotYet,
        /// Too many blocks wait for the workers to agree: report again later.
        TooManyOpenRoots,
        /// The worker's state was not that of the others: find out why, then readmit it.
        WorkerHasDiverged,
        /// The worker has not diverged.
        WorkerNotDiverged,
        /// The worker is out of service: it has to renew its evidence first.
        WorkerOutOfService,
        /// The cluster has no transport key of this epoch yet: encrypt to the one on the chain.
        NoSuchTransportKey,
        /// This call must name the code: to keep it secret, use `instantiate_private`.
        CodeNotNamed,
        /// A cluster in which everybody may deploy has its calls weighed by stake: name who may deploy.
        PublicClusterUsesStake,
        /// The control contract must be one of this cluster that has been instantiated.
        ControlNotReady,
        /// The gas limit of the control contract is 0 or above the limit,
        /// [`MAX_CONTROL_GAS`](phat_primitives::limits::MAX_CONTROL_GAS).
        ControlGasOutOfRange,
        /// The cluster weighs calls by stake: stake on the contract instead.
        NotPaidByWeight,
        /// A credit, and what a worker may have of it, is at least the chain's existential deposit.
        CreditTooSmall,
        /// A credit cannot hold that much.
        CreditTooLarge,
        /// The account has no credit in this cluster.
        NoCredit,
        /// As many workers as may have a slice of the credit.
        TooManySlices,
        /// Eras run, and only they decide which worker is in which cluster: create the cluster without
        /// workers, and stake on it.
        ErasDecide,
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Creates a cluster, owned by the sender, on workers that the sender operates; while eras run,
        /// on none: it gets its workers from the next era on, and its keys with the first. The sender
        /// pays the existential deposit of the account that holds the cluster's money.
        #[pallet::call_index(0)]
        #[pallet::weight(
            weights::add_cluster(workers.len(), T::DbWeight::get())
                .saturating_add(T::Eras::weight())
        )]
        pub fn add_cluster(
            origin: OriginFor<T>,
            permission: ClusterPermission<T::AccountId>,
            workers: BoundedVec<WorkerId, ConstU32<MAX_CLUSTER_WORKERS>>,
            gas_price: Balance,
            deposit_per_item: Balance,
            deposit_per_byte: Balance,
            treasury_account: T::AccountId,
        ) -> DispatchResult {
            let owner = ensure_signed(origin)?;
            let prices = Prices {
                gas_price,
                deposit_per_item,
                deposit_per_byte,
                treasury: RawAccount(treasury_account.into()),
            };
            Self::create(owner, permission, workers, prices)
        }

        /// Uploads code to a cluster.
        #[pallet::call_index(1)]
        #[pallet::weight(weights::payload(resource_data.len(), T::DbWeight::get()))]
        pub fn cluster_upload_resource(
            origin: OriginFor<T>,
            cluster_id: ClusterId,
            resource_type: ResourceKind,
            resource_data: Vec<u8>,
        ) -> DispatchResult {
            let owner = ensure_signed(origin)?;
            ensure!(
                resource_type != ResourceKind::SidevmCode,
                Error::<T>::SidevmNotSupported
            );
            ensure!(
                resource_data.len() <= MAX_CODE_LEN as usize,
                Error::<T>::PayloadTooLarge
            );
            let info = Clusters::<T>::get(cluster_id).ok_or(Error::<T>::ClusterNotFound)?;
            ensure!(info.lets_deploy(&owner), Error::<T>::NoPermission);
            let message = ClusterMessage::Upload {
                owner: RawAccount(owner.into()),
                kind: resource_type,
                code: resource_data,
            };
            Self::order(cluster_id, message)?;
            Ok(())
        }

        /// Moves money of the sender into a cluster, to an account there.
        #[pallet::call_index(2)]
        #[pallet::weight(weights::transfer(T::DbWeight::get()))]
        pub fn transfer_to_cluster(
            origin: OriginFor<T>,
            amount: Balance,
            cluster_id: ClusterId,
            dest_account: T::AccountId,
        ) -> DispatchResult {
            let sender = ensure_signed(origin)?;
            ensure!(
                Clusters::<T>::contains_key(cluster_id),
                Error::<T>::ClusterNotFound
            );
            ensure!(amount > 0, Error::<T>::ZeroAmount);
            Self::deposit_into(cluster_id, &sender, &dest_account, amount)
        }

        /// Orders the instantiation of a contract.
        #[pallet::call_index(3)]
        #[pallet::weight(weights::payload(data.len().saturating_add(salt.len()), T::DbWeight::get()))]
        pub fn instantiate_contract(
            origin: OriginFor<T>,
            code_index: CodeIndex,
            data: Vec<u8>,
            salt: Vec<u8>,
            cluster_id: ClusterId,
            transfer: Balance,
            gas_limit: u64,
            storage_deposit_limit: Option<Balance>,
            deposit: Balance,
        ) -> DispatchResult {
            let deployer = ensure_signed(origin)?;
            let CodeIndex::WasmCode(code_hash) = code_index else {
                return Err(Error::<T>::CodeNotNamed.into());
            };
            ensure!(
                data.len() <= MAX_PAYLOAD_LEN as usize && salt.len() <= MAX_SALT_LEN as usize,
                Error::<T>::PayloadTooLarge
            );
            let info = Clusters::<T>::get(cluster_id).ok_or(Error::<T>::ClusterNotFound)?;
            ensure!(info.lets_deploy(&deployer), Error::<T>::NoPermission);
            let raw = RawAccount(deployer.clone().into());
            let contract = ids::contract_id(&raw, &code_hash, &cluster_id, &salt);
            // An instantiation that failed can be tried again: only one that is done counts.
            ensure!(
                !pallet_phat_registry::ContractKeys::<T>::contains_key(contract),
                Error::<T>::DuplicatedContract
            );
            Contracts::<T>::insert(
                contract,
                ContractInfo {
                    deployer: deployer.clone(),
                    cluster: cluster_id,
                    code_index,
                },
            );
            if deposit > 0 {
                Self::deposit_into(cluster_id, &deployer, &deployer, deposit)?;
            }
            let message = ClusterMessage::Instantiate(Instantiate {
                deployer: raw,
                code_hash,
                data,
                salt,
                transfer,
                gas_limit,
                storage_deposit_limit,
            });
            Self::order(cluster_id, message)?;
            Self::deposit_event(Event::Instantiating {
                contract,
                cluster: cluster_id,
                deployer,
            });
            Ok(())
        }

        /// Sends a command to a contract. The payload is a SCALE-encoded
        /// [`phat_primitives::command::CommandPayload`]; only the workers can tell what is in it.
        #[pallet::call_index(4)]
        #[pallet::weight(weights::payload(payload.len(), T::DbWeight::get()))]
        pub fn push_contract_message(
            origin: OriginFor<T>,
            contract_id: ContractId,
            payload: Vec<u8>,
            deposit: Balance,
        ) -> DispatchResult {
            let sender = ensure_signed(origin)?;
            ensure!(
                payload.len() <= MAX_PAYLOAD_LEN as usize,
                Error::<T>::PayloadTooLarge
            );
            let info = Contracts::<T>::get(contract_id).ok_or(Error::<T>::ContractNotFound)?;
            if deposit > 0 {
                Self::deposit_into(info.cluster, &sender, &sender, deposit)?;
            }
            let message = ClusterMessage::Command {
                sender: RawAccount(sender.into()),
                contract: contract_id,
                payload,
            };
            Self::order(info.cluster, message)?;
            Ok(())
        }

        /// Assigns a worker to a cluster. Sent by the cluster's owner, who must operate the worker.
        /// Refused while eras run.
        #[pallet::call_index(5)]
        #[pallet::weight(weights::membership(T::DbWeight::get()))]
        pub fn add_worker_to_cluster(
            origin: OriginFor<T>,
            worker: WorkerId,
            cluster_id: ClusterId,
        ) -> DispatchResult {
            let owner = Self::ensure_owner(origin, &cluster_id)?;
            ensure!(!T::Eras::run(), Error::<T>::ErasDecide);
            Self::assign(&worker, cluster_id, &owner)?;
            Self::put_in(worker, cluster_id)
        }

        /// Takes a worker out of a cluster. Sent by the cluster's owner. One that is out of service is
        /// out of the cluster already, and does not come back to it after this. Refused while eras run.
        #[pallet::call_index(6)]
        #[pallet::weight(weights::membership(T::DbWeight::get()))]
        pub fn remove_worker_from_cluster(
            origin: OriginFor<T>,
            worker: WorkerId,
            cluster_id: ClusterId,
        ) -> DispatchResult {
            Self::ensure_owner(origin, &cluster_id)?;
            ensure!(!T::Eras::run(), Error::<T>::ErasDecide);
            if Lapsed::<T>::get(worker) == Some(cluster_id) {
                Lapsed::<T>::remove(worker);
                return Ok(());
            }
            Self::take_out(&worker, cluster_id)
        }

        /// Stores the code of the system contract for clusters created from now on. Root only.
        #[pallet::call_index(7)]
        #[pallet::weight(weights::system_code(code.len(), T::DbWeight::get()))]
        pub fn set_pink_system_code(
            origin: OriginFor<T>,
            code: BoundedVec<u8, ConstU32<MAX_CODE_LEN>>,
        ) -> DispatchResult {
            ensure_root(origin)?;
            let code_hash = Hash::from(phat_primitives::blake2_256(&code));
            PinkSystemCode::<T>::put(code);
            Self::deposit_event(Event::SystemCodeSet { code_hash });
            Ok(())
        }

        /// Moves money of the sender's account in a cluster out to the sender's account on the
        /// chain. It arrives when more than half of the cluster's workers have reported it.
        #[pallet::call_index(8)]
        #[pallet::weight(weights::transfer(T::DbWeight::get()))]
        pub fn transfer_from_cluster(
            origin: OriginFor<T>,
            cluster_id: ClusterId,
            amount: Balance,
        ) -> DispatchResult {
            let account = ensure_signed(origin)?;
            ensure!(
                Clusters::<T>::contains_key(cluster_id),
                Error::<T>::ClusterNotFound
            );
            ensure!(amount > 0, Error::<T>::ZeroAmount);
            ensure!(
                amount >= T::Currency::minimum_balance(),
                Error::<T>::WithdrawalTooSmall
            );
            let count = WithdrawalCount::<T>::get(cluster_id);
            ensure!(
                count < MAX_PENDING_WITHDRAWALS,
                Error::<T>::TooManyWithdrawals
            );
            let raw = RawAccount(account.clone().into());
            let message = ClusterMessage::Withdraw {
                account: raw,
                amount,
            };
            let number = Self::order(cluster_id, message)?;
            Withdrawals::<T>::insert(
                cluster_id,
                number,
                PendingWithdrawal {
                    account,
                    amount,
                    votes: BoundedVec::new(),
                },
            );
            WithdrawalCount::<T>::insert(cluster_id, count.saturating_add(1));
            Ok(())
        }

        /// Takes the statement of a cluster that a contract has been instantiated, and publishes the
        /// contract's key. It costs no fee; what authorises it is the signature of the cluster.
        #[pallet::call_index(9)]
        #[pallet::weight(weights::contract_ready(T::DbWeight::get()))]
        #[pallet::authorize(Pallet::<T>::authorize_contract_ready)]
        #[pallet::weight_of_authorize(weights::authorize_contract_ready(T::DbWeight::get()))]
        pub fn contract_ready(origin: OriginFor<T>, signed: SignedContractReady) -> DispatchResult {
            ensure_authorized(origin)?;
            Self::publish(signed.statement)
        }

        /// Uploads code to a cluster that only its workers can read: a sealed
        /// [`PrivateUpload`](phat_primitives::private::PrivateUpload). Only the sender learns how it
        /// ended, from the receipt.
        #[pallet::call_index(20)]
        #[pallet::weight(weights::payload(sealed.data.data.len(), T::DbWeight::get()))]
        pub fn upload_private(
            origin: OriginFor<T>,
            cluster_id: ClusterId,
            sealed: SealedData,
        ) -> DispatchResult {
            let owner = Self::ensure_deployer(origin, &cluster_id, &sealed, MAX_SEALED_CODE_LEN)?;
            let owner = RawAccount(owner.into());
            Self::order(cluster_id, ClusterMessage::UploadPrivate { owner, sealed })?;
            Ok(())
        }

        /// Orders the instantiation of a contract that only the cluster's workers know what it is made
        /// from: a sealed [`PrivateInstantiate`](phat_primitives::private::PrivateInstantiate). Only
        /// the sender learns how it ended, from the receipt.
        #[pallet::call_index(21)]
        #[pallet::weight(weights::payload(sealed.data.data.len(), T::DbWeight::get()))]
        pub fn instantiate_private(
            origin: OriginFor<T>,
            cluster_id: ClusterId,
            sealed: SealedData,
            deposit: Balance,
        ) -> DispatchResult {
            let deployer =
                Self::ensure_deployer(origin, &cluster_id, &sealed, MAX_SEALED_ARGUMENTS_LEN)?;
            if deposit > 0 {
                Self::deposit_into(cluster_id, &deployer, &deployer, deposit)?;
            }
            let deployer = RawAccount(deployer.into());
            let message = ClusterMessage::InstantiatePrivate { deployer, sealed };
            Self::order(cluster_id, message)?;
            Ok(())
        }

        /// Changes the transport key of a cluster, as happens by itself when a worker leaves. Sent by
        /// the cluster's owner.
        #[pallet::call_index(10)]
        #[pallet::weight(weights::rotate(T::DbWeight::get()))]
        pub fn rotate_transport_key(origin: OriginFor<T>, cluster_id: ClusterId) -> DispatchResult {
            Self::ensure_owner(origin, &cluster_id)?;
            Self::rotate_transport(cluster_id)
        }

        /// Lets a worker that had diverged be in a cluster again. Sent by its operator, who should
        /// know why its state was another one: what the worker keeps has been wiped when it left.
        #[pallet::call_index(22)]
        #[pallet::weight(weights::readmit(T::DbWeight::get()))]
        pub fn readmit_worker(origin: OriginFor<T>, worker: WorkerId) -> DispatchResult {
            let sender = ensure_signed(origin)?;
            let info = pallet_phat_registry::Workers::<T>::get(worker)
                .ok_or(Error::<T>::WorkerNotFound)?;
            ensure!(info.operator == sender, Error::<T>::NotWorkerOperator);
            ensure!(
                Diverged::<T>::take(worker).is_some(),
                Error::<T>::WorkerNotDiverged
            );
            Self::deposit_event(Event::WorkerReadmitted { worker });
            Ok(())
        }

        /// Takes the statement of a cluster that a contract has been made in private, and publishes
        /// the contract and its key, not what it is made from. It costs no fee; what authorises it is
        /// the signature of the cluster.
        #[pallet::call_index(23)]
        #[pallet::weight(weights::contract_ready(T::DbWeight::get()))]
        #[pallet::authorize(Pallet::<T>::authorize_private_contract_ready)]
        #[pallet::weight_of_authorize(weights::authorize_contract_ready(T::DbWeight::get()))]
        pub fn private_contract_ready(
            origin: OriginFor<T>,
            signed: SignedPrivateContractReady,
        ) -> DispatchResult {
            ensure_authorized(origin)?;
            let PrivateContractReady { ready, deployer } = signed.statement;
            // Somebody may have ordered the very same contract before, and in public.
            if !Contracts::<T>::contains_key(ready.contract) {
                Contracts::<T>::insert(
                    ready.contract,
                    ContractInfo {
                        deployer: deployer.0.into(),
                        cluster: ready.cluster,
                        code_index: CodeIndex::Private,
                    },
                );
            }
            Self::publish(ready)
        }

        /// Sets the policy of a cluster: who may deploy, and all else. Sent by the cluster's owner. It
        /// asks no control contract.
        #[pallet::call_index(30)]
        #[pallet::weight(weights::policy(T::DbWeight::get()))]
        pub fn set_policy(
            origin: OriginFor<T>,
            cluster_id: ClusterId,
            permission: ClusterPermission<T::AccountId>,
            policy: Policy,
        ) -> DispatchResult {
            Self::ensure_owner(origin, &cluster_id)?;
            Self::lay_down(cluster_id, permission, policy)
        }

        /// Pays in advance for queries of the sender in a cluster that weighs calls by what is paid for
        /// them. At any time a worker has at most `slice` of it unspent: what the sender may lose when
        /// a worker stops. That is so from now on for all of the credit.
        #[pallet::call_index(31)]
        #[pallet::weight(weights::credit(T::DbWeight::get()))]
        pub fn prepay_credit(
            origin: OriginFor<T>,
            cluster_id: ClusterId,
            amount: Balance,
            slice: Balance,
        ) -> DispatchResult {
            let account = ensure_signed(origin)?;
            Self::prepay(cluster_id, &account, amount, slice)
        }

        /// Pays the sender's credit in a cluster back: at once what no worker has, and the rest when
        /// the workers have said what is left of it.
        #[pallet::call_index(32)]
        #[pallet::weight(weights::credit(T::DbWeight::get()))]
        pub fn withdraw_credit(origin: OriginFor<T>, cluster_id: ClusterId) -> DispatchResult {
            let account = ensure_signed(origin)?;
            Self::close_credit(cluster_id, &account)
        }
    }

    impl<T: Config> Pallet<T> {
        pub(crate) fn order(
            cluster: ClusterId,
            message: ClusterMessage,
        ) -> Result<MessageNumber, DispatchError> {
            Messages::<T>::push(Message::Cluster(cluster, message))
        }
    }
}
