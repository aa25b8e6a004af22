//! The tree of free workers: for any range of the ring, the least power of a worker that nobody has
//! taken. With it a cluster finds the next worker that fits in a few reads.
//!
//! Places on the ring, counted from 0, are the leaves; a [`Node`] summarises [`FAN`] places, or [`FAN`]
//! nodes of the level below. Every tree has [`HEIGHT`] levels, so that a place has the same nodes
//! however many workers there are. Nodes of an earlier era need not be cleared: a place is entered after
//! all before it, and the first one under a node starts the node afresh; behind the last place nobody
//! looks.
//!
//! Cost, in nodes: [`free`] and [`take`] read and write as many levels as notice the change, at least
//! one and at most [`HEIGHT`]; [`find`] reads at most `2·HEIGHT − 1`.

use crate::{Lost, Store};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Children of a node. Few enough that one is read at once, so many that the tree is flat: what costs on
/// a chain is how many records are read, not how long they are.
pub const FAN: u32 = 64;
/// Levels of the tree.
pub const HEIGHT: u8 = 4;
/// The most workers an era can have: 16 777 216.
pub const MAX_WORKERS: u32 = FAN.pow(HEIGHT as u32);

const FAN_BITS: u32 = FAN.ilog2();

/// What is free in a range of the ring, by its parts.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Node {
    /// Bit `i` says whether child `i` has a free worker.
    free: u64,
    /// Least power among the free workers of each child; 0 if it has none.
    least: [u64; FAN as usize],
}

impl Node {
    const EMPTY: Self = Self {
        free: 0,
        least: [0; FAN as usize],
    };

    /// Least power among the free workers of all children.
    fn summary(&self) -> Option<u64> {
        let mut least = None;
        for (child, power) in self.least.iter().enumerate() {
            if self.free >> child & 1 == 1 && least.is_none_or(|least| *power < least) {
                least = Some(*power);
            }
        }
        least
    }

    fn set(&mut self, child: u32, least: Option<u64>) {
        let bit = 1 << child;
        match least {
            Some(_) => self.free |= bit,
            None => self.free &= !bit,
        }
        if let Some(place) = self.least.get_mut(child as usize) {
            *place = least.unwrap_or_default();
        }
    }

    /// The first child, from `child` on, with a free worker of at most `limit`.
    fn first(&self, child: u32, limit: u128) -> Option<u32> {
        let children = self.least.iter().zip(0..FAN).skip(child as usize);
        for (power, child) in children {
            if self.free >> child & 1 == 1 && u128::from(*power) <= limit {
                return Some(child);
            }
        }
        None
    }
}

/// Enters a worker that is free. Places must be entered in order, from 0 on.
pub(crate) fn free<S: Store>(store: &mut S, place: u32, power: u64) -> Result<(), Lost> {
    change(store, place, Some(power), |level| {
        place.trailing_zeros() >= FAN_BITS * (u32::from(level) + 1)
    })
}

/// Takes a worker out.
pub(crate) fn take<S: Store>(store: &mut S, place: u32) -> Result<(), Lost> {
    change(store, place, None, |_| false)
}

/// Changes a place, and the nodes above it as far as they notice. `fresh` says for which levels there is
/// no node yet.
fn change<S: Store>(
    store: &mut S,
    place: u32,
    power: Option<u64>,
    fresh: impl Fn(u8) -> bool,
) -> Result<(), Lost> {
    let (mut child, mut least) = (place, power);
    for level in 0..HEIGHT {
        let index = child / FAN;
        let mut node = match fresh(level) {
            true => Node::EMPTY,
            false => store.node(level, index).ok_or(Lost)?,
        };
        let before = node.summary();
        node.set(child % FAN, least);
        let after = node.summary();
        store.put_node(level, index, node);
        if after == before {
            break;
        }
        (child, least) = (index, after);
    }
    Ok(())
}

