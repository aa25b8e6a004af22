//! The interface of a control contract: the one that a cluster asks before each
//! deployment and each execution, if its owner has named one in its policy.
//!
//! It answers as in a query without HTTP: from the state alone, so that all
//! workers get the same answer, and what it writes is dropped. Whatever it does
//! but allow, refuses: an error, a panic, more gas than the policy gives it.
//! The caller of the message is the system contract of the cluster.
//!
//! ```ignore
//! use pink::control::{Control, Refusal, Request};
//!
//! impl Control for MyContract {
//!     #[ink(message)]
//!     fn allow(&self, request: Request) -> Result<(), Refusal> {
//!         if self.members.contains(request.caller) {
//!             return Ok(());
//!         }
//!         Err(Refusal { code: 1, reason: "members only".into() })
//!     }
//! }
//! ```

use ink::prelude::string::String;

use crate::{AccountId, Hash};

/// What a control contract answers.
#[ink::trait_definition]
pub trait Control {
    /// Says whether this may be done. Who is refused is told why.
    #[ink(message, selector = 0xb1022408)]
    fn allow(&self, request: Request) -> Result<(), Refusal>;
}

/// What somebody wants of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub struct Request {
    /// Who wants it.
    pub caller: AccountId,
    /// What is wanted.
    pub action: Action,
}

/// What somebody wants to do. An estimate of what something would cost is asked
/// for as if it were done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub enum Action {
    /// Add code.
    #[codec(index = 0)]
    Upload {
        /// Its hash.
        code_hash: Hash,
    },
    /// Make a contract.
    #[codec(index = 1)]
    Instantiate {
        /// The address that the contract would have.
        contract: AccountId,
        /// Hash of its code.
        code_hash: Hash,
    },
    /// Call a contract by a command.
    #[codec(index = 2)]
    Command {
        /// The contract.
        contract: AccountId,
        /// The message; `None` if the input is too short for a selector.
        selector: Option<[u8; 4]>,
    },
    /// Call a contract by a query.
    #[codec(index = 3)]
    Query {
        /// The contract.
        contract: AccountId,
        /// The message; `None` if the input is too short for a selector.
        selector: Option<[u8; 4]>,
    },
}

/// Why something may not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub struct Refusal {
    /// For programs: whatever the contract means by it.
    pub code: u16,
    /// For people: one sentence, of which 256 bytes are passed on.
    pub reason: String,
}
