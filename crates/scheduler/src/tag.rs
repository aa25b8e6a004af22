//! Virtual time as a number: work by weight, with 80 binary places.
//!
//! With 80 places a nanosecond of the heaviest flow still moves its tag almost by one, and a minute
//! of the lightest flow is 2^116, which leaves room below 2^128.

use crate::{Weight, Work};
use primitive_types::U256;

const PLACES: u32 = 80;
/// The greatest weight that counts.
pub(crate) const MAX_WEIGHT: Weight = 1 << 86;
/// The greatest work of one slice that counts.
pub(crate) const MAX_WORK: Work = 1 << 40;
/// Virtual time from which on all tags are moved back.
pub(crate) const REBASE: u128 = 1 << 126;

/// How far work moves the tag of a flow. Flows without weight are equal among themselves.
pub(crate) fn step(work: Work, weight: Weight) -> u128 {
    (u128::from(work) << PLACES).div_ceil(weight.max(1))
}

/// The work of a flow of this weight while virtual time moves on by `span`.
pub(crate) fn work(span: u128, weight: Weight) -> Work {
    let work = (U256::from(span) * U256::from(weight.max(1))) >> PLACES;
    u64::try_from(work).unwrap_or(u64::MAX)
}

/// The tag that stands for the same work owed after a change of weight.
pub(crate) fn reweigh(tag: u128, now: u128, before: Weight, after: Weight) -> u128 {
    let owed = U256::from(tag.saturating_sub(now)) * U256::from(before) / U256::from(after.max(1));
    now.saturating_add(u128::try_from(owed).unwrap_or(u128::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lightest_and_the_heaviest_flow_have_tags_that_fit() {
        assert!(step(MAX_WORK, 1) < REBASE);
        assert!(step(1_000, MAX_WEIGHT) > 10);
        assert_eq!(work(step(1_000_000, MAX_WEIGHT), MAX_WEIGHT), 1_000_000);
        assert_eq!(work(step(1_000_000, 1), 1), 1_000_000);
    }

    #[test]
    fn what_is_owed_stays_the_same_work_when_the_weight_changes() {
        for (before, after) in [(1, MAX_WEIGHT), (3, 10), (1 << 60, 1 << 61)] {
            let tag = 77 + step(5_000_000, before);
            let moved = reweigh(tag, 77, before, after);
            assert_eq!(work(moved - 77, after), 5_000_000, "{before} to {after}");
        }
        assert_eq!(reweigh(5, 77, 1, 2), 77, "nothing owed");
        assert_eq!(reweigh(u128::MAX, 0, MAX_WEIGHT, 1), u128::MAX);
    }
}
