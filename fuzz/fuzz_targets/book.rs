//! libFuzzer on the user's book of contracts.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phat_fuzz::book(data));
