//! The worker's answers to its clients.

mod answering;
mod opening;

pub(crate) use opening::Answered;

use crate::{
    attest::Witness,
    handover::Predecessor,
    logs::{Logs, prefixed},
    memo::{Agreements, Certificates},
    metrics::{Metrics, Page, Refusal},
    node::{MemberView, View},
    purse::{Charge, Purse},
    records,
    renewal::Standing,
    server::{Service, ServiceError},
    snapshot::Shelf,
    surroundings::{Here, now_ms},
    turns::{Flow, Turns},
};
use answering::Unanswered;
use codec::{DecodeAll, Encode};
use phat_cluster::{owner, weight};
use phat_crypto::{Keypair, SharedKey, envelope, rand_core::OsRng};
use phat_engine::{Engine, Overlay, schema};
use phat_primitives::{
    ClusterId, ContractId, Hash,
    query::{
        InkQuery, InkResponse, QueryHead, ReceiptProofRequest, ReceiptProofResponse,
        ReceiptRequest, ReceiptResponse,
    },
};
use phat_prpc::{
    Attestation, ClusterInfo, ContractInfo, ContractQueryRequest, ContractQueryResponse,
    GatekeeperRole, GatekeeperStatus, GetClusterInfoResponse, GetContractInfoRequest,
    GetContractInfoResponse, GetEndpointResponse, GetRuntimeInfoRequest, InitRuntimeResponse,
    PhactoryInfo, SystemInfo,
};
use std::{fs::File, sync::Arc, time::Duration};
use tokio::sync::watch;

/// When a client should try again while the worker has nothing to serve.
const NOT_READY_RETRY: Duration = Duration::from_secs(3);

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
