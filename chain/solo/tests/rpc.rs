//! A chain in this process, and outside clients that know nothing of how it is made.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use codec::{Decode, Encode};
use polkadot_sdk::*;
use serde_json::{Value, json};
use subxt::config::substrate::{AccountId32, MultiSignature};
use subxt::dynamic::Value as Argument;
use subxt::rpcs::client::{RpcClient, RpcParams, rpc_params};
use subxt::tx::Signer;
use subxt::{OnlineClient, SubstrateConfig};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use sp_consensus_grandpa::GrandpaJustification;
use sp_keyring::Sr25519Keyring;
use sp_runtime::traits::BlakeTwo256;

use phat_runtime::{Hash, Header, PHA, Runtime};
use phat_solo::{Authority, Config, ServeError, Solo, genesis, limits};

/// A running chain, which stops when this is dropped.
struct Running {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Result<(), ServeError>>,
    dir: tempfile::TempDir,
}

impl Running {
    fn start() -> Self {
        Self::start_in(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    fn start_in(dir: tempfile::TempDir) -> Self {
        Self::start_with(dir, Duration::from_millis(200))
    }

    fn start_with(dir: tempfile::TempDir, block_time: Duration) -> Self {
        let solo = Solo::open(Config {
            data_dir: dir.path().to_owned(),
            genesis: genesis::from_preset("development", Value::Null).expect("the preset builds"),
            chain_name: "Test".into(),
            block_time,
            rpc_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            authority: Authority::from_secret_uri("//Alice").expect("//Alice is a key"),
            outbound_key: pallet_timestamp::Now::<Runtime>::hashed_key().to_vec(),
        })
        .expect("the chain opens");
        let addr = solo.rpc_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(solo.serve(async {
            let _ = stopped.await;
        }));
        Self {
            addr,
            stop: Some(stop),
            serving,
            dir,
        }
    }

    async fn stop(mut self) -> tempfile::TempDir {
        drop(self.stop.take());
        self.serving
            .await
            .expect("serving does not panic")
            .expect("serving ends well");
        self.dir
    }

    async fn rpc(&self) -> RpcClient {
        RpcClient::from_url(format!("ws://{}", self.addr))
            .await
            .expect("a WebSocket connects")
    }
}

async fn ask(rpc: &RpcClient, method: &str, params: RpcParams) -> Result<Value, String> {
    rpc.request(method, params)
        .await
        .map_err(|error| error.to_string())
}

struct Key(Sr25519Keyring);

impl Signer<SubstrateConfig> for Key {
    fn account_id(&self) -> AccountId32 {
        AccountId32(self.0.to_raw_public())
    }

    fn sign(&self, payload: &[u8]) -> MultiSignature {
        MultiSignature::Sr25519(self.0.sign(payload).0)
    }
}

fn transfer(value: u128) -> impl subxt::tx::Payload {
    let dest = Argument::unnamed_variant(
        "Id",
        [Argument::from_bytes(Sr25519Keyring::One.to_raw_public())],
    );
    subxt::dynamic::tx(
        "Balances",
        "transfer_allow_death",
        vec![dest, Argument::u128(value)],
    )
}

fn account_key(who: Sr25519Keyring) -> String {
    hex(frame_system::Account::<Runtime>::hashed_key_for(
        who.to_account_id(),
    ))
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    let digits = bytes.as_ref().iter().map(|byte| format!("{byte:02x}"));
    format!("0x{}", digits.collect::<String>())
}

fn bytes(value: &Value) -> Vec<u8> {
    let bytes: sp_core::Bytes = serde_json::from_value(value.clone()).expect("it is hex");
    bytes.0
}

#[tokio::test(flavor = "multi_thread")]
async fn subxt_reads_storage_and_watches_its_transfer_until_it_is_final() {
    let chain = Running::start();
    let client = OnlineClient::<SubstrateConfig>::from_url(format!("ws://{}", chain.addr))
        .await
        .expect("subxt connects");
    let before = client.at_current_block().await.expect("there is a block");
    let events = before
        .transactions()
        .sign_and_submit_then_watch_default(&transfer(7 * PHA), &Key(Sr25519Keyring::Alice))
        .await
        .expect("the transfer is taken")
        .wait_for_finalized_success()
        .await
        .expect("the transfer is final and did what it should");
    assert!(
        events
            .iter()
            .any(|event| event.is_ok_and(|e| e.event_name() == "Transfer"))
    );
    let after = client.at_current_block().await.expect("there is a block");
    let balances = subxt::dynamic::storage::<(Argument,), Argument>("System", "Account");
    let account = after
        .storage()
        .fetch(
            balances,
            (Argument::from_bytes(Sr25519Keyring::One.to_raw_public()),),
        )
        .await
        .expect("the account is there");
    let account = frame_system::AccountInfo::<u32, pallet_balances::AccountData<u128>>::decode(
        &mut account.bytes(),
    )
    .expect("it has the runtime's type");
    assert_eq!(account.data.free, 7 * PHA);
}

#[tokio::test(flavor = "multi_thread")]
async fn subxt_follows_blocks_without_gaps_while_transactions_arrive() {
    let chain = Running::start();
    let client = OnlineClient::<SubstrateConfig>::from_url(format!("ws://{}", chain.addr))
        .await
        .expect("subxt connects");
    let mut blocks = client
        .stream_blocks()
        .await
        .expect("blocks can be followed");
    let at = client.at_current_block().await.expect("there is a block");
    // Different accounts: subxt takes the nonce from the state of that one block.
    for sender in [
        Sr25519Keyring::Bob,
        Sr25519Keyring::Charlie,
        Sr25519Keyring::Dave,
    ] {
        at.transactions()
            .sign_and_submit_default(&transfer(PHA), &Key(sender))
            .await
            .expect("the transfer is taken");
    }
    let mut last = None;
    for _ in 0..4 {
        let block = blocks
            .next()
            .await
            .expect("the stream goes on")
            .expect("it is a block");
        let number = block.number();
        assert!(
            last.is_none_or(|last| number == last + 1),
            "{last:?} {number}"
        );
        last = Some(number);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_does_not_wait_for_the_block_time() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let block_time = Duration::from_secs(600);
    let chain = Running::start_with(dir, block_time);
    let client = OnlineClient::<SubstrateConfig>::from_rpc_client(chain.rpc().await)
        .await
        .expect("subxt connects");
    let final_block = async {
        let at = client.at_current_block().await.expect("there is a block");
        at.transactions()
            .sign_and_submit_then_watch_default(&transfer(PHA), &Key(Sr25519Keyring::Dave))
            .await
            .expect("the transfer is taken")
            .wait_for_finalized()
            .await
            .expect("the transfer is final");
    };
    let waited = tokio::time::timeout(block_time / 10, final_block).await;
    assert!(waited.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_has_time_to_read_the_block_before_it_hears_that_it_is_final() {
    let chain = Running::start();
    let rpc = chain.rpc().await;
    let client = OnlineClient::<SubstrateConfig>::from_rpc_client(rpc.clone())
        .await
        .expect("subxt connects");
    let signed = client
        .at_current_block()
        .await
        .expect("there is a block")
        .transactions()
        .create_signed(
            &transfer(PHA),
            &Key(Sr25519Keyring::Ferdie),
            Default::default(),
        )
        .await
        .expect("it can be signed");
    let mut statuses = rpc
        .subscribe::<Value>(
            "author_submitAndWatchExtrinsic",
            rpc_params![hex(signed.encoded())],
            "author_unwatchExtrinsic",
        )
        .await
        .expect("it is taken");
    let mut heard = Vec::new();
    while heard.len() < 3 {
        let status = statuses
            .next()
            .await
            .expect("it goes on")
            .expect("it is a status");
        heard.push((status, std::time::Instant::now()));
    }
    let [(ready, _), (in_block, first), (finalized, second)] = &heard[..] else {
        panic!("three statuses: {heard:?}");
    };
    assert_eq!(ready, "ready");
    assert!(in_block["inBlock"].is_string(), "{in_block}");
    assert_eq!(in_block["inBlock"], finalized["finalized"]);
    assert!(second.duration_since(*first) >= Duration::from_millis(500));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_after_a_restart() {
    let chain = Running::start();
    let rpc = chain.rpc().await;
    let client = OnlineClient::<SubstrateConfig>::from_rpc_client(rpc)
        .await
        .expect("subxt connects");
    let block = client
        .at_current_block()
        .await
        .expect("there is a block")
        .transactions()
        .sign_and_submit_then_watch_default(&transfer(PHA), &Key(Sr25519Keyring::Eve))
        .await
        .expect("the transfer is taken")
        .wait_for_finalized()
        .await
        .expect("the transfer is final");
    let dir = chain.stop().await;

    let chain = Running::start_in(dir);
    let rpc = chain.rpc().await;
    let key = account_key(Sr25519Keyring::One);
    let at_block = hex(block.block_hash());
    let value = ask(&rpc, "state_getStorage", rpc_params![&key, &at_block]).await;
    assert!(value.expect("the state is there").is_string());
    let found = ask(&rpc, "chain_getBlock", rpc_params![&at_block]).await;
    let extrinsics = &found.expect("the block is there")["block"]["extrinsics"];
    assert_eq!(extrinsics.as_array().map(Vec::len), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_gets_headers_outbound_bytes_and_the_last_ones_justification() {
    let chain = Running::start();
    let rpc = chain.rpc().await;
    let mut finalized = rpc
        .subscribe::<u32>(
            "phat_subscribeFinalized",
            rpc_params![],
            "phat_unsubscribeFinalized",
        )
        .await
        .expect("final blocks can be followed");
    let mut newest = 0;
    while newest < 3 {
        newest = finalized
            .next()
            .await
            .expect("it goes on")
            .expect("it is a number");
    }
    let answer = ask(&rpc, "phat_blocks", rpc_params![1, 3])
        .await
        .expect("there are blocks");
    assert!(answer["finalized"].as_u64() >= Some(3));
    let blocks = answer["blocks"].as_array().expect("a list");
    assert_eq!(blocks.len(), 3);
    let mut parent = None;
    for block in blocks {
        let header = Header::decode(&mut &bytes(&block["header"])[..]).expect("a header");
        assert!(parent.is_none_or(|parent: Hash| parent == header.parent_hash));
        assert!(bytes(&block["outbound"]).len() > 1, "{block}");
        parent = Some(header.hash());
    }
    let justification =
        GrandpaJustification::<Header>::decode(&mut &bytes(&answer["justification"])[..])
            .expect("a justification");
    assert_eq!(Some(justification.commit.target_hash), parent);

    let beyond = ask(&rpc, "phat_blocks", rpc_params![1_000_000, 10])
        .await
        .expect("an answer");
    assert_eq!(
        (&beyond["blocks"], &beyond["justification"]),
        (&json!([]), &Value::Null)
    );
    let most = ask(&rpc, "phat_blocks", rpc_params![0, u32::MAX])
        .await
        .expect("an answer");
    assert!(most["blocks"].as_array().map_or(0, Vec::len) <= limits::FOLLOWED_BLOCKS as usize);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_proof_over_rpc_verifies_against_the_header() {
    let chain = Running::start();
    let rpc = chain.rpc().await;
    let key = account_key(Sr25519Keyring::Alice);
    let answer = ask(&rpc, "state_getReadProof", rpc_params![[&key]])
        .await
        .expect("a proof");
    let header = ask(&rpc, "chain_getHeader", rpc_params![&answer["at"]])
        .await
        .expect("a header");
    let header: Header = serde_json::from_value(header).expect("a header");
    let nodes = answer["proof"]
        .as_array()
        .expect("a list")
        .iter()
        .map(bytes);
    let key = bytes(&json!(key));
    let mut proven = sp_state_machine::read_proof_check::<BlakeTwo256, _>(
        header.state_root,
        sp_trie::StorageProof::new(nodes),
        [key.as_slice()],
    )
    .expect("it verifies");
    assert!(proven.remove(key.as_slice()).flatten().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn watched_storage_is_sent_at_once_and_when_it_changes() {
    let chain = Running::start();
    let rpc = chain.rpc().await;
    let key = account_key(Sr25519Keyring::One);
    let mut changes = rpc
        .subscribe::<Value>(
            "state_subscribeStorage",
            rpc_params![[&key]],
            "state_unsubscribeStorage",
        )
        .await
        .expect("storage can be watched");
    let first = changes.next().await.expect("it goes on").expect("changes");
    assert_eq!(first["changes"], json!([[key, null]]));
    let client = OnlineClient::<SubstrateConfig>::from_rpc_client(rpc.clone())
        .await
        .expect("subxt connects");
    client
        .at_current_block()
        .await
        .expect("there is a block")
        .transactions()
        .sign_and_submit_default(&transfer(PHA), &Key(Sr25519Keyring::Charlie))
        .await
        .expect("the transfer is taken");
    let second = changes.next().await.expect("it goes on").expect("changes");
    assert!(second["changes"][0][1].is_string(), "{second}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_get_an_error_that_says_why_and_the_chain_goes_on() {
    let chain = Running::start();
    let rpc = chain.rpc().await;
    let nowhere = hex([7; 32]);
    let many = vec!["0x00"; limits::KEYS + 1];
    // A batch in a batch in a batch: decoding it without a limit exhausts the stack.
    let deep: Vec<u8> = [7, 2, 4].repeat(100_000);
    let deep_extrinsic = hex([vec![4], deep.clone()].concat().encode());
    let deep = hex(deep);
    let cases: Vec<(&str, RpcParams, &str)> = vec![
        (
            "author_submitExtrinsic",
            rpc_params!["0x"],
            "not a transaction",
        ),
        (
            "author_submitExtrinsic",
            rpc_params!["0x1234567890"],
            "not a transaction",
        ),
        (
            "author_submitExtrinsic",
            rpc_params!["nonsense"],
            "Invalid params",
        ),
        (
            "author_submitExtrinsic",
            rpc_params![hex(vec![0; limits::TRANSACTION_BYTES + 1])],
            "at most",
        ),
        (
            "author_submitExtrinsic",
            rpc_params![&deep_extrinsic],
            "not a transaction",
        ),
        ("system_dryRun", rpc_params!["0x00"], "not a transaction"),
        (
            "state_getStorage",
            rpc_params!["0x00", &nowhere],
            "no block",
        ),
        (
            "state_getStorage",
            rpc_params!["0x00", "0x12"],
            "Invalid params",
        ),
        (
            "state_getKeysPaged",
            rpc_params!["0x", 1_000_000],
            "too many",
        ),
        ("state_queryStorageAt", rpc_params![&many], "too many"),
        ("state_getReadProof", rpc_params![&many], "too many"),
        (
            "state_queryStorage",
            rpc_params![["0x00"], &nowhere],
            "no block",
        ),
        ("state_call", rpc_params!["No_such", "0x"], "no function"),
        (
            "state_call",
            rpc_params!["Metadata_metadata", "0x00"],
            "stopped",
        ),
        (
            "state_call",
            rpc_params!["AccountNonceApi_account_nonce", "0x00"],
            "stopped",
        ),
        (
            "state_call",
            rpc_params!["Core_initialize_block", "0x"],
            "not for clients",
        ),
        (
            "state_call",
            rpc_params!["BlockBuilder_finalize_block", "0x"],
            "not for clients",
        ),
        (
            "state_call",
            rpc_params!["TransactionPaymentCallApi_query_call_info", &deep],
            "do not decode",
        ),
        (
            "payment_queryInfo",
            rpc_params![&deep_extrinsic],
            "not a transaction",
        ),
        (
            "state_call",
            rpc_params!["TransactionPaymentApi_query_info", &deep_extrinsic],
            "do not decode",
        ),
        ("chain_getBlockHash", rpc_params!["zero"], "number"),
        (
            "chain_getBlockHash",
            rpc_params![vec![0; limits::HASHES + 1]],
            "too many",
        ),
        (
            "system_accountNextIndex",
            rpc_params!["nobody"],
            "not an address",
        ),
        ("no_such", rpc_params![], "not found"),
    ];
    for (method, params, reason) in cases {
        let error = match ask(&rpc, method, params).await {
            Ok(answer) => panic!("{method} answered {answer}, not \"{reason}\""),
            Err(error) => error,
        };
        assert!(
            error.contains(reason),
            "{method} said {error}, not \"{reason}\""
        );
    }
    assert_eq!(
        ask(&rpc, "chain_getBlock", rpc_params![&nowhere]).await,
        Ok(Value::Null)
    );
    assert_eq!(
        ask(&rpc, "chain_getBlockHash", rpc_params![u64::MAX]).await,
        Ok(Value::Null)
    );
    let health = ask(&rpc, "system_health", rpc_params![])
        .await
        .expect("it lives");
    assert_eq!(health["isSyncing"], json!(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_wallets_ask_first_is_answered() {
    let chain = Running::start();
    let rpc = chain.rpc().await;
    let properties = ask(&rpc, "system_properties", rpc_params![]).await;
    assert_eq!(
        properties,
        Ok(json!({ "ss58Format": 30, "tokenDecimals": 12, "tokenSymbol": "PHA" }))
    );
    assert_eq!(
        ask(&rpc, "system_chain", rpc_params![]).await,
        Ok(json!("Test"))
    );
    let version = ask(&rpc, "state_getRuntimeVersion", rpc_params![])
        .await
        .expect("a version");
    assert_eq!(version["specName"], json!("phat"));
    let metadata = ask(&rpc, "state_getMetadata", rpc_params![])
        .await
        .expect("metadata");
    assert!(
        metadata
            .as_str()
            .is_some_and(|hex| hex.starts_with("0x6d6574610e"))
    );
    let methods = ask(&rpc, "rpc_methods", rpc_params![])
        .await
        .expect("methods");
    for name in [
        "author_submitAndWatchExtrinsic",
        "state_getKeysPagedAt",
        "rpc_methods",
    ] {
        let names = methods["methods"].as_array().expect("a list");
        assert!(names.contains(&json!(name)), "{name}");
    }
    let genesis = ask(&rpc, "chain_getBlockHash", rpc_params![[0, 1_000_000]]).await;
    let genesis = genesis.expect("two answers");
    assert!(genesis[0].is_string() && genesis[1].is_null(), "{genesis}");
    let address = {
        use sp_core::crypto::Ss58Codec;
        Sr25519Keyring::Alice
            .to_account_id()
            .to_ss58check_with_version(30u16.into())
    };
    assert_eq!(
        ask(&rpc, "system_accountNextIndex", rpc_params![address]).await,
        Ok(json!(0))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn http_on_the_same_port_answers_too_and_refuses_what_is_too_long() {
    let chain = Running::start();
    let post = |body: String| {
        let mut stream = TcpStream::connect(chain.addr).expect("it connects");
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            chain.addr,
            body.len()
        );
        // The server may stop reading a request that is too long.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    let good = post(r#"{"jsonrpc":"2.0","id":1,"method":"system_chain","params":[]}"#.into());
    assert!(good.contains(r#""result":"Test""#), "{good}");
    let garbled = post("{".into());
    assert!(garbled.contains("-32700"), "{garbled}");
    let length = limits::RPC_REQUEST_BYTES as usize + 1;
    let long = post(" ".repeat(length));
    assert!(!long.contains("200 OK") || long.contains("error"), "{long}");
    let again = post(r#"{"jsonrpc":"2.0","id":1,"method":"system_chain","params":[]}"#.into());
    assert!(again.contains(r#""result":"Test""#), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_gets_a_clear_error() {
    let chain = Running::start();
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let error = Solo::open(Config {
        data_dir: dir.path().to_owned(),
        genesis: genesis::from_preset("development", Value::Null).expect("the preset builds"),
        chain_name: "Test".into(),
        block_time: Duration::from_secs(3),
        rpc_addr: chain.addr,
        authority: Authority::from_secret_uri("//Alice").expect("//Alice is a key"),
        outbound_key: Vec::new(),
    })
    .err()
    .map(|error| error.to_string());
    let error = error.expect("the port is taken");
    assert!(
        error.contains("another port") && error.contains(&chain.addr.to_string()),
        "{error}"
    );
    assert!(!dir.path().join("chain.redb").exists(), "nothing was begun");
}
