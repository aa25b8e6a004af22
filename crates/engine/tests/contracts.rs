//! Real ink! contracts, run from their bundles as `cargo-contract` would have made them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use codec::{Decode, Encode};
use common::*;
use phat_engine::{
    ContractError, Determinism, ExecMode, LifecycleEvent, Outcome, StorageDeposit, ledger,
    pink::{CacheOp, PinkEvent},
};

/// A bundle: its code and the selectors of its constructors and messages.
struct Bundle {
    wasm: Vec<u8>,
    spec: serde_json::Value,
}

impl Bundle {
    fn read(name: &str) -> Self {
        Self::of(&read_bundle(name))
    }

    fn parse(text: &str) -> Self {
        Self::of(&serde_json::from_str(text).unwrap())
    }

    fn of(json: &serde_json::Value) -> Self {
        Self {
            wasm: unhex(json["source"]["wasm"].as_str().unwrap()),
            spec: json["spec"].clone(),
        }
    }

    /// Selector and arguments.
    fn input(&self, label: &str, args: impl Encode) -> Vec<u8> {
        let named = |list: &str| {
            let entries = self.spec[list].as_array().unwrap();
            entries.iter().find(|entry| entry["label"] == label)
        };
        let entry = named("messages").or_else(|| named("constructors"));
        let entry = entry.unwrap_or_else(|| panic!("no message {label}"));
        let mut input = unhex(entry["selector"].as_str().unwrap());
        args.encode_to(&mut input);
        input
    }

    fn deploy(&self, world: &mut World, constructor: &str, args: impl Encode) -> [u8; 32] {
        let code_hash = world.upload_wasm(&self.wasm, Determinism::Enforced);
        world.instantiate(code_hash, self.input(constructor, args))
    }
}

/// What a message returned, without ink!'s `Result` for dispatch errors.
fn returned<T: Decode>(data: &[u8]) -> T {
    let result = Result::<T, u8>::decode(&mut &*data);
    match result {
        Ok(Ok(value)) => value,
        _ => panic!("unexpected output {data:?}"),
    }
}

fn ask<T: Decode>(
    world: &mut World,
    bundle: &Bundle,
    contract: [u8; 32],
    label: &str,
    args: impl Encode,
) -> T {
    let data = world.ask(contract, bundle.input(label, args));
    returned(&data)
}

#[test]
fn flippers_of_two_versions_of_ink_flip() {
    for name in ["flipper", "flipper4"] {
        let bundle = Bundle::read(name);
        let mut world = World::new();
        let flipper = bundle.deploy(&mut world, "new", true);
        assert!(ask::<bool>(&mut world, &bundle, flipper, "get", ()));
        ask::<()>(&mut world, &bundle, flipper, "flip", ());
        assert!(!ask::<bool>(&mut world, &bundle, flipper, "get", ()));
    }
}

#[test]
fn a_token_moves_by_transfer_and_not_beyond_the_balance() {
    let bundle = Bundle::read("token");
    let mut world = World::new();
    let args = (1_000u128, Some("Token"), Some("TKN"), 12u8);
    let token = bundle.deploy(&mut world, "new", args);
    let balance = |world: &mut World, owner: [u8; 32]| -> u128 {
        ask(world, &bundle, token, "PSP22::balance_of", owner)
    };
    assert_eq!(balance(&mut world, ALICE), 1_000);

    let transfer = bundle.input("PSP22::transfer", (BOB, 300u128, Vec::<u8>::new()));
    let outcome = world.call(token, transfer);
    assert!(outcome.succeeded(), "{outcome:?}");
    let [event] = &outcome.report.events[..] else {
        panic!("{outcome:?}");
    };
    assert_eq!(event.topics.len(), 3);
    assert!(matches!(
        outcome.report.storage_deposit,
        StorageDeposit::Charge(1..)
    ));
    assert_eq!(
        (balance(&mut world, ALICE), balance(&mut world, BOB)),
        (700, 300)
    );

    let transfer = bundle.input("PSP22::transfer", (BOB, 701u128, Vec::<u8>::new()));
    let outcome = world.call(token, transfer);
    assert!(outcome.result.as_ref().unwrap().did_revert());
    assert!(outcome.report.events.is_empty());
    assert_eq!(
        (balance(&mut world, ALICE), balance(&mut world, BOB)),
        (700, 300)
    );

    let name: Option<String> = ask(&mut world, &bundle, token, "PSP22Metadata::token_name", ());
    assert_eq!(name.as_deref(), Some("Token"));
}

