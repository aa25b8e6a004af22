//! A `phat dev` in a process of its own, for the tests.
#![allow(dead_code, reason = "every test binary uses a part")]

pub(crate) mod clients;
pub(crate) mod worker;

use codec::Encode;
use phat_client::{
    Account, Client, Interface, Options,
    chain::{Call, ChainError, Submitted},
};
use phat_primitives::{
    Balance, ContractId, MessageNumber,
    command::{CommandPayload, InkCommand},
    receipt::Receipt,
};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle};

/// A running network. It is killed when it is dropped.
pub(crate) struct Network {
    process: Child,
    ready: Value,
}

/// Starts a network in `folder` on free ports and waits until it is ready.
pub(crate) fn start(folder: &Path, options: &[&str]) -> Network {
    let mut process = command(folder, options)
        .args(["--chain-port", "0", "--worker-port", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("phat starts");
    let stdout = process.stdout.take().expect("its output is piped");
    let mut line = String::new();
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("it writes text");
    let ready = serde_json::from_str(&line).unwrap_or_else(|_| {
        let mut error = String::new();
        // It has ended, so there is an end to this.
        let _ = process
            .stderr
            .take()
            .expect("piped")
            .read_to_string(&mut error);
        panic!("phat dev is not ready: {error}");
    });
    Network { process, ready }
}

/// Starts a network that does not come up, and returns what it says.
pub(crate) fn fails(folder: &Path, options: &[&str]) -> String {
    let output = command(folder, options).output().expect("phat starts");
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn command(folder: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phat"));
    command
        .args(["dev", "--json", "--data-dir"])
        .arg(folder)
        .args(options)
        // The user's own book of contracts is left alone.
        .env("XDG_DATA_HOME", folder.join("user"));
    command
}

impl Network {
    pub(crate) fn chain(&self) -> &str {
        self.ready["chain"].as_str().expect("an address")
    }

    pub(crate) fn worker(&self, index: usize) -> String {
        self.ready["workers"][index]["url"]
            .as_str()
            .expect("an address")
            .to_owned()
    }

    pub(crate) fn workers(&self) -> usize {
        self.ready["workers"].as_array().expect("a list").len()
    }

    pub(crate) fn contract(&self, name: &str) -> ContractId {
        let contracts = self.ready["contracts"].as_array().expect("a list");
        let contract = contracts.iter().find(|contract| contract["name"] == name);
        let id = contract.expect("it is there")["id"].as_str().expect("text");
        let bytes = hex::decode(id.trim_start_matches("0x")).expect("hex");
        ContractId::from_slice(&bytes)
    }

    /// The number of the process.
    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    /// How long it took to be ready, by its own clock.
    pub(crate) fn took(&self) -> Duration {
        Duration::from_millis(self.ready["milliseconds"].as_u64().expect("a number"))
    }

    /// Ctrl-C: it must end by itself and without an error.
    pub(crate) fn stop(mut self) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill")
            .args(["-INT", &id])
            .status()
            .expect("kill runs");
        assert!(sent.success());
        for _ in 0..200 {
            if let Some(status) = self.process.try_wait().expect("it can be waited for") {
                assert!(status.success(), "{status}");
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("Ctrl-C does not stop it");
    }

    /// Runs a command of `phat` on the network, of a user whose own folder this is.
    pub(crate) fn phat(&self, folder: &Path, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_phat"))
            .args(args)
            .args(["--json", "--chain", self.chain()])
            .env("XDG_DATA_HOME", folder)
            .env_remove("PHAT_SURI")
            .output()
            .expect("phat starts")
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Fails only if it has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A server on this machine that answers everything with this document.
pub(crate) async fn json_server(document: &'static str) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let app = axum::Router::new().fallback(move || async move { document });
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn alice() -> Account {
    Account::from_suri("//Alice").expect("a development account")
}

async fn submit(client: &Client, account: &Account, call: Call) -> Submitted {
    client
        .chain()
        .submit(account, call)
        .await
        .expect("the transaction is taken")
}

fn plain(message: Vec<u8>, gas_limit: u64) -> Vec<u8> {
    CommandPayload::Plain(InkCommand::InkMessage {
        nonce: vec![1; 32],
        message,
        transfer: 0,
        gas_limit,
        storage_deposit_limit: None,
    })
    .encode()
}

async fn receipt_of(client: &Client, submitted: Submitted) -> Receipt {
    let number = submitted.message.expect("a message is queued");
    client.wait_for_receipt(number).await.expect("a receipt")
}

/// Sends a command of Alice's without finding out first what it does.
pub(crate) async fn push_without_trial(
    client: &Client,
    contract: ContractId,
    api: &Interface,
    message: &str,
    argument: Option<&str>,
    options: &Options,
) -> Receipt {
    push_as(client, "//Alice", contract, api, message, argument, options).await
}

/// The same, of another account, whose client it is.
pub(crate) async fn push_as(
    client: &Client,
    suri: &str,
    contract: ContractId,
    api: &Interface,
    message: &str,
    argument: Option<&str>,
    options: &Options,
) -> Receipt {
    let function = api.message(message).expect("there is such a message");
    let args: Vec<_> = argument.into_iter().collect();
    let call = api.encode_call(function, &args).expect("the argument fits");
    let payload = plain(call, options.gas_limit.expect("a limit is given"));
    let call = Call::Push {
        contract,
        payload,
        deposit: 100_000_000_000,
    };
    let account = Account::from_suri(suri).expect("a development account");
    receipt_of(client, submit(client, &account, call).await).await
}

/// Sends bytes that are no command.
pub(crate) async fn push_garbage(client: &Client, contract: ContractId) -> Receipt {
    let call = Call::Push {
        contract,
        payload: vec![7; 100],
        deposit: 0,
    };
    receipt_of(client, submit(client, &alice(), call).await).await
}

/// Uploads bytes as code.
pub(crate) async fn upload_bytes(client: &Client, code: Vec<u8>) -> Receipt {
    let call = Call::Upload {
        cluster: client.cluster().id,
        code,
    };
    receipt_of(client, submit(client, &alice(), call).await).await
}

/// Moves the account's own money into the cluster and waits until it is there.
pub(crate) async fn transfer_to_cluster(client: &Client, amount: Balance) {
    let account = Account::from_suri("//Charlie").expect("a development account");
    let call = Call::TransferToCluster {
        cluster: client.cluster().id,
        to: account.id(),
        amount,
    };
    submit(client, &account, call).await;
    for _ in 0..200 {
        if client
            .cluster_balance(&account.id())
            .await
            .expect("an answer")
            .total
            >= amount
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the money does not arrive");
}

/// Transfers of one token each, sent one after the other until the chain is gone.
pub(crate) struct Stream {
    ordered: watch::Receiver<Vec<MessageNumber>>,
    task: JoinHandle<()>,
}

impl Stream {
    pub(crate) fn begin(client: Client, token: ContractId, api: &Interface, to: &str) -> Self {
        Self::begin_as(alice(), client, token, api, to)
    }

    /// The same, of another account than Alice.
    pub(crate) fn begin_as(
        account: Account,
        client: Client,
        token: ContractId,
        api: &Interface,
        to: &str,
    ) -> Self {
        let function = api.message("transfer").expect("there is such a message");
        let call = api
            .encode_call(function, &[to, "1", ""])
            .expect("the arguments fit");
        let payload = plain(call, 2_000_000_000);
        let (sender, ordered) = watch::channel(Vec::new());
        let task = tokio::spawn(async move {
            loop {
                let call = Call::Push {
                    contract: token,
                    payload: payload.clone(),
                    deposit: 0,
                };
                let submitted = match client.chain().submit(&account, call).await {
                    Ok(submitted) => submitted,
                    // Another transaction of the account waits, of a stream that was stopped, say.
                    Err(ChainError::NotTaken(_)) => {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        continue;
                    }
                    Err(_) => return,
                };
                let number = submitted.message.expect("a message is queued");
                sender.send_modify(|ordered| ordered.push(number));
            }
        });
        Self { ordered, task }
    }

    /// Waits until this many are in blocks.
    pub(crate) async fn wait_for(&self, count: usize) {
        let mut ordered = self.ordered.clone();
        ordered
            .wait_for(|ordered| ordered.len() >= count)
            .await
            .expect("the chain answers");
    }

    /// Sends no more.
    pub(crate) fn stop(self) {
        self.task.abort();
    }

    /// Those in blocks by now.
    pub(crate) fn ordered(&self) -> Vec<MessageNumber> {
        self.ordered.borrow().clone()
    }

    /// All that were in blocks when the chain went away.
    pub(crate) async fn end(self) -> Vec<MessageNumber> {
        // A client that still waits for a chain that is gone is not waited for.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.task).await;
        self.ordered.borrow().clone()
    }
}

/// The receipts of those commands that have been applied by now.
pub(crate) async fn receipts_seen(client: &Client, numbers: &[MessageNumber]) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for number in numbers {
        if let Ok(Some(receipt)) = client.receipt(*number).await {
            receipts.push(receipt);
        }
    }
    receipts
}
