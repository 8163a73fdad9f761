//! The stack: a vendor's product, described once, for every cloud.

mod builder;
mod decode;
mod diff;
mod draft;
mod graph;
mod preflight;
mod schema;

use std::collections::{BTreeMap, BTreeSet};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

pub use builder::{Builder, Profile};
pub(crate) use diff::changed_fields;
pub use diff::{Change, ChangeKind, Delta, Diff, GrantChange, Who};
pub use schema::schema;

use crate::name::{ProfileName, ResourceId, StackName};
use crate::permission::{Permissions, Set, SetName};
use crate::problem::{Problem, Problems};
use crate::resource::Resource;

/// A checked stack: its resources, sorted by id, and who may do what with them.
///
/// Made by a [`Builder`] or read from its JSON form; both say the same and are checked by the same rules. Two
/// stacks that say the same are equal, in whatever order their parts were added.
///
/// ```
/// use alien_core::{Code, Function, Profile, Stack, Storage};
///
/// let mut stack = Stack::builder("my-app");
/// let data = stack.frozen("data", Storage::new());
/// let image = format!("registry.example.com/api@sha256:{}", "0".repeat(64));
/// let api = stack.live("api", Function::new(Code::image(image), "execution"));
/// stack.link(&api, &data);
/// stack.profile("execution", Profile::new().on(&data, [Storage::DATA_READ]));
/// let stack = stack.build()?;
///
/// let permissions = stack.permissions();
/// assert_eq!(permissions.management.grants.len(), 4); // two heartbeats, and management and logs of what is live
/// # Ok::<(), alien_core::Problems>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    pub(crate) name: StackName,
    pub(crate) resources: Vec<Resource>,
    pub(crate) profiles: BTreeMap<ProfileName, Scopes>,
    pub(crate) extend: BTreeMap<ResourceId, BTreeSet<Set>>,
    pub(crate) order: Vec<usize>,
    pub(crate) warnings: Vec<Problem>,
}

/// What a profile asks for, by scope.
pub type Scopes = BTreeMap<ProfileScope, BTreeSet<SetName>>;

/// What a profile's sets are for: one resource, or every resource of the kind that the set fits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProfileScope {
    /// Every resource of the kind that the set fits: `*`.
    All,
    /// One resource, by id.
    Resource(ResourceId),
}

impl Stack {
    /// Begins a stack of this name.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder::new(name)
    }

    /// Reads the JSON form and checks it. The form is that of [`schema`].
    ///
    /// # Errors
    ///
    /// Every problem: text that is no JSON, unknown and repeated fields, values of the wrong type, and everything
    /// that [`Builder::build`] checks.
    pub fn from_json(text: &str) -> Result<Self, Problems> {
        let (draft, problems) = decode::decode(text);
        draft.check(problems)
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &StackName {
        &self.name
    }

    /// Its resources, sorted by id.
    #[must_use]
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// The resource at a position of [`resources`](Self::resources).
    #[must_use]
    pub fn at(&self, position: usize) -> Option<&Resource> {
        self.resources.get(position)
    }

    /// The position of a resource among [`resources`](Self::resources).
    #[must_use]
    pub fn position(&self, id: &str) -> Option<usize> {
        self.resources.binary_search_by(|resource| resource.id.as_str().cmp(id)).ok()
    }

    /// The resource of this id.
    #[must_use]
    pub fn resource(&self, id: &str) -> Option<&Resource> {
        self.position(id).and_then(|position| self.at(position))
    }

    /// Its permission profiles, sorted by name, and what each asks for.
    #[must_use]
    pub const fn profiles(&self) -> &BTreeMap<ProfileName, Scopes> {
        &self.profiles
    }

    /// The sets that `management.extend` adds for a resource.
    pub fn extensions(&self, id: &ResourceId) -> impl Iterator<Item = &Set> {
        self.extend.get(id).into_iter().flatten()
    }

    /// The positions of its resources in an order of set-up: each after all it needs. Of several orders, the one
    /// that takes ids alphabetically.
    #[must_use]
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// What should be known about it, though it can be set up: images that are not pinned, profiles that are not used.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Derives its permissions, in three layers.
    #[must_use]
    pub fn permissions(&self) -> Permissions {
        crate::permission::derive(self)
    }

    /// The same stack with one resource replaced by another of the same id.
    ///
    /// # Errors
    ///
    /// Every problem of the stack that this makes.
    pub fn with_resource(&self, resource: &Resource) -> Result<Self, Problems> {
        let failed = |error: serde_json::Error| {
            let what = format!("it has no JSON form: {error}");
            Problems(vec![Problem::error(crate::problem::Rule::Form, what, "report this".to_owned())])
        };
        let mut form = serde_json::to_value(self).map_err(failed)?;
        let new = serde_json::to_value(resource).map_err(failed)?;
        let resources = form.get_mut("resources").and_then(serde_json::Value::as_array_mut);
        for old in resources.into_iter().flatten().filter(|old| old.get("id") == new.get("id")) {
            *old = new.clone();
        }
        Self::from_json(&form.to_string())
    }

    /// What changed since `previous`, who may apply each change, and which grants were gained and lost.
    #[must_use]
    pub fn diff(&self, previous: &Self) -> Diff {
        diff::diff(previous, self)
    }
}

/// The JSON form, as [`Stack::from_json`] reads it: resources sorted by id, defaults left out.
impl Serialize for Stack {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("resources", &self.resources)?;
        if !self.profiles.is_empty() || !self.extend.is_empty() {
            map.serialize_entry("permissions", &PermissionsForm(self))?;
        }
        map.end()
    }
}

impl Serialize for Resource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let settings = self.settings.encode().map_err(serde::ser::Error::custom)?;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("type", &self.kind())?;
        map.serialize_entry("lifecycle", &self.lifecycle)?;
        for (name, value) in settings.as_object().into_iter().flatten() {
            map.serialize_entry(name, value)?;
        }
        if !self.links.is_empty() {
            map.serialize_entry("links", &self.links)?;
        }
        map.end()
    }
}

impl Serialize for ProfileScope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("*"),
            Self::Resource(id) => id.serialize(serializer),
        }
    }
}

struct PermissionsForm<'a>(&'a Stack);

impl Serialize for PermissionsForm<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stack = self.0;
        let mut map = serializer.serialize_map(None)?;
        if !stack.profiles.is_empty() {
            map.serialize_entry("profiles", &stack.profiles)?;
        }
        if !stack.extend.is_empty() {
            let named: BTreeMap<_, Vec<String>> = stack
                .extend
                .iter()
                .map(|(id, sets)| {
                    let kind = stack.resource(id.as_str()).map_or("", |resource| resource.kind().name());
                    (id, sets.iter().map(|set| format!("{kind}/{}", set.name())).collect())
                })
                .collect();
            map.serialize_entry("management", &serde_json::json!({ "extend": named }))?;
        }
        map.end()
    }
}
