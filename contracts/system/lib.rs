//! The system contract of a cluster.
//!
//! Every cluster is created with one. It decides who may use the functions and
//! events that the engine reserves for it, and answers what contracts and
//! clients ask about the cluster: who owns it, which contracts are its drivers,
//! what an account's balance is.
//!
//! Three kinds of caller have rights:
//!
//! - the *owner* of the cluster, who is the deployer of this contract: makes
//!   administrators, sets drivers, upgrades;
//! - *administrators*, contracts or accounts: set drivers, weights and hooks;
//! - the *system itself*: a worker calls it in its own name when the stake on a
//!   contract has changed on the chain.
//!
//! A *driver* is a contract that has a service under an agreed name. A new
//! cluster has two, and this contract is both: `PinkLogger`, to which clients
//! address their questions for logs (the workers answer them), and
//! `ContractDeposit`, which turns the stake on a contract into its weight. The
//! owner can put other contracts in their place.
//!
//! The messages, their selectors and their types are those of the crate `pink`
//! 0.4.1 and of the clients that know them by metadata.
//!
//! Code up to version 1.0.0 was written in ink! 4. The state is laid out as it was
//! then, so that a cluster with such code can be upgraded in place: what is in
//! [`System`] keeps its name, its type and its order.
#![cfg_attr(not(feature = "std"), no_std, no_main)]

#[ink::contract(env = PinkEnvironment)]
mod system {
    use ink::codegen::TraitCallBuilder as _;
    use ink::env::CallFlags;
    use ink::prelude::{string::String, vec::Vec};
    use ink::storage::Mapping;
    use pink::system::{
        CodeType, ContractDeposit, ContractDepositRef, DriverError, Error, Result, VersionTuple,
    };
    use pink::{HookPoint, PinkEnvironment, SidevmConfig, WorkerId};

    /// The version of this code. An upgrade must go up.
    const VERSION: VersionTuple = (1, 1, 0);

    /// The interface between contracts and engine that this code needs at least.
    const MIN_RUNTIME: (u32, u32) = (1, 0);

    /// The driver that is asked for logs.
    const LOGGER: &str = "PinkLogger";

    /// The driver that sets weights. `ContractDepositRef` looks for this name.
    const DEPOSIT: &str = "ContractDeposit";

    /// The stake, in the smallest unit of the token, that makes one unit of
    /// weight: a hundredth of a token of 12 decimals.
    const STAKE_PER_WEIGHT: Balance = 10_000_000_000;

    /// The longest name of a driver in bytes; names are identifiers.
    const MAX_NAME: usize = 64;

    /// How many former holders of a driver's name are remembered. They are read
    /// and written as one value, which must stay far below the 16 KiB that a
    /// contract can read at once.
    const MAX_HISTORY: usize = 128;

    /// The block in which a contract became a driver, and the contract.
    type Appointment = (BlockNumber, AccountId);

    /// A driver has been set.
    #[ink(event)]
    pub struct DriverChanged {
        #[ink(topic)]
        name: String,
        previous: Option<AccountId>,
        current: AccountId,
    }

    /// An administrator has been made.
    #[ink(event)]
    pub struct AdministratorAdded {
        user: AccountId,
    }

    /// The system contract.
    #[ink(storage)]
    pub struct System {
        /// The owner of the cluster.
        owner: AccountId,
        /// The administrators.
        administrators: Mapping<AccountId, ()>,
        /// The drivers by name.
        drivers: Mapping<String, Appointment>,
        /// Who was driver before, by name, oldest first.
        history: Mapping<String, Vec<Appointment>>,
    }

    impl System {
        /// Makes the caller the owner, and this contract the first driver of the
        /// names that a cluster cannot do without.
        #[ink(constructor, selector = 0xed4b9d1b)]
        #[allow(clippy::should_implement_trait)] // the name is part of the interface
        pub fn default() -> Self {
            let mut system = Self {
                owner: Self::env().caller(),
                administrators: Mapping::default(),
                drivers: Mapping::default(),
                history: Mapping::default(),
            };
            let this = system.env().account_id();
            system.appoint(LOGGER.into(), this);
            system.appoint(DEPOSIT.into(), this);
            system
        }

        /// The owner of the cluster.
        #[ink(message)]
        pub fn owner(&self) -> AccountId {
            self.owner
        }

        fn ensure_owner(&self) -> Result<AccountId> {
            let caller = self.env().caller();
            (caller == self.owner)
                .then_some(caller)
                .ok_or(Error::PermisionDenied)
        }

