//! `phat cluster`: what the owner of a cluster does with it.

mod manage;

use crate::{
    context::Context,
    error::CliError,
    report::{Report, lines, style, waiting},
};
use clap::Subcommand;
use phat_client::{
    chain::{Call, Cluster, Permission, free_callers},
    keys::{address, parse_account},
    primitives::{
        AccountId,
        limits::{MAX_ALLOWED_DEPLOYERS, MAX_CONTROL_GAS, MAX_FREE_CALLERS},
        policy::{Control, FeeModel, FreeCallers, Policy},
    },
};
use serde_json::{Value as Json, json};

/// What to do with a cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a cluster, which you own. While eras run it gets its workers from the next one on
    Create(manage::Create),
    /// Show all clusters
    List,
    /// Set how much can be staked on a cluster of yours
    Cap(manage::CapArgs),
    /// Name the workers that a cluster of yours wants in the eras to come
    Prefer(manage::Prefer),
    /// Show the policy of a cluster, or set what is named of it
    Policy(PolicyArgs),
}

/// Gas for an answer of a control contract if none is named: it has a few storage reads' worth of
/// work, and this is a hundred times as much.
const CONTROL_GAS: u64 = MAX_CONTROL_GAS / 10;

/// Arguments of `phat cluster policy`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  phat cluster policy                                 show it
  phat cluster policy --deploy owner                  nobody else deploys
  phat cluster policy --deploy //Bob,//Charlie        the owner and these deploy
  phat cluster policy --free //Bob                    the gas of Bob's commands costs nothing
  phat cluster policy --control members               a contract is asked before anything is run
  phat cluster policy --no-control")]
pub(crate) struct PolicyArgs {
    /// Who may upload code and make contracts: everybody, owner, or up to 256 accounts with commas
    /// between
    #[arg(long, value_name = "WHO")]
    deploy: Option<String>,
    /// Whose commands cost no gas: everybody, nobody, or up to 256 accounts with commas between
    #[arg(long, value_name = "WHO")]
    free: Option<String>,
    /// What gives a query its weight in the queues of the workers
    #[arg(long, value_name = "MODEL")]
    fee_model: Option<Model>,
    /// Name or address of the contract that is asked before each deployment and each execution
    #[arg(long, value_name = "CONTRACT")]
    control: Option<String>,
    /// Most gas that one of its answers may take, 100_000_000_000 at most [default: 10_000_000_000]
    #[arg(long, value_name = "UNITS", requires = "control")]
    control_gas: Option<u64>,
    /// Ask no contract any more
    #[arg(long, conflicts_with = "control")]
    no_control: bool,
}

/// See [`FeeModel`].
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Model {
    /// The stake on the contract
    Stake,
    /// The amount that the caller names and pays
    PayPerWeight,
}

impl PolicyArgs {
    fn sets_something(&self) -> bool {
        self.deploy.is_some()
            || self.free.is_some()
            || self.fee_model.is_some()
            || self.control.is_some()
            || self.no_control
    }
}

/// Does it.
pub(crate) async fn run(context: &Context, command: Command) -> Result<Report, CliError> {
    match command {
        Command::Create(args) => args.run(context).await,
        Command::List => manage::list(context).await,
        Command::Cap(args) => args.run(context).await,
        Command::Prefer(args) => args.run(context).await,
        Command::Policy(args) => policy(context, args).await,
    }
}

async fn policy(context: &Context, args: PolicyArgs) -> Result<Report, CliError> {
    let chain = context.chain().await?;
    let mut cluster = context.cluster(&chain).await?;
    let mut policy = chain.policy(cluster.id).await?;
    let mut block = None;
    if args.sets_something() {
        if let Some(who) = &args.deploy {
            cluster.permission = deployers(who, cluster.owner)?;
        }
        if let Some(who) = &args.free {
            policy.free = free(who)?;
        }
        if let Some(model) = args.fee_model {
            policy.fee_model = match model {
                Model::Stake => FeeModel::Stake,
                Model::PayPerWeight => FeeModel::PayPerWeight,
            };
        }
        if let Some(asked) = &args.control {
            policy.control = Some(Control {
                contract: context.book()?.find(chain.genesis(), asked)?,
                gas_limit: args.control_gas.unwrap_or(CONTROL_GAS),
            });
        }
        if args.no_control {
            policy.control = None;
        }
        let call = Call::SetPolicy {
            cluster: cluster.id,
            permission: cluster.permission.clone(),
            policy: Box::new(policy.clone()),
        };
        let account = context.account()?;
        let submitted = waiting("waiting for a block", chain.submit(&account, call)).await?;
        block = Some(submitted.block);
    }
    Ok(show(&cluster, &policy, block))
}

fn accounts(who: &str) -> Result<Vec<AccountId>, CliError> {
    let named = who.split(',').map(|name| parse_account(name.trim()));
    Ok(named.collect::<Result<_, _>>()?)
}

fn deployers(who: &str, owner: AccountId) -> Result<Permission, CliError> {
    match who {
        "everybody" => Ok(Permission::Public),
        "owner" => Ok(Permission::OnlyOwner(owner)),
        who => Permission::list(accounts(who)?).ok_or(CliError::TooManyAccounts {
            option: "--deploy",
            most: MAX_ALLOWED_DEPLOYERS,
        }),
    }
}

