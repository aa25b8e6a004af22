//! Storage deposits: who pays for what a contract stores, and who gets it back.
//!
//! As in `pallet-contracts`: the origin of the call pays for what is added, into the contract's held
//! balance, and gets a share of the contract's deposit for what is removed. A frame adds up its
//! changes; when it returns they are applied to the contract's record; balances move once, at the
//! end of the whole call.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
};

use codec::Encode;

use crate::{
    config::Prices,
    schema::{AccountId, CodeInfo, ContractId, ContractInfo},
};

/// A deposit the origin has to pay, or gets back.
///
/// Encodes as `pallet-contracts` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, codec::Decode)]
pub enum StorageDeposit {
    /// The origin gets this much.
    Refund(u128),
    /// The origin pays this much.
    Charge(u128),
}

impl Default for StorageDeposit {
    fn default() -> Self {
        Self::Charge(0)
    }
}

impl StorageDeposit {
    pub(crate) fn plus(self, other: Self) -> Self {
        use StorageDeposit::{Charge, Refund};
        match (self, other) {
            (Charge(a), Charge(b)) => Charge(a.saturating_add(b)),
            (Refund(a), Refund(b)) => Refund(a.saturating_add(b)),
            (Charge(charge), Refund(refund)) | (Refund(refund), Charge(charge)) => {
                if charge >= refund {
                    Charge(charge - refund)
                } else {
                    Refund(refund - charge)
                }
            }
        }
    }

    /// What is left of `limit` after this.
    fn available(self, limit: u128) -> u128 {
        match self {
            Self::Charge(amount) => limit.saturating_sub(amount),
            Self::Refund(amount) => limit.saturating_add(amount),
        }
    }
}

/// Bytes and items a frame added to and removed from its contract's storage.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Diff {
    pub(crate) bytes_added: u64,
    pub(crate) bytes_removed: u64,
    pub(crate) items_added: u64,
    pub(crate) items_removed: u64,
}

impl Diff {
    /// The change from a value of one length to one of another.
    pub(crate) fn of_write(old: Option<usize>, new: Option<usize>) -> Self {
        let mut diff = Self::default();
        let (old_bytes, new_bytes) = (old.unwrap_or(0) as u64, new.unwrap_or(0) as u64);
        diff.bytes_added = new_bytes.saturating_sub(old_bytes);
        diff.bytes_removed = old_bytes.saturating_sub(new_bytes);
        diff.items_added = u64::from(old.is_none() && new.is_some());
        diff.items_removed = u64::from(old.is_some() && new.is_none());
        diff
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.bytes_added = self.bytes_added.saturating_add(other.bytes_added);
        self.bytes_removed = self.bytes_removed.saturating_add(other.bytes_removed);
        self.items_added = self.items_added.saturating_add(other.items_added);
        self.items_removed = self.items_removed.saturating_add(other.items_removed);
    }

    /// Changes the contract's record and says what that costs. Removed storage refunds its share of
    /// what is held, so that a change of prices never makes a refund larger than the deposit.
    pub(crate) fn apply(self, info: &mut ContractInfo, prices: &Prices) -> StorageDeposit {
        let bytes = Self::apply_one(
            (self.bytes_added, self.bytes_removed),
            (&mut info.bytes, &mut info.byte_deposit),
            prices.deposit_per_byte,
        );
        let items = Self::apply_one(
            (self.items_added, self.items_removed),
            (&mut info.items, &mut info.item_deposit),
            prices.deposit_per_item,
        );
        bytes.plus(items)
    }

    fn apply_one(
        (added, removed): (u64, u64),
        (count, held): (&mut u64, &mut u128),
        price: u128,
    ) -> StorageDeposit {
        let charged = price.saturating_mul(u128::from(added.saturating_sub(removed)));
        let removed_net = removed.saturating_sub(added);
        let refunded = share(removed_net, *count, *held);
        *count = count
            .saturating_add(added.saturating_sub(removed))
            .saturating_sub(removed_net);
        *held = held.saturating_add(charged).saturating_sub(refunded);
        StorageDeposit::Charge(charged).plus(StorageDeposit::Refund(refunded))
    }
}

