//! What a client sends a worker, made of bytes: pRPC messages, and queries with the certificates of
//! whoever signed them. The test beside this file runs the targets on random bytes, libFuzzer (`fuzz`
//! at the root) on bytes that find new paths.

use codec::{Decode, DecodeAll, Encode};
use phat_crypto::{
    Keypair,
    certificate::{
        self, CertificateError, KnownCertificates, SignatureType, root_certificate,
        sign_certificate, sign_query, verify_query, verify_query_knowing,
    },
    envelope,
};
use phat_fuzzing::{Input, Repeatable};
use phat_primitives::{
    AccountId, Hash,
    command::EncryptedData,
    query::{InkQuery, InkQueryData, QueryHead},
};
use phat_prpc::{
    Certificate, ContractQueryRequest, ContractQueryResponse, Empty, GetClusterInfoResponse,
    GetContractInfoRequest, GetContractInfoResponse, GetEndpointResponse, GetRuntimeInfoRequest,
    InitRuntimeResponse, Message, Method, PhactoryInfo, PrpcError, Signature,
};
use std::{cell::RefCell, collections::BTreeMap, fmt::Debug, sync::LazyLock};

/// The present block.
const BLOCK: u32 = 100;
/// The key of somebody who has asked nothing good.
const STRANGER: u8 = 5;

fn key(byte: u8) -> Keypair {
    Keypair::from_seed([byte; 32])
}

/// Two accounts with a session key each, and what they have asked.
struct Asked {
    worker: Keypair,
    /// Account, request, and what is in it.
    requests: Vec<(AccountId, ContractQueryRequest, InkQuery)>,
}

static ASKED: LazyLock<Asked> = LazyLock::new(|| {
    let (worker, client) = (key(1), key(2));
    let shared = worker.agree(&client.public()).unwrap();
    let mut requests = Vec::new();
    for (account, session, ttl) in [(3, 13, u32::MAX), (3, 13, BLOCK), (4, 14, BLOCK - 1)] {
        for direct in [false, true] {
            let query = question(account);
            let data = envelope::encrypt(
                &shared,
                client.public(),
                &query.encode(),
                &mut Repeatable(9),
            )
            .unwrap()
            .encode();
            let signature = match direct {
                true => {
                    let root = root_certificate(&key(account).public(), ttl);
                    sign_query(&data, &key(account), root, &mut Repeatable(9))
                }
                false => {
                    let session = key(session);
                    let certificate =
                        sign_certificate(&key(account), &session.public(), ttl, &mut Repeatable(9));
                    sign_query(&data, &session, certificate, &mut Repeatable(9))
                }
            };
            let request = ContractQueryRequest {
                encoded_encrypted_data: data,
                signature: Some(signature.into()),
                sign: direct,
            };
            requests.push((AccountId(key(account).public()), request, query));
        }
    }
    Asked { worker, requests }
});

fn question(byte: u8) -> InkQuery {
    InkQuery {
        head: QueryHead {
            id: Hash::repeat_byte(byte),
            nonce: [byte; 32],
        },
        data: InkQueryData::InkMessage {
            payload: vec![byte; 40],
            deposit: 0,
            transfer: 0,
            estimating: false,
        },
    }
}

/// Remembers certificates, as a worker does.
#[derive(Default)]
struct Remembered(RefCell<BTreeMap<[u8; 32], AccountId>>);

impl KnownCertificates for Remembered {
    fn account(&self, proof: &[u8; 32]) -> Option<AccountId> {
        self.0.borrow().get(proof).copied()
    }

    fn remember(&self, proof: [u8; 32], account: AccountId) {
        self.0.borrow_mut().insert(proof, account);
    }
}

/// A worker that knows the certificates of all good queries.
fn knowing() -> Remembered {
    let known = Remembered::default();
    for (_, request, _) in &ASKED.requests {
        let signature = request.signature.clone().unwrap().try_into().unwrap();
        let data = &request.encoded_encrypted_data;
        // Whether it has expired does not matter here.
        let _ = verify_query_knowing(data, &signature, 0, &known);
    }
    known
}

