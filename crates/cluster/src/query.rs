//! Answering queries.

use crate::{
    Cluster,
    coarse::coarsen,
    host::{ClusterHost, Surroundings},
    limits::MAX_QUERY_GAS,
    settings::{SettingsError, settings},
};
use phat_engine::{
    CallArgs, ExecMode, ExecutionFault, InstantiateArgs, Overlay, State, StateError, ledger,
};
use phat_primitives::{AccountId, Balance, BlockNumber, CodeHash, ContractId};
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
    /// costs are rounded up.
    pub async fn query(
        &self,
        state: Arc<dyn State>,
        (block, now_ms): (BlockNumber, u64),
        origin: &AccountId,
        ask: Ask,
        surroundings: Arc<dyn Surroundings>,
    ) -> Result<Vec<u8>, QueryError> {
        let settings = settings(&*state)?.ok_or(QueryError::NotReady)?;
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
        let mut overlay = Overlay::new(state);
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
