//! `phat transfer`: moves money.

use super::receipt;
use crate::{
    book::hex,
    context::Context,
    error::CliError,
    report::{Report, style, waiting},
};
use clap::ArgGroup;
use phat_client::{
    amount::{parse_amount, show_amount},
    chain::Call,
    keys::{address, parse_account},
    primitives::Balance,
};
use serde_json::json;

/// Arguments of `phat transfer`.
#[derive(Debug, clap::Args)]
#[command(
    group = ArgGroup::new("where").required(true).multiple(true).args(["to", "to_cluster", "from_cluster"]),
    override_usage = "phat transfer <AMOUNT> [TO] [--to-cluster | --from-cluster] [OPTIONS]",
    after_help = "Examples:
  phat transfer 1.5PHA //Bob                 on the chain
  phat transfer 10PHA --to-cluster           to the own account in the cluster
  phat transfer 10PHA --to-cluster //Bob     to another account in the cluster
  phat transfer 2PHA --from-cluster          back to the own account on the chain"
)]
pub(crate) struct Args {
    /// How much: 1.5PHA, or smallest units
    #[arg(value_parser = parse_amount)]
    amount: Balance,
    /// Who gets it
    #[arg(conflicts_with = "from_cluster")]
    to: Option<String>,
    /// Move it into the cluster
    #[arg(long)]
    to_cluster: bool,
    /// Move it out of the cluster
    #[arg(long, conflicts_with = "to_cluster")]
    from_cluster: bool,
}

/// Moves money.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Report, CliError> {
    let amount = args.amount;
    let account = context.account()?;
    if args.from_cluster {
        let client = context.client().await?;
        let leaving = client.transfer_from_cluster(amount);
        let applied = waiting("waiting until the workers have applied it", leaving).await?;
        let title = format!("{} leave the cluster", show_amount(amount));
        let mut report = receipt::show(&title, &applied, None, |_| None);
        if !report.failed {
            report
                .text
                .push_str("  It arrives when most of the cluster's workers have reported it.\n");
        }
        return Ok(report);
    }
    let to = match &args.to {
        Some(text) => parse_account(text)?,
        None => account.id(),
    };
    let chain = context.chain().await?;
    let (call, place) = match args.to_cluster {
        false => (Call::Transfer { to, amount }, "on the chain"),
        true => {
            let cluster = context.cluster(&chain).await?.id;
            (
                Call::TransferToCluster {
                    cluster,
                    to,
                    amount,
                },
                "in the cluster",
            )
        }
    };
    let submitted = waiting("waiting for a block", chain.submit(&account, call)).await?;
    let text = format!(
        "{} {} to {} {place}, in block {}",
        style::good("sent"),
        show_amount(amount),
        address(&to),
        submitted.block,
    );
    let json = json!({
        "ok": true,
        "amount": amount.to_string(),
        "to": address(&to),
        "block": submitted.block,
        "block_hash": hex(submitted.block_hash),
        "number": submitted.message,
    });
    Ok(Report::new(text, json))
}
