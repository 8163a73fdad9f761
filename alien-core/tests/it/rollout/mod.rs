//! The rollout of a release: its plan and windows, each rule, every order of events of small fleets, and long random ones.

mod ended;
mod fleet;
mod handed;
mod kept;
mod laws;
mod model;
mod plan;
mod queue;
mod random;
mod reverts;
mod rules;
mod sight;
mod waits;
mod windows;
mod world;
