//! What takes plain bytes: events, messages and hashes; and the rest.

/// Events, messages, hashes, signatures and whatever takes plain bytes.
pub(super) fn other_cases() -> Vec<String> {
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
