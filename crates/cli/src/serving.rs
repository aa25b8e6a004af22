//! Options of a worker's service: its limits, its certificate, and the form of its log.

use clap::ValueEnum;
use phat_worker::{
    egress::EgressConfig,
    server::{ServerLimits, Tls, TlsError},
};
use std::{fmt, io::IsTerminal, path::PathBuf, str::FromStr, time::Duration};
use tracing_subscriber::EnvFilter;

/// What a worker lets clients and contracts do.
#[derive(Clone, Debug, clap::Args)]
#[command(
    next_help_heading = "Limits of a worker (times up to 3600 s; sizes such as 64K, 2M or 1G)"
)]
pub(crate) struct WorkerLimits {
    /// Processors that contracts compute on
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().processors, value_parser = parse_processors)]
    processors: usize,
    /// Connections of clients open at once
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().max_connections, value_parser = parse_count)]
    max_connections: usize,
    /// Connections of one address; behind a proxy, all come from its address
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().max_connections_per_address, value_parser = parse_count)]
    max_connections_per_address: usize,
    /// Time after which a client has to connect anew
    #[arg(long, value_name = "SECONDS", default_value_t = Seconds(ServerLimits::default().connection_age))]
    connection_age: Seconds,
    /// Time to send the head of a request
    #[arg(long, value_name = "SECONDS", default_value_t = Seconds(ServerLimits::default().head_timeout))]
    head_timeout: Seconds,
    /// Size of the head of a request
    #[arg(long, value_name = "BYTES", default_value_t = Bytes(ServerLimits::default().max_head))]
    max_head: Bytes,
    /// Time to send the body of a request
    #[arg(long, value_name = "SECONDS", default_value_t = Seconds(ServerLimits::default().body_timeout))]
    body_timeout: Seconds,
    /// Size of the body of a request
    #[arg(long, value_name = "BYTES", default_value_t = Bytes(ServerLimits::default().max_body))]
    max_body: Bytes,
    /// Queries that have begun and not ended; those that wait for HTTP count
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().max_running, value_parser = parse_count)]
    max_running: usize,
    /// Those of them that are for contracts without stake
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().max_running_unstaked, value_parser = parse_count)]
    max_running_unstaked: usize,
    /// Those of them that are for one contract
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().max_running_per_contract, value_parser = parse_count)]
    max_running_per_contract: usize,
    /// Queries that wait until they may begin
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().max_waiting, value_parser = parse_count)]
    max_waiting: usize,
    /// Those of them that are for one contract
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().max_waiting_per_contract, value_parser = parse_count)]
    max_waiting_per_contract: usize,
    /// Queries of one client, waiting or running
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().max_per_caller, value_parser = parse_count)]
    max_per_caller: usize,
    /// Memory of the contracts of all running queries
    #[arg(long, value_name = "BYTES", default_value_t = Bytes(ServerLimits::default().query_memory))]
    query_memory: Bytes,
    /// Time for a query, waiting included
    #[arg(long, value_name = "SECONDS", default_value_t = Seconds(ServerLimits::default().query_timeout))]
    query_timeout: Seconds,
    /// Contracts that are told of at once
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().max_contract_ids, value_parser = parse_count)]
    max_contract_ids: usize,
    /// Snapshots sent to other workers at once
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().max_snapshots, value_parser = parse_count)]
    max_snapshots: usize,
    /// Time to finish queries when the worker is stopped
    #[arg(long, value_name = "SECONDS", default_value_t = Seconds(ServerLimits::default().shutdown_grace))]
    shutdown_grace: Seconds,
    /// HTTP requests of contracts under way at once
    #[arg(long, value_name = "N", default_value_t = EgressConfig::default().max_concurrent, value_parser = parse_count)]
    egress_max_concurrent: usize,
    /// Names of servers looked up at once; each holds a thread
    #[arg(long, value_name = "N", default_value_t = EgressConfig::default().max_lookups, value_parser = parse_count)]
    egress_max_lookups: usize,
    /// Time for an HTTP request of a contract
    #[arg(long, value_name = "SECONDS", default_value_t = Seconds(EgressConfig::default().max_timeout))]
    egress_max_timeout: Seconds,
    /// Size of the body of a contract's request
    #[arg(long, value_name = "BYTES", default_value_t = Bytes(EgressConfig::default().max_request_body))]
    egress_max_request_body: Bytes,
    /// Size of a URL
    #[arg(long, value_name = "BYTES", default_value_t = Bytes(EgressConfig::default().max_url))]
    egress_max_url: Bytes,
    /// Headers of a contract's request
    #[arg(long, value_name = "N", default_value_t = EgressConfig::default().max_headers, value_parser = parse_count)]
    egress_max_headers: usize,
    /// Size of all headers of a contract's request
    #[arg(long, value_name = "BYTES", default_value_t = Bytes(EgressConfig::default().max_header_bytes))]
    egress_max_header_bytes: Bytes,
    /// Size of the body of a response to a contract
    #[arg(long, value_name = "BYTES", default_value_t = Bytes(EgressConfig::default().max_body))]
    egress_max_body: Bytes,
    /// Redirects followed for one request of a contract
    #[arg(long, value_name = "N", default_value_t = EgressConfig::default().max_redirects, value_parser = parse_count)]
    egress_max_redirects: usize,
    /// Time that an unused connection to a server is kept
    #[arg(long, value_name = "SECONDS", default_value_t = Seconds(EgressConfig::default().idle_timeout))]
    egress_idle_timeout: Seconds,
    /// Unused connections kept for one server
    #[arg(long, value_name = "N", default_value_t = EgressConfig::default().max_idle_per_host, value_parser = parse_count)]
    egress_max_idle_per_host: usize,
    /// Dangerous: lets contracts talk to services on the worker's own machine
    #[arg(long)]
    egress_allow_loopback: bool,
    /// Dangerous: lets contracts talk to the private networks of the worker's machine
    #[arg(long)]
    egress_allow_private: bool,
}

