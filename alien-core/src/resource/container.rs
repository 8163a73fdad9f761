//! `container`: code that always runs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounds::{Bounds, Scale};
use super::code::Code;
use super::describe::{Compute, Describe, Mentions, check_environment, check_range};
use super::network::Network;
use super::replicas::Replicas;
use super::running::{self, Running};
use crate::form::{Collected, Form};
use crate::handle::{Mention, Ref};
use crate::lifecycle::State;
use crate::permission::{ForManagement, ForProfiles, Set, SetOf};
use crate::problem::{Problem, Rule};

/// Code that always runs.
///
/// ```
/// use alien_core::{Code, Container, Replicas};
/// let digest = format!("sha256:{}", "0".repeat(64));
/// let worker = Container::new(Code::image("registry.example.com/worker", &digest)?, "execution")
///     .with_cpu_millis(500)
///     .with_memory_mib(1024)
///     .with_replicas(Replicas { min: 2, max: 4 })
///     .with_replica_bounds(1..=10)
///     .with_port(8080);
/// # Ok::<(), alien_core::TextError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Container {
    pub(crate) code: Code,
    /// The permission profile whose identity the code runs under.
    pub(crate) profile: String,
    /// Thousandths of a processor: 250, 500, 1,000, 2,000 or 4,000.
    #[serde(default = "default_cpu", skip_serializing_if = "is_default_cpu")]
    pub(crate) cpu_millis: u32,
    /// The minimum and the maximum of a processor, in thousandths, that the vendor may set by an update. If absent, the
    /// vendor may not change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_bounds: Option<Bounds>,
    /// Memory in MiB, 512 to 30,720.
    #[serde(default = "default_memory", skip_serializing_if = "is_default_memory")]
    #[schemars(range(min = 512, max = 30720))]
    pub(crate) memory_mib: u32,
    /// The minimum and the maximum memory, in MiB, that the vendor may set by an update. If absent, the vendor may not
    /// change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) memory_bounds: Option<Bounds>,
    /// The number of replicas that run at once.
    #[serde(default, skip_serializing_if = "is_default_replicas")]
    pub(crate) replicas: Replicas,
    /// The minimum and the maximum number of replicas that the vendor may set by an update. If absent, the vendor may
    /// not change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replica_bounds: Option<Bounds>,
    /// The port it listens on, reachable inside its network. If absent, it accepts no connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
    /// Environment variables. Anyone who may watch the container can read them, so put no secret here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) environment: BTreeMap<String, String>,
    /// The network it runs in. If absent, the cloud's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) network: Option<String>,
    #[serde(skip)]
    #[schemars(skip)]
    mentions: Mentions,
}

fn default_cpu() -> u32 {
    250
}

fn is_default_cpu(cpu: &u32) -> bool {
    *cpu == default_cpu()
}

fn default_memory() -> u32 {
    512
}

fn is_default_memory(memory: &u32) -> bool {
    *memory == default_memory()
}

fn is_default_replicas(replicas: &Replicas) -> bool {
    *replicas == Replicas::default()
}

impl Container {
    pub(crate) const FIELDS: &'static [&'static str] = &[];

    /// See health: for profiles that watch.
    pub const WATCH: SetOf<Self, ForProfiles> = SetOf::new(Set::Heartbeat);
    /// Read and update code and configuration: for `management.extend`.
    pub const MANAGEMENT: SetOf<Self, ForManagement> = SetOf::new(Set::Management);
    /// Create and delete: for `management.extend`.
    pub const PROVISION: SetOf<Self, ForManagement> = SetOf::new(Set::Provision);
    /// Read logs: for `management.extend`.
    pub const LOGS: SetOf<Self, ForManagement> = SetOf::new(Set::Logs);

    /// Creates a container whose code runs under the identity of a permission profile, with a quarter of a processor
    /// and 512 MiB.
    #[must_use]
    pub fn new(code: Code, profile: impl Into<String>) -> Self {
        Self {
            code,
            profile: profile.into(),
            cpu_millis: default_cpu(),
            cpu_bounds: None,
            memory_mib: default_memory(),
            memory_bounds: None,
            replicas: Replicas::default(),
            replica_bounds: None,
            port: None,
            environment: BTreeMap::new(),
            network: None,
            mentions: Mentions::default(),
        }
    }

    /// Sets the processor, in thousandths: 250, 500, 1,000, 2,000 or 4,000.
    #[must_use]
    pub fn with_cpu_millis(mut self, cpu: u32) -> Self {
        self.cpu_millis = cpu;
        self
    }

    /// Sets the memory in MiB, 512 to 30,720.
    #[must_use]
    pub fn with_memory_mib(mut self, memory: u32) -> Self {
        self.memory_mib = memory;
        self
    }

    /// Sets how many replicas run at once.
    #[must_use]
    pub fn with_replicas(mut self, replicas: Replicas) -> Self {
        self.replicas = replicas;
        self
    }

    /// Sets the minimum and the maximum of a processor, in thousandths, that the vendor may set by an update. By
    /// default, the vendor may not change it.
    #[must_use]
    pub fn with_cpu_bounds(mut self, bounds: impl Into<Bounds>) -> Self {
        self.cpu_bounds = Some(bounds.into());
        self
    }

    /// Sets the minimum and the maximum memory, in MiB, that the vendor may set by an update. By default, the vendor
    /// may not change it.
    #[must_use]
    pub fn with_memory_bounds(mut self, bounds: impl Into<Bounds>) -> Self {
        self.memory_bounds = Some(bounds.into());
        self
    }

    /// Sets the minimum and the maximum number of replicas that the vendor may set by an update. By default, the vendor
    /// may not change it.
    #[must_use]
    pub fn with_replica_bounds(mut self, bounds: impl Into<Bounds>) -> Self {
        self.replica_bounds = Some(bounds.into());
        self
    }

    /// Sets the port it listens on, reachable inside its network.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Sets an environment variable. Anyone who may watch the container can read it, so put no secret here.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Runs it in a network of the stack.
    #[must_use]
    pub fn with_network<L: State>(mut self, network: &Ref<Network, L>) -> Self {
        self.network = Some(network.id.clone());
        self.mentions.0.push(network.into());
        self
    }

    /// Its code.
    #[must_use]
    pub const fn code(&self) -> &Code {
        &self.code
    }

    /// Its processor, in thousandths.
    #[must_use]
    pub const fn cpu_millis(&self) -> u32 {
        self.cpu_millis
    }

    /// The processors, in thousandths, that the vendor may set by an update: the present one if the stack gives no bounds.
    #[must_use]
    pub fn cpu_bounds(&self) -> Bounds {
        let [cpu, ..] = self.sized();
        cpu.bounds()
    }

    /// The memory, in MiB, that the vendor may set by an update: the present one if the stack gives no bounds.
    #[must_use]
    pub fn memory_bounds(&self) -> Bounds {
        let [_, memory, _] = self.sized();
        memory.bounds()
    }

    /// Its memory, in MiB.
    #[must_use]
    pub const fn memory_mib(&self) -> u32 {
        self.memory_mib
    }

    /// The number of replicas that run at once.
    #[must_use]
    pub const fn replicas(&self) -> Replicas {
        self.replicas
    }

    /// The port it listens on; `None` if it accepts no connections.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }
}

