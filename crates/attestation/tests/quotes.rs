//! Quotes of real machines with their collateral, at their time: what they prove, and that nothing else
//! does.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use codec::{Decode, Encode};
use common::{OUTDATED, SAMPLES, SGX, Sample, TDX};
use phat_attestation::{
    Claims, Evidence, EvidenceError, Policy, TcbLevel, Verified,
    quote::{
        Appraisal, Collateral, MAX_COLLATERAL_LEN, MAX_QUOTE_LEN, QuoteEvidence, QuoteRefused, Tee,
        appraise, machine_kind, unproven,
    },
    verify,
};
use phat_primitives::{
    Hash, WorkerId,
    limits::{MAX_EVIDENCE_AGE, MAX_EVIDENCE_LEN, MAX_EVIDENCE_LIFE_MS},
};
use proptest::prelude::*;

const DAY_MS: u64 = 24 * 3600 * 1000;

fn proven(sample: &Sample) -> Appraisal {
    appraise(sample.quote, &sample.collateral(), sample.at_ms).unwrap()
}

fn claims() -> Claims {
    Claims {
        worker: WorkerId([3; 32]),
        operator: None,
        measurement: [2; 32],
        genesis: Hash::zero(),
        block: 7,
        block_hash: Hash::zero(),
        performance: 0,
    }
}

fn evidence(sample: &Sample) -> QuoteEvidence {
    QuoteEvidence {
        claims: claims(),
        quote: sample.quote.to_vec(),
        collateral: sample.collateral(),
    }
}

fn check(evidence: &Evidence, now_ms: u64) -> Result<Verified, EvidenceError> {
    let policy = Policy {
        genesis: Hash::zero(),
        accepted_root: None,
        current_block: 7,
        max_age: MAX_EVIDENCE_AGE,
        now_ms,
        max_life_ms: MAX_EVIDENCE_LIFE_MS,
        block_hash: |_| Some(Hash::zero()),
        measurement_allowed: |_: &[u8; 32]| true,
        advisory_refused: |_: &str| false,
    };
    verify(evidence, &policy)
}

#[test]
fn real_quotes_prove_tee_level_and_program() {
    let sgx = proven(&SGX);
    assert_eq!(sgx.tee, Tee::Sgx);
    assert_eq!(sgx.level, TcbLevel::ConfigurationAndHardeningNeeded);
    assert_eq!(sgx.advisories, ["INTEL-SA-00289", "INTEL-SA-00615"]);
    let tdx = proven(&TDX);
    assert_eq!((tdx.tee, tdx.level), (Tee::Tdx, TcbLevel::UpToDate));
    assert!(tdx.advisories.is_empty());
    // Collateral is good for a month; machines' certificates for years.
    for (sample, appraisal) in SAMPLES.iter().zip([&sgx, &tdx]) {
        let left = appraisal.expires_ms - sample.at_ms;
        assert!((DAY_MS..31 * DAY_MS).contains(&left), "{left}");
        let (measurement, report_data, tee) = unproven(sample.quote).unwrap();
        assert_eq!(measurement, appraisal.measurement);
        assert_eq!(report_data, appraisal.report_data);
        assert_eq!(tee, appraisal.tee);
    }
}

/// What stands at these places is documented by Intel. A change of the mapping would lock all workers
/// out whose measurement is on a chain's list.
#[test]
fn measurements_are_the_documented_hashes() {
    use blake2::{Blake2b, Digest, digest::consts::U32};
    let hash = |context: &[u8], parts: &[&[u8]]| {
        let mut hash = Blake2b::<U32>::new();
        hash.update([context, b"\0"].concat());
        parts.iter().for_each(|part| hash.update(part));
        <[u8; 32]>::from(hash.finalize())
    };
    let report = &SGX.quote[48..48 + 384];
    let parts = [
        &report[64..96],
        &report[128..160],
        &report[256..258],
        &report[258..260],
        &report[160..256],
        &report[260..320],
    ];
    let expected = hash(b"phat/measurement-sgx", &parts);
    assert_eq!(unproven(SGX.quote).unwrap().0, expected);

    let report = &TDX.quote[48..48 + 584];
    let parts = [
        &report[136..184], // MRTD
        &report[328..520], // RTMR0 to RTMR3
        &report[120..128], // TDATTRIBUTES
        &report[184..328], // MRCONFIGID, MROWNER, MROWNERCONFIG
    ];
    let expected = hash(b"phat/measurement-tdx", &parts);
    assert_eq!(unproven(TDX.quote).unwrap().0, expected);
}

