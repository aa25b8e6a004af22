//! The user's book of contracts as whoever has the disk may leave it, made of bytes. The test beside
//! this file runs the target on random bytes, libFuzzer (`fuzz` at the root) on bytes that find new
//! paths.

use crate::book::{Book, Record, hex};
use phat_client::{
    Bundle,
    keys::parse_account,
    primitives::{CodeHash, Hash},
};
use phat_fuzzing::{Input, json::place};
use serde_json::{Value, json};
use std::{
    cmp::Reverse,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

const GENESIS: Hash = Hash::repeat_byte(1);
const NAMES: [&str; 2] = ["token", "http"];

/// A bundle without its code, which is most of it, and the hash of that code.
type Kept = (CodeHash, Vec<u8>);

/// The bundles of the contracts in the book.
static BUNDLES: LazyLock<[Kept; NAMES.len()]> = LazyLock::new(|| {
    // This file is compiled into a test of the command line, and into the package for libFuzzer.
    let artifacts = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("contracts/artifacts"))
        .find(|folder| folder.is_dir())
        .unwrap();
    NAMES.map(|name| {
        let whole = fs::read(artifacts.join(name).with_extension("contract")).unwrap();
        let mut json: Value = serde_json::from_slice(&whole).unwrap();
        json["source"].as_object_mut().unwrap().remove("wasm");
        let bytes = json.to_string().into_bytes();
        (Bundle::parse(&bytes).unwrap().code_hash, bytes)
    })
});

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

fn id(number: usize) -> Hash {
    Hash::repeat_byte(2 + number as u8)
}

/// Changes a file: its text, its structure, or all of it to what another one has.
fn damage(input: &mut Input<'_>, path: &Path, other: &Path) {
    let mut bytes = fs::read(path).unwrap();
    match input.byte() % 8 {
        0 => bytes = fs::read(other).unwrap(),
        1..4 => {
            if let Ok(mut json) = serde_json::from_slice(&bytes) {
                let new = match input.byte() % 4 {
                    0 => Value::Null,
                    1 => json!(NAMES[input.below(NAMES.len())]),
                    2 => json!(hex(id(input.below(3)))),
                    _ => json!(input.word()),
                };
                *place(input, &mut json, 1) = new;
                bytes = json.to_string().into_bytes();
            }
        }
        _ => input.bend_often(&mut bytes, 3),
    }
    fs::write(path, bytes).unwrap();
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(FOLDER.path().join(folder)).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    // A folder is read in any order.
    paths.sort();
    paths
}

/// Looks up names and code in a book some of whose files were changed or exchanged. A name means what
/// one of the files says, a file that was left alone is used, and code has its own bundle or none.
/// Answers whether a name was found.
pub(crate) fn book(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let book = Book::at(FOLDER.path());
    for (number, (code_hash, bytes)) in BUNDLES.iter().enumerate() {
        book.keep_bundle(*code_hash, bytes).unwrap();
        book.keep_contract(NAMES[number], id(number), *code_hash, GENESIS)
            .unwrap();
    }
    for folder in ["contracts", "bundles"] {
        let paths = files(folder);
        for _ in 0..input.below(3) {
            let (path, other) = (input.choose(&paths), input.choose(&paths));
            damage(&mut input, path, other);
        }
    }

    let read = |path: &PathBuf| serde_json::from_slice::<Record>(&fs::read(path).unwrap()).ok();
    let mut said: Vec<Record> = files("contracts").iter().filter_map(read).collect();
    said.retain(|record| record.genesis == hex(GENESIS));
    assert_eq!(book.records(GENESIS).unwrap().len(), said.len());
    let mut found = false;
    for name in NAMES {
        let named = said.iter().filter(|record| record.name == name);
        let newest = named.max_by_key(|record| (record.saved_at, Reverse(&record.contract)));
        let meant = newest.and_then(|record| parse_account(&record.contract).ok());
        let meant = meant.map(Hash::from);
        assert_eq!(book.find(GENESIS, name).ok(), meant);
        found |= meant.is_some();
    }
    for (number, (code_hash, bytes)) in BUNDLES.iter().enumerate() {
        // Whatever a record says of its code.
        let _ = book.code_of(GENESIS, id(number)).unwrap();
        let path = FOLDER.path().join("bundles").join(hex(*code_hash));
        let whole = fs::read(path.with_extension("contract")).unwrap() == *bytes;
        match book.bundle(*code_hash) {
            Ok(bundle) => assert_eq!(bundle.code_hash, *code_hash),
            Err(error) => assert!(!whole, "{error}"),
        }
    }
    found
}
