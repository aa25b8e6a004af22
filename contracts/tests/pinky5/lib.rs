//! One message for each function of Pink's chain extension, with its arguments
//! and its result passed through, and one for each event that a contract may
//! send to the engine.
//!
//! The contract `pinky` message for message, on this project's crate: the engine's
//! tests compare what the two send.
#![cfg_attr(not(feature = "std"), no_std, no_main)]

#[ink::contract(env = PinkEnvironment)]
mod pinky5 {
    use ink::prelude::{string::String, vec::Vec};
    use pink::chain_extension::{
        HttpRequest, HttpRequestError, HttpResponse, JsCode, JsValue, SigType,
    };
    use pink::system::{System, SystemRef};
    use pink::types::sgx::SgxQuote;
    use pink::PinkEnvironment;

    /// An HTTP answer: status, reason, headers and body.
    type Answer = (u16, String, Vec<(String, String)>, Vec<u8>);

    /// Remembers what a transaction has put into it.
    #[ink(storage)]
    #[derive(Default)]
    pub struct Pinky5 {
        kept: Vec<u8>,
    }

    impl Pinky5 {
        /// Remembers nothing.
        #[ink(constructor)]
        pub fn new() -> Self {
            Self::default()
        }

        /// Function 1.
        #[ink(message)]
        pub fn http_request(
            &self,
            method: String,
            url: String,
            headers: Vec<(String, String)>,
            body: Vec<u8>,
        ) -> Answer {
            answer(pink::ext().http_request(HttpRequest::new(url, method, headers, body)))
        }

        /// Function 2.
        #[ink(message)]
        pub fn sign(&self, kind: u8, key: Vec<u8>, message: Vec<u8>) -> Vec<u8> {
            pink::ext().sign(sig_type(kind), &key, &message)
        }

        /// Function 3.
        #[ink(message)]
        pub fn verify(
            &self,
            kind: u8,
            public: Vec<u8>,
            message: Vec<u8>,
            signature: Vec<u8>,
        ) -> bool {
            pink::ext().verify(sig_type(kind), &public, &message, &signature)
        }

        /// Function 4.
        #[ink(message)]
        pub fn derive_sr25519_key(&self, salt: Vec<u8>) -> Vec<u8> {
            pink::ext().derive_sr25519_key(salt.into())
        }

        /// Function 5.
        #[ink(message)]
        pub fn get_public_key(&self, kind: u8, key: Vec<u8>) -> Vec<u8> {
            pink::ext().get_public_key(sig_type(kind), &key)
        }

        /// Function 6. Whether there was room.
        #[ink(message)]
        pub fn cache_set(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
            pink::ext().cache_set(&key, &value).is_ok()
        }

        /// Function 7.
        #[ink(message)]
        pub fn cache_set_expiration(&self, key: Vec<u8>, seconds: u64) {
            pink::ext().cache_set_expiration(&key, seconds)
        }

        /// Function 8.
        #[ink(message)]
        pub fn cache_get(&self, key: Vec<u8>) -> Option<Vec<u8>> {
            pink::ext().cache_get(&key)
        }

        /// Function 9.
        #[ink(message)]
        pub fn cache_remove(&self, key: Vec<u8>) -> Option<Vec<u8>> {
            pink::ext().cache_remove(&key)
        }

        /// Function 10.
        #[ink(message)]
        pub fn log(&self, level: u8, message: String) {
            pink::ext().log(level, &message)
        }

        /// Function 11.
        #[ink(message)]
        pub fn getrandom(&self, length: u8) -> Vec<u8> {
            pink::ext().getrandom(length)
        }

        /// Function 12.
        #[ink(message)]
        pub fn is_in_transaction(&self) -> bool {
            pink::ext().is_in_transaction()
        }

        /// Function 13. The 65 bytes of the signature.
        #[ink(message)]
        pub fn ecdsa_sign_prehashed(&self, key: Vec<u8>, hash: [u8; 32]) -> Vec<u8> {
            pink::ext().ecdsa_sign_prehashed(&key, hash).to_vec()
        }

        /// Function 14. False if a length is wrong.
        #[ink(message)]
        pub fn ecdsa_verify_prehashed(
            &self,
            signature: Vec<u8>,
            hash: [u8; 32],
            public: Vec<u8>,
        ) -> bool {
            match (signature.try_into(), public.try_into()) {
                (Ok(signature), Ok(public)) => {
                    pink::ext().ecdsa_verify_prehashed(signature, hash, public)
                }
                _ => false,
            }
        }

        /// Function 15.
        #[ink(message)]
        pub fn system_contract_id(&self) -> AccountId {
            pink::ext().system_contract_id()
        }

