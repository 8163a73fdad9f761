//! What the vendor may change of a live function or container: its code and some of its settings.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::any::ResourceSettings;
use super::code::Code;
use super::container::Container;
use super::function::Function;
use super::replicas::Replicas;

/// A kind that the vendor can update. Sealed, as [`ResourceKind`](crate::ResourceKind) is.
pub trait Updatable: ResourceSettings {
    /// The type of an update.
    type Update: Send;

    /// Applies an update. Returns the new settings and the bytes that they need.
    fn updated(self, update: Self::Update) -> Updated<Self>;
}

/// The settings after an update, and the bytes that they need.
#[derive(Debug)]
pub struct Updated<K> {
    pub(crate) settings: K,
    /// The bytes of new code.
    pub(crate) zip: Option<Arc<[u8]>>,
    /// The bytes of the previous code.
    pub(crate) previous: Option<Arc<[u8]>>,
}

/// Code: an image, or a zip with its bytes.
#[derive(Clone, PartialEq, Eq)]
struct NewCode {
    code: Code,
    zip: Option<Arc<[u8]>>,
}

impl fmt::Debug for NewCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(f)
    }
}

impl NewCode {
    fn zip(bytes: Arc<[u8]>) -> Self {
        Self { code: Code::zip(&bytes), zip: Some(bytes) }
    }
}

/// Sets and removes environment variables.
fn set(environment: &mut BTreeMap<String, String>, variables: BTreeMap<String, Option<String>>) {
    for (name, value) in variables {
        match value {
            Some(value) => environment.insert(name, value),
            None => environment.remove(&name),
        };
    }
}

/// An update of a live function. What it does not set stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionUpdate {
    code: Option<NewCode>,
    previous: Option<NewCode>,
    memory_mib: Option<u32>,
    timeout: Option<Duration>,
    variables: BTreeMap<String, Option<String>>,
}

impl FunctionUpdate {
    /// Creates an update that changes nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets new code: the bytes of a zip with an executable `bootstrap`.
    #[must_use]
    pub fn with_zip(mut self, bytes: impl Into<Arc<[u8]>>) -> Self {
        self.code = Some(NewCode::zip(bytes.into()));
        self
    }

    /// Sets the bytes of the zip that runs now, to put back if the new code does not work.
    #[must_use]
    pub fn with_previous_zip(mut self, bytes: impl Into<Arc<[u8]>>) -> Self {
        self.previous = Some(NewCode::zip(bytes.into()));
        self
    }

    /// Sets new code: images. For a zip, use [`with_zip`](Self::with_zip), which takes its bytes.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.code = Some(NewCode { code, zip: None });
        self
    }

    /// Sets the memory in MiB, 128 to 8,192.
    #[must_use]
    pub fn with_memory_mib(mut self, memory: u32) -> Self {
        self.memory_mib = Some(memory);
        self
    }

    /// Sets the longest run, 1 to 900 seconds; fractions of a second are rounded up.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets an environment variable. Anyone who may watch the function can read it, so put no secret here.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), Some(value.into()));
        self
    }

    /// Removes an environment variable, if it is set.
    #[must_use]
    pub fn without_variable(mut self, name: impl Into<String>) -> Self {
        self.variables.insert(name.into(), None);
        self
    }
}

impl Updatable for Function {
    type Update = FunctionUpdate;

    fn updated(mut self, update: FunctionUpdate) -> Updated<Self> {
        let FunctionUpdate { code, previous, memory_mib, timeout, variables } = update;
        let (code, zip) = code.map_or((None, None), |new| (Some(new.code), new.zip));
        self.code = code.unwrap_or(self.code);
        self.memory_mib = memory_mib.unwrap_or(self.memory_mib);
        set(&mut self.environment, variables);
        let settings = match timeout {
            Some(timeout) => self.with_timeout(timeout),
            None => self,
        };
        Updated { settings, zip, previous: previous.and_then(|code| code.zip) }
    }
}

/// An update of a live container. What it does not set stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerUpdate {
    code: Option<NewCode>,
    cpu_millis: Option<u32>,
    memory_mib: Option<u32>,
    replicas: Option<Replicas>,
    variables: BTreeMap<String, Option<String>>,
}

impl ContainerUpdate {
    /// Creates an update that changes nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets new code: images.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.code = Some(NewCode { code, zip: None });
        self
    }

    /// Sets the processor, in thousandths: 250, 500, 1,000, 2,000 or 4,000.
    #[must_use]
    pub fn with_cpu_millis(mut self, cpu: u32) -> Self {
        self.cpu_millis = Some(cpu);
        self
    }

    /// Sets the memory in MiB, 512 to 30,720.
    #[must_use]
    pub fn with_memory_mib(mut self, memory: u32) -> Self {
        self.memory_mib = Some(memory);
        self
    }

    /// Sets how many replicas run at once.
    #[must_use]
    pub fn with_replicas(mut self, replicas: Replicas) -> Self {
        self.replicas = Some(replicas);
        self
    }

    /// Sets an environment variable. Anyone who may watch the container can read it, so put no secret here.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), Some(value.into()));
        self
    }

    /// Removes an environment variable, if it is set.
    #[must_use]
    pub fn without_variable(mut self, name: impl Into<String>) -> Self {
        self.variables.insert(name.into(), None);
        self
    }
}

impl Updatable for Container {
    type Update = ContainerUpdate;

    fn updated(mut self, update: ContainerUpdate) -> Updated<Self> {
        let ContainerUpdate { code, cpu_millis, memory_mib, replicas, variables } = update;
        self.code = code.map_or(self.code, |new| new.code);
        self.cpu_millis = cpu_millis.unwrap_or(self.cpu_millis);
        self.memory_mib = memory_mib.unwrap_or(self.memory_mib);
        self.replicas = replicas.unwrap_or(self.replicas);
        set(&mut self.environment, variables);
        Updated { settings: self, zip: None, previous: None }
    }
}
