//! Gas: what a frame may spend, has spent, and would have needed at least.
//!
//! One unit of gas is one unit of `ref_time` (a picosecond on the reference machine of
//! `pallet-contracts`). Prices are at or below those of `pallet-contracts`, so that a limit set for
//! it suffices here.

use crate::error::ContractError;

/// Gas of one unit of wasmtime fuel, which is one operator that generates code.
///
/// `pallet-contracts` takes 1259 per instruction of its interpreter, which fuses up to three Wasm
/// operators (a comparison with a branch, say) into one.
pub(crate) const GAS_PER_FUEL: u64 = 300;

/// Gas of one page of memory, at the start of an instance and when it grows. `pallet-contracts`
/// charges 1 289 216 for a grown page.
pub(crate) const GAS_PER_PAGE: u64 = 1_000_000;

/// Gas of one byte of code, whenever it is called: what its instance costs grows with it.
/// `pallet-contracts` charges 1175.
pub(crate) const GAS_PER_CODE_BYTE: u64 = 100;

/// Gas of a frame: its limit, what is left, and the lowest that ever was left.
#[derive(Clone, Debug)]
pub(crate) struct GasMeter {
    limit: u64,
    left: u64,
    lowest: u64,
}

impl GasMeter {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            left: limit,
            lowest: limit,
        }
    }

    /// Takes gas for a nested call out of this meter: `amount`, or all that is left if `amount` is
    /// zero or more than that.
    pub(crate) fn nested(&mut self, amount: u64) -> Self {
        let amount = if amount == 0 {
            self.left
        } else {
            amount.min(self.left)
        };
        self.left -= amount;
        Self::new(amount)
    }

    /// Puts back what a nested call left over.
    pub(crate) fn absorb(&mut self, nested: &Self) {
        let at_lowest = self
            .left
            .saturating_add(nested.limit)
            .saturating_sub(nested.required());
        self.lowest = self.lowest.min(at_lowest);
        self.left = self.left.saturating_add(nested.left);
    }

    /// Takes `amount`, or everything if that is less: some work is measured only when it is done,
    /// and must not be had for nothing by a frame that cannot pay for it.
    pub(crate) fn charge(&mut self, amount: u64) -> Result<(), ContractError> {
        match self.left.checked_sub(amount) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.exhaust();
                Err(ContractError::OutOfGas)
            }
        }
    }

    /// Takes everything that is left.
    pub(crate) fn exhaust(&mut self) {
        self.left = 0;
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    pub(crate) fn consumed(&self) -> u64 {
        self.limit - self.left
    }

    /// The smallest limit with which the same execution would have succeeded.
    pub(crate) fn required(&self) -> u64 {
        self.limit - self.lowest.min(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_meter_gets_everything_when_zero_is_asked() {
        let mut meter = GasMeter::new(100);
        let nested = meter.nested(0);
        assert_eq!((nested.left(), meter.left()), (100, 0));
    }

    #[test]
    fn an_unused_nested_limit_is_given_back() {
        let mut meter = GasMeter::new(100);
        meter.charge(10).unwrap();
        let mut nested = meter.nested(50);
        nested.charge(5).unwrap();
        meter.absorb(&nested);
        assert_eq!(meter.consumed(), 15);
        assert_eq!(meter.required(), 15);
    }

    #[test]
    fn charging_more_than_left_takes_everything() {
        let mut meter = GasMeter::new(10);
        assert!(meter.charge(11).is_err());
        assert_eq!(meter.left(), 0);
    }
}
