//! What a command does to the state, and its receipt.

use crate::{
    Cluster,
    host::{ClusterHost, LogEntry},
    limits::{EXISTENTIAL_DEPOSIT, MAX_COMMAND_GAS},
    settings::Hook,
};
use codec::Decode;
use phat_crypto::{
    contexts::{self, Context},
    envelope,
};
use phat_engine::{
    CallArgs, Determinism, ExecReturn, ExecutionFault, Host, InstantiateArgs, Overlay, Report,
    StateError, StorageDeposit, UploadError, ledger, pink::PinkEvent, schema,
};
use phat_primitives::{
    AccountId, Balance, ContractId, Hash, blake2_256,
    command::{CommandPayload, EncryptedData, InkCommand},
    ids,
    message::{Instantiate, ResourceKind},
    policy::{Action, Policy},
    private::{PrivateInstantiate, PrivateUpload, SealedData, unpadded},
    receipt::{ContractEvent, Failure, Success},
};
use std::sync::Arc;

/// What a command has led to; the receipt without what is the same for all commands.
pub(crate) struct Ended {
    pub(crate) outcome: Result<Success, Failure>,
    pub(crate) gas_used: u64,
    pub(crate) gas_refunded: u64,
    pub(crate) fee: Balance,
    pub(crate) storage_deposit: i128,
    pub(crate) events: Vec<ContractEvent>,
    /// What contracts have asked of the cluster. Empty if the command failed.
    pub(crate) requests: Vec<(ContractId, PinkEvent)>,
}

impl Ended {
    /// Ended before anything was run or charged.
    fn before_start(failure: Failure) -> Self {
        Self {
            outcome: Err(failure),
            gas_used: 0,
            gas_refunded: 0,
            fee: 0,
            storage_deposit: 0,
            events: Vec::new(),
            requests: Vec::new(),
        }
    }

    fn after_run(report: Report, paid: Paid, outcome: Result<Success, Failure>) -> Self {
        let mut ended = Self::before_start(Failure::Reverted(Vec::new()));
        ended.gas_used = report.gas_consumed;
        ended.gas_refunded = paid.gas_refunded;
        ended.fee = paid.fee;
        if outcome.is_ok() {
            ended.storage_deposit = match report.storage_deposit {
                StorageDeposit::Charge(amount) => i128::try_from(amount).unwrap_or(i128::MAX),
                StorageDeposit::Refund(amount) => {
                    i128::try_from(amount).map_or(i128::MIN, |amount| -amount)
                }
            };
            ended.events = report
                .events
                .into_iter()
                .map(|event| ContractEvent {
                    contract: Hash::from(event.contract),
                    topics: event.topics.into_iter().map(Hash::from).collect(),
                    data: event.data,
                })
                .collect();
            ended.requests = report
                .pink_events
                .into_iter()
                .map(|(contract, event)| (Hash::from(contract), event))
                .collect();
        }
        ended.outcome = outcome;
        ended
    }
}

/// What came of the gas that was paid up front.
struct Paid {
    fee: Balance,
    gas_refunded: u64,
}

/// Runs the commands of one block.
pub(crate) struct Runner<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) host: &'a Arc<ClusterHost>,
    pub(crate) policy: &'a Policy,
    /// Nobody but the sender is to learn what is run.
    pub(crate) private: bool,
}

