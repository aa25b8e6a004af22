//! A cluster from its first block on, with real contracts.

use crate::{
    Accumulator, Applied, ApplyError, Ask, Block, Cluster, LogEntry, LogRecord, Owner,
    Surroundings,
    limits::{MAX_COMMAND_GAS, MAX_HOOK_GAS, MAX_HOOKS},
    settings,
};
use codec::{Decode, Encode};
use futures::executor::block_on;
use phat_crypto::{
    Keypair, TransportSecret, Zeroizing,
    contexts::{self, Context},
    envelope,
    rand_core::OsRng,
};
use phat_engine::{
    BoxFuture, Changes, Engine, HttpAnswers, Overlay, State,
    pink::{HttpRequest, HttpRequestError},
    schema,
};
use phat_primitives::{
    AccountId, Balance, CodeHash, ContractId, Hash, MessageNumber, blake2_256,
    command::{CommandPayload, InkCommand},
    credit::CreditOrder,
    ids,
    message::{ClusterGenesis, ClusterMessage, Instantiate, Prices, ResourceKind},
    private::{
        ARGUMENTS_STEP, CODE_STEP, PrivateInstantiate, PrivateUpload, SealedData, binding, padded,
    },
    receipt::{Failure, Receipt, Success},
};
use std::sync::{Arc, OnceLock};

mod policy;

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

#[test]
fn the_first_block_makes_the_system_contract_at_no_cost() {
    let mut kept = Kept::new();
    let applied = kept.apply(vec![genesis()]);
    let settings = settings(&kept.state).unwrap().unwrap();
    let made = crate::Made {
        contract: settings.system_contract,
        owner: Owner {
            account: OWNER,
            private: false,
        },
    };
    assert_eq!(applied.instantiated, [made]);
    assert_eq!(settings.owner, OWNER);
    assert_eq!(
        settings.log_handler, None,
        "what a constructor asks for at birth is not granted"
    );
    assert_eq!(kept.free(OWNER), 0);
    assert_eq!(
        crate::contracts(kept.shared()).unwrap(),
        [settings.system_contract]
    );
}

#[test]
fn a_cluster_is_created_first_and_once() {
    let deposit = ClusterMessage::Deposit {
        account: ALICE,
        amount: 1,
    };
    let early = Kept::new().try_apply(vec![deposit]).unwrap_err();
    assert!(matches!(early, ApplyError::NotCreated(0)));
    let again = Kept::created().try_apply(vec![genesis()]).unwrap_err();
    assert!(matches!(again, ApplyError::CreatedTwice(3)));
}

#[test]
fn plain_and_encrypted_commands_change_the_state() {
    let mut kept = Kept::created();
    let contract = kept.flipper();
    assert!(kept.flipped(contract));
    let receipt = kept.one(plain(ALICE, contract, selector("flip"), GAS));
    assert!(receipt.outcome.is_ok(), "{receipt:?}");
    assert!(!kept.flipped(contract));
    let key = kept.cluster.contract_key(&contract).public();
    let receipt = kept.one(encrypted(key, contract, selector("flip")));
    assert!(receipt.outcome.is_ok(), "{receipt:?}");
    assert!(kept.flipped(contract));
}

#[test]
fn two_workers_come_to_the_same_root_however_the_blocks_fall() {
    let (mut one, mut two) = (Kept::created(), Kept::created());
    assert_eq!(one.accumulator.root(), two.accumulator.root());
    let contract = one.flipper();
    assert_eq!(two.flipper(), contract);
    let commands: Vec<_> = (0..3)
        .map(|_| plain(ALICE, contract, selector("flip"), GAS))
        .collect();
    for command in commands.clone() {
        one.apply(vec![command]);
        one.apply(Vec::new());
    }
    two.apply(commands);
    assert_eq!(one.accumulator.root(), two.accumulator.root());
    assert_eq!(one.state, two.state);
    // Records added up from nothing give the same root: a snapshot can be checked by it.
    let mut fresh = Accumulator::default();
    for (key, value) in &one.state {
        fresh.add(key, value.as_ref().unwrap());
    }
    assert_eq!(fresh.root(), one.accumulator.root());
}

#[test]
fn a_block_without_messages_leaves_everything_as_it_was() {
    let mut kept = Kept::created();
    let before = kept.accumulator.root();
    let applied = kept.apply(Vec::new());
    assert!(applied.changes.is_empty());
    assert_eq!(applied.state_root, before);
}

