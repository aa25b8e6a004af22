//! What can go wrong: errors a contract sees (SCALE, as clients decode them), code that is refused,
//! and faults of the machine, which are nobody's result.

use codec::{Decode, Encode};

use crate::state::StateError;

/// Index of the contracts module that clients look up in a [`DispatchError::Module`].
pub const CONTRACTS_MODULE: u8 = 4;

/// A SCALE-compatible copy of `sp_runtime::DispatchError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum DispatchError {
    /// A failure with a fixed text; the text is not encoded.
    #[error("{0}")]
    Other(#[codec(skip)] &'static str),
    /// Failed to look up some data.
    #[error("lookup failed")]
    CannotLookup,
    /// The caller may not do this.
    #[error("the caller may not do this")]
    BadOrigin,
    /// An error of contract execution, see [`ContractError`].
    #[error("{}", ContractError::text_of(*index, *error))]
    Module {
        /// Index of the module, [`CONTRACTS_MODULE`] here.
        index: u8,
        /// Variant of the module's error, then zeros.
        error: [u8; 4],
    },
    /// The account still has consumers.
    #[error("the account is still in use")]
    ConsumerRemaining,
    /// The account does not exist.
    #[error("the account does not exist")]
    NoProviders,
    /// The account has too many consumers.
    #[error("the account is used too often")]
    TooManyConsumers,
    /// Moving tokens failed.
    #[error("moving tokens failed: {0}")]
    Token(TokenError),
}

impl From<ContractError> for DispatchError {
    fn from(error: ContractError) -> Self {
        Self::Module {
            index: CONTRACTS_MODULE,
            error: [error as u8, 0, 0, 0],
        }
    }
}

/// A SCALE-compatible copy of the variants of `sp_runtime::TokenError` that occur here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum TokenError {
    /// The account has less than the amount.
    #[error("the account has too little")]
    FundsUnavailable,
    /// The account would fall below the existential deposit while it must stay alive.
    #[error("the account must keep the existential deposit")]
    OnlyProvider,
    /// The receiving account would stay below the existential deposit.
    #[error("the receiver would have less than the existential deposit")]
    BelowMinimum,
}

