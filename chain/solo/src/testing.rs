//! What the tests of this crate share: a development chain and signed transactions.

use std::path::Path;
use std::sync::Arc;

use codec::Encode;
use polkadot_sdk::*;

use sp_keyring::Sr25519Keyring;
use sp_runtime::MultiSignature;
use sp_runtime::generic::Era;
use sp_runtime::traits::{BlakeTwo256, Hash as _};

use phat_runtime::{
    Address, Balance, Hash, Nonce, Runtime, RuntimeCall, SignedPayload, TxExtension,
    UncheckedExtrinsic, VERSION,
};

use crate::authority::Authority;
use crate::chain::Chain;
use crate::genesis::{self, Genesis};
use crate::pool::Transaction;

/// Storage key under which a test looks for outbound bytes: any that changes.
pub(crate) const OUTBOUND: &[u8] = b":outbound-of-test";

pub(crate) fn genesis() -> Genesis {
    genesis::from_preset("development", serde_json::Value::Null).expect("the preset builds")
}

pub(crate) fn alice() -> Authority {
    Authority::from_secret_uri("//Alice").expect("//Alice is a key")
}

pub(crate) fn open(dir: &Path) -> Chain {
    Chain::open(dir, &genesis(), alice(), OUTBOUND.to_vec()).expect("the chain opens")
}

pub(crate) fn signed(
    who: Sr25519Keyring,
    nonce: Nonce,
    tip: Balance,
    call: RuntimeCall,
    genesis_hash: Hash,
) -> UncheckedExtrinsic {
    let extension: TxExtension = (
        frame_system::AuthorizeCall::<Runtime>::new(),
        frame_system::CheckNonZeroSender::<Runtime>::new(),
        frame_system::CheckSpecVersion::<Runtime>::new(),
        frame_system::CheckTxVersion::<Runtime>::new(),
        frame_system::CheckGenesis::<Runtime>::new(),
        frame_system::CheckMortality::<Runtime>::from(Era::Immortal),
        frame_system::CheckNonce::<Runtime>::from(nonce),
        frame_system::CheckWeight::<Runtime>::new(),
        pallet_transaction_payment::ChargeTransactionPayment::<Runtime>::from(tip),
        frame_system::WeightReclaim::<Runtime>::new(),
    );
    let implicit = (
        (),
        (),
        VERSION.spec_version,
        VERSION.transaction_version,
        genesis_hash,
        genesis_hash,
        (),
        (),
        (),
        (),
    );
    let payload = SignedPayload::from_raw(call.clone(), extension.clone(), implicit);
    let signature = payload.using_encoded(|bytes| who.sign(bytes));
    UncheckedExtrinsic::new_signed(
        call,
        Address::Id(who.to_account_id()),
        MultiSignature::Sr25519(signature),
        extension,
    )
}

pub(crate) fn transfer(
    who: Sr25519Keyring,
    nonce: Nonce,
    value: Balance,
    genesis_hash: Hash,
) -> UncheckedExtrinsic {
    let dest = Address::Id(Sr25519Keyring::One.to_account_id());
    let call = pallet_balances::Call::transfer_allow_death { dest, value };
    signed(who, nonce, 0, call.into(), genesis_hash)
}

/// The transaction as the pool would offer it.
pub(crate) fn offered(extrinsic: UncheckedExtrinsic) -> Arc<Transaction> {
    Arc::new(Transaction {
        hash: BlakeTwo256::hash_of(&extrinsic),
        length: extrinsic.encoded_size(),
        extrinsic,
        sender: None,
        requires: Vec::new(),
        provides: Vec::new(),
        priority: 1,
        last_block: u32::MAX,
    })
}
