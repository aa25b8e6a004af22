//! libFuzzer on bundles, and output that is shown by them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phat_fuzz::bundle(data));
