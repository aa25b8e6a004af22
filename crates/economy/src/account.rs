//! What a worker is owed: its deposit and its value promise, less what was slashed and paid.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use phat_primitives::Balance;
use primitive_types::U256;
use scale_info::TypeInfo;

/// A worker's account without its value promise V, which belongs to the era in force
/// ([`Outcome::value`](crate::Outcome::value)) and is therefore an argument of what asks for it.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct Account {
    /// S: what the operator put in when the worker was activated.
    pub deposit: Balance,
    /// Σs. A slash is recorded whole, also beyond what the worker has, so that the sum can be more
    /// than any amount of money.
    pub slashed: U256,
    /// Σw: intermediate payouts.
    pub paid: Balance,
}

/// How much an operator asks for.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub enum Request {
    /// This much, or nothing.
    #[codec(index = 0)]
    Exactly(Balance),
    /// As much as there is.
    #[codec(index = 1)]
    Max,
}

/// A payout that was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("more than the worker has earned and not been paid yet: at most {limit} can be paid now")]
pub struct AboveLimit {
    /// The most that can be paid.
    pub limit: Balance,
}

/// What becomes of the money of a worker that is no longer active. Deposit and forfeited sum were held
/// as its deposit; rewards are paid by whoever pays for rewards.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct Settlement {
    /// To the operator, out of rewards.
    pub rewards: Balance,
    /// To the operator, out of its deposit.
    pub deposit: Balance,
    /// To the treasury, out of the deposit.
    pub forfeited: Balance,
}

impl Settlement {
    /// W, the final payout; `None` if it is beyond `u128`.
    pub fn payout(&self) -> Option<Balance> {
        self.rewards.checked_add(self.deposit)
    }
}

impl Account {
    /// The account of a worker that becomes active.
    pub fn new(deposit: Balance) -> Self {
        Self {
            deposit,
            ..Self::default()
        }
    }

    /// Records a slash.
    pub fn slash(&mut self, amount: Balance) {
        // It takes 2^128 slashes to come to the end of this.
        self.slashed = self.slashed.saturating_add(U256::from(amount));
    }

    /// The most that can be paid now: Σ(f + g − s − w), or 0 if that is negative. It is at most V.
    pub fn limit(&self, value: Balance) -> Balance {
        let gone = self.slashed.saturating_add(U256::from(self.paid));
        // What is left of a `u128` is one.
        U256::from(value).saturating_sub(gone).low_u128()
    }

    /// Records an intermediate payout, and says how much it is.
    pub fn pay(&mut self, value: Balance, request: Request) -> Result<Balance, AboveLimit> {
        let limit = self.limit(value);
        let amount = match request {
            Request::Max => limit,
            Request::Exactly(amount) if amount <= limit => amount,
            Request::Exactly(_) => return Err(AboveLimit { limit }),
        };
        // Not beyond V: that is what the limit says.
        self.paid = self.paid.saturating_add(amount);
        Ok(amount)
    }

    /// Whether S + Σ(f + g − s − w) ≤ 0: such a worker is removed at the end of the era.
    pub fn is_exhausted(&self, value: Balance) -> bool {
        let gone = self.slashed.saturating_add(U256::from(self.paid));
        U256::from(self.deposit) + U256::from(value) <= gone
    }

    /// What becomes of the money when the worker leaves. Together it is S + Σ(f + g − s − w) for the
    /// operator; nothing, if that is negative.
    pub fn leave(&self, value: Balance) -> Settlement {
        let rewards = self.limit(value);
        let gone = self.slashed.saturating_add(U256::from(self.paid));
        let debt = gone.saturating_sub(U256::from(value));
        let forfeited = debt.min(U256::from(self.deposit)).low_u128();
        Settlement {
            rewards,
            deposit: self.deposit - forfeited,
            forfeited,
        }
    }

