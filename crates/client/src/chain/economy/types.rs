//! What the chain keeps of the economy, as this client shows it.

use phat_primitives::{AccountId, Balance, ClusterId, WorkerId};
use serde::{Deserialize, Serialize};
use subxt::ext::scale_decode::{self, DecodeAsType};

/// Number of an era; 0 stands for the time before the first.
pub type EraNumber = u32;

/// What governance sets. Times are milliseconds of the chain's own clock, which counts only while the
/// chain runs. In JSON amounts are strings of digits, as in scenario files.
#[derive(Clone, PartialEq, Eq, Debug, DecodeAsType, Serialize, Deserialize)]
#[decode_as_type(crate_path = "scale_decode")]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// α, f and g.
    pub parameters: Parameters,
    /// From the beginning of an era to that of the next one.
    pub era_ms: u64,
    /// How long a worker has to answer after an era has begun.
    pub heartbeat_ms: u64,
    /// How long a worker that alone has its cluster's state waits for a successor when it is to move.
    pub handover_ms: u64,
    /// Eras for which a worker that has left waits for its final payout.
    pub cool_down: u32,
    /// Eras for which stake that was taken back waits.
    pub unbonding: u32,
    /// Least deposit of a worker.
    #[serde(with = "digits")]
    pub minimum_deposit: Balance,
    /// Least stake of one account on one cluster.
    #[serde(with = "digits")]
    pub minimum_stake: Balance,
    /// What a worker loses, by cause.
    pub slashes: Slashes,
}

/// What decides on budgets and rewards.
#[derive(Clone, PartialEq, Eq, Debug, DecodeAsType, Serialize, Deserialize)]
#[decode_as_type(crate_path = "scale_decode")]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// α, in parts per billion: what of all power no cluster can buy.
    #[serde(rename = "reserved_parts_per_billion")]
    pub reserved: u32,
    /// What confidence and power earn.
    pub f: CapacityReward,
    /// What popularity earns.
    pub g: PopularityReward,
}

/// f.
#[derive(Clone, PartialEq, Eq, Debug, DecodeAsType, Serialize, Deserialize)]
#[decode_as_type(crate_path = "scale_decode")]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CapacityReward {
    /// `base + per_confidence·C + per_power·P`
    Linear {
        /// For every worker.
        #[serde(with = "digits", default)]
        base: Balance,
        /// For each level of confidence.
        #[serde(with = "digits", default)]
        per_confidence: Balance,
        /// For each unit of power.
        #[serde(with = "digits", default)]
        per_power: Balance,
    },
    /// `rate·C·P / unit`
    Product {
        /// What `unit` of confidence times power earns.
        #[serde(with = "digits", default)]
        rate: Balance,
        /// At least 1.
        #[serde(with = "digits")]
        unit: Balance,
    },
}

/// g.
#[derive(Clone, PartialEq, Eq, Debug, DecodeAsType, Serialize, Deserialize)]
#[decode_as_type(crate_path = "scale_decode")]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PopularityReward {
    /// `per_point·b2 / 2`
    Linear {
        /// For each whole point.
        #[serde(with = "digits", default)]
        per_point: Balance,
    },
    /// `max·b2 / (b2 + half2)`
    Saturating {
        /// What the most popular worker would earn.
        #[serde(with = "digits", default)]
        max: Balance,
        /// The doubled points that earn half of it.
        #[serde(with = "digits", default)]
        half2: Balance,
    },
}

/// What a worker loses, by cause.
#[derive(Clone, PartialEq, Eq, Debug, DecodeAsType, Serialize, Deserialize)]
#[decode_as_type(crate_path = "scale_decode")]
#[serde(deny_unknown_fields)]
pub struct Slashes {
    /// For an answer that came too late or never.
    #[serde(with = "digits")]
    pub missed: Balance,
    /// For evidence that expired or is not believed any more.
    #[serde(with = "digits")]
    pub lapsed: Balance,
    /// For a state that differs from that of its cluster.
    #[serde(with = "digits")]
    pub diverged: Balance,
}

/// Amounts as strings of digits.
mod digits {
    use phat_primitives::Balance;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(amount: &Balance, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(amount)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Balance, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || {
            D::Error::custom(format!(
                "`{text}` is not an amount: write digits, at most {}",
                Balance::MAX
            ))
        };
        // `parse` alone would take a sign as well.
        match text.bytes().all(|c| c.is_ascii_digit()) {
            true => text.parse().map_err(|_| wrong()),
            false => Err(wrong()),
        }
    }
}

/// Sums over all who take part in an era.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
pub struct Totals {
    /// How many workers are active.
    pub workers: u32,
    /// How many clusters have stake.
    pub clusters: u32,
    /// P, the power of all workers.
    pub power: u128,
    /// What of it no cluster can have.
    pub reserved: u128,
    /// The stake of all clusters.
    pub stake: Balance,
}

/// The era that decides at present.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InForce {
    /// Its number.
    pub era: EraNumber,
    /// Sums over all who take part.
    pub totals: Totals,
    /// Since when, on the chain's own clock.
    pub since_ms: u64,
    /// Where its results are.
    pub(super) slot: super::Slot,
}