/// The first place, from `from` on, of a free worker whose power is at most `limit`. There must be a
/// place at `from`.
pub(crate) fn find<S: Store>(store: &S, from: u32, limit: u128) -> Result<Option<u32>, Lost> {
    let (mut level, mut child) = (0, from);
    // Up, until a node has something behind where we come from.
    loop {
        // Of a whole node the one above knows.
        while level + 1 < HEIGHT && child % FAN == 0 {
            child /= FAN;
            level += 1;
        }
        if child / FAN > 0 && level + 1 == HEIGHT {
            return Ok(None);
        }
        let index = child / FAN;
        let node = store.node(level, index).ok_or(Lost)?;
        if let Some(first) = node.first(child % FAN, limit) {
            child = index * FAN + first;
            break;
        }
        if level + 1 == HEIGHT {
            return Ok(None);
        }
        child = index + 1;
        level += 1;
    }
    // Down, to the first place.
    while level > 0 {
        level -= 1;
        let node = store.node(level, child).ok_or(Lost)?;
        child = child * FAN + node.first(0, limit).ok_or(Lost)?;
    }
    Ok(Some(child))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use proptest::prelude::*;

    /// Enters these powers, as an era does.
    fn plant(store: &mut Memory, powers: &[u64]) {
        for (place, power) in (0..).zip(powers) {
            free(store, place, *power).unwrap();
        }
    }

    fn naive(free: &[Option<u64>], from: u32, limit: u128) -> Option<u32> {
        let places = (0..).zip(free).skip(from as usize);
        let mut fitting = places.filter(|(_, power)| power.is_some_and(|p| u128::from(p) <= limit));
        fitting.next().map(|(place, _)| place)
    }

    #[test]
    fn trees_of_all_heights_find_the_first_and_the_last_place() {
        let mut store = Memory::default();
        // One store for all, up and down: what another tree has left must not be seen.
        for workers in [1, 4_097, 63, 64, 65, 4_095, 4_096, 262_145, 127, 129] {
            plant(&mut store, &vec![7; workers]);
            let last = workers as u32 - 1;
            assert_eq!(find(&store, 0, 7), Ok(Some(0)));
            assert_eq!(find(&store, 0, 6), Ok(None));
            assert_eq!(find(&store, last, 7), Ok(Some(last)));
            assert_eq!(find(&store, last / 2, u128::MAX), Ok(Some(last / 2)));
            for place in 0..last {
                take(&mut store, place).unwrap();
            }
            assert_eq!(find(&store, 0, 7), Ok(Some(last)));
            take(&mut store, last).unwrap();
            assert_eq!(find(&store, 0, u128::MAX), Ok(None));
            assert_eq!(find(&store, last, u128::MAX), Ok(None));
        }
    }

    #[test]
    fn the_greatest_power_is_not_the_same_as_nobody() {
        let mut store = Memory::default();
        plant(&mut store, &[u64::MAX, u64::MAX]);
        assert_eq!(find(&store, 0, u128::from(u64::MAX) - 1), Ok(None));
        assert_eq!(find(&store, 0, u128::from(u64::MAX)), Ok(Some(0)));
        take(&mut store, 0).unwrap();
        assert_eq!(find(&store, 0, u128::MAX), Ok(Some(1)));
    }

    #[test]
    fn a_node_that_is_lost_is_an_error() {
        let mut store = Memory::default();
        assert_eq!(find(&store, 0, 1), Err(Lost));
        assert_eq!(take(&mut store, 5), Err(Lost));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_tree_finds_what_a_look_at_everybody_finds(
            before in prop::collection::vec(0u64..50, 0..300),
            powers in prop::collection::vec(0u64..50, 1..6_000),
            queries in prop::collection::vec((any::<u32>(), 0u128..60, any::<bool>()), 0..400),
        ) {
            let mut store = Memory::default();
            plant(&mut store, &before);
            plant(&mut store, &powers);
            let mut left: Vec<_> = powers.iter().copied().map(Some).collect();
            for (from, limit, taken) in queries {
                let from = from % left.len() as u32;
                let found = find(&store, from, limit);
                prop_assert_eq!(found, Ok(naive(&left, from, limit)));
                if let (Ok(Some(place)), true) = (found, taken) {
                    take(&mut store, place).unwrap();
                    left[place as usize] = None;
                }
            }
        }
    }
}
