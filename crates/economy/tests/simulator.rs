//! The simulator: answers that were worked out by hand, answers of the plain reference, and files with
//! mistakes.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod reference;

use phat_economy::simulator::{Refusal, simulate};
use proptest::prelude::*;
use reference::cases;
use serde_json::{Value, json};
use std::{fs, path::Path};

#[test]
fn scenarios_are_answered_as_worked_out_by_hand() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut found = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Some(name) = path.to_str().unwrap().strip_suffix(".answer.json") else {
            continue;
        };
        let answer = simulate(&fs::read(format!("{name}.json")).unwrap());
        let expected = fs::read_to_string(&path).unwrap();
        assert_eq!(answer.unwrap(), expected.trim_end(), "{name}");
        found += 1;
    }
    assert!(found >= 4, "{found}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn small_scenarios_are_answered_as_by_the_reference(case in cases::case(8, 5, 10)) {
        agree(&case);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(25))]

    #[test]
    fn large_scenarios_are_answered_as_by_the_reference(case in cases::case(300, 12, 40)) {
        agree(&case);
    }
}

fn agree(case: &reference::Case) {
    let answer = simulate(case.file().as_bytes());
    match reference::simulate(case) {
        Some(expected) => assert_eq!(answer.unwrap(), expected),
        None => {
            let refusal = answer.unwrap_err();
            assert!(refusal.reason.contains("more than 2^128 - 1"), "{refusal}");
            assert!(refusal.pointer.starts_with("/eras/"), "{refusal}");
        }
    }
}

/// A good scenario, to be spoiled.
fn good() -> Value {
    json!({
        "parameters": {
            "reserved_parts_per_billion": 0,
            "f": { "linear": { "base": "1" } },
            "g": { "saturating": { "max": "10", "half2": "4" } },
        },
        "workers": [
            { "id": "w1", "confidence": 1, "performance": 100, "deposit": "5" },
            { "id": "w2", "seed": "s", "confidence": 0, "performance": 0, "deposit": "0" },
        ],
        "clusters": [{ "id": "A", "seed": "", "preferences": ["w1"] }],
        "eras": [
            { "stakes": { "A": "5" }, "preferences": { "A": ["w2", "w3", "w2"] } },
            {
                "joins": [{ "id": "w3", "confidence": 1, "performance": 1, "deposit": "1" }],
                "slashes": { "w1": "1" }, "payouts": { "w1": "max", "w2": "0" },
                "leaves": ["w3"],
            },
        ],
    })
}

#[track_caller]
fn refused(file: &str, pointer: &str, reason: &str) -> Refusal {
    let refusal = simulate(file.as_bytes()).unwrap_err();
    assert_eq!(refusal.pointer, pointer, "{refusal}");
    assert!(refusal.reason.contains(reason), "{refusal}");
    refusal
}

/// Puts a value at a place of the good scenario, whose parent must be there.
fn spoiled(pointer: &str, value: Value) -> String {
    let mut file = good();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match file.pointer_mut(parent).unwrap() {
        Value::Object(members) => drop(members.insert(key.into(), value)),
        Value::Array(items) => match key.parse::<usize>() {
            Ok(index) if index < items.len() => items[index] = value,
            _ => items.push(value),
        },
        other => panic!("{other} has no members"),
    }
    file.to_string()
}

#[test]
fn a_good_scenario_is_answered() {
    simulate(good().to_string().as_bytes()).unwrap();
}

#[test]
fn the_scenario_of_the_documentation_is_that_of_the_worked_example() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(folder.join("README.md")).unwrap();
    let (_, rest) = page.split_once("```json\n").unwrap();
    let (scenario, _) = rest.split_once("```").unwrap();
    let answer = folder.join("tests/scenarios/the_page.answer.json");
    let answer = fs::read_to_string(answer).unwrap();
    assert_eq!(simulate(scenario.as_bytes()).unwrap(), answer.trim_end());
}

