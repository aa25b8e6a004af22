//! Who is registered on what evidence, and who may report keys.

use crate::{
    Endpoints, Error, Event, Expiries, InService, LapseCause, RefusedAdvisories, Revoking, Running,
    ServiceTime, VersionedEndpoints, WorkerInfo, Workers, mock::*,
};
use codec::Encode;
use pallet_phat_messages::{OnReport, Reporters};
use phat_attestation::{
    Claims, Evidence, SOFTWARE_CONFIDENCE, TcbLevel,
    quote::{Collateral, QuoteEvidence},
    software::{self, SoftwareCollateral},
};
use phat_crypto::{Keypair, rand_core::OsRng};
use phat_primitives::{
    AccountId as RawAccount, Hash,
    ids::cluster_id,
    limits::{MAX_EVIDENCE_AGE, MAX_EVIDENCE_LEN, MAX_EVIDENCE_LIFE_MS, MAX_LAPSES_PER_BLOCK},
    message::{KeyDelivery, Message, SealedKey},
    report::{Heartbeat, Payload},
};
use polkadot_sdk::{
    frame_support::{self, assert_noop, assert_ok, dispatch::DispatchResult, weights::Weight},
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
            evidence_block: 0,
            performance: 0,
        },
    );
    let time = ServiceTime {
        since_ms: NOW_MS,
        expires_ms: u64::MAX,
    };
    InService::<Test>::insert(id(number), time);
    Expiries::<Test>::insert((time.expires_ms.to_be_bytes(), id(number)), ());
    Running::<Test>::insert(MEASUREMENT, id(number), ());
}

fn endpoints(url: &str) -> VersionedEndpoints {
    VersionedEndpoints::new([url]).unwrap()
}

fn register(sender: u8, evidence: Box<Evidence>) -> DispatchResult {
    let origin = RawOrigin::Signed(account(sender)).into();
    Registry::register_worker(origin, evidence, endpoints("http://a"))
}

/// Lets a worker report evidence of itself, as the pallet of messages does.
fn report(worker: u8, evidence: &Evidence) -> DispatchResult {
    let payload = Payload::Evidence(evidence.encode());
    frame_support::storage::with_storage_layer(|| Registry::on_payload(&id(worker), &payload))
}

/// Runs the body on a chain that accepts [`root`], and checks the invariants after it.
fn on_chain(body: impl FnOnce()) {
    chain(Some(root().public())).execute_with(|| {
        body();
        assert_eq!(Registry::do_try_state(), Ok(()));
    });
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
        assert_eq!(info.evidence_block, NOW - 1);
        assert_eq!(info.performance, 5);
        let time = ServiceTime {
            since_ms: NOW_MS,
            expires_ms: NOW_MS + LIFE_MS,
        };
        assert_eq!(InService::<Test>::get(id(1)), Some(time));
        assert_eq!(Witness::told(&id(1)), (0, 1));
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
        let collateral = |level, expires_ms| SoftwareCollateral { level, expires_ms };
        let good = collateral(TcbLevel::UpToDate, NOW_MS + 1);
        let foreign = software::attest(&Keypair::from_seed([101; 32]), claims(), good, &mut OsRng);
        assert_noop!(
            register(1, Box::new(foreign)),
            Error::<Test>::EvidenceWrongRoot
        );
        let mut changed = attest(claims());
        if let Evidence::Software(evidence) = &mut *changed {
            evidence.claims.worker = id(2);
        }
        assert_noop!(register(1, changed), Error::<Test>::EvidenceSignature);
        let expired = attest_with(claims(), collateral(TcbLevel::UpToDate, NOW_MS));
        assert_noop!(register(1, expired), Error::<Test>::CollateralExpired);
        let revoked = attest_with(claims(), collateral(TcbLevel::Revoked, NOW_MS + 1));
        assert_noop!(register(1, revoked), Error::<Test>::LevelRefused);
        let quoted = QuoteEvidence {
            claims: claims(),
            quote: vec![0; 1000],
            collateral: Collateral::default(),
        };
        for evidence in [Evidence::Sgx(quoted.clone()), Evidence::Tdx(quoted.clone())] {
            assert_noop!(
                register(1, Box::new(evidence)),
                Error::<Test>::EvidenceQuote
            );
        }
        let large = QuoteEvidence {
            quote: vec![0; MAX_EVIDENCE_LEN as usize],
            ..quoted
        };
        assert_noop!(
            register(1, Box::new(Evidence::Sgx(large))),
            Error::<Test>::EvidenceTooLarge
        );
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
        next_block(0);
        assert_ok!(register(1, attest(claims_of(1))));
        let renewed = Workers::<Test>::get(id(1)).unwrap();
        assert_eq!(renewed.attested_at, NOW + 1);
        next_block(0);
        let taken_over = Claims {
            operator: Some(RawAccount([2; 32])),
            ..claims_of(1)
        };
        assert_noop!(register(2, attest(taken_over)), Error::<Test>::NotOperator);
        assert_eq!(Workers::<Test>::get(id(1)), Some(renewed));
    });
}

