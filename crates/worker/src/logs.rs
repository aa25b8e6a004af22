//! What contracts have logged, and the answers of the logger.
//!
//! Clients ask for logs with a `SidevmMessage` query to the contract that the system contract names
//! as the driver `PinkLogger`. Here that is the system contract itself, and the worker answers, in the
//! JSON that `@phala/sdk` 0.6 reads: lines, outputs of commands, events. They are for the owner of the
//! cluster only: what a contract logs may be as secret as its state.

use phat_cluster::{LogEntry, LogRecord};
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

/// Lines kept: some hours of a busy worker.
const MAX_RECORDS: usize = 16_384;
/// Bytes of one line; the rest is cut off.
const MAX_MESSAGE: usize = 4 * 1024;
/// Bytes of an output or an event; larger ones are left out, because a part means nothing.
const MAX_BYTES: usize = 16 * 1024;
/// Bytes of a command's nonce: clients use 32.
const MAX_NONCE: usize = 64;
/// Lines in one answer.
const MAX_ANSWER: usize = 1_000;

/// The log of one worker.
#[derive(Default)]
pub(crate) struct Logs(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    records: VecDeque<LogRecord>,
    /// Number of the first line that is kept.
    first: u64,
}

/// A request to the logger.
#[derive(Deserialize)]
#[serde(tag = "action")]
enum Request {
    GetLog {
        /// A number, or if negative how many from the end.
        #[serde(default)]
        from: i64,
        count: Option<u64>,
        contract: Option<String>,
    },
    GetInfo,
}

#[derive(Serialize)]
struct Records {
    records: Vec<Record>,
    next: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    sequence: u64,
    block_number: u32,
    contract: String,
    #[serde(flatten)]
    entry: Entry,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
enum Entry {
    Log {
        entry: String,
        exec_mode: &'static str,
        timestamp: u64,
        level: u8,
        message: String,
    },
    MessageOutput {
        origin: String,
        nonce: String,
        output: String,
    },
    Event {
        topics: Vec<String>,
        payload: String,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    program: &'static str,
    program_version: &'static str,
    current_number_of_records: usize,
    next_sequence: u64,
}

#[derive(Serialize)]
struct Failure {
    error: String,
}

impl Logs {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, mut record: LogRecord) {
        match &mut record.entry {
            LogEntry::Line { message, .. } if message.len() > MAX_MESSAGE => {
                message.truncate(message.floor_char_boundary(MAX_MESSAGE));
            }
            LogEntry::Output { nonce, .. } if nonce.len() > MAX_NONCE => return,
            LogEntry::Output { output: bytes, .. } | LogEntry::Event { payload: bytes, .. }
                if bytes.len() > MAX_BYTES =>
            {
                return;
            }
            _ => {}
        }
        let mut inner = self.lock();
        if inner.records.len() == MAX_RECORDS {
            inner.records.pop_front();
            inner.first += 1;
        }
        inner.records.push_back(record);
    }

    /// Answers a request. `sees_all` says whether the caller may read lines at all.
    pub(crate) fn answer(&self, request: &[u8], sees_all: bool) -> Vec<u8> {
        let answer = match serde_json::from_slice(request) {
            Ok(Request::GetInfo) => serde_json::to_vec(&self.info()),
            Ok(Request::GetLog {
                from,
                count,
                contract,
            }) => {
                let count = count.unwrap_or(MAX_ANSWER as u64).min(MAX_ANSWER as u64) as usize;
                serde_json::to_vec(&self.records(from, count, contract.as_deref(), sees_all))
            }
            Err(error) => serde_json::to_vec(&Failure {
                error: format!("not a request to the logger ({error}); use GetLog or GetInfo"),
            }),
        };
        answer.unwrap_or_default()
    }

    fn info(&self) -> Info {
        let inner = self.lock();
        Info {
            program: "phat",
            program_version: env!("CARGO_PKG_VERSION"),
            current_number_of_records: inner.records.len(),
            next_sequence: inner.first + inner.records.len() as u64,
        }
    }

