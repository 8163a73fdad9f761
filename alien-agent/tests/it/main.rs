//! The agent on the reference cloud.

mod state;
