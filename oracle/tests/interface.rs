//! Every host function and its edges, on both machines.
//!
//! A case is the body of a `call` in WAT. It imports what it names: `$seal1.get_storage` is the
//! function `get_storage` of the module `seal1`. Its input lies at 0: accounts and codes it may want
//! (see [`setting`]). What it passes to `$log` and `$bytes` is returned and compared. Each case is
//! called twice, so that the second call meets the state the first left.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use phat_engine::{Availability, HOST_FUNCTIONS, HostFunction, ValueType};
use phat_oracle::*;

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

/// Output functions: their name, the arguments before the output buffer, and the output's size.
fn outputs() -> Vec<(&'static str, String, u32)> {
    let none = String::new;
    vec![
        ("seal0.input", none(), 177),
        ("seal0.caller", none(), 32),
        ("seal0.own_code_hash", none(), 32),
        ("seal0.code_hash", format!("(i32.const {PUPPET_AT})"), 32),
        ("seal0.code_hash", format!("(i32.const {NOBODY_AT})"), 32),
        ("seal0.code_hash", "(i32.const 0x1fff0)".into(), 32),
        ("seal0.address", none(), 32),
        ("seal0.weight_to_fee", "(i64.const 12345)".into(), 16),
        ("seal0.weight_to_fee", "(i64.const -1)".into(), 16),
        (
            "seal1.weight_to_fee",
            "(i64.const 99) (i64.const 5)".into(),
            16,
        ),
        ("seal0.balance", none(), 16),
        ("seal0.value_transferred", none(), 16),
        ("seal0.now", none(), 8),
        ("seal0.minimum_balance", none(), 16),
        ("seal0.block_number", none(), 4),
        (
            "seal0.random",
            "(i32.const 0x3000) (i32.const 9)".into(),
            32,
        ),
        (
            "seal1.random",
            "(i32.const 0x3000) (i32.const 9)".into(),
            36,
        ),
        (
            "seal0.random",
            "(i32.const 0x3000) (i32.const 32)".into(),
            32,
        ),
        (
            "seal0.random",
            "(i32.const 0x3000) (i32.const 33)".into(),
            32,
        ),
        (
            "seal1.random",
            "(i32.const 0x1fff0) (i32.const 32)".into(),
            36,
        ),
        ("seal0.tombstone_deposit", none(), 16),
        ("seal0.rent_allowance", none(), 16),
        ("seal0.get_storage", "(i32.const 0x3000)".into(), 10),
        (
            "seal1.get_storage",
            "(i32.const 0x3000) (i32.const 3)".into(),
            10,
        ),
        (
            "seal0.take_storage",
            "(i32.const 0x3000) (i32.const 3)".into(),
            10,
        ),
        (
            "seal0.get_transient_storage",
            "(i32.const 0x3000) (i32.const 3)".into(),
            10,
        ),
        (
            "seal0.take_transient_storage",
            "(i32.const 0x3000) (i32.const 3)".into(),
            10,
        ),
        (
            "seal0.call_chain_extension",
            "(i32.const 12) (i32.const 0) (i32.const 0)".into(),
            1,
        ),
        (
            "seal0.call_chain_extension",
            "(i32.const 12) (i32.const 0x1fff0) (i32.const 100)".into(),
            1,
        ),
    ]
}

fn find(name: &str) -> &'static HostFunction {
    HOST_FUNCTIONS
        .iter()
        .find(|function| full_name(function)[1..] == *name)
        .unwrap_or_else(|| panic!("there is no {name}"))
}

/// What makes storage functions find something.
fn stored(name: &str) -> &'static str {
    match name {
        "seal0.get_storage" => {
            "(drop (call $seal1.set_storage (i32.const 0x3000) (i32.const 0x3000) (i32.const 10)))"
        }
        name if name.contains("transient") => {
            "(drop (call $seal0.set_transient_storage (i32.const 0x3000) (i32.const 3)
                (i32.const 0x3000) (i32.const 10)))"
        }
        name if name.ends_with("_storage") => {
            "(drop (call $seal2.set_storage (i32.const 0x3000) (i32.const 3) (i32.const 0x3000)
                (i32.const 10)))"
        }
        _ => "",
    }
}

