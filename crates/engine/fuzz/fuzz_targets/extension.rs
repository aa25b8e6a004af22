//! libFuzzer on calls of the chain extension.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phat_engine_fuzz::extension(data));
