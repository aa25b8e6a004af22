//! Evidence that a worker runs the right program in the right place, and its one verifier.
//!
//! A worker that registers shows [`Evidence`] for its [`Claims`]: which key it holds, who operates
//! it, which program it runs, for which chain, and that all this is recent. [`verify`] checks it
//! against the [`Policy`] of the chain. The chain runs it for every registration, workers run it on
//! each other; there is no other way to be believed, and nothing that skips it. What makes a
//! development network work without special hardware is a *kind of evidence* ([`software`]), which
//! only a chain whose genesis names a development root accepts.
//!
//! Time does not occur: evidence names a recent block, and ages with the chain's height. Nothing here
//! does IO, and native and Wasm builds give the same answers.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod software;

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use phat_primitives::{AccountId, BlockNumber, Hash, WorkerId};
use scale_info::TypeInfo;
use software::SoftwareEvidence;

/// Evidence for a worker's claims. The indices are part of the chain's format: 0 is software
/// evidence, 1 belongs to SGX DCAP quotes and 2 to TDX quotes.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Evidence {
    /// Signed under a development root: no hardware stands behind it.
    #[codec(index = 0)]
    Software(SoftwareEvidence),
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
    /// Names the program: a hash over its code and what it was started with.
    pub measurement: [u8; 32],
    /// Genesis hash of the chain that the worker serves.
    pub genesis: Hash,
    /// Number of a recent block of that chain.
    pub block: BlockNumber,
    /// Hash of that block: the evidence was made after it.
    pub block_hash: Hash,
}

/// What a chain accepts, at the moment of checking.
pub struct Policy<H, M>
where
    H: Fn(BlockNumber) -> Option<Hash>,
    M: Fn(&[u8; 32]) -> bool,
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
    /// Hash of a block of the chain, as far back as `max_age` at least.
    pub block_hash: H,
    /// Whether a program with this measurement may run.
    pub measurement_allowed: M,
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
    /// How far the evidence can be trusted; smaller is better. 1 to 5 belong to hardware, see
    /// [`SOFTWARE_CONFIDENCE`] for the rest.
    pub confidence: u8,
}

/// Confidence level of software evidence: the worst there is. It proves that the holder of the
/// development root vouches for the worker, and protects nothing from the machine's operator.
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

/// Checks evidence against a chain's policy.
///
/// Who made it is checked first, so that every later refusal is about claims that somebody really
/// made.
pub fn verify<H, M>(evidence: &Evidence, policy: &Policy<H, M>) -> Result<Verified, EvidenceError>
where
    H: Fn(BlockNumber) -> Option<Hash>,
    M: Fn(&[u8; 32]) -> bool,
{
    let (claims, confidence) = match evidence {
        Evidence::Software(evidence) => (
            evidence.authenticate(policy.accepted_root)?,
            SOFTWARE_CONFIDENCE,
        ),
    };
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
    Ok(Verified {
        worker: claims.worker,
        operator: claims.operator,
        measurement: claims.measurement,
        block: claims.block,
        confidence,
    })
}
