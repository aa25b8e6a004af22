//! Who computes next. Each query of a contract is a future; it is polled only while it has one of as
//! many slots as there are processors, and is charged with the processor time that each poll took.
//! [`phat_scheduler`] decides who gets the slots; this part has the clock and the wakers.
//!
//! A contract that computes yields every millisecond or so (`phat_engine::Config::yield_gas`), and its
//! query goes back into the queue. One that waits for HTTP has no slot.
//!
//! What the worker has to do before it knows which contract a query is for, or that is for none, is a
//! flow of its own, [`Flow::Worker`]. It weighs a quarter of all stake, so strangers who send rubbish
//! cannot keep contracts from computing. The system contract, which clients ask with every
//! transaction, weighs an eighth at least, whether anybody stakes on it or not.
//!
//! In a cluster that weighs calls by what is paid for them, each query brings what it pays as its weight
//! ([`Flow::Paid`]), and stakes count for nothing: queries for which nobody pays get what is left. The
//! worker and the system contract then weigh a part of what wants to compute at present.

use crate::{
    metrics::{Metrics, Refusal},
    server::{ServerLimits, ServiceError},
};
use futures::task::AtomicWaker;
use phat_primitives::{AccountId, Balance, ContractId, policy::FeeModel};
use phat_scheduler::{FlowStatus, Limits, Refused, Scheduler, Ticket, Work};
use rustix::time::{ClockId, clock_gettime};
use std::{
    cmp::Reverse,
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

/// Part of all stake that [`Flow::Worker`] weighs.
const WORKER_SHARE: Balance = 4;
/// Part of all stake that the system contract weighs at least.
const SYSTEM_SHARE: Balance = 8;
/// The longest time after which a refused client is asked to come back.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// What shares the worker's processors.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Flow {
    /// What is for no contract, or not known to be: key agreements with clients, receipts.
    Worker,
    /// The queries of a contract.
    Contract(ContractId),
    /// The queries of a contract for which an account pays.
    Paid(AccountId, ContractId),
}

/// What is staked on contracts: the weights that they have here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Stakes {
    /// Those that have changed.
    Changed(Vec<(ContractId, Balance)>),
    /// All there are: others have none any more.
    All(Vec<(ContractId, Balance)>),
}

impl Stakes {
    /// Whether nothing is different by them.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::Changed(changed) if changed.is_empty())
    }

    /// Makes a table of stakes above 0 what it is to be. Returns the contracts that are in it no more,
    /// though they may have been.
    pub(crate) fn put_into(&self, table: &mut HashMap<ContractId, Balance>) -> Vec<ContractId> {
        let (stakes, mut gone) = match self {
            Self::Changed(changed) => (changed, Vec::new()),
            Self::All(all) => (all, table.drain().map(|(contract, _)| contract).collect()),
        };
        for (contract, stake) in stakes {
            if *stake > 0 {
                table.insert(*contract, *stake);
            } else {
                table.remove(contract);
                gone.push(*contract);
            }
        }
        gone.retain(|contract| !table.contains_key(contract));
        gone
    }
}

/// Who asks: the public key by which a client encrypts. It has shown that it has the secret one, or
/// pays for the key agreement that shows it has not.
pub(crate) type Caller = [u8; 32];

/// The queue in front of the processors.
pub(crate) struct Turns {
    queue: Mutex<Queue>,
    metrics: Arc<Metrics>,
}

struct Queue {
    scheduler: Scheduler<Flow, Caller>,
    turns: HashMap<Ticket, Arc<Turn>>,
    /// Stakes above 0.
    stakes: HashMap<ContractId, Balance>,
    model: FeeModel,
    system: Option<ContractId>,
}

impl Queue {
    /// The weight that a stake gives.
    fn counts(&self, stake: Balance) -> Balance {
        match self.model {
            FeeModel::Stake => stake,
            FeeModel::PayPerWeight => 0,
        }
    }

