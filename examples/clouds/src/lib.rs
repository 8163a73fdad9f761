#![doc = include_str!("../../../README.md")]

#[doc = include_str!("../../../docs/testing.md")]
pub mod testing {}
