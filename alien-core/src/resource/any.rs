//! Settings and resources of any kind.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};
use serde_json::Value;

#[cfg(test)]
use super::bell::Bell;
use super::code::Code;
use super::container::Container;
use super::describe::{Compute, Describe};
use super::existing::Existing;
use super::function::Function;
use super::kv::Kv;
use super::network::Network;
use super::queue::Queue;
use super::storage::Storage;
use crate::form::{Collected, Form};
use crate::kind::{Kind, ResourceKind, for_each_kind, list_of_kinds};
use crate::lifecycle::Lifecycle;
use crate::name::ResourceId;
use crate::problem::Problem;
use crate::read_json::read_value;
use crate::rollout::Sequence;

/// The settings of one kind, as a type. Sealed, as [`ResourceKind`] is.
pub trait ResourceSettings: ResourceKind + fmt::Debug + Clone + Send + Sync + Into<Settings> {
    /// The names of the settings in JSON, of a kind that runs no code. Of one that does, each cloud lists what an update can
    /// write.
    const FIELDS: &'static [&'static str];

    /// The settings as this kind; `None` if they are of another.
    fn of(settings: &Settings) -> Option<&Self>;
}

macro_rules! settings {
    ($($(#[$doc:meta])* $kind:ident $word:literal { $($fact:ident)* })*) => {
        /// The settings of a resource of any kind.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Settings {
            $($(#[$doc])* $kind($kind),)*
        }

        $(
            impl crate::kind::sealed::Sealed for $kind {}

            impl ResourceKind for $kind {
                const KIND: Kind = Kind::$kind;
            }

            impl ResourceSettings for $kind {
                const FIELDS: &'static [&'static str] = <$kind>::FIELDS;

                fn of(settings: &Settings) -> Option<&Self> {
                    match settings {
                        Settings::$kind(found) => Some(found),
                        _ => None,
                    }
                }
            }

            impl From<$kind> for Settings {
                fn from(settings: $kind) -> Self {
                    Self::$kind(settings)
                }
            }
        )*

        /// The settings of every kind.
        pub(crate) type AllKinds = ($($kind,)*);

        impl Settings {
            /// The kind these are settings of.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self {
                    $(Self::$kind(_) => Kind::$kind,)*
                }
            }

            /// The methods that the settings of every kind have.
            pub(crate) fn describe(&self) -> &dyn Describe {
                match self {
                    $(Self::$kind(settings) => settings,)*
                }
            }

            pub(crate) fn describe_mut(&mut self) -> &mut dyn Describe {
                match self {
                    $(Self::$kind(settings) => settings,)*
                }
            }

            /// Reads the settings of a kind from their JSON form.
            pub(crate) fn decode(kind: Kind, fields: &Value) -> Result<Self, String> {
                match kind {
                    $(Kind::$kind => read_value(fields).map(Self::$kind),)*
                }
            }

            /// Writes a resource that has them.
            fn write<S: Serializer>(&self, of: &Resource, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$kind(settings) => Written {
                        id: &of.id,
                        kind: self.kind(),
                        lifecycle: of.lifecycle,
                        settings,
                        links: &of.links,
                    }
                    .serialize(serializer),)*
                }
            }

            /// The JSON Schema of a kind's settings.
            pub(crate) fn schema(kind: Kind, generator: &mut SchemaGenerator) -> Schema {
                match kind {
                    $(Kind::$kind => <$kind as JsonSchema>::json_schema(generator),)*
                }
            }
        }
    };
}
for_each_kind!(settings);

impl Settings {
    /// What all kinds have that run code; `None` for the others.
    #[must_use]
    pub fn compute(&self) -> Option<Compute<'_>> {
        self.describe().compute()
    }

    /// Whether the vendor may send commands to it.
    #[must_use]
    pub fn takes_commands(&self) -> bool {
        self.describe().takes_commands()
    }

    /// Whether anyone may call it over HTTPS.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.describe().is_public()
    }

    /// The queues whose messages start it.
    pub fn triggers(&self) -> impl Iterator<Item = &str> {
        self.describe().triggers().iter().map(|trigger| trigger.queue.as_str())
    }

    /// Checks the settings by themselves, whatever else is in the stack.
    pub(crate) fn check(&self, problems: &mut Vec<Problem>) {
        self.describe().check(problems);
    }
}

