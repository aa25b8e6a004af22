//! Contract bundles: the `.contract` files that `cargo contract` makes, with a contract's code and
//! the description of its interface. The description alone (`metadata.json`) is read as well, and
//! becomes a bundle [with its code](with_code).
//!
//! Understood are the formats of ink! 3 (versions 0 to 3, see `ink3`), ink! 4 (version `"4"`) and
//! ink! 5 (version `5`).

mod ink3;

use crate::{limits::MAX_BUNDLE_LEN, transcode::signature};
use phat_primitives::{CodeHash, Hash, blake2_256};
use scale_info::PortableRegistry;
use serde::Deserialize;
use serde_json::Value as Json;

/// A contract as its author publishes it.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Name of the contract.
    pub name: String,
    /// Version of the contract, as its author counts.
    pub version: String,
    /// BLAKE2b-256 of the code.
    pub code_hash: CodeHash,
    /// What the contract can be asked.
    pub interface: Interface,
    code: Option<Vec<u8>>,
}

/// What a contract can be asked, and the types of it all.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Ways to make an instance.
    pub constructors: Vec<Function>,
    /// What an instance answers to.
    pub messages: Vec<Function>,
    /// What an instance reports.
    pub events: Vec<Event>,
    /// The types that all of these refer to.
    pub types: PortableRegistry,
}

/// A constructor or a message.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name; messages of a trait have the trait before it, as in `PSP22::transfer`.
    pub label: String,
    /// What names it in the bytes of a call.
    pub selector: [u8; 4],
    /// Its arguments, in order.
    pub args: Vec<Field>,
    /// Type of what it returns, if anything.
    pub returns: Option<u32>,
    /// It may change the contract's state, so it has to be sent as a command to have an effect.
    pub mutates: bool,
    /// It accepts money.
    pub payable: bool,
    /// Its author's description.
    pub docs: String,
}

/// An event.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its name.
    pub label: String,
    /// The first topic of such an event. ink! 3 and 4 have none: there the first byte of an event's
    /// data is its position in the list of events.
    pub signature_topic: Option<Hash>,
    /// Its fields, in order.
    pub fields: Vec<Field>,
}

/// An argument or a field.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub label: String,
    /// Its type.
    pub type_id: u32,
}

/// Why a file is no bundle that can be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Larger than [`MAX_BUNDLE_LEN`].
    #[error("a bundle of {len} bytes is too large: at most {MAX_BUNDLE_LEN} are read")]
    TooLarge {
        /// Its size.
        len: usize,
    },
    /// Not JSON.
    #[error(
        "not a contract bundle: it is not JSON. Give the .contract file that `cargo contract build` makes"
    )]
    NotJson(#[source] serde_json::Error),
    /// JSON, but something else.
    #[error(
        "not a contract bundle: {what}. Give the .contract file that `cargo contract build` makes"
    )]
    NotABundle {
        /// What is missing or wrong.
        what: String,
    },
    /// From another ink!.
    #[error(
        "metadata of version {found} is not understood: versions 0 to 3 (ink! 3), 4 (ink! 4) and 5 (ink! 5) are"
    )]
    UnsupportedVersion {
        /// The version it has.
        found: String,
    },
    /// Only the description of the interface.
    #[error(
        "the file describes the contract `{name}` but has no code: give the .contract file instead of the .json, or the .wasm beside it"
    )]
    NoCode {
        /// Name of the contract.
        name: String,
    },
    /// Code and hash do not belong together.
    #[error(
        "the code in the bundle has the hash {actual:?}, but the bundle says {stated:?}: build it again"
    )]
    WrongHash {
        /// What the bundle says.
        stated: CodeHash,
        /// What the code has.
        actual: CodeHash,
    },
}

/// There is no function of this name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no {kind} `{asked}`{}. There are:{}", hint(.suggestion), list(.known))]
pub struct UnknownFunction {
    /// `message` or `constructor`.
    pub kind: &'static str,
    /// What was asked for.
    pub asked: String,
    /// The nearest name that exists.
    pub suggestion: Option<String>,
    /// Signatures of those that exist.
    pub known: Vec<String>,
}

