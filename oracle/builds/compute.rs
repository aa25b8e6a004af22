//! A contract that only computes, in Rust: it sorts numbers and hashes them, over and over. Beside it
//! lies what it was compiled to:
//!
//! ```sh
//! rustup run wasm rustc --edition 2024 --target wasm32v1-none --crate-type bin \
//!     -C opt-level=3 -C panic=abort -C strip=symbols -C link-arg=--import-memory \
//!     -C link-arg=--max-memory=1048576 -C link-arg=-zstack-size=65536 -o compute.wasm compute.rs
//! ```
#![no_std]
#![no_main]

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

/// Numbers that are sorted and hashed.
const NUMBERS: usize = 1_000;
/// How often.
const TIMES: u32 = 20;

/// Where the result goes, so that the work cannot be left out.
static mut RESULT: u64 = 0;

#[unsafe(no_mangle)]
pub extern "C" fn deploy() {}

#[unsafe(no_mangle)]
pub extern "C" fn call() {
    let mut numbers = [0u32; NUMBERS];
    let mut seed = 0x2545_f491u32;
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for _ in 0..TIMES {
        for number in &mut numbers {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            *number = seed;
        }
        numbers.sort_unstable();
        for byte in numbers.iter().flat_map(|number| number.to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    // SAFETY: nothing else runs.
    unsafe { RESULT = hash };
}
