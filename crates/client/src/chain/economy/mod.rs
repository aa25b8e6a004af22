//! The economy on the chain: eras, stake pools, workers and what they earn.

mod calls;
mod types;

pub use calls::EconomyCall;
pub use types::{
    CapacityReward, Cause, Change, EconomyWorker, Entry, EraNumber, InForce, Outcome, Parameters,
    Phase, Pool, PopularityReward, Seat, Settings, Share, Slashes, Stage, Totals, Unbond,
    WorkerStatus,
};

use super::{AtBlock, CLUSTERS, ChainClient, ChainError, REGISTRY, read::Reader};
use phat_primitives::{AccountId, Balance, ClusterId, Hash, WorkerId};
use std::collections::BTreeMap;
use subxt::{
    ext::{
        scale_decode::{self, DecodeAsType},
        scale_encode::{self, EncodeAsType},
    },
    utils::H256,
};

/// The pallet of the economy.
pub(super) const ECONOMY: &str = "PhatEconomy";

/// One of two places for the results of an era.
#[derive(Clone, Copy, PartialEq, Eq, Debug, DecodeAsType, EncodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
#[encode_as_type(crate_path = "scale_encode")]
enum Slot {
    A,
    B,
}

/// The economy as it is after one block of the chain.
pub struct Economy<'a> {
    chain: &'a ChainClient,
    at: AtBlock,
    /// What governance has set.
    pub settings: Settings,
    /// Whether eras run.
    pub run: bool,
    /// The cluster that gets every worker that nobody else takes.
    pub general: Option<ClusterId>,
    /// The last era that has begun.
    pub last_era: EraNumber,
    /// When that was, on the chain's own clock; `None` if none has begun since eras were started.
    pub begun_ms: Option<u64>,
    /// The chain's own clock: milliseconds for which it has run.
    pub now_ms: u64,
    /// What the chain does in the idle time of its blocks.
    pub stage: Stage,
    /// The era that decides.
    pub in_force: Option<InForce>,
}

impl ChainClient {
    /// The economy as it is after the last final block.
    pub async fn economy(&self) -> Result<Economy<'_>, ChainError> {
        let at = self.at_head().await?;
        let get = Reader {
            chain: self,
            at: &at,
        };
        let clock: Clock = get.value(ECONOMY, "Clock").await?;
        let in_force: Option<InForceValue> = get.one(ECONOMY, "EraInForce", ()).await?;
        let stage: StageValue = get.value(ECONOMY, "Progress").await?;
        let general: Option<[u8; 32]> = get.one(ECONOMY, "GeneralCluster", ()).await?;
        let settings = get.value(ECONOMY, "Setting").await?;
        let run = get.value(ECONOMY, "ErasRun").await?;
        let last_era = get.value(ECONOMY, "LastEra").await?;
        let begun_ms = get.one(ECONOMY, "BegunAt", ()).await?;
        Ok(Economy {
            settings,
            run,
            general: general.map(Hash::from),
            last_era,
            begun_ms,
            now_ms: clock.ran_ms,
            stage: stage.into(),
            in_force: in_force.map(InForce::from),
            chain: self,
            at,
        })
    }
}

