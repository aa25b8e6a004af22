//! Finds the function an error message is about, and its name.

use wasmparser::{KnownCustom, Name, Parser, Payload, TypeRef, ValType};

/// Bytes of a name shown to a person; names come from strangers.
const MAX_NAME: usize = 200;

/// Describes the function whose body contains `offset`: its name and crate if the name section
/// tells, its index if not; `None` if the offset is in no function.
pub(super) fn function_at(wasm: &[u8], offset: usize) -> Option<String> {
    let mut index = 0;
    for payload in payloads(wasm) {
        match payload {
            Payload::ImportSection(section) => index += imported(section).count() as u32,
            Payload::CodeSectionEntry(body) if body.range().contains(&offset) => {
                return Some(name_of(wasm, index));
            }
            Payload::CodeSectionEntry(_) => index += 1,
            _ => {}
        }
    }
    None
}

/// Describes the first function with a floating-point number among its parameters or results.
pub(super) fn function_that_takes_floats(wasm: &[u8]) -> Option<String> {
    let mut types = Vec::new();
    let mut index = 0;
    for payload in payloads(wasm) {
        let functions: Vec<u32> = match payload {
            Payload::TypeSection(section) => {
                for ty in section.into_iter_err_on_gc_types() {
                    let Ok(ty) = ty else { break };
                    let mut values = ty.params().iter().chain(ty.results());
                    types.push(values.any(|ty| matches!(ty, ValType::F32 | ValType::F64)));
                }
                continue;
            }
            Payload::ImportSection(section) => imported(section).collect(),
            Payload::FunctionSection(section) => section.into_iter().flatten().collect(),
            _ => continue,
        };
        let floats = |ty: &u32| types.get(*ty as usize) == Some(&true);
        if let Some(position) = functions.iter().position(floats) {
            return Some(name_of(wasm, index + position as u32));
        }
        index += functions.len() as u32;
    }
    None
}

/// What can be read of a module.
fn payloads(wasm: &[u8]) -> impl Iterator<Item = Payload<'_>> {
    Parser::new(0).parse_all(wasm).map_while(Result::ok)
}

/// The types of the functions that are imported.
fn imported(section: wasmparser::ImportSectionReader<'_>) -> impl Iterator<Item = u32> {
    let imports = section.into_imports().flatten();
    imports.filter_map(|import| match import.ty {
        TypeRef::Func(ty) => Some(ty),
        _ => None,
    })
}

fn name_of(wasm: &[u8], index: u32) -> String {
    for payload in payloads(wasm) {
        let Payload::CustomSection(section) = payload else {
            continue;
        };
        let KnownCustom::Name(names) = section.as_known() else {
            continue;
        };
        for name in names.flatten() {
            let Name::Function(functions) = name else {
                continue;
            };
            for naming in functions.into_iter().flatten() {
                if naming.index == index {
                    return describe(naming.name);
                }
            }
        }
    }
    format!("function {index}")
}

fn describe(name: &str) -> String {
    let mangled = mangled(name);
    let demangled = rustc_demangle::demangle(mangled.as_deref().unwrap_or(name));
    let name: String = format!("{demangled:#}")
        .chars()
        .filter(|character| !character.is_control())
        .take(MAX_NAME)
        .collect();
    match crate_of(&name) {
        Some(krate) => format!("`{name}` (crate {krate})"),
        None => format!("`{name}`"),
    }
}

/// The legacy name that a linker took apart: it knows the paths of C++ and not Rust's escapes, and
/// leaves `core::fmt::_$LT$impl$u20$…::fmt::h0123456789abcdef`.
fn mangled(name: &str) -> Option<String> {
    const HASH_DIGITS: usize = 16;
    let (_, hash) = name.rsplit_once("::h")?;
    if hash.len() != HASH_DIGITS || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let elements = name.split("::");
    let mangled: String = elements
        .map(|element| format!("{}{element}", element.len()))
        .collect();
    Some(format!("_ZN{mangled}E"))
}

