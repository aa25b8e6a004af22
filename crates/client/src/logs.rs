//! What contracts have logged: records as the worker keeps them, in the JSON that clients know.

use serde::{Deserialize, Serialize};

/// Some records, and where to go on.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Logs {
    /// The records, oldest first.
    pub records: Vec<LogRecord>,
    /// Number from which to ask for those that follow. Smaller than what was asked for if the worker
    /// has been started anew: its log begins again at 0.
    pub next: u64,
}

/// Something that happened to a contract.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogRecord {
    /// Its number in the worker's log.
    pub sequence: u64,
    /// Last block of the state that it ran on; for commands the block of the command.
    pub block_number: u32,
    /// The contract, hex.
    pub contract: String,
    /// What happened.
    #[serde(flatten)]
    pub entry: LogEntry,
}

/// What happened to a contract.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum LogEntry {
    /// A line that the contract has logged, or why a command to it failed.
    Log {
        /// `transaction` or `query`.
        exec_mode: String,
        /// Time of the block, in milliseconds since the Unix epoch.
        timestamp: u64,
        /// 1 error, 2 warning, 3 info, 4 debug, 5 trace.
        level: u8,
        /// The line.
        message: String,
    },
    /// What a command returned.
    MessageOutput {
        /// Who sent it, hex.
        origin: String,
        /// The command's nonce, hex.
        nonce: String,
        /// A SCALE-encoded `ContractExecResult`, hex.
        output: String,
    },
    /// An event that the contract emitted.
    Event {
        /// Its topics, hex.
        topics: Vec<String>,
        /// Its data, hex.
        payload: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_all_kinds_are_read() {
        let text = r#"{"next": 9, "records": [
            {"sequence": 1, "blockNumber": 2, "contract": "0x03", "type": "Log", "entry": "0x03",
             "execMode": "query", "timestamp": 4, "level": 5, "message": "m"},
            {"sequence": 6, "blockNumber": 2, "contract": "0x03", "type": "MessageOutput",
             "origin": "0x01", "nonce": "0x02", "output": "0x03"},
            {"sequence": 7, "blockNumber": 2, "contract": "0x03", "type": "Event",
             "topics": ["0x01"], "payload": "0x02"}]}"#;
        let logs: Logs = serde_json::from_str(text).unwrap();
        assert_eq!((logs.next, logs.records.len()), (9, 3));
        assert!(matches!(
            &logs.records[0].entry,
            LogEntry::Log { level: 5, .. }
        ));
        let again = serde_json::to_value(&logs.records[2]).unwrap();
        assert_eq!(again["blockNumber"], 2);
        assert_eq!(again["type"], "Event");
    }
}
