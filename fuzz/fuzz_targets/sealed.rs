//! libFuzzer on sealed keys and data.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phat_fuzz::sealed(data));
