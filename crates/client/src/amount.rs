//! Amounts as people write them.
//!
//! The smallest unit has no name; 10^12 of them are one PHA. Text without a unit counts smallest
//! units, so that a script never has to think about decimals.

use phat_primitives::Balance;

/// Decimals of the token.
pub const DECIMALS: usize = 12;
/// Name of the token.
pub const SYMBOL: &str = "PHA";
/// Smallest units in one token.
pub const UNIT: Balance = 10u128.pow(DECIMALS as u32);

/// The text is not an amount.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "`{0}` is not an amount: write smallest units (`1500000000000`) or tokens (`1.5PHA`, 12 decimals)"
)]
pub struct NotAnAmount(String);

/// Reads `1500000000000`, `1_500_000_000_000` or `1.5PHA` (a space before the unit and lower case are
/// fine).
pub fn parse_amount(text: &str) -> Result<Balance, NotAnAmount> {
    let wrong = || NotAnAmount(text.to_string());
    let cleaned = text.trim().replace('_', "").to_ascii_uppercase();
    let Some(tokens) = cleaned.strip_suffix(SYMBOL) else {
        return digits(&cleaned).ok_or_else(wrong);
    };
    let (whole, fraction) = tokens
        .trim_end()
        .split_once('.')
        .unwrap_or((tokens.trim_end(), "0"));
    if fraction.len() > DECIMALS {
        return Err(wrong());
    }
    let fraction = digits(&format!("{fraction:0<DECIMALS$}")).ok_or_else(wrong)?;
    digits(whole)
        .and_then(|whole| whole.checked_mul(UNIT)?.checked_add(fraction))
        .ok_or_else(wrong)
}

/// Only digits: `parse` alone would take a sign as well.
fn digits(text: &str) -> Option<Balance> {
    text.bytes()
        .all(|c| c.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// Shows an amount in tokens with all its decimals that are not zero: `1.5 PHA`.
pub fn show_amount(amount: Balance) -> String {
    let (whole, fraction) = (amount / UNIT, amount % UNIT);
    let mut text = whole.to_string();
    if fraction != 0 {
        text.push('.');
        text.push_str(format!("{fraction:0DECIMALS$}").trim_end_matches('0'));
    }
    format!("{text} {SYMBOL}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_in_both_units() {
        for (text, amount) in [
            ("0", 0),
            ("1500000000000", 1_500_000_000_000),
            ("1_000", 1_000),
            ("1.5PHA", 1_500_000_000_000),
            ("1.5 pha", 1_500_000_000_000),
            ("2PHA", 2 * UNIT),
            ("0.000000000001PHA", 1),
            ("340282366920938463463374607431768211455", u128::MAX),
        ] {
            assert_eq!(parse_amount(text), Ok(amount), "{text}");
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        for text in [
            "",
            "-1",
            "+1",
            "1.5",
            "1.2.3PHA",
            "PHA",
            ".5PHA",
            "1e3",
            "0.0000000000001PHA",
            "abc",
            "340282366920938463463374607431768211456",
            "340282366920938463463374607431768211455PHA",
        ] {
            assert!(parse_amount(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        for amount in [0, 1, UNIT, UNIT + 1, 15 * UNIT / 10, u128::MAX] {
            assert_eq!(parse_amount(&show_amount(amount)), Ok(amount));
        }
        assert_eq!(show_amount(1_500_000_000_000), "1.5 PHA");
    }
}
