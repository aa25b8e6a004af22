//! `pallet-contracts` 51 as a [`Machine`], run natively in a chain that consists of it, balances and
//! a clock.
#![allow(
    unreachable_pub,
    reason = "types that a public trait names have to be public"
)]

use std::collections::BTreeMap;

use codec::{Compact, Decode, Encode};
use frame_support::{
    derive_impl, parameter_types,
    storage::{storage_prefix, unhashed, with_storage_layer},
    traits::{
        ConstU32, Currency, OnGenesis, Randomness, Time,
        fungible::{Inspect, InspectHold, Mutate, MutateHold},
        tokens::{Fortitude, Precision, Preservation, Restriction},
    },
    weights::Weight,
};
use pallet_contracts::{
    AddressGenerator, Code, CollectEvents, DebugInfo, Frame, Schedule,
    chain_extension::{ChainExtension, Environment, Ext, InitState, RetVal},
};
use phat_engine::{
    AccountId, CallArgs, CodeHash, ContractEvent, ContractId, InstantiateArgs, LifecycleEvent,
    StorageDeposit,
};
use sp_core::H256;
use sp_io::hashing::blake2_256;
use sp_runtime::{
    AccountId32, BuildStorage, DispatchError, Perbill,
    traits::{Convert, IdentityLookup},
};

use crate::{
    BLOCK, CLUSTER, CodeRecord, ContractRecord, DEPOSIT_PER_BYTE, DEPOSIT_PER_ITEM,
    EXISTENTIAL_DEPOSIT, Ending, GAS_PRICE, Machine, NOW_MS, Returned, Snapshot,
};

#[allow(missing_docs, reason = "generated code")]
mod runtime {
    use super::*;

    frame_support::construct_runtime!(
        pub enum Test {
            System: frame_system,
            Balances: pallet_balances,
            Contracts: pallet_contracts,
        }
    );

    #[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
    impl frame_system::Config for Test {
        type Block = frame_system::mocking::MockBlockU32<Test>;
        type AccountId = AccountId32;
        type Lookup = IdentityLookup<Self::AccountId>;
        type AccountData = pallet_balances::AccountData<u128>;
    }

    parameter_types! {
        pub const ExistentialDeposit: u128 = EXISTENTIAL_DEPOSIT;
        pub const DepositPerItem: u128 = DEPOSIT_PER_ITEM;
        pub const DepositPerByte: u128 = DEPOSIT_PER_BYTE;
        pub const DefaultDepositLimit: u128 = u128::MAX;
        pub const CodeHashLockupDepositPercent: Perbill = Perbill::from_percent(30);
        // Natively there is more memory than in a runtime; the pallet checks what it was told.
        pub ContractsSchedule: Schedule<Test> = {
            let mut schedule = Schedule::<Test>::default();
            schedule.limits.runtime_memory = 1 << 30;
            schedule.limits.validator_runtime_memory = 2 << 30;
            schedule
        };
    }

    #[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
    impl pallet_balances::Config for Test {
        type Balance = u128;
        type ExistentialDeposit = ExistentialDeposit;
        type AccountStore = System;
    }

    #[derive_impl(pallet_contracts::config_preludes::TestDefaultConfig)]
    impl pallet_contracts::Config for Test {
        type Time = Clock;
        type Randomness = Seed;
        type Currency = Balances;
        type CallStack = [Frame<Self>; 31];
        type Schedule = ContractsSchedule;
        type DepositPerByte = DepositPerByte;
        type DepositPerItem = DepositPerItem;
        type DefaultDepositLimit = DefaultDepositLimit;
        type CodeHashLockupDepositPercent = CodeHashLockupDepositPercent;
        type AddressGenerator = Addresses;
        type WeightPrice = Price;
        type ChainExtension = StandIn;
        type MaxCodeLen = ConstU32<{ 123 * 1024 }>;
    }
}
use runtime::{Balances, Contracts, RuntimeEvent, System, Test};

/// The clock of the one block.
pub struct Clock;
impl Time for Clock {
    type Moment = u64;
    fn now() -> u64 {
        NOW_MS
    }
}

/// Randomness as our host gives it.
pub struct Seed;
impl Randomness<H256, u32> for Seed {
    fn random(subject: &[u8]) -> (H256, u32) {
        (blake2_256(subject).into(), BLOCK)
    }
}

/// The price of gas.
pub struct Price;
impl Convert<Weight, u128> for Price {
    fn convert(weight: Weight) -> u128 {
        u128::from(weight.ref_time()).saturating_mul(GAS_PRICE)
    }
}