#[test]
fn a_worker_renews_by_itself_for_the_operator_that_the_chain_knows() {
    on_chain(|| {
        assert_noop!(report(1, &attest(claims())), Error::<Test>::WorkerNotFound);
        assert_ok!(register(1, attest(claims())));
        next_block(LIFE_MS / 2);
        assert_ok!(report(1, &attest(claims_of(1))));
        let expires_ms = NOW_MS + LIFE_MS / 2 + LIFE_MS;
        assert_eq!(
            InService::<Test>::get(id(1)).map(|time| time.expires_ms),
            Some(expires_ms)
        );
        System::assert_last_event(
            Event::EvidenceRenewed {
                worker: id(1),
                confidence: SOFTWARE_CONFIDENCE,
                expires_ms,
            }
            .into(),
        );
        // It never was out of service.
        next_block(LIFE_MS - 1);
        next_block(0);
        assert_eq!(Witness::told(&id(1)), (0, 1));

        let of_another = Claims {
            operator: Some(RawAccount([2; 32])),
            ..claims_of(1)
        };
        assert_noop!(report(1, &attest(of_another)), Error::<Test>::NotOperator);
        assert_noop!(
            report(1, &attest(claims_of(2))),
            Error::<Test>::EvidenceNotBound
        );
        let mut more = attest(claims_of(1)).encode();
        more.push(0);
        assert_noop!(
            Registry::on_payload(&id(1), &Payload::Evidence(more)),
            Error::<Test>::EvidenceMalformed
        );
        let long = vec![0; MAX_EVIDENCE_LEN as usize + 1];
        assert_noop!(
            Registry::on_payload(&id(1), &Payload::Evidence(long)),
            Error::<Test>::EvidenceTooLarge
        );
    });
}

#[test]
fn evidence_is_accepted_once_and_never_older_evidence_after_it() {
    on_chain(|| {
        let older = attest(Claims {
            block: NOW - 2,
            block_hash: hash(NOW - 2),
            ..claims()
        });
        assert_ok!(register(1, attest(claims())));
        next_block(0);
        for evidence in [&attest(claims()), &older] {
            assert_noop!(report(1, evidence), Error::<Test>::EvidenceReplayed);
            assert_noop!(
                register(1, evidence.clone()),
                Error::<Test>::EvidenceReplayed
            );
        }
        // Also when it is out of service.
        next_block(LIFE_MS);
        next_block(0);
        assert!(!Registry::is_in_service(&id(1)));
        assert_noop!(
            report(1, &attest(claims())),
            Error::<Test>::EvidenceReplayed
        );
        assert_ok!(report(1, &attest(claims_of(1))));
    });
}

#[test]
fn a_worker_whose_evidence_expires_is_out_of_service_until_it_renews() {
    on_chain(|| {
        assert_ok!(register(1, attest(claims())));
        assert_ok!(register(1, attest(claims_of(2))));
        next_block(LIFE_MS - 1);
        assert_ok!(report(2, &attest(claims_of(2))));
        next_block(1);
        assert!(Registry::is_in_service(&id(1)), "it is its last moment");
        next_block(0);
        assert!(!Registry::is_in_service(&id(1)));
        assert!(Registry::is_in_service(&id(2)), "others are left alone");
        System::assert_last_event(
            Event::WorkerLapsed {
                worker: id(1),
                cause: LapseCause::Expired,
            }
            .into(),
        );
        assert_eq!(Witness::told(&id(1)), (1, 1));
        assert!(Registry::is_registered(&id(1)), "it may report");
        assert_ok!(report(1, &attest(claims_of(1))));
        assert!(Registry::is_in_service(&id(1)));
        assert_eq!(Witness::told(&id(1)), (1, 2));
        assert_eq!(Witness::told(&id(2)), (0, 1));
    });
}

#[test]
fn evidence_lives_no_longer_than_the_limit() {
    on_chain(|| {
        let collateral = SoftwareCollateral {
            level: TcbLevel::UpToDate,
            expires_ms: u64::MAX,
        };
        assert_ok!(register(1, attest_with(claims(), collateral)));
        let time = InService::<Test>::get(id(1)).unwrap();
        assert_eq!(time.expires_ms, NOW_MS + MAX_EVIDENCE_LIFE_MS);
    });
}

#[test]
fn no_more_workers_lapse_in_a_block_than_may() {
    on_chain(|| {
        let count = MAX_LAPSES_PER_BLOCK as u8 + 3;
        for worker in 1..=count {
            assert_ok!(register(1, attest(claims_of(worker))));
        }
        let idle = next_block(LIFE_MS);
        let left = || InService::<Test>::iter_keys().count();
        let busy = next_block(0);
        assert_eq!(left(), 3);
        assert!(busy.ref_time() > idle.ref_time());
        next_block(0);
        assert_eq!(left(), 0);
        assert_eq!(next_block(0), idle);
    });
}

