//! libFuzzer on pRPC messages.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phat_fuzz::prpc(data));
