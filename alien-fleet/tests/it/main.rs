//! What a fleet promises, on stores and clouds in this process.

mod faulty;
mod kills;
mod rollouts;
mod world;
