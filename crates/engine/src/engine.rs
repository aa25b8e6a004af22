//! The engine: wasmtime set up once, compiled codes, and the entry points.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use wasmtime::{InstancePre, Linker, Module, ModuleExport};

use crate::{
    compiled::{Compiled, CompiledCodes, Shelf},
    config::{Config, Limits, Prices},
    deposit::{self, Shortfall},
    error::{
        CodeRejected, ContractError, DispatchError, ExecutionFault, Failure, RemoveCodeError,
        UploadError,
    },
    exec::{self, Guest},
    gas::GAS_PER_FUEL,
    host::Host,
    interface,
    ledger::{self, LedgerError},
    outcome::{ExecReturn, InstantiateOutcome, Outcome, Report},
    pink::crypto,
    schema::{self, AccountId, CodeHash, CodeInfo, ContractId, Determinism},
    session::Session,
    setup::wasmtime_config,
    state::{Overlay, StateError},
    wasm,
};

/// A contract's code, checked and compiled.
pub struct Code {
    pub(crate) pre: InstancePre<Guest>,
    pub(crate) deploy: ModuleExport,
    pub(crate) deploy_returns: bool,
    pub(crate) call: ModuleExport,
    pub(crate) call_returns: bool,
    pub(crate) memory: ModuleExport,
    pub(crate) stack: ModuleExport,
}

/// A call of a contract.
#[derive(Clone, Debug)]
pub struct CallArgs {
    /// Who calls, pays deposits and the value.
    pub origin: AccountId,
    /// The contract.
    pub dest: ContractId,
    /// Balance that goes with the call.
    pub value: u128,
    /// The most gas the call may use.
    pub gas_limit: u64,
    /// The most storage deposit the origin pays; `None` for all it has.
    pub storage_deposit_limit: Option<u128>,
    /// Selector and arguments.
    pub input: Vec<u8>,
}

/// An instantiation of a contract.
#[derive(Clone, Debug)]
pub struct InstantiateArgs {
    /// Who instantiates, pays deposits and the value.
    pub origin: AccountId,
    /// The code, uploaded before.
    pub code_hash: CodeHash,
    /// Balance for the contract, besides the existential deposit.
    pub value: u128,
    /// The most gas the constructor may use.
    pub gas_limit: u64,
    /// The most storage deposit the origin pays; `None` for all it has.
    pub storage_deposit_limit: Option<u128>,
    /// Selector and arguments of the constructor.
    pub input: Vec<u8>,
    /// Distinguishes contracts of one code and one deployer.
    pub salt: Vec<u8>,
}

/// A code that was uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadOutcome {
    /// Its hash.
    pub code_hash: CodeHash,
    /// The deposit held for it; zero if the code was there before.
    pub deposit: u128,
}

/// Runs contracts. Cheap to clone; clones share compiled codes and instances.
#[derive(Clone)]
pub struct Engine {
    // One counter, since every call of every thread changes it.
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    shelf: Option<Shelf>,
}

/// What an engine shares with the same that keeps its codes.
struct Shared {
    config: Config,
    wasmtime: wasmtime::Engine,
    linker: Linker<Guest>,
    codes: Mutex<CodeCache>,
    /// Bytes of memory that all instances have.
    memory: AtomicUsize,
}

/// Compiled codes, the least recently used of which goes first.
#[derive(Default)]
struct CodeCache {
    clock: u64,
    codes: HashMap<(CodeHash, Determinism), (u64, Arc<Code>)>,
}

impl CodeCache {
    fn get(&mut self, key: &(CodeHash, Determinism)) -> Option<Arc<Code>> {
        self.clock += 1;
        let (used, code) = self.codes.get_mut(key)?;
        *used = self.clock;
        Some(code.clone())
    }

    fn insert(&mut self, key: (CodeHash, Determinism), code: Arc<Code>, capacity: usize) {
        if self.codes.len() >= capacity.max(1) {
            let oldest = self.codes.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                self.codes.remove(&oldest);
            }
        }
        self.clock += 1;
        self.codes.insert(key, (self.clock, code));
    }
}

