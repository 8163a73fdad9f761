//! What runs of a live function or container: the part that the vendor may change, as a cloud tells it.

use std::collections::BTreeMap;

use super::code::Code;
use super::replicas::Replicas;
use crate::name::{RELEASE_VARIABLE, VARIABLE_PREFIX};
use crate::rollout::Sequence;

/// The part of a function or container that the vendor may change, as it runs in the cloud now: what an adapter reads.
///
/// What is `None` is not told by the cloud, or the kind does not have it: it then counts as the stack says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Running {
    /// The code, in the one form that the cloud runs.
    pub code: Option<Code>,
    /// All variables of the code's environment, those of links included. Those that the cloud's adapter sets itself are
    /// not among them.
    pub environment: Option<BTreeMap<String, String>>,
    /// The memory in MiB.
    pub memory_mib: Option<u32>,
    /// The longest run, in seconds.
    pub timeout_seconds: Option<u32>,
    /// Thousandths of a processor.
    pub cpu_millis: Option<u32>,
    /// The number of replicas.
    pub replicas: Option<Replicas>,
    /// The cloud's own mark of this state of the resource, which changes with every change of it. It is given back with an
    /// update, which the cloud then refuses if somebody else has changed the resource since.
    pub revision: Option<String>,
}

impl Running {
    /// Nothing is told.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Of all this, the numbers whose bounds these fields give.
    pub(crate) fn numbers(&self, bounds: &[&str]) -> Self {
        let Self { memory_mib, cpu_millis, replicas, .. } = *self;
        let is_named = |field: &str| bounds.contains(&field);
        Self {
            memory_mib: memory_mib.filter(|_| is_named("memoryBounds")),
            cpu_millis: cpu_millis.filter(|_| is_named("cpuBounds")),
            replicas: replicas.filter(|_| is_named("replicaBounds")),
            ..Self::default()
        }
    }

    /// Sets the code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Code>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Sets all variables of the environment.
    #[must_use]
    pub fn with_environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment = Some(variables.into_iter().collect());
        self
    }

    /// Sets the memory in MiB.
    #[must_use]
    pub const fn with_memory_mib(mut self, memory: u32) -> Self {
        self.memory_mib = Some(memory);
        self
    }

    /// Sets the longest run, in seconds.
    #[must_use]
    pub const fn with_timeout_seconds(mut self, timeout: u32) -> Self {
        self.timeout_seconds = Some(timeout);
        self
    }

    /// Sets the thousandths of a processor.
    #[must_use]
    pub const fn with_cpu_millis(mut self, cpu: u32) -> Self {
        self.cpu_millis = Some(cpu);
        self
    }

    /// Sets the number of replicas.
    #[must_use]
    pub const fn with_replicas(mut self, replicas: Replicas) -> Self {
        self.replicas = Some(replicas);
        self
    }

    /// Sets the cloud's own mark of this state; an empty one is none.
    #[must_use]
    pub fn with_revision(mut self, revision: impl Into<String>) -> Self {
        self.revision = Some(revision.into()).filter(|revision| !revision.is_empty());
        self
    }
}

impl Running {
    /// The number of the release that set the environment, if one did that has a number.
    pub(crate) fn mark(&self) -> Option<Sequence> {
        self.environment.as_ref()?.get(RELEASE_VARIABLE)?.parse::<u64>().ok().map(Sequence::from)
    }
}

/// The variables that are the vendor's, and not the addresses of links.
pub(super) fn vendors(environment: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_vendors = |(name, _): &(&String, &String)| !name.starts_with(VARIABLE_PREFIX);
    environment.iter().filter(is_vendors).map(|(name, value)| (name.clone(), value.clone())).collect()
}
