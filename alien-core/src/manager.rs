//! The typed API of a deployment, for the vendor's programs.

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

/// Watches and updates one deployment, as the vendor.
///
/// ```
/// # use std::sync::Arc;
/// # use alien_core::{memory, *};
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
/// # runtime.block_on(async {
/// # let mut stack = Stack::builder("shop");
/// # let api = stack.live("api", Function::new(Code::zip(b"first"), "api").with_commands());
/// # stack.profile("api", Profile::new());
/// # let stack = stack.build()?;
/// # let first = Release::new(stack.clone(), [Arc::from(*b"first")].into_iter().collect())?;
/// # let config = memory::Config::new(memory::Account::default());
/// # let admin = memory::admin(&config, DeploymentId::new(), memory::Target::new("acme")?);
/// # let deployment = admin.apply(&admin.plan(&first).await?).await?;
/// let manager = Manager::new(memory::vendor(&config), deployment);
/// let api = manager.handle(&api)?;
/// assert_eq!(manager.heartbeat(&api).await?.health, Health::Healthy);
///
/// manager.update(&api, FunctionUpdate::new().with_zip(*b"second")).await?;
/// assert_eq!(manager.dispatch(&api, b"hello").await?, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A resource is named by a [`Handle`], whose type has the resource's kind and lifecycle. An update of a frozen
/// resource does not compile. If somebody edits the record to get around that, the cloud still refuses the update.
///
/// ```compile_fail
/// use alien_core::{Frozen, Function, FunctionUpdate, Handle, Manager};
/// async fn no(manager: &Manager, frozen: &Handle<Function, Frozen>) {
///     manager.update(frozen, FunctionUpdate::new().with_memory_mib(1024)).await;
/// }
/// ```
#[derive(Debug)]
pub struct Manager {
    managed: Managed,
}

impl Manager {
    /// Creates the manager of a deployment, which opens its sessions through `impersonator`.
    #[must_use]
    pub fn new(impersonator: Arc<dyn Impersonate>, deployment: Deployment) -> Self {
        Self { managed: Managed::new(impersonator, deployment) }
    }

    /// The current record. Updates change its stack, so store it after each update.
    #[must_use]
    pub fn deployment(&self) -> Deployment {
        self.managed.record().clone()
    }

    /// The handle of the resource of a reference.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    pub fn handle<K: ResourceKind, L: State>(&self, reference: &Ref<K, L>) -> Result<Handle<K, L>> {
        self.find(reference.id())
    }

    /// The handle of the resource with this id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if the deployment has no resource of this id, kind and lifecycle.
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

    /// The handles of all resources.
    #[must_use]
    pub fn resources(&self) -> Vec<AnyHandle> {
        let deployment = self.managed.record();
        let resources = deployment.stack.resources().iter();
        resources.map(|resource| AnyHandle::new(resource.id().clone(), resource.kind(), resource.lifecycle())).collect()
    }

    /// Returns the health of a resource, and the reason.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Revoked`] if the customer revoked the access; errors of the cloud's calls. A denial for this
    /// resource only is not an error: its health is then [`Health::Denied`].
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

    /// Updates a live function or container, and waits until it works. Makes no call if nothing changes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if a setting is out of bounds; [`ErrorKind::Failed`] if the new code does not work, and
    /// [`Error::is_put_back`] then says whether what ran before runs again; [`ErrorKind::Revoked`]; errors of the
    /// cloud's calls.
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

    /// Rolls out a release: updates every live function and container that differs, several at once, in a session that
    /// may change nothing else, and waits until each works. Returns an outcome for every resource. The record then has
    /// what was updated.
    ///
    /// A release is [refused](crate::Released::refusal) as a whole, before any call, if it has a change that only the
    /// customer's admin may make, is of another product, or lacks a zip that must be sent.
    ///
    /// The request may be dropped at any point: updates that had begun are marked in the record, and the next release
    /// repeats them.
    pub fn release<'a>(&'a self, release: &'a Release) -> ReleaseRequest<'a> {
        ReleaseRequest::new(&self.managed, Work::Release(release))
    }

    /// Begins a release: marks the resources that it will update as uncertain in the record, until their updates have
    /// ended. A program that stores the record now can continue after an interruption. Makes no call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if the release has a change that only the customer's admin may make, is of another product,
    /// or lacks a zip.
    pub fn begin(&self, release: &Release) -> Result<PendingRelease> {
        releasing::begin(&self.managed, release)
    }

    /// Carries out a release that was begun. Like [`release`](Self::release), it returns an outcome for every resource.
    pub fn carry_out(&self, begun: PendingRelease) -> ReleaseRequest<'_> {
        ReleaseRequest::new(&self.managed, Work::Begun(Box::new(begun)))
    }

    /// Reads the log of a function or container, [`since`](Logs::since) a time: [`read`](Logs::read) it to its present
    /// end, or [`follow`](Logs::follow) it.
    pub fn logs(&self, resource: impl Into<AnyHandle>) -> Logs<'_> {
        Logs::new(&self.managed, resource.into().id)
    }

    /// Sends a command to a function that takes commands, and returns its answer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotGranted`] if the function takes no commands; [`ErrorKind::Failed`] if its code fails;
    /// [`ErrorKind::Revoked`]; errors of the cloud's calls.
    pub async fn dispatch<L: State>(&self, function: &Handle<Function, L>, command: &[u8]) -> Result<Vec<u8>> {
        let sent = self.managed.with(&Purpose::Watch, |session| {
            let (id, command) = (function.id().clone(), command.to_vec());
            async move { session.dispatch(&id, &command).await }
        });
        sent.await
    }
}
