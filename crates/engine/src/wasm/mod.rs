//! Turns uploaded Wasm into what is compiled: checks everything a contract may not do, gives it a
//! memory of its own in place of the imported one (so that instances can come from a pool, with
//! copy-on-write images), has it count its stack, and repeats the bodies of short loops.
//!
//! | accepted | refused |
//! |---|---|
//! | the first version of Wasm, sign extension, saturating conversions, bulk memory, multiple values, mutable globals, the long form of `call_indirect` | everything newer: SIMD, threads, reference types, tail calls, 64-bit memory, exceptions, garbage collection |
//! | imported `env.memory` or a memory of its own, one of them | any other import that is not in the table of host functions |
//! | exports besides `call` and `deploy` (they are dropped) | a start function |

mod names;
mod stack;
mod unroll;

use std::fmt::Display;

use wasm_encoder::{
    ConstExpr, Encode, ExportKind, ExportSection, GlobalType, ImportSection, MemorySection,
    MemoryType, RawSection, SectionId,
};
use wasmparser::{
    BinaryReaderError, DataKind, ElementItems, ElementKind, ExternalKind, FuncType, Operator,
    Parser, Payload, TypeRef, ValType, ValidPayload, Validator, WasmFeatures,
};

use crate::{
    config::Limits,
    error::CodeRejected,
    interface::{self, ValueType},
    schema::Determinism,
};

/// Version of what [`prepare`] makes of code. Raised with every change of it, so that nothing is run
/// that an older engine has prepared; a test notices.
pub(crate) const PREPARATION: u32 = 2;
/// Name of the exported memory.
pub(crate) const MEMORY: &str = "memory";
/// Name of the exported global that counts the stack.
pub(crate) const STACK: &str = "stack";
/// Bytes of a page.
pub(crate) const PAGE: usize = 64 * 1024;

/// Code as it is compiled.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) wasm: Vec<u8>,
    /// Whether `deploy` and `call` return an `i32` that is ignored.
    pub(crate) deploy_returns: bool,
    pub(crate) call_returns: bool,
}

/// The proposals a contract may use. The compiler is configured with the same.
pub(crate) fn features(determinism: Determinism) -> WasmFeatures {
    let mut features = WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::CALL_INDIRECT_OVERLONG
        | WasmFeatures::GC_TYPES;
    features.set(
        WasmFeatures::FLOATS,
        matches!(determinism, Determinism::Relaxed),
    );
    features
}

/// A refusal before it knows the function's name.
pub(super) enum Rejection {
    Wasm(BinaryReaderError),
    Limit {
        what: &'static str,
        found: u64,
        limit: u64,
        offset: Option<usize>,
    },
    Code(CodeRejected),
}

impl Rejection {
    fn limit(what: &'static str, found: u64, limit: u64, offset: usize) -> Self {
        Self::Limit {
            what,
            found,
            limit,
            offset: Some(offset),
        }
    }

    fn check(what: &'static str, found: u64, limit: u64) -> Result<(), Self> {
        if found > limit {
            return Err(Self::Limit {
                what,
                found,
                limit,
                offset: None,
            });
        }
        Ok(())
    }

    fn invalid(reason: impl Display, offset: usize) -> Self {
        Self::Code(CodeRejected::Invalid {
            reason: reason.to_string(),
            offset,
        })
    }

    fn explain(self, wasm: &[u8]) -> CodeRejected {
        let place = |offset| names::function_at(wasm, offset);
        match self {
            Self::Code(rejected) => rejected,
            Self::Limit {
                what,
                found,
                limit,
                offset,
            } => CodeRejected::Limit {
                what,
                found,
                limit,
                place: offset
                    .and_then(place)
                    .map(|name| format!(", in {name}"))
                    .unwrap_or_default(),
            },
            Self::Wasm(error) => {
                let offset = error.offset();
                // The validator has one text for everything that floats.
                if error.message().contains("floating-point") {
                    // Types come first, so that it has not seen the function that is to blame.
                    let function = place(offset)
                        .or_else(|| names::function_that_takes_floats(wasm))
                        .unwrap_or_else(|| "what the module declares".into());
                    return CodeRejected::Float { function, offset };
                }
                let reason = match place(offset) {
                    Some(name) => format!("{} (in {name})", error.message()),
                    None => error.message().to_owned(),
                };
                CodeRejected::Invalid { reason, offset }
            }
        }
    }
}

