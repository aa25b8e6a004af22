//! Weighs every call of this chain's pallets, every payload of a report, and what pallets do at the
//! beginning and the end of a block, with the runtime as it is configured and on a network that is as full
//! as it can be: see [`phat_weighing`], and [`pallet_phat_messages::weights`] for the command that prints
//! the times. The calls of the economy and the steps of its eras are weighed in its own tests.
#![allow(
    clippy::unwrap_used,
    reason = "what a scenario needs must be there, or the test fails"
)]

mod clusters;
mod messages;
mod network;
mod registry;
mod reports;
mod tokenomic;

use phat_runtime::Runtime;
use phat_weighing::Figures;
use polkadot_sdk::frame_support::{traits::GetCallName, weights::constants::RocksDbWeight};

/// Runs all that is to be weighed, and fails if it leaves out a call.
fn weigh<C: GetCallName>(body: fn(&mut Figures)) {
    let mut figures = Figures::new(RocksDbWeight::get());
    body(&mut figures);
    assert_eq!(figures.left_out::<C>(), [""; 0]);
}

#[test]
fn no_call_and_no_block_of_the_registry_touches_more_than_its_weight_allows() {
    weigh::<pallet_phat_registry::Call<Runtime>>(registry::weigh);
}

#[test]
fn no_call_of_the_clusters_touches_more_than_its_weight_allows() {
    weigh::<pallet_phat_clusters::Call<Runtime>>(clusters::weigh);
}

#[test]
fn no_stake_on_a_contract_touches_more_than_its_weight_allows() {
    weigh::<pallet_phat_tokenomic::Call<Runtime>>(tokenomic::weigh);
}

#[test]
fn no_report_and_no_full_block_touches_more_than_its_weight_allows() {
    weigh::<pallet_phat_messages::Call<Runtime>>(messages::weigh);
}

#[test]
fn no_payload_of_a_report_touches_more_than_its_weight_allows() {
    let mut figures = Figures::new(RocksDbWeight::get());
    reports::weigh(&mut figures);
    let (read, written) = figures
        .touched("heartbeat, the last vote on everything")
        .unwrap();
    assert!(read > 0 && written > 0, "nothing was counted");
}

#[test]
#[ignore = "takes the time: for whoever sets the constants"]
fn figures() {
    let report = |title, body: fn(&mut Figures)| {
        Figures::report(title, RocksDbWeight::get(), body);
    };
    report("PhalaRegistry", registry::weigh);
    report("PhalaPhatContracts", clusters::weigh);
    report("PhalaPhatTokenomic", tokenomic::weigh);
    report("PhalaMq, fees", messages::weigh);
    report("Payloads of reports", reports::weigh);
}