    /// Gives the worker and the system contract their weights, beside those of stakes.
    fn weigh_own(&mut self, system: Option<ContractId>) {
        let stakes = self.stakes.values();
        let all = stakes.fold(0, |all: Balance, stake| all.saturating_add(*stake));
        let all = self.counts(all);
        let own = |contract| self.counts(self.stakes.get(&contract).copied().unwrap_or_default());
        let before = self.system.filter(|before| Some(*before) != system);
        let before = before.map(|before| (before, own(before)));
        let system_weight = |system| own(system).max(all / SYSTEM_SHARE).max(1);
        let now = system.map(|system| (system, system_weight(system)));
        for (contract, weight) in before.into_iter().chain(now) {
            self.scheduler.set_weight(&Flow::Contract(contract), weight);
        }
        let worker = (all / WORKER_SHARE).max(1);
        self.scheduler.set_weight(&Flow::Worker, worker);
        self.system = system;
    }

    /// What a request weighs that nobody pays for, where others are paid for; `None` if that is nothing,
    /// or as it was given.
    fn weight_beside_payers(&self, flow: Flow) -> Option<Balance> {
        let part = match (self.model, flow) {
            (FeeModel::Stake, _) => return None,
            (_, Flow::Worker) => WORKER_SHARE,
            (_, Flow::Contract(contract)) if self.system == Some(contract) => SYSTEM_SHARE,
            _ => return None,
        };
        Some(self.scheduler.active_weight() / part)
    }
}

/// What the queue and a waiting future say to each other.
#[derive(Default)]
struct Turn {
    /// It has a slot.
    granted: AtomicBool,
    /// What it waited for has happened.
    woken: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.task.wake();
    }
}

/// Processor time of this thread, in nanoseconds. Work is measured by it, so that other programs on
/// the machine are not charged to whoever happens to run.
pub(crate) fn processor_time() -> Work {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec).unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

impl Turns {
    pub(crate) fn new(limits: &ServerLimits, metrics: Arc<Metrics>) -> Self {
        let limits = Limits {
            slots: limits.processors,
            max_begun: limits.max_running,
            max_begun_unweighted: limits.max_running_unstaked,
            max_begun_per_flow: limits.max_running_per_contract,
            max_waiting: limits.max_waiting,
            max_waiting_per_flow: limits.max_waiting_per_contract,
            max_per_caller: limits.max_per_caller,
        };
        let mut scheduler = Scheduler::new(limits);
        scheduler.set_weight(&Flow::Worker, 1);
        Self {
            queue: Mutex::new(Queue {
                scheduler,
                turns: HashMap::new(),
                stakes: HashMap::new(),
                model: FeeModel::Stake,
                system: None,
            }),
            metrics,
        }
    }

    /// Takes over stakes, and says which contract is the system contract.
    pub(crate) fn set_stakes(&self, stakes: &Stakes, system: Option<ContractId>) {
        self.change(|queue| {
            if stakes.is_nothing() && system == queue.system {
                return;
            }
            for contract in stakes.put_into(&mut queue.stakes) {
                queue.scheduler.set_weight(&Flow::Contract(contract), 0);
            }
            let (Stakes::Changed(set) | Stakes::All(set)) = stakes;
            for (contract, stake) in set {
                let weight = queue.counts(*stake);
                let flow = Flow::Contract(*contract);
                queue.scheduler.set_weight(&flow, weight);
            }
            queue.weigh_own(system);
            let mut heaviest: Vec<_> = queue.stakes.iter().collect();
            heaviest.sort_unstable_by_key(|(contract, stake)| (Reverse(**stake), **contract));
            let heaviest = heaviest.into_iter().map(|(contract, _)| *contract);
            self.metrics.name(heaviest);
        });
    }

    /// Says what gives calls their weight.
    pub(crate) fn set_model(&self, model: FeeModel) {
        self.change(|queue| {
            if model == queue.model {
                return;
            }
            queue.model = model;
            let stakes: Vec<_> = queue
                .stakes
                .iter()
                .map(|(id, stake)| (*id, *stake))
                .collect();
            for (contract, stake) in stakes {
                let weight = queue.counts(stake);
                queue
                    .scheduler
                    .set_weight(&Flow::Contract(contract), weight);
            }
            queue.weigh_own(queue.system);
        });
    }