/// A resource in a checked stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    pub(crate) id: ResourceId,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) links: Vec<ResourceId>,
    pub(crate) settings: Settings,
    /// The number of the release that set it last, where releases are pulled. It is no part of a stack: it is written beside the
    /// resource's environment in the cloud, and read from there.
    pub(crate) mark: Option<Sequence>,
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
    pub const fn lifecycle(&self) -> Lifecycle {
        self.lifecycle
    }

    /// The ids of the linked resources, sorted. They are set up before it, and its code gets their addresses.
    #[must_use]
    pub fn links(&self) -> &[ResourceId] {
        &self.links
    }

    pub(crate) fn set_code(&mut self, code: Code) {
        if let Some(own) = self.settings.describe_mut().code_mut() {
            *own = code;
        }
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

    /// Its settings, if it is of this kind.
    #[must_use]
    pub fn settings_of<K: ResourceSettings>(&self) -> Option<&K> {
        K::of(&self.settings)
    }

    /// What the customer gave in its place, which is used and never changed; `None` if the set-up creates the resource.
    #[must_use]
    pub fn existing(&self) -> Option<&Existing> {
        self.settings.describe().existing()
    }

    /// Whether the customer gave something in its place.
    #[must_use]
    pub fn is_adopted(&self) -> bool {
        self.existing().is_some()
    }

    /// Its code; `None` if it runs none.
    #[must_use]
    pub fn code(&self) -> Option<&Code> {
        self.settings.compute().map(|compute| compute.code)
    }

    /// The ids of the resources that it needs before it can be set up: links, triggers and its network.
    pub fn needs(&self) -> impl Iterator<Item = &str> {
        self.links
            .iter()
            .map(ResourceId::as_str)
            .chain(self.settings.triggers())
            .chain(self.settings.compute().and_then(|compute| compute.network))
    }

    /// Everything that the stack says of it except its lifecycle, as one text. Its fingerprint is computed from this.
    /// The lifecycle only affects the permissions of others.
    pub(crate) fn fingerprint_text(&self) -> String {
        self.text(&[])
    }

    /// The same without what the vendor may change.
    pub(crate) fn admins_text(&self) -> String {
        self.text(self.settings.describe().updatable())
    }

    fn text(&self, without: &[&str]) -> String {
        let mut fields = Collected::default();
        self.settings.describe().collect(&mut fields);
        fields.value("id", Form::of(self.id.as_str()));
        fields.value("type", Form::of(self.kind().name()));
        if !self.links.is_empty() {
            fields.value("links", Form::texts(self.links.iter().map(ResourceId::as_str)));
        }
        fields.0.retain(|name, _| !without.contains(name));
        fields.form().text()
    }

    /// The fields in which it differs from an earlier form of it, sorted, with bounds and `links` last.
    pub(crate) fn changed_fields(&self, old: &Self) -> Vec<&'static str> {
        let (mut was, mut is) = (Collected::default(), Collected::default());
        old.settings.describe().collect(&mut was);
        self.settings.describe().collect(&mut is);
        let mut names: Vec<&str> = was.0.keys().chain(is.0.keys()).copied().collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| was.0.get(name) != is.0.get(name));
        let (were, are) = (old.settings.describe().scales(), self.settings.describe().scales());
        names.extend(were.iter().zip(&are).filter(|(was, is)| was.given != is.given).map(|(_, is)| is.field));
        if old.links != self.links {
            names.push("links");
        }
        names
    }
}

/// The JSON form of a resource: id, kind and lifecycle, its settings, and its links.
#[derive(Serialize)]
struct Written<'a, K> {
    id: &'a ResourceId,
    #[serde(rename = "type")]
    kind: Kind,
    lifecycle: Lifecycle,
    #[serde(flatten)]
    settings: &'a K,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    links: &'a [ResourceId],
}

impl Serialize for Resource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.settings.write(self, serializer)
    }
}