#[test]
fn a_mistake_is_refused_with_its_place_and_the_reason() {
    let too_large = json!("340282366920938463463374607431768211456");
    let worker = json!({ "id": "w1", "confidence": 1, "performance": 1, "deposit": "1" });
    let ppb = "/parameters/reserved_parts_per_billion";
    for (pointer, value, reason) in [
        // Unknown keys.
        ("/comment", json!(""), "unknown key"),
        ("/parameters/h", json!({}), "unknown key"),
        ("/workers/0/stake", json!("1"), "unknown key"),
        ("/clusters/0/stake", json!("1"), "unknown key"),
        ("/eras/0/stake", json!({}), "unknown key"),
        ("/parameters/f/linear/per_point", json!("1"), "unknown key"),
        // Names.
        ("/workers/1/id", json!("w1"), "declared twice"),
        ("/eras/1/joins/0/id", json!("w2"), "declared twice"),
        ("/clusters/0/id", json!("general"), "general"),
        ("/workers/0/id", json!(""), "at least one character"),
        ("/workers/0/id", json!("a\0"), "U+0000"),
        ("/clusters/0/seed", json!("\0"), "U+0000"),
        ("/workers/1/seed", json!("\0"), "U+0000"),
        ("/clusters/0/preferences/0", json!("w9"), "nothing declares"),
        ("/eras/0/preferences/A/1", json!("w9"), "nothing declares"),
        ("/eras/0/preferences/B", json!([]), "nothing declares"),
        ("/eras/0/stakes/B", json!("1"), "nothing declares"),
        ("/eras/0/stakes/general", json!("1"), "nothing declares"),
        ("/eras/1/slashes/A", json!("1"), "nothing declares"),
        ("/eras/1/payouts/w9", json!("max"), "nothing declares"),
        ("/eras/1/leaves/0", json!("w9"), "nothing declares"),
        ("/eras/1/leaves/1", json!("w3"), "leaves twice"),
        // Numbers and amounts.
        (ppb, json!(1_000_000_001), "from 0 to 1000000000"),
        (ppb, json!("1"), "must be a number"),
        (ppb, json!(1.0), "whole number"),
        (ppb, json!(-1), "whole number"),
        ("/workers/0/performance", json!(1.5), "whole number"),
        (
            "/workers/0/confidence",
            json!(1.8446744073709552e19),
            "whole number",
        ),
        ("/workers/0/confidence", json!("1"), "must be a number"),
        ("/workers/0/deposit", json!(1), "must be a string"),
        ("/workers/0/deposit", json!(""), "digits"),
        ("/workers/0/deposit", json!("-1"), "digits"),
        ("/workers/0/deposit", json!("+1"), "digits"),
        ("/workers/0/deposit", json!("1_000"), "digits"),
        ("/workers/0/deposit", json!("٣"), "digits"),
        ("/workers/0/deposit", json!(" 1"), "digits"),
        ("/workers/0/deposit", json!("max"), "digits"),
        ("/eras/1/payouts/w1", json!("Max"), "digits"),
        ("/eras/1/payouts/w1", Value::Null, "not null"),
        ("/eras/1/slashes/w1", too_large.clone(), "at most 2^128 - 1"),
        ("/eras/0/stakes/A", too_large, "at most 2^128 - 1"),
        // Types.
        ("/workers", json!({}), "must be an array, not an object"),
        ("/eras/0", json!([]), "must be an object, not an array"),
        ("/eras/0/stakes", json!(true), "not a boolean"),
        (
            "/eras/1/leaves/0",
            json!(1),
            "must be a string, not a number",
        ),
        // Functions.
        ("/parameters/f", json!({}), "one of linear, product"),
        (
            "/parameters/g",
            json!({ "linear": {}, "saturating": {} }),
            "one of linear, saturating",
        ),
        ("/parameters/f/saturating", json!({}), "unknown key"),
        (
            "/parameters",
            json!({
            "reserved_parts_per_billion": 0,
            "f": { "product": { "rate": "1", "unit": "0" } }, "g": { "linear": {} } }),
            "`unit`",
        ),
        (
            "/parameters",
            json!({
            "reserved_parts_per_billion": 0,
            "f": { "product": { "rate": "1" } }, "g": { "linear": {} } }),
            "`unit`",
        ),
    ] {
        refused(&spoiled(pointer, value), pointer, reason);
    }
    let again = spoiled("/eras/1/joins/1", worker);
    refused(&again, "/eras/1/joins/1/id", "declared twice");
}