impl Runner<'_> {
    /// What one unit of gas costs this account.
    fn gas_price(&self, account: &AccountId) -> Balance {
        if self.policy.free.contains(account) {
            0
        } else {
            self.host.settings.prices.gas_price
        }
    }

    /// Asks the control contract. Returns how the command ended if it may not be done.
    async fn ask(
        &self,
        overlay: &mut Overlay,
        caller: &AccountId,
        action: Action,
    ) -> Result<Option<Ended>, ExecutionFault> {
        let at = (self.host.block, self.host.now_ms);
        let settings = &self.host.settings;
        let asked = self
            .cluster
            .ask_control(overlay, settings, self.policy, at, *caller, action)
            .await?;
        if !self.private {
            self.host.keep_logs(asked.logs);
        }
        let refused = asked.refused.map(Failure::Refused);
        Ok(refused.map(Ended::before_start))
    }

    /// Adds code.
    pub(crate) async fn upload(
        &self,
        overlay: &mut Overlay,
        owner: &AccountId,
        kind: ResourceKind,
        code: &[u8],
    ) -> Result<Ended, ExecutionFault> {
        let determinism = match kind {
            ResourceKind::InkCode => Determinism::Enforced,
            ResourceKind::IndeterministicInkCode => Determinism::Relaxed,
            ResourceKind::SidevmCode => {
                let reason = "SideVM programs do not run here".into();
                return Ok(Ended::before_start(Failure::CodeRejected(reason)));
            }
        };
        if self.policy.control.is_some() {
            let code_hash = Hash::from(blake2_256(code));
            let refused = self.ask(overlay, owner, Action::Upload { code_hash });
            if let Some(refused) = refused.await? {
                return Ok(refused);
            }
        }
        let engine = &self.cluster.engine;
        let prices = self.host.prices();
        match engine.upload(overlay, &prices, owner.0, code, determinism, None) {
            Ok(uploaded) => {
                let mut ended = Ended::before_start(Failure::Reverted(Vec::new()));
                ended.storage_deposit = i128::try_from(uploaded.deposit).unwrap_or(i128::MAX);
                ended.outcome = Ok(Success::Uploaded(Hash::from(uploaded.code_hash)));
                Ok(ended)
            }
            Err(UploadError::State(error)) => Err(error.into()),
            Err(refused) => {
                // The parser's messages have several lines.
                let reason = refused
                    .to_string()
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ");
                Ok(Ended::before_start(Failure::CodeRejected(reason)))
            }
        }
    }

    /// Adds code that only the workers can read.
    pub(crate) async fn upload_private(
        &self,
        overlay: &mut Overlay,
        owner: &AccountId,
        sealed: &SealedData,
    ) -> Result<Ended, ExecutionFault> {
        match self.unseal::<PrivateUpload>(sealed, contexts::PRIVATE_UPLOAD, owner) {
            Ok(PrivateUpload { kind, code }) => self.upload(overlay, owner, kind, &code).await,
            Err(reason) => Ok(Ended::before_start(Failure::Unreadable(reason))),
        }
    }

    /// Makes a contract that only the workers know what it is made from.
    pub(crate) async fn instantiate_private(
        &self,
        overlay: &mut Overlay,
        deployer: AccountId,
        sealed: &SealedData,
    ) -> Result<Ended, ExecutionFault> {
        let purpose = contexts::PRIVATE_INSTANTIATE;
        match self.unseal::<PrivateInstantiate>(sealed, purpose, &deployer) {
            Ok(private) => {
                let request = Instantiate {
                    deployer,
                    code_hash: private.code_hash,
                    data: private.data,
                    salt: private.salt,
                    transfer: private.transfer,
                    gas_limit: private.gas_limit,
                    storage_deposit_limit: private.storage_deposit_limit,
                };
                self.instantiate(overlay, request).await
            }
            Err(reason) => Ok(Ended::before_start(Failure::Unreadable(reason))),
        }
    }

    fn unseal<T: Decode>(
        &self,
        sealed: &SealedData,
        purpose: Context,
        sender: &AccountId,
    ) -> Result<T, String> {
        let plain = self.cluster.open_private(sealed, purpose, sender)?;
        unpadded(&plain).ok_or_else(|| "what was encrypted is not what the call takes".to_owned())
    }

    /// Makes a contract.
    pub(crate) async fn instantiate(
        &self,
        overlay: &mut Overlay,
        request: Instantiate,
    ) -> Result<Ended, ExecutionFault> {
        let gas_limit = request.gas_limit.min(MAX_COMMAND_GAS);
        let Instantiate {
            deployer,
            code_hash,
            salt,
            ..
        } = &request;
        let action = Action::Instantiate {
            contract: ids::contract_id(deployer, code_hash, &self.cluster.id, salt),
            code_hash: *code_hash,
        };
        if let Some(ended) = self.admit(overlay, deployer, gas_limit, action).await? {
            return Ok(ended);
        }
        let args = InstantiateArgs {
            origin: request.deployer.0,
            code_hash: request.code_hash.0,
            value: request.transfer,
            gas_limit,
            storage_deposit_limit: request.storage_deposit_limit,
            input: request.data,
            salt: request.salt,
        };
        let outcome = self
            .cluster
            .engine
            .instantiate(overlay, self.host.clone(), args)
            .await?;
        let paid = self.settle(
            overlay,
            &request.deployer,
            gas_limit,
            outcome.report.gas_consumed,
        )?;
        let result = match outcome.result {
            Ok((output, contract)) => {
                succeeded(output).map(|data| Success::Instantiated(Hash::from(contract), data))
            }
            Err(error) => Err(Failure::Failed(outcome.report.explain(&error))),
        };
        Ok(Ended::after_run(outcome.report, paid, result))
    }

    /// Calls a contract.
    pub(crate) async fn call(
        &self,
        overlay: &mut Overlay,
        sender: &AccountId,
        contract: &ContractId,
        payload: &[u8],
    ) -> Result<Ended, ExecutionFault> {
        let command = match self.open(contract, payload) {
            Ok(command) => command,
            Err(reason) => return Ok(Ended::before_start(Failure::Unreadable(reason))),
        };
        let InkCommand::InkMessage {
            nonce,
            message,
            transfer,
            gas_limit,
            storage_deposit_limit,
        } = command;
        let gas_limit = gas_limit.min(MAX_COMMAND_GAS);
        let action = Action::Command {
            contract: *contract,
            selector: message.first_chunk().copied(),
        };
        if let Some(ended) = self.admit(overlay, sender, gas_limit, action).await? {
            return Ok(ended);
        }
        let args = CallArgs {
            origin: sender.0,
            dest: contract.0,
            value: transfer,
            gas_limit,
            storage_deposit_limit,
            input: message,
        };
        let outcome = self
            .cluster
            .engine
            .call(overlay, self.host.clone(), args)
            .await?;
        let entry = LogEntry::Output {
            origin: *sender,
            nonce,
            output: outcome.encode_exec_result(),
        };
        self.host.record(*contract, entry);
        let paid = self.settle(overlay, sender, gas_limit, outcome.report.gas_consumed)?;
        let result = match outcome.result {
            Ok(output) => succeeded(output).map(Success::Called),
            Err(error) => Err(Failure::Failed(outcome.report.explain(&error))),
        };
        Ok(Ended::after_run(outcome.report, paid, result))
    }

    /// Calls a contract that asked to be called at the end of every block. It is its own caller, and
    /// pays as the sender of a command does.
    pub(crate) async fn hook(
        &self,
        overlay: &mut Overlay,
        hook: &Hook,
    ) -> Result<Ended, ExecutionFault> {
        if let Some(unpaid) = self.pay_up_front(overlay, &hook.payer(), hook.gas_limit)? {
            return Ok(unpaid);
        }
        let args = CallArgs {
            origin: hook.contract.0,
            dest: hook.contract.0,
            value: 0,
            gas_limit: hook.gas_limit,
            storage_deposit_limit: None,
            input: hook.selector.to_vec(),
        };
        let outcome = self
            .cluster
            .engine
            .call(overlay, self.host.clone(), args)
            .await?;
        let paid = self.settle(
            overlay,
            &hook.payer(),
            hook.gas_limit,
            outcome.report.gas_consumed,
        )?;
        let result = match outcome.result {
            Ok(output) => succeeded(output).map(Success::Called),
            Err(error) => Err(Failure::Failed(outcome.report.explain(&error))),
        };
        Ok(Ended::after_run(outcome.report, paid, result))
    }

    /// Decrypts and decodes a command; an error is the reason why that is not possible.
    fn open(&self, contract: &ContractId, payload: &[u8]) -> Result<InkCommand, String> {
        let payload: CommandPayload =
            decode_all(payload).map_err(|_| "it is not a command".to_owned())?;
        match payload {
            CommandPayload::Plain(command) => Ok(command),
            CommandPayload::Encrypted(data) => self.decrypt(contract, &data),
        }
    }

    fn decrypt(&self, contract: &ContractId, data: &EncryptedData) -> Result<InkCommand, String> {
        let key = self.cluster.contract_key(contract);
        let plain = key
            .agree(&data.pubkey)
            .map_err(envelope::EnvelopeError::from)
            .and_then(|shared| envelope::decrypt(&shared, data))
            .map_err(|error| error.to_string())?;
        decode_all(&plain).map_err(|_| "what was encrypted is not a command".to_owned())
    }

    /// Takes the most that the command can cost, if the policy allows the command. Returns how it ended
    /// if the sender cannot pay or may not do it. Who cannot pay is refused first: asking is work that
    /// nobody pays for.
    async fn admit(
        &self,
        overlay: &mut Overlay,
        sender: &AccountId,
        gas_limit: u64,
        action: Action,
    ) -> Result<Option<Ended>, ExecutionFault> {
        if let Some(unpaid) = self.pay_up_front(overlay, sender, gas_limit)? {
            return Ok(Some(unpaid));
        }
        let refused = self.ask(overlay, sender, action).await?;
        if refused.is_some() {
            self.settle(overlay, sender, gas_limit, 0)?;
        }
        Ok(refused)
    }

    /// Takes the most that the command can cost. Returns how the command ended if the sender does
    /// not have it.
    fn pay_up_front(
        &self,
        overlay: &mut Overlay,
        sender: &AccountId,
        gas_limit: u64,
    ) -> Result<Option<Ended>, StateError> {
        let mut account = schema::account(overlay, &sender.0)?;
        let needed = Balance::from(gas_limit).saturating_mul(self.gas_price(sender));
        let Some(left) = account.free.checked_sub(needed) else {
            let failure = Failure::Unpaid {
                needed,
                available: account.free,
            };
            return Ok(Some(Ended::before_start(failure)));
        };
        account.free = left;
        schema::set_account(overlay, &sender.0, &account);
        Ok(None)
    }

    /// Returns what was not used of what was paid up front and gives the rest, the fee, to the
    /// treasury. A command that failed keeps its fee.
    fn settle(
        &self,
        overlay: &mut Overlay,
        sender: &AccountId,
        gas_limit: u64,
        gas_used: u64,
    ) -> Result<Paid, StateError> {
        let used = gas_used.min(gas_limit);
        let gas_price = self.gas_price(sender);
        let price = |gas: u64| Balance::from(gas).saturating_mul(gas_price);
        let refund = price(gas_limit).saturating_sub(price(used));
        if refund > 0 {
            ledger::mint(overlay, &sender.0, refund)?;
        }
        if price(used) > 0 {
            ledger::mint(overlay, &self.host.settings.prices.treasury.0, price(used))?;
        }
        Ok(Paid {
            fee: price(used),
            gas_refunded: gas_limit.saturating_sub(used),
        })
    }

    /// Takes money out of an account, for the chain to pay out. All of it or nothing.
    pub(crate) fn withdraw(
        &self,
        overlay: &mut Overlay,
        account: &AccountId,
        amount: Balance,
    ) -> Result<Ended, StateError> {
        let available = schema::account(overlay, &account.0)?.free;
        let mut ended = Ended::before_start(Failure::Unpaid {
            needed: amount,
            available,
        });
        match ledger::burn(overlay, EXISTENTIAL_DEPOSIT, &account.0, amount) {
            Ok(()) => ended.outcome = Ok(Success::Withdrawn(amount)),
            Err(ledger::LedgerError::State(error)) => return Err(error),
            Err(ledger::LedgerError::Token(_)) => {}
        }
        Ok(ended)
    }
}

/// Decodes all of the bytes: what is left over means that they are something else.
fn decode_all<T: Decode>(mut bytes: &[u8]) -> Result<T, codec::Error> {
    let value = T::decode(&mut bytes)?;
    if bytes.is_empty() {
        Ok(value)
    } else {
        Err("bytes left over".into())
    }
}

fn succeeded(output: ExecReturn) -> Result<Vec<u8>, Failure> {
    if output.did_revert() {
        Err(Failure::Reverted(output.data))
    } else {
        Ok(output.data)
    }
}
