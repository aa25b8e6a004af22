//! What workers in this process say in their log.

use std::{
    io::{self, Write},
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};
use tokio::{sync, time::sleep};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The log of all workers, which one test at a time may read.
static LOG: LazyLock<(Lines, sync::Mutex<()>)> = LazyLock::new(|| {
    let lines = Lines::default();
    let writer = lines.clone();
    // As a worker says it by default, and in the form in which it does.
    tracing_subscriber::fmt()
        .with_env_filter("warn,phat_worker=info")
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .try_init()
        .unwrap();
    (lines, sync::Mutex::default())
});

/// The log, as long as this test has it for itself.
pub(crate) struct Log {
    _alone: sync::MutexGuard<'static, ()>,
    begin: usize,
}

impl Log {
    pub(crate) async fn take() -> Self {
        let mut log = Self {
            _alone: LOG.1.lock().await,
            begin: 0,
        };
        log.forget();
        log
    }

    /// What was said up to now does not count.
    pub(crate) fn forget(&mut self) {
        self.begin = LOG.0.0.lock().unwrap().len();
    }

    fn text(&self) -> String {
        let bytes = LOG.0.0.lock().unwrap();
        String::from_utf8_lossy(&bytes[self.begin..]).into_owned()
    }

    /// Waits until the log says this.
    pub(crate) async fn says(&self, what: &str, expected: &str) {
        for _ in 0..1200 {
            if self.text().contains(expected) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!(
            "{what}: the log does not say {expected:?}:\n{}",
            self.text()
        );
    }
}