/// Addresses as a cluster derives them.
pub struct Addresses;
impl AddressGenerator<Test> for Addresses {
    fn contract_address(
        deployer: &AccountId32,
        code_hash: &H256,
        _input: &[u8],
        salt: &[u8],
    ) -> AccountId32 {
        let parts: [&[u8]; 4] = [deployer.as_ref(), code_hash.as_ref(), &CLUSTER, salt];
        blake2_256(&parts.concat()).into()
    }
}

/// One function of Pink that means something here: `is_in_transaction`.
#[derive(Default)]
pub struct StandIn;
impl ChainExtension<Test> for StandIn {
    fn call<E: Ext<T = Test>>(
        &mut self,
        env: Environment<E, InitState>,
    ) -> pallet_contracts::chain_extension::Result<RetVal> {
        const IS_IN_TRANSACTION: u16 = 12;
        if env.func_id() != IS_IN_TRANSACTION {
            return Err(DispatchError::Other("not a function of the stand-in"));
        }
        let mut env = env.buf_in_buf_out();
        // As Pink does it where a function has no arguments.
        let length = env.in_len();
        let () = env.read_as_unbounded(length)?;
        env.write(&true.encode(), false, None)?;
        Ok(RetVal::Converging(0))
    }
}

/// The pallet's record of a code.
#[derive(Encode, Decode)]
struct StoredCode {
    owner: AccountId,
    deposit: Compact<u128>,
    references: Compact<u64>,
    determinism: u8,
    size: u32,
}

/// The pallet's record of a contract.
#[derive(Decode)]
struct StoredContract {
    trie_id: Vec<u8>,
    code_hash: CodeHash,
    bytes: u32,
    items: u32,
    byte_deposit: u128,
    item_deposit: u128,
    base_deposit: u128,
    dependencies: BTreeMap<CodeHash, u128>,
}

fn prefix(item: &str) -> Vec<u8> {
    storage_prefix(b"Contracts", item.as_bytes()).to_vec()
}

fn code_key(item: &str, hash: &CodeHash) -> Vec<u8> {
    [&prefix(item)[..], hash].concat()
}

/// All keys under `prefix`.
fn keys(prefix: &[u8]) -> Vec<Vec<u8>> {
    let next = |key: &Vec<u8>| {
        sp_io::storage::next_key(key).filter(|key: &Vec<u8>| key.starts_with(prefix))
    };
    std::iter::successors(next(&prefix.to_vec()), next).collect()
}

fn record<T: Decode>(key: &[u8]) -> T {
    unhashed::get(key).expect("the records of the pallet are as it was released")
}

fn id_in(key: &[u8]) -> [u8; 32] {
    key[key.len() - 32..].try_into().expect("ids have 32 bytes")
}

fn child_storage(trie_id: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    use sp_io::default_child_storage as child;
    let next = |key: &Vec<u8>| child::next_key(trie_id, key);
    // The empty key cannot hold a value: all are hashed.
    std::iter::successors(next(&Vec::new()), next)
        .map(|key| {
            let value = child::get(trie_id, &key).expect("a listed key has a value");
            (key, value.to_vec())
        })
        .collect()
}

fn name_of(error: &DispatchError) -> String {
    match error {
        DispatchError::Module(module) => module.message.map_or_else(
            || format!("{module:?}"),
            |name| match name {
                "InvalidSchedule" => "InvalidScheduleVersion".to_owned(),
                other => other.to_owned(),
            },
        ),
        other => format!("{other:?}"),
    }
}

/// The pallet with a chain of its own.
pub struct Reference {
    chain: sp_io::TestExternalities,
}

impl Default for Reference {
    fn default() -> Self {
        let genesis = frame_system::GenesisConfig::<Test>::default()
            .build_storage()
            .expect("an empty genesis can be built");
        let mut chain = sp_io::TestExternalities::new(genesis);
        chain.execute_with(|| {
            Contracts::on_genesis();
            System::set_block_number(BLOCK);
        });
        Self { chain }
    }
}

/// What an execution left in the chain's events.
fn take_events() -> (Vec<ContractEvent>, Vec<LifecycleEvent>) {
    use pallet_contracts::Event;
    let (mut events, mut lifecycle) = (Vec::new(), Vec::new());
    for record in System::events() {
        let RuntimeEvent::Contracts(event) = record.event else {
            continue;
        };
        match event {
            Event::ContractEmitted { contract, data } => events.push(ContractEvent {
                contract: contract.into(),
                topics: record.topics.iter().map(|topic| topic.0).collect(),
                data,
            }),
            Event::Instantiated { deployer, contract } => {
                lifecycle.push(LifecycleEvent::Instantiated {
                    deployer: deployer.into(),
                    contract: contract.into(),
                    // The pallet does not tell; the pair fills it in from the subject.
                    code_hash: [0; 32],
                });
            }
            Event::ContractCodeUpdated {
                contract,
                new_code_hash,
                old_code_hash,
            } => lifecycle.push(LifecycleEvent::CodeChanged {
                contract: contract.into(),
                old: old_code_hash.0,
                new: new_code_hash.0,
            }),
            Event::Terminated {
                contract,
                beneficiary,
            } => lifecycle.push(LifecycleEvent::Terminated {
                contract: contract.into(),
                beneficiary: beneficiary.into(),
            }),
            _ => {}
        }
    }
    (events, lifecycle)
}