#[test]
fn gas_is_paid_up_front_and_what_is_not_used_comes_back() {
    let mut kept = Kept::created();
    let contract = kept.flipper();
    let (before, treasury) = (kept.free(BOB), kept.free(TREASURY));
    let receipt = kept.one(plain(BOB, contract, selector("flip"), GAS));
    assert_eq!(receipt.fee, Balance::from(receipt.gas_used));
    assert!(receipt.gas_used > 0 && receipt.gas_used < GAS);
    assert_eq!(receipt.gas_refunded, GAS - receipt.gas_used);
    assert_eq!(receipt.storage_deposit, 0);
    assert_eq!(kept.free(BOB), before - receipt.fee);
    assert_eq!(kept.free(TREASURY), treasury + receipt.fee);
    // Asking for more than there is changes nothing.
    let poor = AccountId([77; 32]);
    let receipt = kept.one(plain(poor, contract, selector("flip"), GAS));
    let unpaid = Failure::Unpaid {
        needed: GAS.into(),
        available: 0,
    };
    assert_eq!(receipt.outcome, Err(unpaid));
    assert_eq!(receipt.fee, 0);
    // More than a command can have is neither given nor asked for.
    let receipt = kept.one(plain(poor, contract, selector("flip"), u64::MAX));
    let unpaid = Failure::Unpaid {
        needed: MAX_COMMAND_GAS.into(),
        available: 0,
    };
    assert_eq!(receipt.outcome, Err(unpaid));
}

#[test]
fn a_failed_command_keeps_its_fee_and_undoes_the_rest() {
    let mut kept = Kept::created();
    let contract = kept.flipper();
    let enough = kept
        .one(plain(ALICE, contract, selector("flip"), GAS))
        .gas_used;
    let state = kept.flipped(contract);
    let before = kept.free(ALICE);
    let applied = kept.apply(vec![plain(ALICE, contract, selector("flip"), enough - 1)]);
    let receipt = &applied.receipts[0];
    assert!(matches!(&receipt.outcome, Err(Failure::Failed(reason)) if reason.contains("gas")));
    assert!(receipt.fee > 0 && receipt.fee < enough.into());
    assert_eq!(kept.free(ALICE), before - receipt.fee);
    assert_eq!(kept.flipped(contract), state);
    assert!(receipt.events.is_empty());
    let told = |entry: &LogEntry| matches!(entry, LogEntry::Line { message, .. } if message.starts_with("command failed"));
    assert!(
        applied
            .logs
            .iter()
            .any(|log| log.contract == contract && told(&log.entry))
    );
}

#[test]
fn what_cannot_be_read_is_told_and_costs_nothing() {
    let mut kept = Kept::created();
    let contract = kept.flipper();
    let before = (kept.free(ALICE), kept.accumulator.root());
    let somebody = Keypair::from_seed([66; 32]).public();
    let mut trailing = CommandPayload::Plain(ink(selector("flip"), GAS)).encode();
    trailing.push(0);
    let garbage = |payload| ClusterMessage::Command {
        sender: ALICE,
        contract,
        payload,
    };
    let messages = vec![
        garbage(vec![]),
        garbage(vec![0xff; 64]),
        garbage(trailing),
        encrypted(somebody, contract, selector("flip")),
    ];
    let count = messages.len();
    let receipts = kept.apply(messages).receipts;
    assert_eq!(receipts.len(), count);
    for receipt in receipts {
        assert!(
            matches!(receipt.outcome, Err(Failure::Unreadable(_))),
            "{receipt:?}"
        );
        assert_eq!(receipt.fee, 0);
    }
    assert_eq!((kept.free(ALICE), kept.accumulator.root()), before);
}

#[test]
fn what_is_not_there_or_no_code_is_refused() {
    let mut kept = Kept::created();
    let unknown = Hash::repeat_byte(42);
    let receipt = kept.one(plain(ALICE, unknown, selector("flip"), GAS));
    assert!(
        matches!(receipt.outcome, Err(Failure::Failed(_))),
        "{receipt:?}"
    );
    let receipt = kept.one(instantiate(ALICE, b"never uploaded", flipper_new(true)));
    assert!(
        matches!(receipt.outcome, Err(Failure::Failed(_))),
        "{receipt:?}"
    );
    for code in [&b"this is not Wasm"[..], b"", b"\0asm\x01\0\0\0"] {
        let receipt = kept.one(upload(ALICE, code.to_vec()));
        let Err(Failure::CodeRejected(reason)) = &receipt.outcome else {
            panic!("{receipt:?}")
        };
        assert!(!reason.contains('\n'), "{reason}");
    }
    let sidevm = ClusterMessage::Upload {
        owner: ALICE,
        kind: ResourceKind::SidevmCode,
        code: code("flipper"),
    };
    assert!(matches!(
        kept.one(sidevm).outcome,
        Err(Failure::CodeRejected(_))
    ));
}

