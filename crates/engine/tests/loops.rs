//! Loops of every form give what they say: short ones are repeated within themselves before they
//! are compiled.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::*;

/// Runs `body`, which finds a number in `$n` and leaves its answer in `$sum`, for many numbers.
fn computes(body: &str, expected: impl Fn(u64) -> u64) {
    let body = format!(
        "(local $n i64) (local $sum i64) (local $i i64) (local $j i64)
         (call $load_input)
         (local.set $n (i64.load (i32.const 0)))
         {body}
         (i64.store (i32.const 0) (local.get $sum))
         (call $answer (i32.const 0) (i32.const 8))"
    );
    let mut world = World::new();
    let contract = world.deploy(&contract("", &body));
    for n in (0u64..40).chain([1_000]) {
        let answer = world.ask(contract, n.to_le_bytes());
        assert_eq!(answer, expected(n).to_le_bytes(), "{n}: {body}");
    }
}

const NEXT: &str = "(local.set $i (i64.add (local.get $i) (i64.const 1)))";
const ADD: &str = "(local.set $sum (i64.add (local.get $sum) (local.get $i)))";

fn triangle(n: u64) -> u64 {
    n * (n + 1) / 2
}

#[test]
fn a_loop_that_asks_at_its_end() {
    computes(
        &format!("(loop $l {NEXT} {ADD} (br_if $l (i64.lt_u (local.get $i) (local.get $n))))"),
        |n| triangle(n.max(1)),
    );
}

#[test]
fn a_loop_that_asks_at_its_beginning_and_leaves_a_block() {
    computes(
        &format!(
            "(block $out (loop $l
                (br_if $out (i64.ge_u (local.get $i) (local.get $n))) {NEXT} {ADD} (br $l)))"
        ),
        triangle,
    );
}

#[test]
fn a_loop_with_blocks_and_conditions_in_it() {
    // Odd numbers are left out; beyond 20 the loop ends.
    computes(
        &format!(
            "(block $far (block $out (loop $l
                (br_if $out (i64.ge_u (local.get $i) (local.get $n)))
                {NEXT}
                (block $skip
                    (br_if $skip (i32.wrap_i64 (i64.and (local.get $i) (i64.const 1))))
                    (if (i64.gt_u (local.get $i) (i64.const 20)) (then (br $far)))
                    {ADD})
                (br $l)))
             (local.set $sum (i64.add (local.get $sum) (i64.const 1_000))))"
        ),
        |n| {
            let sum = (1..=n.min(20)).filter(|i| i % 2 == 0).sum::<u64>();
            if n >= 22 { sum } else { sum + 1_000 }
        },
    );
}

#[test]
fn a_loop_with_a_result() {
    computes(
        &format!(
            "(local.set $sum (loop $l (result i64)
                {NEXT}
                (br_if $l (i64.lt_u (local.get $i) (local.get $n)))
                (i64.mul (local.get $i) (i64.const 3))))"
        ),
        |n| 3 * n.max(1),
    );
}

#[test]
fn a_loop_with_values_below_it() {
    computes(
        &format!(
            "(local.set $sum (i64.add (i64.const 7) (block $out (result i64) (loop $l
                {NEXT}
                (br_if $l (i64.lt_u (local.get $i) (local.get $n)))
                (br $out (local.get $i))) (unreachable))))"
        ),
        |n| 7 + n.max(1),
    );
}

#[test]
fn a_loop_with_a_branch_table() {
    // By turns: on, on with a sum, out after 30.
    computes(
        &format!(
            "(block $out (loop $l
                {NEXT}
                (br_if $out (i64.gt_u (local.get $i) (local.get $n)))
                (block $two (block $one (block $zero
                    (br_table $zero $one $l $two
                        (i32.wrap_i64 (i64.rem_u (local.get $i) (i64.const 4)))))
                    (br_if $out (i64.gt_u (local.get $i) (i64.const 30)))
                    (br $l))
                  {ADD} (br $l))
                (local.set $sum (i64.add (local.get $sum) (i64.const 100)))
                (br_if $l (i64.lt_u (local.get $i) (i64.const 500)))))"
        ),
        |n| {
            let mut sum = 0;
            for i in 1..=n {
                match i % 4 {
                    0 if i > 30 => return sum,
                    1 => sum += i,
                    3 => {
                        sum += 100;
                        if i >= 500 {
                            return sum;
                        }
                    }
                    _ => {}
                }
            }
            sum
        },
    );
}

#[test]
fn loops_in_a_loop_and_beside_each_other() {
    let inner = |by: u32| {
        format!(
            "(local.set $j (i64.const 0))
             (block $done (loop $m
                (br_if $done (i64.ge_u (local.get $j) (local.get $i)))
                (local.set $j (i64.add (local.get $j) (i64.const 1)))
                (local.set $sum (i64.add (local.get $sum) (i64.const {by})))
                (br_if $outer (i64.eq (local.get $j) (i64.const 17)))
                (br $m)))"
        )
    };
    computes(
        &format!(
            "(block $out (loop $outer
                (br_if $out (i64.ge_u (local.get $i) (local.get $n)))
                {NEXT} {} {}
                (br $outer)))",
            inner(1),
            inner(5)
        ),
        |n| {
            (1..=n)
                .map(|i| if i >= 17 { 17 } else { 6 * i })
                .sum::<u64>()
        },
    );
}

#[test]
fn a_return_from_a_loop_in_functions_that_are_counted_and_not() {
    let helper = |name: &str, counted: &str| {
        format!(
            "(func ${name} (param $n i64) (result i64) (local $i i64) (local $j i64)
                {counted}
                (loop $l {NEXT}
                    (if (i64.ge_u (i64.mul (local.get $i) (local.get $i)) (local.get $n))
                        (then (return (local.get $i))))
                    (br $l))
                (unreachable))"
        )
    };
    let wat = contract(
        &format!(
            "(func $nothing) {} {}",
            helper("root", ""),
            helper("counted_root", "(call $nothing)")
        ),
        "(call $load_input)
         (i64.store (i32.const 8) (call $counted_root (i64.load (i32.const 0))))
         (i64.store (i32.const 0) (call $root (i64.load (i32.const 0))))
         (call $answer (i32.const 0) (i32.const 16))",
    );
    let mut world = World::new();
    let contract = world.deploy(&wat);
    for n in 0u64..200 {
        let root = (1u64..).find(|i| i * i >= n).unwrap().to_le_bytes();
        let answer = world.ask(contract, n.to_le_bytes());
        assert_eq!(answer, [root, root].concat(), "{n}");
    }
}

#[test]
fn a_loop_that_never_ends_runs_out_of_gas() {
    for body in ["(loop $l (br $l))", "(loop $l (block (br $l)))"] {
        let mut world = World::new();
        let contract = world.deploy(&contract("", body));
        let outcome = world.call(contract, []);
        assert_eq!(error_of(&outcome), phat_engine::ContractError::OutOfGas);
    }
}