fn deposit(amount: pallet_contracts::StorageDeposit<u128>) -> StorageDeposit {
    match amount {
        pallet_contracts::StorageDeposit::Charge(amount) => StorageDeposit::Charge(amount),
        pallet_contracts::StorageDeposit::Refund(amount) => StorageDeposit::Refund(amount),
    }
}

const STORAGE: runtime::RuntimeHoldReason =
    runtime::RuntimeHoldReason::Contracts(pallet_contracts::HoldReason::StorageDepositReserve);
const CODE: runtime::RuntimeHoldReason =
    runtime::RuntimeHoldReason::Contracts(pallet_contracts::HoldReason::CodeUploadDepositReserve);

/// Undoes everything if `run` fails, as a dispatched transaction does.
fn transaction<R, T>(
    run: impl FnOnce() -> (Result<R, DispatchError>, T),
) -> (Result<R, DispatchError>, T) {
    let mut rest = None;
    let result = with_storage_layer(|| {
        let (result, more) = run();
        rest = Some(more);
        result
    });
    (result, rest.expect("the closure was run"))
}

fn weight(gas: u64) -> Weight {
    Weight::from_parts(gas, u64::MAX)
}

impl Reference {
    /// Writes what was done so far to the chain's database, as a block's end does.
    pub fn commit(&mut self) {
        self.chain
            .commit_all()
            .expect("no storage transaction is open");
    }

    /// Makes the code `hash` be `wasm`, whatever its hash is. The pallet never hashes code again
    /// once it was uploaded; by this it can have code under the hash of the subject's build of
    /// the same source, and code it would not accept today.
    pub fn replace_code(&mut self, hash: CodeHash, wasm: &[u8]) {
        self.chain
            .execute_with(|| unhashed::put_raw(&code_key("PristineCode", &hash), &wasm.encode()));
    }

    /// Moves an uploaded code to another hash.
    pub fn rename_code(&mut self, from: CodeHash, to: CodeHash) {
        self.chain.execute_with(|| {
            for item in ["PristineCode", "CodeInfoOf"] {
                let bytes = unhashed::get_raw(&code_key(item, &from)).expect("it was uploaded");
                unhashed::kill(&code_key(item, &from));
                unhashed::put_raw(&code_key(item, &to), &bytes);
            }
        });
    }
}

/// Gives back what contracts hold beyond their records.
///
/// The pallet moves the deposits of an execution one by one, refunds first. What a contract does not
/// hold before the execution, and both charges and refunds in it, is therefore charged alone: the
/// contract holds it for ever. Our engine moves the sum, see the README.
fn mend(origin: &AccountId32, lifecycle: &[LifecycleEvent]) {
    let held = |account: &AccountId32| {
        Balances::total_balance_on_hold(account) - Balances::balance_on_hold(&CODE, account)
    };
    let give_back = |contract: &AccountId32, amount: u128| {
        Balances::transfer_on_hold(
            &STORAGE,
            contract,
            origin,
            amount,
            Precision::Exact,
            Restriction::Free,
            Fortitude::Force,
        )
        .expect("it is held");
    };
    for key in keys(&prefix("ContractInfoOf")) {
        let stored: StoredContract = record(&key);
        let contract = AccountId32::from(id_in(&key));
        let dependencies: u128 = stored.dependencies.values().sum();
        let recorded =
            stored.byte_deposit + stored.item_deposit + stored.base_deposit + dependencies;
        if held(&contract) > recorded {
            give_back(&contract, held(&contract) - recorded);
        }
    }
    for event in lifecycle {
        let LifecycleEvent::Terminated {
            contract,
            beneficiary,
        } = event
        else {
            continue;
        };
        let (contract, beneficiary) = ((*contract).into(), (*beneficiary).into());
        if held(&contract) == 0 {
            continue;
        }
        give_back(&contract, held(&contract));
        let rest = <Balances as Inspect<_>>::total_balance(&contract);
        <Balances as Mutate<_>>::transfer(&contract, &beneficiary, rest, Preservation::Expendable)
            .expect("nothing is held any more");
    }
}

