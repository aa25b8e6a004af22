//! Runs one frame: checkpoints around it, an instance for it, and the translation of how the
//! instance ended.
//!
//! What happens when a contract calls another:
//! 1. its host function pushes a frame ([`Session::push_call`]) and takes the session out of its
//!    store;
//! 2. [`run`] opens checkpoints, moves the session into the store of a new instance and calls it;
//! 3. the instance ends: gas is settled, the session comes back out, the checkpoint is committed or
//!    rolled back, and the frame's gas and deposits go to its caller;
//! 4. the host function puts the session back into its store and writes the answer.
//!
//! Every instance has its own fiber, so nothing of this nests on one native stack, and a frame that
//! waits for HTTP holds no thread.

use wasmtime::{Global, Memory, ResourceLimiter, Store, Trap};

use crate::{
    config::STACK_UNITS,
    engine::{Code, MemoryTaken},
    error::{ContractError, DispatchError, ExecutionFault, Failure},
    gas::{GAS_PER_FUEL, GAS_PER_PAGE},
    outcome::{ExecReturn, REVERT},
    session::{Entry, ExecError, ExecResult, Session},
    wasm::PAGE,
};

/// What the store of an instance holds.
pub(crate) struct Guest {
    /// `None` while a frame that this one called runs.
    session: Option<Box<Session>>,
    /// The input, until it is forwarded.
    pub(crate) input: Option<Vec<u8>>,
    pub(crate) memory: Option<Memory>,
    /// Counts the Wasm stack.
    stack: Option<Global>,
    /// Fuel in the store when it was last looked at.
    fuel: u64,
    taken: MemoryTaken,
    /// Why a host function ended the instance.
    pub(crate) exit: Option<Exit>,
}

/// Why a host function ends its instance.
#[derive(Debug)]
pub(crate) enum Exit {
    /// The contract returned.
    Return { flags: u32, data: Vec<u8> },
    /// The contract terminated itself.
    Terminated,
    /// Something failed.
    Failed(Failure),
}

impl<F: Into<Failure>> From<F> for Exit {
    fn from(failure: F) -> Self {
        Self::Failed(failure.into())
    }
}

/// What travels through wasmtime in place of an [`Exit`], which stays in the [`Guest`].
#[derive(Debug, thiserror::Error)]
#[error("the contract was ended by a host function")]
pub(crate) struct Ended;

impl Guest {
    pub(crate) fn session(&self) -> &Session {
        self.session.as_deref().expect(
            "the session is away only while a called frame runs, and then this one does not",
        )
    }

    pub(crate) fn session_mut(&mut self) -> &mut Session {
        self.session.as_deref_mut().expect(
            "the session is away only while a called frame runs, and then this one does not",
        )
    }

    pub(crate) fn lend_session(&mut self) -> Box<Session> {
        self.session.take().expect(
            "the session is away only while a called frame runs, and then this one does not",
        )
    }

    pub(crate) fn return_session(&mut self, session: Box<Session>) {
        self.session = Some(session);
    }

    /// Charges the fuel used since it was last looked at. `left` is what the store has now.
    pub(crate) fn take_fuel(&mut self, left: u64) -> Result<(), ContractError> {
        let used = self.fuel.saturating_sub(left);
        self.fuel = left;
        let gas = used.saturating_mul(GAS_PER_FUEL);
        self.session_mut().count_own(gas);
        self.session_mut().frame_mut().gas.charge(gas)
    }

    /// The fuel to put into the store for the gas that is left. The one unit more makes up for
    /// wasmtime, which stops when all of it is used rather than when more is needed.
    pub(crate) fn give_fuel(&mut self) -> u64 {
        self.fuel = self.session().frame().gas.left() / GAS_PER_FUEL + 1;
        self.fuel
    }
}