fn refused(error: wasmtime::Error) -> CodeRejected {
    CodeRejected::Compile(format!("{error:#}"))
}

impl Engine {
    /// Sets up wasmtime and links the host interface.
    ///
    /// # Errors
    ///
    /// If this machine cannot run it, most likely because address space is limited: then
    /// [`Profile::Enclave`](crate::Profile::Enclave) or fewer instances help.
    pub fn new(config: Config) -> Result<Self, ExecutionFault> {
        let fault = |error: wasmtime::Error| ExecutionFault::Runtime(format!("{error:#}"));
        let wasmtime = wasmtime::Engine::new(&wasmtime_config(&config)).map_err(fault)?;
        let mut linker = Linker::new(&wasmtime);
        interface::link(&mut linker).map_err(fault)?;
        let shared = Arc::new(Shared {
            config,
            wasmtime,
            linker,
            codes: Mutex::default(),
            memory: AtomicUsize::new(0),
        });
        Ok(Self {
            inner: Arc::new(Inner {
                shared,
                shelf: None,
            }),
        })
    }

    /// The same engine, but what it compiles is kept in `codes` as well, authenticated with `key`,
    /// and looked for there before it is compiled.
    #[must_use]
    pub fn keeping(&self, codes: Arc<dyn CompiledCodes>, key: [u8; 32]) -> Self {
        Self {
            inner: Arc::new(Inner {
                shared: self.inner.shared.clone(),
                shelf: Some(Shelf { codes, key }),
            }),
        }
    }

    /// The bounds contracts live in.
    pub fn limits(&self) -> &Limits {
        &self.inner.shared.config.limits
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner.shared.wasmtime
    }

    /// Gas after which an execution yields.
    pub(crate) fn yield_gas(&self) -> u64 {
        self.inner.shared.config.yield_gas.max(GAS_PER_FUEL)
    }

    /// Bytes of memory that all instances have at present.
    pub fn memory_in_use(&self) -> usize {
        self.inner.shared.memory.load(Ordering::Relaxed)
    }

    /// Checks and compiles code, and keeps it compiled. Takes about a second per megabyte.
    ///
    /// # Errors
    ///
    /// If the code does something a contract may not do.
    pub fn prepare(
        &self,
        wasm: &[u8],
        determinism: Determinism,
    ) -> Result<Arc<Code>, CodeRejected> {
        self.prepare_as(crypto::blake2_256(wasm), wasm, determinism)
    }

    fn prepare_as(
        &self,
        hash: CodeHash,
        wasm: &[u8],
        determinism: Determinism,
    ) -> Result<Arc<Code>, CodeRejected> {
        let key = (hash, determinism);
        if let Some(code) = self.codes().get(&key) {
            return Ok(code);
        }
        // Compiled without the lock: others go on running what is there.
        let code = match self.take_down(&hash, determinism) {
            Some(code) => code,
            None => {
                let (module, returns) = self.compile(wasm, determinism)?;
                if let Some(shelf) = &self.inner.shelf {
                    let compiled = Compiled {
                        deploy_returns: returns.0,
                        call_returns: returns.1,
                        module: module.serialize().map_err(refused)?,
                    };
                    shelf.keep(&hash, determinism, &compiled);
                }
                self.link(&module, returns)?
            }
        };
        let code = Arc::new(code);
        let capacity = self.inner.shared.config.cached_codes;
        self.codes().insert(key, code.clone(), capacity);
        Ok(code)
    }

    fn codes(&self) -> std::sync::MutexGuard<'_, CodeCache> {
        // A cache is whole after every one of its operations, so a panic elsewhere spoils nothing.
        self.inner
            .shared
            .codes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Compiled code from the shelf. Whatever is wrong with it, there is none then.
    fn take_down(&self, hash: &CodeHash, determinism: Determinism) -> Option<Code> {
        let compiled = self.inner.shelf.as_ref()?.load(hash, determinism)?;
        #[expect(unsafe_code, reason = "wasmtime cannot know where the bytes come from")]
        // SAFETY: the tag shows that the owner of the key, this worker, made the bytes with
        // `Module::serialize`. Wasmtime itself checks that they are of its version and settings.
        let module =
            unsafe { Module::deserialize(&self.inner.shared.wasmtime, &compiled.module) }.ok()?;
        let returns = (compiled.deploy_returns, compiled.call_returns);
        self.link(&module, returns).ok()
    }

