//! Reads a value of a JSON document on the web, and keeps it.
//!
//! It takes two steps, because of how contracts run here. Any one worker
//! answers a query, so a query may ask the world. A command is applied by all
//! workers of the cluster, who must come to the same result, so HTTP is not
//! available in one. Hence the query `fetch` reads, and the command `keep`
//! stores what was read:
//!
//! ```text
//! phat query HTTP fetch https://api.example.org/rate /rates/EUR
//! phat call  HTTP keep 0.92
//! phat query HTTP latest
//! ```
//!
//! Only the owner's word makes the kept value true: nothing ties it to a
//! fetch. A contract whose users shall not have to trust its owner lets `fetch`
//! sign its result with a key derived in the contract, and checks that
//! signature in the command.
#![cfg_attr(not(feature = "std"), no_std, no_main)]

#[ink::contract(env = PinkEnvironment)]
mod http {
    use ink::prelude::string::String;
    use nojson::{JsonValueKind, RawJson, RawJsonValue};
    use pink::PinkEnvironment;

    /// The most bytes that `keep` takes; every worker stores them for good.
    const MAX_KEPT: usize = 1024;

    /// Why nothing was read or kept.
    #[derive(Debug, PartialEq, Eq)]
    #[ink::scale_derive(Encode, Decode, TypeInfo)]
    pub enum Error {
        /// The server, or the worker in its place, answered with this status
        /// and reason instead of success (2xx).
        Status {
            /// The HTTP status code.
            code: u16,
            /// The reason phrase beside it.
            reason: String,
        },
        /// The answer is not a JSON document.
        NotJson,
        /// The document has nothing at this pointer.
        NoSuchValue,
        /// There is an object or a list there; point at one value inside it.
        NotAScalar,
        /// Only the owner, who deployed the contract, may do this.
        NotOwner,
        /// The value is longer than 1024 bytes.
        TooLong,
    }

    /// What is kept, and who may change it.
    #[ink(storage)]
    pub struct Http {
        owner: AccountId,
        latest: Option<String>,
    }

    impl Http {
        /// Keeps nothing yet. The caller becomes the owner.
        #[ink(constructor)]
        pub fn new() -> Self {
            Self {
                owner: Self::env().caller(),
                latest: None,
            }
        }

        /// Gets `url` and returns the value at `pointer` of its JSON document,
        /// as text: a string without quotes, a number digit by digit as the
        /// server wrote it, `true`, `false` or `null`.
        ///
        /// `pointer` is a JSON pointer (RFC 6901): `/rates/EUR`, or
        /// `/items/0/name`, or nothing for the whole document.
        ///
        /// Works in a query only. The document may have about 16 KB.
        #[ink(message)]
        pub fn fetch(&self, url: String, pointer: String) -> Result<String, Error> {
            let response = pink::http_get(url);
            if !(200..300).contains(&response.status_code) {
                pink::warn!("the server answered {}", response.status_code);
                return Err(Error::Status {
                    code: response.status_code,
                    reason: response.reason_phrase,
                });
            }
            value_at(&response.body, &pointer)
        }

        /// Keeps `value`. Only the owner may.
        #[ink(message)]
        pub fn keep(&mut self, value: String) -> Result<(), Error> {
            if self.env().caller() != self.owner {
                return Err(Error::NotOwner);
            }
            if value.len() > MAX_KEPT {
                return Err(Error::TooLong);
            }
            self.latest = Some(value);
            Ok(())
        }

        /// The value kept last.
        #[ink(message)]
        pub fn latest(&self) -> Option<String> {
            self.latest.clone()
        }

        /// The account that may call `keep`.
        #[ink(message)]
        pub fn owner(&self) -> AccountId {
            self.owner
        }
    }

    impl Default for Http {
        fn default() -> Self {
            Self::new()
        }
    }

    /// The scalar at `pointer` of the JSON document `body`, as text.
    ///
    /// Numbers stay text from end to end. Reading them as floats would round
    /// them, and floats in a contract's code rule out deterministic execution,
    /// which commands need.
    fn value_at(body: &[u8], pointer: &str) -> Result<String, Error> {
        let text = core::str::from_utf8(body).map_err(|_| Error::NotJson)?;
        let document = RawJson::parse(text).map_err(|_| Error::NotJson)?;
        let value = follow(document.value(), pointer).ok_or(Error::NoSuchValue)?;
        match value.kind() {
            JsonValueKind::Array | JsonValueKind::Object => Err(Error::NotAScalar),
            JsonValueKind::String => value
                .to_unquoted_string_str()
                .map(|text| text.into_owned())
                .map_err(|_| Error::NotJson),
            _ => Ok(value.as_raw_str().into()),
        }
    }