/// `part / whole` of `amount`, in the fixed-point arithmetic of the reference (18 digits, rounded
/// down twice), so that refunds are equal to the last unit.
fn share(part: u64, whole: u64, amount: u128) -> u128 {
    const ONE: u128 = 1_000_000_000_000_000_000;
    if whole == 0 {
        return 0;
    }
    let ratio = (u128::from(part) * ONE / u128::from(whole)).min(ONE);
    (amount / ONE)
        .saturating_mul(ratio)
        .saturating_add((amount % ONE) * ratio / ONE)
}

/// Deposit of a record and a code of `size` bytes for whoever uploads it.
pub(crate) fn of_code(size: usize, prices: &Prices) -> u128 {
    /// Size of the reference's record: owner, deposit, references, determinism, size. It takes the
    /// numbers at their plain size, though it stores two of them compactly.
    const RECORD: u128 = 32 + 16 + 8 + 1 + 4;
    const ITEMS: u128 = 2;
    prices
        .deposit_per_byte
        .saturating_mul((size as u128).saturating_add(RECORD))
        .saturating_add(prices.deposit_per_item.saturating_mul(ITEMS))
}

/// Deposit of a contract for existing: its record, and a share of its code's deposit.
pub(crate) fn of_contract(
    info: &ContractInfo,
    code: &CodeInfo,
    lockup_percent: u32,
    prices: &Prices,
) -> u128 {
    /// Size of the reference's record without delegate dependencies.
    const RECORD: u128 = 122;
    const DEPENDENCY: u128 = 48;
    let bytes = RECORD + DEPENDENCY * info.delegate_dependencies.len() as u128;
    prices
        .deposit_per_byte
        .saturating_mul(bytes)
        .saturating_add(prices.deposit_per_item)
        .saturating_add(lockup(code, lockup_percent))
}

/// Share of a code's deposit that a contract using it holds, rounded up.
pub(crate) fn lockup(code: &CodeInfo, percent: u32) -> u128 {
    let percent = u128::from(percent);
    (code.deposit / 100)
        .saturating_mul(percent)
        .saturating_add(((code.deposit % 100) * percent).div_ceil(100))
}

/// More deposit was needed than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shortfall {
    pub(crate) needed: u128,
    pub(crate) available: u128,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { needed, available } = self;
        let short = needed.saturating_sub(*available);
        write!(
            f,
            "{needed} is needed, {available} is there, {short} is missing"
        )
    }
}

/// One movement of balances, due at the end of the call.
#[derive(Clone, Debug)]
pub(crate) struct Charge {
    pub(crate) contract: ContractId,
    pub(crate) amount: StorageDeposit,
    /// Set if the contract ended: who gets what is left.
    pub(crate) beneficiary: Option<AccountId>,
}

/// Deposits of one frame and of what it called.
#[derive(Debug, Default)]
pub(crate) struct DepositMeter {
    limit: u128,
    /// The caller set a limit for this frame.
    own_limit: bool,
    total: StorageDeposit,
    diff: Diff,
    charges: Vec<Charge>,
    /// What the contract held when it terminated, and who gets the rest.
    terminated: Option<(u128, AccountId)>,
}

impl DepositMeter {
    pub(crate) fn new(limit: u128) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// The meter of a frame that is called; a limit of zero means what the caller has left.
    pub(crate) fn nested(&self, limit: u128) -> Self {
        let available = self.total.available(self.limit);
        let own = available.min(limit);
        Self {
            limit: if own == 0 { available } else { own },
            own_limit: own != 0,
            ..Self::default()
        }
    }

    pub(crate) fn record(&mut self, diff: Diff) {
        self.diff.add(diff);
    }

