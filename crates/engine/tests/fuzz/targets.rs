//! What strangers send, made of bytes: code, input of calls, and arguments of the chain extension.
//!
//! A target takes any bytes, makes one case of them, runs it in both profiles and panics if anything
//! that must hold does not (see `common/invariants.rs`). It answers whether the case got through: code
//! that is accepted, a call that succeeds. The test beside this file runs targets on random bytes,
//! libFuzzer (`../../fuzz`) on bytes that find new paths.

use std::sync::{Arc, LazyLock};

use arbitrary::{Result, Unstructured};
use codec::Encode;
use phat_engine::{
    CallArgs, Changes, ContractId, Determinism, ExecMode, HOST_FUNCTIONS, InstantiateArgs,
    ValueType,
    pink::{HttpRequest, JsCode, PinkEvent, SigType},
};

use crate::common::{
    invariants::*,
    messages::{Bundle, bundles},
    *,
};

/// The most gas of one execution: about twenty milliseconds of a loop.
const GAS: u64 = 2_000_000_000;

static BUNDLES: LazyLock<Vec<Bundle>> = LazyLock::new(bundles);

fn mode(source: &mut Unstructured<'_>) -> Result<ExecMode> {
    let modes = [ExecMode::Transaction, ExecMode::Query, ExecMode::Estimating];
    Ok(*source.choose(&modes)?)
}

// ---- uploaded Wasm ----

/// Uploads, instantiates and calls some code.
pub(crate) fn code(data: &[u8]) -> bool {
    run_code(&mut Unstructured::new(data)).unwrap_or(false)
}

/// A state with one contract: it runs the code whose hash is its input as its own. That is how code
/// for queries only, which cannot be instantiated, comes to run.
static DELEGATE: LazyLock<(Arc<Changes>, ContractId)> = LazyLock::new(|| {
    let import = r#"(import "seal0" "delegate_call"
        (func $delegate (param i32 i32 i32 i32 i32 i32) (result i32)))"#;
    let body = "(call $load_input)
        (drop (call $delegate (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 32)
            (i32.const -1) (i32.const 0)))";
    let mut world = World::new();
    let contract = world.deploy(&contract(import, body));
    (Arc::new(world.overlay.into_changes().unwrap()), contract)
});

fn run_code(source: &mut Unstructured<'_>) -> Result<bool> {
    let (state, delegate) = &*DELEGATE;
    let determinism = match source.ratio(1, 4)? {
        true => Determinism::Relaxed,
        false => Determinism::Enforced,
    };
    let mode = mode(source)?;
    let wasm = match source.int_in_range(0..=7)? {
        0 => source.bytes(source.len())?.to_vec(),
        1..=3 => mutated_bundle(source)?,
        _ => generated_module(source, determinism == Determinism::Relaxed)?,
    };
    let uploaded = in_both_profiles(|engine| {
        let mut world = World::with_engine(engine.clone(), ExecMode::Transaction);
        world.overlay = phat_engine::Overlay::new(state.clone());
        let prices = phat_engine::Host::prices(&*world.host);
        let uploaded = engine
            .upload(&mut world.overlay, &prices, ALICE, &wasm, determinism, None)
            .map_err(|error| error.to_string());
        let changes = world.overlay.into_changes().unwrap();
        assert_eq!(money(&merged(state, &changes)), money(state));
        assert!(uploaded.is_ok() || changes.is_empty());
        (uploaded.map(|uploaded| uploaded.code_hash), changes)
    });
    let (Ok(code_hash), changes) = uploaded else {
        return Ok(false);
    };
    let state = Arc::new(merged(state, &changes));
    // By delegation first: its outcome is that of a contract which drops the result.
    let args = CallArgs {
        gas_limit: GAS,
        ..World::args(*delegate, code_hash)
    };
    agree(|| TestHost::new(ExecMode::Query), &state, &args);
    let args = InstantiateArgs {
        origin: ALICE,
        code_hash,
        value: 0,
        gas_limit: GAS,
        storage_deposit_limit: None,
        input: source.bytes(source.len().min(64))?.to_vec(),
        salt: Vec::new(),
    };
    let (outcome, changes) =
        in_both_profiles(|engine| instantiate_on(engine, &state, args.clone()));
    if !outcome.succeeded() {
        return Ok(true);
    }
    let (_, contract) = outcome.result.unwrap();
    let state = Arc::new(merged(&state, &changes));
    let args = CallArgs {
        gas_limit: GAS,
        value: 100 * ED,
        ..World::args(contract, source.bytes(source.len())?)
    };
    agree(|| TestHost::new(mode), &state, &args);
    Ok(true)
}