impl Economy<'_> {
    /// Number of the block.
    pub fn block(&self) -> u64 {
        self.at.block_number()
    }

    /// Milliseconds of the chain's own clock until the next era can begin.
    pub fn next_in_ms(&self) -> u64 {
        match self.begun_ms {
            None => 0,
            Some(begun) => begun
                .saturating_add(self.settings.era_ms)
                .saturating_sub(self.now_ms),
        }
    }

    /// What the era in force means for each cluster that takes part.
    pub async fn shares(&self) -> Result<BTreeMap<ClusterId, Share>, ChainError> {
        let Some(in_force) = self.in_force else {
            return Ok(BTreeMap::new());
        };
        let entries = self
            .reader()
            .all::<(Slot, H256), (EraNumber, Share), _>(ECONOMY, "Shares", (in_force.slot,))
            .await?;
        Ok(entries
            .into_iter()
            .filter(|(_, (era, _))| *era == in_force.era)
            .map(|((_, cluster), (_, share))| (Hash::from(cluster.0), share))
            .collect())
    }

    /// What the era in force means for each worker that takes part.
    pub async fn outcomes(&self) -> Result<BTreeMap<WorkerId, Outcome>, ChainError> {
        let Some(in_force) = self.in_force else {
            return Ok(BTreeMap::new());
        };
        let entries = self
            .reader()
            .all::<(Slot, [u8; 32]), (EraNumber, OutcomeValue), _>(
                ECONOMY,
                "Outcomes",
                (in_force.slot,),
            )
            .await?;
        Ok(entries
            .into_iter()
            .filter(|(_, (era, _))| *era == in_force.era)
            .map(|((_, worker), (_, outcome))| (WorkerId(worker), outcome.into()))
            .collect())
    }

    /// The stake pools of all clusters.
    pub async fn pools(&self) -> Result<BTreeMap<ClusterId, Pool>, ChainError> {
        let entries = self
            .reader()
            .all::<(H256,), PoolValue, _>(ECONOMY, "Pools", ())
            .await?;
        Ok(entries
            .into_iter()
            .map(|((id,), pool)| (Hash::from(id.0), pool.into()))
            .collect())
    }

    /// The workers that a cluster has named for the eras to come, best first.
    pub async fn preferences(&self, cluster: ClusterId) -> Result<Vec<WorkerId>, ChainError> {
        let list: Option<PreferencesValue> = self
            .reader()
            .one(ECONOMY, "Preferences", (H256(cluster.0),))
            .await?;
        let named = list.map(|list| list.now).unwrap_or_default();
        Ok(named.into_iter().map(WorkerId).collect())
    }

    /// A worker in the economy.
    pub async fn worker(&self, id: WorkerId) -> Result<Option<EconomyWorker>, ChainError> {
        let known: Option<WorkerValue> = self.reader().one(ECONOMY, "Workers", (id.0,)).await?;
        let Some(known) = known else {
            return Ok(None);
        };
        let outcome = match self.in_force {
            None => None,
            Some(in_force) => {
                let found: Option<(EraNumber, OutcomeValue)> = self
                    .reader()
                    .one(ECONOMY, "Outcomes", (in_force.slot, id.0))
                    .await?;
                found.filter(|(era, _)| *era == in_force.era)
            }
        };
        Ok(Some(known.named(id, outcome.map(|(_, o)| o.into()))))
    }

    /// All workers in the economy.
    pub async fn workers(&self) -> Result<Vec<EconomyWorker>, ChainError> {
        let outcomes = self.outcomes().await?;
        let known = self
            .reader()
            .all::<([u8; 32],), WorkerValue, _>(ECONOMY, "Workers", ())
            .await?;
        let mut workers: Vec<_> = known
            .into_iter()
            .map(|((id,), known)| {
                let id = WorkerId(id);
                known.named(id, outcomes.get(&id).copied())
            })
            .collect();
        workers.sort_by_key(|worker| worker.id);
        Ok(workers)
    }

    /// Confidence, 1 at best and 128 at worst, and performance score of all registered workers.
    pub async fn scores(&self) -> Result<BTreeMap<WorkerId, Score>, ChainError> {
        let entries = self
            .reader()
            .all::<([u8; 32],), Score, _>(REGISTRY, "Workers", ())
            .await?;
        Ok(entries
            .into_iter()
            .map(|((id,), score)| (WorkerId(id), score))
            .collect())
    }

    /// The cluster that each worker is in.
    pub async fn places(&self) -> Result<BTreeMap<WorkerId, ClusterId>, ChainError> {
        let entries = self
            .reader()
            .all::<([u8; 32],), [u8; 32], _>(CLUSTERS, "WorkerCluster", ())
            .await?;
        Ok(entries
            .into_iter()
            .map(|((id,), cluster)| (WorkerId(id), Hash::from(cluster)))
            .collect())
    }

    /// What happened to a worker's money, the oldest first. The chain remembers the last lines, also
    /// of a worker that is gone.
    pub async fn ledger(&self, id: WorkerId) -> Result<Vec<Entry>, ChainError> {
        let lines: Option<Vec<Entry>> = self.reader().one(ECONOMY, "Rewards", (id.0,)).await?;
        Ok(lines.unwrap_or_default())
    }

    /// What an account has staked on a cluster.
    pub async fn stake_on(
        &self,
        cluster: ClusterId,
        account: &AccountId,
    ) -> Result<Balance, ChainError> {
        let key = (H256(cluster.0), account.0);
        let stake: Option<Balance> = self.reader().one(ECONOMY, "Stakes", key).await?;
        Ok(stake.unwrap_or_default())
    }

    /// Stake of an account that is on its way back, in the order in which it comes.
    pub async fn unbonding(&self, account: &AccountId) -> Result<Vec<Unbond>, ChainError> {
        let portions: Option<Vec<Unbond>> = self
            .reader()
            .one(ECONOMY, "Unbonding", (account.0,))
            .await?;
        Ok(portions.unwrap_or_default())
    }

    fn reader(&self) -> Reader<'_> {
        Reader {
            chain: self.chain,
            at: &self.at,
        }
    }
}

