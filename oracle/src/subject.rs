//! Our engine as a [`Machine`].

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use futures::executor::block_on;
use phat_engine::{
    AccountId, BoxFuture, CallArgs, Changes, CodeHash, Config, ContractId, Determinism,
    DispatchError, Engine, ExecMode, ExecReturn, Host, HttpAnswers, InstantiateArgs, Limits,
    Overlay, Prices, RemoveCodeError, Report, ledger, pink::HttpRequest, schema,
};
use sp_io::hashing::{blake2_128, blake2_256};

use crate::{
    BLOCK, CLUSTER, CodeRecord, ContractRecord, DEPOSIT_PER_BYTE, DEPOSIT_PER_ITEM,
    EXISTENTIAL_DEPOSIT, Ending, GAS_PRICE, Machine, NOW_MS, Returned, Snapshot,
};

/// The engine all subjects share, with the reference's limits where its own are larger.
pub fn engine() -> Engine {
    static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
        let limits = Limits {
            value_bytes: 16 * 1024,
            memory_pages: 16,
            code_bytes: 123 * 1024,
            ..Limits::default()
        };
        let config = Config {
            limits,
            instances: 256,
            ..Config::default()
        };
        Engine::new(config).expect("this machine runs wasmtime")
    });
    ENGINE.clone()
}

struct OracleHost;

impl Host for OracleHost {
    fn mode(&self) -> ExecMode {
        ExecMode::Transaction
    }
    fn block_number(&self) -> u32 {
        BLOCK
    }
    fn now_ms(&self) -> u64 {
        NOW_MS
    }
    fn prices(&self) -> Prices {
        Prices {
            gas: GAS_PRICE,
            deposit_per_item: DEPOSIT_PER_ITEM,
            deposit_per_byte: DEPOSIT_PER_BYTE,
            existential_deposit: EXISTENTIAL_DEPOSIT,
        }
    }
    fn cluster_id(&self) -> [u8; 32] {
        CLUSTER
    }
    fn system_contract(&self) -> Option<ContractId> {
        None
    }
    fn worker_pubkey(&self) -> [u8; 32] {
        [9; 32]
    }
    fn derive_secret(&self, _: &ContractId, _: &[u8]) -> Option<[u8; 64]> {
        None
    }
    fn random(&self, length: usize) -> Vec<u8> {
        vec![0; length]
    }
    fn random_seed(&self, subject: &[u8]) -> [u8; 32] {
        blake2_256(subject)
    }
    fn http(&self, _: &ContractId, _: Vec<HttpRequest>, _: u64) -> BoxFuture<'_, HttpAnswers> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn cache_get(&self, _: &ContractId, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
    fn cache_set(&self, _: &ContractId, _: &[u8], _: &[u8]) -> bool {
        false
    }
    fn cache_set_expiration(&self, _: &ContractId, _: &[u8], _: u64) {}
    fn cache_remove(&self, _: &ContractId, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
    fn log(&self, _: &ContractId, _: u8, _: String) {}
}

/// Our engine with a cluster of its own.
pub struct Subject {
    engine: Engine,
    host: Arc<OracleHost>,
    state: Arc<Changes>,
    overlay: Overlay,
}

impl Default for Subject {
    fn default() -> Self {
        let state = Arc::new(Changes::new());
        Self {
            engine: engine(),
            host: Arc::new(OracleHost),
            overlay: Overlay::new(state.clone()),
            state,
        }
    }
}

fn name_of(error: &DispatchError) -> String {
    match error {
        DispatchError::Module { error, .. } => phat_engine::ContractError::from_index(error[0])
            .map_or_else(|| format!("{error:?}"), |known| format!("{known:?}")),
        other => format!("{other:?}"),
    }
}

fn ending(
    report: Report,
    result: Result<(ExecReturn, Option<ContractId>), DispatchError>,
) -> Ending {
    Ending {
        result: result
            .map(|(output, contract)| Returned {
                flags: output.flags,
                data: output.data,
                contract,
            })
            .map_err(|error| name_of(&error)),
        gas: report.gas_consumed,
        deposit: report.storage_deposit,
        events: report.events,
        lifecycle: report.lifecycle,
        debug: report.debug_message,
    }
}

impl Subject {
    /// Writes what was done so far to a state of its own, as a block's end does.
    pub fn commit(&mut self) {
        let nothing = Overlay::new(Arc::new(Changes::new()));
        let overlay = std::mem::replace(&mut self.overlay, nothing);
        let changes = overlay.into_changes().expect("no call was cancelled");
        let mut state = Changes::clone(&self.state);
        state.extend(changes);
        state.retain(|_, value| value.is_some());
        self.state = Arc::new(state);
        self.overlay = Overlay::new(self.state.clone());
    }

