//! Where records are kept. Whoever saves one says which revision it was made from, so that no program overwrites what
//! another has written since.

#[cfg(feature = "files")]
mod files;
mod in_memory;
mod kept;
mod store;

#[cfg(feature = "files")]
pub use files::{RecordFile, RecordFolder};
pub use in_memory::RecordsInMemory;
pub(crate) use kept::{KeptRecord, Taking, interrupted};
pub use store::RecordStore;