    /// What `pointer` (RFC 6901) leads to from `value`.
    fn follow<'a, 'b>(value: RawJsonValue<'a, 'b>, pointer: &str) -> Option<RawJsonValue<'a, 'b>> {
        if pointer.is_empty() {
            return Some(value);
        }
        pointer
            .strip_prefix('/')?
            .split('/')
            .try_fold(value, |value, step| match value.kind() {
                JsonValueKind::Array => value.to_array().ok()?.nth(step.parse().ok()?),
                _ => {
                    // In this order, as the RFC says: `~01` is `~1`.
                    let name = step.replace("~1", "/").replace("~0", "~");
                    value
                        .to_object()
                        .ok()?
                        .find(|(key, _)| key.to_unquoted_string_str().is_ok_and(|k| k == name))
                        .map(|(_, value)| value)
                }
            })
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use ink::env::test::{
            default_accounts, register_chain_extension, set_caller, ChainExtension,
        };
        use ink::prelude::vec::Vec;
        use ink::scale::{Decode, Encode};
        use pink::chain_extension::{HttpRequest, HttpResponse};

        const DOCUMENT: &str = r#"{
            "name": "caf\u00e9 \"x\"",
            "rates": {"EUR": 0.9200, "JPY": 123456789012345678901234567890},
            "list": [{"ok": true}, null],
            "a/b~1": "escaped"
        }"#;

        /// Stands in for the worker: every request gets this answer.
        struct Worker(HttpResponse);

        impl ChainExtension for Worker {
            fn ext_id(&self) -> u16 {
                0
            }

            fn call(&mut self, function: u16, input: &[u8], output: &mut Vec<u8>) -> u32 {
                let input = Vec::<u8>::decode(&mut &input[..]).unwrap();
                match function {
                    1 => {
                        let request = HttpRequest::decode(&mut &input[..]).unwrap();
                        assert_eq!(request.method, "GET");
                        assert_eq!(request.url, "http://localhost/x.json");
                        self.0.encode_to(output);
                    }
                    10 => {}
                    other => panic!("this contract does not call function {other}"),
                }
                0
            }
        }

        /// What a fetch yields when the server answers with `code` and `body`.
        fn fetch(code: u16, body: &'static str, pointer: &str) -> Result<String, Error> {
            register_chain_extension(Worker(HttpResponse {
                status_code: code,
                reason_phrase: "said so".into(),
                headers: Vec::new(),
                body: body.into(),
            }));
            Http::new().fetch("http://localhost/x.json".into(), pointer.into())
        }

        #[ink::test]
        fn scalars_are_found_by_their_pointer() {
            let at = |pointer| fetch(200, DOCUMENT, pointer).unwrap();
            assert_eq!(at("/name"), "café \"x\"");
            assert_eq!(at("/list/0/ok"), "true");
            assert_eq!(at("/list/1"), "null");
            assert_eq!(at("/a~1b~01"), "escaped");
            assert_eq!(fetch(200, "7", ""), Ok("7".into()));
        }

        #[ink::test]
        fn numbers_keep_every_digit() {
            let at = |pointer| fetch(200, DOCUMENT, pointer).unwrap();
            assert_eq!(at("/rates/EUR"), "0.9200");
            assert_eq!(at("/rates/JPY"), "123456789012345678901234567890");
        }

        #[ink::test]
        fn what_cannot_be_read_is_told_apart() {
            let refused = Error::Status {
                code: 404,
                reason: "said so".into(),
            };
            assert_eq!(fetch(404, DOCUMENT, "/name"), Err(refused));
            assert_eq!(fetch(200, DOCUMENT, "/rates"), Err(Error::NotAScalar));
            assert_eq!(fetch(200, DOCUMENT, "/none"), Err(Error::NoSuchValue));
            assert_eq!(fetch(200, DOCUMENT, "name"), Err(Error::NoSuchValue));
            assert_eq!(fetch(200, DOCUMENT, "/list/2"), Err(Error::NoSuchValue));
            assert_eq!(fetch(200, DOCUMENT, "/name/x"), Err(Error::NoSuchValue));
            for body in ["", "{", "<html>", "{\"a\":1}x", "\u{0}"] {
                assert_eq!(fetch(200, body, "/a"), Err(Error::NotJson), "{body:?}");
            }
            let deep = &*"[".repeat(10_000).leak();
            assert_eq!(fetch(200, deep, ""), Err(Error::NotJson));
        }

        #[ink::test]
        fn only_the_owner_keeps_a_value() {
            let accounts = default_accounts::<PinkEnvironment>();
            set_caller::<PinkEnvironment>(accounts.alice);
            let mut contract = Http::new();
            assert_eq!(contract.owner(), accounts.alice);
            assert_eq!(contract.latest(), None);

            set_caller::<PinkEnvironment>(accounts.bob);
            assert_eq!(contract.keep("1".into()), Err(Error::NotOwner));
            assert_eq!(contract.latest(), None);

            set_caller::<PinkEnvironment>(accounts.alice);
            assert_eq!(contract.keep("2".into()), Ok(()));
            assert_eq!(contract.latest().as_deref(), Some("2"));
            assert_eq!(contract.keep("x".repeat(MAX_KEPT + 1)), Err(Error::TooLong));
            assert_eq!(contract.latest().as_deref(), Some("2"));
        }
    }
}