fn output_cases() -> Vec<String> {
    let mut cases = Vec::new();
    for (name, arguments, size) in outputs() {
        let function = find(name);
        let before = stored(name);
        let call = |out: u32, length: u32| {
            let call = format!("(call ${name} {arguments} (i32.const {out}) (i32.const {length}))");
            match function.result {
                Some(_) => format!("(call $log {call})"),
                None => call,
            }
        };
        for room in [size, size - 1, size + 9, 0, u32::MAX] {
            cases.push(format!(
                "{before} (call $room (i32.const {})) {} (call $log (i32.load (i32.const 0x2000)))
                 (call $bytes (i32.const 0x1000) (i32.const 200))",
                room as i32,
                call(0x1000, 0x2000)
            ));
        }
        // At the end of the memory, one beyond it, nowhere.
        for out in [
            0x20000 - size,
            0x20000 - size + 1,
            0x20000,
            u32::MAX - 1,
            u32::MAX,
        ] {
            cases.push(format!(
                "{before} (call $room (i32.const 1000)) {}",
                call(out, 0x2000)
            ));
        }
        for length in [0x1fffc, 0x1fffd, 0x20000, u32::MAX] {
            cases.push(format!(
                "{before} (i32.store (i32.const 0x1fffc) (i32.const 1000)) {}",
                call(0x1000, length)
            ));
        }
        // The length lies where the output goes.
        cases.push(format!(
            "{before} (call $room (i32.const 1000)) {} (call $bytes (i32.const 0x2000)
                (i32.const 40))",
            call(0x2000, 0x2000)
        ));
    }
    cases
}

/// Storage functions with a key, and with what follows it.
fn key_cases() -> Vec<String> {
    let mut cases = Vec::new();
    for name in [
        "seal2.set_storage",
        "seal1.clear_storage",
        "seal1.get_storage",
        "seal1.contains_storage",
        "seal0.take_storage",
        "seal0.set_transient_storage",
        "seal0.clear_transient_storage",
        "seal0.get_transient_storage",
        "seal0.contains_transient_storage",
        "seal0.take_transient_storage",
    ] {
        let set = match name.contains("transient") {
            true => "seal0.set_transient_storage",
            false => "seal2.set_storage",
        };
        let rest = match find(name).parameters.len() {
            2 => "",
            _ if name.contains("set_") => "(i32.const 0x3000) (i32.const 5)",
            _ => "(i32.const 0x1000) (i32.const 0x2000)",
        };
        for (pointer, length) in [
            (0x3000, 0),
            (0x3000, 1),
            (0x3000, 32),
            (0x3000, 128),
            (0x3000, 129),
            (0x3000, u32::MAX),
            (0x20000, 0),
            (0x20001, 0),
            (0x1fff0, 16),
            (0x1fff0, 17),
            (u32::MAX, 0),
            (u32::MAX, 8),
        ] {
            let key = format!(
                "(i32.const {}) (i32.const {})",
                pointer as i32, length as i32
            );
            let first = match length <= 128 && pointer <= 0x1fff0 && pointer + length <= 0x20000 {
                true => format!("(call $log (call ${set} {key} (i32.const 0x3000) (i32.const 9)))"),
                false => String::new(),
            };
            cases.push(format!(
                "{first} (call $room (i32.const 100)) (call $log (call ${name} {key} {rest}))
                 (call $log (i32.load (i32.const 0x2000)))
                 (call $bytes (i32.const 0x1000) (i32.const 16))"
            ));
        }
    }
    for (name, rest) in [
        ("seal0.set_storage", "(i32.const 0x3000) (i32.const 5)"),
        ("seal1.set_storage", "(i32.const 0x3000) (i32.const 5)"),
        ("seal0.clear_storage", ""),
        ("seal0.get_storage", "(i32.const 0x1000) (i32.const 0x2000)"),
        ("seal0.contains_storage", ""),
    ] {
        for pointer in [0x3000, 0x20000 - 32, 0x20000 - 31, u32::MAX] {
            let call = format!("(call ${name} (i32.const {}) {rest})", pointer as i32);
            let call = match find(name).result {
                Some(_) => format!("(call $log {call})"),
                None => call,
            };
            cases.push(format!("(call $room (i32.const 100)) {call} {call}"));
            cases.push(format!(
                "(drop (call $seal1.set_storage (i32.const 0x3000) (i32.const 0x3010)
                    (i32.const 0))) (call $room (i32.const 100)) {call}
                 (call $log (call $seal0.contains_storage (i32.const 0x3000)))"
            ));
        }
    }
    for (pointer, length) in [
        (0x3000, 0),
        (0x3000, 16 * 1024),
        (0x3000, 16 * 1024 + 1),
        (0x3000, u32::MAX),
        (0x20000, 0),
        (0x20000, 1),
        (u32::MAX, 1),
    ] {
        let value = format!(
            "(i32.const {}) (i32.const {})",
            pointer as i32, length as i32
        );
        for (name, key) in [
            ("seal1.set_storage", "(i32.const 0x3000)"),
            ("seal2.set_storage", "(i32.const 0x3000) (i32.const 4)"),
            (
                "seal0.set_transient_storage",
                "(i32.const 0x3000) (i32.const 4)",
            ),
        ] {
            cases.push(format!(
                "(call $log (call ${name} {key} {value})) (call $log (call ${name} {key} {value}))"
            ));
        }
    }
    cases
}