#[test]
fn a_failed_instantiation_makes_nothing_and_is_the_first_line_of_its_log() {
    let mut kept = Kept::created();
    let code = code("flipper");
    kept.one(upload(ALICE, code.clone()));
    let applied = kept.apply(vec![instantiate(ALICE, &code, vec![1, 2, 3, 4])]);
    assert!(applied.receipts[0].outcome.is_err());
    assert!(applied.instantiated.is_empty());
    let id = ids::contract_id(&ALICE, &hash_of(&code), &kept.cluster.id(), b"salt");
    let first = applied.logs.iter().find(|log| log.contract == id).unwrap();
    let LogEntry::Line { message, .. } = &first.entry else {
        panic!("{first:?}")
    };
    assert!(message.starts_with("instantiate failed"), "{message}");
    let made = kept.one(instantiate(ALICE, &code, flipper_new(false)));
    assert!(
        made.outcome.is_ok(),
        "the same salt can be used again: {made:?}"
    );
}

#[test]
fn queries_change_nothing_and_estimate_enough() {
    let mut kept = Kept::created();
    let contract = kept.flipper();
    let before = kept.state.clone();
    let flip = |estimating| Ask::Call {
        contract,
        input: selector("flip"),
        deposit: FUNDS,
        transfer: 0,
        estimating,
    };
    kept.ask(flip(false));
    let bytes = kept.ask(flip(true));
    assert_eq!(kept.state, before);
    let input = &mut &bytes[..];
    let [consumed, _, required, _] =
        [(); 4].map(|()| codec::Compact::<u64>::decode(input).unwrap().0);
    assert!(required >= consumed);
    let receipt = kept.one(plain(ALICE, contract, selector("flip"), required));
    assert!(receipt.outcome.is_ok(), "{receipt:?}");
    assert!(receipt.gas_used <= consumed);
}

#[test]
fn money_leaves_whole_or_not_at_all() {
    let mut kept = Kept::created();
    let withdraw = |amount| ClusterMessage::Withdraw {
        account: BOB,
        amount,
    };
    let applied = kept.apply(vec![withdraw(FUNDS + 1), withdraw(FUNDS), withdraw(1)]);
    let amounts: Vec<_> = applied
        .withdrawals
        .iter()
        .map(|outcome| outcome.amount)
        .collect();
    assert_eq!(amounts, [0, FUNDS, 0]);
    let numbers: Vec<_> = applied
        .withdrawals
        .iter()
        .map(|outcome| outcome.number)
        .collect();
    assert_eq!(numbers, [3, 4, 5]);
    assert_eq!(applied.receipts[1].outcome, Ok(Success::Withdrawn(FUNDS)));
    assert_eq!(applied.receipts[0].state_root, applied.state_root);
    assert_eq!(kept.free(BOB), 0);
}

#[test]
fn the_state_has_how_withdrawals_ended_until_the_chain_has_decided() {
    let mut kept = Kept::created();
    let withdraw = |amount| ClusterMessage::Withdraw {
        account: BOB,
        amount,
    };
    let undecided = |kept: &Kept| -> Vec<_> {
        let undecided = crate::undecided(&kept.state).unwrap();
        undecided
            .iter()
            .map(|one| (one.number, one.amount))
            .collect()
    };
    let before = kept.state.clone();
    let applied = kept.apply(vec![withdraw(FUNDS + 1), withdraw(5)]);
    assert_eq!(applied.withdrawals, applied.undecided);
    assert_eq!(undecided(&kept), [(3, 0), (4, 5)]);
    let applied = kept.apply(vec![
        ClusterMessage::WithdrawalDecided { number: 3 },
        withdraw(7),
    ]);
    assert_eq!(applied.withdrawals.len(), 1);
    assert_eq!(applied.undecided.len(), 2);
    assert_eq!(undecided(&kept), [(4, 5), (6, 7)]);
    let decided = [6, 4, 99].map(|number| ClusterMessage::WithdrawalDecided { number });
    let applied = kept.apply(decided.to_vec());
    assert!(applied.undecided.is_empty());
    assert_eq!(kept.free(BOB), FUNDS - 12);
    let keys = |state: &Changes| state.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&kept.state), keys(&before), "nothing is left of them");
}

