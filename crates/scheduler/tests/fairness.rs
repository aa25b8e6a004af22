//! Shares hold, whatever the weights, the slices and the number of slots.

use phat_scheduler::{Limits, Refused, Scheduler, Ticket, Weight, Work};
use proptest::prelude::*;
use std::collections::BTreeMap;

type Queue = Scheduler<u8, u8>;

fn limits(slots: usize) -> Limits {
    Limits {
        slots,
        max_begun: 1_000,
        max_begun_unweighted: 1_000,
        max_begun_per_flow: 1_000,
        max_waiting: 1_000,
        max_waiting_per_flow: 1_000,
        max_per_caller: 1_000,
    }
}

/// A machine with a clock of its own, whose slots work at the same speed.
struct Machine {
    queue: Queue,
    now: Work,
    /// When each slice ends, and what it was.
    slices: Vec<(Work, Ticket, u8, Work)>,
    done: BTreeMap<u8, Work>,
    random: u64,
    longest: BTreeMap<u8, Work>,
    flows: BTreeMap<Ticket, u8>,
    /// What requests have brought.
    weights: BTreeMap<Ticket, Weight>,
    /// Work of requests that have brought a weight, each piece divided by it.
    by_weight: BTreeMap<u8, f64>,
}

impl Machine {
    fn new(slots: usize, seed: u64) -> Self {
        Self {
            queue: Scheduler::new(limits(slots)),
            now: 0,
            slices: Vec::new(),
            done: BTreeMap::new(),
            random: seed | 1,
            longest: BTreeMap::new(),
            flows: BTreeMap::new(),
            weights: BTreeMap::new(),
            by_weight: BTreeMap::new(),
        }
    }

    fn admit(&mut self, flow: u8) {
        let ticket = self.queue.admit(&flow, flow, None).expect("there is room");
        self.flows.insert(ticket, flow);
    }

    fn admit_bringing(&mut self, flow: u8, weight: Weight) {
        let ticket = self.queue.admit(&flow, flow, Some(weight));
        let ticket = ticket.expect("there is room");
        self.flows.insert(ticket, flow);
        self.weights.insert(ticket, weight);
    }

    fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below.max(1)
    }

    /// Starts what may start; slices of a flow take up to `longest`.
    fn fill(&mut self) {
        while let Some(ticket) = self.queue.grant() {
            let flow = self.flows[&ticket];
            let longest = self.longest[&flow];
            let work = 1 + self.random(longest);
            self.slices.push((self.now + work, ticket, flow, work));
        }
    }

    /// Lets the slice end that ends first, which then goes on.
    fn step(&mut self) {
        self.fill();
        let (index, _) = self
            .slices
            .iter()
            .enumerate()
            .min_by_key(|(_, slice)| slice.0)
            .expect("somebody works");
        let (ends, ticket, flow, work) = self.slices.swap_remove(index);
        self.now = ends;
        *self.done.entry(flow).or_default() += work;
        if let Some(weight) = self.weights.get(&ticket) {
            *self.by_weight.entry(flow).or_default() += work as f64 / *weight as f64;
        }
        self.queue.yields(ticket, work);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// The bound of the paper, for several slots: what two flows got by weight, while both wanted
    /// more all the time, differs by no more than the slices that can be under way.
    #[test]
    fn work_by_weight_differs_by_no_more_than_the_slices_under_way(
        slots in 1usize..5,
        flows in proptest::collection::vec((1u32..1_000, 1u64..100_000), 2..6),
        scale in 0u32..70,
        seed in any::<u64>(),
    ) {
        let mut machine = Machine::new(slots, seed);
        for (name, (weight, longest)) in (0..).zip(&flows) {
            machine.queue.set_weight(&name, Weight::from(*weight) << scale);
            machine.longest.insert(name, *longest);
            // With as many requests as slots, a flow can use all there is.
            for _ in 0..=slots {
                machine.admit(name);
            }
        }
        let cost = |flow: usize| flows[flow].1 as f64 / f64::from(flows[flow].0);
        for _ in 0..2_000 {
            machine.step();
            for one in 0..flows.len() {
                for other in 0..one {
                    let got = |flow: usize| {
                        let done = machine.done.get(&(flow as u8)).copied().unwrap_or_default();
                        done as f64 / f64::from(flows[flow].0)
                    };
                    let bound = 2.0 * (slots + 1) as f64 * (cost(one) + cost(other));
                    let apart = (got(one) - got(other)).abs();
                    prop_assert!(apart <= bound, "{apart} apart, bound {bound}");
                }
            }
        }
    }

    /// The same when every request brings a weight of its own.
    #[test]
    fn work_by_the_weights_that_requests_bring_differs_by_no_more_either(
        slots in 1usize..4,
        flows in proptest::collection::vec((1u64..100_000, proptest::collection::vec(1u32..1_000, 4..8)), 2..6),
        seed in any::<u64>(),
    ) {
        let mut machine = Machine::new(slots, seed);
        for (name, (longest, weights)) in (0..).zip(&flows) {
            machine.longest.insert(name, *longest);
            for weight in weights {
                machine.admit_bringing(name, Weight::from(*weight));
            }
        }
        let cost = |flow: usize| {
            let lightest = flows[flow].1.iter().min().copied().unwrap_or(1);
            flows[flow].0 as f64 / f64::from(lightest)
        };
        for _ in 0..2_000 {
            machine.step();
            for one in 0..flows.len() {
                for other in 0..one {
                    let got = |flow: usize| {
                        machine.by_weight.get(&(flow as u8)).copied().unwrap_or_default()
                    };
                    let bound = 2.0 * (slots + 1) as f64 * (cost(one) + cost(other));
                    let apart = (got(one) - got(other)).abs();
                    prop_assert!(apart <= bound, "{apart} apart, bound {bound}");
                }
            }
        }
    }

    /// Whatever happens in whatever order, counts stay right, nobody holds more than may, and a slot
    /// is never free while somebody may have it.
    #[test]
    fn slots_are_never_idle_while_somebody_waits_and_nothing_is_lost(
        steps in proptest::collection::vec((0u8..7, 0u8..5, 0u64..2_000_000), 1..400),
    ) {
        let limits = Limits {
            slots: 2,
            max_begun: 6,
            max_begun_unweighted: 4,
            max_begun_per_flow: 3,
            max_waiting: 12,
            max_waiting_per_flow: 6,
            max_per_caller: 8,
        };
        let mut queue: Queue = Scheduler::new(limits);
        let mut live: Vec<(Ticket, u8)> = Vec::new();
        let (mut working, mut blocked) = (Vec::new(), Vec::new());
        for (what, flow, number) in steps {
            let pick = |from: &mut Vec<Ticket>| match from.len() {
                0 => None,
                length => Some(from.swap_remove(number as usize % length)),
            };
            match what {
                0 | 1 => match queue.admit(&flow, flow % 3, (number % 3 == 0).then(|| number.into())) {
                    Ok(ticket) => live.push((ticket, flow)),
                    Err(Refused::Full) => prop_assert_eq!(queue.waiting(), 12),
                    Err(_) => prop_assert!(live.len() >= 6),
                },
                2 => queue.set_weight(&flow, Weight::from(number % 4) << (number % 90)),
                3 => if let Some(ticket) = pick(&mut working) { queue.yields(ticket, number) },
                4 => if let Some(ticket) = pick(&mut working) {
                    queue.blocks(ticket, number);
                    blocked.push(ticket);
                },
                5 => if let Some(ticket) = pick(&mut blocked) { queue.wakes(ticket) },
                _ => if !live.is_empty() {
                    let (ticket, _) = live.swap_remove(number as usize % live.len());
                    queue.ends(ticket, number);
                    working.retain(|other| *other != ticket);
                    blocked.retain(|other| *other != ticket);
                },
            }
            while let Some(ticket) = queue.grant() {
                working.push(ticket);
            }
            prop_assert_eq!(queue.working(), working.len());
            prop_assert!(working.len() <= 2 && queue.begun() <= 6);
            prop_assert_eq!(queue.waiting() + queue.begun(), live.len());
            let of_flows: usize = queue.flows().map(|(_, flow)| flow.waiting + flow.begun).sum();
            prop_assert_eq!(of_flows, live.len());
            let free = queue.flows().filter(|(_, flow)| flow.weight == 0);
            prop_assert!(free.map(|(_, flow)| flow.begun).sum::<usize>() <= 6);
            if working.is_empty() {
                // Whoever has begun and does not wait for something else would work.
                prop_assert_eq!(queue.begun(), blocked.len());
            }
        }
        for (ticket, _) in live {
            queue.ends(ticket, 1);
        }
        prop_assert_eq!((queue.waiting(), queue.begun(), queue.working()), (0, 0, 0));
        prop_assert!(queue.flows().all(|(_, flow)| flow.weight > 0), "idle flows are forgotten");
    }
}

/// Works for a while with two requests of each flow always there, and says what each flow did.
fn shares(machine: &mut Machine, steps: usize) -> BTreeMap<u8, f64> {
    let before = machine.done.clone();
    for _ in 0..steps {
        machine.step();
    }
    let did = |flow: &u8| machine.done[flow] - before.get(flow).copied().unwrap_or_default();
    let all: Work = machine.done.keys().map(did).sum();
    let share = |flow: &u8| (*flow, did(flow) as f64 / all as f64);
    machine.done.keys().map(share).collect()
}

