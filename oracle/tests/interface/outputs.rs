//! Functions that write something: into buffers that fit, that do not, and that are nowhere.

use super::{NOBODY_AT, PUPPET_AT, find};

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

pub(super) fn output_cases() -> Vec<String> {
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
