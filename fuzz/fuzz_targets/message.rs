//! libFuzzer on messages, reports and commands.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phat_fuzz::message(data));
