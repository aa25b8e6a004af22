//! libFuzzer on proofs of receipts.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phat_fuzz::receipt(data));
