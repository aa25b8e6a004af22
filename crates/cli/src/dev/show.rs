//! What the person sees of `phat dev`.

use super::setup::Named;
use crate::{args::DEFAULT_CHAIN, report::style};
use indicatif::{ProgressBar, ProgressStyle};
use phat_client::keys::address;
use phat_primitives::{AccountId, BlockNumber, ClusterId, Hash, WorkerId};
use serde_json::json;
use std::{io::IsTerminal, path::PathBuf, time::Duration};

/// The accounts that a development chain funds.
const ACCOUNTS: [&str; 6] = [
    "//Alice",
    "//Bob",
    "//Charlie",
    "//Dave",
    "//Eve",
    "//Ferdie",
];

/// Everything there is when the network is ready.
pub(super) struct Ready {
    pub(super) chain: String,
    pub(super) folder: PathBuf,
    pub(super) height: BlockNumber,
    pub(super) genesis: Hash,
    pub(super) cluster: ClusterId,
    pub(super) workers: Vec<WorkerLine>,
    pub(super) contracts: Vec<Named>,
    pub(super) took: Duration,
}

/// One worker.
pub(super) struct WorkerLine {
    pub(super) index: usize,
    pub(super) id: WorkerId,
    pub(super) url: String,
    pub(super) answered_in: Duration,
}

/// Progress and results: a spinner on a terminal, lines in a pipe, JSON for machines.
pub(super) struct Output {
    json: bool,
    spinner: Option<ProgressBar>,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        let on_terminal = std::io::stderr().is_terminal();
        let spinner = (on_terminal && !json).then(|| {
            let spinner = ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner());
            spinner.enable_steady_tick(Duration::from_millis(80));
            spinner
        });
        Self { json, spinner }
    }

    /// Says what is being done.
    pub(super) fn step(&mut self, doing: &str) {
        match &self.spinner {
            Some(spinner) => spinner.set_message(format!("{doing} …")),
            // A machine waits for the one document.
            None if self.json => {}
            None => eprintln!("{doing}"),
        }
    }

    /// Shows what is there.
    pub(super) fn ready(&mut self, ready: &Ready) {
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
        }
        if self.json {
            anstream::println!("{}", as_json(ready));
        } else {
            anstream::print!("{}", as_text(ready));
        }
    }

    /// Says good-bye.
    pub(super) fn stopped(&mut self) {
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
        }
        if !self.json {
            eprintln!("stopped; everything is kept");
        }
    }
}

fn hash(hash: &Hash) -> String {
    format!("0x{}", hex::encode(hash.0))
}

fn accounts() -> impl Iterator<Item = (&'static str, String)> {
    ACCOUNTS.iter().filter_map(|suri| {
        let account = phat_client::Account::from_suri(suri).ok()?;
        Some((*suri, address(&account.id())))
    })
}

fn as_json(ready: &Ready) -> String {
    json!({
        "ready": true,
        "chain": ready.chain,
        "genesis": hash(&ready.genesis),
        "block": ready.height,
        "data_dir": ready.folder,
        "cluster": hash(&ready.cluster),
        "workers": ready.workers.iter().map(|worker| json!({
            "index": worker.index,
            "id": format!("{}", worker.id),
            "url": worker.url,
        })).collect::<Vec<_>>(),
        "accounts": accounts().map(|(suri, address)| json!({
            "suri": suri,
            "address": address,
        })).collect::<Vec<_>>(),
        "contracts": ready.contracts.iter().map(|contract| json!({
            "name": contract.name,
            "id": hash(&contract.id),
            "address": address(&AccountId(contract.id.0)),
        })).collect::<Vec<_>>(),
        "milliseconds": ready.took.as_millis() as u64,
    })
    .to_string()
}

fn as_text(ready: &Ready) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let mut line = |content: String| {
        let _ = writeln!(text, "{content}");
    };
    let head = |title: &str| style::strong(title);
    line(format!(
        "{} in {:.1} s, at block {}; everything is kept in {}",
        style::good("Phat is ready"),
        ready.took.as_secs_f64(),
        ready.height,
        ready.folder.display()
    ));
    line(String::new());
    line(format!("{}     {}", head("chain"), ready.chain));
    line(format!("{}   {}", head("cluster"), hash(&ready.cluster)));
    for worker in &ready.workers {
        line(format!(
            "{}  {}   answered in {:.1} ms   {}",
            head(&format!("worker {}", worker.index)),
            worker.url,
            worker.answered_in.as_secs_f64() * 1000.0,
            style::dim(&worker.id.to_string()),
        ));
    }
    line(String::new());
    line(format!(
        "{}  (funded; {} is sudo and owns the cluster)",
        head("accounts"),
        ACCOUNTS[0]
    ));
    for (suri, address) in accounts() {
        line(format!("  {suri:<10} {address}"));
    }
    line(String::new());
    line(head("contracts"));
    for contract in &ready.contracts {
        line(format!("  {:<10} {}", contract.name, hash(&contract.id)));
    }
    line(String::new());
    line(format!("{}  (in another terminal)", head("try")));
    let program = std::env::args().next().unwrap_or_else(|| "phat".into());
    let chain = match ready.chain == DEFAULT_CHAIN {
        true => String::new(),
        false => format!(" --chain {}", ready.chain),
    };
    let mut command = |rest: &str| line(format!("  {program} {rest}{chain}"));
    let known = |name: &str| ready.contracts.iter().any(|contract| contract.name == name);
    if known("token") {
        command("query token balance_of //Alice");
        command("call token transfer //Bob 1_000_000 ''");
    }
    if let (true, Some(last)) = (known("token"), ready.workers.last()) {
        command(&format!(
            "query token balance_of //Bob --worker {}",
            last.url
        ));
    }
    command("query system version");
    command("status");
    line(String::new());
    line(style::dim("Ctrl-C stops it"));
    text
}