#[test]
fn contract_keys_differ_and_come_from_the_root() {
    let kept = Kept::new();
    let (one, two) = (Hash::repeat_byte(1), Hash::repeat_byte(2));
    let key = |contract| kept.cluster.contract_key(contract).public();
    assert_eq!(key(&one), key(&one));
    assert_ne!(key(&one), key(&two));
    let other = Cluster::new(ids::cluster_id(1), Keypair::from_seed([6; 32]), engine());
    assert_ne!(other.contract_key(&one).public(), key(&one));
}

/// Selectors of the system contract.
const GRANT_ADMIN: [u8; 4] = [0x67, 0x61, 0x20, 0x61];
const SET_HOOK: [u8; 4] = [0x35, 0x2c, 0x6b, 0x5c];

/// A cluster whose owner is an administrator, and a message of the owner to the system contract.
fn administered() -> (Kept, impl Fn([u8; 4], Vec<u8>) -> ClusterMessage) {
    let mut kept = Kept::created();
    let system = ids::contract_id(&OWNER, &hash_of(&code("system")), &kept.cluster.id(), &[]);
    let tell = move |message: [u8; 4], args: Vec<u8>| {
        plain(OWNER, system, [message.to_vec(), args].concat(), GAS)
    };
    let funds = ClusterMessage::Deposit {
        account: OWNER,
        amount: FUNDS,
    };
    let applied = kept.apply(vec![funds, tell(GRANT_ADMIN, OWNER.encode())]);
    assert!(applied.receipts[0].outcome.is_ok());
    (kept, tell)
}

/// The arguments of `set_hook`: at the end of every block, flip.
fn hook(contract: ContractId, gas_limit: u64) -> Vec<u8> {
    let flip = u32::from_be_bytes(selector("flip").try_into().unwrap());
    (0u8, contract, flip, gas_limit).encode()
}

#[test]
fn a_hook_is_called_after_every_block_and_the_contract_pays() {
    let (mut kept, tell) = administered();
    let contract = kept.flipper();
    let before = kept.flipped(contract);
    let account = AccountId::from(contract.0);
    let treasury = kept.free(TREASURY);
    kept.apply(vec![
        ClusterMessage::Deposit {
            account,
            amount: FUNDS,
        },
        tell(SET_HOOK, hook(contract, 2 * GAS)),
    ]);
    assert_eq!(kept.flipped(contract), !before, "in the block itself");
    kept.apply(Vec::new());
    assert_eq!(kept.flipped(contract), before);
    let paid = FUNDS - kept.free(account);
    assert!(paid > 0 && paid < FUNDS / 2);
    assert!(kept.free(TREASURY) - treasury > paid, "besides the command");
    kept.apply(vec![tell(SET_HOOK, hook(contract, 0))]);
    assert_eq!(
        kept.flipped(contract),
        before,
        "without gas it is taken away"
    );
}

#[test]
fn a_hook_that_cannot_pay_or_fails_is_told_in_the_log_and_undone() {
    let (mut kept, tell) = administered();
    let contract = kept.flipper();
    let before = kept.flipped(contract);
    let applied = kept.apply(vec![tell(SET_HOOK, hook(contract, GAS))]);
    let line = |applied: &Applied| {
        applied.logs.iter().find_map(|log| match &log.entry {
            LogEntry::Line { message, .. } if log.contract == contract => Some(message.clone()),
            _ => None,
        })
    };
    let message = line(&applied).unwrap();
    assert!(message.starts_with("hook failed: "), "{message}");
    assert!(message.contains("is needed up front"), "{message}");
    let account = AccountId::from(contract.0);
    let funds = ClusterMessage::Deposit {
        account,
        amount: FUNDS,
    };
    let applied = kept.apply(vec![funds, tell(SET_HOOK, hook(contract, 1_000_000))]);
    let message = line(&applied).unwrap();
    assert!(message.contains("out of gas at a limit of "), "{message}");
    assert_eq!(kept.flipped(contract), before);
}