/// Calls, instantiations and what else reaches other accounts.
fn call_cases() -> Vec<String> {
    let mut cases = Vec::new();
    let program = format!(
        "(i32.const {PROGRAM_AT}) (i32.load (i32.const {}))",
        PROGRAM_AT - 8
    );
    let value = |value: u128| {
        format!(
            "(i64.store (i32.const 0x4000) (i64.const {})) (i64.store (i32.const 0x4008)
                (i64.const {}))",
            value as u64 as i64,
            (value >> 64) as i64
        )
    };
    let ed = EXISTENTIAL_DEPOSIT;
    let values = [
        0,
        1,
        ed - 1,
        ed,
        ed + 1,
        19 * ed,
        20 * ed,
        20 * ed + 8,
        21 * ed,
        UNIT,
        u128::MAX,
    ];
    let report = "(call $log (i32.load (i32.const 0x2000)))
        (call $bytes (i32.const 0x1000) (i32.const 64))";
    for amount in values {
        let set = value(amount);
        for to in [PUPPET_AT, BOB_AT, NOBODY_AT] {
            cases.push(format!(
                "{set} (call $log (call $seal0.transfer (i32.const {to}) (i32.const 32)
                    (i32.const 0x4000) (i32.const 16)))"
            ));
            cases.push(format!(
                "{set} (call $room (i32.const 500)) (call $log (call $seal1.call (i32.const 0)
                    (i32.const {to}) (i64.const 0) (i32.const 0x4000) {program}
                    (i32.const 0x1000) (i32.const 0x2000))) {report}"
            ));
            cases.push(format!(
                "{set} (call $room (i32.const 500)) (call $log (call $seal0.call
                    (i32.const {to}) (i32.const 32) (i64.const 0) (i32.const 0x4000)
                    (i32.const 16) {program} (i32.const 0x1000) (i32.const 0x2000))) {report}"
            ));
        }
        for code in [CODE_AT, NOBODY_AT] {
            for salt in [0, 1, 32] {
                let rest = format!(
                    "(i32.const 0x4000) {program} (i32.const 0x1000) (i32.const 0x2000)
                     (i32.const 0x1100) (i32.const 0x2004) (i32.const 0x3000) (i32.const {salt})"
                );
                let again = format!(
                    "{set} (i32.store (i32.const 0x2000) (i32.const 32))
                     (i32.store (i32.const 0x2004) (i32.const 500))
                     (call $log (call $seal1.instantiate (i32.const {code}) (i64.const 0) {rest}))
                     {report}"
                );
                cases.push(again.clone());
                cases.push(format!(
                    "{set} (i32.store (i32.const 0x2000) (i32.const 32))
                     (i32.store (i32.const 0x2004) (i32.const 500))
                     (call $log (call $seal0.instantiate (i32.const {code}) (i32.const 32)
                        (i64.const 0) (i32.const 0x4000) (i32.const 16) {program}
                        (i32.const 0x1000) (i32.const 0x2000) (i32.const 0x1100)
                        (i32.const 0x2004) (i32.const 0x3000) (i32.const {salt}))) {report}"
                ));
                cases.push(format!("{again} {again}"));
                cases.push(format!(
                    "{set} (i32.store (i32.const 0x2000) (i32.const 32))
                     (i32.store (i32.const 0x2004) (i32.const 500))
                     (call $log (call $seal2.instantiate (i32.const {code}) (i64.const 0)
                        (i64.const 0) (i32.const -1) {rest})) {report}"
                ));
            }
        }
    }
    let zero = value(0);
    // All call flags, unknown ones too.
    for flags in (0..33).chain([64, u32::MAX]) {
        let flags = flags as i32;
        cases.push(format!(
            "{zero} (call $room (i32.const 500)) (call $log (call $seal1.call (i32.const {flags})
                (i32.const {PUPPET_AT}) (i64.const 0) (i32.const 0x4000) {program}
                (i32.const 0x1000) (i32.const 0x2000))) {report}
             (call $room (i32.const 500))
             (call $seal0.input (i32.const 0x1000) (i32.const 0x2000))"
        ));
        cases.push(format!(
            "{zero} (call $room (i32.const 500)) (call $log (call $seal0.delegate_call
                (i32.const {flags}) (i32.const {CODE_AT}) {program}
                (i32.const 0x1000) (i32.const 0x2000))) {report}"
        ));
    }
    for code in [CODE_AT, OTHER_CODE_AT, NOBODY_AT, 0x1fff0, u32::MAX] {
        let code = format!("(i32.const {})", code as i32);
        cases.push(format!("(call $log (call $seal0.set_code_hash {code}))"));
        cases.push(format!("(call $seal0.lock_delegate_dependency {code})"));
        cases.push(format!("(call $seal0.unlock_delegate_dependency {code})"));
        cases.push(format!(
            "(call $seal0.lock_delegate_dependency {code})
             (call $seal0.unlock_delegate_dependency {code})"
        ));
        cases.push(format!(
            "(call $seal0.lock_delegate_dependency {code})
             (call $seal0.lock_delegate_dependency {code})"
        ));
        cases.push(format!(
            "{zero} (call $room (i32.const 500)) (call $log (call $seal0.delegate_call
                (i32.const 0) {code} {program} (i32.const 0x1000) (i32.const 0x2000))) {report}"
        ));
        cases.push(format!("(call $log (call $seal0.is_contract {code}))"));
        cases.push(format!(
            "(call $log (call $seal0.account_reentrance_count {code}))"
        ));
        cases.push(format!("(call $seal1.terminate {code})"));
        cases.push(format!("(call $seal0.terminate {code} (i32.const 32))"));
    }
    // Its own code, and itself as the beneficiary.
    for call in [
        "(call $seal0.lock_delegate_dependency (i32.const 0x1000))",
        "(drop (call $seal0.set_code_hash (i32.const 0x1000)))",
    ] {
        cases.push(format!(
            "(call $room (i32.const 32)) (call $seal0.own_code_hash (i32.const 0x1000)
                (i32.const 0x2000)) {call}"
        ));
    }
    for call in [
        "(call $seal1.terminate (i32.const 0x1000))",
        "(call $log (call $seal0.is_contract (i32.const 0x1000)))",
        "(call $log (call $seal0.account_reentrance_count (i32.const 0x1000)))",
    ] {
        cases.push(format!(
            "(call $room (i32.const 32)) (call $seal0.address (i32.const 0x1000)
                (i32.const 0x2000)) {call}"
        ));
    }
    cases.push(format!(
        "(call $room (i32.const 32)) (call $seal0.address (i32.const 0x1000) (i32.const 0x2000))
         {} (call $log (call $seal0.transfer (i32.const 0x1000) (i32.const 32) (i32.const 0x4000)
            (i32.const 16)))",
        value(UNIT)
    ));
    // Deposit limits and outputs that are not wanted, too small, or nowhere.
    for limit in [0, 1, 131, 132, 133, 500, u128::MAX] {
        let set = value(limit);
        cases.push(format!(
            "{set} (i64.store (i32.const 0x4010) (i64.const 0)) (i64.store (i32.const 0x4018)
                (i64.const 0)) (call $log (call $seal2.call (i32.const 0) (i32.const {PUPPET_AT})
                (i64.const 0) (i64.const 0) (i32.const 0x4000) (i32.const 0x4010) {program}
                (i32.const -1) (i32.const 0)))"
        ));
    }
    for (out, length) in [(0x1000, 0x2000), (0x1fff0, 0x2000), (-1, -1), (0x1000, -1)] {
        for room in [0, 1, 500] {
            cases.push(format!(
                "{zero} (call $room (i32.const {room})) (call $log (call $seal2.call (i32.const 0)
                    (i32.const {PUPPET_AT}) (i64.const 0) (i64.const 0) (i32.const -1)
                    (i32.const 0x4000) {program} (i32.const {out}) (i32.const {length})))"
            ));
        }
    }
    cases
}

