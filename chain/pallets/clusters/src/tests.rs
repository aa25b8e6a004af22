//! What clusters promise, on a small chain (`mock.rs`).

mod contracts;
mod credit;
mod membership;
mod money;
mod policy;
mod private;
mod random;
mod roots;
