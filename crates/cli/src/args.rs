//! The command line: commands and options.

use crate::{commands, dev, worker};
use clap::{Parser, Subcommand};
use phat_client::{
    amount::parse_amount,
    primitives::{Balance, ClusterId, Hash, ids},
};
use std::path::PathBuf;

/// Where `phat dev` has its chain.
pub(crate) const DEFAULT_CHAIN: &str = "ws://127.0.0.1:9944";
/// The account that acts if none is named.
pub(crate) const DEFAULT_SURI: &str = "//Alice";
/// Environment variable with the secret of the account that acts: a secret on the command line can be
/// read by every user of the machine.
pub(crate) const SURI_VARIABLE: &str = "PHAT_SURI";

/// Phat contracts: programs that run off the chain, in private, and answer at once.
#[derive(Debug, Parser)]
#[command(name = "phat", version, propagate_version = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// Options of all commands.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do; `dev` if nothing is named.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

const EXAMPLES: &str = "\
Examples:
  phat                                        start a network on this machine
  phat deploy token.contract --constructor new 1_000_000 Token TKN 12
  phat query token balance_of //Alice         ask: at once, and in private
  phat call token transfer //Bob 10 ''        change something: through the chain
  phat status                                 see whether everything is well";

/// Options of all commands.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Options of all commands")]
pub(crate) struct Global {
    /// Secret of the account that acts: //Name, a phrase, or a seed in hex [default: $PHAT_SURI or
    /// //Alice]
    #[arg(long, global = true, value_name = "SECRET", hide_default_value = true)]
    pub(crate) suri: Option<String>,
    /// The chain's WebSocket address
    #[arg(long, global = true, value_name = "URL", default_value = DEFAULT_CHAIN)]
    pub(crate) chain: String,
    /// The worker to ask, such as http://127.0.0.1:8000 [default: the first of the cluster that
    /// answers at its endpoint on the chain]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) worker: Option<String>,
    /// Number or id of the cluster that is meant [default: the contract's, or else the first]
    #[arg(long, global = true, value_name = "CLUSTER", value_parser = parse_cluster)]
    pub(crate) cluster: Option<ClusterId>,
    /// Certificates, in PEM, of authorities to believe for workers at https addresses, beyond the
    /// usual ones
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a network on this machine: chain, workers, cluster and example contracts
    Dev(Box<dev::DevArgs>),
    /// Run a worker: it registers, joins a cluster, fetches its state and serves. Or change or see what
    /// a worker of yours does in the economy
    Worker(WorkerCommand),
    /// Show accounts and their money, on the chain and in the cluster
    Accounts(commands::accounts::Args),
    /// Show the contracts of the clusters
    Contracts,
    /// Show the workers, where they are and how far they have come
    Workers,
    /// Show whether chain, clusters and workers are well
    Status,
    /// Upload a contract's code to the cluster
    Upload(commands::upload::Args),
    /// Make a contract, with its code if the cluster does not have it
    Deploy(commands::deploy::Args),
    /// Ask a contract: answered by one worker, at once and in private; nothing changes
    Query(commands::query::Args),
    /// Send a contract a command: through the chain, encrypted, applied by all workers
    Call(commands::call::Args),
    /// Move money on the chain, into the cluster, or out of it
    Transfer(commands::transfer::Args),
    /// Show how a command ended, prove it, or check such a proof
    Receipt(commands::receipt::Args),
    /// Show what a contract has logged, as it comes with --follow
    Logs(commands::logs::Args),
    /// Stake money, which buys a share of the workers, or show what you have staked
    #[command(subcommand)]
    Stake(commands::stake::Stake),
    /// Take staked money back
    #[command(subcommand)]
    Unstake(commands::stake::Unstake),
    /// Get the stake that has come back from clusters
    Withdraw,
    /// Create a cluster, look after one that you own, or show all of them
    #[command(subcommand)]
    Cluster(commands::cluster::Command),
    /// Pay in advance for queries, in a cluster that weighs them by that, and get back what is left
    Credit(commands::credit::Args),
    /// Let a worker whose state differed from the others' be in a cluster again
    Readmit(commands::readmit::Args),
    /// Show which cluster has which workers, and why; start, stop and set the economy
    Era(commands::era::Args),
    /// Try out the rules of the economy, or see what a stake buys
    Economy(commands::economy::Args),
}

/// `phat worker` runs a worker; with a command it does not.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct WorkerCommand {
    /// What to do with workers that run.
    #[command(subcommand)]
    pub(crate) what: Option<commands::operate::What>,
    /// How to run one.
    #[command(flatten)]
    pub(crate) run: Box<worker::WorkerArgs>,
}

/// Reads the number of a cluster, or its id in hex.
pub(crate) fn parse_cluster(text: &str) -> Result<ClusterId, String> {
    match text.parse() {
        Ok(number) => Ok(ids::cluster_id(number)),
        Err(_) => parse_hash(text)
            .map_err(|_| "write the number of a cluster, such as 1, or its id in hex".to_owned()),
    }
}

