//! Software evidence: claims signed by a development root. It lets a network run on any machine, for
//! development and tests, through the same checks as real evidence.

use crate::{Claims, Evidence, EvidenceError};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use phat_crypto::{Keypair, contexts, rand_core::CryptoRngCore};
use phat_primitives::blake2_256;
use scale_info::TypeInfo;

/// The phrase that [`dangerous_development_root`] is made from.
const PHRASE: &[u8] = b"Phat development root: anybody can sign with this key";

/// Claims and a development root's signature over them.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct SoftwareEvidence {
    /// What is claimed.
    pub claims: Claims,
    /// Public key of the root that signed.
    pub root: [u8; 32],
    /// sr25519 signature in the context [`contexts::EVIDENCE`] over the SCALE-encoded claims.
    pub signature: [u8; 64],
}

impl SoftwareEvidence {
    /// The claims, if the accepted root has signed them.
    pub(crate) fn authenticate(
        &self,
        accepted_root: Option<[u8; 32]>,
    ) -> Result<&Claims, EvidenceError> {
        let root = accepted_root.ok_or(EvidenceError::NotAcceptedHere)?;
        if self.root != root {
            return Err(EvidenceError::WrongRoot);
        }
        let message = self.claims.encode();
        match phat_crypto::verify(&root, contexts::EVIDENCE, &message, &self.signature) {
            true => Ok(&self.claims),
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

/// Signs claims under a development root.
pub fn attest(root: &Keypair, claims: Claims, rng: &mut impl CryptoRngCore) -> Evidence {
    Evidence::Software(SoftwareEvidence {
        claims,
        root: root.public(),
        signature: root.sign(contexts::EVIDENCE, &claims.encode(), rng),
    })
}
