//! Chains of certificates that somebody made up: each is refused with its own reason.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

use codec::Encode;
use phat_crypto::{
    Keypair,
    certificate::{
        Certificate, CertificateError, KnownCertificates, NO_EXPIRY, Signature, SignatureType,
        Signer, UnknownSignatureType, root_certificate, sign_certificate, sign_query, verify_query,
        verify_query_knowing,
    },
    rand_core::OsRng,
};
use phat_primitives::{AccountId, limits::MAX_CERTIFICATES, query::CertificateBody};
use proptest::prelude::*;

const DATA: &[u8] = b"an encrypted query";

fn key(byte: u8) -> Keypair {
    Keypair::from_seed([byte; 32])
}

/// The account's key 1 lets the session key 2 sign until block 10.
fn query() -> Signature {
    let certificate = sign_certificate(&key(1), &key(2).public(), 10, &mut OsRng);
    sign_query(DATA, &key(2), certificate, &mut OsRng)
}

fn session(signature: &mut Signature) -> &mut Certificate {
    signature.signed_by.as_mut().unwrap()
}

fn root(signature: &mut Signature) -> &mut Certificate {
    session(session(signature).signature.as_mut().unwrap())
}

#[test]
fn a_session_key_signs_for_its_account_until_its_time_is_over() {
    let signer = Signer {
        account: AccountId(key(1).public()),
        valid_until: 10,
    };
    assert_eq!(verify_query(DATA, &query(), 10), Ok(signer));
    let expired = CertificateError::Expired {
        depth: 0,
        ttl: 10,
        block: 11,
    };
    assert_eq!(verify_query(DATA, &query(), 11), Err(expired));
}

#[test]
fn an_account_can_sign_without_a_session_key() {
    let root = root_certificate(&key(1).public(), NO_EXPIRY);
    let signature = sign_query(DATA, &key(1), root, &mut OsRng);
    let signer = verify_query(DATA, &signature, 5).unwrap();
    assert_eq!(
        signer,
        Signer {
            account: AccountId(key(1).public()),
            valid_until: NO_EXPIRY
        }
    );
}

#[test]
fn the_shortest_time_to_live_counts() {
    let mut certificate = root_certificate(&key(2).public(), 20);
    let root = root_certificate(&key(1).public(), 10);
    let signature = sign_query(&certificate.encoded_body, &key(1), root, &mut OsRng);
    certificate.signature = Some(Box::new(signature));
    let signature = sign_query(DATA, &key(2), certificate, &mut OsRng);
    assert_eq!(
        verify_query(DATA, &signature, 10).map(|signer| signer.valid_until),
        Ok(10)
    );
    let expired = CertificateError::Expired {
        depth: 1,
        ttl: 10,
        block: 11,
    };
    assert_eq!(verify_query(DATA, &signature, 11), Err(expired));
}

#[test]
fn another_key_than_the_certified_one_is_refused() {
    let certificate = sign_certificate(&key(1), &key(2).public(), 10, &mut OsRng);
    let signature = sign_query(DATA, &key(3), certificate, &mut OsRng);
    let refused = CertificateError::BadSignature {
        depth: 0,
        kind: SignatureType::Sr25519,
    };
    assert_eq!(verify_query(DATA, &signature, 1), Err(refused));
}

#[test]
fn nobody_can_put_another_account_at_the_root() {
    let mut signature = query();
    *root(&mut signature) = root_certificate(&key(9).public(), 10);
    let refused = CertificateError::BadSignature {
        depth: 1,
        kind: SignatureType::Sr25519,
    };
    assert_eq!(verify_query(DATA, &signature, 1), Err(refused));
}

#[test]
fn a_session_key_cannot_prolong_its_own_time() {
    let mut signature = query();
    let body = CertificateBody {
        pubkey: key(2).public().to_vec(),
        ttl: 99,
        config_bits: 0,
    };
    session(&mut signature).encoded_body = body.encode();
    let refused = CertificateError::BadSignature {
        depth: 1,
        kind: SignatureType::Sr25519,
    };
    assert_eq!(verify_query(DATA, &signature, 1), Err(refused));
}

