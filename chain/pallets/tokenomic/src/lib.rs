//! Stake on contracts. On each worker of a cluster, a contract's share of the processors is its stake
//! divided by the stake of all contracts that have work to do.
//!
//! Anybody may stake on any contract that has been instantiated, in whatever cluster. Stake moves up,
//! down or away at once: [`Pallet::adjust_stake`] says what the sender's stake is to be, and the block
//! that carries it carries the contract's new total to the workers, which go by it from that block on.
//! Storage and call have the names and shapes that clients of Phala know (`PhalaPhatTokenomic`).
//!
//! # Money
//!
//! Staked money stays on the account of whoever staked it, on hold ([`HoldReason::ContractStake`]).
//! Nothing is earned by it and nothing can be taken from it. It can be taken back whatever becomes of
//! the contract: the chain does not even know of one that has removed itself. What is staked on such a
//! contract buys nothing, and its workers have forgotten it.
//!
//! # Dust
//!
//! A stake is a record on the chain and a word to all workers of a cluster, so it has a minimum,
//! [`MinStake`]. It is also more than what the system contract of a cluster can give as a weight to a
//! contract that nobody has staked on (a `u32`), so that stake always counts for more.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

use polkadot_sdk::{frame_support, frame_system, sp_runtime};

use frame_support::{
    pallet_prelude::*,
    traits::{
        fungible::{InspectHold, MutateHold},
        tokens::Precision,
    },
};
use pallet_phat_clusters::Pallet as Clusters;
use pallet_phat_messages::Pallet as Messages;
use phat_primitives::{
    Balance, ClusterId, ContractId,
    message::{ClusterMessage, Message},
};

mod invariants;
mod weights;

pub use pallet::*;

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

/// [`MinStake`] until governance has set another: a hundredth of a token.
pub const DEFAULT_MIN_STAKE: Balance = 10_000_000_000;

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
        /// Why money is on hold, in the whole runtime.
        type RuntimeHoldReason: From<HoldReason>;
        /// The token.
        type Currency: MutateHold<Self::AccountId, Reason = Self::RuntimeHoldReason>
            + InspectHold<Self::AccountId, Balance = Balance>;
    }

    /// Why this pallet holds money.
    #[pallet::composite_enum]
    pub enum HoldReason {
        /// It is staked on contracts.
        #[codec(index = 0)]
        ContractStake,
    }

    /// What each account has staked on each contract. None is 0.
    #[pallet::storage]
    pub type ContractUserStakes<T: Config> = StorageDoubleMap<
        _,
        Twox64Concat,
        T::AccountId,
        Twox64Concat,
        ContractId,
        Balance,
        ValueQuery,
    >;

    /// What is staked on each contract by all together. None is 0.
    #[pallet::storage]
    pub type ContractTotalStakes<T> = StorageMap<_, Twox64Concat, ContractId, Balance, ValueQuery>;

    #[pallet::type_value]
    pub fn InitialMinStake() -> Balance {
        DEFAULT_MIN_STAKE
    }

    /// The least that one account may have staked on one contract, if it has staked anything.
    #[pallet::storage]
    pub type MinStake<T> = StorageValue<_, Balance, ValueQuery, InitialMinStake>;

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// What is staked on a contract has changed. The cluster is the one that the contract is in.
        ContractDepositChanged {
            cluster: Option<ClusterId>,
            contract: ContractId,
            deposit: Balance,
        },
        /// What an account has staked on a contract has changed.
        UserStakeChanged {
            cluster: Option<ClusterId>,
            account: T::AccountId,
            contract: ContractId,
            stake: Balance,
        },
        /// There is another minimum for stakes that are set from now on.
        MinStakeSet { amount: Balance },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// The stake is below the minimum, [`MinStake`]: stake more, or 0 to take it back.
        InvalidAmountOfStake,
        /// No such contract has been instantiated. What is staked on one already can be taken back.
        ContractNotFound,
        /// The sender has less free than is to be staked in addition.
        NotEnoughFree,
        /// More would be staked on the contract than a number can say.
        StakeTooLarge,
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Sets what the sender has staked on a contract: more or less than before, or 0, to take all
        /// of it back. It is in force at once.
        #[pallet::call_index(0)]
        #[pallet::weight(weights::adjust_stake(T::DbWeight::get()))]
        pub fn adjust_stake(
            origin: OriginFor<T>,
            contract: ContractId,
            amount: Balance,
        ) -> DispatchResult {
            let account = ensure_signed(origin)?;
            Self::set_stake(&account, contract, amount)
        }

        /// Sets the minimum for stakes. Those that are there stay as they are until they are changed.
        /// Root only.
        #[pallet::call_index(1)]
        #[pallet::weight(weights::set_min_stake(T::DbWeight::get()))]
        pub fn set_min_stake(origin: OriginFor<T>, amount: Balance) -> DispatchResult {
            ensure_root(origin)?;
            MinStake::<T>::put(amount);
            Self::deposit_event(Event::MinStakeSet { amount });
            Ok(())
        }
    }

    impl<T: Config> Pallet<T> {
        fn set_stake(
            account: &T::AccountId,
            contract: ContractId,
            amount: Balance,
        ) -> DispatchResult {
            ensure!(
                amount == 0 || amount >= MinStake::<T>::get(),
                Error::<T>::InvalidAmountOfStake
            );
            let cluster = Clusters::<T>::cluster_of_ready(&contract);
            let before = ContractUserStakes::<T>::get(account, contract);
            // Whoever takes something back gets it, whatever has become of the contract.
            ensure!(
                amount < before || cluster.is_some(),
                Error::<T>::ContractNotFound
            );
            let total = ContractTotalStakes::<T>::get(contract)
                .checked_sub(before)
                .and_then(|others| others.checked_add(amount))
                .ok_or(Error::<T>::StakeTooLarge)?;
            let reason = HoldReason::ContractStake.into();
            if let Some(more) = amount.checked_sub(before) {
                <T as Config>::Currency::hold(&reason, account, more)
                    .map_err(|_| Error::<T>::NotEnoughFree)?;
            } else {
                let less = before.saturating_sub(amount);
                <T as Config>::Currency::release(&reason, account, less, Precision::Exact)?;
            }
            if amount == 0 {
                ContractUserStakes::<T>::remove(account, contract);
            } else {
                ContractUserStakes::<T>::insert(account, contract, amount);
            }
            if total == 0 {
                ContractTotalStakes::<T>::remove(contract);
            } else {
                ContractTotalStakes::<T>::insert(contract, total);
            }
            if let Some(cluster) = cluster {
                let message = ClusterMessage::ContractStake {
                    contract,
                    stake: total,
                };
                Messages::<T>::push(Message::Cluster(cluster, message))?;
            }
            Self::deposit_event(Event::ContractDepositChanged {
                cluster,
                contract,
                deposit: total,
            });
            Self::deposit_event(Event::UserStakeChanged {
                cluster,
                account: account.clone(),
                contract,
                stake: amount,
            });
            Ok(())
        }
    }
}
