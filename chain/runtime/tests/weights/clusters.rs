//! Clusters: how they begin, their workers, what is deployed and sent, money, policies and credits.

use crate::{
    network::*,
    reports::{credit, sessions},
};
use codec::Encode;
use pallet_phat_clusters::{Call, CodeIndex, Divergence};
use phat_crypto::{contexts, rand_core::OsRng};
use phat_primitives::{
    Hash,
    command::EncryptedData,
    limits::{MAX_CODE_LEN, MAX_CREDIT_SLICES, MAX_PAYLOAD_LEN, MAX_SALT_LEN, SLICE_GRACE},
    message::ResourceKind,
    private::{MAX_SEALED_ARGUMENTS_LEN, MAX_SEALED_CODE_LEN, SealedData},
    report::{
        ContractReady, PrivateContractReady, Roots, SignedContractReady, SignedPrivateContractReady,
    },
};
use phat_runtime::*;
use phat_weighing::Figures;
use polkadot_sdk::{
    frame_support::{pallet_prelude::TransactionSource, traits::Authorize},
    *,
};

/// Weighs a call, and takes what it has ordered.
fn call(figures: &mut Figures, how: &str, sender: AccountId, call: Call<Runtime>) {
    figures.call(how, signed(sender), call);
    ordered();
}

/// Weighs a statement of the cluster: whether it may enter a block, and what it does there.
fn statement(figures: &mut Figures, call: Call<Runtime>) {
    let what = format!("{}, may it enter", name(&call));
    let weight = call.weight_of_authorize();
    let answer = figures.check(&what, weight, || {
        call.authorize(TransactionSource::External)
    });
    answer.unwrap().unwrap();
    figures.call("", authorized(), call);
}

fn name(call: &Call<Runtime>) -> &'static str {
    use frame_support::traits::GetCallName;
    call.get_call_name()
}

fn sealed(len: u32) -> SealedData {
    SealedData {
        epoch: 0,
        data: EncryptedData {
            iv: [1; 12],
            pubkey: [1; 32],
            data: vec![1; len as usize],
        },
    }
}

pub(crate) fn weigh(figures: &mut Figures) {
    workers().execute_with(|| {
        let code = vec![2; MAX_CODE_LEN as usize].try_into().unwrap();
        let code = Call::<Runtime>::set_pink_system_code { code };
        figures.call("", root(), code);
        call(figures, "with all workers", owner(), creation(0..MEMBERS));
    });
    network().execute_with(|| {
        start();
        call(figures, "while eras run", owner(), creation(0..0));
    });
    network().execute_with(|| deployments(figures));
    network().execute_with(|| private(figures));
    network().execute_with(|| membership(figures));
    network().execute_with(|| money(figures));
    network().execute_with(|| credits(figures));
}

fn deployments(figures: &mut Figures) {
    let cluster_id = cluster();
    for (how, len) in [("nothing", 0), ("code", MAX_CODE_LEN)] {
        let upload = Call::cluster_upload_resource {
            cluster_id,
            resource_type: ResourceKind::InkCode,
            resource_data: vec![1; len as usize],
        };
        call(figures, how, deployer(), upload);
    }
    for (how, len, deposit) in [("nothing", 0, 0), ("the most", MAX_PAYLOAD_LEN, PHA)] {
        let instantiation = Call::instantiate_contract {
            code_index: CodeIndex::WasmCode(Hash::zero()),
            data: vec![1; len as usize],
            salt: vec![len as u8; MAX_SALT_LEN as usize],
            cluster_id,
            transfer: 1,
            gas_limit: 1,
            storage_deposit_limit: Some(1),
            deposit,
        };
        call(figures, how, deployer(), instantiation);
        let message = Call::push_contract_message {
            contract_id: contract(0),
            payload: vec![1; len as usize],
            deposit,
        };
        call(figures, how, deployer(), message);
    }
    let (permission, policy) = (permission(), policy());
    let policy = Call::set_policy {
        cluster_id,
        permission,
        policy,
    };
    call(figures, "", owner(), policy);
    let ready = ContractReady {
        cluster: cluster_id,
        contract: contract(1 << 20),
        public: [5; 32],
    };
    order(ready.contract);
    let signature = cluster_key().sign(contexts::CONTRACT_READY, &ready.encode(), &mut OsRng);
    let signed = SignedContractReady {
        statement: ready,
        signature,
    };
    statement(figures, Call::contract_ready { signed });
}

