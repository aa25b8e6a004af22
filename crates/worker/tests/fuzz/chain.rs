//! What a chain's server answers a worker, as JSON made of bytes. The test beside this file runs the
//! target on random bytes, libFuzzer (`fuzz` at the root) on bytes that find new paths.

use codec::Encode;
use phat_fuzzing::{Input, json::place};
use phat_worker::chain::answers::{
    BLOCKS_PER_REQUEST, BlocksAnswer, MAX_PROOF_NODES, ProofAnswer, extrinsic,
};
use serde_json::{Value, json};

/// Levels of an answer.
const MAX_DEPTH: usize = 3;

/// Reads an answer that was changed, in its text or in its structure. What comes out is what it says,
/// no less and no more than it may be. Answers whether anything does.
pub(crate) fn answers(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let kind = input.byte() % 3;
    let mut answer = match kind {
        0 => blocks(&mut input),
        1 => proof(&mut input),
        _ => text(&input.bytes(40).to_vec().encode()),
    };
    for _ in 0..input.below(3) {
        let new = something(&mut input, &answer);
        *place(&mut input, &mut answer, MAX_DEPTH) = new;
    }
    let mut bytes = answer.to_string().into_bytes();
    if input.one_in(3) {
        input.bend_often(&mut bytes, 2);
    }
    match kind {
        0 => is_blocks(&bytes),
        1 => is_proof(&bytes),
        _ => is_extrinsic(&bytes),
    }
}

fn text(bytes: &[u8]) -> Value {
    format!("0x{}", hex::encode(bytes)).into()
}

fn blocks(input: &mut Input<'_>) -> Value {
    let most = BLOCKS_PER_REQUEST as usize + 3;
    let list: Vec<_> = (0..input.below(most))
        .map(|_| json!({ "header": text(input.bytes(4)), "outbound": text(input.bytes(4)) }))
        .collect();
    let justification = match input.one_in(4) {
        true => Value::Null,
        false => text(input.bytes(40)),
    };
    json!({ "blocks": list, "justification": justification, "finalized": input.word() })
}

fn proof(input: &mut Input<'_>) -> Value {
    let mut nodes: Vec<_> = (0..input.below(6)).map(|_| text(input.bytes(40))).collect();
    if input.one_in(32) {
        nodes.resize(MAX_PROOF_NODES - 1 + input.below(4), text(&[]));
    }
    json!({ "at": text(&[1; 32]), "proof": nodes })
}

/// What may stand in the place of something else.
fn something(input: &mut Input<'_>, answer: &Value) -> Value {
    match input.byte() % 8 {
        0 => Value::Null,
        1 => String::from_utf8_lossy(input.bytes(20)).into(),
        2 => json!([]),
        3 => json!({}),
        4 => json!(-1),
        5 => json!(1e40),
        6 => text(input.bytes(20)),
        _ => place(input, &mut answer.clone(), MAX_DEPTH).take(),
    }
}

/// All that is said; `None` if a part that nobody wants has a number or a letter that there is not.
fn document(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes).ok()
}

/// A part of a document, by its name or, where there are no names, by its place.
fn part<'j>(json: &'j Value, name: &str, place: usize) -> &'j Value {
    match json {
        Value::Array(parts) => &parts[place],
        json => &json[name],
    }
}

/// Bytes that were written as hex, read digit by digit.
fn plain(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    let byte = |pair: &[u8]| digit(pair[0]) << 4 | digit(pair[1]);
    assert!(digits.len().is_multiple_of(2));
    digits.chunks(2).map(byte).collect()
}

fn is_blocks(bytes: &[u8]) -> bool {
    let Ok(answer) = serde_json::from_slice::<BlocksAnswer>(bytes) else {
        return false;
    };
    let Ok(read) = answer.read() else {
        return false;
    };
    let Some(said) = document(bytes) else {
        return true;
    };
    let list = part(&said, "blocks", 0).as_array().unwrap();
    let Some((batch, finalized)) = read else {
        assert!(list.is_empty());
        return true;
    };
    assert!(batch.blocks.len() <= BLOCKS_PER_REQUEST as usize);
    assert_eq!(batch.blocks.len(), list.len());
    for (block, said) in batch.blocks.iter().zip(list) {
        assert_eq!(block.header, plain(part(said, "header", 0)));
        assert_eq!(block.outbound, plain(part(said, "outbound", 1)));
    }
    let justification = part(&said, "justification", 1);
    match justification.is_null() {
        true => assert!(batch.justification.is_empty()),
        false => assert_eq!(batch.justification, plain(justification)),
    }
    assert_eq!(Some(finalized.into()), part(&said, "finalized", 2).as_u64());
    true
}

fn is_proof(bytes: &[u8]) -> bool {
    let Ok(answer) = serde_json::from_slice::<ProofAnswer>(bytes) else {
        return false;
    };
    let Ok(nodes) = answer.read() else {
        return false;
    };
    assert!(nodes.len() <= MAX_PROOF_NODES);
    let Some(said) = document(bytes) else {
        return true;
    };
    let list = part(&said, "proof", 0).as_array().unwrap();
    let said: Vec<_> = list.iter().map(plain).collect();
    assert!(nodes == said, "{nodes:?} instead of {said:?}");
    true
}

fn is_extrinsic(bytes: &[u8]) -> bool {
    let Ok(answer) = serde_json::from_slice::<String>(bytes) else {
        return false;
    };
    let Ok(read) = extrinsic(&answer) else {
        return false;
    };
    assert!(plain(&answer.into()).starts_with(&read.encode()));
    true
}
