//! libFuzzer on scenario files.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phat_fuzz::scenario(data));
