//! Attacks by emitting and returning: events, messages, results.

use phat_engine::ContractError::*;

use super::attack::*;
use crate::common::*;

#[test]
fn gigabytes_cannot_be_returned() {
    for length in ["-1", "0x7fffffff", "0x40000000"] {
        let outcome = attack(&format!(
            "(call $return (i32.const 0) (i32.const 0) (i32.const {length}))"
        ));
        assert!(matches!(error_of(&outcome), OutOfBounds | OutOfGas));
    }
}

#[test]
fn all_of_memory_can_be_returned_and_is_paid_for() {
    let outcome = attack(
        "(drop (memory.grow (i32.const 14)))
         (call $return (i32.const 0) (i32.const 0) (i32.const 0x100000))",
    );
    assert!(outcome.report.gas_consumed > 0x100000 * 200);
    assert_eq!(outcome.result.unwrap().data.len(), 0x100000);
}

#[test]
fn gigabytes_cannot_be_passed_on() {
    for (pointer, length) in [("0", "-1"), ("-1", "4"), ("0x1ffff", "2")] {
        let outcome = attack(&format!(
            "(call $self)
             (drop (call $call (i32.const 8) (i32.const 0x8000) (i64.const 0) (i32.const 0x8080)
                (i32.const {pointer}) (i32.const {length}) (i32.const -1) (i32.const 0)))"
        ));
        assert!(matches!(error_of(&outcome), OutOfBounds | OutOfGas));
    }
}

#[test]
fn events_of_the_largest_size_end_at_the_limit_of_all() {
    let body = "(drop (memory.grow (i32.const 14)))
        (loop $l
            (call $event (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0x100000))
            (br $l))";
    let outcome = attack_with(&contract(TOOLS, body), GAS, vec![]);
    assert_eq!(error_of(&outcome), ValueTooLarge);
}

#[test]
fn empty_events_end_at_the_limit_of_their_number() {
    fails(
        ValueTooLarge,
        "(loop $l (call $event (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)) (br $l))",
    );
}

#[test]
fn topics_that_lie_about_their_number_are_refused() {
    // Five topics; a number of topics that is not there; one whose encoding is of four bytes.
    fails(
        TooManyTopics,
        "(i32.store (i32.const 0) (i32.const 20))
         (call $event (i32.const 0) (i32.const 161) (i32.const 0) (i32.const 0))",
    );
    for head in ["0xfc", "0xfffffffe", "0x13", "8"] {
        fails(
            DecodingFailed,
            &format!(
                "(i32.store (i32.const 0) (i32.const {head}))
                 (call $event (i32.const 0) (i32.const 33) (i32.const 0) (i32.const 0))"
            ),
        );
    }
}

#[test]
fn topics_of_megabytes_cannot_be_paid_for() {
    let body = "(drop (memory.grow (i32.const 14)))
        (i32.store (i32.const 0) (i32.const 0x1ffc2))
        (call $event (i32.const 0) (i32.const 0x100000) (i32.const 0) (i32.const 0))";
    fails(OutOfGas, body);
}

#[test]
fn messages_that_are_no_text_are_dropped_and_paid_for() {
    let outcome = attack(
        "(memory.fill (i32.const 0) (i32.const 0xff) (i32.const 0x1000))
         (drop (call $debug (i32.const 0) (i32.const 0x1000)))",
    );
    assert!(outcome.succeeded());
    assert!(outcome.report.debug_message.is_empty());
    assert!(outcome.report.gas_consumed > 0x1000 * 700);
}

#[test]
fn messages_without_end_run_out_of_gas() {
    fails(
        OutOfGas,
        "(loop $l (drop (call $debug (i32.const 0) (i32.const 0x8000))) (br $l))",
    );
}

/// An event that only the system contract may emit, with a list of 30 000 workers.
#[test]
fn a_forged_system_event_is_ignored_and_its_warning_is_short() {
    let topic: String = phat_engine::pink::PinkEvent::TOPIC
        .iter()
        .map(|byte| format!("\\{byte:02x}"))
        .collect();
    let workers = 30_000u32;
    let size = 2 + 64 + 1 + 4 + workers * 32 + 20;
    let tools = format!(
        r#"{TOOLS} (data (i32.const 0x100) "\04{topic}")
           (data (i32.const 0x200) "\0b\00")
           (data (i32.const 0x242) "\01")"#
    );
    let body = format!(
        "(drop (memory.grow (i32.const 14)))
         (i32.store (i32.const 0x243) (i32.const {}))
         (call $event (i32.const 0x100) (i32.const 33) (i32.const 0x200) (i32.const {size}))",
        workers << 2 | 2
    );
    let mut world = World::new();
    let id = world.deploy(&contract(&tools, &body));
    assert!(world.call(id, []).succeeded());
    let logs = world.host.logs.lock().unwrap();
    let (_, _, line) = &logs[0];
    assert!(line.contains("only the system contract"), "{line}");
    assert!(line.len() < 400, "{} bytes", line.len());
}
