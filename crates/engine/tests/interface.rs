//! What host functions answer, one contract in WAT each.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use phat_engine::{ContractError, ExecMode, HOST_FUNCTIONS, LifecycleEvent, ValueType, schema};

const GETTER: &str = r#"
    (call $load_input)
    (i32.store (i32.const 0x2000) (i32.const 64))
    (call $getter (i32.const 0x1000) (i32.const 0x2000))
    (call $answer (i32.const 0x1000) (i32.load (i32.const 0x2000)))"#;

fn getter(world: &mut World, module: &str, name: &str) -> Vec<u8> {
    let import = format!(r#"(import "{module}" "{name}" (func $getter (param i32 i32)))"#);
    let contract = world.deploy(&contract(&import, GETTER));
    world.ask(contract, [])
}

#[test]
fn getters_answer_in_every_spelling() {
    let mut world = World::new();
    for prefix in ["", "seal_"] {
        let mut get = |name: &str| getter(&mut world, "seal0", &format!("{prefix}{name}"));
        assert_eq!(get("caller"), ALICE);
        assert_eq!(get("block_number"), 77u32.to_le_bytes());
        assert_eq!(get("now"), 1_700_000_000_000u64.to_le_bytes());
        assert_eq!(get("minimum_balance"), ED.to_le_bytes());
        assert_eq!(get("value_transferred"), 0u128.to_le_bytes());
        assert_eq!(get("balance"), 0u128.to_le_bytes());
        assert_eq!(get("tombstone_deposit"), 0u128.to_le_bytes());
        assert_eq!(get("rent_allowance"), u128::MAX.to_le_bytes());
        assert_eq!(get("address").len(), 32);
        assert_eq!(get("own_code_hash").len(), 32);
        assert_eq!(get("gas_left").len(), 8);
    }
    assert!(getter(&mut world, "seal1", "gas_left").len() > 1);
}

#[test]
fn the_address_is_the_hash_of_deployer_code_cluster_and_salt() {
    use blake2::{Blake2b, Digest, digest::consts::U32};
    let mut world = World::new();
    let code_hash = world.upload(&contract("", ""));
    let address = world.instantiate(code_hash, Vec::new());
    let mut cluster = [0; 32];
    cluster[31] = 1;
    let expected = Blake2b::<U32>::new()
        .chain_update(ALICE)
        .chain_update(code_hash)
        .chain_update(cluster)
        .chain_update([1])
        .finalize();
    assert_eq!(address[..], expected[..]);
}

#[test]
fn storage_is_written_read_taken_and_cleared_in_every_version() {
    let mut world = World::new();
    let imports = r#"
        (import "seal0" "set_storage" (func $set0 (param i32 i32 i32)))
        (import "seal1" "seal_set_storage" (func $set1 (param i32 i32 i32) (result i32)))
        (import "seal2" "set_storage" (func $set2 (param i32 i32 i32 i32) (result i32)))
        (import "seal0" "get_storage" (func $get0 (param i32 i32 i32) (result i32)))
        (import "seal1" "get_storage" (func $get1 (param i32 i32 i32 i32) (result i32)))
        (import "seal0" "contains_storage" (func $has0 (param i32) (result i32)))
        (import "seal1" "contains_storage" (func $has1 (param i32 i32) (result i32)))
        (import "seal0" "take_storage" (func $take (param i32 i32 i32 i32) (result i32)))
        (import "seal0" "clear_storage" (func $clear0 (param i32)))
        (import "seal1" "clear_storage" (func $clear1 (param i32 i32) (result i32)))
        (data (i32.const 0x100) "value one, value two")
        (func $is (param $found i32) (param $expected i32)
            (if (i32.ne (local.get $found) (local.get $expected)) (then unreachable)))
        (func $room (i32.store (i32.const 0x2000) (i32.const 64)))"#;
    let body = r#"
        ;; keys of 32 bytes
        (call $set0 (i32.const 0x300) (i32.const 0x100) (i32.const 9))
        (call $is (call $has0 (i32.const 0x300)) (i32.const 9))
        (call $is (call $set1 (i32.const 0x300) (i32.const 0x100) (i32.const 4)) (i32.const 9))
        (call $room)
        (call $is (call $get0 (i32.const 0x300) (i32.const 0x1000) (i32.const 0x2000))
            (i32.const 0))
        (call $is (i32.load (i32.const 0x2000)) (i32.const 4))
        ;; a variable key of the same bytes is another key
        (call $is (call $has1 (i32.const 0x300) (i32.const 32)) (i32.const -1))
        (call $clear0 (i32.const 0x300))
        (call $is (call $has0 (i32.const 0x300)) (i32.const -1))
        (call $is (call $get0 (i32.const 0x300) (i32.const 0x1000) (i32.const 0x2000))
            (i32.const 3))
        ;; variable keys
        (call $is (call $set2 (i32.const 0x300) (i32.const 3) (i32.const 0x100) (i32.const 20))
            (i32.const -1))
        (call $room)
        (call $is (call $get1 (i32.const 0x300) (i32.const 3) (i32.const 0x1000)
            (i32.const 0x2000)) (i32.const 0))
        (call $room)
        (call $is (call $take (i32.const 0x300) (i32.const 3) (i32.const 0x1000)
            (i32.const 0x2000)) (i32.const 0))
        (call $is (call $take (i32.const 0x300) (i32.const 3) (i32.const 0x1000)
            (i32.const 0x2000)) (i32.const 3))
        (call $is (call $clear1 (i32.const 0x300) (i32.const 3)) (i32.const -1))
        (call $is (call $set2 (i32.const 0x300) (i32.const 0) (i32.const 0x100) (i32.const 0))
            (i32.const -1))
        (call $is (call $clear1 (i32.const 0x300) (i32.const 0)) (i32.const 0))
        (call $answer (i32.const 0x1000) (i32.load (i32.const 0x2000)))"#;
    let contract = world.deploy(&contract(imports, body));
    assert_eq!(world.ask(contract, []), b"value one, value two");
}

#[test]
fn transient_storage_lives_as_long_as_the_execution() {
    let mut world = World::new();
    let imports = r#"
        (import "seal0" "set_transient_storage"
            (func $set (param i32 i32 i32 i32) (result i32)))
        (import "seal0" "contains_transient_storage" (func $has (param i32 i32) (result i32)))"#;
    let body = r#"
        (if (i32.ne (call $has (i32.const 0) (i32.const 4)) (i32.const -1)) (then unreachable))
        (drop (call $set (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 7)))
        (if (i32.ne (call $has (i32.const 0) (i32.const 4)) (i32.const 7)) (then unreachable))"#;
    let contract = world.deploy(&contract(imports, body));
    world.ask(contract, []);
    world.ask(contract, []);
}

#[test]
fn hashes_are_the_known_ones() {
    let mut world = World::new();
    for (name, length, expected) in [
        (
            "hash_sha2_256",
            32,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            "hash_keccak_256",
            32,
            "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45",
        ),
        (
            "hash_blake2_256",
            32,
            "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319",
        ),
        ("hash_blake2_128", 16, "cf4ab791c62b8d2b2109c90275287816"),
    ] {
        let import = format!(r#"(import "seal0" "{name}" (func $hash (param i32 i32 i32)))"#);
        let body = format!(
            r#"(call $load_input)
               (call $hash (i32.const 0) (i32.load (i32.const 0xfff0)) (i32.const 0x1000))
               (call $answer (i32.const 0x1000) (i32.const {length}))"#
        );
        let contract = world.deploy(&contract(&import, &body));
        let hash: String = world
            .ask(contract, b"abc")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(hash, expected, "{name}");
    }
}

#[test]
fn an_event_has_topics_and_data() {
    let mut world = World::new();
    let import = r#"(import "seal0" "deposit_event" (func $event (param i32 i32 i32 i32)))
        (data (i32.const 0x100) "\08")
        (data (i32.const 0x141) "payload")"#;
    let body = r#"(call $event (i32.const 0x100) (i32.const 65) (i32.const 0x141) (i32.const 7))"#;
    let contract = world.deploy(&contract(import, body));
    let outcome = world.call(contract, []);
    let [event] = &outcome.report.events[..] else {
        panic!("{outcome:?}");
    };
    assert_eq!(event.contract, contract);
    assert_eq!(event.topics.len(), 2);
    assert_eq!(event.data, b"payload");
}

#[test]
fn a_contract_reverts_by_a_flag_and_keeps_its_data() {
    let mut world = World::new();
    let imports = r#"(import "seal0" "set_storage" (func $set (param i32 i32 i32)))
        (data (i32.const 0x100) "why")"#;
    let body = r#"
        (call $set (i32.const 0) (i32.const 0x100) (i32.const 3))
        (call $return (i32.const 1) (i32.const 0x100) (i32.const 3))"#;
    let contract = world.deploy(&contract(imports, body));
    let outcome = world.call(contract, []);
    let output = outcome.result.clone().unwrap();
    assert_eq!((output.flags, &output.data[..]), (1, &b"why"[..]));
    assert!(!outcome.succeeded());
    let info = schema::contract(&world.overlay, &contract)
        .unwrap()
        .unwrap();
    assert_eq!(info.items, 0);
}

#[test]
fn unknown_return_flags_are_an_error() {
    let mut world = World::new();
    let body = "(call $return (i32.const 2) (i32.const 0) (i32.const 0))";
    let contract = world.deploy(&contract("", body));
    let outcome = world.call(contract, []);
    assert_eq!(error_of(&outcome), ContractError::InvalidCallFlags);
}

#[test]
fn debug_messages_and_panics_are_reported() {
    let mut world = World::new();
    let imports = r#"
        (import "seal0" "debug_message" (func $debug (param i32 i32) (result i32)))
        (data (i32.const 0x100) "panicked at 'no luck', lib.rs:3\n")"#;
    let body = r#"(drop (call $debug (i32.const 0x100) (i32.const 32))) unreachable"#;
    let contract = world.deploy(&contract(imports, body));
    let outcome = world.call(contract, []);
    assert_eq!(error_of(&outcome), ContractError::ContractTrapped);
    let trap = &outcome.report.traps[0];
    assert_eq!(trap.contract, contract);
    assert_eq!(
        trap.panic.as_deref(),
        Some("panicked at 'no luck', lib.rs:3")
    );
    assert!(outcome.report.gas_consumed < GAS / 10, "a panic is cheap");
}

#[test]
fn a_contract_can_replace_its_code() {
    let mut world = World::new();
    let next = world.upload(&contract(
        r#"(data (i32.const 0x100) "next")"#,
        "(call $answer (i32.const 0x100) (i32.const 4))",
    ));
    let imports = r#"(import "seal0" "set_code_hash" (func $set (param i32) (result i32)))"#;
    let body = r#"
        (call $load_input)
        (i32.store (i32.const 0x1000) (call $set (i32.const 0)))
        (call $answer (i32.const 0x1000) (i32.const 4))"#;
    let contract = world.deploy(&contract(imports, body));
    assert_eq!(
        world.ask(contract, [5; 32]),
        7u32.to_le_bytes(),
        "no such code"
    );
    let outcome = world.call(contract, next);
    assert_eq!(outcome.result.unwrap().data, 0u32.to_le_bytes());
    assert!(matches!(
        outcome.report.lifecycle[..],
        [LifecycleEvent::CodeChanged { new, .. }] if new == next
    ));
    assert_eq!(world.ask(contract, []), b"next");
}

#[test]
fn a_terminated_contract_leaves_its_balance_and_its_storage_is_swept() {
    let mut world = World::new();
    let imports = r#"(import "seal1" "terminate" (func $terminate (param i32)))
        (import "seal0" "set_storage" (func $set (param i32 i32 i32)))"#;
    let body = r#"
        (call $load_input)
        (if (i32.eqz (i32.load (i32.const 0xfff0)))
            (then (call $set (i32.const 0) (i32.const 0) (i32.const 9)) (return)))
        (call $terminate (i32.const 0))"#;
    let before = world.total(&[ALICE]);
    let code_hash = world.upload(&contract(imports, body));
    let contract = world.instantiate(code_hash, Vec::new());
    world.ask(contract, []);
    assert!(world.held(&contract) > 0);
    let outcome = world.call(contract, BOB);
    assert!(outcome.succeeded(), "{outcome:?}");
    assert_eq!(world.total(&[contract]), 0);
    assert_eq!(world.free(&BOB), ED, "the endowment is what was left");
    assert_eq!(world.total(&[ALICE, BOB]), before);
    assert_eq!(
        error_of(&world.call(contract, [])),
        ContractError::ContractNotFound
    );
    assert_eq!(schema::sweep(&mut world.overlay, 10).unwrap(), 1);
    assert_eq!(schema::sweep(&mut world.overlay, 10).unwrap(), 0);
    let info = schema::code_info(&world.overlay, &code_hash).unwrap();
    assert_eq!(info.unwrap().references, 0);
    world
        .engine
        .remove_code(&mut world.overlay, ALICE, code_hash)
        .unwrap();
    assert_eq!(world.held(&ALICE), 0);
    assert_eq!(world.total(&[ALICE, BOB]), before);
}

#[test]
fn deposits_are_charged_for_what_is_stored_and_refunded_for_what_is_removed() {
    let mut world = World::new();
    let imports = r#"(import "seal2" "set_storage"
            (func $set (param i32 i32 i32 i32) (result i32)))
        (import "seal1" "clear_storage" (func $clear (param i32 i32) (result i32)))"#;
    let body = r#"
        (call $load_input)
        (if (i32.load8_u (i32.const 0))
            (then (drop (call $set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 50))))
            (else (drop (call $clear (i32.const 4) (i32.const 1)))))"#;
    // Set writes under the first input byte; clear removes under the fifth.
    let contract = world.deploy(&contract(imports, body));
    let accounts = [ALICE, contract];
    let (total, held) = (world.total(&accounts), world.held(&contract));
    let outcome = world.call(contract, [1]);
    assert_eq!(
        outcome.report.storage_deposit,
        phat_engine::StorageDeposit::Charge(150)
    );
    assert_eq!(world.held(&contract), held + 150);
    let mut args = World::args(contract, [2]);
    args.storage_deposit_limit = Some(149);
    let outcome = world.call_with(args);
    assert_eq!(
        error_of(&outcome),
        ContractError::StorageDepositLimitExhausted
    );
    let outcome = world.call(contract, [0, 0, 0, 0, 1]);
    assert_eq!(
        outcome.report.storage_deposit,
        phat_engine::StorageDeposit::Refund(150)
    );
    assert_eq!(world.held(&contract), held);
    assert_eq!(world.total(&accounts), total);
}

