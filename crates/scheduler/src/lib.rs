//! Who computes next: start-time fair queueing (Goyal, Vin, Cheng 1996) over flows, weighted by stake.
//!
//! A *flow* is what shares the machine: a contract. Its *requests* are queries. A request works in
//! *slices*; for each it holds one of a fixed number of *slots*, gives it back after a short while,
//! and is charged with the work that it really did. So a flow of long computations and a flow of many
//! short ones have the same share if they have the same weight. A request that waits for something
//! else, such as HTTP, holds no slot and is charged with nothing.
//!
//! This crate has no clock, no threads and no IO. What is done is told to it, what comes next it
//! tells; work is a number whose unit is the caller's business.
//!
//! ```text
//!            admit           grant            ends
//!  arrives ────────▶ waits ────────▶ works ────────▶ gone
//!                              ▲  ▲    │ │
//!                        grant │  └────┘ │ blocks
//!                              │  yields ▼
//!                            ready ◀── blocked
//!                                 wakes
//! ```
//!
//! # How shares come about
//!
//! Every flow has a *start tag*: the virtual time at which its next slice begins. The flow with the
//! smallest tag gets the next slot, and virtual time is the greatest tag that ever got one. Work moves
//! a flow's tag on by work / weight. A flow that comes back after a pause begins at the present
//! virtual time: it gets no credit for what it did not use, and owes nothing but for the slice that
//! it had last.
//!
//! How much a slice will do is not known when it begins. Until it ends it counts as much as the
//! flow's last one; then the tag is put right. While two flows have something waiting all the time,
//! their work by weight differs by no more than what their slices that are under way can do, see
//! `tests/fairness.rs`.
//!
//! Flows of weight 0 are a class of their own, shared equally, which gets a slot when no flow with
//! weight wants one.
//!
//! # Weights
//!
//! A flow is given a weight, which may change at any time. What it owes is kept as work, not as virtual
//! time, so a flow that had next to no weight when it was last served does not wait long once it has
//! some.
//!
//! Or every request brings a weight of its own, as in the paper: its slices move the flow's tag on by
//! work / that weight. The weight of a flow then is that of its next request, and its requests still
//! begin in the order in which they came: whoever brings many requests has the share of one of them. A
//! flow that was given no weight is forgotten when it has no request and owes nothing.

mod flow;
mod tag;

pub use flow::FlowStatus;

use flow::{Class, Flow};
use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    hash::Hash,
};

/// Amount of work, in whatever unit the caller measures it. What one slice does counts up to 2^40:
/// in nanoseconds 18 minutes.
pub type Work = u64;

/// Stake. Weights beyond 2^86 count as that: more than all the money of any network.
pub type Weight = u128;

/// Bounds on what callers can make the scheduler hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Requests that work at the same moment.
    pub slots: usize,
    /// Requests that have begun and not ended: each holds what its work has got so far.
    pub max_begun: usize,
    /// Those of them that flows of weight 0 may have together.
    pub max_begun_unweighted: usize,
    /// Those of them that one flow may have.
    pub max_begun_per_flow: usize,
    /// Requests that have not begun.
    pub max_waiting: usize,
    /// Those of them that one flow may have.
    pub max_waiting_per_flow: usize,
    /// Requests of one caller, waiting and begun.
    pub max_per_caller: usize,
}

/// Why a request is not admitted. Nothing has changed then.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// [`Limits::max_waiting`] is reached.
    #[error("as many requests wait as may; try again later")]
    Full,
    /// [`Limits::max_waiting_per_flow`] is reached.
    #[error("as many requests of this flow wait as may; try again later")]
    FlowFull,
    /// [`Limits::max_per_caller`] is reached.
    #[error("the caller has as many requests as it may; wait for their answers")]
    CallerFull,
}

/// Names a request that was admitted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(u64);