#[test]
fn quotes_tell_which_collateral_they_need() {
    for (sample, tee, ca) in [(SGX, Tee::Sgx, "processor"), (TDX, Tee::Tdx, "platform")] {
        let kind = machine_kind(sample.quote).unwrap();
        assert_eq!((kind.tee, kind.ca), (tee, ca));
        let fmspc = format!(r#""fmspc":"{}""#, hex::encode_upper(kind.fmspc));
        assert!(sample.collateral().tcb_info.contains(&fmspc), "{fmspc}");
    }
    assert!(machine_kind(b"no quote").is_err());
}

#[test]
fn collateral_is_good_at_its_time_only() {
    for sample in &SAMPLES {
        let expires_ms = proven(sample).expires_ms;
        let at = |now_ms| appraise(sample.quote, &sample.collateral(), now_ms);
        assert!(at(expires_ms - 1).is_ok());
        let late = at(expires_ms + 1000).unwrap_err().to_string();
        assert!(late.to_lowercase().contains("expired"), "{late}");
        assert!(at(sample.at_ms - 400 * DAY_MS).is_err(), "not issued yet");
        for absurd in [0, u64::MAX] {
            assert!(at(absurd).is_err());
        }
    }
}

#[test]
fn collateral_of_one_machine_proves_nothing_of_another() {
    assert!(appraise(SGX.quote, &TDX.collateral(), SGX.at_ms).is_err());
    assert!(appraise(TDX.quote, &SGX.collateral(), TDX.at_ms).is_err());
    assert!(appraise(OUTDATED.quote, &TDX.collateral(), TDX.at_ms).is_err());
}

#[test]
fn firmware_that_intel_knows_no_level_for_proves_nothing() {
    let refused = appraise(OUTDATED.quote, &OUTDATED.collateral(), OUTDATED.at_ms);
    let reason = refused.unwrap_err().to_string();
    assert!(reason.contains("No matching TCB level"), "{reason}");
}

#[test]
fn every_part_of_the_collateral_is_needed() {
    let remove: [fn(&mut Collateral); 8] = [
        |collateral| collateral.root_ca_crl.clear(),
        |collateral| collateral.pck_crl.clear(),
        |collateral| collateral.tcb_info_issuer_chain.clear(),
        |collateral| collateral.tcb_info.clear(),
        |collateral| collateral.tcb_info_signature.clear(),
        |collateral| collateral.qe_identity_issuer_chain.clear(),
        |collateral| collateral.qe_identity.clear(),
        |collateral| collateral.qe_identity_signature.clear(),
    ];
    for (which, remove) in remove.into_iter().enumerate() {
        let mut collateral = SGX.collateral();
        remove(&mut collateral);
        let refused = appraise(SGX.quote, &collateral, SGX.at_ms);
        assert!(refused.is_err(), "part {which}");
    }
}

#[test]
fn what_is_too_long_is_refused_before_it_is_looked_at() {
    let long = vec![0; MAX_QUOTE_LEN + 1];
    let refused = appraise(&long, &SGX.collateral(), SGX.at_ms);
    assert_eq!(refused, Err(QuoteRefused::TooLarge));
    assert_eq!(unproven(&long), Err(QuoteRefused::TooLarge));
    let mut collateral = SGX.collateral();
    collateral.pck_crl_issuer_chain = "x".repeat(MAX_COLLATERAL_LEN);
    let refused = appraise(SGX.quote, &collateral, SGX.at_ms);
    assert_eq!(refused, Err(QuoteRefused::TooLarge));
    assert!(MAX_QUOTE_LEN + MAX_COLLATERAL_LEN < MAX_EVIDENCE_LEN as usize);
}

#[test]
fn a_real_quote_is_no_evidence_for_claims_that_it_was_not_made_for() {
    let sgx = check(&Evidence::Sgx(evidence(&SGX)), SGX.at_ms);
    assert_eq!(sgx, Err(EvidenceError::NotBound));
    let tdx = check(&Evidence::Tdx(evidence(&TDX)), TDX.at_ms);
    assert_eq!(tdx, Err(EvidenceError::NotBound));
    let crossed = check(&Evidence::Tdx(evidence(&SGX)), SGX.at_ms);
    assert_eq!(crossed, Err(EvidenceError::WrongTee));
    let late = Evidence::Sgx(evidence(&SGX));
    let later = SGX.at_ms + 60 * DAY_MS;
    assert_eq!(check(&late, later), Err(EvidenceError::Quote));
    assert!(late.quote_refused(later).is_some());
    assert_eq!(late.quote_refused(SGX.at_ms), None);
}

#[test]
fn the_encoding_keeps_its_indices_and_fits_the_limit() {
    for (index, evidence) in [
        (1, Evidence::Sgx(evidence(&SGX))),
        (2, Evidence::Tdx(evidence(&TDX))),
    ] {
        let bytes = evidence.encode();
        assert_eq!(bytes[0], index);
        assert!(bytes.len() < MAX_EVIDENCE_LEN as usize, "{}", bytes.len());
        assert_eq!(Evidence::decode(&mut &bytes[..]), Ok(evidence));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The signed part and the signatures. (Certificates and lists hold bytes that nothing depends on.)
    #[test]
    fn a_changed_quote_proves_nothing(which in 0usize..2, position in any::<prop::sample::Index>(), flip in 1..=u8::MAX) {
        let sample = &SAMPLES[which];
        // Header, report, and the signature over both; what follows are keys and certificates.
        let signed = 48 + if which == 0 { 384 } else { 584 } + 4 + 64;
        let mut quote = sample.quote.to_vec();
        let position = position.index(signed);
        let was_length = (signed - 68..signed - 64).contains(&position);
        quote[position] ^= flip;
        let appraised = appraise(&quote, &sample.collateral(), sample.at_ms);
        // Bytes after the end that a length announces are not there to be signed.
        prop_assert!(appraised.is_err() || was_length, "byte {position}");
    }

    #[test]
    fn changed_collateral_proves_nothing_new(which in 0usize..2, part in 0usize..4, position in any::<prop::sample::Index>(), flip in 1u8..128) {
        let sample = &SAMPLES[which];
        let mut collateral = sample.collateral();
        let text = |text: &mut String| {
            let mut bytes = std::mem::take(text).into_bytes();
            let position = position.index(bytes.len());
            bytes[position] = (bytes[position] ^ flip) & 0x7f;
            *text = String::from_utf8(bytes).expect("it is ASCII");
        };
        match part {
            0 => text(&mut collateral.tcb_info),
            1 => text(&mut collateral.qe_identity),
            2 => { let at = position.index(64); collateral.tcb_info_signature[at] ^= flip; }
            _ => { let at = position.index(64); collateral.qe_identity_signature[at] ^= flip; }
        }
        prop_assert!(appraise(sample.quote, &collateral, sample.at_ms).is_err());
    }

    #[test]
    fn a_shortened_quote_proves_nothing(which in 0usize..2, length in any::<prop::sample::Index>()) {
        let sample = &SAMPLES[which];
        let quote = &sample.quote[..length.index(sample.quote.len())];
        // Real quotes end in zeros that belong to the certificates.
        if let Ok(appraisal) = appraise(quote, &sample.collateral(), sample.at_ms) {
            prop_assert_eq!(appraisal, proven(sample));
        }
    }
}
