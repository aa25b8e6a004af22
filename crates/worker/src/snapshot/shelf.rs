//! Where snapshots are put and taken from: a folder, or an HTTP server that serves such a folder.
//!
//! ```text
//! CLUSTER/latest        block and state root of the newest snapshot: "1200 0x…"
//! CLUSTER/ROOT          the snapshot of the cluster at that state root
//! ```
//!
//! Any plain file store will do (a mounted bucket, a static web server); a worker serves its own under
//! `/snapshots`. Nothing there is believed: what is taken is opened with the cluster's key and checked
//! against the root on the chain.

use phat_primitives::{BlockNumber, ClusterId, Hash};
use std::{
    fmt, fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    str::FromStr,
    time::{Duration, Instant},
};

/// Bytes of a snapshot that is fetched: more than any state that a worker holds in practice, less than
/// its disk.
pub(crate) const MAX_SNAPSHOT_LEN: u64 = 64 * 1024 * 1024 * 1024;
/// Time for a snapshot to arrive.
const FETCH_TIMEOUT: Duration = Duration::from_secs(3600);
/// Time for a source to answer, or to send nothing.
const STALL_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes that a source sends in a second, on average over more than [`STALL_TIMEOUT`]: one that sends
/// less keeps the worker from asking the next one.
const MIN_RATE: u64 = 16 * 1024;
/// Bytes of the file that names the newest snapshot.
const MAX_LATEST_LEN: u64 = 128;
/// Snapshots of a cluster that are kept: the newest, one to fall back to, and one that somebody may be
/// reading.
const KEPT: usize = 3;
const LATEST: &str = "latest";

/// Which snapshot is the newest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Latest {
    /// Last block that it contains.
    pub(crate) block: BlockNumber,
    /// Root of the state in it.
    pub(crate) root: Hash,
}

impl fmt::Display for Latest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.block, self.root)
    }
}

impl FromStr for Latest {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (block, root) = text.trim().split_once(' ').ok_or(())?;
        let hex = root.strip_prefix("0x").ok_or(())?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(hex, &mut bytes).map_err(|_| ())?;
        Ok(Self {
            block: block.parse().map_err(|_| ())?,
            root: Hash::from(bytes),
        })
    }
}

/// Name of the folder of a cluster.
pub(crate) fn cluster_name(cluster: &ClusterId) -> String {
    hex::encode(cluster.0)
}

/// Name of the file of a snapshot.
pub(crate) fn file_name(root: &Hash) -> String {
    hex::encode(root.0)
}

/// A folder with snapshots.
#[derive(Clone, Debug)]
pub(crate) struct Shelf(PathBuf);

impl Shelf {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    fn folder(&self, cluster: &ClusterId) -> PathBuf {
        self.0.join(cluster_name(cluster))
    }

    /// Puts a snapshot there, as `write` writes it, makes it the newest, and removes the oldest. A
    /// crash leaves the shelf as it was, but for a file that the next snapshot replaces.
    pub(crate) fn put<E: From<io::Error>>(
        &self,
        cluster: &ClusterId,
        latest: Latest,
        write: impl FnOnce(&mut io::BufWriter<fs::File>) -> Result<(), E>,
    ) -> Result<(), E> {
        let folder = self.folder(cluster);
        fs::create_dir_all(&folder)?;
        let unfinished = folder.join("unfinished");
        let mut out = io::BufWriter::new(fs::File::create(&unfinished)?);
        write(&mut out)?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&unfinished, folder.join(file_name(&latest.root)))?;
        let unfinished = folder.join("latest.new");
        let mut file = fs::File::create(&unfinished)?;
        file.write_all(format!("{latest}\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, folder.join(LATEST))?;
        if cfg!(unix) {
            fs::File::open(&folder)?.sync_all()?;
        }
        Ok(prune(&folder, &file_name(&latest.root))?)
    }

    /// The newest snapshot of a cluster.
    pub(crate) fn latest(&self, cluster: &ClusterId) -> Option<Latest> {
        let file = fs::File::open(self.folder(cluster).join(LATEST)).ok()?;
        let mut text = String::new();
        file.take(MAX_LATEST_LEN).read_to_string(&mut text).ok()?;
        text.parse().ok()
    }

    /// The snapshot of a cluster at a state root.
    pub(crate) fn open(&self, cluster: &ClusterId, root: &Hash) -> io::Result<fs::File> {
        fs::File::open(self.folder(cluster).join(file_name(root)))
    }
}

/// Removes all snapshots but the newest, which is `newest` whatever the file system's clock says.
fn prune(folder: &Path, newest: &str) -> io::Result<()> {
    let mut snapshots = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_snapshot = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.len() == 64 && hex::decode(name).is_ok());
        if is_snapshot {
            let is_newest = entry.file_name() == newest;
            snapshots.push((is_newest, entry.metadata()?.modified()?, entry.path()));
        }
    }
    snapshots.sort();
    let excess = snapshots.len().saturating_sub(KEPT);
    for (_, _, path) in snapshots.drain(..excess) {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Where a worker takes a snapshot from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A folder on this machine.
    Folder(PathBuf),
    /// A folder behind an HTTP server, or another worker.
    Http(String),
}

