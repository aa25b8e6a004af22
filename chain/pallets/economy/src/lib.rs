//! The economy on the chain: who works for whom, era after era, and what it earns.
//!
//! The rules are not here: [`phat_economy`] states and computes them. This pallet keeps what they are
//! applied to, lets people change it, spreads the computation of an era over as many blocks as it
//! takes, and carries out what comes of it.
//!
//! # A worker's life
//!
//! ```text
//!             activate                    leave                  next era            settle
//!  registered ────────▶ Active ──────────────────▶ Leaving ─────────────▶ CoolingDown ─────▶ gone
//!                        │  ▲                                                                 ▲
//!   missed, lapsed, diverged │ resume (lapsed: by itself, with new evidence)                  │
//!                        ▼  │                                                                 │
//!                     Suspended ─────── leave ────────────────────────────▶ CoolingDown ──────┘
//! ```
//!
//! Its operator puts in a deposit. It stands on the ring at a point drawn from the chain's randomness
//! when it is activated, for as long as it is here. Each era it earns f + g, which is a promise until
//! it is paid out. When all that it has is gone it is removed, in whatever state it is. Its capacity
//! is that of its evidence, from the era after on. The registry's confidence is best at 1 and worst at
//! 128; here more is better, so it counts as [129 less that](Pallet::capacity_of).
//!
//! A worker whose evidence lapses stops earning and is slashed. What it had is kept.
//!
//! # Who is alive
//!
//! Workers report when their cluster's state has changed; in a cluster where nothing happens they have
//! nothing to say. So at the beginning of each era the chain asks for a heartbeat, with one message to
//! all ([`Message::HeartbeatWanted`]). Whoever was in a cluster with its keys delivered owes one. An
//! answer that comes later than [`Settings::heartbeat_ms`] costs the worker [`Slashes::missed`]; who has
//! not answered when the next era begins loses it too and is suspended. A worker that moves in between
//! is excused. A heartbeat comes into a block that is made anyway, and causes none.
//!
//! # An era
//!
//! Begins when its time has come, and is computed, switched and carried out in the idle time of
//! blocks (`era.rs`, `moves.rs`), of which it takes at most a quarter of a block. Time is the chain's
//! own ([`types::Running`]): milliseconds, since a chain that seals on demand makes blocks as they are
//! wanted, but only those in which the chain was running.
//!
//! Between two beginnings, what people change is seen by the next era; slashes and payouts belong to
//! the era that has begun last.
//!
//! # Money
//!
//! | what | where it is |
//! |---|---|
//! | a deposit | held on the operator's account ([`HoldReason::Deposit`]) |
//! | stake, also on its way back | held on the staker's account ([`HoldReason::Stake`]) |
//! | rewards | the [reward account](Pallet::reward_account), which governance mints to |
//! | what slashes have taken | first of what is promised; what exceeds it goes from the deposit to the [treasury](Treasury) when the worker is settled or removed |
//! | fees and tips of transactions | the treasury, as the runtime is configured |
//!
//! Nothing else is minted and nothing burnt. The usual treasury has an account from the beginning of the
//! chain on, and nobody has a key to it, so that it can take any amount. Governance may name another
//! account; while that one does not exist, amounts below the existential deposit are burnt.
//!
//! # Randomness
//!
//! Places on the ring come from [`Config::Randomness`]. With the collective flip of Substrate it is
//! known some blocks ahead and the authors of blocks can bend it: who watches can choose among places
//! by waiting. That is good enough where the authorities are trusted; a network where they are not
//! configures a better source. A place is drawn once, so that nobody can try often without paying a
//! deposit, or the creation of a cluster, each time.
//!
//! | file | what it holds |
//! |---|---|
//! | `lib.rs` | storage, events, errors and calls |
//! | `types.rs` | what is kept, and what governance sets |
//! | `workers.rs` | a worker's life |
//! | `pools.rs` | stake, caps, preferences |
//! | `money.rs` | slashes, payouts, final payouts, the ledger |
//! | `era.rs` | when an era begins, and its way through the blocks |
//! | `store.rs` | what an era reads and writes |
//! | `moves.rs` | workers go to where the era in force wants them |
//! | `invariants.rs` | what is true between any two calls |
//! | `weights.rs` | what calls and steps cost, and how that was measured |

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

