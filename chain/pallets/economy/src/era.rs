//! When an era begins, and its way through the blocks.

use super::*;
use crate::store::Records;
use frame_support::{traits::UnixTime, weights::WeightMeter};
use pallet_phat_messages::Pallet as Messages;
use phat_economy::{BadParameters, Era, Phase};

/// Eras take at most one part of these of a block.
const PART_OF_BLOCK: u64 = 4;

impl<T: Config> Pallet<T> {
    pub(crate) fn check_settings(settings: &Settings) -> DispatchResult {
        settings.parameters.check().map_err(|why| match why {
            BadParameters::ReservedAboveWhole => Error::<T>::ReservedAboveWhole,
            BadParameters::ZeroUnit => Error::<T>::ZeroUnit,
        })?;
        ensure!(settings.era_ms > 0, Error::<T>::ZeroEra);
        ensure!(
            settings.heartbeat_ms <= settings.era_ms,
            Error::<T>::HeartbeatTooLate
        );
        Ok(())
    }

    pub(crate) fn make_general(cluster: ClusterId) -> DispatchResult {
        ensure!(Clusters::<T>::exists(&cluster), Error::<T>::ClusterNotFound);
        let pool = Self::open_pool(&cluster);
        let era = LastEra::<T>::get();
        ensure!(
            *pool.stake.now() == 0 && *pool.stake.seen_in(era) == 0,
            Error::<T>::ClusterHasStake
        );
        GeneralCluster::<T>::put(cluster);
        Self::look_again();
        Self::deposit_event(Event::GeneralClusterSet { cluster });
        Ok(())
    }

    pub(crate) fn start() -> DispatchResult {
        ensure!(!ErasRun::<T>::get(), Error::<T>::ErasRunning);
        ensure!(GeneralCluster::<T>::exists(), Error::<T>::NoGeneralCluster);
        ensure!(Self::exists(&Self::treasury()), Error::<T>::NoTreasury);
        ErasRun::<T>::put(true);
        BegunAt::<T>::kill();
        Self::look_again();
        Self::deposit_event(Event::ErasStarted);
        Ok(())
    }

    /// Has workers moved that may not be where the era in force wants them.
    pub(crate) fn look_again() {
        if ErasRun::<T>::get() && Progress::<T>::get() == Stage::Waiting {
            Progress::<T>::put(Stage::Moving(Sweep::again()));
        }
    }

    /// What the era in force means for a worker.
    pub(crate) fn outcome_in_force(worker: &WorkerId) -> Option<Outcome<ClusterId>> {
        let in_force = EraInForce::<T>::get()?;
        let (era, outcome) = Outcomes::<T>::get(in_force.slot, worker)?;
        (era == in_force.era).then_some(outcome)
    }

    /// Lets the chain's own clock go on.
    fn tick() -> u64 {
        let now = <T as pallet_phat_messages::Config>::Time::now();
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        Clock::<T>::mutate(|clock| {
            if clock.at_ms > 0 {
                let step = now_ms.saturating_sub(clock.at_ms).min(MAX_BLOCK_GAP_MS);
                clock.ran_ms = clock.ran_ms.saturating_add(step);
            }
            clock.at_ms = now_ms;
            clock.ran_ms
        })
    }

    /// A block's idle time. Returns the weight that was used.
    pub(crate) fn idle(remaining: Weight) -> Weight {
        let db = T::DbWeight::get();
        let most = T::BlockWeights::get().max_block / PART_OF_BLOCK;
        let mut meter = WeightMeter::with_limit(remaining.min(most));
        if meter.try_consume(weights::idle(db)).is_err() {
            return Weight::zero();
        }
        let now = Self::tick();
        if !ErasRun::<T>::get() {
            return meter.consumed();
        }
        let before = Progress::<T>::get();
        let mut stage = before.clone();
        loop {
            stage = match stage {
                Stage::Computing(era) => match Self::compute(era, now, &mut meter) {
                    // The rest is for later blocks.
                    unfinished @ Stage::Computing(_) => {
                        stage = unfinished;
                        break;
                    }
                    next => next,
                },
                // Whoever is on the way is told first what the era in force means.
                Stage::Moving(sweep) if !(sweep.told && Self::is_due(now)) => {
                    let (next, goes_on) = Self::go_on_moving(sweep, now, &mut meter);
                    if !goes_on {
                        stage = next;
                        break;
                    }
                    next
                }
                _ if Self::is_due(now) && meter.try_consume(weights::begin(db)).is_ok() => {
                    match Self::begin(now) {
                        Some(era) => Stage::Computing(era),
                        None => break,
                    }
                }
                _ => break,
            };
        }
        if stage != before {
            Progress::<T>::put(stage);
        }
        meter.consumed()
    }

    /// Whether the time of the next era has come.
    fn is_due(now: u64) -> bool {
        let long_enough = |begun| now.saturating_sub(begun) >= Setting::<T>::get().era_ms;
        BegunAt::<T>::get().is_none_or(long_enough)
    }

    /// Begins an era, and asks the workers for a heartbeat. `None` if the block is full of messages: then
    /// the next one does.
    fn begin(now: u64) -> Option<Era<WorkerId, ClusterId>> {
        let era = Era::begin(Setting::<T>::get().parameters).ok()?;
        Messages::<T>::push(Message::HeartbeatWanted).ok()?;
        let number = LastEra::<T>::get().saturating_add(1);
        LastEra::<T>::put(number);
        BegunAt::<T>::put(now);
        Self::deposit_event(Event::EraBegun { era: number });
        Some(era)
    }

    /// Goes on with an era as far as the weight allows; at its end, or if it cannot go on, says what
    /// comes then.
    fn compute(mut era: Era<WorkerId, ClusterId>, now: u64, meter: &mut WeightMeter) -> Stage {
        let db = T::DbWeight::get();
        let mut records = Records::<T>::of_last_era();
        while !matches!(era.phase(), Phase::Complete) {
            let step = weights::step::<T>(era.phase());
            // What few workers need must be there for each.
            if !meter.can_consume(step.saturating_add(weights::ending(db))) {
                return Stage::Computing(era);
            }
            meter.consume(step);
            if let Err(error) = era.step(&mut records) {
                let era = LastEra::<T>::get();
                Self::deposit_event(Event::EraDropped { era, error });
                // Its beginning may have cut short the moves of the one in force.
                return Stage::Moving(Sweep::again());
            }
            if records.have_ended_one() {
                meter.consume(weights::ending(db));
            }
        }
        Self::switch(&era, now);
        Stage::Moving(Sweep::default())
    }

    /// Puts the last era in force.
    fn switch(era: &Era<WorkerId, ClusterId>, now: u64) {
        let totals = *era.totals();
        let number = LastEra::<T>::get();
        EraInForce::<T>::put(InForce {
            era: number,
            slot: Records::<T>::free_slot(),
            totals,
            since_ms: now,
        });
        Self::deposit_event(Event::EraSwitched {
            era: number,
            workers: totals.workers,
            clusters: totals.clusters,
            power: totals.power,
            stake: totals.stake,
        });
    }
}