/// A valid module that imports host functions and exports what a contract must.
fn generated_module(source: &mut Unstructured<'_>, floats: bool) -> Result<Vec<u8>> {
    /// What a module may import: all there is.
    static IMPORTS: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let ty = |ty: &ValueType| match ty {
            ValueType::I32 => "i32",
            ValueType::I64 => "i64",
        };
        let mut wat = String::from(r#"(module (import "env" "memory" (memory 1 16))"#);
        for function in HOST_FUNCTIONS {
            let parameters: Vec<_> = function.parameters.iter().map(ty).collect();
            let result = function.result.as_ref().map(ty).unwrap_or_default();
            wat += &format!(
                r#"(import "{}" "{}" (func (param {}) (result {result})))"#,
                function.module,
                function.name,
                parameters.join(" "),
            );
        }
        wat::parse_str(wat + ")").unwrap()
    });
    static EXPORTS: LazyLock<Vec<u8>> = LazyLock::new(|| {
        wat::parse_str(r#"(module (func (export "deploy")) (func (export "call")))"#).unwrap()
    });
    let config = wasm_smith::Config {
        available_imports: Some(IMPORTS.clone()),
        exports: Some(EXPORTS.clone()),
        allow_floats: floats,
        allow_start_export: false,
        generate_custom_sections: true,
        min_memories: 1,
        max_memories: 1,
        max_memory32_bytes: 64 * 64 * 1024,
        max_table_elements: 1_000,
        max_funcs: 30,
        max_instructions: 200,
        max_types: 30,
        // Not for contracts.
        custom_page_sizes_enabled: false,
        exceptions_enabled: false,
        extended_const_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        reference_types_enabled: false,
        relaxed_simd_enabled: false,
        simd_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        ..wasm_smith::Config::default()
    };
    Ok(wasm_smith::Module::new(config, source)?.to_bytes())
}

/// The code of a bundle with something changed: bytes, ranges, or whole sections.
fn mutated_bundle(source: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut wasm = source.choose(&BUNDLES)?.wasm.clone();
    for _ in 0..source.int_in_range(1..=4)? {
        match source.int_in_range(0..=3)? {
            0 => splice_sections(&mut wasm, source)?,
            _ => mutate(&mut wasm, source)?,
        }
    }
    Ok(wasm)
}

/// Flips a bit, sets a byte, or cuts, doubles or fills a range.
fn mutate(bytes: &mut Vec<u8>, source: &mut Unstructured<'_>) -> Result<()> {
    if bytes.is_empty() {
        bytes.push(source.arbitrary()?);
        return Ok(());
    }
    let at = source.int_in_range(0..=bytes.len() - 1)?;
    let until = (at + source.int_in_range(1..=16)?).min(bytes.len());
    match source.int_in_range(0..=6)? {
        0 => bytes[at] ^= 1 << source.int_in_range(0..=7)?,
        1 => bytes[at] = source.arbitrary()?,
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..until)),
        4 => {
            let range = bytes[at..until].to_vec();
            bytes.splice(at..at, range);
        }
        5 => bytes[at..until].fill(source.arbitrary()?),
        _ => bytes[at..until].fill(0xff),
    }
    Ok(())
}

/// Sections of a module with their headers, as far as it can be read.
fn sections(wasm: &[u8]) -> Vec<Vec<u8>> {
    wasmparser::Parser::new(0)
        .parse_all(wasm)
        .map_while(std::result::Result::ok)
        .filter_map(|payload| payload.as_section())
        .filter_map(|(id, range)| {
            let mut section = Vec::new();
            let data = wasm.get(range)?;
            wasm_encoder::Encode::encode(&wasm_encoder::RawSection { id, data }, &mut section);
            section.insert(0, id);
            Some(section)
        })
        .collect()
}

