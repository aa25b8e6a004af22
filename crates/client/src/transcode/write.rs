//! From what people type to SCALE bytes. What text means depends on the type it is for: `hello` may be
//! a string or a variant, `0x01` bytes or an account, and a plain value stands for `Some` of it.

use super::{
    beginning,
    text::{TextError, parse},
    types::{describe, is_account, is_byte, is_named},
};
use crate::{
    keys::{AccountError, parse_account},
    limits::MAX_VALUE_DEPTH,
};
use codec::{Compact, Encode};
use scale_info::{Field, PortableRegistry, TypeDef, TypeDefPrimitive, form::PortableForm};
use scale_value::{Composite, Primitive, Value, ValueDef};

/// Why an argument is no value of its type.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// It is no value at all.
    #[error(transparent)]
    Text(#[from] TextError),
    /// It is a value of another type.
    #[error("`{given}` is no {expected}")]
    Mismatch {
        /// The part that does not fit.
        given: String,
        /// What would.
        expected: String,
    },
    /// It is a number, but too large or too small.
    #[error("{given} is out of range for {expected}")]
    OutOfRange {
        /// The number.
        given: String,
        /// The type.
        expected: String,
    },
    /// It names no account.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A field is missing.
    #[error("the field `{0}` is missing")]
    MissingField(String),
    /// There is no such field.
    #[error("there is no field `{0}`")]
    UnknownField(String),
    /// The bundle does not describe the type, or describes it without end.
    #[error("the bundle does not describe the type properly")]
    BadType,
    /// A type that ink! contracts do not use in their interfaces.
    #[error("values of this type cannot be given here")]
    Unsupported,
}

/// Writes a whole argument. Here the text is one value for sure, so that strings, characters and bytes
/// need no quotes, which a shell would have removed.
pub(super) fn write_argument(
    types: &PortableRegistry,
    id: u32,
    text: &str,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), WriteError> {
    let ty = types
        .resolve(id)
        .filter(|_| depth <= MAX_VALUE_DEPTH)
        .ok_or(WriteError::BadType)?;
    let trimmed = text.trim();
    match &ty.type_def {
        TypeDef::Composite(_) if is_account(ty) && !trimmed.starts_with(['"', '(', '[']) => {
            out.extend_from_slice(&parse_account(trimmed)?.0);
            Ok(())
        }
        TypeDef::Primitive(TypeDefPrimitive::Str) if !trimmed.starts_with('"') => {
            text.encode_to(out);
            Ok(())
        }
        TypeDef::Sequence(def)
            if is_byte(types, def.type_param.id)
                && !trimmed.starts_with("0x")
                && !trimmed.starts_with(['"', '[', '(']) =>
        {
            text.as_bytes().encode_to(out);
            Ok(())
        }
        TypeDef::Variant(_) if is_named(ty, "Option") && trimmed != "None" => {
            let inner = ty
                .type_params
                .first()
                .and_then(|param| param.ty)
                .ok_or(WriteError::BadType)?;
            let some = trimmed
                .strip_prefix("Some(")
                .and_then(|rest| rest.strip_suffix(')'));
            out.push(1);
            write_argument(types, inner.id, some.unwrap_or(text), out, depth + 1)
        }
        _ => Writer { types, out }.value(id, &parse(trimmed)?, depth),
    }
}

