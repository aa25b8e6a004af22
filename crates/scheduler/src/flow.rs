//! Flows, and the two classes they come in.

use crate::{Weight, Work, tag};
use std::collections::{BTreeMap, BTreeSet};

/// Part of the mean that a new request replaces: one in eight.
const MEAN_SHIFT: u32 = 3;

/// A flow, as others may see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowStatus {
    /// Its weight.
    pub weight: Weight,
    /// Requests that have not begun.
    pub waiting: usize,
    /// Requests that have begun and not ended.
    pub begun: usize,
    /// Work done.
    pub used: Work,
    /// Work it would have done if, whenever it wanted slots or had them, it had got exactly its
    /// weight's share of what its class did.
    pub due: Work,
}

#[derive(Default)]
pub(crate) struct Flow {
    /// The weight that it was given.
    pub(crate) given: Weight,
    /// The weight that counts: that of the request that is next, if it has brought one. Without a next
    /// one it stays as it was, so that the flow keeps its place until nothing is owed.
    pub(crate) weight: Weight,
    /// Virtual time at which its next slice begins.
    pub(crate) start: u128,
    /// Requests that have not begun: their tickets, and the weights that they have brought.
    pub(crate) waiting: BTreeMap<u64, Option<Weight>>,
    /// Requests that want to go on, by their place.
    pub(crate) ready: BTreeMap<u64, (u64, Option<Weight>)>,
    pub(crate) working: usize,
    pub(crate) begun: usize,
    /// Work of the slice that ended last: what the next one is taken to do.
    pub(crate) last: Work,
    /// Mean work of its requests.
    pub(crate) mean: Work,
    pub(crate) used: Work,
    due: Work,
    /// Where the class's `served` was when `due` was computed.
    due_until: u128,
    /// The tag under which it stands in the class's order.
    placed: Option<u128>,
    active: bool,
}

impl Flow {
    /// Index of its class.
    pub(crate) fn class(&self) -> usize {
        usize::from(self.weight == 0)
    }

    /// Whether it wants a slot.
    pub(crate) fn wants(&self) -> bool {
        !self.waiting.is_empty() || !self.ready.is_empty()
    }

    /// Requests that have begun, if it has no weight.
    pub(crate) fn begun_unweighted(&self) -> usize {
        if self.weight == 0 { self.begun } else { 0 }
    }

    /// Takes the weight of the request that is next.
    pub(crate) fn weigh(&mut self) {
        let waiting = self.waiting.first_key_value();
        let ready = self.ready.first_key_value();
        let brought = match (waiting, ready) {
            (Some((new, weight)), Some((old, _))) if new < old => *weight,
            (_, Some((_, (_, weight)))) => *weight,
            (Some((_, weight)), None) => *weight,
            // What it was is either given, or brought by the last one.
            (None, None) if self.given == 0 => return,
            (None, None) => None,
        };
        self.weight = brought.unwrap_or(self.given);
    }

    /// Whether it is nothing but a tag.
    fn may_fade(&self) -> bool {
        self.given == 0 && self.begun == 0 && !self.active
    }

    pub(crate) fn note_request(&mut self, work: Work) {
        self.mean = match self.mean {
            0 => work,
            mean => mean - (mean >> MEAN_SHIFT) + (work >> MEAN_SHIFT),
        };
    }

    fn due<F>(&self, class: &Class<F>) -> Work {
        let span = class.served.wrapping_sub(self.due_until);
        let since = if self.active {
            tag::work(span, self.weight)
        } else {
            0
        };
        self.due.saturating_add(since)
    }

    pub(crate) fn status<F>(&self, class: &Class<F>) -> FlowStatus {
        FlowStatus {
            weight: self.weight,
            waiting: self.waiting.len(),
            begun: self.begun,
            used: self.used,
            due: self.due(class),
        }
    }
}

