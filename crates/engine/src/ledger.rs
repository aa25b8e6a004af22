//! Balances of accounts inside a cluster. Every function but [`mint`] and [`burn`] conserves the
//! sum of all free and held balances.

use crate::{
    error::TokenError,
    schema::{self, AccountId},
    state::{Overlay, StateError},
};

/// Why a balance did not move.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The rules of balances forbid it.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// State could not be read.
    #[error(transparent)]
    State(#[from] StateError),
}

/// What `id` may spend while it stays alive.
pub fn spendable(
    overlay: &Overlay,
    existential_deposit: u128,
    id: &AccountId,
) -> Result<u128, StateError> {
    Ok(schema::account(overlay, id)?
        .free
        .saturating_sub(existential_deposit))
}

/// Adds `amount` to what `to` may spend; it comes from outside the cluster.
pub fn mint(overlay: &mut Overlay, to: &AccountId, amount: u128) -> Result<(), StateError> {
    let mut account = schema::account(overlay, to)?;
    account.free = account.free.saturating_add(amount);
    schema::set_account(overlay, to, &account);
    Ok(())
}

/// Takes `amount` from what `from` may spend; it leaves the cluster. An account that is left with
/// less than the existential deposit must be emptied entirely.
pub fn burn(
    overlay: &mut Overlay,
    existential_deposit: u128,
    from: &AccountId,
    amount: u128,
) -> Result<(), LedgerError> {
    let mut account = schema::account(overlay, from)?;
    let left = account
        .free
        .checked_sub(amount)
        .ok_or(TokenError::FundsUnavailable)?;
    if left < existential_deposit && (left > 0 || account.held > 0) {
        return Err(TokenError::OnlyProvider.into());
    }
    account.free = left;
    schema::set_account(overlay, from, &account);
    Ok(())
}

/// Moves `value`; the sender keeps the existential deposit and the receiver must reach it. Nothing
/// happens if the value is zero or both are the same.
pub fn transfer(
    overlay: &mut Overlay,
    existential_deposit: u128,
    from: &AccountId,
    to: &AccountId,
    value: u128,
) -> Result<(), LedgerError> {
    if value == 0 || from == to {
        return Ok(());
    }
    let mut sender = schema::account(overlay, from)?;
    let mut receiver = schema::account(overlay, to)?;
    let left = sender
        .free
        .checked_sub(value)
        .ok_or(TokenError::FundsUnavailable)?;
    if left < existential_deposit {
        return Err(TokenError::OnlyProvider.into());
    }
    let reached = receiver
        .free
        .checked_add(value)
        .ok_or(TokenError::FundsUnavailable)?;
    if reached < existential_deposit {
        return Err(TokenError::BelowMinimum.into());
    }
    sender.free = left;
    receiver.free = reached;
    schema::set_account(overlay, from, &sender);
    schema::set_account(overlay, to, &receiver);
    Ok(())
}

/// Moves `value` from what `from` may spend to the deposits held on `to`. `from` stays alive.
pub(crate) fn hold(
    overlay: &mut Overlay,
    existential_deposit: u128,
    from: &AccountId,
    to: &AccountId,
    value: u128,
) -> Result<(), LedgerError> {
    if value == 0 {
        return Ok(());
    }
    let mut sender = schema::account(overlay, from)?;
    let left = sender
        .free
        .checked_sub(value)
        .ok_or(TokenError::FundsUnavailable)?;
    if left < existential_deposit {
        return Err(TokenError::OnlyProvider.into());
    }
    sender.free = left;
    schema::set_account(overlay, from, &sender);
    let mut receiver = schema::account(overlay, to)?;
    receiver.held = receiver.held.saturating_add(value);
    schema::set_account(overlay, to, &receiver);
    Ok(())
}

/// Moves up to `value` of the deposits held on `from` to what `to` may spend.
pub(crate) fn release(
    overlay: &mut Overlay,
    from: &AccountId,
    to: &AccountId,
    value: u128,
) -> Result<(), StateError> {
    let mut holder = schema::account(overlay, from)?;
    let value = value.min(holder.held);
    holder.held -= value;
    schema::set_account(overlay, from, &holder);
    mint(overlay, to, value)
}

/// Moves everything `from` has to what `to` may spend: the end of a contract.
pub(crate) fn close(
    overlay: &mut Overlay,
    from: &AccountId,
    to: &AccountId,
) -> Result<(), StateError> {
    let account = schema::account(overlay, from)?;
    schema::set_account(overlay, from, &schema::Account::default());
    mint(overlay, to, account.free)?;
    mint(overlay, to, account.held)
}
