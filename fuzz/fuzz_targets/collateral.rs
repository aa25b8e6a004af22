//! libFuzzer on what a collateral service answers, and what is kept of it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phat_fuzz::collateral(data));
