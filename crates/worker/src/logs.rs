//! What contracts have logged, and the answers of the logger.
//!
//! Clients ask for logs with a `SidevmMessage` query to the contract that the system contract names
//! as the driver `PinkLogger`. Here that is the system contract itself, and the worker answers, in the
//! JSON that `@phala/sdk` 0.6 reads: lines, outputs of commands, events. What a contract logs may be as
//! secret as its state: who made the contract may read it, and the owner of the cluster, unless the
//! contract was made in private.
//!
//! Records are numbered over all contracts, and a reader goes on from the number it has come to. How
//! much is kept is bounded for each contract and for all: when there is no more room, the oldest
//! record of the contract goes that has most. So a contract that logs a great deal pushes out nothing
//! but its own lines, as long as not every contract does.

use phat_cluster::{LogEntry, LogRecord};
use phat_primitives::ContractId;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    sync::{Mutex, PoisonError},
};

/// Bytes kept of all contracts: what a worker can spare for this.
const MAX_TOTAL: usize = 64 * 1024 * 1024;
/// Bytes kept of one contract: some thousand lines.
const MAX_OF_CONTRACT: usize = 1024 * 1024;
/// Bytes that a record takes beside what it holds.
const RECORD_SIZE: usize = 256;
/// Bytes of one line; the rest is cut off.
const MAX_MESSAGE: usize = 4 * 1024;
/// Bytes of an output or an event; larger ones are left out, because a part means nothing.
const MAX_BYTES: usize = 16 * 1024;
/// Bytes of a command's nonce: clients use 32.
const MAX_NONCE: usize = 64;
/// Lines in one answer.
const MAX_ANSWER: usize = 1_000;

/// The log of one worker.
pub(crate) struct Logs {
    inner: Mutex<Inner>,
    limits: Limits,
}

/// Bytes that are kept.
#[derive(Clone, Copy)]
struct Limits {
    total: usize,
    of_contract: usize,
}

impl Default for Logs {
    fn default() -> Self {
        Self::with(Limits {
            total: MAX_TOTAL,
            of_contract: MAX_OF_CONTRACT,
        })
    }
}

#[derive(Default)]
struct Inner {
    /// By their numbers.
    records: BTreeMap<u64, LogRecord>,
    /// Number of the next record.
    next: u64,
    contracts: HashMap<ContractId, Share>,
    /// The contracts by their bytes, to find the one that has most.
    by_size: BTreeSet<(usize, ContractId)>,
    total: usize,
}

/// What is kept of one contract.
#[derive(Default)]
struct Share {
    /// Numbers of its records, oldest first.
    numbers: VecDeque<u64>,
    bytes: usize,
}

impl Inner {
    fn push(&mut self, record: LogRecord) {
        let (number, contract, size) = (self.next, record.contract, size(&record));
        self.next += 1;
        self.records.insert(number, record);
        let share = self.contracts.entry(contract).or_default();
        self.by_size.remove(&(share.bytes, contract));
        share.numbers.push_back(number);
        share.bytes += size;
        self.by_size.insert((share.bytes, contract));
        self.total += size;
    }

    /// Drops the oldest record of a contract.
    fn drop_oldest(&mut self, contract: &ContractId) {
        let Some(share) = self.contracts.get_mut(contract) else {
            return;
        };
        let oldest = share.numbers.pop_front();
        let size = oldest
            .and_then(|number| self.records.remove(&number))
            .map_or(0, |record| size(&record));
        self.by_size.remove(&(share.bytes, *contract));
        share.bytes = share.bytes.saturating_sub(size);
        self.total = self.total.saturating_sub(size);
        if share.numbers.is_empty() {
            self.contracts.remove(contract);
        } else {
            self.by_size.insert((share.bytes, *contract));
        }
    }

    /// Records from a number on, of one contract or of all, oldest first.
    fn from<'a>(
        &'a self,
        from: u64,
        contract: Option<&ContractId>,
    ) -> Box<dyn DoubleEndedIterator<Item = (u64, &'a LogRecord)> + 'a> {
        match contract {
            None => Box::new(self.records.range(from..).map(|(n, record)| (*n, record))),
            Some(contract) => {
                let numbers = self.contracts.get(contract).map(|share| &share.numbers);
                let numbered = numbers.into_iter().flat_map(move |numbers| {
                    numbers.range(numbers.partition_point(|number| *number < from)..)
                });
                Box::new(numbered.filter_map(|number| Some((*number, self.records.get(number)?))))
            }
        }
    }
}

