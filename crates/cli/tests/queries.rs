//! Bad queries to a real worker: each gets a clear error, and the worker goes on serving.

mod running;

use codec::{Decode, Encode};
use phat_crypto::{Keypair, certificate, envelope, rand_core::OsRng};
use phat_primitives::{
    ContractId,
    command::EncryptedData,
    query::{InkQuery, InkQueryData, InkQueryError, InkResponse, QueryHead},
};
use phat_prpc::{ContractQueryRequest, ContractQueryResponse, Message, Method, PrpcError};
use running::start;

/// Block after which a certificate made here is void.
const VALID: u32 = 1_000_000;

/// A client that can do everything wrong.
struct Crafter {
    http: reqwest::Client,
    url: String,
    worker: [u8; 32],
    account: Keypair,
    session: Keypair,
}

impl Crafter {
    async fn new(url: String) -> Self {
        let client = phat_client::WorkerClient::connect(&url)
            .await
            .expect("it answers");
        Self {
            http: reqwest::Client::new(),
            url,
            worker: client.id().0,
            account: Keypair::from_seed([1; 32]),
            session: Keypair::from_seed([2; 32]),
        }
    }

    fn query(&self, contract: ContractId, nonce: u8) -> Vec<u8> {
        InkQuery {
            head: QueryHead {
                id: contract,
                nonce: [nonce; 32],
            },
            data: InkQueryData::InkMessage {
                payload: vec![0x87, 0xc9, 0x8a, 0x8d],
                deposit: 0,
                transfer: 0,
                estimating: false,
            },
        }
        .encode()
    }

    fn sealed(&self, plain: &[u8]) -> EncryptedData {
        let shared = self.session.agree(&self.worker).expect("a key");
        envelope::encrypt(&shared, self.session.public(), plain, &mut OsRng).expect("it is small")
    }

    fn signed(&self, data: Vec<u8>, signer: &Keypair, ttl: u32) -> ContractQueryRequest {
        let body = self.session.public();
        let certificate = certificate::sign_certificate(&self.account, &body, ttl, &mut OsRng);
        let signature = certificate::sign_query(&data, signer, certificate, &mut OsRng);
        ContractQueryRequest {
            encoded_encrypted_data: data,
            signature: Some(signature.into()),
            sign: false,
        }
    }

    fn good(&self, contract: ContractId, nonce: u8) -> ContractQueryRequest {
        self.signed(
            self.sealed(&self.query(contract, nonce)).encode(),
            &self.session,
            VALID,
        )
    }

    /// Sends bytes as a query: the answer, or the code of the error.
    async fn send(&self, body: Vec<u8>) -> Result<InkResponse, String> {
        let url = format!("{}{}", self.url, Method::ContractQuery.path());
        let response = self
            .http
            .post(url)
            .body(body)
            .send()
            .await
            .expect("it answers");
        let status = response.status();
        let bytes = response.bytes().await.expect("it answers");
        if !status.is_success() {
            assert_eq!(status.as_u16(), 400, "bad queries are the client's fault");
            return Err(PrpcError::decode(&bytes[..])
                .expect("an error has a code")
                .code);
        }
        let answer = ContractQueryResponse::decode(&bytes[..]).expect("it decodes");
        let data = EncryptedData::decode(&mut &answer.encoded_encrypted_data[..]).expect("sealed");
        let shared = self.session.agree(&self.worker).expect("a key");
        let plain = envelope::decrypt(&shared, &data).expect("it is for us");
        Ok(InkResponse::decode(&mut &plain[..]).expect("it decodes"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_query_is_refused_for_its_own_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = start(folder.path(), &["--no-examples", "--workers", "1"]);
    let system = network.contract("system");
    let crafter = Crafter::new(network.worker(0)).await;
    let good = crafter.good(system, 0);
    let first = crafter
        .send(good.encode_to_vec())
        .await
        .expect("it is answered");
    assert_eq!(first.nonce, [0; 32]);
    assert!(first.result.is_ok());

    let plain = crafter.query(system, 1);
    let sealed = crafter.sealed(&plain).encode();
    let stranger = Keypair::from_seed([3; 32]);
    let mut garbled = crafter.sealed(&plain);
    garbled.data[3] ^= 1;
    let mut trailing = plain.clone();
    trailing.push(0);
    let mut unsigned = crafter.good(system, 2);
    unsigned.signature = None;
    let mut longer = crafter.good(system, 3);
    longer.encoded_encrypted_data.push(0);
    let mut resigned = crafter.good(system, 4);
    resigned.signature = crafter.good(system, 5).signature;
    let sign = |data: Vec<u8>| crafter.signed(data, &crafter.session, VALID);
    let cases: Vec<(&str, &str, Vec<u8>)> = vec![
        ("answered before", "answered-before", good.encode_to_vec()),
        ("garbage instead of a request", "malformed", vec![0xff; 40]),
        ("nothing at all", "unsigned", Vec::new()),
        ("not signed", "unsigned", unsigned.encode_to_vec()),
        ("longer than it was", "malformed", longer.encode_to_vec()),
        (
            "with the signature of another one",
            "bad-certificate",
            resigned.encode_to_vec(),
        ),
        (
            "signed by a key that is not certified",
            "bad-certificate",
            crafter
                .signed(sealed.clone(), &stranger, VALID)
                .encode_to_vec(),
        ),
        (
            "expired",
            "bad-certificate",
            crafter
                .signed(sealed.clone(), &crafter.session, 0)
                .encode_to_vec(),
        ),
        (
            "truncated",
            "malformed",
            sign(sealed[..20].to_vec()).encode_to_vec(),
        ),
        (
            "garbled",
            "undecipherable",
            sign(garbled.encode()).encode_to_vec(),
        ),
        (
            "encrypted, but no query",
            "malformed",
            sign(crafter.sealed(&[9; 50]).encode()).encode_to_vec(),
        ),
        (
            "a query and something more",
            "malformed",
            sign(crafter.sealed(&trailing).encode()).encode_to_vec(),
        ),
        (
            "larger than queries may be",
            "too-large",
            vec![0; 2 * 1024 * 1024],
        ),
    ];
    for (nonce, (what, code, body)) in (10..).zip(cases) {
        assert_eq!(crafter.send(body).await.expect_err(what), code, "{what}");
        let next = crafter
            .send(crafter.good(system, nonce).encode_to_vec())
            .await;
        assert!(
            next.expect("it goes on serving").result.is_ok(),
            "after: {what}"
        );
    }

    let unknown = crafter.good(ContractId::repeat_byte(7), 99);
    let answer = crafter
        .send(unknown.encode_to_vec())
        .await
        .expect("it is answered");
    let Err(InkQueryError::RuntimeError(reason)) = answer.result else {
        panic!("{answer:?}")
    };
    assert!(reason.contains("no contract"), "{reason}");
}
