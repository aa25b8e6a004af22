//! Runs one call of an ink! contract.
//!
//! A contract is Wasm that imports functions of the host. The [`Engine`] compiles it once, runs each
//! call in an instance of its own, and gives it the host interface of `pallet-contracts`
//! ([`HOST_FUNCTIONS`]) and Phala's Pink extension ([`pink`]). Contracts call contracts, create them,
//! move balances and emit events; all of it happens in an [`Overlay`] over the committed [`State`] of
//! a cluster, and what is to stay comes out of it as [`Changes`].
//!
//! The engine is pure. It has no clock, no socket, no randomness, no keys and no files: what it needs
//! comes in through [`State`] and [`Host`]. In a transaction the same code, state and host give the
//! same result, to the bit and to the unit of gas, on every machine:
//!
//! - every operator has a price, fixed here, and wasmtime counts it;
//! - the Wasm stack is counted too, in units, by instrumentation, and exhausted at the same call
//!   everywhere; the native stack is large enough never to matter;
//! - NaNs are canonical, and code that uses floating point runs in queries only;
//! - a trap in the middle of a loop, of which wasmtime does not know how much fuel it took, costs all
//!   the frame was given.
//!
//! What the machine gets wrong (a disk that fails, a pool that is empty) is an [`ExecutionFault`] and
//! never a result, so that no worker records one that others do not have.
//!
//! ```
//! # use phat_engine::*;
//! # struct MyHost;
//! # impl Host for MyHost {
//! #     fn mode(&self) -> ExecMode { ExecMode::Transaction }
//! #     fn block_number(&self) -> u32 { 1 }
//! #     fn now_ms(&self) -> u64 { 0 }
//! #     fn prices(&self) -> Prices { Prices::default() }
//! #     fn cluster_id(&self) -> [u8; 32] { [0; 32] }
//! #     fn system_contract(&self) -> Option<ContractId> { None }
//! #     fn worker_pubkey(&self) -> [u8; 32] { [0; 32] }
//! #     fn derive_secret(&self, _: &ContractId, _: &[u8]) -> Option<[u8; 64]> { None }
//! #     fn random(&self, length: usize) -> Vec<u8> { vec![0; length] }
//! #     fn random_seed(&self, _: &[u8]) -> [u8; 32] { [0; 32] }
//! #     fn http(&self, _: &ContractId, _: Vec<pink::HttpRequest>, _: u64)
//! #         -> BoxFuture<'_, HttpAnswers> { Box::pin(async { Ok(Vec::new()) }) }
//! #     fn cache_get(&self, _: &ContractId, _: &[u8]) -> Option<Vec<u8>> { None }
//! #     fn cache_set(&self, _: &ContractId, _: &[u8], _: &[u8]) -> bool { false }
//! #     fn cache_set_expiration(&self, _: &ContractId, _: &[u8], _: u64) {}
//! #     fn cache_remove(&self, _: &ContractId, _: &[u8]) -> Option<Vec<u8>> { None }
//! #     fn log(&self, _: &ContractId, _: u8, _: String) {}
//! # }
//! use std::sync::Arc;
//!
//! let wasm = wat::parse_str(
//!     r#"(module
//!         (import "env" "memory" (memory 1 1))
//!         (import "seal0" "seal_return" (func $return (param i32 i32 i32)))
//!         (data (i32.const 0) "hello")
//!         (func (export "deploy"))
//!         (func (export "call")
//!             (call $return (i32.const 0) (i32.const 0) (i32.const 5))))"#,
//! )?;
//! let engine = Engine::new(Config { instances: 4, ..Config::default() })?;
//! let host = Arc::new(MyHost);
//! let alice = [1; 32];
//!
//! // The state of the cluster, empty here, and the changes of one block over it.
//! let mut overlay = Overlay::new(Arc::new(Changes::new()));
//! let code_hash = engine
//!     .upload(&mut overlay, &host.prices(), alice, &wasm, Determinism::Enforced, None)?
//!     .code_hash;
//! futures::executor::block_on(async {
//!     let args = InstantiateArgs {
//!         origin: alice,
//!         code_hash,
//!         value: 0,
//!         gas_limit: 1_000_000_000,
//!         storage_deposit_limit: None,
//!         input: Vec::new(),
//!         salt: Vec::new(),
//!     };
//!     let outcome = engine.instantiate(&mut overlay, host.clone(), args).await?;
//!     let (_, contract) = outcome.result.expect("the constructor does nothing");
//!
//!     let args = CallArgs {
//!         origin: alice,
//!         dest: contract,
//!         value: 0,
//!         gas_limit: 1_000_000_000,
//!         storage_deposit_limit: None,
//!         input: Vec::new(),
//!     };
//!     let outcome = engine.call(&mut overlay, host, args).await?;
//!     assert_eq!(outcome.result.expect("it returns").data, b"hello");
//!     Ok::<_, ExecutionFault>(())
//! })?;
//! let changes = overlay.into_changes()?;
//! assert!(!changes.is_empty());
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where it differs from `pallet-contracts` 51
//!
//! - Bytecode: bulk memory, saturating conversions and multiple values are accepted, a memory of the
//!   contract's own is too, exports besides `call` and `deploy` are ignored, start functions are
//!   refused. See [`CodeRejected`].
//! - All functions are offered to all contracts, deprecated and unstable ones included.
//! - Values and events may have 1 MiB rather than 16 KiB, memory 64 pages rather than 16.
//! - Gas is lower, and storage is priced by what was found rather than charged for the worst case and
//!   refunded; `proof_size` is zero.
//! - In queries and estimates deposits are computed and not collected, so that an account without
//!   balance can ask anything.
//! - Debug messages are always recorded.
//! - An upload that the owner cannot pay is refused before its code is looked at.

mod compiled;
mod config;
mod deposit;
mod engine;
mod error;
mod exec;
mod gas;
mod host;
mod interface;
pub mod ledger;
mod outcome;
pub mod pink;
pub mod schema;
mod session;
mod setup;
mod state;
mod transient;
mod wasm;

pub use compiled::CompiledCodes;
pub use config::{Config, Limits, Prices, Profile};
pub use deposit::StorageDeposit;
pub use engine::{CallArgs, Code, Engine, InstantiateArgs, UploadOutcome};
pub use error::{
    CONTRACTS_MODULE, CodeRejected, ContractError, DispatchError, ExecutionFault, RemoveCodeError,
    TokenError, UploadError,
};
pub use host::{BoxFuture, ExecMode, Host, HttpAnswers};
pub use interface::{Availability, Cost, Effect, HOST_FUNCTIONS, HostFunction, ValueType};
pub use outcome::{
    ContractEvent, ExecReturn, InstantiateOutcome, LifecycleEvent, Outcome, REVERT, Report,
    TrapInfo,
};
pub use schema::{AccountId, CodeHash, ContractId, Determinism};
pub use state::{Changes, Overlay, State, StateError};
