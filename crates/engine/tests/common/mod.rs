//! A host and a cluster to run contracts in.
#![allow(dead_code, reason = "every test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

pub(crate) mod invariants;
pub(crate) mod messages;

use std::sync::{Arc, LazyLock, Mutex};

use phat_engine::{
    BoxFuture, CallArgs, Changes, Code, CodeHash, Config, ContractId, Determinism, Engine,
    ExecMode, Host, HttpAnswers, InstantiateArgs, InstantiateOutcome, Outcome, Overlay, Prices,
    ledger,
    pink::{HttpRequest, HttpResponse},
    schema,
};

pub(crate) const ALICE: [u8; 32] = [1; 32];
pub(crate) const BOB: [u8; 32] = [2; 32];
pub(crate) const GAS: u64 = 500_000_000_000;
pub(crate) const UNIT: u128 = 1_000_000_000_000;
pub(crate) const ED: u128 = 1_000;

pub(crate) static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    Engine::new(Config {
        instances: 200,
        ..Config::default()
    })
    .unwrap()
});

pub(crate) struct TestHost {
    pub(crate) mode: ExecMode,
    pub(crate) system: Option<ContractId>,
    pub(crate) system_code: Option<Vec<u8>>,
    pub(crate) logs: Mutex<Vec<(ContractId, u8, String)>>,
    pub(crate) requests: Mutex<Vec<HttpRequest>>,
    pub(crate) interrupt: bool,
    pub(crate) state_broken: bool,
}

impl TestHost {
    pub(crate) fn new(mode: ExecMode) -> Self {
        Self {
            mode,
            system: None,
            system_code: None,
            logs: Mutex::default(),
            requests: Mutex::default(),
            interrupt: false,
            state_broken: false,
        }
    }
}

impl Host for TestHost {
    fn mode(&self) -> ExecMode {
        self.mode
    }
    fn block_number(&self) -> u32 {
        77
    }
    fn now_ms(&self) -> u64 {
        1_700_000_000_000
    }
    fn prices(&self) -> Prices {
        Prices {
            gas: 2,
            deposit_per_item: 100,
            deposit_per_byte: 1,
            existential_deposit: ED,
        }
    }
    fn cluster_id(&self) -> [u8; 32] {
        let mut id = [0; 32];
        id[31] = 1;
        id
    }
    fn system_contract(&self) -> Option<ContractId> {
        self.system
    }
    fn latest_system_code(&self) -> Option<Vec<u8>> {
        self.system_code.clone()
    }
    fn worker_pubkey(&self) -> [u8; 32] {
        [9; 32]
    }
    fn derive_secret(&self, contract: &ContractId, salt: &[u8]) -> Option<[u8; 64]> {
        let mut secret = [0; 64];
        secret[0] = contract[0] & 0xf0;
        secret[1] = salt.first().copied().unwrap_or(0);
        Some(secret)
    }
    fn random(&self, length: usize) -> Vec<u8> {
        vec![4; length]
    }
    fn random_seed(&self, subject: &[u8]) -> [u8; 32] {
        [subject.len() as u8; 32]
    }
    fn http(
        &self,
        _contract: &ContractId,
        requests: Vec<HttpRequest>,
        _timeout_ms: u64,
    ) -> BoxFuture<'_, HttpAnswers> {
        let answers = requests
            .iter()
            .map(|request| {
                Ok(HttpResponse {
                    status_code: 200,
                    reason_phrase: "OK".into(),
                    headers: Vec::new(),
                    body: request.url.clone().into_bytes(),
                })
            })
            .collect();
        self.requests.lock().unwrap().extend(requests);
        Box::pin(async {
            yield_once().await;
            Ok(answers)
        })
    }
    fn cache_get(&self, _: &ContractId, key: &[u8]) -> Option<Vec<u8>> {
        (key == b"known").then(|| b"cached".to_vec())
    }
    fn cache_set(&self, _: &ContractId, key: &[u8], _: &[u8]) -> bool {
        key != b"full"
    }
    fn cache_set_expiration(&self, _: &ContractId, _: &[u8], _: u64) {}
    fn cache_remove(&self, _: &ContractId, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
    fn log(&self, contract: &ContractId, level: u8, message: String) {
        self.logs.lock().unwrap().push((*contract, level, message));
    }
    fn interrupted(&self) -> bool {
        self.interrupt
    }
}

async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if yielded {
            return std::task::Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await
}

