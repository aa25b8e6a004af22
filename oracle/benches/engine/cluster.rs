//! A cluster as a worker runs it, with its state in memory.

use std::sync::Arc;

use codec::Encode;
use futures::executor::block_on;
use phat_cluster::{Accumulator, Applied, Ask, Block, Cluster, Surroundings};
use phat_crypto::Keypair;
use phat_engine::{
    BoxFuture, Changes, HttpAnswers,
    pink::{HttpRequest, HttpRequestError},
};
use phat_oracle::{ALICE, Bundle, GAS, UNIT, engine};
use phat_primitives::{
    AccountId, ContractId, Hash, blake2_256,
    command::{CommandPayload, InkCommand},
    ids,
    message::{ClusterGenesis, ClusterMessage, Instantiate, Prices, ResourceKind},
    receipt::Success,
};

/// A cluster, its state, and the root of that.
pub(crate) struct Running {
    cluster: Cluster,
    state: Arc<Changes>,
    accumulator: Accumulator,
    block: u32,
    next: u64,
}

impl Running {
    /// A cluster in which Alice has money.
    pub(crate) fn new() -> Self {
        let id = ids::cluster_id(1);
        let mut running = Self {
            cluster: Cluster::new(id, Keypair::from_seed([5; 32]), engine()),
            state: Arc::default(),
            accumulator: Accumulator::default(),
            block: 0,
            next: 0,
        };
        let owner = AccountId([7; 32]);
        let system_code = Bundle::read("system").wasm;
        let code_hash = Hash::from(blake2_256(&system_code));
        let genesis = ClusterGenesis {
            generation: 0,
            owner,
            prices: Prices {
                gas_price: 1,
                deposit_per_item: 100,
                deposit_per_byte: 1,
                treasury: AccountId([8; 32]),
            },
            system_contract: ids::contract_id(&owner, &code_hash, &id, &[]),
            system_code,
            workers: Vec::new(),
        };
        let deposit = ClusterMessage::Deposit {
            account: AccountId(ALICE),
            amount: 1_000_000_000 * UNIT,
        };
        running.apply(vec![ClusterMessage::Created(Box::new(genesis)), deposit]);
        running
    }

    /// Applies a block and commits what follows from it: the state and its root.
    fn apply(&mut self, messages: Vec<ClusterMessage>) -> Applied {
        self.block += 1;
        let numbered: Vec<_> = (self.next..).zip(messages).collect();
        self.next += numbered.len() as u64;
        let block = Block {
            number: self.block,
            now_ms: u64::from(self.block) * 3_000,
            messages: numbered,
        };
        let state = self.state.clone();
        let applied = block_on(self.cluster.apply(state, &self.accumulator, block));
        let mut applied = applied.unwrap();
        // Nobody reads it now, so this copies nothing.
        let records = Arc::make_mut(&mut self.state);
        for (key, value) in std::mem::take(&mut applied.changes) {
            match value {
                Some(_) => records.insert(key, value),
                None => records.remove(&key),
            };
        }
        self.accumulator = applied.accumulator.clone();
        applied
    }

    /// Uploads and instantiates.
    pub(crate) fn deploy(&mut self, wasm: &[u8], input: Vec<u8>) -> [u8; 32] {
        let upload = ClusterMessage::Upload {
            owner: AccountId(ALICE),
            kind: ResourceKind::InkCode,
            code: wasm.to_vec(),
        };
        let instantiate = ClusterMessage::Instantiate(Instantiate {
            deployer: AccountId(ALICE),
            code_hash: Hash::from(blake2_256(wasm)),
            data: input,
            salt: Vec::new(),
            transfer: 0,
            gas_limit: GAS,
            storage_deposit_limit: None,
        });
        let applied = self.apply(vec![upload, instantiate]);
        match &applied.receipts[1].outcome {
            Ok(Success::Instantiated(contract, _)) => contract.0,
            other => panic!("{other:?}"),
        }
    }

    /// Applies a block with the same command `count` times.
    pub(crate) fn commands(&mut self, contract: [u8; 32], message: &[u8], count: usize) {
        let payload = CommandPayload::Plain(InkCommand::InkMessage {
            nonce: vec![7; 32],
            message: message.to_vec(),
            transfer: 0,
            gas_limit: GAS,
            storage_deposit_limit: None,
        });
        let command = ClusterMessage::Command {
            sender: AccountId(ALICE),
            contract: ContractId::from(contract),
            payload: payload.encode(),
        };
        let applied = self.apply(vec![command; count]);
        for receipt in &applied.receipts {
            assert!(receipt.outcome.is_ok(), "{receipt:?}");
            assert_eq!(receipt.events.len(), 1);
        }
    }

    /// The encoded answer to a query.
    pub(crate) async fn query(&self, ask: Ask) -> Vec<u8> {
        let origin = AccountId(ALICE);
        let (state, at) = (self.state.clone(), (self.block, 0));
        let answer = self
            .cluster
            .query(state, at, &origin, ask, Arc::new(Nowhere));
        answer.await.unwrap()
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
    fn log(&self, _: phat_cluster::LogRecord) {}
    fn interrupted(&self) -> bool {
        false
    }
}