impl Machine for Reference {
    fn mint(&mut self, to: AccountId, amount: u128) {
        self.chain.execute_with(|| {
            let _ = Balances::deposit_creating(&to.into(), amount);
        });
    }

    fn upload(
        &mut self,
        owner: AccountId,
        wasm: &[u8],
        deposit_limit: Option<u128>,
    ) -> Result<(CodeHash, u128), String> {
        self.chain.execute_with(|| {
            with_storage_layer(|| {
                Contracts::bare_upload_code(
                    owner.into(),
                    wasm.to_vec(),
                    deposit_limit,
                    pallet_contracts::Determinism::Enforced,
                )
            })
            .map(|uploaded| (uploaded.code_hash.0, uploaded.deposit))
            .map_err(|error| name_of(&error))
        })
    }

    fn remove_code(&mut self, owner: AccountId, code_hash: CodeHash) -> Result<(), String> {
        let origin = runtime::RuntimeOrigin::signed(owner.into());
        self.chain.execute_with(|| {
            with_storage_layer(|| Contracts::remove_code(origin, code_hash.into()))
                .map(|_| ())
                .map_err(|error| name_of(&error.error))
        })
    }

    fn instantiate(&mut self, args: InstantiateArgs) -> Ending {
        self.chain.execute_with(|| {
            let origin = args.origin.into();
            System::reset_events();
            let (result, (gas, deposit, debug)) = transaction(|| {
                let done = Contracts::bare_instantiate(
                    args.origin.into(),
                    args.value,
                    weight(args.gas_limit),
                    args.storage_deposit_limit,
                    Code::Existing(args.code_hash.into()),
                    args.input,
                    args.salt,
                    DebugInfo::UnsafeDebug,
                    CollectEvents::Skip,
                );
                let gas = done.gas_consumed.ref_time();
                (
                    done.result,
                    (gas, deposit(done.storage_deposit), done.debug_message),
                )
            });
            let (events, lifecycle) = take_events();
            mend(&origin, &lifecycle);
            Ending {
                result: result
                    .map(|done| Returned {
                        flags: done.result.flags.bits(),
                        data: done.result.data,
                        contract: Some(ContractId::from(done.account_id)),
                    })
                    .map_err(|error| name_of(&error)),
                gas,
                deposit,
                events,
                lifecycle,
                debug,
            }
        })
    }

    fn call(&mut self, args: CallArgs) -> Ending {
        self.chain.execute_with(|| {
            let origin = args.origin.into();
            System::reset_events();
            let (result, (gas, deposit, debug)) = transaction(|| {
                let done = Contracts::bare_call(
                    args.origin.into(),
                    args.dest.into(),
                    args.value,
                    weight(args.gas_limit),
                    args.storage_deposit_limit,
                    args.input,
                    DebugInfo::UnsafeDebug,
                    CollectEvents::Skip,
                    pallet_contracts::Determinism::Enforced,
                );
                let gas = done.gas_consumed.ref_time();
                (
                    done.result,
                    (gas, deposit(done.storage_deposit), done.debug_message),
                )
            });
            let (events, lifecycle) = take_events();
            mend(&origin, &lifecycle);
            Ending {
                result: result
                    .map(|output| Returned {
                        flags: output.flags.bits(),
                        data: output.data,
                        contract: None,
                    })
                    .map_err(|error| name_of(&error)),
                gas,
                deposit,
                events,
                lifecycle,
                debug,
            }
        })
    }

    fn snapshot(&mut self) -> Snapshot {
        self.chain.execute_with(|| {
            let accounts = frame_system::Account::<Test>::iter()
                .map(|(id, account)| (id.into(), (account.data.free, account.data.reserved)))
                .filter(|(_, balances)| *balances != (0, 0));
            let codes = keys(&prefix("CodeInfoOf")).into_iter().map(|key| {
                let stored: StoredCode = record(&key);
                let code = CodeRecord {
                    owner: stored.owner,
                    deposit: stored.deposit.0,
                    references: stored.references.0,
                };
                (id_in(&key), code)
            });
            let contracts = keys(&prefix("ContractInfoOf")).into_iter().map(|key| {
                let stored: StoredContract = record(&key);
                let contract = ContractRecord {
                    code_hash: stored.code_hash,
                    bytes: stored.bytes.into(),
                    items: stored.items.into(),
                    deposits: (
                        stored.byte_deposit,
                        stored.item_deposit,
                        stored.base_deposit,
                    ),
                    dependencies: stored.dependencies,
                    storage: child_storage(&stored.trie_id),
                };
                (id_in(&key), contract)
            });
            Snapshot {
                accounts: accounts.collect(),
                codes: codes.collect(),
                contracts: contracts.collect(),
                nonce: unhashed::get_or_default(&prefix("Nonce")),
            }
        })
    }
}