        fn ensure_admin(&self) -> Result<()> {
            self.administrators
                .get(self.env().caller())
                .ok_or(Error::PermisionDenied)
        }

        fn ensure_self(&self) -> Result<()> {
            let own_call = self.env().caller() == self.env().account_id();
            own_call.then_some(()).ok_or(Error::PermisionDenied)
        }

        /// Makes `driver` the holder of `name` and tells those concerned.
        fn appoint(&mut self, name: String, driver: AccountId) {
            let previous = self.drivers.get(&name);
            if previous.is_some_and(|(_, previous)| previous == driver) {
                return;
            }
            if let Some(previous) = previous {
                let mut history = self.history.get(&name).unwrap_or_default();
                if history.len() >= MAX_HISTORY {
                    history.remove(0);
                }
                history.push(previous);
                self.history.insert(&name, &history);
            }
            self.drivers
                .insert(&name, &(self.env().block_number(), driver));
            if name == LOGGER {
                pink::set_log_handler(driver);
            }
            self.env().emit_event(DriverChanged {
                name,
                previous: previous.map(|(_, previous)| previous),
                current: driver,
            });
        }
    }

    impl pink::system::System for System {
        #[ink(message)]
        fn version(&self) -> VersionTuple {
            VERSION
        }

        #[ink(message)]
        fn grant_admin(&mut self, contract_id: AccountId) -> Result<()> {
            self.ensure_owner()?;
            self.administrators.insert(contract_id, &());
            self.env()
                .emit_event(AdministratorAdded { user: contract_id });
            Ok(())
        }

        #[ink(message)]
        fn is_admin(&self, contract_id: AccountId) -> bool {
            self.administrators.contains(contract_id)
        }

        /// `ConditionNotMet` if the name is longer than 64 bytes.
        #[ink(message)]
        fn set_driver(&mut self, name: String, contract_id: AccountId) -> Result<()> {
            self.ensure_owner()
                .map(drop)
                .or_else(|_| self.ensure_admin())?;
            if name.len() > MAX_NAME {
                return Err(Error::ConditionNotMet);
            }
            self.appoint(name, contract_id);
            Ok(())
        }

        #[ink(message)]
        fn get_driver(&self, name: String) -> Option<AccountId> {
            self.drivers.get(name).map(|(_, driver)| driver)
        }

        #[ink(message)]
        fn get_driver2(&self, name: String) -> Option<(BlockNumber, AccountId)> {
            self.drivers.get(name)
        }

        #[ink(message)]
        fn driver_history(&self, name: String) -> Option<Vec<(BlockNumber, AccountId)>> {
            self.history.get(name)
        }

        /// `ConditionNotMet` to an administrator: workers run no side VM.
        #[ink(message)]
        fn deploy_sidevm_to(&self, _contract_id: AccountId, _code_hash: pink::Hash) -> Result<()> {
            self.ensure_admin()?;
            Err(Error::ConditionNotMet)
        }

        /// `ConditionNotMet` to an administrator: workers run no side VM.
        #[ink(message)]
        fn stop_sidevm_at(&self, _contract_id: AccountId) -> Result<()> {
            self.ensure_admin()?;
            Err(Error::ConditionNotMet)
        }

        /// `ConditionNotMet` to an administrator: workers run no side VM.
        #[ink(message)]
        fn deploy_sidevm_to_workers(
            &self,
            _contract_id: AccountId,
            _code_hash: pink::Hash,
            _workers: Vec<WorkerId>,
            _config: SidevmConfig,
        ) -> Result<()> {
            self.ensure_admin()?;
            Err(Error::ConditionNotMet)
        }

        /// `ConditionNotMet` to an administrator: workers run no side VM.
        #[ink(message)]
        fn set_sidevm_deadline(
            &self,
            _contract_id: AccountId,
            _run_until: BlockNumber,
        ) -> Result<()> {
            self.ensure_admin()?;
            Err(Error::ConditionNotMet)
        }

        #[ink(message)]
        fn set_hook(
            &mut self,
            hook: HookPoint,
            contract_id: AccountId,
            selector: u32,
            gas_limit: u64,
        ) -> Result<()> {
            self.ensure_admin()?;
            pink::set_hook(hook, contract_id, selector, gas_limit);
            Ok(())
        }

        #[ink(message)]
        fn set_contract_weight(&self, contract_id: AccountId, weight: u32) -> Result<()> {
            self.ensure_admin()?;
            pink::set_contract_weight(contract_id, weight);
            Ok(())
        }

        #[ink(message)]
        fn total_balance_of(&self, account: AccountId) -> Balance {
            pink::ext().balance_of(account).0
        }

