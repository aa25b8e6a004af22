//! The Wasm of a contract: reduced to what a contract may have, and checked.
//!
//! The rules are those that `pallet-contracts` set and contracts rely on.

use std::collections::BTreeSet;
use std::convert::Infallible;

use wasm_encoder::reencode::{self, Reencode, utils};
use wasmparser::{ExternalKind, MemoryType, Parser, Payload, TypeRef, Validator, WasmFeatures};

/// Memory of a contract, at most, in pages of 64 KiB: the limit of
/// `pallet-contracts`, which ink!'s allocator stays under.
pub const MAX_MEMORY_PAGES: u64 = 16;

/// The functions by which a contract is entered.
pub const ENTRY_POINTS: [&str; 2] = ["call", "deploy"];

/// The modules whose functions a contract may import.
const HOST_MODULES: [&str; 4] = ["env", "seal0", "seal1", "seal2"];

/// What came to Wasm after its first version and today's rustc makes use of.
const ADDITIONS: [(&str, WasmFeatures); 6] = [
    ("bulk memory", WasmFeatures::BULK_MEMORY),
    ("multi-value", WasmFeatures::MULTI_VALUE),
    ("mutable globals", WasmFeatures::MUTABLE_GLOBAL),
    ("reference types", WasmFeatures::REFERENCE_TYPES),
    (
        "saturating float to int",
        WasmFeatures::SATURATING_FLOAT_TO_INT,
    ),
    ("sign extension", WasmFeatures::SIGN_EXTENSION),
];

/// Why a module is not a contract's.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The bytes are not a valid module of the Wasm we know.
    #[error("not valid Wasm")]
    Invalid(#[source] wasmparser::BinaryReaderError),
    /// The module could not be written again.
    #[error("could not rewrite the module: {0}")]
    Rewrite(String),
    /// It computes with floats.
    #[error(
        "the contract uses floats, so it could not run deterministically; find the dependency \
         that brings them in (formatting or parsing numbers is the usual one) and replace it"
    )]
    Floats(#[source] wasmparser::BinaryReaderError),
    /// It imports something that the host does not offer.
    #[error("the contract imports {module}.{name}, which no host offers")]
    Import {
        /// The module of the import.
        module: String,
        /// The name of the import.
        name: String,
    },
    /// Its memory does not come from the host, or may grow too large.
    #[error("the contract must import one memory of at most {MAX_MEMORY_PAGES} pages")]
    Memory,
    /// It does not export exactly the entry points.
    #[error("the contract must export the functions call and deploy and nothing else, not {0:?}")]
    Exports(BTreeSet<String>),
    /// It would run before it is called.
    #[error("the contract has a start function")]
    Start,
}

/// What a contract's module is like; see [`check`].
#[derive(Debug, PartialEq, Eq)]
pub struct Shape {
    /// The imported functions, as `module.name`.
    pub imports: BTreeSet<String>,
    /// The additions to Wasm's first version that it needs.
    pub needs: BTreeSet<&'static str>,
}

/// Makes a module as the linker leaves it into a contract's: its memory comes
/// from the host and is bounded, it exports the [`ENTRY_POINTS`] only, and what
/// linkers and debuggers look at (custom sections) is gone.
pub fn reduce(module: &[u8]) -> Result<Vec<u8>, ModuleError> {
    let mut reduced = wasm_encoder::Module::new();
    Reducer {
        memory: own_memory(module)?,
    }
    .parse_core_module(&mut reduced, Parser::new(0), module)
    .map_err(|error| ModuleError::Rewrite(error.to_string()))?;
    Ok(reduced.finish())
}

/// The memory that the module defines.
fn own_memory(module: &[u8]) -> Result<MemoryType, ModuleError> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::MemorySection(section) = payload.map_err(ModuleError::Invalid)? {
            let memory = section.into_iter().next().ok_or(ModuleError::Memory)?;
            return memory.map_err(ModuleError::Invalid);
        }
    }
    Err(ModuleError::Memory)
}

/// Copies a module; what it does not copy as it is, it overrides below.
struct Reducer {
    memory: MemoryType,
}

impl Reencode for Reducer {
    type Error = Infallible;

    fn parse_import_section(
        &mut self,
        imports: &mut wasm_encoder::ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Result<(), reencode::Error<Self::Error>> {
        utils::parse_import_section(self, imports, section)?;
        let mut memory = self.memory_type(self.memory)?;
        memory.maximum = Some(MAX_MEMORY_PAGES);
        imports.import("env", "memory", memory);
        Ok(())
    }

    fn parse_memory_section(
        &mut self,
        _memories: &mut wasm_encoder::MemorySection,
        _section: wasmparser::MemorySectionReader<'_>,
    ) -> Result<(), reencode::Error<Self::Error>> {
        Ok(())
    }

    fn parse_export(
        &mut self,
        exports: &mut wasm_encoder::ExportSection,
        export: wasmparser::Export<'_>,
    ) -> Result<(), reencode::Error<Self::Error>> {
        if ENTRY_POINTS.contains(&export.name) {
            utils::parse_export(self, exports, export)?;
        }
        Ok(())
    }

    fn parse_custom_section(
        &mut self,
        _module: &mut wasm_encoder::Module,
        _section: wasmparser::CustomSectionReader<'_>,
    ) -> Result<(), reencode::Error<Self::Error>> {
        Ok(())
    }
}

/// Checks that `module` is a contract's and can be uploaded as deterministic
/// code, and says what it needs.
pub fn check(module: &[u8]) -> Result<Shape, ModuleError> {
    let known = ADDITIONS
        .iter()
        .fold(WasmFeatures::WASM1, |known, (_, addition)| {
            known | *addition
        });
    let valid = |features| Validator::new_with_features(features).validate_all(module);
    valid(known).map_err(ModuleError::Invalid)?;
    valid(known - WasmFeatures::FLOATS).map_err(ModuleError::Floats)?;

    let mut imports = BTreeSet::new();
    let mut exports = BTreeSet::new();
    let mut memories = 0;
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(ModuleError::Invalid)? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(ModuleError::Invalid)?;
                    match import.ty {
                        TypeRef::Memory(memory)
                            if import.module == "env"
                                && memory.maximum.is_some_and(|most| most <= MAX_MEMORY_PAGES) =>
                        {
                            memories += 1;
                        }
                        TypeRef::Func(_) if HOST_MODULES.contains(&import.module) => {
                            imports.insert(format!("{}.{}", import.module, import.name));
                        }
                        TypeRef::Memory(_) => return Err(ModuleError::Memory),
                        _ => {
                            return Err(ModuleError::Import {
                                module: import.module.to_owned(),
                                name: import.name.to_owned(),
                            });
                        }
                    }
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.map_err(ModuleError::Invalid)?;
                    let mark = if export.kind == ExternalKind::Func {
                        ""
                    } else {
                        " (no function)"
                    };
                    exports.insert(format!("{}{mark}", export.name));
                }
            }
            Payload::StartSection { .. } => return Err(ModuleError::Start),
            _ => {}
        }
    }
    if memories != 1 {
        return Err(ModuleError::Memory);
    }
    if !exports.iter().map(String::as_str).eq(ENTRY_POINTS) {
        return Err(ModuleError::Exports(exports));
    }
    let needs = ADDITIONS
        .into_iter()
        .filter(|(_, addition)| valid(known - *addition).is_err())
        .map(|(name, _)| name)
        .collect();
    Ok(Shape { imports, needs })
}
