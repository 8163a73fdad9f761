//! How a release creates and deletes, one resource after the other.

use std::collections::BTreeSet;

use crate::error::{Error, ErrorKind};
use crate::impersonate::Purpose;
use crate::manage::Created;
use crate::managed::Repeat;
use crate::name::ResourceId;
use crate::outcome::Outcome;
use crate::progress::Stage;
use crate::provisioned::Results;
use crate::reconcile::Removal;
use crate::releasing::Rolling;
use crate::resource::Resource;

/// How often creating and deleting is tried: permissions may come and go with what they are kept on, so only the first
/// failure tells what is wrong. The next release tries again.
const TRIED: Repeat = Repeat::Never;

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