/// Reads 32 bytes in hex.
pub(crate) fn parse_hash(text: &str) -> Result<Hash, String> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut bytes)
        .map_err(|_| "write 32 bytes in hex".to_owned())?;
    Ok(Hash::from(bytes))
}

/// Options of commands that cost something.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Spending {
    /// Money for the contract (a payable message or constructor), such as 1.5PHA
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    pub(crate) transfer: Option<Balance>,
    /// Most gas to use [default: what a trial run used and a quarter more]
    #[arg(long, value_name = "UNITS")]
    pub(crate) gas: Option<u64>,
    /// Most storage deposit to pay [default: no limit]
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    pub(crate) storage_deposit_limit: Option<Balance>,
    /// Money to put into the cluster along the way [default: what is missing there]
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    pub(crate) deposit: Option<Balance>,
}

/// Which contract, and what is said to it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Invocation {
    /// Name or address of the contract
    pub(crate) contract: String,
    /// Name of the message; the part after :: is enough
    pub(crate) message: String,
    /// Its arguments: 1_000, true, text, 0x01ff, //Alice, None, [1, 2], (1, 2), '{ a: 1 }', 'Name(1)'
    #[arg(allow_negative_numbers = true)]
    pub(crate) args: Vec<String>,
    /// The contract's bundle [default: what was kept when it was deployed from here]
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_of_all_commands_stand_anywhere() {
        for line in [
            "phat --json --chain ws://x:1 query token get -5 //Bob",
            "phat query token get -5 //Bob --json --chain ws://x:1",
            "phat query --json token get --chain ws://x:1 -5 //Bob",
        ] {
            let cli = parse(line).unwrap();
            assert!(cli.global.json);
            assert_eq!(cli.global.chain, "ws://x:1");
            let Some(Command::Query(query)) = cli.command else {
                panic!("{line}")
            };
            assert_eq!(query.call.contract, "token");
            assert_eq!(query.call.args, ["-5", "//Bob"]);
        }
    }

    #[test]
    fn without_arguments_nothing_is_named() {
        let cli = parse("phat").unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.global.chain, DEFAULT_CHAIN);
        assert!(matches!(
            parse("phat dev").unwrap().command,
            Some(Command::Dev(_))
        ));
    }

    #[test]
    fn a_worker_is_run_without_a_command_and_is_not_with_one() {
        let Some(Command::Worker(worker)) = parse("phat worker --cluster 2").unwrap().command
        else {
            panic!()
        };
        assert!(worker.what.is_none());
        let leave = parse("phat worker leave 0x12 --json").unwrap();
        assert!(leave.global.json);
        assert!(matches!(
            leave.command,
            Some(Command::Worker(WorkerCommand { what: Some(_), .. }))
        ));
        assert!(parse("phat worker --data-dir x leave 0x12").is_err());
    }

    #[test]
    fn a_cluster_is_a_number_or_an_id() {
        let first = ids::cluster_id(1);
        for text in ["1", &format!("0x{}", hex::encode(first.0))] {
            assert_eq!(parse_cluster(text), Ok(first));
            let line = format!("phat query token get --cluster {text}");
            assert_eq!(parse(&line).unwrap().global.cluster, Some(first));
        }
        for wrong in ["", "one", "-1", "0x01"] {
            assert!(parse_cluster(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn amounts_are_read_with_their_unit() {
        let Some(Command::Call(call)) = parse("phat call c m --transfer 1.5PHA").unwrap().command
        else {
            panic!()
        };
        assert_eq!(call.spending.transfer, Some(1_500_000_000_000));
        assert!(parse("phat call c m --transfer 1.5").is_err());
        assert!(parse("phat transfer many //Bob").is_err());
    }

    #[test]
    fn stake_names_what_it_is_put_on() {
        assert!(parse("phat stake contract token 5PHA").is_ok());
        assert!(parse("phat stake contract token").is_err());
        assert!(parse("phat stake token 5PHA").is_err());
        assert!(parse("phat unstake contract token").is_ok());
        assert!(parse("phat unstake contract token 2PHA").is_ok());
    }

    #[test]
    fn a_policy_names_a_control_contract_or_takes_it_away() {
        assert!(parse("phat cluster policy").is_ok());
        assert!(parse("phat cluster policy --control members --control-gas 5").is_ok());
        assert!(parse("phat cluster policy --control-gas 5").is_err());
        assert!(parse("phat cluster policy --control members --no-control").is_err());
        assert!(parse("phat cluster policy --fee-model pay-per-weight").is_ok());
        assert!(parse("phat cluster policy --fee-model favour").is_err());
    }

    #[test]
    fn a_transfer_has_one_direction() {
        assert!(parse("phat transfer 1PHA //Bob").is_ok());
        assert!(parse("phat transfer 1PHA --to-cluster").is_ok());
        assert!(parse("phat transfer 1PHA --from-cluster").is_ok());
        assert!(parse("phat transfer 1PHA").is_err());
        assert!(parse("phat transfer 1PHA //Bob --from-cluster").is_err());
        assert!(parse("phat transfer 1PHA --to-cluster --from-cluster").is_err());
    }
}
