//! Host functions about the call itself: input and result, who and what, events, messages.

use codec::{Compact, Encode};

use super::{abi::Context, costs};
use crate::{
    error::ContractError,
    exec::{Exit, code},
};

/// Writes a value that is part of the function's price.
fn answer(
    context: &mut Context<'_>,
    out: u32,
    out_len: u32,
    value: impl Encode,
) -> Result<(), Exit> {
    Ok(context.write_output(out, out_len, &value.encode())?)
}

pub(super) fn input(context: &mut Context<'_>, out: u32, out_len: u32) -> Result<(), Exit> {
    let input = context
        .guest
        .input
        .take()
        .ok_or(ContractError::InputForwarded)?;
    context.charge_bytes(costs::COPY_OUT, input.len())?;
    context.write_output(out, out_len, &input)?;
    context.guest.input = Some(input);
    Ok(())
}

pub(super) fn seal_return(
    context: &mut Context<'_>,
    flags: u32,
    data: u32,
    data_len: u32,
) -> Result<(), Exit> {
    context.charge_bytes(costs::COPY_IN, data_len as usize)?;
    let data = context.read(data, data_len)?;
    Err(Exit::Return { flags, data })
}

pub(super) fn caller(context: &mut Context<'_>, out: u32, out_len: u32) -> Result<(), Exit> {
    let caller = context.session().caller();
    answer(context, out, out_len, caller)
}

pub(super) fn is_contract(context: &mut Context<'_>, account: u32) -> Result<u32, Exit> {
    let account = context.read_as(account)?;
    Ok(context.session().contract(&account)?.is_some().into())
}

pub(super) fn code_hash(
    context: &mut Context<'_>,
    account: u32,
    out: u32,
    out_len: u32,
) -> Result<u32, Exit> {
    let account = context.read_as(account)?;
    match context.session().contract(&account)? {
        Some(info) => {
            answer(context, out, out_len, info.code_hash)?;
            Ok(code::SUCCESS)
        }
        None => Ok(code::KEY_NOT_FOUND),
    }
}

pub(super) fn own_code_hash(context: &mut Context<'_>, out: u32, out_len: u32) -> Result<(), Exit> {
    let hash = context.session().own_code_hash()?;
    answer(context, out, out_len, hash)
}

pub(super) fn caller_is_origin(context: &mut Context<'_>) -> Result<u32, Exit> {
    let session = context.session();
    Ok((session.caller() == session.origin).into())
}

pub(super) fn caller_is_root(_: &mut Context<'_>) -> Result<u32, Exit> {
    Ok(0)
}

pub(super) fn address(context: &mut Context<'_>, out: u32, out_len: u32) -> Result<(), Exit> {
    let address = context.session().frame().account;
    answer(context, out, out_len, address)
}

pub(super) fn weight_to_fee_of_gas(
    context: &mut Context<'_>,
    gas: u64,
    out: u32,
    out_len: u32,
) -> Result<(), Exit> {
    let fee = context.session().prices.gas.saturating_mul(gas.into());
    answer(context, out, out_len, fee)
}

pub(super) fn weight_to_fee(
    context: &mut Context<'_>,
    ref_time: u64,
    _proof_size: u64,
    out: u32,
    out_len: u32,
) -> Result<(), Exit> {
    weight_to_fee_of_gas(context, ref_time, out, out_len)
}

pub(super) fn gas_left(context: &mut Context<'_>, out: u32, out_len: u32) -> Result<(), Exit> {
    let left = context.session().frame().gas.left();
    answer(context, out, out_len, left)
}

pub(super) fn weight_left(context: &mut Context<'_>, out: u32, out_len: u32) -> Result<(), Exit> {
    let left = context.session().frame().gas.left();
    answer(context, out, out_len, (Compact(left), Compact(0u64)))
}

pub(super) fn balance(context: &mut Context<'_>, out: u32, out_len: u32) -> Result<(), Exit> {
    let balance = context.session().balance()?;
    answer(context, out, out_len, balance)
}

pub(super) fn value_transferred(
    context: &mut Context<'_>,
    out: u32,
    out_len: u32,
) -> Result<(), Exit> {
    let value = context.session().frame().value;
    answer(context, out, out_len, value)
}

fn seed(context: &mut Context<'_>, subject: u32, subject_len: u32) -> Result<[u8; 32], Exit> {
    if subject_len > context.session().engine.limits().random_subject_bytes {
        return Err(ContractError::RandomSubjectTooLong.into());
    }
    let subject = context.read(subject, subject_len)?;
    Ok(context.host().random_seed(&subject))
}

pub(super) fn random(
    context: &mut Context<'_>,
    subject: u32,
    subject_len: u32,
    out: u32,
    out_len: u32,
) -> Result<(), Exit> {
    let seed = seed(context, subject, subject_len)?;
    answer(context, out, out_len, seed)
}

