//! What the fuzz targets of all crates have in common.
//!
//! A target takes any bytes, makes one case of them, and panics if anything that must hold does not.
//! It answers whether the case got through: what was made is accepted somewhere. The targets stand
//! beside the tests of the crate that they are about (`tests/fuzz`), where a short run of
//! each is a test; `fuzz` at the root of the repository runs them on bytes that libFuzzer finds.
//!
//! | module | what it holds |
//! |---|---|
//! | [`input`] | bytes read as decisions: what to make, and what to change in it |
//! | [`json`] | places in a JSON document |
//! | [`repeatable`] | numbers in place of random ones, so that a case is the same when it is run again |
//! | [`short`] | the short run |

pub mod input;
pub mod json;
pub mod repeatable;
pub mod short;

pub use input::Input;
pub use repeatable::Repeatable;
