//! The host interface: one table describes every function a contract can import, and everything
//! else (linking, the check of imports, documentation) comes from it.
//!
//! Names, types and semantics are those of `pallet-contracts` 51, deprecated and unstable functions
//! included, and of what older versions had besides. What has no meaning here (`call_runtime`, XCM, rent) answers what the reference answers
//! in its default configuration.

mod abi;
mod calls;
mod context;
mod costs;
mod crypto;
mod pending;
mod storage;

pub(crate) use abi::Context;
pub(crate) use pending::{HostCall, HostReply};

use wasmtime::{Caller, Linker};

use crate::exec::Guest;

/// A number type of Wasm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
}

/// What a host function costs in gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// For the call.
    pub base: u64,
    /// For each byte it copies or works on.
    pub per_byte: u64,
}

/// Whether a host function may run in a read-only call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It may.
    Reads,
    /// It changes state, or emits something: refused in read-only calls.
    Mutates,
}

/// How the reference offers a function. All of them are offered here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// To every contract.
    Stable,
    /// Only where the runtime opts in.
    Unstable,
    /// Only to contracts uploaded long ago.
    Deprecated,
    /// To nobody any more; contracts of its time import it.
    Removed,
}

/// One function of the host interface.
#[derive(Debug)]
pub struct HostFunction {
    /// The module it is imported from: `seal0`, `seal1` or `seal2`.
    pub module: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its name with the prefix of ink! 3, if it has one.
    pub alias: Option<&'static str>,
    /// Types of its parameters.
    pub parameters: &'static [ValueType],
    /// Type of its result.
    pub result: Option<ValueType>,
    /// What it costs.
    pub cost: Cost,
    /// Whether it changes anything.
    pub effect: Effect,
    /// How the reference offers it.
    pub availability: Availability,
    /// What it does.
    pub doc: &'static str,
}

/// Where functions were imported from while they were new, until they moved to a module of their
/// own. Bundles of ink! 3.0 and 3.1, and of the first versions of ink! 4, still name it.
const UNSTABLE: &str = "__unstable__";

/// The modules of [`HOST_FUNCTIONS`], newest first.
const MODULES: [&str; 3] = ["seal2", "seal1", "seal0"];

/// The function that a contract imports as `module.name`, and the name it is linked under. One from
/// [`UNSTABLE`] is the newest of that name that `fits` the import's type: the type did not change
/// when a function became stable.
pub(crate) fn find<'a>(
    module: &str,
    name: &'a str,
    fits: impl Fn(&HostFunction) -> bool,
) -> Option<(&'static HostFunction, &'a str)> {
    let named = |module: &str, name: &str| {
        HOST_FUNCTIONS.iter().find(|function| {
            function.module == module && (function.name == name || function.alias == Some(name))
        })
    };
    if module != UNSTABLE {
        return named(module, name).map(|function| (function, name));
    }
    // All of its functions had the prefix once, also those that lost it before they were stable.
    let name = name.strip_prefix("seal_").unwrap_or(name);
    let mut candidates = MODULES.iter().filter_map(|module| named(module, name));
    candidates
        .clone()
        .find(|function| fits(function))
        .or_else(|| candidates.next_back())
        .map(|function| (function, name))
}

trait WasmType {
    const TYPE: Option<ValueType>;
}

impl WasmType for () {
    const TYPE: Option<ValueType> = None;
}

impl WasmType for u32 {
    const TYPE: Option<ValueType> = Some(ValueType::I32);
}

impl WasmType for u64 {
    const TYPE: Option<ValueType> = Some(ValueType::I64);
}

macro_rules! value_type {
    (u32) => {
        ValueType::I32
    };
    (u64) => {
        ValueType::I64
    };
}

macro_rules! alias {
    (alias $name:literal) => {
        Some(concat!("seal_", $name))
    };
    (plain $name:literal) => {
        None
    };
}

/// Links one function. `now` runs at once, and waits afterwards only if the execution has to yield;
/// `waits` may have to wait for another contract or for the host, and answers with a `u32`.
macro_rules! link_one {
    (now, $linker:ident, $module:literal, $name:expr, ($($arg:ident: $ty:ident),*), $ret:ty,
     $effect:ident, $cost:ident, $function:path) => {
        $linker.func_wrap_async(
            $module,
            $name,
            |mut caller: Caller<'_, Guest>, ($($arg,)*): ($($ty,)*)| {
                let result = abi::enter(&mut caller, costs::$cost, Effect::$effect, |context| {
                    $function(context, $($arg),*)
                });
                Box::new(abi::Turn::over(&mut caller, result))
            },
        )?
    };
    (waits, $linker:ident, $module:literal, $name:expr, ($($arg:ident: $ty:ident),*), $ret:ty,
     $effect:ident, $cost:ident, $function:path) => {
        $linker.func_wrap_async(
            $module,
            $name,
            |mut caller: Caller<'_, Guest>, ($($arg,)*): ($($ty,)*)| {
                Box::new(async move {
                    let enter = abi::enter_pending(
                        &mut caller,
                        costs::$cost,
                        Effect::$effect,
                        |context| $function(context, $($arg),*),
                    );
                    let result = enter.await;
                    abi::Turn::over(&mut caller, result).await
                })
            },
        )?
    };
}

