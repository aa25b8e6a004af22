//! Arguments and results: text to bytes and back, and what is said about wrong ones.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use codec::{Compact, Encode};
use phat_client::{
    Interface, Readable,
    bundle::{Event, Field, Function},
    limits::MAX_VALUE_DEPTH,
    transcode::{EncodeError, Output, ReadError, read_all, type_name},
};
use phat_primitives::{Hash, receipt::ContractEvent};
use scale_info::{MetaType, PortableRegistry, Registry, TypeInfo};
use serde_json::json;

const ALICE: [u8; 32] = [
    0xd4, 0x35, 0x93, 0xc7, 0x15, 0xfd, 0xd3, 0x1c, 0x61, 0x14, 0x1a, 0xbd, 0x04, 0xa9, 0x9f, 0xd6,
    0x82, 0x2c, 0x85, 0x58, 0x85, 0x4c, 0xcd, 0xe3, 0x9a, 0x56, 0x84, 0xe7, 0xa5, 0x6d, 0xa2, 0x7d,
];
const ALICE_HEX: &str = "0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d";
const ALICE_SUBSTRATE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

#[derive(TypeInfo, Encode)]
struct AccountId([u8; 32]);

#[derive(TypeInfo, Encode)]
struct Digest([u8; 32]);

#[derive(TypeInfo, Encode)]
struct Marker;

#[derive(TypeInfo, Encode)]
struct Point {
    x: i32,
    label: String,
}

#[derive(TypeInfo, Encode)]
enum Shape {
    Empty,
    Circle(u32),
    Line {
        from: Point,
        to: Point,
    },
    #[codec(index = 9)]
    Owned(AccountId, Option<u8>),
}

#[derive(TypeInfo, Encode)]
enum Tree {
    Leaf,
    Node(Vec<Tree>),
}

#[derive(TypeInfo)]
#[allow(dead_code, reason = "only its type is looked at")]
enum LangError {
    #[codec(index = 1)]
    CouldNotReadInput,
}

fn registry<T: TypeInfo + 'static>() -> (u32, PortableRegistry) {
    let mut types = Registry::new();
    let id = types.register_type(&MetaType::new::<T>()).id;
    (id, types.into())
}

/// An interface with one message that takes and returns a `T`.
fn interface<T: TypeInfo + 'static>() -> Interface {
    let (id, types) = registry::<T>();
    let message = Function {
        label: "set".into(),
        selector: [1, 2, 3, 4],
        args: vec![Field {
            label: "value".into(),
            type_id: id,
        }],
        returns: Some(id),
        mutates: true,
        payable: false,
        docs: String::new(),
    };
    Interface {
        constructors: Vec::new(),
        messages: vec![message],
        events: Vec::new(),
        types,
    }
}

fn encode<T: TypeInfo + 'static>(text: &str) -> Result<Vec<u8>, EncodeError> {
    let interface = interface::<T>();
    let function = &interface.messages[0];
    let bytes = interface.encode_call(function, &[text])?;
    assert_eq!(bytes[..4], function.selector);
    Ok(bytes[4..].to_vec())
}

fn read<T: TypeInfo + 'static>(bytes: &[u8]) -> Result<Readable, ReadError> {
    let (id, types) = registry::<T>();
    read_all(&types, id, bytes)
}

/// The text means the value, and what the value is shown as means it again.
fn check<T: TypeInfo + Encode + 'static>(text: &str, value: T) {
    let bytes = encode::<T>(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(bytes, value.encode(), "{text}");
    let shown = read::<T>(&bytes).unwrap().to_string();
    let again = encode::<T>(&shown).unwrap_or_else(|error| panic!("{text} → {shown}: {error}"));
    assert_eq!(again, bytes, "{text} → {shown}");
}

fn check_shown<T: TypeInfo + Encode + 'static>(value: T, text: &str, json: serde_json::Value) {
    let readable = read::<T>(&value.encode()).unwrap();
    assert_eq!(readable.to_string(), text);
    assert_eq!(readable.to_json(), json);
}