#[test]
fn a_query_fetches_over_http_and_a_transaction_cannot() {
    let bundle = Bundle::read("pinky");
    let mut world = World::in_mode(ExecMode::Query);
    let contract = bundle.deploy(&mut world, "new", ());
    type Answer = (u16, String, Vec<(String, String)>, Vec<u8>);
    let headers = vec![("a".to_owned(), "b".to_owned())];
    let args = ("POST", "http://x/", headers, vec![1u8, 2]);
    let answer: Answer = ask(&mut world, &bundle, contract, "http_request", args.clone());
    assert_eq!((answer.0, &answer.3[..]), (200, &b"http://x/"[..]));
    {
        let requests = world.host.requests.lock().unwrap();
        assert_eq!(requests[0].method, "POST");
        assert_eq!(requests[0].body, [1, 2]);
        assert_eq!(requests[0].headers[0].1, "b");
    }
    type Batch = Result<Vec<Result<Answer, u32>>, u32>;
    let urls = vec!["http://1/", "http://2/"];
    let batch: Batch = ask(
        &mut world,
        &bundle,
        contract,
        "batch_http_get",
        (&urls, 500u64),
    );
    let batch = batch.unwrap();
    assert_eq!(batch[1].as_ref().unwrap().3, b"http://2/");
    let many = vec!["http://1/"; 6];
    let refused = world.call(contract, bundle.input("batch_http_get", (&many, 500u64)));
    let refused: Batch = returned(&refused.result.unwrap().data);
    assert_eq!(refused, Err(7), "too many requests");

    world.host_mut().mode = ExecMode::Transaction;
    let answer: Answer = ask(&mut world, &bundle, contract, "http_request", args);
    assert_eq!(answer.0, 523);
    let refused = world.call(contract, bundle.input("batch_http_get", (&urls, 500u64)));
    let refused: Batch = returned(&refused.result.unwrap().data);
    assert_eq!(refused, Err(6), "not allowed");
    assert_eq!(world.host.requests.lock().unwrap().len(), 3);
}