#[test]
fn an_origin_must_be_able_to_pay_the_deposit_it_allows() {
    let mut world = World::new();
    let contract = world.deploy(&contract("", ""));
    let mut args = World::args(contract, []);
    args.storage_deposit_limit = Some(2_000 * UNIT);
    let outcome = world.call_with(args);
    assert_eq!(
        error_of(&outcome),
        ContractError::StorageDepositNotEnoughFunds
    );
}

#[test]
fn a_query_needs_no_balance_to_write() {
    let mut world = World::in_mode(ExecMode::Query);
    let imports = r#"(import "seal0" "set_storage" (func $set (param i32 i32 i32)))"#;
    let body = "(call $set (i32.const 0) (i32.const 0) (i32.const 9))";
    let contract = world.deploy(&contract(imports, body));
    let mut args = World::args(contract, []);
    args.origin = [42; 32];
    let outcome = world.call_with(args);
    assert!(outcome.succeeded(), "{outcome:?}");
    assert_eq!(
        outcome.report.storage_deposit,
        phat_engine::StorageDeposit::Charge(109)
    );
}

#[test]
fn the_limit_a_report_requires_suffices_and_one_less_does_not() {
    let mut world = World::new();
    let imports = r#"
        (import "seal0" "set_storage" (func $set (param i32 i32 i32)))"#;
    let body = r#"
        (local $i i32)
        (loop $again
            (call $set (i32.const 0) (i32.const 0) (i32.const 9))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.const 50))))"#;
    let contract = world.deploy(&contract(imports, body));
    let required = world.call(contract, []).report.gas_required;
    let mut args = World::args(contract, []);
    args.gas_limit = required;
    assert!(world.call_with(args.clone()).succeeded());
    args.gas_limit = required - 1_000_000;
    let outcome = world.call_with(args);
    assert_eq!(error_of(&outcome), ContractError::OutOfGas);
}

