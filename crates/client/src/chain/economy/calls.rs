//! Calls of the economy. They can be sent together and through sudo, so they are made as values that
//! the chain's metadata encodes wherever they stand.

use super::{CapacityReward, ECONOMY, PopularityReward, Settings};
use phat_primitives::{Balance, ClusterId, WorkerId};
use subxt::ext::scale_value::{Composite, Value};

/// A call of the economy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EconomyCall {
    /// Sets parameters, times, minimums and slashes. Governance only.
    SetSettings(Box<Settings>),
    /// Names the cluster that gets every worker that nobody else takes. Governance only.
    SetGeneralCluster(ClusterId),
    /// Mints money for rewards. Governance only.
    FundRewards(Balance),
    /// Lets eras run. Governance only.
    StartEras,
    /// Stops eras. Governance only.
    StopEras,
    /// Takes something from what a worker has. Governance only.
    SlashWorker {
        /// The worker.
        worker: WorkerId,
        /// How much.
        amount: Balance,
    },
    /// Lets a worker that the sender operates take part.
    Activate {
        /// The worker.
        worker: WorkerId,
        /// What is held until the worker is settled.
        deposit: Balance,
    },
    /// Ends the part of a worker that the sender operates with the era in force.
    Leave(WorkerId),
    /// Lets a suspended worker that the sender operates take part again.
    Resume(WorkerId),
    /// Pays out of what a worker that the sender operates was promised.
    Payout {
        /// The worker.
        worker: WorkerId,
        /// How much; `None` for as much as there is.
        amount: Option<Balance>,
    },
    /// Divides the money of a worker that has left, after its cool-down.
    Settle(WorkerId),
    /// Stakes on a cluster.
    Stake {
        /// The cluster.
        cluster: ClusterId,
        /// How much more.
        amount: Balance,
    },
    /// Takes stake back from a cluster.
    Unstake {
        /// The cluster.
        cluster: ClusterId,
        /// How much.
        amount: Balance,
    },
    /// Releases all stake that has come back.
    Withdraw,
    /// Sets how much can be staked on a cluster that the sender owns; `None` for any amount.
    SetCap {
        /// The cluster.
        cluster: ClusterId,
        /// How much.
        cap: Option<Balance>,
    },
    /// Names the workers that a cluster which the sender owns wants, best first.
    SetPreferences {
        /// The cluster.
        cluster: ClusterId,
        /// The workers.
        workers: Vec<WorkerId>,
    },
}

