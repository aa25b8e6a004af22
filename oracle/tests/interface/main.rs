//! Every host function and its edges, on both machines.
//!
//! A case is the body of a `call` in WAT. It imports what it names: `$seal1.get_storage` is the
//! function `get_storage` of the module `seal1`. Its input lies at 0: accounts and codes it may want
//! (see [`setting`]). What it passes to `$log` and `$bytes` is returned and compared. Each case is
//! called twice, so that the second call meets the state the first left.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bytes;
mod calls;
mod outputs;
mod signatures;
mod storage;

use bytes::other_cases;
use calls::call_cases;
use outputs::output_cases;
use phat_engine::{Availability, HOST_FUNCTIONS, HostFunction, ValueType};
use phat_oracle::*;
use signatures::signature_cases;
use std::collections::BTreeSet;
use storage::key_cases;

/// Where things lie in a case's memory. 0x1000 is the place for outputs, 0x2000 a length, 0x3000
/// some bytes; the log grows from 0x8000.
const PRELUDE: &str = r#"
    (global $end (mut i32) (i32.const 0x8000))
    (data (i32.const 0x3000) "some bytes, of which there are fifty if you count them")
    (func $log (param $n i32)
        (i32.store (global.get $end) (local.get $n))
        (global.set $end (i32.add (global.get $end) (i32.const 4))))
    (func $bytes (param $from i32) (param $n i32)
        (loop $again
            (if (local.get $n) (then
                (i32.store8 (global.get $end) (i32.load8_u (local.get $from)))
                (global.set $end (i32.add (global.get $end) (i32.const 1)))
                (local.set $from (i32.add (local.get $from) (i32.const 1)))
                (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                (br $again)))))
    (func $room (param $n i32) (i32.store (i32.const 0x2000) (local.get $n)))
    (func $out (call $log (i32.load (i32.const 0x2000)))
        (call $bytes (i32.const 0x1000) (i32.load (i32.const 0x2000))))"#;

/// Offsets of what a case's input contains.
const PUPPET_AT: u32 = 0;
const CODE_AT: u32 = 32;
const BOB_AT: u32 = 64;
const NOBODY_AT: u32 = 96;
const OTHER_CODE_AT: u32 = 128;
/// Where the program for the puppet begins, its length before it.
const PROGRAM_AT: u32 = 168;

fn type_name(value: &ValueType) -> &'static str {
    match value {
        ValueType::I32 => "i32",
        ValueType::I64 => "i64",
    }
}

fn full_name(function: &HostFunction) -> String {
    format!("${}.{}", function.module, function.name)
}

fn uses(body: &str, function: &HostFunction) -> bool {
    let name = full_name(function);
    body.match_indices(&name).any(|(at, _)| {
        let next = body[at + name.len()..].chars().next();
        !next.is_some_and(|next| next.is_ascii_alphanumeric() || next == '_')
    })
}

/// The module of a case, its imports by their own names or by those of ink! 3.
fn module(body: &str, aliases: bool) -> String {
    let mut imports = String::new();
    for function in HOST_FUNCTIONS {
        let always =
            function.module == "seal0" && ["input", "seal_return"].contains(&function.name);
        if !always && !uses(body, function) {
            continue;
        }
        let name = match function.alias {
            Some(alias) if aliases => alias,
            _ => function.name,
        };
        let parameters: Vec<_> = function.parameters.iter().map(type_name).collect();
        let result = function.result.as_ref().map_or(String::new(), |result| {
            format!("(result {})", type_name(result))
        });
        imports += &format!(
            "(import \"{}\" \"{name}\" (func {} (param {}) {result}))\n",
            function.module,
            full_name(function),
            parameters.join(" ")
        );
    }
    format!(
        r#"(module
        (import "env" "memory" (memory 2 4))
        {imports} {PRELUDE}
        (func (export "deploy"))
        (func (export "call")
            (local $i i32)
            (i32.store (i32.const 0x2000) (i32.const 0x1000))
            (call $seal0.input (i32.const 0) (i32.const 0x2000))
            {body}
            (call $seal0.seal_return (i32.const 0) (i32.const 0x8000)
                (i32.sub (global.get $end) (i32.const 0x8000)))))"#
    )
}

/// Two machines with a puppet, and the input by which a case finds it.
fn setting(program: &[Step]) -> (Pair, Vec<u8>) {
    let mut pair = Pair::new();
    let wasm = wat::parse_str(PUPPET).unwrap();
    let code = pair.try_upload(ALICE, &wasm, None).unwrap();
    let other = pad(&wasm, wasm.len() + 50);
    let other_code = pair.try_upload(BOB, &other, None).unwrap();
    let args = InstantiateArgs {
        value: 5 * EXISTENTIAL_DEPOSIT,
        input: Step::encode(&[]),
        ..pair.instantiation(code)
    };
    let puppet = pair.instantiate(args).result.unwrap().contract.unwrap();
    let program = Step::encode(program);
    let mut input = [puppet, code, BOB, NOBODY, other_code].concat();
    input.extend((program.len() as u64).to_le_bytes());
    input.extend(&program);
    (pair, input)
}

