;; What the performance score is measured with: a generator of pseudo-random numbers that stores a
;; product of each. Arithmetic, memory and one short loop, as the hot parts of contracts are.
(module
  (import "env" "memory" (memory 1 1))
  (func (export "deploy"))
  (func (export "call")
    (local $count i32)
    (local $x i64)
    (local.set $x (i64.const 88172645463325252))
    (loop $again
      (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 13))))
      (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 7))))
      (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 17))))
      (i64.store
        (i32.and (i32.wrap_i64 (local.get $x)) (i32.const 0xfff8))
        (i64.mul (local.get $x) (i64.const 0x2545f4914f6cdd1d)))
      (br_if $again
        (i32.lt_u
          (local.tee $count (i32.add (local.get $count) (i32.const 1)))
          (i32.const 3000000))))))
