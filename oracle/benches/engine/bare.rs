//! A contract on bare wasmtime: no metering, no limits, no rules. It has as much of a host as the
//! contract needs for its answer, and everything that makes wasmtime fast: a pool, the module linked
//! beforehand, a memory of its own.

use wasm_encoder::{
    ExportKind, ExportSection, ImportSection, MemorySection,
    reencode::{Error, Reencode, utils},
};
use wasmparser::{Imports, TypeRef};
use wasmtime::{
    Caller, Config, Enabled, Engine, InstanceAllocationStrategy, InstancePre, Linker, Memory,
    Module, ModuleExport, PoolingAllocationConfig, Store,
};

/// A contract, ready to be called.
pub(crate) struct Bare {
    engine: Engine,
    pre: InstancePre<Contract>,
    memory: ModuleExport,
    call: ModuleExport,
    /// What every key has as its value.
    value: Vec<u8>,
}

/// What the stubs work on.
struct Contract {
    memory: Option<Memory>,
    input: Vec<u8>,
    value: Vec<u8>,
    output: Vec<u8>,
}

#[derive(Debug)]
struct Returned;

impl std::fmt::Display for Returned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the contract has returned")
    }
}

impl std::error::Error for Returned {}

impl Bare {
    /// A contract in whose storage every key has this value.
    pub(crate) fn new(wasm: &[u8], value: Vec<u8>) -> Self {
        let mut pool = PoolingAllocationConfig::new();
        pool.linear_memory_keep_resident(256 * 1024)
            .table_keep_resident(256 * 1024)
            .pagemap_scan(Enabled::Auto);
        let mut config = Config::new();
        config
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
            .generate_address_map(false)
            .wasm_backtrace_max_frames(None);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, with_own_memory(wasm)).unwrap();
        let mut linker = Linker::new(&engine);
        link(&mut linker).unwrap();
        linker.define_unknown_imports_as_traps(&module).unwrap();
        Self {
            pre: linker.instantiate_pre(&module).unwrap(),
            memory: module.get_export_index(MEMORY).unwrap(),
            call: module.get_export_index("call").unwrap(),
            engine,
            value,
        }
    }

    /// What the contract returns.
    pub(crate) fn call(&self, input: &[u8]) -> Vec<u8> {
        let contract = Contract {
            memory: None,
            input: input.to_vec(),
            value: self.value.clone(),
            output: Vec::new(),
        };
        let mut store = Store::new(&self.engine, contract);
        let instance = self.pre.instantiate(&mut store).unwrap();
        let memory = instance.get_module_export(&mut store, &self.memory);
        store.data_mut().memory = memory.unwrap().into_memory();
        let call = instance.get_module_export(&mut store, &self.call);
        let call = call.unwrap().into_func().unwrap();
        let ended = call.typed::<(), ()>(&store).unwrap().call(&mut store, ());
        assert!(ended.is_ok() || ended.is_err_and(|error| error.is::<Returned>()));
        store.into_data().output
    }
}

const MEMORY: &str = "memory";

fn parts<'a>(caller: &'a mut Caller<'_, Contract>) -> (&'a mut [u8], &'a mut Contract) {
    let memory = caller.data().memory.unwrap();
    memory.data_and_store_mut(caller)
}

fn put(memory: &mut [u8], out: u32, out_len: u32, bytes: &[u8]) {
    memory[out as usize..][..bytes.len()].copy_from_slice(bytes);
    memory[out_len as usize..][..4].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
}

/// The functions that a getter of an ink! contract calls.
fn link(linker: &mut Linker<Contract>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "seal0",
        "input",
        |mut caller: Caller<'_, Contract>, out: u32, out_len: u32| {
            let (memory, contract) = parts(&mut caller);
            put(memory, out, out_len, &contract.input);
        },
    )?;
    linker.func_wrap(
        "seal0",
        "value_transferred",
        |mut caller: Caller<'_, Contract>, out: u32, out_len: u32| {
            put(parts(&mut caller).0, out, out_len, &[0; 16]);
        },
    )?;
    linker.func_wrap(
        "seal1",
        "get_storage",
        |mut caller: Caller<'_, Contract>, _key: u32, _key_len: u32, out: u32, out_len: u32| {
            let (memory, contract) = parts(&mut caller);
            put(memory, out, out_len, &contract.value);
            0u32
        },
    )?;
    linker.func_wrap(
        "seal0",
        "seal_return",
        |mut caller: Caller<'_, Contract>, _flags: u32, data: u32, length: u32| {
            let (memory, contract) = parts(&mut caller);
            contract.output = memory[data as usize..][..length as usize].to_vec();
            Err::<(), _>(wasmtime::Error::new(Returned))
        },
    )?;
    Ok(())
}

/// The module with the memory that it imports defined in it, as our engine has it too: an image of
/// its data can then be mapped.
fn with_own_memory(wasm: &[u8]) -> Vec<u8> {
    let mut module = wasm_encoder::Module::new();
    OwnMemory::default()
        .parse_core_module(&mut module, wasmparser::Parser::new(0), wasm)
        .unwrap();
    module.finish()
}

/// The module with its functions exported and nothing else, as contracts are: Rust's linker cannot be
/// told to leave its globals out.
pub(crate) fn with_entries_only(wasm: &[u8]) -> Vec<u8> {
    let mut module = wasm_encoder::Module::new();
    EntriesOnly
        .parse_core_module(&mut module, wasmparser::Parser::new(0), wasm)
        .unwrap();
    module.finish()
}

struct EntriesOnly;

impl Reencode for EntriesOnly {
    type Error = std::convert::Infallible;

    fn parse_export(
        &mut self,
        exports: &mut ExportSection,
        export: wasmparser::Export<'_>,
    ) -> Result<(), Error<Self::Error>> {
        match export.kind {
            wasmparser::ExternalKind::Func => utils::parse_export(self, exports, export),
            _ => Ok(()),
        }
    }
}

/// Moves the memory from the imports to the definitions, and exports it.
#[derive(Default)]
struct OwnMemory(Option<wasm_encoder::MemoryType>);

impl Reencode for OwnMemory {
    type Error = std::convert::Infallible;

    fn parse_imports(
        &mut self,
        section: &mut ImportSection,
        imports: Imports<'_>,
    ) -> Result<(), Error<Self::Error>> {
        if let Imports::Single(_, import) = &imports
            && let TypeRef::Memory(memory) = import.ty
        {
            self.0 = Some(self.memory_type(memory)?);
            return Ok(());
        }
        utils::parse_imports(self, section, imports)
    }

    /// Memories come between tables and globals; the section may be missing, or empty.
    fn intersperse_section_hook(
        &mut self,
        module: &mut wasm_encoder::Module,
        _: Option<wasm_encoder::SectionId>,
        before: Option<wasm_encoder::SectionId>,
    ) -> Result<(), Error<Self::Error>> {
        use wasm_encoder::SectionId::{Export, Global};
        if matches!(before, Some(Global | Export))
            && let Some(memory) = self.0.take()
        {
            let mut memories = MemorySection::new();
            memories.memory(memory);
            module.section(&memories);
        }
        Ok(())
    }

    fn parse_memory_section(
        &mut self,
        memories: &mut MemorySection,
        section: wasmparser::MemorySectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        if let Some(memory) = self.0.take() {
            memories.memory(memory);
        }
        utils::parse_memory_section(self, memories, section)
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        exports.export(MEMORY, ExportKind::Memory, 0);
        utils::parse_export_section(self, exports, section)
    }
}