    /// What becomes of the money when the worker is removed: the operator gets nothing.
    pub fn remove(&self) -> Settlement {
        Settlement {
            rewards: 0,
            deposit: 0,
            forfeited: self.deposit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAX: u128 = u128::MAX;

    #[test]
    fn max_pays_the_limit_and_then_nothing() {
        let mut account = Account::new(5_000);
        account.slash(3);
        assert_eq!(account.pay(117, Request::Max), Ok(114));
        assert_eq!(account.pay(117, Request::Max), Ok(0));
        assert_eq!(account.pay(117, Request::Exactly(0)), Ok(0));
        assert_eq!(
            account.pay(117, Request::Exactly(1)),
            Err(AboveLimit { limit: 0 })
        );
        assert_eq!(account.pay(120, Request::Exactly(2)), Ok(2));
        assert_eq!(account.limit(120), 1);
    }

    #[test]
    fn nothing_is_paid_while_slashes_are_above_what_was_earned() {
        let mut account = Account::new(1_000);
        account.slash(150);
        assert_eq!(account.pay(100, Request::Max), Ok(0));
        assert_eq!(
            account.pay(100, Request::Exactly(1)),
            Err(AboveLimit { limit: 0 })
        );
        assert_eq!(account.pay(160, Request::Max), Ok(10));
    }

    #[test]
    fn a_worker_is_exhausted_at_zero_exactly() {
        let mut account = Account::new(10);
        account.slash(14);
        assert!(!account.is_exhausted(5));
        assert!(account.is_exhausted(4));
        let mut without_deposit = Account::new(0);
        assert!(without_deposit.is_exhausted(0));
        assert!(!without_deposit.is_exhausted(1));
        without_deposit.pay(1, Request::Max).unwrap();
        assert!(without_deposit.is_exhausted(1));
    }

    #[test]
    fn slashes_beyond_all_money_are_added_up_exactly() {
        let mut account = Account::new(MAX);
        account.slash(MAX);
        account.slash(MAX - 1);
        assert!(!account.is_exhausted(MAX));
        assert_eq!(account.leave(MAX).payout(), Some(1));
        account.slash(1);
        assert!(account.is_exhausted(MAX));
    }

    #[test]
    fn a_final_payout_beyond_128_bits_is_none() {
        let mut account = Account::new(MAX);
        assert_eq!(account.leave(1).payout(), None);
        account.slash(1);
        assert_eq!(account.leave(1).payout(), Some(MAX));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Whatever happens to a worker, the parts of its money add up to the whole: the deposit goes
        /// to the operator or the treasury, and what leaves rewards is what was earned, less slashes.
        #[test]
        fn every_unit_of_a_worker_is_somewhere(
            deposit in 0i128..1_000,
            events in prop::collection::vec((0u8..3, 0i128..500), 0..12),
        ) {
            let mut account = Account::new(deposit as u128);
            let (mut value, mut slashed, mut paid) = (0i128, 0i128, 0i128);
            for (kind, amount) in events {
                match kind {
                    0 => value += amount,
                    1 => {
                        account.slash(amount as u128);
                        slashed += amount;
                    }
                    _ => {
                        let limit = (value - slashed - paid).max(0);
                        let got = account.pay(value as u128, Request::Exactly(amount as u128));
                        if amount <= limit {
                            prop_assert_eq!(got, Ok(amount as u128));
                            paid += amount;
                        } else {
                            prop_assert_eq!(got, Err(AboveLimit { limit: limit as u128 }));
                        }
                    }
                }
                let balance = deposit + value - slashed - paid;
                prop_assert_eq!(account.is_exhausted(value as u128), balance <= 0);
                let end = account.leave(value as u128);
                prop_assert_eq!(end.deposit + end.forfeited, deposit as u128);
                prop_assert_eq!(end.payout(), Some(balance.max(0) as u128));
                prop_assert_eq!(end.rewards, (value - slashed - paid).max(0) as u128);
                prop_assert_eq!(account.remove().forfeited, deposit as u128);
            }
        }
    }
}
