//! Evidence that a worker runs the right program in the right place, and its one verifier.
//!
//! A worker that registers shows [`Evidence`] for its [`Claims`]: which key it holds, who operates
//! it, which program it runs, for which chain, and that all this is recent. [`verify`] checks it
//! against the [`Policy`] of the chain. The chain runs it for every registration, workers run it on
//! each other; there is no other way to be believed, and nothing that skips it. What makes a
//! development network work without special hardware is a *kind of evidence* ([`software`]), which
//! only a chain whose genesis names a development root accepts.
//!
//! What is proven is believed for a time: until the collateral expires that came with the evidence, and
//! for [`MAX_EVIDENCE_LIFE_MS`](phat_primitives::limits::MAX_EVIDENCE_LIFE_MS) at most. The time is
//! an argument, the chain's own. Nothing here does IO, and native and Wasm builds give the same
//! answers.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod level;
pub mod quote;
pub mod software;

pub use level::TcbLevel;

use alloc::string::String;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use phat_primitives::{AccountId, BlockNumber, Hash, WorkerId};
use quote::{Appraisal, QuoteEvidence, QuoteRefused, Tee};
use scale_info::TypeInfo;
use software::SoftwareEvidence;

/// Evidence for a worker's claims. The indices are part of the chain's format.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Evidence {
    /// Signed under a development root: no hardware stands behind it.
    #[codec(index = 0)]
    Software(SoftwareEvidence),
    /// A quote of an SGX enclave (DCAP) with its collateral.
    #[codec(index = 1)]
    Sgx(QuoteEvidence),
    /// A quote of a TDX guest with its collateral.
    #[codec(index = 2)]
    Tdx(QuoteEvidence),
}

impl Evidence {
    /// What is claimed, **unproven**.
    pub fn claims(&self) -> &Claims {
        match self {
            Self::Software(evidence) => &evidence.claims,
            Self::Sgx(evidence) | Self::Tdx(evidence) => &evidence.claims,
        }
    }

    /// Why the quote in the evidence proves nothing at `now_ms`, in the verifier's own words;
    /// [`EvidenceError::Quote`] is all that a chain can say. `None` if it is good, or there is none.
    pub fn quote_refused(&self, now_ms: u64) -> Option<QuoteRefused> {
        match self {
            Self::Software(_) => None,
            Self::Sgx(evidence) | Self::Tdx(evidence) => {
                quote::appraise(&evidence.quote, &evidence.collateral, now_ms).err()
            }
        }
    }
}

/// What evidence binds together. Whoever checks it knows that all of this belongs to one running
/// program.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct Claims {
    /// The worker's public key. The secret key has not left the program.
    pub worker: WorkerId,
    /// The account that operates the worker, if it has one: nobody else can register it.
    pub operator: Option<AccountId>,
    /// Names the program: a hash over its code and what it was started with. In a quote it is what
    /// the hardware has measured, see [`quote::unproven`].
    pub measurement: [u8; 32],
    /// Genesis hash of the chain that the worker serves.
    pub genesis: Hash,
    /// Number of a recent block of that chain.
    pub block: BlockNumber,
    /// Hash of that block: the evidence was made after it.
    pub block_hash: Hash,
    /// Performance score that the program has measured of its machine: what all cores together can
    /// compute in a minute, in units of 10⁹ gas.
    pub performance: u64,
}

/// What a chain accepts, at the moment of checking.
pub struct Policy<H, M, A>
where
    H: Fn(BlockNumber) -> Option<Hash>,
    M: Fn(&[u8; 32]) -> bool,
    A: Fn(&str) -> bool,
{
    /// The chain's own genesis hash.
    pub genesis: Hash,
    /// Public key of the development root that the chain's genesis names. A chain that names none
    /// accepts no software evidence at all.
    pub accepted_root: Option<[u8; 32]>,
    /// Number of the present block.
    pub current_block: BlockNumber,
    /// How many blocks after the one it names evidence is still good
    /// (usually [`phat_primitives::limits::MAX_EVIDENCE_AGE`]).
    pub max_age: BlockNumber,
    /// The present time, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// How long evidence is believed at most, in milliseconds, whatever its collateral says
    /// (usually [`phat_primitives::limits::MAX_EVIDENCE_LIFE_MS`]).
    pub max_life_ms: u64,
    /// Hash of a block of the chain, as far back as `max_age` at least.
    pub block_hash: H,
    /// Whether a program with this measurement may run.
    pub measurement_allowed: M,
    /// Whether machines that this advisory of Intel concerns are refused, whatever their level.
    pub advisory_refused: A,
}

