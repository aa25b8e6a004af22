//! libFuzzer on the files that a worker's key comes from.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phat_fuzz::keys(data));
