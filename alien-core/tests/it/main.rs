//! Tests of the core: what a stack is, what follows from it, and what wrong input is told.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a suite of tests says what is wrong by panicking"
)]

mod adversary;
mod agreed;
mod audit;
mod calls;
mod claims;
mod compile_fail;
mod decode;
mod derive;
mod diff;
mod engine;
mod faulty;
#[cfg(feature = "files")]
mod files;
mod forms;
mod in_process;
mod interleaved;
mod kept;
mod logs;
mod markdown;
mod marked;
mod neutral;
mod outcomes;
mod preflight;
mod published;
mod pulled;
mod records;
mod redeploy;
mod register;
mod remedies;
mod rollout;
mod sessions;
mod setups;
mod told;
mod toy;
mod updates;
mod upgrade;
mod vendor;
