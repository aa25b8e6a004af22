//! libFuzzer on input of calls.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phat_engine_fuzz::call(data));
