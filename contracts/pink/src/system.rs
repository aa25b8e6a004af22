//! The interfaces of the system contract and of the drivers.
//!
//! A [`SystemRef`] is the system contract of the cluster; `SystemRef::instance()`
//! has the messages of [`System`], which must be in scope. A driver is a contract
//! that the system contract knows by the name of its interface:
//!
//! ```ignore
//! use pink::system::{System, SystemRef};
//! let driver = SystemRef::instance().get_driver("PinkLogger".into());
//! ```

use core::ops::{Deref, DerefMut};
use ink::contract_ref;
use ink::prelude::{string::String, vec::Vec};

use crate::{
    AccountId, Balance, BlockNumber, Hash, HookPoint, PinkEnvironment, SidevmConfig, WorkerId,
};

/// Major, minor and patch.
pub type VersionTuple = (u16, u16, u16);

/// What the messages of the system contract return.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why the system contract did not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub enum Error {
    /// The caller has no right to it. (Spelled as the interface spells it.)
    PermisionDenied,
    /// No contract is a driver of this name.
    DriverNotFound,
    /// There is no such code.
    CodeNotFound,
    /// The arguments, or the state of the cluster, do not allow it.
    ConditionNotMet,
}

/// Why a driver did not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub enum DriverError {
    /// A reason of its own, in words.
    Other(String),
    /// What the system contract answered.
    SystemError(Error),
    /// The caller has no right to it.
    BadOrigin,
}

impl From<Error> for DriverError {
    fn from(error: Error) -> Self {
        Self::SystemError(error)
    }
}

/// A kind of code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub enum CodeType {
    /// Of contracts.
    Ink,
    /// Of SideVMs.
    Sidevm,
}

impl CodeType {
    /// Whether it is code of contracts.
    pub fn is_ink(&self) -> bool {
        matches!(self, Self::Ink)
    }

    /// Whether it is code of SideVMs.
    pub fn is_sidevm(&self) -> bool {
        matches!(self, Self::Sidevm)
    }
}

/// The system contract, with which every cluster is created.
///
/// Some functions and events are for it alone. Contracts ask it for them, and it
/// knows who may.
#[ink::trait_definition(namespace = "pink_system")]
pub trait System {
    /// The version of the system contract.
    #[ink(message, selector = 0x87c98a8d)]
    fn version(&self) -> VersionTuple;

    /// Makes an administrator. The owner may.
    #[ink(message)]
    fn grant_admin(&mut self, contract_id: AccountId) -> Result<()>;

    /// Whether this is an administrator.
    #[ink(message)]
    fn is_admin(&self, contract_id: AccountId) -> bool;

    /// Makes a contract the driver of a name. The owner and administrators may.
    #[ink(message)]
    fn set_driver(&mut self, name: String, contract_id: AccountId) -> Result<()>;

    /// The driver of a name.
    #[ink(message)]
    fn get_driver(&self, name: String) -> Option<AccountId>;

    /// The driver of a name, and since which block.
    #[ink(message)]
    fn get_driver2(&self, name: String) -> Option<(BlockNumber, AccountId)>;

    /// Starts a SideVM beside a contract. Administrators may.
    #[ink(message)]
    fn deploy_sidevm_to(&self, contract_id: AccountId, code_hash: Hash) -> Result<()>;

    /// Stops the SideVM beside a contract. Administrators may.
    #[ink(message)]
    fn stop_sidevm_at(&self, contract_id: AccountId) -> Result<()>;

    /// See [`set_hook`](crate::set_hook). Administrators may.
    #[ink(message)]
    fn set_hook(
        &mut self,
        hook: HookPoint,
        contract_id: AccountId,
        selector: u32,
        gas_limit: u64,
    ) -> Result<()>;

    /// See [`set_contract_weight`](crate::set_contract_weight). Administrators may.
    #[ink(message)]
    fn set_contract_weight(&self, contract_id: AccountId, weight: u32) -> Result<()>;

    /// What an account owns.
    #[ink(message)]
    fn total_balance_of(&self, account: AccountId) -> Balance;

    /// What an account can spend.
    #[ink(message)]
    fn free_balance_of(&self, account: AccountId) -> Balance;

    /// Replaces the system contract's code by the newest on the chain. The owner may.
    #[ink(message)]
    fn upgrade_system_contract(&mut self) -> Result<()>;

    /// Asked of new code by old: takes the state of `from_version` over, or refuses.
    #[ink(message)]
    fn do_upgrade(&self, from_version: VersionTuple) -> Result<()>;

