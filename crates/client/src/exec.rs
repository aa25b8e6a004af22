//! How the execution of a contract ended, in the form in which workers answer queries: the
//! `ContractExecResult` and `ContractInstantiateResult` that polkadot.js 10 knows.

use codec::{Compact, Decode, Encode};
use phat_primitives::{AccountId, Balance, policy::REFUSED_MODULE};

/// Index of the contracts' pallet in errors: what `@phala/sdk` takes for a `ContractError`.
pub const CONTRACTS_MODULE: u8 = 4;

/// How an execution ended.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct ExecResult<T> {
    /// Gas that was used.
    pub gas_consumed: Weight,
    /// Gas that has to be offered for it to succeed, which can be more.
    pub gas_required: Weight,
    /// What storage costs or gives back.
    pub storage_deposit: StorageDeposit,
    /// Text that the contract printed.
    pub debug_message: Vec<u8>,
    /// What came of it.
    pub result: Result<T, ExecError>,
}

/// What a message returned.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Returned {
    /// Bit 0: all that the call did has been undone.
    pub flags: u32,
    /// The returned bytes.
    pub data: Vec<u8>,
}

impl Returned {
    /// The contract asked for everything to be undone.
    pub fn reverted(&self) -> bool {
        self.flags & 1 != 0
    }
}

/// What an instantiation returned.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Instantiated {
    /// What the constructor returned.
    pub result: Returned,
    /// The new contract.
    pub account_id: AccountId,
}

/// Gas in two dimensions, of which the second is not used here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Weight {
    /// Units of gas.
    pub ref_time: u64,
    /// Always 0.
    pub proof_size: u64,
}

impl Encode for Weight {
    fn encode_to<O: codec::Output + ?Sized>(&self, dest: &mut O) {
        (Compact(self.ref_time), Compact(self.proof_size)).encode_to(dest);
    }
}

impl Decode for Weight {
    fn decode<I: codec::Input>(input: &mut I) -> Result<Self, codec::Error> {
        let (ref_time, proof_size) = <(Compact<u64>, Compact<u64>)>::decode(input)?;
        Ok(Self {
            ref_time: ref_time.0,
            proof_size: proof_size.0,
        })
    }
}

/// What storage costs or gives back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum StorageDeposit {
    /// Less is stored than before: the caller gets this back.
    Refund(Balance),
    /// More is stored: the caller pays this.
    Charge(Balance),
}

impl StorageDeposit {
    /// What the caller has to pay.
    pub fn charge(&self) -> Balance {
        match self {
            Self::Refund(_) => 0,
            Self::Charge(amount) => *amount,
        }
    }
}

/// Why an execution did nothing: the `DispatchError` of Substrate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, thiserror::Error)]
pub enum ExecError {
    /// No further reason is known.
    #[error("the worker gives no reason")]
    Other,
    /// An account could not be found.
    #[error("an account could not be looked up")]
    CannotLookup,
    /// The caller may not do this.
    #[error("the caller may not do this")]
    BadOrigin,
    /// A module's error.
    #[error("{}", module_error(*.index, *.error))]
    Module {
        /// Which module.
        index: u8,
        /// Which of its errors: the first byte.
        error: [u8; 4],
    },
    /// The account is still in use.
    #[error("an account is still in use and cannot be removed")]
    ConsumerRemaining,
    /// The account cannot exist.
    #[error("an account cannot be created because nothing holds it")]
    NoProviders,
    /// The account is used too often.
    #[error("an account has too many users")]
    TooManyConsumers,
    /// Money could not be moved.
    #[error("money could not be moved: {}", token_error(*.0))]
    Token(u8),
    /// A number ran over.
    #[error("a number ran over its range")]
    Arithmetic(u8),
    /// Nested too deeply.
    #[error("too many nested transactions")]
    Transactional(u8),
    /// A resource is exhausted.
    #[error("a resource is exhausted")]
    Exhausted,
    /// The state is broken.
    #[error("the state is corrupt")]
    Corruption,
    /// Something is missing at present.
    #[error("something is unavailable at present")]
    Unavailable,
    /// Root may not do this.
    #[error("the root origin is not allowed here")]
    RootNotAllowed,
}

impl ExecError {
    /// Name of the contract error as `@phala/sdk` lists them.
    pub fn contract_error(&self) -> Option<&'static str> {
        match self {
            Self::Module {
                index: CONTRACTS_MODULE,
                error,
            } => CONTRACT_ERRORS
                .get(usize::from(error[0]))
                .map(|(name, _)| *name),
            _ => None,
        }
    }

    /// What the cluster's policy refuses it with, see [`phat_primitives::policy::Refused::code`];
    /// `None` if it was not refused. The sentence is in [`ExecResult::debug_message`].
    pub fn policy_code(&self) -> Option<[u8; 4]> {
        match self {
            Self::Module {
                index: REFUSED_MODULE,
                error,
            } => Some(*error),
            _ => None,
        }
    }
}

