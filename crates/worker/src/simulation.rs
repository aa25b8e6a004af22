//! A simulated network: the real runtime, real workers, and a host between them that does what it
//! likes. One seed decides everything, so a run that fails can be replayed.
//!
//! There is no socket, no clock and no thread that decides anything. The chain is
//! [`phat_solo::Stepped`]; a worker is its [`Node`](crate::node::Node), its
//! [`Reporter`](crate::reporter::Reporter) and its snapshots on a folder, driven through
//! [`advance`](crate::worker::advance) as [`Worker`](crate::Worker) does it. Between them requests and
//! answers are lost, late, doubled, out of order or bent; workers stop at any step, within a batch of
//! blocks too, and start again from their disk, from an older copy of it or from none; they are added
//! and removed, lapse and come back; gatekeepers, master keys and transport keys change; and all the
//! while people deploy, in public and in private, send commands, and move money.
//!
//! After every step the [`invariants`] hold, and when the faults end everything comes right.
//!
//! ```sh
//! cargo test --release -p phat-worker --lib simulation                     # some seeds, some seconds
//! PHAT_RUNS=200 PHAT_STEPS=5000 cargo test --release -p phat-worker --lib simulation -- --nocapture
//! PHAT_SEED=17 PHAT_STEPS=5000 cargo test --release -p phat-worker --lib simulation -- --nocapture
//! ```
//!
//! The last one replays one seed and prints what happens.

mod dice;
mod invariants;
mod machine;
mod network;
mod people;
mod reference;
mod world;

use std::env;
use world::World;

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

async fn run(seed: u64, steps: u64) -> World {
    let mut world = World::new(seed).await;
    for _ in 0..steps {
        world.step().await;
    }
    world.settle().await;
    world
}

#[tokio::test]
async fn whatever_goes_wrong_nothing_is_lost_and_in_the_end_everything_comes_right() {
    let steps = setting("PHAT_STEPS").unwrap_or(500);
    let one = setting("PHAT_SEED");
    let runs = setting("PHAT_RUNS").unwrap_or(2);
    for seed in one.map_or(1..runs + 1, |seed| seed..seed + 1) {
        let world = run(seed, steps).await;
        if one.is_some() {
            println!("{}", world.trace().join("\n"));
        }
        println!("seed {seed}: {}", world.summary());
    }
}

#[tokio::test]
async fn the_same_seed_gives_the_same_run() {
    let (once, again) = (run(99, 150).await, run(99, 150).await);
    for (first, second) in once.trace().iter().zip(again.trace()) {
        assert_eq!(*first, second);
    }
    assert_eq!(once.trace().len(), again.trace().len());
}
