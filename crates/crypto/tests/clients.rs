//! What polkadot.js and `@phala/sdk` compute, this crate computes too, byte for byte.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod golden;

use codec::{Decode, Encode};
use golden::{array, bytes};
use phat_crypto::{
    Keypair,
    certificate::{Signature, SignatureType, verify_query},
    contexts,
    envelope::{decrypt, encrypt},
    rand_core::{CryptoRng, Error, RngCore, impls},
    verify,
};
use phat_primitives::{AccountId, command::EncryptedData};
use std::collections::BTreeSet;

/// A generator that gives out prepared bytes.
struct Prepared(Vec<u8>);

impl RngCore for Prepared {
    fn next_u32(&mut self) -> u32 {
        impls::next_u32_via_fill(self)
    }
    fn next_u64(&mut self) -> u64 {
        impls::next_u64_via_fill(self)
    }
    fn fill_bytes(&mut self, dest: &mut [u8]) {
        dest.copy_from_slice(&self.0.drain(..dest.len()).collect::<Vec<_>>());
    }
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

impl CryptoRng for Prepared {}

#[test]
fn seeds_give_the_same_public_keys() {
    for key in golden::load().keys {
        assert_eq!(
            Keypair::from_seed(array(&key.seed)).public(),
            array(&key.public)
        );
    }
}

#[test]
fn key_agreement_gives_the_same_key() {
    for agreement in golden::load().agreements {
        let own = Keypair::from_seed(array(&agreement.seed));
        let shared = own.agree(&array(&agreement.peer_public)).unwrap();
        assert_eq!(shared.expose(), &array(&agreement.shared));
    }
}

#[test]
fn a_signature_in_a_context_can_be_made_by_any_sr25519_library() {
    let signed = golden::load().in_context;
    let message = bytes(&signed.message);
    let signature = array(&signed.signature);
    assert!(verify(
        &array(&signed.public),
        contexts::REPORT,
        &message,
        &signature
    ));
    assert!(!verify(
        &array(&signed.public),
        contexts::EVIDENCE,
        &message,
        &signature
    ));
}

#[test]
fn envelopes_open_here_and_are_the_same_when_made_here() {
    for envelope in golden::load().envelopes {
        let encoded = bytes(&envelope.encoded);
        let data = EncryptedData::decode(&mut &encoded[..]).unwrap();
        let sender = Keypair::from_seed(array(&envelope.seed));
        let recipient = Keypair::from_seed(array(&envelope.peer_seed));
        let plain = bytes(&envelope.plain);
        assert_eq!(
            decrypt(&recipient.agree(&data.pubkey).unwrap(), &data).unwrap(),
            plain
        );

        let shared = sender.agree(&recipient.public()).unwrap();
        let mut rng = Prepared(data.iv.to_vec());
        let made = encrypt(&shared, sender.public(), &plain, &mut rng).unwrap();
        assert_eq!(made.encode(), encoded);
    }
}

#[test]
fn every_kind_of_certificate_names_its_account() {
    let golden = golden::load();
    let mut kinds = BTreeSet::new();
    for query in &golden.queries {
        let signature = query.signature.parse();
        for block in [0, golden.ttl] {
            let signer = verify_query(&bytes(&query.data), &signature, block)
                .unwrap_or_else(|error| panic!("{}: {error}", query.name));
            assert_eq!(
                signer.account,
                AccountId(array(&query.account)),
                "{}",
                query.name
            );
            assert_eq!(signer.valid_until, golden.ttl, "{}", query.name);
        }
        assert!(verify_query(&bytes(&query.data), &signature, golden.ttl + 1).is_err());
        each_signature(&mut signature.clone(), &mut |signature| {
            kinds.insert(signature.signature_type as i32);
        });
    }
    assert_eq!(
        kinds,
        (0..=6).collect(),
        "the golden values cover all kinds"
    );
}

#[test]
fn a_changed_bit_anywhere_in_a_certificate_breaks_it() {
    for query in golden::load().queries {
        let good = query.signature.parse();
        let data = bytes(&query.data);
        let mut other = data.clone();
        other[0] ^= 1;
        assert!(
            verify_query(&other, &good, 0).is_err(),
            "{}: data",
            query.name
        );

        let mut depth = 0;
        each_signature(&mut good.clone(), &mut |signature| {
            let certificate = signature.signed_by.as_ref().unwrap();
            for (what, length) in [
                ("signature", signature.signature.len()),
                ("body", certificate.encoded_body.len()),
            ] {
                // The root's time to live is not signed by anybody.
                let is_root = certificate.signature.is_none();
                let signed = if what == "body" && is_root {
                    length - 8
                } else {
                    length
                };
                for position in 0..signed {
                    let mut bent = good.clone();
                    let mut at = 0;
                    each_signature(&mut bent, &mut |signature| {
                        if at == depth {
                            let certificate = signature.signed_by.as_mut().unwrap();
                            let bytes = match what {
                                "body" => &mut certificate.encoded_body,
                                _ => &mut signature.signature,
                            };
                            bytes[position] ^= 1;
                        }
                        at += 1;
                    });
                    let result = verify_query(&data, &bent, 0);
                    assert!(
                        result.is_err(),
                        "{}: {what} {depth} byte {position}",
                        query.name
                    );
                }
            }
            depth += 1;
        });
    }
}

#[test]
fn a_signature_of_one_kind_is_not_taken_for_another() {
    for query in golden::load().queries {
        let good = query.signature.parse();
        let data = bytes(&query.data);
        for number in 0..=6 {
            let kind = SignatureType::try_from(number).unwrap();
            let mut other = good.clone();
            let root = other.signed_by.as_mut().unwrap();
            let of = match root.signature.as_mut() {
                Some(signature) => &mut signature.signature_type,
                None => &mut other.signature_type,
            };
            if *of != kind {
                *of = kind;
                assert!(
                    verify_query(&data, &other, 0).is_err(),
                    "{} as {kind:?}",
                    query.name
                );
            }
        }
    }
}

/// Visits the signatures of a chain from the data upwards.
fn each_signature(signature: &mut Signature, visit: &mut impl FnMut(&mut Signature)) {
    visit(signature);
    if let Some(next) = signature
        .signed_by
        .as_mut()
        .and_then(|by| by.signature.as_mut())
    {
        each_signature(next, visit);
    }
}
