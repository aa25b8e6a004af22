//! What strangers send as evidence, made of bytes. The test beside this file runs the target on random
//! bytes, libFuzzer (`../../fuzz`) on bytes that find new paths.

use crate::common::SAMPLES;
use codec::{Decode, Encode};
use phat_attestation::{
    Claims, Evidence, Policy,
    quote::{Appraisal, QuoteEvidence, appraise, machine_kind, unproven},
    verify,
};
use phat_primitives::{Hash, WorkerId};
use std::sync::LazyLock;

/// Evidence with the quotes of real machines, encoded, and what the quotes prove.
static REAL: LazyLock<Vec<(Vec<u8>, u64, Appraisal)>> = LazyLock::new(|| {
    let claims = Claims {
        worker: WorkerId([3; 32]),
        operator: None,
        measurement: [2; 32],
        genesis: Hash::zero(),
        block: 7,
        block_hash: Hash::zero(),
        performance: 0,
    };
    let encoded = SAMPLES.iter().enumerate().map(|(which, sample)| {
        let collateral = sample.collateral();
        let proven = appraise(sample.quote, &collateral, sample.at_ms).expect("it is real");
        let quoted = QuoteEvidence {
            claims,
            quote: sample.quote.to_vec(),
            collateral,
        };
        let evidence = match which {
            0 => Evidence::Sgx(quoted),
            _ => Evidence::Tdx(quoted),
        };
        (evidence.encode(), sample.at_ms, proven)
    });
    encoded.collect()
});

/// Takes the bytes as changes to real evidence, or as evidence itself, and lets everything look at it
/// that looks at evidence of strangers. No evidence of this kind can be accepted, and no quote can
/// prove what the real ones do not. Answers whether it was evidence at all.
pub(crate) fn evidence(data: &[u8]) -> bool {
    let Some((kind, data)) = data.split_first() else {
        return false;
    };
    let (real, at_ms, proven) = &REAL[usize::from(*kind) % REAL.len()];
    let mut bytes = real.clone();
    if kind & 0x80 != 0 {
        bytes = data.to_vec();
    } else {
        // Each four bytes are one change: a place, what to do there, and with which value.
        for change in data.chunks_exact(4).take(8) {
            let place = usize::from(u16::from_le_bytes([change[0], change[1]])) % bytes.len();
            match change[2] % 4 {
                0 => bytes[place] ^= change[3],
                1 => bytes[place] = change[3],
                2 => {
                    let end = (place + usize::from(change[3])).min(bytes.len() - 1);
                    bytes[place.min(end)..end].fill(b'0');
                }
                _ => bytes[place..]
                    .iter_mut()
                    .take(2)
                    .for_each(|byte| *byte = !*byte),
            }
        }
    }
    let Ok(evidence) = Evidence::decode(&mut &bytes[..]) else {
        return false;
    };
    let policy = Policy {
        genesis: Hash::zero(),
        accepted_root: None,
        current_block: 7,
        max_age: 10,
        now_ms: *at_ms,
        max_life_ms: u64::MAX,
        block_hash: |_| Some(Hash::zero()),
        measurement_allowed: |_: &[u8; 32]| true,
        advisory_refused: |_: &str| false,
    };
    assert!(verify(&evidence, &policy).is_err());
    if let Evidence::Sgx(quoted) | Evidence::Tdx(quoted) = &evidence {
        let _ = (unproven(&quoted.quote), machine_kind(&quoted.quote));
        if let Ok(appraisal) = appraise(&quoted.quote, &quoted.collateral, *at_ms) {
            let same = REAL.iter().any(|(.., real)| {
                (real.measurement, real.report_data, real.level)
                    == (
                        appraisal.measurement,
                        appraisal.report_data,
                        appraisal.level,
                    )
            });
            assert!(same, "{appraisal:?} instead of {proven:?}");
        }
    }
    true
}