struct Writer<'a> {
    types: &'a PortableRegistry,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn value(&mut self, id: u32, value: &Value<()>, depth: usize) -> Result<(), WriteError> {
        let types = self.types;
        let ty = types
            .resolve(id)
            .filter(|_| depth <= MAX_VALUE_DEPTH)
            .ok_or(WriteError::BadType)?;
        match &ty.type_def {
            TypeDef::Primitive(primitive) => self.primitive(id, primitive, value),
            TypeDef::Composite(def) => match (word(value), def.fields.as_slice()) {
                (Some(text), _) if is_account(ty) => {
                    self.out.extend_from_slice(&parse_account(text)?.0);
                    Ok(())
                }
                // A name around another type, as in `struct Hash([u8; 32])`: the name may be left out.
                (_, [only]) if only.name.is_none() => self.value(only.ty.id, value, depth + 1),
                (_, fields) => match &value.value {
                    ValueDef::Composite(given) => self.fields(id, fields, given, depth),
                    _ => Err(self.mismatch(id, value)),
                },
            },
            TypeDef::Variant(def) => {
                let option = is_named(ty, "Option");
                let variant = match &value.value {
                    ValueDef::Variant(given) => Some((given.name.as_str(), Some(&given.values))),
                    _ => word(value).map(|name| (name, None)),
                }
                .and_then(|(name, given)| {
                    def.variants
                        .iter()
                        .find(|variant| variant.name == name)
                        .zip(Some(given))
                });
                match (variant, ty.type_params.first().and_then(|param| param.ty)) {
                    (Some((variant, given)), _) => {
                        self.out.push(variant.index);
                        let none = Composite::Unnamed(Vec::new());
                        self.fields(id, &variant.fields, given.unwrap_or(&none), depth)
                    }
                    (None, Some(inner)) if option => {
                        self.out.push(1);
                        self.value(inner.id, value, depth + 1)
                    }
                    (None, _) => Err(self.mismatch(id, value)),
                }
            }
            TypeDef::Sequence(def) => {
                if let (Some(text), true) = (word(value), is_byte(types, def.type_param.id)) {
                    text.as_bytes().encode_to(self.out);
                    return Ok(());
                }
                let items = self.list(id, value)?;
                let len = u32::try_from(items.len()).map_err(|_| self.mismatch(id, value))?;
                Compact(len).encode_to(self.out);
                items
                    .iter()
                    .try_for_each(|item| self.value(def.type_param.id, item, depth + 1))
            }
            TypeDef::Array(def) => {
                let items = self.list(id, value)?;
                if items.len() != def.len as usize {
                    return Err(self.mismatch(id, value));
                }
                items
                    .iter()
                    .try_for_each(|item| self.value(def.type_param.id, item, depth + 1))
            }
            TypeDef::Tuple(def) => {
                let items = self.list(id, value)?;
                if items.len() != def.fields.len() {
                    return Err(self.mismatch(id, value));
                }
                items
                    .iter()
                    .zip(&def.fields)
                    .try_for_each(|(item, field)| self.value(field.id, item, depth + 1))
            }
            TypeDef::Compact(_) => {
                let number = self.integer::<u128>(id, value)?;
                Compact(number).encode_to(self.out);
                Ok(())
            }
            TypeDef::BitSequence(_) => Err(WriteError::Unsupported),
        }
    }

    fn fields(
        &mut self,
        id: u32,
        fields: &[Field<PortableForm>],
        given: &Composite<()>,
        depth: usize,
    ) -> Result<(), WriteError> {
        match given {
            Composite::Named(given) if fields.iter().all(|field| field.name.is_some()) => {
                let known =
                    |name: &String| fields.iter().any(|field| field.name.as_ref() == Some(name));
                if let Some((name, _)) = given.iter().find(|(name, _)| !known(name)) {
                    return Err(WriteError::UnknownField(name.clone()));
                }
                for field in fields {
                    let name = field.name.as_deref().unwrap_or_default();
                    let (_, value) = given
                        .iter()
                        .find(|(given, _)| given == name)
                        .ok_or_else(|| WriteError::MissingField(name.into()))?;
                    self.value(field.ty.id, value, depth + 1)?;
                }
                Ok(())
            }
            Composite::Unnamed(items) if items.len() == fields.len() => items
                .iter()
                .zip(fields)
                .try_for_each(|(item, field)| self.value(field.ty.id, item, depth + 1)),
            _ => Err(self.mismatch(
                id,
                &Value {
                    value: ValueDef::Composite(given.clone()),
                    context: (),
                },
            )),
        }
    }

    fn primitive(
        &mut self,
        id: u32,
        primitive: &TypeDefPrimitive,
        value: &Value<()>,
    ) -> Result<(), WriteError> {
        match primitive {
            TypeDefPrimitive::Bool => match value.as_bool() {
                Some(value) => value.encode_to(self.out),
                None => return Err(self.mismatch(id, value)),
            },
            TypeDefPrimitive::Char => match (value.as_char(), word(value).map(str::chars)) {
                (Some(c), _) => u32::from(c).encode_to(self.out),
                (None, Some(mut chars)) => match (chars.next(), chars.next()) {
                    (Some(c), None) => u32::from(c).encode_to(self.out),
                    _ => return Err(self.mismatch(id, value)),
                },
                _ => return Err(self.mismatch(id, value)),
            },
            TypeDefPrimitive::Str => match word(value) {
                Some(text) => text.encode_to(self.out),
                None => return Err(self.mismatch(id, value)),
            },
            TypeDefPrimitive::U8 => self.integer::<u8>(id, value)?.encode_to(self.out),
            TypeDefPrimitive::U16 => self.integer::<u16>(id, value)?.encode_to(self.out),
            TypeDefPrimitive::U32 => self.integer::<u32>(id, value)?.encode_to(self.out),
            TypeDefPrimitive::U64 => self.integer::<u64>(id, value)?.encode_to(self.out),
            TypeDefPrimitive::U128 => self.integer::<u128>(id, value)?.encode_to(self.out),
            TypeDefPrimitive::I8 => self.integer::<i8>(id, value)?.encode_to(self.out),
            TypeDefPrimitive::I16 => self.integer::<i16>(id, value)?.encode_to(self.out),
            TypeDefPrimitive::I32 => self.integer::<i32>(id, value)?.encode_to(self.out),
            TypeDefPrimitive::I64 => self.integer::<i64>(id, value)?.encode_to(self.out),
            TypeDefPrimitive::I128 => self.integer::<i128>(id, value)?.encode_to(self.out),
            TypeDefPrimitive::U256 | TypeDefPrimitive::I256 => return Err(WriteError::Unsupported),
        }
        Ok(())
    }

    fn integer<T: TryFrom<u128> + TryFrom<i128>>(
        &self,
        id: u32,
        value: &Value<()>,
    ) -> Result<T, WriteError> {
        let number = match value.value {
            ValueDef::Primitive(Primitive::U128(number)) => T::try_from(number).ok(),
            ValueDef::Primitive(Primitive::I128(number)) => T::try_from(number).ok(),
            _ => return Err(self.mismatch(id, value)),
        };
        number.ok_or_else(|| WriteError::OutOfRange {
            given: value.to_string(),
            expected: describe(self.types, id),
        })
    }

    /// The items of `(1, 2)` or `[1, 2]`.
    fn list<'v>(&self, id: u32, value: &'v Value<()>) -> Result<&'v [Value<()>], WriteError> {
        match &value.value {
            ValueDef::Composite(Composite::Unnamed(items)) => Ok(items),
            ValueDef::Composite(Composite::Named(fields)) if fields.is_empty() => Ok(&[]),
            _ => Err(self.mismatch(id, value)),
        }
    }

    fn mismatch(&self, id: u32, value: &Value<()>) -> WriteError {
        let given = word(value).map_or_else(|| value.to_string(), String::from);
        WriteError::Mismatch {
            given: beginning(&given),
            expected: describe(self.types, id),
        }
    }
}

/// Text, or a word that was taken for a variant without anything in it.
fn word(value: &Value<()>) -> Option<&str> {
    match &value.value {
        ValueDef::Primitive(Primitive::String(text)) => Some(text),
        ValueDef::Variant(variant) if variant.values.is_empty() => Some(&variant.name),
        _ => None,
    }
}
