//! libFuzzer on uploaded code.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phat_engine_fuzz::code(data));
