//! What an execution hands back.

use std::fmt;

use codec::{Compact, Encode};

use crate::{
    deposit::StorageDeposit,
    error::DispatchError,
    pink::PinkEvent,
    schema::{AccountId, CodeHash, ContractId},
};

/// The flag of [`ExecReturn::flags`] by which a contract asks to undo its changes.
pub const REVERT: u32 = 1;

/// What a contract returned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, codec::Decode)]
pub struct ExecReturn {
    /// [`REVERT`] or zero.
    pub flags: u32,
    /// The returned bytes; with ink!, a SCALE `Result`.
    pub data: Vec<u8>,
}

impl ExecReturn {
    /// Whether the contract asked to undo its changes.
    pub fn did_revert(&self) -> bool {
        self.flags & REVERT != 0
    }
}

/// An event a contract emitted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, codec::Decode)]
pub struct ContractEvent {
    /// Who emitted it.
    pub contract: ContractId,
    /// Its topics.
    pub topics: Vec<[u8; 32]>,
    /// Its data.
    pub data: Vec<u8>,
}

/// Something that happened to a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LifecycleEvent {
    /// It was instantiated.
    Instantiated {
        /// Who instantiated it.
        deployer: AccountId,
        /// The new contract.
        contract: ContractId,
        /// Its code.
        code_hash: CodeHash,
    },
    /// It replaced its code.
    CodeChanged {
        /// The contract.
        contract: ContractId,
        /// Its code before.
        old: CodeHash,
        /// Its code now.
        new: CodeHash,
    },
    /// It terminated itself.
    Terminated {
        /// The contract.
        contract: ContractId,
        /// Who got its balance.
        beneficiary: AccountId,
    },
}

/// A contract that did not end by itself, for people to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrapInfo {
    /// The contract that trapped.
    pub contract: ContractId,
    /// The contracts on the call stack, the first called first.
    pub stack: Vec<ContractId>,
    /// What happened.
    pub reason: String,
    /// The message of a panic, if the contract was built to tell.
    pub panic: Option<String>,
}

impl fmt::Display for TrapInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        if let Some(panic) = &self.panic {
            write!(f, ": {panic}")?;
        }
        write!(f, " (in 0x{}", hex::encode(self.contract))?;
        for caller in self.stack.iter().rev().skip(1) {
            write!(f, ", called by 0x{}", hex::encode(caller))?;
        }
        f.write_str(")")
    }
}

/// What every execution has to say, successful or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Gas used.
    pub gas_consumed: u64,
    /// The smallest gas limit that would have sufficed.
    pub gas_required: u64,
    /// Storage deposit paid or refunded; in queries and estimates, what it would be.
    pub storage_deposit: StorageDeposit,
    /// What contracts wrote with `debug_message`.
    pub debug_message: Vec<u8>,
    /// Events of contracts, those of Pink not included.
    pub events: Vec<ContractEvent>,
    /// Requests of contracts to the worker, with who made them; only such as they may make.
    pub pink_events: Vec<(ContractId, PinkEvent)>,
    /// Contracts instantiated, changed and terminated.
    pub lifecycle: Vec<LifecycleEvent>,
    /// Contracts that trapped, in order. A successful execution may have some too, if a caller
    /// handled the failure. Of more than sixteen, the first eight and the last eight.
    pub traps: Vec<TrapInfo>,
    /// By how much the origin could not pay the storage deposit, in words, if that is why it failed.
    pub shortfall: Option<String>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Gas, deposit, events and the rest.
    pub report: Report,
    /// What the contract returned. Changes persist only if it did not revert.
    pub result: Result<ExecReturn, DispatchError>,
}

impl Outcome {
    /// Whether changes were kept.
    pub fn succeeded(&self) -> bool {
        matches!(&self.result, Ok(output) if !output.did_revert())
    }

    /// The SCALE bytes of `ContractExecResult`, as polkadot.js 10 decodes it.
    pub fn encode_exec_result(&self) -> Vec<u8> {
        let mut bytes = self.report.encode_head(self.result.as_ref().err());
        self.result.encode_to(&mut bytes);
        bytes
    }
}

/// How an instantiation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstantiateOutcome {
    /// Gas, deposit, events and the rest.
    pub report: Report,
    /// What the constructor returned, and the address. The contract exists only if the constructor
    /// did not revert.
    pub result: Result<(ExecReturn, ContractId), DispatchError>,
}

impl InstantiateOutcome {
    /// Whether the contract exists now.
    pub fn succeeded(&self) -> bool {
        matches!(&self.result, Ok((output, _)) if !output.did_revert())
    }

    /// The SCALE bytes of `ContractInstantiateResult`, as polkadot.js 10 decodes it.
    pub fn encode_instantiate_result(&self) -> Vec<u8> {
        let mut bytes = self.report.encode_head(self.result.as_ref().err());
        self.result.encode_to(&mut bytes);
        bytes
    }
}

impl Report {
    /// Why an execution failed with `error`, in one line for people: the error, the limit or the
    /// panic behind it, the contract and who called it, and the failures that led to it.
    pub fn explain(&self, error: &DispatchError) -> String {
        /// Traps told of, the last first: the outermost, and what it stumbled over.
        const TOLD: usize = 4;
        // The error of the whole is that of the first frame, if that one trapped.
        let first = self.traps.last().filter(|trap| trap.stack.len() == 1);
        let mut text = match first {
            Some(trap) => trap.to_string(),
            None => error.to_string(),
        };
        if let Some(trap) = first
            && !trap.reason.starts_with(&error.to_string())
        {
            text = format!("{error}: {text}");
        }
        if let Some(shortfall) = &self.shortfall {
            text = format!("{text}: {shortfall}");
        }
        let told = usize::from(first.is_some());
        for trap in self.traps.iter().rev().skip(told).take(TOLD - told) {
            text = format!("{text}; before that: {trap}");
        }
        text
    }

    /// The part both results begin with: two weights, the deposit, the debug message. Clients know
    /// no other place for words, so the explanation of a failure goes to the end of the latter.
    fn encode_head(&self, error: Option<&DispatchError>) -> Vec<u8> {
        let weight = |gas: u64| (Compact(gas), Compact(0u64));
        let mut debug_message = self.debug_message.clone();
        if let Some(error) = error {
            if !debug_message.is_empty() && !debug_message.ends_with(b"\n") {
                debug_message.push(b'\n');
            }
            debug_message.extend(self.explain(error).into_bytes());
        }
        (
            weight(self.gas_consumed),
            weight(self.gas_required),
            self.storage_deposit,
            debug_message,
        )
            .encode()
    }
}