#[test]
fn hooks_and_their_gas_are_limited_and_not_for_everybody() {
    let (mut kept, tell) = administered();
    let contract = kept.flipper();
    let from_alice = plain(
        ALICE,
        ids::contract_id(&OWNER, &hash_of(&code("system")), &kept.cluster.id(), &[]),
        [SET_HOOK.to_vec(), hook(contract, GAS)].concat(),
        GAS,
    );
    kept.apply(vec![from_alice]);
    let hooks = |kept: &Kept| settings::hooks(&Overlay::new(kept.shared())).unwrap();
    assert!(hooks(&kept).is_empty());
    kept.apply(vec![tell(SET_HOOK, hook(contract, u64::MAX))]);
    assert_eq!(hooks(&kept)[0].gas_limit, MAX_HOOK_GAS);
    let missing = |byte: usize| tell(SET_HOOK, hook(Hash::repeat_byte(byte as u8), GAS));
    kept.apply((0..MAX_HOOKS + 5).map(missing).collect());
    assert_eq!(
        hooks(&kept).len(),
        1,
        "contracts that do not exist have none"
    );
}

/// Something that `sender` encrypts to the cluster.
fn sealed(kept: &Kept, purpose: Context, sender: AccountId, plain: &[u8]) -> SealedData {
    let epoch = 2;
    let public = kept.cluster.transport_key(epoch).unwrap().public();
    let binding = binding(&kept.cluster.id(), &sender);
    let data = envelope::seal_data(&public, plain, purpose, &binding, &mut OsRng).unwrap();
    SealedData { epoch, data }
}

fn private_upload(kept: &Kept, owner: AccountId, code: Vec<u8>) -> ClusterMessage {
    let kind = ResourceKind::InkCode;
    let plain = padded(&PrivateUpload { kind, code }, CODE_STEP);
    let sealed = sealed(kept, contexts::PRIVATE_UPLOAD, owner, &plain);
    ClusterMessage::UploadPrivate { owner, sealed }
}

fn private_instantiate(kept: &Kept, deployer: AccountId, data: Vec<u8>) -> ClusterMessage {
    let private = PrivateInstantiate {
        code_hash: hash_of(&code("flipper")),
        data,
        salt: b"secret".to_vec(),
        transfer: 0,
        gas_limit: GAS,
        storage_deposit_limit: None,
    };
    let plain = padded(&private, ARGUMENTS_STEP);
    let sealed = sealed(kept, contexts::PRIVATE_INSTANTIATE, deployer, &plain);
    ClusterMessage::InstantiatePrivate { deployer, sealed }
}

#[test]
fn a_contract_is_made_in_private_and_works_as_any_other() {
    let mut kept = Kept::created();
    let flipper = code("flipper");
    let upload = private_upload(&kept, ALICE, flipper.clone());
    let uploaded = kept.one(upload);
    assert_eq!(uploaded.outcome, Ok(Success::Uploaded(hash_of(&flipper))));
    let instantiate = private_instantiate(&kept, ALICE, flipper_new(true));
    let applied = kept.apply(vec![instantiate]);
    let id = ids::contract_id(&ALICE, &hash_of(&flipper), &kept.cluster.id(), b"secret");
    let receipt = &applied.receipts[0];
    assert!(matches!(receipt.outcome, Ok(Success::Instantiated(made, _)) if made == id));
    assert_eq!(receipt.sender, ALICE);
    let owner = Owner {
        account: ALICE,
        private: true,
    };
    assert_eq!(
        applied.instantiated,
        [crate::Made {
            contract: id,
            owner
        }]
    );
    assert_eq!(crate::owner(&kept.state, &id).unwrap(), Some(owner));
    assert!(kept.flipped(id));
    let key = kept.cluster.contract_key(&id).public();
    let flip = kept.one(encrypted(key, id, selector("flip")));
    assert!(flip.outcome.is_ok(), "{flip:?}");
    assert!(!kept.flipped(id));
}

#[test]
fn what_fails_in_private_is_told_to_its_sender_only() {
    let mut kept = Kept::created();
    let bad_code = private_upload(&kept, ALICE, b"not Wasm".to_vec());
    let missing = private_instantiate(&kept, ALICE, flipper_new(true));
    let applied = kept.apply(vec![bad_code, missing]);
    let outcomes: Vec<_> = applied.receipts.iter().map(|r| &r.outcome).collect();
    assert!(
        matches!(outcomes[0], Err(Failure::CodeRejected(_))),
        "{outcomes:?}"
    );
    assert!(
        matches!(outcomes[1], Err(Failure::Failed(_))),
        "{outcomes:?}"
    );
    assert!(
        applied
            .receipts
            .iter()
            .all(|receipt| receipt.sender == ALICE)
    );
    assert!(applied.logs.is_empty(), "{:?}", applied.logs);
    assert!(applied.instantiated.is_empty());
    let upload = private_upload(&kept, ALICE, code("flipper"));
    kept.one(upload);
    let trap = private_instantiate(&kept, ALICE, vec![1, 2, 3, 4]);
    let applied = kept.apply(vec![trap]);
    assert!(applied.receipts[0].outcome.is_err());
    assert!(applied.receipts[0].gas_used > 0);
    assert!(applied.logs.is_empty(), "{:?}", applied.logs);
}

