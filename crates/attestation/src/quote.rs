//! Evidence by hardware: a quote of SGX or TDX with its collateral.
//!
//! A *quote* is a report of the hardware on a running program (which program, and 64 bytes that the
//! program chose), signed by the machine's quoting enclave. *Collateral* is what Intel has said since
//! about machines of this kind: revoked certificates, and what is known of firmware versions. It has a
//! date at which Intel will have said more. Both are checked by the crate `dcap-qvl` under Intel's
//! root certificate, which it carries.
//!
//! **What is bound.** The 64 bytes are [`report_data`] of the claims.
//!
//! **The measurement** is a hash of what the hardware says of the program, see [`unproven`] for what
//! goes into it.

use crate::{Claims, TcbLevel};
use alloc::{format, string::String, vec::Vec};
use blake2::{Blake2b, Blake2b512, Digest, digest::consts::U32};
use codec::{Decode, DecodeWithMemTracking, Encode};
use dcap_qvl::{
    QuoteCollateralV3, QuotePolicy,
    configs::RustCryptoConfig,
    quote::{Quote, Report},
    verify::QuoteVerifier,
};
use phat_crypto::contexts::{self, Context, signing_payload};
use scale_info::TypeInfo;

/// Bytes of a quote. Real ones have about 5 KiB; certificate chains may grow.
pub const MAX_QUOTE_LEN: usize = 16 * 1024;
/// Bytes of all collateral together. Real collateral has up to 20 KiB, of which the list of revoked
/// certificates grows.
pub const MAX_COLLATERAL_LEN: usize = 44 * 1024;

/// Claims, the quote that binds them, and its collateral.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct QuoteEvidence {
    /// What is claimed.
    pub claims: Claims,
    /// The quote, as the hardware's interface gave it.
    pub quote: Vec<u8>,
    /// What Intel says about such machines.
    pub collateral: Collateral,
}

/// What Intel says about machines of one kind, as its provisioning service hands it out. Chains of
/// certificates are in PEM, the leaf first.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Collateral {
    /// Who signed the list of revoked machine certificates.
    pub pck_crl_issuer_chain: String,
    /// Revoked certificates of the root, DER.
    pub root_ca_crl: Vec<u8>,
    /// Revoked certificates of machines, DER.
    pub pck_crl: Vec<u8>,
    /// Who signed the TCB info.
    pub tcb_info_issuer_chain: String,
    /// Which firmware is of which level, JSON.
    pub tcb_info: String,
    /// ECDSA signature of the TCB info, 64 bytes.
    pub tcb_info_signature: Vec<u8>,
    /// Who signed the identity of the quoting enclave.
    pub qe_identity_issuer_chain: String,
    /// Which quoting enclaves are good, JSON.
    pub qe_identity: String,
    /// ECDSA signature of the identity, 64 bytes.
    pub qe_identity_signature: Vec<u8>,
    /// The machine's certificate, if the quote does not hold it.
    pub pck_certificate_chain: Option<String>,
}

impl Collateral {
    /// Bytes of all parts.
    pub fn size(&self) -> usize {
        let parts = [
            self.pck_crl_issuer_chain.len(),
            self.root_ca_crl.len(),
            self.pck_crl.len(),
            self.tcb_info_issuer_chain.len(),
            self.tcb_info.len(),
            self.tcb_info_signature.len(),
            self.qe_identity_issuer_chain.len(),
            self.qe_identity.len(),
            self.qe_identity_signature.len(),
            self.pck_certificate_chain.as_ref().map_or(0, String::len),
        ];
        parts.into_iter().fold(0, usize::saturating_add)
    }
}

impl From<&Collateral> for QuoteCollateralV3 {
    fn from(collateral: &Collateral) -> Self {
        let Collateral {
            pck_crl_issuer_chain,
            root_ca_crl,
            pck_crl,
            tcb_info_issuer_chain,
            tcb_info,
            tcb_info_signature,
            qe_identity_issuer_chain,
            qe_identity,
            qe_identity_signature,
            pck_certificate_chain,
        } = collateral.clone();
        Self {
            pck_crl_issuer_chain,
            root_ca_crl,
            pck_crl,
            tcb_info_issuer_chain,
            tcb_info,
            tcb_info_signature,
            qe_identity_issuer_chain,
            qe_identity,
            qe_identity_signature,
            pck_certificate_chain,
        }
    }
}

/// Which TEE has made a quote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tee {
    /// An SGX enclave.
    Sgx,
    /// A TDX guest.
    Tdx,
}

/// Why a quote and its collateral prove nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum QuoteRefused {
    /// More bytes than quotes or collateral have.
    #[error(
        "the quote or its collateral is longer than {MAX_QUOTE_LEN} or {MAX_COLLATERAL_LEN} bytes"
    )]
    TooLarge,
    /// The verifier's reason, with its causes.
    #[error("the quote or its collateral does not hold: {0}")]
    Invalid(String),
}

/// What a quote proves with its collateral.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Appraisal {
    /// Which TEE it is from.
    pub tee: Tee,
    /// Which program runs.
    pub measurement: [u8; 32],
    /// What the program chose.
    pub report_data: [u8; 64],
    /// Level of the machine.
    pub level: TcbLevel,
    /// Advisories of Intel that concern it, such as `INTEL-SA-00615`.
    pub advisories: Vec<String>,
    /// When the first part of the collateral or of the certificates expires, in milliseconds since the
    /// Unix epoch.
    pub expires_ms: u64,
}

