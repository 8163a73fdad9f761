//! The typed API of a deployment, for the vendor's programs.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{self, BoxFuture, Either};
use futures_util::stream::{self, StreamExt as _};

use crate::clock::later;
use crate::deployment::{Deployment, DeploymentId};
use crate::error::{Error, ErrorKind, Result};
use crate::handle::{AnyHandle, Handle, Ref};
use crate::impersonate::{Impersonate, Purpose};
use crate::kind::ResourceKind;
use crate::lifecycle::{Live, State};
use crate::logs::Logs;
use crate::manage::{Command, CommandId, Health, Heartbeat};
use crate::managed::Managed;
use crate::name::ResourceId;
use crate::records::RecordStore;
use crate::redeploying::RedeployRequest;
use crate::release::Release;
use crate::releasing::{ReleaseRequest, WIDTH};
use crate::resource::{Function, Updatable, Updated};
use crate::rollout::Sequence;

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
    /// Creates the manager of a deployment, which opens its sessions through `impersonator`. The program stores the
    /// record itself: see [`deployment`](Self::deployment).
    #[must_use]
    pub fn new(impersonator: Arc<dyn Impersonate>, deployment: Deployment) -> Self {
        Self { managed: Managed::new(impersonator, deployment, None) }
    }

    /// Opens the deployment of this id from a store. Whatever a release changes in the record is saved there at once,
    /// and before its first call what is about to change: a release that is killed is known to the next one, and two
    /// programs never release at the same time.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the store has no such record; errors of the store.
    pub async fn open(
        impersonator: Arc<dyn Impersonate>,
        store: Arc<dyn RecordStore>,
        id: DeploymentId,
    ) -> Result<Self> {
        let missing = || Error::new(ErrorKind::NotFound, format!("the store has no record of deployment {id}"));
        let deployment = store.load(id).await?.ok_or_else(missing)?;
        Ok(Self::over(impersonator, store, deployment))
    }

    /// As [`open`](Self::open), with the record as it was just read from the store.
    #[must_use]
    pub fn over(impersonator: Arc<dyn Impersonate>, store: Arc<dyn RecordStore>, deployment: Deployment) -> Self {
        Self { managed: Managed::new(impersonator, deployment, Some(store)) }
    }

    /// The current record. Releases change it: a program that keeps records itself stores it after each.
    #[must_use]
    pub fn deployment(&self) -> Deployment {
        Deployment::clone(&self.managed.kept.get())
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
        let deployment = self.managed.kept.get();
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
        let deployment = self.managed.kept.get();
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

    /// Returns the health of every resource, sorted by id: several are looked at at once.
    pub async fn heartbeats(&self) -> Vec<(ResourceId, Result<Heartbeat>)> {
        let beats = self.resources().into_iter().map(|resource| async move {
            let id = resource.id().clone();
            (id, self.heartbeat(resource).await)
        });
        stream::iter(beats.collect::<Vec<_>>()).buffered(WIDTH).collect().await
    }

    /// Returns the number of the release that set each live function and container last, sorted by id, as the cloud has it
    /// ([`ReleaseRequest::numbered`]): several are looked at at once. `None` stands for what was set otherwise, and for what the cloud
    /// does not tell: containers on AWS.
    pub async fn marks(&self) -> Vec<(ResourceId, Result<Option<Sequence>>)> {
        let deployment = self.managed.kept.get();
        let marks = deployment.stack.resources().iter().filter(|resource| resource.is_updatable()).map(|resource| {
            let id = resource.id().clone();
            async move {
                let mark = self.managed.with(&Purpose::Watch, |session| {
                    let id = id.clone();
                    async move { session.mark(&id).await }
                });
                (id.clone(), mark.await)
            }
        });
        stream::iter(marks.collect::<Vec<_>>()).buffered(WIDTH).collect().await
    }

    /// Updates a live function or container, and waits until it works. Makes no call if nothing changes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] if a setting is out of bounds; [`ErrorKind::Failed`] if the new code does not work, and
    /// [`Error::is_put_back`] then says whether what ran before runs again; [`ErrorKind::Revoked`]; errors of the
    /// cloud's calls.
    pub async fn update<K: Updatable>(&self, resource: &Handle<K, Live>, update: K::Update) -> Result<()> {
        self.managed.kept.reload().await?;
        let deployment = self.managed.kept.get();
        let current = deployment.stack.resource(resource.id().as_str());
        let Some((current, settings)) = current.and_then(|current| Some((current, current.settings_of::<K>()?))) else {
            return Err(Error::new(ErrorKind::Input, "the deployment has no such resource").at(resource.id().as_str()));
        };
        let Updated { settings, zip, previous } = settings.clone().updated(update);
        let artifacts = zip.into_iter().collect();
        let stack = deployment.stack.with_resource(&current.clone().with_settings(settings))?;
        let previous = previous.into_iter().collect();
        let release = Release::partial(stack, artifacts);
        let request = ReleaseRequest::new(&self.managed, &release).only(current.clone());
        request.previous(&previous).await.into_result()
    }

    /// Rolls out a release: updates every live function and container that runs something else than the release says,
    /// several at once, in a session that may change nothing else, and waits until each works. Returns an outcome for
    /// every resource. The record then has what was updated.
    ///
    /// Looks at what runs first, once for each. What ran and was not in the record is told:
    /// [`Released::unrecorded`](crate::Released::unrecorded).
    ///
    /// Where the customer lets the vendor by `management.extend` with `…/provision`, it also deletes what the release no
    /// longer has, and creates what is missing or was deleted before. What may hold data is deleted only if it is
    /// [named](ReleaseRequest::delete_data). What only the admin sets of a created resource is told:
    /// [`Released::waits`](crate::Released::waits).
    ///
    /// A release is [refused](crate::Released::refusal) as a whole, before any change, if it has a change that only the
    /// customer's admin may make, is of another product, or lacks a zip that must be sent; and with
    /// [`Locked`](ErrorKind::Locked) if another one is in progress. Releases of the same manager wait for each other.
    ///
    /// The request may be dropped at any point: what it had begun is uncertain then, and the next release repeats it.
    pub fn release<'a>(&'a self, release: &'a Release) -> ReleaseRequest<'a> {
        ReleaseRequest::new(&self.managed, release)
    }

    /// Starts new instances of the code and settings that run now of a live function or container, also where the record
    /// says something else, and waits until they work. Nothing else changes, neither in the cloud nor in the record.
    ///
    /// It takes turns with releases: it is refused while another program releases. It may be dropped at any point.
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
    /// # let manager = Manager::new(memory::vendor(&config), deployment);
    /// # let api = manager.handle(&api)?;
    /// manager.redeploy(&api).await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// What is frozen is not started anew by the vendor:
    ///
    /// ```compile_fail
    /// use alien_core::{Container, Frozen, Handle, Manager};
    /// async fn no(manager: &Manager, frozen: &Handle<Container, Frozen>) {
    ///     manager.redeploy(frozen).await;
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Locked`] if another program releases; [`ErrorKind::Failed`] if the new instances do not work;
    /// [`ErrorKind::TimedOut`] if they do not work in time, and may do so later; [`ErrorKind::Conflict`] if somebody else
    /// has changed the resource meanwhile; [`ErrorKind::Revoked`]; errors of the cloud's calls.
    pub fn redeploy<K: Updatable>(&self, resource: &Handle<K, Live>) -> RedeployRequest<'_> {
        RedeployRequest::new(&self.managed, resource.id().clone())
    }

    /// Reads the log of a function or container, [`since`](Logs::since) a time: [`read`](Logs::read) it to its present
    /// end, or [`follow`](Logs::follow) it.
    pub fn logs(&self, resource: impl Into<AnyHandle>) -> Logs<'_> {
        Logs::new(&self.managed, resource.into().id)
    }

    /// Sends a command to a function that takes commands, and returns its answer. It is sent once: after a failure that
    /// leaves open whether the function received it, the error says so ([`Error::was_sent`]), and it is for the caller
    /// to repeat it with the same [`id`](DispatchRequest::id).
    ///
    /// The request may be dropped at any point.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotGranted`] if the function takes no commands; [`ErrorKind::TooLarge`] if the cloud does not carry
    /// a command or an answer of that size; [`ErrorKind::TimedOut`] if the deadline has come; [`ErrorKind::Failed`] if
    /// its code fails; [`ErrorKind::Revoked`]; errors of the cloud's calls.
    pub fn dispatch<L: State>(&self, function: &Handle<Function, L>, command: &[u8]) -> DispatchRequest<'_> {
        let (function, body) = (function.id().clone(), Arc::from(command));
        DispatchRequest { managed: &self.managed, function, body, id: CommandId::new(), deadline: None }
    }
}