impl WorkerLimits {
    /// What clients may do.
    pub(crate) fn server(&self) -> ServerLimits {
        ServerLimits {
            processors: self.processors,
            max_connections: self.max_connections,
            max_connections_per_address: self.max_connections_per_address,
            connection_age: self.connection_age.0,
            head_timeout: self.head_timeout.0,
            max_head: self.max_head.0,
            body_timeout: self.body_timeout.0,
            max_body: self.max_body.0,
            max_running: self.max_running,
            max_running_unstaked: self.max_running_unstaked,
            max_running_per_contract: self.max_running_per_contract,
            max_waiting: self.max_waiting,
            max_waiting_per_contract: self.max_waiting_per_contract,
            max_per_caller: self.max_per_caller,
            query_memory: self.query_memory.0,
            query_timeout: self.query_timeout.0,
            max_contract_ids: self.max_contract_ids,
            max_snapshots: self.max_snapshots,
            shutdown_grace: self.shutdown_grace.0,
        }
    }

    /// What contracts may fetch.
    pub(crate) fn egress(&self) -> EgressConfig {
        EgressConfig {
            allow_loopback: self.egress_allow_loopback,
            allow_private: self.egress_allow_private,
            max_concurrent: self.egress_max_concurrent,
            max_lookups: self.egress_max_lookups,
            max_timeout: self.egress_max_timeout.0,
            max_request_body: self.egress_max_request_body.0,
            max_url: self.egress_max_url.0,
            max_headers: self.egress_max_headers,
            max_header_bytes: self.egress_max_header_bytes.0,
            max_body: self.egress_max_body.0,
            max_redirects: self.egress_max_redirects,
            idle_timeout: self.egress_idle_timeout.0,
            max_idle_per_host: self.egress_max_idle_per_host,
        }
    }
}

/// Most of anything that is counted: far more than a machine holds, and what all parts of the worker can
/// count.
const MAX_COUNT: usize = 1_000_000;

/// Most processors: more than any machine has.
const MAX_PROCESSORS: usize = 4096;

fn parse_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ ..=MAX_COUNT) => Ok(count),
        _ => Err(format!("write a number, {MAX_COUNT} at most")),
    }
}

