//! Who is registered on what evidence, and who may report keys.

use crate::{Endpoints, Error, Event, VersionedEndpoints, WorkerInfo, Workers, mock::*};
use pallet_phat_messages::{OnReport, Reporters};
use phat_attestation::{Claims, Evidence, SOFTWARE_CONFIDENCE, software};
use phat_crypto::{Keypair, rand_core::OsRng};
use phat_primitives::{
    AccountId as RawAccount, Hash,
    ids::cluster_id,
    limits::MAX_EVIDENCE_AGE,
    message::{KeyDelivery, Message, SealedKey},
    report::{Heartbeat, Payload},
};
use polkadot_sdk::{
    frame_support::{assert_noop, assert_ok, dispatch::DispatchResult, weights::Weight},
    frame_system::RawOrigin,
    sp_io::storage,
    sp_runtime::{DispatchError, StateVersion},
};

mod gatekeepers;

fn sealed() -> SealedKey {
    SealedKey {
        iv: [0; 12],
        ephemeral: [0; 32],
        data: [0; 48],
    }
}

/// A worker that has been registered some time ago.
fn register_known(number: u8) {
    Workers::<Test>::insert(
        id(number),
        WorkerInfo {
            operator: account(number),
            measurement: MEASUREMENT,
            confidence: SOFTWARE_CONFIDENCE,
            attested_at: NOW,
        },
    );
}

fn endpoints(url: &str) -> VersionedEndpoints {
    VersionedEndpoints::new([url]).unwrap()
}

fn register(sender: u8, evidence: Box<Evidence>) -> DispatchResult {
    let origin = RawOrigin::Signed(account(sender)).into();
    Registry::register_worker(origin, evidence, endpoints("http://a"))
}

/// Runs the body on a chain that accepts [`root`].
fn on_chain(body: impl FnOnce()) {
    chain(Some(root().public())).execute_with(body);
}

#[test]
fn a_worker_is_registered_on_good_evidence() {
    on_chain(|| {
        assert!(!Registry::is_registered(&id(1)));
        assert_ok!(register(1, attest(claims())));
        assert!(Registry::is_registered(&id(1)));
        let info = Workers::<Test>::get(id(1)).unwrap();
        assert_eq!(info.operator, account(1));
        assert_eq!(info.measurement, MEASUREMENT);
        assert_eq!(info.confidence, SOFTWARE_CONFIDENCE);
        assert_eq!(info.attested_at, NOW);
        assert_eq!(
            Endpoints::<Test>::get(id(1)).unwrap().urls(),
            vec!["http://a"]
        );
        System::assert_last_event(
            Event::WorkerRegistered {
                worker: id(1),
                operator: account(1),
                confidence: SOFTWARE_CONFIDENCE,
            }
            .into(),
        );
    });
}

#[test]
fn every_fault_of_evidence_has_its_own_error() {
    on_chain(|| {
        let faults: [(Claims, Error<Test>); 6] = [
            (
                Claims {
                    genesis: hash(1),
                    ..claims()
                },
                Error::EvidenceForOtherChain,
            ),
            (
                Claims {
                    measurement: [8; 32],
                    ..claims()
                },
                Error::MeasurementNotAllowed,
            ),
            (
                Claims {
                    block: NOW - MAX_EVIDENCE_AGE - 1,
                    block_hash: hash(NOW - MAX_EVIDENCE_AGE - 1),
                    ..claims()
                },
                Error::EvidenceTooOld,
            ),
            (
                Claims {
                    block_hash: Hash::zero(),
                    ..claims()
                },
                Error::EvidenceBlockUnknown,
            ),
            (
                // The present block: its hash is not known yet.
                Claims {
                    block: NOW,
                    block_hash: Hash::zero(),
                    ..claims()
                },
                Error::EvidenceBlockUnknown,
            ),
            (
                Claims {
                    block: NOW + 1,
                    ..claims()
                },
                Error::EvidenceBlockUnknown,
            ),
        ];
        for (claims, error) in faults {
            assert_noop!(register(1, attest(claims)), error);
        }
        let foreign = software::attest(&Keypair::from_seed([101; 32]), claims(), &mut OsRng);
        assert_noop!(
            register(1, Box::new(foreign)),
            Error::<Test>::EvidenceWrongRoot
        );
        let mut changed = attest(claims());
        let Evidence::Software(evidence) = &mut *changed;
        evidence.claims.worker = id(2);
        assert_noop!(register(1, changed), Error::<Test>::EvidenceSignature);
    });
}

#[test]
fn evidence_of_the_greatest_age_is_good_still() {
    on_chain(|| {
        let block = NOW - MAX_EVIDENCE_AGE;
        let oldest = Claims {
            block,
            block_hash: hash(block),
            ..claims()
        };
        assert_ok!(register(1, attest(oldest)));
    });
}

