//! libFuzzer on HTTP requests.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phat_fuzz::request(data));
