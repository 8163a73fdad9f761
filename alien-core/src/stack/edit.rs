//! From one stack to the next.

use super::checked::{ProfileScope, Stack};
use super::draft::{Draft, DraftResource};
use crate::name::ResourceId;
use crate::permission::SetName;
use crate::problem::Problems;
use crate::resource::Resource;

impl Stack {
    /// The same stack with one resource replaced by another of the same id.
    ///
    /// # Errors
    ///
    /// Every problem of the stack that this makes.
    pub fn with_resource(&self, resource: &Resource) -> Result<Self, Problems> {
        let mut draft = self.draft();
        for old in draft.resources.iter_mut().filter(|old| old.id.as_deref() == Some(resource.id().as_str())) {
            *old = written(resource);
        }
        draft.check(Vec::new())
    }

    /// The draft that becomes this stack.
    fn draft(&self) -> Draft {
        let scope = |scope: &ProfileScope| match scope {
            ProfileScope::All => "*".to_owned(),
            ProfileScope::Resource(id) => id.to_string(),
        };
        let profiles = self.profiles().iter().map(|(name, scopes)| {
            let sets = scopes.iter().map(|(found, sets)| (scope(found), sets.iter().map(SetName::to_string).collect()));
            (name.to_string(), sets.collect())
        });
        let extend = self.resources().iter().filter_map(|resource| {
            let sets = self.extensions(resource.id());
            let sets: Vec<String> = sets.map(|set| SetName { kind: resource.kind(), set: *set }.to_string()).collect();
            (!sets.is_empty()).then(|| (resource.id().to_string(), sets))
        });
        Draft {
            name: Some(self.name().to_string()),
            resources: self.resources().iter().map(written).collect(),
            profiles: profiles.collect(),
            extend: extend.collect(),
        }
    }
}

fn written(resource: &Resource) -> DraftResource {
    DraftResource {
        id: Some(resource.id().to_string()),
        lifecycle: Some(resource.lifecycle()),
        links: resource.links().iter().map(ResourceId::to_string).collect(),
        settings: Some(resource.settings().clone()),
    }
}
