//! `phat credit`: pays in advance for queries in a cluster that weighs them by that.

use crate::{
    context::Context,
    error::CliError,
    report::{Report, lines, style, waiting},
};
use clap::Subcommand;
use phat_client::{
    amount::{parse_amount, show_amount},
    chain::{Call, Credit},
    primitives::Balance,
};
use serde_json::json;

/// Parts of what is paid that one slice has, if nothing else is said: a few workers can be asked, and a
/// worker that stops costs little.
const SLICES: Balance = 16;

/// Arguments of `phat credit`.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  phat credit                          what is left, and which worker has how much of it
  phat credit prepay 10PHA             pay in advance
  phat query token total_supply --pay 0.01PHA
  phat credit withdraw                 get back what is left"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do with a credit.
#[derive(Debug, Subcommand)]
enum Command {
    /// Pay in advance
    Prepay {
        /// How much: 1.5PHA, or smallest units
        #[arg(value_parser = parse_amount)]
        amount: Balance,
        /// Most that one worker may have unspent: what is lost if it stops [default: a 16th]
        #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
        slice: Option<Balance>,
    },
    /// Get back what is left: at once what no worker has, the rest when the workers have reported
    Withdraw,
}

/// Shows a credit, after it was changed if that is wanted.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Report, CliError> {
    let account = context.account()?;
    let chain = context.chain().await?;
    let cluster = context.cluster(&chain).await?.id;
    let call = args.command.map(|command| match command {
        Command::Prepay { amount, slice } => Call::PrepayCredit {
            cluster,
            amount,
            slice: slice.unwrap_or(amount / SLICES),
        },
        Command::Withdraw => Call::WithdrawCredit { cluster },
    });
    let mut block = None;
    if let Some(call) = call {
        let submitted = waiting("waiting for a block", chain.submit(&account, call)).await?;
        block = Some(submitted.block);
    }
    let credit = chain.credit(cluster, &account.id()).await?;
    Ok(show(&credit.unwrap_or_default(), block))
}

fn show(credit: &Credit, block: Option<u64>) -> Report {
    let mut rows = vec![
        ("free", show_amount(credit.free)),
        ("slice", show_amount(credit.slice)),
    ];
    for slice in &credit.slices {
        let unspent = show_amount(slice.lent.saturating_sub(slice.spent));
        let note = match slice.parted {
            Some(block) => format!(", silent since block {block}"),
            None => String::new(),
        };
        let row = format!("{unspent} unspent of {}{note}", show_amount(slice.lent));
        rows.push(("at a worker", format!("{row}\n{}", slice.worker)));
    }
    if credit.closing && !credit.slices.is_empty() {
        rows.push((
            "closing",
            "waits for the workers to say what is left".into(),
        ));
    }
    let mut text = match block {
        Some(block) => format!("{} in block {block}\n", style::good("done")),
        None => String::new(),
    };
    text.push_str(&lines(&rows));
    let slices = credit.slices.iter().map(|slice| {
        json!({
            "worker": slice.worker.to_string(),
            "lent": slice.lent.to_string(),
            "spent": slice.spent.to_string(),
            "parted": slice.parted,
        })
    });
    let json = json!({
        "ok": true,
        "free": credit.free.to_string(),
        "slice": credit.slice.to_string(),
        "closing": credit.closing,
        "slices": slices.collect::<Vec<_>>(),
        "block": block,
    });
    Report::new(text, json)
}