#[test]
fn a_chain_without_a_development_root_accepts_no_software_evidence() {
    chain(None).execute_with(|| {
        assert_noop!(
            register(1, attest(claims())),
            Error::<Test>::SoftwareEvidenceNotAccepted
        );
    });
}

#[test]
fn only_the_operator_that_the_evidence_names_registers_a_worker() {
    on_chain(|| {
        assert_noop!(register(2, attest(claims())), Error::<Test>::NotOperator);
        let nobodys = Claims {
            operator: None,
            ..claims()
        };
        assert_noop!(register(1, attest(nobodys)), Error::<Test>::NotOperator);
        assert_noop!(
            Registry::register_worker(
                RawOrigin::Root.into(),
                attest(claims()),
                endpoints("http://a")
            ),
            DispatchError::BadOrigin
        );
    });
}

#[test]
fn evidence_is_renewed_by_the_same_operator_only() {
    on_chain(|| {
        assert_ok!(register(1, attest(claims())));
        System::set_block_number(NOW + 10);
        assert_ok!(register(1, attest(claims())));
        let renewed = Workers::<Test>::get(id(1)).unwrap();
        assert_eq!(renewed.attested_at, NOW + 10);
        let taken_over = Claims {
            operator: Some(RawAccount([2; 32])),
            ..claims()
        };
        assert_noop!(register(2, attest(taken_over)), Error::<Test>::NotOperator);
        assert_eq!(Workers::<Test>::get(id(1)), Some(renewed));
    });
}

#[test]
fn a_worker_keeps_its_place_when_its_measurement_is_revoked_but_cannot_renew() {
    on_chain(|| {
        assert_ok!(register(1, attest(claims())));
        assert_ok!(Registry::revoke_measurement(
            RawOrigin::Root.into(),
            MEASUREMENT
        ));
        assert!(Registry::is_registered(&id(1)));
        assert_noop!(
            register(1, attest(claims())),
            Error::<Test>::MeasurementNotAllowed
        );
        assert_ok!(Registry::allow_measurement(
            RawOrigin::Root.into(),
            MEASUREMENT
        ));
        assert_ok!(register(1, attest(claims())));
    });
}

#[test]
fn only_root_says_which_programs_may_run_and_who_is_gatekeeper() {
    on_chain(|| {
        assert_ok!(register(1, attest(claims())));
        let signed = || RawOrigin::Signed(account(1)).into();
        assert_noop!(
            Registry::allow_measurement(signed(), [1; 32]),
            DispatchError::BadOrigin
        );
        assert_noop!(
            Registry::revoke_measurement(signed(), MEASUREMENT),
            DispatchError::BadOrigin
        );
        assert_noop!(
            Registry::add_gatekeeper(signed(), id(1)),
            DispatchError::BadOrigin
        );
    });
}

#[test]
fn only_the_operator_changes_endpoints() {
    on_chain(|| {
        let update = |sender: u8, worker| {
            let origin = RawOrigin::Signed(account(sender)).into();
            Registry::update_endpoints(origin, worker, endpoints("http://b"))
        };
        assert_noop!(update(1, id(1)), Error::<Test>::WorkerNotFound);
        assert_ok!(register(1, attest(claims())));
        assert_noop!(update(2, id(1)), Error::<Test>::NotOperator);
        assert_ok!(update(1, id(1)));
        assert_eq!(
            Endpoints::<Test>::get(id(1)).unwrap().urls(),
            vec!["http://b"]
        );
        System::assert_last_event(Event::EndpointsUpdated { worker: id(1) }.into());
    });
}

#[test]
fn a_cluster_has_one_key_for_life() {
    on_chain(|| {
        assert_ok!(Registry::set_cluster_key(cluster_id(1), [1; 32]));
        assert_ok!(Registry::set_cluster_key(cluster_id(1), [1; 32]));
        assert_noop!(
            Registry::set_cluster_key(cluster_id(1), [2; 32]),
            Error::<Test>::KeyMismatch
        );
        assert_ok!(Registry::set_cluster_key(cluster_id(2), [2; 32]));
    });
}

#[test]
fn payloads_for_others_are_left_alone_and_cost_nothing_here() {
    on_chain(|| {
        let others = [
            Payload::Heartbeat(Heartbeat {
                cluster: cluster_id(1),
                block: 1,
                state_root: Hash::zero(),
                receipts: Hash::zero(),
                withdrawals: vec![],
            }),
            Payload::ClusterKey {
                cluster: cluster_id(1),
                delivery: KeyDelivery {
                    worker: id(1),
                    public: [1; 32],
                    secret: sealed(),
                    transport: vec![],
                },
            },
        ];
        for payload in others {
            let before = storage::root(StateVersion::V1);
            assert_ok!(Registry::on_payload(&id(1), &payload));
            assert_eq!(storage::root(StateVersion::V1), before);
            assert_eq!(<Registry as OnReport>::weight(&payload), Weight::zero());
        }
    });
}
