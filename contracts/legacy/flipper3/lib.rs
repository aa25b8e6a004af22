//! A flag for everyone, on ink! 3: storage that is spread over many keys, mappings, events with
//! topics, errors, and calls to another contract.
#![cfg_attr(not(feature = "std"), no_std)]

use ink_lang as ink;

#[ink::contract]
mod flipper3 {
    use ink_env::call::{build_call, Call, ExecutionInput, Selector};
    use ink_storage::{traits::SpreadAllocate, Mapping};

    /// One flag of the deployer, and one of each account.
    #[ink(storage)]
    #[derive(SpreadAllocate)]
    pub struct Flipper3 {
        value: bool,
        flips: u32,
        of: Mapping<AccountId, bool>,
    }

    /// A flag has a new value.
    #[ink(event)]
    pub struct Flipped {
        #[ink(topic)]
        by: AccountId,
        value: bool,
    }

    /// Why nothing was flipped.
    #[derive(Debug, PartialEq, Eq, scale::Encode, scale::Decode)]
    #[cfg_attr(feature = "std", derive(scale_info::TypeInfo))]
    pub enum Error {
        /// It has been flipped this many times.
        TooOften(u32),
    }

    impl Flipper3 {
        /// A flag with a value.
        #[ink(constructor, payable)]
        pub fn new(value: bool) -> Self {
            ink_lang::utils::initialize_contract(|contract: &mut Self| contract.value = value)
        }

        /// A flag that is down.
        #[ink(constructor)]
        pub fn default() -> Self {
            ink_lang::utils::initialize_contract(|_| {})
        }

        /// The deployer's flag.
        #[ink(message)]
        pub fn get(&self) -> bool {
            self.value
        }

        /// An account's flag.
        #[ink(message)]
        pub fn get_of(&self, account: AccountId) -> Option<bool> {
            self.of.get(account)
        }

        /// Flips the deployer's flag.
        #[ink(message)]
        pub fn flip(&mut self) {
            self.value = !self.value;
            self.flips += 1;
            self.env().emit_event(Flipped {
                by: self.env().caller(),
                value: self.value,
            });
        }

        /// Sets the caller's flag, and says what it was.
        #[ink(message, payable)]
        pub fn set_mine(&mut self, value: bool) -> Option<bool> {
            let caller = self.env().caller();
            let before = self.of.get(caller);
            self.of.insert(caller, &value);
            self.env().emit_event(Flipped { by: caller, value });
            before
        }

        /// Flips the deployer's flag, but not more than `limit` times in all.
        #[ink(message)]
        pub fn flip_at_most(&mut self, limit: u32) -> Result<bool, Error> {
            self.flip();
            if self.flips > limit {
                return Err(Error::TooOften(limit));
            }
            Ok(self.value)
        }

        /// Sets this contract's flag in another contract of the same code, and says what it was.
        #[ink(message)]
        pub fn set_mine_in(&mut self, other: AccountId, value: bool) -> Option<bool> {
            build_call::<ink_env::DefaultEnvironment>()
                .call_type(Call::new().callee(other))
                .exec_input(
                    ExecutionInput::new(Selector::new(ink_lang::selector_bytes!("set_mine")))
                        .push_arg(value),
                )
                .returns::<Option<bool>>()
                .fire()
                .unwrap()
        }

        /// Fails.
        #[ink(message)]
        pub fn panic(&self) {
            panic!("as asked")
        }
    }
}
