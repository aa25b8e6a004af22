//! A short run of the fuzz targets. How to run them for longer, on bytes that libFuzzer finds:
//! `fuzz/README.md`.

mod targets;

use phat_fuzzing::short;

#[test]
fn whatever_bytes_are_taken_for_a_message_are_its_only_encoding() {
    short::run(targets::message, 6000, 60, 4);
}

#[test]
fn whatever_is_made_of_a_receipts_proof_proves_that_receipt_or_nothing() {
    short::run(targets::receipt_proof, 3000, 40, 10);
}
