//! Host functions that read and write a contract's values.

use super::{
    Cost,
    abi::{Context, NONE},
    costs,
};
use crate::{
    error::ContractError,
    exec::{Exit, code},
    schema::StorageKey,
};

/// The length of a value for a contract; there may be none.
fn length(value: Option<&Vec<u8>>) -> u32 {
    value.map_or(NONE, |value| value.len() as u32)
}

/// Charges for a value to write, and checks its length. The reference does it in this order, and
/// before it reads the key.
fn admit(context: &mut Context<'_>, cost: Cost, value_len: u32) -> Result<(), Exit> {
    context.charge_bytes(cost, value_len as usize)?;
    if value_len > context.session().engine.limits().value_bytes {
        return Err(ContractError::ValueTooLarge.into());
    }
    Ok(())
}

fn write(
    context: &mut Context<'_>,
    key: StorageKey,
    value: u32,
    value_len: u32,
) -> Result<u32, Exit> {
    let value = context.read(value, value_len)?;
    let old = context.session_mut().write(&key, Some(value))?;
    Ok(length(old.as_ref()))
}

/// Writes what was found to the output buffer.
fn found(
    context: &mut Context<'_>,
    value: Option<Vec<u8>>,
    cost: Cost,
    out: u32,
    out_len: u32,
) -> Result<u32, Exit> {
    let Some(value) = value else {
        return Ok(code::KEY_NOT_FOUND);
    };
    context.charge_bytes(cost, value.len())?;
    context.write_output(out, out_len, &value)?;
    Ok(code::SUCCESS)
}

pub(super) fn set_fixed_silent(
    context: &mut Context<'_>,
    key: u32,
    value: u32,
    value_len: u32,
) -> Result<(), Exit> {
    set_fixed(context, key, value, value_len).map(|_| ())
}

pub(super) fn set_fixed(
    context: &mut Context<'_>,
    key: u32,
    value: u32,
    value_len: u32,
) -> Result<u32, Exit> {
    admit(context, costs::SET_STORAGE, value_len)?;
    let key = context.fixed_key(key)?;
    write(context, key, value, value_len)
}

pub(super) fn set(
    context: &mut Context<'_>,
    key: u32,
    key_len: u32,
    value: u32,
    value_len: u32,
) -> Result<u32, Exit> {
    admit(context, costs::SET_STORAGE, value_len)?;
    let key = context.variable_key(key, key_len)?;
    write(context, key, value, value_len)
}

pub(super) fn clear_fixed(context: &mut Context<'_>, key: u32) -> Result<(), Exit> {
    let key = context.fixed_key(key)?;
    let old = context.session_mut().write(&key, None)?;
    context.charge_bytes(costs::CLEAR_STORAGE, old.map_or(0, |old| old.len()))
}

pub(super) fn clear(context: &mut Context<'_>, key: u32, key_len: u32) -> Result<u32, Exit> {
    let key = context.variable_key(key, key_len)?;
    let old = context.session_mut().write(&key, None)?;
    context.charge_bytes(costs::CLEAR_STORAGE, old.as_ref().map_or(0, Vec::len))?;
    Ok(length(old.as_ref()))
}

pub(super) fn get_fixed(
    context: &mut Context<'_>,
    key: u32,
    out: u32,
    out_len: u32,
) -> Result<u32, Exit> {
    let key = context.fixed_key(key)?;
    let value = context.session_mut().read(&key)?;
    found(context, value, costs::GET_STORAGE, out, out_len)
}

pub(super) fn get(
    context: &mut Context<'_>,
    key: u32,
    key_len: u32,
    out: u32,
    out_len: u32,
) -> Result<u32, Exit> {
    let key = context.variable_key(key, key_len)?;
    let value = context.session_mut().read(&key)?;
    found(context, value, costs::GET_STORAGE, out, out_len)
}

pub(super) fn contains_fixed(context: &mut Context<'_>, key: u32) -> Result<u32, Exit> {
    let key = context.fixed_key(key)?;
    has(context, &key)
}

pub(super) fn contains(context: &mut Context<'_>, key: u32, key_len: u32) -> Result<u32, Exit> {
    let key = context.variable_key(key, key_len)?;
    has(context, &key)
}

fn has(context: &mut Context<'_>, key: &StorageKey) -> Result<u32, Exit> {
    let value = context.session_mut().read(key)?;
    let bytes = value.as_ref().map_or(0, Vec::len);
    context.charge_bytes(costs::CONTAINS_STORAGE, bytes)?;
    Ok(length(value.as_ref()))
}

pub(super) fn take(
    context: &mut Context<'_>,
    key: u32,
    key_len: u32,
    out: u32,
    out_len: u32,
) -> Result<u32, Exit> {
    let key = context.variable_key(key, key_len)?;
    let value = context.session_mut().write(&key, None)?;
    found(context, value, costs::TAKE_STORAGE, out, out_len)
}

pub(super) fn set_transient(
    context: &mut Context<'_>,
    key: u32,
    key_len: u32,
    value: u32,
    value_len: u32,
) -> Result<u32, Exit> {
    admit(context, costs::SET_TRANSIENT, value_len)?;
    let key = context.variable_key(key, key_len)?;
    let value = context.read(value, value_len)?;
    let old = write_transient(context, key, Some(value))?;
    Ok(length(old.as_ref()))
}

pub(super) fn clear_transient(
    context: &mut Context<'_>,
    key: u32,
    key_len: u32,
) -> Result<u32, Exit> {
    let key = context.variable_key(key, key_len)?;
    let old = write_transient(context, key, None)?;
    context.charge_bytes(costs::CLEAR_TRANSIENT, old.as_ref().map_or(0, Vec::len))?;
    Ok(length(old.as_ref()))
}

pub(super) fn get_transient(
    context: &mut Context<'_>,
    key: u32,
    key_len: u32,
    out: u32,
    out_len: u32,
) -> Result<u32, Exit> {
    let key = context.variable_key(key, key_len)?;
    let contract = context.session().frame().account;
    let value = context.session().transient.read(contract, key).cloned();
    found(context, value, costs::GET_TRANSIENT, out, out_len)
}

pub(super) fn contains_transient(
    context: &mut Context<'_>,
    key: u32,
    key_len: u32,
) -> Result<u32, Exit> {
    let key = context.variable_key(key, key_len)?;
    let contract = context.session().frame().account;
    Ok(length(context.session().transient.read(contract, key)))
}

pub(super) fn take_transient(
    context: &mut Context<'_>,
    key: u32,
    key_len: u32,
    out: u32,
    out_len: u32,
) -> Result<u32, Exit> {
    let key = context.variable_key(key, key_len)?;
    let value = write_transient(context, key, None)?;
    found(context, value, costs::TAKE_TRANSIENT, out, out_len)
}

fn write_transient(
    context: &mut Context<'_>,
    key: StorageKey,
    value: Option<Vec<u8>>,
) -> Result<Option<Vec<u8>>, Exit> {
    let session = context.session_mut();
    let contract = session.frame().account;
    Ok(session.transient.write(contract, key, value)?)
}
