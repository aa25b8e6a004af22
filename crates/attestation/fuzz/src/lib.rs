//! The targets, which the tests of the verifier run too: see `../../tests/fuzz`.

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/fuzz/targets.rs"]
mod targets;

/// Evidence of strangers.
pub fn evidence(data: &[u8]) {
    targets::evidence(data);
}
