//! `phat call`: sends a contract a command.

use super::receipt;
use crate::{
    args::{Invocation, Spending},
    context::Context,
    error::CliError,
    report::{Report, waiting},
};
use phat_client::Options;

/// Arguments of `phat call`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  phat call token transfer //Bob 1_000 ''
  phat call token approve //Charlie 50 --suri //Bob")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) call: Invocation,
    #[command(flatten)]
    pub(crate) spending: Spending,
    /// Send it so that anybody can read it on the chain [default: encrypted to the contract]
    #[arg(long)]
    plain: bool,
}

/// Sends a command.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Report, CliError> {
    let call = args.call;
    let client = context.client_of(&call.contract).await?;
    let (id, bundle) = context
        .contract(client.chain(), &call.contract, call.bundle.as_deref())
        .await?;
    let options = Options {
        plain: args.plain,
        ..args.spending.into()
    };
    let calling = client.call(id, &bundle.interface, &call.message, &call.args, &options);
    let applied = waiting("waiting until the workers have applied it", calling).await?;
    let title = format!("{} applied", call.message);
    let interface = |contract| (contract == id).then_some(&bundle.interface);
    Ok(receipt::show(
        &title,
        &applied.receipt,
        applied.output.as_ref(),
        interface,
    ))
}
