//! The typed face of a deployment, for the vendor's programs.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use jiff::Timestamp;

use crate::deployment::Deployment;
use crate::error::{Error, ErrorKind, Result};
use crate::handle::{AnyHandle, Handle, Ref};
use crate::impersonate::{Impersonate, Purpose};
use crate::kind::ResourceKind;
use crate::lifecycle::{Live, State};
use crate::manage::{Change, Health, Heartbeat, LogLine, LogQuery, Manage};
use crate::name::ResourceId;
use crate::problem::Problems;
use crate::release::{Artifacts, Release};
use crate::resource::{Code, Function, Resource, Updatable, Updated};

/// Looks after one deployment.
///
/// A resource is named by a [`Handle`], which has its kind and lifecycle in its type. To update what is frozen does not
/// compile; and were the record edited, the cloud refuses it all the same.
///
/// ```compile_fail
/// use alien_core::{Frozen, Function, FunctionUpdate, Handle, Manager};
/// async fn no(manager: &Manager, frozen: &Handle<Function, Frozen>) {
///     manager.update(frozen, FunctionUpdate::new().memory_mib(1024)).await;
/// }
/// ```
#[derive(Debug)]
pub struct Manager {
    impersonator: Arc<dyn Impersonate>,
    deployment: RwLock<Deployment>,
}

impl Manager {
    /// Looks after a deployment through an impersonator of its cloud.
    #[must_use]
    pub fn new(impersonator: Arc<dyn Impersonate>, deployment: Deployment) -> Self {
        Self { impersonator, deployment: RwLock::new(deployment) }
    }

