//! Makes the costs that queries report coarse: rounded up, with few significant digits.
//!
//! Clients pay exactly what an estimate says and set it as their limit. But a command runs later than
//! its estimate, on a state that others have changed, and a key that is there by then costs a little
//! more than one that was not. Rounding up leaves room for that. It also hides from callers the small
//! differences by which a contract's cost could tell about its secrets. Phala's workers do the same
//! with 28 bits of gas; commands are never rounded.

use crate::limits::{EXISTENTIAL_DEPOSIT, MAX_COMMAND_GAS};
use phat_engine::{Report, StorageDeposit};
use phat_primitives::message::Prices;

/// Bits of an amount that carry information: the rest is set.
const SIGNIFICANT_BITS: u32 = 9;
/// Bits of gas that never carry information: 0.27 ms on the reference hardware.
const GAS_BITS: u32 = 28;
/// Bytes of storage below which deposits are not told apart.
const DEPOSIT_BYTES: u128 = 256;
/// What an account and a contract it makes have to keep, beside the deposit itself.
const KEPT: u128 = 2 * EXISTENTIAL_DEPOSIT;

/// Sets the low bits of an amount: at least `least_bits` of them, and all but [`SIGNIFICANT_BITS`].
fn round_up(value: u128, least_bits: u32) -> u128 {
    let length = u128::BITS - value.leading_zeros();
    let low = length
        .saturating_sub(SIGNIFICANT_BITS)
        .max(least_bits)
        .min(u128::BITS - 1);
    value | ((1 << low) - 1)
}

fn gas(exact: u64) -> u64 {
    let rounded = u64::try_from(round_up(u128::from(exact), GAS_BITS)).unwrap_or(u64::MAX);
    // No command gets more than that, so no estimate should ask for it.
    rounded.min(MAX_COMMAND_GAS).max(exact)
}

/// Rounds what a query reports.
pub(crate) fn coarsen(report: &mut Report, prices: &Prices) {
    report.gas_consumed = gas(report.gas_consumed);
    report.gas_required = gas(report.gas_required);
    if let StorageDeposit::Charge(exact) = report.storage_deposit
        && exact > 0
    {
        let least = prices.deposit_per_byte.saturating_mul(DEPOSIT_BYTES);
        let least_bits = u128::BITS - least.leading_zeros();
        let rounded = round_up(exact.saturating_add(KEPT), least_bits);
        report.storage_deposit = StorageDeposit::Charge(rounded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phat_primitives::AccountId;
    use proptest::prelude::*;

    fn prices(deposit_per_byte: u128) -> Prices {
        Prices {
            gas_price: 1,
            deposit_per_item: 1,
            deposit_per_byte,
            treasury: AccountId([0; 32]),
        }
    }

    proptest! {
        #[test]
        fn nothing_is_reported_below_what_it_costs(
            used in any::<u64>(),
            deposit in 1..u128::MAX - KEPT,
            per_byte in any::<u128>(),
        ) {
            let mut report = Report {
                gas_consumed: used,
                gas_required: used,
                storage_deposit: StorageDeposit::Charge(deposit),
                ..Report::default()
            };
            coarsen(&mut report, &prices(per_byte));
            prop_assert!(report.gas_consumed >= used);
            prop_assert!(report.gas_required >= used);
            let StorageDeposit::Charge(charged) = report.storage_deposit else { panic!() };
            prop_assert!(charged >= deposit + KEPT);
        }

        #[test]
        fn gas_is_at_most_a_little_too_much(used in 0..=MAX_COMMAND_GAS) {
            let told = gas(used);
            prop_assert!(told <= MAX_COMMAND_GAS);
            prop_assert!(told - used < (1 << GAS_BITS).max(used >> (SIGNIFICANT_BITS - 2)));
        }
    }

    #[test]
    fn small_differences_do_not_show() {
        assert_eq!(gas(67_266_361), gas(67_309_173));
        let mut nothing = Report::default();
        coarsen(&mut nothing, &prices(1_000_000));
        assert_eq!(nothing.storage_deposit, Report::default().storage_deposit);
    }
}
