//! `function`: code that runs on demand and scales to zero.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds::{Bounds, Scale};
use super::code::Code;
use super::describe::{Compute, Describe, Mentions, Trigger, check_environment, check_range};
use super::network::Network;
use super::queue::{Queue, whole_seconds};
use super::running::{self, Running};
use crate::form::{Collected, Form};
use crate::handle::{Mention, Ref};
use crate::lifecycle::State;
use crate::permission::{ForManagement, ForProfiles, Set, SetOf};
use crate::problem::Problem;

/// Code that runs on demand and scales to zero.
///
/// ```
/// use std::time::Duration;
/// use alien_core::{Code, Function};
/// let digest = format!("sha256:{}", "0".repeat(64));
/// let api = Function::new(Code::image("registry.example.com/api", &digest)?, "execution")
///     .with_memory_mib(1024)
///     .with_memory_bounds(512..=2048)
///     .with_timeout(Duration::from_secs(60))
///     .with_variable("LOG", "info")
///     .with_commands();
/// # Ok::<(), alien_core::TextError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Function {
    pub(crate) code: Code,
    /// The permission profile whose identity the code runs under.
    pub(crate) profile: String,
    /// Memory in MiB, 128 to 8,192.
    #[serde(default = "default_memory", skip_serializing_if = "is_default_memory")]
    #[schemars(range(min = 128, max = 8192))]
    pub(crate) memory_mib: u32,
    /// The minimum and the maximum memory, in MiB, that the vendor may set by an update. If absent, the vendor may not
    /// change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) memory_bounds: Option<Bounds>,
    /// The longest run in seconds, 1 to 900.
    #[serde(default = "default_timeout", skip_serializing_if = "is_default_timeout")]
    #[schemars(range(min = 1, max = 900))]
    pub(crate) timeout_seconds: u32,
    /// Environment variables. Anyone who may watch the function can read them, so put no secret here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) environment: BTreeMap<String, String>,
    /// The queues whose messages start it. The profile must hold `queue/data-read` on each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) triggers: Vec<Trigger>,
    /// Whether anyone may call it over HTTPS.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) public_url: bool,
    /// Whether the vendor may send it commands (`function/dispatch`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) commands: bool,
    /// The network it runs in. If absent, the cloud's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) network: Option<String>,
    #[serde(skip)]
    #[schemars(skip)]
    mentions: Mentions,
}

fn default_memory() -> u32 {
    512
}

fn is_default_memory(memory: &u32) -> bool {
    *memory == default_memory()
}

fn default_timeout() -> u32 {
    30
}

fn is_default_timeout(timeout: &u32) -> bool {
    *timeout == default_timeout()
}

impl Function {
    pub(crate) const FIELDS: &'static [&'static str] = &[];

    /// Call the function: for profiles.
    pub const INVOKE: SetOf<Self, ForProfiles> = SetOf::new(Set::Invoke);
    /// See health: for profiles that watch.
    pub const WATCH: SetOf<Self, ForProfiles> = SetOf::new(Set::Heartbeat);
    /// Read and update code and configuration: for `management.extend`.
    pub const MANAGEMENT: SetOf<Self, ForManagement> = SetOf::new(Set::Management);
    /// Create and delete: for `management.extend`.
    pub const PROVISION: SetOf<Self, ForManagement> = SetOf::new(Set::Provision);
    /// Read logs: for `management.extend`.
    pub const LOGS: SetOf<Self, ForManagement> = SetOf::new(Set::Logs);
    /// Send commands: for `management.extend`.
    pub const DISPATCH: SetOf<Self, ForManagement> = SetOf::new(Set::Dispatch);

    /// Creates a function whose code runs under the identity of a permission profile, with 512 MiB of memory and a
    /// timeout of 30 seconds.
    #[must_use]
    pub fn new(code: Code, profile: impl Into<String>) -> Self {
        Self {
            code,
            profile: profile.into(),
            memory_mib: default_memory(),
            memory_bounds: None,
            timeout_seconds: default_timeout(),
            environment: BTreeMap::new(),
            triggers: Vec::new(),
            public_url: false,
            commands: false,
            network: None,
            mentions: Mentions::default(),
        }
    }

    /// Sets the memory in MiB, 128 to 8,192.
    #[must_use]
    pub fn with_memory_mib(mut self, memory: u32) -> Self {
        self.memory_mib = memory;
        self
    }

    /// Sets the minimum and the maximum memory, in MiB, that the vendor may set by an update. By default, the vendor
    /// may not change it.
    #[must_use]
    pub fn with_memory_bounds(mut self, bounds: impl Into<Bounds>) -> Self {
        self.memory_bounds = Some(bounds.into());
        self
    }

    /// Sets the longest run, 1 to 900 seconds; fractions of a second are rounded up.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout_seconds = whole_seconds(timeout);
        self
    }

    /// Sets an environment variable. Anyone who may watch the function can read it, so put no secret here.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Starts it for the messages of a queue. The profile must hold `queue/data-read` on that queue.
    #[must_use]
    pub fn with_trigger<L: State>(mut self, queue: &Ref<Queue, L>) -> Self {
        self.triggers.push(Trigger { queue: queue.id.clone() });
        self.mentions.0.push(queue.into());
        self
    }

    /// Lets anyone call it over HTTPS.
    #[must_use]
    pub fn with_public_url(mut self) -> Self {
        self.public_url = true;
        self
    }

    /// Lets the vendor send it commands.
    #[must_use]
    pub fn with_commands(mut self) -> Self {
        self.commands = true;
        self
    }

    /// Runs it in a network of the stack.
    #[must_use]
    pub fn with_network<L: State>(mut self, network: &Ref<Network, L>) -> Self {
        self.network = Some(network.id.clone());
        self.mentions.0.push(network.into());
        self
    }

    /// Whether the vendor may send it commands.
    #[must_use]
    pub const fn takes_commands(&self) -> bool {
        self.commands
    }

    /// Its code.
    #[must_use]
    pub const fn code(&self) -> &Code {
        &self.code
    }

    /// Its memory, in MiB.
    #[must_use]
    pub const fn memory_mib(&self) -> u32 {
        self.memory_mib
    }

    /// The longest run.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds as u64)
    }

    /// Whether messages of some queue start it.
    #[must_use]
    pub const fn is_triggered(&self) -> bool {
        !self.triggers.is_empty()
    }

    /// The network it runs in; `None` means the cloud's default.
    #[must_use]
    pub fn network(&self) -> Option<&str> {
        self.network.as_deref()
    }

    /// Whether anyone may call it over HTTPS.
    #[must_use]
    pub const fn is_public(&self) -> bool {
        self.public_url
    }
}

