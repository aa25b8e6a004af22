//! Storage functions with keys and values of all lengths.

use super::find;

/// Storage functions with a key, and with what follows it.
pub(super) fn key_cases() -> Vec<String> {
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
