//! JSON-RPC requests of strangers, made of bytes. The test beside this file runs the target on random
//! bytes, libFuzzer (`chain/fuzz`) on bytes that find new paths.

use codec::Encode;
use jsonrpsee::RpcModule;
use phat_fuzzing::{Input, json::place};
use phat_runtime::{Hash, signed_extrinsic};
use phat_solo::{Authority, Stepped, genesis};
use polkadot_sdk::*;
use serde_json::{Value, json};
use sp_keyring::Sr25519Keyring;
use tokio::runtime::Runtime;

/// Blocks of the chain.
const HEIGHT: u32 = 5;
/// Levels of parameters that are changed.
const MAX_DEPTH: usize = 3;
/// The server says that something is its own fault.
const INTERNAL: i64 = -32603;
/// The runtime stopped. That is no fault of whoever calls one of its functions with nonsense.
const RUNTIME: i64 = 4004;

/// A chain that stands still, and what is served of it.
struct Chain {
    runtime: Runtime,
    stepped: Stepped,
    served: RpcModule<()>,
    /// Requests that are good at any time.
    good: Vec<(&'static str, Value)>,
    /// Names of all methods.
    methods: Vec<&'static str>,
    /// The newest header.
    head: Value,
    _folder: tempfile::TempDir,
}

thread_local! {
    static CHAIN: Chain = Chain::begin();
}

fn hex(bytes: impl AsRef<[u8]>) -> Value {
    let digits = bytes.as_ref().iter().map(|byte| format!("{byte:02x}"));
    format!("0x{}", digits.collect::<String>()).into()
}

impl Chain {
    fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let genesis = genesis::from_preset("development", Value::Null).unwrap();
        let authority = Authority::from_secret_uri("//Alice").unwrap();
        let mut stepped = Stepped::open(folder.path(), &genesis, authority, Vec::new()).unwrap();
        for number in 1..=HEIGHT {
            stepped
                .seal(1_750_000_000_000 + u64::from(number) * 3_000, false)
                .unwrap();
        }
        let served = stepped.rpc().unwrap();
        let mut chain = Self {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
            methods: served.method_names().collect(),
            good: good(stepped.genesis_hash()),
            stepped,
            served,
            head: Value::Null,
            _folder: folder,
        };
        // A folder of names is read in any order.
        chain.methods.sort_unstable();
        chain.head = chain.header();
        chain
    }

    /// The answer, if this is a request.
    fn ask(&self, request: &str) -> Option<Value> {
        let asking = self.served.raw_json_request(request, 4);
        let (answer, _notifications) = self.runtime.block_on(asking).ok()?;
        Some(serde_json::from_str(answer.get()).unwrap())
    }

    fn header(&self) -> Value {
        let answer = self.ask(&request("chain_getHeader", json!([])).to_string());
        answer.unwrap()["result"].take()
    }
}

fn request(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
}