/// Runs a case on both machines, twice.
fn check_with(program: &[Step], body: &str, aliases: bool) -> Vec<Ending> {
    let (mut pair, input) = setting(program);
    let wat = module(body, aliases);
    let deprecated = HOST_FUNCTIONS
        .iter()
        .any(|function| function.availability == Availability::Deprecated && uses(body, function));
    let contract = match deprecated {
        true => pair.deploy_deprecated(&wat),
        false => pair.deploy(&wat),
    };
    pair.mint(contract, 20 * EXISTENTIAL_DEPOSIT);
    (0..2)
        .map(|_| {
            let run = std::panic::AssertUnwindSafe(|| {
                pair.call(CallArgs {
                    value: 7,
                    ..Pair::args(contract, input.clone())
                })
            });
            std::panic::catch_unwind(run).unwrap_or_else(|panic| {
                eprintln!("{body}");
                std::panic::resume_unwind(panic)
            })
        })
        .collect()
}

fn check(body: &str) -> Vec<Ending> {
    check_with(&[], body, false);
    check_with(&[], body, true)
}

fn find(name: &str) -> &'static HostFunction {
    HOST_FUNCTIONS
        .iter()
        .find(|function| full_name(function)[1..] == *name)
        .unwrap_or_else(|| panic!("there is no {name}"))
}

/// Cases in which the reference answers otherwise on purpose, with what ours answers.
fn different_cases() -> Vec<String> {
    ["seal0.call_runtime", "seal0.xcm_execute"]
        .map(|name| format!("(call $log (call ${name} (i32.const 0x3000) (i32.const 4)))"))
        .into_iter()
        .chain([
            "(call $log (call $seal0.xcm_send (i32.const 0x3000) (i32.const 0x3000)
            (i32.const 4) (i32.const 0x1000)))"
                .into(),
        ])
        .collect()
}

/// Runs all cases and shows every difference, not only the first.
fn all_alike(cases: Vec<String>, check: impl Fn(&str)) {
    let total = cases.len();
    let failed = cases
        .iter()
        .filter(|case| {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(case))).is_err()
        })
        .count();
    assert_eq!(failed, 0, "of {total} cases");
}

#[test]
fn outputs_fit_into_their_buffers_alike() {
    all_alike(output_cases(), |case| {
        check(case);
    });
}

#[test]
fn keys_and_values_of_all_lengths_are_taken_alike() {
    all_alike(key_cases(), |case| {
        check(case);
    });
}

#[test]
fn accounts_contracts_and_codes_are_reached_alike() {
    let programs: [&[Step]; 6] = [
        &[],
        &[Step::Set(b"k".to_vec(), 32)],
        &[Step::Look(BOB), Step::Revert],
        &[Step::Set(b"k".to_vec(), 5), Step::Trap],
        &[
            Step::Transfer(NOBODY, 3 * EXISTENTIAL_DEPOSIT),
            Step::Look(NOBODY),
        ],
        &[Step::Terminate(BOB)],
    ];
    for program in programs {
        all_alike(call_cases(), |case| {
            check_with(program, case, false);
        });
    }
}

#[test]
fn events_hashes_and_the_rest_are_alike() {
    all_alike(other_cases(), |case| {
        check(case);
    });
}

#[test]
fn signatures_are_judged_alike() {
    all_alike(signature_cases(), |case| {
        check(case);
    });
}

#[test]
fn what_has_no_meaning_here_says_so_where_the_reference_refuses_the_bytes() {
    for case in different_cases() {
        let (mut pair, input) = setting(&[]);
        let contract = pair.deploy(&module(&case, false));
        let ours = pair.subject.call(Pair::args(contract, input.clone()));
        let theirs = pair.reference.call(Pair::args(contract, input));
        assert_eq!(theirs.result.unwrap_err(), "DecodingFailed");
        let code = u32::from_le_bytes(ours.result.unwrap().data.try_into().unwrap());
        assert!([10, 13, 14].contains(&code), "{code}");
    }
}

#[test]
fn a_change_of_its_own_code_is_seen_at_once() {
    let case = format!(
        "(call $room (i32.const 32)) (call $seal0.address (i32.const 0x1000) (i32.const 0x2000))
        (call $log (call $seal0.set_code_hash (i32.const {OTHER_CODE_AT})))
        (call $log (call $seal0.code_hash (i32.const 0x1000) (i32.const 0x1100)
            (i32.const 0x2000)))
        (call $bytes (i32.const 0x1100) (i32.const 32))"
    );
    let (mut pair, input) = setting(&[]);
    let contract = pair.deploy(&module(&case, false));
    let old = pair.subject.snapshot().contracts[&contract].code_hash;
    let new = &input[OTHER_CODE_AT as usize..][..32];
    let ours = pair.subject.call(Pair::args(contract, input.clone()));
    let theirs = pair.reference.call(Pair::args(contract, input.clone()));
    assert_eq!(ours.result.unwrap().data, [&[0; 8], new].concat());
    assert_eq!(theirs.result.unwrap().data, [&[0; 8], &old[..]].concat());
}

#[test]
fn every_function_has_a_case() {
    let cases = [
        output_cases(),
        key_cases(),
        call_cases(),
        other_cases(),
        signature_cases(),
        different_cases(),
    ]
    .concat();
    let missing: BTreeSet<String> = HOST_FUNCTIONS
        .iter()
        .filter(|function| function.availability != Availability::Removed)
        .filter(|function| !cases.iter().any(|case| uses(case, function)))
        .map(full_name)
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
