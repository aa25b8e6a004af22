//! One worker: what it says about itself, encrypted queries, receipts.
//!
//! A query goes through three hands of keys. The [`Caller`]'s account signs a certificate for a
//! session key once; the session key signs every query; and a one-time key agrees with the worker's
//! public key on what encrypts query and answer. Nobody but the worker learns what was asked or
//! answered, and nobody can send it again in another name. Formats: `@phala/sdk` 0.6.

use crate::{
    exec::{ExecResult, Instantiated, Returned},
    keys::Account,
    limits::{CONNECT_TIMEOUT, MAX_ANSWER_LEN, REQUEST_TIMEOUT},
};
use codec::{Decode, DecodeAll, Encode};
use phat_crypto::{
    Keypair, SharedKey,
    certificate::{self, NO_EXPIRY, SignatureType, root_certificate},
    contexts, envelope,
    rand_core::{OsRng, RngCore},
};
use phat_primitives::{
    AccountId, Balance, BlockNumber, CodeHash, ContractId, Hash, MessageNumber, WorkerId,
    blake2_256,
    command::EncryptedData,
    query::{
        InkQuery, InkQueryData, InkQueryError, InkQueryOk, InkResponse, QueryHead,
        ReceiptProofRequest, ReceiptProofResponse, ReceiptRequest, ReceiptResponse, SignedAnswer,
    },
};
use phat_prpc::{
    CONTENT_TYPE, Certificate, ClusterInfo, ContractInfo, ContractQueryRequest,
    ContractQueryResponse, Empty, GetClusterInfoResponse, GetContractInfoRequest,
    GetContractInfoResponse, Message, Method, PhactoryInfo, PrpcError, Signature,
};
use std::time::Duration;

/// Who asks: an account that has certified a session key. Making one costs a signature, so it is kept.
#[derive(Clone)]
pub struct Caller {
    account: AccountId,
    session: Keypair,
    certificate: Certificate,
}

impl Caller {
    /// Certifies a fresh session key for the account. The key never leaves this value, so its
    /// certificate needs no end.
    pub fn new(account: &Account) -> Self {
        let session = Keypair::generate(&mut OsRng);
        let mut certificate = root_certificate(&session.public(), NO_EXPIRY);
        certificate.signature = Some(Box::new(certificate::Signature {
            signed_by: Some(Box::new(root_certificate(&account.id().0, NO_EXPIRY))),
            signature_type: SignatureType::Sr25519,
            signature: account.sign(&certificate.encoded_body).to_vec(),
        }));
        Self {
            account: account.id(),
            session,
            certificate: to_prpc(certificate),
        }
    }

    /// The account that asks.
    pub fn account(&self) -> AccountId {
        self.account
    }

    fn sign(&self, data: &[u8]) -> Signature {
        Signature {
            signed_by: Some(Box::new(self.certificate.clone())),
            signature_type: SignatureType::Sr25519.into(),
            signature: self.session.sign_raw(data, &mut OsRng).to_vec(),
        }
    }
}

/// The same certificate in the messages of pRPC.
fn to_prpc(certificate: certificate::Certificate) -> Certificate {
    Certificate {
        encoded_body: certificate.encoded_body,
        signature: certificate.signature.map(|signature| {
            Box::new(Signature {
                signed_by: signature.signed_by.map(|by| Box::new(to_prpc(*by))),
                signature_type: signature.signature_type.into(),
                signature: signature.signature,
            })
        }),
    }
}

/// A worker that answers.
#[derive(Clone, Debug)]
pub struct WorkerClient {
    http: reqwest::Client,
    url: String,
    id: WorkerId,
    own_public: [u8; 32],
    shared: SharedKey,
}

/// Authorities whose certificates are believed of workers at `https` addresses, beyond those that
/// browsers believe.
#[derive(Clone, Debug, Default)]
pub struct Roots(Vec<reqwest::Certificate>);