fn saturated(weights: &[(u8, Weight)]) -> Machine {
    let mut machine = Machine::new(2, 7);
    for (flow, weight) in weights {
        machine.queue.set_weight(flow, *weight);
        machine
            .longest
            .insert(*flow, 1_000 * (1 + Work::from(*flow)));
        for _ in 0..4 {
            machine.admit(*flow);
        }
    }
    machine
}

#[track_caller]
fn near(share: f64, expected: f64) {
    assert!((share - expected).abs() < 0.01, "{share}, not {expected}");
}

#[test]
fn stakes_of_5_to_3_to_2_get_half_and_three_and_two_tenths() {
    let shares = shares(&mut saturated(&[(0, 5), (1, 3), (2, 2)]), 20_000);
    near(shares[&0], 0.5);
    near(shares[&1], 0.3);
    near(shares[&2], 0.2);
}

#[test]
fn two_callers_that_name_5_and_3_get_five_and_three_eighths() {
    let mut machine = Machine::new(2, 7);
    for (flow, weight) in [(0, 5), (1, 3)] {
        machine.longest.insert(flow, 1_000 * (1 + Work::from(flow)));
        // More requests are not more weight.
        for _ in 0..4 + 20 * flow {
            machine.admit_bringing(flow, weight);
        }
    }
    let shares = shares(&mut machine, 20_000);
    near(shares[&0], 0.625);
    near(shares[&1], 0.375);
}

#[test]
fn who_brings_a_weight_goes_before_who_has_none_and_is_forgotten_when_it_owes_nothing() {
    let mut queue: Queue = Scheduler::new(limits(1));
    let free = queue.admit(&0, 0, None).unwrap();
    let paid = queue.admit(&1, 1, Some(1)).unwrap();
    let others = [0; 2].map(|_| queue.admit(&2, 2, Some(1_000)).unwrap());
    assert_eq!(queue.grant(), Some(paid));
    queue.ends(paid, 1_000_000);
    // Its flow has nothing to do, and still owes what it did for so little.
    let again = queue.admit(&1, 1, Some(1)).unwrap();
    for ticket in [others[0], others[1], again, free] {
        assert_eq!(queue.grant(), Some(ticket));
        queue.ends(ticket, 1);
    }
    assert_eq!(queue.flows().count(), 0);
    assert_eq!(queue.forgotten(), 1_000_004);
}

#[test]
fn what_is_due_is_what_is_used() {
    let mut machine = saturated(&[(0, 5), (1, 3), (2, 2)]);
    shares(&mut machine, 20_000);
    for (_, flow) in machine.queue.flows() {
        let ratio = flow.used as f64 / flow.due as f64;
        assert!((0.98..1.02).contains(&ratio), "{flow:?}");
    }
}

#[test]
fn a_weight_that_changes_counts_at_once() {
    let mut machine = saturated(&[(0, 1), (1, 1 << 80)]);
    near(shares(&mut machine, 5_000)[&1], 1.0);
    machine.queue.set_weight(&0, 3 << 80);
    near(shares(&mut machine, 20_000)[&0], 0.75);
    machine.queue.set_weight(&1, 1);
    machine.queue.set_weight(&0, 1);
    near(shares(&mut machine, 20_000)[&0], 0.5);
}

#[test]
fn the_lightest_flow_is_served_beside_the_heaviest() {
    let mut machine = saturated(&[(0, 1), (1, Weight::MAX)]);
    shares(&mut machine, 1_000);
    assert!(machine.done[&0] > 0);
}

#[test]
fn a_flow_without_weight_gets_what_is_left_and_nothing_else() {
    let mut machine = saturated(&[(0, 1), (1, 0)]);
    assert_eq!(shares(&mut machine, 1_000).get(&1), None);
    // One request can use one of two slots.
    let mut machine = Machine::new(2, 7);
    machine.queue.set_weight(&0, 1);
    machine.longest = BTreeMap::from([(0, 1_000), (1, 1_000)]);
    machine.admit(0);
    machine.admit(1);
    near(shares(&mut machine, 20_000)[&1], 0.5);
}

#[test]
fn flows_without_weight_share_equally() {
    let shares = shares(&mut saturated(&[(0, 0), (1, 0)]), 20_000);
    near(shares[&0], 0.5);
}

#[test]
fn who_was_away_gets_no_credit_and_is_not_punished() {
    let mut machine = saturated(&[(0, 1), (1, 1)]);
    shares(&mut machine, 10_000);
    machine.queue.set_weight(&2, 1);
    machine.longest.insert(2, 1_000);
    for _ in 0..4 {
        machine.admit(2);
    }
    near(shares(&mut machine, 20_000)[&2], 1.0 / 3.0);
}

