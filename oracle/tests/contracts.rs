//! Contracts that real compilers made, on both machines.
//!
//! A bundle takes part by a line in [`BUNDLES`] and, where the reference refuses its bytecode, by a
//! build of the same source in `builds` (see the README). Every message is then called with
//! arguments of many shapes, most of which decode.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use codec::Encode;
use phat_oracle::*;

/// A bundle of this repository, and how it takes part.
struct Part {
    name: &'static str,
    /// A constructor and its arguments.
    constructor: (&'static str, &'static [u8]),
    /// Messages that are left out, each with the reason.
    left_out: &'static [(&'static str, &'static str)],
    /// Whether to call only the messages named here: the others need Pink, which the reference lacks.
    only: Option<&'static [&'static str]>,
}

/// A million, as a `u128`.
const SUPPLY: &[u8] = &[64, 66, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

const BUNDLES: &[Part] = &[
    part("flipper3", ("new", &[1])),
    part("flipper", ("new", &[1])),
    part("flipper4", ("new", &[1])),
    Part {
        left_out: &[("recurse", "the stack is limited elsewhere")],
        ..part("caller", ("new", &[]))
    },
    part(
        "token",
        (
            "new",
            &[64, 66, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12],
        ),
    ),
    part("token4", ("new", SUPPLY)),
    part("brush3", ("new", SUPPLY)),
    part("brush4", ("new", SUPPLY)),
    // Its constructor only.
    Part {
        only: Some(&[]),
        ..part("pink02", ("new", &[]))
    },
    Part {
        only: Some(&["allocate"]),
        ..part("pink04", ("new", &[]))
    },
    Part {
        only: Some(&["is_in_transaction"]),
        ..part("pinky", ("new", &[]))
    },
    Part {
        only: Some(&["is_in_transaction"]),
        ..part("pinky5", ("new", &[]))
    },
];

const fn part(name: &'static str, constructor: (&'static str, &'static [u8])) -> Part {
    Part {
        name,
        constructor,
        left_out: &[],
        only: None,
    }
}

/// Enough for every message that ends; those that do not, end soon.
const GAS_PER_CALL: u64 = 20_000_000_000;

fn upload(pair: &mut Pair, name: &str) -> [u8; 32] {
    let bundle = Bundle::read(name);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("builds/{name}.wasm"));
    match std::fs::read(path) {
        Ok(build) => pair.upload_builds(&bundle.wasm, &build),
        Err(_) => pair.try_upload(ALICE, &bundle.wasm, None).unwrap(),
    }
}

/// Arguments of many shapes: nothing, zeros, ones, an account and small numbers after it.
fn shapes(this: [u8; 32], code: [u8; 32]) -> Vec<Vec<u8>> {
    vec![
        Vec::new(),
        vec![0; 128],
        vec![1; 128],
        vec![4; 128],
        (BOB, 5u128, Vec::<u8>::new()).encode(),
        (ALICE, BOB, 5u128, Vec::<u8>::new()).encode(),
        (this, vec![1u8, 2, 3, 4], 0u128, 0u32).encode(),
        (code, true, vec![7u8], 0u128).encode(),
        (code, vec![1u8, 2, 3, 4]).encode(),
        vec![0xff; 128],
    ]
}

#[test]
fn bundles_answer_alike_whatever_they_are_told() {
    for part in BUNDLES {
        let mut pair = Pair::new();
        let bundle = Bundle::read(part.name);
        let code = upload(&mut pair, part.name);
        let (constructor, arguments) = part.constructor;
        for shape in shapes(ALICE, code) {
            let args = InstantiateArgs {
                gas_limit: GAS_PER_CALL,
                input: [bundle.input(constructor, ()), shape].concat(),
                ..pair.instantiation(code)
            };
            pair.instantiate(args);
        }
        let args = InstantiateArgs {
            input: [&bundle.input(constructor, ())[..], arguments].concat(),
            ..pair.instantiation(code)
        };
        let ending = pair.instantiate(args);
        let contract = ending.result.unwrap().contract.unwrap();
        pair.mint(contract, 100 * EXISTENTIAL_DEPOSIT);
        let messages = bundle.messages();
        let messages: Vec<_> = messages
            .iter()
            .filter(|name| part.only.is_none_or(|only| only.contains(&name.as_str())))
            .filter(|name| part.left_out.iter().all(|(left, _)| left != name))
            .collect();
        let expected = part.only.map_or(1, <[_]>::len);
        assert!(messages.len() >= expected, "{}", part.name);
        for shape in shapes(contract, code) {
            for message in &messages {
                for value in [0, 2 * EXISTENTIAL_DEPOSIT] {
                    eprintln!("{}.{message} {shape:?}", part.name);
                    pair.call(CallArgs {
                        value,
                        gas_limit: GAS_PER_CALL,
                        ..Pair::args(
                            contract,
                            [bundle.input(message, ()), shape.clone()].concat(),
                        )
                    });
                }
            }
        }
    }
}