/// What should be certificates is not.
#[derive(Debug, thiserror::Error)]
#[error("no certificates in PEM: {0}")]
pub struct BadRoots(#[source] reqwest::Error);

impl Roots {
    /// Reads certificates in PEM.
    ///
    /// # Errors
    ///
    /// If they are none.
    pub fn from_pem(pem: &[u8]) -> Result<Self, BadRoots> {
        let bundle = reqwest::Certificate::from_pem_bundle(pem).map_err(BadRoots)?;
        Ok(Self(bundle))
    }
}

/// The word by which a worker says that it has too little of the caller's credit.
const NO_CREDIT: &str = "no-credit";

/// Why a worker gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Nothing answers at the address.
    #[error("no worker answers at {url}: check the address, or start a network with `phat dev`")]
    Unreachable {
        /// The address.
        url: String,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// It took longer than [`REQUEST_TIMEOUT`].
    #[error("the worker at {url} did not answer within {} s", REQUEST_TIMEOUT.as_secs())]
    Timeout {
        /// The address.
        url: String,
    },
    /// The worker has too much to do.
    #[error("the worker is overloaded: {}", retry(.retry_after))]
    Overloaded {
        /// When to ask again, if it said so.
        retry_after: Option<Duration>,
    },
    /// The worker has less of the caller's credit than it is to be paid. It has asked the chain for more.
    #[error(
        "the worker has less of your credit than you want to pay: `phat credit` shows how much is left and where; pay less than one slice, add to the credit, or ask again in a few seconds"
    )]
    NoCredit,
    /// The worker refuses the request.
    #[error("the worker refuses: {message}")]
    Refused {
        /// Status of HTTP.
        status: u16,
        /// The reason as a word, such as `expired`; empty if it gave none.
        code: String,
        /// The reason in words.
        message: String,
    },
    /// What answers does not speak as a worker does.
    #[error("{url} does not answer like a worker: {what}")]
    BadAnswer {
        /// The address.
        url: String,
        /// What is wrong.
        what: String,
    },
    /// The worker has read the query, but cannot answer it.
    #[error("the query failed: {}", query_error(.0))]
    Query(InkQueryError),
}

fn retry(after: &Option<Duration>) -> String {
    match after {
        Some(after) => format!("ask again in {} s", after.as_secs()),
        None => "ask again later".into(),
    }
}

fn query_error(error: &InkQueryError) -> String {
    match error {
        InkQueryError::BadOrigin => "the contract asks for a signed caller".into(),
        InkQueryError::RuntimeError(reason) => reason.clone(),
        InkQueryError::SidevmNotFound => "there is no program beside this contract".into(),
        InkQueryError::NoResponse => "the program beside the contract gave no answer".into(),
        InkQueryError::ServiceUnavailable => {
            "the worker does not serve this contract at present".into()
        }
        InkQueryError::Timeout => "it took longer than the worker allows".into(),
    }
}

impl WorkerClient {
    /// Asks who answers at the address, and agrees with it on a key.
    ///
    /// What it says is not proven: compare [`WorkerClient::id`] with the chain before asking it
    /// anything secret. [`crate::Client`] does.
    pub async fn connect(url: &str) -> Result<Self, WorkerError> {
        Self::connect_trusting(url, &Roots::default()).await
    }