pub(super) fn random_with_block(
    context: &mut Context<'_>,
    subject: u32,
    subject_len: u32,
    out: u32,
    out_len: u32,
) -> Result<(), Exit> {
    let seed = seed(context, subject, subject_len)?;
    let block = context.host().block_number();
    answer(context, out, out_len, (seed, block))
}

pub(super) fn now(context: &mut Context<'_>, out: u32, out_len: u32) -> Result<(), Exit> {
    let now = context.host().now_ms();
    answer(context, out, out_len, now)
}

pub(super) fn minimum_balance(
    context: &mut Context<'_>,
    out: u32,
    out_len: u32,
) -> Result<(), Exit> {
    let minimum = context.session().prices.existential_deposit;
    answer(context, out, out_len, minimum)
}

pub(super) fn tombstone_deposit(
    context: &mut Context<'_>,
    out: u32,
    out_len: u32,
) -> Result<(), Exit> {
    answer(context, out, out_len, 0u128)
}

#[allow(clippy::too_many_arguments, reason = "the interface is not ours")]
pub(super) fn restore_to_original(
    _: &mut Context<'_>,
    _dest: u32,
    _dest_len: u32,
    _code_hash: u32,
    _code_hash_len: u32,
    _rent: u32,
    _rent_len: u32,
    _delta: u32,
    _delta_count: u32,
) -> Result<(), Exit> {
    Ok(())
}

pub(super) fn restore_to(
    _: &mut Context<'_>,
    _dest: u32,
    _code_hash: u32,
    _rent: u32,
    _delta: u32,
    _delta_count: u32,
) -> Result<(), Exit> {
    Ok(())
}

pub(super) fn set_rent_allowance_original(
    _: &mut Context<'_>,
    _value: u32,
    _value_len: u32,
) -> Result<(), Exit> {
    Ok(())
}

pub(super) fn set_rent_allowance(_: &mut Context<'_>, _value: u32) -> Result<(), Exit> {
    Ok(())
}

pub(super) fn rent_allowance(
    context: &mut Context<'_>,
    out: u32,
    out_len: u32,
) -> Result<(), Exit> {
    answer(context, out, out_len, u128::MAX)
}

pub(super) fn deposit_event(
    context: &mut Context<'_>,
    topics: u32,
    topics_len: u32,
    data: u32,
    data_len: u32,
) -> Result<(), Exit> {
    const TOPIC: u32 = 32;
    context.charge(costs::EVENT_TOPIC.saturating_mul((topics_len / TOPIC).into()))?;
    context.charge_bytes(costs::EVENT, data_len as usize)?;
    let limits = context.session().engine.limits();
    let (value_bytes, event_topics) = (limits.value_bytes, limits.event_topics);
    if data_len > value_bytes {
        return Err(ContractError::ValueTooLarge.into());
    }
    let topics: Vec<[u8; 32]> = match topics_len {
        0 => Vec::new(),
        _ => context.read_all(topics, topics_len)?,
    };
    if topics.len() > event_topics as usize {
        return Err(ContractError::TooManyTopics.into());
    }
    let data = context.read(data, data_len)?;
    Ok(context.session_mut().deposit_event(topics, data)?)
}

pub(super) fn block_number(context: &mut Context<'_>, out: u32, out_len: u32) -> Result<(), Exit> {
    let number = context.host().block_number();
    answer(context, out, out_len, number)
}

pub(super) fn debug_message(
    context: &mut Context<'_>,
    text: u32,
    text_len: u32,
) -> Result<u32, Exit> {
    let limit = context.session().engine.limits().debug_bytes as u32;
    let text_len = text_len.min(limit);
    context.charge_bytes(costs::DEBUG_MESSAGE, text_len as usize)?;
    let bytes = context.read(text, text_len)?;
    if let Ok(text) = std::str::from_utf8(&bytes) {
        context.session_mut().append_debug(text);
    }
    Ok(code::SUCCESS)
}

pub(super) fn println(context: &mut Context<'_>, text: u32, text_len: u32) -> Result<(), Exit> {
    debug_message(context, text, text_len).map(|_| ())
}

pub(super) fn reentrance_count(context: &mut Context<'_>) -> Result<u32, Exit> {
    let session = context.session();
    let on_stack = session.count_on_stack(&session.frame().account);
    Ok(on_stack.saturating_sub(1))
}

pub(super) fn account_reentrance_count(
    context: &mut Context<'_>,
    account: u32,
) -> Result<u32, Exit> {
    let account = context.read_as(account)?;
    Ok(context.session().count_on_stack(&account))
}

pub(super) fn instantiation_nonce(context: &mut Context<'_>) -> Result<u64, Exit> {
    Ok(context.session().nonce()?)
}