enum State {
    /// It has not had a slot yet. It stands in its flow's `waiting` under its ticket.
    Waiting,
    /// It wants a slot again. It stands in its flow's `ready` under this number.
    Ready(u64),
    /// It has a slot, and counts as this much work until it gives it back.
    Working(Work),
    /// It wants nothing.
    Blocked,
}

struct Request<F, C> {
    flow: F,
    caller: C,
    /// What it has brought; the flow's own weight counts if that is nothing.
    weight: Option<Weight>,
    state: State,
    done: Work,
}

/// The queue in front of the slots. `F` names flows, `C` callers.
///
/// After whatever changes something, call [`Scheduler::grant`] until it returns `None`.
pub struct Scheduler<F, C> {
    limits: Limits,
    /// Flows with weight and flows without.
    classes: [Class<F>; 2],
    flows: BTreeMap<F, Flow>,
    requests: HashMap<Ticket, Request<F, C>>,
    callers: HashMap<C, usize>,
    /// For the next ticket, and the next place among those that are ready.
    next: u64,
    working: usize,
    waiting: usize,
    begun: usize,
    begun_unweighted: usize,
    /// What flows that were forgotten have done.
    forgotten: Work,
}

impl<F: Clone + Ord, C: Clone + Eq + Hash> Scheduler<F, C> {
    /// An empty queue.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            classes: [Class::default(), Class::default()],
            flows: BTreeMap::new(),
            requests: HashMap::new(),
            callers: HashMap::new(),
            next: 0,
            working: 0,
            waiting: 0,
            begun: 0,
            begun_unweighted: 0,
            forgotten: 0,
        }
    }

    /// Gives a flow a weight, from now on.
    pub fn set_weight(&mut self, flow: &F, weight: Weight) {
        self.change(flow, |flow| {
            flow.given = weight.min(tag::MAX_WEIGHT);
            flow.weight = flow.given;
        });
    }

    /// Lets a request wait for its first slot. A weight that it brings, of at least 1, counts for it in
    /// place of the flow's.
    ///
    /// # Errors
    ///
    /// If it would be one too many, see [`Refused`].
    pub fn admit(
        &mut self,
        flow: &F,
        caller: C,
        weight: Option<Weight>,
    ) -> Result<Ticket, Refused> {
        let weight = weight.map(|weight| weight.clamp(1, tag::MAX_WEIGHT));
        if self.waiting >= self.limits.max_waiting {
            return Err(Refused::Full);
        }
        let waiting = self.flows.get(flow).map_or(0, |flow| flow.waiting.len());
        if waiting >= self.limits.max_waiting_per_flow {
            return Err(Refused::FlowFull);
        }
        let of_caller = self.callers.get(&caller).copied().unwrap_or_default();
        if of_caller >= self.limits.max_per_caller {
            return Err(Refused::CallerFull);
        }
        self.callers.insert(caller.clone(), of_caller + 1);
        self.waiting += 1;
        let ticket = Ticket(self.number());
        self.change(flow, |flow| flow.waiting.insert(ticket.0, weight));
        let request = Request {
            flow: flow.clone(),
            caller,
            weight,
            state: State::Waiting,
            done: 0,
        };
        self.requests.insert(ticket, request);
        Ok(ticket)
    }

    /// Gives the next slot to a request; `None` if there is no slot or nobody who may have it.
    pub fn grant(&mut self) -> Option<Ticket> {
        if self.working >= self.limits.slots {
            return None;
        }
        let (class, flow, ready) = self.classes.iter().enumerate().find_map(|(index, class)| {
            class.order.iter().find_map(|(_, name)| {
                let flow = self.flows.get(name)?;
                let begins = flow.waiting.first_key_value();
                let begins = begins.filter(|_| self.may_begin(flow));
                let resumes = flow.ready.first_key_value();
                match (begins, resumes) {
                    (None, None) => None,
                    // Among requests of one flow whoever came first, so that short ones do not wait
                    // until long ones have ended.
                    (Some((new, _)), Some((old, _))) => Some((index, name.clone(), old < new)),
                    (new, _) => Some((index, name.clone(), new.is_none())),
                }
            })
        })?;
        self.working += 1;
        let start = self.flows.get(&flow)?.start;
        self.classes[class].virtual_time = self.classes[class].virtual_time.max(start);
        let (ticket, expected) = self.change(&flow, |flow| {
            let next = if ready {
                flow.ready.pop_first().map(|(_, next)| next)
            } else {
                flow.begun += 1;
                flow.waiting.pop_first()
            };
            flow.working += 1;
            let expected = flow.last;
            let brought = next.and_then(|(_, weight)| weight);
            let step = tag::step(expected, brought.unwrap_or(flow.given));
            flow.start = flow.start.saturating_add(step);
            (next.map(|(ticket, _)| Ticket(ticket)), expected)
        });
        if !ready {
            self.waiting -= 1;
            self.begun += 1;
        }
        let ticket = ticket?;
        self.requests.get_mut(&ticket)?.state = State::Working(expected);
        Some(ticket)
    }

    /// A request that has a slot gives it back after so much work, and wants one again.
    pub fn yields(&mut self, ticket: Ticket, work: Work) {
        let place = self.number();
        self.leaves_slot(ticket, work, Some(place));
    }

    /// A request that has a slot gives it back after so much work, and waits for something else.
    pub fn blocks(&mut self, ticket: Ticket, work: Work) {
        self.leaves_slot(ticket, work, None);
    }

    /// A request that waited for something else wants a slot again.
    pub fn wakes(&mut self, ticket: Ticket) {
        let place = self.number();
        let Some(request) = self.requests.get_mut(&ticket) else {
            return;
        };
        if matches!(request.state, State::Blocked) {
            request.state = State::Ready(place);
            let (flow, weight) = (request.flow.clone(), request.weight);
            self.change(&flow, |flow| flow.ready.insert(place, (ticket.0, weight)));
        }
    }

    /// A request has ended, or whoever waited for it has gone. If it had a slot, it has done so much
    /// work since it got it.
    pub fn ends(&mut self, ticket: Ticket, work: Work) {
        self.leaves_slot(ticket, work, None);
        let Some(request) = self.requests.remove(&ticket) else {
            return;
        };
        if let Entry::Occupied(mut of_caller) = self.callers.entry(request.caller) {
            *of_caller.get_mut() -= 1;
            if *of_caller.get() == 0 {
                of_caller.remove();
            }
        }
        let waited = self.change(&request.flow, |flow| {
            let waited = matches!(request.state, State::Waiting);
            if waited {
                flow.waiting.remove(&ticket.0);
            } else {
                if let State::Ready(place) = request.state {
                    flow.ready.remove(&place);
                }
                flow.begun -= 1;
                flow.note_request(request.done);
            }
            waited
        });
        if waited {
            self.waiting -= 1;
        } else {
            self.begun -= 1;
        }
    }

    /// How much work will be done on each slot before a request of the flow that came now would
    /// begin: an estimate by what requests of the flow have done lately, and the flow's present share.
    pub fn expected_wait(&self, flow: &F) -> Work {
        let known = self.flows.get(flow);
        let weight = known.map_or(0, |flow| flow.weight);
        let ahead = known.map_or(1, |flow| flow.waiting.len() + 1) as u128;
        let mean = u128::from(known.map_or(0, |flow| flow.mean));
        let (own, others) = match (weight, &self.classes) {
            (0, [weighted, unweighted]) => {
                // Before it comes whatever waits of those with weight.
                let before: u128 = weighted
                    .order
                    .iter()
                    .filter_map(|(_, name)| self.flows.get(name))
                    .map(|flow| u128::from(flow.mean) * flow.waiting.len() as u128)
                    .sum();
                (ahead * mean + before, unweighted.active_weight.max(1))
            }
            (weight, [weighted, _]) => {
                let share = weighted.active_weight / weight;
                (ahead * mean, share.max(1))
            }
        };
        let work = own.saturating_mul(others) / self.limits.slots.max(1) as u128;
        u64::try_from(work).unwrap_or(u64::MAX)
    }

    /// Requests that wait for their first slot.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Requests that have begun and not ended.
    pub fn begun(&self) -> usize {
        self.begun
    }

    /// Requests that have a slot.
    pub fn working(&self) -> usize {
        self.working
    }

    /// Weight of the flows that want slots or have them.
    pub fn active_weight(&self) -> Weight {
        self.classes[0].active_weight
    }

    /// The flows that have weight, requests, or work to make up for.
    pub fn flows(&self) -> impl Iterator<Item = (&F, FlowStatus)> {
        let classes = &self.classes;
        self.flows
            .iter()
            .map(move |(name, flow)| (name, flow.status(&classes[flow.class()])))
    }

    /// Work of flows that are in [`Scheduler::flows`] no more.
    pub fn forgotten(&self) -> Work {
        self.forgotten
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn may_begin(&self, flow: &Flow) -> bool {
        self.begun < self.limits.max_begun
            && flow.begun < self.limits.max_begun_per_flow
            && (flow.weight > 0 || self.begun_unweighted < self.limits.max_begun_unweighted)
    }

    /// Takes the slot from a request that has one. It is ready in this place afterwards, or blocked.
    fn leaves_slot(&mut self, ticket: Ticket, work: Work, place: Option<u64>) {
        let Some(request) = self.requests.get_mut(&ticket) else {
            return;
        };
        let State::Working(expected) = request.state else {
            return;
        };
        let work = work.min(tag::MAX_WORK);
        request.state = place.map_or(State::Blocked, State::Ready);
        request.done = request.done.saturating_add(work);
        let (name, brought) = (request.flow.clone(), request.weight);
        self.working -= 1;
        // Before the flow may be active no more: the share of what it did itself is due to it too.
        self.note_work(&name, work);
        self.change(&name, |flow| {
            flow.working -= 1;
            flow.last = work;
            flow.used = flow.used.saturating_add(work);
            let weight = brought.unwrap_or(flow.given);
            flow.start = flow
                .start
                .saturating_sub(tag::step(expected, weight))
                .saturating_add(tag::step(work, weight));
            if let Some(place) = place {
                flow.ready.insert(place, (ticket.0, brought));
            }
        });
    }

    fn note_work(&mut self, flow: &F, work: Work) {
        let Some(flow) = self.flows.get(flow) else {
            return;
        };
        let class = flow.class();
        self.classes[class].note_work(work);
        if self.classes[class].virtual_time >= tag::REBASE {
            let of_class = self.flows.iter_mut();
            let of_class = of_class.filter(|(_, flow)| flow.class() == class);
            self.classes[class].rebase(of_class);
        }
    }

    /// Changes a flow, and keeps what depends on it: its place in the order, and who is active.
    fn change<R>(&mut self, name: &F, change: impl FnOnce(&mut Flow) -> R) -> R {
        let flow = self.flows.entry(name.clone()).or_default();
        let before = flow.class();
        self.classes[before].take(name, flow);
        let (wanted, given) = (flow.wants(), flow.given);
        let unweighted = flow.begun_unweighted();
        let result = change(flow);
        flow.weigh();
        self.begun_unweighted = self.begun_unweighted - unweighted + flow.begun_unweighted();
        let after = flow.class();
        if before != after {
            // Tags of one class say nothing in the other.
            flow.start = self.classes[after].virtual_time;
        } else if given != flow.given {
            let now = self.classes[after].virtual_time;
            flow.start = tag::reweigh(flow.start, now, given, flow.given);
        }
        self.classes[after].put(name, flow, wanted);
        for (index, class) in self.classes.iter_mut().enumerate() {
            class.settle();
            class.forget(index, &mut self.flows, &mut self.forgotten);
        }
        result
    }
}
