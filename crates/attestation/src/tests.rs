//! What becomes of claims once a quote has proven something. Nobody but Intel's machines can make a
//! quote for our claims, so what a real quote has proven is taken, and its report data replaced.

use super::*;
use phat_primitives::limits::{MAX_EVIDENCE_AGE, MAX_EVIDENCE_LIFE_MS};

const NOW: BlockNumber = 1000;
const NOW_MS: u64 = 1_750_500_000_000;
const DAY_MS: u64 = 24 * 3600 * 1000;

fn claims() -> Claims {
    Claims {
        worker: WorkerId([3; 32]),
        operator: Some(AccountId([4; 32])),
        measurement: [2; 32],
        genesis: Hash::repeat_byte(1),
        block: NOW - 5,
        block_hash: Hash::repeat_byte(5),
        performance: 77,
    }
}

/// What a machine of the best kind proves for [`claims`].
fn proven() -> Appraisal {
    Appraisal {
        tee: Tee::Tdx,
        measurement: [2; 32],
        report_data: quote::report_data(&claims()),
        level: TcbLevel::UpToDate,
        advisories: alloc::vec![],
        expires_ms: NOW_MS + DAY_MS,
    }
}

fn judge(claims: &Claims, tee: Tee, appraisal: &Appraisal) -> Result<Verified, EvidenceError> {
    let policy = Policy {
        genesis: Hash::repeat_byte(1),
        accepted_root: None,
        current_block: NOW,
        max_age: MAX_EVIDENCE_AGE,
        now_ms: NOW_MS,
        max_life_ms: MAX_EVIDENCE_LIFE_MS,
        block_hash: |_| Some(Hash::repeat_byte(5)),
        measurement_allowed: |program: &[u8; 32]| *program == [2; 32],
        advisory_refused: |advisory: &str| advisory == "INTEL-SA-00001",
    };
    accept_quote(claims, tee, appraisal, &policy)
}

fn check(appraisal: &Appraisal) -> Result<Verified, EvidenceError> {
    judge(&claims(), Tee::Tdx, appraisal)
}

#[test]
fn a_quote_for_the_claims_proves_them() {
    let verified = check(&proven()).unwrap();
    assert_eq!(verified.worker, WorkerId([3; 32]));
    assert_eq!(verified.confidence, 1);
    assert_eq!(verified.expires_ms, NOW_MS + DAY_MS);
    assert_eq!(verified.performance, 77);
}

#[test]
fn every_claim_is_bound_by_the_report_data() {
    let changes: [fn(&mut Claims); 8] = [
        |claims| claims.worker = WorkerId([9; 32]),
        |claims| claims.operator = None,
        |claims| claims.operator = Some(AccountId([9; 32])),
        |claims| claims.measurement = [9; 32],
        |claims| claims.genesis = Hash::repeat_byte(9),
        |claims| claims.block = NOW,
        |claims| claims.block_hash = Hash::repeat_byte(9),
        |claims| claims.performance = 78,
    ];
    for (which, change) in changes.into_iter().enumerate() {
        let mut changed = claims();
        change(&mut changed);
        let refused = judge(&changed, Tee::Tdx, &proven());
        assert_eq!(refused, Err(EvidenceError::NotBound), "change {which}");
    }
}

#[test]
fn the_report_data_is_the_documented_hash() {
    use blake2::{Blake2b512, Digest};
    let mut bytes = b"phat/evidence-claims\0".to_vec();
    bytes.extend(claims().encode());
    assert_eq!(
        quote::report_data(&claims())[..],
        Blake2b512::digest(bytes)[..]
    );
}

#[test]
fn a_quote_of_another_tee_or_program_is_refused() {
    let refused = judge(&claims(), Tee::Sgx, &proven());
    assert_eq!(refused, Err(EvidenceError::WrongTee));
    let other = Appraisal {
        measurement: [9; 32],
        ..proven()
    };
    assert_eq!(check(&other), Err(EvidenceError::MeasurementMismatch));
}

#[test]
fn levels_and_advisories_decide_the_confidence() {
    let of = |level, advisories: &[&str]| {
        let advisories = advisories.iter().map(|id| String::from(*id)).collect();
        let appraisal = Appraisal {
            level,
            advisories,
            ..proven()
        };
        check(&appraisal).map(|verified| verified.confidence)
    };
    assert_eq!(of(TcbLevel::UpToDate, &["INTEL-SA-00002"]), Ok(2));
    assert_eq!(of(TcbLevel::ConfigurationNeeded, &[]), Ok(3));
    assert_eq!(of(TcbLevel::RelaunchAdvised, &[]), Ok(4));
    assert_eq!(of(TcbLevel::OutOfDate, &["INTEL-SA-00002"]), Ok(5));
    for refused in [
        of(TcbLevel::Revoked, &[]),
        of(TcbLevel::OutOfDateConfigurationNeeded, &[]),
        of(TcbLevel::UpToDate, &["INTEL-SA-00002", "INTEL-SA-00001"]),
    ] {
        assert_eq!(refused, Err(EvidenceError::LevelRefused));
    }
}

#[test]
fn evidence_lives_as_long_as_its_collateral_and_no_longer_than_the_limit() {
    let until = |expires_ms| {
        let appraisal = Appraisal {
            expires_ms,
            ..proven()
        };
        check(&appraisal).map(|verified| verified.expires_ms)
    };
    assert_eq!(until(NOW_MS + 1), Ok(NOW_MS + 1));
    let longest = NOW_MS + MAX_EVIDENCE_LIFE_MS;
    assert_eq!(until(longest + 1), Ok(longest));
    assert_eq!(until(u64::MAX), Ok(longest));
    assert_eq!(until(NOW_MS), Err(EvidenceError::CollateralExpired));
}
