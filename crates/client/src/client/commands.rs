//! Commands: what they may cost is found out first, then they are sent and waited for.

use super::{Applied, Client, ClientError, FailReason, Options, error::would_fail};
use crate::{
    bundle::{Function, Interface},
    chain::{Call, ChainError, Submitted},
    exec::{ExecResult, Returned},
    transcode::Output,
    worker::Assumed,
};
use codec::Encode;
use phat_crypto::{
    Keypair, envelope,
    rand_core::{OsRng, RngCore},
};
use phat_primitives::{
    Balance, ContractId, MessageNumber,
    command::{CommandPayload, InkCommand},
    receipt::{Failure, Receipt, Success},
};

/// Money that estimates assume the account to have: more than there is (as `@phala/sdk` does), so
/// that a lack of money does not hide what else is wrong.
pub(super) const ASSUMED_DEPOSIT: Balance = 1_000_000_000_000_000_000_000;
/// What the account and a contract it makes have to keep in the cluster to exist: one unit each.
const MINIMUM_BALANCES: Balance = 2;

impl Client {
    /// Sends a command to a contract and waits until the workers have applied it.
    pub async fn call(
        &self,
        contract: ContractId,
        interface: &Interface,
        message: &str,
        args: &[impl AsRef<str>],
        options: &Options,
    ) -> Result<Applied, ClientError> {
        let function = interface.message(message)?;
        let call = interface.encode_call(function, args)?;
        payable(function, options)?;
        let key = match self.chain.contract_key(contract).await? {
            Some(key) => key,
            None if self.chain.contract(contract).await?.is_some() => {
                return Err(ClientError::NotInstantiated(contract));
            }
            None => return Err(ClientError::NoContract(contract)),
        };
        let assumed = Assumed {
            deposit: ASSUMED_DEPOSIT,
            transfer: options.transfer,
        };
        let estimate = self
            .worker
            .estimate(&self.caller, contract, call.clone(), assumed)
            .await?;
        succeeds(interface, function, &estimate, |returned| returned)?;
        let cost = self.cost(&estimate, options).await?;
        let command = InkCommand::InkMessage {
            nonce: random(32),
            message: call,
            transfer: options.transfer,
            gas_limit: cost.gas_limit,
            storage_deposit_limit: options.storage_deposit_limit,
        };
        let payload = match options.plain {
            true => CommandPayload::Plain(command),
            false => encrypted(&key, &command)?,
        };
        let push = Call::Push {
            contract,
            payload: payload.encode(),
            deposit: cost.deposit,
        };
        let submitted = self.chain.submit(&self.account, push).await?;
        self.applied(submitted, interface, function).await
    }

    /// Moves money out of the cluster to the account on the chain, and waits until it has left. It
    /// arrives when most of the workers have reported it.
    pub async fn transfer_from_cluster(&self, amount: Balance) -> Result<Receipt, ClientError> {
        let call = Call::TransferFromCluster {
            cluster: self.cluster.id,
            amount,
        };
        let submitted = self.chain.submit(&self.account, call).await?;
        self.wait_for_receipt(message_of(&submitted, "transfer_from_cluster")?)
            .await
    }

    /// Gas to offer and money to put into the cluster.
    pub(super) async fn cost<T>(
        &self,
        estimate: &ExecResult<T>,
        options: &Options,
    ) -> Result<Cost, ClientError> {
        // What it does may depend on what happens until it is applied: a quarter more. What is not
        // used is returned.
        let required = estimate.gas_required.ref_time;
        let gas_limit = options
            .gas_limit
            .unwrap_or(required.saturating_add(required / 4));
        if let Some(deposit) = options.deposit {
            return Ok(Cost { gas_limit, deposit });
        }
        let fee = Balance::from(gas_limit).saturating_mul(self.cluster.gas_price);
        let needed = fee
            .saturating_add(estimate.storage_deposit.charge())
            .saturating_add(options.transfer);
        let deposit = self.missing(needed).await?;
        Ok(Cost { gas_limit, deposit })
    }

    /// What has to go into the cluster so that the account can spend this much there.
    pub(super) async fn missing(&self, needed: Balance) -> Result<Balance, ClientError> {
        let account = self.account.id();
        let here = self.cluster_balance(&account).await?.free;
        let needed = needed.saturating_add(MINIMUM_BALANCES).saturating_sub(here);
        if needed == 0 {
            return Ok(0);
        }
        let available = self.chain.balance(&account).await?.free;
        if available < needed {
            return Err(ClientError::Poor { needed, available });
        }
        Ok(needed)
    }

    pub(super) async fn applied(
        &self,
        submitted: Submitted,
        interface: &Interface,
        function: &Function,
    ) -> Result<Applied, ClientError> {
        let receipt = self
            .wait_for_receipt(message_of(&submitted, &function.label)?)
            .await?;
        Ok(Applied {
            output: output(interface, function, &receipt),
            receipt,
        })
    }
}

/// What a command is offered.
pub(super) struct Cost {
    pub(super) gas_limit: u64,
    pub(super) deposit: Balance,
}

/// Reads what a receipt says that the function returned.
pub fn output(interface: &Interface, function: &Function, receipt: &Receipt) -> Option<Output> {
    let bytes = match &receipt.outcome {
        Ok(Success::Called(bytes) | Success::Instantiated(_, bytes)) => bytes,
        Err(Failure::Reverted(bytes)) => bytes,
        _ => return None,
    };
    interface.decode_output(function, bytes).ok()
}

pub(super) fn payable(function: &Function, options: &Options) -> Result<(), ClientError> {
    match options.transfer {
        0 => Ok(()),
        _ if function.payable => Ok(()),
        _ => Err(ClientError::NotPayable(function.label.clone())),
    }
}

/// An error if the estimate says that the function fails.
pub(super) fn succeeds<T>(
    interface: &Interface,
    function: &Function,
    estimate: &ExecResult<T>,
    returned: impl Fn(&T) -> &Returned,
) -> Result<(), ClientError> {
    let reason = match &estimate.result {
        Err(error) => (*error).into(),
        Ok(result) if returned(result).reverted() => {
            let data = &returned(result).data;
            match interface.decode_output(function, data) {
                Ok(output) => FailReason::Returned(output.readable().clone()),
                Err(_) => FailReason::Reverted(data.clone()),
            }
        }
        Ok(_) => return Ok(()),
    };
    Err(would_fail(function, reason, &estimate.debug_message))
}

pub(super) fn message_of(submitted: &Submitted, call: &str) -> Result<MessageNumber, ClientError> {
    submitted.message.ok_or_else(|| {
        ChainError::NoEvent {
            call: call.to_string(),
            event: "MessageQueued",
        }
        .into()
    })
}

/// The command so that only the contract's cluster can read it.
fn encrypted(contract_key: &[u8; 32], command: &InkCommand) -> Result<CommandPayload, ClientError> {
    let one_time = Keypair::generate(&mut OsRng);
    let shared = one_time
        .agree(contract_key)
        .map_err(envelope::EnvelopeError::from)?;
    let data = envelope::encrypt(&shared, one_time.public(), &command.encode(), &mut OsRng)?;
    Ok(CommandPayload::Encrypted(data))
}

pub(super) fn random(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    OsRng.fill_bytes(&mut bytes);
    bytes
}
