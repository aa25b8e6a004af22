//! Software evidence: claims signed by a development root. It lets a network run on any machine, for
//! development and tests, through the same checks as real evidence. As hardware's does, it comes with
//! collateral: a TCB level, and a time at which it expires.

use crate::{Claims, Evidence, EvidenceError, TcbLevel};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use phat_crypto::{Keypair, contexts, rand_core::CryptoRngCore};
use phat_primitives::blake2_256;
use scale_info::TypeInfo;

/// The phrase that [`dangerous_development_root`] is made from.
const PHRASE: &[u8] = b"Phat development root: anybody can sign with this key";

/// What the root says about the machine, in place of what Intel says about hardware.
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
pub struct SoftwareCollateral {
    /// Level of the machine.
    pub level: TcbLevel,
    /// Until when this is good, in milliseconds since the Unix epoch.
    pub expires_ms: u64,
}

/// Claims with collateral, and a development root's signature over both.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct SoftwareEvidence {
    /// What is claimed.
    pub claims: Claims,
    /// What the root says about the machine.
    pub collateral: SoftwareCollateral,
    /// Public key of the root that signed.
    pub root: [u8; 32],
    /// sr25519 signature in the context [`contexts::EVIDENCE`] over SCALE of claims and collateral.
    pub signature: [u8; 64],
}

impl SoftwareEvidence {
    /// Whether the accepted root has signed this.
    pub(crate) fn authenticate(
        &self,
        accepted_root: Option<[u8; 32]>,
    ) -> Result<(), EvidenceError> {
        let root = accepted_root.ok_or(EvidenceError::NotAcceptedHere)?;
        if self.root != root {
            return Err(EvidenceError::WrongRoot);
        }
        let message = (&self.claims, &self.collateral).encode();
        match phat_crypto::verify(&root, contexts::EVIDENCE, &message, &self.signature) {
            true => Ok(()),
            false => Err(EvidenceError::BadSignature),
        }
    }
}

/// The development root of `phat dev`. **Dangerous**: it is made from a phrase that everybody can
/// read (its seed is the BLAKE2b-256 of the phrase), so anybody can make evidence for anything under
/// it. A chain that holds anything of value must not name it in its genesis.
pub fn dangerous_development_root() -> Keypair {
    Keypair::from_seed(blake2_256(PHRASE))
}

/// Signs claims and collateral under a development root.
pub fn attest(
    root: &Keypair,
    claims: Claims,
    collateral: SoftwareCollateral,
    rng: &mut impl CryptoRngCore,
) -> Evidence {
    let message = (&claims, &collateral).encode();
    Evidence::Software(SoftwareEvidence {
        claims,
        collateral,
        root: root.public(),
        signature: root.sign(contexts::EVIDENCE, &message, rng),
    })
}
