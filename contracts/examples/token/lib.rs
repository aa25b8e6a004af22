//! A fungible token after the PSP22 standard.
//!
//! The ledger and its rules come from the published crate `psp22`; this
//! contract adds storage, the standard's messages and a name.
//!
//! The whole supply belongs to the deployer at first. Balances are read by
//! query; whatever moves tokens is a command:
//!
//! ```text
//! phat deploy token.contract --constructor new 1000000 Some(Gold) Some(GLD) 6
//! phat query TOKEN PSP22::balance_of ALICE
//! phat call  TOKEN PSP22::transfer BOB 250 0x
//! ```
#![cfg_attr(not(feature = "std"), no_std, no_main)]

#[ink::contract]
mod token {
    use ink::codegen::StaticEnv;
    use ink::prelude::{string::String, vec::Vec};
    use psp22::{PSP22Data, PSP22Error, PSP22Event, PSP22Metadata, PSP22};

    /// The token: its ledger, and what wallets show about it.
    #[ink(storage)]
    pub struct Token {
        ledger: PSP22Data,
        name: Option<String>,
        symbol: Option<String>,
        decimals: u8,
    }

    impl Token {
        /// Creates `supply` units, all owned by the caller.
        ///
        /// `decimals` only concerns display: an account with 10^`decimals`
        /// units holds one token.
        #[ink(constructor)]
        pub fn new(
            supply: u128,
            name: Option<String>,
            symbol: Option<String>,
            decimals: u8,
        ) -> Self {
            let (ledger, events) = PSP22Data::new(supply, Self::env().caller());
            announce(events);
            Self {
                ledger,
                name,
                symbol,
                decimals,
            }
        }
    }

    impl PSP22 for Token {
        #[ink(message)]
        fn total_supply(&self) -> u128 {
            self.ledger.total_supply()
        }

        #[ink(message)]
        fn balance_of(&self, owner: AccountId) -> u128 {
            self.ledger.balance_of(owner)
        }

        #[ink(message)]
        fn allowance(&self, owner: AccountId, spender: AccountId) -> u128 {
            self.ledger.allowance(owner, spender)
        }

        #[ink(message)]
        fn transfer(
            &mut self,
            to: AccountId,
            value: u128,
            _data: Vec<u8>,
        ) -> Result<(), PSP22Error> {
            let caller = self.env().caller();
            self.ledger.transfer(caller, to, value).map(announce)
        }

        #[ink(message)]
        fn transfer_from(
            &mut self,
            from: AccountId,
            to: AccountId,
            value: u128,
            _data: Vec<u8>,
        ) -> Result<(), PSP22Error> {
            let caller = self.env().caller();
            self.ledger
                .transfer_from(caller, from, to, value)
                .map(announce)
        }

        #[ink(message)]
        fn approve(&mut self, spender: AccountId, value: u128) -> Result<(), PSP22Error> {
            let caller = self.env().caller();
            self.ledger.approve(caller, spender, value).map(announce)
        }

        #[ink(message)]
        fn increase_allowance(
            &mut self,
            spender: AccountId,
            delta_value: u128,
        ) -> Result<(), PSP22Error> {
            let caller = self.env().caller();
            self.ledger
                .increase_allowance(caller, spender, delta_value)
                .map(announce)
        }

        #[ink(message)]
        fn decrease_allowance(
            &mut self,
            spender: AccountId,
            delta_value: u128,
        ) -> Result<(), PSP22Error> {
            let caller = self.env().caller();
            self.ledger
                .decrease_allowance(caller, spender, delta_value)
                .map(announce)
        }
    }

    impl PSP22Metadata for Token {
        #[ink(message)]
        fn token_name(&self) -> Option<String> {
            self.name.clone()
        }

        #[ink(message)]
        fn token_symbol(&self) -> Option<String> {
            self.symbol.clone()
        }

        #[ink(message)]
        fn token_decimals(&self) -> u8 {
            self.decimals
        }
    }

    /// Emits what the ledger reports: the standard wants an event for every
    /// change, and the ledger itself emits none.
    fn announce(events: Vec<PSP22Event>) {
        for event in events {
            match event {
                PSP22Event::Transfer(transfer) => Token::env().emit_event(transfer),
                PSP22Event::Approval(approval) => Token::env().emit_event(approval),
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        // The standard's own suite, from the crate.
        psp22::tests!(Token, (|supply| Token::new(supply, None, None, 0)));

        #[ink::test]
        fn wallets_see_the_name_the_symbol_and_the_decimals() {
            let token = Token::new(1, Some("Gold".into()), Some("GLD".into()), 6);
            assert_eq!(token.token_name().as_deref(), Some("Gold"));
            assert_eq!(token.token_symbol().as_deref(), Some("GLD"));
            assert_eq!(token.token_decimals(), 6);
        }
    }
}