#[test]
fn a_missing_key_is_refused_where_it_is_missing() {
    for (pointer, key) in [
        ("", "parameters"),
        ("", "workers"),
        ("", "clusters"),
        ("", "eras"),
        ("/parameters", "reserved_parts_per_billion"),
        ("/parameters", "f"),
        ("/parameters", "g"),
        ("/workers/0", "id"),
        ("/workers/0", "confidence"),
        ("/workers/0", "performance"),
        ("/eras/1/joins/0", "deposit"),
        ("/clusters/0", "id"),
        ("/clusters/0", "seed"),
    ] {
        let mut file = good();
        let parent = file.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        parent.remove(key).unwrap();
        let refusal = refused(&file.to_string(), pointer, key);
        assert!(refusal.reason.contains("missing"), "{refusal}");
    }
}

#[test]
fn a_key_that_is_there_twice_is_refused_however_it_is_written() {
    let file = good().to_string();
    let twice = file.replacen("\"A\":\"5\"", "\"A\":\"5\",\"\\u0041\":\"5\"", 1);
    refused(&twice, "/eras/0/stakes/A", "twice");
    let twice = file.replacen("\"eras\":", "\"eras\":[],\"eras\":", 1);
    refused(&twice, "/eras", "twice");
    let twice = file.replacen("\"base\":\"1\"", "\"base\":\"1\",\"base\":\"1\"", 1);
    refused(&twice, "/parameters/f/linear/base", "twice");
}

#[test]
fn a_refusal_names_line_and_column() {
    let file = serde_json::to_string_pretty(&good()).unwrap();
    let file = file.replacen("\"s\"", "7", 1);
    let refusal = refused(&file, "/workers/1/seed", "must be a string");
    let line = file.lines().nth(refusal.line - 1).unwrap();
    let rest: String = line.chars().skip(refusal.column - 1).collect();
    assert!(rest.starts_with('7'), "{line}");
    assert_eq!(
        refusal.to_string(),
        format!(
            "line {}, column {}, /workers/1/seed: must be a string, not a number",
            refusal.line, refusal.column
        )
    );
}

#[test]
fn a_pointer_can_be_told_from_its_keys_and_is_safe_to_print() {
    let file = spoiled("/eras/1/slashes/it's~1\u{1b}é", json!("1"));
    let file = file.replacen("it's~1", "it's~/", 1);
    let pointer = "/eras/1/slashes/it's~0~1\\u{1b}é";
    refused(
        &file,
        pointer,
        "nothing declares a worker \"it's~/\\u{1b}é\"",
    );
}

#[test]
fn what_is_not_json_is_refused_where_it_ends_to_be() {
    for (file, line, column) in [
        (&b""[..], 1, 1),
        ("{\n\"é\": é}".as_bytes(), 2, 6),
        (b"{\n  \"eras\": [,]\n}", 2, 12),
        (b"{} {}", 1, 4),
        (b"{'a': 1}", 1, 2),
        (b"{}\n\"\xff\"", 2, 2),
        (b"\xef\xbb\xbf{}", 1, 1),
        (b"[1,]", 1, 4),
        (b"NaN", 1, 1),
    ] {
        let refusal = simulate(file).unwrap_err();
        assert!(refusal.reason.starts_with("not JSON"), "{refusal}");
        assert_eq!((refusal.line, refusal.column), (line, column), "{refusal}");
    }
}

