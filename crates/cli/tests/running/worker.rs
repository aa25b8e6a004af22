//! A `phat worker` in a process of its own, for the tests.

use super::Network;
use serde_json::Value;
use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

/// A running worker. It is killed when it is dropped.
pub(crate) struct Worker {
    process: Child,
    ready: Value,
    log: PathBuf,
}

fn command(folder: &Path, chain: &str, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phat"));
    command
        .args(["worker", "--json", "--chain", chain])
        .arg("--data-dir")
        .arg(folder)
        .args(options)
        .args(match options.contains(&"--listen") {
            true => &[][..],
            false => &["--listen", "127.0.0.1:0"],
        })
        .env("RUST_LOG", "warn,phat_worker=info")
        .env_remove("PHAT_SURI");
    command
}

/// What a worker that does not come up says.
pub(crate) fn refused(folder: &Path, chain: &str, options: &[&str]) -> String {
    let output = command(folder, chain, options)
        .output()
        .expect("phat starts");
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

impl Worker {
    /// Starts a worker and does not wait for it.
    pub(crate) fn spawn(folder: &Path, network: &Network, options: &[&str]) -> Child {
        command(folder, network.chain(), options)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("phat starts")
    }

    /// Starts a worker and waits until it serves.
    pub(crate) fn start(folder: &Path, network: &Network, options: &[&str]) -> Self {
        let log = folder.with_extension("log");
        let mut process = command(folder, network.chain(), options)
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("a file for its log"))
            .spawn()
            .expect("phat starts");
        let stdout = process.stdout.take().expect("its output is piped");
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it writes text");
        let ready = serde_json::from_str(&line).unwrap_or_else(|_| {
            let said = fs::read_to_string(&log).unwrap_or_default();
            panic!("the worker is not ready: {said}")
        });
        Self {
            process,
            ready,
            log,
        }
    }

    /// What it said of itself when it was ready.
    pub(crate) fn text(&self, key: &str) -> String {
        self.ready[key].as_str().expect("text").to_owned()
    }

    /// Its log so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).expect("its log")
    }

    /// How it ends, when it does so by itself.
    pub(crate) fn ended(mut self) -> ExitStatus {
        self.process.wait().expect("it runs")
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Fails only if it has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
