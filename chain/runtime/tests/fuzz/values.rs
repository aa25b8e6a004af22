//! Values of any type that describes itself, made of bytes.

use codec::{Compact, Encode};
use phat_fuzzing::Input;
use polkadot_sdk::*;
use scale_info::{PortableRegistry, TypeDef, TypeDefPrimitive, form::PortableForm};
use sp_core::U256;

/// Levels of a value, after which everything is the first of its choices, and lists are empty.
const MAX_DEPTH: usize = 24;

/// What fields that are called like this may hold: the names of what there is.
pub(crate) type Names = (&'static str, Vec<[u8; 32]>);

/// Makes values of the types in a registry.
pub(crate) struct Maker<'a> {
    pub(crate) types: &'a PortableRegistry,
    /// What 32 bytes may be.
    pub(crate) names: &'a [Names],
    /// What large numbers may be.
    pub(crate) amounts: &'a [u128],
}

impl Maker<'_> {
    /// Appends a value of this type, as SCALE. It is in a field of this name, so many levels down.
    pub(crate) fn value(
        &self,
        input: &mut Input<'_>,
        id: u32,
        (field, depth): (&str, usize),
        out: &mut Vec<u8>,
    ) {
        // What has no name is meant by the name around it.
        let of = |input: &mut Input<'_>, id: u32, name: Option<&String>, out: &mut Vec<u8>| {
            let name = name.map_or(field, String::as_str);
            self.value(input, id, (name, depth + 1), out);
        };
        let deep = depth > MAX_DEPTH;
        match &self.types.resolve(id).unwrap().type_def {
            TypeDef::Composite(composite) => {
                for field in &composite.fields {
                    of(input, field.ty.id, field.name.as_ref(), out);
                }
            }
            TypeDef::Variant(variants) => {
                let chosen = match deep {
                    true => 0,
                    false => input.below(variants.variants.len()),
                };
                let Some(variant) = variants.variants.get(chosen) else {
                    return;
                };
                out.push(variant.index);
                for field in &variant.fields {
                    of(input, field.ty.id, field.name.as_ref(), out);
                }
            }
            TypeDef::Sequence(list) => {
                let most = match input.one_in(16) {
                    true => 200,
                    false => 3,
                };
                let len = if deep { 0 } else { input.below(most + 1) };
                Compact(len as u32).encode_to(out);
                for _ in 0..len {
                    of(input, list.type_param.id, None, out);
                }
            }
            TypeDef::Array(array) => {
                if array.len == 32 && self.is_byte(array.type_param.id) {
                    out.extend_from_slice(self.name(input, field));
                    return;
                }
                for _ in 0..array.len {
                    of(input, array.type_param.id, None, out);
                }
            }
            TypeDef::Tuple(tuple) => {
                for field in &tuple.fields {
                    of(input, field.id, None, out);
                }
            }
            TypeDef::Primitive(primitive) => {
                let bytes = self.number(input, primitive).to_le_bytes();
                match width(primitive) {
                    // Text: short, and all of it letters.
                    None => "phat"[..input.below(5)].encode_to(out),
                    Some(width) if width > bytes.len() => {
                        U256::from(u128::from_le_bytes(bytes)).encode_to(out);
                    }
                    Some(width) => out.extend_from_slice(&bytes[..width]),
                }
            }
            TypeDef::Compact(compact) => {
                if let Some(number) = self.compact(input, compact.type_param.id) {
                    Compact(number).encode_to(out);
                }
            }
            TypeDef::BitSequence(_) => out.push(0),
        }
    }

    /// A name: of what the field is about, or any other.
    fn name(&self, input: &mut Input<'_>, field: &str) -> &[u8; 32] {
        let about = self.names.iter().find(|(word, _)| field.contains(word));
        let (_, names) = match about {
            Some(names) if !input.one_in(6) => names,
            _ => input.choose(self.names),
        };
        input.choose(names)
    }

    fn is_byte(&self, id: u32) -> bool {
        let resolved = self.types.resolve(id).unwrap();
        resolved.type_def == TypeDef::<PortableForm>::Primitive(TypeDefPrimitive::U8)
    }

    /// A number, of a type that may be wrapped.
    fn compact(&self, input: &mut Input<'_>, id: u32) -> Option<u128> {
        match &self.types.resolve(id).unwrap().type_def {
            TypeDef::Primitive(primitive) => {
                let bits = 8 * width(primitive).unwrap_or(16).min(16) as u32;
                Some(self.number(input, primitive) & (u128::MAX >> (128 - bits)))
            }
            TypeDef::Composite(composite) => {
                let field = composite.fields.first()?;
                self.compact(input, field.ty.id)
            }
            _ => None,
        }
    }

    fn number(&self, input: &mut Input<'_>, primitive: &TypeDefPrimitive) -> u128 {
        match primitive {
            TypeDefPrimitive::Bool => input.below(2) as u128,
            TypeDefPrimitive::U8 | TypeDefPrimitive::I8 => input.byte().into(),
            _ => match input.byte() % 8 {
                0..3 => input.below(4) as u128,
                3 => input.word().into(),
                4 => u128::MAX - input.below(3) as u128,
                _ => *input.choose(self.amounts),
            },
        }
    }
}

/// Bytes of a number; `None` for text.
fn width(primitive: &TypeDefPrimitive) -> Option<usize> {
    use TypeDefPrimitive::*;
    Some(match primitive {
        Str => return None,
        Bool | U8 | I8 => 1,
        U16 | I16 => 2,
        U32 | I32 | Char => 4,
        U64 | I64 => 8,
        U128 | I128 => 16,
        U256 | I256 => 32,
    })
}
