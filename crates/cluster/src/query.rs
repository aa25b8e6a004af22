//! Answering queries.

use crate::{
    Cluster,
    coarse::coarsen,
    host::{ClusterHost, LogRecord, Surroundings},
    limits::MAX_QUERY_GAS,
    settings::{SettingsError, policy, settings},
};
use codec::{Compact, Encode};
use phat_engine::{
    CallArgs, DispatchError, ExecMode, ExecutionFault, InstantiateArgs, Overlay, State, StateError,
    StorageDeposit, ledger,
};
use phat_primitives::{
    AccountId, Balance, BlockNumber, CodeHash, ContractId, ids,
    policy::{Action, REFUSED_MODULE, Refused},
};
use std::sync::{Arc, Mutex};

/// A query that runs a contract.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ask {
    /// Calls a message.
    Call {
        /// The contract.
        contract: ContractId,
        /// Selector and arguments.
        input: Vec<u8>,
        /// Money that the caller is taken to have in addition.
        deposit: Balance,
        /// Money that goes to the contract.
        transfer: Balance,
        /// As in a transaction, to find out what it would cost.
        estimating: bool,
    },
    /// Tries an instantiation, to find out what it would cost.
    Instantiate {
        /// The code.
        code_hash: CodeHash,
        /// Selector and arguments of the constructor.
        input: Vec<u8>,
        /// Salt of the contract's id.
        salt: Vec<u8>,
        /// Money that the caller is taken to have in addition.
        deposit: Balance,
        /// Money that goes to the contract.
        transfer: Balance,
    },
}

impl Ask {
    /// What a control contract is told of it.
    fn action(&self, cluster: &Cluster, origin: &AccountId) -> Action {
        match self {
            Self::Call {
                contract,
                input,
                estimating,
                ..
            } => {
                let (contract, selector) = (*contract, input.first_chunk().copied());
                // Whoever wants to know what a command would cost learns whether it is allowed.
                if *estimating {
                    Action::Command { contract, selector }
                } else {
                    Action::Query { contract, selector }
                }
            }
            Self::Instantiate {
                code_hash, salt, ..
            } => Action::Instantiate {
                contract: ids::contract_id(origin, code_hash, &cluster.id, salt),
                code_hash: *code_hash,
            },
        }
    }
}

/// The answer to a query that is refused: a `ContractExecResult` or `ContractInstantiateResult`, which
/// are the same in this case.
fn refusal(refused: &Refused) -> Vec<u8> {
    let none = (Compact(0u64), Compact(0u64));
    let reason = format!("refused by the cluster's policy: {refused}");
    let result = Err::<(), _>(DispatchError::Module {
        index: REFUSED_MODULE,
        error: refused.code(),
    });
    (
        none,
        none,
        StorageDeposit::default(),
        reason.into_bytes(),
        result,
    )
        .encode()
}

/// Why a query has no answer at all. What goes wrong inside a contract is an answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The machine failed, not the contract.
    #[error(transparent)]
    Execution(#[from] ExecutionFault),
    /// The settings cannot be read.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The cluster has no state yet.
    #[error("the cluster has no state yet: try again in a few seconds")]
    NotReady,
}

impl Cluster {
    /// Answers a query by `origin` on `state`, as it is after block `block` of the time `now_ms`.
    /// The answer is a SCALE-encoded `ContractExecResult` or `ContractInstantiateResult`, in which
    /// costs are rounded up. What the cluster's policy refuses has an error of the module
    /// [`REFUSED_MODULE`] there, and the reason in words where a contract's debug message stands.
    pub async fn query(
        &self,
        state: Arc<dyn State>,
        (block, now_ms): (BlockNumber, u64),
        origin: &AccountId,
        ask: Ask,
        surroundings: Arc<dyn Surroundings>,
    ) -> Result<Vec<u8>, QueryError> {
        let settings = settings(&*state)?.ok_or(QueryError::NotReady)?;
        let policy = policy(&*state)?;
        let mut overlay = Overlay::new(state);
        if policy.control.is_some() {
            let action = ask.action(self, origin);
            let asked = self
                .ask_control(
                    &mut overlay,
                    &settings,
                    &policy,
                    (block, now_ms),
                    *origin,
                    action,
                )
                .await?;
            // Who tries an instantiation may want to do it in private.
            if !matches!(action, Action::Instantiate { .. }) {
                for record in asked.logs {
                    surroundings.log(LogRecord {
                        in_transaction: false,
                        ..record
                    });
                }
            }
            if let Some(refused) = asked.refused {
                return Ok(refusal(&refused));
            }
        }
        let mode = match &ask {
            Ask::Call {
                estimating: false, ..
            } => ExecMode::Query,
            Ask::Call { .. } | Ask::Instantiate { .. } => ExecMode::Estimating,
        };
        let prices = settings.prices;
        let host = Arc::new(ClusterHost {
            id: self.id,
            root: self.root.clone(),
            settings,
            mode,
            block,
            now_ms,
            surroundings: Some(surroundings),
            free: false,
            logs: Mutex::default(),
        });
        match ask {
            Ask::Call {
                contract,
                input,
                deposit,
                transfer,
                ..
            } => {
                ledger::mint(&mut overlay, &origin.0, deposit)?;
                let args = CallArgs {
                    origin: origin.0,
                    dest: contract.0,
                    value: transfer,
                    gas_limit: MAX_QUERY_GAS,
                    storage_deposit_limit: None,
                    input,
                };
                let mut outcome = self.engine.call(&mut overlay, host, args).await?;
                coarsen(&mut outcome.report, &prices);
                Ok(outcome.encode_exec_result())
            }
            Ask::Instantiate {
                code_hash,
                input,
                salt,
                deposit,
                transfer,
            } => {
                ledger::mint(&mut overlay, &origin.0, deposit)?;
                let args = InstantiateArgs {
                    origin: origin.0,
                    code_hash: code_hash.0,
                    value: transfer,
                    gas_limit: MAX_QUERY_GAS,
                    storage_deposit_limit: None,
                    input,
                    salt,
                };
                let mut outcome = self.engine.instantiate(&mut overlay, host, args).await?;
                coarsen(&mut outcome.report, &prices);
                Ok(outcome.encode_instantiate_result())
            }
        }
    }
}
