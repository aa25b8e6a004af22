//! What a contract does with Pink, on `pink-extension` 0.4 and ink! 4, with the allocator that Phala
//! advised: it asks for memory page by page.
#![cfg_attr(not(feature = "std"), no_std, no_main)]

use pink_extension as pink;

#[pink::contract(env = PinkEnvironment)]
mod pink04 {
    use super::pink;
    use ink::prelude::{string::String, vec, vec::Vec};
    use pink::chain_extension::{signing, HttpRequest, SigType};
    use pink::system::{CodeType, ContractDepositRef, DriverError, SidevmOperationRef, SystemRef};
    use pink::{CacheOp, HookPoint, PinkEnvironment, PinkEvent};

    /// Keeps nothing.
    #[ink(storage)]
    pub struct Pink04 {}

    impl Pink04 {
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

        /// The statuses of pages that are fetched together; an error is the number of its variant.
        #[ink(message)]
        pub fn get_all(&self, urls: Vec<String>) -> Result<Vec<u16>, u32> {
            let requests = urls
                .into_iter()
                .map(|url| HttpRequest::new(url, "GET", vec![], vec![]))
                .collect();
            let responses = pink::ext()
                .batch_http_request(requests, 1_000)
                .map_err(u32::from)?;
            let status = |response: Result<pink::chain_extension::HttpResponse, _>| {
                response.map_or(0, |response| response.status_code)
            };
            Ok(responses.into_iter().map(status).collect())
        }

        /// Derives a key, signs with it and checks the signature.
        #[ink(message)]
        pub fn sign(&self, message: Vec<u8>) -> bool {
            let key = signing::derive_sr25519_key(b"salt");
            let public = signing::get_public_key(&key, SigType::Sr25519);
            let signature = signing::sign(&message, &key, SigType::Sr25519);
            signing::verify(&message, &public, &signature, SigType::Sr25519)
        }

        /// The same on secp256k1, with a message that was hashed before.
        #[ink(message)]
        pub fn sign_hash(&self, hash: [u8; 32]) -> bool {
            let key = &pink::vrf(b"salt")[..32];
            let public = signing::get_public_key(key, SigType::Ecdsa);
            let signature = pink::ext().ecdsa_sign_prehashed(key, hash);
            match public.try_into() {
                Ok(public) => pink::ext().ecdsa_verify_prehashed(signature, hash, public),
                Err(_) => false,
            }
        }

        /// Puts a value into the cache: whether there was room.
        #[ink(message)]
        pub fn cache_set(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
            pink::ext().cache_set(&key, &value).is_ok()
        }

        /// Takes a value out of the cache.
        #[ink(message)]
        pub fn cache_remove(&self, key: Vec<u8>) -> Option<Vec<u8>> {
            pink::ext().cache_remove(&key)
        }

        /// The value in the cache.
        #[ink(message)]
        pub fn cache_get(&self, key: Vec<u8>) -> Option<Vec<u8>> {
            pink::ext().cache_get(&key)
        }

        /// Writes to the log, and says whether this is a transaction and what the system contract is.
        #[ink(message)]
        pub fn look_around(&self) -> (bool, AccountId) {
            pink::info!("looking around");
            (pink::ext().is_in_transaction(), pink::ext().system_contract_id())
        }

        /// What the system contract answers: its version, the driver of a name, whether an account is
        /// an administrator and what it has, and whether a code is there.
        #[ink(message)]
        pub fn ask_system(
            &self,
            driver: String,
            account: AccountId,
            code: [u8; 32],
        ) -> ((u16, u16, u16), Option<AccountId>, bool, Balance, bool) {
            let system = SystemRef::instance();
            (
                system.version(),
                system.get_driver(driver),
                system.is_admin(account),
                system.total_balance_of(account),
                system.code_exists(code, CodeType::Ink),
            )
        }

        /// Asks the system contract for what only administrators get: whether it was given.
        #[ink(message)]
        pub fn ask_for_rights(&mut self) -> (bool, bool) {
            let mut system = SystemRef::instance();
            let me = self.env().account_id();
            (
                system.set_hook(HookPoint::OnBlockEnd, me, 1, 1).is_ok(),
                system.set_driver("Mine".into(), me).is_ok(),
            )
        }

        /// Whether there are the two drivers that the extension knows by name.
        #[ink(message)]
        pub fn drivers(&self) -> (bool, bool) {
            (
                SidevmOperationRef::instance().is_some(),
                ContractDepositRef::instance().is_some(),
            )
        }

        /// Starts a side VM by the driver for it.
        #[ink(message)]
        pub fn start_sidevm(&self) -> Result<(), DriverError> {
            pink::start_sidevm([7; 32])
        }

        /// Allocates this many bytes, and adds them up.
        #[ink(message)]
        pub fn allocate(&self, bytes: u32) -> u32 {
            let room = vec![1u8; bytes as usize];
            room.iter().map(|byte| u32::from(*byte)).sum()
        }

        /// Emits every event that a contract may emit.
        #[ink(message)]
        pub fn emit(&mut self, key: Vec<u8>) {
            pink::push_sidevm_message(b"message".to_vec());
            pink::force_stop_sidevm();
            ink::env::emit_event::<PinkEnvironment, _>(PinkEvent::CacheOp(CacheOp::Remove { key }));
        }

        /// Emits one of the events that only the system contract may emit.
        #[ink(message)]
        pub fn emit_reserved(&mut self, which: u8) {
            let me = self.env().account_id();
            match which {
                0 => pink::set_hook(HookPoint::OnBlockEnd, me, 0x0102_0304, 5),
                1 => pink::deploy_sidevm_to(me, [7; 32]),
                2 => pink::stop_sidevm_at(me),
                3 => pink::set_log_handler(me),
                4 => pink::set_contract_weight(me, 9),
                _ => pink::upgrade_runtime((1, 2)),
            }
        }
    }
}
