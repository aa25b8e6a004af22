//! Decoded values, to show to people ([`Display`](fmt::Display)) and to programs
//! ([`Readable::to_json`]).

use crate::keys::address;
use phat_primitives::AccountId;
use serde_json::{Value as Json, json};
use std::fmt;

/// A decoded value. What it displays can be given as an argument again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Readable {
    /// `()`.
    Unit,
    /// `true`, `false`.
    Bool(bool),
    /// A character.
    Char(char),
    /// An integer of at most 32 bits: a number in JSON.
    Small(i64),
    /// A larger integer, in decimal: a string in JSON, since many programs would round the number.
    Large(String),
    /// Text.
    Text(String),
    /// Bytes: hex.
    Bytes(Vec<u8>),
    /// An account: an address.
    Account(AccountId),
    /// `[1, 2]`.
    List(Vec<Readable>),
    /// `(1, 2)`.
    Tuple(Vec<Readable>),
    /// `{ a: 1, b: 2 }`.
    Struct(Vec<(String, Readable)>),
    /// `Name`, `Name(1, 2)` or `Name { a: 1 }`: what it holds is a unit, a tuple or a struct.
    Variant(String, Box<Readable>),
}

impl Readable {
    /// The value in JSON: variants as `{"Name": …}`, or `"Name"` if they hold nothing; `None` as
    /// `null` and `Some(x)` as `x`; bytes and accounts as strings.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Unit => Json::Null,
            Self::Bool(value) => json!(value),
            Self::Char(value) => json!(value),
            Self::Small(value) => json!(value),
            Self::Large(digits) => json!(digits),
            Self::Text(text) => json!(text),
            Self::Bytes(_) | Self::Account(_) => json!(self.to_string()),
            Self::List(items) | Self::Tuple(items) => items.iter().map(Self::to_json).collect(),
            Self::Struct(fields) => fields
                .iter()
                .map(|(name, value)| (name.clone(), value.to_json()))
                .collect(),
            Self::Variant(name, inner) => match (name.as_str(), &**inner) {
                ("None", Self::Unit) => Json::Null,
                ("Some", Self::Tuple(items)) if items.len() == 1 => items[0].to_json(),
                (_, Self::Unit) => json!(name),
                (_, Self::Tuple(items)) if items.len() == 1 => json!({ name: items[0].to_json() }),
                (_, inner) => json!({ name: inner.to_json() }),
            },
        }
    }

    /// What the variant of this name holds, if the value is that variant.
    pub fn variant(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Variant(actual, inner) if actual == name => match &**inner {
                Self::Tuple(items) if items.len() == 1 => items.first(),
                inner => Some(inner),
            },
            _ => None,
        }
    }
}

impl fmt::Display for Readable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit => f.write_str("()"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Char(value) => write!(f, "{value:?}"),
            Self::Small(value) => write!(f, "{value}"),
            Self::Large(digits) => f.write_str(digits),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Bytes(bytes) => write!(f, "0x{}", hex::encode(bytes)),
            Self::Account(account) => f.write_str(&address(account)),
            Self::List(items) => enclosed(f, "[", items, "]"),
            Self::Tuple(items) => enclosed(f, "(", items, ")"),
            Self::Struct(fields) => {
                f.write_str("{ ")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    write!(f, "{separator}{name}: {value}")?;
                }
                f.write_str(" }")
            }
            Self::Variant(name, inner) => match &**inner {
                Self::Unit => f.write_str(name),
                Self::Struct(_) => write!(f, "{name} {inner}"),
                inner => write!(f, "{name}{inner}"),
            },
        }
    }
}

fn enclosed(
    f: &mut fmt::Formatter<'_>,
    open: &str,
    items: &[Readable],
    close: &str,
) -> fmt::Result {
    f.write_str(open)?;
    for (index, item) in items.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        write!(f, "{separator}{item}")?;
    }
    f.write_str(close)
}
