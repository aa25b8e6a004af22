//! Scenario files for the simulator, made of bytes. The test beside this file runs the target on random
//! bytes, libFuzzer (`fuzz` at the root) on bytes that find new paths.

use phat_economy::simulator::simulate;
use phat_fuzzing::{Input, json::place};
use serde_json::{Value, json};

fn good() -> Value {
    json!({
        "parameters": {
            "reserved_parts_per_billion": 5,
            "f": { "linear": { "base": "1" } },
            "g": { "saturating": { "max": "10", "half2": "4" } },
        },
        "workers": [
            { "id": "w1", "confidence": 1, "performance": 100, "deposit": "5" },
            { "id": "w2", "seed": "s", "confidence": 0, "performance": 0, "deposit": "0" },
        ],
        "clusters": [
            { "id": "A", "seed": "", "preferences": ["w1"] },
            { "id": "B", "seed": "b" },
        ],
        "eras": [
            { "stakes": { "A": "5", "B": "3" }, "preferences": { "A": ["w2", "w3"] } },
            {
                "joins": [{ "id": "w3", "confidence": 1, "performance": 1, "deposit": "1" }],
                "slashes": { "w1": "1" }, "payouts": { "w1": "max", "w2": "0" },
                "leaves": ["w3"],
            },
            {},
        ],
    })
}

/// Values that are at home somewhere in a scenario, or nearly.
const VALUES: &[&str] = &[
    "null",
    "true",
    "0",
    "-1",
    "1e30",
    "18446744073709551616",
    "1000000000",
    "\"0\"",
    "\"340282366920938463463374607431768211455\"",
    "\"340282366920938463463374607431768211456\"",
    "\"w1\"",
    "\"general\"",
    "\"max\"",
    "[]",
    "{}",
    "[\"w1\", \"w1\"]",
    "{\"linear\": {\"base\": \"0\"}}",
    "{\"A\": \"5\"}",
    "{\"A\": \"1\", \"A\": \"2\"}",
];

/// Gives the simulator a scenario with changes to its values or its text. It is refused, with a place
/// that is in the file, or answered: twice alike, with a report for each era. Tells which.
pub(crate) fn scenario(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let mut scenario = good();
    for _ in 0..input.below(4) {
        // Text stands for what JSON values cannot be: numbers that are too large, keys that come twice.
        let value = format!("@{}@", input.choose(VALUES));
        *place(&mut input, &mut scenario, 5) = value.into();
    }
    let mut text = scenario.to_string();
    for value in VALUES {
        let quoted = Value::from(format!("@{value}@")).to_string();
        text = text.replace(&quoted, value);
    }
    let mut text = text.into_bytes();
    if input.one_in(3) {
        input.bend_often(&mut text, 3);
    }
    match simulate(&text) {
        Ok(answer) => {
            assert_eq!(simulate(&text).unwrap(), answer);
            let answer: Value = serde_json::from_str(&answer).unwrap();
            let file: Value = serde_json::from_slice(&text).unwrap();
            let eras = |value: &Value| value["eras"].as_array().unwrap().len();
            assert_eq!(eras(&answer), eras(&file));
            true
        }
        Err(refusal) => {
            let lines = String::from_utf8_lossy(&text).split('\n').count();
            assert!((1..=lines).contains(&refusal.line), "{refusal}");
            assert!(refusal.column >= 1 && !refusal.reason.is_empty());
            false
        }
    }
}
