//! Measures rivals by turns.

use std::{
    sync::Barrier,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

/// One way to do the same work.
pub(crate) struct Rival<'a> {
    name: &'a str,
    /// How often the work is done in one turn.
    times: u32,
    work: Box<dyn FnMut() + 'a>,
}

impl<'a> Rival<'a> {
    pub(crate) fn new(name: &'a str, times: u32, work: impl FnMut() + 'a) -> Self {
        Self {
            name,
            times,
            work: Box::new(work),
        }
    }

    /// Microseconds for the work, once.
    fn turn(&mut self) -> f64 {
        let begun = processor_time();
        for _ in 0..self.times {
            (self.work)();
        }
        (processor_time() - begun).as_secs_f64() * 1e6 / f64::from(self.times)
    }
}

/// What this thread has had of a processor, in the kernel too. None of the work waits for anything, so
/// it is what a clock would show on a machine that does nothing else.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.try_into().expect("it is not negative")
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Lets rivals do their work by turns and prints the median time of each, and how many times as long
/// as the first it takes.
pub(crate) fn race(what: &str, turns: usize, rivals: &mut [Rival<'_>]) {
    for rival in &mut *rivals {
        rival.turn();
    }
    let times: Vec<Vec<f64>> = (0..turns)
        .map(|_| rivals.iter_mut().map(Rival::turn).collect())
        .collect();
    println!("{what}");
    for (index, rival) in rivals.iter().enumerate() {
        let time = median(times.iter().map(|turn| turn[index]));
        let ratio = median(times.iter().map(|turn| turn[index] / turn[0]));
        println!("  {:<28} {time:>10.2} µs {ratio:>8.2}", rival.name);
    }
}

/// How often so many threads together do the work in a second.
pub(crate) fn per_second(threads: usize, span: Duration, work: &(impl Fn() + Sync)) -> f64 {
    let start = Barrier::new(threads);
    let run = || {
        start.wait();
        let (begun, mut done) = (Instant::now(), 0u32);
        while begun.elapsed() < span {
            work();
            done += 1;
        }
        f64::from(done) / begun.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    })
}
