//! `phat era`: which cluster has which share and which workers, and why; and what governance does.

mod settings;
mod show;

use super::operate::inactive;
use crate::{
    args::parse_cluster,
    book::hex,
    context::Context,
    error::CliError,
    report::{Report, style, waiting},
};
use phat_client::{
    Account, ChainClient, ClientError,
    amount::{parse_amount, show_amount},
    chain::{Call, Submitted, economy::EconomyCall},
    primitives::{Balance, ClusterId},
};
use serde_json::json;

/// Arguments of `phat era`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  phat era                          which cluster has which workers, and why
  phat era start --activate         let eras run, with all workers that you operate
  phat era settings --json          what governance has set
  phat era settings '{\"era_ms\": 20000}'")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

/// What governance does: all but `settings` without a document needs the key of sudo.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// Let eras run: from now on they decide which worker is in which cluster
    Start {
        /// Let all workers that you operate take part first, with the least deposit
        #[arg(long)]
        activate: bool,
    },
    /// Stop eras: workers stay where they are, and owners assign them again
    Stop,
    /// Show what governance has set, or set some of it
    #[command(after_help = "Examples:
  phat era settings --json
  phat era settings '{\"era_ms\": 20000, \"heartbeat_ms\": 10000}'
  phat era settings '{\"parameters\": {\"g\": {\"linear\": {\"per_point\": \"1000\"}}}}'
  phat era settings settings.json")]
    Settings {
        /// A JSON document, or a file with one: what it names is set, the rest stays as it is
        #[arg(value_name = "JSON")]
        document: Option<String>,
    },
    /// Name the general cluster, which gets every worker that nobody else takes
    General {
        /// Number or id of the cluster; it must have no stake
        #[arg(value_name = "CLUSTER", value_parser = parse_cluster)]
        general: ClusterId,
    },
    /// Mint money for rewards
    Fund {
        /// How much: 1000PHA, or smallest units
        #[arg(value_parser = parse_amount)]
        amount: Balance,
    },
    /// Take something from what a worker has
    Slash {
        /// Public key, as far as no other begins like that
        worker: String,
        /// How much: 1.5PHA, or smallest units
        #[arg(value_parser = parse_amount)]
        amount: Balance,
    },
}

/// Does it.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Report, CliError> {
    match args.what {
        None => show::run(context).await,
        Some(What::Start { activate }) => start(context, activate).await,
        Some(What::Settings { document }) => settings::run(context, document.as_deref()).await,
        Some(What::Stop) => {
            let chain = context.chain().await?;
            let submitted = govern(context, &chain, vec![EconomyCall::StopEras]).await?;
            let text = "eras are stopped: workers stay where they are, and what they were promised is theirs";
            Ok(Report::new(text, json!({ "block": submitted.block })))
        }
        Some(What::General { general }) => {
            let chain = context.chain().await?;
            let call = EconomyCall::SetGeneralCluster(general);
            let submitted = govern(context, &chain, vec![call]).await?;
            let number = general.to_low_u64_be();
            Ok(Report::new(
                format!("cluster {number} gets every worker that nobody else takes"),
                json!({ "cluster": number, "id": hex(general), "block": submitted.block }),
            ))
        }
        Some(What::Fund { amount }) => {
            let chain = context.chain().await?;
            let submitted = govern(context, &chain, vec![EconomyCall::FundRewards(amount)]).await?;
            Ok(Report::new(
                format!("{} minted for rewards", show_amount(amount)),
                json!({ "amount": amount.to_string(), "block": submitted.block }),
            ))
        }
        Some(What::Slash { worker, amount }) => {
            let chain = context.chain().await?;
            let worker = context.worker(&chain, &worker).await?;
            let call = EconomyCall::SlashWorker { worker, amount };
            let submitted = govern(context, &chain, vec![call]).await?;
            Ok(Report::new(
                format!("{} taken from {worker}", show_amount(amount)),
                json!({
                    "worker": worker.to_string(),
                    "amount": amount.to_string(),
                    "block": submitted.block,
                }),
            ))
        }
    }
}

/// Sends calls through sudo.
async fn govern(
    context: &Context,
    chain: &ChainClient,
    calls: Vec<EconomyCall>,
) -> Result<Submitted, CliError> {
    let account = context.account()?;
    submit(chain, &account, Call::Govern(calls)).await
}

async fn submit(chain: &ChainClient, account: &Account, call: Call) -> Result<Submitted, CliError> {
    Ok(waiting("waiting for a block", chain.submit(account, call)).await?)
}

async fn start(context: &Context, activate: bool) -> Result<Report, CliError> {
    let account = context.account()?;
    let chain = context.chain().await?;
    let economy = waiting("asking the chain", chain.economy()).await?;
    let mut activated = Vec::new();
    if activate {
        activated = inactive(&chain, &economy, &account.id()).await?;
    }
    if !activated.is_empty() {
        let deposit = economy.settings.minimum_deposit.max(1);
        let calls = activated
            .iter()
            .map(|worker| EconomyCall::Activate {
                worker: *worker,
                deposit,
            })
            .collect();
        submit(&chain, &account, Call::Economy(calls)).await?;
    }
    let mut calls = Vec::new();
    let general = match (economy.general, context.global().cluster) {
        (Some(general), None) => general,
        (_, named) => {
            let clusters = chain.clusters().await?;
            let mut clusters = clusters.into_iter();
            let cluster = clusters.find(|known| named.is_none_or(|id| known.id == id));
            let cluster = cluster.ok_or(ClientError::NoCluster(named))?.id;
            calls.push(EconomyCall::SetGeneralCluster(cluster));
            cluster
        }
    };
    calls.push(EconomyCall::StartEras);
    let submitted = submit(&chain, &account, Call::Govern(calls)).await?;
    let number = general.to_low_u64_be();
    let text = format!(
        "{}, with {} more workers; what nobody takes goes to cluster {number}. See `phat era`",
        style::good("eras run"),
        activated.len(),
    );
    let ids: Vec<_> = activated.iter().map(ToString::to_string).collect();
    Ok(Report::new(
        text,
        json!({ "general": number, "activated": ids, "block": submitted.block }),
    ))
}
