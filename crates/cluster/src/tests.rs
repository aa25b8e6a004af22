//! A cluster from its first block on, with real contracts: what the tests work with.

use crate::{
    Accumulator, Applied, ApplyError, Ask, Block, Cluster, LogEntry, LogRecord, Owner,
    Surroundings, settings,
};
use codec::{Decode, Encode};
use futures::executor::block_on;
use phat_crypto::{Keypair, TransportSecret, Zeroizing, envelope, rand_core::OsRng};
use phat_engine::{
    BoxFuture, Changes, Engine, HttpAnswers, Overlay, State,
    pink::{HttpRequest, HttpRequestError},
    schema,
};
use phat_primitives::{
    AccountId, Balance, CodeHash, ContractId, Hash, MessageNumber, blake2_256,
    command::{CommandPayload, InkCommand},
    ids,
    message::{ClusterGenesis, ClusterMessage, Instantiate, Prices, ResourceKind},
    receipt::{Failure, Receipt, Success},
};
use std::sync::{Arc, OnceLock};

mod blocks;
mod commands;
mod hooks;
mod policy;
mod private;

const OWNER: AccountId = AccountId([1; 32]);
const ALICE: AccountId = AccountId([2; 32]);
const BOB: AccountId = AccountId([3; 32]);
const TREASURY: AccountId = AccountId([9; 32]);
const FUNDS: Balance = 1_000_000_000_000_000;
const GAS: u64 = 100_000_000_000;

/// One engine for all tests: each reserves a great deal of address space.
fn engine() -> Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE
        .get_or_init(|| Engine::new(phat_engine::Config::default()).unwrap())
        .clone()
}

fn code(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/artifacts");
    let text = std::fs::read_to_string(format!("{folder}/{name}.contract")).unwrap();
    let bundle: serde_json::Value = serde_json::from_str(&text).unwrap();
    let wasm = bundle["source"]["wasm"].as_str().unwrap();
    hex::decode(wasm.trim_start_matches("0x")).unwrap()
}

fn hash_of(code: &[u8]) -> CodeHash {
    Hash::from(blake2_256(code))
}

/// A cluster with its state, as a worker would keep it.
struct Kept {
    cluster: Cluster,
    state: Changes,
    accumulator: Accumulator,
    number: u32,
    next: MessageNumber,
}

impl Kept {
    fn new() -> Self {
        let transport = TransportSecret::new(0, 3, Zeroizing::new([6; 32]));
        let cluster = Cluster::new(ids::cluster_id(1), Keypair::from_seed([5; 32]), engine())
            .with_transport([transport]);
        Self {
            cluster,
            state: Changes::new(),
            accumulator: Accumulator::default(),
            number: 0,
            next: 0,
        }
    }

    /// A cluster after its first block, with money for Alice and Bob.
    fn created() -> Self {
        let mut kept = Self::new();
        kept.apply(vec![
            genesis(),
            ClusterMessage::Deposit {
                account: ALICE,
                amount: FUNDS,
            },
            ClusterMessage::Deposit {
                account: BOB,
                amount: FUNDS,
            },
        ]);
        kept
    }

    fn shared(&self) -> Arc<dyn State> {
        Arc::new(self.state.clone())
    }

    fn try_apply(&mut self, messages: Vec<ClusterMessage>) -> Result<Applied, ApplyError> {
        self.number += 1;
        let numbered: Vec<_> = (self.next..).zip(messages).collect();
        self.next += numbered.len() as u64;
        let block = Block {
            number: self.number,
            now_ms: u64::from(self.number) * 3_000,
            messages: numbered,
        };
        block_on(self.cluster.apply(self.shared(), &self.accumulator, block))
    }

    fn apply(&mut self, messages: Vec<ClusterMessage>) -> Applied {
        let applied = self.try_apply(messages).unwrap();
        for (key, value) in &applied.changes {
            match value {
                Some(_) => self.state.insert(key.clone(), value.clone()),
                None => self.state.remove(key),
            };
        }
        self.accumulator = applied.accumulator.clone();
        applied
    }

    fn one(&mut self, message: ClusterMessage) -> Receipt {
        self.apply(vec![message]).receipts.remove(0)
    }

    fn free(&self, account: AccountId) -> Balance {
        schema::account(&Overlay::new(self.shared()), &account.0)
            .unwrap()
            .free
    }

