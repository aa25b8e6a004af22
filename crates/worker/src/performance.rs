//! The performance score: what all cores of the machine together can compute in a minute, in units of
//! 10⁹ gas (a millisecond of the reference machine of `pallet-contracts`).
//!
//! It is measured with a contract, `performance.wat`, in the engine that runs contracts: short runs on
//! one core, of which the fastest counts, because whatever else the machine does only ever makes a run
//! slower. What workers claim in their evidence must not depend on the moment of their start; the
//! test below says how far it does.

mod typical;

pub(crate) use typical::TypicalCall;

use futures::future::BoxFuture;
use phat_engine::{
    CallArgs, Changes, ContractId, Determinism, Engine, ExecMode, Host, HttpAnswers,
    InstantiateArgs, Overlay, Prices,
    pink::{HttpRequest, HttpRequestError},
};
use std::{
    sync::Arc,
    thread::available_parallelism,
    time::{Duration, Instant},
};

/// The contract. It is written as text beside this; the test compares the two.
const CONTRACT: &[u8] = include_bytes!("performance.wasm");
/// Runs. Each takes some ten milliseconds: together they fall into many slices of the scheduler.
const RUNS: usize = 25;
/// Gas of one run at most, far more than it uses.
const GAS_LIMIT: u64 = 1_000_000_000_000;
const SECONDS_PER_MINUTE: f64 = 60.0;
/// Gas of one unit of the score.
const UNIT: f64 = 1e9;
/// Who calls.
const CALLER: [u8; 32] = [1; 32];

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
#[error("the performance cannot be measured: {0}")]
pub(crate) struct NotMeasured(String);

fn failed(error: impl std::fmt::Display) -> NotMeasured {
    NotMeasured(error.to_string())
}

/// What was measured of this machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Performance {
    /// The score; 0 if it could not be measured.
    pub(crate) score: u64,
    /// What some calls cost.
    pub(crate) calls: Vec<TypicalCall>,
}

/// Measures everything. It takes about two seconds and keeps one core busy.
pub(crate) async fn measure(engine: &Engine) -> Result<Performance, NotMeasured> {
    Ok(Performance {
        score: score(engine).await?,
        calls: typical::measure(engine).await?,
    })
}

/// Measures the score.
async fn score(engine: &Engine) -> Result<u64, NotMeasured> {
    let mut place = Place::new(engine);
    let contract = place.make(CONTRACT, Vec::new()).await?;
    let (took, gas) = place.fastest(RUNS, contract, &[]).await?;
    let cores = available_parallelism().map_or(1, usize::from);
    let per_second = gas as f64 / took.as_secs_f64().max(f64::MIN_POSITIVE);
    Ok((per_second * SECONDS_PER_MINUTE / UNIT * cores as f64) as u64)
}

/// Somewhere to run a contract.
struct Place<'a> {
    engine: &'a Engine,
    overlay: Overlay,
    host: Arc<dyn Host>,
}

impl<'a> Place<'a> {
    fn new(engine: &'a Engine) -> Self {
        Self {
            engine,
            overlay: Overlay::new(Arc::new(Changes::new())),
            host: Arc::new(Nowhere),
        }
    }

    /// Makes a contract.
    async fn make(&mut self, wasm: &[u8], input: Vec<u8>) -> Result<[u8; 32], NotMeasured> {
        let (prices, deterministic) = (self.host.prices(), Determinism::Enforced);
        let code = self
            .engine
            .upload(
                &mut self.overlay,
                &prices,
                CALLER,
                wasm,
                deterministic,
                None,
            )
            .map_err(failed)?;
        let args = InstantiateArgs {
            origin: CALLER,
            code_hash: code.code_hash,
            value: 0,
            gas_limit: GAS_LIMIT,
            storage_deposit_limit: None,
            input,
            salt: Vec::new(),
        };
        let made = self
            .engine
            .instantiate(&mut self.overlay, self.host.clone(), args)
            .await;
        let (_, contract) = made
            .map_err(failed)?
            .result
            .map_err(|error| failed(format_args!("{error:?}")))?;
        Ok(contract)
    }

