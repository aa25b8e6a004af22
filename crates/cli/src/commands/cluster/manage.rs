//! Creates clusters, shows them, and says what they want of the economy.

use super::deployers;
use crate::{
    book::hex,
    context::Context,
    dev::{DEPOSIT_PER_BYTE, DEPOSIT_PER_ITEM, GAS_PRICE},
    error::CliError,
    refusal::Refusal,
    report::{Report, style, table, waiting},
};
use phat_client::{
    amount::{parse_amount, show_amount},
    chain::{Call, ChainError, economy::EconomyCall},
    keys::address,
    primitives::Balance,
};
use serde_json::json;

/// Arguments of `phat cluster create`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  phat cluster create
  phat cluster create --deploy //Bob --suri //Charlie
  phat cluster create --with 0x12ab          while no eras run, a cluster begins with workers of yours")]
pub(crate) struct Create {
    /// Who may upload code and make contracts: everybody, owner, or up to 256 accounts with commas
    /// between
    #[arg(long, value_name = "WHO", default_value = "everybody")]
    deploy: String,
    /// Begin with this worker, which you operate; may be given several times. Only while no eras run
    #[arg(long, value_name = "WORKER")]
    with: Vec<String>,
    /// Price of a unit of gas
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount, default_value_t = GAS_PRICE)]
    gas_price: Balance,
    /// Deposit per storage item
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount, default_value_t = DEPOSIT_PER_ITEM)]
    deposit_per_item: Balance,
    /// Deposit per byte of storage
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount, default_value_t = DEPOSIT_PER_BYTE)]
    deposit_per_byte: Balance,
}

/// Arguments of `phat cluster cap`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  phat cluster cap 1000PHA --cluster 2
  phat cluster cap none --cluster 2")]
pub(crate) struct CapArgs {
    /// How much, such as 1000PHA; `none` for any amount. Less than what is staked drives out nobody
    #[arg(value_name = "AMOUNT", value_parser = parse_cap)]
    cap: Cap,
}

/// Arguments of `phat cluster prefer`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  phat cluster prefer 0x12ab 0xcd34 --cluster 2
  phat cluster prefer --cluster 2            none any more")]
pub(crate) struct Prefer {
    /// Public keys of workers, the best first, each as far as no other begins like that; 128 at
    /// most. The list replaces the one before
    #[arg(value_name = "WORKER")]
    workers: Vec<String>,
}

/// An amount, or none.
#[derive(Clone, Copy, Debug)]
struct Cap(Option<Balance>);

fn parse_cap(text: &str) -> Result<Cap, String> {
    match text {
        "none" => Ok(Cap(None)),
        amount => parse_amount(amount)
            .map(|amount| Cap(Some(amount)))
            .map_err(|error| format!("{error}, or `none`")),
    }
}

impl Create {
    /// Creates a cluster.
    pub(super) async fn run(self, context: &Context) -> Result<Report, CliError> {
        let account = context.account()?;
        let chain = context.chain().await?;
        let permission = deployers(&self.deploy, account.id())?;
        let call = Call::CreateCluster {
            permission,
            workers: context.workers(&chain, &self.with).await?,
            gas_price: self.gas_price,
            deposit_per_item: self.deposit_per_item,
            deposit_per_byte: self.deposit_per_byte,
            treasury: account.id(),
        };
        let submitted = waiting("waiting for a block", chain.submit(&account, call)).await?;
        let cluster = submitted.cluster.ok_or_else(|| ChainError::NoEvent {
            call: "add_cluster".into(),
            event: "ClusterCreated",
        })?;
        let number = cluster.to_low_u64_be();
        let next = match self.with.is_empty() {
            true => format!(
                "It gets workers with the next era if something is staked on it: {}",
                style::strong(&format!("phat stake cluster {number} 10PHA"))
            ),
            false => "Its workers serve it as soon as they have its key.".into(),
        };
        Ok(Report::new(
            format!(
                "cluster {} created, in block {}\n{next}",
                style::strong(&number.to_string()),
                submitted.block
            ),
            json!({
                "cluster": number,
                "id": hex(cluster),
                "owner": address(&account.id()),
                "block": submitted.block,
            }),
        ))
    }
}

