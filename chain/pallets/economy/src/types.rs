//! What the pallet keeps of workers, pools and eras, and what governance sets.

use super::*;
use phat_economy::{Account, CapacityReward, Era, Parameters, Point, PopularityReward, Totals};

/// What governance sets. Times are milliseconds of the chain's own clock, see [`Running`].
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Settings {
    /// α, f and g.
    pub parameters: Parameters,
    /// From the beginning of an era to that of the next one; more if an era takes longer to compute. It
    /// should be more than workers take to get the state of a cluster that they come to: who has its keys
    /// and does not answer is suspended.
    pub era_ms: u64,
    /// How long a worker has, after an era has begun, to answer with a heartbeat. At most `era_ms`.
    pub heartbeat_ms: u64,
    /// How long a worker that alone has its cluster's state waits for a successor when it is to move.
    pub handover_ms: u64,
    /// Eras for which a worker that has left waits for its final payout.
    pub cool_down: u32,
    /// Eras for which stake that was taken back waits.
    pub unbonding: u32,
    /// Least deposit of a worker.
    pub minimum_deposit: Balance,
    /// Least stake of one account on one cluster.
    pub minimum_stake: Balance,
    /// What is taken for which cause.
    pub slashes: Slashes,
}

/// What a worker loses, by cause.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Slashes {
    /// For an answer that came too late or never.
    pub missed: Balance,
    /// For evidence that expired or is not believed any more.
    pub lapsed: Balance,
    /// For a state that differs from that of its cluster.
    pub diverged: Balance,
}

/// One token: the unit in which the default settings are written.
const TOKEN: Balance = 1_000_000_000_000;

impl Default for Settings {
    /// An hour to an era, a tenth of all power for the general cluster.
    fn default() -> Self {
        Self {
            parameters: Parameters {
                reserved: phat_economy::BILLION / 10,
                f: CapacityReward::Linear {
                    base: TOKEN / 100,
                    per_confidence: TOKEN / 10_000,
                    per_power: TOKEN / 1_000_000,
                },
                g: PopularityReward::Saturating {
                    max: TOKEN / 10,
                    half2: 1_000,
                },
            },
            era_ms: 3_600_000,
            heartbeat_ms: 600_000,
            handover_ms: 600_000,
            cool_down: 24,
            unbonding: 24,
            minimum_deposit: 10 * TOKEN,
            minimum_stake: TOKEN / 10,
            slashes: Slashes {
                missed: TOKEN / 10,
                lapsed: TOKEN / 10,
                diverged: TOKEN,
            },
        }
    }
}

/// Why something was taken from a worker.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum Cause {
    /// It was asked for a heartbeat and answered too late or never.
    #[codec(index = 0)]
    Missed,
    /// Its evidence expired, or its program was revoked.
    #[codec(index = 1)]
    Lapsed,
    /// Its state was not that of its cluster.
    #[codec(index = 2)]
    Diverged,
    /// Governance.
    #[codec(index = 3)]
    Governance,
}

/// Where a worker is in its life.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum WorkerStatus {
    /// It takes part, or will from the next era on.
    #[codec(index = 0)]
    Active,
    /// It does not take part, for this reason. After [`Cause::Lapsed`] it comes back by itself with
    /// new evidence; otherwise its operator resumes it.
    #[codec(index = 1)]
    Suspended(Cause),
    /// It takes part to the end of the era in force.
    #[codec(index = 2)]
    Leaving,
    /// It does not take part any more, and gets its final payout when this era has begun.
    #[codec(index = 3)]
    CoolingDown(EraNumber),
    /// All that it had is gone: its deposit goes to the treasury.
    #[codec(index = 4)]
    Exhausted,
}

impl WorkerStatus {
    /// Whether the worker takes part in eras.
    pub fn is_on_duty(&self) -> bool {
        matches!(self, Self::Active | Self::Leaving)
    }
}