    fn records(&self, from: i64, count: usize, contract: Option<&str>, sees_all: bool) -> Records {
        let inner = self.lock();
        let wanted = contract.map(|id| id.trim_start_matches("0x").to_lowercase());
        let matching = inner.records.iter().enumerate().filter(|(_, record)| {
            sees_all
                && wanted
                    .as_ref()
                    .is_none_or(|id| hex::encode(record.contract.0) == *id)
        });
        let numbered = matching.map(|(index, record)| (inner.first + index as u64, record));
        let chosen: Vec<_> = match u64::try_from(from) {
            Ok(from) => numbered
                .skip_while(|(number, _)| *number < from)
                .take(count)
                .collect(),
            Err(_) => {
                let all: Vec<_> = numbered.collect();
                let back = usize::try_from(from.unsigned_abs()).unwrap_or(usize::MAX);
                let start = all.len().saturating_sub(back);
                all.into_iter().skip(start).take(count).collect()
            }
        };
        let end = inner.first + inner.records.len() as u64;
        Records {
            next: chosen.last().map_or(end, |(number, _)| number + 1),
            records: chosen
                .into_iter()
                .map(|(number, record)| shown(number, record))
                .collect(),
        }
    }
}

fn shown(sequence: u64, record: &LogRecord) -> Record {
    let contract = prefixed(&record.contract.0);
    let entry = match &record.entry {
        LogEntry::Line { level, message } => Entry::Log {
            entry: contract.clone(),
            exec_mode: if record.in_transaction {
                "transaction"
            } else {
                "query"
            },
            timestamp: record.time_ms,
            level: *level,
            message: message.clone(),
        },
        LogEntry::Output {
            origin,
            nonce,
            output,
        } => Entry::MessageOutput {
            origin: prefixed(&origin.0),
            nonce: prefixed(nonce),
            output: prefixed(output),
        },
        LogEntry::Event { topics, payload } => Entry::Event {
            topics: topics.iter().map(|topic| prefixed(&topic.0)).collect(),
            payload: prefixed(payload),
        },
    };
    Record {
        sequence,
        block_number: record.block,
        contract,
        entry,
    }
}

/// Bytes as clients read them: hex with `0x`.
pub(crate) fn prefixed(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use phat_primitives::{AccountId, Hash};
    use serde_json::{Value, json};

    fn line(contract: u8, message: &str) -> LogRecord {
        LogRecord {
            contract: Hash::repeat_byte(contract),
            block: 7,
            time_ms: 1_000,
            in_transaction: true,
            entry: LogEntry::Line {
                level: 3,
                message: message.into(),
            },
        }
    }

    fn ask(logs: &Logs, request: Value, sees_all: bool) -> Value {
        serde_json::from_slice(&logs.answer(request.to_string().as_bytes(), sees_all)).unwrap()
    }

    fn messages(answer: &Value) -> Vec<&str> {
        let records = answer["records"].as_array().unwrap();
        records
            .iter()
            .map(|record| record["message"].as_str().unwrap())
            .collect()
    }

    #[test]
    fn lines_are_found_from_the_front_from_the_end_and_by_contract() {
        let logs = Logs::default();
        for (contract, message) in [(1, "a"), (2, "b"), (1, "c"), (1, "d")] {
            logs.add(line(contract, message));
        }
        let contract = format!("0x{}", "01".repeat(32));
        let all = ask(
            &logs,
            json!({"action": "GetLog", "from": 1, "count": 2}),
            true,
        );
        assert_eq!(messages(&all), ["b", "c"]);
        assert_eq!(all["next"], 3);
        let tail = json!({"action": "GetLog", "from": -2, "count": 10, "contract": contract});
        assert_eq!(messages(&ask(&logs, tail, true)), ["c", "d"]);
        assert_eq!(all["records"][0]["type"], "Log");
        assert_eq!(all["records"][0]["execMode"], "transaction");
        assert_eq!(all["records"][0]["blockNumber"], 7);
    }

    #[test]
    fn outputs_and_events_have_the_form_that_clients_read() {
        let logs = Logs::default();
        let mut record = line(1, "");
        record.entry = LogEntry::Output {
            origin: AccountId([2; 32]),
            nonce: vec![3; 32],
            output: vec![4, 5],
        };
        logs.add(record.clone());
        record.entry = LogEntry::Event {
            topics: vec![Hash::repeat_byte(6)],
            payload: vec![7],
        };
        logs.add(record.clone());
        record.entry = LogEntry::Event {
            topics: Vec::new(),
            payload: vec![0; MAX_BYTES + 1],
        };
        logs.add(record.clone());
        record.entry = LogEntry::Output {
            origin: AccountId([2; 32]),
            nonce: vec![0; MAX_NONCE + 1],
            output: Vec::new(),
        };
        logs.add(record);
        let answer = ask(&logs, json!({"action": "GetLog", "from": 0}), true);
        assert_eq!(
            answer["records"].as_array().unwrap().len(),
            2,
            "what is too large is left out"
        );
        assert_eq!(answer["records"][0]["type"], "MessageOutput");
        assert_eq!(
            answer["records"][0]["nonce"],
            format!("0x{}", "03".repeat(32))
        );
        assert_eq!(answer["records"][0]["output"], "0x0405");
        assert_eq!(answer["records"][1]["type"], "Event");
        assert_eq!(
            answer["records"][1]["topics"],
            json!([format!("0x{}", "06".repeat(32))])
        );
        assert_eq!(answer["records"][1]["payload"], "0x07");
    }

    #[test]
    fn who_may_not_read_sees_no_line() {
        let logs = Logs::default();
        logs.add(line(1, "secret"));
        let answer = ask(&logs, json!({"action": "GetLog", "from": 0}), false);
        assert!(messages(&answer).is_empty());
    }

    #[test]
    fn the_log_is_bounded_and_numbers_go_on() {
        let logs = Logs::default();
        for _ in 0..MAX_RECORDS + 5 {
            logs.add(line(1, "x"));
        }
        logs.add(line(1, &"é".repeat(MAX_MESSAGE)));
        let info = ask(&logs, json!({"action": "GetInfo"}), true);
        assert_eq!(info["currentNumberOfRecords"], MAX_RECORDS);
        assert_eq!(info["nextSequence"], MAX_RECORDS + 6);
        let last = ask(&logs, json!({"action": "GetLog", "from": -1}), true);
        assert_eq!(messages(&last)[0].len(), MAX_MESSAGE);
    }

    #[test]
    fn what_is_no_request_gets_an_error() {
        let logs = Logs::default();
        for request in [&b"garbage"[..], b"{}", br#"{"action":"Boom"}"#, b""] {
            let answer: Value = serde_json::from_slice(&logs.answer(request, true)).unwrap();
            assert!(answer["error"].is_string());
        }
    }
}
