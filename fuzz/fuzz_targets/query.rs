//! libFuzzer on signed queries.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phat_fuzz::query(data));
