//! libFuzzer on what chain servers answer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phat_fuzz::chain(data));