    /// Uploads the flipper and makes one of it for Alice.
    fn flipper(&mut self) -> ContractId {
        let code = code("flipper");
        let uploaded = self.one(upload(ALICE, code.clone()));
        assert_eq!(uploaded.outcome, Ok(Success::Uploaded(hash_of(&code))));
        let made = self.one(instantiate(ALICE, &code, flipper_new(true)));
        let Ok(Success::Instantiated(contract, _)) = made.outcome else {
            panic!("{made:?}")
        };
        assert_eq!(
            contract,
            ids::contract_id(&ALICE, &hash_of(&code), &self.cluster.id(), b"salt")
        );
        contract
    }

    fn flipped(&self, contract: ContractId) -> bool {
        let ask = Ask::Call {
            contract,
            input: selector("get"),
            deposit: 0,
            transfer: 0,
            estimating: false,
        };
        let bytes = self.ask(ask);
        // The value is the last byte of `Ok(Return { flags, data: Ok(bool) })`.
        bytes.last() == Some(&1)
    }

    fn ask(&self, ask: Ask) -> Vec<u8> {
        let at = (self.number, 0);
        block_on(
            self.cluster
                .query(self.shared(), at, &BOB, ask, Arc::new(Nowhere)),
        )
        .unwrap()
    }
}

fn genesis() -> ClusterMessage {
    let system_code = code("system");
    let system_contract =
        ids::contract_id(&OWNER, &hash_of(&system_code), &ids::cluster_id(1), &[]);
    ClusterMessage::Created(Box::new(ClusterGenesis {
        owner: OWNER,
        prices: Prices {
            gas_price: 1,
            deposit_per_item: 100,
            deposit_per_byte: 10,
            treasury: TREASURY,
        },
        system_code,
        system_contract,
        workers: Vec::new(),
        generation: 0,
    }))
}

fn upload(owner: AccountId, code: Vec<u8>) -> ClusterMessage {
    ClusterMessage::Upload {
        owner,
        kind: ResourceKind::InkCode,
        code,
    }
}

fn instantiate(deployer: AccountId, code: &[u8], data: Vec<u8>) -> ClusterMessage {
    ClusterMessage::Instantiate(Instantiate {
        deployer,
        code_hash: hash_of(code),
        data,
        salt: b"salt".to_vec(),
        transfer: 0,
        gas_limit: GAS,
        storage_deposit_limit: None,
    })
}

/// ink! selectors: the first bytes of the hash of the name.
fn selector(name: &str) -> Vec<u8> {
    blake2_256(name.as_bytes())[..4].to_vec()
}

fn flipper_new(value: bool) -> Vec<u8> {
    [selector("new"), vec![u8::from(value)]].concat()
}

fn ink(message: Vec<u8>, gas_limit: u64) -> InkCommand {
    InkCommand::InkMessage {
        nonce: vec![7; 32],
        message,
        transfer: 0,
        gas_limit,
        storage_deposit_limit: None,
    }
}

fn plain(sender: AccountId, contract: ContractId, message: Vec<u8>, gas: u64) -> ClusterMessage {
    let payload = CommandPayload::Plain(ink(message, gas)).encode();
    ClusterMessage::Command {
        sender,
        contract,
        payload,
    }
}

fn encrypted(to: [u8; 32], contract: ContractId, message: Vec<u8>) -> ClusterMessage {
    let sender = Keypair::from_seed([8; 32]);
    let shared = sender.agree(&to).unwrap();
    let command = ink(message, GAS).encode();
    let sealed = envelope::encrypt(&shared, sender.public(), &command, &mut OsRng).unwrap();
    let payload = CommandPayload::Encrypted(sealed).encode();
    ClusterMessage::Command {
        sender: ALICE,
        contract,
        payload,
    }
}

/// A worker without anything.
struct Nowhere;

impl Surroundings for Nowhere {
    fn worker_pubkey(&self) -> [u8; 32] {
        [0; 32]
    }
    fn untrusted_now_ms(&self) -> u64 {
        0
    }
    fn random(&self, length: usize) -> Vec<u8> {
        vec![0; length]
    }
    fn http(&self, _: &ContractId, _: Vec<HttpRequest>, _: u64) -> BoxFuture<'_, HttpAnswers> {
        Box::pin(async { Err(HttpRequestError::NotAllowed) })
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
    fn log(&self, _: LogRecord) {}
    fn interrupted(&self) -> bool {
        false
    }
}
