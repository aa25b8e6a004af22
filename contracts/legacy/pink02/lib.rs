//! What a contract does with Pink, on `pink-extension` 0.2 and ink! 3.
#![cfg_attr(not(feature = "std"), no_std)]

use pink_extension as pink;

#[pink::contract(env = PinkEnvironment)]
mod pink02 {
    use super::pink;
    use ink_prelude::{string::String, vec::Vec};
    use pink::chain_extension::SigType;
    use pink::{CacheOp, PinkEnvironment, PinkEvent};

    /// Keeps nothing.
    #[ink(storage)]
    pub struct Pink02 {}

    impl Pink02 {
        /// Keeps nothing.
        #[ink(constructor)]
        pub fn new() -> Self {
            Self {}
        }

        /// Status and body of a page.
        #[ink(message)]
        pub fn get(&self, url: String) -> (u16, Vec<u8>) {
            let response = pink::http_get!(url);
            (response.status_code, response.body)
        }

        /// Derives a key, signs with it and checks the signature.
        #[ink(message)]
        pub fn sign(&self, message: Vec<u8>) -> bool {
            use pink::chain_extension::signing;
            let key = signing::derive_sr25519_key(b"salt");
            let public = signing::get_public_key(&key, SigType::Sr25519);
            let signature = signing::sign(&message, &key, SigType::Sr25519);
            signing::verify(&message, &public, &signature, SigType::Sr25519)
        }

        /// Puts a value into the cache: whether there was room.
        #[ink(message)]
        pub fn cache_set(&mut self, key: Vec<u8>, value: Vec<u8>) -> bool {
            pink::ext().cache_set(&key, &value).is_ok()
        }

        /// Takes a value out of the cache.
        #[ink(message)]
        pub fn cache_remove(&mut self, key: Vec<u8>) -> Option<Vec<u8>> {
            pink::ext().cache_remove(&key)
        }

        /// The value in the cache.
        #[ink(message)]
        pub fn cache_get(&self, key: Vec<u8>) -> Option<Vec<u8>> {
            pink::ext().cache_get(&key)
        }

        /// Writes to the log, and says whether this is a transaction and what the system contract is.
        #[ink(message)]
        pub fn look_around(&mut self) -> (bool, AccountId) {
            pink::info!("looking around");
            (pink::ext().is_in_transaction(), pink::ext().system_contract_id())
        }

        /// Emits every event that a contract may emit.
        #[ink(message)]
        pub fn emit(&mut self, key: Vec<u8>) {
            pink::push_message(b"payload".to_vec(), b"topic".to_vec());
            pink::push_sidevm_message(b"message".to_vec());
            pink::force_stop_sidevm();
            let remove = PinkEvent::CacheOp(CacheOp::Remove { key });
            ink_env::emit_event::<PinkEnvironment, _>(remove);
        }
    }
}
