//! What a fleet promises, on stores and clouds in this process.

mod faults;
mod faulty;
mod kills;
mod rollouts;
mod stores;
mod world;
