//! `phat worker activate`, `leave` and so on: the life of a worker in the economy, and what it earns.

use super::stake::{counts, ensure_free};
use crate::{
    context::Context,
    error::CliError,
    refusal::Refusal,
    report::{Report, lines, style, table, waiting},
};
use phat_client::{
    ChainClient,
    amount::{parse_amount, show_amount},
    chain::{
        Call, Submitted,
        economy::{Cause, Change, Economy, EconomyCall, EconomyWorker, Entry, WorkerStatus},
    },
    keys::address,
    primitives::{AccountId, Balance, WorkerId},
};
use serde_json::{Value as Json, json};

/// Commands of `phat worker`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum What {
    /// Let workers take part in eras, from the next one on
    #[command(after_help = "Examples:
  phat worker activate                       all that you operate
  phat worker activate 0x12ab --deposit 25PHA")]
    Activate {
        /// Public keys, each as far as no other begins like that [default: all that you operate]
        #[arg(value_name = "WORKER")]
        workers: Vec<String>,
        /// What is held for each until it is settled [default: the least that is taken]
        #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
        deposit: Option<Balance>,
    },
    /// End the part of workers in the economy with the era in force
    Leave(Named),
    /// Let suspended workers take part again, from the next era on
    Resume(Named),
    /// Be paid what a worker has earned
    #[command(after_help = "Examples:
  phat worker payout 0x12ab max
  phat worker payout 0x12ab 1.5PHA")]
    Payout {
        /// Public key, as far as no other begins like that
        worker: String,
        /// How much: 1.5PHA, smallest units, or `max`
        #[arg(value_parser = parse_payout)]
        amount: Payout,
    },
    /// Get deposit and rewards of workers that have left, when their cool-down is over
    Settle(Named),
    /// Show what happened to a worker's money, era by era, and what can be paid out now
    Rewards {
        /// Public keys, each as far as no other begins like that [default: all that you operate]
        #[arg(value_name = "WORKER")]
        workers: Vec<String>,
    },
}

/// Some workers.
#[derive(Debug, clap::Args)]
pub(crate) struct Named {
    /// Public keys, each as far as no other begins like that
    #[arg(value_name = "WORKER", required = true)]
    workers: Vec<String>,
}

/// How much of what was earned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payout(Option<Balance>);

fn parse_payout(text: &str) -> Result<Payout, String> {
    match text {
        "max" => Ok(Payout(None)),
        amount => parse_amount(amount)
            .map(|amount| Payout(Some(amount)))
            .map_err(|error| format!("{error}, or `max`")),
    }
}

/// Does it.
pub(crate) async fn run(context: &Context, what: What) -> Result<Report, CliError> {
    let chain = context.chain().await?;
    match what {
        What::Activate { workers, deposit } => {
            let workers = context.workers(&chain, &workers).await?;
            activate(context, &chain, workers, deposit).await
        }
        What::Leave(named) => {
            let made = |worker| EconomyCall::Leave(worker);
            let (workers, submitted) = send(context, &chain, &named, made).await?;
            let economy = chain.economy().await?;
            let text = format!(
                "{} with the end of era {}; it can be settled {} eras later",
                told(&workers, "leaves", "leave"),
                economy.last_era,
                economy.settings.cool_down,
            );
            Ok(done(text, &workers, submitted))
        }
        What::Resume(named) => {
            let made = |worker| EconomyCall::Resume(worker);
            let (workers, submitted) = send(context, &chain, &named, made).await?;
            let text = format!(
                "{} part again\n{}",
                told(&workers, "takes", "take"),
                counts(&chain.economy().await?)
            );
            Ok(done(text, &workers, submitted))
        }
        What::Settle(named) => {
            let made = |worker| EconomyCall::Settle(worker);
            let (workers, submitted) = send(context, &chain, &named, made).await?;
            let mut text = format!("{} settled\n", told(&workers, "is", "are"));
            let economy = chain.economy().await?;
            for worker in &workers {
                if let Some(last) = economy.ledger(*worker).await?.last() {
                    text.push_str(&format!("{}: {}\n", short(worker), describe(last).2));
                }
            }
            Ok(done(text, &workers, submitted))
        }
        What::Payout { worker, amount } => {
            let worker = context.worker(&chain, &worker).await?;
            payout(context, &chain, worker, amount.0).await
        }
        What::Rewards { workers } => {
            let workers = context.workers(&chain, &workers).await?;
            rewards(context, &chain, workers).await
        }
    }
}

