//! Bundles: the examples of this repository, and what is said about other files.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use phat_client::{
    Bundle,
    bundle::{BundleError, with_code},
    limits::MAX_BUNDLE_LEN,
    transcode::signature,
};
use serde_json::{Value as Json, json};
use std::path::Path;

fn artifact(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/artifacts");
    std::fs::read(folder.join(name)).unwrap()
}

fn changed(name: &str, change: impl FnOnce(&mut Json)) -> Result<Bundle, BundleError> {
    let mut json: Json = serde_json::from_slice(&artifact(name)).unwrap();
    change(&mut json);
    Bundle::parse(json.to_string().as_bytes())
}

#[test]
fn bundles_of_ink_4_and_5_are_read() {
    let token = Bundle::parse(&artifact("token.contract")).unwrap();
    assert_eq!(token.name, "token");
    assert!(token.code().unwrap().starts_with(b"\0asm"));
    assert_eq!(
        token.interface.constructor("new").unwrap().selector,
        [0x9b, 0xae, 0x9d, 0x5e]
    );
    let transfer = token.interface.message("PSP22::transfer").unwrap();
    assert!(transfer.mutates);
    assert_eq!(transfer.selector, [0xdb, 0x20, 0xf9, 0xf5]);
    assert_eq!(
        signature(&token.interface.types, transfer),
        "PSP22::transfer(to: AccountId, value: u128, _data: Vec<u8>) -> Result<(), PSP22Error>"
    );
    assert!(
        token
            .interface
            .events
            .iter()
            .all(|event| event.signature_topic.is_some())
    );

    // The first system contract, in ink! 4.
    let system = "../../crates/engine/tests/data/system-1.0.0.contract";
    let system = Bundle::parse(&artifact(system)).unwrap();
    let balance = system.interface.message("System::free_balance_of").unwrap();
    assert_eq!(balance.selector, [0x8a, 0x0d, 0x40, 0xd7]);
    assert!(!balance.mutates);
    assert_eq!(system.interface.events[0].signature_topic, None);
}

#[test]
fn a_call_of_the_token_has_the_bytes_that_ink_expects() {
    let token = Bundle::parse(&artifact("token.contract")).unwrap();
    let transfer = token.interface.message("transfer").unwrap();
    let bytes = token
        .interface
        .encode_call(transfer, &["//Bob", "1_000", ""])
        .unwrap();
    let bob = phat_client::keys::parse_account("//Bob").unwrap();
    let expected = [
        &[0xdb, 0x20, 0xf9, 0xf5][..],
        &bob.0,
        &1_000u128.to_le_bytes(),
        &[0],
    ]
    .concat();
    assert_eq!(bytes, expected);
}

#[test]
fn the_last_part_of_a_name_is_enough_where_it_is_unambiguous() {
    let token = Bundle::parse(&artifact("token.contract")).unwrap();
    assert_eq!(
        token.interface.message("balance_of").unwrap().label,
        "PSP22::balance_of"
    );
    let two = changed("token.contract", |json| {
        json["spec"]["messages"][0]["label"] = json!("Other::balance_of");
    });
    assert!(two.unwrap().interface.message("balance_of").is_err());
}

#[test]
fn an_unknown_message_lists_those_there_are_and_suggests_one() {
    let token = Bundle::parse(&artifact("token.contract")).unwrap();
    let error = token.interface.message("balanceof").unwrap_err();
    assert_eq!(error.suggestion.as_deref(), Some("PSP22::balance_of"));
    let text = error.to_string();
    assert!(text.contains("did you mean `PSP22::balance_of`?"), "{text}");
    assert!(text.contains("\n  PSP22::total_supply() -> u128"), "{text}");
    assert_eq!(
        token.interface.message("xyzzy").unwrap_err().suggestion,
        None
    );
    assert!(token.interface.constructor("balance_of").is_err());
}

#[test]
fn what_is_no_bundle_is_said_to_be_none() {
    let not_json = Bundle::parse(b"\0asm\x01\0\0\0");
    assert!(
        matches!(not_json, Err(BundleError::NotJson(_))),
        "{not_json:?}"
    );
    for text in [
        "{}",
        "[]",
        "1",
        "null",
        "{\"version\": null}",
        "{\"version\": 5}",
    ] {
        let error = Bundle::parse(text.as_bytes());
        assert!(
            matches!(error, Err(BundleError::NotABundle { .. })),
            "{text}: {error:?}"
        );
    }
    let large = vec![b' '; MAX_BUNDLE_LEN + 1];
    assert!(matches!(
        Bundle::parse(&large),
        Err(BundleError::TooLarge { .. })
    ));
}

