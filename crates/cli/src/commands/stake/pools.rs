//! Stake on clusters: there, on its way back, withdrawn.

use crate::{
    book::hex,
    context::Context,
    error::CliError,
    refusal::Refusal,
    report::{Report, style, table, waiting},
};
use phat_client::{
    ChainClient,
    amount::show_amount,
    chain::{
        Call,
        economy::{Economy, EconomyCall, Unbond},
    },
    keys::{address, parse_account},
    primitives::{AccountId, Balance, ClusterId},
};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Stakes on a cluster.
pub(super) async fn stake(
    context: &Context,
    cluster: ClusterId,
    amount: Balance,
) -> Result<Report, CliError> {
    let account = context.account()?;
    let chain = context.chain().await?;
    let economy = waiting("asking the chain", chain.economy()).await?;
    check(&economy, cluster, &account.id(), amount).await?;
    ensure_free(&chain, &account.id(), amount).await?;
    let call = Call::Economy(vec![EconomyCall::Stake { cluster, amount }]);
    let submitted = waiting("waiting for a block", chain.submit(&account, call)).await?;
    let economy = chain.economy().await?;
    let staked = economy.stake_on(cluster, &account.id()).await?;
    let number = cluster.to_low_u64_be();
    let text = format!(
        "{} {} on cluster {number}, in block {}: you have {} there\n{}",
        style::good("staked"),
        show_amount(amount),
        submitted.block,
        show_amount(staked),
        counts(&economy),
    );
    Ok(Report::new(
        text,
        json!({
            "cluster": number,
            "amount": amount.to_string(),
            "staked": staked.to_string(),
            "counts_from_era": economy.last_era + 1,
            "block": submitted.block,
        }),
    ))
}

/// Refuses what the chain would, with the limit.
async fn check(
    economy: &Economy<'_>,
    cluster: ClusterId,
    account: &AccountId,
    amount: Balance,
) -> Result<(), CliError> {
    if economy.general == Some(cluster) {
        return Err(Refusal::General(cluster).into());
    }
    let minimum = economy.settings.minimum_stake;
    let staked = economy.stake_on(cluster, account).await?;
    let staked = staked.saturating_add(amount);
    if amount > 0 && staked < minimum {
        return Err(Refusal::StakeTooSmall { minimum, staked }.into());
    }
    if let Some(pool) = economy.pools().await?.get(&cluster)
        && let Some(cap) = pool.cap
        && amount > pool.room()
    {
        let stake = pool.stake;
        return Err(Refusal::AboveCap {
            cluster,
            cap,
            stake,
        }
        .into());
    }
    Ok(())
}

/// Refuses an amount that the account does not have.
pub(in crate::commands) async fn ensure_free(
    chain: &ChainClient,
    account: &AccountId,
    needed: Balance,
) -> Result<(), CliError> {
    let balance = chain.balance(account).await?;
    let free = balance.free.saturating_sub(balance.frozen);
    match needed <= free {
        true => Ok(()),
        false => Err(Refusal::NotFree { needed, free }.into()),
    }
}

/// When something that was said now has its effect.
pub(in crate::commands) fn counts(economy: &Economy<'_>) -> String {
    let next = economy.last_era.saturating_add(1);
    match economy.run {
        true => format!(
            "It counts from era {next} on, {}.",
            soon(economy.next_in_ms())
        ),
        false => "It counts when eras run: see `phat era start`.".into(),
    }
}

/// In how long, on the chain's own clock.
pub(in crate::commands) fn soon(ms: u64) -> String {
    match ms.div_ceil(1000) {
        0 => "which is due".into(),
        seconds => format!("in {}", span(seconds)),
    }
}

/// A number of seconds in words.
pub(in crate::commands) fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Takes stake back.
pub(super) async fn unstake(
    context: &Context,
    cluster: ClusterId,
    amount: Option<Balance>,
) -> Result<Report, CliError> {
    let account = context.account()?;
    let chain = context.chain().await?;
    let economy = waiting("asking the chain", chain.economy()).await?;
    let staked = economy.stake_on(cluster, &account.id()).await?;
    let amount = amount.unwrap_or(staked);
    let Some(left) = staked.checked_sub(amount).filter(|_| staked > 0) else {
        return Err(Refusal::NotStaked {
            cluster,
            staked,
            asked: amount,
        }
        .into());
    };
    let minimum = economy.settings.minimum_stake;
    if left > 0 && left < minimum {
        return Err(Refusal::StakeTooSmall {
            minimum,
            staked: left,
        }
        .into());
    }
    let call = Call::Economy(vec![EconomyCall::Unstake { cluster, amount }]);
    let submitted = waiting("waiting for a block", chain.submit(&account, call)).await?;
    let economy = chain.economy().await?;
    let portions = economy.unbonding(&account.id()).await?;
    let (text, back) = returning(&economy, &portions);
    let number = cluster.to_low_u64_be();
    Ok(Report::new(
        format!(
            "{} {} from cluster {number}, in block {}; {} stay there\n{text}",
            style::good("taken back"),
            show_amount(amount),
            submitted.block,
            show_amount(left),
        ),
        json!({
            "cluster": number,
            "amount": amount.to_string(),
            "staked": left.to_string(),
            "returning": back,
            "block": submitted.block,
        }),
    ))
}

