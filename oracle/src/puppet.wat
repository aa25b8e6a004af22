;; A contract that executes the program it is given, in `call` and in `deploy` alike, and returns a
;; log of what every step answered. A program is a sequence of steps, each a byte for what to do and
;; its arguments; `puppet.rs` writes them. Programs for other contracts are nested in them.
(module
    (import "env" "memory" (memory 3 3))
    (import "seal0" "input" (func $input (param i32 i32)))
    (import "seal0" "seal_return" (func $return (param i32 i32 i32)))
    (import "seal2" "set_storage" (func $set (param i32 i32 i32 i32) (result i32)))
    (import "seal1" "set_storage" (func $set_fixed (param i32 i32 i32) (result i32)))
    (import "seal1" "clear_storage" (func $clear (param i32 i32) (result i32)))
    (import "seal1" "get_storage" (func $get (param i32 i32 i32 i32) (result i32)))
    (import "seal0" "take_storage" (func $take (param i32 i32 i32 i32) (result i32)))
    (import "seal0" "transfer" (func $transfer (param i32 i32 i32 i32) (result i32)))
    (import "seal2" "call"
        (func $call (param i32 i32 i64 i64 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "seal0" "delegate_call"
        (func $delegate (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "seal2" "instantiate"
        (func $instantiate (param i32 i64 i64 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)
            (result i32)))
    (import "seal1" "terminate" (func $terminate (param i32)))
    (import "seal0" "set_code_hash" (func $set_code_hash (param i32) (result i32)))
    (import "seal0" "lock_delegate_dependency" (func $lock (param i32)))
    (import "seal0" "unlock_delegate_dependency" (func $unlock (param i32)))
    (import "seal0" "deposit_event" (func $event (param i32 i32 i32 i32)))
    (import "seal0" "set_transient_storage"
        (func $set_transient (param i32 i32 i32 i32) (result i32)))
    (import "seal0" "get_transient_storage"
        (func $get_transient (param i32 i32 i32 i32) (result i32)))
    (import "seal0" "take_transient_storage"
        (func $take_transient (param i32 i32 i32 i32) (result i32)))
    (import "seal0" "balance" (func $balance (param i32 i32)))
    (import "seal0" "caller" (func $caller (param i32 i32)))
    (import "seal0" "address" (func $address (param i32 i32)))
    (import "seal0" "value_transferred" (func $value (param i32 i32)))
    (import "seal0" "own_code_hash" (func $own_code_hash (param i32 i32)))
    (import "seal0" "code_hash" (func $code_hash (param i32 i32 i32) (result i32)))
    (import "seal0" "is_contract" (func $is_contract (param i32) (result i32)))
    (import "seal0" "caller_is_origin" (func $caller_is_origin (result i32)))
    (import "seal0" "reentrance_count" (func $reentrance (result i32)))
    (import "seal0" "account_reentrance_count" (func $reentrance_of (param i32) (result i32)))
    (import "seal0" "instantiation_nonce" (func $nonce (result i64)))
    (import "seal0" "debug_message" (func $debug (param i32 i32) (result i32)))

    ;; 0x100: a length. 0x200: where outputs go. 0x10000: the log. 0x20000: the program.
    (global $p (mut i32) (i32.const 0x20000))
    (global $log (mut i32) (i32.const 0x10000))

    (func $skip (param $n i32) (result i32)
        (global.get $p)
        (global.set $p (i32.add (global.get $p) (local.get $n))))
    (func $u8 (result i32) (i32.load8_u (call $skip (i32.const 1))))
    (func $u16 (result i32) (i32.load16_u (call $skip (i32.const 2))))
    (func $note (param $n i32)
        (i32.store (global.get $log) (local.get $n))
        (global.set $log (i32.add (global.get $log) (i32.const 4))))
    (func $room (i32.store (i32.const 0x100) (i32.const 0x4000)))
    ;; Copies what is in the output buffer to the log, if the step said that there is something.
    (func $copy
        (local $i i32)
        (call $note (i32.load (i32.const 0x100)))
        (block $done (loop $again
            (br_if $done (i32.ge_u (local.get $i) (i32.load (i32.const 0x100))))
            (i32.store8 (i32.add (global.get $log) (local.get $i))
                (i32.load8_u (i32.add (i32.const 0x200) (local.get $i))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br $again)))
        (global.set $log (i32.add (global.get $log) (local.get $i))))
    (func $answered (param $code i32)
        (call $note (local.get $code))
        (if (i32.le_u (local.get $code) (i32.const 2)) (then
            (if (i32.ne (local.get $code) (i32.const 1)) (then (call $copy))))))
    (func $answered_value (param $code i32)
        (call $note (local.get $code))
        (if (i32.eqz (local.get $code)) (then (call $copy))))

    (func $step (param $op i32) (result i32)
        (local $a i32) (local $b i32) (local $c i32) (local $d i32) (local $e i32)
        ;; 0 end
        (if (i32.eqz (local.get $op)) (then (return (i32.const 0))))
        (call $room)
        ;; 1 set: key length, key, value length
        (if (i32.eq (local.get $op) (i32.const 1)) (then
            (local.set $a (call $u8))
            (local.set $b (call $skip (local.get $a)))
            (call $note (call $set (local.get $b) (local.get $a)
                (i32.const 0x20000) (call $u16)))
            (return (i32.const 1))))
        ;; 2 set under a key of 32 bytes: key, value length
        (if (i32.eq (local.get $op) (i32.const 2)) (then
            (local.set $b (call $skip (i32.const 32)))
            (call $note (call $set_fixed (local.get $b) (i32.const 0x20000) (call $u16)))
            (return (i32.const 1))))
        ;; 3 clear, 4 get, 5 take, 6 transient get, 7 transient take: key length, key
        (if (i32.le_u (local.get $op) (i32.const 7)) (then
            (local.set $a (call $u8))
            (local.set $b (call $skip (local.get $a)))
            (if (i32.eq (local.get $op) (i32.const 3)) (then
                (call $note (call $clear (local.get $b) (local.get $a)))))
            (if (i32.eq (local.get $op) (i32.const 4)) (then
                (call $answered_value (call $get (local.get $b) (local.get $a)
                    (i32.const 0x200) (i32.const 0x100)))))
            (if (i32.eq (local.get $op) (i32.const 5)) (then
                (call $answered_value (call $take (local.get $b) (local.get $a)
                    (i32.const 0x200) (i32.const 0x100)))))
            (if (i32.eq (local.get $op) (i32.const 6)) (then
                (call $answered_value (call $get_transient (local.get $b) (local.get $a)
                    (i32.const 0x200) (i32.const 0x100)))))
            (if (i32.eq (local.get $op) (i32.const 7)) (then
                (call $answered_value (call $take_transient (local.get $b) (local.get $a)
                    (i32.const 0x200) (i32.const 0x100)))))
            (return (i32.const 1))))
        ;; 8 set transient: key length, key, value length
        (if (i32.eq (local.get $op) (i32.const 8)) (then
            (local.set $a (call $u8))
            (local.set $b (call $skip (local.get $a)))
            (call $note (call $set_transient (local.get $b) (local.get $a)
                (i32.const 0x20000) (call $u16)))
            (return (i32.const 1))))
        ;; 9 transfer: account, value
        (if (i32.eq (local.get $op) (i32.const 9)) (then
            (local.set $a (call $skip (i32.const 32)))
            (call $note (call $transfer (local.get $a) (i32.const 32)
                (call $skip (i32.const 16)) (i32.const 16)))
            (return (i32.const 1))))
        ;; 10 call: flags, account, value, deposit limit, length of program, program
        (if (i32.eq (local.get $op) (i32.const 10)) (then
            (local.set $a (call $u8))
            (local.set $b (call $skip (i32.const 32)))
            (local.set $c (call $skip (i32.const 16)))
            (local.set $d (call $skip (i32.const 16)))
            (local.set $e (call $u16))
            (call $answered (call $call (local.get $a) (local.get $b) (i64.const 0) (i64.const 0)
                (local.get $d) (local.get $c) (call $skip (local.get $e)) (local.get $e)
                (i32.const 0x200) (i32.const 0x100)))
            (return (i32.const 1))))
        ;; 11 delegate call: flags, code, length of program, program
        (if (i32.eq (local.get $op) (i32.const 11)) (then
            (local.set $a (call $u8))
            (local.set $b (call $skip (i32.const 32)))
            (local.set $e (call $u16))
            (call $answered (call $delegate (local.get $a) (local.get $b)
                (call $skip (local.get $e)) (local.get $e) (i32.const 0x200) (i32.const 0x100)))
            (return (i32.const 1))))
        ;; 12 instantiate: code, value, deposit limit, length of salt, salt, length of program,
        ;; program
        (if (i32.eq (local.get $op) (i32.const 12)) (then
            (local.set $a (call $skip (i32.const 32)))
            (local.set $b (call $skip (i32.const 16)))
            (local.set $c (call $skip (i32.const 16)))
            (local.set $d (call $u8))
            (i32.store (i32.const 0x104) (i32.const 32))
            (i32.store (i32.const 0x108) (call $skip (local.get $d)))
            (local.set $e (call $u16))
            (call $answered (call $instantiate (local.get $a) (i64.const 0) (i64.const 0)
                (local.get $c) (local.get $b) (call $skip (local.get $e)) (local.get $e)
                (i32.const 0x120) (i32.const 0x104) (i32.const 0x200) (i32.const 0x100)
                (i32.load (i32.const 0x108)) (local.get $d)))
            (return (i32.const 1))))
        ;; 13 terminate: account
        (if (i32.eq (local.get $op) (i32.const 13)) (then
            (call $terminate (call $skip (i32.const 32)))))
        ;; 14 replace code, 15 lock, 16 unlock: code
        (if (i32.eq (local.get $op) (i32.const 14)) (then
            (call $note (call $set_code_hash (call $skip (i32.const 32))))
            (return (i32.const 1))))
        (if (i32.eq (local.get $op) (i32.const 15)) (then
            (call $lock (call $skip (i32.const 32))) (return (i32.const 1))))
        (if (i32.eq (local.get $op) (i32.const 16)) (then
            (call $unlock (call $skip (i32.const 32))) (return (i32.const 1))))
        ;; 17 event: length of topics, topics, length of data
        (if (i32.eq (local.get $op) (i32.const 17)) (then
            (local.set $a (call $u8))
            (local.set $b (call $skip (local.get $a)))
            (call $event (local.get $b) (local.get $a) (i32.const 0x20000) (call $u16))
            (return (i32.const 1))))
        ;; 18 everything about this call: account to ask about
        (if (i32.eq (local.get $op) (i32.const 18)) (then
            (call $balance (i32.const 0x200) (i32.const 0x100)) (call $copy) (call $room)
            (call $caller (i32.const 0x200) (i32.const 0x100)) (call $copy) (call $room)
            (call $address (i32.const 0x200) (i32.const 0x100)) (call $copy) (call $room)
            (call $value (i32.const 0x200) (i32.const 0x100)) (call $copy) (call $room)
            (call $own_code_hash (i32.const 0x200) (i32.const 0x100)) (call $copy) (call $room)
            (local.set $a (call $skip (i32.const 32)))
            ;; The reference does not see a change of its own code hash here at once.
            (if (i32.eqz (call $is_own (local.get $a))) (then
                (call $answered_value (call $code_hash (local.get $a) (i32.const 0x200)
                    (i32.const 0x100)))))
            (call $room)
            (call $note (call $is_contract (local.get $a)))
            (call $note (call $reentrance_of (local.get $a)))
            (call $note (call $reentrance))
            (call $note (call $caller_is_origin))
            (call $note (i32.wrap_i64 (call $nonce)))
            (drop (call $debug (i32.const 0x20000) (i32.const 0)))
            (return (i32.const 1))))
        ;; 19 revert
        (if (i32.eq (local.get $op) (i32.const 19)) (then
            (call $return (i32.const 1) (i32.const 0x10000)
                (i32.sub (global.get $log) (i32.const 0x10000)))))
        ;; 20 trap
        (if (i32.eq (local.get $op) (i32.const 20)) (then unreachable))
        unreachable)

    (func $is_own (param $account i32) (result i32)
        (call $room)
        (call $address (i32.const 0x200) (i32.const 0x100))
        (i32.and
            (i32.and
                (i64.eq (i64.load (i32.const 0x200)) (i64.load (local.get $account)))
                (i64.eq (i64.load (i32.const 0x208)) (i64.load offset=8 (local.get $account))))
            (i32.and
                (i64.eq (i64.load (i32.const 0x210)) (i64.load offset=16 (local.get $account)))
                (i64.eq (i64.load (i32.const 0x218)) (i64.load offset=24 (local.get $account))))))

    (func $run
        (i32.store (i32.const 0x100) (i32.const 0x10000))
        (call $input (i32.const 0x20000) (i32.const 0x100))
        (loop $again (br_if $again (call $step (call $u8))))
        (call $return (i32.const 0) (i32.const 0x10000)
            (i32.sub (global.get $log) (i32.const 0x10000))))
    (func (export "deploy") (call $run))
    (func (export "call") (call $run)))
