//! `phat accounts`: accounts and their money.

use crate::{
    args::DEFAULT_SURI,
    context::Context,
    error::CliError,
    report::{Report, style, table, waiting},
};
use phat_client::{
    Account,
    amount::show_amount,
    keys::{address, parse_account},
    primitives::AccountId,
};
use serde_json::json;

/// Accounts that every development network provides with money.
const DEVELOPMENT: [&str; 6] = [
    DEFAULT_SURI,
    "//Bob",
    "//Charlie",
    "//Dave",
    "//Eve",
    "//Ferdie",
];

/// Arguments of `phat accounts`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  phat accounts\n  phat accounts //Alice 5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
)]
pub(crate) struct Args {
    /// Accounts to show [default: the one that acts, and those of development networks]
    #[arg(value_name = "ACCOUNT")]
    accounts: Vec<String>,
}

/// Shows accounts.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Report, CliError> {
    let accounts = chosen(context, &args.accounts)?;
    let chain = context.chain().await?;
    // The chain is enough to show half of it.
    let client = context.client().await;
    let mut rows = Vec::new();
    let mut entries = Vec::new();
    for (name, id) in accounts {
        let on_chain = waiting("asking the chain", chain.balance(&id)).await?;
        let in_cluster = match &client {
            Ok(client) => waiting("asking a worker", client.cluster_balance(&id))
                .await
                .ok(),
            Err(_) => None,
        };
        rows.push(vec![
            name.clone(),
            address(&id),
            show_amount(on_chain.free),
            in_cluster.map_or("?".into(), |balance| show_amount(balance.free)),
        ]);
        entries.push(json!({
            "name": name,
            "address": address(&id),
            "public_key": id.to_string(),
            "free": on_chain.free.to_string(),
            "reserved": on_chain.reserved.to_string(),
            "cluster_free": in_cluster.map(|balance| balance.free.to_string()),
            "cluster_total": in_cluster.map(|balance| balance.total.to_string()),
        }));
    }
    let mut text = table(
        &["account", "address", "on the chain", "in the cluster"],
        rows,
    );
    if let Err(error) = client {
        text.push_str(&format!(
            "\n\n{} {error}",
            style::dim("money in the cluster is unknown:")
        ));
    }
    Ok(Report::new(text, json!(entries)))
}

fn chosen(context: &Context, named: &[String]) -> Result<Vec<(String, AccountId)>, CliError> {
    if !named.is_empty() {
        return named
            .iter()
            .map(|name| Ok((name.clone(), parse_account(name)?)))
            .collect();
    }
    let mut accounts = Vec::new();
    for suri in DEVELOPMENT {
        accounts.push((suri.to_string(), Account::from_suri(suri)?.id()));
    }
    let own = context.account()?.id();
    if accounts.iter().all(|(_, id)| *id != own) {
        accounts.insert(0, ("(yours)".into(), own));
    }
    Ok(accounts)
}