#[test]
fn waiting_for_something_else_costs_nothing() {
    let mut queue: Queue = Scheduler::new(limits(1));
    queue.set_weight(&0, 1);
    queue.set_weight(&1, 1);
    let slow = queue.admit(&0, 0, None).unwrap();
    assert_eq!(queue.grant(), Some(slow));
    queue.blocks(slow, 10);
    let other = queue.admit(&1, 0, None).unwrap();
    assert_eq!(queue.grant(), Some(other), "the slot is free");
    queue.ends(other, 1_000_000);
    assert_eq!(queue.grant(), None);
    queue.wakes(slow);
    assert_eq!(queue.grant(), Some(slow));
    queue.ends(slow, 5);
    let used: Vec<_> = queue.flows().map(|(_, flow)| flow.used).collect();
    assert_eq!(used, [15, 1_000_000]);
}

#[test]
fn requests_of_one_flow_take_turns() {
    let mut queue: Queue = Scheduler::new(limits(1));
    let long = queue.admit(&0, 0, None).unwrap();
    assert_eq!(queue.grant(), Some(long));
    let short = queue.admit(&0, 0, None).unwrap();
    queue.yields(long, 1_000);
    assert_eq!(queue.grant(), Some(short));
    queue.ends(short, 10);
    assert_eq!(queue.grant(), Some(long));
}

#[test]
fn queues_are_bounded_in_all_by_flow_and_by_caller() {
    let limits = Limits {
        max_waiting: 5,
        max_waiting_per_flow: 3,
        max_per_caller: 2,
        ..limits(1)
    };
    let mut queue: Queue = Scheduler::new(limits);
    let first = queue.admit(&0, 0, None).unwrap();
    queue.admit(&1, 0, None).unwrap();
    assert_eq!(queue.admit(&2, 0, None), Err(Refused::CallerFull));
    queue.admit(&0, 1, None).unwrap();
    queue.admit(&0, 2, None).unwrap();
    assert_eq!(queue.admit(&0, 3, None), Err(Refused::FlowFull));
    queue.admit(&1, 3, None).unwrap();
    assert_eq!(queue.admit(&2, 4, None), Err(Refused::Full));
    // Whoever goes away makes room.
    queue.ends(first, 0);
    queue.admit(&2, 0, None).unwrap();
}

#[test]
fn some_places_are_for_flows_with_weight() {
    let limits = Limits {
        max_begun: 3,
        max_begun_unweighted: 2,
        ..limits(8)
    };
    let mut queue: Queue = Scheduler::new(limits);
    for _ in 0..3 {
        queue.admit(&0, 0, None).unwrap();
    }
    let first = queue.grant().unwrap();
    assert!(queue.grant().is_some());
    assert_eq!(queue.grant(), None);
    queue.set_weight(&1, 1);
    let weighted = queue.admit(&1, 0, None).unwrap();
    assert_eq!(queue.grant(), Some(weighted));
    // Whoever has begun may go on when nobody may begin.
    queue.admit(&1, 0, None).unwrap();
    queue.yields(first, 1);
    assert_eq!(queue.grant(), Some(first));
    assert_eq!(queue.grant(), None);
}

#[test]
fn the_expected_wait_grows_with_the_queue_and_shrinks_with_the_weight() {
    let mut machine = saturated(&[(0, 9), (1, 1), (2, 0)]);
    shares(&mut machine, 100);
    let queue = &mut machine.queue;
    for flow in [0, 1, 2] {
        let ticket = queue.admit(&flow, 0, None).unwrap();
        while queue.grant().is_some() {}
        queue.ends(ticket, 1_000);
    }
    for (flow, _) in [(0, 9), (1, 1)] {
        let before = queue.expected_wait(&flow);
        queue.admit(&flow, 0, None).unwrap();
        assert!(queue.expected_wait(&flow) >= before);
    }
}

#[test]
fn tags_do_not_overflow() {
    let mut queue: Queue = Scheduler::new(limits(2));
    queue.set_weight(&0, 1);
    queue.set_weight(&1, 1);
    let tickets = [0, 0, 0, 1, 1, 1].map(|flow| queue.admit(&flow, 0, None).unwrap());
    let mut held = Vec::new();
    for _ in 0..2_000 {
        while let Some(ticket) = queue.grant() {
            held.push(ticket);
        }
        queue.yields(held.remove(0), Work::MAX);
    }
    let used: Vec<_> = queue.flows().map(|(_, flow)| flow.used).collect();
    assert!(used[0].abs_diff(used[1]) <= 12 << 40, "{used:?}");
    for ticket in tickets {
        queue.ends(ticket, 0);
    }
}