#[test]
fn every_function_of_pink_answers_as_it_documents() {
    let bundle = Bundle::read("pinky");
    for mode in [ExecMode::Query, ExecMode::Transaction] {
        let mut world = World::in_mode(mode);
        let contract = bundle.deploy(&mut world, "new", ());
        let query = mode == ExecMode::Query;
        let w = &mut world;
        let b = &bundle;
        let key = vec![7u8; 32];
        for kind in [0u8, 1, 2] {
            let args = (kind, &key, b"message".to_vec());
            let signature: Vec<u8> = ask(w, b, contract, "sign", args);
            if kind == 1 && !query {
                assert!(signature.is_empty(), "sr25519 signatures are random");
                continue;
            }
            let public: Vec<u8> = ask(w, b, contract, "get_public_key", (kind, &key));
            for (message, valid) in [("message", true), ("massage", false)] {
                let args = (kind, &public, message.as_bytes().to_vec(), &signature);
                assert_eq!(ask::<bool>(w, b, contract, "verify", args), valid);
            }
        }
        let derived: Vec<u8> = ask(w, b, contract, "derive_sr25519_key", b"salt".to_vec());
        assert_eq!((derived.len(), derived[1]), (64, b's'));
        let random: Vec<u8> = ask(w, b, contract, "getrandom", 16u8);
        assert_eq!(random.len(), if query { 16 } else { 0 });
        assert_eq!(ask::<bool>(w, b, contract, "is_in_transaction", ()), !query);

        assert!(ask::<bool>(
            w,
            b,
            contract,
            "cache_set",
            (b"key".to_vec(), b"value".to_vec())
        ));
        let full = (b"full".to_vec(), b"value".to_vec());
        assert_eq!(ask::<bool>(w, b, contract, "cache_set", full), !query);
        let cached: Option<Vec<u8>> = ask(w, b, contract, "cache_get", b"known".to_vec());
        assert_eq!(cached.is_some(), query);
        ask::<()>(
            w,
            b,
            contract,
            "cache_set_expiration",
            (b"key".to_vec(), 9u64),
        );
        assert_eq!(
            ask::<Option<Vec<u8>>>(w, b, contract, "cache_remove", b"key".to_vec()),
            None
        );

        ask::<()>(w, b, contract, "log", (3u8, "hello"));
        assert_eq!(
            w.host.logs.lock().unwrap().last(),
            Some(&(contract, 3, "hello".to_owned()))
        );
        let hash = [5u8; 32];
        let signature: Vec<u8> = ask(w, b, contract, "ecdsa_sign_prehashed", (&key, hash));
        let public: Vec<u8> = ask(w, b, contract, "get_public_key", (2u8, &key));
        let args = (&signature, hash, &public);
        assert!(ask::<bool>(w, b, contract, "ecdsa_verify_prehashed", args));
        let args = (&signature, [6u8; 32], &public);
        assert!(!ask::<bool>(w, b, contract, "ecdsa_verify_prehashed", args));

        let pubkey: [u8; 32] = ask(w, b, contract, "worker_pubkey", ());
        assert_eq!(pubkey, if query { [9; 32] } else { [0; 32] });
        let millis: u64 = ask(w, b, contract, "untrusted_millis_since_unix_epoch", ());
        assert_eq!(millis, if query { 1_700_000_000_000 } else { 0 });
        assert_eq!(
            ask::<(u32, u32)>(w, b, contract, "runtime_version", ()),
            (1, 2)
        );
        assert_eq!(
            ask::<(u64, [u8; 32])>(w, b, contract, "current_event_chain_head", ()),
            (0, [0; 32])
        );
        let none: Option<u8> = ask(w, b, contract, "worker_sgx_quote", ());
        assert_eq!(none, None);
        let js = w.ask(
            contract,
            b.input("js_eval", (vec!["1"], Vec::<String>::new())),
        );
        assert_eq!(js[..2], [0, 5], "an exception");
        assert!(!ask::<bool>(
            w,
            b,
            contract,
            "code_exists",
            ([1u8; 32], false)
        ));

        // For the system contract only, and there is none.
        for (label, args) in [
            ("balance_of", ALICE.to_vec()),
            ("import_latest_system_code", ALICE.to_vec()),
            ("system_contract_id", Vec::new()),
            ("no_such_function", vec![0xff, 0xff]),
        ] {
            let mut input = b.input(label, ());
            input.extend(args);
            assert!(w.call(contract, input).result.is_err(), "{label}");
        }
        w.host_mut().system = Some(contract);
        let (total, free): (u128, u128) = ask(w, b, contract, "balance_of", ALICE);
        assert!(total > free && free > 0);
        assert_eq!(
            ask::<[u8; 32]>(w, b, contract, "system_contract_id", ()),
            contract
        );
    }
}

#[test]
fn cache_operations_of_a_transaction_are_collected() {
    let bundle = Bundle::read("pinky");
    let mut world = World::new();
    let contract = bundle.deploy(&mut world, "new", ());
    let args = (b"key".to_vec(), b"value".to_vec());
    let outcome = world.call(contract, bundle.input("cache_set", args));
    let expected = PinkEvent::CacheOp(CacheOp::Set {
        key: b"key".to_vec(),
        value: b"value".to_vec(),
    });
    assert_eq!(outcome.report.pink_events, [(contract, expected)]);
}

