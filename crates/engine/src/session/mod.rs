//! The state of one execution: overlay, call stack, events, deposits. What `pallet-contracts` calls
//! the stack.
//!
//! A session is owned by whoever runs at the moment: it moves into the store of an instance when a
//! frame begins and back out when it ends, so that no lock is needed and a frame can be suspended.

mod actions;

use std::sync::Arc;

use crate::{
    config::Prices,
    deposit::{self, DepositMeter, Shortfall, StorageDeposit},
    engine::{Code, Engine},
    error::{ContractError, DispatchError, Failure},
    gas::{GAS_PER_CODE_BYTE, GasMeter},
    host::{ExecMode, Host},
    ledger::{self, LedgerError},
    outcome::{ContractEvent, ExecReturn, LifecycleEvent, TrapInfo},
    pink::{PinkEvent, crypto},
    schema::{self, AccountId, CodeHash, CodeInfo, ContractId, ContractInfo, Determinism},
    state::{Overlay, StateError},
    transient::TransientStorage,
};

/// Which export a frame runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Constructor,
    Call,
}

/// One contract on the call stack.
pub(crate) struct Frame {
    pub(crate) account: ContractId,
    pub(crate) entry: Entry,
    pub(crate) code_hash: CodeHash,
    pub(crate) value: u128,
    pub(crate) gas: GasMeter,
    pub(crate) deposits: DepositMeter,
    /// `false` while a call that does not allow re-entry is under way.
    pub(crate) allows_reentry: bool,
    pub(crate) read_only: bool,
    /// In a delegate call: the caller as the delegating contract sees it.
    pub(crate) delegate_caller: Option<AccountId>,
    /// Where this frame's debug messages begin.
    pub(crate) debug_start: usize,
    /// Where the contract's storage is, once it was needed.
    storage_id: Option<[u8; 32]>,
}

/// Who is to blame for an error: the one who called, or what was called.
#[derive(Debug)]
pub(crate) struct ExecError {
    pub(crate) failure: Failure,
    pub(crate) in_callee: bool,
}

impl<F: Into<Failure>> From<F> for ExecError {
    fn from(failure: F) -> Self {
        Self {
            failure: failure.into(),
            in_callee: false,
        }
    }
}

pub(crate) type ExecResult = Result<ExecReturn, ExecError>;

/// What to go back to if a frame fails.
pub(crate) struct Marks {
    events: usize,
    event_bytes: usize,
    pink_events: usize,
    lifecycle: usize,
}

/// See the module.
pub(crate) struct Session {
    pub(crate) engine: Engine,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) overlay: Overlay,
    pub(crate) prices: Prices,
    pub(crate) mode: ExecMode,
    pub(crate) origin: AccountId,
    pub(crate) frames: Vec<Frame>,
    pub(crate) events: Vec<ContractEvent>,
    pub(crate) pink_events: Vec<(ContractId, PinkEvent)>,
    pub(crate) lifecycle: Vec<LifecycleEvent>,
    pub(crate) traps: Vec<TrapInfo>,
    pub(crate) debug: Vec<u8>,
    pub(crate) transient: TransientStorage,
    /// Totals of the first frame, once it returned.
    pub(crate) gas: GasMeter,
    pub(crate) deposits: DepositMeter,
    /// Host functions called, to ask now and then whether to stop.
    pub(crate) host_calls: u64,
    /// Gas used since the execution last yielded.
    pub(crate) since_yield: u64,
    /// What the origin lacked when deposits were due.
    pub(crate) shortfall: Option<Shortfall>,
    event_bytes: usize,
    /// Bytes the overlay kept for undoing when the execution began.
    undo_bytes_before: usize,
    /// Instantiations so far, once there was one. As in the reference, one that a caller further up
    /// undoes still counts: this is not part of what is rolled back.
    nonce: Option<u64>,
}

