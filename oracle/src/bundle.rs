//! Contract bundles, as `cargo-contract` makes them.

use std::path::Path;

use codec::Encode;

/// A bundle: its code, and the selectors of its constructors and messages.
pub struct Bundle {
    /// The code.
    pub wasm: Vec<u8>,
    spec: serde_json::Value,
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.trim_start_matches("0x").as_bytes();
    let byte = |pair| {
        let pair = std::str::from_utf8(pair).expect("hex is text");
        u8::from_str_radix(pair, 16).expect("a bundle's bytes are hex")
    };
    digits.chunks(2).map(byte).collect()
}

impl Bundle {
    /// Reads a bundle from `contracts/artifacts` or `contracts/legacy/artifacts`.
    ///
    /// # Panics
    ///
    /// If it is not there, or not a bundle.
    pub fn read(name: &str) -> Self {
        let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts");
        let file = format!("artifacts/{name}.contract");
        let text = std::fs::read_to_string(contracts.join(&file))
            .or_else(|_| std::fs::read_to_string(contracts.join("legacy").join(&file)))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let json: serde_json::Value = serde_json::from_str(&text).expect("a bundle is JSON");
        // Before ink! 4 the specification was inside an object named after the version.
        let versions = ["V1", "V2", "V3"]
            .iter()
            .find_map(|version| json.get(version));
        let spec = versions.unwrap_or(&json)["spec"].clone();
        let wasm = unhex(json["source"]["wasm"].as_str().expect("a bundle has code"));
        Self { wasm, spec }
    }

    /// The names of its messages.
    pub fn messages(&self) -> Vec<String> {
        let messages = self.spec["messages"].as_array();
        let label = |message: &serde_json::Value| message["label"].as_str().map(str::to_owned);
        messages.into_iter().flatten().filter_map(label).collect()
    }

    /// Selector and arguments of a constructor or message.
    ///
    /// # Panics
    ///
    /// If there is none of this name.
    pub fn input(&self, label: &str, args: impl Encode) -> Vec<u8> {
        let entry = ["messages", "constructors"].iter().find_map(|list| {
            let entries = self.spec[list].as_array()?;
            entries.iter().find(|entry| entry["label"] == label)
        });
        let entry = entry.unwrap_or_else(|| panic!("no message {label}"));
        let mut input = unhex(
            entry["selector"]
                .as_str()
                .expect("a message has a selector"),
        );
        args.encode_to(&mut input);
        input
    }
}
