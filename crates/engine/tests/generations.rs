//! Contracts on the libraries of years ago, run as they are: ink! 3 and 4, Phala's extension when it
//! was called `pink-extension`, and the token libraries of their times.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use codec::{Decode, Encode};
use common::*;
use phat_engine::{
    Determinism, ExecMode, Outcome, ledger,
    pink::{CacheOp, HookPoint, PinkEvent},
};

/// A bundle: its code, and the part of its metadata that has selectors.
struct Bundle {
    wasm: Vec<u8>,
    spec: serde_json::Value,
    /// Since ink! 4 a result stands in another one, which says whether the message was found.
    wraps: bool,
}

impl Bundle {
    fn read(name: &str) -> Self {
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../contracts/legacy/artifacts"
        );
        let text = std::fs::read_to_string(format!("{folder}/{name}.contract")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        Self::of(&json)
    }

    fn of(json: &serde_json::Value) -> Self {
        let old = json.get("V3");
        Self {
            wasm: unhex(json["source"]["wasm"].as_str().unwrap()),
            spec: old.unwrap_or(json)["spec"].clone(),
            wraps: old.is_none(),
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

    /// What a message returned.
    fn value<T: Decode>(&self, data: &[u8]) -> T {
        let value = if self.wraps {
            data.strip_prefix(&[0]).unwrap()
        } else {
            data
        };
        T::decode(&mut &*value).unwrap_or_else(|error| panic!("{error} in {data:?}"))
    }

    /// What a message returns, which succeeds.
    fn ask<T: Decode>(
        &self,
        world: &mut World,
        contract: [u8; 32],
        label: &str,
        args: impl Encode,
    ) -> T {
        let data = world.ask(contract, self.input(label, args));
        self.value(&data)
    }

    /// The error by which a message reverts.
    fn error<T: Decode>(&self, outcome: &Outcome) -> T {
        let returned = outcome.result.as_ref().unwrap();
        assert!(returned.did_revert(), "{outcome:?}");
        match self.value(&returned.data) {
            Err(error) => error,
            Ok(()) => panic!("{outcome:?}"),
        }
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

/// The contracts on `pink-extension` 0.1, 0.2 and 0.4.
const EXTENSIONS: [&str; 3] = ["pink01", "pink02", "pink04"];

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
        assert_eq!(said("push messages"), name != "pink04", "{name}: {logs:?}");
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

#[test]
fn the_extension_of_ink_4_offers_what_the_last_one_does() {
    let bundle = &Bundle::read("pink04");
    for mode in [ExecMode::Query, ExecMode::Transaction] {
        let mut world = World::in_mode(mode);
        let w = &mut world;
        let contract = bundle.deploy(w, "new", ());
        let system = Bundle::of(&read_bundle("system")).deploy(w, "default", ());
        w.host_mut().system = Some(system);
        let urls = vec!["http://1/", "http://2/"];
        let fetched = w.call(contract, bundle.input("get_all", urls));
        let statuses: Result<Vec<u16>, u32> = bundle.value(&fetched.result.unwrap().data);
        let (query, not_allowed) = (mode == ExecMode::Query, 6);
        assert_eq!(
            statuses,
            if query {
                Ok(vec![200; 2])
            } else {
                Err(not_allowed)
            }
        );
        assert!(bundle.ask::<bool>(w, contract, "sign_hash", [5u8; 32]));
        let seen: (bool, [u8; 32]) = bundle.ask(w, contract, "look_around", ());
        assert_eq!(seen, (!query, system));
        let logs = w.host.logs.lock().unwrap();
        assert!(
            logs.iter().any(|(_, _, text)| text == "looking around"),
            "{logs:?}"
        );
    }
}

#[test]
fn an_allocator_that_grows_the_memory_gets_all_of_it_and_no_more() {
    let bundle = Bundle::read("pink04");
    let mut world = World::new();
    let contract = bundle.deploy(&mut world, "new", ());
    for bytes in [100u32, 70_000, 700_000] {
        let sum: u32 = bundle.ask(&mut world, contract, "allocate", bytes);
        assert_eq!(sum, bytes);
    }
    let outcome = world.call(contract, bundle.input("allocate", 1_100_000u32));
    assert!(outcome.result.is_err(), "{outcome:?}");
}

#[test]
fn contracts_of_ink_4_ask_the_system_contract_of_today() {
    let bundle = &Bundle::read("pink04");
    let clerk = Bundle::of(&read_bundle("system"));
    let mut world = World::new();
    let w = &mut world;
    let contract = bundle.deploy(w, "new", ());
    let system = clerk.deploy(w, "default", ());
    w.host_mut().system = Some(system);
    type Answers = ((u16, u16, u16), Option<[u8; 32]>, bool, u128, bool);
    let code = w.upload_wasm(&bundle.wasm, Determinism::Enforced);
    let ask = |w: &mut World| -> Answers {
        bundle.ask(w, contract, "ask_system", ("Driver", contract, code))
    };
    let (version, driver, is_admin, _, code_exists) = ask(w);
    assert!(version >= (1, 0, 0) && code_exists);
    assert_eq!((driver, is_admin), (None, false));
    let rights: (bool, bool) = bundle.ask(w, contract, "ask_for_rights", ());
    assert_eq!(rights, (false, false));
    let drivers: (bool, bool) = bundle.ask(w, contract, "drivers", ());
    assert_eq!(
        drivers,
        (false, true),
        "the system contract stands in for one"
    );
    let started = w.call(contract, bundle.input("start_sidevm", ()));
    let (system_error, no_driver) = (1u8, 1u8);
    assert_eq!(
        bundle.error::<(u8, u8)>(&started),
        (system_error, no_driver)
    );

    type Done = Result<(), u8>;
    for (label, args) in [
        ("System::grant_admin", contract.encode()),
        ("System::set_driver", ("Driver", BOB).encode()),
        ("System::set_driver", ("SidevmOperation", BOB).encode()),
    ] {
        let input = [clerk.input(label, ()), args].concat();
        let data = w.ask(system, input);
        assert_eq!(clerk.value::<Done>(&data), Ok(()), "{label}");
    }
    let (_, driver, is_admin, _, _) = ask(w);
    assert_eq!((driver, is_admin), (Some(BOB), true));
    let rights: (bool, bool) = bundle.ask(w, contract, "ask_for_rights", ());
    assert_eq!(rights, (true, true));
    let drivers: (bool, bool) = bundle.ask(w, contract, "drivers", ());
    assert_eq!(drivers, (true, true));
}

#[test]
fn reserved_events_of_ink_4_are_taken_from_the_system_contract_only() {
    let bundle = &Bundle::read("pink04");
    let mut world = World::new();
    let contract = bundle.deploy(&mut world, "new", ());
    let emit = |world: &mut World, which: u8| {
        let outcome = world.call(contract, bundle.input("emit_reserved", which));
        assert!(outcome.succeeded(), "{outcome:?}");
        outcome.report.pink_events
    };
    let reserved = [
        PinkEvent::SetHook {
            hook: HookPoint::OnBlockEnd,
            contract,
            selector: 0x0102_0304,
            gas_limit: 5,
        },
        PinkEvent::DeploySidevmTo {
            contract,
            code_hash: [7; 32],
        },
        PinkEvent::ForceStopSidevm { contract },
        PinkEvent::SetLogHandler(contract),
        PinkEvent::SetContractWeight {
            contract,
            weight: 9,
        },
        PinkEvent::UpgradeRuntimeTo { version: (1, 2) },
    ];
    for which in 0..6 {
        assert!(emit(&mut world, which).is_empty(), "{which}");
    }
    world.host_mut().system = Some(contract);
    for (which, event) in reserved.into_iter().enumerate() {
        assert_eq!(emit(&mut world, which as u8), [(contract, event)]);
    }
}

/// A PSP22 token in the hands of Alice, and Bob as the one she lets spend.
struct Token {
    bundle: Bundle,
    world: World,
    id: [u8; 32],
}

/// The variants of `PSP22Error` that say that there is not enough.
const INSUFFICIENT_BALANCE: u8 = 1;
const INSUFFICIENT_ALLOWANCE: u8 = 2;

impl Token {
    const SUPPLY: u128 = 1_000;

    fn deploy(bundle: Bundle, more: impl Encode) -> Self {
        let mut world = World::new();
        ledger::mint(&mut world.overlay, &BOB, UNIT).unwrap();
        let id = bundle.deploy(&mut world, "new", (Self::SUPPLY, more));
        Self { bundle, world, id }
    }

    fn run(&mut self, origin: [u8; 32], label: &str, args: impl Encode) -> Outcome {
        let mut args = World::args(self.id, self.bundle.input(label, args));
        args.origin = origin;
        self.world.call_with(args)
    }

    /// The events of a call that succeeds, as number of topics.
    fn done(&mut self, origin: [u8; 32], label: &str, args: impl Encode) -> Vec<usize> {
        let outcome = self.run(origin, label, args);
        assert!(outcome.succeeded(), "{label}: {outcome:?}");
        let events = outcome.report.events.iter();
        events.map(|event| event.topics.len()).collect()
    }

    fn refused(&mut self, origin: [u8; 32], label: &str, args: impl Encode) -> u8 {
        let outcome = self.run(origin, label, args);
        assert!(outcome.report.events.is_empty());
        self.bundle.error(&outcome)
    }

    fn balances(&mut self) -> (u128, u128) {
        let [alice, bob] = [ALICE, BOB].map(|owner| {
            let Self { bundle, world, id } = self;
            bundle.ask(world, *id, "PSP22::balance_of", owner)
        });
        (alice, bob)
    }

    /// What the standard says of transfers and allowances. `approvals` are the topics of the events
    /// that a change of an allowance emits.
    fn keeps_the_standard(&mut self, approvals: &[usize]) {
        let none = Vec::<u8>::new;
        assert_eq!(
            self.done(ALICE, "PSP22::transfer", (BOB, 300u128, none())),
            [3]
        );
        assert_eq!(self.balances(), (700, 300));
        let refused = self.refused(BOB, "PSP22::transfer", (ALICE, 301u128, none()));
        assert_eq!(refused, INSUFFICIENT_BALANCE);

        assert_eq!(
            self.done(ALICE, "PSP22::approve", (BOB, 100u128)),
            approvals
        );
        assert_eq!(
            self.done(ALICE, "PSP22::increase_allowance", (BOB, 30u128)),
            approvals
        );
        assert_eq!(
            self.done(ALICE, "PSP22::decrease_allowance", (BOB, 10u128)),
            approvals
        );
        let spend = |value: u128| (ALICE, BOB, value, none());
        let spent = self.done(BOB, "PSP22::transfer_from", spend(50));
        assert_eq!(spent, [approvals, &[3]].concat());
        let refused = self.refused(BOB, "PSP22::transfer_from", spend(71));
        assert_eq!(refused, INSUFFICIENT_ALLOWANCE);
        let Self { bundle, world, id } = self;
        let left: u128 = bundle.ask(world, *id, "PSP22::allowance", (ALICE, BOB));
        assert_eq!((left, self.balances()), (70, (650, 350)));
        let Self { bundle, world, id } = self;
        let supply: u128 = bundle.ask(world, *id, "PSP22::total_supply", ());
        assert_eq!(supply, Self::SUPPLY);
    }
}

#[test]
fn tokens_of_two_generations_keep_the_standard() {
    // An event's name is a topic in ink! 4, and its signature in ink! 5.
    Token::deploy(Bundle::read("token4"), ()).keeps_the_standard(&[3]);
    let named = (Some("Token"), Some("TKN"), 12u8);
    Token::deploy(Bundle::of(&read_bundle("token")), named).keeps_the_standard(&[3]);
}

/// The contracts on OpenBrush 3 and 4, and whether that has an `Option` around accounts.
const BRUSHES: [(&str, bool); 2] = [("brush3", false), ("brush4", true)];

/// The role that may mint in [`BRUSHES`].
const MINTER: u32 = 1;

#[test]
fn tokens_of_openbrush_keep_the_standard() {
    for (name, _) in BRUSHES {
        Token::deploy(Bundle::read(name), ()).keeps_the_standard(&[]);
    }
}

#[test]
fn owners_and_roles_of_openbrush_are_respected() {
    for (name, optional) in BRUSHES {
        let account = |id: [u8; 32]| {
            if optional {
                Some(id).encode()
            } else {
                id.encode()
            }
        };
        let mut token = Token::deploy(Bundle::read(name), ());
        // `PSP22Error::Custom`, with the name of the other error in it.
        let custom = 0;
        assert_eq!(token.refused(BOB, "mint", (BOB, 5u128)), custom, "{name}");
        assert_eq!(token.refused(ALICE, "mint", (BOB, 5u128)), custom, "{name}");
        assert_eq!(token.refused(BOB, "burn", (ALICE, 5u128)), custom, "{name}");

        let grant = |id| [MINTER.encode(), account(id)].concat();
        let raw = |token: &mut Token, origin, label: &str, args: Vec<u8>| {
            let mut call = World::args(token.id, [token.bundle.input(label, ()), args].concat());
            call.origin = origin;
            token.world.call_with(call)
        };
        let missing_role = 1;
        let refused = raw(&mut token, BOB, "AccessControl::grant_role", grant(BOB));
        assert_eq!(token.bundle.error::<u8>(&refused), missing_role, "{name}");
        let granted = raw(&mut token, ALICE, "AccessControl::grant_role", grant(BOB));
        assert!(granted.succeeded(), "{name}: {granted:?}");
        let has = raw(&mut token, BOB, "AccessControl::has_role", grant(BOB));
        assert!(token.bundle.value::<bool>(&has.result.unwrap().data));
        assert_eq!(token.done(BOB, "mint", (BOB, 5u128)), [3]);

        assert_eq!(token.done(ALICE, "burn", (ALICE, 900u128)), [3]);
        assert_eq!(token.balances(), (100, 5));
        token.done(ALICE, "Ownable::transfer_ownership", BOB);
        assert_eq!(
            token.refused(ALICE, "burn", (ALICE, 1u128)),
            custom,
            "{name}"
        );
        let owner = raw(&mut token, BOB, "Ownable::owner", Vec::new());
        let data = owner.result.unwrap().data;
        assert_eq!(data, [vec![0], account(BOB)].concat(), "{name}");
    }
}

/// What published versions of `ink_env` import, from 3.0.0-rc4 of 2021 to 4.3.0: module; parameters
/// (`i` and `l` for 32 and 64 bits) and result; names. The first release candidates had another
/// `seal_instantiate` under the name of the next one; and what `__unstable__` told about rent has no
/// meaning any more.
const IMPORTS: &[(&str, &str, &str)] = &[
    (
        "__unstable__",
        "ii->i",
        "seal_clear_storage seal_contains_storage seal_debug_message seal_ecdsa_to_eth_address",
    ),
    ("__unstable__", "iii->i", "seal_ecdsa_recover"),
    (
        "__unstable__",
        "iiii->i",
        "seal_get_storage seal_set_storage take_storage",
    ),
    ("seal0", "->i", "caller_is_origin seal_caller_is_origin"),
    ("seal0", "i", "seal_clear_storage"),
    (
        "seal0",
        "i->i",
        "is_contract seal_contains_storage seal_is_contract seal_set_code_hash set_code_hash",
    ),
    (
        "seal0",
        "ii",
        "address balance block_number caller gas_left input minimum_balance now own_code_hash \
         seal_address seal_balance seal_block_number seal_caller seal_gas_left seal_input \
         seal_minimum_balance seal_now seal_own_code_hash seal_println seal_rent_allowance \
         seal_set_rent_allowance seal_terminate seal_tombstone_deposit seal_value_transferred \
         value_transferred",
    ),
    (
        "seal0",
        "ii->i",
        "call_runtime debug_message ecdsa_to_eth_address seal_debug_message \
         seal_ecdsa_to_eth_address",
    ),
    (
        "seal0",
        "iii",
        "hash_blake2_128 hash_blake2_256 hash_keccak_256 hash_sha2_256 seal_hash_blake2_128 \
         seal_hash_blake2_256 seal_hash_keccak_256 seal_hash_sha2_256 seal_return seal_set_storage",
    ),
    (
        "seal0",
        "iii->i",
        "code_hash ecdsa_recover seal_code_hash seal_ecdsa_recover seal_get_storage",
    ),
    (
        "seal0",
        "iiii",
        "deposit_event seal_deposit_event seal_random",
    ),
    ("seal0", "iiii->i", "seal_transfer take_storage transfer"),
    (
        "seal0",
        "iiiii->i",
        "call_chain_extension seal_call_chain_extension",
    ),
    ("seal0", "iiiiii->i", "delegate_call seal_delegate_call"),
    ("seal0", "iiiiiiii", "seal_restore_to"),
    ("seal0", "iiliiiiii->i", "seal_call"),
    ("seal0", "iiliiiiiiiiii->i", "seal_instantiate"),
    ("seal0", "lii", "seal_weight_to_fee weight_to_fee"),
    ("seal1", "i", "seal_terminate terminate"),
    ("seal1", "ii->i", "clear_storage contains_storage"),
    ("seal1", "iii->i", "seal_set_storage"),
    ("seal1", "iiii", "seal_random"),
    ("seal1", "iiii->i", "get_storage"),
    ("seal1", "iiliiiii->i", "call seal_call"),
    ("seal1", "iliiiiiiiii->i", "instantiate seal_instantiate"),
    ("seal2", "iiii->i", "set_storage"),
];

#[test]
fn whatever_a_published_ink_imports_is_linked() {
    let types = |letters: &str| -> String {
        let names = letters.chars().map(|letter| match letter {
            'l' => "i64 ",
            _ => "i32 ",
        });
        names.collect()
    };
    let mut imports = String::new();
    for (module, signature, names) in IMPORTS {
        let (parameters, result) = signature.split_once("->").unwrap_or((signature, ""));
        let (parameters, result) = (types(parameters), types(result));
        for name in names.split_whitespace() {
            imports += &format!(
                "(import \"{module}\" \"{name}\" (func (param {parameters}) (result {result})))\n"
            );
        }
    }
    assert!(imports.lines().count() > 80);
    let mut world = World::new();
    let contract = world.deploy(&format!(
        r#"(module {imports} (import "env" "memory" (memory 2 16))
            (func (export "deploy")) (func (export "call")))"#
    ));
    assert!(world.call(contract, []).succeeded());
}

/// A module as `cargo-contract` and the linker of 2021 left it: memory imported with its limit, the
/// ends of data and of the stack exported, a table that starts at 1, and custom sections.
const OF_2021: &str = r#"(module
    (type $none (func))
    (import "seal1" "seal_random" (func $random (param i32 i32 i32 i32)))
    (import "seal0" "seal_get_storage" (func $get (param i32 i32 i32) (result i32)))
    (import "seal0" "seal_set_storage" (func $set (param i32 i32 i32)))
    (import "seal0" "seal_input" (func $input (param i32 i32)))
    (import "seal0" "seal_println" (func $println (param i32 i32)))
    (import "seal0" "seal_return" (func $return (param i32 i32 i32)))
    (import "env" "memory" (memory $memory 2 16))
    (table 2 2 funcref)
    (elem (i32.const 1) $store)
    (global $stack (mut i32) (i32.const 65536))
    (global $data_end (export "__data_end") i32 (i32.const 65540))
    (global $heap_base (export "__heap_base") i32 (i32.const 65552))
    (export "memory" (memory $memory))
    (data (i32.const 65536) "done")
    (@custom "producers" "\00")
    (func $store (type $none)
        (i32.store (i32.const 48) (i32.const 4))
        (call $input (i32.const 52) (i32.const 48))
        (call $set (i32.const 0) (i32.const 52) (i32.load (i32.const 48))))
    (func (export "deploy") (call_indirect (type $none) (i32.const 1)))
    (func (export "call")
        (global.set $stack (i32.sub (global.get $stack) (i32.const 16)))
        (call $println (i32.const 65536) (i32.const 4))
        (i32.store (i32.const 48) (i32.const 36))
        (call $random (i32.const 0) (i32.const 1) (i32.const 64) (i32.const 48))
        (i32.store (i32.const 48) (i32.const 4))
        (drop (call $get (i32.const 0) (i32.const 52) (i32.const 48)))
        (call $return (i32.const 0) (i32.const 52) (i32.load (i32.const 48)))
        (unreachable)))"#;

#[test]
fn a_module_in_the_form_of_2021_runs() {
    let mut world = World::new();
    let code_hash = world.upload(OF_2021);
    let contract = world.instantiate(code_hash, vec![1, 2, 3, 4]);
    let outcome = world.call(contract, []);
    assert_eq!(outcome.result.as_ref().unwrap().data, [1, 2, 3, 4]);
    assert_eq!(outcome.report.debug_message, b"done");
}