#[test]
fn damaged_bundles_say_what_is_wrong() {
    let says = |bundle: Result<Bundle, BundleError>, part: &str| {
        let text = bundle.unwrap_err().to_string();
        assert!(text.contains(part), "{text}");
    };
    says(
        changed("token.contract", |json| {
            json["source"]["wasm"] = json!("0xzz")
        }),
        "source.wasm",
    );
    says(
        changed("token.contract", |json| {
            json["source"]["hash"] = json!("0x12")
        }),
        "source.hash",
    );
    says(
        changed("token.contract", |json| json["spec"] = json!({})),
        "constructors",
    );
    says(
        changed("token.contract", |json| json["types"] = json!(5)),
        "not a contract bundle",
    );
    says(
        changed("token.contract", |json| {
            json["spec"]["messages"][0]["selector"] = json!("0x")
        }),
        "a selector",
    );
    says(
        changed("token.contract", |json| {
            json["source"]["wasm"] = json!("0x0061736d")
        }),
        "hash",
    );
}

#[test]
fn other_versions_are_told_from_what_is_understood() {
    let found = |bundle| match bundle {
        Err(BundleError::UnsupportedVersion { found }) => found,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        found(changed("token.contract", |json| json["version"] = json!(6))),
        "6"
    );
    assert_eq!(
        found(changed("token.contract", |json| json["version"] = json!("3"))),
        "3"
    );
}

/// The flipper of an author with ink! 3.0.0-rc5, as `cargo-contract` of that time described it.
fn version_0() -> Json {
    json!({
        "metadataVersion": "0.1.0",
        "source": { "hash": format!("0x{}", "a3".repeat(32)), "language": "ink! 3.0.0-rc5" },
        "contract": { "name": "flip", "version": "0.1.0", "authors": ["somebody"] },
        "spec": {
            "constructors": [{
                "args": [{ "name": "init_value", "type": { "displayName": ["bool"], "type": 1 } }],
                "docs": [], "name": ["new"], "selector": "0x9bae9d5e"
            }],
            "docs": [],
            "events": [{
                "args": [{ "docs": [], "indexed": false, "name": "to",
                           "type": { "displayName": ["Option"], "type": 5 } }],
                "docs": [], "name": "Moved"
            }],
            "messages": [{
                "args": [
                    { "name": "foo", "type": { "displayName": ["u32"], "type": 2 } },
                    { "name": "bar", "type": { "displayName": ["Side"], "type": 6 } }
                ],
                "docs": [], "mutates": false, "name": ["Echo", "echo"], "payable": false,
                "returnType": { "displayName": [], "type": 4 }, "selector": "0xf7dff04c"
            }]
        },
        "storage": { "struct": { "fields": [] } },
        "types": [
            { "def": { "primitive": "bool" } },
            { "def": { "primitive": "u32" } },
            { "def": { "primitive": "u128" } },
            { "def": { "tuple": [2, 3] } },
            { "def": { "variant": { "variants": [
                { "name": "None" }, { "fields": [{ "type": 2 }], "name": "Some" }
            ] } }, "params": [2], "path": ["Option"] },
            { "def": { "variant": { "variants": [
                { "discriminant": 0, "name": "Left" }, { "discriminant": 7, "name": "Right" }
            ] } }, "path": ["flip", "Side"] }
        ]
    })
}

/// The same contract in a later version of ink! 3: `token` moved into `V1`, `V2` or `V3`.
fn inside(version: &str) -> Json {
    let mut json: Json = serde_json::from_slice(&artifact("token.contract")).unwrap();
    let object = json.as_object_mut().unwrap();
    object.remove("version");
    let mut inner = serde_json::Map::new();
    for part in ["spec", "storage", "types"] {
        inner.insert(part.into(), object.remove(part).unwrap());
    }
    object.insert(version.into(), inner.into());
    json
}

fn parsed(json: &Json) -> Bundle {
    Bundle::parse(json.to_string().as_bytes()).unwrap()
}

#[test]
fn metadata_of_the_first_ink_3_is_read_and_its_types_counted_from_zero() {
    let bundle = parsed(&version_0());
    let interface = &bundle.interface;
    let echo = interface.message("echo").unwrap();
    assert_eq!(
        signature(&interface.types, echo),
        "Echo::echo(foo: u32, bar: Side) -> (u32, u128)"
    );
    assert!(!echo.payable);
    assert!(interface.constructor("new").unwrap().payable);
    assert_eq!(
        interface.encode_call(echo, &["1", "Right"]).unwrap(),
        [0xf7, 0xdf, 0xf0, 0x4c, 1, 0, 0, 0, 7]
    );
    let answer = [vec![1, 0, 0, 0], 5u128.to_le_bytes().to_vec()].concat();
    let output = interface.decode_output(echo, &answer).unwrap();
    assert_eq!(output.readable().to_string(), "(1, 5)");
    assert_eq!(interface.events[0].label, "Moved");

    let mut broken = version_0();
    broken["types"][3]["def"]["tuple"][0] = json!(0);
    let error = Bundle::parse(broken.to_string().as_bytes()).unwrap_err();
    assert!(error.to_string().contains("number of a type"), "{error}");
}

