//! Tests of the core: what a stack is, what follows from it, and what wrong input is told.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a suite of tests says what is wrong by panicking"
)]

mod compile_fail;
mod decode;
mod derive;
mod diff;
mod engine;
mod in_process;
mod neutral;
mod preflight;
mod toy;
mod upgrade;
mod vendor;
