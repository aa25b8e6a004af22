//! What both machines can do, and the form in which they tell about it.

use std::collections::BTreeMap;

use phat_engine::{
    AccountId, CallArgs, CodeHash, ContractEvent, ContractId, InstantiateArgs, LifecycleEvent,
    StorageDeposit,
};

/// What a contract returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// Its flags.
    pub flags: u32,
    /// Its data.
    pub data: Vec<u8>,
    /// The address, if this was an instantiation.
    pub contract: Option<ContractId>,
}

/// How a call or an instantiation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// What it returned, or the error by its name: the numbers of errors differ.
    pub result: Result<Returned, String>,
    /// Gas used.
    pub gas: u64,
    /// Storage deposit paid or refunded.
    pub deposit: StorageDeposit,
    /// Events of contracts, in order.
    pub events: Vec<ContractEvent>,
    /// Contracts instantiated, changed and terminated, in order.
    pub lifecycle: Vec<LifecycleEvent>,
    /// Debug messages.
    pub debug: Vec<u8>,
}

/// What is known of a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeRecord {
    /// Who uploaded it.
    pub owner: AccountId,
    /// Deposit held for it.
    pub deposit: u128,
    /// Contracts that use or depend on it.
    pub references: u64,
}

/// What is known of a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractRecord {
    /// Its code.
    pub code_hash: CodeHash,
    /// Bytes of its stored values.
    pub bytes: u64,
    /// Number of its stored values.
    pub items: u64,
    /// Deposits held for bytes, for items and for existing.
    pub deposits: (u128, u128, u128),
    /// Codes it depends on, with their deposits.
    pub dependencies: BTreeMap<CodeHash, u128>,
    /// Its values by hashed key, as the pallet stores them.
    pub storage: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// All state of a machine that means the same on both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Free and held balance of every account that exists.
    pub accounts: BTreeMap<AccountId, (u128, u128)>,
    /// Every code.
    pub codes: BTreeMap<CodeHash, CodeRecord>,
    /// Every contract.
    pub contracts: BTreeMap<ContractId, ContractRecord>,
    /// Instantiations so far.
    pub nonce: u64,
}

/// A machine that runs contracts. Money is never made or lost but by [`Machine::mint`].
pub trait Machine {
    /// Gives an account money.
    fn mint(&mut self, to: AccountId, amount: u128);
    /// Uploads deterministic code: its hash and the deposit taken, or the error's name.
    fn upload(
        &mut self,
        owner: AccountId,
        wasm: &[u8],
        deposit_limit: Option<u128>,
    ) -> Result<(CodeHash, u128), String>;
    /// Removes code, or says why not.
    fn remove_code(&mut self, owner: AccountId, code_hash: CodeHash) -> Result<(), String>;
    /// Instantiates a contract.
    fn instantiate(&mut self, args: InstantiateArgs) -> Ending;
    /// Calls a contract.
    fn call(&mut self, args: CallArgs) -> Ending;
    /// All state.
    fn snapshot(&mut self) -> Snapshot;
}