/// Gets what has come back.
pub(crate) async fn withdraw(context: &Context) -> Result<Report, CliError> {
    let account = context.account()?;
    let chain = context.chain().await?;
    let economy = waiting("asking the chain", chain.economy()).await?;
    let portions = economy.unbonding(&account.id()).await?;
    let (there, later): (Vec<_>, Vec<_>) = portions
        .into_iter()
        .partition(|portion| is_back(&economy, portion));
    let (text, back) = returning(&economy, &later);
    if there.is_empty() {
        let when = match later.is_empty() {
            true => "nothing is on its way".into(),
            false => text.trim_end().replace('\n', "; "),
        };
        return Err(Refusal::NothingBack(when).into());
    }
    let amount = there.iter().fold(0, |sum: Balance, portion| {
        sum.saturating_add(portion.amount)
    });
    let call = Call::Economy(vec![EconomyCall::Withdraw]);
    let submitted = waiting("waiting for a block", chain.submit(&account, call)).await?;
    Ok(Report::new(
        format!(
            "{} {}, in block {}\n{text}",
            style::good("withdrawn"),
            show_amount(amount),
            submitted.block
        ),
        json!({
            "amount": amount.to_string(),
            "returning": back,
            "block": submitted.block,
        }),
    ))
}

/// Shows what an account has staked.
pub(super) async fn show(context: &Context, account: Option<&str>) -> Result<Report, CliError> {
    let account = match account {
        Some(name) => parse_account(name)?,
        None => context.account()?.id(),
    };
    let chain = context.chain().await?;
    let economy = waiting("asking the chain", chain.economy()).await?;
    let mut rows = Vec::new();
    let mut clusters = Vec::new();
    for (cluster, pool) in economy.pools().await? {
        let staked = economy.stake_on(cluster, &account).await?;
        if staked == 0 {
            continue;
        }
        let number = cluster.to_low_u64_be();
        rows.push(vec![
            format!("cluster {number}"),
            show_amount(staked),
            show_amount(pool.stake),
        ]);
        clusters.push(json!({
            "cluster": number,
            "staked": staked.to_string(),
            "of": pool.stake.to_string(),
        }));
    }
    let mut contracts = Vec::new();
    let all = chain.contract_stakes().await?;
    let sorted: BTreeMap<_, _> = chain.stakes(&account).await?.into_iter().collect();
    for (contract, staked) in sorted {
        let of = all.get(&contract).copied().unwrap_or_default();
        rows.push(vec![
            format!("contract {}", address(&AccountId::from(contract))),
            show_amount(staked),
            show_amount(of),
        ]);
        contracts.push(json!({
            "contract": hex(contract),
            "staked": staked.to_string(),
            "of": of.to_string(),
        }));
    }
    let mut text = match rows.is_empty() {
        true => format!("{} has staked nothing.\n", address(&account)),
        false => format!("{}\n", table(&["on", "staked", "of all"], rows)),
    };
    let (back, json) = returning(&economy, &economy.unbonding(&account).await?);
    text.push_str(&back);
    let json = json!({
        "account": address(&account),
        "clusters": clusters,
        "contracts": contracts,
        "returning": json,
    });
    Ok(Report::new(text, json))
}

/// What is on its way back, and what of it is there.
fn returning(economy: &Economy<'_>, portions: &[Unbond]) -> (String, Vec<Json>) {
    let mut text = String::new();
    let mut entries = Vec::new();
    for portion in portions {
        let back = is_back(economy, portion);
        let amount = show_amount(portion.amount);
        text.push_str(&match back {
            true => format!(
                "{amount} {}: get it with `phat withdraw`\n",
                style::good("are back")
            ),
            false => {
                let eras = portion.until.saturating_sub(economy.last_era);
                let more = u64::from(eras.saturating_sub(1));
                let ms = more
                    .saturating_mul(economy.settings.era_ms)
                    .saturating_add(economy.next_in_ms());
                format!(
                    "{amount} come back with era {}, {}\n",
                    portion.until,
                    soon(ms)
                )
            }
        });
        entries.push(json!({
            "amount": portion.amount.to_string(),
            "era": portion.until,
            "back": back,
        }));
    }
    (text, entries)
}

/// Whether stake has come back.
fn is_back(economy: &Economy<'_>, portion: &Unbond) -> bool {
    !economy.run || portion.until <= economy.last_era
}
