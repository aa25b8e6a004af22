//! Applying the messages of one block.

use crate::{
    Accumulator, Cluster,
    command::{Ended, Runner},
    host::{ClusterHost, LogEntry, LogRecord},
    limits::{MAX_HOOK_GAS, MAX_HOOKS, MAX_LOGS_PER_BLOCK, SWEEP_PER_BLOCK, SYSTEM_GAS},
    settings::{
        self, Hook, Owner, Settings, SettingsError, hooks, keys_of, policy_now, put_hooks,
        put_owner, put_policy, put_settings, put_stake, put_undecided, put_weight, undecided_now,
        weight_now,
    },
};
use phat_engine::{
    Changes, Determinism, ExecutionFault, Host, InstantiateArgs, Overlay, State, StateError,
    ledger,
    pink::{HookPoint, PinkEvent},
    schema,
};
use phat_primitives::{
    AccountId, Balance, BlockNumber, ContractId, Hash, MessageNumber, ids,
    message::{ClusterGenesis, ClusterMessage, Instantiate},
    receipt::{Receipt, Success},
    report::WithdrawalOutcome,
};
use std::sync::Arc;

/// Selector of the constructor `default` of a system contract.
const SYSTEM_CONSTRUCTOR: [u8; 4] = [0xed, 0x4b, 0x9d, 0x1b];

/// One block of the chain, as far as it concerns this cluster.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its number.
    pub number: BlockNumber,
    /// Its time, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// The messages for this cluster, with their numbers.
    pub messages: Vec<(MessageNumber, ClusterMessage)>,
}

/// Everything that follows from a block.
#[derive(Debug)]
pub struct Applied {
    /// Writes to the state; `None` deletes.
    pub changes: Changes,
    /// The accumulator of the state after them.
    pub accumulator: Accumulator,
    /// Its root.
    pub state_root: Hash,
    /// A receipt for each command, in order.
    pub receipts: Vec<Receipt>,
    /// Contracts that came to exist, made by commands.
    pub instantiated: Vec<Made>,
    /// How the withdrawals in the block ended.
    pub withdrawals: Vec<WithdrawalOutcome>,
    /// How all withdrawals ended that the chain had not decided at the end of the block.
    pub undecided: Vec<WithdrawalOutcome>,
    /// What contracts have asked for that concerns the worker and not the state.
    pub requests: Vec<(ContractId, PinkEvent)>,
    /// Weights that were set, in order.
    pub weights: Vec<(ContractId, Balance)>,
    /// What contracts have logged.
    pub logs: Vec<LogRecord>,
}

/// A contract that came to exist.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Made {
    /// The contract.
    pub contract: ContractId,
    /// Who made it, and whether in private.
    pub owner: Owner,
}