#[test]
fn pink_events_are_collected_from_whoever_may_emit_them() {
    let bundle = Bundle::read("pinky");
    let mut world = World::new();
    let contract = bundle.deploy(&mut world, "new", ());
    let emit = |world: &mut World, label: &str, args: &[u8]| -> Outcome {
        let mut input = bundle.input(label, ());
        input.extend(args);
        let outcome = world.call(contract, input);
        assert!(outcome.succeeded(), "{outcome:?}");
        assert!(outcome.report.events.is_empty());
        outcome
    };
    let outcome = emit(&mut world, "push_sidevm_message", &[4, 8]);
    assert_eq!(
        outcome.report.pink_events,
        [(contract, PinkEvent::SidevmMessage(vec![8]))]
    );
    let weight = 7u32.to_le_bytes();
    let outcome = emit(&mut world, "set_own_weight", &weight);
    assert!(outcome.report.pink_events.is_empty());
    assert!(
        world.host.logs.lock().unwrap()[0]
            .2
            .contains("only the system contract")
    );
    world.host_mut().system = Some(contract);
    let outcome = emit(&mut world, "set_own_weight", &weight);
    assert_eq!(
        outcome.report.pink_events,
        [(
            contract,
            PinkEvent::SetContractWeight {
                contract,
                weight: 7
            }
        )]
    );
}

#[test]
fn the_system_contract_is_created_and_answers_its_clients() {
    let bundle = Bundle::read("system");
    let mut world = World::new();
    let system = bundle.deploy(&mut world, "default", ());
    world.host_mut().system = Some(system);
    assert_eq!(
        ask::<[u8; 32]>(&mut world, &bundle, system, "owner", ()),
        ALICE
    );
    let (major, _, _): (u16, u16, u16) = ask(&mut world, &bundle, system, "System::version", ());
    assert!(major >= 1);
    let free: Vec<u8> = world.ask(system, bundle.input("System::free_balance_of", ALICE));
    assert!(free.ends_with(&world.free(&ALICE).encode()), "{free:?}");

    let driver = ("Driver", BOB);
    let set = world.call(system, bundle.input("System::set_driver", driver));
    assert!(set.succeeded(), "{set:?}");
    for name in ["pinky", "pinky5"] {
        let pinky = Bundle::read(name);
        let contract = pinky.deploy(&mut world, "new", ());
        let found: Option<[u8; 32]> = ask(&mut world, &pinky, contract, "driver", "Driver");
        assert_eq!(found, Some(BOB), "{name}");
    }
}

/// The system contract of version 1.0.0, in ink! 4.3 on the crate `pink` 0.4.1, as clusters were
/// created with it.
fn first_system() -> Bundle {
    Bundle::parse(include_str!("data/system-1.0.0.contract"))
}

#[test]
fn the_first_system_contract_is_upgraded_in_place_with_its_state() {
    let old = first_system();
    let new = Bundle::read("system");
    let mut world = World::new();
    let system = old.deploy(&mut world, "default", ());
    world.host_mut().system = Some(system);
    type Done = Result<(), u8>;
    let w = &mut world;
    for driver in [BOB, ALICE] {
        let set: Done = ask(w, &old, system, "System::set_driver", ("Driver", driver));
        assert_eq!(set, Ok(()));
    }
    let granted: Done = ask(w, &old, system, "System::grant_admin", BOB);
    assert_eq!(granted, Ok(()));

    w.host_mut().system_code = Some(new.wasm.clone());
    let upgraded: Done = ask(w, &old, system, "System::upgrade_system_contract", ());
    assert_eq!(upgraded, Ok(()));
    type Version = (u16, u16, u16);
    let version: Version = ask(w, &new, system, "System::version", ());
    assert!(version > (1, 0, 0), "{version:?}");
    assert_eq!(ask::<[u8; 32]>(w, &new, system, "owner", ()), ALICE);
    assert!(ask::<bool>(w, &new, system, "System::is_admin", BOB));
    assert!(!ask::<bool>(w, &new, system, "System::is_admin", ALICE));
    type Appointment = (u32, [u8; 32]);
    let driver: Option<Appointment> = ask(w, &new, system, "System::get_driver2", "Driver");
    assert_eq!(driver, Some((77, ALICE)));
    let before: Option<Vec<Appointment>> = ask(w, &new, system, "System::driver_history", "Driver");
    assert_eq!(before, Some(vec![(77, BOB)]));
    let set: Done = ask(w, &new, system, "System::set_driver", ("Driver", BOB));
    assert_eq!(set, Ok(()));

    // Older code refuses to follow, and nothing has happened.
    w.host_mut().system_code = Some(old.wasm);
    let back = w.call(system, new.input("System::upgrade_system_contract", ()));
    assert_eq!(error_of(&back), ContractError::ContractTrapped);
    let logs = w.host.logs.lock().unwrap();
    let (_, _, last) = logs.last().unwrap();
    assert!(
        last.contains("refuses the upgrade: ConditionNotMet"),
        "{last}"
    );
    drop(logs);
    assert_eq!(
        ask::<Version>(w, &new, system, "System::version", ()),
        version
    );
}