        #[ink(message)]
        fn free_balance_of(&self, account: AccountId) -> Balance {
            pink::ext().balance_of(account).1
        }

        /// Takes the newest system code that the chain has, and keeps the state.
        ///
        /// The new code is asked first (`do_upgrade`); if it refuses, nothing
        /// has happened.
        #[ink(message)]
        fn upgrade_system_contract(&mut self) -> Result<()> {
            let owner = self.ensure_owner()?;
            let code = pink::ext()
                .import_latest_system_code(owner)
                .ok_or(Error::CodeNotFound)?;
            let present = self.env().own_code_hash();
            if present.is_ok_and(|present| present == code.into()) {
                return Ok(());
            }
            if self.env().set_code_hash(&code.into()).is_err() {
                return Err(Error::CodeNotFound);
            }
            // From here on, only a panic takes the new code back.
            let new = pink::system::SystemRef::from(self.env().account_id());
            let asked = new.call().do_upgrade(VERSION);
            if let Err(error) = asked
                .call_v1()
                .call_flags(CallFlags::ALLOW_REENTRY)
                .invoke()
            {
                pink::error!("the new system code refuses the upgrade: {error:?}");
                panic!("the new system code refuses the upgrade: {error:?}");
            }
            pink::info!("the system contract has been upgraded");
            Ok(())
        }

        /// `ConditionNotMet` if `from_version` is not older than this code, or if
        /// the engine is too old for this code.
        #[ink(message)]
        fn do_upgrade(&self, from_version: VersionTuple) -> Result<()> {
            self.ensure_self()?;
            let newer = from_version < VERSION;
            let runs = pink::ext().runtime_version() >= MIN_RUNTIME;
            (newer && runs).then_some(()).ok_or(Error::ConditionNotMet)
        }

        #[ink(message)]
        fn upgrade_runtime(&mut self, version: (u32, u32)) -> Result<()> {
            self.ensure_owner()?;
            pink::upgrade_runtime(version);
            Ok(())
        }

        #[ink(message)]
        fn code_exists(&self, code_hash: pink::Hash, code_type: CodeType) -> bool {
            pink::ext().code_exists(code_hash, code_type.is_sidevm())
        }

        #[ink(message)]
        fn code_hash(&self, account: AccountId) -> Option<ink::primitives::Hash> {
            self.env().code_hash(&account).ok()
        }

        #[ink(message)]
        fn current_event_chain_head(&self) -> (u64, pink::Hash) {
            pink::ext().current_event_chain_head()
        }
    }

