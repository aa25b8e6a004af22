//! Host functions that reach other accounts, contracts and codes, and the extension.

use super::{
    abi::{Context, NONE},
    costs,
    pending::{After, Output, Pending},
};
use crate::{
    error::{ContractError, Failure},
    exec::{self, Exit, code},
    pink,
    schema::ContractId,
};

/// Flags of a call, as `CallFlags` of `pallet-contracts-uapi`.
mod flags {
    pub(super) const FORWARD_INPUT: u32 = 1;
    pub(super) const CLONE_INPUT: u32 = 1 << 1;
    pub(super) const TAIL_CALL: u32 = 1 << 2;
    pub(super) const ALLOW_REENTRY: u32 = 1 << 3;
    pub(super) const READ_ONLY: u32 = 1 << 4;
    pub(super) const ALL: u32 = 0b1_1111;
}

/// A value a contract may leave out by pointing nowhere; zero means "no limit of its own".
fn optional_balance(context: &Context<'_>, pointer: u32) -> Result<u128, Failure> {
    if pointer == NONE {
        return Ok(0);
    }
    context.read_as(pointer)
}

/// The input for a called contract: this one's own, or from memory.
fn take_input(
    context: &mut Context<'_>,
    flags: u32,
    input: u32,
    input_len: u32,
) -> Result<Vec<u8>, Exit> {
    if flags & flags::CLONE_INPUT != 0 {
        let input = context
            .guest
            .input
            .clone()
            .ok_or(ContractError::InputForwarded)?;
        context.charge_bytes(costs::CLONE_INPUT, input.len())?;
        return Ok(input);
    }
    if flags & flags::FORWARD_INPUT != 0 {
        let input = context.guest.input.take();
        return Ok(input.ok_or(ContractError::InputForwarded)?);
    }
    context.charge_bytes(costs::COPY_IN, input_len as usize)?;
    Ok(context.read(input, input_len)?)
}

fn check_flags(flags: u32) -> Result<(), Failure> {
    if flags & !flags::ALL != 0 {
        return Err(ContractError::InvalidCallFlags.into());
    }
    Ok(())
}

/// What all versions of `call` come down to.
struct Call {
    flags: u32,
    callee: u32,
    gas: u64,
    deposit: u32,
    value: u32,
    input: u32,
    input_len: u32,
    output: Output,
}

impl Call {
    fn begin(self, context: &mut Context<'_>) -> Result<Pending, Exit> {
        check_flags(self.flags)?;
        let input = take_input(context, self.flags, self.input, self.input_len)?;
        let callee: ContractId = context.read_as(self.callee)?;
        let deposit_limit = optional_balance(context, self.deposit)?;
        let value: u128 = context.read_as(self.value)?;
        let read_only = self.flags & flags::READ_ONLY != 0;
        if value > 0 {
            if read_only || context.session().frame().read_only {
                return Err(ContractError::StateChangeDenied.into());
            }
            context.charge(costs::CALL_TRANSFER.base)?;
        }
        let session = context.session_mut();
        session.frame_mut().allows_reentry = self.flags & flags::ALLOW_REENTRY != 0;
        let denied = session
            .frames
            .iter()
            .any(|frame| frame.account == callee && !frame.allows_reentry);
        let code = if denied {
            Err(ContractError::ReentranceDenied.into())
        } else {
            session.push_call(callee, value, self.gas, deposit_limit, read_only)
        };
        Ok(Pending::Frame {
            code,
            input,
            after: After::Call {
                tail: self.flags & flags::TAIL_CALL != 0,
                output: self.output,
            },
        })
    }
}

#[allow(clippy::too_many_arguments, reason = "the interface is not ours")]
pub(super) fn call_original(
    context: &mut Context<'_>,
    callee: u32,
    _callee_len: u32,
    gas: u64,
    value: u32,
    _value_len: u32,
    input: u32,
    input_len: u32,
    pointer: u32,
    length_pointer: u32,
) -> Result<Pending, Exit> {
    Call {
        flags: flags::ALLOW_REENTRY,
        callee,
        gas,
        deposit: NONE,
        value,
        input,
        input_len,
        output: Output {
            pointer,
            length_pointer,
        },
    }
    .begin(context)
}

#[allow(clippy::too_many_arguments, reason = "the interface is not ours")]
pub(super) fn call_with_flags(
    context: &mut Context<'_>,
    flags: u32,
    callee: u32,
    gas: u64,
    value: u32,
    input: u32,
    input_len: u32,
    pointer: u32,
    length_pointer: u32,
) -> Result<Pending, Exit> {
    Call {
        flags,
        callee,
        gas,
        deposit: NONE,
        value,
        input,
        input_len,
        output: Output {
            pointer,
            length_pointer,
        },
    }
    .begin(context)
}