/// A worker in the economy.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Worker<AccountId> {
    /// Who runs it: its deposit is held there.
    pub operator: AccountId,
    /// Where it stands on the ring, for as long as it is here.
    pub point: Point,
    /// Deposit, slashes and payouts.
    pub account: Versioned<Account>,
    /// V, as it was when the worker last ceased to take part. While it does, the era in force has it.
    pub value: Balance,
    /// Where it is in its life.
    pub status: WorkerStatus,
    /// The last era at whose beginning it was asked for a heartbeat.
    pub asked: EraNumber,
    /// The last era in which it was heard, or was excused because it moved.
    pub heard: EraNumber,
}

/// What is staked on a cluster.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Pool {
    /// Where the cluster stands on the ring.
    pub point: Point,
    /// S.
    pub stake: Versioned<Balance>,
    /// What its owner lets S become.
    pub cap: Option<Balance>,
}

/// Stake on its way back.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Unbond {
    /// It can be withdrawn when this era has begun.
    pub until: EraNumber,
    /// How much.
    pub amount: Balance,
}

/// The era that decides at present.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct InForce {
    /// Its number.
    pub era: EraNumber,
    /// Which of the two slots of [`Shares`] and [`Outcomes`] has its results.
    pub slot: Slot,
    /// Sums over all who take part.
    pub totals: Totals,
    /// Since when, on the chain's own clock.
    pub since_ms: u64,
}

/// One of two places for results.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum Slot {
    /// The one that the first era writes.
    #[default]
    #[codec(index = 0)]
    A,
    /// The other.
    #[codec(index = 1)]
    B,
}

impl Slot {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// What blocks do in their idle time.
#[derive(
    Clone,
    PartialEq,
    Eq,
    Debug,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one, which a block reads and writes once"
)]
pub enum Stage {
    /// Nothing, until the next era is due.
    #[default]
    #[codec(index = 0)]
    Waiting,
    /// The last era that has begun is being computed.
    #[codec(index = 1)]
    Computing(Era<WorkerId, ClusterId>),
    /// The era in force is carried out.
    #[codec(index = 2)]
    Moving(Sweep),
}

/// A way through all workers, on which each goes to where the era in force wants it.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Sweep {
    /// Whether all have been told what they earn. They are on the first way.
    pub told: bool,
    /// Whether those in [`Workers`] are done, and it is the turn of those in clusters that are not
    /// among them.
    pub strangers: bool,
    /// The last one.
    pub after: Option<WorkerId>,
    /// Those that could not go yet, on this way.
    pub waiting: u32,
}

impl Sweep {
    /// A way that is not the first.
    pub(crate) fn again() -> Self {
        Self {
            told: true,
            ..Self::default()
        }
    }
}

/// Time as the chain has lived it: while it stands still, nobody can do anything, and nothing that has
/// a time limit goes on.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Running {
    /// Milliseconds for which the chain has run. Between two blocks at most [`MAX_BLOCK_GAP_MS`]
    /// count.
    pub ran_ms: u64,
    /// Time of the last block, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// One line of what happened to a worker's money.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Entry {
    /// In this era.
    pub era: EraNumber,
    /// What it was.
    pub change: Change,
}

/// What happened to a worker's money.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum Change {
    /// The operator put in its deposit.
    #[codec(index = 0)]
    Deposited(Balance),
    /// f + g of the era.
    #[codec(index = 1)]
    Accrued(Balance),
    /// Something was taken.
    #[codec(index = 2)]
    Slashed {
        /// How much.
        amount: Balance,
        /// Why.
        cause: Cause,
    },
    /// An intermediate payout.
    #[codec(index = 3)]
    Paid(Balance),
    /// The end: what became of what the worker had.
    #[codec(index = 4)]
    Settled {
        /// To the operator, out of rewards.
        rewards: Balance,
        /// To the operator, out of its deposit.
        deposit: Balance,
        /// To the treasury, out of the deposit.
        forfeited: Balance,
    },
}