#[test]
fn stake_becomes_weight_by_the_system_contract_or_by_the_driver_in_its_place() {
    let bundle = Bundle::read("system");
    let mut world = World::new();
    let system = bundle.deploy(&mut world, "default", ());
    world.host_mut().system = Some(system);
    let change = |world: &mut World| {
        let input = bundle.input("ContractDeposit::change_deposit", (BOB, 5 * UNIT));
        let mut args = World::args(system, input);
        args.origin = system;
        world.call_with(args)
    };
    ledger::mint(&mut world.overlay, &system, UNIT).unwrap();
    let outcome = change(&mut world);
    assert!(outcome.succeeded(), "{outcome:?}");
    let weight = PinkEvent::SetContractWeight {
        contract: BOB,
        weight: 500,
    };
    assert_eq!(outcome.report.pink_events, [(system, weight)]);

    // Another system contract as the driver: it obeys nobody but itself, and says so.
    let driver = bundle.deploy(&mut world, "default", ());
    let set = ("ContractDeposit", driver);
    let set = world.call(system, bundle.input("System::set_driver", set));
    assert!(set.succeeded(), "{set:?}");
    let outcome = change(&mut world);
    let data = outcome.result.unwrap().data;
    let refused = [0, 1, 1, 0];
    assert_eq!(data, refused, "Ok(Err(SystemError(PermisionDenied)))");
    assert!(outcome.report.pink_events.is_empty());
}

/// Every message of `pinky` with arguments, some twice.
fn pinky_messages() -> Vec<(&'static str, Vec<u8>)> {
    let key = vec![7u8; 32];
    let bytes = |text: &str| text.as_bytes().to_vec();
    let headers = vec![("a".to_owned(), "b".to_owned())];
    let none = Vec::<String>::new();
    let mut messages = vec![
        (
            "http_request",
            ("PUT", "http://x/", headers, bytes("body")).encode(),
        ),
        (
            "batch_http_get",
            (vec!["http://1/", "http://2/"], 500u64).encode(),
        ),
        ("batch_http_get", (vec!["http://1/"; 6], 500u64).encode()),
        ("derive_sr25519_key", bytes("salt").encode()),
        ("cache_set", (bytes("key"), bytes("value")).encode()),
        ("cache_set", (bytes("full"), bytes("value")).encode()),
        ("cache_set_expiration", (bytes("key"), 9u64).encode()),
        ("cache_get", bytes("known").encode()),
        ("cache_get", bytes("unknown").encode()),
        ("cache_remove", bytes("key").encode()),
        ("log", (3u8, "a line").encode()),
        ("getrandom", 16u8.encode()),
        ("is_in_transaction", vec![]),
        ("ecdsa_sign_prehashed", (&key, [5u8; 32]).encode()),
        (
            "ecdsa_verify_prehashed",
            (vec![1u8; 65], [5u8; 32], vec![2u8; 33]).encode(),
        ),
        ("system_contract_id", vec![]),
        ("balance_of", BOB.encode()),
        ("worker_pubkey", vec![]),
        ("untrusted_millis_since_unix_epoch", vec![]),
        ("code_exists", ([1u8; 32], true).encode()),
        ("import_latest_system_code", ALICE.encode()),
        ("runtime_version", vec![]),
        ("current_event_chain_head", vec![]),
        ("js_eval", (vec!["1"], none).encode()),
        ("worker_sgx_quote", vec![]),
        ("no_such_function", 99u16.encode()),
        ("push_sidevm_message", bytes("message").encode()),
        ("force_stop_sidevm", vec![]),
        ("set_own_weight", 7u32.encode()),
        ("driver", "PinkLogger".encode()),
        ("vrf", bytes("salt").encode()),
        (
            "keep_signature",
            (0u8, bytes("salt"), bytes("message")).encode(),
        ),
        ("kept", vec![]),
    ];
    for kind in [0u8, 1, 2] {
        messages.push(("sign", (kind, &key, bytes("message")).encode()));
        messages.push(("get_public_key", (kind, &key).encode()));
        let signed = (kind, &key, bytes("message"), vec![1u8; 64]);
        messages.push(("verify", signed.encode()));
    }
    messages
}