/// The 64 bytes that a quote must hold for these claims: BLAKE2b-512 of
/// `phat/evidence-claims ‖ 0x00 ‖ SCALE(claims)`.
pub fn report_data(claims: &Claims) -> [u8; 64] {
    let bytes = signing_payload(contexts::EVIDENCE_CLAIMS, &claims.encode());
    Blake2b512::digest(bytes).into()
}

fn hash_of(context: Context, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Blake2b::<U32>::new_with_prefix(signing_payload(context, &[]));
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// What a report says of the program: its measurement, what the program chose, and which TEE it is.
fn read(report: &Report) -> ([u8; 32], [u8; 64], Tee) {
    let td = match report {
        Report::SgxEnclave(sgx) => {
            let parts: [&[u8]; 6] = [
                &sgx.mr_enclave,
                &sgx.mr_signer,
                &sgx.isv_prod_id.to_le_bytes(),
                &sgx.isv_svn.to_le_bytes(),
                &sgx.reserved3,
                &sgx.reserved4,
            ];
            let measurement = hash_of(contexts::MEASUREMENT_SGX, &parts);
            return (measurement, sgx.report_data, Tee::Sgx);
        }
        Report::TD10(td) => td,
        Report::TD15(td) => &td.base,
        Report::TD15Ex(td) => &td.base.base,
    };
    let parts: [&[u8]; 9] = [
        &td.mr_td,
        &td.rt_mr0,
        &td.rt_mr1,
        &td.rt_mr2,
        &td.rt_mr3,
        &td.td_attributes,
        &td.mr_config_id,
        &td.mr_owner,
        &td.mr_owner_config,
    ];
    let measurement = hash_of(contexts::MEASUREMENT_TDX, &parts);
    (measurement, td.report_data, Tee::Tdx)
}

fn parse(quote: &[u8]) -> Result<Quote, QuoteRefused> {
    if quote.len() > MAX_QUOTE_LEN {
        return Err(QuoteRefused::TooLarge);
    }
    Quote::parse(quote).map_err(|error| QuoteRefused::Invalid(format!("{error:#}")))
}

/// What a quote says of its program, **unproven**: the measurement, what the program chose, and which
/// TEE it is. A worker learns its own measurement from it, and checks that the hardware has taken what
/// it was to bind.
///
/// The measurement is BLAKE2b-256 of a context, a zero byte and, one after the other:
///
/// - SGX (context `phat/measurement-sgx`): MRENCLAVE (code and first data of the enclave), MRSIGNER
///   (who signed it), ISVPRODID and ISVSVN (two bytes each, little-endian), and the fields around them
///   that whoever starts the enclave may set: the 96 bytes that end in CONFIGID, and the 60 bytes that
///   begin with CONFIGSVN. All of these are zero where key separation is not in use.
/// - TDX (context `phat/measurement-tdx`): MRTD (the guest's firmware), RTMR0 to RTMR3 (its
///   configuration, kernel, command line, and what the guest has measured since), TDATTRIBUTES,
///   and MRCONFIGID, MROWNER and MROWNERCONFIG (which the host sets and the guest may read).
///
/// What differs between good machines is left out (versions of CPU and module, XFAM): the TCB level
/// stands for it.
pub fn unproven(quote: &[u8]) -> Result<([u8; 32], [u8; 64], Tee), QuoteRefused> {
    Ok(read(&parse(quote)?.report))
}

/// What a service for collateral must be asked, to get the collateral of a quote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MachineKind {
    /// Which TEE.
    pub tee: Tee,
    /// Intel's number of machines of one make.
    pub fmspc: [u8; 6],
    /// Which of Intel's authorities has certified the machine: `processor` or `platform`.
    pub ca: &'static str,
}

/// The kind of machine that a quote is from, **unproven**. The quote must hold the machine's
/// certificate, as those of Gramine and of Linux do.
pub fn machine_kind(quote: &[u8]) -> Result<MachineKind, QuoteRefused> {
    let quote = parse(quote)?;
    let invalid = |error| QuoteRefused::Invalid(format!("{error:#}"));
    let (_, _, tee) = read(&quote.report);
    Ok(MachineKind {
        tee,
        fmspc: dcap_qvl::intel::quote_fmspc_with::<RustCryptoConfig>(&quote).map_err(invalid)?,
        ca: dcap_qvl::intel::quote_ca_with::<RustCryptoConfig>(&quote)
            .map_err(invalid)?
            .as_id_str(),
    })
}

/// Checks a quote and its collateral under Intel's root, at the time `now_ms` (milliseconds since the
/// Unix epoch). Refused is what is signed by nobody, expired, revoked, or runs in debug mode or as a
/// guest that can be moved to another machine.
pub fn appraise(
    quote: &[u8],
    collateral: &Collateral,
    now_ms: u64,
) -> Result<Appraisal, QuoteRefused> {
    if quote.len() > MAX_QUOTE_LEN || collateral.size() > MAX_COLLATERAL_LEN {
        return Err(QuoteRefused::TooLarge);
    }
    let now = now_ms / 1000;
    // The policy is ours, below and in `TcbLevel`; the crate's own one only passes on what it proved.
    let proven = QuoteVerifier::new_prod()
        .with_config::<RustCryptoConfig>()
        .verify_with_policy(quote, collateral, now, &QuotePolicy::claims_only(now))
        .map_err(|error| QuoteRefused::Invalid(format!("{error:#}")))?;
    let (measurement, report_data, tee) = read(&proven.report);
    Ok(Appraisal {
        tee,
        measurement,
        report_data,
        level: proven.tcb.status.into(),
        advisories: proven.tcb.advisory_ids,
        expires_ms: proven.earliest_expiration_date.saturating_mul(1000),
    })
}
