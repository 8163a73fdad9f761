//! The typed face of a deployment, for the vendor's programs.

use std::sync::Arc;

use crate::deployment::Deployment;
use crate::error::{Error, ErrorKind, Result};
use crate::handle::{AnyHandle, Handle, Ref};
use crate::impersonate::{Impersonate, Purpose};
use crate::kind::ResourceKind;
use crate::lifecycle::{Live, State};
use crate::logs::Logs;
use crate::manage::{Health, Heartbeat};
use crate::managed::Managed;
use crate::release::Release;
use crate::releasing::{self, PendingRelease, ReleaseRequest, Work};
use crate::resource::{Function, Updatable, Updated};

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
    managed: Managed,
}

impl Manager {
    /// Looks after a deployment through an impersonator of its cloud.
    #[must_use]
    pub fn new(impersonator: Arc<dyn Impersonate>, deployment: Deployment) -> Self {
        Self { managed: Managed::new(impersonator, deployment) }
    }

    /// The record as it is now: updates change its stack. Keep it.
    #[must_use]
    pub fn deployment(&self) -> Deployment {
        self.managed.record().clone()
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
        let deployment = self.managed.record();
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
        let deployment = self.managed.record();
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
        let beat = self.managed.with(&Purpose::Watch, |session| {
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

    /// Updates a live function or container and waits until it works. Makes no call where nothing changes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] where a setting is out of bounds; [`ErrorKind::Failed`] where the new code does not work, and
    /// [`Error::is_put_back`] where what ran before runs again; [`ErrorKind::Revoked`]; what the cloud's calls give.
    pub async fn update<K: Updatable>(&self, resource: &Handle<K, Live>, update: K::Update) -> Result<()> {
        let deployment = self.deployment();
        let current = deployment.stack.resource(resource.id().as_str());
        let Some((current, settings)) = current.and_then(|current| Some((current, current.settings_of::<K>()?))) else {
            return Err(Error::new(ErrorKind::Input, "the deployment has no such resource").at(resource.id().as_str()));
        };
        let Updated { settings, zip, previous } = settings.clone().updated(update);
        let artifacts = zip.into_iter().collect();
        let stack = deployment.stack.with_resource(&current.clone().with_settings(settings))?;
        let previous = previous.into_iter().collect();
        self.release(&Release::partial(stack, artifacts)).previous(&previous).await.into_result()
    }

    /// Rolls out a release: updates every live function and container that differs, several at once, with a session that
    /// may touch nothing else, and waits until each works. Gives an outcome for every resource; what was updated is in the
    /// record.
    ///
    /// Nothing is called where the release has a change that is the customer's admin's to make, is of another product, or
    /// lacks a zip that must be sent: then it is [refused](crate::Released::refusal) as a whole.
    ///
    /// It may be dropped at any point: what had begun is marked in the record, and the next release sets it anew.
    pub fn release<'a>(&'a self, release: &'a Release) -> ReleaseRequest<'a> {
        ReleaseRequest::new(&self.managed, Work::Release(release))
    }

    /// Begins a release: what it will update is marked as uncertain in the record until that has ended, so that a program
    /// that keeps the record now can go on after it was interrupted. No call is made.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] where the release has a change that is the customer's admin's to make, is of another product, or
    /// lacks a zip.
    pub fn begin(&self, release: &Release) -> Result<PendingRelease> {
        releasing::begin(&self.managed, release)
    }

    /// Carries out a release that was begun. As [`release`](Self::release), it gives an outcome for every resource.
    pub fn carry_out(&self, begun: PendingRelease) -> ReleaseRequest<'_> {
        ReleaseRequest::new(&self.managed, Work::Begun(Box::new(begun)))
    }

    /// The log of a function or container: [`since`](Logs::since) a time, [`read`](Logs::read) to its present end or
    /// [`followed`](Logs::follow).
    pub fn logs(&self, resource: impl Into<AnyHandle>) -> Logs<'_> {
        Logs::new(&self.managed, resource.into().id)
    }

    /// Sends a command to a function that takes commands, and gives its answer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotGranted`] where it takes none; [`ErrorKind::Failed`] where its code fails;
    /// [`ErrorKind::Revoked`]; what the cloud's calls give.
    pub async fn dispatch<L: State>(&self, function: &Handle<Function, L>, command: &[u8]) -> Result<Vec<u8>> {
        let sent = self.managed.with(&Purpose::Watch, |session| {
            let (id, command) = (function.id().clone(), command.to_vec());
            async move { session.dispatch(&id, &command).await }
        });
        sent.await
    }
}