impl Session {
    pub(crate) fn new(
        engine: Engine,
        host: Arc<dyn Host>,
        overlay: Overlay,
        origin: AccountId,
        gas_limit: u64,
        deposit_limit: u128,
    ) -> Self {
        let transient = TransientStorage::new(engine.limits().transient_bytes);
        Self {
            undo_bytes_before: overlay.undo_bytes(),
            prices: host.prices(),
            mode: host.mode(),
            engine,
            host,
            overlay,
            origin,
            frames: Vec::new(),
            events: Vec::new(),
            pink_events: Vec::new(),
            lifecycle: Vec::new(),
            traps: Vec::new(),
            debug: Vec::new(),
            transient,
            gas: GasMeter::new(gas_limit),
            deposits: DepositMeter::new(deposit_limit),
            host_calls: 0,
            since_yield: 0,
            shortfall: None,
            event_bytes: 0,
            nonce: None,
        }
    }

    /// The frame that runs.
    pub(crate) fn frame(&self) -> &Frame {
        self.frames
            .last()
            .expect("contract code and its host functions run only inside a frame")
    }

    pub(crate) fn frame_mut(&mut self) -> &mut Frame {
        self.frames
            .last_mut()
            .expect("contract code and its host functions run only inside a frame")
    }

    /// Who called the frame that runs.
    pub(crate) fn caller(&self) -> AccountId {
        match self.frame().delegate_caller {
            Some(caller) => caller,
            None => self
                .frames
                .iter()
                .rev()
                .nth(1)
                .map_or(self.origin, |frame| frame.account),
        }
    }

    /// The contract at `id`, unless it is still being constructed.
    pub(crate) fn contract(&self, id: &ContractId) -> Result<Option<ContractInfo>, Failure> {
        let under_construction = self
            .frames
            .iter()
            .any(|frame| frame.entry == Entry::Constructor && frame.account == *id);
        if under_construction {
            return Ok(None);
        }
        Ok(schema::contract(&self.overlay, id)?)
    }

    /// The record of the contract that runs.
    fn own_contract(&self) -> Result<ContractInfo, Failure> {
        schema::contract(&self.overlay, &self.frame().account)?
            .ok_or_else(|| ContractError::ContractNotFound.into())
    }

    pub(crate) fn own_code_hash(&self) -> Result<CodeHash, Failure> {
        Ok(self.own_contract()?.code_hash)
    }

    fn code_info(&self, hash: &CodeHash) -> Result<CodeInfo, Failure> {
        schema::code_info(&self.overlay, hash)?.ok_or_else(|| ContractError::CodeNotFound.into())
    }

    /// The number of instantiations so far.
    pub(crate) fn nonce(&self) -> Result<u64, StateError> {
        match self.nonce {
            Some(nonce) => Ok(nonce),
            None => schema::nonce(&self.overlay),
        }
    }

    /// Pushes a frame for calling `to` and returns its code.
    pub(crate) fn push_call(
        &mut self,
        to: ContractId,
        value: u128,
        gas_limit: u64,
        deposit_limit: u128,
        read_only: bool,
    ) -> Result<Arc<Code>, Failure> {
        self.check_depth()?;
        let info = self.contract(&to)?.ok_or(ContractError::ContractNotFound)?;
        let code = self.load(&info.code_hash, Entry::Call)?;
        self.push(
            to,
            Entry::Call,
            info.code_hash,
            value,
            gas_limit,
            deposit_limit,
        );
        self.frame_mut().read_only |= read_only;
        Ok(code)
    }

    /// Pushes a frame that runs another code as the contract that runs.
    pub(crate) fn push_delegate_call(&mut self, hash: CodeHash) -> Result<Arc<Code>, Failure> {
        let code = self.load(&hash, Entry::Call)?;
        self.check_depth()?;
        let (account, value, caller) = (self.frame().account, self.frame().value, self.caller());
        self.push(account, Entry::Call, hash, value, 0, 0);
        self.frame_mut().delegate_caller = Some(caller);
        Ok(code)
    }

    /// Pushes a frame that constructs a contract, and returns its code.
    pub(crate) fn push_instantiate(
        &mut self,
        hash: CodeHash,
        value: u128,
        gas_limit: u64,
        deposit_limit: u128,
        input: &[u8],
        salt: &[u8],
    ) -> Result<Arc<Code>, Failure> {
        let code = self.load(&hash, Entry::Constructor)?;
        // As in the reference, an attempt that ends before its constructor runs is counted, and one
        // whose constructor fails is not.
        self.nonce = Some(self.nonce()?.wrapping_add(1));
        self.check_depth()?;
        let deployer = self
            .frames
            .last()
            .map_or(self.origin, |frame| frame.account);
        let account = self.host.contract_address(&deployer, &hash, input, salt);
        // What ended in this execution is paid out at its end, so its address is not free before.
        let ended = self.lifecycle.iter().any(|event| {
            matches!(event, LifecycleEvent::Terminated { contract, .. } if *contract == account)
        });
        if ended || schema::contract(&self.overlay, &account)?.is_some() {
            return Err(ContractError::DuplicateContract.into());
        }
        self.push(
            account,
            Entry::Constructor,
            hash,
            value,
            gas_limit,
            deposit_limit,
        );
        Ok(code)
    }