fn hint(suggestion: &Option<String>) -> String {
    suggestion
        .as_ref()
        .map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

fn list(known: &[String]) -> String {
    known
        .iter()
        .map(|signature| format!("\n  {signature}"))
        .collect()
}

/// Puts code into the metadata that was made with it: the two files that `cargo contract` makes beside
/// the `.contract` become one.
pub fn with_code(metadata: &[u8], code: &[u8]) -> Result<Vec<u8>, BundleError> {
    for bytes in [metadata, code] {
        check_len(bytes)?;
    }
    let mut json: Json = serde_json::from_slice(metadata).map_err(BundleError::NotJson)?;
    let source = json.get_mut("source").and_then(Json::as_object_mut);
    let source = source.ok_or_else(|| BundleError::NotABundle {
        what: "it has no `source`".into(),
    })?;
    source.insert("wasm".into(), format!("0x{}", hex::encode(code)).into());
    let bundle = json.to_string().into_bytes();
    Bundle::parse(&bundle)?;
    Ok(bundle)
}

fn check_len(bytes: &[u8]) -> Result<(), BundleError> {
    match bytes.len() {
        len if len > MAX_BUNDLE_LEN => Err(BundleError::TooLarge { len }),
        _ => Ok(()),
    }
}

impl Bundle {
    /// Reads a bundle, or metadata without code.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        check_len(bytes)?;
        let json: Json = serde_json::from_slice(bytes).map_err(BundleError::NotJson)?;
        let json = match version(&json)? {
            Version::Ink3(version) => ink3::modernise(json, version)?,
            Version::Ink4Or5 => json,
        };
        let raw: raw::Bundle = Deserialize::deserialize(&json).map_err(not_a_bundle)?;
        let types: PortableRegistry = Deserialize::deserialize(&json).map_err(not_a_bundle)?;
        let stated = raw
            .source
            .hash
            .filter(raw::Hex::is_there)
            .map(|hash| hash.bytes::<32>("source.hash").map(Hash::from))
            .transpose()?;
        let code = raw
            .source
            .wasm
            .filter(raw::Hex::is_there)
            .map(|code| code.decode("source.wasm"))
            .transpose()?;
        let actual = code.as_deref().map(|code| Hash::from(blake2_256(code)));
        let code_hash = match (stated, actual) {
            (Some(stated), Some(actual)) if actual != stated => {
                return Err(BundleError::WrongHash { stated, actual });
            }
            (stated, actual) => stated.or(actual).ok_or_else(|| BundleError::NotABundle {
                what: "it has neither `source.hash` nor `source.wasm`".into(),
            })?,
        };
        Ok(Self {
            name: raw.contract.name,
            version: raw.contract.version,
            code_hash,
            interface: Interface {
                constructors: functions(raw.spec.constructors, true)?,
                messages: functions(raw.spec.messages, false)?,
                events: raw
                    .spec
                    .events
                    .into_iter()
                    .map(event)
                    .collect::<Result<_, _>>()?,
                types,
            },
            code,
        })
    }

    /// The contract's Wasm.
    pub fn code(&self) -> Result<&[u8], BundleError> {
        self.code.as_deref().ok_or_else(|| BundleError::NoCode {
            name: self.name.clone(),
        })
    }
}

impl Interface {
    /// The message of this name. The part after `::` is enough where it is unambiguous.
    pub fn message(&self, name: &str) -> Result<&Function, UnknownFunction> {
        self.find("message", &self.messages, name)
    }

    /// The constructor of this name.
    pub fn constructor(&self, name: &str) -> Result<&Function, UnknownFunction> {
        self.find("constructor", &self.constructors, name)
    }

    fn find<'a>(
        &self,
        kind: &'static str,
        among: &'a [Function],
        name: &str,
    ) -> Result<&'a Function, UnknownFunction> {
        if let Some(exact) = among.iter().find(|function| function.label == name) {
            return Ok(exact);
        }
        let mut short = among
            .iter()
            .filter(|function| function.short_label() == name);
        if let (Some(only), None) = (short.next(), short.next()) {
            return Ok(only);
        }
        let nearest = among
            .iter()
            .map(|function| {
                let label = strsim::jaro_winkler(name, &function.label);
                (
                    label.max(strsim::jaro_winkler(name, function.short_label())),
                    function,
                )
            })
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .filter(|(similarity, _)| *similarity > 0.8);
        Err(UnknownFunction {
            kind,
            asked: name.to_string(),
            suggestion: nearest.map(|(_, function)| function.label.clone()),
            known: among
                .iter()
                .map(|function| signature(&self.types, function))
                .collect(),
        })
    }
}

impl Function {
    /// The label without the trait.
    fn short_label(&self) -> &str {
        self.label.rsplit("::").next().unwrap_or(&self.label)
    }
}

/// What a bundle's metadata is written in.
enum Version {
    /// ink! 3, with the number of its version.
    Ink3(u8),
    /// ink! 4 or 5, which differ in nothing that would have to be known beforehand.
    Ink4Or5,
}

/// Tells metadata of another version from what is no metadata.
fn version(json: &Json) -> Result<Version, BundleError> {
    let found = match json.get("version") {
        Some(Json::String(text)) => text.clone(),
        Some(Json::Number(number)) => number.to_string(),
        _ => {
            return ink3::version(json)
                .map(Version::Ink3)
                .ok_or_else(|| BundleError::NotABundle {
                    what: "it has no `version`".into(),
                });
        }
    };
    match found.as_str() {
        "4" | "5" => Ok(Version::Ink4Or5),
        _ => Err(BundleError::UnsupportedVersion { found }),
    }
}

