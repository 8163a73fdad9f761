//! What a fleet promises, on stores and clouds in this process.

mod rollouts;
mod world;
