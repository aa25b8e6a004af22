//! Crossing the boundary between a contract and the host.
//!
//! What happens when a contract calls a host function:
//! 1. the fuel it used since the last crossing is charged as gas, and it is stopped if it has
//!    written more than may be kept;
//! 2. a function that changes state is refused in a read-only call;
//! 3. the function's base price is charged;
//! 4. the function runs over the contract's memory ([`Context`]); every pointer and length is
//!    checked there, and bytes are charged before they are copied;
//! 5. the gas that is left goes back into the store as fuel;
//! 6. an execution that has used [`Config::yield_gas`](crate::Config::yield_gas) yields: a contract
//!    that calls the host all the time never uses up the fuel after which wasmtime would yield.
//!
//! A function that ends the contract (because it returned, or failed) leaves the reason in the
//! [`Guest`] and traps.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use codec::{Decode, DecodeLimit};
use wasmtime::Caller;

use super::{Cost, Effect, pending::Pending};
use crate::{
    error::{ContractError, Failure},
    exec::{Ended, Exit, Guest},
    host::Host,
    schema::StorageKey,
    session::Session,
};

/// A pointer by which a contract says that it does not want some output.
pub(crate) const NONE: u32 = u32::MAX;

/// How deep a SCALE value from a contract may nest, as `pallet-contracts`.
const MAX_DECODE_NESTING: u32 = 256;

/// A contract's memory and everything else a host function works on.
pub(crate) struct Context<'a> {
    pub(crate) memory: &'a mut [u8],
    pub(crate) guest: &'a mut Guest,
}

