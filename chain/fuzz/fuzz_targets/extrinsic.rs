//! libFuzzer on transactions.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phat_chain_fuzz::extrinsic(data));