#[test]
fn the_runtime_cannot_be_called() {
    let mut world = World::new();
    let imports = r#"
        (import "seal0" "call_runtime" (func $runtime (param i32 i32) (result i32)))
        (import "seal0" "xcm_execute" (func $execute (param i32 i32) (result i32)))
        (import "seal0" "xcm_send" (func $send (param i32 i32 i32 i32) (result i32)))"#;
    let body = r#"
        (i32.store (i32.const 0) (call $runtime (i32.const 0) (i32.const 4)))
        (i32.store (i32.const 4) (call $execute (i32.const 0) (i32.const 4)))
        (i32.store (i32.const 8)
            (call $send (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 0)))
        (call $answer (i32.const 0) (i32.const 12))"#;
    let contract = world.deploy(&contract(imports, body));
    let answer = world.ask(contract, []);
    assert_eq!(answer, [10, 0, 0, 0, 13, 0, 0, 0, 14, 0, 0, 0]);
}

#[test]
fn an_execution_can_move_between_threads() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let mut world = World::new();
    let id = world.deploy(&contract("", ""));
    let call = world
        .engine
        .call(&mut world.overlay, world.host.clone(), World::args(id, []));
    assert!(futures::executor::block_on(is_send(call)).is_ok());
}

#[test]
fn results_encode_as_clients_decode_them() {
    let mut world = World::new();
    let contract_id = world.deploy(&contract(
        r#"(data (i32.const 0x100) "hi")"#,
        "(call $answer (i32.const 0x100) (i32.const 2))",
    ));
    let outcome = world.call(contract_id, []);
    let bytes = outcome.encode_exec_result();
    // Ends with: deposit Charge(0), empty debug message, Ok, flags, data.
    let mut tail = vec![1];
    tail.extend(0u128.to_le_bytes());
    tail.extend([0, 0, 0, 0, 0, 0, 8, b'h', b'i']);
    assert!(bytes.ends_with(&tail), "{bytes:?}");

    let missing = world.call([7; 32], []).encode_exec_result();
    assert!(missing.ends_with(&[1, 3, 4, 6, 0, 0, 0]), "{missing:?}");
    assert_eq!(missing[..4], [0, 0, 0, 0], "no gas was used");
}

