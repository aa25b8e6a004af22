//! What reaches other accounts, contracts and codes.

use super::{BOB_AT, CODE_AT, NOBODY_AT, OTHER_CODE_AT, PROGRAM_AT, PUPPET_AT};
use phat_oracle::{EXISTENTIAL_DEPOSIT, UNIT};

/// Calls, instantiations and what else reaches other accounts.
pub(super) fn call_cases() -> Vec<String> {
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
