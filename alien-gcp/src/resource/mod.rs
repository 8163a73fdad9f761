//! The kinds on GCP, one file a kind: their names, their permission sets, what GCP does not take; and in `calls` their calls.

pub(crate) mod compute;
mod container;
mod function;
mod kv;
mod network;
pub(crate) mod queue;
mod storage;