/// What the world sees of each of these messages. The contract's address, in which code has a
/// part, is left out.
fn seen(bundle: &Bundle, mode: ExecMode, is_system: bool) -> Vec<(&'static str, String)> {
    let mut world = World::in_mode(mode);
    let mut contract = bundle.deploy(&mut world, "new", ());
    // The host of these tests derives keys from these bits of the address.
    while contract[0] & 0xf0 != 0 {
        contract = bundle.deploy(&mut world, "new", ());
    }
    world.host_mut().system = is_system.then_some(contract);
    // Not the deployer, whose deposits depend on the code's size.
    ledger::mint(&mut world.overlay, &BOB, UNIT).unwrap();
    let own = format!("{contract:?}");
    let own = own.trim_matches(['[', ']']);
    let mut all = Vec::new();
    for (label, args) in pinky_messages() {
        let mut input = bundle.input(label, ());
        input.extend(args);
        let outcome = world.call(contract, input);
        let report = outcome.report;
        let logs: Vec<_> = world.host.logs.lock().unwrap().drain(..).collect();
        let requests: Vec<_> = world.host.requests.lock().unwrap().drain(..).collect();
        let what = (
            outcome.result,
            report.events,
            report.pink_events,
            logs,
            requests,
        );
        all.push((label, format!("{what:?}").replace(own, "self")));
    }
    all
}

#[test]
fn a_contract_on_either_crate_for_pink_says_and_hears_the_same() {
    let (published, ours) = (Bundle::read("pinky"), Bundle::read("pinky5"));
    for bundle in [&published, &ours] {
        for message in bundle.spec["messages"].as_array().unwrap() {
            let label = message["label"].as_str().unwrap();
            assert!(
                pinky_messages().iter().any(|(known, _)| *known == label),
                "{label}"
            );
        }
    }
    for mode in [ExecMode::Query, ExecMode::Transaction] {
        for is_system in [false, true] {
            let published = seen(&published, mode, is_system);
            for (theirs, ours) in published.into_iter().zip(seen(&ours, mode, is_system)) {
                assert_eq!(theirs, ours, "{mode:?}");
            }
        }
    }
}