#[allow(clippy::too_many_arguments, reason = "the interface is not ours")]
pub(super) fn call_with_deposit(
    context: &mut Context<'_>,
    flags: u32,
    callee: u32,
    ref_time: u64,
    _proof_size: u64,
    deposit: u32,
    value: u32,
    input: u32,
    input_len: u32,
    pointer: u32,
    length_pointer: u32,
) -> Result<Pending, Exit> {
    Call {
        flags,
        callee,
        gas: ref_time,
        deposit,
        value,
        input,
        input_len,
        output: Output {
            pointer,
            length_pointer,
        },
    }
    .begin(context)
}

pub(super) fn delegate_call(
    context: &mut Context<'_>,
    flags: u32,
    code_hash: u32,
    input: u32,
    input_len: u32,
    pointer: u32,
    length_pointer: u32,
) -> Result<Pending, Exit> {
    check_flags(flags)?;
    let input = take_input(context, flags, input, input_len)?;
    if flags & (flags::ALLOW_REENTRY | flags::READ_ONLY) != 0 {
        return Err(ContractError::InvalidCallFlags.into());
    }
    let code_hash = context.read_as(code_hash)?;
    let code = context.session_mut().push_delegate_call(code_hash);
    Ok(Pending::Frame {
        code,
        input,
        after: After::Call {
            tail: flags & flags::TAIL_CALL != 0,
            output: Output {
                pointer,
                length_pointer,
            },
        },
    })
}

/// What all versions of `instantiate` come down to.
struct Instantiate {
    code_hash: u32,
    gas: u64,
    deposit: u32,
    value: u32,
    input: u32,
    input_len: u32,
    address_output: Output,
    output: Output,
    salt: u32,
    salt_len: u32,
}

impl Instantiate {
    fn begin(self, context: &mut Context<'_>) -> Result<Pending, Exit> {
        context.charge_bytes(costs::INSTANTIATE, self.input_len as usize)?;
        context.charge_bytes(costs::INSTANTIATE, self.salt_len as usize)?;
        let deposit_limit = optional_balance(context, self.deposit)?;
        let value: u128 = context.read_as(self.value)?;
        let code_hash = context.read_as(self.code_hash)?;
        let input = context.read(self.input, self.input_len)?;
        let salt = context.read(self.salt, self.salt_len)?;
        let session = context.session_mut();
        let code =
            session.push_instantiate(code_hash, value, self.gas, deposit_limit, &input, &salt);
        let address = code.is_ok().then(|| session.frame().account);
        Ok(Pending::Frame {
            code,
            input,
            after: After::Instantiate {
                address,
                address_output: self.address_output,
                output: self.output,
            },
        })
    }
}

#[allow(clippy::too_many_arguments, reason = "the interface is not ours")]
pub(super) fn instantiate_original(
    context: &mut Context<'_>,
    code_hash: u32,
    _code_hash_len: u32,
    gas: u64,
    value: u32,
    _value_len: u32,
    input: u32,
    input_len: u32,
    address: u32,
    address_len: u32,
    out: u32,
    out_len: u32,
    salt: u32,
    salt_len: u32,
) -> Result<Pending, Exit> {
    instantiate(
        context,
        code_hash,
        gas,
        value,
        input,
        input_len,
        address,
        address_len,
        out,
        out_len,
        salt,
        salt_len,
    )
}

#[allow(clippy::too_many_arguments, reason = "the interface is not ours")]
pub(super) fn instantiate(
    context: &mut Context<'_>,
    code_hash: u32,
    gas: u64,
    value: u32,
    input: u32,
    input_len: u32,
    address: u32,
    address_len: u32,
    out: u32,
    out_len: u32,
    salt: u32,
    salt_len: u32,
) -> Result<Pending, Exit> {
    instantiate_with_deposit(
        context,
        code_hash,
        gas,
        0,
        NONE,
        value,
        input,
        input_len,
        address,
        address_len,
        out,
        out_len,
        salt,
        salt_len,
    )
}

