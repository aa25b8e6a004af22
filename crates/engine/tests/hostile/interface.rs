//! Attacks on the boundary: every host function with every kind of bad argument, and the extension.

use codec::{Compact, Encode};
use phat_engine::{ContractError::*, HOST_FUNCTIONS, HostFunction, ValueType};

use super::attack::*;
use crate::common::*;

/// Gas for some ten thousand host calls.
const GAS: u64 = 5_000_000_000;

/// A contract that calls `function` without end, with `argument` for every number.
fn spinning(function: &HostFunction, argument: &str) -> String {
    let parameters: Vec<_> = function
        .parameters
        .iter()
        .map(|ty| match ty {
            ValueType::I32 => ("i32", format!("(i32.const {argument})")),
            ValueType::I64 => ("i64", format!("(i64.const {argument})")),
        })
        .collect();
    let types: Vec<_> = parameters.iter().map(|(ty, _)| *ty).collect();
    let arguments: String = parameters.iter().map(|(_, value)| value.as_str()).collect();
    let (result, drop) = match function.result {
        Some(ValueType::I32) => ("(result i32)", "drop"),
        Some(ValueType::I64) => ("(result i64)", "drop"),
        None => ("", ""),
    };
    let imports = format!(
        r#"(import "{}" "{}" (func $it (param {}) {result}))"#,
        function.module,
        function.name,
        types.join(" ")
    );
    let body = format!(
        "(memory.fill (i32.const 0x10000) (i32.const 0xff) (i32.const 0x10000))
         (loop $l (call $it {arguments}) {drop} (br $l))"
    );
    contract(&imports, &body)
}

fn spin_all(argument: &str) {
    for function in HOST_FUNCTIONS {
        let outcome = attack_with(&spinning(function, argument), GAS, b"input".to_vec());
        // Only what ends a contract can end this one without an error.
        let ends = ["seal_return", "terminate"].contains(&function.name);
        assert!(ends || outcome.result.is_err(), "{}", function.name);
    }
}

#[test]
fn no_host_function_can_be_called_without_end_with_zeros() {
    spin_all("0");
}

#[test]
fn no_host_function_can_be_called_without_end_with_the_largest_numbers() {
    spin_all("-1");
}

#[test]
fn no_host_function_can_be_called_without_end_at_the_last_byte() {
    spin_all("0x1ffff");
}

#[test]
fn no_host_function_can_be_called_without_end_where_every_length_is_the_largest() {
    spin_all("0x10000");
}

#[test]
fn no_host_function_can_be_called_without_end_with_small_numbers() {
    spin_all("33");
}

#[test]
fn no_host_function_is_free() {
    for function in HOST_FUNCTIONS {
        assert!(function.cost.base >= 300_000, "{}", function.name);
    }
}

/// Calls the function `id` of the extension with the input of the call.
fn extension(id: u32) -> String {
    contract(
        TOOLS,
        &format!(
            "(drop (memory.grow (i32.const 14)))
             (i32.store (i32.const 0xfffc) (i32.const 0xf0000))
             (call $input (i32.const 0x10000) (i32.const 0xfffc))
             (i32.store (i32.const 0) (i32.const 0x8000))
             (drop (call $extension (i32.const {id}) (i32.const 0x10000)
                (i32.load (i32.const 0xfffc)) (i32.const 0x100) (i32.const 0)))"
        ),
    )
}

#[test]
fn functions_of_the_extension_that_do_not_exist_fail() {
    for id in [0, 26, 255, 0x1_0001, u32::MAX] {
        let outcome = attack_with(&extension(id), GAS, vec![]);
        assert!(outcome.result.is_err(), "{id}");
    }
}

#[test]
fn no_input_of_the_extension_does_harm() {
    let mut inputs = vec![
        vec![],
        vec![0],
        vec![0xff; 4],
        vec![0; 4096],
        vec![0xff; 4096],
    ];
    // A list of a billion entries, of which there are none.
    inputs.push(Compact(1_000_000_000u32).encode());
    for id in 1..=25 {
        for input in &inputs {
            attack_with(&extension(id), GAS, input.clone());
        }
    }
}

#[test]
fn lists_that_take_far_more_memory_than_their_bytes_are_refused() {
    // 300 000 empty headers in 600 kB would take 14 MB, empty scripts and arguments as much.
    const COUNT: u32 = 300_000;
    let list = |empty: &[u8]| [Compact(COUNT).encode(), empty.repeat(COUNT as usize)].concat();
    let headers = [vec![0, 0], list(&[0, 0]), vec![0]].concat();
    let requests = [list(&[0, 0, 0, 0])[..900_000].to_vec(), vec![0; 8]].concat();
    let scripts = [list(&[0, 0]), vec![0]].concat();
    let arguments = [vec![0], list(&[0])].concat();
    for (id, input) in [(1, headers), (22, requests), (24, scripts), (24, arguments)] {
        let outcome = attack_with(&extension(id), GAS, input);
        assert_eq!(error_of(&outcome), DecodingFailed, "{id}");
    }
}

#[test]
fn an_honest_request_with_many_headers_and_a_large_body_is_not_refused() {
    let header = ("content-type".to_owned(), "application/json".to_owned());
    let request = (
        "https://example.com".to_owned(),
        "POST".to_owned(),
        vec![header; 100],
        vec![1u8; 500_000],
    );
    assert!(attack_with(&extension(1), GAS, request.encode()).succeeded());
}

#[test]
fn log_lines_without_end_run_out_of_gas() {
    let body = "(i32.store (i32.const 0) (i32.const 0x8000))
        (i32.store (i32.const 0x100) (i32.const 0x10202))
        (loop $l
            (drop (call $extension (i32.const 10) (i32.const 0x100) (i32.const 0x4085)
                (i32.const 0x8000) (i32.const 0)))
            (br $l))";
    attack(body);
    let line = (1u8, "x".repeat(10_000)).encode();
    let body = "(i32.store (i32.const 0xfffc) (i32.const 0x8000))
        (call $input (i32.const 0x100) (i32.const 0xfffc))
        (loop $l
            (i32.store (i32.const 0) (i32.const 16))
            (drop (call $extension (i32.const 10) (i32.const 0x100)
                (i32.load (i32.const 0xfffc)) (i32.const 16) (i32.const 0)))
            (br $l))";
    let outcome = attack_with(&contract(TOOLS, body), GAS, line);
    assert_eq!(error_of(&outcome), OutOfGas);
}

#[test]
fn cache_operations_without_end_stop_at_the_limit_of_events() {
    let entry = (vec![1u8; 10], vec![2u8; 1_000]).encode();
    let body = "(i32.store (i32.const 0xfffc) (i32.const 0x8000))
        (call $input (i32.const 0x100) (i32.const 0xfffc))
        (loop $l
            (i32.store (i32.const 0) (i32.const 16))
            (drop (call $extension (i32.const 6) (i32.const 0x100)
                (i32.load (i32.const 0xfffc)) (i32.const 16) (i32.const 0)))
            (br $l))";
    let outcome = attack_with(&contract(TOOLS, body), 50_000_000_000, entry);
    assert_eq!(error_of(&outcome), ValueTooLarge);
}