/// The beginning of a worker's key, by which people tell it from others.
pub(super) fn short(worker: &WorkerId) -> String {
    format!("{}…", &worker.to_string()[..18])
}

fn told(workers: &[WorkerId], one: &str, many: &str) -> String {
    match workers {
        [worker] => format!("{} {one}", short(worker)),
        several => format!("{} workers {many}", several.len()),
    }
}

fn done(text: String, workers: &[WorkerId], submitted: Submitted) -> Report {
    let ids: Vec<_> = workers.iter().map(ToString::to_string).collect();
    Report::new(text, json!({ "workers": ids, "block": submitted.block }))
}

/// Sends a call for each worker, all of them together.
async fn send(
    context: &Context,
    chain: &ChainClient,
    named: &Named,
    made: impl Fn(WorkerId) -> EconomyCall,
) -> Result<(Vec<WorkerId>, Submitted), CliError> {
    let workers = context.workers(chain, &named.workers).await?;
    let calls = workers.iter().copied().map(made).collect();
    let account = context.account()?;
    let submitting = chain.submit(&account, Call::Economy(calls));
    let submitted = waiting("waiting for a block", submitting).await?;
    Ok((workers, submitted))
}

/// The workers that an account operates, that are in service and not in the economy yet.
pub(super) async fn inactive(
    chain: &ChainClient,
    economy: &Economy<'_>,
    operator: &AccountId,
) -> Result<Vec<WorkerId>, CliError> {
    let mut found = Vec::new();
    for id in waiting("asking the chain", chain.workers()).await? {
        let known = chain.worker(id).await?;
        let own = known.filter(|known| known.operator == *operator && known.expires_ms.is_some());
        if own.is_some() && economy.worker(id).await?.is_none() {
            found.push(id);
        }
    }
    Ok(found)
}

async fn activate(
    context: &Context,
    chain: &ChainClient,
    mut workers: Vec<WorkerId>,
    deposit: Option<Balance>,
) -> Result<Report, CliError> {
    let account = context.account()?;
    let economy = waiting("asking the chain", chain.economy()).await?;
    if workers.is_empty() {
        workers = inactive(chain, &economy, &account.id()).await?;
    }
    if workers.is_empty() {
        return Err(Refusal::NothingToActivate.into());
    }
    let least = economy.settings.minimum_deposit.max(1);
    let deposit = deposit.unwrap_or(least);
    if deposit < least {
        return Err(Refusal::DepositTooSmall(least).into());
    }
    let together = deposit.saturating_mul(workers.len() as Balance);
    ensure_free(chain, &account.id(), together).await?;
    let calls = workers
        .iter()
        .map(|worker| EconomyCall::Activate {
            worker: *worker,
            deposit,
        })
        .collect();
    let submitting = chain.submit(&account, Call::Economy(calls));
    let submitted = waiting("waiting for a block", submitting).await?;
    let economy = chain.economy().await?;
    let mut report = done(
        format!(
            "{} part, with a deposit of {}{}\n{}",
            told(&workers, "takes", "take"),
            show_amount(deposit),
            if workers.len() == 1 { "" } else { " each" },
            counts(&economy),
        ),
        &workers,
        submitted,
    );
    report.json["deposit"] = deposit.to_string().into();
    Ok(report)
}