/// Without a processor a worker would take requests and answer none.
fn parse_processors(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=MAX_PROCESSORS) => Ok(count),
        _ => Err(format!("write a number between 1 and {MAX_PROCESSORS}")),
    }
}

/// A time in seconds, such as 0.5.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Seconds(Duration);

/// A size in bytes, such as 4096, 64K, 2M or 1G.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Bytes(usize);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_secs_f64())
    }
}

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds: f64 = text
            .parse()
            .map_err(|_| "write seconds, such as 3 or 0.5")?;
        // An hour is more than anything here needs.
        if !(0.001..=3600.0).contains(&seconds) {
            return Err("write seconds between 0.001 and 3600".into());
        }
        Ok(Self(Duration::from_secs_f64(seconds)))
    }
}

/// The letters that sizes end in, and what they stand for.
const UNITS: [(char, usize); 3] = [('G', 1 << 30), ('M', 1 << 20), ('K', 1 << 10)];

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |unit: usize| self.0 > 0 && self.0.is_multiple_of(unit);
        match UNITS.into_iter().find(|(_, unit)| whole(*unit)) {
            Some((letter, unit)) => write!(f, "{}{letter}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unit = UNITS
            .into_iter()
            .find(|(letter, _)| text.ends_with(*letter));
        let (digits, unit) = match unit {
            Some((letter, unit)) => (text.trim_end_matches(letter), unit),
            None => (text, 1),
        };
        let number: Option<usize> = digits.parse().ok();
        let bytes = number.and_then(|number| number.checked_mul(unit));
        bytes
            .map(Self)
            .ok_or_else(|| "write bytes, such as 4096, 64K, 2M or 1G".into())
    }
}

/// The certificate of a worker.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Certificate of a worker")]
pub(crate) struct Certificate {
    /// Serve with TLS: the worker's certificate and those above it, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

impl Certificate {
    /// Reads the files, if any are named.
    pub(crate) fn load(&self) -> Result<Option<Tls>, TlsError> {
        match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Tls::load(certificate, key).map(Some),
            _ => Ok(None),
        }
    }
}

/// Forms of the log on standard error.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object in each line.
    Json,
}

/// Sends the program's log to standard error: warnings, or what `RUST_LOG` asks for, such as
/// `phat_worker=info`.
pub(crate) fn logging(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // It is set already only in tests.
    let _ = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, Command, FromArgMatches};

    fn parse(line: &[&str]) -> Result<WorkerLimits, clap::Error> {
        let command = WorkerLimits::augment_args(Command::new("worker"));
        let matches = command.try_get_matches_from([&["worker"], line].concat())?;
        WorkerLimits::from_arg_matches(&matches)
    }

    #[test]
    fn without_options_the_limits_are_the_defaults() {
        let limits = parse(&[]).unwrap();
        assert_eq!(limits.server(), ServerLimits::default());
        assert_eq!(limits.egress(), EgressConfig::default());
    }

    #[test]
    fn limits_are_numbers_seconds_and_sizes() {
        let line = [
            "--max-running",
            "7",
            "--query-timeout",
            "0.5",
            "--query-memory",
            "3M",
        ];
        let server = parse(&line).unwrap().server();
        assert_eq!(server.max_running, 7);
        assert_eq!(server.query_timeout, Duration::from_millis(500));
        assert_eq!(server.query_memory, 3 << 20);
        for (option, wrong) in [
            ("--max-running", "-1"),
            ("--max-waiting", "18446744073709551615"),
            ("--processors", "0"),
            ("--query-timeout", "soon"),
            ("--query-timeout", "1e9"),
            ("--query-memory", "3X"),
            ("--query-memory", "99999999999999999999"),
            ("--query-memory", "K"),
        ] {
            assert!(parse(&[&format!("{option}={wrong}")]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn help_tells_every_limit_with_its_default() {
        let help = WorkerLimits::augment_args(Command::new("worker"))
            .render_help()
            .to_string();
        for known in [
            "--max-body <BYTES>",
            "[default: 1M]",
            "--max-waiting-per-contract <N>",
            "[default: 256]",
            "--egress-max-timeout <SECONDS>",
            "[default: 10]",
        ] {
            assert!(help.contains(known), "{known} in {help}");
        }
    }
}