#[allow(clippy::too_many_arguments, reason = "the interface is not ours")]
pub(super) fn instantiate_with_deposit(
    context: &mut Context<'_>,
    code_hash: u32,
    ref_time: u64,
    _proof_size: u64,
    deposit: u32,
    value: u32,
    input: u32,
    input_len: u32,
    address: u32,
    address_len: u32,
    out: u32,
    out_len: u32,
    salt: u32,
    salt_len: u32,
) -> Result<Pending, Exit> {
    Instantiate {
        code_hash,
        gas: ref_time,
        deposit,
        value,
        input,
        input_len,
        address_output: Output {
            pointer: address,
            length_pointer: address_len,
        },
        output: Output {
            pointer: out,
            length_pointer: out_len,
        },
        salt,
        salt_len,
    }
    .begin(context)
}

/// Turns an error that a contract can handle into its number.
fn handled(result: Result<(), Failure>) -> Result<u32, Exit> {
    match result {
        Ok(()) => Ok(code::SUCCESS),
        Err(Failure::Contract(error)) => {
            exec::error_code(&error).ok_or(Exit::Failed(Failure::Contract(error)))
        }
        Err(failure) => Err(Exit::Failed(failure)),
    }
}

pub(super) fn transfer(
    context: &mut Context<'_>,
    account: u32,
    _account_len: u32,
    value: u32,
    _value_len: u32,
) -> Result<u32, Exit> {
    let to = context.read_as(account)?;
    let value = context.read_as(value)?;
    handled(context.session_mut().transfer(&to, value))
}

pub(super) fn terminate_original(
    context: &mut Context<'_>,
    beneficiary: u32,
    _beneficiary_len: u32,
) -> Result<(), Exit> {
    terminate(context, beneficiary)
}

pub(super) fn terminate(context: &mut Context<'_>, beneficiary: u32) -> Result<(), Exit> {
    let dependencies = context.session().delegate_dependencies()?;
    context.charge(costs::TERMINATE_DEPENDENCY.saturating_mul(dependencies))?;
    let beneficiary = context.read_as(beneficiary)?;
    context.session_mut().terminate(beneficiary)?;
    Err(Exit::Terminated)
}

pub(super) fn set_code_hash(context: &mut Context<'_>, code_hash: u32) -> Result<u32, Exit> {
    let code_hash = context.read_as(code_hash)?;
    handled(context.session_mut().set_code_hash(code_hash))
}

pub(super) fn lock_delegate_dependency(
    context: &mut Context<'_>,
    code_hash: u32,
) -> Result<(), Exit> {
    let code_hash = context.read_as(code_hash)?;
    Ok(context.session_mut().lock_delegate_dependency(code_hash)?)
}

pub(super) fn unlock_delegate_dependency(
    context: &mut Context<'_>,
    code_hash: u32,
) -> Result<(), Exit> {
    let code_hash = context.read_as(code_hash)?;
    Ok(context
        .session_mut()
        .unlock_delegate_dependency(code_hash)?)
}

pub(super) fn call_chain_extension(
    context: &mut Context<'_>,
    id: u32,
    input: u32,
    input_len: u32,
    pointer: u32,
    length_pointer: u32,
) -> Result<Pending, Exit> {
    if input_len > context.session().engine.limits().extension_input_bytes {
        return Err(ContractError::ValueTooLarge.into());
    }
    context.charge_bytes(costs::EXTENSION, input_len as usize)?;
    let input = context.read(input, input_len)?;
    let output = Output {
        pointer,
        length_pointer,
    };
    Ok(match pink::dispatch(context, id, &input)? {
        pink::Dispatched::Answer(answer) => Pending::Nothing(answer, output),
        pink::Dispatched::Ask(call) => Pending::Host(call, output),
    })
}

/// Takes the bytes the reference would decode, so that a bad pointer traps as it does there.
fn refuse(context: &mut Context<'_>, pointer: u32, length: u32, code: u32) -> Result<u32, Exit> {
    context.charge_bytes(costs::COPY_IN, length as usize)?;
    context.slice(pointer, length)?;
    Ok(code)
}

pub(super) fn call_runtime(
    context: &mut Context<'_>,
    call: u32,
    call_len: u32,
) -> Result<u32, Exit> {
    refuse(context, call, call_len, code::CALL_RUNTIME_FAILED)
}

pub(super) fn xcm_execute(
    context: &mut Context<'_>,
    message: u32,
    message_len: u32,
) -> Result<u32, Exit> {
    refuse(context, message, message_len, code::XCM_EXECUTION_FAILED)
}

pub(super) fn xcm_send(
    context: &mut Context<'_>,
    _destination: u32,
    message: u32,
    message_len: u32,
    _out: u32,
) -> Result<u32, Exit> {
    refuse(context, message, message_len, code::XCM_SEND_FAILED)
}
