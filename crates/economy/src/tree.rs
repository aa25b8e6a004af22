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