    /// Runs a future when it is its flow's turn. `before` is what has been done for it already, and is
    /// charged to the flow as well. `paid` is the weight that a query of [`Flow::Paid`] brings.
    ///
    /// # Errors
    ///
    /// If too many wait already.
    pub(crate) async fn run<F: Future>(
        self: &Arc<Self>,
        flow: Flow,
        caller: Caller,
        paid: Option<Balance>,
        before: Work,
        future: F,
    ) -> Result<F::Output, ServiceError> {
        let turn = Arc::new(Turn::default());
        let ticket = self.admit(flow, caller, paid, &turn)?;
        let running = Running {
            turns: self.clone(),
            flow,
            ticket,
            waker: turn.clone().into(),
            turn,
            phase: Phase::Wants,
            uncharged: before,
            since: Some(Instant::now()),
            // A query is a large future, and is moved no more from here on.
            future: Box::pin(future),
        };
        Ok(running.await)
    }

    fn admit(
        &self,
        flow: Flow,
        caller: Caller,
        paid: Option<Balance>,
        turn: &Arc<Turn>,
    ) -> Result<Ticket, ServiceError> {
        let admitted = self.change(|queue| {
            let weight = paid.or_else(|| queue.weight_beside_payers(flow));
            let ticket = queue.scheduler.admit(&flow, caller, weight);
            let ticket =
                ticket.map_err(|refused| (refused, queue.scheduler.expected_wait(&flow)))?;
            queue.turns.insert(ticket, turn.clone());
            Ok(ticket)
        });
        admitted.map_err(|(refused, wait)| {
            let (refusal, code) = match refused {
                Refused::Full => (Refusal::QueueFull, "overloaded"),
                Refused::FlowFull => (Refusal::ContractQueueFull, "contract-overloaded"),
                Refused::CallerFull => (Refusal::CallerFull, "too-many-queries"),
            };
            self.metrics.refused(refusal);
            ServiceError::Overloaded {
                code,
                retry_after: Duration::from_nanos(wait).min(LONGEST_RETRY),
            }
        })
    }

    /// How long a query of the flow that came now would probably wait.
    pub(crate) fn expected_wait(&self, flow: Flow) -> Duration {
        let wait = self.lock().scheduler.expected_wait(&flow);
        Duration::from_nanos(wait).min(LONGEST_RETRY)
    }

    /// The flows, and the work of those that are not among them any more.
    pub(crate) fn status(&self) -> (Vec<(Flow, FlowStatus)>, Work) {
        let queue = self.lock();
        let flows = queue.scheduler.flows();
        let flows = flows.map(|(flow, status)| (*flow, status)).collect();
        (flows, queue.scheduler.forgotten())
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The queue is whole after each of its operations, so a panic elsewhere spoils nothing.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the queue, and tells those who have got a slot by it.
    fn change<R>(&self, change: impl FnOnce(&mut Queue) -> R) -> R {
        let mut queue = self.lock();
        let result = change(&mut queue);
        let mut granted = Vec::new();
        while let Some(ticket) = queue.scheduler.grant() {
            granted.extend(queue.turns.get(&ticket).cloned());
        }
        drop(queue);
        for turn in granted {
            turn.granted.store(true, Ordering::Release);
            turn.task.wake();
        }
        result
    }
}

enum Phase {
    /// It stands in the queue, or has got a slot.
    Wants,
    /// It waits for something else.
    Waits,
    Done,
}

struct Running<F> {
    turns: Arc<Turns>,
    flow: Flow,
    ticket: Ticket,
    turn: Arc<Turn>,
    /// Wakes `turn`.
    waker: Waker,
    phase: Phase,
    /// Work that the flow has not been charged with yet.
    uncharged: Work,
    /// When it came, until it begins.
    since: Option<Instant>,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Running<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        this.turn.task.register(context.waker());
        if matches!(this.phase, Phase::Waits) {
            if !this.turn.woken.swap(false, Ordering::AcqRel) {
                return Poll::Pending;
            }
            this.phase = Phase::Wants;
            this.turns
                .change(|queue| queue.scheduler.wakes(this.ticket));
        }
        if !this.turn.granted.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        if let Some(since) = this.since.take() {
            this.turns.metrics.waited(this.flow, since.elapsed());
        }
        this.turn.woken.store(false, Ordering::Release);
        let begun = processor_time();
        let polled = this
            .future
            .as_mut()
            .poll(&mut Context::from_waker(&this.waker));
        let done = processor_time().saturating_sub(begun);
        let work = done.saturating_add(std::mem::take(&mut this.uncharged));
        match polled {
            Poll::Ready(output) => {
                this.phase = Phase::Done;
                this.turns.end(this.ticket, work);
                Poll::Ready(output)
            }
            Poll::Pending => {
                // Woken while it ran: it has only given others their turn.
                let yields = this.turn.woken.swap(false, Ordering::AcqRel);
                if !yields {
                    this.phase = Phase::Waits;
                }
                this.turns.change(|queue| match yields {
                    true => queue.scheduler.yields(this.ticket, work),
                    false => queue.scheduler.blocks(this.ticket, work),
                });
                Poll::Pending
            }
        }
    }
}

