//! libFuzzer on the store's file.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phat_fuzz::file(data));