/// The crate a function is from, by its name: the first of the path, and of `<Type as Trait>::name`
/// the type's or, if the type has none, the trait's. The standard library implements no traits of
/// others, so for its types it is the trait's too.
fn crate_of(name: &str) -> Option<&str> {
    const STANDARD: [&str; 3] = ["core", "alloc", "std"];
    let Some(inside) = name.strip_prefix('<') else {
        return first_of(name);
    };
    let (ty, as_trait) = match position(inside, " as ") {
        Some(at) => inside.split_at(at),
        None => (inside, ""),
    };
    let of_trait = as_trait.strip_prefix(" as ").and_then(first_of);
    match type_crate(ty) {
        Some(krate) if !STANDARD.contains(&krate) => Some(krate),
        standard => of_trait.or(standard),
    }
}

/// The crate of a type, or of the first type in it; none for what is part of the language.
fn type_crate(ty: &str) -> Option<&str> {
    const BEFORE: [&str; 9] = [
        "&", "*const ", "*mut ", "mut ", "dyn ", "impl ", "[", "(", "<",
    ];
    let mut ty = ty;
    while let Some(rest) = BEFORE.iter().find_map(|before| ty.strip_prefix(before)) {
        ty = rest;
    }
    first_of(ty)
}

/// The first element of a path that has more.
fn first_of(path: &str) -> Option<&str> {
    let (first, _) = path.split_once("::")?;
    let identifier = |character: char| character.is_alphanumeric() || character == '_';
    (!first.is_empty() && first.chars().all(identifier)).then_some(first)
}

/// Where `text` has `part` outside of all angle brackets, before the one that closes it.
fn position(text: &str, part: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '<' => depth += 1,
            // The arrow of a function type is no bracket.
            '>' if text.get(..at).is_some_and(|before| before.ends_with('-')) => {}
            '>' if depth == 0 => return None,
            '>' => depth -= 1,
            _ if depth == 0 && text.get(at..).is_some_and(|rest| rest.starts_with(part)) => {
                return Some(at);
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{crate_of, describe};

    #[test]
    fn a_mangled_name_tells_its_crate() {
        for (name, expected) in [
            // The legacy mangling.
            (
                "_ZN8rust_num5float5round17h0123456789abcdefE",
                "`rust_num::float::round` (crate rust_num)",
            ),
            (
                "_ZN4core3fmt5float52_$LT$impl$u20$core..fmt..Display$u20$for$u20$f64$GT$3fmt\
                 17h0123456789abcdefE",
                "`core::fmt::float::<impl core::fmt::Display for f64>::fmt` (crate core)",
            ),
            // The same after a linker that knows C++.
            (
                "core::num::flt2dec::strategy::grisu::format_exact_opt::h0123456789abcdef",
                "`core::num::flt2dec::strategy::grisu::format_exact_opt` (crate core)",
            ),
            (
                "_$LT$f64$u20$as$u20$num..Round$GT$::round::h0123456789abcdef",
                "`<f64 as num::Round>::round` (crate num)",
            ),
            // The mangling of today.
            (
                "_RNvNtNtCsaAbBcCdDeEf_4core3num7flt2dec6decode",
                "`core::num::flt2dec::decode` (crate core)",
            ),
            (
                "_RNvXs_Cs1234_3numdNtB4_5Round5round",
                "`<f64 as num::Round>::round` (crate num)",
            ),
            ("plain", "`plain`"),
            ("a::b::\u{1b}[31mred", "`a::b::[31mred` (crate a)"),
        ] {
            assert_eq!(describe(name), expected);
        }
    }

    #[test]
    fn the_crate_of_an_implementation_is_the_types_or_the_traits() {
        for (name, expected) in [
            ("<num::Big as core::fmt::Display>::fmt", Some("num")),
            ("<&mut num::Big as core::fmt::Display>::fmt", Some("num")),
            ("<f64 as core::fmt::Display>::fmt", Some("core")),
            ("<alloc::string::String as num::Parse>::parse", Some("num")),
            (
                "<alloc::vec::Vec<num::Big> as core::clone::Clone>::clone",
                Some("core"),
            ),
            (
                "<num::Pair<fn() -> f64, f64 as x::Y> as z::Z>::f",
                Some("num"),
            ),
            ("<core::num::Wrapping<f64>>::add", Some("core")),
            ("<T as num::Round>::round", Some("num")),
            ("<num", None),
            ("", None),
        ] {
            assert_eq!(crate_of(name), expected, "{name}");
        }
    }

    #[test]
    fn a_name_without_end_is_cut() {
        assert!(describe(&"a::".repeat(10_000)).chars().count() < 300);
    }
}
