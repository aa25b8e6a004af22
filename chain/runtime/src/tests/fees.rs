//! Where fees go.

use super::workers::{GENESIS, apply, block};
use super::*;
use frame_support::dispatch::GetDispatchInfo;
use pallet_transaction_payment::ChargeTransactionPayment;
use sp_core::Pair;

fn alice() -> AccountId {
    Sr25519Keyring::Alice.to_account_id()
}

fn treasury() -> Balance {
    Balances::free_balance(PhatEconomy::treasury())
}

/// A transaction of Alice's with a tip.
fn signed(call: RuntimeCall, tip: Balance) -> UncheckedExtrinsic {
    let mut extension = signing::extension(System::account_nonce(alice()));
    extension.8 = ChargeTransactionPayment::from(tip);
    let (spec, transaction) = (VERSION.spec_version, VERSION.transaction_version);
    let implicit = ((), (), spec, transaction, GENESIS, GENESIS, (), (), (), ());
    let payload = SignedPayload::from_raw(call.clone(), extension.clone(), implicit);
    let pair = Sr25519Keyring::Alice.pair();
    let signature = payload.using_encoded(|bytes| pair.sign(bytes));
    let signature = MultiSignature::Sr25519(signature);
    UncheckedExtrinsic::new_signed(call, alice().into(), signature, extension)
}

/// Puts a transaction of Alice's, who does nothing but pay for it, into a block, and checks that all
/// that she pays arrives. Returns how much that is.
fn paid(extrinsic: &UncheckedExtrinsic) -> Balance {
    let before = (Balances::free_balance(alice()), treasury());
    let issued = Balances::total_issuance();
    block(|| {
        apply(&extrinsic.encode())
            .expect("it is valid")
            .expect("it is done");
    });
    let fee = before.0 - Balances::free_balance(alice());
    assert_eq!(treasury(), before.1 + fee);
    assert_eq!(Balances::total_issuance(), issued, "nothing is burnt");
    fee
}

fn remark() -> RuntimeCall {
    frame_system::Call::remark { remark: vec![1] }.into()
}

#[test]
fn fee_and_tip_of_a_transaction_go_to_the_treasury() {
    development().execute_with(|| {
        block(|| {});
        let fee = paid(&signed(remark(), 0));
        assert!(fee > 0);
        // With the tip the transaction is a few bytes longer.
        let (tip, longer) = (PHA, 10 * MICRO_PHA);
        assert!((fee + tip..fee + tip + longer).contains(&paid(&signed(remark(), tip))));
    });
}

#[test]
fn what_was_charged_for_weight_that_was_not_used_comes_back_and_the_rest_goes_to_the_treasury() {
    development().execute_with(|| {
        block(|| {});
        let all = Balances::free_balance(alice());
        let call = pallet_utility::Call::batch {
            calls: vec![
                pallet_balances::Call::transfer_keep_alive {
                    dest: Sr25519Keyring::Bob.to_account_id().into(),
                    value: all,
                }
                .into(),
                pallet_phat_economy::Call::settle {
                    worker: phat_primitives::WorkerId([0; 32]),
                }
                .into(),
            ],
        };
        let extrinsic = signed(call.into(), 0);
        let (info, length) = (extrinsic.get_dispatch_info(), extrinsic.encoded_size());
        let most = TransactionPayment::compute_fee(length as u32, &info, 0);
        let settle = pallet_phat_economy::Call::<Runtime>::settle {
            worker: phat_primitives::WorkerId([0; 32]),
        };
        let unused = settle.get_dispatch_info().call_weight.ref_time();
        assert!(paid(&extrinsic) <= most - Balance::from(unused));
    });
}

#[test]
fn the_treasury_has_an_account_whatever_genesis_says_and_takes_the_smallest_fee() {
    let mut config = genesis_json("development");
    let usual = PhatEconomy::usual_treasury().to_ss58check();
    let balances = config["balances"]["balances"].as_array_mut();
    let balances = balances.expect("accounts are funded");
    let funded = balances.len();
    balances.retain(|entry| entry[0] != usual);
    assert_eq!(balances.len(), funded - 1);
    TestExternalities::new_empty().execute_with(|| {
        let config = config.to_string().into_bytes();
        call::<Result<(), String>>("GenesisBuilder_build_state", config).expect("it builds");
        assert_eq!(treasury(), ExistentialDeposit::get());
        block(|| {});
        assert!(paid(&signed(remark(), 0)) < ExistentialDeposit::get());
    });
}