#[test]
fn a_worker_that_others_cannot_let_go_lapses_later() {
    on_chain(|| {
        assert_ok!(register(1, attest(claims())));
        next_block(LIFE_MS);
        Witness::refuse(true);
        next_block(0);
        assert!(Registry::is_in_service(&id(1)));
        Witness::refuse(false);
        next_block(0);
        assert!(!Registry::is_in_service(&id(1)));
        Witness::refuse(true);
        assert!(report(1, &attest(claims_of(1))).is_err());
        assert!(!Registry::is_in_service(&id(1)));
    });
}

#[test]
fn a_revoked_program_goes_out_of_service_with_all_its_workers() {
    on_chain(|| {
        let other = [8; 32];
        assert_ok!(Registry::allow_measurement(RawOrigin::Root.into(), other));
        let count = MAX_LAPSES_PER_BLOCK as u8 + 3;
        for worker in 1..=count {
            assert_ok!(register(1, attest(claims_of(worker))));
        }
        let stays = Claims {
            measurement: other,
            ..claims_of(100)
        };
        assert_ok!(register(1, attest(stays)));
        assert_ok!(Registry::revoke_measurement(
            RawOrigin::Root.into(),
            MEASUREMENT
        ));
        let left = || InService::<Test>::iter_keys().count();
        next_block(0);
        assert_eq!(left(), 4, "the rest comes in the next block");
        next_block(0);
        next_block(0);
        System::assert_has_event(
            Event::WorkerLapsed {
                worker: id(1),
                cause: LapseCause::Revoked,
            }
            .into(),
        );
        assert_eq!(
            InService::<Test>::iter_keys().collect::<Vec<_>>(),
            [id(100)]
        );
        assert!(!Revoking::<Test>::contains_key(MEASUREMENT));
        assert_noop!(
            report(1, &attest(claims_of(1))),
            Error::<Test>::MeasurementNotAllowed
        );
        assert_ok!(Registry::allow_measurement(
            RawOrigin::Root.into(),
            MEASUREMENT
        ));
        assert_ok!(report(1, &attest(claims_of(1))));
    });
}

#[test]
fn a_program_that_is_allowed_again_keeps_its_workers() {
    on_chain(|| {
        assert_ok!(register(1, attest(claims())));
        let root = || RawOrigin::Root.into();
        assert_ok!(Registry::revoke_measurement(root(), MEASUREMENT));
        assert_ok!(Registry::allow_measurement(root(), MEASUREMENT));
        next_block(0);
        assert!(Registry::is_in_service(&id(1)));
    });
}

#[test]
fn advisories_are_known_by_their_name_in_any_case() {
    on_chain(|| {
        let name = |text: &str| text.as_bytes().to_vec().try_into().unwrap();
        let root = || RawOrigin::Root.into();
        assert_ok!(Registry::refuse_advisory(root(), name("intel-sa-00615")));
        assert!(RefusedAdvisories::<Test>::contains_key(
            crate::Advisory::try_from(b"INTEL-SA-00615".to_vec()).unwrap()
        ));
        assert_ok!(Registry::accept_advisory(root(), name("Intel-SA-00615")));
        assert_eq!(RefusedAdvisories::<Test>::iter_keys().count(), 0);
        assert_noop!(
            Registry::refuse_advisory(RawOrigin::Signed(account(1)).into(), name("x")),
            DispatchError::BadOrigin
        );
    });
}

#[test]
fn what_a_renewal_may_cost_depends_on_its_kind() {
    on_chain(|| {
        let weight = |bytes: Vec<u8>| <Registry as OnReport>::weight(&Payload::Evidence(bytes));
        let software = weight(attest(claims()).encode());
        let quote = weight(vec![1; 100]);
        assert!(software.ref_time() > 0);
        assert!(quote.ref_time() > 10 * software.ref_time());
        assert!(weight(vec![1; 1000]).all_gte(quote));
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
fn a_worker_out_of_service_is_no_gatekeeper_but_can_be_dismissed() {
    on_chain(|| {
        let add = |number| Registry::add_gatekeeper(RawOrigin::Root.into(), id(number));
        let key = Payload::MasterKey {
            generation: 0,
            public: [1; 32],
        };
        assert_ok!(register(1, attest(claims())));
        assert_ok!(add(1));
        next_block(LIFE_MS);
        next_block(0);
        register_known(2);
        assert_noop!(
            Registry::on_payload(&id(1), &key),
            Error::<Test>::OutOfService
        );
        assert_ok!(report(1, &attest(claims_of(1))));
        assert_ok!(Registry::on_payload(&id(1), &key));
        assert_ok!(add(2));
        let keys = phat_primitives::message::MasterKeys {
            worker: id(2),
            keys: vec![sealed()],
        };
        assert_ok!(Registry::on_payload(&id(1), &Payload::MasterKeys(keys)));
        next_block(LIFE_MS);
        next_block(0);
        assert_noop!(add(1), Error::<Test>::OutOfService);
        let dismiss = |number| Registry::remove_gatekeeper(RawOrigin::Root.into(), id(number));
        assert_noop!(dismiss(2), Error::<Test>::LastGatekeeper);
        assert_ok!(dismiss(1));
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