#[test]
fn half_a_character_is_refused() {
    let file = good().to_string();
    let half = file.replacen("\"seed\":\"s\"", "\"seed\":\"\\ud800\"", 1);
    refused(&half, "/workers/1/seed", "half a character");
    let half = file.replacen("\"A\":\"5\"", "\"\\udc00\":\"5\"", 1);
    refused(&half, "/eras/0/stakes", "half a character");
}

#[test]
fn sums_that_are_too_large_are_refused_with_the_era() {
    let most = u128::MAX.to_string();
    let mut file = good();
    file["clusters"] = json!([{ "id": "A", "seed": "" }, { "id": "B", "seed": "" }]);
    file["eras"][1]["stakes"] = json!({ "B": most });
    refused(&file.to_string(), "/eras/1", "stakes of all clusters");

    let mut file = good();
    file["parameters"]["f"]["linear"]["base"] = json!(most);
    file["parameters"]["g"] = json!({ "linear": {} });
    refused(
        &file.to_string(),
        "/eras/1",
        "value promise of worker \"w1\"",
    );
    file["parameters"]["g"] = json!({ "linear": { "per_point": "1" } });
    refused(
        &file.to_string(),
        "/eras/0",
        "value promise of worker \"w1\"",
    );

    let mut file = good();
    file["workers"][0]["deposit"] = json!(most);
    file["eras"][1]["leaves"] = json!(["w1"]);
    file["eras"][1]["payouts"] = json!({});
    refused(
        &file.to_string(),
        "/eras/1",
        "final payout of worker \"w1\"",
    );
}

#[test]
fn deep_nesting_and_long_numbers_are_refused_like_anything_else() {
    let deep = "[".repeat(1_000_000);
    assert!(simulate(deep.as_bytes()).is_err());
    let deep = format!("{deep}{}", "]".repeat(1_000_000));
    assert!(simulate(deep.as_bytes()).is_err());
    let deep = good().to_string().replacen("[\"w1\"]", &deep, 1);
    refused(&deep, "/clusters/0/preferences/0", "must be a string");
    let digits = "9".repeat(1_000_000);
    let long = good()
        .to_string()
        .replacen(":100", &format!(":{digits}"), 1);
    refused(&long, "/workers/0/performance", "whole number");
    let long = good()
        .to_string()
        .replacen("\"A\":\"5\"", &format!("\"A\":\"{digits}\""), 1);
    refused(&long, "/eras/0/stakes/A", "at most");
    let zeros = format!("\"A\":\"{}5\"", "0".repeat(1_000_000));
    let long = good().to_string().replacen("\"A\":\"5\"", &zeros, 1);
    assert_eq!(
        simulate(long.as_bytes()),
        simulate(good().to_string().as_bytes())
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn a_spoiled_file_is_answered_or_refused_in_words(
        case in cases::case(4, 3, 4),
        cuts in prop::collection::vec(
            (any::<prop::sample::Index>(), 0usize..8, "[\\PC\"{}:,0-9\\[\\]\\\\]{0,3}"), 1..4),
    ) {
        let mut file = case.file().into_bytes();
        for (at, length, text) in cuts {
            let at = at.index(file.len());
            let end = (at + length).min(file.len());
            file.splice(at..end, text.bytes());
        }
        match simulate(&file) {
            Ok(answer) => {
                prop_assert!(serde_json::from_slice::<Value>(&file).is_ok());
                prop_assert!(serde_json::from_str::<Value>(&answer).is_ok());
            }
            Err(refusal) => {
                prop_assert!(!refusal.reason.is_empty());
                let lines = file.split(|byte| *byte == b'\n').count();
                prop_assert!((1..=lines).contains(&refusal.line), "{}", refusal);
            }
        }
    }

    #[test]
    fn bytes_at_random_are_refused(file in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(simulate(&file).is_err());
    }
}
