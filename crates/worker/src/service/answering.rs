//! Queries are charged to a flow, answered, and the answers signed.

use super::{WorkerService, internal, opening::Opened, refused};
use crate::{
    logs::Reader,
    metrics::Refusal,
    node::{MemberView, View},
    purse::{Charge, NotEnough},
    server::ServiceError,
    surroundings::Here,
    turns::Flow,
};
use codec::Encode;
use phat_cluster::{Ask, QueryError, Settings, owner, policy, settings};
use phat_crypto::{contexts, rand_core::OsRng};
use phat_engine::{ExecutionFault, Overlay, State, schema};
use phat_primitives::{
    AccountId, Balance, ContractId, Hash, blake2_256,
    policy::FeeModel,
    query::{AnswerStatement, InkQuery, InkQueryData, InkQueryError, InkQueryOk, SignedAnswer},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// When a client should try again for whose credit the worker has asked the chain: with the next block.
const CREDIT_RETRY: Duration = Duration::from_secs(1);
/// Part of the memory for queries from which on no further one begins, in quarters.
const FULL_QUARTERS: usize = 3;

/// Why a query has no answer.
pub(super) enum Unanswered {
    /// The client is told in the encrypted answer.
    Refused(InkQueryError),
    /// There is more to do than the worker can.
    Busy,
}

impl WorkerService {
    /// Sets aside what a query pays. Who pays must be known before the query waits for its turn, which
    /// depends on it: so the signature is checked at the worker's cost, as key agreements are.
    pub(super) async fn charge(
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
    pub(super) fn flow(&self, view: &View, contract: ContractId) -> Result<Flow, ServiceError> {
        let found = schema::contract(&Overlay::new(view.state()), &contract.0).map_err(internal)?;
        Ok(match found {
            Some(_) => Flow::Contract(contract),
            None => Flow::Worker,
        })
    }

    /// Refuses a query while those that run have nearly all the memory there is.
    pub(super) fn has_memory(&self, flow: Flow) -> Result<(), ServiceError> {
        if self.queries.memory_in_use() >= self.query_memory / 4 * FULL_QUARTERS {
            return Err(self.overloaded(Refusal::Memory, flow));
        }
        Ok(())
    }

    pub(super) fn overloaded(&self, refusal: Refusal, flow: Flow) -> ServiceError {
        self.metrics.refused(refusal);
        ServiceError::Overloaded {
            code: "overloaded",
            retry_after: self.turns.expected_wait(flow),
        }
    }

    pub(super) async fn answer(
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

    /// Signs an answer to a query of `contract`.
    pub(super) fn sign(
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