    /// Checks and compiles. Says besides the module whether `deploy` and `call` return anything.
    fn compile(
        &self,
        wasm: &[u8],
        determinism: Determinism,
    ) -> Result<(Module, (bool, bool)), CodeRejected> {
        let prepared = wasm::prepare(wasm, determinism, self.limits())?;
        let module =
            Module::from_binary(&self.inner.shared.wasmtime, &prepared.wasm).map_err(refused)?;
        Ok((module, (prepared.deploy_returns, prepared.call_returns)))
    }

    fn link(
        &self,
        module: &Module,
        (deploy_returns, call_returns): (bool, bool),
    ) -> Result<Code, CodeRejected> {
        let export = |name: &str| {
            module
                .get_export_index(name)
                .ok_or_else(|| CodeRejected::Compile(format!("the export {name} is lost")))
        };
        Ok(Code {
            deploy: export("deploy")?,
            call: export("call")?,
            memory: export(wasm::MEMORY)?,
            stack: export(wasm::STACK)?,
            deploy_returns,
            call_returns,
            pre: self
                .inner
                .shared
                .linker
                .instantiate_pre(module)
                .map_err(refused)?,
        })
    }

    /// The compiled code of a hash that is in the state.
    pub(crate) fn load(
        &self,
        overlay: &Overlay,
        hash: &CodeHash,
        determinism: Determinism,
    ) -> Result<Arc<Code>, Failure> {
        if let Some(code) = self.codes().get(&(*hash, determinism)) {
            return Ok(code);
        }
        let wasm = schema::code(overlay, hash)?.ok_or(ContractError::CodeNotFound)?;
        self.prepare_as(*hash, &wasm, determinism)
            .map_err(|_| ContractError::CodeRejected.into())
    }

    /// Checks and stores code, and holds a deposit for it on the owner's account. Code that is
    /// there already stays as it is.
    ///
    /// What is cheap is checked first: nothing is compiled for an owner who cannot pay the deposit or
    /// does not want to. The reference, which does not compile, looks at the code first.
    ///
    /// # Errors
    ///
    /// See [`UploadError`]; nothing is changed then.
    pub fn upload(
        &self,
        overlay: &mut Overlay,
        prices: &Prices,
        owner: AccountId,
        wasm: &[u8],
        determinism: Determinism,
        deposit_limit: Option<u128>,
    ) -> Result<UploadOutcome, UploadError> {
        wasm::check_size(wasm, self.limits())?;
        let code_hash = crypto::blake2_256(wasm);
        if schema::code_info(overlay, &code_hash)?.is_some() {
            self.prepare_upload(code_hash, wasm, determinism)?;
            return Ok(UploadOutcome {
                code_hash,
                deposit: 0,
            });
        }
        let deposit = deposit::of_code(wasm.len(), prices);
        if let Some(limit) = deposit_limit
            && deposit > limit
        {
            return Err(UploadError::DepositLimit {
                needed: deposit,
                limit,
            });
        }
        overlay.begin();
        let prepared = ledger::hold(overlay, prices.existential_deposit, &owner, &owner, deposit)
            .map_err(|error| match error {
                LedgerError::Token(_) => UploadError::NotEnoughFunds { needed: deposit },
                LedgerError::State(error) => error.into(),
            })
            .and_then(|()| Ok(self.prepare_upload(code_hash, wasm, determinism)?));
        let determinism = match prepared {
            Ok(determinism) => determinism,
            Err(error) => {
                overlay.rollback();
                return Err(error);
            }
        };
        overlay.commit();
        let info = CodeInfo {
            owner,
            deposit,
            references: 0,
            determinism,
            size: wasm.len() as u32,
        };
        schema::set_code_info(overlay, &code_hash, &info);
        schema::set_code(overlay, &code_hash, wasm.to_vec());
        Ok(UploadOutcome { code_hash, deposit })
    }