/// Why a block could not be applied. None of these is the fault of a command: a worker that meets
/// one must not go on.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The state cannot be read.
    #[error("the state of the cluster cannot be read: {0}")]
    State(#[from] StateError),
    /// The machine failed, not the contract.
    #[error("a contract could not be run: {0}")]
    Execution(#[from] ExecutionFault),
    /// The settings cannot be read.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The cluster's first message must create it.
    #[error("message {0} is for a cluster that has not been created")]
    NotCreated(MessageNumber),
    /// A cluster is created once.
    #[error("message {0} creates the cluster a second time")]
    CreatedTwice(MessageNumber),
    /// A message is encrypted to a transport key that this worker does not have yet. The same block can
    /// be applied when it has come, see [`Cluster::can_open`].
    #[error("message {number} needs the cluster's transport key {epoch}, which is not there yet")]
    NoTransportKey {
        /// The message.
        number: MessageNumber,
        /// Epoch of the key.
        epoch: u32,
    },
    /// The system contract could not be made.
    #[error("the system contract of the cluster could not be made: {0}")]
    SystemContract(String),
}

impl Cluster {
    /// Applies a block to `state`, whose accumulator is given.
    ///
    /// Nothing is written: the caller commits [`Applied::changes`] and
    /// [`Applied::accumulator`] together, and drops all of it otherwise.
    pub async fn apply(
        &self,
        state: Arc<dyn State>,
        accumulator: &Accumulator,
        block: Block,
    ) -> Result<Applied, ApplyError> {
        let mut overlay = Overlay::new(state.clone());
        let mut outcome = BlockOutcome::default();
        let mut settings = settings::settings(&*state)?;
        for (number, message) in block.messages {
            // Another worker can read it: to go on as if nobody could would make states differ.
            self.can_open(&message)
                .map_err(|epoch| ApplyError::NoTransportKey { number, epoch })?;
            if let ClusterMessage::Created(genesis) = message {
                if settings.is_some() {
                    return Err(ApplyError::CreatedTwice(number));
                }
                let created = self
                    .create(&mut overlay, block.number, block.now_ms, *genesis)
                    .await?;
                let owner = Owner {
                    account: created.owner,
                    private: false,
                };
                outcome.made(&mut overlay, created.system_contract, owner);
                settings = Some(created);
                continue;
            }
            let present = settings.as_mut().ok_or(ApplyError::NotCreated(number))?;
            let at = (block.number, block.now_ms);
            self.apply_one(&mut overlay, present, at, number, message, &mut outcome)
                .await?;
        }
        if let Some(settings) = &mut settings {
            let at = (block.number, block.now_ms);
            self.run_hooks(&mut overlay, settings, at, &mut outcome)
                .await?;
        }
        schema::sweep(&mut overlay, SWEEP_PER_BLOCK)?;
        let undecided = undecided_now(&overlay)?;
        let mut changes = overlay.into_changes()?;
        let gone = forget_gone(&mut changes);
        outcome.weights.extend(gone.into_iter().map(|id| (id, 0)));
        let accumulator = accumulate(&*state, accumulator, &changes)?;
        let state_root = accumulator.root();
        for receipt in &mut outcome.receipts {
            receipt.state_root = state_root;
        }
        Ok(Applied {
            changes,
            accumulator,
            state_root,
            receipts: outcome.receipts,
            instantiated: outcome.instantiated,
            withdrawals: outcome.withdrawals,
            undecided,
            requests: outcome.requests,
            weights: outcome.weights,
            logs: outcome.logs,
        })
    }

    /// The first state of the cluster: the system contract, made at no cost.
    async fn create(
        &self,
        overlay: &mut Overlay,
        block: BlockNumber,
        now_ms: u64,
        genesis: ClusterGenesis,
    ) -> Result<Settings, ApplyError> {
        let settings = Settings {
            owner: genesis.owner,
            prices: genesis.prices,
            system_contract: genesis.system_contract,
            log_handler: None,
        };
        let mut host = ClusterHost::for_commands(self, &settings, block, now_ms);
        host.free = true;
        let prices = host.prices();
        let uploaded = self
            .engine
            .upload(
                overlay,
                &prices,
                genesis.owner.0,
                &genesis.system_code,
                Determinism::Enforced,
                None,
            )
            .map_err(|error| ApplyError::SystemContract(error.to_string()))?;
        let args = InstantiateArgs {
            origin: genesis.owner.0,
            code_hash: uploaded.code_hash,
            value: 0,
            gas_limit: SYSTEM_GAS,
            storage_deposit_limit: None,
            input: SYSTEM_CONSTRUCTOR.to_vec(),
            salt: Vec::new(),
        };
        let outcome = self
            .engine
            .instantiate(overlay, Arc::new(host), args)
            .await?;
        match outcome.result {
            Ok((output, contract))
                if !output.did_revert() && contract == genesis.system_contract.0 =>
            {
                put_settings(overlay, &settings);
                Ok(settings)
            }
            Ok((output, contract)) => Err(ApplyError::SystemContract(format!(
                "its constructor returned {output:?} at {:?}",
                Hash::from(contract)
            ))),
            Err(error) => Err(ApplyError::SystemContract(error.to_string())),
        }
    }

    async fn apply_one(
        &self,
        overlay: &mut Overlay,
        settings: &mut Settings,
        (block, now_ms): (BlockNumber, u64),
        number: MessageNumber,
        message: ClusterMessage,
        outcome: &mut BlockOutcome,
    ) -> Result<(), ApplyError> {
        let host = Arc::new(ClusterHost::for_commands(self, settings, block, now_ms));
        let policy = policy_now(overlay)?;
        let private = matches!(
            message,
            ClusterMessage::UploadPrivate { .. } | ClusterMessage::InstantiatePrivate { .. }
        );
        let runner = Runner {
            cluster: self,
            host: &host,
            policy: &policy,
            private,
        };
        // The contract that it is about, so that its log can say what came of it.
        let mut target = None;
        let (sender, ended) = match message {
            // Who is in the cluster concerns the workers, and is not part of its state.
            ClusterMessage::Created(_)
            | ClusterMessage::WorkerAdded(_)
            | ClusterMessage::WorkerRemoved(_)
            | ClusterMessage::WorkerDiverged { .. }
            | ClusterMessage::KeyDelivered(_)
            | ClusterMessage::TransportRotated(_)
            | ClusterMessage::Credit(_) => return Ok(()),
            ClusterMessage::CreditSettled { amount } => {
                ledger::mint(overlay, &settings.prices.treasury.0, amount)?;
                return Ok(());
            }
            ClusterMessage::WithdrawalDecided { number } => {
                let mut undecided = undecided_now(overlay)?;
                undecided.retain(|withdrawal| withdrawal.number != number);
                put_undecided(overlay, &undecided);
                return Ok(());
            }
            ClusterMessage::Deposit { account, amount } => {
                ledger::mint(overlay, &account.0, amount)?;
                return Ok(());
            }
            ClusterMessage::ContractStake { contract, stake } => {
                // It may have removed itself since; nothing is kept of what is not there.
                if schema::contract(overlay, &contract.0)?.is_some() {
                    put_stake(overlay, &contract, stake);
                    outcome.weighs(overlay, contract)?;
                }
                return Ok(());
            }
            ClusterMessage::PolicySet(policy) => {
                put_policy(overlay, &policy);
                return Ok(());
            }
            ClusterMessage::Upload { owner, kind, code } => {
                (owner, runner.upload(overlay, &owner, kind, &code).await?)
            }
            ClusterMessage::Instantiate(request) => {
                let deployer = request.deployer;
                let Instantiate {
                    code_hash, salt, ..
                } = &request;
                let id = ids::contract_id(&deployer, code_hash, &self.id, salt);
                target = Some((id, "instantiate failed"));
                (deployer, runner.instantiate(overlay, request).await?)
            }
            ClusterMessage::UploadPrivate { owner, sealed } => (
                owner,
                runner.upload_private(overlay, &owner, &sealed).await?,
            ),
            ClusterMessage::InstantiatePrivate { deployer, sealed } => {
                let ended = runner
                    .instantiate_private(overlay, deployer, &sealed)
                    .await?;
                if ended.outcome.is_err() {
                    // Its sender has the receipt. Nobody else is to learn even what was to be made.
                    host.take_logs();
                }
                (deployer, ended)
            }
            ClusterMessage::Command {
                sender,
                contract,
                payload,
            } => {
                target = Some((contract, "command failed"));
                (
                    sender,
                    runner.call(overlay, &sender, &contract, &payload).await?,
                )
            }
            ClusterMessage::Withdraw { account, amount } => {
                let ended = runner.withdraw(overlay, &account, amount)?;
                let amount = if ended.outcome.is_ok() { amount } else { 0 };
                let withdrawal = WithdrawalOutcome { number, amount };
                let mut undecided = undecided_now(overlay)?;
                undecided.push(withdrawal);
                put_undecided(overlay, &undecided);
                outcome.withdrawals.push(withdrawal);
                (account, ended)
            }
        };
        if let Ok(Success::Instantiated(contract, _)) = &ended.outcome {
            let owner = Owner {
                account: sender,
                private,
            };
            outcome.made(overlay, *contract, owner);
        }
        outcome
            .receipts
            .push(receipt(number, block, sender, &ended));
        conclude(overlay, settings, &host, target, ended, outcome)
    }

    /// Calls the contracts that asked for it, after all messages of a block.
    async fn run_hooks(
        &self,
        overlay: &mut Overlay,
        settings: &mut Settings,
        (block, now_ms): (BlockNumber, u64),
        outcome: &mut BlockOutcome,
    ) -> Result<(), ApplyError> {
        let hooks = hooks(overlay)?;
        let mut alive = Vec::with_capacity(hooks.len());
        for hook in &hooks {
            if schema::contract(overlay, &hook.contract.0)?.is_some() {
                alive.push(hook.clone());
            }
        }
        if alive.len() < hooks.len() {
            put_hooks(overlay, &alive);
        }
        let policy = policy_now(overlay)?;
        for hook in alive {
            let host = Arc::new(ClusterHost::for_commands(self, settings, block, now_ms));
            let runner = Runner {
                cluster: self,
                host: &host,
                policy: &policy,
                private: false,
            };
            let ended = runner.hook(overlay, &hook).await?;
            let target = Some((hook.contract, "hook failed"));
            conclude(overlay, settings, &host, target, ended, outcome)?;
        }
        Ok(())
    }
}

/// Keeps what an execution has logged, and does what it has asked for. `target` is the contract whose
/// log tells of a failure, and what is said of it.
fn conclude(
    overlay: &mut Overlay,
    settings: &mut Settings,
    host: &ClusterHost,
    target: Option<(ContractId, &str)>,
    ended: Ended,
    outcome: &mut BlockOutcome,
) -> Result<(), ApplyError> {
    let contract_logs = host.take_logs();
    if let (Some((contract, what)), Err(failure)) = (target, &ended.outcome) {
        // Clients look for the failure of an instantiation in the first line about the contract.
        let message = format!("{what}: {failure}");
        host.record(contract, LogEntry::Line { level: 1, message });
    }
    for event in &ended.events {
        let entry = LogEntry::Event {
            topics: event.topics.clone(),
            payload: event.data.clone(),
        };
        host.record(event.contract, entry);
    }
    outcome.logs.extend(host.take_logs());
    outcome.logs.extend(contract_logs);
    outcome.logs.truncate(MAX_LOGS_PER_BLOCK);
    for (contract, request) in ended.requests {
        if !grant(overlay, settings, &contract, &request, outcome)? {
            outcome.requests.push((contract, request));
        }
    }
    Ok(())
}

/// What comes together while a block is applied.
#[derive(Default)]
struct BlockOutcome {
    receipts: Vec<Receipt>,
    instantiated: Vec<Made>,
    withdrawals: Vec<WithdrawalOutcome>,
    requests: Vec<(ContractId, PinkEvent)>,
    weights: Vec<(ContractId, Balance)>,
    logs: Vec<LogRecord>,
}

impl BlockOutcome {
    /// Remembers who made a contract.
    fn made(&mut self, overlay: &mut Overlay, contract: ContractId, owner: Owner) {
        put_owner(overlay, &contract, &owner);
        self.instantiated.push(Made { contract, owner });
    }

    /// Tells what a contract weighs now.
    fn weighs(&mut self, overlay: &Overlay, contract: ContractId) -> Result<(), SettingsError> {
        let weight = weight_now(overlay, &contract)?;
        self.weights.push((contract, weight));
        Ok(())
    }
}

/// Forgets what is kept of the contracts that are gone beside what the engine keeps: who made them and
/// what they weigh. Returns which.
pub(crate) fn forget_gone(changes: &mut Changes) -> Vec<ContractId> {
    let gone: Vec<_> = changes
        .iter()
        .filter(|(key, value)| schema::is_contract(key) && value.is_none())
        .filter_map(|(key, _)| <[u8; 32]>::try_from(key.get(1..)?).ok())
        .map(ContractId::from)
        .collect();
    let keys = gone.iter().flat_map(keys_of);
    changes.extend(keys.map(|key| (key, None)));
    gone
}

/// Does what a contract has asked of the cluster. Returns whether the request was one that concerns
/// the state. What only the system contract may ask for has been refused by the engine already if
/// somebody else did.
fn grant(
    overlay: &mut Overlay,
    settings: &mut Settings,
    contract: &ContractId,
    request: &PinkEvent,
    outcome: &mut BlockOutcome,
) -> Result<bool, ApplyError> {
    let from_system = *contract == settings.system_contract;
    Ok(match request {
        PinkEvent::SetContractWeight { contract, weight } if from_system => {
            let (contract, weight) = (Hash::from(*contract), Balance::from(*weight));
            put_weight(overlay, &contract, weight);
            outcome.weighs(overlay, contract)?;
            true
        }
        PinkEvent::SetHook {
            hook: HookPoint::OnBlockEnd,
            contract,
            selector,
            gas_limit,
        } if from_system => {
            let hook = Hook {
                contract: Hash::from(*contract),
                selector: selector.to_be_bytes(),
                gas_limit: (*gas_limit).min(MAX_HOOK_GAS),
            };
            set_hook(overlay, hook)?
        }
        PinkEvent::SetLogHandler(handler) if from_system => {
            settings.log_handler = Some(Hash::from(*handler));
            put_settings(overlay, settings);
            true
        }
        _ => false,
    })
}

/// Puts a hook in the place of the one that the contract has. Without gas it is taken away. `false`
/// if there are too many.
fn set_hook(overlay: &mut Overlay, hook: Hook) -> Result<bool, SettingsError> {
    let mut hooks = hooks(overlay)?;
    hooks.retain(|present| present.contract != hook.contract);
    if hook.gas_limit > 0 {
        if hooks.len() >= MAX_HOOKS {
            return Ok(false);
        }
        hooks.push(hook);
    }
    put_hooks(overlay, &hooks);
    Ok(true)
}

fn receipt(number: MessageNumber, block: BlockNumber, sender: AccountId, ended: &Ended) -> Receipt {
    Receipt {
        number,
        block,
        sender,
        outcome: ended.outcome.clone(),
        gas_used: ended.gas_used,
        gas_refunded: ended.gas_refunded,
        fee: ended.fee,
        storage_deposit: ended.storage_deposit,
        events: ended.events.clone(),
        // Known when the whole block has been applied.
        state_root: Hash::zero(),
    }
}

/// The accumulator after `changes` to `state`.
fn accumulate(
    state: &dyn State,
    before: &Accumulator,
    changes: &Changes,
) -> Result<Accumulator, StateError> {
    let mut after = before.clone();
    for (key, value) in changes {
        let old = state.get(key)?;
        if old == *value {
            continue;
        }
        if let Some(old) = old {
            after.remove(key, &old);
        }
        if let Some(value) = value {
            after.add(key, value);
        }
    }
    Ok(after)
}
