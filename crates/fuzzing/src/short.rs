//! A short run of a target, in the tests of the crate that it is about, on bytes that are the same
//! every time. The seed of an input that went wrong is the last one printed.

use crate::Repeatable;
use rand_core::RngCore;

/// Runs a target on `runs` inputs of up to `longest` bytes, and checks that at least one of `every`
/// gets through: a target that refuses everything tests nothing.
pub fn run(target: fn(&[u8]) -> bool, runs: u64, longest: usize, every: u64) {
    let mut through = 0;
    for seed in 0..runs {
        let mut random = Repeatable(seed << 32);
        let mut data = vec![0; random.next_u64() as usize % longest.max(1)];
        random.fill_bytes(&mut data);
        eprintln!("seed {seed}");
        through += u64::from(target(&data));
    }
    assert!(
        through >= runs / every,
        "only {through} of {runs} got through"
    );
}
