//! Tests of the core: what a stack is, what follows from it, and what wrong input is told.

mod compile_fail;
mod decode;
mod derive;
mod diff;
mod neutral;
mod preflight;
