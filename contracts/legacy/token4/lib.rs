//! A token after the PSP22 standard, on ink! 4 and the crate `psp22` of its time.
#![cfg_attr(not(feature = "std"), no_std, no_main)]

#[ink::contract]
mod token4 {
    use ink::codegen::{EmitEvent, StaticEnv};
    use ink::prelude::vec::Vec;
    use psp22::{PSP22Data, PSP22Error, PSP22Event, PSP22};

    /// The token.
    #[ink(storage)]
    pub struct Token4 {
        ledger: PSP22Data,
    }

    /// An allowance has changed.
    #[ink(event)]
    pub struct Approval {
        #[ink(topic)]
        owner: AccountId,
        #[ink(topic)]
        spender: AccountId,
        amount: u128,
    }

    /// Units have moved.
    #[ink(event)]
    pub struct Transfer {
        #[ink(topic)]
        from: Option<AccountId>,
        #[ink(topic)]
        to: Option<AccountId>,
        value: u128,
    }

    impl Token4 {
        /// Creates `supply` units, all owned by the caller.
        #[ink(constructor)]
        pub fn new(supply: u128) -> Self {
            let (ledger, events) = PSP22Data::new(supply, Self::env().caller());
            announce(events);
            Self { ledger }
        }
    }

    impl PSP22 for Token4 {
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

    /// Emits what the ledger reports. Events belonged to a contract then, not to a crate.
    fn announce(events: Vec<PSP22Event>) {
        for event in events {
            match event {
                PSP22Event::Transfer { from, to, value } => {
                    Token4::env().emit_event(Transfer { from, to, value })
                }
                PSP22Event::Approval {
                    owner,
                    spender,
                    amount,
                } => Token4::env().emit_event(Approval {
                    owner,
                    spender,
                    amount,
                }),
            }
        }
    }
}
