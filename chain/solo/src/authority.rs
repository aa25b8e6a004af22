//! The chain's one authority: its keys, the seal it puts on a block, and its vote,
//! which makes the block final.

use finality_grandpa::{Precommit, SignedPrecommit};
use polkadot_sdk::*;

use sp_consensus_aura::digests::CompatibleDigestItem;
use sp_consensus_aura::sr25519::{AuthorityId as AuraId, AuthorityPair as AuraPair};
use sp_consensus_grandpa::{
    AuthorityId as GrandpaId, AuthorityPair as GrandpaPair, GrandpaJustification, Message, SetId,
    localized_payload,
};
use sp_core::crypto::{Pair, SecretStringError};
use sp_runtime::generic::DigestItem;

use phat_runtime::Header;

/// The secret URI does not name a key.
#[derive(Debug, thiserror::Error)]
#[error(
    "the authority's secret URI does not name a key: {0}; use a phrase, a seed in hex, or one like //Alice"
)]
pub struct BadSecretUri(String);

/// The keys with which the authority makes and finalises blocks.
pub struct Authority {
    aura: AuraPair,
    grandpa: GrandpaPair,
}

impl Authority {
    /// The authority whose sr25519 (Aura) and ed25519 (GRANDPA) keys both come
    /// from `secret_uri`, for instance `//Alice`.
    pub fn from_secret_uri(secret_uri: &str) -> Result<Self, BadSecretUri> {
        // The parser's error says nothing of the secret itself.
        let bad = |error: SecretStringError| BadSecretUri(error.to_string());
        Ok(Self {
            aura: AuraPair::from_string(secret_uri, None).map_err(bad)?,
            grandpa: GrandpaPair::from_string(secret_uri, None).map_err(bad)?,
        })
    }

    /// The key that seals blocks.
    pub fn aura_id(&self) -> AuraId {
        self.aura.public()
    }

    /// The key that votes for finality.
    pub fn grandpa_id(&self) -> GrandpaId {
        self.grandpa.public()
    }

    /// Signs the header and appends the signature to its digest, as Aura does.
    pub(crate) fn seal(&self, header: &mut Header) {
        let signature = self.aura.sign(header.hash().as_ref());
        header.digest.push(DigestItem::aura_seal(signature));
    }

    /// The justification of the sealed block `header`: one precommit, ours, in the
    /// round of the block's number.
    pub(crate) fn justify(&self, header: &Header, set_id: SetId) -> GrandpaJustification<Header> {
        let precommit = Precommit {
            target_hash: header.hash(),
            target_number: header.number,
        };
        let round = u64::from(header.number);
        let message = Message::<Header>::Precommit(precommit.clone());
        let signature = self
            .grandpa
            .sign(&localized_payload(round, set_id, &message));
        GrandpaJustification {
            round,
            commit: finality_grandpa::Commit {
                target_hash: precommit.target_hash,
                target_number: precommit.target_number,
                precommits: vec![SignedPrecommit {
                    precommit,
                    signature,
                    id: self.grandpa_id(),
                }],
            },
            votes_ancestries: Vec::new(),
        }
    }
}