/// Drops a section, doubles it, or puts one of another bundle in its place.
fn splice_sections(wasm: &mut Vec<u8>, source: &mut Unstructured<'_>) -> Result<()> {
    const HEADER: &[u8] = b"\0asm\x01\0\0\0";
    let mut own = sections(wasm);
    if own.is_empty() {
        return Ok(());
    }
    let at = source.choose_index(own.len())?;
    match source.int_in_range(0..=2)? {
        0 => drop(own.remove(at)),
        1 => own.insert(at, own[at].clone()),
        _ => {
            let other = sections(&source.choose(&BUNDLES)?.wasm);
            own[at] = source.choose(&other)?.clone();
        }
    }
    *wasm = [HEADER, &own.concat()].concat();
    Ok(())
}

// ---- input of calls ----

/// A state with a contract of a bundle in it.
struct Deployed {
    bundle: &'static Bundle,
    state: Arc<Changes>,
    contract: ContractId,
}

/// Every bundle.
static DEPLOYED: LazyLock<Vec<Deployed>> = LazyLock::new(|| {
    BUNDLES
        .iter()
        .map(|bundle| {
            let mut world = World::new();
            let contract = bundle.deploy(&mut world);
            Deployed {
                bundle,
                state: Arc::new(world.overlay.into_changes().unwrap()),
                contract,
            }
        })
        .collect()
});

/// Calls a contract of a bundle, with input of any kind.
pub(crate) fn call(data: &[u8]) -> bool {
    run_call(&mut Unstructured::new(data)).unwrap_or(false)
}

fn run_call(source: &mut Unstructured<'_>) -> Result<bool> {
    let deployed = source.choose(&DEPLOYED)?;
    let (bundle, contract) = (deployed.bundle, deployed.contract);
    let (mode, is_system) = (mode(source)?, source.arbitrary::<bool>()?);
    let value = *source.choose(&[0, 100 * ED])?;
    let gas_limit = match source.ratio(1, 4)? {
        true => source.int_in_range(0..=GAS)?,
        false => GAS,
    };
    let storage_deposit_limit = source
        .ratio(1, 4)?
        .then_some(source.arbitrary::<u16>()?.into());
    let message = source.choose(&bundle.messages)?;
    let input = match source.int_in_range(0..=4)? {
        0 => source.bytes(source.len())?.to_vec(),
        1 => [&message.selector, source.bytes(source.len())?].concat(),
        kind => {
            let mut input = bundle.input(message, &[ALICE, BOB, contract], source)?;
            for _ in 2..kind {
                mutate(&mut input, source)?;
            }
            input
        }
    };
    let args = CallArgs {
        value,
        gas_limit,
        storage_deposit_limit,
        ..World::args(contract, input)
    };
    let host = || TestHost {
        system: is_system.then_some(contract),
        ..TestHost::new(mode)
    };
    let (outcome, _) = agree(host, &deployed.state, &args);
    Ok(outcome.succeeded())
}

// ---- the chain extension ----

/// Selects the event in place of a function.
const EVENT: u32 = u32::MAX;

/// A state with a contract that hands the extension its input: the function, the room for the
/// answer, and the argument. The number [`EVENT`] makes it emit the argument as an event of Pink's.
static FORWARDER: LazyLock<(Arc<Changes>, ContractId)> = LazyLock::new(|| {
    let topic: String = PinkEvent::TOPIC
        .map(|byte| format!("\\{byte:02x}"))
        .concat();
    let imports = format!(
        r#"(import "seal0" "call_chain_extension"
            (func $extension (param i32 i32 i32 i32 i32) (result i32)))
        (import "seal0" "deposit_event" (func $event (param i32 i32 i32 i32)))
        (data (i32.const 0x10000) "\04{topic}")"#
    );
    let body = r#"
        (call $load_input)
        (i32.store (i32.const 0xfffc) (i32.load (i32.const 4)))
        (if (i32.eq (i32.load (i32.const 0)) (i32.const -1))
            (then
                (call $event (i32.const 0x10000) (i32.const 33)
                    (i32.const 8) (i32.sub (i32.load (i32.const 0xfff0)) (i32.const 8))))
            (else
                (i32.store (i32.const 0x10ffc)
                    (call $extension (i32.load (i32.const 0))
                        (i32.const 8) (i32.sub (i32.load (i32.const 0xfff0)) (i32.const 8))
                        (i32.const 0x11000) (i32.const 0xfffc)))
                (call $answer (i32.const 0x10ffc)
                    (i32.add (i32.const 4) (i32.load (i32.const 0xfffc))))))"#;
    let mut world = World::new();
    let contract = world.deploy(&contract(&imports, body));
    (Arc::new(world.overlay.into_changes().unwrap()), contract)
});

