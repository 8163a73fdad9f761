//! Reach: whoever may push code can reach what that code can reach. Nothing can prevent that, so it is disclosed.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::grant::{Holder, Subject};
use super::set::{Set, Sets};
use crate::name::{ProfileName, ResourceId};
use crate::stack::Stack;

/// The data that a vendor can reach by pushing code, though it holds no permission on the data itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reach {
    /// The code the vendor may replace, sorted by id.
    pub through: Vec<Through>,
    /// What the code of each profile can do with data, by profile.
    #[serde(deserialize_with = "crate::unique::map")]
    pub profiles: BTreeMap<ProfileName, Vec<DataReach>>,
}

/// Code that the vendor may replace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Through {
    /// The function or container.
    pub resource: ResourceId,
    /// The profile it runs under.
    pub profile: ProfileName,
    /// Whether the vendor may replace it because of `management.extend`. If not, it may because the resource is live.
    pub extended: bool,
}

/// What code can do with the data of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DataReach {
    /// The resource.
    pub resource: ResourceId,
    /// What it can do.
    pub access: Vec<Access>,
}

/// What code can do with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Read its data.
    Read,
    /// Write and delete its data.
    Write,
    /// Call it, and so whatever its own code lets a caller reach.
    Invoke,
}

impl Access {
    /// The verb used in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Invoke => "invoke",
        }
    }
}

impl Reach {
    /// What the code of a resource can reach, if the vendor may replace that code.
    #[must_use]
    pub fn of(&self, resource: &ResourceId) -> Option<&[DataReach]> {
        let position = self.through.binary_search_by(|through| through.resource.cmp(resource)).ok()?;
        let through = self.through.get(position)?;
        self.profiles.get(&through.profile).map(Vec::as_slice)
    }
}

impl Stack {
    /// What the vendor can reach by pushing code: which code it may replace, and what that code may do with data.
    #[must_use]
    pub fn reach(&self) -> Reach {
        reach(self)
    }
}

fn reach(stack: &Stack) -> Reach {
    let permissions = stack.permissions();
    let mut sets: BTreeMap<usize, Sets> = BTreeMap::new();
    for grant in &permissions.management.grants {
        if let Subject::Resource(position) = grant.subject {
            sets.entry(position).or_default().insert(grant.set);
        }
    }
    let mut through = Vec::new();
    for (position, resource) in stack.resources().iter().enumerate() {
        let held = sets.get(&position).copied().unwrap_or_default();
        let replaceable = held.contains(Set::Management) || held.contains(Set::Provision);
        let profile = resource.settings().compute().and_then(|compute| compute.profile.parse().ok());
        if let (true, Some(profile)) = (replaceable, profile) {
            let extended = resource.lifecycle() == crate::Lifecycle::Frozen;
            through.push(Through { resource: resource.id().clone(), profile, extended });
        }
    }
    let used: BTreeSet<&ProfileName> = through.iter().map(|through| &through.profile).collect();
    let mut profiles = BTreeMap::new();
    for grants in &permissions.runtime {
        let Holder::Profile(profile) = &grants.holder else { continue };
        if !used.contains(profile) {
            continue;
        }
        let mut data: Vec<DataReach> = Vec::new();
        for grant in &grants.grants {
            let access = match grant.set {
                Set::DataRead => Access::Read,
                Set::DataWrite => Access::Write,
                Set::Invoke => Access::Invoke,
                _ => continue,
            };
            let Subject::Resource(position) = grant.subject else { continue };
            let Some(resource) = stack.at(position) else { continue };
            match data.last_mut() {
                Some(last) if last.resource == *resource.id() => last.access.push(access),
                _ => data.push(DataReach { resource: resource.id().clone(), access: vec![access] }),
            }
        }
        profiles.insert(profile.clone(), data);
    }
    Reach { through, profiles }
}