/// Takes parts of good queries, exchanges and changes them, and does with the result what a worker
/// does. It may speak for an account only if that has signed these very bytes, in time. Answers
/// whether it speaks for anybody.
pub(crate) fn query(data: &[u8]) -> bool {
    let asked = &*ASKED;
    let mut input = Input::new(data);
    let mut request = input.choose(&asked.requests).1.clone();
    for _ in 0..input.below(4) {
        change(&mut input, &mut request);
    }
    let mut bytes = request.encode_to_vec();
    input.bend_often(&mut bytes, 1);

    let Ok(request) = ContractQueryRequest::decode(&bytes[..]) else {
        return false;
    };
    let again = ContractQueryRequest::decode(&request.encode_to_vec()[..]);
    assert_eq!(again.as_ref(), Ok(&request));
    let data = request.encoded_encrypted_data;
    opened(asked, &data);
    let Some(Ok(signature)) = request.signature.map(certificate::Signature::try_from) else {
        return false;
    };
    let signer = verify_query(&data, &signature, BLOCK);
    // What a worker remembers of others makes no difference.
    thread_local!(static KNOWN: Remembered = knowing());
    let knowing = KNOWN.with(|known| verify_query_knowing(&data, &signature, BLOCK, known));
    assert_eq!(signer, knowing);
    let Ok(signer) = signer else {
        if let Err(CertificateError::Expired { ttl, block, .. }) = signer {
            assert!(ttl < block);
        }
        return false;
    };
    assert!(signer.valid_until >= BLOCK);
    let has_signed = asked.requests.iter().any(|(account, request, _)| {
        (signer.account, &data) == (*account, &request.encoded_encrypted_data)
    });
    // With a key of their own strangers speak for themselves, whatever they say.
    let is_ours = [3, 4].map(|byte| AccountId(key(byte).public()));
    assert!(has_signed || !is_ours.contains(&signer.account));
    true
}

/// Decrypts the data of a query. Only what was encrypted comes out.
fn opened(asked: &Asked, data: &[u8]) {
    let mut rest = data;
    let Ok(sealed) = EncryptedData::decode(&mut rest) else {
        return;
    };
    assert_eq!(sealed.encode(), data[..data.len() - rest.len()]);
    let Ok(shared) = asked.worker.agree(&sealed.pubkey) else {
        return;
    };
    let Ok(plain) = envelope::decrypt(&shared, &sealed) else {
        return;
    };
    let found = InkQuery::decode_all(&mut &plain[..]).ok();
    let was_asked = asked
        .requests
        .iter()
        .any(|(_, _, query)| Some(query) == found.as_ref());
    let is_stranger = sealed.pubkey == key(STRANGER).public();
    assert!(
        was_asked || is_stranger,
        "what nobody has encrypted: {found:?}"
    );
}

/// Makes one change to a request.
fn change(input: &mut Input<'_>, request: &mut ContractQueryRequest) {
    let other = &input.choose(&ASKED.requests).1;
    match input.byte() % 8 {
        0 => input.bend(&mut request.encoded_encrypted_data),
        1 => request.encoded_encrypted_data = other.encoded_encrypted_data.clone(),
        2 => request.signature = other.signature.clone(),
        3 => {
            // Strangers encrypt, and sign for themselves.
            let plain = input.bytes(100);
            let client = key(STRANGER);
            let shared = ASKED.worker.agree(&client.public()).unwrap();
            let sealed =
                envelope::encrypt(&shared, client.public(), plain, &mut Repeatable(9)).unwrap();
            request.encoded_encrypted_data = sealed.encode();
        }
        4 => {
            let data = &request.encoded_encrypted_data;
            let stranger = key(STRANGER);
            let root = root_certificate(&stranger.public(), input.word());
            request.signature = Some(sign_query(data, &stranger, root, &mut Repeatable(9)).into());
        }
        _ => {
            if let Some(signature) = &mut request.signature {
                let depth = input.below(3);
                let from = other.signature.clone().unwrap_or_default();
                change_signature(input, signature, &from, depth);
            }
        }
    }
}

