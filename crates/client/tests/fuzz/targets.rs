//! What strangers send a client, made of bytes: bundles, what contracts return and log, receipts with
//! their proofs. The test beside this file runs the targets on random bytes, libFuzzer (`fuzz` at
//! the root) on bytes that find new paths.

use codec::{DecodeAll, Encode};
use phat_client::{
    Bundle, ProvenReceipt,
    exec::{ExecResult, Instantiated, Returned},
    limits::MAX_TYPE_NAME_LEN,
    logs::Logs,
    primitives::{
        AccountId, Hash,
        commitment::ReceiptProof,
        query::InkResponse,
        receipt::{ContractEvent, Receipt, Success},
    },
    transcode::signature,
};
use phat_fuzzing::{Input, json::place};
use serde_json::{Value as Json, json};
use std::{fs, path::Path, sync::LazyLock};

/// The metadata of every bundle in the repository, without the code.
static METADATA: LazyLock<Vec<Json>> = LazyLock::new(|| {
    // This file is compiled into a test of the client, and into the package for libFuzzer.
    let contracts = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("contracts"))
        .find(|folder| folder.is_dir())
        .unwrap();
    let mut found = Vec::new();
    for folder in ["artifacts", "legacy/artifacts"] {
        for entry in fs::read_dir(contracts.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "contract")
            {
                let mut json: Json = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
                json["source"].as_object_mut().unwrap().remove("wasm");
                found.push(json);
            }
        }
    }
    // A folder is read in any order.
    found.sort_by_key(Json::to_string);
    found
});

/// Levels of a bundle.
const MAX_DEPTH: usize = 12;

/// Arguments that mean something to some type.
const ARGUMENTS: &[&str] = &[
    "",
    "0",
    "-1",
    "340282366920938463463374607431768211456",
    "true",
    "//Alice",
    "0x",
    "0x0102",
    "None",
    "Some(1)",
    "(1, 2)",
    "[1, 2, 3]",
    "{ a: 1, b: (2, [\"x\"]) }",
    "\"text",
    "Ok(Err(None))",
    "''",
    "0xzz",
];

/// Reads a bundle that was changed, in its text or in its structure, and does all with it that a
/// client does. Answers whether it was a bundle.
pub(crate) fn bundle(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let mut json = input.choose(&METADATA).clone();
    for _ in 0..input.below(4) {
        rearrange(&mut input, &mut json);
    }
    let mut text = json.to_string().into_bytes();
    if input.one_in(3) {
        input.bend_often(&mut text, 3);
    }
    let Ok(bundle) = Bundle::parse(&text) else {
        return false;
    };
    let interface = &bundle.interface;
    let functions = || interface.constructors.iter().chain(&interface.messages);
    for function in functions().take(8) {
        // Names of types are cut off; what a function and its arguments are called is not.
        let shown = signature(&interface.types, function);
        let names: usize = function.args.iter().map(|arg| arg.label.len() + 4).sum();
        let types = (function.args.len() + 1) * (2 * MAX_TYPE_NAME_LEN + longest_name(&text));
        assert!(shown.len() <= function.label.len() + names + types + 10);
        let args: Vec<_> = (0..function.args.len())
            .map(|_| match input.one_in(4) {
                true => String::from_utf8_lossy(input.bytes(60)).into_owned(),
                false => (*input.choose(ARGUMENTS)).to_owned(),
            })
            .collect();
        if let Ok(bytes) = interface.encode_call(function, &args) {
            assert!(bytes.starts_with(&function.selector));
        }
        let bytes = input.bytes(60);
        if let Ok(output) = interface.decode_output(function, bytes) {
            let _ = (output.readable().to_string(), output.readable().to_json());
            let _ = output.error();
        }
    }
    let name = String::from_utf8_lossy(input.bytes(20)).into_owned();
    let _ = (interface.message(&name), interface.constructor(&name));
    let topics = interface
        .events
        .iter()
        .filter_map(|event| event.signature_topic);
    let topics: Vec<_> = topics.chain([Hash::zero()]).collect();
    let event = ContractEvent {
        contract: Hash::zero(),
        topics: vec![*input.choose(&topics)],
        data: input.rest().to_vec(),
    };
    if let Some(Ok(event)) = interface.decode_event(&event) {
        let _ = (event.to_string(), event.to_json());
    }
    true
}

