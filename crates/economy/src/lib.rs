//! The rules of Phat's economy: which cluster gets which workers, and what a worker earns.
//!
//! Everything here is a pure function of its arguments or of a [`Store`], in integers, and knows no
//! pallet. The chain and the simulator run the same code. The rules are those of the *demand-end
//! tokenomics* of Phala Network (S. Häfner), made exact where its prose leaves something open.
//!
//! | module | what it holds |
//! |---|---|
//! | [`era`](Era) | budgets, matching, popularity and value: one era, step by step |
//! | [`store`](Store) | what an era reads and writes |
//! | [`ring`](point) | where workers and clusters stand |
//! | [`tree`](Node) | who on the ring is still free, and fits |
//! | [`reward`](Parameters) | what governance sets: α, f and g |
//! | [`account`](Account) | slashes, payouts, removal, leaving |
//! | [`versioned`](Versioned) | inputs that change while an era is under way |
//! | [`memory`] | a store in memory |
//! | [`simulator`] | `phat economy simulate` |
//!
//! # An era
//!
//! ```text
//! joins
//! budgets      P = ΣP_w    reserved = P·α    B_i = (P − reserved)·S_i / ΣS     of clusters with S_i > 0
//! matching     clusters by stake; each goes through those it has named, then around the ring
//! popularity   2(m − k + 1) points for rank k of q named workers, m − q + 1 for each other one
//! value        V_w += f(C_w, P_w) + g(b_w)
//! slashes
//! payouts      at most Σ(f + g − s − w)
//! removals     of those with S + Σ(f + g − s − w) ≤ 0
//! leaves       with S + Σ(f + g − s − w)
//! ```
//!
//! Budgets to value are an [`Era`]: too much for a block of a chain, so it is a cursor that takes one
//! small step after the other, and can be kept as bytes in between. The rest belongs to one worker at a
//! time and is an [`Account`].
//!
//! Nothing is ever sorted. The store keeps the ring, as workers become active, and the clusters' order,
//! as they enter the era; both cost a logarithm for each. One search in the tree of free workers finds
//! the next worker that fits. So with `m` workers, `n` clusters and `q` names in all, an era takes at
//! most `3m + 4n + 5` steps, time in proportion to `m + n + q` times a logarithm, and memory in
//! proportion to `m + n + q`.
//!
//! ```
//! use phat_economy::{
//!     Capacity, CapacityReward, Parameters, PopularityReward, Spot, memory::Memory, point,
//! };
//!
//! let mut store = Memory::default();
//! for worker in 0..10u32 {
//!     let point = point(b"", &worker.to_le_bytes());
//!     let capacity = Capacity { power: 100, confidence: 1 };
//!     store.add_worker(Spot { point, worker }, capacity);
//! }
//! for (cluster, stake) in [(0, 50_000), (1, 30_000), (2, 20_000)] {
//!     store.add_cluster(cluster, point(b"", &[cluster as u8 + 1]));
//!     store.set_stake(cluster, stake);
//! }
//! let mut era = store.begin(Parameters {
//!     reserved: 0,
//!     f: CapacityReward::Linear { base: 10, per_confidence: 5, per_power: 1 },
//!     g: PopularityReward::Linear { per_point: 2 },
//! })?;
//! while !era.is_complete() {
//!     era.step(&mut store)?;
//! }
//! store.switch();
//!
//! let workers: Vec<u32> = store.shares().values().map(|share| share.workers).collect();
//! assert_eq!(workers, [5, 3, 2]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a pallet has to do
//!
//! **Store.** All items are maps with values of bounded length. The two ordered ones, ring and bids, are
//! hashed by `Identity`, so that the trie keeps the order of their keys and `iter_keys_from` finds the
//! next one. Their keys begin with a hash or a stake, so that it costs something to crowd a branch of
//! the trie.
//!
//! | item | key → value |
//! |---|---|
//! | ring | `point ‖ worker` → `Versioned<Option<Capacity>>` |
//! | stakes | cluster → its point, `Versioned<Balance>` |
//! | preferences | cluster → `Versioned<BoundedVec<worker>>` |
//! | entrants | place → [`Entrant`] |
//! | places | worker → place |
//! | nodes | level, index → [`Node`] |
//! | bids | `big-endian(!stake) ‖ point ‖ cluster` → nothing |
//! | shares | slot, cluster → era, [`Share`] |
//! | outcomes | slot, worker → era, [`Outcome`] |
//! | accounts | worker → `Versioned<Account>` |
//! | era | the [`Era`] under way with its number; number and slot of the one in force |
//!
//! Entrants, places and nodes are overwritten by the next era. Of the two slots of
//! results an era writes into the one that is not in force. Shares and outcomes name their era: one of
//! another era counts as none. A worker that goes takes its place, outcomes and account with it.
//!
//! **Begin** an era when its time has come: raise the number, keep the cursor. From that block on every
//! change of an input goes through [`Versioned::set`] with the new number. So a join, an unstaking or
//! new preferences have their effect from the era after on, as they should.
//!
//! **Compute** it in each block's idle time, while the weight that [`Phase`] states for the next step is
//! left; measure one benchmark for each phase, [`Phase::Names`] with the longest list. On an
//! [`EraError`] drop the cursor and say so in an event: the era in force goes on.
//!
//! **Switch** when it [is complete](Era::is_complete): put its number and slot in force. That is one write; it
//! makes every outcome valid at once, and with [`Outcome::value`] adds f + g to every worker's value
//! promise. Then tell the clusters who has moved, in as many blocks as that takes; only changes are
//! messages.
//!
//! **Between** two beginnings, slash and pay as it comes, through [`Versioned::set`] too: it belongs to the
//! era that has begun. A payout needs the value promise in force, so that until the switch its limit is
//! without the new f + g. Who asks to leave is marked: `None` in the ring.
//!
//! **End** workers in [`Store::next_worker`], which sees each of them once in every era, as it was when the
//! era began, which is the end of the one before: it removes who is
//! [exhausted](Account::is_exhausted), [settles](Account::leave) who leaves, and answers `None` for both.
//! They stay in their cluster until the switch, with the others that move.
//!
//! **Money.** A deposit is held until [`Settlement`] divides it between the operator and the treasury;
//! rewards are minted or paid from an account when they are paid out, not when they are promised.
//!
//! **Confidence** is more when it is better here. In evidence (`phat-attestation`) level 1 is the best
//! and 128 the worst: map it.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod account;
mod era;
pub mod memory;
mod reward;
mod ring;
#[cfg(feature = "std")]
pub mod simulator;
mod store;
mod tree;
mod versioned;

pub use account::{AboveLimit, Account, Request, Settlement};
pub use era::{Era, EraError, EraNumber, Lost, Phase, Totals};
pub use reward::{BILLION, BadParameters, CapacityReward, Parameters, PopularityReward};
pub use ring::{Point, Spot, point};
pub use store::{Bid, Capacity, Entrant, Outcome, Seat, Share, Store};
pub use tree::{FAN, HEIGHT, MAX_WORKERS, Node};
pub use versioned::Versioned;