/// What evidence proved.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct Verified {
    /// The worker's public key.
    pub worker: WorkerId,
    /// The account that operates it. A registration by any other account must be refused.
    pub operator: Option<AccountId>,
    /// The program.
    pub measurement: [u8; 32],
    /// The block the evidence was made after.
    pub block: BlockNumber,
    /// How far the evidence can be trusted; smaller is better. 1 to 5 belong to hardware, by the
    /// table of [`TcbLevel`]; software evidence has these plus [`SOFTWARE_CONFIDENCE`]` - 1`.
    pub confidence: u8,
    /// Until when it is believed, in milliseconds since the Unix epoch.
    pub expires_ms: u64,
    /// Performance score, see [`Claims::performance`].
    pub performance: u64,
}

/// Confidence of software evidence of the best level: worse than all hardware. It proves that the
/// holder of the development root vouches for the worker, and protects nothing from the machine's
/// operator.
pub const SOFTWARE_CONFIDENCE: u8 = 128;

/// Why evidence was refused.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
    thiserror::Error,
)]
pub enum EvidenceError {
    /// The chain's genesis names no development root.
    #[error(
        "this chain accepts no software evidence: run the worker in a TEE, or use a development chain"
    )]
    NotAcceptedHere,
    /// Signed under another development root than the chain's.
    #[error(
        "the evidence is signed under another development root than the one in the chain's genesis"
    )]
    WrongRoot,
    /// The signature does not fit the claims.
    #[error("the evidence's signature does not fit its claims; make it again")]
    BadSignature,
    /// The quote or its collateral does not hold; [`Evidence::quote_refused`] says why.
    #[error(
        "the quote or its collateral does not hold: it is signed by nobody, expired, revoked or of a program that can be debugged; the worker's log says which"
    )]
    Quote,
    /// The quote is of another TEE than the evidence says.
    #[error("the quote is of another TEE than the evidence says: make it again")]
    WrongTee,
    /// The quote does not bind these claims.
    #[error("the quote was not made for these claims: make it again")]
    NotBound,
    /// The hardware has measured another program than the one that is claimed.
    #[error("the hardware has measured another program than the one that is claimed")]
    MeasurementMismatch,
    /// The collateral has expired.
    #[error("the collateral of the evidence has expired: fetch it again and make new evidence")]
    CollateralExpired,
    /// The machine's level, or an advisory that concerns it, is refused.
    #[error(
        "the machine's firmware or configuration is not good enough: install the updates of its maker, and then make evidence with new collateral"
    )]
    LevelRefused,
    /// Made for another chain.
    #[error("the evidence was made for another chain: compare the genesis hashes")]
    WrongChain,
    /// The program is not on the chain's list.
    #[error(
        "no program with this measurement may run here: use a released one, or have its measurement allowed on the chain"
    )]
    UnknownMeasurement,
    /// Names a block that is too far back.
    #[error("the evidence is too old: make it again, for a recent block")]
    TooOld,
    /// Names a block that the chain does not have, or not with this hash.
    #[error(
        "the evidence names a block that this chain does not have: make it again once the worker has caught up"
    )]
    UnknownBlock,
}

/// What there is to know of a machine, proven in one way or another.
struct Machine<'a> {
    level: TcbLevel,
    advisories: &'a [String],
    expires_ms: u64,
    /// Added to the confidence.
    handicap: u8,
}