/// Makes one change to a chain of certificates, at some depth. `from` is where other parts are taken.
fn change_signature(
    input: &mut Input<'_>,
    signature: &mut Signature,
    from: &Signature,
    depth: usize,
) {
    let next = signature
        .signed_by
        .as_mut()
        .and_then(|certificate| certificate.signature.as_mut());
    if let (Some(next), 1..) = (next, depth) {
        return change_signature(input, next, from, depth - 1);
    }
    match input.byte() % 8 {
        0 => input.bend(&mut signature.signature),
        1 => signature.signature_type = i32::from(input.byte() as i8),
        2 => signature.signed_by = from.signed_by.clone(),
        3 => signature.signed_by = None,
        4 => signature.signature = from.signature.clone(),
        5 => {
            // One more certificate, or very many.
            let levels = if input.one_in(4) { 120 } else { 1 };
            for _ in 0..levels {
                let inner = std::mem::take(signature);
                let body = inner.signed_by.as_ref().map(|by| by.encoded_body.clone());
                *signature = Signature {
                    signed_by: Some(Box::new(Certificate {
                        encoded_body: body.unwrap_or_default(),
                        signature: Some(Box::new(inner)),
                    })),
                    ..from.clone()
                };
            }
        }
        6 => {
            if let Some(certificate) = &mut signature.signed_by {
                input.bend(&mut certificate.encoded_body);
            }
        }
        _ => {
            if let Some(certificate) = &mut signature.signed_by {
                certificate.signature = Some(Box::new(from.clone()));
            }
        }
    }
}

/// Reads bytes as one of the messages and writes them again.
fn rewritten<M: Message + Default + PartialEq + Debug>(bytes: &[u8]) -> bool {
    let Ok(message) = M::decode(bytes) else {
        return false;
    };
    assert_eq!(
        M::decode(&message.encode_to_vec()[..]).as_ref(),
        Ok(&message)
    );
    true
}

/// Every message of the interface, read from bytes that are a good one with changes, or any; and any
/// text as the name of a method.
pub(crate) fn message(data: &[u8]) -> bool {
    const READ: &[fn(&[u8]) -> bool] = &[
        rewritten::<ContractQueryRequest>,
        rewritten::<ContractQueryResponse>,
        rewritten::<Empty>,
        rewritten::<GetClusterInfoResponse>,
        rewritten::<GetContractInfoRequest>,
        rewritten::<GetContractInfoResponse>,
        rewritten::<GetEndpointResponse>,
        rewritten::<GetRuntimeInfoRequest>,
        rewritten::<InitRuntimeResponse>,
        rewritten::<PhactoryInfo>,
        rewritten::<PrpcError>,
    ];
    let mut input = Input::new(data);
    let read = input.choose(READ);
    let mut bytes = match input.byte() % 4 {
        0 => ASKED.requests[0].1.encode_to_vec(),
        1 => GetContractInfoRequest {
            contracts: vec!["0x01".into(), "zz".into()],
        }
        .encode_to_vec(),
        2 => PhactoryInfo {
            version: "1".into(),
            public_key: Some("ff".into()),
            gatekeeper: Some(Default::default()),
            system: Some(Default::default()),
            ..Default::default()
        }
        .encode_to_vec(),
        _ => input.bytes(200).to_vec(),
    };
    input.bend_often(&mut bytes, 3);
    if let Ok(method) = String::from_utf8_lossy(input.bytes(40)).parse::<Method>() {
        assert_eq!(method.name().parse(), Ok(method));
    }
    let kind = i32::from(input.byte() as i8);
    if let Ok(kind) = SignatureType::try_from(kind) {
        assert!((0..=6).contains(&i32::from(kind)));
    }
    read(&bytes)
}
