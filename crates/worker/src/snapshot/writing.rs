//! Making snapshots in the background.

use super::{FormatError, Head, Item, Latest, Shelf, SnapshotConfig, format::Writer};
use crate::records::{self, RecordError};
use phat_crypto::TransportSecret;
use phat_primitives::ClusterId;
use phat_store::{ReadError, Snapshot};
use std::{io, time::Instant};
use tokio::task::JoinHandle;

/// Why a snapshot could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error("it cannot be written: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// All that is needed to make a snapshot.
pub(crate) struct Job {
    pub(crate) cluster: ClusterId,
    pub(crate) latest: Latest,
    pub(crate) head: Head,
    pub(crate) secret: TransportSecret,
    pub(crate) records: Snapshot,
}

impl Job {
    fn write(&self, out: &mut impl io::Write) -> Result<(), WriteError> {
        let mut writer = Writer::new(out, &self.secret, self.cluster, self.latest.root)?;
        writer.push(&Item::Head(self.head))?;
        records::for_snapshot(&self.records, self.head.oldest_blocks, |record| {
            writer.push(&Item::Record(record)).map_err(WriteError::from)
        })?;
        writer.finish()?;
        Ok(())
    }

    fn run(&self, shelves: &[Shelf]) -> Result<(), WriteError> {
        for shelf in shelves {
            shelf.put(&self.cluster, self.latest, |out| self.write(out))?;
        }
        Ok(())
    }
}

/// Makes snapshots now and then, one at a time.
pub(crate) struct Photographer {
    shelves: Vec<Shelf>,
    config: SnapshotConfig,
    last: Option<(Latest, Instant)>,
    under_way: Option<JoinHandle<()>>,
}

impl Photographer {
    /// Puts snapshots on its own shelf, and copies where the configuration says.
    pub(crate) fn new(own: Shelf, config: SnapshotConfig) -> Self {
        let copies = config.copies.clone().map(Shelf::new);
        Self {
            shelves: [own].into_iter().chain(copies).collect(),
            config,
            last: None,
            under_way: None,
        }
    }

    /// Makes a snapshot if it is time for one. `job` is asked for what is to be in it.
    pub(crate) fn tick(&mut self, job: impl FnOnce() -> Option<Job>) {
        if self
            .under_way
            .as_ref()
            .is_some_and(|task| !task.is_finished())
        {
            return;
        }
        if self
            .last
            .is_some_and(|(_, at)| at.elapsed() < self.config.every)
        {
            return;
        }
        let Some(job) = job() else { return };
        if self
            .last
            .is_some_and(|(latest, _)| latest.root == job.latest.root)
        {
            return;
        }
        self.last = Some((job.latest, Instant::now()));
        let shelves = self.shelves.clone();
        self.under_way = Some(tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            match job.run(&shelves) {
                Ok(()) => tracing::info!(
                    block = job.latest.block,
                    root = ?job.latest.root,
                    took = ?begun.elapsed(),
                    "snapshot written"
                ),
                Err(error) => tracing::warn!(%error, "no snapshot could be written"),
            }
        }));
    }

    /// Ends when no snapshot is being made.
    #[cfg(test)]
    pub(crate) async fn finished(&mut self) {
        if let Some(task) = self.under_way.take() {
            task.await.unwrap();
        }
    }
}
