//! Asking the control contract of a cluster before something is run, see [`phat_primitives::policy`].
//!
//! The cluster itself asks, in the name of its system contract. The contract answers as in an estimate:
//! it sees the state and nothing else, so that all workers get the same answer, and whatever it writes
//! is dropped. Nobody is charged, since a command must not cost more here than its sender was told.
//!
//! Not asked for are
//!
//! - what the owner of the cluster asks of the control contract, who otherwise could not repair it;
//! - queries of the system contract, by which clients of all users read balances and prices;
//! - what a contract does in turn: the one that was called first has been asked for;
//! - calls at the end of a block, which administrators have set up;
//! - withdrawals: money can always leave.

use crate::{
    Cluster,
    host::{ClusterHost, LogRecord},
    settings::Settings,
};
use codec::Encode;
use phat_engine::{
    CONTRACTS_MODULE, CallArgs, ContractError, DispatchError, ExecMode, ExecutionFault, Overlay,
};
use phat_primitives::{
    AccountId, BlockNumber,
    policy::{Action, CONTROL_SELECTOR, Control, Policy, Refused, Request},
};
use std::sync::Arc;

/// What came of asking.
#[derive(Default)]
pub(crate) struct Asked {
    /// Why it may not be done; `None` if it may.
    pub(crate) refused: Option<Refused>,
    /// What the contract has logged.
    pub(crate) logs: Vec<LogRecord>,
}

/// The contract to ask, if anybody is to be asked.
fn whom(
    policy: &Policy,
    settings: &Settings,
    caller: &AccountId,
    action: &Action,
) -> Option<Control> {
    let control = policy.control?;
    let unasked = match action {
        Action::Query { contract, .. } if *contract == settings.system_contract => true,
        Action::Query { contract, .. } | Action::Command { contract, .. } => {
            *contract == control.contract && *caller == settings.owner
        }
        Action::Upload { .. } | Action::Instantiate { .. } => false,
    };
    (!unasked).then_some(control)
}

impl Cluster {
    /// Asks whether `caller` may do this. The overlay is left as it was.
    pub(crate) async fn ask_control(
        &self,
        overlay: &mut Overlay,
        settings: &Settings,
        policy: &Policy,
        (block, now_ms): (BlockNumber, u64),
        caller: AccountId,
        action: Action,
    ) -> Result<Asked, ExecutionFault> {
        let Some(control) = whom(policy, settings, &caller, &action) else {
            return Ok(Asked::default());
        };
        let mut host = ClusterHost::for_commands(self, settings, block, now_ms);
        host.mode = ExecMode::Estimating;
        let host = Arc::new(host);
        let request = Request { caller, action };
        let args = CallArgs {
            origin: settings.system_contract.0,
            dest: control.contract.0,
            value: 0,
            gas_limit: control.gas_limit,
            storage_deposit_limit: None,
            input: (CONTROL_SELECTOR, request).encode(),
        };
        overlay.begin();
        let outcome = self.engine.call(overlay, host.clone(), args).await;
        overlay.rollback();
        let outcome = outcome?;
        let refused = match &outcome.result {
            Ok(output) if output.did_revert() => match Refused::from_answer(&output.data) {
                // A revert that claims to allow it is no answer.
                None => Some(Refused::ControlUnclear),
                refused => refused,
            },
            Ok(output) => Refused::from_answer(&output.data),
            Err(error) => Some(match contract_error(error) {
                Some(ContractError::ContractNotFound) => Refused::ControlGone,
                Some(ContractError::OutOfGas) => Refused::ControlOutOfGas,
                _ => Refused::ControlFailed(outcome.report.explain(error)),
            }),
        };
        Ok(Asked {
            refused,
            logs: host.take_logs(),
        })
    }
}

fn contract_error(error: &DispatchError) -> Option<ContractError> {
    match error {
        DispatchError::Module {
            index: CONTRACTS_MODULE,
            error,
        } => ContractError::from_index(error[0]),
        _ => None,
    }
}
