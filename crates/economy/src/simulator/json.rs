//! JSON, read strictly: every value knows its place in the file, and no key is lost or taken twice.
//!
//! `serde_json` reads the grammar. Values are kept as pieces of the file until somebody says what they
//! have to be.

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::{
    collections::BTreeSet,
    fmt::{self, Write},
};

/// A file that was refused: where, and why.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}, column {column}{}: {reason}", at(.pointer))]
pub struct Refusal {
    /// The value, as a JSON pointer (RFC 6901); empty for the whole document.
    pub pointer: String,
    /// Line of the file where the value begins, from 1 on.
    pub line: usize,
    /// Character of that line, from 1 on.
    pub column: usize,
    /// What is wrong with it.
    pub reason: String,
}

fn at(pointer: &str) -> String {
    match pointer {
        "" => String::new(),
        pointer => format!(", {pointer}"),
    }
}

/// A file that is JSON.
pub(super) struct Document<'f> {
    text: &'f str,
    root: &'f str,
}

impl<'f> Document<'f> {
    /// Reads a file; refuses what is not JSON.
    pub(super) fn new(file: &'f [u8]) -> Result<Self, Refusal> {
        let text = str::from_utf8(file).map_err(|error| {
            let good = &file[..error.valid_up_to()];
            let good = str::from_utf8(good).unwrap_or_default();
            refusal(good, good.len(), String::new(), "not JSON: not UTF-8 text")
        })?;
        let root: &RawValue = serde_json::from_str(text).map_err(|error| {
            let message = error.to_string();
            let reason = message.rsplit_once(" at line ");
            let reason = format!("not JSON: {}", reason.map_or(&*message, |parts| parts.0));
            // It counts bytes, and names the last one that it has read.
            let lines = text
                .split_inclusive('\n')
                .take(error.line().saturating_sub(1));
            let offset = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
            refusal(text, offset, String::new(), &reason)
        })?;
        let root = root.get();
        Ok(Self { text, root })
    }

    /// The whole document.
    pub(super) fn root(&self) -> Node<'f, 'static> {
        Node {
            text: self.text,
            raw: self.root,
            path: Path::Root,
        }
    }

    /// Refuses the value with this pointer that begins at this byte.
    pub(super) fn refuse(&self, pointer: String, offset: usize, reason: &str) -> Refusal {
        refusal(self.text, offset, pointer, reason)
    }
}

fn refusal(text: &str, offset: usize, pointer: String, reason: &str) -> Refusal {
    let before = &text[..text.floor_char_boundary(offset)];
    let line = before.rsplit('\n').next().unwrap_or_default();
    Refusal {
        pointer,
        line: before.matches('\n').count() + 1,
        column: line.chars().count() + 1,
        reason: reason.to_owned(),
    }
}

/// The way to a value.
#[derive(Clone, Copy)]
enum Path<'p> {
    Root,
    Member(&'p Path<'p>, &'p str),
    Item(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(parent, key) => {
                write!(f, "{parent}/")?;
                for character in key.chars() {
                    match character {
                        '~' => f.write_str("~0")?,
                        '/' => f.write_str("~1")?,
                        // A terminal would obey it.
                        character if character.is_control() => {
                            write!(f, "{}", character.escape_unicode())?;
                        }
                        character => f.write_char(character)?,
                    }
                }
                Ok(())
            }
            Self::Item(parent, index) => write!(f, "{parent}/{index}"),
        }
    }
}

/// A value in the file `'f`, found on the way `'p`.
#[derive(Clone, Copy)]
pub(super) struct Node<'f, 'p> {
    text: &'f str,
    raw: &'f str,
    path: Path<'p>,
}