macro_rules! contract_errors {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// An error of contract execution.
        ///
        /// The order up to [`ContractError::Indeterministic`] is the one `@phala/sdk` lists; what
        /// `pallet-contracts` 51 knows besides follows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
        #[repr(u8)]
        pub enum ContractError {
            $($(#[$doc])* #[error($text)] $name,)*
        }

        impl ContractError {
            /// Every variant, in the order of its index.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

contract_errors! {
    /// Not raised here: the gas schedule is part of the engine.
    InvalidScheduleVersion = "invalid gas schedule",
    /// Unknown or contradictory call or return flags.
    InvalidCallFlags = "invalid call or return flags",
    /// The gas limit is used up.
    OutOfGas = "out of gas",
    /// The contract's output buffer is too small for the value.
    OutputBufferTooSmall = "the contract's output buffer is too small",
    /// A balance transfer failed, most likely for lack of funds.
    TransferFailed = "a balance transfer failed",
    /// Calls are nested too deep.
    MaxCallDepthReached = "calls are nested too deep",
    /// There is no contract at the address.
    ContractNotFound = "there is no contract at this address",
    /// The code exceeds the size limit.
    CodeTooLarge = "the code is too large",
    /// There is no code with this hash.
    CodeNotFound = "there is no code with this hash; upload it first",
    /// A pointer or length lies outside the contract's memory.
    OutOfBounds = "a pointer lies outside the contract's memory",
    /// Input of a host function does not decode.
    DecodingFailed = "input of a host function does not decode",
    /// The contract's code trapped.
    ContractTrapped = "the contract trapped",
    /// A stored value or event exceeds the size limit.
    ValueTooLarge = "a value exceeds the size limit",
    /// A contract tried to terminate itself while it is on the call stack twice.
    TerminatedWhileReentrant = "terminated while re-entered",
    /// The input was forwarded to another call before.
    InputForwarded = "the input was forwarded already",
    /// The subject of `random` is too long.
    RandomSubjectTooLong = "the subject for randomness is too long",
    /// An event has too many topics.
    TooManyTopics = "an event has too many topics",
    /// Not raised here: there is a chain extension.
    NoChainExtension = "there is no chain extension",
    /// The address of the new contract is taken.
    DuplicateContract = "a contract with this address exists; use another salt",
    /// A constructor terminated its contract.
    TerminatedInConstructor = "terminated in its constructor",
    /// The called contract does not allow re-entry.
    ReentranceDenied = "re-entry was not allowed",
    /// The origin cannot pay the storage deposit limit.
    StorageDepositNotEnoughFunds = "the origin cannot pay the storage deposit",
    /// More storage deposit is needed than the limit allows.
    StorageDepositLimitExhausted = "the storage deposit limit is exhausted",
    /// The code is in use by a contract.
    CodeInUse = "the code is in use",
    /// The contract reverted; only where no return value can be given.
    ContractReverted = "the contract reverted",
    /// The code was refused.
    CodeRejected = "the code was refused",
    /// Query-only code was used where deterministic code is needed.
    Indeterministic = "query-only code cannot be used here",
    /// A read-only call tried to change state.
    StateChangeDenied = "a read-only call tried to change state",
    /// The contract locks too many delegate dependencies.
    MaxDelegateDependenciesReached = "too many delegate dependencies",
    /// The delegate dependency is not locked.
    DelegateDependencyNotFound = "the delegate dependency is not locked",
    /// The delegate dependency is locked already.
    DelegateDependencyAlreadyExists = "the delegate dependency is locked already",
    /// A contract cannot depend on its own code.
    CannotAddSelfAsDelegateDependency = "a contract cannot depend on its own code",
    /// Transient storage is full.
    OutOfTransientStorage = "transient storage is full",
}

impl ContractError {
    /// The variant at `index`, if there is one.
    pub fn from_index(index: u8) -> Option<Self> {
        Self::ALL.get(usize::from(index)).copied()
    }

    fn text_of(module: u8, error: [u8; 4]) -> String {
        match Self::from_index(error[0]) {
            Some(known) if module == CONTRACTS_MODULE => known.to_string(),
            _ => format!("error {} of module {module}", error[0]),
        }
    }
}

/// The machine, not the contract, failed. No result exists; in a transaction the caller must stop
/// rather than record one, because other workers may have succeeded.
#[derive(Debug, thiserror::Error)]
pub enum ExecutionFault {
    /// Committed state could not be read or does not decode.
    #[error("cluster state: {0}")]
    State(#[from] StateError),
    /// All instances of the pool are in use; try again later or enlarge `Config::instances`.
    #[error("all contract instances are in use")]
    Busy,
    /// [`Host::interrupted`](crate::Host::interrupted) said so.
    #[error("the execution was interrupted")]
    Interrupted,
    /// The Wasm runtime failed in a way that no contract can cause.
    #[error("the Wasm runtime failed: {0}")]
    Runtime(String),
}

/// Why code was refused. Each names the place where it can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeRejected {
    /// More bytes than allowed.
    #[error("the code has {size} bytes, at most {limit} are allowed")]
    TooLarge {
        /// Size of the code in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Not valid Wasm, or it uses a proposal that contracts may not use.
    #[error("not acceptable as Wasm at byte {offset:#x}: {reason}")]
    Invalid {
        /// What is wrong.
        reason: String,
        /// Offset into the code.
        offset: usize,
    },
    /// Deterministic code may not use floating point.
    #[error(
        "floating point in {function} at byte {offset:#x}; \
         remove it, or upload the code as query-only"
    )]
    Float {
        /// The function, by name and with its crate if the name section tells.
        function: String,
        /// Offset into the code.
        offset: usize,
    },
    /// A named limit is exceeded.
    #[error("{what}: {found}, at most {limit} are allowed{place}")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// The number found.
        found: u64,
        /// The limit.
        limit: u64,
        /// Where, empty if it concerns the whole module.
        place: String,
    },
    /// The imported function does not exist or has another type.
    #[error("import {module}.{name}: {reason}")]
    Import {
        /// Module of the import.
        module: String,
        /// Name of the import.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// `call` or `deploy` is missing or has the wrong type.
    #[error("export {name}: {reason}")]
    Export {
        /// Name of the export.
        name: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// There is a start function.
    #[error("start functions are not allowed")]
    Start,
    /// The memory is missing, doubled or shared, or a segment does not fit into it.
    #[error("memory: {0}")]
    Memory(&'static str),
    /// The compiler refused it.
    #[error("compilation failed: {0}")]
    Compile(String),
}

/// Why an upload failed.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The code was refused.
    #[error(transparent)]
    Rejected(#[from] CodeRejected),
    /// The deposit is above the given limit.
    #[error("the deposit is {needed}, above the limit of {limit}")]
    DepositLimit {
        /// Deposit the code needs.
        needed: u128,
        /// The limit given.
        limit: u128,
    },
    /// The owner cannot pay the deposit.
    #[error("the owner cannot pay the deposit of {needed}")]
    NotEnoughFunds {
        /// Deposit the code needs.
        needed: u128,
    },
    /// State could not be read.
    #[error(transparent)]
    State(#[from] StateError),
}

impl UploadError {
    /// The error as contract clients know it; `None` for a fault of the machine.
    pub fn contract_error(&self) -> Option<ContractError> {
        match self {
            Self::Rejected(CodeRejected::TooLarge { .. }) => Some(ContractError::CodeTooLarge),
            Self::Rejected(_) => Some(ContractError::CodeRejected),
            Self::DepositLimit { .. } => Some(ContractError::StorageDepositLimitExhausted),
            Self::NotEnoughFunds { .. } => Some(ContractError::StorageDepositNotEnoughFunds),
            Self::State(_) => None,
        }
    }
}

/// Why code could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveCodeError {
    /// There is no such code.
    #[error("there is no code with this hash")]
    NotFound,
    /// A contract uses it.
    #[error("the code is in use by {0} contracts")]
    InUse(u64),
    /// Somebody else uploaded it.
    #[error("only the account that uploaded the code may remove it")]
    NotOwner,
    /// State could not be read.
    #[error(transparent)]
    State(#[from] StateError),
}

/// How an operation inside a call ends when it does not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The contract's fault: an error with a place in the result.
    Contract(DispatchError),
    /// The machine's fault: ends the whole execution.
    Fault(ExecutionFault),
}

impl From<DispatchError> for Failure {
    fn from(error: DispatchError) -> Self {
        Self::Contract(error)
    }
}

impl From<ContractError> for Failure {
    fn from(error: ContractError) -> Self {
        Self::Contract(error.into())
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        Self::Fault(error.into())
    }
}

impl From<ExecutionFault> for Failure {
    fn from(fault: ExecutionFault) -> Self {
        Self::Fault(fault)
    }
}
