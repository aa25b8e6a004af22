//! A network with an economy, driven by the command line, and what the simulator makes of all that was
//! done on it.

use crate::running::{Network, start};
use codec::Decode;
use phat_client::{
    Account, ChainClient,
    chain::{
        Call,
        economy::{Change, EconomyCall, EconomyWorker, Entry, Stage},
    },
    primitives::{Balance, ClusterId, WorkerId, blake2_256, ids::cluster_id},
};
use polkadot_sdk::{frame_system, pallet_balances};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// A network, the user's folder, and what has been done, for the simulator.
pub(crate) struct Economy {
    pub(crate) network: Network,
    folder: PathBuf,
    pub(crate) chain: ChainClient,
    /// What happens in each era, as a scenario has it, and who takes part from the first on.
    pub(crate) eras: Vec<Value>,
}

impl Economy {
    pub(crate) async fn begin(folder: &Path, options: &[&str]) -> Self {
        let network = start(&folder.join("network"), options);
        let chain = network.connect().await;
        Self {
            network,
            folder: folder.join("user"),
            chain,
            eras: Vec::new(),
        }
    }

    /// What a command answers.
    pub(crate) fn phat(&self, line: &str) -> Value {
        let args: Vec<_> = line.split(' ').collect();
        self.run(&args)
    }

    pub(crate) fn run(&self, args: &[&str]) -> Value {
        self.network.does(&self.folder, args)
    }