#[test]
fn types_of_the_first_ink_3_that_later_ones_do_not_have_are_read() {
    let mut json = version_0();
    let types = json["types"].as_array_mut().unwrap();
    types.push(json!({ "def": { "phantom": { "type": 9 } } }));
    types.push(json!({ "def": { "compact": { "type": 2 } } }));
    types.push(json!({ "def": { "composite": { "fields": [
        { "name": "of", "type": 7, "typeName": "PhantomData" }, { "name": "many", "type": 8 }
    ] } }, "path": ["flip", "Many"] }));
    let field = json!({ "name": "foo", "type": { "displayName": ["Many"], "type": 9 } });
    json["spec"]["messages"][0]["args"] = json!([field]);
    let interface = parsed(&json).interface;
    let echo = interface.message("echo").unwrap();
    let call = interface.encode_call(echo, &["{ of: {}, many: 5 }"]);
    assert_eq!(call.unwrap()[4..], [5 << 2]);
}

#[test]
fn metadata_inside_the_name_of_its_version_is_read() {
    for version in ["V1", "V2", "V3"] {
        let bundle = parsed(&inside(version));
        assert_eq!(bundle.name, "token");
        let transfer = bundle.interface.message("transfer").unwrap();
        assert_eq!(transfer.selector, [0xdb, 0x20, 0xf9, 0xf5]);
        assert!(bundle.code().unwrap().starts_with(b"\0asm"));
    }
    for broken in [
        "{\"V3\": {}}",
        "{\"V3\": 1}",
        "{\"metadataVersion\": \"0.1.0\", \"types\": 1}",
    ] {
        let error = Bundle::parse(broken.as_bytes());
        assert!(
            matches!(error, Err(BundleError::NotABundle { .. })),
            "{broken}: {error:?}"
        );
    }
}

#[test]
fn a_contract_of_ink_3_is_called_and_its_answers_are_shown() {
    let bundle = Bundle::parse(&artifact("../legacy/artifacts/flipper3.contract")).unwrap();
    assert!(bundle.code().unwrap().starts_with(b"\0asm"));
    let interface = &bundle.interface;
    assert!(interface.constructor("new").unwrap().payable);
    assert!(!interface.constructor("default").unwrap().payable);

    let function = interface.message("flip_at_most").unwrap();
    assert_eq!(
        signature(&interface.types, function),
        "flip_at_most(limit: u32) -> Result<bool, Error>"
    );
    let call = interface.encode_call(function, &["3"]).unwrap();
    assert_eq!(call[4..], [3, 0, 0, 0]);
    // Nothing stands around the contract's own `Result`.
    let output = interface.decode_output(function, &[0, 1]).unwrap();
    assert_eq!(output.error(), None);
    let output = interface
        .decode_output(function, &[1, 0, 3, 0, 0, 0])
        .unwrap();
    assert!(output.error().unwrap().to_string().contains("TooOften"));
}

#[test]
fn a_bundle_that_states_no_hash_has_that_of_its_code() {
    let whole = Bundle::parse(&artifact("token.contract")).unwrap();
    let without = |parts: &[&str]| {
        changed("token.contract", |json| {
            for part in parts {
                json["source"].as_object_mut().unwrap().remove(*part);
            }
        })
    };
    assert_eq!(without(&["hash"]).unwrap().code_hash, whole.code_hash);
    let error = without(&["hash", "wasm"]).unwrap_err().to_string();
    assert!(error.contains("neither"), "{error}");
}

#[test]
fn metadata_without_code_can_be_read_but_not_deployed() {
    let bundle = changed("token.contract", |json| {
        json["source"].as_object_mut().unwrap().remove("wasm");
    })
    .unwrap();
    assert!(bundle.interface.message("balance_of").is_ok());
    let error = bundle.code().unwrap_err();
    assert!(
        matches!(&error, BundleError::NoCode { name } if name == "token"),
        "{error}"
    );
}

#[test]
fn metadata_and_code_in_two_files_become_one_bundle() {
    let whole = Bundle::parse(&artifact("../legacy/artifacts/flipper3.contract")).unwrap();
    let code = whole.code().unwrap();
    let mut json: Json =
        serde_json::from_slice(&artifact("../legacy/artifacts/flipper3.contract")).unwrap();
    let source = json["source"].as_object_mut().unwrap();
    source.remove("wasm");
    let metadata = json.to_string();
    let joined = with_code(metadata.as_bytes(), code).unwrap();
    let joined = Bundle::parse(&joined).unwrap();
    assert_eq!(joined.code().unwrap(), code);
    assert_eq!(joined.code_hash, whole.code_hash);

    let other = with_code(metadata.as_bytes(), b"\0asm\x01\0\0\0");
    assert!(
        matches!(other, Err(BundleError::WrongHash { .. })),
        "{other:?}"
    );
    let alone = with_code(b"{}", code);
    assert!(
        matches!(alone, Err(BundleError::NotABundle { .. })),
        "{alone:?}"
    );
    // Ask! and Solang leave empty what they do not know.
    json["source"]["hash"] = json!("");
    json["source"]["wasm"] = json!("");
    let unknown = with_code(json.to_string().as_bytes(), code).unwrap();
    assert_eq!(Bundle::parse(&unknown).unwrap().code_hash, whole.code_hash);
}
