//! Arguments and results of contracts: between what people read and write, and SCALE bytes, by the
//! types that a contract's bundle describes.

mod read;
mod readable;
mod text;
mod types;
mod write;

pub use read::{ReadError, read_all};
pub use readable::Readable;
pub use text::TextError;
pub use types::{signature, type_name};
pub use write::WriteError;

use crate::bundle::{Function, Interface};
use phat_primitives::receipt::ContractEvent;
use types::{describe, lang_result};

/// Why a call cannot be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// Too many arguments, or too few.
    #[error("`{name}` takes {expected} argument(s), not {given}: {signature}")]
    Count {
        /// The function.
        name: String,
        /// How many it takes.
        expected: usize,
        /// How many there are.
        given: usize,
        /// How it is called.
        signature: String,
    },
    /// An argument does not fit its type.
    #[error("argument {position} (`{name}`) has to be {expected}, not `{given}`{}", detail(.expected, .source))]
    Argument {
        /// Counted from 1.
        position: usize,
        /// Its name.
        name: String,
        /// Its type.
        expected: String,
        /// The beginning of what was given.
        given: String,
        /// What is wrong.
        source: Box<WriteError>,
    },
}

/// The cause, unless it only says the same again.
fn detail(expected: &str, cause: &WriteError) -> String {
    match cause {
        WriteError::Mismatch { expected: part, .. } if part == expected => String::new(),
        other => format!(": {other}"),
    }
}

/// The beginning of something that may be long.
fn beginning(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTE_LEN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}

/// Characters of a wrong argument that are repeated in a message.
const MAX_QUOTE_LEN: usize = 80;

/// What a constructor or message returned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// A value.
    Value(Readable),
    /// ink! itself refused the call before the contract's own code saw it: an unknown selector or
    /// arguments that cannot be decoded.
    LangError(Readable),
}

impl Output {
    /// The value, without asking what kind it is.
    pub fn readable(&self) -> &Readable {
        match self {
            Self::Value(value) | Self::LangError(value) => value,
        }
    }

    /// What is wrong, if the contract (or ink!) says that something is.
    pub fn error(&self) -> Option<&Readable> {
        match self {
            Self::Value(value) => value.variant("Err"),
            Self::LangError(value) => Some(value),
        }
    }
}

impl Interface {
    /// The bytes of a call: the selector and the arguments, each of which is read by its type.
    pub fn encode_call(
        &self,
        function: &Function,
        args: &[impl AsRef<str>],
    ) -> Result<Vec<u8>, EncodeError> {
        if args.len() != function.args.len() {
            return Err(EncodeError::Count {
                name: function.label.clone(),
                expected: function.args.len(),
                given: args.len(),
                signature: signature(&self.types, function),
            });
        }
        let mut bytes = function.selector.to_vec();
        for (index, (spec, text)) in function.args.iter().zip(args).enumerate() {
            write::write_argument(&self.types, spec.type_id, text.as_ref(), &mut bytes, 0)
                .map_err(|source| EncodeError::Argument {
                    position: index + 1,
                    name: spec.label.clone(),
                    expected: describe(&self.types, spec.type_id),
                    given: beginning(text.as_ref()),
                    source: Box::new(source),
                })?;
        }
        Ok(bytes)
    }

    /// Reads what a function returned, without the `Result<_, LangError>` that ink! puts around it.
    pub fn decode_output(&self, function: &Function, bytes: &[u8]) -> Result<Output, ReadError> {
        let Some(id) = function.returns else {
            return Ok(Output::Value(Readable::Unit));
        };
        let value = read_all(&self.types, id, bytes)?;
        if lang_result(&self.types, id).is_none() {
            return Ok(Output::Value(value));
        }
        if let Some(inner) = value.variant("Ok") {
            return Ok(Output::Value(inner.clone()));
        }
        Ok(Output::LangError(
            value.variant("Err").cloned().unwrap_or(value),
        ))
    }

    /// Reads an event: its name and fields. `None` if the interface does not describe it.
    pub fn decode_event(&self, event: &ContractEvent) -> Option<Result<Readable, ReadError>> {
        let topic = event.topics.first();
        let by_topic = self.events.iter().find(|known| {
            known.signature_topic.is_some() && known.signature_topic.as_ref() == topic
        });
        let (known, bytes) = match by_topic {
            Some(known) => (known, event.data.as_slice()),
            // ink! 4: the first byte says which.
            None => {
                let (index, rest) = event.data.split_first()?;
                let known = self.events.get(usize::from(*index))?;
                if known.signature_topic.is_some() {
                    return None;
                }
                (known, rest)
            }
        };
        let fields = read::read_fields(&self.types, &known.fields, bytes);
        Some(fields.map(|fields| {
            let inner = match fields.is_empty() {
                true => Readable::Unit,
                false => Readable::Struct(fields),
            };
            Readable::Variant(known.label.clone(), Box::new(inner))
        }))
    }
}
