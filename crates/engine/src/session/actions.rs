//! What host functions do to a session: balances, storage, code, events, messages.

use codec::DecodeLimit;

use super::Session;
use crate::{
    deposit::{self, Diff, StorageDeposit},
    error::{ContractError, ExecutionFault, Failure},
    ledger::{self, LedgerError},
    outcome::{ContractEvent, LifecycleEvent, TrapInfo},
    pink::PinkEvent,
    schema::{self, AccountId, CodeHash, Determinism, StorageKey},
};

/// Traps kept for the report; a contract can catch any number of them. Of more, the first half and
/// the last are kept: what went wrong first, and what made the execution fail.
const MAX_TRAPS: usize = 16;

/// The beginning of an event's text. An event can have a megabyte, and its text several, which
/// would take more time and memory than the event was charged for.
fn shortened(event: &PinkEvent) -> String {
    struct Beginning(String);
    impl std::fmt::Write for Beginning {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            const MAX_BYTES: usize = 200;
            if self.0.len() + text.len() > MAX_BYTES {
                self.0.push('…');
                return Err(std::fmt::Error);
            }
            self.0.push_str(text);
            Ok(())
        }
    }
    let mut beginning = Beginning(String::new());
    // The only error is its own, by which it says that it has enough.
    let _ = std::fmt::write(&mut beginning, format_args!("{event:?}"));
    beginning.0
}

impl Session {
    pub(super) fn move_value(
        &mut self,
        from: &AccountId,
        to: &AccountId,
        value: u128,
    ) -> Result<(), Failure> {
        let existential = self.prices.existential_deposit;
        ledger::transfer(&mut self.overlay, existential, from, to, value).map_err(|error| {
            match error {
                LedgerError::Token(_) => ContractError::TransferFailed.into(),
                LedgerError::State(error) => Failure::from(error),
            }
        })
    }

    pub(crate) fn transfer(&mut self, to: &AccountId, value: u128) -> Result<(), Failure> {
        let from = self.frame().account;
        self.move_value(&from, to, value)
    }

    pub(crate) fn balance(&self) -> Result<u128, Failure> {
        let existential = self.prices.existential_deposit;
        Ok(ledger::spendable(
            &self.overlay,
            existential,
            &self.frame().account,
        )?)
    }

    fn storage_key(&mut self, name: &StorageKey) -> Result<Vec<u8>, Failure> {
        let storage_id = match self.frame().storage_id {
            Some(storage_id) => storage_id,
            None => self.own_contract()?.storage_id,
        };
        self.frame_mut().storage_id = Some(storage_id);
        Ok(schema::storage_key(&storage_id, name))
    }

    pub(crate) fn read(&mut self, name: &StorageKey) -> Result<Option<Vec<u8>>, Failure> {
        let key = self.storage_key(name)?;
        Ok(self.overlay.get(&key)?)
    }

    /// Writes or removes a value and returns the one before.
    pub(crate) fn write(
        &mut self,
        name: &StorageKey,
        value: Option<Vec<u8>>,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let key = self.storage_key(name)?;
        let old = self.overlay.get(&key)?;
        let diff = Diff::of_write(old.as_ref().map(Vec::len), value.as_ref().map(Vec::len));
        match value {
            Some(value) => self.overlay.set(key, value),
            None if old.is_some() => self.overlay.remove(key),
            None => {}
        }
        self.frame_mut().deposits.record(diff);
        Ok(old)
    }

    pub(super) fn add_reference(&mut self, hash: &CodeHash) -> Result<(), Failure> {
        let mut info = self.code_info(hash)?;
        info.references = info.references.saturating_add(1);
        schema::set_code_info(&mut self.overlay, hash, &info);
        Ok(())
    }

    fn drop_reference(&mut self, hash: &CodeHash) -> Result<(), Failure> {
        if let Some(mut info) = schema::code_info(&self.overlay, hash)? {
            info.references = info.references.saturating_sub(1);
            schema::set_code_info(&mut self.overlay, hash, &info);
        }
        Ok(())
    }

