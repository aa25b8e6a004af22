//! What the economy promises, on a small chain (`mock.rs`).

mod eras;
mod life;
mod money;
mod moves;
mod pools;
mod random;
mod simulator;
mod weights;