    fn check_depth(&self) -> Result<(), Failure> {
        // The first frame is not counted.
        if self.frames.len() > self.engine.limits().call_depth {
            return Err(ContractError::MaxCallDepthReached.into());
        }
        Ok(())
    }

    /// Loads code at the expense of who calls it.
    fn load(&mut self, hash: &CodeHash, entry: Entry) -> Result<Arc<Code>, Failure> {
        let info = self.code_info(hash)?;
        let gas = match self.frames.last_mut() {
            Some(caller) => &mut caller.gas,
            None => &mut self.gas,
        };
        gas.charge(GAS_PER_CODE_BYTE.saturating_mul(info.size.into()))?;
        let query = !self.mode.is_deterministic() && entry == Entry::Call;
        if info.determinism == Determinism::Relaxed && !query {
            return Err(ContractError::Indeterministic.into());
        }
        self.engine.load(&self.overlay, hash, info.determinism)
    }

    fn push(
        &mut self,
        account: ContractId,
        entry: Entry,
        code_hash: CodeHash,
        value: u128,
        gas_limit: u64,
        deposit_limit: u128,
    ) {
        let (gas, deposits, read_only) = match self.frames.last_mut() {
            Some(parent) => (
                parent.gas.nested(gas_limit),
                parent.deposits.nested(deposit_limit),
                parent.read_only,
            ),
            None => (self.gas.nested(0), self.deposits.nested(0), false),
        };
        self.frames.push(Frame {
            account,
            entry,
            code_hash,
            value,
            gas,
            deposits,
            allows_reentry: true,
            read_only,
            delegate_caller: None,
            debug_start: self.debug.len(),
            storage_id: None,
        });
    }

    /// Opens checkpoints for the frame that was pushed.
    pub(crate) fn begin(&mut self) -> Marks {
        self.overlay.begin();
        self.transient.begin();
        Marks {
            events: self.events.len(),
            event_bytes: self.event_bytes,
            pink_events: self.pink_events.len(),
            lifecycle: self.lifecycle.len(),
        }
    }

    /// What happens before a frame's code runs: a new contract is endowed, and the value moves.
    pub(crate) fn enter(&mut self) -> Result<(), Failure> {
        let (account, entry, value) = {
            let frame = self.frame();
            (frame.account, frame.entry, frame.value)
        };
        if entry == Entry::Constructor {
            self.endow(account)?;
        }
        if self.frame().delegate_caller.is_none() {
            let caller = self.caller();
            self.move_value(&caller, &account, value)?;
        }
        Ok(())
    }

    fn endow(&mut self, account: ContractId) -> Result<(), Failure> {
        let existential = self.prices.existential_deposit;
        if self.mode.collects_deposits() {
            ledger::transfer(
                &mut self.overlay,
                existential,
                &self.origin,
                &account,
                existential,
            )
            .map_err(|error| match error {
                LedgerError::Token(error) => Failure::Contract(DispatchError::Token(error)),
                LedgerError::State(error) => error.into(),
            })?;
        } else {
            ledger::mint(&mut self.overlay, &account, existential)?;
        }
        let code_hash = self.frame().code_hash;
        let code = self.code_info(&code_hash)?;
        let nonce = self.nonce()?;
        let mut info = ContractInfo {
            storage_id: crypto::blake2_256(&[&account[..], &nonce.to_le_bytes()].concat()),
            code_hash,
            bytes: 0,
            items: 0,
            byte_deposit: 0,
            item_deposit: 0,
            base_deposit: 0,
            delegate_dependencies: Default::default(),
        };
        let lockup = self.engine.limits().code_lockup_percent;
        info.base_deposit = deposit::of_contract(&info, &code, lockup, &self.prices);
        schema::set_contract(&mut self.overlay, &account, &info);
        self.add_reference(&code_hash)?;
        let deposits = &mut self.frame_mut().deposits;
        deposits.count(StorageDeposit::Charge(existential));
        deposits.charge(account, StorageDeposit::Charge(info.base_deposit));
        Ok(())
    }