/// The text is refused, and the message says these things.
fn refused<T: TypeInfo + 'static>(text: &str, says: &[&str]) {
    let message = match encode::<T>(text) {
        Ok(bytes) => panic!("`{text}` was taken as {bytes:?}"),
        Err(error) => error.to_string(),
    };
    for part in says.iter().chain(&["argument 1 (`value`)"]) {
        assert!(message.contains(part), "`{text}`: {message}\nlacks: {part}");
    }
}

#[test]
fn numbers() {
    check("0", 0u8);
    check("255", 255u8);
    check(" 7 ", 7u16);
    check("1_000_000", 1_000_000u32);
    check("18446744073709551615", u64::MAX);
    check("340282366920938463463374607431768211455", u128::MAX);
    check("-1", -1i8);
    check("-9_223_372_036_854_775_808", i64::MIN);
    check("-170141183460469231731687303715884105728", i128::MIN);
    check("+5", 5i32);
    check("77", Compact(77u64));
}

#[test]
fn text_needs_no_quotes() {
    check("hello", String::from("hello"));
    check(
        "hello world, it's me (yes)",
        String::from("hello world, it's me (yes)"),
    );
    check("\"quoted \\\"text\\\"\"", String::from("quoted \"text\""));
    check("", String::new());
    check("0x10", String::from("0x10"));
    check("None", String::from("None"));
    check("42", String::from("42"));
    check("ünï → ∀", String::from("ünï → ∀"));
    check("true", true);
    check("false", false);
    for text in ["x", "'x'", "\"x\""] {
        assert_eq!(
            encode::<char>(text).unwrap(),
            u32::from('x').encode(),
            "{text}"
        );
    }
    refused::<char>("xy", &["char"]);
}

#[test]
fn options_take_plain_values() {
    check("None", None::<u32>);
    check("Some(5)", Some(5u32));
    check("5", Some(5u32));
    check("None", None::<String>);
    check("Phat Token", Some(String::from("Phat Token")));
    check("Some(Phat Token)", Some(String::from("Phat Token")));
    check("Some(None)", Some(None::<u8>));
    check("Some(Some(1))", Some(Some(1u8)));
    check("(1, None)", (1u8, None::<u8>));
    check("(1, 2)", (1u8, Some(2u8)));
    check("//Alice", Some(AccountId(ALICE)));
}

#[test]
fn accounts_in_all_spellings() {
    for text in [
        "//Alice",
        ALICE_HEX,
        ALICE_SUBSTRATE,
        &format!("\"{ALICE_SUBSTRATE}\""),
    ] {
        check(text, AccountId(ALICE));
        check(&format!("({text}, 1)"), (AccountId(ALICE), 1u8));
        check(&format!("[{text}]"), vec![AccountId(ALICE)]);
    }
    check("[]", Vec::<AccountId>::new());
}

#[test]
fn bytes_and_hashes() {
    check("0x", Vec::<u8>::new());
    check("", Vec::<u8>::new());
    check("0x0102ff", vec![1u8, 2, 255]);
    check("hello", b"hello".to_vec());
    check("\"hello\"", b"hello".to_vec());
    check("[1, 2]", vec![1u8, 2]);
    check("0xdeadbeef", [0xde_u8, 0xad, 0xbe, 0xef]);
    check(ALICE_HEX, ALICE);
    check(ALICE_HEX, Digest(ALICE));
    check(
        &format!("[{ALICE_HEX}, {ALICE_HEX}]"),
        vec![Digest(ALICE), Digest(ALICE)],
    );
}

