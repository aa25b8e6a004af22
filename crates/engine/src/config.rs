//! Every number the engine is bounded by, in one place, with its reason.

/// How the engine uses memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Pooled instances, large address reservations, copy-on-write images: fastest.
    Server,
    /// Memory on demand, bounds checked by code, no copy-on-write mappings: for enclaves, whose
    /// address space is small and whose page tables are costly to change.
    Enclave,
}

/// Bounds on what a contract can grow. They are part of consensus: all workers of a cluster must
/// use the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of uploaded code, in bytes. Compilation time and stored size grow with it.
    pub code_bytes: usize,
    /// Pages of 64 KiB one instance may have. 4 MiB, four times what `pallet-contracts` allows,
    /// because contracts handle HTTP bodies in memory.
    pub memory_pages: u32,
    /// Entries of the function table.
    pub table_elements: u32,
    /// Types a module declares; the compiler keeps every one in memory.
    pub types: u32,
    /// Imports of a module. Each takes room in every instance; the interface has fewer functions.
    pub imports: u32,
    /// Functions a module defines.
    pub functions: u32,
    /// Globals a module defines.
    pub globals: u32,
    /// Locals and parameters of one function.
    pub locals: u32,
    /// Parameters and results of one function type.
    pub signature: u32,
    /// Control structures nested in one function; compilers recurse over them.
    pub nesting: u32,
    /// Bytes of one function; compilation is superlinear in it.
    pub function_bytes: usize,
    /// Loops inside each other in one function; compilation takes time with its third power.
    pub loop_nesting: u32,
    /// Loops inside each other times locals of the function: the values loops carry around.
    pub loop_values: u32,
    /// Targets of all `br_table` of one function; compilation takes time with its square.
    pub branch_targets: u32,
    /// Data segments of a module.
    pub data_segments: u32,
    /// Element segments of a module; those that fill the table do so in every instance.
    pub element_segments: u32,
    /// Entries of all element segments of a module.
    pub elements: u32,
    /// Contracts calling contracts, the first not counted. Each holds an instance.
    pub call_depth: usize,
    /// Bytes of one stored value, of an event's data.
    pub value_bytes: u32,
    /// Bytes of a variable-length storage key, as `pallet-contracts`.
    pub key_bytes: u32,
    /// Topics of an event, as `pallet-contracts`.
    pub event_topics: u32,
    /// Events one execution may emit in all, those of Pink included: they are kept in memory.
    pub events: usize,
    /// Bytes of all events of one execution.
    pub event_bytes: usize,
    /// Bytes of what an execution keeps in memory to be able to undo its writes, keys and values of
    /// all writes since its start: a value can be written over any number of times.
    pub undo_bytes: usize,
    /// Bytes of debug messages kept per execution; the rest is dropped.
    pub debug_bytes: usize,
    /// Bytes of the subject given to `random`, as `pallet-contracts`.
    pub random_subject_bytes: u32,
    /// Bytes of transient storage (keys and values) in one execution.
    pub transient_bytes: usize,
    /// Delegate dependencies one contract may lock, as `pallet-contracts`.
    pub delegate_dependencies: usize,
    /// Share of a code's deposit that every contract using it holds in addition, in per cent.
    pub code_lockup_percent: u32,
    /// HTTP requests in one batch, as Phala.
    pub http_batch: usize,
    /// Bytes of the argument to the chain extension.
    pub extension_input_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            code_bytes: 2 * 1024 * 1024,
            memory_pages: 64,
            table_elements: 16 * 1024,
            types: 10_000,
            imports: 1_000,
            functions: 20_000,
            globals: 256,
            locals: 8 * 1024,
            signature: 64,
            nesting: 1024,
            function_bytes: 256 * 1024,
            loop_nesting: 32,
            loop_values: 16 * 1024,
            branch_targets: 16 * 1024,
            data_segments: 10_000,
            element_segments: 10_000,
            elements: 64 * 1024,
            call_depth: 31,
            value_bytes: 1024 * 1024,
            key_bytes: 128,
            event_topics: 4,
            events: 4096,
            event_bytes: 16 * 1024 * 1024,
            undo_bytes: 128 * 1024 * 1024,
            debug_bytes: 256 * 1024,
            random_subject_bytes: 32,
            transient_bytes: 1024 * 1024,
            delegate_dependencies: 32,
            code_lockup_percent: 30,
            http_batch: 5,
            extension_input_bytes: 2 * 1024 * 1024,
        }
    }
}

/// What a cluster charges, in its smallest unit of balance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// Price of one unit of gas; `weight_to_fee` answers with it.
    pub gas: u128,
    /// Deposit for each stored item.
    pub deposit_per_item: u128,
    /// Deposit for each stored byte.
    pub deposit_per_byte: u128,
    /// What an account must have to exist.
    pub existential_deposit: u128,
}

/// How an [`Engine`](crate::Engine) is built.
#[derive(Clone, Debug)]
pub struct Config {
    /// Bounds on contracts.
    pub limits: Limits,
    /// How memory is used.
    pub profile: Profile,
    /// Contract instances alive at the same time, nested calls included.
    pub instances: u32,
    /// Bytes of memory that all instances may have together. What takes more fails with
    /// [`ExecutionFault::Busy`](crate::ExecutionFault::Busy).
    pub memory_bytes: usize,
    /// Compiled codes kept in memory; the least recently used goes first.
    pub cached_codes: usize,
    /// Gas a contract may use before the execution yields to the executor, in its own code and in
    /// functions of the host alike.
    pub yield_gas: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            profile: Profile::Server,
            instances: 512,
            memory_bytes: usize::MAX,
            cached_codes: 1024,
            // A loop uses that much in a millisecond or less.
            yield_gas: 1_000_000_000,
        }
    }
}

/// Stack units (of eight bytes) all active functions of one instance may need together, counted by
/// instrumentation so that exhaustion happens at the same call everywhere.
pub(crate) const STACK_UNITS: u32 = 256 * 1024;

/// Units every active function costs besides what it declares: return address, saved registers.
pub(crate) const STACK_UNITS_PER_FRAME: u32 = 16;

/// Native stack for Wasm: twice what [`STACK_UNITS`] counts, so that counting always trips first.
pub(crate) const NATIVE_STACK_BYTES: usize = 2 * 8 * STACK_UNITS as usize;

/// Native stack left for host functions on the same fiber.
pub(crate) const HOST_STACK_BYTES: usize = 512 * 1024;
