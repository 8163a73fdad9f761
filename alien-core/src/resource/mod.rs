//! The six kinds of resource and their settings, one file a kind.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::handle::{Mention, Ref};
use crate::name::ResourceId;
use crate::problem::{Problem, Rule};

mod container;
mod function;
mod kv;
mod network;
mod queue;
mod storage;
mod update;

pub use container::{Container, Replicas};
pub use function::{Code, Function, Trigger};
pub use kv::Kv;
pub use network::Network;
pub use queue::Queue;
pub use storage::Storage;
pub use update::{ContainerUpdate, FunctionUpdate, Updatable, Updated};

/// The kind of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Code that runs on demand and scales to zero.
    Function,
    /// Code that always runs.
    Container,
    /// Objects, by name.
    Storage,
    /// Records, by key.
    Kv,
    /// Messages, each handled at least once.
    Queue,
    /// A private address range.
    Network,
}

impl Kind {
    /// Every kind, in the order of documents.
    pub const ALL: [Self; 6] = [Self::Function, Self::Container, Self::Storage, Self::Kv, Self::Queue, Self::Network];

    /// The word used in documents: `function`, `container`, `storage`, `kv`, `queue`, `network`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Container => "container",
            Self::Storage => "storage",
            Self::Kv => "kv",
            Self::Queue => "queue",
            Self::Network => "network",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether it runs the vendor's code, under the identity of a permission profile.
    #[must_use]
    pub const fn runs_code(self) -> bool {
        matches!(self, Self::Function | Self::Container)
    }

    /// Whether it holds the customer's data.
    #[must_use]
    pub const fn holds_data(self) -> bool {
        matches!(self, Self::Storage | Self::Kv | Self::Queue)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The settings of one kind, as a type: [`Function`], [`Container`], [`Storage`], [`Kv`], [`Queue`], [`Network`].
/// Sealed: there are exactly these six.
pub trait ResourceKind: sealed::Sealed + fmt::Debug + Clone + Into<Settings> + 'static {
    /// The same as data.
    const KIND: Kind;
}

mod sealed {
    pub trait Sealed {
        /// References that the settings mention, given to the builder beside the id that stands in the settings.
        fn take_mentions(&mut self) -> Vec<crate::handle::Mention> {
            Vec::new()
        }
    }
}
pub(crate) use sealed::Sealed;

/// The settings of a resource of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settings {
    /// Settings of a function.
    Function(Function),
    /// Settings of a container.
    Container(Container),
    /// Settings of a storage.
    Storage(Storage),
    /// Settings of a key-value table.
    Kv(Kv),
    /// Settings of a queue.
    Queue(Queue),
    /// Settings of a network.
    Network(Network),
}

macro_rules! kinds {
    ($($kind:ident),*) => {
        $(
            impl ResourceKind for $kind {
                const KIND: Kind = Kind::$kind;
            }

            impl From<$kind> for Settings {
                fn from(settings: $kind) -> Self {
                    Self::$kind(settings)
                }
            }
        )*

        impl Settings {
            /// The kind these are settings of.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self {
                    $(Self::$kind(_) => Kind::$kind,)*
                }
            }

            /// Reads the settings of a kind from their JSON form.
            pub(crate) fn decode(kind: Kind, fields: serde_json::Value) -> Result<Self, serde_json::Error> {
                match kind {
                    $(Kind::$kind => serde_json::from_value(fields).map(Self::$kind),)*
                }
            }

            /// The JSON form.
            pub(crate) fn encode(&self) -> Result<serde_json::Value, serde_json::Error> {
                match self {
                    $(Self::$kind(settings) => serde_json::to_value(settings),)*
                }
            }

            /// The JSON Schema of a kind's settings.
            pub(crate) fn schema(kind: Kind, generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                match kind {
                    $(Kind::$kind => <$kind as schemars::JsonSchema>::json_schema(generator),)*
                }
            }

            /// What is wrong with the settings by themselves, whatever else is in the stack.
            pub(crate) fn check(&self, problems: &mut Vec<Problem>) {
                match self {
                    $(Self::$kind(settings) => settings.check(problems),)*
                }
            }
        }
    };
}
kinds!(Function, Container, Storage, Kv, Queue, Network);

