//! Contracts on the libraries of years ago, run as they are: ink! 3, and Phala's extension when it was
//! called `pink-extension`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use codec::{Decode, Encode};
use common::*;
use phat_engine::{
    Determinism, ExecMode,
    pink::{CacheOp, PinkEvent},
};

/// A bundle: its code, and the part of its metadata that has selectors.
struct Bundle {
    wasm: Vec<u8>,
    spec: serde_json::Value,
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.trim_start_matches("0x").as_bytes();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

impl Bundle {
    fn read(name: &str) -> Self {
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../contracts/legacy/artifacts"
        );
        let text = std::fs::read_to_string(format!("{folder}/{name}.contract")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let metadata = json.get("V3").unwrap_or(&json);
        Self {
            wasm: unhex(json["source"]["wasm"].as_str().unwrap()),
            spec: metadata["spec"].clone(),
        }
    }

    /// Selector and arguments.
    fn input(&self, label: &str, args: impl Encode) -> Vec<u8> {
        let entry = ["messages", "constructors"]
            .into_iter()
            .flat_map(|list| self.spec[list].as_array().unwrap())
            .find(|entry| entry["label"] == label)
            .unwrap_or_else(|| panic!("no message {label}"));
        let mut input = unhex(entry["selector"].as_str().unwrap());
        args.encode_to(&mut input);
        input
    }

    fn deploy(&self, world: &mut World, constructor: &str, args: impl Encode) -> [u8; 32] {
        let code_hash = world.upload_wasm(&self.wasm, Determinism::Enforced);
        world.instantiate(code_hash, self.input(constructor, args))
    }

    /// What a message of ink! 3 returned: the value as it is.
    fn ask<T: Decode>(
        &self,
        world: &mut World,
        contract: [u8; 32],
        label: &str,
        args: impl Encode,
    ) -> T {
        let data = world.ask(contract, self.input(label, args));
        T::decode(&mut &*data).unwrap_or_else(|error| panic!("{label}: {error} in {data:?}"))
    }
}

#[test]
fn a_contract_of_ink_3_keeps_its_storage_and_emits_its_events() {
    let bundle = Bundle::read("flipper3");
    let mut world = World::new();
    let flipper = bundle.deploy(&mut world, "new", true);
    assert!(bundle.ask::<bool>(&mut world, flipper, "get", ()));

    let outcome = world.call(flipper, bundle.input("flip", ()));
    assert!(outcome.succeeded(), "{outcome:?}");
    assert!(outcome.result.as_ref().unwrap().data.is_empty());
    let [event] = &outcome.report.events[..] else {
        panic!("{outcome:?}");
    };
    // The number of the event, then its fields. One topic is its name, the other the field.
    assert_eq!(event.data, (0u8, ALICE, false).encode());
    assert_eq!(event.topics.len(), 2);
    assert!(!bundle.ask::<bool>(&mut world, flipper, "get", ()));

    let of = |world: &mut World| -> Option<bool> { bundle.ask(world, flipper, "get_of", ALICE) };
    assert_eq!(of(&mut world), None);
    let before: Option<bool> = bundle.ask(&mut world, flipper, "set_mine", true);
    assert_eq!((before, of(&mut world)), (None, Some(true)));

    let lowered = bundle.deploy(&mut world, "default", ());
    assert!(!bundle.ask::<bool>(&mut world, lowered, "get", ()));
}

#[test]
fn contracts_of_ink_3_call_each_other() {
    let bundle = Bundle::read("flipper3");
    let mut world = World::new();
    let [one, other] = [true, false].map(|value| bundle.deploy(&mut world, "new", value));
    let set = |world: &mut World, value: bool| -> Option<bool> {
        bundle.ask(world, one, "set_mine_in", (other, value))
    };
    assert_eq!(set(&mut world, true), None);
    assert_eq!(set(&mut world, false), Some(true));
    let of_one: Option<bool> = bundle.ask(&mut world, other, "get_of", one);
    assert_eq!(of_one, Some(false));
}

#[test]
fn an_error_of_ink_3_reverts_and_a_wrong_selector_traps() {
    let bundle = Bundle::read("flipper3");
    let mut world = World::new();
    let flipper = bundle.deploy(&mut world, "new", true);
    let outcome = world.call(flipper, bundle.input("flip_at_most", 0u32));
    let returned = outcome.result.as_ref().unwrap();
    assert!(returned.did_revert());
    assert_eq!(returned.data, Err::<bool, _>((0u8, 0u32)).encode());
    assert!(bundle.ask::<bool>(&mut world, flipper, "get", ()));

    for input in [vec![1, 2, 3, 4], bundle.input("panic", ())] {
        assert!(world.call(flipper, input).result.is_err());
    }
}

/// The contracts on `pink-extension` 0.1 and 0.2.
const EXTENSIONS: [&str; 2] = ["pink01", "pink02"];

#[test]
fn every_generation_of_the_extension_fetches_signs_and_caches() {
    for name in EXTENSIONS {
        let bundle = &Bundle::read(name);
        let mut world = World::in_mode(ExecMode::Query);
        let w = &mut world;
        let contract = bundle.deploy(w, "new", ());
        let page: (u16, Vec<u8>) = bundle.ask(w, contract, "get", "http://x/");
        assert_eq!(page, (200, b"http://x/".to_vec()), "{name}");
        assert!(bundle.ask::<bool>(w, contract, "sign", b"message".to_vec()));

        // Version 0.1 decodes a `Result`, the later ones look at the status.
        let value = b"value".to_vec();
        let room = (b"room".to_vec(), value.clone());
        assert!(bundle.ask::<bool>(w, contract, "cache_set", room), "{name}");
        let full = (b"full".to_vec(), value);
        assert!(
            !bundle.ask::<bool>(w, contract, "cache_set", full),
            "{name}"
        );
        let known: Option<Vec<u8>> = bundle.ask(w, contract, "cache_get", b"known".to_vec());
        assert_eq!(known.as_deref(), Some(&b"cached"[..]));
        let removed: Option<Vec<u8>> = bundle.ask(w, contract, "cache_remove", b"known".to_vec());
        assert_eq!(removed, None);
    }
}

#[test]
fn events_of_every_generation_are_taken_where_they_still_mean_something() {
    for name in EXTENSIONS {
        let bundle = &Bundle::read(name);
        let mut world = World::new();
        let contract = bundle.deploy(&mut world, "new", ());
        let outcome = world.call(contract, bundle.input("emit", b"key".to_vec()));
        assert!(outcome.succeeded(), "{name}: {outcome:?}");
        let expected = [
            PinkEvent::SidevmMessage(b"message".to_vec()),
            PinkEvent::StopSidevm,
            PinkEvent::CacheOp(CacheOp::Remove {
                key: b"key".to_vec(),
            }),
        ];
        assert_eq!(
            outcome.report.pink_events,
            expected.map(|event| (contract, event)),
            "{name}"
        );
        let logs = world.host.logs.lock().unwrap();
        let said = |part: &str| logs.iter().any(|(_, _, text)| text.contains(part));
        assert!(said("push messages"), "{name}: {logs:?}");
        assert_eq!(said("end of a block"), name == "pink01", "{name}: {logs:?}");
    }
}

#[test]
fn a_transaction_puts_into_the_cache_in_every_generation() {
    for name in EXTENSIONS {
        let bundle = &Bundle::read(name);
        let mut world = World::new();
        let contract = bundle.deploy(&mut world, "new", ());
        let args = (b"key".to_vec(), b"value".to_vec());
        let stored: bool = bundle.ask(&mut world, contract, "cache_set", args);
        assert!(stored, "{name}");
    }
}
