//! libFuzzer on blocks, headers and justifications.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phat_fuzz::batches(data));
