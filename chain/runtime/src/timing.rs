//! How long a slot is and how close two blocks may follow each other, as state
//! set by genesis: the same program serves a chain that seals at once and one
//! that spreads its blocks over many machines.
//!
//! Never changed after genesis: Aura derives slot numbers from the slot length,
//! and a new length would move them backwards.

// The pallet macro insists on the full path of `Config`'s supertrait.
#![allow(unused_qualifications)]

use polkadot_sdk::*;

pub use pallet::*;

/// The pallet.
#[frame_support::pallet]
pub mod pallet {
    use super::*;
    use core::marker::PhantomData;
    use frame_support::pallet_prelude::*;
    use frame_support::traits::ConstU64;

    /// Length of a slot, in milliseconds, if genesis does not say otherwise.
    pub const DEFAULT_SLOT_DURATION: u64 = 3_000;

    /// Smallest distance between the timestamps of two blocks, in milliseconds,
    /// if genesis does not say otherwise: what a host that seals at once needs.
    pub const DEFAULT_MINIMUM_PERIOD: u64 = 1;

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    /// No configuration: the values come from genesis.
    #[pallet::config]
    pub trait Config: polkadot_sdk::frame_system::Config {}

    /// Length of a slot, in milliseconds.
    #[pallet::storage]
    pub type SlotDuration<T: Config> =
        StorageValue<_, u64, ValueQuery, ConstU64<DEFAULT_SLOT_DURATION>>;

    /// Smallest distance between the timestamps of two blocks, in milliseconds.
    #[pallet::storage]
    pub type MinimumPeriod<T: Config> =
        StorageValue<_, u64, ValueQuery, ConstU64<DEFAULT_MINIMUM_PERIOD>>;

    /// The chain's timing.
    #[pallet::genesis_config]
    pub struct GenesisConfig<T: Config> {
        /// Length of a slot, in milliseconds.
        pub slot_duration: u64,
        /// Smallest distance between the timestamps of two blocks, in milliseconds.
        pub minimum_period: u64,
        #[doc(hidden)]
        #[serde(skip)]
        pub _config: PhantomData<T>,
    }

    impl<T: Config> Default for GenesisConfig<T> {
        fn default() -> Self {
            Self {
                slot_duration: DEFAULT_SLOT_DURATION,
                minimum_period: DEFAULT_MINIMUM_PERIOD,
                _config: PhantomData,
            }
        }
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            assert!(self.slot_duration > 0, "timing.slotDuration must not be 0");
            assert!(
                (1..=self.slot_duration).contains(&self.minimum_period),
                "timing.minimumPeriod must be between 1 and timing.slotDuration"
            );
            SlotDuration::<T>::put(self.slot_duration);
            MinimumPeriod::<T>::put(self.minimum_period);
        }
    }

    /// [`SlotDuration`] as the parameter that Aura takes.
    pub struct SlotDurationOf<T>(PhantomData<T>);

    impl<T: Config> Get<u64> for SlotDurationOf<T> {
        fn get() -> u64 {
            SlotDuration::<T>::get()
        }
    }

    /// [`MinimumPeriod`] as the parameter that the timestamp pallet takes.
    pub struct MinimumPeriodOf<T>(PhantomData<T>);

    impl<T: Config> Get<u64> for MinimumPeriodOf<T> {
        fn get() -> u64 {
            MinimumPeriod::<T>::get()
        }
    }
}
