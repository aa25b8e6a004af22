//! libFuzzer on evidence.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phat_attestation_fuzz::evidence(data));