/// Calls a function of the extension, or emits an event of Pink's, with arguments of any kind.
pub(crate) fn extension(data: &[u8]) -> bool {
    run_extension(&mut Unstructured::new(data)).unwrap_or(false)
}

fn run_extension(source: &mut Unstructured<'_>) -> Result<bool> {
    let (state, contract) = &*FORWARDER;
    let (mode, is_system) = (mode(source)?, source.arbitrary::<bool>()?);
    let system_code = *source.choose(&[None, Some(&b"no code"[..]), Some(&BUNDLES[0].wasm)])?;
    let function = match source.int_in_range(0..=29)? {
        28 => EVENT,
        29 => source.arbitrary()?,
        function => function,
    };
    let room: u32 = match source.ratio(1, 8)? {
        true => source.arbitrary()?,
        false => 0x8000,
    };
    let argument = match source.int_in_range(0..=3)? {
        0 => source.bytes(source.len())?.to_vec(),
        1 => {
            let mut argument = argument(function, source)?;
            mutate(&mut argument, source)?;
            argument
        }
        _ => argument(function, source)?,
    };
    let args = CallArgs {
        gas_limit: GAS,
        ..World::args(
            *contract,
            [&(function, room).encode(), &argument[..]].concat(),
        )
    };
    let host = || TestHost {
        system: is_system.then_some(*contract),
        system_code: system_code.map(<[u8]>::to_vec),
        ..TestHost::new(mode)
    };
    let (outcome, _) = agree(host, state, &args);
    Ok(outcome.succeeded())
}

/// An argument of the type that a function of the extension takes.
fn argument(function: u32, source: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let bytes = |source: &mut Unstructured<'_>| -> Result<Vec<u8>> {
        let length = *source.choose(&[0, 1, 31, 32, 33, 64, 65])?;
        let known = [vec![7; length], b"known".to_vec(), b"full".to_vec()];
        match source.ratio(1, 2)? {
            true => Ok(source.choose(&known)?.clone()),
            false => source.arbitrary(),
        }
    };
    let kind = |source: &mut Unstructured<'_>| -> Result<SigType> {
        let kinds = [SigType::Ed25519, SigType::Sr25519, SigType::Ecdsa];
        Ok(*source.choose(&kinds)?)
    };
    let request = |source: &mut Unstructured<'_>| -> Result<HttpRequest> {
        Ok(HttpRequest {
            url: source.arbitrary()?,
            method: source.arbitrary()?,
            headers: source.arbitrary()?,
            body: source.arbitrary()?,
        })
    };
    let s = source;
    Ok(match function {
        1 => request(s)?.encode(),
        2 => (kind(s)?, bytes(s)?, bytes(s)?).encode(),
        3 => (kind(s)?, bytes(s)?, bytes(s)?, bytes(s)?).encode(),
        4 | 8 | 9 => bytes(s)?.encode(),
        5 => (kind(s)?, bytes(s)?).encode(),
        6 => (bytes(s)?, bytes(s)?).encode(),
        7 => (bytes(s)?, s.arbitrary::<u64>()?).encode(),
        10 => s.arbitrary::<(u8, String)>()?.encode(),
        11 => s.arbitrary::<u8>()?.encode(),
        13 => (bytes(s)?, s.arbitrary::<[u8; 32]>()?).encode(),
        14 => s.arbitrary::<([u8; 65], [u8; 32], [u8; 33])>()?.encode(),
        16 | 20 => s.choose(&[ALICE, BOB])?.encode(),
        19 => s.arbitrary::<([u8; 32], bool)>()?.encode(),
        22 => {
            let count = s.int_in_range(0..=7)?;
            let requests: Result<Vec<_>> = (0..count).map(|_| request(s)).collect();
            (requests?, s.arbitrary::<u64>()?).encode()
        }
        24 => {
            let codes = [JsCode::Source(s.arbitrary()?), JsCode::Bytecode(bytes(s)?)];
            (codes.to_vec(), s.arbitrary::<Vec<String>>()?).encode()
        }
        // The variant, and what may be its fields.
        EVENT => {
            let mut event = vec![s.int_in_range(0..=13)?];
            event.extend(s.choose(&[[1; 32], FORWARDER.1])?);
            event.extend(bytes(s)?.encode());
            event.drain(1..*s.choose(&[1, 33])?);
            event
        }
        // The others take nothing.
        _ => Vec::new(),
    })
}