fn free(who: &str) -> Result<FreeCallers, CliError> {
    match who {
        "everybody" => Ok(FreeCallers::Everybody),
        "nobody" => Ok(FreeCallers::Nobody),
        who => free_callers(accounts(who)?).ok_or(CliError::TooManyAccounts {
            option: "--free",
            most: MAX_FREE_CALLERS,
        }),
    }
}

/// Accounts as text and for programs.
fn listed(accounts: &[AccountId]) -> (String, Json) {
    let shown: Vec<_> = accounts.iter().map(address).collect();
    (shown.join("\n"), json!(shown))
}

fn show(cluster: &Cluster, policy: &Policy, block: Option<u64>) -> Report {
    let number = cluster.id.to_low_u64_be();
    let (deploy, deploy_json) = match &cluster.permission {
        Permission::Public => ("everybody".into(), json!("everybody")),
        Permission::OnlyOwner(owner) => listed(&[*owner]),
        Permission::AllowList(accounts) => {
            let mut all = vec![cluster.owner];
            all.extend(accounts.iter().filter(|account| **account != cluster.owner));
            listed(&all)
        }
    };
    let (free, free_json) = match &policy.free {
        FreeCallers::Nobody => ("nobody".into(), json!("nobody")),
        FreeCallers::Everybody => ("everybody".into(), json!("everybody")),
        FreeCallers::Listed(accounts) => listed(accounts),
    };
    let (model, model_json) = match policy.fee_model {
        FeeModel::Stake => ("the stake on the contract", "stake"),
        FeeModel::PayPerWeight => ("the amount that the caller pays", "pay-per-weight"),
    };
    let control = policy.control.map(|control| {
        let contract = address(&AccountId::from(control.contract));
        let text = format!("{contract}, with at most {} gas", control.gas_limit);
        let json = json!({ "contract": contract, "gas_limit": control.gas_limit.to_string() });
        (text, json)
    });
    let (control, control_json) = control.unwrap_or(("nobody".into(), Json::Null));
    let mut text = match block {
        Some(block) => format!("{} in block {block}\n", style::good("set")),
        None => String::new(),
    };
    text.push_str(&format!(
        "{}\n",
        style::strong(&format!("policy of cluster {number}"))
    ));
    text.push_str(&lines(&[
        ("owner", address(&cluster.owner)),
        ("may deploy", deploy),
        ("pays no gas", free),
        ("weighs a query", model.into()),
        ("is asked", control),
    ]));
    let json = json!({
        "ok": true,
        "cluster": number,
        "owner": address(&cluster.owner),
        "deploy": deploy_json,
        "free": free_json,
        "fee_model": model_json,
        "control": control_json,
        "block": block,
    });
    Report::new(text, json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use phat_client::{
        keys::Account,
        primitives::{Hash, ids},
    };

    fn id(suri: &str) -> AccountId {
        Account::from_suri(suri).unwrap().id()
    }

    #[test]
    fn who_is_a_word_or_a_list_of_accounts() {
        let alice = id("//Alice");
        assert_eq!(deployers("everybody", alice).unwrap(), Permission::Public);
        assert_eq!(
            deployers("owner", alice).unwrap(),
            Permission::OnlyOwner(alice)
        );
        assert_eq!(
            deployers("//Bob, //Charlie", alice).unwrap(),
            Permission::AllowList(vec![id("//Bob"), id("//Charlie")])
        );
        assert_eq!(free("nobody").unwrap(), FreeCallers::Nobody);
        assert_eq!(free("everybody").unwrap(), FreeCallers::Everybody);
        let FreeCallers::Listed(bob) = free("//Bob").unwrap() else {
            panic!("a list")
        };
        assert_eq!(bob[..], [id("//Bob")]);
        assert!(deployers("somebody", alice).is_err());
        assert!(free("").is_err());
    }

    #[test]
    fn a_list_longer_than_the_chain_keeps_is_refused_with_the_limit() {
        let long = vec!["//Bob"; MAX_FREE_CALLERS as usize + 1].join(",");
        let refused = free(&long).unwrap_err().to_string();
        assert!(refused.contains("256"), "{refused}");
    }

    #[test]
    fn a_policy_is_shown_to_people_and_programs() {
        let cluster = Cluster {
            id: ids::cluster_id(2),
            owner: id("//Alice"),
            permission: Permission::AllowList(vec![id("//Bob"), id("//Alice")]),
            system_contract: Hash::zero(),
            gas_price: 1,
            deposit_per_item: 1,
            deposit_per_byte: 1,
        };
        let policy = Policy {
            free: FreeCallers::Nobody,
            fee_model: FeeModel::PayPerWeight,
            control: Some(Control {
                contract: Hash::repeat_byte(7),
                gas_limit: 9,
            }),
        };
        let report = show(&cluster, &policy, Some(4));
        assert_eq!(report.json["cluster"], 2);
        assert_eq!(report.json["deploy"].as_array().unwrap().len(), 2);
        assert_eq!(report.json["free"], "nobody");
        assert_eq!(report.json["fee_model"], "pay-per-weight");
        assert_eq!(report.json["control"]["gas_limit"], "9");
        for part in ["block 4", "cluster 2", "at most 9 gas"] {
            assert!(report.text.contains(part), "{}", report.text);
        }
        let without = show(&cluster, &Policy::default(), None);
        assert_eq!(without.json["control"], Json::Null);
    }
}
