//! `phat`: a network on this machine, and contracts from the terminal.
//!
//! Every command but `dev`, `worker` and `economy simulate` is a short-lived client: it does its work through `phat-client`
//! and returns one [`Report`], which is printed here, as text or as JSON.

mod args;
mod book;
mod commands;
mod context;
mod dev;
mod error;
mod progress;
mod refusal;
mod report;
mod serving;
mod worker;

use args::{Cli, Command, WorkerCommand};
use clap::Parser;
use context::Context;
use error::CliError;
use report::Report;
use std::process::ExitCode;

/// Tasks that a thread runs before it looks for what has come over the network. Those of contracts
/// take up to a millisecond each.
const TASKS_BEFORE_NETWORK: u32 = 8;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .event_interval(TASKS_BEFORE_NETWORK)
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(start()),
        Err(error) => {
            eprintln!("no threads can be started: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn start() -> ExitCode {
    let mut cli = Cli::parse();
    if cli.command.is_none() {
        let dev = std::env::args_os().chain(["dev".into()]);
        cli = Cli::parse_from(dev);
    }
    let json = cli.global.json;
    match run(cli).await {
        Ok(Some(report)) => report.print(json),
        Ok(None) => ExitCode::SUCCESS,
        Err(error) => error.print(json),
    }
}

async fn run(cli: Cli) -> Result<Option<Report>, CliError> {
    let context = Context::new(cli.global);
    let report = match cli.command {
        None => return Ok(None),
        Some(Command::Dev(args)) => {
            dev::run(*args, context.global()).await?;
            return Ok(None);
        }
        Some(Command::Worker(WorkerCommand {
            what: None,
            run: args,
        })) => {
            worker::run(&context, *args).await?;
            return Ok(None);
        }
        Some(Command::Worker(WorkerCommand {
            what: Some(what), ..
        })) => commands::operate::run(&context, what).await?,
        Some(Command::Economy(args)) => match commands::economy::run(&context, args).await? {
            Some(report) => report,
            None => return Ok(None),
        },
        Some(Command::Logs(args)) => {
            commands::logs::run(&context, args).await?;
            return Ok(None);
        }
        Some(Command::Accounts(args)) => commands::accounts::run(&context, args).await?,
        Some(Command::Contracts) => commands::contracts::run(&context).await?,
        Some(Command::Workers) => commands::workers::run(&context).await?,
        Some(Command::Status) => commands::status::run(&context).await?,
        Some(Command::Upload(args)) => commands::upload::run(&context, args).await?,
        Some(Command::Deploy(args)) => commands::deploy::run(&context, args).await?,
        Some(Command::Query(args)) => commands::query::run(&context, args).await?,
        Some(Command::Call(args)) => commands::call::run(&context, args).await?,
        Some(Command::Transfer(args)) => commands::transfer::run(&context, args).await?,
        Some(Command::Receipt(args)) => commands::receipt::run(&context, args).await?,
        Some(Command::Stake(what)) => commands::stake::stake(&context, what).await?,
        Some(Command::Unstake(what)) => commands::stake::unstake(&context, what).await?,
        Some(Command::Cluster(command)) => commands::cluster::run(&context, command).await?,
        Some(Command::Credit(args)) => commands::credit::run(&context, args).await?,
        Some(Command::Readmit(args)) => commands::readmit::run(&context, args).await?,
        Some(Command::Withdraw) => commands::stake::withdraw(&context).await?,
        Some(Command::Era(args)) => commands::era::run(&context, args).await?,
    };
    Ok(Some(report))
}