/// Checks evidence against a chain's policy.
///
/// Who made it is checked first, so that every later refusal is about claims that somebody really
/// made.
pub fn verify<H, M, A>(
    evidence: &Evidence,
    policy: &Policy<H, M, A>,
) -> Result<Verified, EvidenceError>
where
    H: Fn(BlockNumber) -> Option<Hash>,
    M: Fn(&[u8; 32]) -> bool,
    A: Fn(&str) -> bool,
{
    match evidence {
        Evidence::Software(software) => {
            software.authenticate(policy.accepted_root)?;
            let machine = Machine {
                level: software.collateral.level,
                advisories: &[],
                expires_ms: software.collateral.expires_ms,
                handicap: SOFTWARE_CONFIDENCE - 1,
            };
            accept(&software.claims, machine, policy)
        }
        Evidence::Sgx(quoted) => verify_quote(quoted, Tee::Sgx, policy),
        Evidence::Tdx(quoted) => verify_quote(quoted, Tee::Tdx, policy),
    }
}

fn verify_quote<H, M, A>(
    evidence: &QuoteEvidence,
    tee: Tee,
    policy: &Policy<H, M, A>,
) -> Result<Verified, EvidenceError>
where
    H: Fn(BlockNumber) -> Option<Hash>,
    M: Fn(&[u8; 32]) -> bool,
    A: Fn(&str) -> bool,
{
    let appraisal = quote::appraise(&evidence.quote, &evidence.collateral, policy.now_ms)
        .map_err(|_| EvidenceError::Quote)?;
    accept_quote(&evidence.claims, tee, &appraisal, policy)
}

/// Checks what a quote has proven against the claims, and the claims against the policy.
fn accept_quote<H, M, A>(
    claims: &Claims,
    tee: Tee,
    appraisal: &Appraisal,
    policy: &Policy<H, M, A>,
) -> Result<Verified, EvidenceError>
where
    H: Fn(BlockNumber) -> Option<Hash>,
    M: Fn(&[u8; 32]) -> bool,
    A: Fn(&str) -> bool,
{
    if appraisal.tee != tee {
        return Err(EvidenceError::WrongTee);
    }
    if appraisal.report_data != quote::report_data(claims) {
        return Err(EvidenceError::NotBound);
    }
    if appraisal.measurement != claims.measurement {
        return Err(EvidenceError::MeasurementMismatch);
    }
    let machine = Machine {
        level: appraisal.level,
        advisories: &appraisal.advisories,
        expires_ms: appraisal.expires_ms,
        handicap: 0,
    };
    accept(claims, machine, policy)
}

/// Checks authentic claims and what is known of the machine against the policy.
fn accept<H, M, A>(
    claims: &Claims,
    machine: Machine<'_>,
    policy: &Policy<H, M, A>,
) -> Result<Verified, EvidenceError>
where
    H: Fn(BlockNumber) -> Option<Hash>,
    M: Fn(&[u8; 32]) -> bool,
    A: Fn(&str) -> bool,
{
    if claims.genesis != policy.genesis {
        return Err(EvidenceError::WrongChain);
    }
    if !(policy.measurement_allowed)(&claims.measurement) {
        return Err(EvidenceError::UnknownMeasurement);
    }
    let Some(age) = policy.current_block.checked_sub(claims.block) else {
        return Err(EvidenceError::UnknownBlock);
    };
    if age > policy.max_age {
        return Err(EvidenceError::TooOld);
    }
    if (policy.block_hash)(claims.block) != Some(claims.block_hash) {
        return Err(EvidenceError::UnknownBlock);
    }
    if machine.expires_ms <= policy.now_ms {
        return Err(EvidenceError::CollateralExpired);
    }
    let mut advisories = machine.advisories.iter();
    if advisories.any(|advisory| (policy.advisory_refused)(advisory)) {
        return Err(EvidenceError::LevelRefused);
    }
    let confidence = machine
        .level
        .confidence(!machine.advisories.is_empty())
        .ok_or(EvidenceError::LevelRefused)?;
    let longest = policy.now_ms.saturating_add(policy.max_life_ms);
    Ok(Verified {
        worker: claims.worker,
        operator: claims.operator,
        measurement: claims.measurement,
        block: claims.block,
        confidence: confidence.saturating_add(machine.handicap),
        expires_ms: machine.expires_ms.min(longest),
        performance: claims.performance,
    })
}

#[cfg(test)]
mod tests;