use polkadot_sdk::{frame_support, frame_system, sp_runtime};

use alloc::vec::Vec;
use frame_support::{
    pallet_prelude::*,
    traits::{
        Randomness,
        fungible::{Inspect, Mutate, MutateHold},
    },
};
use pallet_phat_clusters::Pallet as Clusters;
use pallet_phat_registry::Pallet as Registry;
use phat_economy::{Capacity, Entrant, EraError, EraNumber, Node, Outcome, Share, Spot, Versioned};
use phat_primitives::{Balance, ClusterId, WorkerId, message::Message};

mod era;
mod invariants;
mod money;
mod moves;
mod pools;
mod store;
pub mod types;
pub mod weights;
mod workers;

pub use pallet::*;
pub use types::{
    Cause, Change, Entry, InForce, Pool, Settings, Slashes, Slot, Stage, Sweep, Unbond, Worker,
    WorkerStatus,
};

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

/// Workers that a cluster can name. The cost of a cluster's turn in an era grows with it.
pub const MAX_PREFERENCES: u32 = 128;
/// Portions of stake that one account has on their way back. Those of one era are one.
pub const MAX_UNBONDING: u32 = 32;
/// Lines that are kept of what happened to a worker's money; the oldest ones go first.
pub const MAX_LEDGER: u32 = 64;
/// Milliseconds between two blocks that count as time in which the chain was running. More than any
/// chain takes for a block, and less than anybody takes to stop and start one.
pub const MAX_BLOCK_GAP_MS: u64 = 60_000;
/// Key of a bid: its stake, inverted, in big-endian bytes; the cluster's point; the cluster. In the
/// order of these bytes clusters choose.
pub type BidKey = ([u8; 16], [u8; 32], ClusterId);

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
        pallet_phat_clusters::Config
        + polkadot_sdk::frame_system::Config<RuntimeEvent: From<Event<Self>>>
    {
        /// The token.
        type Token: Mutate<Self::AccountId>
            + Inspect<Self::AccountId, Balance = Balance>
            + MutateHold<Self::AccountId, Reason = Self::RuntimeHoldReason>;
        /// The runtime's reasons to hold money.
        type RuntimeHoldReason: From<HoldReason>;
        /// Where places on the ring are drawn from.
        type Randomness: Randomness<Self::Hash, BlockNumberFor<Self>>;
    }

    /// Why money is held.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// A worker's deposit.
        #[codec(index = 0)]
        Deposit,
        /// Stake on a cluster, also while it is on its way back.
        #[codec(index = 1)]
        Stake,
    }

    /// What governance has set.
    #[pallet::storage]
    pub type Setting<T> = StorageValue<_, Settings, ValueQuery>;

    /// Whether eras run. While they do, only they decide which worker is in which cluster.
    #[pallet::storage]
    pub type ErasRun<T> = StorageValue<_, bool, ValueQuery>;

    /// The cluster that gets every worker that nobody else took.
    #[pallet::storage]
    pub type GeneralCluster<T> = StorageValue<_, ClusterId>;

    /// Gets what slashes have taken, and fees, if governance has named another account than the
    /// [usual one](Pallet::usual_treasury).
    #[pallet::storage]
    pub type Treasury<T: Config> = StorageValue<_, T::AccountId>;

    /// The chain's own time.
    #[pallet::storage]
    pub type Clock<T> = StorageValue<_, types::Running, ValueQuery>;

    /// Number of the last era that has begun; 0 before the first.
    #[pallet::storage]
    pub type LastEra<T> = StorageValue<_, EraNumber, ValueQuery>;

    /// When the last era began, on the chain's own clock. Not there before the first one since eras were
    /// started.
    #[pallet::storage]
    pub type BegunAt<T> = StorageValue<_, u64>;

    /// What blocks do in their idle time.
    #[pallet::storage]
    pub type Progress<T> = StorageValue<_, Stage, ValueQuery>;

    /// The era whose results decide.
    #[pallet::storage]
    pub type EraInForce<T> = StorageValue<_, InForce>;

    /// The workers in the economy.
    #[pallet::storage]
    pub type Workers<T: Config> = StorageMap<_, Blake2_128Concat, WorkerId, Worker<T::AccountId>>;

    /// Workers that are to go elsewhere and wait since this time, on the chain's own clock, because they
    /// alone have the state of their cluster.
    #[pallet::storage]
    pub type Waiting<T> = StorageMap<_, Blake2_128Concat, WorkerId, u64>;

    /// What happened to each worker's money, the oldest first.
    #[pallet::storage]
    pub type Rewards<T> = StorageMap<
        _,
        Blake2_128Concat,
        WorkerId,
        BoundedVec<Entry, ConstU32<MAX_LEDGER>>,
        ValueQuery,
    >;

    /// The ring: workers in the order of their points, which begin the keys. `None` for one that does
    /// not take part and will be cleared away by the next era.
    #[pallet::storage]
    pub type Ring<T> = StorageMap<_, Identity, Spot<WorkerId>, Versioned<Option<Capacity>>>;

    /// The stake pools of clusters.
    #[pallet::storage]
    pub type Pools<T> = StorageMap<_, Twox64Concat, ClusterId, Pool>;

    /// What each account has staked on each cluster.
    #[pallet::storage]
    pub type Stakes<T: Config> = StorageDoubleMap<
        _,
        Twox64Concat,
        ClusterId,
        Blake2_128Concat,
        T::AccountId,
        Balance,
        ValueQuery,
    >;

    /// Stake of each account that is on its way back, in the order in which it comes.
    #[pallet::storage]
    pub type Unbonding<T: Config> = StorageMap<
        _,
        Blake2_128Concat,
        T::AccountId,
        BoundedVec<Unbond, ConstU32<MAX_UNBONDING>>,
        ValueQuery,
    >;

    /// The workers that each cluster has named, best first.
    #[pallet::storage]
    pub type Preferences<T> = StorageMap<
        _,
        Twox64Concat,
        ClusterId,
        Versioned<BoundedVec<WorkerId, ConstU32<MAX_PREFERENCES>>>,
    >;

    /// Scratch of the last era: the workers by their places on the ring.
    #[pallet::storage]
    pub type Entrants<T> = StorageMap<_, Twox64Concat, u32, Entrant<WorkerId, ClusterId>>;

    /// Scratch of the last era: the places of workers.
    #[pallet::storage]
    pub type Places<T> = StorageMap<_, Blake2_128Concat, WorkerId, u32>;

    /// Scratch of the last era: the tree of free workers.
    #[pallet::storage]
    pub type Nodes<T> = StorageMap<_, Twox64Concat, (u8, u32), Node>;

    /// Scratch of the last era: clusters in the order in which they choose.
    #[pallet::storage]
    pub type Bids<T> = StorageMap<_, Identity, BidKey, ()>;

    /// What an era means for each cluster that takes part, with the era's number. In the slot of the
    /// era in force, only entries with its number count.
    #[pallet::storage]
    pub type Shares<T> =
        StorageDoubleMap<_, Twox64Concat, Slot, Twox64Concat, ClusterId, (EraNumber, Share)>;

    /// What an era means for each worker that takes part, with the era's number. In the slot of the
    /// era in force, only entries with its number count.
    #[pallet::storage]
    pub type Outcomes<T> = StorageDoubleMap<
        _,
        Twox64Concat,
        Slot,
        Blake2_128Concat,
        WorkerId,
        (EraNumber, Outcome<ClusterId>),
    >;

    /// What the economy starts with.
    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// Milliseconds from the beginning of an era to that of the next; `None` for the usual.
        pub era_ms: Option<u64>,
        /// Eras for which stake and workers that leave wait; `None` for the usual.
        pub waiting_eras: Option<u32>,
        #[serde(skip)]
        #[allow(missing_docs, reason = "only ties the type to its parameter")]
        pub _config: core::marker::PhantomData<T>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            let mut settings = Settings::default();
            if let Some(era_ms) = self.era_ms {
                assert!(era_ms > 0, "phatEconomy.eraMs must not be 0");
                settings.era_ms = era_ms;
                settings.heartbeat_ms = settings.heartbeat_ms.min(era_ms);
                settings.handover_ms = settings.handover_ms.min(era_ms);
            }
            if let Some(eras) = self.waiting_eras {
                settings.cool_down = eras;
                settings.unbonding = eras;
            }
            Setting::<T>::put(settings);
            let treasury = Pallet::<T>::usual_treasury();
            if !Pallet::<T>::exists(&treasury) {
                let opened = T::Token::mint_into(&treasury, T::Token::minimum_balance());
                assert!(opened.is_ok(), "the treasury takes the existential deposit");
            }
        }
    }

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// Governance has set parameters, times, minimums and slashes.
        SettingsChanged { settings: Settings },
        /// This cluster gets every worker that nobody else takes.
        GeneralClusterSet { cluster: ClusterId },
        /// This account gets what slashes take, and fees.
        TreasurySet { treasury: T::AccountId },
        /// Governance has minted money for rewards.
        RewardsFunded { amount: Balance },
        /// Eras run: from now on they decide which worker is in which cluster.
        ErasStarted,
        /// Eras do not run any more. Workers stay where they are.
        ErasStopped,
        /// An era has begun: what changes from now on counts from the next one on.
        EraBegun { era: EraNumber },
        /// An era decides from now on.
        EraSwitched {
            era: EraNumber,
            workers: u32,
            clusters: u32,
            power: u128,
            stake: Balance,
        },
        /// An era cannot be computed. The one in force goes on.
        EraDropped {
            era: EraNumber,
            error: EraError<WorkerId>,
        },
        /// All workers are where the era in force wants them.
        MovesDone { era: EraNumber },
        /// A worker has gone to where the era in force wants it.
        WorkerMoved {
            worker: WorkerId,
            from: Option<ClusterId>,
            to: Option<ClusterId>,
        },
        /// A cluster's last worker has gone, or the last that had its state. Workers that come will
        /// make the state again from the chain's blocks, which takes a while.
        ClusterBereft { cluster: ClusterId },
        /// A worker takes part from the next era on.
        WorkerActivated {
            worker: WorkerId,
            operator: T::AccountId,
            deposit: Balance,
        },
        /// A worker does not take part, until it is resumed.
        WorkerSuspended { worker: WorkerId, cause: Cause },
        /// A worker takes part again, from the next era on.
        WorkerResumed { worker: WorkerId },
        /// A worker will not take part any more, from the next era on.
        WorkerLeaving { worker: WorkerId },
        /// A worker has left. Its final payout can be had when era `until` has begun.
        WorkerCoolingDown { worker: WorkerId, until: EraNumber },
        /// A worker is removed: all that it had is gone.
        WorkerExhausted { worker: WorkerId },
        /// A worker is gone, and its money is divided: final payout W is `rewards` and `deposit`.
        WorkerSettled {
            worker: WorkerId,
            operator: T::AccountId,
            rewards: Balance,
            deposit: Balance,
            forfeited: Balance,
        },
        /// A worker was promised f + g for an era; V is `value` with it.
        Accrued {
            worker: WorkerId,
            era: EraNumber,
            amount: Balance,
            value: Balance,
        },
        /// Something was taken from what a worker has.
        Slashed {
            worker: WorkerId,
            amount: Balance,
            cause: Cause,
        },
        /// A worker's operator was paid, out of what was promised.
        Paid {
            worker: WorkerId,
            operator: T::AccountId,
            amount: Balance,
        },
        /// Somebody has staked on a cluster.
        Staked {
            cluster: ClusterId,
            staker: T::AccountId,
            amount: Balance,
        },
        /// Somebody takes stake back. It can be withdrawn when era `until` has begun.
        Unstaked {
            cluster: ClusterId,
            staker: T::AccountId,
            amount: Balance,
            until: EraNumber,
        },
        /// Stake has come back.
        Withdrawn {
            staker: T::AccountId,
            amount: Balance,
        },
        /// A cluster's owner has set how much can be staked on it; `None` for any amount.
        CapSet {
            cluster: ClusterId,
            cap: Option<Balance>,
        },
        /// A cluster's owner has named workers.
        PreferencesSet { cluster: ClusterId, workers: u32 },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// α is more than everything: at most 1 000 000 000 parts per billion can be reserved.
        ReservedAboveWhole,
        /// `unit` of f is what rate·C·P is divided by: it must be 1 or more.
        ZeroUnit,
        /// The length of an era must be 1 millisecond or more.
        ZeroEra,
        /// Workers must answer before the next era begins: `heartbeat_ms` is at most `era_ms`.
        HeartbeatTooLate,
        /// Eras need a general cluster for the workers that nobody takes: set one first.
        NoGeneralCluster,
        /// The treasury does not exist: send it the existential deposit first.
        NoTreasury,
        /// Eras run already.
        ErasRunning,
        /// Eras do not run.
        ErasNotRunning,
        /// There is no such cluster.
        ClusterNotFound,
        /// Only the cluster's owner may do this.
        NotClusterOwner,
        /// Nobody can stake on the general cluster, and it names nobody: it gets what is left.
        GeneralCluster,
        /// A cluster that has stake cannot be the general one: the stake must be taken back first.
        ClusterHasStake,
        /// No such worker is registered.
        WorkerNotRegistered,
        /// The worker is out of service: it has to renew its evidence first.
        WorkerOutOfService,
        /// The worker's evidence claims no performance: it could do nothing for anybody.
        NoPerformance,
        /// The worker's state differed from that of its cluster: find out why, then readmit it there.
        WorkerHasDiverged,
        /// Only the worker's operator may do this.
        NotOperator,
        /// The worker takes part already, or has yet to be settled from the last time.
        AlreadyActivated,
        /// The worker is not in the economy: activate it first.
        NotActivated,
        /// The worker is not suspended.
        NotSuspended,
        /// The worker has left already.
        HasLeft,
        /// The worker cannot be settled yet: it must have left, and its cool-down be over.
        NotSettleable,
        /// The deposit is less than `minimum_deposit` of the settings.
        DepositTooSmall,
        /// More than the worker has earned and not been paid yet: the view function `payout_limit`
        /// says how much it is at most.
        AboveLimit,
        /// Nothing can be paid: the worker has earned nothing beyond what was taken and paid already.
        NothingToPay,
        /// The reward account has less than that: governance has to fund it.
        RewardsExhausted,
        /// The amount is zero.
        ZeroAmount,
        /// The account has less than that free.
        NotEnoughFree,
        /// Less than `minimum_stake` of the settings would be staked: stake more, or take all back.
        StakeTooSmall,
        /// The pool's owner has set a cap, which would be exceeded: the view function `pool_room` says
        /// how much can be staked at most.
        CapExceeded,
        /// The account has staked less than that on this cluster.
        NotStaked,
        /// 32 portions of stake are on their way back already: withdraw those that are there.
        TooMuchUnbonding,
        /// No stake has come back yet.
        NothingToWithdraw,
        /// At most 128 workers can be named.
        TooManyPreferences,
        /// A worker is named twice.
        DuplicatedPreference,
        /// More than 2^128 - 1.
        Overflow,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        /// Keeps the time, and does what the present era's stage asks for.
        fn on_idle(_: BlockNumberFor<T>, remaining: Weight) -> Weight {
            Self::idle(remaining)
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Sets parameters, times, minimums and slashes, all of them. They count from the next era on;
        /// slashes and minimums at once. Root only.
        #[pallet::call_index(0)]
        #[pallet::weight(weights::settings(T::DbWeight::get()))]
        pub fn set_settings(origin: OriginFor<T>, settings: Settings) -> DispatchResult {
            ensure_root(origin)?;
            Self::check_settings(&settings)?;
            Setting::<T>::put(settings);
            Self::deposit_event(Event::SettingsChanged { settings });
            Ok(())
        }

        /// Names the cluster that gets every worker that nobody else takes. It must have no stake. Root
        /// only.
        #[pallet::call_index(1)]
        #[pallet::weight(weights::general_cluster(T::DbWeight::get()))]
        pub fn set_general_cluster(origin: OriginFor<T>, cluster: ClusterId) -> DispatchResult {
            ensure_root(origin)?;
            Self::make_general(cluster)
        }

        /// Names the account that gets what slashes take, and fees. Root only.
        #[pallet::call_index(2)]
        #[pallet::weight(weights::settings(T::DbWeight::get()))]
        pub fn set_treasury(origin: OriginFor<T>, treasury: T::AccountId) -> DispatchResult {
            ensure_root(origin)?;
            ensure!(Self::exists(&treasury), Error::<T>::NoTreasury);
            Treasury::<T>::put(&treasury);
            Self::deposit_event(Event::TreasurySet { treasury });
            Ok(())
        }

        /// Mints money for rewards. Root only.
        #[pallet::call_index(3)]
        #[pallet::weight(weights::transfer(T::DbWeight::get()))]
        pub fn fund_rewards(origin: OriginFor<T>, amount: Balance) -> DispatchResult {
            ensure_root(origin)?;
            T::Token::mint_into(&Self::reward_account(), amount)?;
            Self::deposit_event(Event::RewardsFunded { amount });
            Ok(())
        }

        /// Lets eras run: the first one begins at once. From now on only they decide which worker is
        /// in which cluster. Root only.
        #[pallet::call_index(4)]
        #[pallet::weight(weights::general_cluster(T::DbWeight::get()))]
        pub fn start_eras(origin: OriginFor<T>) -> DispatchResult {
            ensure_root(origin)?;
            Self::start()
        }

        /// Stops eras. One that is being computed is dropped; the one in force stays, with what it has
        /// promised, and workers stay where they are. Owners assign workers again. Stake on its way
        /// back and workers that have left need not wait any more. Root only.
        #[pallet::call_index(5)]
        #[pallet::weight(weights::settings(T::DbWeight::get()))]
        pub fn stop_eras(origin: OriginFor<T>) -> DispatchResult {
            ensure_root(origin)?;
            ensure!(ErasRun::<T>::get(), Error::<T>::ErasNotRunning);
            ErasRun::<T>::put(false);
            Progress::<T>::put(Stage::Waiting);
            Self::deposit_event(Event::ErasStopped);
            Ok(())
        }

        /// Takes something from what a worker has. Root only.
        #[pallet::call_index(6)]
        #[pallet::weight(weights::slash(T::DbWeight::get()))]
        pub fn slash_worker(
            origin: OriginFor<T>,
            worker: WorkerId,
            amount: Balance,
        ) -> DispatchResult {
            ensure_root(origin)?;
            ensure!(amount > 0, Error::<T>::ZeroAmount);
            ensure!(Workers::<T>::contains_key(worker), Error::<T>::NotActivated);
            Self::slash(&worker, amount, Cause::Governance);
            Ok(())
        }

        /// Lets a worker take part, from the next era on. Sent by its operator, whose deposit is held
        /// until the worker is settled. The worker must be in service.
        #[pallet::call_index(10)]
        #[pallet::weight(weights::activate(T::DbWeight::get()))]
        pub fn activate(
            origin: OriginFor<T>,
            worker: WorkerId,
            #[pallet::compact] deposit: Balance,
        ) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            Self::enter(worker, operator, deposit)
        }

        /// Ends a worker's part with the era in force. Sent by its operator.
        #[pallet::call_index(11)]
        #[pallet::weight(weights::life(T::DbWeight::get()))]
        pub fn leave(origin: OriginFor<T>, worker: WorkerId) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            Self::begin_to_leave(worker, &operator)
        }

        /// Lets a suspended worker take part again, from the next era on. Sent by its operator. The
        /// worker must be in service, and be readmitted if its state had differed.
        #[pallet::call_index(12)]
        #[pallet::weight(weights::life(T::DbWeight::get()))]
        pub fn resume(origin: OriginFor<T>, worker: WorkerId) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            Self::come_back(worker, &operator)
        }

        /// Pays out of what a worker has been promised: this much, or with `None` as much as there is.
        /// Sent by its operator.
        #[pallet::call_index(13)]
        #[pallet::weight(weights::payout(T::DbWeight::get()))]
        pub fn payout(
            origin: OriginFor<T>,
            worker: WorkerId,
            amount: Option<Balance>,
        ) -> DispatchResult {
            let operator = ensure_signed(origin)?;
            Self::pay(worker, &operator, amount)
        }

        /// Divides the money of a worker that has left, when its cool-down is over, or that is
        /// exhausted: the final payout goes to its operator, what is forfeited to the treasury. Then
        /// the worker is gone. Sent by anybody.
        #[pallet::call_index(14)]
        #[pallet::weight(weights::settle(T::DbWeight::get()))]
        pub fn settle(origin: OriginFor<T>, worker: WorkerId) -> DispatchResult {
            ensure_signed(origin)?;
            Self::divide(worker)
        }

        /// Stakes on a cluster. It counts from the next era on.
        #[pallet::call_index(20)]
        #[pallet::weight(weights::stake(T::DbWeight::get()))]
        pub fn stake(
            origin: OriginFor<T>,
            cluster: ClusterId,
            #[pallet::compact] amount: Balance,
        ) -> DispatchResult {
            let staker = ensure_signed(origin)?;
            Self::add_stake(cluster, staker, amount)
        }

        /// Takes stake back from a cluster. From the next era on it counts no more; it can be
        /// withdrawn some eras later.
        #[pallet::call_index(21)]
        #[pallet::weight(weights::stake(T::DbWeight::get()))]
        pub fn unstake(
            origin: OriginFor<T>,
            cluster: ClusterId,
            #[pallet::compact] amount: Balance,
        ) -> DispatchResult {
            let staker = ensure_signed(origin)?;
            Self::take_stake(cluster, staker, amount)
        }

        /// Releases all stake of the sender that has come back.
        #[pallet::call_index(22)]
        #[pallet::weight(weights::stake(T::DbWeight::get()))]
        pub fn withdraw(origin: OriginFor<T>) -> DispatchResult {
            let staker = ensure_signed(origin)?;
            Self::release(staker)
        }

        /// Sets how much can be staked on a cluster; `None` for any amount. A cap below what is staked
        /// refuses new stake, and drives out nobody. Sent by the cluster's owner.
        #[pallet::call_index(23)]
        #[pallet::weight(weights::pool(T::DbWeight::get()))]
        pub fn set_cap(
            origin: OriginFor<T>,
            cluster: ClusterId,
            cap: Option<Balance>,
        ) -> DispatchResult {
            let owner = ensure_signed(origin)?;
            Self::cap(cluster, &owner, cap)
        }

        /// Names the workers that a cluster wants, best first; the list replaces the one before. Sent
        /// by the cluster's owner. Those that do not take part when the era begins are passed over.
        #[pallet::call_index(24)]
        #[pallet::weight(weights::preferences(workers.len(), T::DbWeight::get()))]
        pub fn set_preferences(
            origin: OriginFor<T>,
            cluster: ClusterId,
            workers: Vec<WorkerId>,
        ) -> DispatchResult {
            let owner = ensure_signed(origin)?;
            Self::prefer(cluster, &owner, workers)
        }
    }

    #[pallet::view_functions]
    impl<T: Config> Pallet<T> {
        /// The most that can be paid to a worker's operator now: 0 if there is no such worker.
        pub fn payout_limit(worker: WorkerId) -> Balance {
            Workers::<T>::get(worker).map_or(0, |known| {
                known.account.now().limit(Self::value_of(&worker, &known))
            })
        }

        /// A worker's value promise V: 0 if there is no such worker.
        pub fn value_promise(worker: WorkerId) -> Balance {
            Workers::<T>::get(worker).map_or(0, |known| Self::value_of(&worker, &known))
        }

        /// The most that can be staked on a cluster now.
        pub fn pool_room(cluster: ClusterId) -> Balance {
            if !Clusters::<T>::exists(&cluster) || GeneralCluster::<T>::get() == Some(cluster) {
                return 0;
            }
            Pools::<T>::get(cluster).map_or(Balance::MAX, |pool| pool.room())
        }

        /// What the era in force means for a worker; `None` if it does not take part.
        pub fn outcome(worker: WorkerId) -> Option<Outcome<ClusterId>> {
            Self::outcome_in_force(&worker)
        }

        /// What the era in force means for a cluster; `None` if it does not take part.
        pub fn share(cluster: ClusterId) -> Option<Share> {
            let in_force = EraInForce::<T>::get()?;
            let (era, share) = Shares::<T>::get(in_force.slot, cluster)?;
            (era == in_force.era).then_some(share)
        }
    }
}
