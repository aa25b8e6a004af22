//! Types as people write them.

use crate::{
    bundle::Function,
    limits::{MAX_TYPE_NAME_LEN, MAX_VALUE_DEPTH},
};
use scale_info::{Field, PortableRegistry, Type, TypeDef, TypeDefPrimitive, form::PortableForm};

/// Shows a type in the way Rust writes it, without paths: `Option<(AccountId, u128)>`.
pub fn type_name(types: &PortableRegistry, id: u32) -> String {
    let mut out = String::new();
    name(types, id, 0, &mut out);
    out
}

/// Shows how a function is called: `transfer(to: AccountId, value: u128) -> Result<(), PSP22Error>`.
pub fn signature(types: &PortableRegistry, function: &Function) -> String {
    let args: Vec<String> = function
        .args
        .iter()
        .map(|arg| format!("{}: {}", arg.label, type_name(types, arg.type_id)))
        .collect();
    let call = format!("{}({})", function.label, args.join(", "));
    match function
        .returns
        .map(|id| type_name(types, without_lang_error(types, id)))
    {
        Some(returns) if returns != "()" => format!("{call} -> {returns}"),
        _ => call,
    }
}

/// Shows a type with what is in it, one level deep: what somebody has to know who wrote a wrong value.
pub(super) fn describe(types: &PortableRegistry, id: u32) -> String {
    let short = type_name(types, id);
    match types.resolve(id).map(|ty| (ty, &ty.type_def)) {
        Some((ty, TypeDef::Variant(def))) if !is_named(ty, "Option") && !is_named(ty, "Result") => {
            let variants: Vec<String> = def
                .variants
                .iter()
                .map(|variant| format!("{}{}", variant.name, fields(types, &variant.fields)))
                .collect();
            format!("{short} (one of {})", variants.join(", "))
        }
        Some((ty, TypeDef::Composite(def)))
            if !is_account(ty) && def.fields.iter().any(|f| f.name.is_some()) =>
        {
            format!("{short}{}", fields(types, &def.fields))
        }
        _ => short,
    }
}

/// The type inside `Result<T, LangError>`, which ink! puts around what a message returns; other types
/// as they are.
pub(super) fn without_lang_error(types: &PortableRegistry, id: u32) -> u32 {
    lang_result(types, id).unwrap_or(id)
}

/// `T` of `Result<T, LangError>`.
pub(super) fn lang_result(types: &PortableRegistry, id: u32) -> Option<u32> {
    let ty = types.resolve(id).filter(|ty| is_named(ty, "Result"))?;
    let param = |index: usize| ty.type_params.get(index)?.ty.map(|ty| ty.id);
    let error = types.resolve(param(1)?)?;
    is_named(error, "LangError").then(|| param(0))?
}

/// Whether the last part of the type's path is this.
pub(super) fn is_named(ty: &Type<PortableForm>, name: &str) -> bool {
    ty.path.segments.last().is_some_and(|last| last == name)
}

/// Whether values of the type are shown as addresses.
pub(super) fn is_account(ty: &Type<PortableForm>) -> bool {
    is_named(ty, "AccountId") || is_named(ty, "AccountId32")
}

/// Whether the type is `u8`.
pub(super) fn is_byte(types: &PortableRegistry, id: u32) -> bool {
    types
        .resolve(id)
        .is_some_and(|ty| matches!(ty.type_def, TypeDef::Primitive(TypeDefPrimitive::U8)))
}

/// Appends the name. A type that contains itself has a name without end, and one that contains itself
/// twice grows with every level: so the depth is bounded as well as the length.
fn name(types: &PortableRegistry, id: u32, depth: usize, out: &mut String) {
    let Some(ty) = types
        .resolve(id)
        .filter(|_| depth < MAX_VALUE_DEPTH && out.len() < MAX_TYPE_NAME_LEN)
    else {
        out.push('…');
        return;
    };
    match &ty.type_def {
        TypeDef::Primitive(primitive) => out.push_str(primitive_name(primitive)),
        TypeDef::Sequence(def) => {
            out.push_str("Vec<");
            name(types, def.type_param.id, depth + 1, out);
            out.push('>');
        }
        TypeDef::Array(def) => {
            out.push('[');
            name(types, def.type_param.id, depth + 1, out);
            out.push_str(&format!("; {}]", def.len));
        }
        TypeDef::Tuple(def) => {
            list(
                types,
                "(",
                def.fields.iter().map(|field| field.id),
                ")",
                depth,
                out,
            );
        }
        TypeDef::Compact(def) => name(types, def.type_param.id, depth + 1, out),
        TypeDef::BitSequence(_) => out.push_str("bits"),
        TypeDef::Composite(_) | TypeDef::Variant(_) => {
            out.push_str(ty.path.segments.last().map_or("?", |last| last.as_str()));
            let params = || ty.type_params.iter().filter_map(|param| Some(param.ty?.id));
            if params().next().is_some() {
                list(types, "<", params(), ">", depth, out);
            }
        }
    }
}

fn list(
    types: &PortableRegistry,
    open: &str,
    ids: impl Iterator<Item = u32>,
    close: &str,
    depth: usize,
    out: &mut String,
) {
    out.push_str(open);
    for (index, id) in ids.enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        name(types, id, depth + 1, out);
    }
    out.push_str(close);
}

fn fields(types: &PortableRegistry, fields: &[Field<PortableForm>]) -> String {
    let shown: Vec<String> = fields
        .iter()
        .map(|field| match &field.name {
            Some(label) => format!("{label}: {}", type_name(types, field.ty.id)),
            None => type_name(types, field.ty.id),
        })
        .collect();
    match fields.first() {
        None => String::new(),
        Some(first) if first.name.is_some() => format!(" {{ {} }}", shown.join(", ")),
        Some(_) => format!("({})", shown.join(", ")),
    }
}

fn primitive_name(primitive: &TypeDefPrimitive) -> &'static str {
    match primitive {
        TypeDefPrimitive::Bool => "bool",
        TypeDefPrimitive::Char => "char",
        TypeDefPrimitive::Str => "String",
        TypeDefPrimitive::U8 => "u8",
        TypeDefPrimitive::U16 => "u16",
        TypeDefPrimitive::U32 => "u32",
        TypeDefPrimitive::U64 => "u64",
        TypeDefPrimitive::U128 => "u128",
        TypeDefPrimitive::U256 => "u256",
        TypeDefPrimitive::I8 => "i8",
        TypeDefPrimitive::I16 => "i16",
        TypeDefPrimitive::I32 => "i32",
        TypeDefPrimitive::I64 => "i64",
        TypeDefPrimitive::I128 => "i128",
        TypeDefPrimitive::I256 => "i256",
    }
}