/// Calls `$tested` with the numbers given, and answers what it returns and 65 bytes from 0x1000.
fn with_result(world: &mut World, import: &str, args: &str) -> [u8; 32] {
    let body = format!(
        "(call $load_input)
        (i32.store (i32.const 0xffc) (call $tested {args}))
        (call $answer (i32.const 0xffc) (i32.const 69))"
    );
    world.deploy(&contract(import, &body))
}

#[test]
fn the_key_of_an_ecdsa_signature_is_recovered() {
    let key = k256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let hash = [5; 32];
    let (signature, recovery) = key.sign_prehash_recoverable(&hash).unwrap();
    let signature = [&signature.to_bytes()[..], &[recovery.to_byte()]].concat();

    let mut world = World::new();
    let import = r#"(import "seal0" "ecdsa_recover"
        (func $tested (param i32 i32 i32) (result i32)))"#;
    let args = "(i32.const 0) (i32.const 65) (i32.const 0x1000)";
    let recovering = with_result(&mut world, import, args);
    let answer = world.ask(recovering, [&signature[..], &hash].concat());
    assert_eq!(answer[..4], [0; 4]);
    assert_eq!(
        answer[4..37],
        *key.verifying_key().to_encoded_point(true).as_bytes()
    );
    let answer = world.ask(recovering, [&[0; 65][..], &hash].concat());
    assert_eq!(answer[..4], 11u32.to_le_bytes());
    assert_eq!(answer[4..], [0; 65], "nothing is written");
}