    /// Checks and compiles code that is uploaded, and says for what: code that could run everywhere
    /// is not bound to queries.
    fn prepare_upload(
        &self,
        hash: CodeHash,
        wasm: &[u8],
        determinism: Determinism,
    ) -> Result<Determinism, CodeRejected> {
        if determinism == Determinism::Relaxed
            && self.prepare_as(hash, wasm, Determinism::Enforced).is_ok()
        {
            return Ok(Determinism::Enforced);
        }
        self.prepare_as(hash, wasm, determinism)?;
        Ok(determinism)
    }

    /// Removes code that no contract uses and releases its deposit.
    ///
    /// # Errors
    ///
    /// See [`RemoveCodeError`]; nothing is changed then.
    pub fn remove_code(
        &self,
        overlay: &mut Overlay,
        owner: AccountId,
        code_hash: CodeHash,
    ) -> Result<(), RemoveCodeError> {
        let info = schema::code_info(overlay, &code_hash)?.ok_or(RemoveCodeError::NotFound)?;
        if info.references > 0 {
            return Err(RemoveCodeError::InUse(info.references));
        }
        if info.owner != owner {
            return Err(RemoveCodeError::NotOwner);
        }
        ledger::release(overlay, &owner, &owner, info.deposit)?;
        schema::remove_code(overlay, &code_hash);
        Ok(())
    }

    /// Calls a contract. Its changes are in `overlay` afterwards unless it failed or reverted.
    ///
    /// The future yields now and then and may be dropped; the overlay is lost then and refuses to be
    /// used ([`StateError::Lost`]).
    ///
    /// # Errors
    ///
    /// Only if the machine failed; `overlay` is as before then.
    pub async fn call(
        &self,
        overlay: &mut Overlay,
        host: Arc<dyn Host>,
        args: CallArgs,
    ) -> Result<Outcome, ExecutionFault> {
        let execution = Execution {
            origin: args.origin,
            value: args.value,
            gas_limit: args.gas_limit,
            deposit_limit: args.storage_deposit_limit,
            input: args.input,
        };
        let (report, result) = self
            .execute(overlay, host, execution, |session, _| {
                session
                    .push_call(args.dest, args.value, 0, 0, false)
                    .map(|code| (code, args.dest))
            })
            .await?;
        Ok(Outcome {
            report,
            result: result.map(|(output, _)| output),
        })
    }

    /// Instantiates a contract. It and its changes are in `overlay` afterwards unless its
    /// constructor failed or reverted.
    ///
    /// The future may be dropped as that of [`Engine::call`].
    ///
    /// # Errors
    ///
    /// Only if the machine failed; `overlay` is as before then.
    pub async fn instantiate(
        &self,
        overlay: &mut Overlay,
        host: Arc<dyn Host>,
        args: InstantiateArgs,
    ) -> Result<InstantiateOutcome, ExecutionFault> {
        // As in the reference, before the origin's funds are looked at.
        if schema::code_info(overlay, &args.code_hash)?.is_none() {
            return Ok(InstantiateOutcome {
                report: Report::default(),
                result: Err(ContractError::CodeNotFound.into()),
            });
        }
        let execution = Execution {
            origin: args.origin,
            value: args.value,
            gas_limit: args.gas_limit,
            deposit_limit: args.storage_deposit_limit,
            input: args.input,
        };
        let (report, result) = self
            .execute(overlay, host, execution, |session, input| {
                let code = session.push_instantiate(
                    args.code_hash,
                    args.value,
                    0,
                    0,
                    input,
                    &args.salt,
                )?;
                Ok((code, session.frame().account))
            })
            .await?;
        Ok(InstantiateOutcome { report, result })
    }

