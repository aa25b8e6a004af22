//! Signing calls as wallets do, for programs that link the runtime.

use polkadot_sdk::*;
use sp_runtime::generic::Era;

use crate::{Nonce, Runtime, TxExtension};

#[cfg(feature = "std")]
use {
    crate::{AccountId, Hash, RuntimeCall, SignedPayload, UncheckedExtrinsic, VERSION},
    codec::Encode,
    sp_core::{Pair, sr25519},
    sp_runtime::{MultiAddress, MultiSignature},
};

/// The transaction extensions of a transaction that never expires and pays no tip. A transaction
/// that is not signed carries them too; the nonce means nothing then.
pub(crate) fn extension(nonce: Nonce) -> TxExtension {
    (
        frame_system::AuthorizeCall::new(),
        frame_system::CheckNonZeroSender::new(),
        frame_system::CheckSpecVersion::new(),
        frame_system::CheckTxVersion::new(),
        frame_system::CheckGenesis::new(),
        frame_system::CheckMortality::from(Era::Immortal),
        frame_system::CheckNonce::from(nonce),
        frame_system::CheckWeight::new(),
        pallet_transaction_payment::ChargeTransactionPayment::from(0),
        frame_system::WeightReclaim::<Runtime>::new(),
    )
}

/// The transaction in which `signer` sends `call` on the chain that begins with `genesis`: encoded, as
/// it is submitted.
#[cfg(feature = "std")]
pub fn signed_extrinsic(
    signer: &sr25519::Pair,
    call: RuntimeCall,
    nonce: Nonce,
    genesis: Hash,
) -> alloc::vec::Vec<u8> {
    let extension = extension(nonce);
    let (spec, transaction) = (VERSION.spec_version, VERSION.transaction_version);
    let implicit = ((), (), spec, transaction, genesis, genesis, (), (), (), ());
    let payload = SignedPayload::from_raw(call.clone(), extension.clone(), implicit);
    let signature = payload.using_encoded(|bytes| signer.sign(bytes));
    UncheckedExtrinsic::new_signed(
        call,
        MultiAddress::Id(AccountId::from(signer.public().0)),
        MultiSignature::Sr25519(signature),
        extension,
    )
    .encode()
}