#[test]
fn a_signature_without_certificate_is_refused() {
    let mut signature = query();
    session(&mut signature)
        .signature
        .as_mut()
        .unwrap()
        .signed_by = None;
    assert_eq!(
        verify_query(DATA, &signature, 1),
        Err(CertificateError::Missing { depth: 1 })
    );
    signature.signed_by = None;
    assert_eq!(
        verify_query(DATA, &signature, 1),
        Err(CertificateError::Missing { depth: 0 })
    );
}

#[test]
fn a_chain_may_have_so_many_certificates_and_no_more() {
    // Each key certifies the next; the last signs the data.
    let chain = |length: u8| {
        let mut certificate = root_certificate(&key(1).public(), 10);
        for byte in 2..=length {
            let mut next = root_certificate(&key(byte).public(), 10);
            let signature = sign_query(&next.encoded_body, &key(byte - 1), certificate, &mut OsRng);
            next.signature = Some(Box::new(signature));
            certificate = next;
        }
        sign_query(DATA, &key(length), certificate, &mut OsRng)
    };
    let limit = u8::try_from(MAX_CERTIFICATES).unwrap();
    let signer = verify_query(DATA, &chain(limit), 1).unwrap();
    assert_eq!(signer.account, AccountId(key(1).public()));
    assert_eq!(
        verify_query(DATA, &chain(limit + 1), 1),
        Err(CertificateError::TooDeep)
    );
}

#[test]
fn a_truncated_or_lengthened_body_is_refused() {
    let whole = root_certificate(&key(1).public(), 10).encoded_body;
    let mut bodies: Vec<_> = (0..whole.len()).map(|end| whole[..end].to_vec()).collect();
    bodies.push([whole, vec![0]].concat());
    for body in bodies {
        let mut signature = query();
        root(&mut signature).encoded_body = body;
        let refused = CertificateError::BadBody { depth: 1 };
        assert_eq!(verify_query(DATA, &signature, 1), Err(refused));
    }
}

#[test]
fn reserved_bits_are_refused_even_when_signed() {
    let body = CertificateBody {
        pubkey: key(1).public().to_vec(),
        ttl: 10,
        config_bits: 4,
    };
    let certificate = Certificate {
        encoded_body: body.encode(),
        signature: None,
    };
    let signature = sign_query(DATA, &key(1), certificate, &mut OsRng);
    let refused = CertificateError::UnknownConfig {
        depth: 0,
        config_bits: 4,
    };
    assert_eq!(verify_query(DATA, &signature, 1), Err(refused));
}

#[test]
fn keys_and_signatures_of_odd_lengths_are_refused() {
    for number in 0..=6 {
        let kind = SignatureType::try_from(number).unwrap();
        for length in [0, 1, 31, 33, 34, 64, 65, 4096] {
            let mut signature = query();
            signature.signature_type = kind;
            signature.signed_by = Some(Box::new(root_certificate(&vec![7; length], 10)));
            assert!(
                verify_query(DATA, &signature, 1).is_err(),
                "{kind:?}, key of {length}"
            );

            let mut signature = query();
            signature.signature_type = kind;
            signature.signature = vec![7; length];
            assert!(
                verify_query(DATA, &signature, 1).is_err(),
                "{kind:?}, {length} bytes"
            );
        }
    }
    let mut signature = query();
    signature.signed_by = Some(Box::new(root_certificate(&[7; 31], 10)));
    let refused = CertificateError::BadPublicKey {
        depth: 0,
        kind: SignatureType::Sr25519,
    };
    assert_eq!(verify_query(DATA, &signature, 1), Err(refused));
    let mut signature = query();
    signature.signature.pop();
    let refused = CertificateError::BadSignature {
        depth: 0,
        kind: SignatureType::Sr25519,
    };
    assert_eq!(verify_query(DATA, &signature, 1), Err(refused));
}

