//! What governance sets, and what a worker earns by it.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use phat_primitives::Balance;
use primitive_types::U256;
use scale_info::TypeInfo;

/// The whole, in parts per billion.
pub const BILLION: u32 = 1_000_000_000;

/// What governance sets for an era.
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
pub struct Parameters {
    /// α, the share of all power that no cluster can buy, in parts per billion.
    pub reserved: u32,
    /// f: what a worker earns for what it is.
    pub f: CapacityReward,
    /// g: what it earns for being wanted.
    pub g: PopularityReward,
}

/// Parameters that make no sense.
///
/// f and g must not decrease in any argument. Of the families offered here, each is non-decreasing
/// for all settings that can be written down, since no coefficient can be negative and rounding down
/// keeps an order. What is left to refuse is a function that is not defined.
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
    thiserror::Error,
)]
pub enum BadParameters {
    /// α above one.
    #[error("more than everything would be reserved: at most 1000000000 parts per billion can be")]
    ReservedAboveWhole,
    /// Division by zero.
    #[error("`unit` is what rate·C·P is divided by: it must be 1 or more")]
    ZeroUnit,
}

impl Parameters {
    /// Refuses parameters that make no sense.
    pub fn check(&self) -> Result<(), BadParameters> {
        if self.reserved > BILLION {
            return Err(BadParameters::ReservedAboveWhole);
        }
        if let CapacityReward::Product { unit: 0, .. } = self.f {
            return Err(BadParameters::ZeroUnit);
        }
        Ok(())
    }
}

/// f: what a worker earns in an era for its confidence level and its performance score. All divisions
/// round down.
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
pub enum CapacityReward {
    /// `base + per_confidence·C + per_power·P`
    #[codec(index = 0)]
    Linear {
        /// For every worker.
        base: Balance,
        /// For each level of confidence.
        per_confidence: Balance,
        /// For each unit of performance.
        per_power: Balance,
    },
    /// `rate·C·P / unit`
    #[codec(index = 1)]
    Product {
        /// What `unit` of confidence times performance earns.
        rate: Balance,
        /// At least 1.
        unit: Balance,
    },
}

impl CapacityReward {
    /// The reward; `None` if it is beyond `u128` or not defined.
    pub fn at(&self, confidence: u64, power: u64) -> Option<Balance> {
        let (confidence, power) = (u128::from(confidence), u128::from(power));
        match *self {
            Self::Linear {
                base,
                per_confidence,
                per_power,
            } => per_confidence
                .checked_mul(confidence)?
                .checked_add(per_power.checked_mul(power)?)?
                .checked_add(base),
            // Two factors of 64 bits: their product fits.
            Self::Product { rate, unit } => {
                multiply_divide(rate, confidence.checked_mul(power)?, U256::from(unit))
            }
        }
    }
}

/// g: what a worker earns in an era for its popularity. All divisions round down.
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
pub enum PopularityReward {
    /// `per_point·b2 / 2`
    #[codec(index = 0)]
    Linear {
        /// For each whole point.
        per_point: Balance,
    },
    /// `max·b2 / (b2 + half2)`, and 0 where that divides by zero.
    #[codec(index = 1)]
    Saturating {
        /// What the most popular worker would earn.
        max: Balance,
        /// The doubled points that earn half of it.
        half2: Balance,
    },
}

impl PopularityReward {
    /// The reward for this many doubled points; `None` if it is beyond `u128`.
    pub fn at(&self, doubled: u64) -> Option<Balance> {
        let doubled = u128::from(doubled);
        match *self {
            Self::Linear { per_point } => multiply_divide(per_point, doubled, U256::from(2)),
            Self::Saturating { max, half2 } => {
                let divisor = U256::from(doubled) + U256::from(half2);
                if divisor.is_zero() {
                    return Some(0);
                }
                multiply_divide(max, doubled, divisor)
            }
        }
    }
}