impl Container {
    fn sized(&self) -> [Scale; 3] {
        let Replicas { min, max } = self.replicas;
        [
            Scale {
                field: "cpuBounds",
                what: "cpu in thousandths",
                has: Bounds::only(self.cpu_millis),
                given: self.cpu_bounds,
            },
            Scale {
                field: "memoryBounds",
                what: "memory in MiB",
                has: Bounds::only(self.memory_mib),
                given: self.memory_bounds,
            },
            Scale {
                field: "replicaBounds",
                what: "the number of replicas",
                has: Bounds { min, max },
                given: self.replica_bounds,
            },
        ]
    }
}

impl Describe for Container {
    fn check(&self, problems: &mut Vec<Problem>) {
        self.code.check(problems);
        if self.code.zips().next().is_some() {
            problems.push(Problem::error(
                Rule::Code,
                "a container cannot run a zip".to_owned(),
                "give it an image, or make it a function".to_owned(),
            ));
        }
        if ![250, 500, 1000, 2000, 4000].contains(&self.cpu_millis) {
            problems.push(Problem::error(
                Rule::Setting,
                format!("cpu in thousandths is {}", self.cpu_millis),
                "set it to 250, 500, 1000, 2000 or 4000".to_owned(),
            ));
        }
        let [cpu, memory, replicas] = self.sized();
        if let Some(bounds) = cpu.given.filter(|bounds| !bounds.contains(cpu.has)) {
            problems.push(Problem::error(
                Rule::Setting,
                format!("{} is outside of its bounds {bounds}", cpu.what),
                "set it inside, or set wider bounds".to_owned(),
            ));
        }
        memory.check(problems, 512..=30_720);
        let Replicas { min, max } = self.replicas;
        check_range(problems, "the fewest replicas", min, 1..=100);
        check_range(problems, "the most replicas", max, min.clamp(1, 100)..=100);
        if (1..=100).contains(&min) && (min..=100).contains(&max) {
            replicas.check(problems, 1..=100);
        }
        if self.port == Some(0) {
            problems.push(Problem::error(Rule::Setting, "port is 0".to_owned(), "set it to 1 to 65535".to_owned()));
        }
        check_environment(problems, &self.environment);
    }

    fn collect<'a>(&'a self, fields: &mut Collected<'a>) {
        let Self {
            code,
            profile,
            cpu_millis,
            cpu_bounds: _,
            memory_mib,
            memory_bounds: _,
            replicas,
            replica_bounds: _,
            port,
            environment,
            network,
            mentions: _,
        } = self;
        fields.value("code", code.form());
        fields.value("profile", Form::of(profile));
        fields.number("cpuMillis", *cpu_millis, default_cpu());
        fields.number("memoryMib", *memory_mib, default_memory());
        if !is_default_replicas(replicas) {
            let Replicas { min, max } = *replicas;
            fields.value("replicas", Form::object([("min", Form::Number(min)), ("max", Form::Number(max))]));
        }
        fields.optional_number("port", port.map(u32::from));
        fields.texts("environment", environment);
        fields.optional_text("network", network.as_deref());
    }

    fn updatable(&self) -> &'static [&'static str] {
        &["code", "cpuMillis", "environment", "links", "memoryMib", "replicas"]
    }

    fn scales(&self) -> Vec<Scale> {
        self.sized().to_vec()
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
            timeout_seconds: None,
            cpu_millis: Some(self.cpu_millis),
            replicas: Some(self.replicas),
            revision: None,
        }
    }

    fn set_running(&mut self, running: &Running) {
        let Running { code, environment, memory_mib, timeout_seconds: _, cpu_millis, replicas, revision: _ } = running;
        self.code = code.clone().unwrap_or_else(|| self.code.clone());
        self.environment = environment.as_ref().map_or_else(|| self.environment.clone(), running::vendors);
        self.memory_mib = memory_mib.unwrap_or(self.memory_mib);
        self.cpu_millis = cpu_millis.unwrap_or(self.cpu_millis);
        self.replicas = replicas.unwrap_or(self.replicas);
    }

    fn take_mentions(&mut self) -> Vec<Mention> {
        std::mem::take(&mut self.mentions.0)
    }
}
