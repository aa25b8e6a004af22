//! Stake on contracts.

use crate::network::*;
use pallet_phat_tokenomic::Call;
use phat_runtime::*;
use phat_weighing::Figures;

pub(crate) fn weigh(figures: &mut Figures) {
    network().execute_with(|| {
        let (staker, contract) = (signed(owner()), contract(0));
        figures.call("", root(), Call::<Runtime>::set_min_stake { amount: 1 });
        for (how, amount) in [("first stake", PHA), ("more", 2 * PHA), ("all back", 0)] {
            let call = Call::<Runtime>::adjust_stake { contract, amount };
            figures.call(how, staker.clone(), call);
            ordered();
        }
    });
}