    /// The record as it is now: updates change its stack. Keep it.
    #[must_use]
    pub fn deployment(&self) -> Deployment {
        self.deployment.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The handle of a resource whose reference is at hand.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    pub fn handle<K: ResourceKind, L: State>(&self, reference: &Ref<K, L>) -> Result<Handle<K, L>> {
        self.find(reference.id())
    }

    /// The handle of the resource of this id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] where the deployment has no such resource of this kind and lifecycle.
    pub fn find<K: ResourceKind, L: State>(&self, id: &str) -> Result<Handle<K, L>> {
        let deployment = self.deployment.read().unwrap_or_else(PoisonError::into_inner);
        let resource = deployment.stack.resource(id);
        let found = resource.filter(|found| found.kind() == K::KIND && found.lifecycle() == L::LIFECYCLE);
        found.map(|resource| Handle::new(resource.id().clone())).ok_or_else(|| {
            let what = match resource {
                Some(found) => {
                    format!("it is a {} {}, not a {} {}", found.lifecycle(), found.kind(), L::LIFECYCLE, K::KIND)
                }
                None => "the deployment has no such resource".to_owned(),
            };
            Error::new(ErrorKind::Input, what).at(id)
        })
    }

    /// Every resource.
    #[must_use]
    pub fn resources(&self) -> Vec<AnyHandle> {
        let deployment = self.deployment.read().unwrap_or_else(PoisonError::into_inner);
        let resources = deployment.stack.resources().iter();
        resources.map(|resource| AnyHandle::new(resource.id().clone(), resource.kind(), resource.lifecycle())).collect()
    }

    /// How a resource is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Revoked`] where the customer took the access back; what the cloud's calls give. A cloud that refuses
    /// only this resource is no error: its health is [`Health::Denied`].
    pub async fn heartbeat(&self, resource: impl Into<AnyHandle>) -> Result<Heartbeat> {
        let id = resource.into().id;
        let beat = self.with(&Purpose::Watch, |session| {
            let id = id.clone();
            async move { session.heartbeat(&id).await }
        });
        match beat.await {
            Err(error) if error.kind() == ErrorKind::Denied => {
                Ok(Heartbeat::new(Health::Denied, error.message().to_owned()))
            }
            beat => beat,
        }
    }

    /// Updates a live function or container and waits until it works. What is as it should be already is not called for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] where a setting is out of bounds; [`ErrorKind::Failed`] where the new code does not work;
    /// [`ErrorKind::Revoked`]; what the cloud's calls give.
    pub async fn update<K: Updatable>(&self, resource: &Handle<K, Live>, update: K::Update) -> Result<()> {
        let deployment = self.deployment();
        let current = deployment.stack.resource(resource.id().as_str());
        let Some((current, settings)) = current.and_then(|current| Some((current, current.settings_of::<K>()?))) else {
            return Err(Error::new(ErrorKind::Input, "the deployment has no such resource").at(resource.id().as_str()));
        };
        let Updated { settings, zip, previous } = settings.clone().updated(update);
        let artifacts = zip.into_iter().collect();
        let stack = deployment.stack.with_resource(&current.clone().with_settings(settings))?;
        self.release(&Release::partial(stack, artifacts), &previous.into_iter().collect()).await
    }

    /// Rolls out a release: updates every live function and container that differs, several at once, with a session that
    /// may touch nothing else. `previous` holds the zips that run now, as far as they are at hand: they are put back
    /// where new code does not work.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`], before any call, where the release has a change that is the customer's admin's to make;
    /// [`ErrorKind::Failed`] where new code does not work, after every other update was done;
    /// [`ErrorKind::Revoked`]; what the cloud's calls give. What was updated is in the record.
    pub async fn release(&self, release: &Release, previous: &Artifacts) -> Result<()> {
        self.carry_out(self.begin(release)?, previous).await
    }

    /// Begins a release: what it will update is marked as uncertain in the record until that has ended, so that a program
    /// that keeps the record now can go on after it was interrupted. No call is made.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] where the release has a change that is the customer's admin's to make, or lacks a zip.
    pub fn begin(&self, release: &Release) -> Result<PendingRelease> {
        let mut deployment = self.deployment.write().unwrap_or_else(PoisonError::into_inner);
        let before = deployment.clone();
        let diff = release.stack().diff(&before.stack);
        Problems::none(diff.admin_only())?;
        let is_uncertain = |resource: &Resource| before.uncertain.contains(resource.id());
        let is_changed = |resource: &Resource| {
            is_uncertain(resource) || diff.changes.iter().any(|change| change.resource == resource.id().as_str())
        };
        let changed: Vec<&Resource> = release.stack().resources().iter().filter(|found| is_changed(found)).collect();
        let sent = changed.iter().filter(|resource| {
            let old = before.stack.resource(resource.id().as_str()).and_then(code);
            is_uncertain(resource) || code(resource) != old
        });
        Problems::none(sent.filter_map(|resource| release.missing_artifact(resource)).collect())?;
        let changed: Vec<ResourceId> = changed.into_iter().map(|resource| resource.id().clone()).collect();
        deployment.uncertain.extend(changed.iter().cloned());
        Ok(PendingRelease { release: release.clone(), before, changed })
    }

    /// Carries out a release that was begun.
    ///
    /// # Errors
    ///
    /// As [`release`](Self::release), but for its input.
    pub async fn carry_out(&self, begun: PendingRelease, previous: &Artifacts) -> Result<()> {
        if begun.changed.is_empty() {
            return Ok(());
        }
        let purpose = Purpose::Update(begun.changed.iter().cloned().collect());
        let changed = begun.changed.clone().into_iter();
        let updates = changed.map(|id| self.roll_out(&begun, &purpose, id, previous));
        let results: Vec<Result<()>> = stream::iter(updates).buffered(8).collect().await;
        results.into_iter().collect::<Result<()>>()?;
        let mut deployment = self.deployment.write().unwrap_or_else(PoisonError::into_inner);
        deployment.stack = begun.release.stack().clone();
        deployment.uncertain.clear();
        Ok(())
    }

    async fn roll_out(
        &self,
        begun: &PendingRelease,
        purpose: &Purpose,
        id: ResourceId,
        previous: &Artifacts,
    ) -> Result<()> {
        let PendingRelease { release, before: deployment, .. } = begun;
        let Some(next) = release.stack().resource(id.as_str()) else { return Ok(()) };
        let before = deployment.stack.resource(id.as_str()).and_then(code);
        let bytes = |artifacts: &Artifacts, code: Option<&Code>| code.and_then(|code| artifacts.bytes(code).cloned());
        let change = Change {
            resource: next.clone(),
            zip: bytes(release.artifacts(), code(next)),
            previous_zip: bytes(previous, before),
            again: deployment.uncertain.contains(&id),
        };
        let update = |session: Arc<dyn Manage>| {
            let (id, change) = (id.clone(), change.clone());
            async move { session.update(&id, &change).await }
        };
        // A session for many may be more than the cloud lets one be narrowed to.
        match self.with_session(deployment, purpose, Repeat::Never, update).await {
            Err(error) if error.kind() == ErrorKind::TooLarge => {
                let alone = Purpose::Update(BTreeSet::from([id.clone()]));
                self.with_session(deployment, &alone, Repeat::Never, update).await?;
            }
            updated => updated?,
        }
        let mut deployment = self.deployment.write().unwrap_or_else(PoisonError::into_inner);
        // Of a change of links that only holds as a whole, the parts wait for the end of the release.
        if let Ok(stack) = deployment.stack.with_resource(next) {
            deployment.stack = stack;
            deployment.uncertain.remove(&id);
        }
        Ok(())
    }

    /// The log of a function or container from a time on, to its present end.
    ///
    /// # Errors
    ///
    /// The stream ends with the first error.
    pub fn logs(&self, resource: impl Into<AnyHandle>, from: Timestamp) -> BoxStream<'_, Result<LogLine>> {
        let id = resource.into().id;
        let pages = stream::try_unfold(Some(LogQuery::from(from)), move |query| {
            let id = id.clone();
            async move {
                let Some(query) = query else { return Ok::<_, Error>(None) };
                let page = self.with(&Purpose::Watch, |session| {
                    let (id, query) = (id.clone(), query.clone());
                    async move { session.logs(&id, &query).await }
                });
                let page = page.await?;
                let next = page.next.map(|cursor| LogQuery { cursor: Some(cursor), ..query });
                Ok(Some((stream::iter(page.lines.into_iter().map(Ok)), next)))
            }
        });
        pages.try_flatten().boxed()
    }

