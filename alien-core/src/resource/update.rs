//! What the vendor may change of a live function or container: code, and the settings beside it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::any::ResourceSettings;
use super::code::Code;
use super::container::{Container, Replicas};
use super::function::Function;

/// A kind that the vendor updates. Sealed, as [`ResourceKind`](crate::ResourceKind) is.
pub trait Updatable: ResourceSettings {
    /// What may be changed of it.
    type Update: Send;

    /// The settings as the update leaves them, and the bytes that takes.
    fn updated(self, update: Self::Update) -> Updated<Self>;
}

/// Settings after an update, and the bytes that it takes.
#[derive(Debug)]
pub struct Updated<K> {
    pub(crate) settings: K,
    /// The bytes of new code.
    pub(crate) zip: Option<Arc<[u8]>>,
    /// The bytes of the code before.
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

/// An update of a live function. What it does not name stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionUpdate {
    code: Option<NewCode>,
    previous: Option<NewCode>,
    memory_mib: Option<u32>,
    timeout: Option<Duration>,
    variables: BTreeMap<String, Option<String>>,
}

impl FunctionUpdate {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// New code: a zip with an executable `bootstrap`.
    #[must_use]
    pub fn with_zip(mut self, bytes: impl Into<Arc<[u8]>>) -> Self {
        self.code = Some(NewCode::zip(bytes.into()));
        self
    }

    /// The zip that runs now: it is put back where the new code does not work.
    #[must_use]
    pub fn with_previous_zip(mut self, bytes: impl Into<Arc<[u8]>>) -> Self {
        self.previous = Some(NewCode::zip(bytes.into()));
        self
    }

    /// New code: images. A zip comes with its bytes, by [`with_zip`](Self::with_zip).
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.code = Some(NewCode { code, zip: None });
        self
    }

    /// Memory in MiB, 128 to 8,192.
    #[must_use]
    pub fn with_memory_mib(mut self, memory: u32) -> Self {
        self.memory_mib = Some(memory);
        self
    }

    /// The longest run, 1 to 900 seconds; fractions of a second are rounded up.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets an environment variable. Whoever may watch the function can read it: put no secret here.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), Some(value.into()));
        self
    }

    /// Removes an environment variable. One that is not set stays so.
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

/// An update of a live container. What it does not name stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerUpdate {
    code: Option<NewCode>,
    cpu_millis: Option<u32>,
    memory_mib: Option<u32>,
    replicas: Option<Replicas>,
    variables: BTreeMap<String, Option<String>>,
}

impl ContainerUpdate {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// New code: images.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.code = Some(NewCode { code, zip: None });
        self
    }

    /// Thousandths of a processor: 250, 500, 1,000, 2,000 or 4,000.
    #[must_use]
    pub fn with_cpu_millis(mut self, cpu: u32) -> Self {
        self.cpu_millis = Some(cpu);
        self
    }

    /// Memory in MiB, 512 to 30,720.
    #[must_use]
    pub fn with_memory_mib(mut self, memory: u32) -> Self {
        self.memory_mib = Some(memory);
        self
    }

    /// How many run at once.
    #[must_use]
    pub fn with_replicas(mut self, replicas: Replicas) -> Self {
        self.replicas = Some(replicas);
        self
    }

    /// Sets an environment variable. Whoever may watch the container can read it: put no secret here.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), Some(value.into()));
        self
    }

    /// Removes an environment variable. One that is not set stays so.
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