/// A cluster with a state of its own.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) overlay: Overlay,
    pub(crate) host: Arc<TestHost>,
    salt: u8,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_engine(ENGINE.clone(), ExecMode::Transaction)
    }

    pub(crate) fn in_mode(mode: ExecMode) -> Self {
        Self::with_engine(ENGINE.clone(), mode)
    }

    pub(crate) fn with_engine(engine: Engine, mode: ExecMode) -> Self {
        let mut overlay = Overlay::new(Arc::new(Changes::new()));
        ledger::mint(&mut overlay, &ALICE, 1_000 * UNIT).unwrap();
        Self {
            engine,
            overlay,
            host: Arc::new(TestHost::new(mode)),
            salt: 0,
        }
    }

    pub(crate) fn check(&self, wat: &str) -> Result<Arc<Code>, phat_engine::CodeRejected> {
        let wasm = wat::parse_str(wat).unwrap();
        self.engine.prepare(&wasm, Determinism::Enforced)
    }

    pub(crate) fn upload(&mut self, wat: &str) -> CodeHash {
        let wasm = wat::parse_str(wat).unwrap();
        self.upload_wasm(&wasm, Determinism::Enforced)
    }

    pub(crate) fn upload_wasm(&mut self, wasm: &[u8], determinism: Determinism) -> CodeHash {
        let prices = self.host.prices();
        self.engine
            .upload(&mut self.overlay, &prices, ALICE, wasm, determinism, None)
            .unwrap()
            .code_hash
    }

    pub(crate) fn try_instantiate(
        &mut self,
        code_hash: CodeHash,
        input: Vec<u8>,
    ) -> InstantiateOutcome {
        self.salt += 1;
        let args = InstantiateArgs {
            origin: ALICE,
            code_hash,
            value: 0,
            gas_limit: GAS,
            storage_deposit_limit: None,
            input,
            salt: vec![self.salt],
        };
        futures::executor::block_on(self.engine.instantiate(
            &mut self.overlay,
            self.host.clone(),
            args,
        ))
        .unwrap()
    }

    pub(crate) fn instantiate(&mut self, code_hash: CodeHash, input: Vec<u8>) -> ContractId {
        let outcome = self.try_instantiate(code_hash, input);
        assert!(outcome.succeeded(), "{outcome:?}");
        outcome.result.unwrap().1
    }

    /// Uploads and instantiates a contract written as WAT.
    pub(crate) fn deploy(&mut self, wat: &str) -> ContractId {
        let code_hash = self.upload(wat);
        self.instantiate(code_hash, Vec::new())
    }

    pub(crate) fn args(dest: ContractId, input: impl Into<Vec<u8>>) -> CallArgs {
        CallArgs {
            origin: ALICE,
            dest,
            value: 0,
            gas_limit: GAS,
            storage_deposit_limit: None,
            input: input.into(),
        }
    }

    pub(crate) fn call_with(&mut self, args: CallArgs) -> Outcome {
        futures::executor::block_on(self.engine.call(&mut self.overlay, self.host.clone(), args))
            .unwrap()
    }

    pub(crate) fn call(&mut self, dest: ContractId, input: impl Into<Vec<u8>>) -> Outcome {
        self.call_with(Self::args(dest, input))
    }

    /// Calls and returns the data of a successful call.
    pub(crate) fn ask(&mut self, dest: ContractId, input: impl Into<Vec<u8>>) -> Vec<u8> {
        let outcome = self.call(dest, input);
        assert!(outcome.succeeded(), "{outcome:?}");
        outcome.result.unwrap().data
    }

    pub(crate) fn host_mut(&mut self) -> &mut TestHost {
        Arc::get_mut(&mut self.host).unwrap()
    }

    pub(crate) fn free(&self, account: &[u8; 32]) -> u128 {
        schema::account(&self.overlay, account).unwrap().free
    }

    pub(crate) fn held(&self, account: &[u8; 32]) -> u128 {
        schema::account(&self.overlay, account).unwrap().held
    }

    /// Sum of all balances of the accounts that occur in tests.
    pub(crate) fn total(&self, accounts: &[[u8; 32]]) -> u128 {
        accounts
            .iter()
            .map(|account| self.free(account) + self.held(account))
            .sum()
    }
}

/// The index of a contract error in a result.
pub(crate) fn error_of(outcome: &Outcome) -> phat_engine::ContractError {
    match &outcome.result {
        Err(phat_engine::DispatchError::Module { error, .. }) => {
            phat_engine::ContractError::from_index(error[0]).unwrap()
        }
        other => panic!("expected a contract error, got {other:?}"),
    }
}

/// A contract whose `call` runs `body`. The input is at 0 with its length at 0xfff0, and
/// `$answer ptr len` returns.
pub(crate) fn contract(imports: &str, body: &str) -> String {
    format!(
        r#"(module
            (import "env" "memory" (memory 2 16))
            (import "seal0" "input" (func $input (param i32 i32)))
            (import "seal0" "seal_return" (func $return (param i32 i32 i32)))
            {imports}
            (func $answer (param $ptr i32) (param $len i32)
                (call $return (i32.const 0) (local.get $ptr) (local.get $len)))
            (func $load_input
                (i32.store (i32.const 0xfff0) (i32.const 0xff00))
                (call $input (i32.const 0) (i32.const 0xfff0)))
            (func (export "deploy"))
            (func (export "call") {body}))"#
    )
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits = text.trim_start_matches("0x").as_bytes();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// A committed bundle.
pub(crate) fn read_bundle(name: &str) -> serde_json::Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/artifacts");
    let text = std::fs::read_to_string(format!("{folder}/{name}.contract")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The code of a committed bundle.
pub(crate) fn bundle(name: &str) -> Vec<u8> {
    unhex(read_bundle(name)["source"]["wasm"].as_str().unwrap())
}