fn size(record: &LogRecord) -> usize {
    let held = match &record.entry {
        LogEntry::Line { message, .. } => message.len(),
        LogEntry::Output { nonce, output, .. } => nonce.len() + output.len(),
        LogEntry::Event { topics, payload } => 32 * topics.len() + payload.len(),
    };
    RECORD_SIZE + held
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
    fn with(limits: Limits) -> Self {
        Self {
            inner: Mutex::default(),
            limits,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
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
        let contract = record.contract;
        inner.push(record);
        let exceeds = |inner: &Inner| {
            let share = inner.contracts.get(&contract);
            share.is_some_and(|share| share.bytes > self.limits.of_contract)
        };
        while exceeds(&inner) {
            inner.drop_oldest(&contract);
        }
        while inner.total > self.limits.total {
            let Some((_, largest)) = inner.by_size.last().copied() else {
                break;
            };
            inner.drop_oldest(&largest);
        }
    }

    /// Answers a request of a reader.
    pub(crate) fn answer(&self, request: &[u8], reader: &impl Reader) -> Vec<u8> {
        let answer = match serde_json::from_slice(request) {
            Ok(Request::GetInfo) => serde_json::to_vec(&self.info()),
            Ok(Request::GetLog {
                from,
                count,
                contract,
            }) => {
                let count = count.unwrap_or(MAX_ANSWER as u64).min(MAX_ANSWER as u64) as usize;
                serde_json::to_vec(&self.records(from, count, contract.as_deref(), reader))
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
            next_sequence: inner.next,
        }
    }

    fn records(
        &self,
        from: i64,
        count: usize,
        contract: Option<&str>,
        reader: &impl Reader,
    ) -> Records {
        let readable: Vec<ContractId> = match contract {
            Some(id) => parse_contract(id).into_iter().collect(),
            None if reader.sees_all() => self.lock().contracts.keys().copied().collect(),
            None => Vec::new(),
        };
        // Asked without the lock: it reads the cluster's state.
        let readable: HashSet<_> = readable
            .into_iter()
            .filter(|id| reader.may_read(id))
            .collect();
        let inner = self.lock();
        let only = contract.and(readable.iter().next());
        let matching = |from| {
            let records = inner.from(from, only);
            records.filter(|(_, record)| readable.contains(&record.contract))
        };
        let chosen: Vec<_> = if readable.is_empty() {
            Vec::new()
        } else if let Ok(from) = u64::try_from(from) {
            matching(from).take(count).collect()
        } else {
            let back = usize::try_from(from.unsigned_abs()).unwrap_or(usize::MAX);
            let mut last: Vec<_> = matching(0).rev().take(back).collect();
            last.reverse();
            last.truncate(count);
            last
        };
        Records {
            next: match chosen.last() {
                Some((number, _)) if chosen.len() == count => number + 1,
                // There is no more, also between here and the newest record.
                _ => inner.next,
            },
            records: chosen
                .into_iter()
                .map(|(number, record)| shown(number, record))
                .collect(),
        }
    }
}

fn parse_contract(id: &str) -> Option<ContractId> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(id.trim_start_matches("0x"), &mut bytes).ok()?;
    Some(ContractId::from(bytes))
}

/// Who asks for records.
pub(crate) trait Reader {
    /// Whether they may ask about all contracts at once: costly, so it is for the cluster's owner.
    fn sees_all(&self) -> bool;
    /// Whether they may read the log of this contract.
    fn may_read(&self, contract: &ContractId) -> bool;
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

    /// Owner of the cluster, except for the contracts that are hidden; or owner of contracts.
    enum Person {
        ClusterOwner { hidden: Vec<u8> },
        Owner { of: Vec<u8> },
    }

    impl Reader for Person {
        fn sees_all(&self) -> bool {
            matches!(self, Self::ClusterOwner { .. })
        }

        fn may_read(&self, contract: &ContractId) -> bool {
            match self {
                Self::ClusterOwner { hidden } => !hidden.contains(&contract.0[0]),
                Self::Owner { of } => of.contains(&contract.0[0]),
            }
        }
    }

    const ALL: Person = Person::ClusterOwner { hidden: Vec::new() };

    fn ask(logs: &Logs, request: Value, reader: &Person) -> Value {
        serde_json::from_slice(&logs.answer(request.to_string().as_bytes(), reader)).unwrap()
    }

    fn id(contract: u8) -> String {
        format!("0x{}", hex::encode([contract; 32]))
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
            &ALL,
        );
        assert_eq!(messages(&all), ["b", "c"]);
        assert_eq!(all["next"], 3);
        let tail = json!({"action": "GetLog", "from": -2, "count": 10, "contract": contract});
        assert_eq!(messages(&ask(&logs, tail, &ALL)), ["c", "d"]);
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
        let answer = ask(&logs, json!({"action": "GetLog", "from": 0}), &ALL);
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
    fn everybody_reads_what_is_for_them() {
        let logs = Logs::default();
        for (contract, message) in [(1, "a"), (2, "b"), (3, "c"), (2, "d")] {
            logs.add(line(contract, message));
        }
        let read = |reader: &Person, contract: Option<u8>| {
            let request = json!({
                "action": "GetLog", "from": 0, "contract": contract.map(id),
            });
            let answer = ask(&logs, request, reader);
            messages(&answer).join("")
        };
        assert_eq!(read(&ALL, None), "abcd");
        let cluster_owner = Person::ClusterOwner { hidden: vec![3] };
        assert_eq!(read(&cluster_owner, None), "abd");
        assert_eq!(read(&cluster_owner, Some(3)), "");
        let owner = Person::Owner { of: vec![2] };
        assert_eq!(read(&owner, Some(2)), "bd");
        assert_eq!(read(&owner, Some(1)), "");
        assert_eq!(read(&owner, None), "", "they ask about one contract");
        for nothing in ["", "0x12", "zz", "0x"] {
            let request = json!({"action": "GetLog", "from": 0, "contract": nothing});
            assert!(messages(&ask(&logs, request, &ALL)).is_empty());
        }
    }

    #[test]
    fn a_reader_goes_on_where_it_has_come_to() {
        let logs = Logs::default();
        let owner = Person::Owner { of: vec![1] };
        let mut cursor = 0;
        let mut read = |count: u64| {
            let request = json!({
                "action": "GetLog", "from": cursor, "count": count, "contract": id(1),
            });
            let answer = ask(&logs, request, &owner);
            cursor = answer["next"].as_u64().unwrap();
            messages(&answer).join("")
        };
        assert_eq!(read(10), "");
        for message in ["a", "b", "c"] {
            logs.add(line(1, message));
            logs.add(line(2, "x"));
        }
        assert_eq!(read(2), "ab");
        assert_eq!(read(2), "c");
        assert_eq!(read(2), "");
        logs.add(line(1, "d"));
        assert_eq!(read(1), "d");
        assert_eq!(read(1), "");
    }

    #[test]
    fn a_chatty_contract_pushes_out_nothing_but_its_own_lines() {
        let logs = Logs::with(Limits {
            total: 100 * RECORD_SIZE,
            of_contract: 60 * RECORD_SIZE,
        });
        logs.add(line(1, "quiet"));
        for _ in 0..1_000 {
            logs.add(line(2, ""));
            logs.add(line(3, ""));
        }
        let count = |contract| {
            logs.lock().contracts[&Hash::repeat_byte(contract)]
                .numbers
                .len()
        };
        assert_eq!(count(1), 1);
        assert!(count(2).abs_diff(count(3)) <= 1, "they share what is left");
        let inner = logs.lock();
        assert!(inner.total <= 100 * RECORD_SIZE && inner.records.len() >= 98);
        assert_eq!(inner.next, 2_001);
        drop(inner);
        let request = json!({"action": "GetLog", "from": 0, "contract": id(1)});
        assert_eq!(messages(&ask(&logs, request, &ALL)), ["quiet"]);
    }

    #[test]
    fn the_log_of_one_contract_is_bounded_and_numbers_go_on() {
        let logs = Logs::default();
        let lines = 2 * MAX_OF_CONTRACT / RECORD_SIZE;
        for _ in 0..lines {
            logs.add(line(1, "x"));
        }
        logs.add(line(1, &"é".repeat(MAX_MESSAGE)));
        let info = ask(&logs, json!({"action": "GetInfo"}), &ALL);
        assert_eq!(info["nextSequence"], lines + 1);
        let kept = info["currentNumberOfRecords"].as_u64().unwrap() as usize;
        assert!(kept * RECORD_SIZE <= MAX_OF_CONTRACT && kept > lines / 3);
        let inner = logs.lock();
        let share = &inner.contracts[&Hash::repeat_byte(1)];
        let sizes: usize = inner.records.values().map(size).sum();
        assert_eq!((share.bytes, share.numbers.len()), (sizes, kept));
        assert_eq!(inner.total, sizes);
        assert_eq!(inner.by_size.len(), 1);
        drop(inner);
        let last = ask(&logs, json!({"action": "GetLog", "from": -1}), &ALL);
        assert_eq!(messages(&last)[0].len(), MAX_MESSAGE);
    }

    #[test]
    fn what_is_no_request_gets_an_error() {
        let logs = Logs::default();
        for request in [&b"garbage"[..], b"{}", br#"{"action":"Boom"}"#, b""] {
            let answer: Value = serde_json::from_slice(&logs.answer(request, &ALL)).unwrap();
            assert!(answer["error"].is_string());
        }
    }
}
