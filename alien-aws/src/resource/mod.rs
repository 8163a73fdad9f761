//! The kinds on AWS, one file a kind: names, permission sets and checks; and in `calls` the calls.

pub(crate) mod compute;
pub(crate) mod container;
mod function;
mod kv;
pub(crate) mod network;
mod queue;
mod storage;
