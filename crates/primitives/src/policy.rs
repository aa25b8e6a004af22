//! The policy of a cluster: who calls free of charge, what calls are weighed by, and the contract that
//! is asked before anything is run. Who may deploy is part of it too, but stays on the chain, which
//! decides before it orders anything.
//!
//! # The control contract
//!
//! It is an ordinary contract of the cluster with a message of the selector [`CONTROL_SELECTOR`], whose
//! one argument is a [`Request`] and whose answer, encoded as ink! does, is an [`Answer`]:
//!
//! ```text
//! input  = selector ‖ SCALE Request
//! output = SCALE Answer: 0x0000 to allow; 0x0001 ‖ SCALE Refusal to refuse
//! ```
//!
//! Whatever else comes of the call, be it a trap or bytes of another shape, refuses: see [`Refused`].

use crate::{
    AccountId, CodeHash, ContractId,
    limits::{MAX_CONTROL_GAS, MAX_FREE_CALLERS, MAX_REFUSAL_REASON_LEN},
};
use alloc::string::String;
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// Selector of the message of a control contract that is asked: what ink! gives to the message
/// `allow` of a trait `Control`, the first four bytes of `blake2_256("Control::allow")`.
pub const CONTROL_SELECTOR: [u8; 4] = [0xb1, 0x02, 0x24, 0x08];

/// Module index of [`Refused::code`] in the `DispatchError` of a query's answer: one that no error of a
/// contract's execution has, so that clients do not take it for one of these.
pub const REFUSED_MODULE: u8 = 5;

/// What the owner of a cluster has laid down for it. The default lets everybody do everything, and
/// pay for it.
#[derive(
    Clone,
    PartialEq,
    Eq,
    Debug,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct Policy {
    /// Whose gas costs nothing.
    pub free: FreeCallers,
    /// What gives a call its weight in the queues of the workers.
    pub fee_model: FeeModel,
    /// Who is asked before anything is run; `None` if nobody is.
    pub control: Option<Control>,
}

impl Policy {
    /// Why this cannot be a policy.
    pub fn check(&self) -> Result<(), PolicyError> {
        match self.control {
            Some(control) if control.gas_limit == 0 || control.gas_limit > MAX_CONTROL_GAS => {
                Err(PolicyError::ControlGas)
            }
            _ => Ok(()),
        }
    }
}

/// Who is not charged the gas fee of commands, constructors, and, for contracts, calls at the end of a
/// block. Deposits for storage are charged all the same, since they come back.
#[derive(
    Clone,
    PartialEq,
    Eq,
    Debug,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub enum FreeCallers {
    /// Everybody pays.
    #[default]
    #[codec(index = 0)]
    Nobody,
    /// Nobody pays.
    #[codec(index = 1)]
    Everybody,
    /// These do not pay.
    #[codec(index = 2)]
    Listed(BoundedVec<AccountId, ConstU32<MAX_FREE_CALLERS>>),
}

impl FreeCallers {
    /// Whether the gas of this account costs nothing.
    pub fn contains(&self, account: &AccountId) -> bool {
        match self {
            Self::Nobody => false,
            Self::Everybody => true,
            Self::Listed(accounts) => accounts.contains(account),
        }
    }
}

/// What gives a call its weight in the queues of the workers.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub enum FeeModel {
    /// The stake on the contract that is called. Clusters in which everybody may deploy have this.
    #[default]
    #[codec(index = 0)]
    Stake,
    /// The amount that the caller names, and pays from a credit.
    #[codec(index = 1)]
    PayPerWeight,
}

/// The contract that is asked before each deployment and each execution.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct Control {
    /// The contract.
    pub contract: ContractId,
    /// Most gas that one answer may take: from 1 to [`MAX_CONTROL_GAS`]. Nobody is charged for it.
    pub gas_limit: u64,
}

/// Why something cannot be a policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PolicyError {
    /// The control contract is given no gas, or too much.
    ControlGas,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ControlGas => write!(
                f,
                "the gas limit of a control contract is from 1 to {MAX_CONTROL_GAS}"
            ),
        }
    }
}

impl core::error::Error for PolicyError {}

/// What a control contract is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Request {
    /// Who wants it.
    pub caller: AccountId,
    /// What is wanted.
    pub action: Action,
}

/// What somebody wants to do in a cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Action {
    /// Add code.
    #[codec(index = 0)]
    Upload {
        /// Its hash.
        code_hash: CodeHash,
    },
    /// Make a contract, or find out what that would cost.
    #[codec(index = 1)]
    Instantiate {
        /// The id that the contract would have.
        contract: ContractId,
        /// What it is made from.
        code_hash: CodeHash,
    },
    /// Call a contract by a command, or find out what that would cost.
    #[codec(index = 2)]
    Command {
        /// The contract.
        contract: ContractId,
        /// The message called; `None` if the input is too short for a selector.
        selector: Option<[u8; 4]>,
    },
    /// Call a contract by a query.
    #[codec(index = 3)]
    Query {
        /// The contract.
        contract: ContractId,
        /// The message called; `None` if the input is too short for a selector.
        selector: Option<[u8; 4]>,
    },
}

/// The answer of a control contract. ink! wraps what a message returns in a result of its own.
pub type Answer = Result<Result<(), Refusal>, LangError>;

/// What ink! returns in place of an answer if it cannot call the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum LangError {
    /// The input could not be read.
    #[codec(index = 1)]
    CouldNotReadInput,
}

/// A control contract's no.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Refusal {
    /// For programs. What it means is up to the contract.
    pub code: u16,
    /// For people: a sentence, of which [`MAX_REFUSAL_REASON_LEN`] bytes are passed on.
    pub reason: String,
}

