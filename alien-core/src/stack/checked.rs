//! A checked stack.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::name::{ProfileName, ResourceId, StackName};
use crate::permission::{Permissions, Set, SetName};
use crate::problem::Problem;
use crate::resource::{Code, Existing, Resource};

/// The description of a vendor's product: its resources, each frozen or live, and who may do what with them. It is the
/// same for every cloud, and every rule has been checked.
///
/// Built by a [`Builder`](crate::Builder), or read from JSON by [`from_json`](Self::from_json); both are checked by the
/// same rules. Two stacks with the same content are equal, in whatever order their parts were added.
///
/// ```
/// use alien_core::{Code, Function, Profile, Stack, Storage};
///
/// let mut stack = Stack::builder("my-app");
/// let data = stack.frozen("data", Storage::new());
/// let code = Code::image("registry.example.com/api", &format!("sha256:{}", "0".repeat(64)))?;
/// let api = stack.live("api", Function::new(code, "execution"));
/// stack.link(&api, &data);
/// stack.profile("execution", Profile::new().on(&data, [Storage::DATA_READ]));
/// let stack = stack.build()?;
///
/// let permissions = stack.permissions();
/// assert_eq!(permissions.management.grants.len(), 4); // two heartbeats, and management and logs of what is live
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Stack(Arc<Checked>);

/// The content of a stack, and what is derived from it. It never changes, so clones share it, and each derivation runs
/// once.
struct Checked {
    name: StackName,
    resources: Vec<Resource>,
    profiles: BTreeMap<ProfileName, Scopes>,
    extend: BTreeMap<ResourceId, BTreeSet<Set>>,
    order: Vec<usize>,
    warnings: Vec<Problem>,
    permissions: OnceLock<Permissions>,
    digest: OnceLock<String>,
}

/// Two stacks of the same content are equal: everything else is derived from that.
impl PartialEq for Stack {
    fn eq(&self, other: &Self) -> bool {
        let Checked { name, resources, profiles, extend, .. } = &*self.0;
        let same = || {
            let other = &other.0;
            *name == other.name
                && *resources == other.resources
                && *profiles == other.profiles
                && *extend == other.extend
        };
        Arc::ptr_eq(&self.0, &other.0) || same()
    }
}

impl Eq for Stack {}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checked { name, resources, profiles, extend, .. } = &*self.0;
        let mut shown = f.debug_struct("Stack");
        shown.field("name", name).field("resources", resources).field("profiles", profiles).field("extend", extend);
        shown.finish_non_exhaustive()
    }
}

/// The permission sets that a profile asks for, by scope.
pub type Scopes = BTreeMap<ProfileScope, BTreeSet<SetName>>;

/// What a profile's sets are for: one resource, or every resource of the kind that the set fits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProfileScope {
    /// Every resource of the kind that the set fits: `*`.
    All,
    /// One resource, by id.
    Resource(ResourceId),
}

/// What passed every rule.
pub(super) struct Sound {
    pub(super) name: StackName,
    /// Sorted by id.
    pub(super) resources: Vec<Resource>,
    pub(super) profiles: BTreeMap<ProfileName, Scopes>,
    pub(super) extend: BTreeMap<ResourceId, BTreeSet<Set>>,
    pub(super) order: Vec<usize>,
    pub(super) warnings: Vec<Problem>,
}

impl Stack {
    pub(super) fn of(sound: Sound) -> Self {
        let Sound { name, resources, profiles, extend, order, warnings } = sound;
        let (permissions, digest) = (OnceLock::new(), OnceLock::new());
        Self(Arc::new(Checked { name, resources, profiles, extend, order, warnings, permissions, digest }))
    }

    /// The version of the JSON form that this library writes. It reads version 1 as well.
    pub const VERSION: u32 = 2;

    /// Its name: the vendor's product. A deployment of one product cannot be updated to another.
    #[must_use]
    pub fn name(&self) -> &StackName {
        &self.0.name
    }

    /// What the customer gave in place of resources that the set-up would create, by the resource's id. Empty in the
    /// vendor's stack: the customer gives it when setting up.
    pub fn existing(&self) -> impl Iterator<Item = (&ResourceId, &Existing)> {
        self.resources().iter().filter_map(|resource| Some((resource.id(), resource.existing()?)))
    }

    /// The digests of the zips that it names, each with the resource whose code it is.
    pub(crate) fn zips(&self) -> impl Iterator<Item = (&ResourceId, &str)> {
        self.resources()
            .iter()
            .flat_map(|resource| resource.code().into_iter().flat_map(Code::zips).map(|digest| (resource.id(), digest)))
    }