    impl ContractDeposit for System {
        /// The stake on `contract_id` has become `deposit`; its weight follows,
        /// one unit for each hundredth of a token. A weight has 32 bits, as the
        /// event that sets it: about 43 million tokens give the greatest.
        ///
        /// Workers call this in the name of this contract. If another contract is
        /// the driver `ContractDeposit`, it is asked to set the weight.
        #[ink(message)]
        fn change_deposit(
            &mut self,
            contract_id: AccountId,
            deposit: Balance,
        ) -> Result<(), DriverError> {
            self.ensure_self()?;
            if let Some((_, driver)) = self.drivers.get(String::from(DEPOSIT)) {
                if driver != self.env().account_id() {
                    // The driver calls back to set the weight.
                    return ContractDepositRef::from(driver)
                        .call_mut()
                        .change_deposit(contract_id, deposit)
                        .call_v1()
                        .call_flags(CallFlags::ALLOW_REENTRY)
                        .invoke();
                }
            }
            let weight = deposit / STAKE_PER_WEIGHT;
            pink::set_contract_weight(contract_id, u32::try_from(weight).unwrap_or(u32::MAX));
            Ok(())
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use ink::env::test::{advance_block, recorded_events, set_callee, set_caller};
        use ink::env::test::{register_chain_extension, ChainExtension};
        use ink::scale::{Decode, Encode};
        use pink::system::System as _;
        use pink::{PinkEvent, EVENT_TOPIC};

        const OWNER: [u8; 32] = [1; 32];
        const ADMIN: [u8; 32] = [2; 32];
        const STRANGER: [u8; 32] = [3; 32];
        const SYSTEM: [u8; 32] = [9; 32];

        /// Stands in for the worker.
        struct Worker {
            runtime_version: (u32, u32),
        }

        impl Worker {
            fn register(runtime_version: (u32, u32)) {
                register_chain_extension(Self { runtime_version });
            }
        }

        impl ChainExtension for Worker {
            fn ext_id(&self) -> u16 {
                0
            }

            fn call(&mut self, function: u16, input: &[u8], output: &mut Vec<u8>) -> u32 {
                let input = Vec::<u8>::decode(&mut &input[..]).unwrap();
                match function {
                    10 => {}
                    16 => {
                        assert_eq!(input, contract().encode());
                        (12u128, 5u128).encode_to(output);
                    }
                    20 => {
                        assert_eq!(input, OWNER);
                        None::<pink::Hash>.encode_to(output);
                    }
                    21 => self.runtime_version.encode_to(output),
                    other => panic!("the system contract does not call function {other}"),
                }
                0
            }
        }

        fn contract() -> AccountId {
            [4; 32].into()
        }

        fn act_as(caller: [u8; 32]) {
            set_caller::<PinkEnvironment>(caller.into());
        }

        /// A system contract with an owner and an administrator; the owner acts.
        fn system() -> System {
            set_callee::<PinkEnvironment>(SYSTEM.into());
            act_as(OWNER);
            let mut system = System::default();
            assert_eq!(system.grant_admin(ADMIN.into()), Ok(()));
            system
        }

        /// Who is not refused when calling `message` of a new system contract.
        fn allowed(message: impl Fn(&mut System) -> Result<()>) -> Vec<[u8; 32]> {
            let mut callers = [OWNER, ADMIN, STRANGER, SYSTEM].to_vec();
            callers.retain(|caller| {
                let mut system = system();
                act_as(*caller);
                message(&mut system) != Err(Error::PermisionDenied)
            });
            callers
        }

        /// The events so far that the engine acts on.
        fn pink_events() -> Vec<PinkEvent> {
            recorded_events()
                .filter(|event| event.topics == [EVENT_TOPIC])
                .map(|event| PinkEvent::decode(&mut &event.data[..]).unwrap())
                .collect()
        }

        fn last_weight() -> Option<(AccountId, u32)> {
            match pink_events().pop() {
                Some(PinkEvent::SetContractWeight { contract, weight }) => Some((contract, weight)),
                _ => None,
            }
        }

        #[ink::test]
        fn the_deployer_is_the_owner_and_no_administrator() {
            let system = system();
            assert_eq!(system.owner(), OWNER.into());
            assert!(!system.is_admin(OWNER.into()));
            assert!(system.is_admin(ADMIN.into()));
            assert!(!system.is_admin(STRANGER.into()));
        }

        #[ink::test]
        fn a_new_cluster_has_a_logger_and_a_deposit_driver() {
            let system = system();
            for name in [LOGGER, DEPOSIT] {
                assert_eq!(system.get_driver(name.into()), Some(SYSTEM.into()));
                assert_eq!(system.get_driver2(name.into()), Some((0, SYSTEM.into())));
                assert_eq!(system.driver_history(name.into()), None);
            }
            assert_eq!(system.get_driver("Another".into()), None);
            let [PinkEvent::SetLogHandler(logger)] = pink_events()[..] else {
                panic!("the workers must be told once who the logger is");
            };
            assert_eq!(logger, SYSTEM.into());
        }

        #[ink::test]
        fn each_right_belongs_to_those_it_was_given_to() {
            Worker::register(MIN_RUNTIME);
            let hook = HookPoint::OnBlockEnd;

            let owner = [OWNER];
            assert_eq!(allowed(|s| s.grant_admin(contract())), owner);
            assert_eq!(allowed(|s| s.upgrade_runtime((1, 2))), owner);
            assert_eq!(allowed(|s| s.upgrade_system_contract()), owner);

            let admin = [ADMIN];
            assert_eq!(
                allowed(|s| s.set_hook(hook.clone(), contract(), 1, 2)),
                admin
            );
            assert_eq!(allowed(|s| s.set_contract_weight(contract(), 1)), admin);
            assert_eq!(allowed(|s| s.deploy_sidevm_to(contract(), [0; 32])), admin);
            assert_eq!(allowed(|s| s.stop_sidevm_at(contract())), admin);
            assert_eq!(allowed(|s| s.set_sidevm_deadline(contract(), 1)), admin);

            let set_driver = |s: &mut System| s.set_driver("x".into(), contract());
            assert_eq!(allowed(set_driver), [OWNER, ADMIN]);

            assert_eq!(allowed(|s| s.do_upgrade((0, 9, 0))), [SYSTEM]);
            let change_deposit = |s: &mut System| {
                s.change_deposit(contract(), 1)
                    .map_err(|error| match error {
                        DriverError::SystemError(error) => error,
                        other => panic!("{other:?}"),
                    })
            };
            assert_eq!(allowed(change_deposit), [SYSTEM]);
        }

        #[ink::test]
        fn side_vms_are_refused_with_an_error_of_their_own() {
            let system = system();
            act_as(ADMIN);
            let refused = Err(Error::ConditionNotMet);
            assert_eq!(system.deploy_sidevm_to(contract(), [0; 32]), refused);
            assert_eq!(system.stop_sidevm_at(contract()), refused);
            assert_eq!(system.set_sidevm_deadline(contract(), 1), refused);
            let config = SidevmConfig::default();
            let deployed = system.deploy_sidevm_to_workers(contract(), [0; 32], Vec::new(), config);
            assert_eq!(deployed, refused);
        }

        #[ink::test]
        fn a_new_driver_replaces_the_old_one_who_is_remembered() {
            let mut system = system();
            let name = || String::from("Oracle");
            for driver in [[5; 32], [6; 32], [6; 32]] {
                advance_block::<PinkEnvironment>();
                assert_eq!(system.set_driver(name(), driver.into()), Ok(()));
            }
            assert_eq!(system.get_driver2(name()), Some((2, [6; 32].into())));
            let before = Some(Vec::from([(1, [5; 32].into())]));
            assert_eq!(system.driver_history(name()), before);
        }

        #[ink::test]
        fn the_memory_of_drivers_is_bounded() {
            let mut system = system();
            let id = |number: usize| AccountId::from([number as u8; 32]);
            for number in 0..MAX_HISTORY + 3 {
                assert_eq!(system.set_driver("x".into(), id(number)), Ok(()));
            }
            let history = system.driver_history("x".into()).unwrap();
            assert_eq!(history.len(), MAX_HISTORY);
            assert_eq!(history.first().unwrap().1, id(2));
            assert_eq!(history.last().unwrap().1, id(MAX_HISTORY + 1));

            let longest = "x".repeat(MAX_NAME);
            assert_eq!(system.set_driver(longest.clone(), contract()), Ok(()));
            let longer = system.set_driver(longest + "x", contract());
            assert_eq!(longer, Err(Error::ConditionNotMet));
        }

        #[ink::test]
        fn workers_are_told_of_a_new_logger() {
            let mut system = system();
            assert_eq!(system.set_driver(LOGGER.into(), contract()), Ok(()));
            let Some(PinkEvent::SetLogHandler(logger)) = pink_events().pop() else {
                panic!("no log handler was set");
            };
            assert_eq!(logger, contract());
        }

        #[ink::test]
        fn a_hundredth_of_a_token_is_one_unit_of_weight() {
            let mut system = system();
            act_as(SYSTEM);
            for (deposit, weight) in [
                (0, 0),
                (STAKE_PER_WEIGHT - 1, 0),
                (STAKE_PER_WEIGHT, 1),
                (250 * STAKE_PER_WEIGHT, 250),
                (Balance::MAX, u32::MAX),
            ] {
                assert_eq!(system.change_deposit(contract(), deposit), Ok(()));
                assert_eq!(last_weight(), Some((contract(), weight)));
            }
        }

        #[ink::test]
        fn an_administrator_sets_a_weight_directly() {
            let system = system();
            act_as(ADMIN);
            assert_eq!(system.set_contract_weight(contract(), 17), Ok(()));
            assert_eq!(last_weight(), Some((contract(), 17)));
        }

        #[ink::test]
        fn balances_are_those_of_the_cluster() {
            Worker::register(MIN_RUNTIME);
            let system = system();
            assert_eq!(system.total_balance_of(contract()), 12);
            assert_eq!(system.free_balance_of(contract()), 5);
        }

        #[ink::test]
        fn an_upgrade_without_new_code_says_so() {
            Worker::register(MIN_RUNTIME);
            let mut system = system();
            assert_eq!(system.upgrade_system_contract(), Err(Error::CodeNotFound));
        }

        #[ink::test]
        fn new_code_takes_over_only_from_older_code_on_a_capable_engine() {
            Worker::register(MIN_RUNTIME);
            let system = system();
            act_as(SYSTEM);
            assert_eq!(system.do_upgrade((1, 0, 65535)), Ok(()));
            assert_eq!(system.do_upgrade(VERSION), Err(Error::ConditionNotMet));
            assert_eq!(system.do_upgrade((1, 1, 1)), Err(Error::ConditionNotMet));
            Worker::register((0, 99));
            assert_eq!(system.do_upgrade((0, 9, 0)), Err(Error::ConditionNotMet));
        }
    }
}