    async fn execute(
        &self,
        overlay: &mut Overlay,
        host: Arc<dyn Host>,
        execution: Execution,
        push: impl FnOnce(&mut Session, &[u8]) -> Result<(Arc<Code>, ContractId), Failure>,
    ) -> Result<(Report, Executed), ExecutionFault> {
        let limit = match deposit_limit(overlay, &*host, &execution)? {
            Ok(limit) => limit,
            Err(shortfall) => {
                let report = Report {
                    shortfall: Some(shortfall.to_string()),
                    ..Report::default()
                };
                let error = ContractError::StorageDepositNotEnoughFunds.into();
                return Ok((report, Err(error)));
            }
        };
        let lent = overlay.lend();
        let mut session = Box::new(Session::new(
            self.clone(),
            host,
            lent,
            execution.origin,
            execution.gas_limit,
            limit,
        ));
        session.overlay.begin();
        let result = match push(&mut session, &execution.input) {
            Err(failure) => Err(failure),
            Ok((code, account)) => {
                let (returned, result) = exec::run(session, &code, execution.input).await;
                session = returned;
                result
                    .map(|output| (output, account))
                    .map_err(|error| error.failure)
            }
        };
        let (result, deposit) = match result {
            Ok((output, account)) if !output.did_revert() => match session.settle() {
                Ok(deposit) => (Ok((output, account)), deposit),
                Err(failure) => (Err(failure), Default::default()),
            },
            other => (other, Default::default()),
        };
        let kept = matches!(&result, Ok((output, _)) if !output.did_revert());
        if kept {
            session.overlay.commit();
        } else {
            session.overlay.rollback();
            session.events.clear();
            session.pink_events.clear();
            session.lifecycle.clear();
        }
        let Session {
            overlay: used,
            gas,
            debug,
            events,
            pink_events,
            lifecycle,
            traps,
            shortfall,
            ..
        } = *session;
        overlay.give_back(used);
        let result = match result {
            Ok(executed) => Ok(executed),
            Err(Failure::Contract(error)) => Err(error),
            Err(Failure::Fault(fault)) => return Err(fault),
        };
        let report = Report {
            gas_consumed: gas.consumed(),
            gas_required: gas.required(),
            storage_deposit: deposit,
            debug_message: debug,
            events,
            pink_events,
            lifecycle,
            traps,
            shortfall: shortfall.map(|shortfall| shortfall.to_string()),
        };
        Ok((report, result))
    }
}

/// Memory that one instance has taken out of [`Config::memory_bytes`]. It goes back when the instance
/// is gone, however that happens.
pub(crate) struct MemoryTaken {
    engine: Engine,
    bytes: usize,
}

impl MemoryTaken {
    pub(crate) fn none(engine: Engine) -> Self {
        Self { engine, bytes: 0 }
    }

    /// Takes more; `false` if there is not so much.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let shared = &self.engine.inner.shared;
        let before = shared.memory.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= shared.config.memory_bytes;
        if fits {
            self.bytes += bytes;
        } else {
            shared.memory.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }
}

impl Drop for MemoryTaken {
    fn drop(&mut self) {
        let memory = &self.engine.inner.shared.memory;
        memory.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

type Executed = Result<(ExecReturn, ContractId), DispatchError>;

/// What calls and instantiations have in common.
struct Execution {
    origin: AccountId,
    value: u128,
    gas_limit: u64,
    deposit_limit: Option<u128>,
    input: Vec<u8>,
}

/// The most deposit the origin will pay: what it asked for, or what it has. It keeps the value and
/// the endowment of a new contract besides. An error if it asked for more than it has.
fn deposit_limit(
    overlay: &Overlay,
    host: &dyn Host,
    execution: &Execution,
) -> Result<Result<u128, Shortfall>, StateError> {
    if !host.mode().collects_deposits() {
        return Ok(Ok(execution.deposit_limit.unwrap_or(u128::MAX)));
    }
    let existential = host.prices().existential_deposit;
    let max = ledger::spendable(overlay, existential, &execution.origin)?
        .saturating_sub(execution.value)
        .saturating_sub(existential);
    Ok(match execution.deposit_limit {
        Some(limit) if limit > max => Err(Shortfall {
            needed: limit,
            available: max,
        }),
        Some(limit) => Ok(limit),
        None => Ok(max),
    })
}