impl Settings {
    /// What every compute kind has; nothing for the others.
    #[must_use]
    pub fn compute(&self) -> Option<Compute<'_>> {
        match self {
            Self::Function(function) => Some(Compute {
                code: &function.code,
                profile: &function.profile,
                environment: &function.environment,
                network: function.network.as_deref(),
            }),
            Self::Container(container) => Some(Compute {
                code: &container.code,
                profile: &container.profile,
                environment: &container.environment,
                network: container.network.as_deref(),
            }),
            Self::Storage(_) | Self::Kv(_) | Self::Queue(_) | Self::Network(_) => None,
        }
    }

    /// Whether the vendor may send commands to it.
    #[must_use]
    pub const fn takes_commands(&self) -> bool {
        matches!(self, Self::Function(function) if function.takes_commands())
    }

    /// The queues whose messages start it.
    pub fn triggers(&self) -> impl Iterator<Item = &str> {
        let triggers = match self {
            Self::Function(function) => function.triggers.as_slice(),
            _ => &[],
        };
        triggers.iter().map(|trigger| trigger.queue.as_str())
    }
}

/// What functions and containers have in common.
#[derive(Debug, Clone, Copy)]
pub struct Compute<'a> {
    /// What runs.
    pub code: &'a Code,
    /// The permission profile it runs under.
    pub profile: &'a str,
    /// Environment variables of the vendor's.
    pub environment: &'a std::collections::BTreeMap<String, String>,
    /// The network it runs in; none means the cloud's default.
    pub network: Option<&'a str>,
}

/// A resource in a checked stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    pub(crate) id: ResourceId,
    pub(crate) lifecycle: crate::Lifecycle,
    pub(crate) links: Vec<ResourceId>,
    pub(crate) settings: Settings,
}

impl Resource {
    /// Its id, unique in the stack.
    #[must_use]
    pub const fn id(&self) -> &ResourceId {
        &self.id
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.settings.kind()
    }

    /// Frozen or live.
    #[must_use]
    pub const fn lifecycle(&self) -> crate::Lifecycle {
        self.lifecycle
    }

    /// The resources set up before it, whose addresses its code is told. Sorted by id.
    #[must_use]
    pub fn links(&self) -> &[ResourceId] {
        &self.links
    }

    /// The same resource with other settings.
    #[must_use]
    pub fn with_settings(mut self, settings: impl Into<Settings>) -> Self {
        self.settings = settings.into();
        self
    }

    /// Its settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether it was the customer's before the set-up: it is used, never changed.
    #[must_use]
    pub fn is_adopted(&self) -> bool {
        matches!(&self.settings, Settings::Network(network) if network.existing.is_some())
    }

    /// Ids of the resources it needs before it can be set up: links, triggers and its network.
    pub fn needs(&self) -> impl Iterator<Item = &str> {
        self.links
            .iter()
            .map(ResourceId::as_str)
            .chain(self.settings.triggers())
            .chain(self.settings.compute().and_then(|compute| compute.network))
    }
}

/// Records a problem where a number is outside its bounds.
pub(crate) fn check_range(problems: &mut Vec<Problem>, what: &str, value: u32, bounds: std::ops::RangeInclusive<u32>) {
    if !bounds.contains(&value) {
        problems.push(Problem::error(
            Rule::Setting,
            format!("{what} is {value}"),
            format!("set it to {} to {}", bounds.start(), bounds.end()),
        ));
    }
}

/// Records the problems of environment variables: names a shell could not set, and names that are ours.
pub(crate) fn check_environment(problems: &mut Vec<Problem>, environment: &std::collections::BTreeMap<String, String>) {
    for name in environment.keys() {
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && name.starts_with(|c: char| c.is_ascii_alphabetic());
        if !plain {
            problems.push(Problem::error(
                Rule::Setting,
                format!("environment variable `{name}` has a name that not every cloud takes"),
                "begin it with a letter and use letters, digits and underscores".to_owned(),
            ));
        }
        if name.starts_with(crate::name::VARIABLE_PREFIX) {
            problems.push(Problem::error(
                Rule::Setting,
                format!("environment variable `{name}` takes a name that links use"),
                format!("choose a name that does not begin with `{}`", crate::name::VARIABLE_PREFIX),
            ));
        }
    }
}

impl<K: ResourceKind, L> From<Ref<K, L>> for Mention {
    fn from(reference: Ref<K, L>) -> Self {
        Self::from(&reference)
    }
}