impl ResourceLimiter for Guest {
    /// Charges memory as it is taken. Sizes were limited when the code was uploaded.
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        if !self.taken.take(desired.saturating_sub(current)) {
            self.exit = Some(ExecutionFault::Busy.into());
            return Err(Ended.into());
        }
        // The reference takes nothing for the memory a contract begins with; for a called contract its
        // price of a call covers it.
        if current == 0 && self.session().frames.len() == 1 {
            return Ok(true);
        }
        let pages = desired.saturating_sub(current).div_ceil(PAGE) as u64;
        let gas = &mut self.session_mut().frame_mut().gas;
        if let Err(error) = gas.charge(pages.saturating_mul(GAS_PER_PAGE)) {
            self.exit = Some(error.into());
            return Err(Ended.into());
        }
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        // Without reference types there is no instruction that grows a table; this is its creation.
        Ok(true)
    }
}

/// Runs the frame that was pushed last, and pops it.
pub(crate) async fn run(
    mut session: Box<Session>,
    code: &Code,
    input: Vec<u8>,
) -> (Box<Session>, ExecResult) {
    let marks = session.begin();
    let result = match session.enter() {
        Err(failure) => Err(ExecError::from(failure)),
        Ok(()) => {
            let (returned, result) = execute(session, code, input).await;
            session = returned;
            match result {
                Err(failure) => Err(ExecError {
                    failure,
                    in_callee: true,
                }),
                Ok(output) if output.did_revert() => Ok(output),
                Ok(output) => session.leave().map(|()| output).map_err(ExecError::from),
            }
        }
    };
    let persist = matches!(&result, Ok(output) if !output.did_revert());
    session.end(marks, persist);
    (session, result)
}

/// Runs the code in an instance of its own.
async fn execute(
    session: Box<Session>,
    code: &Code,
    input: Vec<u8>,
) -> (Box<Session>, Result<ExecReturn, Failure>) {
    let entry = session.frame().entry;
    let yield_fuel = session.engine.yield_gas() / GAS_PER_FUEL;
    let taken = MemoryTaken::none(session.engine.clone());
    let mut store = Store::new(
        session.engine.wasmtime(),
        Guest {
            session: None,
            input: Some(input),
            memory: None,
            stack: None,
            fuel: 0,
            taken,
            exit: None,
        },
    );
    store.data_mut().return_session(session);
    store.limiter(|guest| guest);
    let result = call(&mut store, code, entry, yield_fuel).await;
    let left = store.get_fuel().unwrap_or(0);
    let stack = store
        .data()
        .stack
        .map_or(0, |stack| match stack.get(&mut store) {
            wasmtime::Val::I32(units) => units as u32,
            _ => 0,
        });
    let mut guest = store.into_data();
    let result = settle(&mut guest, result, left, stack);
    (guest.lend_session(), result)
}

async fn call(
    store: &mut Store<Guest>,
    code: &Code,
    entry: Entry,
    yield_fuel: u64,
) -> wasmtime::Result<()> {
    // Without copy-on-write images wasmtime copies data by a function of its own, which takes fuel.
    // That is paid for by the size of the code.
    store.set_fuel(u64::MAX)?;
    let instance = code.pre.instantiate_async(&mut *store).await?;
    let memory = instance.get_module_export(&mut *store, &code.memory);
    store.data_mut().memory = memory.and_then(wasmtime::Extern::into_memory);
    let stack = instance.get_module_export(&mut *store, &code.stack);
    store.data_mut().stack = stack.and_then(wasmtime::Extern::into_global);
    let (export, returns) = match entry {
        Entry::Constructor => (&code.deploy, code.deploy_returns),
        Entry::Call => (&code.call, code.call_returns),
    };
    let function = instance
        .get_module_export(&mut *store, export)
        .and_then(wasmtime::Extern::into_func)
        .ok_or_else(|| wasmtime::Error::msg("an export that was checked is missing"))?;
    store.fuel_async_yield_interval(Some(yield_fuel))?;
    let fuel = store.data_mut().give_fuel();
    store.set_fuel(fuel)?;
    if returns {
        let function = function.typed::<(), u32>(&*store)?;
        function.call_async(&mut *store, ()).await?;
    } else {
        let function = function.typed::<(), ()>(&*store)?;
        function.call_async(&mut *store, ()).await?;
    }
    Ok(())
}