/// Events, messages, hashes, signatures and whatever takes plain bytes.
fn other_cases() -> Vec<String> {
    let mut cases = Vec::new();
    for (topics, topics_len) in [
        (0, 0),
        (0, 32),
        (0, 33),
        (0x3f00, 1),
        (0x1fff0, 33),
        (-1, 0),
    ] {
        for (data, data_len) in [(0x3000, 0), (0x3000, 16384), (0x3000, 16385), (0x1fff0, 17)] {
            cases.push(format!(
                "(call $seal0.deposit_event (i32.const {topics}) (i32.const {topics_len})
                    (i32.const {data}) (i32.const {data_len}))"
            ));
        }
    }
    // 1 to 5 topics, all equal and not, and a count that does not fit.
    for count in 0..6 {
        for same in [0, 1] {
            for length in [1 + 32 * count, 2 + 32 * count, 32 * count] {
                cases.push(format!(
                    "(i32.store8 (i32.const 0x5000) (i32.const {}))
                     (i32.store8 (i32.const 0x5001) (i32.const {same}))
                     (call $seal0.deposit_event (i32.const 0x5000) (i32.const {length})
                        (i32.const 0x3000) (i32.const 3))",
                    4 * count
                ));
            }
        }
    }
    for (pointer, length) in [
        (0x3000, 0),
        (0x3000, 20),
        (0x7000, 4),
        (0x1fff0, 17),
        (-1, 0),
    ] {
        cases.push(format!(
            "(i32.store (i32.const 0x7000) (i32.const -1))
             (call $log (call $seal0.debug_message (i32.const {pointer}) (i32.const {length})))"
        ));
    }
    for name in [
        "seal0.hash_sha2_256",
        "seal0.hash_keccak_256",
        "seal0.hash_blake2_256",
        "seal0.hash_blake2_128",
    ] {
        for length in [
            0, 1, 16, 31, 32, 55, 56, 63, 64, 65, 127, 128, 129, 135, 136, 137, 5000,
        ] {
            cases.push(format!(
                "(call ${name} (i32.const 0x3000) (i32.const {length}) (i32.const 0x1000))
                 (call $bytes (i32.const 0x1000) (i32.const 40))"
            ));
        }
        for (input, length, out) in [
            (0x1fff0, 16, 0x1000),
            (0x1fff0, 17, 0x1000),
            (0x3000, -1, 0x1000),
            (-1, 0, 0x1000),
            (0x3000, 3, 0x1fff0),
            (0x3000, 3, 0x1fff1),
            (0x3000, 3, -1),
            (0x3000, 32, 0x3000),
        ] {
            cases.push(format!(
                "(call ${name} (i32.const {input}) (i32.const {length}) (i32.const {out}))
                 (call $bytes (i32.const 0x3000) (i32.const 40))"
            ));
        }
    }
    for body in [
        "(call $log (call $seal0.caller_is_origin)) (call $log (call $seal0.caller_is_root))",
        "(call $log (call $seal0.reentrance_count))",
        "(call $log (i32.wrap_i64 (call $seal0.instantiation_nonce)))",
        "(call $seal0.restore_to (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
         (call $seal1.restore_to (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0))",
        "(call $seal0.set_rent_allowance (i32.const -1) (i32.const -1))
         (call $seal1.set_rent_allowance (i32.const -1))",
        // How much gas is left differs; that it is told in so many bytes does not.
        "(call $room (i32.const 8)) (call $seal0.gas_left (i32.const 0x1000) (i32.const 0x2000))
         (call $log (i32.load (i32.const 0x2000)))",
        "(call $room (i32.const 7)) (call $seal0.gas_left (i32.const 0x1000) (i32.const 0x2000))",
        "(call $room (i32.const 0)) (call $seal1.gas_left (i32.const 0x1000) (i32.const 0x2000))",
        "(call $room (i32.const 20)) (call $seal1.gas_left (i32.const 0x1000) (i32.const 0x2000))",
        "(call $seal1.gas_left (i32.const 0x1fff0) (i32.const -1))",
        "(call $seal0.seal_return (i32.const 1) (i32.const 0x3000) (i32.const 4))",
        "(call $seal0.seal_return (i32.const 2) (i32.const 0x3000) (i32.const 4))",
        "(call $seal0.seal_return (i32.const -1) (i32.const 0x3000) (i32.const 4))",
        "(call $seal0.seal_return (i32.const 0) (i32.const 0x20000) (i32.const 0))",
        "(call $seal0.seal_return (i32.const 0) (i32.const 0x20000) (i32.const 1))",
        "(call $seal0.seal_return (i32.const 0) (i32.const 0x20001) (i32.const 0))",
        "(call $seal0.seal_return (i32.const 0) (i32.const 0x3000) (i32.const -1))",
        "unreachable",
        "(drop (i32.div_u (i32.const 1) (local.get $i)))",
        "(drop (i32.load (i32.const 0x20000)))",
        "(call $log (memory.grow (i32.const 2))) (call $log (memory.grow (i32.const 1)))
         (call $log (memory.size))",
        "(call $log (call $seal0.transfer (i32.const 0x1fff0) (i32.const 32) (i32.const 0x4000)
            (i32.const 16)))",
        "(call $log (call $seal0.transfer (i32.const 64) (i32.const 32) (i32.const 0x1fff8)
            (i32.const 16)))",
    ] {
        cases.push(body.into());
    }
    cases
}