#[test]
fn lists_tuples_structs_and_variants() {
    let point = |x, label: &str| Point {
        x,
        label: label.into(),
    };
    check("[1, 2, 3]", vec![1u32, 2, 3]);
    check("[[1], []]", vec![vec![1u16], vec![]]);
    check("(1, \"two\", [3])", (1u8, String::from("two"), vec![3u64]));
    check("(1, two)", (1u8, String::from("two")));
    check("()", ());
    check("()", Marker);
    check("{ x: -1, label: \"a b\" }", point(-1, "a b"));
    check("{label:a,x:1}", point(1, "a"));
    check("Empty", Shape::Empty);
    check("Empty()", Shape::Empty);
    check("Circle(3)", Shape::Circle(3));
    check(
        "Line { from: { x: 1, label: \"a\" }, to: { x: 2, label: \"b\" } }",
        Shape::Line {
            from: point(1, "a"),
            to: point(2, "b"),
        },
    );
    check("Owned(//Alice, None)", Shape::Owned(AccountId(ALICE), None));
    check("Ok(1)", Ok::<u8, String>(1));
    check("Err(\"oh no\")", Err::<u8, String>("oh no".into()));
    check(
        "Node([Leaf, Node([])])",
        Tree::Node(vec![Tree::Leaf, Tree::Node(vec![])]),
    );
}

#[test]
fn a_wrong_argument_names_argument_type_and_text() {
    refused::<u128>("abc", &["u128", "`abc`"]);
    refused::<u8>("256", &["256 is out of range for u8"]);
    refused::<u8>("-1", &["-1 is out of range for u8"]);
    refused::<u128>("340282366920938463463374607431768211456", &["u128"]);
    refused::<u128>("1.5", &["u128", "`.5`"]);
    refused::<u128>("0x10", &["u128"]);
    refused::<bool>("yes", &["bool", "`yes`"]);
    refused::<bool>("truely", &["bool"]);
    refused::<AccountId>(
        "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQZ",
        &["AccountId", "checksum"],
    );
    refused::<AccountId>("bob", &["AccountId", "`bob` is not an account"]);
    refused::<AccountId>("0x12", &["AccountId"]);
    refused::<[u8; 4]>("0x010203", &["[u8; 4]"]);
    refused::<Vec<u8>>("0x123", &["Vec<u8>", "even length"]);
    refused::<Vec<u32>>("[1, x]", &["Vec<u32>", "`x", "u32"]);
    refused::<Vec<u32>>("[1, 2", &["Vec<u32>"]);
    refused::<(u8, u8)>("(1, 2, 3)", &["(u8, u8)"]);
    refused::<Option<u8>>("Some(x)", &["Option<u8>", "u8"]);
    refused::<Point>(
        "{ x: 1 }",
        &["Point { x: i32, label: String }", "`label` is missing"],
    );
    refused::<Point>("{ x: 1, label: a, z: 1 }", &["no field `z`"]);
    refused::<Shape>(
        "Square(1)",
        &["one of Empty, Circle(u32)", "Owned(AccountId, Option<u8>)"],
    );
    refused::<Shape>("Circle", &["not `Circle`"]);
    refused::<Shape>("Circle(1) and more", &["`and more`"]);
    refused::<()>("1", &["()"]);
}