/// Settles the gas and says how the frame ended.
fn settle(
    guest: &mut Guest,
    result: wasmtime::Result<()>,
    left: u64,
    stack: u32,
) -> Result<ExecReturn, Failure> {
    let Err(error) = result else {
        guest.take_fuel(left)?;
        return Ok(ExecReturn::default());
    };
    // A host function took the fuel when it was called, and none was used since.
    match guest.exit.take() {
        Some(Exit::Return { flags, data }) if flags & !REVERT == 0 => {
            return Ok(ExecReturn { flags, data });
        }
        Some(Exit::Return { .. }) => return Err(ContractError::InvalidCallFlags.into()),
        Some(Exit::Terminated) => return Ok(ExecReturn::default()),
        Some(Exit::Failed(failure)) => {
            if let Failure::Contract(error) = &failure {
                let session = guest.session_mut();
                let reason = match *error == ContractError::OutOfGas.into() {
                    true => out_of_gas(session),
                    false => error.to_string(),
                };
                session.note_trap(reason);
            }
            return Err(failure);
        }
        None => {}
    }
    let Some(trap) = error.downcast_ref::<Trap>() else {
        if error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return Err(ExecutionFault::Busy.into());
        }
        return Err(ExecutionFault::Runtime(format!("{error:#}")).into());
    };
    let session = guest.session_mut();
    match trap {
        Trap::OutOfFuel => {
            session.frame_mut().gas.exhaust();
            let reason = out_of_gas(session);
            session.note_trap(reason);
            return Err(ContractError::OutOfGas.into());
        }
        // Wasmtime has written the fuel back here, so a panic costs what it used.
        Trap::UnreachableCodeReached => {
            guest.take_fuel(left)?;
            let reason = if stack > STACK_UNITS {
                "stack exhausted".to_owned()
            } else {
                trap.to_string()
            };
            guest.session_mut().note_trap(reason);
        }
        // Fuel is written back at calls and returns only; a loop that ends in such a trap would
        // report next to none. It costs all there was.
        _ => {
            session.frame_mut().gas.exhaust();
            session.note_trap(trap.to_string());
        }
    }
    Err(ContractError::ContractTrapped.into())
}

/// What to say of a frame that has used up its gas.
fn out_of_gas(session: &Session) -> String {
    let limit = session.frame().gas.limit();
    format!("{} at a limit of {limit}", ContractError::OutOfGas)
}

/// The number by which a host function tells a contract how its call ended; an error that is not
/// for the contract to see passes through.
pub(crate) fn return_code(result: &ExecResult) -> Option<u32> {
    match result {
        Ok(output) if output.did_revert() => Some(code::CALLEE_REVERTED),
        Ok(_) => Some(code::SUCCESS),
        Err(error) => match &error.failure {
            Failure::Fault(_) => None,
            Failure::Contract(_) if error.in_callee => Some(code::CALLEE_TRAPPED),
            Failure::Contract(error) => error_code(error),
        },
    }
}

/// The number for an error that a contract can handle.
pub(crate) fn error_code(error: &DispatchError) -> Option<u32> {
    let is = |known: ContractError| *error == known.into();
    if is(ContractError::TransferFailed) {
        Some(code::TRANSFER_FAILED)
    } else if is(ContractError::CodeNotFound) {
        Some(code::CODE_NOT_FOUND)
    } else if is(ContractError::ContractNotFound) {
        Some(code::NOT_CALLABLE)
    } else {
        None
    }
}

/// What host functions return, as `ReturnErrorCode` of `pallet-contracts-uapi` numbers it.
pub(crate) mod code {
    pub(crate) const SUCCESS: u32 = 0;
    pub(crate) const CALLEE_TRAPPED: u32 = 1;
    pub(crate) const CALLEE_REVERTED: u32 = 2;
    pub(crate) const KEY_NOT_FOUND: u32 = 3;
    pub(crate) const TRANSFER_FAILED: u32 = 5;
    pub(crate) const CODE_NOT_FOUND: u32 = 7;
    pub(crate) const NOT_CALLABLE: u32 = 8;
    pub(crate) const CALL_RUNTIME_FAILED: u32 = 10;
    pub(crate) const ECDSA_RECOVERY_FAILED: u32 = 11;
    pub(crate) const SR25519_VERIFY_FAILED: u32 = 12;
    pub(crate) const XCM_EXECUTION_FAILED: u32 = 13;
    pub(crate) const XCM_SEND_FAILED: u32 = 14;
}
