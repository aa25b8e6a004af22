//! `phat workers`: the workers, where they are and how far they have come.

use crate::{
    book::hex,
    context::Context,
    error::CliError,
    report::{Report, style, table, waiting},
};
use phat_client::{
    ChainClient, Roots, WorkerClient,
    chain::{Divergence, Worker},
    primitives::{ClusterId, WorkerId},
};
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Evidence that is good for less than this should have been renewed already.
const EXPIRES_SOON: Duration = Duration::from_secs(24 * 3600);

/// What is known of one worker.
pub(crate) struct Seen {
    /// Its public key.
    pub(crate) id: WorkerId,
    /// What the chain knows of it.
    pub(crate) record: Option<Worker>,
    /// Where it says it can be reached.
    pub(crate) endpoints: Vec<String>,
    /// The cluster it is in.
    pub(crate) cluster: Option<ClusterId>,
    /// How its state differed from that of the others, if it did.
    pub(crate) diverged: Option<Divergence>,
    /// What it says itself.
    pub(crate) answer: Result<Answer, String>,
}

/// What a worker says itself.
pub(crate) struct Answer {
    /// Next block it will apply.
    pub(crate) block: u32,
    /// State root of its cluster; empty if it serves none.
    pub(crate) state_root: String,
    /// Contracts it serves.
    pub(crate) contracts: usize,
    /// Version of its program.
    pub(crate) version: String,
    /// What is wrong with its evidence; empty if nothing is.
    pub(crate) warning: String,
}

/// Shows workers.
pub(crate) async fn run(context: &Context) -> Result<Report, CliError> {
    let chain = context.chain().await?;
    let workers = look(&chain, &context.roots()?).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock before 1970 cannot tell how much time is left.
    let now = now.unwrap_or_default();
    let rows = workers.iter().map(|worker| {
        let endpoint = worker
            .endpoints
            .first()
            .cloned()
            .unwrap_or_else(|| "none".into());
        let mut row = vec![format!("{}…", &worker.id.to_string()[..18]), endpoint];
        row.extend(match &worker.record {
            Some(record) => [
                record.confidence.to_string(),
                evidence(record, now),
                record.performance.to_string(),
            ],
            None => ["?", "?", "?"].map(String::from),
        });
        match (&worker.answer, &worker.diverged) {
            (_, Some(divergence)) => row.extend([
                "?".into(),
                "0".into(),
                style::bad(&format!("differed at block {}", divergence.block)),
            ]),
            (Ok(answer), None) => row.extend([
                answer.block.to_string(),
                answer.contracts.to_string(),
                style::good("answers"),
            ]),
            (Err(_), None) => row.extend(["?".into(), "?".into(), style::bad("does not answer")]),
        }
        row
    });
    let mut text = match workers.is_empty() {
        true => "There are no workers on this chain yet.".to_string(),
        false => table(
            &[
                "worker",
                "endpoint",
                "confidence",
                "evidence",
                "score",
                "next block",
                "contracts",
                "state",
            ],
            rows,
        ),
    };
    for worker in &workers {
        match &worker.answer {
            Err(reason) => text.push_str(&format!("\n{}", style::dim(reason))),
            Ok(answer) if !answer.warning.is_empty() => {
                text.push_str(&format!("\n{}: {}", worker.id, style::bad(&answer.warning)));
            }
            Ok(_) => {}
        }
    }
    let entries: Vec<_> = workers.iter().map(to_json).collect();
    Ok(Report::new(text, json!(entries)))
}

/// Whether the chain believes the worker, and for how long.
fn evidence(record: &Worker, now: Duration) -> String {
    let Some(expires_ms) = record.expires_ms else {
        return style::bad("out of service");
    };
    let left = Duration::from_millis(expires_ms).saturating_sub(now);
    let text = for_how_long(left);
    match left < EXPIRES_SOON {
        true => style::strong(&text),
        false => text,
    }
}

