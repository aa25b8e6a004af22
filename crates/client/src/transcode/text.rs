//! The syntax of arguments: text to untyped values.
//!
//! Numbers (`1_000`), `true`, `"text"`, `'c'`, tuples `(1, 2)`, structs `{ a: 1 }` and variants
//! `Name(1)` are read by `scale_value`. Added here are what people type besides: bytes in hex,
//! addresses, `//Alice`, lists `[1, 2]` and variants without anything in them.

use crate::{keys::parse_account, limits::MAX_VALUE_DEPTH};
use scale_value::{
    Value,
    stringify::{
        FromStrBuilder, ParseError, ParseErrorKind,
        custom_parsers::{parse_hex, parse_ss58},
        from_str_custom,
    },
};

/// Why text is no value of any type.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// It cannot be read.
    #[error("cannot read it: {0}")]
    Syntax(#[source] ParseError),
    /// Something stands after the value.
    #[error("cannot read `{0}`, which is left after the value")]
    Leftover(String),
    /// It is nested deeper than [`MAX_VALUE_DEPTH`].
    #[error("it is nested deeper than {MAX_VALUE_DEPTH} levels")]
    TooDeep,
}

/// Reads one value.
pub(super) fn parse(text: &str) -> Result<Value<()>, TextError> {
    // The parsers recurse. Brackets inside of strings are counted as well, which only means that a
    // very strange argument is refused.
    let mut depth = 0usize;
    for c in text.chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_VALUE_DEPTH {
            return Err(TextError::TooDeep);
        }
    }
    let (value, rest) = parser().parse(text.trim());
    let value = value.map_err(TextError::Syntax)?;
    if rest.trim().is_empty() {
        Ok(value)
    } else {
        Err(TextError::Leftover(rest.trim().into()))
    }
}

fn parser() -> FromStrBuilder {
    from_str_custom()
        .add_custom_parser(parse_hex)
        .add_custom_parser(parse_ss58)
        .add_custom_parser(parse_development_account)
        .add_custom_parser(parse_list)
        .add_custom_parser(parse_bare_variant)
}

/// `//Alice`, up to what may follow a value.
fn parse_development_account(text: &mut &str) -> Option<Result<Value<()>, ParseError>> {
    if !text.starts_with("//") {
        return None;
    }
    let end = text
        .find(|c: char| c.is_whitespace() || ",)]}".contains(c))
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    Some(match parse_account(name) {
        Ok(account) => {
            *text = rest;
            Ok(Value::from_bytes(account))
        }
        Err(error) => Err(ParseErrorKind::custom(error).between(0, end)),
    })
}

/// `[1, 2]`, which means the same as `(1, 2)`, except that `[1]` is a list as well.
fn parse_list(text: &mut &str) -> Option<Result<Value<()>, ParseError>> {
    let mut rest = text.strip_prefix('[')?.trim_start();
    let mut items = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(']') {
            *text = after;
            return Some(Ok(Value::unnamed_composite(items)));
        }
        let (item, after) = parser().parse(rest);
        match item {
            Ok(item) => items.push(item),
            Err(error) => return Some(Err(error)),
        }
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if after.starts_with(']') => after,
            None => {
                let position = text.len() - after.len();
                return Some(Err(
                    ParseErrorKind::custom("expected `,` or `]`").at(position)
                ));
            }
        };
    }
}

/// `Name`, with nothing after it that would belong to it.
fn parse_bare_variant(text: &mut &str) -> Option<Result<Value<()>, ParseError>> {
    if !text.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return None;
    }
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if matches!(name, "true" | "false") || rest.trim_start().starts_with(['(', '{', '"']) {
        return None;
    }
    *text = rest;
    Some(Ok(Value::unnamed_variant(name, [])))
}