    /// Calls a contract several times. Returns how long the fastest call took, and its gas.
    async fn fastest(
        &mut self,
        runs: usize,
        dest: [u8; 32],
        input: &[u8],
    ) -> Result<(Duration, u64), NotMeasured> {
        let mut fastest: Option<(Duration, u64)> = None;
        for _ in 0..runs {
            let args = CallArgs {
                origin: CALLER,
                dest,
                value: 0,
                gas_limit: GAS_LIMIT,
                storage_deposit_limit: None,
                input: input.to_vec(),
            };
            let begun = Instant::now();
            let outcome = self
                .engine
                .call(&mut self.overlay, self.host.clone(), args)
                .await;
            let took = begun.elapsed();
            let outcome = outcome.map_err(failed)?;
            outcome
                .result
                .map_err(|error| failed(format_args!("{error:?}")))?;
            if fastest.is_none_or(|(best, _)| took < best) {
                fastest = Some((took, outcome.report.gas_consumed));
            }
            // Others may run in between, as they do while the worker serves.
            tokio::task::yield_now().await;
        }
        fastest.ok_or_else(|| failed("there was no run"))
    }
}

/// A place without money, time, keys or neighbours: all that the contract needs.
struct Nowhere;

impl Host for Nowhere {
    fn mode(&self) -> ExecMode {
        ExecMode::Query
    }
    fn block_number(&self) -> u32 {
        0
    }
    fn now_ms(&self) -> u64 {
        0
    }
    fn prices(&self) -> Prices {
        Prices {
            gas: 0,
            deposit_per_item: 0,
            deposit_per_byte: 0,
            existential_deposit: 0,
        }
    }
    fn cluster_id(&self) -> [u8; 32] {
        [0; 32]
    }
    fn system_contract(&self) -> Option<ContractId> {
        None
    }
    fn worker_pubkey(&self) -> [u8; 32] {
        [0; 32]
    }
    fn derive_secret(&self, _: &ContractId, _: &[u8]) -> Option<[u8; 64]> {
        None
    }
    fn random(&self, length: usize) -> Vec<u8> {
        vec![0; length]
    }
    fn random_seed(&self, _: &[u8]) -> [u8; 32] {
        [0; 32]
    }
    fn http(&self, _: &ContractId, _: Vec<HttpRequest>, _: u64) -> BoxFuture<'_, HttpAnswers> {
        Box::pin(async { Err(HttpRequestError::NotAllowed) })
    }
    fn cache_get(&self, _: &ContractId, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
    fn cache_set(&self, _: &ContractId, _: &[u8], _: &[u8]) -> bool {
        false
    }
    fn cache_set_expiration(&self, _: &ContractId, _: &[u8], _: u64) {}
    fn cache_remove(&self, _: &ContractId, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
    fn log(&self, _: &ContractId, _: u8, _: String) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_is_the_one_that_is_written_beside_it() {
        assert_eq!(
            wat::parse_str(include_str!("performance.wat")).unwrap(),
            CONTRACT
        );
    }

    /// On a machine that does nothing else the scores lie within two per cent; beside other tests
    /// the best of some measurements do within ten.
    #[tokio::test]
    async fn the_score_is_repeatable_and_quickly_there() {
        let config = phat_engine::Config {
            instances: 4,
            ..Default::default()
        };
        let engine = Engine::new(config).unwrap();
        let mut scores = Vec::new();
        let begun = Instant::now();
        for _ in 0..6 {
            scores.push(score(&engine).await.unwrap());
        }
        let took = begun.elapsed() / 6;
        scores.sort_unstable();
        eprintln!("scores {scores:?}, each in {took:?}");
        assert!(scores[0] > 0);
        assert!(took < Duration::from_secs(2), "{took:?}");
        let (good, best) = (scores[3] as f64, scores[5] as f64);
        assert!(good > 0.9 * best, "{scores:?}");
    }
}
