//! The worker's answers to its clients.

use crate::{
    attest::Witness,
    handover::Predecessor,
    logs::{Logs, Reader, prefixed},
    memo::{Agreements, Certificates},
    metrics::{Metrics, Page, Refusal},
    node::{MemberView, View},
    purse::{Charge, NotEnough, Purse},
    records,
    renewal::Standing,
    server::{Service, ServiceError},
    snapshot::Shelf,
    surroundings::{Here, now_ms},
    turns::{Caller, Flow, Turns, processor_time},
};
use codec::{Decode, DecodeAll, Encode};
use phat_cluster::{Ask, QueryError, Settings, owner, policy, settings, weight};
use phat_crypto::{Keypair, SharedKey, certificate, contexts, envelope, rand_core::OsRng};
use phat_engine::{Engine, ExecutionFault, Overlay, State, schema};
use phat_primitives::{
    AccountId, Balance, ClusterId, ContractId, Hash, blake2_256,
    command::EncryptedData,
    policy::FeeModel,
    query::{
        AnswerStatement, InkQuery, InkQueryData, InkQueryError, InkQueryOk, InkResponse, QueryHead,
        ReceiptProofRequest, ReceiptProofResponse, ReceiptRequest, ReceiptResponse, SignedAnswer,
    },
};
use phat_prpc::{
    Attestation, ClusterInfo, ContractInfo, ContractQueryRequest, ContractQueryResponse,
    GatekeeperRole, GatekeeperStatus, GetClusterInfoResponse, GetContractInfoRequest,
    GetContractInfoResponse, GetEndpointResponse, GetRuntimeInfoRequest, InitRuntimeResponse,
    PhactoryInfo, SystemInfo,
};
use phat_scheduler::Work;
use std::{
    collections::{HashSet, VecDeque},
    fs::File,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// Queries remembered to have been answered. A query that comes again within this window is refused;
/// beyond it a repeated query costs its sender's share of the worker and changes nothing.
const MAX_ANSWERED: usize = 65_536;
/// When a client should try again while the worker has nothing to serve.
const NOT_READY_RETRY: Duration = Duration::from_secs(3);
/// When a client should try again for whose credit the worker has asked the chain: with the next block.
const CREDIT_RETRY: Duration = Duration::from_secs(1);
/// Part of the memory for queries from which on no further one begins, in quarters.
const FULL_QUARTERS: usize = 3;

/// What the clients of one worker talk to.
pub(crate) struct WorkerService {
    pub(crate) identity: Keypair,
    pub(crate) witness: Arc<Witness>,
    /// How the worker stands with the chain.
    pub(crate) standing: watch::Receiver<Standing>,
    pub(crate) views: watch::Receiver<View>,
    pub(crate) here: Here,
    pub(crate) logs: Arc<Logs>,
    pub(crate) answered: Answered,
    /// Gives the identity to a successor.
    pub(crate) predecessor: Predecessor,
    /// The worker's snapshots.
    pub(crate) shelf: Shelf,
    pub(crate) certificates: Certificates,
    pub(crate) agreements: Agreements,
    pub(crate) turns: Arc<Turns>,
    /// What is left of the credits of callers.
    pub(crate) purse: Arc<Purse>,
    pub(crate) metrics: Arc<Metrics>,
    /// Runs the queries.
    pub(crate) queries: Engine,
    /// Bytes of memory that the contracts of all queries may have.
    pub(crate) query_memory: usize,
    /// Processors that queries share.
    pub(crate) processors: u32,
    /// Longest time for a query.
    pub(crate) query_timeout: Duration,
    /// Contracts that are told of at once.
    pub(crate) max_contract_ids: usize,
}

/// The queries answered last, by the hash of their bytes.
#[derive(Default)]
pub(crate) struct Answered(Mutex<Window>);

#[derive(Default)]
struct Window {
    known: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl Answered {
    /// Remembers a query; `false` if it was there already.
    fn insert(&self, query: [u8; 32]) -> bool {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Window { known, order } = &mut *window;
        if !known.insert(query) {
            return false;
        }
        order.push_back(query);
        if order.len() > MAX_ANSWERED
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
        true
    }
}

/// Why a query has no answer.
enum Unanswered {
    /// The client is told in the encrypted answer.
    Refused(InkQueryError),
    /// There is more to do than the worker can.
    Busy,
}

/// A request that has been decrypted. Who signed it is not known yet: that costs more to find out, and
/// is charged to the contract that is asked.
struct Opened {
    signature: certificate::Signature,
    bytes: Vec<u8>,
    client: Caller,
    shared: SharedKey,
    plain: Vec<u8>,
    /// Processor time that decrypting took, in nanoseconds.
    work: Work,
}

fn refused(code: &'static str, message: impl ToString) -> ServiceError {
    ServiceError::Refused {
        code,
        message: message.to_string(),
    }
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> ServiceError {
    ServiceError::Internal(Box::new(error))
}

impl WorkerService {
    fn view(&self) -> View {
        self.views.borrow().clone()
    }

    /// The view and the cluster in it, if the worker can serve it.
    fn serving(&self) -> Result<(View, MemberView), ServiceError> {
        let unavailable = |message: &str| ServiceError::Unavailable {
            message: message.to_owned(),
            retry_after: NOT_READY_RETRY,
        };
        let view = self.view();
        let member = view.member.clone().ok_or_else(|| match view.left {
            Some(left) => unavailable(&left.to_string()),
            None => unavailable("the worker is in no cluster; ask one that is"),
        })?;
        if !view.is_current() {
            return Err(unavailable(
                "the worker is catching up with its cluster; ask another one",
            ));
        }
        Ok((view, member))
    }

    /// Decrypts a request. Agreeing on a key with a client that the worker does not know is work of its
    /// own, for which the request waits its turn.
    async fn open(&self, request: ContractQueryRequest) -> Result<Opened, ServiceError> {
        let bytes = request.encoded_encrypted_data;
        let signature = request
            .signature
            .ok_or_else(|| refused("unsigned", "the query is not signed: add a certificate"))?;
        let signature = certificate::Signature::try_from(signature)
            .map_err(|error| refused("bad-certificate", error))?;
        let mut input = &bytes[..];
        let data = EncryptedData::decode(&mut input)
            .ok()
            .filter(|_| input.is_empty())
            .ok_or_else(|| refused("malformed", "the query is not encrypted data"))?;
        let undecipherable = |error: &dyn std::fmt::Display| refused("undecipherable", error);
        let client = data.pubkey;
        let known = self.agreements.get(&client);
        let is_known = known.is_some();
        let shared = match known {
            Some(shared) => shared,
            None => {
                let agreement = async { self.identity.agree(&client) };
                let agreed = self
                    .turns
                    .run(Flow::Worker, client, None, 0, agreement)
                    .await?;
                agreed.map_err(|error| undecipherable(&error))?
            }
        };
        let begun = processor_time();
        let plain = envelope::decrypt(&shared, &data).map_err(|error| undecipherable(&error))?;
        if !is_known {
            // Only now is it known that the client has its secret key.
            self.agreements.remember(client, shared.clone());
        }
        Ok(Opened {
            signature,
            bytes,
            client,
            shared,
            plain,
            work: processor_time().saturating_sub(begun),
        })
    }

    /// Finds out who signed a request, and that it is a new one.
    fn sender(&self, opened: &Opened, view: &View) -> Result<AccountId, ServiceError> {
        let signer = self.signer(opened, view)?;
        self.once(opened, signer)?;
        Ok(signer)
    }

    /// Finds out who signed a request.
    fn signer(&self, opened: &Opened, view: &View) -> Result<AccountId, ServiceError> {
        let Opened {
            signature, bytes, ..
        } = opened;
        let block = view.head.number;
        let signer = certificate::verify_query_knowing(bytes, signature, block, &self.certificates)
            .map_err(|error| refused("bad-certificate", error))?;
        Ok(signer.account)
    }

    /// Refuses a request that has been answered before.
    fn once(&self, opened: &Opened, signer: AccountId) -> Result<(), ServiceError> {
        // With the account: who sees the bytes and sends them as their own must not use them up.
        let request = (signer, &opened.bytes).encode();
        if !self.answered.insert(blake2_256(&request)) {
            return Err(refused(
                "answered-before",
                "this very query has been answered before: make a new one with a new nonce",
            ));
        }
        Ok(())
    }

    /// Sets aside what a query pays. Who pays must be known before the query waits for its turn, which
    /// depends on it: so the signature is checked at the worker's cost, as key agreements are.
    async fn charge(
        &self,
        view: &View,
        member: &MemberView,
        opened: &Opened,
        amount: Balance,
    ) -> Result<Charge, ServiceError> {
        let policy = policy(&*view.state()).map_err(internal)?;
        if policy.fee_model != FeeModel::PayPerWeight {
            return Err(refused(
                "not-paid-by-weight",
                "calls are weighed by stake in this cluster: ask without paying",
            ));
        }
        let signer = async { self.signer(opened, view) };
        let (client, work) = (opened.client, opened.work);
        let turn = self.turns.run(Flow::Worker, client, None, work, signer);
        let signer = turn.await??;
        let cluster = member.cluster.id();
        let charge = self.purse.reserve(cluster, signer, amount);
        let charge = charge.map_err(|NotEnough| {
            self.metrics.refused(Refusal::Credit);
            ServiceError::Overloaded {
                code: "no-credit",
                retry_after: CREDIT_RETRY,
            }
        })?;
        Ok(charge)
    }

    /// The flow that a query is charged to: [`Flow::Worker`] if the contract does not exist, because
    /// there are as many names as strangers like.
    fn flow(&self, view: &View, contract: ContractId) -> Result<Flow, ServiceError> {
        let found = schema::contract(&Overlay::new(view.state()), &contract.0).map_err(internal)?;
        Ok(match found {
            Some(_) => Flow::Contract(contract),
            None => Flow::Worker,
        })
    }

    /// Refuses a query while those that run have nearly all the memory there is.
    fn has_memory(&self, flow: Flow) -> Result<(), ServiceError> {
        if self.queries.memory_in_use() >= self.query_memory / 4 * FULL_QUARTERS {
            return Err(self.overloaded(Refusal::Memory, flow));
        }
        Ok(())
    }

    fn overloaded(&self, refusal: Refusal, flow: Flow) -> ServiceError {
        self.metrics.refused(refusal);
        ServiceError::Overloaded {
            code: "overloaded",
            retry_after: self.turns.expected_wait(flow),
        }
    }

    fn encrypt(&self, shared: &SharedKey, plain: &[u8]) -> Result<Vec<u8>, ServiceError> {
        envelope::encrypt(shared, self.identity.public(), plain, &mut OsRng)
            .map(|data| data.encode())
            .map_err(internal)
    }

    fn seal(
        &self,
        member: &MemberView,
        shared: &SharedKey,
        answer: &[u8],
    ) -> Result<ContractQueryResponse, ServiceError> {
        Ok(ContractQueryResponse {
            encoded_encrypted_data: self.encrypt(shared, answer)?,
            block: member.applied,
            state_root: member.state_root.0.to_vec(),
            encoded_encrypted_statement: None,
        })
    }

    /// Signs an answer to a query of `contract`.
    fn sign(
        &self,
        view: &View,
        member: &MemberView,
        opened: &Opened,
        sender: AccountId,
        contract: &ContractId,
        answer: &[u8],
    ) -> Result<Vec<u8>, ServiceError> {
        let contract =
            schema::contract(&Overlay::new(view.state()), &contract.0).map_err(internal)?;
        let statement = AnswerStatement {
            genesis: self.witness.genesis,
            caller: sender,
            request: Hash::from(blake2_256(&opened.plain)),
            answer: Hash::from(blake2_256(answer)),
            code_hash: contract.map(|info| Hash::from(info.code_hash)),
            block: member.applied,
            state_root: member.state_root,
        };
        let signature = self
            .identity
            .sign(contexts::ANSWER, &statement.encode(), &mut OsRng);
        let signed = SignedAnswer {
            statement,
            signature,
        };
        self.encrypt(&opened.shared, &signed.encode())
    }

    async fn answer(
        &self,
        view: &View,
        member: &MemberView,
        sender: &AccountId,
        query: InkQuery,
        flow: Flow,
        charge: Option<&mut Charge>,
    ) -> Result<InkQueryOk, Unanswered> {
        let failed = |error: &dyn std::fmt::Display| {
            Unanswered::Refused(InkQueryError::RuntimeError(error.to_string()))
        };
        let state = view.state();
        let contract = query.head.id;
        if flow == Flow::Worker {
            return Err(failed(&format_args!(
                "there is no contract {contract:?} in the cluster: check its address, or wait until it is instantiated"
            )));
        }
        let ask = match query.data {
            InkQueryData::InkMessage {
                payload,
                deposit,
                transfer,
                estimating,
            } => Ask::Call {
                contract,
                input: payload,
                deposit,
                transfer,
                estimating,
            },
            InkQueryData::InkInstantiate {
                code_hash,
                salt,
                instantiate_data,
                deposit,
                transfer,
            } => Ask::Instantiate {
                code_hash,
                input: instantiate_data,
                salt,
                deposit,
                transfer,
            },
            InkQueryData::SidevmMessage(request) => {
                let settings = read_settings(&*state).map_err(|error| failed(&error))?;
                let is_logger =
                    settings.log_handler.unwrap_or(settings.system_contract) == contract;
                if !is_logger {
                    return Err(Unanswered::Refused(InkQueryError::SidevmNotFound));
                }
                let reader = LogReader {
                    state: &*state,
                    account: *sender,
                    owns_cluster: settings.owner == *sender,
                };
                return Ok(InkQueryOk::InkMessageReturn(
                    self.logs.answer(&request, &reader),
                ));
            }
        };
        let mut charge = charge;
        if let Some(charge) = &mut charge {
            charge.begin();
        }
        let at = (member.applied, member.now_ms);
        let here = Here {
            deadline: Some(Instant::now() + self.query_timeout),
            ..self.here.clone()
        };
        match member
            .cluster
            .query(state, at, sender, ask, Arc::new(here))
            .await
        {
            Ok(bytes) => Ok(InkQueryOk::InkMessageReturn(bytes)),
            // Every contract instance is in use: the same query can succeed a moment later.
            Err(QueryError::Execution(ExecutionFault::Busy)) => {
                if let Some(charge) = charge {
                    charge.spare();
                }
                Err(Unanswered::Busy)
            }
            Err(error) => Err(failed(&error)),
        }
    }

    fn contract(&self, view: &View, id: &str) -> Result<Option<ContractInfo>, ServiceError> {
        let mut bytes = [0; 32];
        let hex = id.strip_prefix("0x").unwrap_or(id);
        hex::decode_to_slice(hex, &mut bytes).map_err(|_| {
            refused(
                "bad-contract-id",
                format!("{id:?} is not a contract id: give 32 bytes as hex"),
            )
        })?;
        let state = view.state();
        let Some(info) =
            schema::contract(&Overlay::new(state.clone()), &bytes).map_err(internal)?
        else {
            return Ok(None);
        };
        let id = ContractId::from(bytes);
        let weight = weight(&*state, &id).map_err(internal)?;
        // Anybody can ask this.
        let private = owner(&*state, &id)
            .map_err(internal)?
            .is_some_and(|owner| owner.private);
        let code_hash = match private {
            true => String::new(),
            false => prefixed(&info.code_hash),
        };
        Ok(Some(ContractInfo {
            id: prefixed(&bytes),
            code_hash,
            weight: u32::try_from(weight).unwrap_or(u32::MAX),
            sidevm: None,
        }))
    }
}

/// Somebody who asks for the log.
struct LogReader<'a> {
    state: &'a dyn State,
    account: AccountId,
    owns_cluster: bool,
}

impl Reader for LogReader<'_> {
    fn sees_all(&self) -> bool {
        self.owns_cluster
    }

    fn may_read(&self, contract: &ContractId) -> bool {
        match owner(self.state, contract) {
            Ok(Some(owner)) => owner.account == self.account || self.owns_cluster && !owner.private,
            Ok(None) => self.owns_cluster,
            Err(error) => {
                tracing::error!(%error, "whose contract it is cannot be read");
                false
            }
        }
    }
}

fn read_settings(state: &dyn State) -> Result<Settings, QueryError> {
    settings(state)?.ok_or(QueryError::NotReady)
}

impl Service for WorkerService {
    fn health(&self) -> Result<(), String> {
        self.serving()
            .map(|_| ())
            .map_err(|error| error.to_string())
    }

    fn metrics(&self, page: &mut Page) {
        let (flows, forgotten) = self.turns.status();
        self.metrics.write(page, &flows, forgotten);
        let memory = self.queries.memory_in_use();
        let help = "Memory of the contracts of all running queries.";
        page.single("phat_query_memory_bytes", "gauge", help, memory);
        let view = self.view();
        let help = "Last block followed.";
        page.single("phat_block_followed", "gauge", help, view.head.number);
        let help = "Last block that the state of the cluster contains.";
        let applied = view.member.as_ref().map_or(0, |member| member.applied);
        page.single("phat_block_applied", "gauge", help, applied);
        let help = "Age of the last block that was followed.";
        let age = Duration::from_millis(now_ms().saturating_sub(view.now_ms));
        page.single("phat_block_age_seconds", "gauge", help, age.as_secs_f64());
        let help = "Whether the worker serves queries.";
        let serving = u8::from(self.health().is_ok());
        page.single("phat_serving", "gauge", help, serving);
    }

    fn info(&self) -> PhactoryInfo {
        let view = self.view();
        let standing = self.standing.borrow().clone();
        let public = hex::encode(self.identity.public());
        let state_root = view
            .member
            .as_ref()
            .map(|member| prefixed(&member.state_root.0));
        let contracts = view
            .member
            .as_ref()
            .map_or(0, |member| member.contracts.len() as u64);
        let gatekeeper = GatekeeperStatus {
            role: match view.master {
                Some((_, true)) => GatekeeperRole::Active,
                _ => GatekeeperRole::None,
            }
            .into(),
            master_public_key: view
                .master
                .map(|(public, _)| hex::encode(public))
                .unwrap_or_default(),
        };
        let performance = self.witness.engines.known_performance();
        PhactoryInfo {
            initialized: true,
            registered: view.member.is_some(),
            genesis_block_hash: Some(hex::encode(self.witness.genesis.0)),
            public_key: Some(public.clone()),
            ecdh_public_key: Some(public.clone()),
            headernum: view.head.number.saturating_add(1),
            para_headernum: view.head.number.saturating_add(1),
            blocknum: view.next_block(),
            state_root: state_root.unwrap_or_default(),
            dev_mode: false,
            score: performance.map_or(0, |known| known.score),
            query_processors: self.processors,
            typical_calls: performance.map_or(Vec::new(), |known| known.calls.clone()),
            evidence_expires_ms: standing.expires_ms.unwrap_or_default(),
            evidence_warning: standing.warning.unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            current_block_time: view.now_ms,
            max_supported_pink_runtime_version: "1.2".to_owned(),
            gatekeeper: Some(gatekeeper.clone()),
            system: Some(SystemInfo {
                gatekeeper: Some(gatekeeper),
                registered: view.member.is_some(),
                public_key: public.clone(),
                ecdh_public_key: public,
                number_of_clusters: u64::from(view.member.is_some()),
                number_of_contracts: contracts,
                ..SystemInfo::default()
            }),
            ..PhactoryInfo::default()
        }
    }

    async fn runtime_info(
        &self,
        request: GetRuntimeInfoRequest,
    ) -> Result<InitRuntimeResponse, ServiceError> {
        let view = self.view();
        if request
            .encoded_operator
            .is_some_and(|operator| operator != self.witness.operator.encode())
        {
            return Err(refused(
                "other-operator",
                "the worker is run by another operator",
            ));
        }
        let worker = self.witness.worker;
        let evidence = self.witness.recent_evidence().await.map_err(internal)?;
        Ok(InitRuntimeResponse {
            encoded_runtime_info: Vec::new(),
            encoded_genesis_block_hash: self.witness.genesis.encode(),
            encoded_public_key: worker.encode(),
            encoded_ecdh_public_key: worker.encode(),
            attestation: Some(Attestation {
                version: 1,
                provider: "phat".to_owned(),
                payload: None,
                encoded_report: evidence.encode(),
                timestamp: view.now_ms / 1000,
            }),
        })
    }

    fn endpoint_info(&self) -> Result<GetEndpointResponse, ServiceError> {
        // Endpoints are announced on the chain by the operator; the worker itself signs none.
        Ok(GetEndpointResponse::default())
    }

    fn contract_info(
        &self,
        request: GetContractInfoRequest,
    ) -> Result<GetContractInfoResponse, ServiceError> {
        let (view, member) = self.serving()?;
        let ids = if request.contracts.is_empty() {
            let first = member.contracts.iter().take(self.max_contract_ids);
            first.map(|id| prefixed(&id.0)).collect()
        } else {
            request.contracts
        };
        let contracts = ids
            .iter()
            .filter_map(|id| self.contract(&view, id).transpose())
            .collect::<Result<_, _>>()?;
        Ok(GetContractInfoResponse { contracts })
    }

    fn cluster_info(&self) -> Result<GetClusterInfoResponse, ServiceError> {
        let view = self.view();
        let Some(member) = &view.member else {
            return Ok(GetClusterInfoResponse { info: None });
        };
        Ok(GetClusterInfoResponse {
            info: Some(ClusterInfo {
                id: prefixed(&member.cluster.id().0),
                runtime_version: "1.2".to_owned(),
                state_root: prefixed(&member.state_root.0),
                contracts: member.contracts.iter().map(|id| prefixed(&id.0)).collect(),
            }),
        })
    }

    async fn contract_query(
        &self,
        request: ContractQueryRequest,
    ) -> Result<ContractQueryResponse, ServiceError> {
        let (view, member) = self.serving()?;
        let sign = request.sign;
        let opened = self.open(request).await?;
        let (query, amount) = InkQuery::decode_paying(&opened.plain)
            .map_err(|_| refused("malformed", "what was encrypted is not a query"))?;
        let QueryHead { id, nonce } = query.head;
        let mut flow = self.flow(&view, id)?;
        self.has_memory(flow)?;
        // Nobody pays for a contract that is not there.
        let mut charge = match amount > 0 && flow != Flow::Worker {
            true => Some(self.charge(&view, &member, &opened, amount).await?),
            false => None,
        };
        if let Some(charge) = &charge {
            flow = Flow::Paid(charge.account(), id);
        }
        let paid = charge.as_ref().map(Charge::amount);
        // What was done until the signature was known to be good is charged to the worker.
        let done = if paid.is_some() { 0 } else { opened.work };
        let client = opened.client;
        let answer = async {
            let sender = match &charge {
                Some(charge) => {
                    self.once(&opened, charge.account())?;
                    charge.account()
                }
                None => self.sender(&opened, &view)?,
            };
            let answering = self.answer(&view, &member, &sender, query, flow, charge.as_mut());
            let result = match answering.await {
                Ok(answer) => Ok(answer),
                Err(Unanswered::Refused(error)) => Err(error),
                Err(Unanswered::Busy) => return Err(self.overloaded(Refusal::Instances, flow)),
            };
            let answer = InkResponse { nonce, result }.encode();
            let mut response = self.seal(&member, &opened.shared, &answer)?;
            if sign {
                let statement = self.sign(&view, &member, &opened, sender, &id, &answer)?;
                response.encoded_encrypted_statement = Some(statement);
            }
            Ok(response)
        };
        self.turns.run(flow, client, paid, done, answer).await?
    }

    async fn handover(&self, request: &[u8]) -> Result<Vec<u8>, ServiceError> {
        self.predecessor.answer(request).await
    }

    fn latest_snapshot(&self, cluster: &ClusterId) -> Option<String> {
        self.shelf.latest(cluster).map(|latest| latest.to_string())
    }

    fn open_snapshot(&self, cluster: &ClusterId, root: &Hash) -> Option<File> {
        self.shelf.open(cluster, root).ok()
    }

    async fn receipt(
        &self,
        request: ContractQueryRequest,
    ) -> Result<ContractQueryResponse, ServiceError> {
        let (view, member) = self.serving()?;
        let opened = self.open(request).await?;
        let request = ReceiptRequest::decode_all(&mut &opened.plain[..])
            .map_err(|_| refused("malformed", "what was encrypted asks for no receipt"))?;
        let answer = async {
            let sender = self.sender(&opened, &view)?;
            let found = records::receipt(&view.snapshot, request.number).map_err(internal)?;
            let response = match found {
                Some(receipt) if receipt.sender == sender => {
                    ReceiptResponse::Found(Box::new(receipt))
                }
                // To somebody else's question the answer is the same as if there were none.
                _ if request.number >= view.next_message => ReceiptResponse::Pending,
                _ => ReceiptResponse::Unknown,
            };
            self.seal(&member, &opened.shared, &response.encode())
        };
        self.turns
            .run(Flow::Worker, opened.client, None, opened.work, answer)
            .await?
    }

    async fn receipt_proof(
        &self,
        request: ContractQueryRequest,
    ) -> Result<ContractQueryResponse, ServiceError> {
        let (view, member) = self.serving()?;
        let opened = self.open(request).await?;
        let request = ReceiptProofRequest::decode_all(&mut &opened.plain[..])
            .map_err(|_| refused("malformed", "what was encrypted asks for no proof"))?;
        let answer = async {
            let sender = self.sender(&opened, &view)?;
            let found = records::receipt(&view.snapshot, request.number).map_err(internal)?;
            let response = match found {
                Some(receipt) if receipt.sender == sender => {
                    if request.agreed > member.applied {
                        ReceiptProofResponse::Pending
                    } else {
                        // An old receipt's proof takes as many reads as there were blocks since then.
                        let snapshot = view.snapshot.clone();
                        let proving =
                            move || records::receipt_proof(&snapshot, receipt, request.agreed);
                        tokio::task::spawn_blocking(proving)
                            .await
                            .map_err(internal)?
                            .map_err(internal)?
                            .map_or(ReceiptProofResponse::TooFar, |proof| {
                                ReceiptProofResponse::Found(Box::new(proof))
                            })
                    }
                }
                _ if request.number >= view.next_message => ReceiptProofResponse::Pending,
                _ => ReceiptProofResponse::Unknown,
            };
            self.seal(&member, &opened.shared, &response.encode())
        };
        self.turns
            .run(Flow::Worker, opened.client, None, opened.work, answer)
            .await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answered_query_is_known_until_many_others_came() {
        let answered = Answered::default();
        let name = |number: usize| blake2_256(&number.to_le_bytes());
        assert!(answered.insert(name(0)));
        assert!(!answered.insert(name(0)));
        for number in 1..MAX_ANSWERED {
            assert!(answered.insert(name(number)));
        }
        assert!(!answered.insert(name(0)));
        assert!(answered.insert(name(MAX_ANSWERED)));
        assert!(answered.insert(name(0)), "the oldest one was forgotten");
        assert!(!answered.insert(name(2)));
    }
}