#[test]
fn the_ethereum_address_of_the_key_one_is_the_known_one() {
    let mut world = World::new();
    let import = r#"(import "seal0" "ecdsa_to_eth_address"
        (func $tested (param i32 i32) (result i32)))"#;
    let args = "(i32.const 0) (i32.const 0x1000)";
    let asking = with_result(&mut world, import, args);
    let key = unhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");
    let answer = world.ask(asking, key);
    assert_eq!(answer[..4], [0; 4]);
    assert_eq!(
        answer[4..24],
        unhex("7e5f4552091a69125d5dfcb7b8c2659029395bdf")
    );
    assert_eq!(world.ask(asking, [9; 33])[..4], 11u32.to_le_bytes());
}

#[test]
fn an_sr25519_signature_holds_for_its_message_and_key_only() {
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
    use schnorrkel::{ExpansionMode, MiniSecretKey, context};
    let pair = MiniSecretKey::from_bytes(&[7; 32])
        .unwrap()
        .expand_to_keypair(ExpansionMode::Ed25519);
    let signed = context::signing_context(b"substrate").bytes(b"message");
    let signed = context::attach_rng(signed, ChaCha20Rng::from_seed([1; 32]));
    let signature = pair.sign(signed).to_bytes();
    let key = pair.public.to_bytes();

    let mut world = World::new();
    let import = r#"(import "seal0" "sr25519_verify"
        (func $tested (param i32 i32 i32 i32) (result i32)))"#;
    let args = "(i32.const 0) (i32.const 64) (i32.const 7) (i32.const 96)";
    let verifying = with_result(&mut world, import, args);
    let mut verify = |signature: &[u8], key: &[u8], message: &[u8]| {
        world.ask(verifying, [signature, key, message].concat())[..4].to_vec()
    };
    assert_eq!(verify(&signature, &key, b"message"), [0; 4]);
    for (signature, key, message) in [
        (&signature, &key, b"massage"),
        (&signature, &[9; 32], b"message"),
        (&[9; 64], &key, b"message"),
    ] {
        assert_eq!(verify(signature, key, message), 12u32.to_le_bytes());
    }
}

