//! What a release creates and deletes, where the customer lets the vendor by `management.extend`.
//!
//! The vendor cannot write the claim on the identity that it enters by, so the lease in the record keeps others away.

use std::collections::{BTreeMap, BTreeSet};

use crate::deployment::Deployment;
use crate::error::Result;
use crate::name::ResourceId;
use crate::outcome::Outcome;
use crate::problem::{Problem, Problems, Remedy, Rule};
use crate::resource::Resource;
use crate::stack::Stack;

/// What a release creates and deletes.
#[derive(Debug, Clone)]
pub(crate) struct Provisioned {
    /// What is created, each after all it needs.
    pub(crate) create: Vec<ResourceId>,
    /// What is deleted, each before all it needs.
    pub(crate) delete: Vec<ResourceId>,
    /// Everything that the deployment has before or after the release.
    pub(crate) stack: Stack,
}

impl Provisioned {
    /// Finds out what is to be created and deleted so that a deployment has what a stack says. `missing` are resources
    /// that are not there, or that nobody could look at.
    pub(crate) fn of(record: &Deployment, next: &Stack, missing: &BTreeSet<ResourceId>) -> Result<Self> {
        let agreed = record.agreed.as_ref().unwrap_or(&record.stack);
        let is_deployed = |id: &ResourceId| record.stack.resource(id.as_str()).is_some();
        let is_uncertain = |id: &ResourceId| record.uncertain.contains(id);
        let in_order = |stack: &Stack| {
            let order = stack.order().iter().filter_map(|position| stack.at(*position));
            order.map(|resource| resource.id().clone()).filter(|id| stack.lets_vendor_create(id)).collect::<Vec<_>>()
        };
        let mut create = in_order(next);
        // An update that may not have ended is repeated; of everything else, it is set again.
        let is_updatable = |id: &ResourceId| next.resource(id.as_str()).is_some_and(Resource::is_updatable);
        create.retain(|id| missing.contains(id) || !is_deployed(id) || is_uncertain(id) && !is_updatable(id));
        let mut delete = in_order(agreed);
        delete.retain(|id| next.resource(id.as_str()).is_none() && (is_deployed(id) || is_uncertain(id)));
        delete.reverse();
        let ids = next.resources().iter().map(|resource| resource.id().clone()).collect();
        Ok(Self { create, delete, stack: agreed.taking(next, &ids)? })
    }

    /// Of a release that updates one resource, nothing is created or deleted.
    pub(crate) fn nothing(record: &Deployment) -> Self {
        Self { create: Vec::new(), delete: Vec::new(), stack: record.stack.clone() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.create.is_empty() && self.delete.is_empty()
    }

    /// Everything that is created or deleted.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &ResourceId> {
        self.create.iter().chain(&self.delete)
    }

    /// Fails if something would be deleted that holds data, or may, and is not named for that.
    pub(crate) fn keeps_data(&self, named: &BTreeSet<ResourceId>) -> Result<()> {
        let holds_data = |id: &&ResourceId| self.stack.resource(id.as_str()).is_some_and(|old| old.kind().holds_data());
        let lost = self.delete.iter().filter(|id| !named.contains(*id)).filter(holds_data);
        let problems = lost.map(|id| {
            let what = "the release no longer has it, and it may hold data".to_owned();
            let help = "keep it in the stack, or name it as one whose data is deleted".to_owned();
            Problem::error(Rule::SetFit, what, help).on(id).remedy(Remedy::DeleteData)
        });
        Ok(Problems::none(problems.collect()).map(drop)?)
    }

    /// The record in which all of it is, for sessions that create and delete.
    pub(crate) fn record(&self, before: &Deployment) -> Deployment {
        Deployment { stack: self.stack.clone(), ..before.clone() }
    }
}

/// What became of the resources that were created and deleted, and what of them waits for the admin.
#[derive(Default)]
pub(crate) struct Results {
    pub(crate) outcomes: Vec<(ResourceId, Outcome)>,
    pub(crate) waits: BTreeMap<ResourceId, String>,
}