/// A request to send a command: see [`Manager::dispatch`].
#[derive(Debug)]
#[must_use = "nothing is sent before it is awaited"]
pub struct DispatchRequest<'a> {
    managed: &'a Managed,
    function: ResourceId,
    body: Arc<[u8]>,
    id: CommandId,
    deadline: Option<Duration>,
}

impl DispatchRequest<'_> {
    /// Sets the id of the command, instead of generating one: for a command that is sent again.
    pub const fn id(mut self, id: CommandId) -> Self {
        self.id = id;
        self
    }

    /// Sets how long to wait for the answer. By default, as long as the function may run.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    async fn send(self) -> Result<Vec<u8>> {
        let Self { managed, function, body, id, deadline } = self;
        let until = deadline.map(|deadline| later(managed.clock().now(), deadline));
        let command = Command { id, deadline: until, body };
        let sent = managed.with(&Purpose::Watch, |session| {
            let (function, command) = (function.clone(), command.clone());
            async move { session.dispatch(&function, &command).await }
        });
        let Some(deadline) = deadline else { return sent.await };
        match future::select(std::pin::pin!(sent), managed.clock().sleep(deadline)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => {
                let what = format!("no answer to the command {id} came within {} seconds", deadline.as_secs_f64());
                Err(Error::new(ErrorKind::TimedOut, what).with_sent().at(function.as_str()))
            }
        }
    }
}

impl<'a> IntoFuture for DispatchRequest<'a> {
    type Output = Result<Vec<u8>>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