    fn keys(&self, prefix: &[u8]) -> Vec<Vec<u8>> {
        self.overlay
            .keys_with_prefix(prefix, usize::MAX)
            .expect("state in memory can be read")
    }

    fn storage(&self, storage_id: &[u8; 32]) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let all = schema::storage_key(storage_id, &schema::StorageKey::Variable(Vec::new()));
        let prefix = &all[..all.len() - 1];
        self.keys(prefix)
            .into_iter()
            .map(|key| {
                let value = self.overlay.get(&key).expect("state in memory can be read");
                let name = &key[prefix.len() + 1..];
                let hashed = match key[prefix.len()] {
                    0 => blake2_256(name).to_vec(),
                    _ => [&blake2_128(name)[..], name].concat(),
                };
                (hashed, value.expect("a listed key has a value"))
            })
            .collect()
    }
}

fn id_in(key: &[u8]) -> [u8; 32] {
    key[1..].try_into().expect("ids have 32 bytes")
}

impl Machine for Subject {
    fn mint(&mut self, to: AccountId, amount: u128) {
        ledger::mint(&mut self.overlay, &to, amount).expect("state in memory can be read");
    }

    fn upload(
        &mut self,
        owner: AccountId,
        wasm: &[u8],
        deposit_limit: Option<u128>,
    ) -> Result<(CodeHash, u128), String> {
        let prices = self.host.prices();
        self.engine
            .upload(
                &mut self.overlay,
                &prices,
                owner,
                wasm,
                Determinism::Enforced,
                deposit_limit,
            )
            .map(|uploaded| (uploaded.code_hash, uploaded.deposit))
            .map_err(|error| match error.contract_error() {
                Some(known) => format!("{known:?}"),
                None => error.to_string(),
            })
    }

    fn remove_code(&mut self, owner: AccountId, code_hash: CodeHash) -> Result<(), String> {
        self.engine
            .remove_code(&mut self.overlay, owner, code_hash)
            .map_err(|error| match error {
                RemoveCodeError::NotFound => "CodeNotFound".into(),
                RemoveCodeError::InUse(_) => "CodeInUse".into(),
                RemoveCodeError::NotOwner => "BadOrigin".into(),
                RemoveCodeError::State(error) => error.to_string(),
            })
    }

    fn instantiate(&mut self, args: InstantiateArgs) -> Ending {
        let run = self
            .engine
            .instantiate(&mut self.overlay, self.host.clone(), args);
        let outcome = block_on(run).expect("the machine does not fail");
        let result = outcome.result.map(|(output, id)| (output, Some(id)));
        ending(outcome.report, result)
    }

    fn call(&mut self, args: CallArgs) -> Ending {
        let run = self.engine.call(&mut self.overlay, self.host.clone(), args);
        let outcome = block_on(run).expect("the machine does not fail");
        ending(outcome.report, outcome.result.map(|output| (output, None)))
    }

    fn snapshot(&mut self) -> Snapshot {
        let readable = "state in memory can be read";
        let accounts = self.keys(b"a").into_iter().map(|key| {
            let account = schema::account(&self.overlay, &id_in(&key)).expect(readable);
            (id_in(&key), (account.free, account.held))
        });
        let codes = self.keys(b"i").into_iter().map(|key| {
            let info = schema::code_info(&self.overlay, &id_in(&key)).expect(readable);
            let info = info.expect("a listed key has a value");
            let record = CodeRecord {
                owner: info.owner,
                deposit: info.deposit,
                references: info.references,
            };
            (id_in(&key), record)
        });
        let contracts = self.keys(b"c").into_iter().map(|key| {
            let info = schema::contract(&self.overlay, &id_in(&key)).expect(readable);
            let info = info.expect("a listed key has a value");
            let record = ContractRecord {
                code_hash: info.code_hash,
                bytes: info.bytes,
                items: info.items,
                deposits: (info.byte_deposit, info.item_deposit, info.base_deposit),
                dependencies: info.delegate_dependencies,
                storage: self.storage(&info.storage_id),
            };
            (id_in(&key), record)
        });
        Snapshot {
            accounts: accounts.collect(),
            codes: codes.collect(),
            contracts: contracts.collect(),
            nonce: schema::nonce(&self.overlay).expect(readable),
        }
    }
}
