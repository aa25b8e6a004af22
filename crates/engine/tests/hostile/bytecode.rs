//! Code made to harm who checks, compiles or keeps it.

use phat_engine::{CodeRejected, Determinism};

use super::attack::*;
use crate::common::*;

const EXPORTS: &str = r#"(func (export "deploy")) (func (export "call"))"#;

fn module(rest: &str) -> String {
    format!(r#"(module (import "env" "memory" (memory 64)) {EXPORTS} {rest})"#)
}

/// Checks code with both profiles, which must agree.
fn prepare(wasm: Vec<u8>) -> Result<(), CodeRejected> {
    guarded(move || {
        let server = ENGINE.prepare(&wasm, Determinism::Enforced).map(|_| ());
        let enclave = ENCLAVE.prepare(&wasm, Determinism::Enforced).map(|_| ());
        assert_eq!(server, enclave);
        let _ = ENGINE.prepare(&wasm, Determinism::Relaxed);
        server
    })
}

fn limited(expected: &str, wat: &str) {
    match prepare(wat::parse_str(wat).unwrap()) {
        Err(CodeRejected::Limit { what, .. }) => assert_eq!(what, expected),
        other => panic!("{expected}: {other:?}"),
    }
}

#[test]
fn imports_declared_again_and_again_are_limited() {
    let imports = r#"(import "seal0" "caller_is_origin" (func (result i32)))"#.repeat(1_001);
    let wat = format!(r#"(module {imports} (import "env" "memory" (memory 1)) {EXPORTS})"#);
    limited("imports", &wat);
}

#[test]
fn an_import_may_be_declared_twice() {
    let imports = r#"(import "seal0" "caller_is_origin" (func (result i32)))"#.repeat(2);
    let wat = format!(r#"(module {imports} (import "env" "memory" (memory 1)) {EXPORTS})"#);
    prepare(wat::parse_str(wat).unwrap()).unwrap();
}

#[test]
fn as_many_functions_imports_and_globals_as_allowed_fit_an_instance_of_either_profile() {
    let imports = r#"(import "seal0" "caller_is_origin" (func (result i32)))"#.repeat(1_000);
    let functions = "(func)".repeat(19_998);
    let globals = "(global (mut i64) (i64.const 0))".repeat(256);
    let wat = format!(
        r#"(module {imports} (import "env" "memory" (memory 1)) (table 16384 funcref)
            {EXPORTS} {functions} {globals}
            (elem (i32.const 0) {}))"#,
        (1_000..17_384)
            .map(|index| format!("{index} "))
            .collect::<String>()
    );
    prepare(wat::parse_str(wat).unwrap()).unwrap();
}

#[test]
fn types_and_elements_are_limited() {
    limited(
        "types",
        &module(&"(type (func (param i32)))".repeat(10_001)),
    );
    let segments = "(elem (i32.const 0))".repeat(10_001);
    limited(
        "element segments",
        &module(&format!("(table 1 funcref) {segments}")),
    );
    let segment = format!("(elem func {})", "0 ".repeat(40_000));
    limited(
        "elements",
        &module(&format!("(table 1 funcref) {segment} {segment}")),
    );
}

#[test]
fn data_segments_that_overlap_or_lie_far_apart_are_fine() {
    let wat = module(
        r#"(data (i32.const 0) "first") (data (i32.const 2) "second")
           (data (i32.const 0x3fffff) "z")"#,
    );
    prepare(wat::parse_str(wat).unwrap()).unwrap();
    let wat = contract(
        r#"(data (i32.const 0) "first") (data (i32.const 2) "se") (data (i32.const 0x1ffff) "z")"#,
        "(call $answer (i32.const 0) (i32.const 5))",
    );
    let outcome = attack_with(&wat, GAS, vec![]);
    assert_eq!(outcome.result.unwrap().data, b"fiset");
}

#[test]
fn data_segments_that_wrap_around_are_refused() {
    for offset in ["-1", "0x3fffff", "0x80000000"] {
        let wat = module(&format!(r#"(data (i32.const {offset}) "ab")"#));
        assert!(matches!(
            prepare(wat::parse_str(wat).unwrap()),
            Err(CodeRejected::Memory(_))
        ));
    }
}

#[test]
fn elements_beyond_the_table_are_refused() {
    for offset in ["2", "-1"] {
        let wat = module(&format!("(table 2 funcref) (elem (i32.const {offset}) 0)"));
        let refused = prepare(wat::parse_str(wat).unwrap());
        assert!(
            matches!(refused, Err(CodeRejected::Invalid { .. })),
            "{offset}"
        );
    }
}

#[test]
fn exports_of_one_name_are_refused() {
    let wat = format!(
        r#"(module (import "env" "memory" (memory 1)) {EXPORTS} (export "xall" (func 0)))"#
    );
    let mut wasm = wat::parse_str(wat).unwrap();
    let at = wasm.windows(4).position(|name| name == b"xall").unwrap();
    wasm[at] = b'c';
    assert!(matches!(prepare(wasm), Err(CodeRejected::Invalid { .. })));
}

/// A module's head: magic, version.
const HEAD: &[u8] = b"\0asm\x01\0\0\0";

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        bytes.push(if number == 0 { byte } else { byte | 0x80 });
        if number == 0 {
            return bytes;
        }
    }
}

fn custom(name: &[u8], data: &[u8]) -> Vec<u8> {
    let mut content = leb(name.len());
    content.extend_from_slice(name);
    content.extend_from_slice(data);
    [vec![0], leb(content.len()), content].concat()
}

#[test]
fn sections_that_lie_about_their_size_are_refused() {
    for id in 0..=14u8 {
        for size in [
            &[0xff, 0xff, 0xff, 0xff, 0x0f][..],
            &[0x7f],
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0],
        ] {
            assert!(prepare([HEAD, &[id], size].concat()).is_err());
        }
        // A billion entries in six bytes.
        let section = [&[id, 6][..], &[0xff, 0xff, 0xff, 0xff, 0x03, 0x60]].concat();
        assert!(prepare([HEAD, &section].concat()).is_err());
    }
}

#[test]
fn numbers_that_are_longer_than_they_need_to_be_keep_their_meaning() {
    let wasm = wat::parse_str(module("")).unwrap();
    // The count of the type section, in five bytes rather than one.
    assert_eq!(wasm[8], 1);
    let (size, count) = (wasm[9], wasm[10]);
    let longer = [
        &wasm[..9],
        &[size + 4, count | 0x80, 0x80, 0x80, 0x80, 0],
        &wasm[11..],
    ]
    .concat();
    prepare(longer).unwrap();
}

#[test]
fn custom_sections_without_end_are_skipped() {
    let mut wasm = wat::parse_str(module("")).unwrap();
    while wasm.len() < 2 * 1024 * 1024 - 10 {
        wasm.extend(custom(b"x", b""));
    }
    prepare(wasm).unwrap();
}

#[test]
fn name_sections_that_lie_do_no_harm() {
    let wat = module("(func (drop (f32.add (f32.const 1) (f32.const 1))))");
    let wasm = wat::parse_str(wat).unwrap();
    let long = "_RNv".to_owned() + &"C".repeat(50_000);
    let backward = "_RNvB_".repeat(9_000);
    for name in [
        &b"\xff\xfe"[..],
        long.as_bytes(),
        backward.as_bytes(),
        b"_ZN",
        b"",
    ] {
        let mut naming = vec![1, 2];
        naming.extend(leb(name.len()));
        naming.extend_from_slice(name);
        let names = [vec![1], leb(naming.len()), naming].concat();
        let refused = prepare([wasm.clone(), custom(b"name", &names)].concat()).unwrap_err();
        assert!(matches!(refused, CodeRejected::Float { .. }), "{refused}");
        assert!(refused.to_string().len() < 2_000);
    }
    for names in [
        &[1, 0xff, 0xff, 0xff, 0xff, 0x0f][..],
        &[1, 6, 0xff, 0xff, 0xff, 0xff, 0x0f, 0],
    ] {
        let refused = prepare([wasm.clone(), custom(b"name", names)].concat()).unwrap_err();
        assert!(matches!(refused, CodeRejected::Float { .. }), "{refused}");
    }
}

#[test]
fn code_as_slow_to_compile_as_the_limits_allow_is_compiled_in_time() {
    let bombs = [
        format!("(func {} {})", "loop ".repeat(32), "end ".repeat(32)),
        format!("(func (local {}))", "i64 ".repeat(8_000)),
        format!(
            "(func (param i32) {} (br_table {} (local.get 0)) {})",
            "block ".repeat(500),
            (0..16_000)
                .map(|i| format!("{} ", i % 500))
                .collect::<String>(),
            "end ".repeat(500)
        ),
        format!("(func {} {})", "block ".repeat(1_000), "end ".repeat(1_000)),
        format!("(func $f {})", "call $f ".repeat(80_000)),
        format!(
            "(func (param i64) (result i64) local.get 0 {})",
            "local.get 0 i64.div_u ".repeat(50_000)
        ),
        format!(
            "(func (param i32) (local {}) {})",
            "i64 ".repeat(400),
            (0..4_000)
                .map(|i| format!(
                    "(if (local.get 0) (then (local.set {} (i64.const {i}))))",
                    i % 400 + 1
                ))
                .collect::<String>()
        ),
    ];
    for bomb in bombs {
        prepare(wat::parse_str(module(&bomb)).unwrap()).unwrap();
    }
}

#[test]
fn bundles_cut_anywhere_are_refused() {
    let wasm = bundle("flipper");
    let step = wasm.len() / 97;
    for end in (0..wasm.len() - 1).step_by(step) {
        assert!(prepare(wasm[..end].to_vec()).is_err(), "cut at {end}");
    }
}

#[test]
fn a_bit_turned_anywhere_in_a_bundle_never_panics() {
    let wasm = bundle("flipper");
    let step = wasm.len() / 61;
    for position in (0..wasm.len()).step_by(step) {
        for bit in [0, 7] {
            let mut turned = wasm.clone();
            turned[position] ^= 1 << bit;
            let _ = prepare(turned);
        }
    }
}