/// Signatures: good ones, and every part of them spoiled.
fn signature_cases() -> Vec<String> {
    let data = |at: u32, bytes: &[u8]| -> String {
        bytes
            .iter()
            .enumerate()
            .map(|(index, byte)| {
                format!(
                    "(i32.store8 (i32.const {}) (i32.const {byte}))",
                    at as usize + index
                )
            })
            .collect()
    };
    let mut cases = Vec::new();
    let key = k256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let hash = [5; 32];
    let (signature, recovery) = key.sign_prehash_recoverable(&hash).unwrap();
    let mut good = signature.to_bytes().to_vec();
    good.push(recovery.to_byte());
    let mut ecdsa = vec![good.clone(), vec![0; 65], vec![0xff; 65]];
    for (at, with) in [
        (64, 4),
        (64, 27),
        (64, 28),
        (64, 2),
        (64, 3),
        (64, 255),
        (0, 0),
        (40, 9),
    ] {
        let mut spoiled = good.clone();
        spoiled[at] = with;
        ecdsa.push(spoiled);
    }
    let mut plus_27 = good.clone();
    plus_27[64] += 27;
    ecdsa.push(plus_27);
    // s in the upper half: valid for recovery, though not canonical.
    let high = k256::ecdsa::Signature::from_scalars(*signature.r(), -*signature.s()).unwrap();
    let mut high = high.to_bytes().to_vec();
    high.push(recovery.to_byte() ^ 1);
    ecdsa.push(high);
    for signature in ecdsa {
        cases.push(format!(
            "{} {} (call $log (call $seal0.ecdsa_recover (i32.const 0x4000) (i32.const 0x4100)
                (i32.const 0x1000))) (call $bytes (i32.const 0x1000) (i32.const 33))",
            data(0x4000, &signature),
            data(0x4100, &hash)
        ));
    }
    for (signature, hash, out) in [(0x1fff0, 0, 0x1000), (0, 0x1fff0, 0x1000), (0, 0, 0x1fff0)] {
        cases.push(format!(
            "{} (call $log (call $seal0.ecdsa_recover (i32.const {}) (i32.const {})
                (i32.const {out})))",
            data(0x4000, &good),
            if signature == 0 { 0x4000 } else { signature },
            if hash == 0 { 0x4100 } else { hash },
        ));
    }
    let public = key.verifying_key().to_encoded_point(true);
    let mut keys = vec![
        public.as_bytes().to_vec(),
        vec![0; 33],
        vec![2; 33],
        vec![0xff; 33],
    ];
    keys.push([&[4][..], &public.as_bytes()[1..]].concat());
    for key in keys {
        cases.push(format!(
            "{} (call $log (call $seal0.ecdsa_to_eth_address (i32.const 0x4000)
                (i32.const 0x1000))) (call $bytes (i32.const 0x1000) (i32.const 20))",
            data(0x4000, &key)
        ));
    }
    cases.push(
        "(call $log (call $seal0.ecdsa_to_eth_address (i32.const 0x1fff0) (i32.const 0x1000)))"
            .into(),
    );
    let pair = schnorrkel::MiniSecretKey::from_bytes(&[3; 32])
        .unwrap()
        .expand_to_keypair(schnorrkel::ExpansionMode::Ed25519);
    for (context, message, spoil) in [
        (&b"substrate"[..], &b"message"[..], None),
        (b"substrate", b"", None),
        (b"other", b"message", None),
        (b"substrate", b"message", Some(0)),
        (b"substrate", b"message", Some(63)),
    ] {
        let mut signature = pair.sign_simple(context, message).to_bytes();
        if let Some(at) = spoil {
            signature[at] ^= 0x80;
        }
        for key in [pair.public.to_bytes(), [0; 32], [0xff; 32]] {
            cases.push(format!(
                "{} {} {} (call $log (call $seal0.sr25519_verify (i32.const 0x4000)
                    (i32.const 0x4100) (i32.const {}) (i32.const 0x4200)))",
                data(0x4000, &signature),
                data(0x4100, &key),
                data(0x4200, message),
                message.len()
            ));
        }
    }
    for (signature, key, length, message) in [
        (0x1fff0, 0x4000, 3, 0x4000),
        (0x4000, 0x1fff0, 3, 0x4000),
        (0x4000, 0x4000, 17, 0x1fff0),
        (0x4000, 0x4000, -1, 0x4000),
    ] {
        cases.push(format!(
            "(call $log (call $seal0.sr25519_verify (i32.const {signature}) (i32.const {key})
                (i32.const {length}) (i32.const {message})))"
        ));
    }
    cases
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