impl From<BinaryReaderError> for Rejection {
    fn from(error: BinaryReaderError) -> Self {
        Self::Wasm(error)
    }
}

/// Refuses code with too many bytes.
pub(crate) fn check_size(wasm: &[u8], limits: &Limits) -> Result<(), CodeRejected> {
    if wasm.len() > limits.code_bytes {
        return Err(CodeRejected::TooLarge {
            size: wasm.len(),
            limit: limits.code_bytes,
        });
    }
    Ok(())
}

/// Checks and rewrites `wasm`.
pub(crate) fn prepare(
    wasm: &[u8],
    determinism: Determinism,
    limits: &Limits,
) -> Result<Prepared, CodeRejected> {
    check_size(wasm, limits)?;
    let mut module = ModuleParts::default();
    module
        .read(wasm, determinism, limits)
        .map_err(|rejection| rejection.explain(wasm))?;
    module.write()
}

/// The sections of a module, on the way from the old to the new one.
#[derive(Default)]
struct ModuleParts<'a> {
    types: Vec<FuncType>,
    type_section: &'a [u8],
    imports: Vec<(&'a str, &'a str, u32)>,
    /// Type of every function, imported ones first.
    functions: Vec<u32>,
    function_section: Option<&'a [u8]>,
    table_section: Option<&'a [u8]>,
    table_size: u64,
    memory: Option<(u64, Option<u64>)>,
    global_count: u32,
    global_section: &'a [u8],
    call: Option<u32>,
    deploy: Option<u32>,
    element_section: Option<&'a [u8]>,
    data_count_section: Option<&'a [u8]>,
    bodies: Vec<Vec<u8>>,
    data_section: Option<&'a [u8]>,
    /// Function types without parameters that bodies with several results need as block types.
    added_types: Vec<Vec<ValType>>,
}

impl<'a> ModuleParts<'a> {
    fn read(
        &mut self,
        wasm: &'a [u8],
        determinism: Determinism,
        limits: &Limits,
    ) -> Result<(), Rejection> {
        let features = features(determinism);
        let mut validator = Validator::new_with_features(features);
        let mut unrolling = unroll::BYTES_PER_MODULE;
        let mut parser = Parser::new(0);
        parser.set_features(features);
        for payload in parser.parse_all(wasm) {
            let payload = payload?;
            if let ValidPayload::Func(function, body) = validator.payload(&payload)? {
                let ty = self.type_of(self.imports.len() + self.bodies.len());
                let (parameters, results) = ty
                    .map(|ty| (ty.params().len() as u32, ty.results().to_vec()))
                    .unwrap_or_default();
                let signature = stack::Signature {
                    parameters,
                    results: self.block_type(&results),
                };
                let new = stack::instrument(
                    function,
                    &body,
                    wasm,
                    &signature,
                    self.global_count,
                    &mut unrolling,
                    limits,
                )?;
                self.bodies.push(new);
            }
            self.read_section(payload, wasm, limits)?;
        }
        Ok(())
    }