#[test]
fn the_wrong_number_of_arguments_shows_the_signature() {
    let interface = interface::<Option<AccountId>>();
    let error = interface
        .encode_call(&interface.messages[0], &["1", "2"])
        .unwrap_err();
    assert!(
        matches!(
            &error,
            EncodeError::Count {
                expected: 1,
                given: 2,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("set(value: Option<AccountId>) -> Option<AccountId>"),
        "{error}"
    );
}

#[test]
fn values_are_shown_to_people_and_to_programs() {
    check_shown(7u8, "7", json!(7));
    check_shown(-7i32, "-7", json!(-7));
    check_shown(7u64, "7", json!("7"));
    check_shown(
        u128::MAX,
        "340282366920938463463374607431768211455",
        json!(u128::MAX.to_string()),
    );
    check_shown(String::from("a \"b\""), "\"a \\\"b\\\"\"", json!("a \"b\""));
    check_shown(vec![1u8, 0xab], "0x01ab", json!("0x01ab"));
    check_shown(
        Digest([1; 32]),
        &format!("0x{}", "01".repeat(32)),
        json!(format!("0x{}", "01".repeat(32))),
    );
    check_shown((), "()", json!(null));
    check_shown(Marker, "()", json!(null));
    check_shown((1u8, true), "(1, true)", json!([1, true]));
    check_shown(vec![1u16, 2], "[1, 2]", json!([1, 2]));
    check_shown(None::<u8>, "None", json!(null));
    check_shown(Some(1u8), "Some(1)", json!(1));
    check_shown(Err::<u8, u8>(1), "Err(1)", json!({ "Err": 1 }));
    check_shown(Shape::Empty, "Empty", json!("Empty"));
    check_shown(Shape::Circle(1), "Circle(1)", json!({ "Circle": 1 }));
    check_shown(
        Point {
            x: 1,
            label: "p".into(),
        },
        "{ x: 1, label: \"p\" }",
        json!({ "x": 1, "label": "p" }),
    );
    let alice = phat_client::keys::address(&phat_primitives::AccountId(ALICE));
    check_shown(AccountId(ALICE), &alice, json!(alice));
    check_shown(
        Shape::Owned(AccountId(ALICE), Some(1)),
        &format!("Owned({alice}, Some(1))"),
        json!({ "Owned": [alice, 1] }),
    );
}

#[test]
fn bytes_that_do_not_fit_the_type_are_errors() {
    assert!(matches!(
        read::<u32>(&[1, 2]),
        Err(ReadError::Malformed { .. })
    ));
    assert!(matches!(read::<u8>(&[1, 2]), Err(ReadError::Leftover(1))));
    assert!(matches!(
        read::<Shape>(&[7]),
        Err(ReadError::Malformed { .. })
    ));
    assert!(matches!(
        read::<bool>(&[2]),
        Err(ReadError::Malformed { .. })
    ));
    assert!(matches!(
        read::<String>(&[8, 0xff, 0xff]),
        Err(ReadError::Malformed { .. })
    ));
    assert!(matches!(
        read::<Vec<u8>>(&Compact(u32::MAX).encode()),
        Err(ReadError::Malformed { .. })
    ));
    let (_, types) = registry::<u8>();
    assert_eq!(read_all(&types, 99, &[]), Err(ReadError::UnknownType(99)));
}

#[test]
fn hostile_bytes_exhaust_neither_stack_nor_memory() {
    // A node with one child, and so on for a million levels.
    let deep = [1u8, 4].repeat(500_000);
    assert_eq!(read::<Tree>(&deep), Err(ReadError::TooLarge));
    // Four thousand million elements of no bytes.
    assert_eq!(
        read::<Vec<()>>(&Compact(u32::MAX).encode()),
        Err(ReadError::TooLarge)
    );
}

#[test]
fn the_fields_of_an_event_have_together_what_one_value_may_have() {
    let mut interface = interface::<Vec<()>>();
    let type_id = interface.messages[0].args[0].type_id;
    let field = |number: usize| Field {
        label: format!("field{number}"),
        type_id,
    };
    interface.events.push(Event {
        label: "Large".into(),
        signature_topic: None,
        fields: (0..20).map(field).collect(),
    });
    let event = |items: u32| ContractEvent {
        contract: Hash::zero(),
        topics: Vec::new(),
        data: [vec![0], Compact(items).encode().repeat(20)].concat(),
    };
    assert!(interface.decode_event(&event(10)).unwrap().is_ok());
    let refused = interface.decode_event(&event(100_000)).unwrap();
    assert_eq!(refused, Err(ReadError::TooLarge));
}

#[test]
fn long_names_are_not_repeated_without_end() {
    // One byte of output takes as much memory as the variant's name.
    let json = json!({ "types": [
        { "id": 0, "type": { "def": { "sequence": { "type": 1 } } } },
        { "id": 1, "type": { "path": ["E"], "def": { "variant": { "variants": [
            { "name": "N".repeat(1_000_000), "index": 0 },
        ] } } } },
    ] });
    let types: PortableRegistry = serde_json::from_value(json).unwrap();
    let output = |items: u32| [Compact(items).encode(), vec![0; items as usize]].concat();
    assert!(read_all(&types, 0, &output(10)).is_ok());
    assert_eq!(read_all(&types, 0, &output(100)), Err(ReadError::TooLarge));
}

#[test]
fn hostile_types_and_arguments_do_not_recurse_for_ever() {
    // A bundle may describe a type that is nothing but itself.
    let json = json!({ "types": [
        { "id": 0, "type": { "path": ["A"], "def": { "composite": { "fields": [{ "type": 0 }] } } } },
        { "id": 1, "type": { "path": ["Option"], "params": [{ "name": "T", "type": 1 }],
          "def": { "variant": { "variants": [] } } } },
        { "id": 2, "type": { "def": { "tuple": [2, 2] } } }
    ] });
    let types: PortableRegistry = serde_json::from_value(json).unwrap();
    for id in 0..3 {
        assert!(read_all(&types, id, &[]).is_err());
        assert!(!type_name(&types, id).is_empty());
        let mut interface = interface::<u8>();
        interface.types = types.clone();
        interface.messages[0].args[0].type_id = id;
        for text in ["1", "[1]", "((1, 1), (1, 1))", "Some(1)"] {
            assert!(
                interface
                    .encode_call(&interface.messages[0], &[text])
                    .is_err(),
                "{id} {text}"
            );
        }
    }
    for brackets in ["[", "(", "{a: ", "Some("] {
        refused::<Vec<u32>>(&brackets.repeat(MAX_VALUE_DEPTH * 100), &["nested deeper"]);
    }
}

#[test]
fn the_result_that_ink_puts_around_answers_is_taken_off() {
    let interface = interface::<Result<Result<u8, String>, LangError>>();
    let set = &interface.messages[0];
    let decode = |bytes: &[u8]| interface.decode_output(set, bytes).unwrap();
    let ok = decode(&[0, 0, 7]);
    assert_eq!(ok.readable().to_string(), "Ok(7)");
    assert_eq!(ok.error(), None);
    let failed = decode(&[0, 1, 4, b'x']);
    assert_eq!(
        failed.error().map(ToString::to_string).as_deref(),
        Some("\"x\"")
    );
    let lang = decode(&[1, 1]);
    assert!(matches!(&lang, Output::LangError(_)));
    assert_eq!(
        lang.error().map(ToString::to_string).as_deref(),
        Some("CouldNotReadInput")
    );
    assert_eq!(
        phat_client::transcode::signature(&interface.types, set)
            .rsplit(" -> ")
            .next(),
        Some("Result<u8, String>")
    );
}

#[test]
fn events_of_both_generations_are_recognised() {
    let (id, types) = registry::<u32>();
    let field = || Field {
        label: "value".into(),
        type_id: id,
    };
    let event = |label: &str, signature_topic| Event {
        label: label.into(),
        signature_topic,
        fields: vec![field()],
    };
    let topic = Hash::repeat_byte(7);
    let emitted = |topics: Vec<Hash>, data: &[u8]| ContractEvent {
        contract: Hash::zero(),
        topics,
        data: data.to_vec(),
    };
    let mut interface = interface::<u32>();
    interface.types = types;

    interface.events = vec![
        event("Other", Some(Hash::repeat_byte(9))),
        event("Set", Some(topic)),
    ];
    let shown = interface
        .decode_event(&emitted(vec![topic], &[1, 0, 0, 0]))
        .unwrap()
        .unwrap();
    assert_eq!(shown.to_string(), "Set { value: 1 }");
    assert!(
        interface
            .decode_event(&emitted(vec![Hash::zero()], &[1, 0, 0, 0]))
            .is_none()
    );
    assert!(
        interface
            .decode_event(&emitted(vec![topic], &[1, 0]))
            .unwrap()
            .is_err()
    );

    interface.events = vec![event("Other", None), event("Set", None)];
    let shown = interface
        .decode_event(&emitted(vec![], &[1, 5, 0, 0, 0]))
        .unwrap()
        .unwrap();
    assert_eq!(shown.to_string(), "Set { value: 5 }");
    assert!(interface.decode_event(&emitted(vec![], &[])).is_none());
    assert!(interface.decode_event(&emitted(vec![], &[9, 0])).is_none());
}