fn for_how_long(left: Duration) -> String {
    let seconds = left.as_secs();
    match seconds {
        0 => "expired".into(),
        1..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn to_json(worker: &Seen) -> serde_json::Value {
    let answer = worker.answer.as_ref();
    let record = worker.record.as_ref();
    json!({
        "id": worker.id.to_string(),
        "operator": record.map(|record| phat_client::keys::address(&record.operator)),
        "measurement": record.map(|record| hex(record.measurement.into())),
        "confidence": record.map(|record| record.confidence),
        "performance": record.map(|record| record.performance),
        "evidence_expires_ms": record.and_then(|record| record.expires_ms),
        "in_service": record.is_some_and(|record| record.expires_ms.is_some()),
        "warning": answer.ok().map(|answer| &answer.warning).filter(|warning| !warning.is_empty()),
        "endpoints": worker.endpoints,
        "cluster": worker.cluster.map(hex),
        "diverged": worker.diverged.map(|divergence| json!({
            "cluster": hex(divergence.cluster),
            "block": divergence.block,
            "reported": { "state_root": hex(divergence.reported.state_root), "receipts": hex(divergence.reported.receipts) },
            "agreed": { "state_root": hex(divergence.agreed.state_root), "receipts": hex(divergence.agreed.receipts) },
        })),
        "answers": answer.is_ok(),
        "error": answer.err(),
        "next_block": answer.ok().map(|answer| answer.block),
        "state_root": answer.ok().map(|answer| &answer.state_root),
        "contracts": answer.ok().map(|answer| answer.contracts),
        "version": answer.ok().map(|answer| &answer.version),
    })
}

/// Asks the chain for all workers, and each of them how it is.
pub(crate) async fn look(chain: &ChainClient, roots: &Roots) -> Result<Vec<Seen>, CliError> {
    let mut clusters = Vec::new();
    for cluster in chain.clusters().await? {
        clusters.push((cluster.id, chain.cluster_workers(cluster.id).await?));
    }
    let mut workers = Vec::new();
    for id in waiting("asking the chain", chain.workers()).await? {
        let record = chain.worker(id).await?;
        let endpoints = chain.endpoints(id).await?;
        let cluster = clusters
            .iter()
            .find(|(_, members)| members.contains(&id))
            .map(|(id, _)| *id);
        let answer = match endpoints.first() {
            Some(url) => waiting("asking the workers", ask(id, url, roots)).await,
            None => Err(format!("{id} has announced no endpoint")),
        };
        workers.push(Seen {
            id,
            record,
            endpoints,
            cluster,
            diverged: chain.divergence(id).await?,
            answer,
        });
    }
    Ok(workers)
}

async fn ask(id: WorkerId, url: &str, roots: &Roots) -> Result<Answer, String> {
    let worker = WorkerClient::connect_trusting(url, roots)
        .await
        .map_err(|error| error.to_string())?;
    if worker.id() != id {
        return Err(format!("at {url} another worker answers: {}", worker.id()));
    }
    let info = worker.info().await.map_err(|error| error.to_string())?;
    let cluster = worker
        .cluster_info()
        .await
        .map_err(|error| error.to_string())?;
    let (state_root, contracts) = cluster
        .map(|cluster| (cluster.state_root, cluster.contracts.len()))
        .unwrap_or_default();
    Ok(Answer {
        block: info.blocknum,
        state_root,
        contracts,
        version: info.version,
        warning: info.evidence_warning,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_shown_in_the_largest_unit_that_says_something() {
        let shown = |seconds| for_how_long(Duration::from_secs(seconds));
        assert_eq!(shown(0), "expired");
        assert_eq!(shown(119), "119 s");
        assert_eq!(shown(120), "2 min");
        assert_eq!(shown(7_200), "2 h");
        assert_eq!(shown(7 * 86_400 - 1), "6 days");
    }
}
