//! What the module of a contract may have, and what is refused.

use phat_bundle::module::{ENTRY_POINTS, MAX_MEMORY_PAGES, ModuleError, check, reduce};
use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, EntityType, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, GlobalType, ImportSection, Instruction, MemorySection,
    MemoryType, Module, StartSection, TypeSection, ValType,
};

/// A module with what a linker leaves: two functions, a memory, more exports than
/// needed. Tests change one thing.
struct Linked {
    imports: Vec<(&'static str, &'static str, EntityType)>,
    exports: Vec<(&'static str, ExportKind, u32)>,
    body: Vec<Instruction<'static>>,
    memory: Option<MemoryType>,
    start: bool,
}

impl Default for Linked {
    fn default() -> Self {
        Self {
            imports: vec![("seal1", "get_storage", EntityType::Function(0))],
            exports: vec![
                ("memory", ExportKind::Memory, 0),
                ("call", ExportKind::Func, 1),
                ("deploy", ExportKind::Func, 2),
                ("__heap_base", ExportKind::Global, 0),
            ],
            body: Vec::new(),
            memory: Some(memory(2, None)),
            start: false,
        }
    }
}

fn memory(minimum: u64, maximum: Option<u64>) -> MemoryType {
    MemoryType {
        minimum,
        maximum,
        memory64: false,
        shared: false,
        page_size_log2: None,
    }
}

impl Linked {
    fn module(&self) -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let mut imports = ImportSection::new();
        for (module, name, entity) in &self.imports {
            imports.import(module, name, *entity);
        }
        let mut functions = FunctionSection::new();
        functions.function(0).function(0);
        let mut memories = MemorySection::new();
        if let Some(memory) = self.memory {
            memories.memory(memory);
        }
        let mut globals = GlobalSection::new();
        let global = GlobalType {
            val_type: ValType::I32,
            mutable: false,
            shared: false,
        };
        globals.global(global, &ConstExpr::i32_const(1));
        let mut exports = ExportSection::new();
        for (name, kind, index) in &self.exports {
            exports.export(name, *kind, *index);
        }
        let mut code = CodeSection::new();
        for _ in ENTRY_POINTS {
            let mut function = Function::new([]);
            for instruction in &self.body {
                function.instruction(instruction);
            }
            function.instruction(&Instruction::End);
            code.function(&function);
        }
        let mut module = Module::new();
        module
            .section(&types)
            .section(&imports)
            .section(&functions)
            .section(&memories)
            .section(&globals)
            .section(&exports);
        if self.start {
            module.section(&StartSection { function_index: 1 });
        }
        module.section(&code);
        module.section(&CustomSection {
            name: "name".into(),
            data: (&[0_u8; 9][..]).into(),
        });
        module.finish()
    }

    fn verdict(&self) -> Result<phat_bundle::module::Shape, ModuleError> {
        check(&reduce(&self.module())?)
    }
}

#[test]
fn a_linked_module_becomes_a_contract() {
    let linked = Linked::default().module();
    assert!(check(&linked).is_err(), "it is none before");
    let reduced = reduce(&linked).unwrap();
    let shape = check(&reduced).unwrap();
    assert_eq!(
        shape.imports.into_iter().collect::<Vec<_>>(),
        ["seal1.get_storage"]
    );
    assert!(shape.needs.is_empty());
    assert!(
        !reduced.windows(4).any(|bytes| bytes == b"name"),
        "custom sections are gone"
    );
}

#[test]
fn newer_instructions_are_named() {
    let body = vec![
        Instruction::I32Const(0),
        Instruction::I32Extend8S,
        Instruction::I32Const(0),
        Instruction::I32Const(0),
        Instruction::MemoryFill(0),
    ];
    let shape = Linked {
        body,
        ..Linked::default()
    }
    .verdict()
    .unwrap();
    assert_eq!(
        shape.needs.into_iter().collect::<Vec<_>>(),
        ["bulk memory", "sign extension"]
    );
}

#[test]
fn floats_are_refused() {
    let body = vec![Instruction::F64Const(1.0.into()), Instruction::Drop];
    let verdict = Linked {
        body,
        ..Linked::default()
    }
    .verdict();
    assert!(matches!(verdict, Err(ModuleError::Floats(_))));
}

#[test]
fn imports_that_no_host_offers_are_refused() {
    for (module, name) in [
        ("wasi_snapshot_preview1", "fd_write"),
        ("seal9", "x"),
        ("", ""),
    ] {
        let imports = vec![(module, name, EntityType::Function(0))];
        let verdict = Linked {
            imports,
            ..Linked::default()
        }
        .verdict();
        assert!(
            matches!(verdict, Err(ModuleError::Import { .. })),
            "{module}.{name}"
        );
    }
}

#[test]
fn memory_beyond_the_limit_is_refused() {
    let most = memory(MAX_MEMORY_PAGES, None);
    assert!(
        Linked {
            memory: Some(most),
            ..Linked::default()
        }
        .verdict()
        .is_ok()
    );
    let more = memory(MAX_MEMORY_PAGES + 1, None);
    assert!(
        Linked {
            memory: Some(more),
            ..Linked::default()
        }
        .verdict()
        .is_err()
    );
    let mut none = Linked {
        memory: None,
        ..Linked::default()
    };
    none.exports.remove(0);
    assert!(matches!(none.verdict(), Err(ModuleError::Memory)));
}

#[test]
fn both_entry_points_must_be_there_and_be_functions() {
    let mut linked = Linked::default();
    linked.exports.remove(2);
    assert!(matches!(linked.verdict(), Err(ModuleError::Exports(_))));
    linked.exports.push(("deploy", ExportKind::Global, 0));
    assert!(matches!(linked.verdict(), Err(ModuleError::Exports(_))));
}

#[test]
fn code_that_runs_before_it_is_called_is_refused() {
    let verdict = Linked {
        start: true,
        ..Linked::default()
    }
    .verdict();
    assert!(matches!(verdict, Err(ModuleError::Start)));
}

#[test]
fn what_is_not_wasm_or_not_all_of_it_is_refused() {
    let linked = Linked::default().module();
    for cut in 0..linked.len() {
        // It may succeed, if what is missing is a whole section; it must not panic.
        let _ = reduce(&linked[..cut]);
    }
    let contract = reduce(&linked).expect("the sample is complete");
    for cut in 0..contract.len() {
        assert!(
            check(&contract[..cut]).is_err(),
            "the first {cut} bytes are no contract"
        );
    }
    assert!(matches!(check(b"<html>"), Err(ModuleError::Invalid(_))));
    assert!(reduce(b"<html>").is_err());
}