/// What the registry says of a worker's capacity.
#[derive(Clone, Copy, PartialEq, Eq, Debug, DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
pub struct Score {
    /// How far its evidence can be trusted: 1 at best, 128 at worst.
    pub confidence: u8,
    /// What it can compute.
    pub performance: u64,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
struct Clock {
    ran_ms: u64,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
struct InForceValue {
    era: EraNumber,
    slot: Slot,
    totals: Totals,
    since_ms: u64,
}

impl From<InForceValue> for InForce {
    fn from(value: InForceValue) -> Self {
        Self {
            era: value.era,
            totals: value.totals,
            since_ms: value.since_ms,
            slot: value.slot,
        }
    }
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
enum StageValue {
    Waiting,
    Computing(EraValue),
    Moving(SweepValue),
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
struct EraValue {
    rank: u32,
    phase: Phase,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
struct SweepValue {
    waiting: u32,
}

impl From<StageValue> for Stage {
    fn from(value: StageValue) -> Self {
        match value {
            StageValue::Waiting => Self::Waiting,
            StageValue::Computing(era) => Self::Computing {
                phase: era.phase,
                chosen: era.rank,
            },
            StageValue::Moving(sweep) => Self::Moving {
                waiting: sweep.waiting,
            },
        }
    }
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
struct OutcomeValue {
    seat: Option<SeatValue>,
    popularity: u64,
    accrued: Balance,
    value: Balance,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
struct SeatValue {
    cluster: [u8; 32],
    rank: Option<u32>,
}

impl From<OutcomeValue> for Outcome {
    fn from(value: OutcomeValue) -> Self {
        Self {
            seat: value.seat.map(|seat| Seat {
                cluster: Hash::from(seat.cluster),
                rank: seat.rank,
            }),
            popularity: value.popularity,
            accrued: value.accrued,
            value: value.value,
        }
    }
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
struct PoolValue {
    point: [u8; 32],
    stake: StakeValue,
    cap: Option<Balance>,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
struct StakeValue {
    now: Balance,
}

impl From<PoolValue> for Pool {
    fn from(value: PoolValue) -> Self {
        Self {
            point: value.point,
            stake: value.stake.now,
            cap: value.cap,
        }
    }
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
struct PreferencesValue {
    now: Vec<[u8; 32]>,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
struct WorkerValue {
    operator: [u8; 32],
    point: [u8; 32],
    account: VersionedAccount,
    value: Balance,
    status: WorkerStatus,
    asked: EraNumber,
    heard: EraNumber,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
struct VersionedAccount {
    now: AccountValue,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
struct AccountValue {
    deposit: Balance,
    /// The lowest words first.
    slashed: [u64; 4],
    paid: Balance,
}

impl WorkerValue {
    fn named(self, id: WorkerId, outcome: Option<Outcome>) -> EconomyWorker {
        let AccountValue {
            deposit,
            slashed: [low, high, above @ ..],
            paid,
        } = self.account.now;
        EconomyWorker {
            id,
            operator: AccountId(self.operator),
            point: self.point,
            deposit,
            slashed: match above {
                [0, 0] => Balance::from(low) | Balance::from(high) << 64,
                _ => Balance::MAX,
            },
            paid,
            value: outcome.map_or(self.value, |outcome| outcome.value),
            status: self.status,
            asked: self.asked,
            heard: self.heard,
            outcome,
        }
    }
}
