//! From SCALE bytes to [`Readable`] values.
//!
//! Bytes and types both come from strangers: the bytes from a worker, the types from a bundle. So the
//! depth and the number of values are bounded, which general decoders leave to their callers; this is
//! why there is one of our own.

use super::{
    readable::Readable,
    types::{is_account, is_byte, type_name},
};
use crate::{
    bundle,
    limits::{MAX_VALUE_DEPTH, MAX_VALUE_NODES},
};
use codec::{Compact, Decode};
use phat_primitives::AccountId;
use scale_info::{Field, PortableRegistry, TypeDef, TypeDefPrimitive, form::PortableForm};

/// Bytes of a name that count as a value: names that people write count as nothing.
const NAME_LEN_PER_NODE: usize = 64;

/// Why bytes cannot be read as a value of a type.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes end too early or hold what the type does not allow.
    #[error("the bytes are no value of type {expected}: {cause}")]
    Malformed {
        /// The type.
        expected: String,
        /// What is wrong.
        cause: String,
    },
    /// Bytes are left over.
    #[error(
        "{0} bytes are left after the value: the bundle belongs to another contract or version"
    )]
    Leftover(usize),
    /// The bundle does not describe the type.
    #[error("the bundle refers to type {0} but does not describe it")]
    UnknownType(u32),
    /// A type that ink! contracts do not use in their interfaces.
    #[error("values of type {0} cannot be shown")]
    Unsupported(String),
    /// Deeper than [`MAX_VALUE_DEPTH`] or of more parts than [`MAX_VALUE_NODES`].
    #[error("the value is nested too deeply or has too many parts to be shown")]
    TooLarge,
}

/// Reads one value that takes all the bytes.
pub fn read_all(
    types: &PortableRegistry,
    id: u32,
    mut bytes: &[u8],
) -> Result<Readable, ReadError> {
    let value = Reader {
        types,
        input: &mut bytes,
        nodes: 0,
    }
    .value(id, 0)?;
    if bytes.is_empty() {
        Ok(value)
    } else {
        Err(ReadError::Leftover(bytes.len()))
    }
}

/// Reads fields, one after the other, that together take all the bytes.
pub(super) fn read_fields(
    types: &PortableRegistry,
    fields: &[bundle::Field],
    mut bytes: &[u8],
) -> Result<Vec<(String, Readable)>, ReadError> {
    // They share what one value may have.
    let mut reader = Reader {
        types,
        input: &mut bytes,
        nodes: 0,
    };
    let fields = fields
        .iter()
        .map(|field| Ok((reader.name(&field.label)?, reader.value(field.type_id, 0)?)))
        .collect::<Result<_, _>>()?;
    match bytes.len() {
        0 => Ok(fields),
        left => Err(ReadError::Leftover(left)),
    }
}

struct Reader<'types, 'cursor, 'data> {
    types: &'types PortableRegistry,
    input: &'cursor mut &'data [u8],
    nodes: usize,
}

