//! Finds the name of a function for an error message.

use wasmparser::{KnownCustom, Name, Parser, Payload};

/// Bytes of a name shown to a person; names come from strangers.
const MAX_NAME: usize = 200;

/// Describes the function whose body contains `offset`: its name and crate if the name section
/// tells, its index if not; `None` if the offset is in no function.
pub(super) fn function_at(wasm: &[u8], offset: usize) -> Option<String> {
    let mut imported = 0u32;
    let mut defined = 0u32;
    let mut index = None;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload {
            Ok(Payload::ImportSection(section)) => {
                for import in section.into_imports().flatten() {
                    if matches!(import.ty, wasmparser::TypeRef::Func(_)) {
                        imported += 1;
                    }
                }
            }
            Ok(Payload::CodeSectionEntry(body)) => {
                if body.range().contains(&offset) {
                    index = Some(imported + defined);
                }
                defined += 1;
            }
            Ok(Payload::CustomSection(section)) if index.is_some() => {
                if let KnownCustom::Name(names) = section.as_known() {
                    for name in names.flatten() {
                        let Name::Function(functions) = name else {
                            continue;
                        };
                        for naming in functions.into_iter().flatten() {
                            if Some(naming.index) == index {
                                return Some(describe(naming.name));
                            }
                        }
                    }
                }
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    index.map(|index| format!("function {index}"))
}

fn describe(name: &str) -> String {
    let name = format!("{:#}", rustc_demangle::demangle(name));
    let name: String = name.chars().take(MAX_NAME).collect();
    // `<T as core::fmt::Display>::fmt` and `core::fmt::write` both belong to the first path.
    let krate = name
        .trim_start_matches(['<', '&', '(', '['])
        .split("::")
        .next()
        .filter(|krate| krate.len() < name.len());
    match krate {
        Some(krate) => format!("`{name}` (crate {krate})"),
        None => format!("`{name}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::describe;

    #[test]
    fn a_mangled_name_tells_its_crate() {
        let name = describe("_ZN8rust_num5float5round17h0123456789abcdefE");
        assert_eq!(name, "`rust_num::float::round` (crate rust_num)");
        assert_eq!(describe("plain"), "`plain`");
    }
}
