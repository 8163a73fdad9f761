//! The part of a resource that the vendor may change: as it runs, as another form has it, and how two differ in it.

use super::any::Resource;
use super::running::Running;
use crate::lifecycle::Lifecycle;
use crate::name::ResourceId;
use crate::rollout::Sequence;

impl Resource {
    /// The same resource with the part that the vendor may change as it runs. `ids` are the resources that it may be
    /// linked to: a link is known by the variable of its address.
    #[must_use]
    pub(crate) fn with_running<'a>(mut self, running: &Running, ids: impl Iterator<Item = &'a ResourceId>) -> Self {
        if let Some(environment) = &running.environment {
            let is_set = |id: &&ResourceId| environment.contains_key(&id.variable());
            self.mark = running.mark();
            self.links = ids.filter(is_set).cloned().collect();
            self.links.sort_unstable();
        }
        self.settings.describe_mut().set_running(running);
        self
    }

    /// The same resource with the number of the release that sets it.
    #[must_use]
    pub(crate) const fn marked(mut self, release: Sequence) -> Self {
        self.mark = Some(release);
        self
    }

    /// The same resource with the part that the vendor may change as another form of it has it.
    #[must_use]
    pub(crate) fn with_vendors_part(mut self, other: Option<&Self>) -> Self {
        if let Some(other) = other {
            self.settings.describe_mut().set_running(&other.settings.describe().running());
            self.links.clone_from(&other.links);
        }
        self
    }

    /// The same resource with the numbers of another form of it where its own are beyond what that allows, and each of those in words.
    pub(crate) fn within_what_is_approved(mut self, approved: &Self) -> (Self, Vec<String>) {
        let (has, may) = (self.settings.describe().scales(), approved.settings.describe().scales());
        let beyond = may.iter().zip(has).filter_map(|(may, has)| Some((may.field, may.excess(has)?)));
        let (fields, told): (Vec<&str>, Vec<String>) = beyond.unzip();
        self.settings.describe_mut().set_running(&approved.settings.describe().running().numbers(&fields));
        (self, told)
    }

    /// Whether the vendor may update it.
    pub(crate) fn is_updatable(&self) -> bool {
        self.lifecycle == Lifecycle::Live && !self.settings.describe().updatable().is_empty()
    }

    /// The fields in which this resource differs from another in the part that the vendor may change, sorted.
    pub(crate) fn vendors_differences(&self, other: &Self) -> Vec<&'static str> {
        let reached = self.settings.describe().updatable();
        let mut fields = self.changed_fields(other);
        fields.retain(|field| reached.contains(field));
        fields
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{Code, Function};

    #[test]
    fn what_runs_takes_the_place_of_what_the_vendor_may_change_and_of_nothing_else() {
        let settings = Function::new(Code::zip(b"first"), "api").with_variable("A", "1").with_public_url();
        let settings = settings.with_memory_mib(256);
        let ids: Vec<ResourceId> = ["data", "jobs"].iter().map(|id| id.parse().unwrap()).collect();
        let resource = Resource {
            id: "api".parse().unwrap(),
            lifecycle: Lifecycle::Live,
            links: vec![ids[1].clone()],
            settings: settings.clone().into(),
            mark: None,
        };
        assert_eq!(resource.clone().with_running(&Running::new(), ids.iter()), resource, "nothing is told");
        let variables = [("ALIEN_DATA", "bucket"), ("B", "2")];
        let running = Running::new()
            .with_code(Code::zip(b"second"))
            .with_memory_mib(512)
            .with_environment(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let runs = resource.clone().with_running(&running, ids.iter());
        assert_eq!(runs.vendors_differences(&resource), ["code", "environment", "memoryMib", "links"]);
        assert_eq!(runs.links(), [ids[0].clone()]);
        let compute = runs.settings().compute().unwrap();
        assert_eq!(compute.environment, &BTreeMap::from([("B".to_owned(), "2".to_owned())]));
        assert!(runs.settings().is_public(), "the admin's fields are as they were");
        assert_eq!(runs.clone().with_settings(settings).vendors_differences(&resource), ["links"]);
    }
}