#[test]
fn randomness_is_of_its_subject_and_the_newer_version_tells_the_block() {
    let mut world = World::new();
    let body = "(call $load_input)
        (i32.store (i32.const 0x2000) (i32.const 64))
        (call $random (i32.const 0) (i32.load (i32.const 0xfff0))
            (i32.const 0x1000) (i32.const 0x2000))
        (call $answer (i32.const 0x1000) (i32.load (i32.const 0x2000)))";
    // What the host of these tests makes of a subject is its length.
    let block = 77u32.to_le_bytes().to_vec();
    for (module, name, rest) in [
        ("seal0", "random", &Vec::new()),
        ("seal0", "seal_random", &Vec::new()),
        ("seal1", "random", &block),
        ("seal1", "seal_random", &block),
    ] {
        let import =
            format!(r#"(import "{module}" "{name}" (func $random (param i32 i32 i32 i32)))"#);
        let contract = world.deploy(&contract(&import, body));
        let answer = world.ask(contract, [1; 32]);
        assert_eq!(answer, [&[32; 32][..], &rest[..]].concat());
        assert_eq!(world.ask(contract, [])[..32], [0; 32]);
        let long = world.call(contract, [1; 33]);
        assert_eq!(error_of(&long), ContractError::RandomSubjectTooLong);
    }
}

#[test]
fn a_locked_code_stays_until_it_is_unlocked() {
    let mut world = World::new();
    let imports = r#"
        (import "seal0" "lock_delegate_dependency" (func $lock (param i32)))
        (import "seal0" "unlock_delegate_dependency" (func $unlock (param i32)))"#;
    // Input: whether to lock, the code.
    let body = "(call $load_input)
        (if (i32.load8_u (i32.const 0))
            (then (call $lock (i32.const 1)))
            (else (call $unlock (i32.const 1))))";
    let own = world.upload(&contract(imports, body));
    let depending = world.instantiate(own, Vec::new());
    let library = world.upload(&contract("", "(nop)"));
    let deposit = schema::code_info(&world.overlay, &library)
        .unwrap()
        .unwrap();
    let lockup = (deposit.deposit * 30).div_ceil(100);
    let (total, held) = (world.total(&[ALICE, depending]), world.held(&depending));
    let order = |world: &mut World, lock: u8, code: [u8; 32]| {
        world.call(depending, [&[lock][..], &code].concat())
    };
    let remove = |world: &mut World| {
        let engine = world.engine.clone();
        engine.remove_code(&mut world.overlay, ALICE, library)
    };

    let locked = order(&mut world, 1, library);
    assert_eq!(
        locked.report.storage_deposit,
        phat_engine::StorageDeposit::Charge(lockup)
    );
    assert_eq!(world.held(&depending), held + lockup);
    assert!(matches!(
        remove(&mut world),
        Err(phat_engine::RemoveCodeError::InUse(1))
    ));
    for (lock, code, error) in [
        (1, library, ContractError::DelegateDependencyAlreadyExists),
        (1, own, ContractError::CannotAddSelfAsDelegateDependency),
        (1, [9; 32], ContractError::CodeNotFound),
        (0, own, ContractError::DelegateDependencyNotFound),
    ] {
        assert_eq!(error_of(&order(&mut world, lock, code)), error);
    }

    let unlocked = order(&mut world, 0, library);
    assert_eq!(
        unlocked.report.storage_deposit,
        phat_engine::StorageDeposit::Refund(lockup)
    );
    assert_eq!(world.held(&depending), held);
    assert_eq!(world.total(&[ALICE, depending]), total);
    remove(&mut world).unwrap();
}

#[test]
fn every_function_of_the_table_is_linked_under_all_its_names_and_answers_any_arguments() {
    let number = |ty: &ValueType| match ty {
        ValueType::I32 => "i32",
        ValueType::I64 => "i64",
    };
    for function in HOST_FUNCTIONS {
        for name in [Some(function.name), function.alias].into_iter().flatten() {
            let parameters: Vec<_> = function.parameters.iter().map(number).collect();
            let result = function.result.as_ref().map(number).unwrap_or_default();
            let import = format!(
                r#"(import "{}" "{name}" (func $tested (param {}) (result {result})))"#,
                function.module,
                parameters.join(" "),
            );
            let body = |argument: &str| {
                let arguments: String = parameters
                    .iter()
                    .map(|ty| format!("({ty}.const {argument})"))
                    .collect();
                let drop = if result.is_empty() { "" } else { "(drop)" };
                format!("(call $tested {arguments}) {drop}")
            };
            // What is empty, what is small and full of zeros, what is outside of the memory.
            for argument in ["0", "32", "-1"] {
                let mut world = World::new();
                let id = world.deploy(&contract(&import, &body(argument)));
                let cost = world.call(id, []).report.gas_consumed;
                assert!(
                    cost >= function.cost.base,
                    "{}.{name} of {argument} was not called",
                    function.module
                );
            }
        }
    }
}