    /// Its resources, sorted by id.
    #[must_use]
    pub fn resources(&self) -> &[Resource] {
        &self.0.resources
    }

    /// The resource at a position of [`resources`](Self::resources).
    #[must_use]
    pub fn at(&self, position: usize) -> Option<&Resource> {
        self.resources().get(position)
    }

    /// The position of a resource among [`resources`](Self::resources).
    #[must_use]
    pub fn position(&self, id: &str) -> Option<usize> {
        self.resources().binary_search_by(|resource| resource.id().as_str().cmp(id)).ok()
    }

    /// The resource of this id.
    #[must_use]
    pub fn resource(&self, id: &str) -> Option<&Resource> {
        self.position(id).and_then(|position| self.at(position))
    }

    /// Its permission profiles, sorted by name, and what each asks for.
    #[must_use]
    pub fn profiles(&self) -> &BTreeMap<ProfileName, Scopes> {
        &self.0.profiles
    }

    /// The sets that `management.extend` adds for a resource.
    pub fn extensions(&self, id: &ResourceId) -> impl Iterator<Item = &Set> {
        self.0.extend.get(id).into_iter().flatten()
    }

    /// The positions of its resources in an order of set-up: each after all it needs. Of several orders, the one
    /// that takes ids alphabetically.
    #[must_use]
    pub fn order(&self) -> &[usize] {
        &self.0.order
    }

    /// Warnings about the stack, which do not prevent a set-up: images that are not pinned, profiles that are not used.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.0.warnings
    }

    /// The same stack with other code, for the resources for which `choose` returns some. Everything else stays, so it
    /// needs no check.
    pub(crate) fn with_codes(&self, choose: impl Fn(&Resource) -> Option<Code>) -> Self {
        let chosen =
            self.resources().iter().enumerate().filter_map(|(position, found)| Some((position, choose(found)?)));
        let chosen: Vec<(usize, Code)> = chosen.collect();
        if chosen.is_empty() {
            return self.clone();
        }
        let Checked { name, resources, profiles, extend, order, warnings, .. } = &*self.0;
        let mut resources = resources.clone();
        for (position, code) in chosen {
            if let Some(resource) = resources.get_mut(position) {
                resource.set_code(code);
            }
        }
        let (name, profiles, extend) = (name.clone(), profiles.clone(), extend.clone());
        Self::of(Sound { name, resources, profiles, extend, order: order.clone(), warnings: warnings.clone() })
    }

    fn write_vendors_part<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("version", &Self::VERSION)?;
        map.serialize_entry("name", self.name())?;
        map.serialize_entry("resources", self.resources())?;
        if !self.0.profiles.is_empty() || !self.0.extend.is_empty() {
            map.serialize_entry("permissions", &PermissionsForm(self))?;
        }
        Ok(())
    }

    /// The result of `derive`, which runs once.
    pub(crate) fn permissions_by(&self, derive: fn(&Self) -> Permissions) -> &Permissions {
        self.0.permissions.get_or_init(|| derive(self))
    }

    /// The digest of the vendor's part of the stack: 20 characters, different for every other stack. Zips are named by
    /// their digests, so it also covers their bytes. It does not cover what the customer gave of its own.
    #[must_use]
    pub fn digest(&self) -> &str {
        // Serializing a stack cannot fail.
        let text = || serde_json::to_string(&VendorsPart(self)).unwrap_or_default();
        self.0.digest.get_or_init(|| crate::naming::digest(&[&text()]))
    }
}

/// The JSON form, as [`Stack::from_json`] reads it: resources sorted by id, defaults left out.
impl Serialize for Stack {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.write_vendors_part(&mut map)?;
        let existing: BTreeMap<_, _> = self.existing().collect();
        if !existing.is_empty() {
            map.serialize_entry("existing", &existing)?;
        }
        map.end()
    }
}

/// The vendor's part of a stack: without what the customer gave of its own.
struct VendorsPart<'a>(&'a Stack);

impl Serialize for VendorsPart<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.0.write_vendors_part(&mut map)?;
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
        let stack = &*self.0.0;
        let mut map = serializer.serialize_map(None)?;
        if !stack.profiles.is_empty() {
            map.serialize_entry("profiles", &stack.profiles)?;
        }
        if !stack.extend.is_empty() {
            let named: BTreeMap<_, Vec<String>> = stack
                .extend
                .iter()
                .map(|(id, sets)| {
                    let kind = self.0.resource(id.as_str()).map_or("", |resource| resource.kind().name());
                    (id, sets.iter().map(|set| format!("{kind}/{}", set.name())).collect())
                })
                .collect();
            map.serialize_entry("management", &BTreeMap::from([("extend", named)]))?;
        }
        map.end()
    }
}