async fn payout(
    context: &Context,
    chain: &ChainClient,
    worker: WorkerId,
    amount: Option<Balance>,
) -> Result<Report, CliError> {
    let account = context.account()?;
    let economy = waiting("asking the chain", chain.economy()).await?;
    let known = economy.worker(worker).await?;
    let known = known.ok_or(Refusal::NotActivated(worker))?;
    let limit = known.limit();
    if limit == 0 || amount.is_some_and(|amount| amount > limit) {
        return Err(Refusal::AbovePayout(limit).into());
    }
    let call = Call::Economy(vec![EconomyCall::Payout { worker, amount }]);
    let submitted = waiting("waiting for a block", chain.submit(&account, call)).await?;
    let economy = chain.economy().await?;
    let ledger = economy.ledger(worker).await?;
    let paid = ledger.iter().rev().find_map(|entry| match entry.change {
        Change::Paid(amount) => Some(amount),
        _ => None,
    });
    let paid = paid.unwrap_or_default();
    let left = economy
        .worker(worker)
        .await?
        .map_or(0, |known| known.limit());
    let text = format!(
        "{} {} to {}, in block {}; {} can be paid yet",
        style::good("paid"),
        show_amount(paid),
        address(&account.id()),
        submitted.block,
        show_amount(left),
    );
    Ok(Report::new(
        text,
        json!({
            "worker": worker.to_string(),
            "paid": paid.to_string(),
            "limit": left.to_string(),
            "block": submitted.block,
        }),
    ))
}

async fn rewards(
    context: &Context,
    chain: &ChainClient,
    workers: Vec<WorkerId>,
) -> Result<Report, CliError> {
    let economy = waiting("asking the chain", chain.economy()).await?;
    let mut found = Vec::new();
    if workers.is_empty() {
        let own = context.account()?.id();
        let all = economy.workers().await?.into_iter();
        found.extend(
            all.filter(|known| known.operator == own)
                .map(|known| (known.id, Some(known))),
        );
        if found.is_empty() {
            return Err(Refusal::NoneOperated.into());
        }
    }
    for worker in workers {
        found.push((worker, economy.worker(worker).await?));
    }
    let mut text = String::new();
    let mut entries = Vec::new();
    for (id, known) in found {
        let ledger = economy.ledger(id).await?;
        if known.is_none() && ledger.is_empty() {
            return Err(Refusal::NotActivated(id).into());
        }
        let (shown, json) = account_of(id, known.as_ref(), &ledger);
        text.push_str(&shown);
        entries.push(json);
    }
    Ok(Report::new(text, json!(entries)))
}

/// What happened to a worker's money, and what comes of it.
fn account_of(id: WorkerId, known: Option<&EconomyWorker>, ledger: &[Entry]) -> (String, Json) {
    let status = match known {
        Some(known) => status(&known.status),
        None => "has left, and is settled".into(),
    };
    let mut text = format!("{} {status}\n", style::strong(&id.to_string()));
    let rows = ledger.iter().map(|entry| {
        let (what, amount, why) = describe(entry);
        vec![entry.era.to_string(), what.into(), amount, why]
    });
    text.push_str(&table(&["era", "what", "amount", "why"], rows));
    text.push('\n');
    let changes: Vec<_> = ledger.iter().map(entry_json).collect();
    let mut json = json!({ "worker": id.to_string(), "entries": changes });
    if let Some(known) = known {
        let limit = known.limit();
        text.push_str(&lines(&[
            ("deposit", show_amount(known.deposit)),
            (
                "promised",
                format!("{} in all eras", show_amount(known.value)),
            ),
            ("taken", show_amount(known.slashed)),
            ("paid", show_amount(known.paid)),
            ("can be paid now", style::strong(&show_amount(limit))),
        ]));
        json["operator"] = address(&known.operator).into();
        json["status"] = status_json(&known.status);
        json["deposit"] = known.deposit.to_string().into();
        json["promised"] = known.value.to_string().into();
        json["slashed"] = known.slashed.to_string().into();
        json["paid"] = known.paid.to_string().into();
        json["limit"] = limit.to_string().into();
    }
    (text, json)
}

