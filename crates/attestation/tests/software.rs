//! Software evidence with a fault put into each of its parts, against the one verifier.

use codec::{Decode, Encode};
use phat_attestation::{
    Claims, Evidence, EvidenceError, Policy, SOFTWARE_CONFIDENCE, TcbLevel, Verified,
    software::{SoftwareCollateral, SoftwareEvidence, attest, dangerous_development_root},
    verify,
};
use phat_crypto::{Keypair, contexts, rand_core::OsRng};
use phat_primitives::{
    AccountId, BlockNumber, Hash, WorkerId,
    limits::{MAX_EVIDENCE_AGE, MAX_EVIDENCE_LEN, MAX_EVIDENCE_LIFE_MS},
};
use proptest::prelude::*;

const GENESIS: Hash = Hash::repeat_byte(1);
const PROGRAM: [u8; 32] = [2; 32];
const NOW: BlockNumber = 1000;
const NOW_MS: u64 = 1_700_000_000_000;

/// The hash of a block of the test's chain.
fn hash_of(block: BlockNumber) -> Hash {
    Hash::from_low_u64_be(block.into())
}

fn claims() -> Claims {
    Claims {
        worker: WorkerId([3; 32]),
        operator: Some(AccountId([4; 32])),
        measurement: PROGRAM,
        genesis: GENESIS,
        block: NOW - 5,
        block_hash: hash_of(NOW - 5),
        performance: 6,
    }
}

/// Good for a minute.
fn collateral() -> SoftwareCollateral {
    SoftwareCollateral {
        level: TcbLevel::UpToDate,
        expires_ms: NOW_MS + 60_000,
    }
}

fn root() -> Keypair {
    dangerous_development_root()
}

fn signed(claims: Claims) -> Evidence {
    attest(&root(), claims, collateral(), &mut OsRng)
}

fn check_as(
    evidence: &Evidence,
    accepted_root: Option<[u8; 32]>,
    current_block: BlockNumber,
) -> Result<Verified, EvidenceError> {
    let policy = Policy {
        genesis: GENESIS,
        accepted_root,
        current_block,
        max_age: MAX_EVIDENCE_AGE,
        now_ms: NOW_MS,
        max_life_ms: MAX_EVIDENCE_LIFE_MS,
        block_hash: |block| (block <= current_block).then(|| hash_of(block)),
        measurement_allowed: |program: &[u8; 32]| *program == PROGRAM,
        advisory_refused: |_: &str| false,
    };
    verify(evidence, &policy)
}

fn check(evidence: &Evidence) -> Result<Verified, EvidenceError> {
    check_as(evidence, Some(root().public()), NOW)
}

#[test]
fn good_evidence_proves_worker_operator_and_program() {
    let verified = Verified {
        worker: WorkerId([3; 32]),
        operator: Some(AccountId([4; 32])),
        measurement: PROGRAM,
        block: NOW - 5,
        confidence: SOFTWARE_CONFIDENCE,
        expires_ms: NOW_MS + 60_000,
        performance: 6,
    };
    assert_eq!(check(&signed(claims())), Ok(verified));
    let unowned = Claims {
        operator: None,
        ..claims()
    };
    assert_eq!(
        check(&signed(unowned)),
        Ok(Verified {
            operator: None,
            ..verified
        })
    );
}

#[test]
fn a_chain_that_names_no_root_accepts_no_software_evidence() {
    let refused = check_as(&signed(claims()), None, NOW);
    assert_eq!(refused, Err(EvidenceError::NotAcceptedHere));
}

#[test]
fn a_chain_with_another_root_refuses_it() {
    let other = Keypair::from_seed([9; 32]);
    let refused = check_as(&signed(claims()), Some(other.public()), NOW);
    assert_eq!(refused, Err(EvidenceError::WrongRoot));
    let foreign = attest(&other, claims(), collateral(), &mut OsRng);
    assert_eq!(check(&foreign), Err(EvidenceError::WrongRoot));
    assert!(check_as(&foreign, Some(other.public()), NOW).is_ok());
}

#[test]
fn naming_the_right_root_does_not_help_a_wrong_key() {
    let message = (claims(), collateral()).encode();
    let mut signature = Keypair::from_seed([9; 32]).sign(contexts::EVIDENCE, &message, &mut OsRng);
    for _ in 0..2 {
        let root = root().public();
        let forged = Evidence::Software(SoftwareEvidence {
            claims: claims(),
            collateral: collateral(),
            root,
            signature,
        });
        assert_eq!(check(&forged), Err(EvidenceError::BadSignature));
        signature = [0; 64];
    }
}

#[test]
fn a_signature_for_another_purpose_is_no_evidence() {
    let message = (claims(), collateral()).encode();
    let signature = root().sign(contexts::REPORT, &message, &mut OsRng);
    let root = root().public();
    let forged = Evidence::Software(SoftwareEvidence {
        claims: claims(),
        collateral: collateral(),
        root,
        signature,
    });
    assert_eq!(check(&forged), Err(EvidenceError::BadSignature));
}