#[test]
fn unknown_kinds_of_signature_have_no_type() {
    for number in [-1, 7, 8, i32::MAX, i32::MIN] {
        assert_eq!(
            SignatureType::try_from(number),
            Err(UnknownSignatureType(number))
        );
    }
}

prop_compose! {
    fn any_body()(
        sized in prop::sample::select(vec![0usize, 32, 33, 65]),
        fill in any::<[u8; 65]>(),
        garbage in prop::option::weighted(0.2, prop::collection::vec(any::<u8>(), 0..80)),
    ) -> Vec<u8> {
        let body = CertificateBody { pubkey: fill[..sized].to_vec(), ttl: 10, config_bits: 0 };
        garbage.unwrap_or_else(|| body.encode())
    }
}

prop_compose! {
    fn any_link()(
        body in any_body(),
        number in 0..=6i32,
        sized in prop::sample::select(vec![0usize, 63, 64, 65, 66]),
        fill in any::<[u8; 66]>(),
    ) -> (Vec<u8>, SignatureType, Vec<u8>) {
        (body, SignatureType::try_from(number).unwrap(), fill[..sized].to_vec())
    }
}

proptest! {
    #[test]
    fn made_up_chains_prove_nothing_and_never_panic(
        links in prop::collection::vec(any_link(), 1..8),
        data in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let chain = links.into_iter().fold(None, |above, (encoded_body, signature_type, signature)| {
            let certificate = Certificate { encoded_body, signature: above };
            Some(Box::new(Signature {
                signed_by: Some(Box::new(certificate)),
                signature_type,
                signature,
            }))
        });
        prop_assert!(verify_query(&data, &chain.unwrap(), 1).is_err());
    }
}

/// Remembers everything, and counts what it is asked and told.
#[derive(Default)]
struct Memory {
    known: std::cell::RefCell<std::collections::HashMap<[u8; 32], AccountId>>,
    used: std::cell::Cell<usize>,
}

impl KnownCertificates for Memory {
    fn account(&self, proof: &[u8; 32]) -> Option<AccountId> {
        let account = self.known.borrow().get(proof).copied();
        self.used
            .set(self.used.get() + usize::from(account.is_some()));
        account
    }

    fn remember(&self, proof: [u8; 32], account: AccountId) {
        self.known.borrow_mut().insert(proof, account);
    }
}

#[test]
fn a_known_certificate_is_still_bound_to_its_signature_key_and_time() {
    let (account, session) = (Keypair::from_seed([1; 32]), Keypair::from_seed([2; 32]));
    let memory = Memory::default();
    let certificate = sign_certificate(&account, &session.public(), 100, &mut OsRng);
    let sign = |data: &[u8]| sign_query(data, &session, certificate.clone(), &mut OsRng);
    let check = |data: &[u8], signature: &Signature, block| {
        verify_query_knowing(data, signature, block, &memory)
    };
    let signer = check(b"first", &sign(b"first"), 1).unwrap();
    assert_eq!(signer.account, AccountId(account.public()));
    assert_eq!((memory.used.get(), memory.known.borrow().len()), (0, 1));
    assert_eq!(check(b"second", &sign(b"second"), 2), Ok(signer));
    assert_eq!(memory.used.get(), 1);

    assert!(check(b"third", &sign(b"second"), 2).is_err(), "other data");
    assert!(check(b"late", &sign(b"late"), 101).is_err(), "expired");
    // The same signature under another certificate, and another signature under the same.
    let mut bent = sign(b"x");
    let link = bent.signed_by.as_mut().unwrap();
    link.signature.as_mut().unwrap().signature[5] ^= 1;
    assert!(check(b"x", &bent, 1).is_err());
    let mut renamed = sign(b"x");
    let link = renamed.signed_by.as_mut().unwrap();
    let by = link.signature.as_mut().unwrap();
    by.signed_by = Some(Box::new(root_certificate(&session.public(), 100)));
    assert!(check(b"x", &renamed, 1).is_err());
    assert_eq!(
        memory.known.borrow().len(),
        1,
        "what is wrong is not remembered"
    );
}