        /// Function 16. Total and free.
        #[ink(message)]
        pub fn balance_of(&self, account: AccountId) -> (Balance, Balance) {
            pink::ext().balance_of(account)
        }

        /// Function 17.
        #[ink(message)]
        pub fn worker_pubkey(&self) -> [u8; 32] {
            pink::ext().worker_pubkey()
        }

        /// Function 18.
        #[ink(message)]
        pub fn untrusted_millis_since_unix_epoch(&self) -> u64 {
            pink::ext().untrusted_millis_since_unix_epoch()
        }

        /// Function 19.
        #[ink(message)]
        pub fn code_exists(&self, hash: [u8; 32], sidevm: bool) -> bool {
            pink::ext().code_exists(hash, sidevm)
        }

        /// Function 20, which only the system contract may call.
        #[ink(message)]
        pub fn import_latest_system_code(&self, payer: AccountId) -> Option<[u8; 32]> {
            pink::ext().import_latest_system_code(payer)
        }

        /// Function 21.
        #[ink(message)]
        pub fn runtime_version(&self) -> (u32, u32) {
            pink::ext().runtime_version()
        }

        /// Function 22, for `GET`. An error is the number of its variant.
        #[ink(message)]
        pub fn batch_http_get(
            &self,
            urls: Vec<String>,
            timeout_ms: u64,
        ) -> Result<Vec<Result<Answer, u32>>, u32> {
            let requests = urls
                .into_iter()
                .map(|url| HttpRequest::new(url, "GET", Vec::new(), Vec::new()))
                .collect();
            let number = |error: HttpRequestError| error.into();
            pink::ext()
                .batch_http_request(requests, timeout_ms)
                .map(|answers| {
                    answers
                        .into_iter()
                        .map(|result| result.map(answer).map_err(number))
                        .collect()
                })
                .map_err(number)
        }

        /// Function 23.
        #[ink(message)]
        pub fn current_event_chain_head(&self) -> (u64, [u8; 32]) {
            pink::ext().current_event_chain_head()
        }

        /// Function 24.
        #[ink(message)]
        pub fn js_eval(&self, sources: Vec<String>, arguments: Vec<String>) -> JsValue {
            let codes = sources.into_iter().map(JsCode::Source).collect();
            pink::ext().js_eval(codes, arguments)
        }

        /// Function 25.
        #[ink(message)]
        pub fn worker_sgx_quote(&self) -> Option<SgxQuote> {
            pink::ext().worker_sgx_quote()
        }

        /// A number of the extension that no function has.
        #[ink(message)]
        pub fn no_such_function(&self, number: u16) -> u32 {
            let call = ink::env::chain_extension::ChainExtensionMethod::build(u32::from(number));
            call.input::<()>()
                .output::<(), false>()
                .ignore_error_code()
                .call(&());
            0
        }

        /// The event by which a contract sends a message to its side VM.
        #[ink(message)]
        pub fn push_sidevm_message(&mut self, message: Vec<u8>) {
            pink::push_sidevm_message(message)
        }

        /// The event by which a contract stops its side VM.
        #[ink(message)]
        pub fn force_stop_sidevm(&mut self) {
            pink::force_stop_sidevm()
        }

        /// An event that is reserved for the system contract.
        #[ink(message)]
        pub fn set_own_weight(&mut self, weight: u32) {
            pink::set_contract_weight(self.env().account_id(), weight)
        }

        /// The owner of a name among the cluster's drivers, asked of the system
        /// contract.
        #[ink(message)]
        pub fn driver(&self, name: String) -> Option<AccountId> {
            SystemRef::instance().get_driver(name)
        }

        /// Deterministic bytes that nobody but this contract can know.
        #[ink(message)]
        pub fn vrf(&self, salt: Vec<u8>) -> Vec<u8> {
            pink::vrf(&salt)
        }

        /// Keeps, in a transaction, a signature that is made in the transaction.
        #[ink(message)]
        pub fn keep_signature(&mut self, kind: u8, salt: Vec<u8>, message: Vec<u8>) {
            let key = pink::ext().derive_sr25519_key(salt.into());
            let seed = key.get(..32).unwrap_or_default();
            self.kept = pink::ext().sign(sig_type(kind), seed, &message);
        }

        /// What a transaction has kept.
        #[ink(message)]
        pub fn kept(&self) -> Vec<u8> {
            self.kept.clone()
        }
    }

    /// 0: ed25519, 1: sr25519, anything else: ecdsa. The extension's own order.
    fn sig_type(kind: u8) -> SigType {
        match kind {
            0 => SigType::Ed25519,
            1 => SigType::Sr25519,
            _ => SigType::Ecdsa,
        }
    }

    fn answer(response: HttpResponse) -> Answer {
        (
            response.status_code,
            response.reason_phrase,
            response.headers,
            response.body,
        )
    }
}