fn private(figures: &mut Figures) {
    let cluster_id = cluster();
    let upload = Call::upload_private {
        cluster_id,
        sealed: sealed(MAX_SEALED_CODE_LEN),
    };
    call(figures, "", deployer(), upload);
    let instantiation = Call::instantiate_private {
        cluster_id,
        sealed: sealed(MAX_SEALED_ARGUMENTS_LEN),
        deposit: PHA,
    };
    call(figures, "", deployer(), instantiation);
    let context = contexts::PRIVATE_CONTRACT_READY;
    let made = PrivateContractReady {
        ready: ContractReady {
            cluster: cluster_id,
            contract: contract(1 << 20),
            public: [5; 32],
        },
        deployer: raw(&owner()),
    };
    let signature = cluster_key().sign(context, &made.encode(), &mut OsRng);
    let signed = SignedPrivateContractReady {
        statement: made,
        signature,
    };
    statement(figures, Call::private_contract_ready { signed });
}

fn membership(figures: &mut Figures) {
    let (cluster_id, worker) = (cluster(), worker(MEMBERS - 1));
    call(
        figures,
        "",
        owner(),
        Call::remove_worker_from_cluster { worker, cluster_id },
    );
    call(
        figures,
        "",
        owner(),
        Call::add_worker_to_cluster { worker, cluster_id },
    );
    call(
        figures,
        "",
        owner(),
        Call::rotate_transport_key { cluster_id },
    );
    let roots = Roots {
        state_root: Hash::zero(),
        receipts: Hash::zero(),
    };
    let divergence = Divergence {
        cluster: cluster_id,
        block: 1,
        reported: roots,
        agreed: roots,
    };
    pallet_phat_clusters::Diverged::<Runtime>::insert(worker, divergence);
    call(figures, "", owner(), Call::readmit_worker { worker });
}

fn money(figures: &mut Figures) {
    let cluster_id = cluster();
    let transfer = Call::transfer_to_cluster {
        amount: PHA,
        cluster_id,
        dest_account: account(1),
    };
    call(figures, "", owner(), transfer);
    let amount = PHA;
    let transfer = Call::transfer_from_cluster { cluster_id, amount };
    call(figures, "", owner(), transfer);
}

/// Credits of which as many workers have a slice as may.
fn credits(figures: &mut Figures) {
    let cluster_id = cluster();
    let (amount, slice) = (PHA, PHA);
    let payment = || Call::prepay_credit {
        cluster_id,
        amount,
        slice,
    };
    call(figures, "the first time", deployer(), payment());
    sessions();
    let full = || credit(0, 0..MAX_CREDIT_SLICES);
    let keep = |credit| {
        pallet_phat_clusters::Credits::<Runtime>::insert(cluster_id, deployer(), credit);
    };
    // The workers have begun other sessions, long ago, and what they had counts as spent.
    let mut lost = full();
    for slice in lost.slices.iter_mut() {
        slice.parted = Some(NOW - SLICE_GRACE - 1);
        slice.session = Hash::zero();
    }
    keep(lost.clone());
    call(figures, "after all slices are lost", deployer(), payment());
    assert!(!pallet_phat_clusters::CreditOwed::<Runtime>::contains_key(
        cluster_id
    ));
    keep(full());
    call(figures, "with all slices", deployer(), payment());
    call(
        figures,
        "with all slices",
        deployer(),
        Call::withdraw_credit { cluster_id },
    );
    keep(lost);
    let withdrawal = Call::withdraw_credit { cluster_id };
    call(figures, "after all slices are lost", deployer(), withdrawal);
}