    pub(crate) fn charge(&mut self, contract: ContractId, amount: StorageDeposit) {
        self.total = self.total.plus(amount);
        self.charges.push(Charge {
            contract,
            amount,
            beneficiary: None,
        });
    }

    /// Counts the endowment of a new contract, which moves at once.
    pub(crate) fn count(&mut self, amount: StorageDeposit) {
        self.total = self.total.plus(amount);
    }

    pub(crate) fn terminate(&mut self, held: u128, beneficiary: AccountId) {
        self.terminated = Some((held, beneficiary));
    }

    pub(crate) fn is_terminated(&self) -> bool {
        self.terminated.is_some()
    }

    /// Adds the frame's own changes to its total. `info` is the contract's record unless it ended.
    pub(crate) fn close(
        &mut self,
        contract: ContractId,
        info: Option<&mut ContractInfo>,
        prices: &Prices,
    ) {
        let diff = std::mem::take(&mut self.diff);
        match (self.terminated.take(), info) {
            (Some((held, beneficiary)), _) => {
                let amount = StorageDeposit::Refund(held);
                self.total = self.total.plus(amount);
                self.charges.push(Charge {
                    contract,
                    amount,
                    beneficiary: Some(beneficiary),
                });
            }
            (None, Some(info)) => {
                let amount = diff.apply(info, prices);
                if !matches!(
                    amount,
                    StorageDeposit::Charge(0) | StorageDeposit::Refund(0)
                ) {
                    self.charge(contract, amount);
                }
            }
            (None, None) => {}
        }
    }

    /// Checks the limit: always for the first frame, and where the caller set one.
    pub(crate) fn enforce(&self, first_frame: bool) -> Result<(), Shortfall> {
        match self.total {
            StorageDeposit::Charge(needed)
                if (first_frame || self.own_limit) && needed > self.limit =>
            {
                Err(Shortfall {
                    needed,
                    available: self.limit,
                })
            }
            _ => Ok(()),
        }
    }

    /// Takes over the deposits of a frame that returned.
    pub(crate) fn absorb(&mut self, nested: Self) {
        self.total = self.total.plus(nested.total);
        self.charges.extend(nested.charges);
    }

    /// The sum of all charges, and what each contract is owed or owes in the end. The reference
    /// moves each charge by itself, refunds first: what a contract charges and refunds in the same
    /// execution, it then keeps. Here a contract holds what its record says, neither more nor less.
    pub(crate) fn into_parts(self) -> (StorageDeposit, Vec<Charge>) {
        let mut net = BTreeMap::<ContractId, Charge>::new();
        for charge in self.charges {
            match net.entry(charge.contract) {
                Entry::Vacant(entry) => {
                    entry.insert(charge);
                }
                Entry::Occupied(mut entry) => {
                    let sum = entry.get_mut();
                    sum.amount = sum.amount.plus(charge.amount);
                    sum.beneficiary = sum.beneficiary.or(charge.beneficiary);
                }
            }
        }
        (self.total, net.into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_rounds_down_and_never_exceeds_the_amount() {
        assert_eq!(share(1, 3, 10), 3);
        assert_eq!(share(3, 3, 10), 10);
        assert_eq!(share(7, 3, 10), 10);
        assert_eq!(share(1, 0, 10), 0);
        assert_eq!(share(u64::MAX, u64::MAX, u128::MAX), u128::MAX);
    }

    #[test]
    fn a_nested_limit_is_capped_by_what_the_caller_has_left() {
        let mut meter = DepositMeter::new(100);
        meter.charge([0; 32], StorageDeposit::Charge(60));
        let mut nested = meter.nested(90);
        nested.charge([1; 32], StorageDeposit::Charge(41));
        assert!(nested.enforce(false).is_err());
        let mut derived = meter.nested(0);
        derived.charge([1; 32], StorageDeposit::Charge(41));
        assert!(derived.enforce(false).is_ok());
    }
}