    /// As [`WorkerClient::connect`], to a worker whose certificate may come from one of `roots`.
    pub async fn connect_trusting(url: &str, roots: &Roots) -> Result<Self, WorkerError> {
        let url = url.trim_end_matches('/').to_string();
        let builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT);
        let http = roots
            .0
            .iter()
            .fold(builder, |builder, root| {
                builder.add_root_certificate(root.clone())
            })
            .build()
            .map_err(|source| WorkerError::Unreachable {
                url: url.clone(),
                source,
            })?;
        let info: PhactoryInfo = request(&http, &url, Method::GetInfo, &Empty {}).await?;
        let bad = |what: &str| WorkerError::BadAnswer {
            url: url.clone(),
            what: what.into(),
        };
        let mut public = [0; 32];
        let named = info.public_key.as_deref().unwrap_or_default();
        hex::decode_to_slice(named.trim_start_matches("0x"), &mut public)
            .map_err(|_| bad("it names no public key; it may not be initialized yet"))?;
        let one_time = Keypair::generate(&mut OsRng);
        let shared = one_time
            .agree(&public)
            .map_err(|_| bad("its public key is none"))?;
        Ok(Self {
            http,
            id: WorkerId(public),
            own_public: one_time.public(),
            shared,
            url,
        })
    }

    /// The public key by which it answers.
    pub fn id(&self) -> WorkerId {
        self.id
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it says about itself.
    pub async fn info(&self) -> Result<PhactoryInfo, WorkerError> {
        self.request(Method::GetInfo, &Empty {}).await
    }

    /// What it says about contracts; about all of them if none is named.
    pub async fn contract_info(
        &self,
        contracts: &[ContractId],
    ) -> Result<Vec<ContractInfo>, WorkerError> {
        let contracts = contracts
            .iter()
            .map(|id| format!("0x{}", hex::encode(id)))
            .collect();
        let request = GetContractInfoRequest { contracts };
        let answer: GetContractInfoResponse =
            self.request(Method::GetContractInfo, &request).await?;
        Ok(answer.contracts)
    }

    /// What it says about its cluster; `None` if it serves none.
    pub async fn cluster_info(&self) -> Result<Option<ClusterInfo>, WorkerError> {
        let answer: GetClusterInfoResponse =
            self.request(Method::GetClusterInfo, &Empty {}).await?;
        Ok(answer.info)
    }

    /// Sends a query and returns the bytes of the answer.
    pub async fn query(
        &self,
        caller: &Caller,
        contract: ContractId,
        data: InkQueryData,
    ) -> Result<Vec<u8>, WorkerError> {
        let told = self.ask(caller, contract, data, Terms::default()).await?;
        Ok(told.bytes)
    }

    /// Sends a query and returns the answer with all that the worker says about it. If the worker is
    /// asked for its signature, an answer without a good one is refused.
    pub async fn ask(
        &self,
        caller: &Caller,
        contract: ContractId,
        data: InkQueryData,
        terms: Terms,
    ) -> Result<Told, WorkerError> {
        let Terms { sign, pay } = terms;
        let query = InkQuery {
            head: QueryHead {
                id: contract,
                nonce: nonce(),
            },
            data,
        };
        let request = query.encode_paying(pay);
        let method = Method::ContractQuery;
        let (plain, response) = self.exchange(method, caller, &request, sign).await?;
        let answer: InkResponse = self.decode(&plain)?;
        if answer.nonce != query.head.nonce {
            return Err(self.bad("the answer belongs to another query"));
        }
        let state_root = match response.state_root.as_slice() {
            [] => Hash::zero(),
            bytes => Hash::from(
                <[u8; 32]>::try_from(bytes).map_err(|_| self.bad("its state root is none"))?,
            ),
        };
        let signed = match sign {
            true => Some(self.signed(caller, request, plain, &response, state_root)?),
            false => None,
        };
        match answer.result {
            Ok(InkQueryOk::InkMessageReturn(bytes)) => Ok(Told {
                bytes,
                block: response.block,
                state_root,
                signed,
            }),
            Err(error) => Err(WorkerError::Query(error)),
        }
    }

    /// The worker's statement about an answer, if it is about this one and signed by the worker.
    fn signed(
        &self,
        caller: &Caller,
        request: Vec<u8>,
        answer: Vec<u8>,
        response: &ContractQueryResponse,
        state_root: Hash,
    ) -> Result<Signed, WorkerError> {
        let sealed = response
            .encoded_encrypted_statement
            .as_ref()
            .ok_or_else(|| self.bad("it has not signed its answer; it may be older than that"))?;
        let signed = Signed {
            worker: self.id,
            statement: self.decode(&self.decrypt(sealed)?)?,
            request,
            answer,
        };
        let statement = &signed.statement.statement;
        let fits = statement.caller == caller.account
            && statement.block == response.block
            && statement.state_root == state_root;
        if !fits || !signed.holds() {
            return Err(self.bad("what it has signed is not its answer"));
        }
        Ok(signed)
    }

    /// Calls a message without any effect. `call` is selector and arguments.
    pub async fn call(
        &self,
        caller: &Caller,
        contract: ContractId,
        call: Vec<u8>,
    ) -> Result<ExecResult<Returned>, WorkerError> {
        self.message(caller, contract, call, Assumed::default(), false)
            .await
    }

    /// Finds out what a message would cost as a command.
    pub async fn estimate(
        &self,
        caller: &Caller,
        contract: ContractId,
        call: Vec<u8>,
        assumed: Assumed,
    ) -> Result<ExecResult<Returned>, WorkerError> {
        self.message(caller, contract, call, assumed, true).await
    }

    async fn message(
        &self,
        caller: &Caller,
        contract: ContractId,
        payload: Vec<u8>,
        assumed: Assumed,
        estimating: bool,
    ) -> Result<ExecResult<Returned>, WorkerError> {
        let Assumed { deposit, transfer } = assumed;
        let data = InkQueryData::InkMessage {
            payload,
            deposit,
            transfer,
            estimating,
        };
        self.exec_result(&self.query(caller, contract, data).await?)
    }

    /// Finds out what an instantiation would cost. The question goes to the cluster's system contract.
    pub async fn estimate_instantiation(
        &self,
        caller: &Caller,
        system_contract: ContractId,
        code_hash: CodeHash,
        salt: Vec<u8>,
        instantiate_data: Vec<u8>,
        assumed: Assumed,
    ) -> Result<ExecResult<Instantiated>, WorkerError> {
        let Assumed { deposit, transfer } = assumed;
        let data = InkQueryData::InkInstantiate {
            code_hash,
            salt,
            instantiate_data,
            deposit,
            transfer,
        };
        self.exec_result(&self.query(caller, system_contract, data).await?)
    }

    /// How a command of the caller ended.
    pub async fn receipt(
        &self,
        caller: &Caller,
        number: MessageNumber,
    ) -> Result<ReceiptResponse, WorkerError> {
        self.sealed(
            Method::Receipt,
            caller,
            &ReceiptRequest {
                number,
                nonce: nonce(),
            },
        )
        .await
    }

    /// How a command of the caller ended, with what proves it against the commitment that the cluster
    /// has agreed on after a block.
    pub async fn receipt_proof(
        &self,
        caller: &Caller,
        number: MessageNumber,
        agreed: BlockNumber,
    ) -> Result<ReceiptProofResponse, WorkerError> {
        self.sealed(
            Method::ReceiptProof,
            caller,
            &ReceiptProofRequest {
                number,
                agreed,
                nonce: nonce(),
            },
        )
        .await
    }

    /// Sends something encrypted and signed, and decodes what comes back.
    async fn sealed<T: Decode>(
        &self,
        method: Method,
        caller: &Caller,
        body: &impl Encode,
    ) -> Result<T, WorkerError> {
        let (plain, _) = self.exchange(method, caller, &body.encode(), false).await?;
        self.decode(&plain)
    }

    /// Sends something encrypted and signed, and decrypts what comes back.
    async fn exchange(
        &self,
        method: Method,
        caller: &Caller,
        body: &[u8],
        sign: bool,
    ) -> Result<(Vec<u8>, ContractQueryResponse), WorkerError> {
        let encrypted = envelope::encrypt(&self.shared, self.own_public, body, &mut OsRng)
            .map_err(|error| self.bad(&error.to_string()))?
            .encode();
        let request = ContractQueryRequest {
            signature: Some(caller.sign(&encrypted)),
            encoded_encrypted_data: encrypted,
            sign,
        };
        let answer: ContractQueryResponse = self.request(method, &request).await?;
        let plain = self.decrypt(&answer.encoded_encrypted_data)?;
        Ok((plain, answer))
    }

    fn decrypt(&self, sealed: &[u8]) -> Result<Vec<u8>, WorkerError> {
        let encrypted: EncryptedData = self.decode(sealed)?;
        envelope::decrypt(&self.shared, &encrypted)
            .map_err(|_| self.bad("its answer does not decrypt"))
    }

    /// A result of an execution. Newer workers may add to it at the end.
    pub(crate) fn exec_result<T: Decode>(
        &self,
        mut bytes: &[u8],
    ) -> Result<ExecResult<T>, WorkerError> {
        ExecResult::decode(&mut bytes).map_err(|_| self.bad("its answer cannot be decoded"))
    }

    fn decode<T: Decode>(&self, bytes: &[u8]) -> Result<T, WorkerError> {
        T::decode_all(&mut &*bytes).map_err(|_| self.bad("its answer cannot be decoded"))
    }

    async fn request<T: Message + Default>(
        &self,
        method: Method,
        body: &impl Message,
    ) -> Result<T, WorkerError> {
        request(&self.http, &self.url, method, body).await
    }

    fn bad(&self, what: &str) -> WorkerError {
        WorkerError::BadAnswer {
            url: self.url.clone(),
            what: what.into(),
        }
    }
}