impl FromStr for Source {
    type Err = std::convert::Infallible;

    /// What begins with `http://` or `https://` is a server, all else a folder.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(
            match text.starts_with("http://") || text.starts_with("https://") {
                true => Self::Http(text.trim_end_matches('/').to_owned()),
                false => Self::Folder(text.into()),
            },
        )
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Http(url) => f.write_str(url),
        }
    }
}

/// Why a source gave no snapshot.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The file or the copy of it.
    #[error("it cannot be read or kept: {0}")]
    Io(#[from] io::Error),
    /// The server.
    #[error("it cannot be fetched: {0}")]
    Http(#[from] reqwest::Error),
    /// The server has none.
    #[error("the server answers {0}")]
    Status(reqwest::StatusCode),
    /// It is too large, or does not come to an end.
    #[error("it is larger than {MAX_SNAPSHOT_LEN} bytes or took too long")]
    TooLarge,
    /// It comes so slowly that another source is quicker.
    #[error("it sends less than {MIN_RATE} bytes in a second")]
    TooSlow,
    /// `latest` cannot be read.
    #[error("it does not say which snapshot is the newest")]
    NoLatest,
}

impl Source {
    /// The newest snapshot that it has.
    pub(crate) async fn latest(&self, cluster: &ClusterId) -> Result<Latest, FetchError> {
        let url = match self {
            Self::Folder(folder) => {
                let latest = Shelf::new(folder.clone()).latest(cluster);
                return latest.ok_or(FetchError::NoLatest);
            }
            Self::Http(url) => format!("{url}/{}/{LATEST}", cluster_name(cluster)),
        };
        let mut answer = get(&url, 0).await?;
        let mut text = Vec::new();
        while let Some(piece) = answer.chunk().await? {
            text.extend_from_slice(&piece);
            if text.len() as u64 > MAX_LATEST_LEN {
                return Err(FetchError::NoLatest);
            }
        }
        String::from_utf8_lossy(&text)
            .parse()
            .map_err(|()| FetchError::NoLatest)
    }

    /// Opens the snapshot at a state root; what comes over the network is kept in the file `copy`
    /// first.
    pub(crate) async fn open(
        &self,
        cluster: &ClusterId,
        root: &Hash,
        copy: &Path,
    ) -> Result<fs::File, FetchError> {
        match self {
            Self::Folder(folder) => Ok(Shelf::new(folder.clone()).open(cluster, root)?),
            Self::Http(url) => {
                let url = format!("{url}/{}/{}", cluster_name(cluster), file_name(root));
                tokio::time::timeout(FETCH_TIMEOUT, fetch(&url, copy))
                    .await
                    .map_err(|_| FetchError::TooLarge)??;
                Ok(fs::File::open(copy)?)
            }
        }
    }
}

/// Asks a server for a file, from some byte on.
async fn get(url: &str, from: u64) -> Result<reqwest::Response, FetchError> {
    let client = reqwest::Client::builder()
        .connect_timeout(STALL_TIMEOUT)
        .read_timeout(STALL_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let mut request = client.get(url);
    if from > 0 {
        request = request.header(reqwest::header::RANGE, format!("bytes={from}-"));
    }
    let answer = request.send().await?;
    let expected = match from {
        0 => reqwest::StatusCode::OK,
        _ => reqwest::StatusCode::PARTIAL_CONTENT,
    };
    match answer.status() {
        status if status == expected => Ok(answer),
        status => Err(FetchError::Status(status)),
    }
}

/// Fetches a file. Where a transfer was interrupted it is taken up again, as long as there is progress.
async fn fetch(url: &str, copy: &Path) -> Result<(), FetchError> {
    let mut out = io::BufWriter::new(fs::File::create(copy)?);
    let mut received = 0u64;
    let begun = Instant::now();
    loop {
        let before = received;
        let answer = get(url, received).await?;
        match receive(answer, &mut out, &mut received, begun).await {
            Ok(()) => return Ok(out.flush()?),
            Err(FetchError::Http(error)) if received > before => {
                tracing::debug!(url, received, %error, "interrupted, going on");
            }
            Err(error) => return Err(error),
        }
    }
}

async fn receive(
    mut answer: reqwest::Response,
    out: &mut impl Write,
    received: &mut u64,
    begun: Instant,
) -> Result<(), FetchError> {
    while let Some(piece) = answer.chunk().await? {
        *received = received.saturating_add(piece.len() as u64);
        let since = begun.elapsed();
        if since > STALL_TIMEOUT && received.div_ceil(MIN_RATE) < since.as_secs() {
            return Err(FetchError::TooSlow);
        }
        if *received > MAX_SNAPSHOT_LEN {
            return Err(FetchError::TooLarge);
        }
        out.write_all(&piece)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: ClusterId = Hash::repeat_byte(1);

    fn latest(block: BlockNumber) -> Latest {
        Latest {
            block,
            root: Hash::repeat_byte(block as u8),
        }
    }

    fn put(shelf: &Shelf, block: BlockNumber) {
        shelf
            .put(&CLUSTER, latest(block), |out| {
                out.write_all(&[block as u8; 10])
            })
            .unwrap();
    }

    #[test]
    fn the_newest_snapshots_are_there_and_older_ones_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(folder.path().into());
        assert_eq!(shelf.latest(&CLUSTER), None);
        for block in 1..=5 {
            put(&shelf, block);
            assert_eq!(shelf.latest(&CLUSTER), Some(latest(block)));
            // The file system's clock may be coarse.
            std::thread::sleep(Duration::from_millis(15));
        }
        for block in 1..=5 {
            let found = shelf.open(&CLUSTER, &latest(block).root).is_ok();
            assert_eq!(found, block > 2, "{block}");
        }
        assert_eq!(shelf.latest(&Hash::zero()), None, "another cluster");
    }

    #[test]
    fn snapshots_that_come_within_one_tick_of_the_clock_do_not_push_out_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(folder.path().into());
        for block in (1..=20).rev() {
            put(&shelf, block);
            assert!(shelf.open(&CLUSTER, &latest(block).root).is_ok(), "{block}");
        }
    }

    #[test]
    fn a_snapshot_that_fails_leaves_the_shelf_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(folder.path().into());
        put(&shelf, 1);
        let failed = shelf.put(&CLUSTER, latest(2), |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        });
        assert!(failed.is_err());
        assert_eq!(shelf.latest(&CLUSTER), Some(latest(1)));
        assert!(shelf.open(&CLUSTER, &latest(2).root).is_err());
        put(&shelf, 3);
        assert_eq!(shelf.latest(&CLUSTER), Some(latest(3)));
    }

    #[test]
    fn what_is_newest_survives_being_written_and_nonsense_is_none() {
        let text = latest(12).to_string();
        assert_eq!(text.parse(), Ok(latest(12)));
        for nonsense in ["", "12", "x 0x00", "12 0x00", "-1 0x", "12 nothing"] {
            assert_eq!(nonsense.parse::<Latest>(), Err(()), "{nonsense}");
        }
    }

    #[tokio::test]
    async fn a_folder_is_a_source() {
        let folder = tempfile::tempdir().unwrap();
        put(&Shelf::new(folder.path().into()), 7);
        let source: Source = folder.path().to_str().unwrap().parse().unwrap();
        assert_eq!(source.latest(&CLUSTER).await.unwrap(), latest(7));
        let copy = folder.path().join("copy");
        let mut bytes = Vec::new();
        source
            .open(&CLUSTER, &latest(7).root, &copy)
            .await
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        assert_eq!(bytes, [7; 10]);
        let nothing = source.open(&CLUSTER, &latest(8).root, &copy).await;
        assert!(matches!(nothing, Err(FetchError::Io(_))));
    }
}
