//! What only a container's app has.

use alien_core::Container;

use super::super::compute::calls::{Resources, Scale};

pub(crate) use super::super::compute::calls::{configure, create, delete, heartbeat, observe};

pub(crate) fn resources(container: &Container) -> Resources {
    Resources::of_memory(container.memory())
}

/// Replicas run whether anyone asks or not.
pub(crate) fn scale(container: &Container) -> Scale {
    let copies = container.copies();
    Scale { min_replicas: copies.min, max_replicas: copies.max, rules: Vec::new() }
}