/// How a query is to be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Terms {
    /// The worker signs its answer.
    pub sign: bool,
    /// What the caller pays of a credit, in a cluster that weighs queries by that. Nothing may be paid
    /// elsewhere.
    pub pay: Balance,
}

/// An answer, and what the worker says about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// The bytes of the answer.
    pub bytes: Vec<u8>,
    /// Last block of the state that it comes from; 0 if the worker does not say.
    pub block: BlockNumber,
    /// Root of that state; zero if the worker does not say.
    pub state_root: Hash,
    /// The worker's signature, if it was asked for.
    pub signed: Option<Signed>,
}

/// An answer that a worker has signed: whoever is shown this can check it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signed {
    /// The worker.
    pub worker: WorkerId,
    /// What it has signed, and the signature.
    pub statement: SignedAnswer,
    /// The SCALE-encoded [`InkQuery`].
    pub request: Vec<u8>,
    /// The SCALE-encoded [`InkResponse`].
    pub answer: Vec<u8>,
}

impl Signed {
    /// Whether the worker has signed that this was its answer to this query. Whether the worker was
    /// one of the cluster, and the state one that the cluster has agreed on, is on the chain.
    pub fn holds(&self) -> bool {
        let SignedAnswer {
            statement,
            signature,
        } = &self.statement;
        statement.request.0 == blake2_256(&self.request)
            && statement.answer.0 == blake2_256(&self.answer)
            && phat_crypto::verify(
                &self.worker.0,
                contexts::ANSWER,
                &statement.encode(),
                signature,
            )
    }
}