    /// Sends a command to a function that takes commands, and gives its answer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotGranted`] where it takes none; [`ErrorKind::Failed`] where its code fails;
    /// [`ErrorKind::Revoked`]; what the cloud's calls give.
    pub async fn dispatch<L: State>(&self, function: &Handle<Function, L>, command: &[u8]) -> Result<Vec<u8>> {
        let sent = self.with(&Purpose::Watch, |session| {
            let (id, command) = (function.id().clone(), command.to_vec());
            async move { session.dispatch(&id, &command).await }
        });
        sent.await
    }

    async fn with<T, F: Future<Output = Result<T>>>(
        &self,
        purpose: &Purpose,
        work: impl Fn(Arc<dyn Manage>) -> F,
    ) -> Result<T> {
        self.with_session(&self.deployment(), purpose, Repeat::Once, work).await
    }

    /// Works with a session. A session that the cloud no longer takes is replaced: where that fails, the vendor was shut
    /// out; where not, what is harmless is done once more.
    async fn with_session<T, F: Future<Output = Result<T>>>(
        &self,
        deployment: &Deployment,
        purpose: &Purpose,
        repeat: Repeat,
        work: impl Fn(Arc<dyn Manage>) -> F,
    ) -> Result<T> {
        let session = self.impersonator.session(deployment, purpose).await?;
        let serial = session.serial();
        match work(session).await {
            Err(error) if matches!(error.kind(), ErrorKind::Expired | ErrorKind::Denied) => {
                let session = self.impersonator.replace(deployment, purpose, serial).await?;
                match repeat {
                    Repeat::Once if session.serial() != serial => work(session).await,
                    Repeat::Once | Repeat::Never => Err(error),
                }
            }
            done => done,
        }
    }
}

/// A release that was begun: what it changes is marked in the record.
#[derive(Debug, Clone)]
pub struct PendingRelease {
    release: Release,
    before: Deployment,
    changed: Vec<ResourceId>,
}

impl PendingRelease {
    /// What it will update.
    #[must_use]
    pub fn changed(&self) -> &[ResourceId] {
        &self.changed
    }
}

/// Whether what a session was refused is done again with a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeat {
    Once,
    /// It has several calls, and some may have been done.
    Never,
}

/// What a resource runs.
fn code(resource: &Resource) -> Option<&Code> {
    resource.settings().compute().map(|compute| compute.code)
}