impl<'f> Node<'f, '_> {
    /// Refuses the file because of this value.
    pub(super) fn refuse(&self, reason: impl fmt::Display) -> Refusal {
        let pointer = self.path.to_string();
        refusal(self.text, self.offset(), pointer, &reason.to_string())
    }

    /// The byte of the file at which the value begins.
    pub(super) fn offset(&self) -> usize {
        // The piece lies within the text.
        (self.raw.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize)
    }

    fn kind(&self) -> &'static str {
        match self.raw.as_bytes().first() {
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b'"') => "a string",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        }
    }

    fn expect(&self, kind: &'static str) -> Result<(), Refusal> {
        match self.kind() {
            found if found == kind => Ok(()),
            found => Err(self.refuse(format_args!("must be {kind}, not {found}"))),
        }
    }

    /// A value below this one.
    fn below<'p>(&'p self, raw: &'f str, path: Path<'p>) -> Node<'f, 'p> {
        Node {
            text: self.text,
            raw,
            path,
        }
    }

    /// The members of an object with keys that the file chooses.
    pub(super) fn members(&self) -> Result<Members<'f>, Refusal> {
        self.expect("an object")?;
        let members: Members<'f> = serde_json::Deserializer::from_str(self.raw)
            .deserialize_map(MembersVisitor)
            .map_err(|_| self.refuse(NOT_UNICODE))?;
        let mut seen = BTreeSet::new();
        for (key, raw) in &members {
            if !seen.insert(key) {
                let again = self.member(key, raw);
                return Err(again.refuse(format_args!("the key {key:?} is there twice")));
            }
        }
        Ok(members)
    }

    /// One of the members of this object.
    pub(super) fn member<'p>(&'p self, key: &'p str, raw: &'f str) -> Node<'f, 'p> {
        self.below(raw, Path::Member(&self.path, key))
    }

    /// The members of an object with keys that the format chooses.
    pub(super) fn fields<'p>(&'p self, known: &[&str]) -> Result<Fields<'f, 'p>, Refusal> {
        let members = self.members()?;
        for (key, raw) in &members {
            if !known.contains(&&**key) {
                let list = known.join(", ");
                let reason = format_args!("unknown key {key:?}: only {list} can be here");
                return Err(self.member(key, raw).refuse(reason));
            }
        }
        Ok(Fields {
            node: self,
            members,
        })
    }

    /// The items of an array, each with what `read` makes of it.
    pub(super) fn items<T>(
        &self,
        mut read: impl FnMut(Node<'f, '_>) -> Result<T, Refusal>,
    ) -> Result<Vec<T>, Refusal> {
        self.expect("an array")?;
        let items: Vec<&'f RawValue> =
            serde_json::from_str(self.raw).map_err(|_| self.refuse(NOT_UNICODE))?;
        let items = items.into_iter().enumerate();
        items
            .map(|(index, raw)| read(self.below(raw.get(), Path::Item(&self.path, index))))
            .collect()
    }

    /// A string.
    pub(super) fn string(&self) -> Result<String, Refusal> {
        self.expect("a string")?;
        serde_json::from_str(self.raw).map_err(|_| self.refuse(NOT_UNICODE))
    }

    /// A whole number from 0 to `max`.
    pub(super) fn integer(&self, max: u64) -> Result<u64, Refusal> {
        self.expect("a number")?;
        let digits = self.raw.bytes().all(|byte| byte.is_ascii_digit());
        let number: Option<u64> = digits.then(|| self.raw.parse().ok()).flatten();
        let number = number.filter(|number| *number <= max);
        number.ok_or_else(|| {
            self.refuse(format_args!(
                "must be a whole number from 0 to {max}, in digits only"
            ))
        })
    }

    /// An amount of money: a string of digits.
    pub(super) fn amount(&self) -> Result<u128, Refusal> {
        let digits = self.string()?;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.refuse("an amount is a string of the digits 0 to 9 and nothing else"));
        }
        let amount = digits.parse();
        amount.map_err(|_| self.refuse("an amount is at most 2^128 - 1"))
    }
}

/// All that can still be wrong with a piece of a document whose grammar has been checked.
const NOT_UNICODE: &str = "not text: an escape \\u stands for half a character";

/// The members of an object, in the order of the file.
type Members<'f> = Vec<(String, &'f str)>;

struct MembersVisitor;

impl<'f> Visitor<'f> for MembersVisitor {
    type Value = Members<'f>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'f>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((key, raw)) = map.next_entry::<String, &'f RawValue>()? {
            members.push((key, raw.get()));
        }
        Ok(members)
    }
}

/// The members of an object whose keys are known.
pub(super) struct Fields<'f, 'p> {
    node: &'p Node<'f, 'p>,
    members: Members<'f>,
}

impl<'f> Fields<'f, '_> {
    /// A member, if it is there.
    pub(super) fn get<'s>(&'s self, key: &'s str) -> Option<Node<'f, 's>> {
        let member = self.members.iter().find(|member| member.0 == key);
        member.map(|(_, raw)| self.node.member(key, raw))
    }

    /// All members that are there.
    pub(super) fn into_members(self) -> std::vec::IntoIter<(String, &'f str)> {
        self.members.into_iter()
    }

    /// A member that must be there.
    pub(super) fn need<'s>(&'s self, key: &'s str) -> Result<Node<'f, 's>, Refusal> {
        let missing = || self.node.refuse(format_args!("the key {key:?} is missing"));
        self.get(key).ok_or_else(missing)
    }
}
