//! Tests of the core: what a stack is, what follows from it, and what wrong input is told.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a suite of tests says what is wrong by panicking"
)]

mod calls;
mod compile_fail;
mod decode;
mod derive;
mod diff;
mod engine;
mod faulty;
mod forms;
mod in_process;
mod kept;
mod logs;
mod markdown;
mod neutral;
mod outcomes;
mod preflight;
mod register;
mod remedies;
mod toy;
mod upgrade;
mod vendor;