    pub(crate) fn terminate(&mut self, beneficiary: AccountId) -> Result<(), Failure> {
        let account = self.frame().account;
        let on_stack = self.frames.iter().filter(|frame| frame.account == account);
        if on_stack.count() > 1 {
            return Err(ContractError::TerminatedWhileReentrant.into());
        }
        let info = self.own_contract()?;
        schema::queue_deletion(&mut self.overlay, &info.storage_id);
        schema::remove_contract(&mut self.overlay, &account);
        self.drop_reference(&info.code_hash)?;
        for (hash, held) in &info.delegate_dependencies {
            self.drop_reference(hash)?;
            let refund = StorageDeposit::Refund(*held);
            self.frame_mut().deposits.charge(account, refund);
        }
        let held = info.deposit();
        self.frame_mut().deposits.terminate(held, beneficiary);
        self.lifecycle.push(LifecycleEvent::Terminated {
            contract: account,
            beneficiary,
        });
        Ok(())
    }

    pub(crate) fn set_code_hash(&mut self, hash: CodeHash) -> Result<(), Failure> {
        let code = self.code_info(&hash)?;
        if code.determinism == Determinism::Relaxed {
            return Err(ContractError::Indeterministic.into());
        }
        let account = self.frame().account;
        let mut info = self.own_contract()?;
        let old = std::mem::replace(&mut info.code_hash, hash);
        let lockup = self.engine.limits().code_lockup_percent;
        let base = deposit::of_contract(&info, &code, lockup, &self.prices);
        let change = StorageDeposit::Charge(base).plus(StorageDeposit::Refund(info.base_deposit));
        info.base_deposit = base;
        schema::set_contract(&mut self.overlay, &account, &info);
        self.frame_mut().deposits.charge(account, change);
        self.add_reference(&hash)?;
        self.drop_reference(&old)?;
        self.lifecycle.push(LifecycleEvent::CodeChanged {
            contract: account,
            old,
            new: hash,
        });
        Ok(())
    }

    pub(crate) fn lock_delegate_dependency(&mut self, hash: CodeHash) -> Result<(), Failure> {
        let account = self.frame().account;
        let mut info = self.own_contract()?;
        if hash == info.code_hash {
            return Err(ContractError::CannotAddSelfAsDelegateDependency.into());
        }
        let code = self.code_info(&hash)?;
        if info.delegate_dependencies.contains_key(&hash) {
            return Err(ContractError::DelegateDependencyAlreadyExists.into());
        }
        let limits = self.engine.limits();
        if info.delegate_dependencies.len() >= limits.delegate_dependencies {
            return Err(ContractError::MaxDelegateDependenciesReached.into());
        }
        let held = deposit::lockup(&code, limits.code_lockup_percent);
        info.delegate_dependencies.insert(hash, held);
        schema::set_contract(&mut self.overlay, &account, &info);
        self.add_reference(&hash)?;
        let charge = StorageDeposit::Charge(held);
        self.frame_mut().deposits.charge(account, charge);
        Ok(())
    }

    pub(crate) fn unlock_delegate_dependency(&mut self, hash: CodeHash) -> Result<(), Failure> {
        let account = self.frame().account;
        let mut info = self.own_contract()?;
        let held = info
            .delegate_dependencies
            .remove(&hash)
            .ok_or(ContractError::DelegateDependencyNotFound)?;
        schema::set_contract(&mut self.overlay, &account, &info);
        self.drop_reference(&hash)?;
        let refund = StorageDeposit::Refund(held);
        self.frame_mut().deposits.charge(account, refund);
        Ok(())
    }

    pub(crate) fn delegate_dependencies(&self) -> Result<u64, Failure> {
        Ok(self.own_contract()?.delegate_dependencies.len() as u64)
    }

    /// How often `account` is on the call stack, delegate calls not counted.
    pub(crate) fn count_on_stack(&self, account: &AccountId) -> u32 {
        self.frames
            .iter()
            .filter(|frame| frame.delegate_caller.is_none() && frame.account == *account)
            .count() as u32
    }

    fn count_event(&mut self, bytes: usize) -> Result<(), Failure> {
        let limits = self.engine.limits();
        self.event_bytes = self.event_bytes.saturating_add(bytes);
        if self.events.len() + self.pink_events.len() >= limits.events
            || self.event_bytes > limits.event_bytes
        {
            return Err(ContractError::ValueTooLarge.into());
        }
        Ok(())
    }