/// Requests that succeed.
fn good(genesis: Hash) -> Vec<(&'static str, Value)> {
    let at = hex(genesis);
    let call = frame_system::Call::remark { remark: vec![1] };
    let alice = Sr25519Keyring::Alice;
    let extrinsic = hex(signed_extrinsic(&alice.pair(), call.into(), 0, genesis));
    let account = alice.to_account_id();
    let key = frame_system::Account::<phat_runtime::Runtime>::hashed_key_for(&account);
    // That of the pallet's whole storage.
    let (prefix, key) = (hex(&key[..16]), hex(&key));
    let address = account.to_string();
    vec![
        ("chain_getBlock", json!([at])),
        (
            "chain_getBlockHash",
            json!([[0, 1, "0x2", 4_000_000_000_u64]]),
        ),
        ("chain_getBlockHash", json!([1])),
        ("chain_getHeader", json!([at])),
        ("grandpa_proveFinality", json!([2])),
        ("payment_queryFeeDetails", json!([extrinsic, at])),
        ("payment_queryInfo", json!([extrinsic])),
        ("phat_blocks", json!([1, 3])),
        (
            "state_call",
            json!(["AccountNonceApi_account_nonce", hex(account.encode()), at]),
        ),
        ("state_call", json!(["Core_version", "0x"])),
        (
            "state_call",
            json!(["Metadata_metadata_at_version", "0x0f000000"]),
        ),
        ("state_getKeys", json!([prefix])),
        ("state_getKeysPaged", json!([prefix, 3, key, at])),
        ("state_getReadProof", json!([[key, prefix], at])),
        ("state_getRuntimeVersion", json!([at])),
        ("state_getStorage", json!([key, at])),
        ("state_getStorageHash", json!([key])),
        ("state_getStorageSize", json!([key])),
        ("state_queryStorage", json!([[key], at])),
        ("state_queryStorageAt", json!([[key], at])),
        ("state_subscribeStorage", json!([[key]])),
        ("system_accountNextIndex", json!([address])),
        ("system_dryRun", json!([extrinsic])),
    ]
}

/// Sends a request, made of a good one with changes. It is answered under its own id, with what was asked
/// for or with an error that has a code and a sentence and is not the server's fault; and the chain
/// stays where it is. Answers whether there was a result.
pub(crate) fn rpc(data: &[u8]) -> bool {
    CHAIN.with(|chain| {
        let mut input = Input::new(data);
        let (mut method, params) = input.choose(&chain.good).clone();
        let whole = !input.one_in(4);
        if input.one_in(6) {
            method = *input.choose::<&str>(&chain.methods);
        }
        let mut request = request(method, params);
        for _ in 0..input.below(if whole { 3 } else { 1 }) {
            change(&mut input, &mut request["params"]);
        }
        let unchanged = whole && chain.good.contains(&(method, request["params"].clone()));
        let mut text = request.to_string().into_bytes();
        if !whole {
            input.bend_often(&mut text, 2);
        }
        let Ok(text) = String::from_utf8(text) else {
            return false;
        };
        let Some(answer) = chain.ask(&text) else {
            assert!(!whole, "{text}");
            return false;
        };
        let request: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["jsonrpc"], "2.0");
        assert_eq!(answer["id"], request["id"], "{text}");
        assert_eq!(chain.stepped.height(), HEIGHT);
        assert_eq!(chain.header(), chain.head);
        let error = &answer["error"];
        if error.is_null() {
            assert!(answer.get("result").is_some(), "{text}: {answer}");
            return true;
        }
        assert!(!unchanged, "{text}: {error}");
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
        let code = error["code"].as_i64().unwrap();
        assert_ne!(code, INTERNAL, "{text}: {error}");
        let runs = [
            "state_call",
            "state_callAt",
            "system_dryRun",
            "system_dryRunAt",
        ];
        let method = request["method"].as_str().unwrap();
        assert!(code != RUNTIME || runs.contains(&method), "{text}: {error}");
        false
    })
}

/// Puts something else in the place of one parameter or of a part of it.
fn change(input: &mut Input<'_>, params: &mut Value) {
    let copy = place(input, &mut params.clone(), MAX_DEPTH).take();
    let place = place(input, params, MAX_DEPTH);
    *place = match (input.byte() % 12, &*place) {
        (0, _) => Value::Null,
        (1, _) => json!([]),
        (2, _) => json!(input.word()),
        (3, _) => json!(u64::MAX),
        (4, _) => json!(-1),
        (5, _) => copy,
        (6, _) => json!([copy, copy]),
        (7, _) => hex(input.bytes(40)),
        (8, Value::Array(items)) => items.iter().cycle().take(1200).cloned().collect(),
        (_, Value::String(text)) => {
            let mut bytes = text.clone().into_bytes();
            input.bend(&mut bytes);
            String::from_utf8_lossy(&bytes).into()
        }
        _ => hex(input.bytes(4)),
    };
}
