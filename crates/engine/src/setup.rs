//! How wasmtime is set up: what operators cost, which features there are, and where memory comes from.

use crate::{
    config::{Config, HOST_STACK_BYTES, NATIVE_STACK_BYTES, Profile},
    schema::Determinism,
    wasm,
};
use wasmtime::{
    Enabled, InstanceAllocationStrategy, OperatorCost, PoolingAllocationConfig, WasmFeatures,
};

/// Prices of operators in fuel. What only names a value generates no code and costs nothing; a loop
/// or a call always contains something that does.
fn operator_cost() -> OperatorCost {
    const DIVISION: u8 = 5;
    const INDIRECT: u8 = 3;
    const MAX: u8 = u8::MAX;
    let mut cost = OperatorCost::new();
    for free in [
        &mut cost.LocalGet,
        &mut cost.LocalSet,
        &mut cost.LocalTee,
        &mut cost.I32Const,
        &mut cost.I64Const,
        &mut cost.F32Const,
        &mut cost.F64Const,
    ] {
        *free = 0;
    }
    for slow in [
        &mut cost.I32DivS,
        &mut cost.I32DivU,
        &mut cost.I32RemS,
        &mut cost.I32RemU,
        &mut cost.I64DivS,
        &mut cost.I64DivU,
        &mut cost.I64RemS,
        &mut cost.I64RemU,
        &mut cost.F32Div,
        &mut cost.F64Div,
        &mut cost.F32Sqrt,
        &mut cost.F64Sqrt,
    ] {
        *slow = DIVISION;
    }
    cost.CallIndirect = INDIRECT;
    // A system call, beyond what its pages are charged by the limiter.
    cost.MemoryGrow = MAX;
    cost
}

/// Largest image of a memory's initial data that is kept however little of it is data. Larger ones
/// are kept if they are half data at least; otherwise two bytes of data, far apart, would make the
/// worker keep megabytes for a code of a hundred bytes.
const DENSE_IMAGE_BYTES: u64 = 256 * 1024;

/// What wasmtime is told.
pub(crate) fn wasmtime_config(config: &Config) -> wasmtime::Config {
    let limits = &config.limits;
    let mut wasmtime = wasmtime::Config::new();
    // Part of the first version too, but wasmtime takes it for garbage collection.
    let features = wasm::features(Determinism::Relaxed).difference(WasmFeatures::GC_TYPES);
    wasmtime
        .wasm_features(WasmFeatures::all().difference(features), false)
        .wasm_features(features, true)
        .consume_fuel(true)
        .operator_cost(operator_cost())
        .cranelift_nan_canonicalization(true)
        .generate_address_map(false)
        // Most calls end by a host function's error; nobody reads where that came from.
        .wasm_backtrace_max_frames(None)
        .memory_guaranteed_dense_image_size(DENSE_IMAGE_BYTES)
        .max_wasm_stack(NATIVE_STACK_BYTES)
        .async_stack_size(NATIVE_STACK_BYTES + HOST_STACK_BYTES);
    match config.profile {
        Profile::Server => {
            /// Memory of a used instance that is cleared rather than given back to the system.
            const KEEP_RESIDENT: usize = 256 * 1024;
            let mut pool = PoolingAllocationConfig::new();
            pool.total_core_instances(config.instances)
                .total_memories(config.instances)
                .total_tables(config.instances)
                .total_stacks(config.instances)
                .max_memories_per_module(1)
                .max_tables_per_module(1)
                .max_memory_size(limits.memory_pages as usize * wasm::PAGE)
                .table_elements(limits.table_elements as usize)
                .linear_memory_keep_resident(KEEP_RESIDENT)
                .table_keep_resident(KEEP_RESIDENT)
                // Of those only what was written to, where the system can tell.
                .pagemap_scan(Enabled::Auto);
            wasmtime.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        }
        Profile::Enclave => {
            wasmtime
                .allocation_strategy(InstanceAllocationStrategy::OnDemand)
                .memory_reservation(0)
                .memory_reservation_for_growth(0)
                .memory_guard_size(0)
                .memory_init_cow(false)
                .signals_based_traps(false);
        }
    }
    wasmtime
}
