//! `phat stake` and `phat unstake`: stake on contracts, which is their share of the workers; and on
//! clusters, which get workers for it.

mod pools;

pub(crate) use pools::withdraw;
pub(super) use pools::{counts, ensure_free, soon, span};

use crate::{
    args::parse_cluster,
    context::Context,
    error::CliError,
    report::{Report, lines, style, waiting},
};
use clap::Subcommand;
use phat_client::{
    amount::{parse_amount, show_amount},
    chain::Call,
    keys::address,
    primitives::{AccountId, Balance, ClusterId},
};
use serde_json::json;

/// What is staked on.
#[derive(Debug, Subcommand)]
pub(crate) enum Stake {
    /// Stake on a contract, in addition to what you have staked on it: in force at once
    #[command(after_help = "Example:
  phat stake contract token 5PHA")]
    Contract {
        /// Name or address of the contract
        contract: String,
        /// How much more: 1.5PHA, or smallest units
        #[arg(value_parser = parse_amount)]
        amount: Balance,
    },
    /// Stake on a cluster: it gets workers in proportion, from the next era on
    #[command(after_help = "Example:
  phat stake cluster 2 50PHA --suri //Bob")]
    Cluster {
        /// Number or id of the cluster
        #[arg(value_name = "CLUSTER", value_parser = parse_cluster)]
        on: ClusterId,
        /// How much more: 1.5PHA, or smallest units
        #[arg(value_parser = parse_amount)]
        amount: Balance,
    },
    /// Show what an account has staked, and what is on its way back
    Show {
        /// The account [default: the one that acts]
        account: Option<String>,
    },
}

/// What stake is taken back from.
#[derive(Debug, Subcommand)]
pub(crate) enum Unstake {
    /// Take stake back from a contract: yours again at once
    #[command(after_help = "Examples:
  phat unstake contract token          all of it
  phat unstake contract token 2PHA")]
    Contract {
        /// Name or address of the contract
        contract: String,
        /// How much: 1.5PHA, or smallest units [default: all]
        #[arg(value_parser = parse_amount)]
        amount: Option<Balance>,
    },
    /// Take stake back from a cluster: from the next era on it does not count, and some eras later it
    /// can be withdrawn
    #[command(after_help = "Examples:
  phat unstake cluster 2               all of it
  phat unstake cluster 2 50PHA")]
    Cluster {
        /// Number or id of the cluster
        #[arg(value_name = "CLUSTER", value_parser = parse_cluster)]
        from: ClusterId,
        /// How much: 1.5PHA, or smallest units [default: all]
        #[arg(value_parser = parse_amount)]
        amount: Option<Balance>,
    },
}

/// Stakes.
pub(crate) async fn stake(context: &Context, what: Stake) -> Result<Report, CliError> {
    match what {
        Stake::Contract { contract, amount } => {
            set(context, &contract, |present| {
                Ok(present.saturating_add(amount))
            })
            .await
        }
        Stake::Cluster { on, amount } => pools::stake(context, on, amount).await,
        Stake::Show { account } => pools::show(context, account.as_deref()).await,
    }
}

/// Takes stake back.
pub(crate) async fn unstake(context: &Context, what: Unstake) -> Result<Report, CliError> {
    match what {
        Unstake::Contract { contract, amount } => {
            set(context, &contract, |present| match amount {
                None => Ok(0),
                Some(amount) => present
                    .checked_sub(amount)
                    .ok_or(CliError::LessStaked { present }),
            })
            .await
        }
        Unstake::Cluster { from, amount } => pools::unstake(context, from, amount).await,
    }
}

/// Changes the account's stake on a contract.
async fn set(
    context: &Context,
    asked: &str,
    change: impl FnOnce(Balance) -> Result<Balance, CliError>,
) -> Result<Report, CliError> {
    let account = context.account()?;
    let chain = context.chain().await?;
    let contract = context.book()?.find(chain.genesis(), asked)?;
    let before = chain.stake(&account.id(), contract).await?;
    let amount = change(before)?;
    let least = chain.min_stake().await?;
    if amount > 0 && amount < least {
        return Err(CliError::Dust { amount, least });
    }
    let submitting = chain.submit(&account, Call::AdjustStake { contract, amount });
    let submitted = waiting("waiting for a block", submitting).await?;
    let total = chain.contract_stake(contract).await?;
    let mut text = format!(
        "{} in block {}\n",
        style::good(if amount < before {
            "taken back"
        } else {
            "staked"
        }),
        submitted.block
    );
    let contract = address(&AccountId::from(contract));
    text.push_str(&lines(&[
        ("contract", contract.clone()),
        ("yours", show_amount(amount)),
        ("in all", show_amount(total)),
    ]));
    let json = json!({
        "ok": true,
        "contract": contract,
        "before": before.to_string(),
        "stake": amount.to_string(),
        "total": total.to_string(),
        "block": submitted.block,
    });
    Ok(Report::new(text, json))
}