    pub(crate) fn deposit_event(
        &mut self,
        topics: Vec<[u8; 32]>,
        data: Vec<u8>,
    ) -> Result<(), Failure> {
        let contract = self.frame().account;
        self.count_event(data.len())?;
        if topics != [PinkEvent::TOPIC] {
            self.events.push(ContractEvent {
                contract,
                topics,
                data,
            });
            return Ok(());
        }
        const MAX_NESTING: u32 = 8;
        let refused = match PinkEvent::decode_all_with_depth_limit(MAX_NESTING, &mut &data[..]) {
            Err(_) => format!(
                "a Pink event was ignored: {}",
                PinkEvent::explain_unknown(&data)
            ),
            Ok(event)
                if event.is_system_only() && self.host.system_contract() != Some(contract) =>
            {
                let event = shortened(&event);
                format!("{event} was ignored: only the system contract may emit it")
            }
            Ok(event) if !self.mode.is_deterministic() && !event.is_allowed_in_query() => {
                let event = shortened(&event);
                format!("{event} was ignored: it means nothing in a query")
            }
            Ok(event) => {
                self.pink_events.push((contract, event));
                return Ok(());
            }
        };
        const WARNING: u8 = 2;
        self.host.log(&contract, WARNING, refused);
        Ok(())
    }

    /// Collects an event that the extension emits for the contract.
    pub(crate) fn deposit_pink_event(
        &mut self,
        event: PinkEvent,
        bytes: usize,
    ) -> Result<(), Failure> {
        self.count_event(bytes)?;
        let contract = self.frame().account;
        self.pink_events.push((contract, event));
        Ok(())
    }

    pub(crate) fn append_debug(&mut self, message: &str) {
        let limit = self.engine.limits().debug_bytes;
        if self.debug.len() + message.len() <= limit {
            self.debug.extend_from_slice(message.as_bytes());
        }
    }

    /// Refuses to go on once the execution has written more than it may keep in memory.
    pub(crate) fn check_undo_bytes(&self) -> Result<(), Failure> {
        let kept = self.overlay.undo_bytes() - self.undo_bytes_before;
        if kept > self.engine.limits().undo_bytes {
            return Err(ContractError::ValueTooLarge.into());
        }
        Ok(())
    }

    /// Counts gas of the host's functions towards [`Session::must_yield`].
    pub(crate) fn count(&mut self, gas: u64) {
        self.since_yield = self.since_yield.saturating_add(gas);
    }

    /// Counts gas of the contract's own code. Wasmtime has yielded by itself each time it was used up
    /// on the way.
    pub(crate) fn count_own(&mut self, gas: u64) {
        let yield_gas = self.engine.yield_gas();
        if gas >= yield_gas {
            self.since_yield = gas % yield_gas;
        } else {
            self.count(gas);
        }
    }

    /// Whether it is time to yield; counting begins anew then.
    pub(crate) fn must_yield(&mut self) -> bool {
        let must = self.since_yield >= self.engine.yield_gas();
        if must {
            self.since_yield = 0;
        }
        must
    }

    /// Asks the host now and then whether to stop.
    pub(crate) fn check_interrupted(&mut self) -> Result<(), Failure> {
        const EVERY: u64 = 64;
        self.host_calls = self.host_calls.wrapping_add(1);
        if self.host_calls.is_multiple_of(EVERY) && self.host.interrupted() {
            return Err(ExecutionFault::Interrupted.into());
        }
        Ok(())
    }

    /// Notes a trap of the frame that runs.
    pub(crate) fn note_trap(&mut self, reason: String) {
        if self.traps.len() >= MAX_TRAPS {
            self.traps.remove(MAX_TRAPS / 2);
        }
        let frame = self.frame();
        let written = self.debug.get(frame.debug_start..).unwrap_or_default();
        // The place and, on the next lines since Rust 1.73, the message.
        let written = String::from_utf8_lossy(written);
        let panic = written.rfind("panicked at").and_then(|at| {
            let line_start = written.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
            let lines = written.get(line_start..)?.lines().map(str::trim);
            Some(
                lines
                    .filter(|line| !line.is_empty())
                    .collect::<Vec<_>>()
                    .join(" "),
            )
        });
        let trap = TrapInfo {
            contract: frame.account,
            stack: self.frames.iter().map(|frame| frame.account).collect(),
            reason,
            panic,
        };
        self.traps.push(trap);
    }
}