    /// See [`upgrade_runtime`](crate::upgrade_runtime). The owner may.
    #[ink(message)]
    fn upgrade_runtime(&mut self, version: (u32, u32)) -> Result<()>;

    /// Whether the cluster has this code.
    #[ink(message)]
    fn code_exists(&self, code_hash: Hash, code_type: CodeType) -> bool;

    /// The hash of a contract's code.
    #[ink(message)]
    fn code_hash(&self, account: AccountId) -> Option<ink::primitives::Hash>;

    /// Who was driver of a name before, and since which block, oldest first.
    #[ink(message)]
    fn driver_history(&self, name: String) -> Option<Vec<(BlockNumber, AccountId)>>;

    /// The block of the next event, and the hash of the last.
    #[ink(message)]
    fn current_event_chain_head(&self) -> (u64, Hash);

    /// Starts a SideVM beside a contract on these workers. Administrators may.
    #[ink(message)]
    fn deploy_sidevm_to_workers(
        &self,
        contract_id: AccountId,
        code_hash: Hash,
        workers: Vec<WorkerId>,
        config: SidevmConfig,
    ) -> Result<()>;

    /// Sets the last block in which the SideVM beside a contract runs.
    /// Administrators may.
    #[ink(message)]
    fn set_sidevm_deadline(&self, contract_id: AccountId, run_until: BlockNumber) -> Result<()>;
}

/// The driver that starts SideVMs for contracts.
#[ink::trait_definition]
pub trait SidevmOperation {
    /// Starts one beside the caller.
    #[ink(message)]
    fn deploy(&self, code_hash: Hash) -> Result<(), DriverError>;

    /// Whether a contract may start one.
    #[ink(message)]
    fn can_deploy(&self, contract_id: AccountId) -> bool;

    /// Starts one beside the caller on these workers, for the value sent along.
    #[ink(message, payable)]
    fn deploy_to_workers(
        &mut self,
        code_hash: Hash,
        code_size: u32,
        workers: Vec<WorkerId>,
        max_memory_pages: u32,
        blocks_to_live: u32,
    ) -> Result<(), DriverError>;

    /// What it costs, in the smallest unit of the token.
    #[ink(message)]
    fn calc_price(
        &self,
        code_size: u32,
        max_memory_pages: u32,
        n_workers: u32,
    ) -> Result<Balance, DriverError>;

    /// Sets the last block of the caller's, for the value sent along.
    #[ink(message, payable)]
    fn update_deadline(&mut self, deadline: u32) -> Result<(), DriverError>;

    /// The last block in which a contract's runs.
    #[ink(message)]
    fn deadline_of(&self, account: AccountId) -> Option<u32>;
}

/// Turns the stake on contracts into their weight: a driver, and the system
/// contract, which workers tell first.
#[ink::trait_definition]
pub trait ContractDeposit {
    /// The stake on a contract has become `deposit`.
    #[ink(message, selector = 0xa24bcb44)]
    fn change_deposit(
        &mut self,
        contract_id: AccountId,
        deposit: Balance,
    ) -> Result<(), DriverError>;
}

/// Defines a contract that answers to an interface.
macro_rules! reference {
    ($(#[$doc:meta])* $name:ident: $interface:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(contract_ref!($interface, PinkEnvironment));

        impl From<AccountId> for $name {
            fn from(address: AccountId) -> Self {
                Self(address.into())
            }
        }

        impl Deref for $name {
            type Target = contract_ref!($interface, PinkEnvironment);

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl DerefMut for $name {
            fn deref_mut(&mut self) -> &mut Self::Target {
                &mut self.0
            }
        }
    };
}

reference! {
    /// A contract with the interface [`System`].
    SystemRef: System
}

impl SystemRef {
    /// The system contract of the cluster.
    pub fn instance() -> Self {
        crate::ext().system_contract_id().into()
    }
}

reference! {
    /// A contract with the interface [`SidevmOperation`].
    SidevmOperationRef: SidevmOperation
}

impl SidevmOperationRef {
    /// The driver of this name, if the cluster has one.
    pub fn instance() -> Option<Self> {
        driver("SidevmOperation")
    }
}

reference! {
    /// A contract with the interface [`ContractDeposit`].
    ContractDepositRef: ContractDeposit
}

impl ContractDepositRef {
    /// The driver of this name, if the cluster has one.
    pub fn instance() -> Option<Self> {
        driver("ContractDeposit")
    }
}

/// The driver of a name, if the cluster has one, as a reference to its interface.
pub fn driver<R: From<AccountId>>(name: &str) -> Option<R> {
    SystemRef::instance().get_driver(name.into()).map(R::from)
}
