//! libFuzzer on what workers answer and people hand on.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phat_fuzz::answer(data));