/// What the chain does in the idle time of its blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Nothing, until the next era is due.
    Waiting,
    /// The last era that has begun is being computed.
    Computing {
        /// What is being done.
        phase: Phase,
        /// Clusters that have had their turn.
        chosen: u32,
    },
    /// Workers go to where the era in force wants them.
    Moving {
        /// Those that could not go yet, on the present way through all.
        waiting: u32,
    },
}

/// A part of the computation of an era, in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
pub enum Phase {
    /// What the era before has left is cleared away.
    Clear,
    /// Workers enter.
    Workers,
    /// Clusters enter.
    Clusters,
    /// A cluster takes the workers that it has named.
    Names,
    /// A cluster takes workers from the ring.
    Tail,
    /// What workers have earned is computed.
    Values,
    /// The results can be switched on.
    Complete,
}

/// What an era means for a cluster that takes part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
pub struct Share {
    /// When it chose, from 1 on.
    pub rank: u32,
    /// Its stake.
    pub stake: Balance,
    /// The power that it could take.
    pub budget: u128,
    /// The power that it has taken.
    pub power: u128,
    /// The workers that it has taken.
    pub workers: u32,
}

/// Where a worker works in an era, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seat {
    /// The cluster that took it.
    pub cluster: ClusterId,
    /// Its rank among those that the cluster had named, from 1 on; `None` if it was found on the ring.
    pub rank: Option<u32>,
}

/// What an era means for a worker that takes part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Who took it; `None` is the general cluster.
    pub seat: Option<Seat>,
    /// Its popularity, doubled.
    pub popularity: u64,
    /// f + g of the era.
    pub accrued: Balance,
    /// V, its value promise with this era's f + g.
    pub value: Balance,
}

/// The stake pool of a cluster, as it is now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pool {
    /// Where the cluster stands on the ring.
    pub point: [u8; 32],
    /// What is staked.
    pub stake: Balance,
    /// What its owner lets that become.
    pub cap: Option<Balance>,
}

impl Pool {
    /// The most that can be staked yet.
    pub fn room(&self) -> Balance {
        self.cap.unwrap_or(Balance::MAX).saturating_sub(self.stake)
    }
}

/// Stake on its way back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
pub struct Unbond {
    /// It has come back when this era has begun.
    pub until: EraNumber,
    /// How much.
    pub amount: Balance,
}

/// A worker in the economy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EconomyWorker {
    /// Which.
    pub id: WorkerId,
    /// Who runs it, and gets what it earns.
    pub operator: AccountId,
    /// Where it stands on the ring.
    pub point: [u8; 32],
    /// What its operator put in.
    pub deposit: Balance,
    /// All that was taken from it; 2^128 − 1 if it is more than that.
    pub slashed: Balance,
    /// All intermediate payouts.
    pub paid: Balance,
    /// V, what it was promised in all eras together.
    pub value: Balance,
    /// Where it is in its life.
    pub status: WorkerStatus,
    /// The last era at whose beginning it was asked for a heartbeat.
    pub asked: EraNumber,
    /// The last era in which it was heard, or was excused because it moved.
    pub heard: EraNumber,
    /// What the era in force means for it; `None` if it does not take part.
    pub outcome: Option<Outcome>,
}

impl EconomyWorker {
    /// The most that can be paid out now.
    pub fn limit(&self) -> Balance {
        let gone = self.slashed.saturating_add(self.paid);
        self.value.saturating_sub(gone)
    }
}

/// Why something was taken from a worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
pub enum Cause {
    /// It was asked for a heartbeat and answered too late or never.
    Missed,
    /// Its evidence expired, or its program was revoked.
    Lapsed,
    /// Its state was not that of its cluster.
    Diverged,
    /// Governance.
    Governance,
}

/// Where a worker is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
pub enum WorkerStatus {
    /// It takes part, or will from the next era on.
    Active,
    /// It does not take part, for this reason.
    Suspended(Cause),
    /// It takes part to the end of the era in force.
    Leaving,
    /// It takes part no more, and can be settled when this era has begun.
    CoolingDown(EraNumber),
    /// All that it had is gone.
    Exhausted,
}

/// One line of what happened to a worker's money.
#[derive(Clone, Copy, PartialEq, Eq, Debug, DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
pub struct Entry {
    /// In this era.
    pub era: EraNumber,
    /// What it was.
    pub change: Change,
}

/// What happened to a worker's money.
#[derive(Clone, Copy, PartialEq, Eq, Debug, DecodeAsType)]
#[decode_as_type(crate_path = "scale_decode")]
pub enum Change {
    /// The operator put in its deposit.
    Deposited(Balance),
    /// f + g of the era.
    Accrued(Balance),
    /// Something was taken.
    Slashed {
        /// How much.
        amount: Balance,
        /// Why.
        cause: Cause,
    },
    /// An intermediate payout.
    Paid(Balance),
    /// The end.
    Settled {
        /// To the operator, out of rewards.
        rewards: Balance,
        /// To the operator, out of its deposit.
        deposit: Balance,
        /// To the treasury, out of the deposit.
        forfeited: Balance,
    },
}