#[test]
fn nobody_can_send_what_somebody_else_has_sealed() {
    let mut kept = Kept::created();
    let ClusterMessage::UploadPrivate { sealed, .. } =
        private_upload(&kept, ALICE, code("flipper"))
    else {
        panic!()
    };
    let stolen = kept.one(ClusterMessage::UploadPrivate {
        owner: BOB,
        sealed: sealed.clone(),
    });
    assert!(
        matches!(stolen.outcome, Err(Failure::Unreadable(_))),
        "{stolen:?}"
    );
    // Nor is code taken for an instantiation, or opened with another key.
    let other_purpose = kept.one(ClusterMessage::InstantiatePrivate {
        deployer: ALICE,
        sealed: sealed.clone(),
    });
    assert!(matches!(other_purpose.outcome, Err(Failure::Unreadable(_))));
    let other_key = kept.one(ClusterMessage::UploadPrivate {
        owner: ALICE,
        sealed: SealedData { epoch: 1, ..sealed },
    });
    assert!(matches!(other_key.outcome, Err(Failure::Unreadable(_))));
    for plain in [&b"garbage"[..], &[], &[0; 1], &[0xff; 2_000]] {
        let sealed = sealed_garbage(&kept, plain);
        let receipt = kept.one(ClusterMessage::UploadPrivate {
            owner: ALICE,
            sealed,
        });
        assert!(receipt.outcome.is_err(), "{receipt:?}");
    }
}

fn sealed_garbage(kept: &Kept, plain: &[u8]) -> SealedData {
    sealed(kept, contexts::PRIVATE_UPLOAD, ALICE, plain)
}

#[test]
fn who_made_a_contract_is_known_as_long_as_it_exists() {
    let mut kept = Kept::created();
    let contract = kept.flipper();
    let owner = crate::owner(&kept.state, &contract).unwrap().unwrap();
    assert_eq!((owner.account, owner.private), (ALICE, false));
    let system = settings(&kept.state).unwrap().unwrap().system_contract;
    assert_eq!(
        crate::owner(&kept.state, &system).unwrap().unwrap().account,
        OWNER
    );
    let mut changes = Changes::from([
        ([b"c", &contract.0[..]].concat(), None),
        ([b"c", &system.0[..]].concat(), Some(vec![1])),
    ]);
    let gone = crate::apply::forget_gone(&mut changes);
    assert_eq!(gone, [contract]);
    let kept_of_it = crate::settings::keys_of(&contract);
    assert!(kept_of_it.iter().all(|key| changes.get(key) == Some(&None)));
    assert_eq!(changes.len(), 5);
}

#[test]
fn what_was_spent_of_credits_is_the_treasurys_and_who_was_lent_some_is_no_part_of_the_state() {
    let mut kept = Kept::created();
    let (treasury, root) = (kept.free(TREASURY), kept.accumulator.root());
    let recalled = ClusterMessage::Credit(CreditOrder::Recalled(ALICE));
    assert_eq!(kept.apply(vec![recalled]).state_root, root);
    kept.apply(vec![ClusterMessage::CreditSettled { amount: 7 }]);
    assert_eq!(kept.free(TREASURY), treasury + 7);
}

#[test]
fn a_block_waits_for_the_transport_key_that_it_needs() {
    let mut kept = Kept::created();
    let message = private_upload(&kept, ALICE, code("flipper"));
    let before = kept.cluster.clone();
    let earlier = TransportSecret::new(0, 3, Zeroizing::new([6; 32])).at(1);
    kept.cluster = kept.cluster.clone().with_transport(earlier);
    assert_eq!(kept.cluster.can_open(&message), Err(2));
    let refused = kept.try_apply(vec![message.clone()]).unwrap_err();
    assert!(matches!(
        refused,
        ApplyError::NoTransportKey { epoch: 2, .. }
    ));
    kept.cluster = before;
    assert_eq!(kept.cluster.can_open(&message), Ok(()));
    assert!(kept.one(message).outcome.is_ok());
}