impl EconomyCall {
    /// The call's name.
    pub(in crate::chain) fn name(&self) -> &'static str {
        match self {
            Self::SetSettings(_) => "set_settings",
            Self::SetGeneralCluster(_) => "set_general_cluster",
            Self::FundRewards(_) => "fund_rewards",
            Self::StartEras => "start_eras",
            Self::StopEras => "stop_eras",
            Self::SlashWorker { .. } => "slash_worker",
            Self::Activate { .. } => "activate",
            Self::Leave(_) => "leave",
            Self::Resume(_) => "resume",
            Self::Payout { .. } => "payout",
            Self::Settle(_) => "settle",
            Self::Stake { .. } => "stake",
            Self::Unstake { .. } => "unstake",
            Self::Withdraw => "withdraw",
            Self::SetCap { .. } => "set_cap",
            Self::SetPreferences { .. } => "set_preferences",
        }
    }

    /// Its arguments, by their names.
    fn arguments(&self) -> Composite<()> {
        let named = |fields: Vec<(&str, Value)>| Composite::named(fields);
        match self {
            Self::SetSettings(all) => named(vec![("settings", settings(all))]),
            Self::SetGeneralCluster(cluster) => named(vec![("cluster", bytes(&cluster.0))]),
            Self::FundRewards(amount) => named(vec![("amount", Value::u128(*amount))]),
            Self::StartEras | Self::StopEras | Self::Withdraw => named(Vec::new()),
            Self::SlashWorker { worker, amount } => named(vec![
                ("worker", bytes(&worker.0)),
                ("amount", Value::u128(*amount)),
            ]),
            Self::Activate { worker, deposit } => named(vec![
                ("worker", bytes(&worker.0)),
                ("deposit", Value::u128(*deposit)),
            ]),
            Self::Leave(worker) | Self::Resume(worker) | Self::Settle(worker) => {
                named(vec![("worker", bytes(&worker.0))])
            }
            Self::Payout { worker, amount } => named(vec![
                ("worker", bytes(&worker.0)),
                ("amount", optional(*amount)),
            ]),
            Self::Stake { cluster, amount } | Self::Unstake { cluster, amount } => named(vec![
                ("cluster", bytes(&cluster.0)),
                ("amount", Value::u128(*amount)),
            ]),
            Self::SetCap { cluster, cap } => named(vec![
                ("cluster", bytes(&cluster.0)),
                ("cap", optional(*cap)),
            ]),
            Self::SetPreferences { cluster, workers } => {
                let workers = workers.iter().map(|worker| bytes(&worker.0));
                named(vec![
                    ("cluster", bytes(&cluster.0)),
                    ("workers", Value::unnamed_composite(workers)),
                ])
            }
        }
    }

    /// The call as the runtime's type of all calls.
    fn as_runtime_call(&self) -> Value {
        let call = Value::variant(self.name(), self.arguments());
        Value::unnamed_variant(ECONOMY, [call])
    }

    /// Pallet and name of the call that carries these out.
    pub(in crate::chain) fn carrier(calls: &[Self], sudo: bool) -> (&'static str, &'static str) {
        match (calls, sudo) {
            (_, true) => ("Sudo", "sudo"),
            ([one], false) => (ECONOMY, one.name()),
            (_, false) => ("Utility", "batch_all"),
        }
    }

    /// Arguments of that call.
    pub(in crate::chain) fn carried(calls: &[Self], sudo: bool) -> Composite<()> {
        let batch = || {
            let calls = calls.iter().map(Self::as_runtime_call);
            Composite::named([("calls", Value::unnamed_composite(calls))])
        };
        match (calls, sudo) {
            ([one], false) => one.arguments(),
            (_, false) => batch(),
            ([one], true) => Composite::named([("call", one.as_runtime_call())]),
            (_, true) => {
                let batch = Value::variant("batch_all", batch());
                let batch = Value::unnamed_variant("Utility", [batch]);
                Composite::named([("call", batch)])
            }
        }
    }
}

fn bytes(bytes: &[u8; 32]) -> Value {
    Value::from_bytes(bytes)
}

fn optional(amount: Option<Balance>) -> Value {
    match amount {
        Some(amount) => Value::unnamed_variant("Some", [Value::u128(amount)]),
        None => Value::unnamed_variant("None", []),
    }
}

fn settings(settings: &Settings) -> Value {
    let amounts = |fields: &[(&str, Balance)]| -> Vec<(String, Value)> {
        let fields = fields.iter();
        fields
            .map(|(name, amount)| ((*name).to_owned(), Value::u128(*amount)))
            .collect()
    };
    let f = match settings.parameters.f {
        CapacityReward::Linear {
            base,
            per_confidence,
            per_power,
        } => Value::named_variant(
            "Linear",
            amounts(&[
                ("base", base),
                ("per_confidence", per_confidence),
                ("per_power", per_power),
            ]),
        ),
        CapacityReward::Product { rate, unit } => {
            Value::named_variant("Product", amounts(&[("rate", rate), ("unit", unit)]))
        }
    };
    let g = match settings.parameters.g {
        PopularityReward::Linear { per_point } => {
            Value::named_variant("Linear", amounts(&[("per_point", per_point)]))
        }
        PopularityReward::Saturating { max, half2 } => {
            Value::named_variant("Saturating", amounts(&[("max", max), ("half2", half2)]))
        }
    };
    let parameters = Value::named_composite([
        ("reserved", Value::from(settings.parameters.reserved)),
        ("f", f),
        ("g", g),
    ]);
    let slashes = Value::named_composite(amounts(&[
        ("missed", settings.slashes.missed),
        ("lapsed", settings.slashes.lapsed),
        ("diverged", settings.slashes.diverged),
    ]));
    Value::named_composite([
        ("parameters", parameters),
        ("era_ms", Value::from(settings.era_ms)),
        ("heartbeat_ms", Value::from(settings.heartbeat_ms)),
        ("handover_ms", Value::from(settings.handover_ms)),
        ("cool_down", Value::from(settings.cool_down)),
        ("unbonding", Value::from(settings.unbonding)),
        ("minimum_deposit", Value::u128(settings.minimum_deposit)),
        ("minimum_stake", Value::u128(settings.minimum_stake)),
        ("slashes", slashes),
    ])
}