/// The flows with weight, or those without.
pub(crate) struct Class<F> {
    /// The greatest tag that got a slot.
    pub(crate) virtual_time: u128,
    /// The flows that want a slot, by their tags.
    pub(crate) order: BTreeSet<(u128, F)>,
    /// Sum of the weights of the flows that want slots or have them; weight 0 counts as 1.
    pub(crate) active_weight: u128,
    /// The greatest tag of any flow.
    last_tag: u128,
    /// Work done in the class, each piece divided by the weight that was active then. Goes around.
    served: u128,
    /// Flows that may be forgotten once virtual time has come to their tags.
    fading: BTreeSet<(u128, F)>,
}

impl<F> Default for Class<F> {
    fn default() -> Self {
        Self {
            virtual_time: 0,
            order: BTreeSet::new(),
            active_weight: 0,
            last_tag: 0,
            served: 0,
            fading: BTreeSet::new(),
        }
    }
}

impl<F: Clone + Ord> Class<F> {
    /// Takes a flow out, to change it.
    pub(crate) fn take(&mut self, name: &F, flow: &mut Flow) {
        if let Some(tag) = flow.placed.take() {
            self.order.remove(&(tag, name.clone()));
        }
        if flow.active {
            flow.due = flow.due(self);
            flow.active = false;
            self.active_weight -= flow.weight.max(1);
        }
    }

    /// Puts a flow back. `wanted` says whether it wanted a slot before.
    pub(crate) fn put(&mut self, name: &F, flow: &mut Flow, wanted: bool) {
        if flow.wants() {
            if !wanted {
                flow.start = flow.start.max(self.virtual_time);
            }
            flow.placed = Some(flow.start);
            self.order.insert((flow.start, name.clone()));
        }
        self.last_tag = self.last_tag.max(flow.start);
        flow.active = flow.wants() || flow.working > 0;
        if flow.active {
            flow.due_until = self.served;
            self.active_weight += flow.weight.max(1);
        } else if flow.may_fade() {
            self.fading.insert((flow.start, name.clone()));
        }
    }

    /// While nobody is active nobody can be ahead of the others.
    pub(crate) fn settle(&mut self) {
        if self.active_weight == 0 {
            self.virtual_time = self.virtual_time.max(self.last_tag);
        }
    }

    /// Counts work of an active flow towards what the active flows are due.
    pub(crate) fn note_work(&mut self, work: Work) {
        let step = tag::step(work, self.active_weight);
        self.served = self.served.wrapping_add(step);
    }

    /// Moves the tags of all flows of the class back, before they overflow.
    pub(crate) fn rebase<'a>(&mut self, flows: impl Iterator<Item = (&'a F, &'a mut Flow)>)
    where
        F: 'a,
    {
        // By half: a flow may be a few slices behind virtual time, and has to keep that.
        let back = self.virtual_time / 2;
        self.virtual_time -= back;
        self.last_tag = self.last_tag.saturating_sub(back);
        self.order.clear();
        self.fading.clear();
        for (name, flow) in flows {
            flow.start = flow.start.saturating_sub(back);
            if flow.placed.is_some() {
                flow.placed = Some(flow.start);
                self.order.insert((flow.start, name.clone()));
            } else if flow.may_fade() {
                self.fading.insert((flow.start, name.clone()));
            }
        }
    }

    /// Forgets flows that were given no weight, have nothing to do and owe nothing.
    pub(crate) fn forget(
        &mut self,
        class: usize,
        flows: &mut BTreeMap<F, Flow>,
        forgotten: &mut Work,
    ) {
        while let Some((tag, name)) = self.fading.first()
            && *tag <= self.virtual_time
        {
            // It may have come back since, and may stand here with a later tag as well.
            if let Some(flow) = flows.get(name)
                && flow.may_fade()
                && flow.class() == class
                && flow.start <= self.virtual_time
            {
                *forgotten = forgotten.saturating_add(flow.used);
                flows.remove(name);
            }
            self.fading.pop_first();
        }
    }
}