fn not_a_bundle(error: serde_json::Error) -> BundleError {
    BundleError::NotABundle {
        what: error.to_string(),
    }
}

/// `payable` is for those that do not say: constructors took money before they had to say so
/// (version 3), messages never did.
fn functions(raw: Vec<raw::Function>, payable: bool) -> Result<Vec<Function>, BundleError> {
    raw.into_iter()
        .map(|function| {
            Ok(Function {
                selector: function.selector.bytes("a selector")?,
                label: function.label.0,
                args: fields(function.args),
                returns: function.return_type.map(|ty| ty.id),
                mutates: function.mutates,
                payable: function.payable.unwrap_or(payable),
                docs: function.docs.join("\n").trim().to_string(),
            })
        })
        .collect()
}

fn event(raw: raw::Event) -> Result<Event, BundleError> {
    let topic = raw
        .signature_topic
        .map(|topic| topic.bytes::<32>("a signature topic"))
        .transpose()?;
    Ok(Event {
        label: raw.label.0,
        signature_topic: topic.map(Hash::from),
        fields: fields(raw.args),
    })
}

fn fields(raw: Vec<raw::Field>) -> Vec<Field> {
    raw.into_iter()
        .map(|field| Field {
            label: field.label.0,
            type_id: field.ty.id,
        })
        .collect()
}

/// The JSON of ink! 4 and 5, as far as it is used here. Names are as ink! 3 has them, too.
mod raw {
    use super::BundleError;
    use serde::{Deserialize, Deserializer};

    #[derive(Deserialize)]
    pub(super) struct Bundle {
        pub(super) source: Source,
        pub(super) contract: Contract,
        pub(super) spec: Spec,
    }

    #[derive(Deserialize)]
    pub(super) struct Source {
        pub(super) hash: Option<Hex>,
        pub(super) wasm: Option<Hex>,
    }

    #[derive(Deserialize)]
    pub(super) struct Contract {
        pub(super) name: String,
        pub(super) version: String,
    }

    #[derive(Deserialize)]
    pub(super) struct Spec {
        pub(super) constructors: Vec<Function>,
        pub(super) messages: Vec<Function>,
        #[serde(default)]
        pub(super) events: Vec<Event>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Function {
        #[serde(alias = "name")]
        pub(super) label: Label,
        pub(super) selector: Hex,
        #[serde(default)]
        pub(super) args: Vec<Field>,
        pub(super) return_type: Option<Type>,
        /// Constructors do not have it.
        #[serde(default = "yes")]
        pub(super) mutates: bool,
        pub(super) payable: Option<bool>,
        #[serde(default)]
        pub(super) docs: Vec<String>,
    }

    fn yes() -> bool {
        true
    }

    #[derive(Deserialize)]
    pub(super) struct Event {
        #[serde(alias = "name")]
        pub(super) label: Label,
        pub(super) signature_topic: Option<Hex>,
        #[serde(default)]
        pub(super) args: Vec<Field>,
    }

    #[derive(Deserialize)]
    pub(super) struct Field {
        #[serde(alias = "name")]
        pub(super) label: Label,
        #[serde(rename = "type")]
        pub(super) ty: Type,
    }

    #[derive(Deserialize)]
    pub(super) struct Type {
        #[serde(rename = "type")]
        pub(super) id: u32,
    }

    /// A name. Up to version 1, that of a trait's message is a list.
    pub(super) struct Label(pub(super) String);

    impl<'de> Deserialize<'de> for Label {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            #[derive(Deserialize)]
            #[serde(untagged, expecting = "a name must be a text or a list of texts")]
            enum Form {
                Text(String),
                Parts(Vec<String>),
            }
            Ok(Self(match Form::deserialize(deserializer)? {
                Form::Text(text) => text,
                Form::Parts(parts) => parts.join("::"),
            }))
        }
    }

    /// Bytes as hex, with `0x` or without.
    #[derive(Deserialize)]
    pub(super) struct Hex(String);

    impl Hex {
        /// Compilers of other languages than ink! leave empty what they do not know.
        pub(super) fn is_there(&self) -> bool {
            !self.0.is_empty()
        }

        pub(super) fn decode(&self, what: &str) -> Result<Vec<u8>, BundleError> {
            let digits = self.0.strip_prefix("0x").unwrap_or(&self.0);
            hex::decode(digits).map_err(|error| BundleError::NotABundle {
                what: format!("{what} is not hex ({error})"),
            })
        }

        pub(super) fn bytes<const N: usize>(&self, what: &str) -> Result<[u8; N], BundleError> {
            self.decode(what)?
                .try_into()
                .map_err(|bytes: Vec<u8>| BundleError::NotABundle {
                    what: format!("{what} has {} bytes instead of {N}", bytes.len()),
                })
        }
    }
}
