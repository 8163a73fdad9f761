//! What a release creates and deletes, where the customer lets the vendor by `management.extend`.
//!
//! The vendor cannot write the claim on the identity that it enters by, so the lease in the record keeps others away.

use std::collections::{BTreeMap, BTreeSet};

use crate::deployment::Deployment;
use crate::error::{Error, ErrorKind, Result};
use crate::impersonate::Purpose;
use crate::manage::Created;
use crate::managed::Repeat;
use crate::name::ResourceId;
use crate::outcome::Outcome;
use crate::problem::{Problem, Problems, Remedy, Rule};
use crate::progress::Stage;
use crate::reconcile::Removal;
use crate::releasing::Rolling;
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
    stack: Stack,
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
    fn record(&self, before: &Deployment) -> Deployment {
        Deployment { stack: self.stack.clone(), ..before.clone() }
    }
}

/// How often creating and deleting is tried: permissions may come and go with what they are kept on, so only the first
/// failure tells what is wrong. The next release tries again.
const TRIED: Repeat = Repeat::Never;

/// What became of the resources that were created and deleted, and what of them waits for the admin.
#[derive(Default)]
pub(crate) struct Results {
    pub(crate) outcomes: Vec<(ResourceId, Outcome)>,
    pub(crate) waits: BTreeMap<ResourceId, String>,
}

impl Rolling<'_> {
    /// Creates what the release adds and what is missing, one after the other.
    pub(crate) async fn create_all(&self, results: &mut Results) {
        for id in &self.provisioned.create {
            let Some(next) = self.release.stack().resource(id.as_str()) else { continue };
            let (outcome, waits) = self.create_one(next).await;
            results.outcomes.push((id.clone(), outcome));
            results.waits.extend(waits.map(|waits| (id.clone(), waits)));
        }
    }

    /// Deletes what the release no longer has, one after the other, if everything else is as it says: what was put back
    /// may still need it.
    pub(crate) async fn delete_all(&self, results: &mut Results) {
        for id in &self.provisioned.delete {
            let outcome = if results.outcomes.iter().all(|(_, outcome)| outcome.is_ok()) {
                self.delete_one(id).await
            } else {
                let what = "it is deleted when everything else is as the release says; release again";
                Outcome::NotUpdated(Error::new(ErrorKind::Rejected, what))
            };
            results.outcomes.push((id.clone(), outcome));
        }
    }

    async fn create_one(&self, next: &Resource) -> (Outcome, Option<String>) {
        let id = next.id();
        let told = self.told(id, next.kind());
        told.tell(Stage::Creating);
        let zip = next.code().and_then(|code| self.release.artifacts().bytes(code).cloned());
        let digest = self.release.stack().digest();
        let record = self.provisioned.record(&self.before);
        let purpose = Purpose::Provision(id.clone());
        let created = self.managed().with_session(&record, &purpose, TRIED, |session| {
            let zip = zip.clone();
            async move { session.create(id, digest, zip).await }
        });
        match self.in_time(created).await {
            Ok(Created { id: cloud_id, version, waits }) => {
                told.tell(Stage::Created);
                let one = BTreeSet::from([id.clone()]);
                self.save(id, |record| {
                    record.resources.insert(id.clone(), cloud_id.clone());
                    record.versions.extend(version.clone().map(|version| (id.clone(), version)));
                    match record.stack.taking(self.release.stack(), &one) {
                        Ok(stack) => {
                            record.stack = stack;
                            record.uncertain.remove(id);
                        }
                        // What it needs is not in the record yet.
                        Err(_) => drop(record.uncertain.insert(id.clone())),
                    }
                })
                .await;
                (Outcome::Created, waits)
            }
            Err(error) => {
                told.tell(Stage::Failed);
                (self.failed(id, error).await, None)
            }
        }
    }

    async fn delete_one(&self, id: &ResourceId) -> Outcome {
        let Some(old) = self.provisioned.stack.resource(id.as_str()) else { return Outcome::Deleted };
        let told = self.told(id, old.kind());
        told.tell(Stage::Deleting);
        let record = self.provisioned.record(&self.before);
        let purpose = Purpose::Provision(id.clone());
        let deleted =
            self.managed().with_session(&record, &purpose, TRIED, |session| async move { session.delete(id).await });
        let failure = match self.in_time(deleted).await {
            Ok(Removal::Gone) => {
                told.tell(Stage::Deleted);
                let one = BTreeSet::from([id.clone()]);
                self.save(id, |record| {
                    record.resources.remove(id);
                    record.versions.remove(id);
                    record.uncertain.remove(id);
                    if let Ok(stack) = record.stack.taking(self.release.stack(), &one) {
                        record.stack = stack;
                    }
                })
                .await;
                return Outcome::Deleted;
            }
            Ok(Removal::HoldsData(why)) => {
                told.tell(Stage::Kept);
                self.save(id, |_| ()).await;
                return Outcome::NotUpdated(Error::new(ErrorKind::Rejected, format!("it is kept: {why}")));
            }
            Ok(Removal::Pending(why)) => Error::new(ErrorKind::Busy, why),
            Err(error) => error,
        };
        told.tell(Stage::Failed);
        self.failed(id, failure).await
    }

    /// The outcome of what was not created or not deleted.
    async fn failed(&self, id: &ResourceId, error: Error) -> Outcome {
        // Of everything else, a part may be done.
        let is_refused = matches!(
            error.kind(),
            ErrorKind::Denied
                | ErrorKind::NotGranted
                | ErrorKind::Unsupported
                | ErrorKind::Input
                | ErrorKind::NotOwned
                | ErrorKind::Revoked
                | ErrorKind::Credentials
        );
        if is_refused && !error.was_sent() {
            self.save(id, |_| ()).await;
            return Outcome::NotUpdated(error);
        }
        self.save(id, |record| {
            record.uncertain.insert(id.clone());
        })
        .await;
        Outcome::Unknown(error)
    }
}
