//! Quotes of real machines: see `samples/README.md`.
#![allow(dead_code, reason = "every test binary uses a part")]

use phat_attestation::quote::Collateral;
use serde_json::Value;

/// A quote of a real machine.
pub(crate) struct Sample {
    pub(crate) quote: &'static [u8],
    collateral: &'static str,
    /// A moment at which its collateral is good, in milliseconds since the Unix epoch.
    pub(crate) at_ms: u64,
}

/// 2025-06-20 and 2026-03-01.
const IN_JUNE_2025: u64 = 1_750_377_600_000;
const IN_MARCH_2026: u64 = 1_772_323_200_000;

pub(crate) const SGX: Sample = Sample {
    quote: include_bytes!("../samples/sgx_quote"),
    collateral: include_str!("../samples/sgx_quote_collateral.json"),
    at_ms: IN_JUNE_2025,
};
pub(crate) const TDX: Sample = Sample {
    quote: include_bytes!("../samples/tdx_quote"),
    collateral: include_str!("../samples/tdx_quote_collateral.json"),
    at_ms: IN_JUNE_2025,
};
/// Its firmware is older than every level that Intel knows.
pub(crate) const OUTDATED: Sample = Sample {
    quote: include_bytes!("../samples/tdx_quote_outdated"),
    collateral: include_str!("../samples/tdx_quote_outdated_collateral.json"),
    at_ms: IN_MARCH_2026,
};
/// Those that prove something.
pub(crate) const SAMPLES: [Sample; 2] = [SGX, TDX];

impl Sample {
    pub(crate) fn collateral(&self) -> Collateral {
        let json: Value = serde_json::from_str(self.collateral).expect("it is JSON");
        let text = |name: &str| json[name].as_str().expect("it is text").to_owned();
        let bytes = |name: &str| hex::decode(text(name)).expect("it is hex");
        Collateral {
            pck_crl_issuer_chain: text("pck_crl_issuer_chain"),
            root_ca_crl: bytes("root_ca_crl"),
            pck_crl: bytes("pck_crl"),
            tcb_info_issuer_chain: text("tcb_info_issuer_chain"),
            tcb_info: text("tcb_info"),
            tcb_info_signature: bytes("tcb_info_signature"),
            qe_identity_issuer_chain: text("qe_identity_issuer_chain"),
            qe_identity: text("qe_identity"),
            qe_identity_signature: bytes("qe_identity_signature"),
            pck_certificate_chain: None,
        }
    }
}