/// Money that a query assumes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Assumed {
    /// What the caller has in addition to what is really there.
    pub deposit: Balance,
    /// What goes to the contract.
    pub transfer: Balance,
}

/// One call of pRPC.
async fn request<T: Message + Default>(
    http: &reqwest::Client,
    url: &str,
    method: Method,
    body: &impl Message,
) -> Result<T, WorkerError> {
    let failed = |source: reqwest::Error| match source.is_timeout() && !source.is_connect() {
        true => WorkerError::Timeout { url: url.into() },
        false => WorkerError::Unreachable {
            url: url.into(),
            source,
        },
    };
    let bad = |what: String| WorkerError::BadAnswer {
        url: url.into(),
        what,
    };
    let mut answer = http
        .post(format!("{url}{}", method.path()))
        .header("content-type", CONTENT_TYPE)
        .body(body.encode_to_vec())
        .send()
        .await
        .map_err(failed)?;
    let status = answer.status();
    let retry_after = answer
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        if bytes.len() + chunk.len() > MAX_ANSWER_LEN {
            return Err(bad(format!(
                "its answer is longer than {MAX_ANSWER_LEN} bytes"
            )));
        }
        bytes.extend_from_slice(&chunk);
    }
    if status.is_success() {
        return T::decode(bytes.as_slice()).map_err(|error| bad(error.to_string()));
    }
    let error = PrpcError::decode(bytes.as_slice());
    if status.as_u16() == 503 {
        return Err(match error {
            Ok(error) if error.code == NO_CREDIT => WorkerError::NoCredit,
            _ => WorkerError::Overloaded { retry_after },
        });
    }
    match error {
        Ok(error) if !error.message.is_empty() => Err(WorkerError::Refused {
            status: status.as_u16(),
            code: error.code,
            message: error.message,
        }),
        _ => Err(bad(format!("status {status}"))),
    }
}

fn nonce() -> [u8; 32] {
    let mut nonce = [0; 32];
    OsRng.fill_bytes(&mut nonce);
    nonce
}