impl Turns {
    fn end(&self, ticket: Ticket, work: Work) {
        self.change(|queue| {
            queue.turns.remove(&ticket);
            queue.scheduler.ends(ticket, work);
        });
    }
}

impl<F> Drop for Running<F> {
    /// The client has gone, or the time is up.
    fn drop(&mut self) {
        if !matches!(self.phase, Phase::Done) {
            self.turns.end(self.ticket, self.uncharged);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use std::pin::pin;
    use std::task::Poll::Ready;
    use tokio::sync::oneshot;

    fn turns(processors: usize) -> Arc<Turns> {
        let limits = ServerLimits {
            processors,
            max_waiting: 2,
            ..ServerLimits::default()
        };
        Arc::new(Turns::new(&limits, Arc::default()))
    }

    fn contract(byte: u8) -> Flow {
        Flow::Contract(ContractId::repeat_byte(byte))
    }

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    async fn burn() {
        let begun = processor_time();
        while processor_time() - begun < 2_000_000 {}
    }

    fn used(turns: &Turns, flow: Flow) -> Duration {
        let (flows, _) = turns.status();
        let found = flows.into_iter().find(|(name, _)| *name == flow);
        Duration::from_nanos(found.map_or(0, |(_, status)| status.used))
    }

    #[test]
    fn who_waits_for_something_else_leaves_the_processor_to_others() {
        let turns = turns(1);
        turns.set_stakes(
            &Stakes::Changed(vec![(ContractId::repeat_byte(1), 5)]),
            None,
        );
        let (answer, answered) = oneshot::channel::<u8>();
        let mut slow = pin!(turns.run(contract(1), [0; 32], None, 0, answered));
        assert!(poll(slow.as_mut()).is_pending());
        assert!(block_on(turns.run(contract(2), [0; 32], None, 0, burn())).is_ok());
        assert!(poll(slow.as_mut()).is_pending());
        answer.send(7).unwrap();
        assert!(matches!(poll(slow.as_mut()), Ready(Ok(Ok(7)))));
        assert!(used(&turns, contract(1)) < Duration::from_millis(1));
        assert!(turns.status().1 >= 2_000_000, "of contract 2");
    }

    #[test]
    fn whoever_yields_goes_back_into_the_queue() {
        let turns = turns(1);
        turns.set_stakes(
            &Stakes::Changed(vec![(ContractId::repeat_byte(1), 1)]),
            None,
        );
        let mut long = pin!(turns.run(contract(1), [0; 32], None, 0, async {
            burn().await;
            tokio::task::yield_now().await;
            burn().await;
        }));
        // Outside of a runtime `yield_now` wakes at once.
        assert!(poll(long.as_mut()).is_pending());
        let mut other = pin!(turns.run(contract(1), [0; 32], None, 1_000, async {}));
        assert!(poll(other.as_mut()).is_pending());
        assert!(matches!(poll(long.as_mut()), Ready(Ok(()))));
        assert!(matches!(poll(other.as_mut()), Ready(Ok(()))));
        assert!(used(&turns, contract(1)) >= Duration::from_millis(4));
    }

    #[test]
    fn too_many_are_refused_and_who_goes_away_makes_room() {
        let turns = turns(1);
        let admit = |caller| turns.admit(contract(1), [caller; 32], None, &Arc::default());
        let holder = admit(0).unwrap();
        for caller in 1..3 {
            admit(caller).unwrap();
        }
        let refused = admit(3).unwrap_err();
        assert!(matches!(refused, ServiceError::Overloaded { .. }));
        turns.end(holder, 0);
        assert!(admit(3).is_ok());
    }

    #[test]
    fn a_query_whose_client_is_gone_leaves_nothing_behind() {
        let turns = turns(1);
        let mut query =
            Box::pin(turns.run(contract(1), [0; 32], None, 0, std::future::pending::<()>()));
        assert!(poll(query.as_mut()).is_pending());
        assert_eq!(turns.lock().scheduler.begun(), 1);
        drop(query);
        let queue = turns.lock();
        assert_eq!((queue.scheduler.begun(), queue.turns.len()), (0, 0));
    }

    fn weight(turns: &Turns, flow: Flow) -> Option<Balance> {
        let (flows, _) = turns.status();
        let found = flows.into_iter().find(|(name, _)| *name == flow);
        found.map(|(_, status)| status.weight)
    }

    #[test]
    fn a_worker_that_moves_knows_the_stakes_of_its_new_cluster_only() {
        let turns = turns(1);
        let (old, new) = (ContractId::repeat_byte(1), ContractId::repeat_byte(2));
        turns.set_stakes(&Stakes::Changed(vec![(old, 800)]), None);
        assert_eq!(weight(&turns, Flow::Worker), Some(200));
        turns.set_stakes(&Stakes::All(vec![(new, 80)]), None);
        assert_eq!(weight(&turns, contract(1)), None);
        assert_eq!(weight(&turns, contract(2)), Some(80));
        assert_eq!(weight(&turns, Flow::Worker), Some(20));
        turns.set_stakes(&Stakes::All(Vec::new()), None);
        assert_eq!(weight(&turns, contract(2)), None);
    }

    #[test]
    fn the_system_contract_has_weight_without_stake() {
        let turns = turns(1);
        let system = ContractId::repeat_byte(7);
        let weight = |flow| weight(&turns, flow);
        turns.set_stakes(&Stakes::Changed(Vec::new()), Some(system));
        assert_eq!(weight(contract(7)), Some(1));
        turns.set_stakes(
            &Stakes::Changed(vec![(ContractId::repeat_byte(1), 800)]),
            Some(system),
        );
        assert_eq!(weight(contract(7)), Some(100));
        assert_eq!(weight(Flow::Worker), Some(200));
        turns.set_stakes(&Stakes::Changed(vec![(system, 400)]), Some(system));
        assert_eq!(weight(contract(7)), Some(400));
        turns.set_stakes(&Stakes::Changed(vec![(system, 0)]), None);
        assert_eq!(weight(contract(7)), None);
    }

    #[test]
    fn where_calls_are_paid_for_stakes_count_for_nothing_and_the_worker_has_its_part() {
        let turns = turns(1);
        let staked = ContractId::repeat_byte(1);
        let system = ContractId::repeat_byte(7);
        turns.set_model(FeeModel::PayPerWeight);
        turns.set_stakes(&Stakes::Changed(vec![(staked, 800)]), Some(system));
        let weight = |flow| weight(&turns, flow).unwrap_or_default();
        assert_eq!(weight(Flow::Contract(staked)), 0);
        let paid = Flow::Paid(AccountId([3; 32]), staked);
        let turn = Arc::default();
        turns.admit(paid, [0; 32], Some(8_000), &turn).unwrap();
        turns.admit(Flow::Worker, [0; 32], None, &turn).unwrap();
        assert_eq!((weight(paid), weight(Flow::Worker)), (8_000, 2_000));
        turns.set_model(FeeModel::Stake);
        assert_eq!(weight(Flow::Contract(staked)), 800);
    }
}
