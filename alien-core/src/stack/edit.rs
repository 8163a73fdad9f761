//! From one stack to the next.

use std::collections::BTreeSet;

use super::checked::{ProfileScope, Stack};
use super::draft::{Draft, DraftResource};
use crate::name::ResourceId;
use crate::permission::SetName;
use crate::problem::{Problem, Problems, Rule};
use crate::resource::{Code, Existing, Resource};

impl Stack {
    /// The same stack with one resource replaced by another of the same id.
    ///
    /// # Errors
    ///
    /// Every problem of the resulting stack.
    pub fn with_resource(&self, resource: &Resource) -> Result<Self, Problems> {
        let mut draft = self.draft();
        for old in draft.resources.iter_mut().filter(|old| old.id.as_deref() == Some(resource.id().as_str())) {
            *old = written(resource);
        }
        draft.check(Vec::new())
    }

    /// The same stack in which a function or container has other code.
    ///
    /// ```
    /// use alien_core::{Code, Function, Profile, Stack};
    ///
    /// let mut stack = Stack::builder("shop");
    /// let api = stack.live("api", Function::new(Code::zip(b"first"), "api"));
    /// stack.profile("api", Profile::new());
    /// let stack = stack.build()?;
    ///
    /// let next = stack.with_code(&api, Code::zip(b"second"))?;
    /// assert_eq!(next.diff(&stack).changes[0].resource, "api");
    /// # Ok::<(), alien_core::Problems>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the stack has no such resource, or if the resource runs no code; every problem of the code.
    pub fn with_code(&self, resource: impl AsRef<str>, code: Code) -> Result<Self, Problems> {
        let id = resource.as_ref();
        let mut draft = self.draft();
        let settings = draft.resources.iter_mut().filter(|found| found.id.as_deref() == Some(id));
        let mut settings = settings.filter_map(|found| found.settings.as_mut());
        match settings.find_map(|settings| settings.describe_mut().code_mut()) {
            Some(own) => *own = code,
            None => {
                let what = "the stack has no such function or container".to_owned();
                let help = "name one that it has".to_owned();
                return Err(Problems(vec![Problem::error(Rule::UnknownResource, what, help).at(id)]));
            }
        }
        draft.check(Vec::new())
    }

    /// The same stack with something of the customer's own in place of a resource that the set-up would create: a
    /// network. It is used, and never changed.
    ///
    /// ```
    /// use alien_core::{Existing, Network, Stack};
    ///
    /// let mut stack = Stack::builder("shop");
    /// let network = stack.frozen("network", Network::default());
    /// let stack = stack.build()?;
    ///
    /// let customers = stack.with_existing(&network, Existing::new("vpc-0a1b2c3d4e5f60718"))?;
    /// assert_eq!(customers.digest(), stack.digest(), "the vendor's part is the same");
    /// # Ok::<(), alien_core::Problems>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the stack has no such resource, if the resource is not a network, or if the stack lets the vendor change it.
    pub fn with_existing(&self, resource: impl AsRef<str>, existing: Existing) -> Result<Self, Problems> {
        let mut draft = self.draft();
        draft.existing.insert(resource.as_ref().to_owned(), existing);
        draft.check(Vec::new())
    }

    /// The same stack with what the customer gave for another one, except where it has something itself.
    pub(crate) fn with_existing_of(&self, other: &Self) -> Result<Self, Problems> {
        let has = |id: &ResourceId| self.resource(id.as_str()).is_some_and(|own| own.is_adopted());
        let theirs =
            |id: &ResourceId| self.resource(id.as_str()).is_some_and(|own| own.settings().describe().is_adoptable());
        let given: Vec<_> = other.existing().filter(|(id, _)| !has(id) && theirs(id)).collect();
        if given.is_empty() {
            return Ok(self.clone());
        }
        let mut draft = self.draft();
        draft.existing.extend(given.into_iter().map(|(id, existing)| (id.to_string(), existing.clone())));
        draft.check(Vec::new())
    }

    /// The same stack with these resources as another one has them, and without those of them that the other lacks.
    ///
    /// # Errors
    ///
    /// Every problem of the resulting stack: a resource that stays may need one that goes.
    pub(crate) fn taking(&self, other: &Self, ids: &BTreeSet<ResourceId>) -> Result<Self, Problems> {
        let (mut draft, mut theirs) = (self.draft(), other.draft());
        let is_taken = |id: &str| ids.contains(id);
        draft.resources.retain(|own| !own.id.as_deref().is_some_and(is_taken));
        theirs.resources.retain(|their| their.id.as_deref().is_some_and(is_taken));
        draft.resources.append(&mut theirs.resources);
        draft.existing.retain(|id, _| !is_taken(id));
        draft.existing.extend(theirs.existing.into_iter().filter(|(id, _)| is_taken(id)));
        draft.extend.retain(|id, _| !is_taken(id));
        draft.extend.extend(theirs.extend.into_iter().filter(|(id, _)| is_taken(id)));
        for scopes in draft.profiles.values_mut() {
            scopes.retain(|scope, _| !is_taken(scope));
        }
        for (name, scopes) in theirs.profiles {
            let is_new = !draft.profiles.contains_key(&name);
            let wanted = scopes.into_iter().filter(|(scope, _)| is_taken(scope) || is_new && scope == "*");
            draft.profiles.entry(name).or_default().extend(wanted);
        }
        draft.check(Vec::new())
    }

    /// Converts the stack back to a draft.
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
            existing: self.existing().map(|(id, existing)| (id.to_string(), existing.clone())).collect(),
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
        mark: resource.mark,
    }
}
