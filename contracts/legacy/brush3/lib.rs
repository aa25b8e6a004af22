//! A PSP22 token with an owner and roles, on OpenBrush 3: the library's messages come from its traits,
//! whose implementations are specialised.
#![cfg_attr(not(feature = "std"), no_std, no_main)]
#![feature(min_specialization)]

#[openbrush::contract]
mod brush3 {
    use ink::codegen::{EmitEvent, Env};
    use openbrush::{
        contracts::{
            access_control::{self, members::MembersManager, *},
            ownable::{self, *},
            psp22::{self, *},
        },
        modifiers,
        traits::Storage,
    };

    /// The role of those who may mint.
    const MINTER: RoleType = 1;

    /// The token.
    #[ink(storage)]
    #[derive(Default, Storage)]
    pub struct Brush3 {
        #[storage_field]
        psp22: psp22::Data,
        #[storage_field]
        ownable: ownable::Data,
        #[storage_field]
        access: access_control::Data,
    }

    /// Units have moved.
    #[ink(event)]
    pub struct Transfer {
        #[ink(topic)]
        from: Option<AccountId>,
        #[ink(topic)]
        to: Option<AccountId>,
        value: Balance,
    }

    // Each implementation replaces one message by what it is anyway: today's compiler refuses those that
    // replace nothing.

    impl PSP22 for Brush3 {
        #[ink(message)]
        fn total_supply(&self) -> Balance {
            psp22::Internal::_total_supply(self)
        }
    }

    impl Ownable for Brush3 {
        #[ink(message)]
        fn owner(&self) -> AccountId {
            self.ownable.owner
        }
    }

    impl AccessControl for Brush3 {
        #[ink(message)]
        fn has_role(&self, role: RoleType, address: AccountId) -> bool {
            self.access.members.has_role(role, &address)
        }
    }

    impl psp22::Internal for Brush3 {
        fn _emit_transfer_event(
            &self,
            from: Option<AccountId>,
            to: Option<AccountId>,
            value: Balance,
        ) {
            self.env().emit_event(Transfer { from, to, value });
        }
    }

    impl Brush3 {
        /// Creates `supply` units. The caller gets them, owns the contract and gives out its roles.
        #[ink(constructor)]
        pub fn new(supply: Balance) -> Self {
            let mut token = Self::default();
            let caller = Self::env().caller();
            ownable::Internal::_init_with_owner(&mut token, caller);
            access_control::Internal::_init_with_admin(&mut token, caller);
            psp22::Internal::_mint_to(&mut token, caller, supply).expect("nobody has any yet");
            token
        }

        /// Creates units, which only minters may.
        #[ink(message)]
        #[modifiers(only_role(MINTER))]
        pub fn mint(&mut self, to: AccountId, value: Balance) -> Result<(), PSP22Error> {
            psp22::Internal::_mint_to(self, to, value)
        }

        /// Destroys units of anybody, which only the owner may.
        #[ink(message)]
        #[modifiers(only_owner)]
        pub fn burn(&mut self, from: AccountId, value: Balance) -> Result<(), PSP22Error> {
            psp22::Internal::_burn_from(self, from, value)
        }
    }
}
