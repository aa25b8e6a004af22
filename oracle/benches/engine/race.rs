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

/// How often threads together do some work in a second.
pub(crate) struct Pace {
    /// By the clock: what they do, if they are alone on the machine.
    pub(crate) clock: f64,
    /// In a second of processor time for each of them: what they would do, if they do not wait for
    /// each other.
    pub(crate) processor: f64,
}

impl Pace {
    pub(crate) fn of(threads: usize, span: Duration, work: &(impl Fn() + Sync)) -> Self {
        let start = Barrier::new(threads);
        let run = || {
            start.wait();
            let (begun, had, mut done) = (Instant::now(), processor_time(), 0u32);
            while begun.elapsed() < span {
                work();
                done += 1;
            }
            let per_second = |time: Duration| f64::from(done) / time.as_secs_f64();
            (
                per_second(begun.elapsed()),
                per_second(processor_time() - had),
            )
        };
        let paces = std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
            let ended = running.into_iter().map(|thread| thread.join().unwrap());
            ended.collect::<Vec<_>>()
        });
        Self {
            clock: paces.iter().map(|(clock, _)| clock).sum(),
            processor: paces.iter().map(|(_, processor)| processor).sum(),
        }
    }
}