    /// What happens after a frame's code returned without reverting: deposits are counted and
    /// checked.
    pub(crate) fn leave(&mut self) -> Result<(), Failure> {
        let account = self.frame().account;
        let terminated = self.frame().deposits.is_terminated();
        let first = self.frames.len() == 1;
        let in_constructor = terminated && self.frame().entry == Entry::Constructor;
        // In the reference, the limit of the whole execution comes first, that of a call second.
        if in_constructor && !first {
            return Err(ContractError::TerminatedInConstructor.into());
        }
        let mut info = if terminated {
            None
        } else {
            Some(self.own_contract()?)
        };
        let prices = self.prices;
        let deposits = &mut self.frame_mut().deposits;
        deposits.close(account, info.as_mut(), &prices);
        if let Err(shortfall) = deposits.enforce(first) {
            let error = ContractError::StorageDepositLimitExhausted;
            self.note_trap(format!("{error}: {shortfall}"));
            return Err(error.into());
        }
        if in_constructor {
            return Err(ContractError::TerminatedInConstructor.into());
        }
        if self.frame().entry == Entry::Constructor {
            let (deployer, code_hash) = (self.caller(), self.frame().code_hash);
            self.lifecycle.push(LifecycleEvent::Instantiated {
                deployer,
                contract: account,
                code_hash,
            });
        }
        if let Some(info) = info {
            schema::set_contract(&mut self.overlay, &account, &info);
        }
        Ok(())
    }

    /// Pops the frame; its changes stay or are undone.
    pub(crate) fn end(&mut self, marks: Marks, persist: bool) {
        if persist {
            self.overlay.commit();
            self.transient.commit();
        } else {
            self.overlay.rollback();
            self.transient.rollback();
            self.events.truncate(marks.events);
            self.event_bytes = marks.event_bytes;
            self.pink_events.truncate(marks.pink_events);
            self.lifecycle.truncate(marks.lifecycle);
        }
        let Some(frame) = self.frames.pop() else {
            return;
        };
        if !persist && frame.entry == Entry::Constructor {
            self.nonce = self.nonce.map(|nonce| nonce.wrapping_sub(1));
        }
        let (gas, deposits) = match self.frames.last_mut() {
            Some(parent) => (&mut parent.gas, &mut parent.deposits),
            None => (&mut self.gas, &mut self.deposits),
        };
        gas.absorb(&frame.gas);
        if persist {
            deposits.absorb(frame.deposits);
        }
    }

    /// Moves the balances that deposits are owed, at the end of a successful execution.
    pub(crate) fn settle(&mut self) -> Result<StorageDeposit, Failure> {
        if let Some(nonce) = self.nonce {
            schema::set_nonce(&mut self.overlay, nonce);
        }
        let (total, charges) = std::mem::take(&mut self.deposits).into_parts();
        if !self.mode.collects_deposits() {
            return Ok(total);
        }
        let existential = self.prices.existential_deposit;
        for charge in &charges {
            if let StorageDeposit::Refund(amount) = charge.amount {
                ledger::release(&mut self.overlay, &charge.contract, &self.origin, amount)?;
            }
            if let Some(beneficiary) = &charge.beneficiary {
                ledger::close(&mut self.overlay, &charge.contract, beneficiary)?;
            }
        }
        for charge in &charges {
            if let StorageDeposit::Charge(amount) = charge.amount {
                ledger::hold(
                    &mut self.overlay,
                    existential,
                    &self.origin,
                    &charge.contract,
                    amount,
                )
                .map_err(|error| match error {
                    LedgerError::Token(_) => {
                        let free = ledger::spendable(&self.overlay, existential, &self.origin);
                        self.shortfall = free.ok().map(|available| Shortfall {
                            needed: amount,
                            available,
                        });
                        ContractError::StorageDepositNotEnoughFunds.into()
                    }
                    LedgerError::State(error) => Failure::from(error),
                })?;
            }
        }
        Ok(total)
    }
}
