//! The kinds on Azure, one file a kind: names, permission sets and checks; and in `calls` the calls.

pub(crate) mod compute;
mod container;
mod function;
mod kv;
pub(crate) mod network;
pub(crate) mod queue;
mod storage;