    /// Why a command is refused.
    pub(crate) fn refused(&self, line: &str) -> String {
        let args: Vec<_> = line.split(' ').collect();
        let output = self.network.phat(&self.folder, &args);
        assert!(!output.status.success(), "{line} is not refused");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, what: &str, mut so: impl AsyncFnMut(&ChainClient) -> bool) {
        for _ in 0..1_200 {
            if so(&self.chain).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("{what}: {:#}", self.phat("era"));
    }

    pub(crate) async fn workers(&self) -> Vec<EconomyWorker> {
        let economy = self.chain.economy().await.unwrap();
        economy.workers().await.unwrap()
    }

    /// Waits until the last era that has begun is in force and everybody is where it says.
    pub(crate) async fn settled(&self) {
        self.until("the era is not carried out", async |chain| {
            let economy = chain.economy().await.unwrap();
            let in_force = economy.in_force.map(|in_force| in_force.era);
            in_force == Some(economy.last_era) && economy.stage == Stage::Waiting
        })
        .await;
    }

    /// Lets the next era begin, once everybody has answered for the present one.
    pub(crate) async fn next_era(&mut self) {
        self.until("a worker does not answer", async |chain| {
            let economy = chain.economy().await.unwrap();
            let workers = economy.workers().await.unwrap();
            workers.iter().all(|worker| worker.heard >= worker.asked)
        })
        .await;
        let alice = Account::from_suri("//Alice").unwrap();
        // Eras that start begin one, and nothing happens between these two.
        let again = vec![EconomyCall::StopEras, EconomyCall::StartEras];
        self.chain
            .submit(&alice, Call::Govern(again))
            .await
            .unwrap();
        self.eras.push(json!({}));
        self.settled().await;
    }

    /// Notes what happens in the last era that has begun: slashes, payouts, leaves.
    pub(crate) fn happens(&mut self, what: &str, worker: &str, amount: &str) {
        let era = self.eras.last_mut().unwrap();
        era[what][worker] = amount.into();
    }

    /// The scenario of all that was done, on workers and clusters that stand on the ring in the same
    /// order as on the chain.
    pub(crate) async fn scenario(&self, workers: &[EconomyWorker], clusters: &[u64]) -> Value {
        let economy = self.chain.economy().await.unwrap();
        let pools = economy.pools().await.unwrap();
        let scores = economy.scores().await.unwrap();
        let mut points: Vec<_> = workers
            .iter()
            .map(|worker| (worker.point, name(worker.id)))
            .collect();
        points.extend(
            clusters
                .iter()
                .map(|number| (pools[&cluster_id(*number)].point, number.to_string())),
        );
        points.sort();
        let seed = |id: &str| {
            let place = points.iter().position(|(_, other)| other == id).unwrap();
            seed_at(id, place, points.len())
        };
        let first: Vec<_> = workers
            .iter()
            .map(|worker| {
                let score = scores[&worker.id];
                let id = name(worker.id);
                json!({
                    "seed": seed(&id),
                    "id": id,
                    "confidence": 129 - u64::from(score.confidence),
                    "performance": score.performance,
                    "deposit": worker.deposit.to_string(),
                })
            })
            .collect();
        let clusters: Vec<_> = clusters
            .iter()
            .map(|number| {
                let id = number.to_string();
                json!({ "seed": seed(&id), "id": id })
            })
            .collect();
        json!({
            "parameters": self.phat("era settings")["parameters"],
            "workers": first,
            "clusters": clusters,
            "eras": self.eras,
        })
    }

    /// What the simulator makes of a scenario.
    pub(crate) fn simulate(&self, scenario: &Value) -> Vec<Value> {
        let file = self.folder.join("scenario.json");
        fs::create_dir_all(&self.folder).unwrap();
        fs::write(&file, scenario.to_string()).unwrap();
        let answer = self.run(&["economy", "simulate", file.to_str().unwrap()]);
        answer["eras"].as_array().unwrap().clone()
    }

    /// Whether the era in force is the last one of the simulation, to the last unit; and the page's own
    /// formula for budgets.
    pub(crate) fn is_as_simulated(&self, simulated: &[Value]) {
        let era = self.phat("era");
        let expected = simulated.last().unwrap();
        let in_force = &era["in_force"];
        assert_eq!(in_force["era"], simulated.len());
        let (power, reserved) = (number(&in_force["power"]), number(&in_force["reserved"]));
        assert_eq!(power, u128::from(expected["total_power"].as_u64().unwrap()));
        assert_eq!(reserved, u128::from(expected["reserved"].as_u64().unwrap()));
        let mut budgets = json!({});
        for share in era["clusters"].as_array().unwrap() {
            let stake = number(&share["stake"]);
            let budget =
                (power - reserved) * (stake / 1_000) / (number(&in_force["stake"]) / 1_000);
            assert_eq!(number(&share["budget"]), budget);
            budgets[share["cluster"].to_string()] = json!(budget as u64);
        }
        assert_eq!(budgets, expected["budgets"]);
        let (mut assignment, mut popularity, mut accrued) = (json!({}), json!({}), json!({}));
        for worker in era["workers"].as_array().unwrap() {
            let id = worker["worker"].as_str().unwrap();
            let seat = &worker["seat"];
            if seat.is_null() {
                continue;
            }
            assignment[id] = match seat["why"].as_str().unwrap() {
                "general" => "general".into(),
                _ => seat["cluster"].to_string().into(),
            };
            assert_eq!(worker["present"], seat["cluster"], "{id} is elsewhere");
            popularity[id] = worker["popularity_doubled"].clone();
            accrued[id] = worker["accrued"].clone();
        }
        assert_eq!(assignment, expected["assignment"]);
        assert_eq!(popularity, expected["popularity_doubled"]);
        assert_eq!(accrued, expected["accrued"]);
    }

    /// What each worker accrued in each era, by its ledger on the chain and by the simulator.
    pub(crate) async fn accruals_agree(&self, workers: &[EconomyWorker], simulated: &[Value]) {
        let economy = self.chain.economy().await.unwrap();
        for worker in workers {
            let ledger = economy.ledger(worker.id).await.unwrap();
            let told: Vec<_> = ledger.iter().filter_map(accrued).collect();
            let expected: Vec<_> = (1u32..)
                .zip(simulated)
                .filter_map(|(era, result)| {
                    let amount = result["accrued"].get(name(worker.id))?;
                    Some((era, number(amount)))
                })
                .collect();
            assert_eq!(told, expected, "{}", worker.id);
        }
    }

    /// Where a worker is reached.
    pub(crate) async fn url(&self, worker: WorkerId) -> String {
        self.chain.endpoints(worker).await.unwrap()[0].clone()
    }

    pub(crate) async fn members(&self, cluster: u64) -> Vec<WorkerId> {
        let id: ClusterId = cluster_id(cluster);
        self.chain.cluster_workers(id).await.unwrap()
    }

    /// What a worker says that Bob has of a token; waits until it has the token.
    pub(crate) async fn balance_of_bob(&self, token: &str, worker: WorkerId) -> Value {
        let url = self.url(worker).await;
        let args = ["query", token, "balance_of", "//Bob", "--worker", &url];
        for _ in 0..600 {
            let output = self.network.phat(&self.folder, &args);
            if output.status.success() {
                let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
                return answer["output"].clone();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("{url} does not serve {token}");
    }

    pub(crate) async fn rpc(&self, method: &str, params: Value) -> Value {
        let url = self.network.chain().replace("ws://", "http://");
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let request = reqwest::Client::new()
            .post(url)
            .header("content-type", "application/json")
            .body(body.to_string());
        let answer = request.send().await.unwrap().text().await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        answer["result"].clone()
    }

    /// What all accounts have together, and what the chain says that there is.
    pub(crate) async fn money(&self) -> (Balance, Balance) {
        type Account = frame_system::AccountInfo<u32, pallet_balances::AccountData<Balance>>;
        let read = async |key: Value| {
            let value = self.rpc("state_getStorage", json!([key])).await;
            hex::decode(value.as_str().unwrap().trim_start_matches("0x")).unwrap()
        };
        // What the keys of all accounts begin with: names of pallet and storage, 16 bytes of each.
        let treasury = phat_runtime::PhatEconomy::usual_treasury();
        let key = frame_system::Account::<phat_runtime::Runtime>::hashed_key_for(treasury);
        let prefix = json!([format!("0x{}", hex::encode(&key[..32])), 1_000]);
        let keys = self.rpc("state_getKeysPaged", prefix).await;
        let mut sum = 0;
        for key in keys.as_array().unwrap() {
            let account = Account::decode(&mut &read(key.clone()).await[..]).unwrap();
            sum += account.data.free + account.data.reserved;
        }
        let key = pallet_balances::TotalIssuance::<phat_runtime::Runtime>::hashed_key();
        let issuance = read(format!("0x{}", hex::encode(key)).into()).await;
        (sum, Balance::decode(&mut &issuance[..]).unwrap())
    }

    pub(crate) async fn on_hold(&self, suri: &str) -> Balance {
        let account = Account::from_suri(suri).unwrap().id();
        self.chain.balance(&account).await.unwrap().reserved
    }

    pub(crate) async fn free(&self, account: &str) -> Balance {
        let accounts = self.phat(&format!("accounts {account}"));
        number(&accounts[0]["free"])
    }
}

fn accrued(entry: &Entry) -> Option<(u32, u128)> {
    match entry.change {
        Change::Accrued(amount) => Some((entry.era, amount)),
        _ => None,
    }
}

/// A worker's name in scenarios.
pub(crate) fn name(worker: WorkerId) -> String {
    worker.to_string()
}

pub(crate) fn number(text: &Value) -> u128 {
    text.as_str().unwrap().parse().unwrap()
}

/// A seed with which the simulator puts an id into one of equal parts of the ring.
fn seed_at(id: &str, part: usize, parts: usize) -> String {
    let point = |seed: &String| blake2_256(&[seed.as_bytes(), &[0], id.as_bytes()].concat());
    let mut seeds = (0u32..).map(|seed| seed.to_string());
    seeds
        .find(|seed| usize::from(point(seed)[0]) * parts / 256 == part)
        .unwrap()
}
