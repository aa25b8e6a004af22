//! libFuzzer on storage proofs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phat_fuzz::proof(data));
