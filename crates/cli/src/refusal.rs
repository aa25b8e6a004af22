//! What is not sent, because the chain would refuse it, or because it names nothing that exists. Here
//! the limit can be named, which an error of the chain cannot.

use phat_client::{
    amount::show_amount,
    primitives::{Balance, ClusterId, WorkerId},
};

/// Why something is not sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Not hex, or too long.
    #[error(
        "`{0}` names no worker: write its public key in hex, or as much of its beginning as no other has, see `phat workers`"
    )]
    NotAWorker(String),
    /// No key begins like that.
    #[error("no registered worker's public key begins with {0}: see `phat workers`")]
    UnknownWorker(String),
    /// Several keys begin like that.
    #[error("the public keys of {count} workers begin with {text}: write more of it")]
    ManyWorkers {
        /// What was written.
        text: String,
        /// How many.
        count: usize,
    },
    /// The account has nothing to activate.
    #[error(
        "the account operates no worker that is in service and not in the economy yet: run one with `phat worker`, or name another account with --suri"
    )]
    NothingToActivate,
    /// The worker is not in the economy.
    #[error("{0} is not in the economy: see `phat worker activate`")]
    NotActivated(WorkerId),
    /// Nobody operates anything.
    #[error(
        "the account operates no worker in the economy: name one, or another account with --suri"
    )]
    NoneOperated,
    /// The account has less.
    #[error("the account has {} free, and {} are needed", show_amount(*.free), show_amount(*.needed))]
    NotFree {
        /// What would be held.
        needed: Balance,
        /// What there is.
        free: Balance,
    },
    /// The deposit is too small.
    #[error("a worker's deposit is at least {}", show_amount(*.0))]
    DepositTooSmall(Balance),
    /// Dust.
    #[error(
        "an account has at least {} staked on a cluster, or nothing: this would make it {}",
        show_amount(*.minimum),
        show_amount(*.staked)
    )]
    StakeTooSmall {
        /// The least.
        minimum: Balance,
        /// What it would be.
        staked: Balance,
    },
    /// The pool is full.
    #[error(
        "cluster {}: its owner lets {} be staked on it, and {} are: at most {} more",
        .cluster.to_low_u64_be(),
        show_amount(*.cap),
        show_amount(*.stake),
        show_amount(.cap.saturating_sub(*.stake))
    )]
    AboveCap {
        /// The cluster.
        cluster: ClusterId,
        /// What can be staked.
        cap: Balance,
        /// What is.
        stake: Balance,
    },
    /// Nobody can stake there.
    #[error(
        "cluster {} is the general cluster: it gets the workers that nobody else takes, and nobody can stake on it",
        .0.to_low_u64_be()
    )]
    General(ClusterId),
    /// Less is staked.
    #[error(
        "the account has {} staked on cluster {}, not {}",
        show_amount(*.staked),
        .cluster.to_low_u64_be(),
        show_amount(*.asked)
    )]
    NotStaked {
        /// The cluster.
        cluster: ClusterId,
        /// What is staked.
        staked: Balance,
        /// What was asked for.
        asked: Balance,
    },
    /// Nothing is there yet.
    #[error("nothing has come back yet: {0}")]
    NothingBack(String),
    /// More than was earned.
    #[error(
        "at most {} can be paid now: what the worker was promised, less what was taken and paid already",
        show_amount(*.0)
    )]
    AbovePayout(Balance),
    /// A settings document with a mistake.
    #[error("the settings are refused: {0}")]
    Settings(String),
    /// The contract is elsewhere.
    #[error(
        "the contract is in cluster {}, not in {}: leave --cluster out",
        .present.to_low_u64_be(),
        .named.to_low_u64_be()
    )]
    OtherCluster {
        /// Where it is.
        present: ClusterId,
        /// What was named.
        named: ClusterId,
    },
    /// The stakes cannot be added up.
    #[error("with that all stakes would add up to more than 2^128 - 1")]
    Overflow,
}
