//! The engines that run a worker's contracts, and what the machine can do.

use crate::{
    compiled,
    performance::{self, Performance},
    server::ServerLimits,
};
use phat_crypto::{Keypair, contexts};
use phat_engine::{Engine, ExecutionFault};
use phat_store::Store;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// The engines of a worker. There are two, because each has a limited number of contract instances:
/// however many queries there are, those of the commands are free.
#[derive(Clone)]
pub struct Engines {
    /// Runs commands. Workers in one process may share it.
    pub commands: Engine,
    /// Runs queries. Workers in one process may share it.
    pub queries: Engine,
    /// What the machine can do, once it is measured.
    performance: Arc<OnceCell<Performance>>,
}

impl Engines {
    /// Instances for commands: one command runs at a time, with the calls nested in it. Enough for
    /// as many workers as one process has.
    const COMMAND_INSTANCES: u32 = 512;
    /// Instances for queries beyond one for each that may run: calls nested in them.
    const NESTED_INSTANCES: usize = 512;

    /// Sets the engines up, for workers with these limits.
    pub fn new(limits: &ServerLimits) -> Result<Self, ExecutionFault> {
        let instances = limits.max_running.saturating_add(Self::NESTED_INSTANCES);
        let commands = phat_engine::Config {
            instances: Self::COMMAND_INSTANCES,
            ..Default::default()
        };
        let queries = phat_engine::Config {
            instances: u32::try_from(instances).unwrap_or(u32::MAX),
            memory_bytes: limits.query_memory,
            ..Default::default()
        };
        Ok(Self {
            commands: Engine::new(commands)?,
            queries: Engine::new(queries)?,
            performance: Arc::default(),
        })
    }

    /// What this machine can do, see [`crate::performance`]. It is measured once, by whoever asks first;
    /// nothing, if it cannot be measured.
    pub(crate) async fn performance(&self) -> &Performance {
        let measured = self.performance.get_or_init(|| async {
            let engine = self.queries.clone();
            let runtime = tokio::runtime::Handle::current();
            // On a thread of its own: it is busy for as long as it takes.
            let measuring = tokio::task::spawn_blocking(move || {
                runtime.block_on(performance::measure(&engine))
            });
            match measuring.await {
                Ok(Ok(performance)) => performance,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the worker claims no performance");
                    Performance::default()
                }
                Err(error) => {
                    tracing::warn!(%error, "the worker claims no performance");
                    Performance::default()
                }
            }
        });
        measured.await
    }

    /// The same engines on a machine with this score, which is not measured.
    #[cfg(test)]
    pub(crate) fn with_performance(self, score: u64) -> Self {
        let performance = Performance {
            score,
            ..Performance::default()
        };
        Self {
            performance: Arc::new(OnceCell::new_with(Some(performance))),
            ..self
        }
    }

    /// The same, if it is known already.
    pub(crate) fn known_performance(&self) -> Option<&Performance> {
        self.performance.get()
    }

    /// The same engines, which keep what they compile among the worker's records.
    pub(super) fn keeping(&self, store: &Store, identity: &Keypair) -> Self {
        let shelf = Arc::new(compiled::Shelf::new(store.clone()));
        let key = identity.derive_secret(contexts::COMPILED_CODE, &[]);
        Self {
            commands: self.commands.keeping(shelf.clone(), *key),
            queries: self.queries.keeping(shelf, *key),
            performance: self.performance.clone(),
        }
    }
}
