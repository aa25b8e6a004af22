//! What a contract asks of the worker by emitting an event.
//!
//! The worker knows such an event by its only topic, takes it out of the
//! contract's ordinary events, and does what it says once the transaction or the
//! query has succeeded.

use ink::env::event::{state::HasRemainingTopics, TopicsBuilder, TopicsBuilderBackend};
use ink::env::{emit_event, Environment, Event};
use ink::prelude::vec::Vec;

use crate::system::{DriverError, Error, SidevmOperation as _, SidevmOperationRef};
use crate::{AccountId, Hash, PinkEnvironment, WorkerId};

/// The topic of every [`PinkEvent`]: `phala.pink.event` as SCALE encodes a string,
/// filled with zeros.
pub const EVENT_TOPIC: [u8; 32] = *b"\x40phala.pink.event\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// When a hook is called.
#[derive(Debug, Clone, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub enum HookPoint {
    /// After all messages of a block.
    OnBlockEnd,
}

/// A request to the worker. There is a function for each that says what it does;
/// emitting the event is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub enum PinkEvent {
    /// See [`set_hook`].
    #[codec(index = 2)]
    SetHook {
        /// When to call.
        hook: HookPoint,
        /// The contract to call.
        contract: AccountId,
        /// The message to call.
        selector: u32,
        /// Gas for the call.
        gas_limit: u64,
    },
    /// See [`deploy_sidevm_to`].
    #[codec(index = 3)]
    DeploySidevmTo {
        /// The contract.
        contract: AccountId,
        /// The program.
        code_hash: Hash,
    },
    /// See [`push_sidevm_message`].
    #[codec(index = 4)]
    SidevmMessage(Vec<u8>),
    /// Changes the contract's cache. A transaction's calls of `cache_set` and its
    /// like become this by themselves. Any contract may.
    #[codec(index = 5)]
    CacheOp(CacheOp),
    /// See [`force_stop_sidevm`].
    #[codec(index = 6)]
    StopSidevm,
    /// See [`stop_sidevm_at`].
    #[codec(index = 7)]
    ForceStopSidevm {
        /// The contract.
        contract: AccountId,
    },
    /// See [`set_log_handler`].
    #[codec(index = 8)]
    SetLogHandler(AccountId),
    /// See [`set_contract_weight`].
    #[codec(index = 9)]
    SetContractWeight {
        /// The contract.
        contract: AccountId,
        /// Its weight.
        weight: u32,
    },
    /// See [`upgrade_runtime`].
    #[codec(index = 10)]
    UpgradeRuntimeTo {
        /// Major and minor.
        version: (u32, u32),
    },
    /// Starts a SideVM on some workers, or bounds its life. The system contract may.
    #[codec(index = 11)]
    SidevmOperation(SidevmOperation),
    /// See [`set_js_runtime`].
    #[codec(index = 12)]
    SetJsRuntime(Hash),
}

/// A change of a contract's cache.
#[derive(Debug, Clone, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub enum CacheOp {
    /// Set a value.
    Set {
        /// Its key.
        key: Vec<u8>,
        /// The value.
        value: Vec<u8>,
    },
    /// Let a value expire.
    SetExpiration {
        /// Its key.
        key: Vec<u8>,
        /// In how many seconds from now.
        expiration: u64,
    },
    /// Remove a value.
    Remove {
        /// Its key.
        key: Vec<u8>,
    },
}

/// What happens to a SideVM.
#[derive(Debug, Clone, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub enum SidevmOperation {
    /// It starts.
    Start {
        /// The contract beside which it runs.
        contract: AccountId,
        /// The program.
        code_hash: Hash,
        /// Where it runs.
        workers: Workers,
        /// Its limits.
        config: SidevmConfig,
    },
    /// It ends later or sooner.
    SetDeadline {
        /// The contract beside which it runs.
        contract: AccountId,
        /// The last block in which it runs.
        deadline: u32,
    },
}

/// The workers on which a SideVM runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub enum Workers {
    /// All of the cluster.
    All,
    /// These.
    List(Vec<WorkerId>),
}

