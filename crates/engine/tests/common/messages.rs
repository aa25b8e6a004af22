//! The committed bundles, and input for their messages: made from the types in their metadata, so
//! that a new bundle takes part without a line here.

use arbitrary::{Result, Unstructured};
use codec::{Compact, Encode};
use serde_json::Value;

use super::*;

/// The folders with committed bundles.
const FOLDERS: [&str; 2] = ["contracts/artifacts", "contracts/legacy/artifacts"];

/// A committed bundle: its code, and its interface from its metadata.
pub(crate) struct Bundle {
    pub(crate) name: String,
    pub(crate) wasm: Vec<u8>,
    pub(crate) constructors: Vec<Message>,
    pub(crate) messages: Vec<Message>,
    types: Vec<Value>,
}

/// A constructor or a message.
pub(crate) struct Message {
    pub(crate) label: String,
    pub(crate) selector: Vec<u8>,
    arguments: Vec<usize>,
}

/// Every committed bundle, in the order of their names.
pub(crate) fn bundles() -> Vec<Bundle> {
    // This file is a module of the engine's tests and of its fuzz targets, which are another package.
    let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = manifest
        .ancestors()
        .find(|folder| folder.join(FOLDERS[0]).is_dir());
    let mut bundles: Vec<_> = FOLDERS
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.unwrap().join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "contract"))
        .map(|path| Bundle::read(&path))
        .collect();
    bundles.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(!bundles.is_empty());
    bundles
}

/// A number in metadata.
fn number(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

/// What is listed under a key; metadata leaves out empty lists.
fn listed<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

impl Message {
    fn of(entry: &Value) -> Self {
        Self {
            label: entry["label"].as_str().unwrap().to_owned(),
            selector: unhex(entry["selector"].as_str().unwrap()),
            arguments: listed(entry, "args")
                .iter()
                .map(|argument| number(&argument["type"]["type"]))
                .collect(),
        }
    }
}

impl Bundle {
    fn read(path: &std::path::Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        // The versions of metadata before the fourth are wrapped in their name.
        let metadata = json.get("V3").unwrap_or(&json);
        let messages = |list| {
            let entries = listed(&metadata["spec"], list);
            entries.iter().map(Message::of).collect()
        };
        Self {
            name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
            wasm: unhex(json["source"]["wasm"].as_str().unwrap()),
            constructors: messages("constructors"),
            messages: messages("messages"),
            types: listed(metadata, "types").to_vec(),
        }
    }

    /// The selector of a message, and arguments of its types with values from `source`; `accounts`
    /// are what its account ids are.
    pub(crate) fn input(
        &self,
        message: &Message,
        accounts: &[[u8; 32]],
        source: &mut Unstructured<'_>,
    ) -> Result<Vec<u8>> {
        let mut input = message.selector.clone();
        for argument in &message.arguments {
            self.value(*argument, accounts, source, &mut input)?;
        }
        Ok(input)
    }

    /// Uploads it and instantiates it by the first constructor that takes zeros.
    pub(crate) fn deploy(&self, world: &mut World) -> ContractId {
        let code_hash = world.upload_wasm(&self.wasm, Determinism::Enforced);
        let zeros = &mut Unstructured::new(&[]);
        self.constructors
            .iter()
            .find_map(|constructor| {
                let input = self.input(constructor, &[ALICE], zeros).unwrap();
                let outcome = world.try_instantiate(code_hash, input);
                outcome.succeeded().then(|| outcome.result.unwrap().1)
            })
            .unwrap_or_else(|| panic!("no constructor of {} works", self.name))
    }

    fn value(
        &self,
        id: usize,
        accounts: &[[u8; 32]],
        source: &mut Unstructured<'_>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        /// Elements of a list, at most.
        const ELEMENTS: usize = 5;
        let ty = &self.types[id]["type"];
        if ty["path"].as_array().and_then(|path| path.last()) == Some(&"AccountId".into()) {
            out.extend(source.choose(accounts)?);
            return Ok(());
        }
        let (kind, of) = ty["def"].as_object().unwrap().iter().next().unwrap();
        let fields = |of: &Value| -> Vec<usize> {
            let fields = listed(of, "fields").iter();
            fields.map(|field| number(&field["type"])).collect()
        };
        // What it is made of, in order.
        let parts = match kind.as_str() {
            "composite" => fields(of),
            "tuple" => of.as_array().unwrap().iter().map(number).collect(),
            "array" => vec![number(&of["type"]); number(&of["len"])],
            "sequence" => {
                let length = source.int_in_range(0..=ELEMENTS)?;
                Compact(length as u32).encode_to(out);
                vec![number(&of["type"]); length]
            }
            "variant" => {
                let variant = source.choose(listed(of, "variants"))?;
                out.push(number(&variant["index"]) as u8);
                fields(variant)
            }
            "compact" => {
                Compact(small(source)?).encode_to(out);
                Vec::new()
            }
            "primitive" => {
                primitive(of.as_str().unwrap(), source, out)?;
                Vec::new()
            }
            other => panic!("a type of kind {other}"),
        };
        for part in parts {
            self.value(part, accounts, source, out)?;
        }
        Ok(())
    }
}

/// Mostly a number that means something to a contract: small, or the largest.
fn small(source: &mut Unstructured<'_>) -> Result<u128> {
    Ok(match source.int_in_range(0..=15)? {
        0 => source.arbitrary()?,
        1 => u128::MAX,
        number => number,
    })
}

fn primitive(name: &str, source: &mut Unstructured<'_>, out: &mut Vec<u8>) -> Result<()> {
    let bytes = match name {
        "bool" => {
            out.push(source.arbitrary::<bool>()?.into());
            return Ok(());
        }
        "str" => {
            let texts = ["", "http://x/", "known", "GET", "PinkLogger", "\u{e4}\0"];
            source.choose(&texts)?.encode_to(out);
            return Ok(());
        }
        "u8" | "i8" => 1,
        "u16" | "i16" => 2,
        "u32" | "i32" | "char" => 4,
        "u64" | "i64" => 8,
        "u128" | "i128" => 16,
        other => panic!("a primitive {other}"),
    };
    out.extend(&small(source)?.to_le_bytes()[..bytes]);
    Ok(())
}
