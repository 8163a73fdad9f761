//! The kinds on Azure, one file a kind: their names, their permission sets, what Azure does not take; and in `calls` their
//! calls.

pub(crate) mod compute;
mod container;
mod function;
mod kv;
mod network;
pub(crate) mod queue;
mod storage;