#[test]
fn a_contract_calls_another_and_sees_how_it_failed() {
    let bundle = Bundle::read("caller");
    let mut world = World::new();
    let one = bundle.deploy(&mut world, "new", ());
    let other = bundle.deploy(&mut world, "new", ());
    let count = |world: &mut World, contract| -> u32 { ask(world, &bundle, contract, "count", ()) };

    type Attempt = (bool, Vec<u8>);
    let increment = bundle.input("increment", ());
    let (ok, _): Attempt = ask(&mut world, &bundle, one, "attempt", (other, &increment));
    assert!(ok);
    assert_eq!((count(&mut world, one), count(&mut world, other)), (1, 1));

    for failing in [
        bundle.input("revert", 5u32),
        bundle.input("panic", "no reason"),
        bundle.input("allocate", 1_000_000_000u32),
        vec![0, 1, 2, 3],
    ] {
        let (ok, _): Attempt = ask(&mut world, &bundle, one, "attempt", (other, &failing));
        let reverted = failing[..4] == bundle.input("revert", ())[..4];
        assert!(!ok || reverted, "{failing:?}");
        assert_eq!(count(&mut world, other), 1, "undone");
    }
    let undone = bundle.input("increment_other_then_panic", other);
    assert_eq!(
        error_of(&world.call(one, undone)),
        ContractError::ContractTrapped
    );
    assert_eq!(count(&mut world, other), 1);

    let caller: Attempt = ask(
        &mut world,
        &bundle,
        one,
        "attempt",
        (other, bundle.input("who_calls", ())),
    );
    assert!(caller.1.ends_with(&one));
    // The stack that rustc keeps in memory runs out: a trap without a price of its own.
    let recursion = world.call(one, bundle.input("recurse", 1_000_000u32));
    assert_eq!(error_of(&recursion), ContractError::ContractTrapped);
    assert_eq!(recursion.report.gas_consumed, GAS);
    let spin = world.call(one, bundle.input("spin", ()));
    assert_eq!(error_of(&spin), ContractError::OutOfGas);
}

#[test]
fn a_contract_nests_calls_into_itself_down_to_the_limit() {
    let bundle = Bundle::read("caller");
    let mut world = World::new();
    let contract = bundle.deploy(&mut world, "new", ());
    let deep: Result<u32, u8> = ask(&mut world, &bundle, contract, "nest", 20u32);
    assert_eq!(deep, Ok(20));
    let outcome = world.call(contract, bundle.input("nest", 40u32));
    assert!(!outcome.succeeded());
    assert!(!outcome.report.traps.is_empty());
}

#[test]
fn a_contract_makes_a_contract_of_another_code_and_becomes_it() {
    let bundle = Bundle::read("caller");
    let flipper = Bundle::read("flipper");
    let mut world = World::new();
    let contract = bundle.deploy(&mut world, "new", ());
    let code = world.upload_wasm(&flipper.wasm, Determinism::Enforced);
    let args = (code, true, vec![1u8], 0u128);
    let outcome = world.call(contract, bundle.input("instantiate", args));
    assert!(outcome.succeeded(), "{outcome:?}");
    let [LifecycleEvent::Instantiated { contract: made, .. }] = outcome.report.lifecycle[..] else {
        panic!("{outcome:?}");
    };
    assert!(ask::<bool>(&mut world, &flipper, made, "get", ()));

    let outcome = world.call(contract, bundle.input("set_code", code));
    assert!(outcome.succeeded(), "{outcome:?}");
    let info = phat_engine::schema::contract(&world.overlay, &contract).unwrap();
    assert_eq!(info.unwrap().code_hash, code);
}

#[test]
fn a_contract_takes_sends_and_leaves_value() {
    let bundle = Bundle::read("caller");
    let mut world = World::new();
    let contract = bundle.deploy(&mut world, "new", ());
    let mut args = World::args(contract, bundle.input("pay", ()));
    args.value = 3 * UNIT;
    let paid: u128 = returned(&world.call_with(args.clone()).result.unwrap().data);
    assert_eq!(paid, 3 * UNIT);
    args.input = bundle.input("increment", ());
    assert!(!world.call_with(args).succeeded(), "it is not payable");
    assert_eq!(
        ask::<u128>(&mut world, &bundle, contract, "balance", ()),
        3 * UNIT
    );
    let sent = world.call(contract, bundle.input("transfer", (BOB, UNIT)));
    assert!(sent.succeeded(), "{sent:?}");
    let total = world.total(&[ALICE, BOB, contract]);
    let ended = world.call(contract, bundle.input("terminate", BOB));
    assert!(ended.succeeded(), "{ended:?}");
    assert_eq!(world.free(&BOB), 3 * UNIT + ED);
    assert_eq!(world.total(&[ALICE, BOB, contract]), total);
}
