//! Values that an era under way sees as they were when it began.

use crate::EraNumber;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// A value that may change while an era is being computed, without the era noticing.
///
/// An era is computed over many blocks, but on its inputs as they were in one moment. Nobody could copy
/// them all in that moment; so whoever changes one while an era is under way leaves the old one beside
/// it. That costs the change a constant, and the era's beginning nothing.
///
/// `era` is the number of the last era that has begun, everywhere here.
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
pub struct Versioned<T> {
    now: T,
    before: T,
    /// The last era that had begun when the value was changed.
    since: EraNumber,
}

impl<T: Default> Versioned<T> {
    /// A value where there was none: the default.
    pub fn new(value: T, era: EraNumber) -> Self {
        Self {
            now: value,
            before: T::default(),
            since: era,
        }
    }

    /// The value at present.
    pub fn now(&self) -> &T {
        &self.now
    }

    /// The value as the last era that has begun sees it.
    pub fn seen_in(&self, era: EraNumber) -> &T {
        if self.since >= era {
            &self.before
        } else {
            &self.now
        }
    }

    /// Changes the value.
    pub fn set(&mut self, value: T, era: EraNumber) {
        let old = core::mem::replace(&mut self.now, value);
        if self.since < era {
            self.before = old;
            self.since = era;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_era_sees_what_was_there_when_it_began() {
        let mut stake = Versioned::new(10, 0);
        assert_eq!((stake.now(), stake.seen_in(1)), (&10, &10));
        stake.set(20, 1);
        stake.set(30, 1);
        assert_eq!((stake.now(), stake.seen_in(1)), (&30, &10));
        assert_eq!(stake.seen_in(2), &30);
        stake.set(40, 3);
        assert_eq!((stake.now(), stake.seen_in(3)), (&40, &30));
    }

    #[test]
    fn what_is_new_is_not_seen_by_an_era_under_way() {
        let stake = Versioned::new(10, 4);
        assert_eq!(stake.seen_in(4), &0);
        assert_eq!(stake.seen_in(5), &10);
    }
}
