//! The worker's answers to its clients.

use crate::{
    identity::Attester,
    logs::{Logs, Reader, prefixed},
    node::{MemberView, View},
    records,
    server::{Service, ServiceError},
    snapshot::Shelf,
    surroundings::Here,
};
use codec::{Decode, DecodeAll, Encode};
use phat_attestation::{Claims, Evidence};
use phat_cluster::{Ask, QueryError, Settings, owner, settings, weight};
use phat_crypto::{Keypair, SharedKey, certificate, contexts, envelope, rand_core::OsRng};
use phat_engine::{ExecutionFault, Overlay, State, schema};
use phat_primitives::{
    AccountId, ClusterId, ContractId, Hash, WorkerId, blake2_256,
    command::EncryptedData,
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
/// When a client should try again while all contract instances are in use.
const BUSY_RETRY: Duration = Duration::from_secs(1);

/// What the clients of one worker talk to.
pub(crate) struct WorkerService {
    pub(crate) identity: Keypair,
    pub(crate) operator: AccountId,
    pub(crate) measurement: [u8; 32],
    pub(crate) attester: Arc<dyn Attester>,
    pub(crate) genesis: Hash,
    pub(crate) views: watch::Receiver<View>,
    pub(crate) here: Here,
    pub(crate) logs: Arc<Logs>,
    pub(crate) answered: Answered,
    /// The worker's snapshots.
    pub(crate) shelf: Shelf,
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

/// A request whose sender is known and that has been decrypted.
struct Opened {
    sender: AccountId,
    shared: SharedKey,
    plain: Vec<u8>,
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
    /// Evidence of what the worker runs on, fresh as of the last block followed.
    pub(crate) fn evidence(&self) -> Evidence {
        let head = self.views.borrow().head;
        self.attester.attest(Claims {
            worker: WorkerId(self.identity.public()),
            operator: Some(self.operator),
            measurement: self.measurement,
            genesis: self.genesis,
            block: head.number,
            block_hash: head.hash,
        })
    }

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

    /// Checks who sent a request, and decrypts it.
    fn open(&self, request: ContractQueryRequest, view: &View) -> Result<Opened, ServiceError> {
        let bytes = request.encoded_encrypted_data;
        let signature = request
            .signature
            .ok_or_else(|| refused("unsigned", "the query is not signed: add a certificate"))?;
        let signature = certificate::Signature::try_from(signature)
            .map_err(|error| refused("bad-certificate", error))?;
        let signer = certificate::verify_query(&bytes, &signature, view.head.number)
            .map_err(|error| refused("bad-certificate", error))?;
        let mut input = &bytes[..];
        let data = EncryptedData::decode(&mut input)
            .ok()
            .filter(|_| input.is_empty())
            .ok_or_else(|| refused("malformed", "the query is not encrypted data"))?;
        let shared = self
            .identity
            .agree(&data.pubkey)
            .map_err(|error| refused("undecipherable", error))?;
        let plain =
            envelope::decrypt(&shared, &data).map_err(|error| refused("undecipherable", error))?;
        // With the account: who sees the bytes and sends them as their own must not use them up.
        if !self
            .answered
            .insert(blake2_256(&(signer.account, &bytes).encode()))
        {
            return Err(refused(
                "answered-before",
                "this very query has been answered before: make a new one with a new nonce",
            ));
        }
        Ok(Opened {
            sender: signer.account,
            shared,
            plain,
        })
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
        contract: &ContractId,
        answer: &[u8],
    ) -> Result<Vec<u8>, ServiceError> {
        let contract =
            schema::contract(&Overlay::new(view.state()), &contract.0).map_err(internal)?;
        let statement = AnswerStatement {
            genesis: self.genesis,
            caller: opened.sender,
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
    ) -> Result<InkQueryOk, Unanswered> {
        let failed = |error: &dyn std::fmt::Display| {
            Unanswered::Refused(InkQueryError::RuntimeError(error.to_string()))
        };
        let state = view.state();
        let contract = query.head.id;
        let found = schema::contract(&Overlay::new(state.clone()), &contract.0)
            .map_err(|error| failed(&error))?;
        if found.is_none() {
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
            Err(QueryError::Execution(ExecutionFault::Busy)) => Err(Unanswered::Busy),
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

    fn info(&self) -> PhactoryInfo {
        let view = self.view();
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
        PhactoryInfo {
            initialized: true,
            registered: view.member.is_some(),
            genesis_block_hash: Some(hex::encode(self.genesis.0)),
            public_key: Some(public.clone()),
            ecdh_public_key: Some(public.clone()),
            headernum: view.head.number.saturating_add(1),
            para_headernum: view.head.number.saturating_add(1),
            blocknum: view.next_block(),
            state_root: state_root.unwrap_or_default(),
            dev_mode: false,
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

    fn runtime_info(
        &self,
        request: GetRuntimeInfoRequest,
    ) -> Result<InitRuntimeResponse, ServiceError> {
        let view = self.view();
        if request
            .encoded_operator
            .is_some_and(|operator| operator != self.operator.encode())
        {
            return Err(refused(
                "other-operator",
                "the worker is run by another operator",
            ));
        }
        let worker = WorkerId(self.identity.public());
        let evidence = self.evidence();
        Ok(InitRuntimeResponse {
            encoded_runtime_info: Vec::new(),
            encoded_genesis_block_hash: self.genesis.encode(),
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
        let opened = self.open(request, &view)?;
        let query = InkQuery::decode_all(&mut &opened.plain[..])
            .map_err(|_| refused("malformed", "what was encrypted is not a query"))?;
        let QueryHead { id, nonce } = query.head;
        let result = match self.answer(&view, &member, &opened.sender, query).await {
            Ok(answer) => Ok(answer),
            Err(Unanswered::Refused(error)) => Err(error),
            Err(Unanswered::Busy) => {
                return Err(ServiceError::Overloaded {
                    retry_after: BUSY_RETRY,
                });
            }
        };
        let answer = InkResponse { nonce, result }.encode();
        let mut response = self.seal(&member, &opened.shared, &answer)?;
        if sign {
            let statement = self.sign(&view, &member, &opened, &id, &answer)?;
            response.encoded_encrypted_statement = Some(statement);
        }
        Ok(response)
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
        let opened = self.open(request, &view)?;
        let request = ReceiptRequest::decode_all(&mut &opened.plain[..])
            .map_err(|_| refused("malformed", "what was encrypted asks for no receipt"))?;
        let found = records::receipt(&view.snapshot, request.number).map_err(internal)?;
        let response = match found {
            Some(receipt) if receipt.sender == opened.sender => {
                ReceiptResponse::Found(Box::new(receipt))
            }
            // To somebody else's question the answer is the same as if there were none.
            _ if request.number >= view.next_message => ReceiptResponse::Pending,
            _ => ReceiptResponse::Unknown,
        };
        self.seal(&member, &opened.shared, &response.encode())
    }

    async fn receipt_proof(
        &self,
        request: ContractQueryRequest,
    ) -> Result<ContractQueryResponse, ServiceError> {
        let (view, member) = self.serving()?;
        let opened = self.open(request, &view)?;
        let request = ReceiptProofRequest::decode_all(&mut &opened.plain[..])
            .map_err(|_| refused("malformed", "what was encrypted asks for no proof"))?;
        let found = records::receipt(&view.snapshot, request.number).map_err(internal)?;
        let response = match found {
            Some(receipt) if receipt.sender == opened.sender => {
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
