//! What must hold for any input, as functions from bytes: each target takes what a fuzzer made and panics where a property
//! does not hold. `cargo test` drives them with the committed seeds and a fixed number of mutations of these; libFuzzer
//! drives the same functions for as long as one likes (see README.md).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests: a panic is how they speak"
)]
#![allow(clippy::missing_panics_doc, reason = "the same")]

pub mod bundle;
pub mod conditions;
#[cfg(test)]
mod drive;
pub mod frame;
pub mod json;
pub mod loader;
pub mod module;
pub mod numbers;
pub mod patch;
pub mod review;
pub mod selector;
pub mod towers;
