//! The registry: evidence, gatekeepers, and workers that go out of service.

use crate::network::*;
use pallet_phat_registry::{Call, OnService, VersionedEndpoints};
use phat_attestation::{
    Claims, Evidence, TcbLevel,
    software::{SoftwareCollateral, attest},
};
use phat_crypto::rand_core::OsRng;
use phat_primitives::{
    Hash,
    limits::{
        MAX_ADVISORY_LEN, MAX_ENDPOINT_LEN, MAX_ENDPOINTS, MAX_GATEKEEPERS, MAX_LAPSES_PER_BLOCK,
    },
};
use phat_runtime::*;
use phat_weighing::Figures;
use polkadot_sdk::{frame_support::traits::Hooks, *};

/// What hears of workers that go out of service and come back.
type Others = (PhalaPhatContracts, PhatEconomy);

/// What a worker claims after the last block.
pub(crate) fn claims(number: u32) -> Claims {
    let block = NOW - 1;
    Claims {
        worker: worker(number),
        operator: Some(raw(&owner())),
        measurement: MEASUREMENT,
        genesis: System::block_hash(0),
        block,
        block_hash: Hash::from_low_u64_be(block.into()),
        performance: 7,
    }
}

/// New evidence of a worker.
pub(crate) fn evidence(number: u32) -> Evidence {
    let collateral = SoftwareCollateral {
        level: TcbLevel::UpToDate,
        expires_ms: u64::MAX,
    };
    attest(&development_root(), claims(number), collateral, &mut OsRng)
}

fn endpoints() -> VersionedEndpoints {
    let url = "x".repeat(MAX_ENDPOINT_LEN as usize);
    VersionedEndpoints::new(vec![url.as_str(); MAX_ENDPOINTS as usize]).unwrap()
}

fn registration(number: u32) -> Call<Runtime> {
    Call::register_worker {
        evidence: Box::new(evidence(number)),
        endpoints: endpoints(),
    }
}

/// A block begins, when everybody's time is over or nobody runs an allowed program.
fn begin_block(figures: &mut Figures, what: &str) {
    let (weight, touched) = figures.observe(|| PhalaRegistry::on_initialize(NOW));
    figures.note(what, weight, touched);
    let members = pallet_phat_clusters::ClusterWorkers::<Runtime>::get(cluster());
    assert_eq!(members.len() as u32, MEMBERS - MAX_LAPSES_PER_BLOCK);
    ordered();
}

pub(crate) fn weigh(figures: &mut Figures) {
    network().execute_with(|| evidence_and_endpoints(figures));
    network().execute_with(|| gatekeepers(figures));
    network().execute_with(|| programs(figures));
    network().execute_with(|| {
        start();
        let late = pallet_timestamp::Now::<Runtime>::get() + (1 << 40);
        pallet_timestamp::Now::<Runtime>::put(late);
        begin_block(figures, "beginning of a block, evidence has expired");
    });
    network().execute_with(|| {
        figures.call(
            "",
            root(),
            Call::<Runtime>::revoke_measurement {
                measurement: MEASUREMENT,
            },
        );
        begin_block(figures, "beginning of a block, a program is revoked");
    });
    network().execute_with(|| {
        let weight = <Others as OnService>::weight();
        let last = worker(MEMBERS - 1);
        let done = figures.check("a worker lapses", weight, || Others::lapsed(&last));
        done.unwrap();
    });
}

fn evidence_and_endpoints(figures: &mut Figures) {
    // Nothing is taken, so that the worker is suspended and comes back.
    let settings = pallet_phat_economy::Settings::default();
    run(
        root(),
        pallet_phat_economy::Call::<Runtime>::set_settings { settings },
    );
    let last = MEMBERS - 1;
    pallet_phat_registry::InService::<Runtime>::remove(worker(last));
    Others::lapsed(&worker(last)).unwrap();
    let (owner, back) = (signed(owner()), worker(last));
    figures.call("back into its cluster", owner.clone(), registration(last));
    let present = pallet_phat_clusters::WorkerCluster::<Runtime>::get(back);
    assert_eq!(present, Some(cluster()));
    ordered();
    figures.call("evidence renewed", owner.clone(), registration(3));
    figures.call("a new worker", owner.clone(), registration(MEMBERS + 1));
    figures.call(
        "",
        owner,
        Call::<Runtime>::update_endpoints {
            worker: back,
            endpoints: endpoints(),
        },
    );
}

fn gatekeepers(figures: &mut Figures) {
    let last = MAX_GATEKEEPERS - 1;
    // All hold the keys, and only the last one is in service.
    for number in 0..last {
        pallet_phat_registry::InService::<Runtime>::remove(worker(number));
    }
    figures.call("", root(), Call::<Runtime>::rotate_master_key {});
    ordered();
    pallet_phat_registry::MasterKeyMaker::<Runtime>::kill();
    pallet_phat_registry::MasterGenerations::<Runtime>::mutate(|made| *made -= 1);
    let worker = worker(0);
    figures.call("", root(), Call::<Runtime>::remove_gatekeeper { worker });
    ordered();
    register(0);
    // As it is before there is a first key.
    pallet_phat_registry::MasterGenerations::<Runtime>::kill();
    figures.call("", root(), Call::<Runtime>::add_gatekeeper { worker });
}

fn programs(figures: &mut Figures) {
    let advisory: pallet_phat_registry::Advisory =
        vec![b'a'; MAX_ADVISORY_LEN as usize].try_into().unwrap();
    for (how, measurement) in [("known", MEASUREMENT), ("new", [8; 32])] {
        figures.call(
            how,
            root(),
            Call::<Runtime>::allow_measurement { measurement },
        );
    }
    figures.call(
        "",
        root(),
        Call::<Runtime>::refuse_advisory {
            advisory: advisory.clone(),
        },
    );
    figures.call("", root(), Call::<Runtime>::accept_advisory { advisory });
}
