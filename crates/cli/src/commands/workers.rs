//! `phat workers`: the workers, where they are and how far they have come.

use crate::{
    book::hex,
    context::Context,
    error::CliError,
    report::{Report, style, table, waiting},
};
use phat_client::{
    ChainClient, Roots, WorkerClient,
    chain::Divergence,
    primitives::{ClusterId, WorkerId},
};
use serde_json::json;

/// What is known of one worker.
pub(crate) struct Seen {
    /// Its public key.
    pub(crate) id: WorkerId,
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
}

/// Shows workers.
pub(crate) async fn run(context: &Context) -> Result<Report, CliError> {
    let chain = context.chain().await?;
    let workers = look(&chain, &context.roots()?).await?;
    let rows = workers.iter().map(|worker| {
        let endpoint = worker
            .endpoints
            .first()
            .cloned()
            .unwrap_or_else(|| "none".into());
        let mut row = vec![format!("{}…", &worker.id.to_string()[..18]), endpoint];
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
            &["worker", "endpoint", "next block", "contracts", "state"],
            rows,
        ),
    };
    for worker in &workers {
        if let Err(reason) = &worker.answer {
            text.push_str(&format!("\n{}", style::dim(reason)));
        }
    }
    let entries: Vec<_> = workers.iter().map(to_json).collect();
    Ok(Report::new(text, json!(entries)))
}

fn to_json(worker: &Seen) -> serde_json::Value {
    let answer = worker.answer.as_ref();
    json!({
        "id": worker.id.to_string(),
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
    })
}
