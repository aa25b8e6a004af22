//! Programs for the puppet, a contract that does as it is told (`puppet.wat`).

use phat_engine::{AccountId, CodeHash};

/// The puppet as WAT.
pub const PUPPET: &str = include_str!("puppet.wat");

/// What a puppet is told to do: steps, one after another.
pub type Program = Vec<Step>;

/// One thing a puppet does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Writes a value of some length under a key.
    Set(Vec<u8>, u16),
    /// Writes a value of some length under a key of the fixed kind.
    SetFixed([u8; 32], u16),
    /// Removes a value.
    Clear(Vec<u8>),
    /// Reads a value.
    Get(Vec<u8>),
    /// Reads and removes a value.
    Take(Vec<u8>),
    /// Reads a transient value.
    GetTransient(Vec<u8>),
    /// Reads and removes a transient value.
    TakeTransient(Vec<u8>),
    /// Writes a transient value of some length.
    SetTransient(Vec<u8>, u16),
    /// Moves balance.
    Transfer(AccountId, u128),
    /// Calls a puppet.
    Call {
        /// Call flags.
        flags: u8,
        /// Whom to call.
        callee: AccountId,
        /// Balance to send.
        value: u128,
        /// Limit for its deposits, zero for none.
        deposit_limit: u128,
        /// What it shall do.
        program: Program,
    },
    /// Runs a puppet's code as this contract.
    Delegate {
        /// Call flags.
        flags: u8,
        /// The code.
        code: CodeHash,
        /// What it shall do.
        program: Program,
    },
    /// Instantiates a puppet.
    Instantiate {
        /// Its code.
        code: CodeHash,
        /// Balance to send.
        value: u128,
        /// Limit for its deposits, zero for none.
        deposit_limit: u128,
        /// The salt.
        salt: Vec<u8>,
        /// What its constructor shall do.
        program: Program,
    },
    /// Ends the contract in favour of an account.
    Terminate(AccountId),
    /// Replaces the contract's code.
    SetCodeHash(CodeHash),
    /// Locks a code as delegate dependency.
    Lock(CodeHash),
    /// Unlocks a code.
    Unlock(CodeHash),
    /// Emits an event with topics (32 bytes each, if it is right) and data of some length.
    Event(Vec<u8>, u16),
    /// Notes everything there is to know about the call, and about an account.
    Look(AccountId),
    /// Returns with the flag for reverting.
    Revert,
    /// Traps.
    Trap,
}

impl Step {
    fn write(&self, out: &mut Vec<u8>) {
        let keyed = |out: &mut Vec<u8>, step: u8, key: &[u8]| {
            out.extend([step, key.len() as u8]);
            out.extend(key);
        };
        match self {
            Self::Set(key, length) => {
                keyed(out, 1, key);
                out.extend(length.to_le_bytes());
            }
            Self::SetFixed(key, length) => {
                out.push(2);
                out.extend(key);
                out.extend(length.to_le_bytes());
            }
            Self::Clear(key) => keyed(out, 3, key),
            Self::Get(key) => keyed(out, 4, key),
            Self::Take(key) => keyed(out, 5, key),
            Self::GetTransient(key) => keyed(out, 6, key),
            Self::TakeTransient(key) => keyed(out, 7, key),
            Self::SetTransient(key, length) => {
                keyed(out, 8, key);
                out.extend(length.to_le_bytes());
            }
            Self::Transfer(to, value) => {
                out.push(9);
                out.extend(to);
                out.extend(value.to_le_bytes());
            }
            Self::Call {
                flags,
                callee,
                value,
                deposit_limit,
                program,
            } => {
                out.extend([10, *flags]);
                out.extend(callee);
                out.extend(value.to_le_bytes());
                out.extend(deposit_limit.to_le_bytes());
                nest(out, program);
            }
            Self::Delegate {
                flags,
                code,
                program,
            } => {
                out.extend([11, *flags]);
                out.extend(code);
                nest(out, program);
            }
            Self::Instantiate {
                code,
                value,
                deposit_limit,
                salt,
                program,
            } => {
                out.push(12);
                out.extend(code);
                out.extend(value.to_le_bytes());
                out.extend(deposit_limit.to_le_bytes());
                out.push(salt.len() as u8);
                out.extend(salt);
                nest(out, program);
            }
            Self::Terminate(to) => {
                out.push(13);
                out.extend(to);
            }
            Self::SetCodeHash(code) => {
                out.push(14);
                out.extend(code);
            }
            Self::Lock(code) => {
                out.push(15);
                out.extend(code);
            }
            Self::Unlock(code) => {
                out.push(16);
                out.extend(code);
            }
            Self::Event(topics, length) => {
                keyed(out, 17, topics);
                out.extend(length.to_le_bytes());
            }
            Self::Look(account) => {
                out.push(18);
                out.extend(account);
            }
            Self::Revert => out.push(19),
            Self::Trap => out.push(20),
        }
    }

    /// The bytes of a program, as a puppet takes them.
    pub fn encode(program: &[Step]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for step in program {
            step.write(&mut bytes);
        }
        bytes.push(0);
        bytes
    }
}

fn nest(out: &mut Vec<u8>, program: &[Step]) {
    let bytes = Step::encode(program);
    out.extend((bytes.len() as u16).to_le_bytes());
    out.extend(bytes);
}