/// Why the policy of a cluster has refused something.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Refused {
    /// The control contract said no.
    #[codec(index = 0)]
    ByControl(Refusal),
    /// There is no such contract any more.
    #[codec(index = 1)]
    ControlGone,
    /// The control contract needed more gas than it may use.
    #[codec(index = 2)]
    ControlOutOfGas,
    /// The control contract stopped; the reason in words.
    #[codec(index = 3)]
    ControlFailed(String),
    /// The control contract has no message of that selector, or gave an answer of another shape.
    #[codec(index = 4)]
    ControlUnclear,
}

impl Refused {
    /// The refusal that an answer holds, if it is one; what it says for people is cut to
    /// [`MAX_REFUSAL_REASON_LEN`] bytes.
    pub fn from_answer(answer: &[u8]) -> Option<Self> {
        let mut rest = answer;
        match Answer::decode(&mut rest) {
            Ok(Ok(allowed)) if rest.is_empty() => allowed.err().map(|mut refusal| {
                truncate(&mut refusal.reason);
                Self::ByControl(refusal)
            }),
            _ => Some(Self::ControlUnclear),
        }
    }

    /// The four bytes that name it in a query's error: the variant, and the code that the control
    /// contract gave.
    pub fn code(&self) -> [u8; 4] {
        match self {
            Self::ByControl(refusal) => {
                let [low, high] = refusal.code.to_le_bytes();
                [0, low, high, 0]
            }
            Self::ControlGone => [1, 0, 0, 0],
            Self::ControlOutOfGas => [2, 0, 0, 0],
            Self::ControlFailed(_) => [3, 0, 0, 0],
            Self::ControlUnclear => [4, 0, 0, 0],
        }
    }

    /// What [`Refused::code`] says: a name for the variant, and the code that the control contract
    /// gave, if it did. `None` if no refusal has this code.
    pub fn named(code: [u8; 4]) -> Option<(&'static str, Option<u16>)> {
        let name = match code[0] {
            0 => "control",
            1 => "control-gone",
            2 => "control-out-of-gas",
            3 => "control-failed",
            4 => "control-unclear",
            _ => return None,
        };
        let given = (code[0] == 0).then(|| u16::from_le_bytes([code[1], code[2]]));
        Some((name, given))
    }
}

/// Cuts a sentence to [`MAX_REFUSAL_REASON_LEN`] bytes, between characters.
fn truncate(reason: &mut String) {
    let mut end = reason.len().min(MAX_REFUSAL_REASON_LEN);
    while !reason.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    reason.truncate(end);
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByControl(Refusal { code, reason }) => {
                write!(f, "the control contract says no, code {code}: {reason}")
            }
            Self::ControlGone => f.write_str("the control contract is gone"),
            Self::ControlOutOfGas => {
                f.write_str("the control contract needs more gas than the policy gives it")
            }
            Self::ControlFailed(reason) => write!(f, "the control contract failed: {reason}"),
            Self::ControlUnclear => {
                f.write_str("the control contract gave no answer of the expected form")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Hash, blake2_256};

    #[test]
    fn the_selector_is_the_one_that_ink_gives_to_the_message_of_the_trait() {
        assert_eq!(CONTROL_SELECTOR, blake2_256(b"Control::allow")[..4]);
    }

    #[test]
    fn a_policy_that_gives_its_control_contract_no_gas_or_too_much_is_none() {
        let with = |gas_limit| Policy {
            control: Some(Control {
                contract: Hash::zero(),
                gas_limit,
            }),
            ..Policy::default()
        };
        assert_eq!(Policy::default().check(), Ok(()));
        assert_eq!(with(1).check(), Ok(()));
        assert_eq!(with(MAX_CONTROL_GAS).check(), Ok(()));
        for gas in [0, MAX_CONTROL_GAS + 1] {
            assert_eq!(with(gas).check(), Err(PolicyError::ControlGas));
        }
    }

    #[test]
    fn an_answer_is_a_yes_a_no_or_unclear() {
        assert_eq!(Refused::from_answer(&[0, 0]), None);
        let no = Refusal {
            code: 0x0102,
            reason: "members only".into(),
        };
        let answer: Answer = Ok(Err(no.clone()));
        let refused = Refused::from_answer(&answer.encode());
        assert_eq!(refused, Some(Refused::ByControl(no)));
        let code = refused.map(|refused| refused.code());
        assert_eq!(code, Some([0, 2, 1, 0]));
        assert_eq!(
            code.and_then(Refused::named),
            Some(("control", Some(0x0102)))
        );
        let gone = Refused::named(Refused::ControlGone.code());
        assert_eq!(gone, Some(("control-gone", None)));
        assert_eq!(Refused::named([5, 0, 0, 0]), None);
        let unclear: [&[u8]; 6] = [&[], &[0], &[0, 0, 0], &[0, 1], &[1, 1], &[2, 0]];
        for answer in unclear {
            assert_eq!(
                Refused::from_answer(answer),
                Some(Refused::ControlUnclear),
                "{answer:?}"
            );
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let reason = alloc::format!("{}ß and so on", "x".repeat(MAX_REFUSAL_REASON_LEN - 1));
        let answer: Answer = Ok(Err(Refusal { code: 7, reason }));
        let Some(Refused::ByControl(refusal)) = Refused::from_answer(&answer.encode()) else {
            panic!("it is a no");
        };
        assert_eq!(refusal.reason, "x".repeat(MAX_REFUSAL_REASON_LEN - 1));
    }
}