impl Reader<'_, '_, '_> {
    /// Counts what a value takes.
    fn spend(&mut self, nodes: usize) -> Result<(), ReadError> {
        self.nodes = self.nodes.saturating_add(nodes);
        match self.nodes > MAX_VALUE_NODES {
            true => Err(ReadError::TooLarge),
            false => Ok(()),
        }
    }

    /// A copy of the name of a field or variant. A bundle may have long ones, and every item of a list
    /// has its own copy.
    fn name(&mut self, name: &str) -> Result<String, ReadError> {
        self.spend(name.len() / NAME_LEN_PER_NODE)?;
        Ok(name.to_owned())
    }

    fn value(&mut self, id: u32, depth: usize) -> Result<Readable, ReadError> {
        self.spend(1)?;
        if depth > MAX_VALUE_DEPTH {
            return Err(ReadError::TooLarge);
        }
        let types = self.types;
        let ty = types.resolve(id).ok_or(ReadError::UnknownType(id))?;
        match &ty.type_def {
            TypeDef::Primitive(primitive) => self.primitive(primitive, id),
            TypeDef::Composite(_) if is_account(ty) => {
                Ok(Readable::Account(AccountId(self.decode::<[u8; 32]>(id)?)))
            }
            TypeDef::Composite(def) => match def.fields.as_slice() {
                // A name around another type, as in `struct Hash([u8; 32])`.
                [only] if only.name.is_none() => self.value(only.ty.id, depth + 1),
                fields => self.fields(fields, depth),
            },
            TypeDef::Variant(def) => {
                let index = self.decode::<u8>(id)?;
                let variant = def
                    .variants
                    .iter()
                    .find(|variant| variant.index == index)
                    .ok_or_else(|| self.malformed(id, format!("there is no variant {index}")))?;
                let inner = self.fields(&variant.fields, depth)?;
                Ok(Readable::Variant(
                    self.name(&variant.name)?,
                    Box::new(inner),
                ))
            }
            TypeDef::Sequence(def) => {
                let len = self.decode::<Compact<u32>>(id)?.0;
                self.items(id, def.type_param.id, len, depth)
            }
            TypeDef::Array(def) => self.items(id, def.type_param.id, def.len, depth),
            TypeDef::Tuple(def) => {
                let ids = def.fields.iter().map(|field| field.id);
                self.tuple(ids, depth)
            }
            TypeDef::Compact(_) => Ok(Readable::Large(
                self.decode::<Compact<u128>>(id)?.0.to_string(),
            )),
            TypeDef::BitSequence(_) => Err(ReadError::Unsupported(type_name(types, id))),
        }
    }

    fn fields(
        &mut self,
        fields: &[Field<PortableForm>],
        depth: usize,
    ) -> Result<Readable, ReadError> {
        if fields.iter().any(|field| field.name.is_none()) {
            return self.tuple(fields.iter().map(|field| field.ty.id), depth);
        }
        if fields.is_empty() {
            return Ok(Readable::Unit);
        }
        fields
            .iter()
            .map(|field| {
                let name = self.name(field.name.as_deref().unwrap_or_default())?;
                Ok((name, self.value(field.ty.id, depth + 1)?))
            })
            .collect::<Result<_, _>>()
            .map(Readable::Struct)
    }

    fn tuple(
        &mut self,
        ids: impl Iterator<Item = u32>,
        depth: usize,
    ) -> Result<Readable, ReadError> {
        let items: Vec<Readable> = ids
            .map(|id| self.value(id, depth + 1))
            .collect::<Result<_, _>>()?;
        Ok(if items.is_empty() {
            Readable::Unit
        } else {
            Readable::Tuple(items)
        })
    }

    fn items(&mut self, id: u32, item: u32, len: u32, depth: usize) -> Result<Readable, ReadError> {
        if is_byte(self.types, item) {
            let len = len as usize;
            let Some((bytes, rest)) = self.input.split_at_checked(len) else {
                return Err(self.malformed(
                    id,
                    format!("{len} bytes announced, {} there", self.input.len()),
                ));
            };
            *self.input = rest;
            return Ok(Readable::Bytes(bytes.to_vec()));
        }
        // Grows with what is really there: the length itself is only a claim.
        let mut items = Vec::new();
        for _ in 0..len {
            items.push(self.value(item, depth + 1)?);
        }
        Ok(Readable::List(items))
    }

    fn primitive(&mut self, primitive: &TypeDefPrimitive, id: u32) -> Result<Readable, ReadError> {
        Ok(match primitive {
            TypeDefPrimitive::Bool => Readable::Bool(self.decode(id)?),
            TypeDefPrimitive::Char => {
                let code = self.decode::<u32>(id)?;
                Readable::Char(
                    char::from_u32(code)
                        .ok_or_else(|| self.malformed(id, format!("{code} is no character")))?,
                )
            }
            TypeDefPrimitive::Str => Readable::Text(self.decode(id)?),
            TypeDefPrimitive::U8 => Readable::Small(self.decode::<u8>(id)?.into()),
            TypeDefPrimitive::U16 => Readable::Small(self.decode::<u16>(id)?.into()),
            TypeDefPrimitive::U32 => Readable::Small(self.decode::<u32>(id)?.into()),
            TypeDefPrimitive::I8 => Readable::Small(self.decode::<i8>(id)?.into()),
            TypeDefPrimitive::I16 => Readable::Small(self.decode::<i16>(id)?.into()),
            TypeDefPrimitive::I32 => Readable::Small(self.decode::<i32>(id)?.into()),
            TypeDefPrimitive::U64 => Readable::Large(self.decode::<u64>(id)?.to_string()),
            TypeDefPrimitive::U128 => Readable::Large(self.decode::<u128>(id)?.to_string()),
            TypeDefPrimitive::I64 => Readable::Large(self.decode::<i64>(id)?.to_string()),
            TypeDefPrimitive::I128 => Readable::Large(self.decode::<i128>(id)?.to_string()),
            TypeDefPrimitive::U256 | TypeDefPrimitive::I256 => {
                return Err(ReadError::Unsupported(type_name(self.types, id)));
            }
        })
    }

    fn decode<T: Decode>(&mut self, id: u32) -> Result<T, ReadError> {
        T::decode(self.input).map_err(|error| self.malformed(id, error.to_string()))
    }

    fn malformed(&self, id: u32, cause: String) -> ReadError {
        ReadError::Malformed {
            expected: type_name(self.types, id),
            cause,
        }
    }
}
