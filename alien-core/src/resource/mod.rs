//! The settings of each kind of resource, one file for each kind.

mod any;
#[cfg(test)]
mod bell;
mod bounds;
mod code;
mod container;
mod describe;
mod existing;
mod function;
mod kv;
mod network;
mod queue;
mod replicas;
mod running;
mod storage;
mod update;
mod vendors;
mod zip_limits;

pub(crate) use any::AllKinds;
pub use any::{Resource, ResourceSettings, Settings};
#[cfg(test)]
pub(crate) use bell::Bell;
pub use bounds::Bounds;
pub use code::{Code, CodeForm, CodeForms, Platform};
pub use container::Container;
pub use describe::{Compute, Trigger};
pub use existing::Existing;
pub use function::Function;
pub use kv::Kv;
pub use network::Network;
pub use queue::Queue;
pub use replicas::Replicas;
pub use running::Running;
pub use storage::Storage;
pub use update::{ContainerUpdate, FunctionUpdate, Updatable, Updated};
pub use zip_limits::ZipLimits;
