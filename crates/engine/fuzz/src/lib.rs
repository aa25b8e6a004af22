//! The fuzz targets of the engine, for libFuzzer. They are those of its tests, which are modules of a
//! test and not a library: here they become one.

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/fuzz/targets.rs"]
mod targets;

/// Uploads, instantiates and calls some code.
pub fn code(data: &[u8]) {
    targets::code(data);
}

/// Calls a contract of a bundle, with input of any kind.
pub fn call(data: &[u8]) {
    targets::call(data);
}

/// Calls a function of the chain extension, with arguments of any kind.
pub fn extension(data: &[u8]) {
    targets::extension(data);
}