macro_rules! host_functions {
    ($(
        $(#[doc = $doc:literal])+
        $availability:ident $when:ident $module:literal $naming:ident $name:literal
        ($($arg:ident: $ty:ident),*) -> $ret:ty,
        $effect:ident, $cost:ident => $function:path;
    )*) => {
        /// Every function of the host interface.
        pub const HOST_FUNCTIONS: &[HostFunction] = &[$(HostFunction {
            module: $module,
            name: $name,
            alias: alias!($naming $name),
            parameters: &[$(value_type!($ty)),*],
            result: <$ret as WasmType>::TYPE,
            cost: costs::$cost,
            effect: Effect::$effect,
            availability: Availability::$availability,
            doc: concat!($($doc),+),
        }),*];

        /// Defines every function of the table in `linker`.
        pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
            $(
                link_one!($when, linker, $module, $name, ($($arg: $ty),*), $ret,
                    $effect, $cost, $function);
                if let Some(alias) = alias!($naming $name) {
                    let alias: &str = alias;
                    link_one!($when, linker, $module, alias, ($($arg: $ty),*), $ret,
                        $effect, $cost, $function);
                }
            )*
            Ok(())
        }
    };
}

host_functions! {
    // ---- storage ----

    /// Writes a value under a key of 32 bytes.
    Stable now "seal0" alias "set_storage" (key: u32, value: u32, value_len: u32) -> (),
        Mutates, SET_STORAGE => storage::set_fixed_silent;
    /// Writes a value under a key of 32 bytes; tells the length of the one before.
    Stable now "seal1" alias "set_storage" (key: u32, value: u32, value_len: u32) -> u32,
        Mutates, SET_STORAGE => storage::set_fixed;
    /// Writes a value; tells the length of the one before.
    Stable now "seal2" alias "set_storage"
        (key: u32, key_len: u32, value: u32, value_len: u32) -> u32,
        Mutates, SET_STORAGE => storage::set;
    /// Removes the value under a key of 32 bytes.
    Stable now "seal0" alias "clear_storage" (key: u32) -> (),
        Mutates, CLEAR_STORAGE => storage::clear_fixed;
    /// Removes a value; tells its length.
    Stable now "seal1" alias "clear_storage" (key: u32, key_len: u32) -> u32,
        Mutates, CLEAR_STORAGE => storage::clear;
    /// Reads the value under a key of 32 bytes.
    Stable now "seal0" alias "get_storage" (key: u32, out: u32, out_len: u32) -> u32,
        Reads, GET_STORAGE => storage::get_fixed;
    /// Reads a value.
    Stable now "seal1" alias "get_storage"
        (key: u32, key_len: u32, out: u32, out_len: u32) -> u32,
        Reads, GET_STORAGE => storage::get;
    /// Tells the length of the value under a key of 32 bytes.
    Stable now "seal0" alias "contains_storage" (key: u32) -> u32,
        Reads, CONTAINS_STORAGE => storage::contains_fixed;
    /// Tells the length of a value.
    Stable now "seal1" alias "contains_storage" (key: u32, key_len: u32) -> u32,
        Reads, CONTAINS_STORAGE => storage::contains;
    /// Reads and removes a value.
    Stable now "seal0" alias "take_storage"
        (key: u32, key_len: u32, out: u32, out_len: u32) -> u32,
        Mutates, TAKE_STORAGE => storage::take;
    /// Writes a value that lives as long as the execution; tells the length of the one before.
    Unstable now "seal0" plain "set_transient_storage"
        (key: u32, key_len: u32, value: u32, value_len: u32) -> u32,
        Reads, SET_TRANSIENT => storage::set_transient;
    /// Removes a transient value; tells its length.
    Unstable now "seal0" plain "clear_transient_storage" (key: u32, key_len: u32) -> u32,
        Reads, CLEAR_TRANSIENT => storage::clear_transient;
    /// Reads a transient value.
    Unstable now "seal0" plain "get_transient_storage"
        (key: u32, key_len: u32, out: u32, out_len: u32) -> u32,
        Reads, GET_TRANSIENT => storage::get_transient;
    /// Tells the length of a transient value.
    Unstable now "seal0" plain "contains_transient_storage" (key: u32, key_len: u32) -> u32,
        Reads, CONTAINS_TRANSIENT => storage::contains_transient;
    /// Reads and removes a transient value.
    Unstable now "seal0" plain "take_transient_storage"
        (key: u32, key_len: u32, out: u32, out_len: u32) -> u32,
        Reads, TAKE_TRANSIENT => storage::take_transient;

    // ---- other contracts ----

    /// Moves balance to an account.
    Stable now "seal0" alias "transfer"
        (account: u32, account_len: u32, value: u32, value_len: u32) -> u32,
        Mutates, TRANSFER => calls::transfer;
    /// Calls a contract, which may re-enter.
    Stable waits "seal0" alias "call"
        (callee: u32, callee_len: u32, gas: u64, value: u32, value_len: u32, input: u32,
         input_len: u32, out: u32, out_len: u32) -> u32,
        Reads, CALL => calls::call_original;
    /// Calls a contract.
    Stable waits "seal1" alias "call"
        (flags: u32, callee: u32, gas: u64, value: u32, input: u32, input_len: u32, out: u32,
         out_len: u32) -> u32,
        Reads, CALL => calls::call_with_flags;
    /// Calls a contract, with a limit for its deposits.
    Stable waits "seal2" plain "call"
        (flags: u32, callee: u32, ref_time: u64, proof_size: u64, deposit: u32, value: u32,
         input: u32, input_len: u32, out: u32, out_len: u32) -> u32,
        Reads, CALL => calls::call_with_deposit;
    /// Runs another code as this contract.
    Stable waits "seal0" alias "delegate_call"
        (flags: u32, code_hash: u32, input: u32, input_len: u32, out: u32, out_len: u32) -> u32,
        Reads, DELEGATE_CALL => calls::delegate_call;
    /// Creates a contract.
    Stable waits "seal0" alias "instantiate"
        (code_hash: u32, code_hash_len: u32, gas: u64, value: u32, value_len: u32, input: u32,
         input_len: u32, address: u32, address_len: u32, out: u32, out_len: u32, salt: u32,
         salt_len: u32) -> u32,
        Mutates, INSTANTIATE => calls::instantiate_original;
    /// Creates a contract.
    Stable waits "seal1" alias "instantiate"
        (code_hash: u32, gas: u64, value: u32, input: u32, input_len: u32, address: u32,
         address_len: u32, out: u32, out_len: u32, salt: u32, salt_len: u32) -> u32,
        Mutates, INSTANTIATE => calls::instantiate;
    /// Creates a contract, with a limit for its deposits.
    Stable waits "seal2" plain "instantiate"
        (code_hash: u32, ref_time: u64, proof_size: u64, deposit: u32, value: u32, input: u32,
         input_len: u32, address: u32, address_len: u32, out: u32, out_len: u32, salt: u32,
         salt_len: u32) -> u32,
        Mutates, INSTANTIATE => calls::instantiate_with_deposit;
    /// Removes this contract and gives its balance to an account.
    Stable now "seal0" alias "terminate" (beneficiary: u32, beneficiary_len: u32) -> (),
        Mutates, TERMINATE => calls::terminate_original;
    /// Removes this contract and gives its balance to an account.
    Stable now "seal1" alias "terminate" (beneficiary: u32) -> (),
        Mutates, TERMINATE => calls::terminate;
    /// Replaces this contract's code.
    Stable now "seal0" alias "set_code_hash" (code_hash: u32) -> u32,
        Mutates, SET_CODE_HASH => calls::set_code_hash;
    /// Keeps a code from being removed.
    Stable now "seal0" plain "lock_delegate_dependency" (code_hash: u32) -> (),
        Mutates, LOCK_DEPENDENCY => calls::lock_delegate_dependency;
    /// Undoes `lock_delegate_dependency`.
    Stable now "seal0" plain "unlock_delegate_dependency" (code_hash: u32) -> (),
        Mutates, LOCK_DEPENDENCY => calls::unlock_delegate_dependency;
    /// Calls Pink, the extension.
    Stable waits "seal0" alias "call_chain_extension"
        (id: u32, input: u32, input_len: u32, out: u32, out_len: u32) -> u32,
        Reads, EXTENSION => calls::call_chain_extension;
    /// Would call the chain's runtime; always fails.
    Stable now "seal0" plain "call_runtime" (call: u32, call_len: u32) -> u32,
        Mutates, COPY_IN => calls::call_runtime;
    /// Would execute an XCM program; always fails.
    Stable now "seal0" plain "xcm_execute" (message: u32, message_len: u32) -> u32,
        Mutates, COPY_IN => calls::xcm_execute;
    /// Would send an XCM program; always fails.
    Stable now "seal0" plain "xcm_send"
        (destination: u32, message: u32, message_len: u32, out: u32) -> u32,
        Mutates, COPY_IN => calls::xcm_send;

    // ---- this call ----

    /// Copies the input.
    Stable now "seal0" alias "input" (out: u32, out_len: u32) -> (),
        Reads, COPY_OUT => context::input;
    /// Ends the contract with a result.
    Stable now "seal0" plain "seal_return" (flags: u32, data: u32, data_len: u32) -> (),
        Reads, COPY_IN => context::seal_return;
    /// Who called.
    Stable now "seal0" alias "caller" (out: u32, out_len: u32) -> (),
        Reads, GETTER => context::caller;
    /// Whether an account is a contract.
    Stable now "seal0" alias "is_contract" (account: u32) -> u32,
        Reads, LOOK_UP => context::is_contract;
    /// The code of a contract.
    Stable now "seal0" alias "code_hash" (account: u32, out: u32, out_len: u32) -> u32,
        Reads, LOOK_UP => context::code_hash;
    /// The code of this contract.
    Stable now "seal0" alias "own_code_hash" (out: u32, out_len: u32) -> (),
        Reads, GETTER => context::own_code_hash;
    /// Whether the caller began the whole call.
    Stable now "seal0" alias "caller_is_origin" () -> u32,
        Reads, GETTER => context::caller_is_origin;
    /// Whether the caller is root; contracts are never called by root here.
    Stable now "seal0" plain "caller_is_root" () -> u32,
        Reads, GETTER => context::caller_is_root;
    /// The address of this contract.
    Stable now "seal0" alias "address" (out: u32, out_len: u32) -> (),
        Reads, GETTER => context::address;
    /// The price of some gas.
    Stable now "seal0" alias "weight_to_fee" (gas: u64, out: u32, out_len: u32) -> (),
        Reads, FEE => context::weight_to_fee_of_gas;
    /// The price of some weight.
    Unstable now "seal1" plain "weight_to_fee"
        (ref_time: u64, proof_size: u64, out: u32, out_len: u32) -> (),
        Reads, FEE => context::weight_to_fee;
    /// The gas that is left.
    Stable now "seal0" alias "gas_left" (out: u32, out_len: u32) -> (),
        Reads, GETTER => context::gas_left;
    /// The weight that is left.
    Unstable now "seal1" plain "gas_left" (out: u32, out_len: u32) -> (),
        Reads, GETTER => context::weight_left;
    /// What this contract may spend.
    Stable now "seal0" alias "balance" (out: u32, out_len: u32) -> (),
        Reads, BALANCE => context::balance;
    /// What came with the call.
    Stable now "seal0" alias "value_transferred" (out: u32, out_len: u32) -> (),
        Reads, GETTER => context::value_transferred;
    /// A public random number.
    Deprecated now "seal0" alias "random"
        (subject: u32, subject_len: u32, out: u32, out_len: u32) -> (),
        Reads, SEED => context::random;
    /// A public random number and the block since when it is known.
    Deprecated now "seal1" alias "random"
        (subject: u32, subject_len: u32, out: u32, out_len: u32) -> (),
        Reads, SEED => context::random_with_block;
    /// The block's time in milliseconds.
    Stable now "seal0" alias "now" (out: u32, out_len: u32) -> (),
        Reads, GETTER => context::now;
    /// The existential deposit.
    Stable now "seal0" alias "minimum_balance" (out: u32, out_len: u32) -> (),
        Reads, GETTER => context::minimum_balance;
    /// Always zero.
    Deprecated now "seal0" alias "tombstone_deposit" (out: u32, out_len: u32) -> (),
        Reads, BALANCE => context::tombstone_deposit;
    /// Does nothing.
    Deprecated now "seal0" alias "restore_to"
        (dest: u32, dest_len: u32, code_hash: u32, code_hash_len: u32, rent: u32, rent_len: u32,
         delta: u32, delta_count: u32) -> (),
        Reads, GETTER => context::restore_to_original;
    /// Does nothing.
    Deprecated now "seal1" alias "restore_to"
        (dest: u32, code_hash: u32, rent: u32, delta: u32, delta_count: u32) -> (),
        Reads, GETTER => context::restore_to;
    /// Does nothing.
    Deprecated now "seal0" alias "set_rent_allowance" (value: u32, value_len: u32) -> (),
        Reads, GETTER => context::set_rent_allowance_original;
    /// Does nothing.
    Deprecated now "seal1" alias "set_rent_allowance" (value: u32) -> (),
        Reads, GETTER => context::set_rent_allowance;
    /// Always the largest balance.
    Deprecated now "seal0" alias "rent_allowance" (out: u32, out_len: u32) -> (),
        Reads, BALANCE => context::rent_allowance;
    /// Emits an event.
    Stable now "seal0" alias "deposit_event"
        (topics: u32, topics_len: u32, data: u32, data_len: u32) -> (),
        Mutates, EVENT => context::deposit_event;
    /// The number of the block.
    Stable now "seal0" alias "block_number" (out: u32, out_len: u32) -> (),
        Reads, GETTER => context::block_number;
    /// Writes to the debug messages.
    Stable now "seal0" alias "debug_message" (text: u32, text_len: u32) -> u32,
        Reads, DEBUG_MESSAGE => context::debug_message;
    /// Writes to the debug messages: what `debug_message` was up to ink! 3.0.0-rc3.
    Removed now "seal0" plain "seal_println" (text: u32, text_len: u32) -> (),
        Reads, DEBUG_MESSAGE => context::println;
    /// How often this contract is on the call stack besides.
    Unstable now "seal0" plain "reentrance_count" () -> u32,
        Reads, GETTER => context::reentrance_count;
    /// How often a contract is on the call stack.
    Unstable now "seal0" plain "account_reentrance_count" (account: u32) -> u32,
        Reads, GETTER => context::account_reentrance_count;
    /// A number that differs for every instantiation.
    Stable now "seal0" plain "instantiation_nonce" () -> u64,
        Reads, NONCE => context::instantiation_nonce;

    // ---- cryptography ----

    /// SHA2-256.
    Stable now "seal0" alias "hash_sha2_256" (input: u32, input_len: u32, out: u32) -> (),
        Reads, SHA2_256 => crypto::sha2_256;
    /// Keccak-256.
    Stable now "seal0" alias "hash_keccak_256" (input: u32, input_len: u32, out: u32) -> (),
        Reads, KECCAK_256 => crypto::keccak_256;
    /// BLAKE2b, 256 bits.
    Stable now "seal0" alias "hash_blake2_256" (input: u32, input_len: u32, out: u32) -> (),
        Reads, BLAKE2_256 => crypto::blake2_256;
    /// BLAKE2b, 128 bits.
    Stable now "seal0" alias "hash_blake2_128" (input: u32, input_len: u32, out: u32) -> (),
        Reads, BLAKE2_128 => crypto::blake2_128;
    /// The public key that made an ECDSA signature.
    Stable now "seal0" alias "ecdsa_recover" (signature: u32, hash: u32, out: u32) -> u32,
        Reads, ECDSA_RECOVER => crypto::ecdsa_recover;
    /// The Ethereum address of a public key.
    Stable now "seal0" alias "ecdsa_to_eth_address" (key: u32, out: u32) -> u32,
        Reads, ECDSA_TO_ETH => crypto::ecdsa_to_eth_address;
    /// Checks an sr25519 signature.
    Stable now "seal0" plain "sr25519_verify"
        (signature: u32, key: u32, message_len: u32, message: u32) -> u32,
        Reads, SR25519_VERIFY => crypto::sr25519_verify;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_functions_share_a_name() {
        let mut names = BTreeSet::new();
        for function in HOST_FUNCTIONS {
            assert!(names.insert((function.module, function.name)));
            if let Some(alias) = function.alias {
                assert!(names.insert((function.module, alias)));
            }
        }
        assert!(names.len() > 100);
    }

    #[test]
    fn functions_that_were_unstable_are_told_apart_by_their_types() {
        let module = |name, parameters: usize| {
            let found = find(UNSTABLE, name, |function| {
                function.parameters.len() == parameters
            });
            found.map(|(function, _)| function.module)
        };
        assert_eq!(module("seal_ecdsa_recover", 3), Some("seal0"));
        assert_eq!(module("seal_set_storage", 3), Some("seal1"));
        assert_eq!(module("seal_set_storage", 4), Some("seal2"));
        assert_eq!(module("get_storage", 4), Some("seal1"));
        assert_eq!(module("seal_rent_status", 4), None);
        assert!(find("seal9", "caller", |_| true).is_none());
    }
}