impl Describe for Function {
    fn check(&self, problems: &mut Vec<Problem>) {
        self.code.check(problems);
        for scale in self.scales() {
            scale.check(problems, 128..=8192);
        }
        check_range(problems, "timeout in seconds", self.timeout_seconds, 1..=900);
        check_environment(problems, &self.environment);
    }

    fn collect<'a>(&'a self, fields: &mut Collected<'a>) {
        let Self {
            code,
            profile,
            memory_mib,
            memory_bounds: _,
            timeout_seconds,
            environment,
            triggers,
            public_url,
            commands,
            network,
            mentions: _,
        } = self;
        fields.value("code", code.form());
        fields.value("profile", Form::of(profile));
        fields.number("memoryMib", *memory_mib, default_memory());
        fields.number("timeoutSeconds", *timeout_seconds, default_timeout());
        fields.texts("environment", environment);
        if !triggers.is_empty() {
            let queues = triggers.iter().map(|trigger| Form::object([("queue", Form::of(&trigger.queue))]));
            fields.value("triggers", Form::List(queues.collect()));
        }
        fields.flag("publicUrl", *public_url);
        fields.flag("commands", *commands);
        fields.optional_text("network", network.as_deref());
    }

    fn updatable(&self) -> &'static [&'static str] {
        &["code", "environment", "links", "memoryMib", "timeoutSeconds"]
    }

    fn scales(&self) -> Vec<Scale> {
        vec![Scale {
            field: "memoryBounds",
            what: "memory in MiB",
            has: Bounds::only(self.memory_mib),
            given: self.memory_bounds,
        }]
    }

    fn compute(&self) -> Option<Compute<'_>> {
        Some(Compute {
            code: &self.code,
            profile: &self.profile,
            environment: &self.environment,
            network: self.network.as_deref(),
        })
    }

    fn code_mut(&mut self) -> Option<&mut Code> {
        Some(&mut self.code)
    }

    fn running(&self) -> Running {
        Running {
            code: Some(self.code.clone()),
            environment: Some(self.environment.clone()),
            memory_mib: Some(self.memory_mib),
            timeout_seconds: Some(self.timeout_seconds),
            cpu_millis: None,
            replicas: None,
            revision: None,
        }
    }

    fn set_running(&mut self, running: &Running) {
        let Running { code, environment, memory_mib, timeout_seconds, cpu_millis: _, replicas: _, revision: _ } =
            running;
        self.code = code.clone().unwrap_or_else(|| self.code.clone());
        self.environment = environment.as_ref().map_or_else(|| self.environment.clone(), running::vendors);
        self.memory_mib = memory_mib.unwrap_or(self.memory_mib);
        self.timeout_seconds = timeout_seconds.unwrap_or(self.timeout_seconds);
    }

    fn triggers(&self) -> &[Trigger] {
        &self.triggers
    }

    fn takes_commands(&self) -> bool {
        self.commands
    }

    fn is_public(&self) -> bool {
        self.public_url
    }

    fn take_mentions(&mut self) -> Vec<Mention> {
        std::mem::take(&mut self.mentions.0)
    }
}
