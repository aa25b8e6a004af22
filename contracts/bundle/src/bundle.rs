//! The `.contract` file.
//!
//! Its form is that of `cargo-contract` 4 and 5: `source` (code and how it was
//! made), `contract` (who made it), and ink!'s metadata (`spec`, `storage`,
//! `types`, `version`). Our addition is `source.build_info.sources`, the
//! fingerprint of what the code was built from.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::module::{self, ModuleError, Shape};
use crate::source::Contract;

/// The parts of ink!'s metadata, in the order in which the file has them.
const METADATA: &[&str] = &["spec", "storage", "types", "version"];

/// The one part of the metadata of ink! 3, which has all others inside.
const METADATA_INK_3: &[&str] = &["V3"];

/// Why a bundle cannot be made, read or trusted.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file could not be read.
    #[error("could not read {path}; build it with `cargo bundle`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not JSON.
    #[error("the bundle is not JSON")]
    Json(#[from] serde_json::Error),
    /// A part is missing or has the wrong form.
    #[error("the bundle has no valid {0}")]
    Part(&'static str),
    /// Code and hash do not belong together.
    #[error("the bundle's hash is not that of its code; build the bundle again")]
    Hash,
    /// The sources have changed since the bundle was built.
    #[error("the bundle is older than its sources; run `cargo bundle` and commit it")]
    Stale,
    /// The code is not a contract's.
    #[error("the bundle's code is not that of a contract")]
    Module(#[from] ModuleError),
}

/// A bundle, as JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle(pub Map<String, Value>);

impl Bundle {
    /// Puts a bundle together. `metadata` is what ink! generates for the contract,
    /// `compiler` and `target` are what `code` was made by and for.
    pub fn new(
        contract: &Contract,
        code: &[u8],
        mut metadata: Map<String, Value>,
        compiler: &str,
        target: &str,
    ) -> Result<Self, BundleError> {
        let mut bundle = Map::new();
        bundle.insert(
            "source".into(),
            json!({
                "hash": hex(&crate::blake2_256(code)),
                "language": format!("ink! {}", contract.ink),
                "compiler": compiler,
                "wasm": hex(code),
                "build_info": {
                    "build_mode": "Release",
                    "target": target,
                    "sources": hex(&contract.fingerprint),
                },
            }),
        );
        bundle.insert(
            "contract".into(),
            json!({
                "name": contract.name,
                "version": contract.version,
                "authors": contract.authors,
            }),
        );
        bundle.insert("image".into(), Value::Null);
        let parts = if contract.is_on_ink_3() {
            METADATA_INK_3
        } else {
            METADATA
        };
        for part in parts {
            let value = metadata.remove(*part).ok_or(BundleError::Part(part))?;
            bundle.insert((*part).into(), value);
        }
        Ok(Self(bundle))
    }

    /// Reads a bundle from the text of its file.
    pub fn from_text(text: &str) -> Result<Self, BundleError> {
        Ok(Self(serde_json::from_str(text)?))
    }

    /// The text of its file. The code stands on one line, the metadata, which
    /// people read and compare, on many.
    pub fn to_text(&self) -> Result<String, BundleError> {
        Ok(serde_json::to_string_pretty(&self.0)? + "\n")
    }

    /// The code.
    pub fn code(&self) -> Result<Vec<u8>, BundleError> {
        self.source("wasm")
            .and_then(unhex)
            .ok_or(BundleError::Part("source.wasm"))
    }

    /// Checks that the bundle was built from the present sources of `contract` and
    /// that its code is a contract's, whole and deterministic.
    pub fn check(&self, contract: &Contract) -> Result<Shape, BundleError> {
        let code = self.code()?;
        if self.source("hash").and_then(unhex) != Some(crate::blake2_256(&code).to_vec()) {
            return Err(BundleError::Hash);
        }
        let sources = self
            .0
            .get("source")
            .and_then(|source| source.pointer("/build_info/sources"));
        if sources.and_then(Value::as_str) != Some(&hex(&contract.fingerprint)) {
            return Err(BundleError::Stale);
        }
        Ok(module::check(&code)?)
    }

    /// The selectors of its constructors (`list` is `constructors`) or messages
    /// (`messages`) under their labels, as hex with `0x`.
    pub fn selectors(&self, list: &str) -> Vec<(&str, &str)> {
        let items = self
            .0
            .get("spec")
            .and_then(|spec| spec.get(list))
            .and_then(Value::as_array);
        items
            .into_iter()
            .flatten()
            .filter_map(|item| {
                Some((
                    item.get("label")?.as_str()?,
                    item.get("selector")?.as_str()?,
                ))
            })
            .collect()
    }

    fn source(&self, part: &str) -> Option<&str> {
        self.0.get("source")?.get(part)?.as_str()
    }
}

fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    hex::decode(text.strip_prefix("0x")?).ok()
}
