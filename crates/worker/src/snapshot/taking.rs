//! Taking a snapshot from wherever there is one.

use super::{FetchError, Latest, Source};
use crate::{
    chain::{ChainError, Line},
    node::{Node, NodeError, RestoreError, Wanted},
};
use codec::{Decode, DecodeAll};
use phat_follower::{Head, ProofError, read_proof};
use phat_primitives::{
    ClusterId, WorkerId,
    report::Roots,
    storage::{agreed_roots_key, endpoints_key},
};
use std::{path::Path, time::Duration};

/// Path under which workers serve their snapshots.
pub(crate) const PATH: &str = "snapshots";
/// Workers that are asked for a snapshot before the cluster's blocks are applied one by one.
const MAX_PEERS: usize = 16;
/// Time for all sources together to name a snapshot that can be used.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(60);

/// Why a source was of no use. The next one is asked.
#[derive(Debug, thiserror::Error)]
enum Useless {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("the chain's answer is not proven: {0}")]
    Proof(#[from] ProofError),
    #[error("it has nothing newer than this worker")]
    Old,
    #[error("the cluster has not agreed on its newest snapshot, or too long ago")]
    NotAgreed,
    #[error("its snapshot cannot be used: {0}")]
    Restore(#[from] RestoreError),
    #[error("it took too long to answer")]
    TooSlow,
}

/// Brings the state of the worker's cluster closer to the chain, if some source has a snapshot that is
/// newer. `true` if one was taken.
pub(crate) async fn take(
    node: &mut Node,
    chain: &impl Line,
    wanted: &Wanted,
    own: &Path,
    configured: &[Source],
) -> Result<bool, NodeError> {
    let head = node.head();
    let mut sources = vec![Source::Folder(own.to_owned())];
    sources.extend_from_slice(configured);
    sources.extend(peers(chain, &head, &wanted.peers).await);
    for source in sources {
        match take_from(node, chain, &head, wanted, &source, own).await {
            Ok(latest) => {
                tracing::info!(%source, block = latest.block, root = ?latest.root, "snapshot taken");
                return Ok(true);
            }
            // The state on the disk may be gone, which only the node can mend.
            Err(Useless::Restore(RestoreError::Node(error))) => return Err(*error),
            Err(error) => tracing::info!(%source, %error, "no snapshot from this source"),
        }
    }
    Ok(false)
}

async fn take_from(
    node: &mut Node,
    chain: &impl Line,
    head: &Head,
    wanted: &Wanted,
    source: &Source,
    own: &Path,
) -> Result<Latest, Useless> {
    let latest = tokio::time::timeout(SEARCH_TIMEOUT, source.latest(&wanted.cluster))
        .await
        .map_err(|_| Useless::TooSlow)??;
    if latest.block <= wanted.applied || latest.block > head.number {
        return Err(Useless::Old);
    }
    let agreed = agreed(chain, head, &wanted.cluster, latest)
        .await?
        .filter(|agreed| agreed.state_root == latest.root)
        .ok_or(Useless::NotAgreed)?;
    std::fs::create_dir_all(own).map_err(FetchError::from)?;
    let copy = own.join("incoming");
    let file = source.open(&wanted.cluster, &latest.root, &copy).await?;
    let restored = node.restore(file, latest.block, agreed);
    if matches!(source, Source::Http(_))
        && let Err(error) = std::fs::remove_file(&copy)
    {
        tracing::debug!(%error, "the copy of the snapshot could not be removed");
    }
    restored?;
    Ok(latest)
}

/// What the cluster has agreed on after the block of a snapshot, proven.
async fn agreed(
    chain: &impl Line,
    head: &Head,
    cluster: &ClusterId,
    latest: Latest,
) -> Result<Option<Roots>, Useless> {
    let key = agreed_roots_key(cluster, latest.block);
    let value = read(chain, head, key).await?;
    Ok(value.and_then(|bytes| DecodeAll::decode_all(&mut &bytes[..]).ok()))
}

async fn read(chain: &impl Line, head: &Head, key: Vec<u8>) -> Result<Option<Vec<u8>>, Useless> {
    let keys = [key];
    let proof = chain.read_proof(&keys, &head.hash).await?;
    let values = read_proof(head.state_root, proof, &keys)?;
    Ok(values.into_iter().next().flatten())
}

/// Where the other workers say that they are. None of it need be true.
async fn peers(chain: &impl Line, head: &Head, workers: &[WorkerId]) -> Vec<Source> {
    let mut sources = Vec::new();
    for worker in workers.iter().take(MAX_PEERS) {
        match read(chain, head, endpoints_key(worker)).await {
            Ok(value) => sources.extend(
                urls(&value.unwrap_or_default())
                    .into_iter()
                    .map(|url| Source::Http(format!("{}/{PATH}", url.trim_end_matches('/')))),
            ),
            Err(error) => tracing::info!(%worker, %error, "the worker cannot be found"),
        }
    }
    sources
}

/// The URLs in the chain's record of a worker's endpoints: version 1, a list of texts.
fn urls(record: &[u8]) -> Vec<String> {
    #[derive(Decode)]
    enum Endpoints {
        #[codec(index = 0)]
        V1(Vec<String>),
    }
    match Endpoints::decode_all(&mut &record[..]) {
        Ok(Endpoints::V1(urls)) => urls,
        Err(_) => Vec::new(),
    }
}