/// `a·b / c`, rounded down, with an exact product; `None` if the result is beyond `u128` or `c` is 0.
pub(crate) fn multiply_divide(a: u128, b: u128, c: U256) -> Option<u128> {
    // Two factors of 128 bits: their product fits into 256.
    let product = U256::from(a) * U256::from(b);
    product.checked_div(c)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAX: u128 = u128::MAX;

    #[test]
    fn products_are_exact_before_they_are_divided() {
        let f = CapacityReward::Product {
            rate: MAX,
            unit: u128::from(u64::MAX) * u128::from(u64::MAX),
        };
        assert_eq!(f.at(u64::MAX, u64::MAX), Some(MAX));
        let g = PopularityReward::Saturating { max: MAX, half2: 1 };
        assert_eq!(g.at(1), Some(MAX / 2));
        let g = PopularityReward::Saturating {
            max: MAX,
            half2: MAX,
        };
        // MAX·b / (MAX + b) is a little less than b.
        assert_eq!(g.at(u64::MAX), Some(u128::from(u64::MAX) - 1));
        let g = PopularityReward::Linear { per_point: MAX };
        assert_eq!(g.at(2), Some(MAX));
    }

    #[test]
    fn a_reward_beyond_128_bits_is_none() {
        let f = CapacityReward::Linear {
            base: MAX,
            per_confidence: 1,
            per_power: 0,
        };
        assert_eq!(f.at(0, 5), Some(MAX));
        assert_eq!(f.at(1, 5), None);
        let f = CapacityReward::Product { rate: MAX, unit: 1 };
        assert_eq!(f.at(2, 1), None);
        assert_eq!(f.at(2, 0), Some(0));
        assert_eq!(PopularityReward::Linear { per_point: MAX }.at(3), None);
    }

    #[test]
    fn half_points_are_rounded_down_once() {
        let g = PopularityReward::Linear { per_point: 3 };
        assert_eq!(g.at(1), Some(1));
        assert_eq!(g.at(3), Some(4));
    }

    #[test]
    fn saturating_is_zero_where_it_would_divide_by_zero() {
        let g = PopularityReward::Saturating { max: 7, half2: 0 };
        assert_eq!(g.at(0), Some(0));
        assert_eq!(g.at(1), Some(7));
    }

    #[test]
    fn what_is_not_defined_is_refused() {
        let mut parameters = Parameters {
            reserved: BILLION,
            f: CapacityReward::Product { rate: 1, unit: 1 },
            g: PopularityReward::Linear { per_point: 0 },
        };
        assert_eq!(parameters.check(), Ok(()));
        parameters.reserved += 1;
        assert_eq!(parameters.check(), Err(BadParameters::ReservedAboveWhole));
        parameters.reserved = 0;
        parameters.f = CapacityReward::Product { rate: 1, unit: 0 };
        assert_eq!(parameters.check(), Err(BadParameters::ZeroUnit));
        assert_eq!(parameters.f.at(1, 1), None);
    }

    /// Amounts of all sizes.
    fn amount() -> impl Strategy<Value = u128> {
        (any::<u128>(), 0u32..128).prop_map(|(amount, shift)| amount >> shift)
    }

    fn f() -> impl Strategy<Value = CapacityReward> {
        prop_oneof![
            (amount(), amount(), amount()).prop_map(|(base, per_confidence, per_power)| {
                CapacityReward::Linear {
                    base,
                    per_confidence,
                    per_power,
                }
            }),
            (amount(), amount()).prop_map(|(rate, unit)| CapacityReward::Product {
                rate,
                unit: unit.max(1)
            }),
        ]
    }

    fn g() -> impl Strategy<Value = PopularityReward> {
        prop_oneof![
            amount().prop_map(|per_point| PopularityReward::Linear { per_point }),
            (amount(), amount())
                .prop_map(|(max, half2)| PopularityReward::Saturating { max, half2 }),
        ]
    }

    /// What is beyond `u128` is more than anything within.
    fn order(reward: Option<u128>) -> (bool, Option<u128>) {
        (reward.is_none(), reward)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn no_setting_makes_f_decrease(
            f in f(), c in any::<u64>(), p in any::<u64>(), dc in any::<u64>(), dp in any::<u64>(),
        ) {
            let here = order(f.at(c, p));
            prop_assert!(here <= order(f.at(c.saturating_add(dc), p)));
            prop_assert!(here <= order(f.at(c, p.saturating_add(dp))));
        }

        #[test]
        fn no_setting_makes_g_decrease(g in g(), b in any::<u64>(), db in any::<u64>()) {
            for (b, db) in [(b, db), (b % 100, db % 100)] {
                prop_assert!(order(g.at(b)) <= order(g.at(b.saturating_add(db))));
            }
        }
    }
}