fn module_error(index: u8, error: [u8; 4]) -> String {
    match CONTRACT_ERRORS.get(usize::from(error[0])) {
        Some((name, meaning)) if index == CONTRACTS_MODULE => format!("{meaning} ({name})"),
        _ if index == REFUSED_MODULE => "the cluster's policy does not allow it".to_owned(),
        _ => format!("error {} of module {index}", error[0]),
    }
}

fn token_error(index: u8) -> &'static str {
    match index {
        0 => "the account does not have it",
        2 => "the receiving account would have less than the minimum",
        _ => "the account does not allow it",
    }
}

/// The contracts' errors in the order of `@phala/sdk`, and what they mean.
const CONTRACT_ERRORS: [(&str, &str); 27] = [
    ("InvalidScheduleVersion", "the price list is outdated"),
    (
        "InvalidCallFlags",
        "a contract called another with flags that exclude each other",
    ),
    ("OutOfGas", "the gas is used up: offer more"),
    (
        "OutputBufferTooSmall",
        "a contract gave too little room for a result",
    ),
    (
        "TransferFailed",
        "money could not be transferred: an account does not have it",
    ),
    (
        "MaxCallDepthReached",
        "contracts called each other too deeply",
    ),
    ("ContractNotFound", "there is no contract at this address"),
    ("CodeTooLarge", "the code is too large"),
    (
        "CodeNotFound",
        "there is no code with this hash in the cluster: upload it first",
    ),
    ("OutOfBounds", "a contract pointed outside of its memory"),
    (
        "DecodingFailed",
        "a contract passed bytes that cannot be decoded",
    ),
    ("ContractTrapped", "the contract panicked or trapped"),
    ("ValueTooLarge", "a value is too large to be stored"),
    (
        "TerminatedWhileReentrant",
        "a contract tried to remove itself while it was called twice",
    ),
    (
        "InputForwarded",
        "a contract read its input after it had passed it on",
    ),
    (
        "RandomSubjectTooLong",
        "the subject of randomness is too long",
    ),
    ("TooManyTopics", "an event has too many topics"),
    (
        "NoChainExtension",
        "the contract uses a chain extension that does not exist here",
    ),
    (
        "DuplicateContract",
        "the contract exists already: choose another salt",
    ),
    (
        "TerminatedInConstructor",
        "the contract removed itself in its constructor",
    ),
    (
        "ReentranceDenied",
        "a contract was called while it was still running, which it does not allow",
    ),
    (
        "StorageDepositNotEnoughFunds",
        "the caller cannot pay the storage deposit: transfer more into the cluster",
    ),
    (
        "StorageDepositLimitExhausted",
        "the storage deposit exceeds its limit",
    ),
    ("CodeInUse", "the code is still in use"),
    (
        "ContractReverted",
        "the contract asked for everything to be undone",
    ),
    ("CodeRejected", "the code is refused"),
    (
        "Indeterministic",
        "the code may give different results on different workers",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_decoded_as_polkadot_js_does() {
        let bytes = [
            &[0x04, 0x00][..],               // gas consumed 1, 0
            &[0x08, 0x00],                   // gas required 2, 0
            &[0x01],                         // Charge
            &7u128.to_le_bytes(),            // of 7
            &[0x08, b'h', b'i'],             // debug message
            &[0x00, 0x01, 0x00, 0x00, 0x00], // Ok, reverted
            &[0x08, 0xaa, 0xbb],             // data
        ]
        .concat();
        let result = ExecResult::<Returned>::decode(&mut bytes.as_slice()).unwrap();
        assert_eq!(
            result.gas_required,
            Weight {
                ref_time: 2,
                proof_size: 0
            }
        );
        assert_eq!(result.storage_deposit, StorageDeposit::Charge(7));
        assert_eq!(result.debug_message, b"hi");
        assert_eq!(result.encode(), bytes);
        let returned = result.result.unwrap();
        assert!(returned.reverted());
        assert_eq!(returned.data, [0xaa, 0xbb]);
    }

    #[test]
    fn contract_errors_have_the_names_of_the_sdk() {
        let error = |index, first| ExecError::Module {
            index,
            error: [first, 0, 0, 0],
        };
        assert_eq!(error(4, 2).contract_error(), Some("OutOfGas"));
        assert_eq!(error(4, 26).contract_error(), Some("Indeterministic"));
        assert_eq!(error(4, 27).contract_error(), None);
        assert_eq!(error(5, 2).contract_error(), None);
        assert_eq!(error(4, 2).policy_code(), None);
        assert_eq!(error(5, 2).policy_code(), Some([2, 0, 0, 0]));
        assert!(error(5, 2).to_string().contains("policy"));
        assert!(error(4, 11).to_string().contains("ContractTrapped"));
        assert_eq!(
            ExecError::decode(&mut &[3, 4, 2, 0, 0, 0][..]),
            Ok(error(4, 2))
        );
    }
}