/// Runs a host function that ends at once.
pub(crate) fn enter<R>(
    caller: &mut Caller<'_, Guest>,
    cost: Cost,
    effect: Effect,
    function: impl FnOnce(&mut Context<'_>) -> Result<R, Exit>,
) -> wasmtime::Result<R> {
    let left = caller.get_fuel()?;
    let mut context = context(caller)?;
    let result = context
        .begin(left, cost, effect)
        .and_then(|()| function(&mut context));
    leave(caller, result)
}

/// Runs a host function that may have to wait: for another contract, or for the host.
pub(crate) async fn enter_pending(
    caller: &mut Caller<'_, Guest>,
    cost: Cost,
    effect: Effect,
    function: impl FnOnce(&mut Context<'_>) -> Result<Pending, Exit>,
) -> wasmtime::Result<u32> {
    let pending = enter(caller, cost, effect, function)?;
    let ready = pending.wait(caller.data_mut()).await;
    let mut context = context(caller)?;
    let result = ready.finish(&mut context);
    leave(caller, result)
}

fn context<'a>(caller: &'a mut Caller<'_, Guest>) -> wasmtime::Result<Context<'a>> {
    let memory = caller
        .data()
        .memory
        .ok_or_else(|| wasmtime::Error::msg("a host function was called before `call`"))?;
    let (memory, guest) = memory.data_and_store_mut(caller);
    Ok(Context { memory, guest })
}

fn leave<R>(caller: &mut Caller<'_, Guest>, result: Result<R, Exit>) -> wasmtime::Result<R> {
    match result {
        Ok(value) => {
            let fuel = caller.data_mut().give_fuel();
            caller.set_fuel(fuel)?;
            Ok(value)
        }
        Err(exit) => {
            caller.data_mut().exit = Some(exit);
            Err(Ended.into())
        }
    }
}

/// The end of a host function: its result, at once or after the execution has yielded.
pub(crate) struct Turn<R> {
    result: Option<wasmtime::Result<R>>,
    yields: bool,
}

impl<R> Turn<R> {
    pub(crate) fn over(caller: &mut Caller<'_, Guest>, result: wasmtime::Result<R>) -> Self {
        let yields = result.is_ok() && caller.data_mut().session_mut().must_yield();
        Self {
            result: Some(result),
            yields,
        }
    }
}

impl<R: Unpin> Future for Turn<R> {
    type Output = wasmtime::Result<R>;

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Self::Output> {
        if std::mem::take(&mut self.yields) {
            task.waker().wake_by_ref();
            return Poll::Pending;
        }
        match self.result.take() {
            Some(result) => Poll::Ready(result),
            None => Poll::Pending,
        }
    }
}

impl Context<'_> {
    fn begin(&mut self, fuel_left: u64, cost: Cost, effect: Effect) -> Result<(), Exit> {
        self.guest.take_fuel(fuel_left)?;
        self.session_mut().check_interrupted()?;
        self.session().check_undo_bytes()?;
        if effect == Effect::Mutates && self.session().frame().read_only {
            return Err(ContractError::StateChangeDenied.into());
        }
        self.charge(cost.base)
    }

    pub(crate) fn session(&self) -> &Session {
        self.guest.session()
    }

    pub(crate) fn session_mut(&mut self) -> &mut Session {
        self.guest.session_mut()
    }

    pub(crate) fn host(&self) -> Arc<dyn Host> {
        self.session().host.clone()
    }

    /// Charges gas.
    pub(crate) fn charge(&mut self, amount: u64) -> Result<(), Exit> {
        self.session_mut().count(amount);
        Ok(self.session_mut().frame_mut().gas.charge(amount)?)
    }

    /// Charges for `bytes` at the price of `cost`.
    pub(crate) fn charge_bytes(&mut self, cost: Cost, bytes: usize) -> Result<(), Exit> {
        self.charge(cost.per_byte.saturating_mul(bytes as u64))
    }

    pub(crate) fn slice(&self, pointer: u32, length: u32) -> Result<&[u8], Failure> {
        let start = pointer as usize;
        let end = start
            .checked_add(length as usize)
            .ok_or(ContractError::OutOfBounds)?;
        Ok(self
            .memory
            .get(start..end)
            .ok_or(ContractError::OutOfBounds)?)
    }

    /// Copies bytes out of the memory.
    pub(crate) fn read(&self, pointer: u32, length: u32) -> Result<Vec<u8>, Failure> {
        Ok(self.slice(pointer, length)?.to_vec())
    }

    /// Copies a fixed number of bytes out of the memory.
    pub(crate) fn read_array<const N: usize>(&self, pointer: u32) -> Result<[u8; N], Failure> {
        let bytes = self.slice(pointer, N as u32)?;
        Ok(bytes.try_into().map_err(|_| ContractError::OutOfBounds)?)
    }

    /// Decodes a value whose type fixes its size.
    pub(crate) fn read_as<T: Decode>(&self, pointer: u32) -> Result<T, Failure> {
        let mut bytes = self
            .memory
            .get(pointer as usize..)
            .ok_or(ContractError::OutOfBounds)?;
        Ok(T::decode(&mut bytes).map_err(|_| ContractError::DecodingFailed)?)
    }

    /// Decodes a value that fills `length` bytes.
    pub(crate) fn read_all<T: Decode>(&self, pointer: u32, length: u32) -> Result<T, Failure> {
        let mut bytes = self.slice(pointer, length)?;
        Ok(
            T::decode_all_with_depth_limit(MAX_DECODE_NESTING, &mut bytes)
                .map_err(|_| ContractError::DecodingFailed)?,
        )
    }

    /// Reads a storage key of the fixed kind.
    pub(crate) fn fixed_key(&self, pointer: u32) -> Result<StorageKey, Failure> {
        Ok(StorageKey::Fixed(self.read_array(pointer)?))
    }

    /// Reads a storage key of the variable kind.
    pub(crate) fn variable_key(&self, pointer: u32, length: u32) -> Result<StorageKey, Failure> {
        if length > self.session().engine.limits().key_bytes {
            return Err(ContractError::DecodingFailed.into());
        }
        Ok(StorageKey::Variable(self.read(pointer, length)?))
    }

    /// Copies bytes into the memory.
    pub(crate) fn write(&mut self, pointer: u32, bytes: &[u8]) -> Result<(), Failure> {
        let start = pointer as usize;
        let end = start
            .checked_add(bytes.len())
            .ok_or(ContractError::OutOfBounds)?;
        self.memory
            .get_mut(start..end)
            .ok_or(ContractError::OutOfBounds)?
            .copy_from_slice(bytes);
        Ok(())
    }

    /// Checks that an output buffer is large enough: `length_pointer` points to its size.
    fn check_room(&self, length_pointer: u32, needed: usize) -> Result<(), Failure> {
        let room: u32 = self.read_as(length_pointer)?;
        if (room as usize) < needed {
            return Err(ContractError::OutputBufferTooSmall.into());
        }
        Ok(())
    }

    /// Writes output of any length: the bytes to `pointer`, their number to `length_pointer`, which
    /// points to the size of the buffer before.
    pub(crate) fn write_output(
        &mut self,
        pointer: u32,
        length_pointer: u32,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        self.check_room(length_pointer, bytes.len())?;
        self.write(pointer, bytes)?;
        self.write(length_pointer, &(bytes.len() as u32).to_le_bytes())
    }

    /// Like [`Self::write_output`], charging for the bytes between check and copy.
    pub(crate) fn write_charged(
        &mut self,
        cost: Cost,
        pointer: u32,
        length_pointer: u32,
        bytes: &[u8],
    ) -> Result<(), Exit> {
        self.check_room(length_pointer, bytes.len())?;
        self.charge(cost.base)?;
        self.charge_bytes(cost, bytes.len())?;
        Ok(self.write_output(pointer, length_pointer, bytes)?)
    }

    /// Like [`Self::write_charged`], for output the contract may not want.
    pub(crate) fn write_optional(
        &mut self,
        cost: Cost,
        pointer: u32,
        length_pointer: u32,
        bytes: &[u8],
    ) -> Result<(), Exit> {
        if pointer == NONE {
            return Ok(());
        }
        self.write_charged(cost, pointer, length_pointer, bytes)
    }
}
