//! A PSP22 token with an owner and roles, on OpenBrush 4: the library's macro writes the messages.
#![cfg_attr(not(feature = "std"), no_std, no_main)]

#[openbrush::implementation(PSP22, Ownable, AccessControl)]
#[openbrush::contract]
mod brush4 {
    use ink::codegen::{EmitEvent, Env};
    use openbrush::{modifiers, traits::Storage};

    /// The role of those who may mint.
    const MINTER: RoleType = 1;

    /// The token.
    #[ink(storage)]
    #[derive(Default, Storage)]
    pub struct Brush4 {
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

    #[overrider(psp22::Internal)]
    fn _emit_transfer_event(
        &self,
        from: Option<AccountId>,
        to: Option<AccountId>,
        amount: Balance,
    ) {
        let value = amount;
        self.env().emit_event(Transfer { from, to, value });
    }

    impl Brush4 {
        /// Creates `supply` units. The caller gets them, owns the contract and gives out its roles.
        #[ink(constructor)]
        pub fn new(supply: Balance) -> Self {
            let mut token = Self::default();
            let caller = Self::env().caller();
            ownable::Internal::_init_with_owner(&mut token, caller);
            access_control::Internal::_init_with_admin(&mut token, Some(caller));
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