/// The limits of a SideVM.
#[derive(Debug, Clone, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub struct SidevmConfig {
    /// The largest program, in bytes.
    pub max_code_size: u32,
    /// The most memory, in pages of 64 KiB.
    pub max_memory_pages: u32,
    /// The most gas between two calls of the worker's functions.
    pub vital_capacity: u64,
    /// The last block in which it runs.
    pub deadline: u32,
}

impl Default for SidevmConfig {
    /// 10 MiB of code, 64 MiB of memory, about 20 ms without a call, no end.
    fn default() -> Self {
        Self {
            max_code_size: 10 * 1024 * 1024,
            max_memory_pages: 1024,
            vital_capacity: 50_000_000_000,
            deadline: u32::MAX,
        }
    }
}

impl Event for PinkEvent {
    type RemainingTopics = [HasRemainingTopics; 1];

    // ink! 4, whose contracts the worker knew first, had no such topic.
    const SIGNATURE_TOPIC: Option<[u8; 32]> = None;

    fn topics<E, B>(
        &self,
        builder: TopicsBuilder<ink::env::event::state::Uninit, E, B>,
    ) -> <B as TopicsBuilderBackend<E>>::Output
    where
        E: Environment,
        B: TopicsBuilderBackend<E>,
    {
        builder
            .build::<Self>()
            .push_topic(Some(&EVENT_TOPIC))
            .finish()
    }
}

fn emit(event: PinkEvent) {
    emit_event::<PinkEnvironment, _>(event)
}

/// Has the worker call the message `selector` of `contract` at some point of every
/// block, with at most `gas_limit` gas, which the contract pays. The system
/// contract may, in a transaction; others ask it with `System::set_hook`.
pub fn set_hook(hook: HookPoint, contract: AccountId, selector: u32, gas_limit: u64) {
    emit(PinkEvent::SetHook {
        hook,
        contract,
        selector,
        gas_limit,
    })
}

/// Asks the driver `SidevmOperation` to start a SideVM beside this contract.
/// `DriverNotFound` if the cluster has no such driver.
pub fn start_sidevm(code_hash: Hash) -> Result<(), DriverError> {
    let driver = SidevmOperationRef::instance().ok_or(Error::DriverNotFound)?;
    driver.deploy(code_hash)
}

/// Starts a SideVM beside `contract`. The system contract may.
pub fn deploy_sidevm_to(contract: AccountId, code_hash: Hash) {
    emit(PinkEvent::DeploySidevmTo {
        contract,
        code_hash,
    })
}

/// Stops the SideVM beside `contract`. The system contract may.
pub fn stop_sidevm_at(contract: AccountId) {
    emit(PinkEvent::ForceStopSidevm { contract })
}

/// Stops the SideVM beside this contract. Any contract may.
pub fn force_stop_sidevm() {
    emit(PinkEvent::StopSidevm)
}

/// Sends a message to the SideVM beside this contract; it is lost if there is none,
/// or if it is busy. Any contract may.
pub fn push_sidevm_message(message: Vec<u8>) {
    emit(PinkEvent::SidevmMessage(message))
}

/// Has the logs of the cluster sent to `contract`. The system contract may, in a
/// transaction.
pub fn set_log_handler(contract: AccountId) {
    emit(PinkEvent::SetLogHandler(contract))
}

/// Sets the program that evaluates JavaScript. The system contract may, in a
/// transaction.
pub fn set_js_runtime(code_hash: Hash) {
    emit(PinkEvent::SetJsRuntime(code_hash))
}

/// Sets the share of the workers that `contract` gets beside the others. The system
/// contract may, in a transaction.
///
/// The event carries 32 bits and there is no wider one: a weight beyond them is
/// `u32::MAX`.
pub fn set_contract_weight(contract: AccountId, weight: u32) {
    emit(PinkEvent::SetContractWeight { contract, weight })
}

/// Switches the engine to another version. The system contract may, in a
/// transaction.
pub fn upgrade_runtime(version: (u32, u32)) {
    emit(PinkEvent::UpgradeRuntimeTo { version })
}