/// What a line is, how much, and why.
fn describe(entry: &Entry) -> (&'static str, String, String) {
    match entry.change {
        Change::Deposited(amount) => (
            "deposit",
            show_amount(amount),
            "held until it is settled".into(),
        ),
        Change::Accrued(amount) => (
            "accrued",
            show_amount(amount),
            "promised for the era: f + g".into(),
        ),
        Change::Slashed { amount, cause } => (
            "slashed",
            format!("-{}", show_amount(amount)),
            why(cause).into(),
        ),
        Change::Paid(amount) => ("paid", show_amount(amount), "to its operator".into()),
        Change::Settled {
            rewards,
            deposit,
            forfeited,
        } => (
            "settled",
            show_amount(rewards.saturating_add(deposit)),
            format!(
                "{} of rewards and {} of the deposit to its operator, {} of the deposit to the treasury",
                show_amount(rewards),
                show_amount(deposit),
                show_amount(forfeited)
            ),
        ),
    }
}

fn entry_json(entry: &Entry) -> Json {
    let era = entry.era;
    match entry.change {
        Change::Deposited(amount) => {
            json!({ "era": era, "what": "deposited", "amount": amount.to_string() })
        }
        Change::Accrued(amount) => {
            json!({ "era": era, "what": "accrued", "amount": amount.to_string() })
        }
        Change::Slashed { amount, cause } => json!({
            "era": era,
            "what": "slashed",
            "amount": amount.to_string(),
            "cause": cause_name(cause),
        }),
        Change::Paid(amount) => json!({ "era": era, "what": "paid", "amount": amount.to_string() }),
        Change::Settled {
            rewards,
            deposit,
            forfeited,
        } => json!({
            "era": era,
            "what": "settled",
            "rewards": rewards.to_string(),
            "deposit": deposit.to_string(),
            "forfeited": forfeited.to_string(),
        }),
    }
}

/// Why something was taken, for people.
fn why(cause: Cause) -> &'static str {
    match cause {
        Cause::Missed => "the chain's question was answered too late or never",
        Cause::Lapsed => "its evidence expired or is not believed any more",
        Cause::Diverged => "its state was not that of its cluster",
        Cause::Governance => "by governance",
    }
}

/// Why something was taken, for programs.
fn cause_name(cause: Cause) -> &'static str {
    match cause {
        Cause::Missed => "missed",
        Cause::Lapsed => "lapsed",
        Cause::Diverged => "diverged",
        Cause::Governance => "governance",
    }
}

/// Where a worker is in its life, for people.
pub(super) fn status(status: &WorkerStatus) -> String {
    match status {
        WorkerStatus::Active => style::good("takes part"),
        WorkerStatus::Suspended(cause) => {
            let again = match cause {
                Cause::Lapsed => "it comes back with new evidence",
                Cause::Diverged => "see `phat readmit`, then `phat worker resume`",
                Cause::Missed | Cause::Governance => "see `phat worker resume`",
            };
            format!("{} ({}): {again}", style::bad("is suspended"), why(*cause))
        }
        WorkerStatus::Leaving => "leaves with the end of the era".into(),
        WorkerStatus::CoolingDown(era) => {
            format!("has left; it can be settled when era {era} has begun")
        }
        WorkerStatus::Exhausted => {
            style::bad("has lost all that it had; `phat worker settle` ends it")
        }
    }
}

/// Where a worker is in its life, for programs.
pub(super) fn status_json(status: &WorkerStatus) -> Json {
    match status {
        WorkerStatus::Active => json!({ "name": "active" }),
        WorkerStatus::Suspended(cause) => {
            json!({ "name": "suspended", "cause": cause_name(*cause) })
        }
        WorkerStatus::Leaving => json!({ "name": "leaving" }),
        WorkerStatus::CoolingDown(era) => json!({ "name": "cooling_down", "until_era": era }),
        WorkerStatus::Exhausted => json!({ "name": "exhausted" }),
    }
}