#[test]
fn each_claim_and_the_collateral_are_bound_by_the_signature() {
    let changes: [fn(&mut Claims); 8] = [
        |claims| claims.worker = WorkerId([9; 32]),
        |claims| claims.operator = Some(AccountId([9; 32])),
        |claims| claims.operator = None,
        |claims| claims.measurement = [9; 32],
        |claims| claims.genesis = Hash::repeat_byte(9),
        |claims| claims.block = NOW,
        |claims| claims.block_hash = hash_of(NOW),
        |claims| claims.performance = 7,
    ];
    for (which, change) in changes.into_iter().enumerate() {
        let mut tampered = software(signed(claims()));
        change(&mut tampered.claims);
        let refused = check(&Evidence::Software(tampered));
        assert_eq!(refused, Err(EvidenceError::BadSignature), "change {which}");
    }
    let mut prolonged = software(signed(claims()));
    prolonged.collateral.expires_ms += 1;
    let refused = check(&Evidence::Software(prolonged));
    assert_eq!(refused, Err(EvidenceError::BadSignature));
}

fn software(evidence: Evidence) -> SoftwareEvidence {
    match evidence {
        Evidence::Software(evidence) => evidence,
        other => panic!("{other:?}"),
    }
}

#[test]
fn levels_and_expiry_count_as_those_of_hardware_do() {
    let with = |level, expires_ms| {
        let collateral = SoftwareCollateral { level, expires_ms };
        check(&attest(&root(), claims(), collateral, &mut OsRng))
    };
    let later = NOW_MS + 1;
    let confidence = |level| with(level, later).map(|verified| verified.confidence);
    assert_eq!(confidence(TcbLevel::UpToDate), Ok(SOFTWARE_CONFIDENCE));
    assert_eq!(confidence(TcbLevel::OutOfDate), Ok(SOFTWARE_CONFIDENCE + 4));
    assert_eq!(
        confidence(TcbLevel::Revoked),
        Err(EvidenceError::LevelRefused)
    );
    let expired = with(TcbLevel::UpToDate, NOW_MS);
    assert_eq!(expired, Err(EvidenceError::CollateralExpired));
    let endless = with(TcbLevel::UpToDate, u64::MAX).map(|verified| verified.expires_ms);
    assert_eq!(endless, Ok(NOW_MS + MAX_EVIDENCE_LIFE_MS));
}

#[test]
fn evidence_for_another_chain_cannot_be_replayed() {
    let elsewhere = Claims {
        genesis: Hash::repeat_byte(9),
        ..claims()
    };
    assert_eq!(check(&signed(elsewhere)), Err(EvidenceError::WrongChain));
}

#[test]
fn evidence_ages_with_the_chain() {
    let evidence = signed(claims());
    let last = claims().block + MAX_EVIDENCE_AGE;
    let root = Some(root().public());
    assert!(check_as(&evidence, root, claims().block).is_ok());
    assert!(check_as(&evidence, root, last).is_ok());
    assert_eq!(
        check_as(&evidence, root, last + 1),
        Err(EvidenceError::TooOld)
    );
    assert_eq!(
        check_as(&evidence, root, BlockNumber::MAX),
        Err(EvidenceError::TooOld)
    );
}

#[test]
fn evidence_for_a_block_that_is_not_there_is_refused() {
    let future = Claims {
        block: NOW + 1,
        block_hash: hash_of(NOW + 1),
        ..claims()
    };
    let fork = Claims {
        block_hash: Hash::repeat_byte(9),
        ..claims()
    };
    for claims in [future, fork] {
        assert_eq!(check(&signed(claims)), Err(EvidenceError::UnknownBlock));
    }
}

#[test]
fn an_unknown_program_is_refused() {
    let other = Claims {
        measurement: [9; 32],
        ..claims()
    };
    assert_eq!(
        check(&signed(other)),
        Err(EvidenceError::UnknownMeasurement)
    );
}

#[test]
fn the_encoding_keeps_its_index_and_fits_the_limit() {
    let evidence = signed(claims());
    let bytes = evidence.encode();
    assert_eq!(bytes[0], 0);
    assert!(bytes.len() < MAX_EVIDENCE_LEN as usize);
    assert_eq!(Evidence::decode(&mut &bytes[..]), Ok(evidence));
    for unknown in 3..=u8::MAX {
        assert!(Evidence::decode(&mut &[&[unknown], &bytes[1..]].concat()[..]).is_err());
    }
}

proptest! {
    #[test]
    fn a_changed_byte_is_never_accepted(position in any::<prop::sample::Index>(), flip in 1..=u8::MAX) {
        let mut bytes = signed(claims()).encode();
        let position = position.index(bytes.len());
        bytes[position] ^= flip;
        if let Ok(evidence) = Evidence::decode(&mut &bytes[..]) {
            prop_assert!(check(&evidence).is_err());
        }
    }
}