/// Bytes of the longest text in a bundle: what stands in a type's name may be as long.
fn longest_name(bundle: &[u8]) -> usize {
    let quoted = bundle.split(|byte| *byte == b'"');
    quoted.map(<[u8]>::len).max().unwrap_or_default()
}

/// Puts something else in the place of one value: another value of the same bundle, above all another
/// number, so that types refer to others and to themselves.
fn rearrange(input: &mut Input<'_>, json: &mut Json) {
    let new = match input.byte() % 8 {
        0 => Json::Null,
        1 => json!(String::from_utf8_lossy(input.bytes(20))),
        2 => json!([]),
        3 => json!({}),
        4 => json!(input.word()),
        5 => {
            let mut copy = json.clone();
            place(input, &mut copy, MAX_DEPTH).take()
        }
        _ => json!(input.below(40)),
    };
    *place(input, json, MAX_DEPTH) = new;
}

fn receipt() -> Receipt {
    Receipt {
        number: 6,
        block: 7,
        sender: AccountId([1; 32]),
        outcome: Ok(Success::Called(vec![1, 2])),
        gas_used: 1,
        gas_refunded: 2,
        fee: 3,
        storage_deposit: -4,
        events: Vec::new(),
        state_root: Hash::zero(),
    }
}

/// Reads what was changed of what workers answer and what people hand on: SCALE results, JSON of logs,
/// receipts with their proofs. What is read is written in the same way again. Answers whether it was
/// read.
pub(crate) fn answer(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    match input.byte() % 6 {
        0 => {
            let proven = ProvenReceipt {
                genesis: Hash::repeat_byte(1),
                cluster: Hash::repeat_byte(2),
                agreed_block: 3,
                proof: ReceiptProof {
                    receipt: receipt(),
                    path: Vec::new(),
                    before: Hash::zero(),
                    links: Vec::new(),
                },
            };
            let mut text = proven.to_json().to_string().into_bytes();
            input.bend_often(&mut text, 2);
            let Ok(read) = ProvenReceipt::from_json(&text) else {
                return false;
            };
            let again = ProvenReceipt::from_json(read.to_json().to_string().as_bytes());
            assert_eq!(again.unwrap(), read);
            true
        }
        1 => {
            let logs = json!({ "next": 3, "records": [
                { "sequence": 1, "blockNumber": 2, "contract": "0x00", "type": "Log",
                  "execMode": "query", "timestamp": 3, "level": 4, "message": "hello" },
                { "sequence": 2, "blockNumber": 2, "contract": "0x00", "type": "Event",
                  "topics": ["0x01"], "payload": "0x" },
            ]});
            let mut text = logs.to_string().into_bytes();
            input.bend_often(&mut text, 2);
            serde_json::from_slice::<Logs>(&text).is_ok()
        }
        kind => {
            let mut bytes = input.bytes(120).to_vec();
            if kind == 2 {
                bytes = receipt().encode();
            }
            input.bend_often(&mut bytes, 2);
            let read: &[fn(&[u8]) -> bool] = &[
                canonical::<Receipt>,
                canonical::<ExecResult<Returned>>,
                canonical::<ExecResult<Instantiated>>,
                canonical::<InkResponse>,
            ];
            read[input.below(read.len())](&bytes)
        }
    }
}

fn canonical<T: DecodeAll + Encode>(bytes: &[u8]) -> bool {
    let Ok(value) = T::decode_all(&mut &bytes[..]) else {
        return false;
    };
    assert_eq!(value.encode(), bytes);
    true
}
