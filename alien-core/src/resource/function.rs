//! `function`: code that runs on demand and scales to zero.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Queue, Sealed, check_environment, check_range};
use crate::handle::{Mention, Ref};
use crate::lifecycle::State;
use crate::permission::{ForManagement, ForProfiles, Set, SetOf};
use crate::problem::{Problem, Rule};

/// Code that runs on demand and scales to zero.
///
/// ```
/// use std::time::Duration;
/// use alien_core::{Code, Function};
/// let image = format!("registry.example.com/api@sha256:{}", "0".repeat(64));
/// let api = Function::new(Code::image(image), "execution")
///     .memory_mib(1024)
///     .timeout(Duration::from_secs(60))
///     .variable("LOG", "info")
///     .commands();
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
    /// The longest run in seconds, 1 to 900.
    #[serde(default = "default_timeout", skip_serializing_if = "is_default_timeout")]
    #[schemars(range(min = 1, max = 900))]
    pub(crate) timeout_seconds: u32,
    /// Environment variables. Whoever may watch the function can read them: put no secret here.
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
    /// The network it runs in; the cloud's default where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) network: Option<String>,
    #[serde(skip)]
    #[schemars(skip)]
    mentions: Mentions,
}

/// What runs: an image pinned by digest, or a zip named by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Code {
    /// An image reference that ends in `@sha256:` and 64 hexadecimal digits.
    Image(String),
    /// `sha256:` and the 64 hexadecimal digits of a zip that holds an executable `bootstrap`. The bytes come with
    /// the release.
    Zip(String),
}

impl Code {
    /// An image, `registry/repository@sha256:…`.
    #[must_use]
    pub fn image(reference: impl Into<String>) -> Self {
        Self::Image(reference.into())
    }

    /// A zip, by its bytes: what is kept is their SHA-256.
    #[must_use]
    pub fn zip(bytes: &[u8]) -> Self {
        use std::fmt::Write as _;
        let mut digest = String::from("sha256:");
        for byte in Sha256::digest(bytes) {
            // Writing to a string cannot fail.
            let _ = write!(digest, "{byte:02x}");
        }
        Self::Zip(digest)
    }

    pub(crate) fn check(&self, problems: &mut Vec<Problem>) {
        match self {
            Self::Image(reference) => match reference.split_once('@') {
                _ if reference.is_empty() => problems.push(Problem::error(
                    Rule::Code,
                    "the image is empty".to_owned(),
                    "name it as `registry/repository@sha256:…`".to_owned(),
                )),
                Some((_, digest)) if is_digest(digest) => {}
                _ => problems.push(Problem::warning(
                    Rule::Code,
                    format!("image `{reference}` is not pinned by digest: what runs can change without an update"),
                    "name it as `registry/repository@sha256:` and 64 hexadecimal digits in lower case".to_owned(),
                )),
            },
            Self::Zip(digest) if is_digest(digest) => {}
            Self::Zip(digest) => problems.push(Problem::error(
                Rule::Code,
                format!("zip `{digest}` is not a digest"),
                "write `sha256:` and 64 hexadecimal digits in lower case".to_owned(),
            )),
        }
    }
}

/// `sha256:` and 64 hexadecimal digits in lower case.
fn is_digest(digest: &str) -> bool {
    digest.strip_prefix("sha256:").is_some_and(|digits| {
        digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

/// A queue whose messages start the function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Trigger {
    /// The id of the queue.
    pub queue: String,
}

/// References that were given to the settings, so that the builder can see whether they are its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mentions(pub(crate) Vec<Mention>);

/// Where a setting came from does not make it another setting.
impl PartialEq for Mentions {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for Mentions {}

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

    /// Code that runs under the identity of a permission profile, with 512 MiB and 30 seconds.
    #[must_use]
    pub fn new(code: Code, profile: impl Into<String>) -> Self {
        Self {
            code,
            profile: profile.into(),
            memory_mib: default_memory(),
            timeout_seconds: default_timeout(),
            environment: BTreeMap::new(),
            triggers: Vec::new(),
            public_url: false,
            commands: false,
            network: None,
            mentions: Mentions::default(),
        }
    }

    /// Memory in MiB, 128 to 8,192.
    #[must_use]
    pub fn memory_mib(mut self, memory: u32) -> Self {
        self.memory_mib = memory;
        self
    }

    /// The longest run, 1 to 900 seconds; fractions of a second are rounded up.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout_seconds = super::queue::whole_seconds(timeout);
        self
    }

    /// Sets an environment variable. Whoever may watch the function can read it: put no secret here.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Starts it for messages of a queue. The profile must hold `queue/data-read` on that queue.
    #[must_use]
    pub fn trigger<L: State>(mut self, queue: &Ref<Queue, L>) -> Self {
        self.triggers.push(Trigger { queue: queue.id.clone() });
        self.mentions.0.push(queue.into());
        self
    }

    /// Lets anyone call it over HTTPS.
    #[must_use]
    pub fn public(mut self) -> Self {
        self.public_url = true;
        self
    }

    /// Lets the vendor send it commands.
    #[must_use]
    pub fn commands(mut self) -> Self {
        self.commands = true;
        self
    }

    /// Runs it in a network of the stack's.
    #[must_use]
    pub fn network<L: State>(mut self, network: &Ref<super::Network, L>) -> Self {
        self.network = Some(network.id.clone());
        self.mentions.0.push(network.into());
        self
    }

    /// Whether the vendor may send it commands.
    #[must_use]
    pub const fn takes_commands(&self) -> bool {
        self.commands
    }

    /// What runs.
    #[must_use]
    pub const fn code(&self) -> &Code {
        &self.code
    }

    /// Memory in MiB.
    #[must_use]
    pub const fn memory(&self) -> u32 {
        self.memory_mib
    }

    /// The longest run.
    #[must_use]
    pub const fn longest_run(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds as u64)
    }

    /// Whether messages of some queue start it.
    #[must_use]
    pub const fn is_triggered(&self) -> bool {
        !self.triggers.is_empty()
    }

    /// The network it runs in; none where the cloud's default.
    #[must_use]
    pub fn network_id(&self) -> Option<&str> {
        self.network.as_deref()
    }

    /// Whether anyone may call it over HTTPS.
    #[must_use]
    pub const fn is_public(&self) -> bool {
        self.public_url
    }

    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        self.code.check(problems);
        check_range(problems, "memory in MiB", self.memory_mib, 128..=8192);
        check_range(problems, "timeout in seconds", self.timeout_seconds, 1..=900);
        check_environment(problems, &self.environment);
    }
}

impl Sealed for Function {
    fn take_mentions(&mut self) -> Vec<Mention> {
        std::mem::take(&mut self.mentions.0)
    }
}
