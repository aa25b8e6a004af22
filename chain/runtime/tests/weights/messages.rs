//! Reports as a whole, blocks that are full of messages, and what everybody pays for a transaction.

use crate::{network::*, reports};
use codec::Decode;
use pallet_phat_messages::{Call, MAX_MESSAGES_LEN};
use phat_primitives::{
    limits::MAX_MESSAGES_PER_BLOCK,
    message::{ClusterMessage, Message},
};
use phat_runtime::*;
use phat_weighing::Figures;
use polkadot_sdk::{
    frame_support::{
        dispatch::GetDispatchInfo,
        pallet_prelude::TransactionSource,
        traits::{Authorize, Hooks},
    },
    sp_core::{Pair, sr25519},
    sp_runtime::traits::{Applyable, Checkable},
    *,
};

/// A block ends that has so many messages, each with so many bytes.
fn full_block(figures: &mut Figures, what: &str, messages: u32, len: u32) {
    for _ in 0..messages {
        let message = ClusterMessage::Command {
            sender: raw(&owner()),
            contract: contract(0),
            payload: vec![1; len as usize],
        };
        PhalaMq::push(Message::Cluster(cluster(), message)).unwrap();
    }
    let (weight, touched) = figures.observe(|| {
        let weight = PhalaMq::on_initialize(NOW);
        PhalaMq::on_finalize(NOW);
        weight
    });
    figures.note(what, weight, touched);
}

fn submit(figures: &mut Figures, how: &str, call: Call<Runtime>) {
    let weight = call.weight_of_authorize();
    let what = format!("submit, {how}, may it enter");
    let answer = figures.check(&what, weight, || {
        call.authorize(TransactionSource::External)
    });
    answer.unwrap().unwrap();
    figures.call(how, authorized(), call);
    ordered();
}

/// Applies a signed transaction that does nothing.
fn transaction(figures: &mut Figures) {
    let pair = sr25519::Pair::from_seed(&[7; 32]);
    fund(&AccountId::from(pair.public().0));
    let call = frame_system::Call::remark { remark: Vec::new() }.into();
    let bytes = signed_extrinsic(&pair, call, 0, System::block_hash(0));
    let extrinsic = UncheckedExtrinsic::decode(&mut &bytes[..]).unwrap();
    let info = extrinsic.get_dispatch_info();
    let checked = extrinsic
        .check(&frame_system::ChainContext::<Runtime>::default())
        .unwrap();
    figures.check("a signed transaction", info.total_weight(), || {
        checked
            .apply::<Runtime>(&info, bytes.len())
            .unwrap()
            .unwrap();
    });
}

pub(crate) fn weigh(figures: &mut Figures) {
    network().execute_with(|| {
        let few = 16;
        full_block(
            figures,
            "a block with long messages",
            few,
            MAX_MESSAGES_LEN / few - 200,
        );
        let most = MAX_MESSAGES_PER_BLOCK;
        full_block(figures, "a block with many messages", most, 3_000);
    });
    network().execute_with(|| {
        start();
        let payloads = reports::everything();
        let call = Call::submit {
            signed: report(0, payloads),
        };
        submit(figures, "all that it can hold", call);
    });
    network().execute_with(|| {
        let payload = reports::heartbeat(0, 0);
        let call = Call::submit {
            signed: report(0, vec![payload]),
        };
        submit(figures, "one heartbeat", call);
    });
    network().execute_with(|| transaction(figures));
}
