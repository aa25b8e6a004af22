//! What an era costs, and how the cost grows with workers, clusters and preferences.
//!
//! ```sh
//! cargo bench -p phat-economy
//! ```
//!
//! Each size runs in a process of its own, so that its memory can be told. Times are what the thread has
//! had of a processor, so that other programs on the machine count as little as possible.

use phat_economy::{
    Capacity, CapacityReward, Parameters, PopularityReward, Spot, memory::Memory, point,
};
use std::{env, fs, process::Command};

/// The size that has to take less than two seconds.
const FULL: Size = Size {
    workers: 100_000,
    clusters: 10_000,
    names: 50,
};
/// Eras of one size; the figure is their median.
const RUNS: usize = 5;
/// Workers that half of all names are for: who is popular is so with many.
const POPULAR: u64 = 1_000;

#[derive(Clone, Copy)]
struct Size {
    workers: u32,
    clusters: u32,
    names: u32,
}

fn main() {
    let args: Vec<u32> = env::args().filter_map(|arg| arg.parse().ok()).collect();
    if let [workers, clusters, names] = args[..] {
        return measure(Size {
            workers,
            clusters,
            names,
        });
    }
    println!("  workers  clusters  names each     steps   an era      inputs     with the era");
    for factor in [1, 2, 4, 8, 16] {
        run(Size {
            workers: FULL.workers / 8 * factor,
            ..FULL
        });
    }
    println!();
    for factor in [1, 2, 4, 8, 16] {
        run(Size {
            clusters: FULL.clusters / 8 * factor,
            ..FULL
        });
    }
    println!();
    for names in [0, 25, 50, 100, 200] {
        run(Size { names, ..FULL });
    }
}

/// Measures one size in a process of its own.
fn run(size: Size) {
    let program = env::current_exe().expect("it has a name");
    let sizes = [size.workers, size.clusters, size.names];
    let status = Command::new(program)
        .args(sizes.map(|size| size.to_string()))
        .status();
    assert!(status.expect("it starts").success());
}

fn measure(size: Size) {
    let empty = resident();
    let mut store = inputs(size);
    let inputs = resident() - empty;
    let parameters = Parameters {
        reserved: 100_000_000,
        f: CapacityReward::Product {
            rate: 1_000_000,
            unit: 7,
        },
        g: PopularityReward::Saturating {
            max: 1_000_000_000_000,
            half2: 1_000_000_000,
        },
    };
    let mut steps = 0;
    let mut times: Vec<_> = (0..RUNS)
        .map(|_| {
            let begun = processor_time();
            let mut era = store.begin(parameters).expect("they are good");
            steps = 0;
            while !era.is_complete() {
                era.step(&mut store).expect("it can be computed");
                steps += 1;
            }
            store.switch();
            processor_time() - begun
        })
        .collect();
    times.sort();
    println!(
        "{:>9} {:>9} {:>11} {steps:>9} {:>5} ms {:>7.1} MiB {:>12.1} MiB",
        size.workers,
        size.clusters,
        size.names,
        times[RUNS / 2] / 1_000_000,
        inputs as f64 / 1024.0,
        (resident() - empty) as f64 / 1024.0,
    );
}

fn inputs(size: Size) -> Memory {
    let mut random = Random(1);
    let mut store = Memory::default();
    for worker in 0..size.workers {
        let point = point(&random.next().to_le_bytes(), &worker.to_le_bytes());
        let capacity = Capacity {
            power: 1 + random.below(1_000),
            confidence: random.below(5),
        };
        store.add_worker(Spot { point, worker }, capacity);
    }
    let workers = u64::from(size.workers);
    for cluster in 0..size.clusters {
        let point = point(&random.next().to_le_bytes(), &cluster.to_le_bytes());
        store.add_cluster(cluster, point);
        // From one token of 12 decimals to a million, the small ones more often.
        let digits = 12 + random.below(6) as u32;
        store.set_stake(
            cluster,
            10u128.pow(digits) + u128::from(random.next() >> 24),
        );
        let names = (0..size.names).map(|name| match name % 2 {
            0 => random.below(workers.min(POPULAR)) as u32,
            _ => random.below(workers) as u32,
        });
        store.set_preferences(cluster, names.collect());
    }
    store
}

/// Nanoseconds that this thread has had of a processor.
fn processor_time() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("it runs on Linux");
    let first = text.split_whitespace().next();
    first
        .and_then(|digits| digits.parse().ok())
        .expect("it says so")
}

/// KiB that the process has in memory.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/status").expect("it runs on Linux");
    let line = text.lines().find(|line| line.starts_with("VmRSS:"));
    let digits = line.and_then(|line| line.split_whitespace().nth(1));
    digits
        .and_then(|digits| digits.parse().ok())
        .expect("it says so")
}

/// The same numbers in every run (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