/// Shows all clusters.
pub(super) async fn list(context: &Context) -> Result<Report, CliError> {
    let chain = context.chain().await?;
    let economy = waiting("asking the chain", chain.economy()).await?;
    let pools = economy.pools().await?;
    let mut rows = Vec::new();
    let mut entries = Vec::new();
    for cluster in chain.clusters().await? {
        let number = cluster.id.to_low_u64_be();
        let workers = chain.cluster_workers(cluster.id).await?.len();
        let contracts = chain.cluster_contracts(cluster.id).await?.len();
        let ready = chain.cluster_key(cluster.id).await?.is_some();
        let pool = pools.get(&cluster.id);
        let stake = pool.map_or(0, |pool| pool.stake);
        let cap = pool.and_then(|pool| pool.cap);
        let general = economy.general == Some(cluster.id);
        rows.push(vec![
            number.to_string(),
            address(&cluster.owner),
            cluster.permission.name().into(),
            workers.to_string(),
            contracts.to_string(),
            match general {
                true => "general".into(),
                false => show_amount(stake),
            },
            cap.map_or("none".into(), show_amount),
            match ready {
                true => "known".into(),
                false => style::dim("with its first worker"),
            },
        ]);
        entries.push(json!({
            "cluster": number,
            "id": hex(cluster.id),
            "owner": address(&cluster.owner),
            "permission": cluster.permission.name(),
            "workers": workers,
            "contracts": contracts,
            "general": general,
            "stake": stake.to_string(),
            "cap": cap.map(|cap| cap.to_string()),
            "has_key": ready,
        }));
    }
    let head = [
        "cluster",
        "owner",
        "deploying",
        "workers",
        "contracts",
        "stake",
        "cap",
        "key",
    ];
    let text = match rows.is_empty() {
        true => "There are no clusters on this chain yet.".into(),
        false => table(&head, rows),
    };
    Ok(Report::new(text, json!(entries)))
}

impl CapArgs {
    /// Sets how much can be staked.
    pub(super) async fn run(self, context: &Context) -> Result<Report, CliError> {
        let cap = self.cap.0;
        let account = context.account()?;
        let chain = context.chain().await?;
        let cluster = context.cluster(&chain).await?.id;
        let call = Call::Economy(vec![EconomyCall::SetCap { cluster, cap }]);
        let submitted = waiting("waiting for a block", chain.submit(&account, call)).await?;
        let number = cluster.to_low_u64_be();
        let text = match cap {
            Some(cap) => format!(
                "at most {} can be staked on cluster {number}",
                show_amount(cap)
            ),
            None => format!("any amount can be staked on cluster {number}"),
        };
        Ok(Report::new(
            text,
            json!({
                "cluster": number,
                "cap": cap.map(|cap| cap.to_string()),
                "block": submitted.block,
            }),
        ))
    }
}

impl Prefer {
    /// Names workers.
    pub(super) async fn run(self, context: &Context) -> Result<Report, CliError> {
        let account = context.account()?;
        let chain = context.chain().await?;
        let cluster = context.cluster(&chain).await?.id;
        let economy = waiting("asking the chain", chain.economy()).await?;
        if economy.general == Some(cluster) {
            return Err(Refusal::General(cluster).into());
        }
        let workers = context.workers(&chain, &self.workers).await?;
        let ids: Vec<_> = workers.iter().map(ToString::to_string).collect();
        let call = Call::Economy(vec![EconomyCall::SetPreferences { cluster, workers }]);
        let submitted = waiting("waiting for a block", chain.submit(&account, call)).await?;
        let number = cluster.to_low_u64_be();
        let text = match ids.len() {
            0 => format!("cluster {number} wants no worker more than another"),
            1 => format!("cluster {number} has named a worker: it counts from the next era on"),
            count => {
                format!(
                    "cluster {number} has named {count} workers: they count from the next era on"
                )
            }
        };
        Ok(Report::new(
            text,
            json!({ "cluster": number, "workers": ids, "block": submitted.block }),
        ))
    }
}