    fn read_section(
        &mut self,
        payload: Payload<'a>,
        wasm: &'a [u8],
        limits: &Limits,
    ) -> Result<(), Rejection> {
        let bytes = |range: std::ops::Range<usize>| wasm.get(range).unwrap_or_default();
        match payload {
            Payload::TypeSection(section) => {
                Rejection::check("types", section.count().into(), limits.types.into())?;
                self.type_section = bytes(section.range());
                for ty in section.into_iter_err_on_gc_types() {
                    let ty = ty?;
                    let arity = ty.params().len().max(ty.results().len());
                    Rejection::check(
                        "parameters or results of a function",
                        arity as u64,
                        limits.signature.into(),
                    )?;
                    self.types.push(ty);
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    self.read_import(import?)?;
                    Rejection::check("imports", self.imports.len() as u64, limits.imports.into())?;
                }
            }
            Payload::FunctionSection(section) => {
                Rejection::check("functions", section.count().into(), limits.functions.into())?;
                self.function_section = Some(bytes(section.range()));
                for ty in section {
                    self.functions.push(ty?);
                }
            }
            Payload::TableSection(section) => {
                self.table_section = Some(bytes(section.range()));
                for table in section {
                    self.table_size = table?.ty.initial;
                    Rejection::check(
                        "table elements",
                        self.table_size,
                        limits.table_elements.into(),
                    )?;
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    let memory = memory?;
                    self.set_memory(memory.initial, memory.maximum)?;
                }
            }
            Payload::GlobalSection(section) => {
                self.global_count = section.count();
                Rejection::check("globals", self.global_count.into(), limits.globals.into())?;
                self.global_section = bytes(section.range());
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    match (export.name, export.kind) {
                        ("call", ExternalKind::Func) => self.call = Some(export.index),
                        ("deploy", ExternalKind::Func) => self.deploy = Some(export.index),
                        _ => {}
                    }
                }
            }
            Payload::StartSection { .. } => return Err(Rejection::Code(CodeRejected::Start)),
            Payload::ElementSection(section) => {
                Rejection::check(
                    "element segments",
                    section.count().into(),
                    limits.element_segments.into(),
                )?;
                self.element_section = Some(bytes(section.range()));
                let mut elements = 0;
                for element in section {
                    elements += self.check_element(element?)?;
                }
                Rejection::check("elements", elements, limits.elements.into())?;
            }
            Payload::DataCountSection { range, .. } => {
                self.data_count_section = Some(bytes(range));
            }
            Payload::DataSection(section) => {
                Rejection::check(
                    "data segments",
                    section.count().into(),
                    limits.data_segments.into(),
                )?;
                self.data_section = Some(bytes(section.range()));
                for data in section {
                    self.check_data(data?)?;
                }
            }
            Payload::End(_) => {
                let (_, maximum) = self.memory.ok_or(Rejection::Code(CodeRejected::Memory(
                    "there is none; import `env.memory`",
                )))?;
                let allowed = u64::from(limits.memory_pages);
                Rejection::check("memory pages", maximum.unwrap_or(0), allowed)?;
                Rejection::check(
                    "memory pages",
                    self.memory.map_or(0, |(initial, _)| initial),
                    allowed,
                )?;
                self.memory = self
                    .memory
                    .map(|(initial, maximum)| (initial, Some(maximum.unwrap_or(allowed))));
            }
            _ => {}
        }
        Ok(())
    }

    fn read_import(&mut self, import: wasmparser::Import<'a>) -> Result<(), Rejection> {
        let refuse = |reason: &str| {
            Err(Rejection::Code(CodeRejected::Import {
                module: import.module.to_owned(),
                name: import.name.to_owned(),
                reason: reason.to_owned(),
            }))
        };
        match import.ty {
            TypeRef::Func(index) => {
                let ty = self.types.get(index as usize);
                let same = |function: &_| ty.is_some_and(|ty| has_type(ty, function));
                let found = interface::find(import.module, import.name, same);
                let Some((function, name)) = found else {
                    return refuse("there is no such host function");
                };
                if !same(function) {
                    return refuse("the host function has another type");
                }
                self.imports.push((function.module, name, index));
                self.functions.push(index);
                Ok(())
            }
            TypeRef::Memory(memory) if (import.module, import.name) == ("env", "memory") => {
                self.set_memory(memory.initial, memory.maximum)
            }
            TypeRef::Memory(_) => refuse("the memory must be imported as env.memory"),
            _ => refuse("only functions and a memory can be imported"),
        }
    }

    fn set_memory(&mut self, initial: u64, maximum: Option<u64>) -> Result<(), Rejection> {
        if self.memory.replace((initial, maximum)).is_some() {
            return Err(Rejection::Code(CodeRejected::Memory(
                "there is more than one",
            )));
        }
        Ok(())
    }

    fn check_data(&self, data: wasmparser::Data<'_>) -> Result<(), Rejection> {
        let DataKind::Active { offset_expr, .. } = data.kind else {
            return Ok(());
        };
        let (initial, _) = self.memory.unwrap_or_default();
        let end = constant(&offset_expr)?.map(|offset| offset + data.data.len() as u64);
        match end {
            Some(end) if end <= initial * PAGE as u64 => Ok(()),
            _ => Err(Rejection::Code(CodeRejected::Memory(
                "a data segment does not fit into it",
            ))),
        }
    }

    /// Checks that a segment fits into the table, and counts its entries.
    fn check_element(&self, element: wasmparser::Element<'_>) -> Result<u64, Rejection> {
        let count = u64::from(match &element.items {
            ElementItems::Functions(items) => items.count(),
            ElementItems::Expressions(_, items) => items.count(),
        });
        let ElementKind::Active { offset_expr, .. } = element.kind else {
            return Ok(count);
        };
        match constant(&offset_expr)? {
            Some(offset) if offset + count <= self.table_size => Ok(count),
            _ => Err(Rejection::invalid(
                "an element segment does not fit into the table",
                element.range.start,
            )),
        }
    }

    fn type_of(&self, function: usize) -> Option<&FuncType> {
        self.types.get(*self.functions.get(function)? as usize)
    }

    /// The encoded block type for a block that takes nothing and leaves `results`.
    fn block_type(&mut self, results: &[ValType]) -> Vec<u8> {
        const EMPTY: u8 = 0x40;
        match results {
            [] => vec![EMPTY],
            [one] => vec![value_type(*one)],
            many => {
                let position = self
                    .added_types
                    .iter()
                    .position(|added| added == many)
                    .unwrap_or_else(|| {
                        self.added_types.push(many.to_vec());
                        self.added_types.len() - 1
                    });
                let mut bytes = Vec::new();
                ((self.types.len() + position) as i64).encode(&mut bytes);
                bytes
            }
        }
    }

    /// The function behind an export and whether it returns an `i32`.
    fn entry(&self, name: &'static str, index: Option<u32>) -> Result<(u32, bool), CodeRejected> {
        let refuse = |reason| CodeRejected::Export { name, reason };
        let index = index.ok_or(refuse("it is missing"))?;
        if (index as usize) < self.imports.len() {
            return Err(refuse("it must not be an imported function"));
        }
        let ty = self
            .type_of(index as usize)
            .ok_or(refuse("it is missing"))?;
        match (ty.params(), ty.results()) {
            ([], []) => Ok((index, false)),
            ([], [ValType::I32]) => Ok((index, true)),
            _ => Err(refuse("it must take nothing and return nothing")),
        }
    }

    fn write(self) -> Result<Prepared, CodeRejected> {
        let (deploy, deploy_returns) = self.entry("deploy", self.deploy)?;
        let (call, call_returns) = self.entry("call", self.call)?;

        let mut module = wasm_encoder::Module::new();
        let raw = |module: &mut wasm_encoder::Module, id: SectionId, data: &[u8]| {
            module.section(&RawSection { id: id as u8, data });
        };
        let added_types: Vec<Vec<u8>> = self.added_types.iter().map(|ty| encode_type(ty)).collect();
        raw(
            &mut module,
            SectionId::Type,
            &append(self.type_section, self.types.len(), &added_types),
        );
        let mut imports = ImportSection::new();
        for (from, name, ty) in &self.imports {
            imports.import(from, name, wasm_encoder::EntityType::Function(*ty));
        }
        module.section(&imports);
        if let Some(section) = self.function_section {
            raw(&mut module, SectionId::Function, section);
        }
        if let Some(section) = self.table_section {
            raw(&mut module, SectionId::Table, section);
        }
        let (minimum, maximum) = self.memory.unwrap_or_default();
        let mut memory = MemorySection::new();
        memory.memory(MemoryType {
            minimum,
            maximum,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        module.section(&memory);
        let mut global = Vec::new();
        GlobalType {
            val_type: wasm_encoder::ValType::I32,
            mutable: true,
            shared: false,
        }
        .encode(&mut global);
        ConstExpr::i32_const(0).encode(&mut global);
        raw(
            &mut module,
            SectionId::Global,
            &append(self.global_section, self.global_count as usize, &[global]),
        );
        let mut exports = ExportSection::new();
        exports.export("deploy", ExportKind::Func, deploy);
        exports.export("call", ExportKind::Func, call);
        exports.export(MEMORY, ExportKind::Memory, 0);
        exports.export(STACK, ExportKind::Global, self.global_count);
        module.section(&exports);
        if let Some(section) = self.element_section {
            raw(&mut module, SectionId::Element, section);
        }
        if let Some(section) = self.data_count_section {
            raw(&mut module, SectionId::DataCount, section);
        }
        let mut code = wasm_encoder::CodeSection::new();
        for body in &self.bodies {
            code.raw(body);
        }
        module.section(&code);
        if let Some(section) = self.data_section {
            raw(&mut module, SectionId::Data, section);
        }
        Ok(Prepared {
            wasm: module.finish(),
            deploy_returns,
            call_returns,
        })
    }
}

fn has_type(ty: &FuncType, function: &interface::HostFunction) -> bool {
    let same = |wasm: &ValType, ours: &ValueType| {
        matches!(
            (wasm, ours),
            (ValType::I32, ValueType::I32) | (ValType::I64, ValueType::I64)
        )
    };
    let all = |wasm: &[ValType], ours: &[ValueType]| {
        wasm.len() == ours.len() && wasm.iter().zip(ours).all(|(wasm, ours)| same(wasm, ours))
    };
    all(ty.params(), function.parameters) && all(ty.results(), function.result.as_slice())
}

/// The value of an expression that is one constant.
fn constant(expression: &wasmparser::ConstExpr<'_>) -> Result<Option<u64>, Rejection> {
    let mut reader = expression.get_operators_reader();
    let value = match reader.read()? {
        Operator::I32Const { value } => Some(u64::from(value as u32)),
        _ => None,
    };
    Ok(value)
}

fn value_type(ty: ValType) -> u8 {
    match ty {
        ValType::I32 => 0x7f,
        ValType::I64 => 0x7e,
        ValType::F32 => 0x7d,
        ValType::F64 => 0x7c,
        ValType::V128 => 0x7b,
        ValType::Ref(_) => 0x70,
    }
}

/// A function type without parameters.
fn encode_type(results: &[ValType]) -> Vec<u8> {
    const FUNCTION: u8 = 0x60;
    let mut bytes = vec![FUNCTION, 0];
    (results.len() as u32).encode(&mut bytes);
    bytes.extend(results.iter().map(|ty| value_type(*ty)));
    bytes
}

/// A section of `count` entries with `more` behind them.
fn append(section: &[u8], count: usize, more: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(section.len() + 16);
    ((count + more.len()) as u32).encode(&mut bytes);
    let entries = section.iter().position(|byte| byte & 0x80 == 0);
    if let Some(last_of_count) = entries {
        bytes.extend_from_slice(section.get(last_of_count + 1..).unwrap_or_default());
    }
    for entry in more {
        bytes.extend_from_slice(entry);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pink::crypto::blake2_256;

    /// Compiled code is kept on disks under [`PREPARATION`]. If this fails because `prepare` has
    /// changed, raise that, and put the new hash here.
    #[test]
    fn what_preparation_makes_changes_only_with_its_version() {
        let wat = r#"(module
            (import "env" "memory" (memory 2 16))
            (import "seal0" "input" (func $input (param i32 i32)))
            (table 2 funcref)
            (elem (i32.const 0) $sum)
            (global $g (mut i32) (i32.const 7))
            (data (i32.const 8) "data")
            (func $sum (param i32 i64) (result i32) (local i64 i64)
                (global.set $g (local.get 0))
                (i32.wrap_i64 (i64.add (local.get 1) (local.get 2))))
            (func (export "deploy") (call $input (i32.const 0) (i32.const 4)))
            (func $count (local i32)
                (loop $l
                    (local.set 0 (i32.add (local.get 0) (i32.const 1)))
                    (br_if $l (i32.lt_u (local.get 0) (i32.const 9)))))
            (func (export "call") (call $count)
                (drop (call $sum (i32.const 1) (i64.const 2)))))"#;
        let code = wat::parse_str(wat).unwrap();
        let prepared = prepare(&code, Determinism::Enforced, &Limits::default()).unwrap();
        let hash = hex::encode(blake2_256(&prepared.wasm));
        assert_eq!(
            (PREPARATION, hash.as_str()),
            (
                2,
                "f210ee61ff0ca0b02ce89112bd9f05b0706286768378ce9681dd7b29820006fd"
            )
        );
    }
}
