//! The customer's admin, as a program sees it: each call has what it needs, and takes options by name.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::deployment::Deployment;
use crate::error::Result;
use crate::progress::{Event, Progress, Silent};
use crate::provision::{Data, DestroyReport, Options, Plan, Provision};
use crate::release::Release;

/// Sets up and takes down one deployment, with the credentials of the customer's admin. The vendor never has a value of it.
///
/// Each method gives a request: set its options, then await it.
///
/// ```
/// use std::sync::Arc;
///
/// use alien_core::{Data, DeploymentId, Queue, Release, Stack, memory};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
/// # runtime.block_on(async {
/// let mut stack = Stack::builder("shop");
/// stack.live("jobs", Queue::new());
/// let release = Release::new(stack.build()?, Default::default())?;
///
/// let account = memory::Config::new(memory::Account::default());
/// let admin = memory::admin(&account, DeploymentId::new(), memory::Target::new("acme")?);
///
/// let plan = admin.plan(&release).await?;
/// let deployment = admin.apply(&plan).progress(|event| println!("{event}")).await?;
///
/// admin.revoke(&deployment).await?;
/// let report = admin.destroy(&deployment).data(Data::Delete).await?;
/// assert!(report.kept.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Admin {
    provision: Arc<dyn Provision>,
}

impl Admin {
    /// Makes an admin of what an adapter provisions with.
    #[must_use]
    pub fn new(provision: impl Provision + 'static) -> Self {
        Self { provision: Arc::new(provision) }
    }

    /// Plans a set-up. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`Input`](crate::ErrorKind::Input) where the cloud does not take the stack, all problems at once, and where the
    /// previous record is of another product; [`Credentials`](crate::ErrorKind::Credentials); what the cloud's calls give.
    pub fn plan<'a>(&'a self, release: &'a Release) -> PlanRequest<'a> {
        PlanRequest { admin: self, release, previous: None, options: Options::default() }
    }

    /// Does what a plan says, and gives the record for the vendor. It can be interrupted anywhere and begun again.
    ///
    /// A plan that was kept is checked again before anything is done: where what is there has changed since, so that other
    /// steps would be taken, it is refused.
    ///
    /// # Errors
    ///
    /// [`Input`](crate::ErrorKind::Input) where the plan has a refusal, lacks the bytes of a zip, or is out of date;
    /// [`Locked`](crate::ErrorKind::Locked) where another run is under way; [`NotOwned`](crate::ErrorKind::NotOwned) where
    /// something of someone else's has a name that is needed; what the cloud's calls give.
    pub fn apply<'a>(&'a self, plan: &'a Plan) -> ApplyRequest<'a> {
        ApplyRequest { admin: self, plan, options: Options::default(), progress: Box::new(Silent) }
    }

    /// Takes a deployment down, the vendor's access first. Says what is left, and makes sure that nothing else is.
    ///
    /// # Errors
    ///
    /// [`Locked`](crate::ErrorKind::Locked) where another run is under way; [`Busy`](crate::ErrorKind::Busy) where
    /// something is still there in the end; what the cloud's calls give.
    pub fn destroy<'a>(&'a self, deployment: &'a Deployment) -> DestroyRequest<'a> {
        let (data, options) = (Data::default(), Options::default());
        DestroyRequest { admin: self, deployment, data, options, progress: Box::new(Silent) }
    }

    /// Takes the vendor's access back, at once, and leaves everything running. It ends a set-up that is under way; a
    /// further set-up gives the access again.
    ///
    /// # Errors
    ///
    /// [`NotOwned`](crate::ErrorKind::NotOwned) where the identity of that name is not this deployment's;
    /// [`NotFound`](crate::ErrorKind::NotFound) where there is none; what the cloud's calls give.
    pub fn revoke<'a>(&'a self, deployment: &'a Deployment) -> RevokeRequest<'a> {
        RevokeRequest { admin: self, deployment, options: Options::default() }
    }
}

/// A plan to be made: see [`Admin::plan`].
#[derive(Debug)]
#[must_use = "nothing is done before it is awaited"]
pub struct PlanRequest<'a> {
    admin: &'a Admin,
    release: &'a Release,
    previous: Option<&'a Deployment>,
    options: Options,
}

/// A plan to be applied: see [`Admin::apply`].
#[must_use = "nothing is done before it is awaited"]
pub struct ApplyRequest<'a> {
    admin: &'a Admin,
    plan: &'a Plan,
    options: Options,
    progress: Box<dyn Progress + 'a>,
}

/// A deployment to be taken down: see [`Admin::destroy`].
#[must_use = "nothing is done before it is awaited"]
pub struct DestroyRequest<'a> {
    admin: &'a Admin,
    deployment: &'a Deployment,
    data: Data,
    options: Options,
    progress: Box<dyn Progress + 'a>,
}

/// An access to be taken back: see [`Admin::revoke`].
#[derive(Debug)]
#[must_use = "nothing is done before it is awaited"]
pub struct RevokeRequest<'a> {
    admin: &'a Admin,
    deployment: &'a Deployment,
    options: Options,
}

impl<'a> PlanRequest<'a> {
    /// Plans from the record of what is there: the plan says which settings changed, and removes what the stack has no more.
    pub fn previous(mut self, record: impl Into<Option<&'a Deployment>>) -> Self {
        self.previous = record.into();
        self
    }

    /// Lets the plan change frozen resources. Without it, such a step is refused.
    pub fn allow_frozen_changes(mut self) -> Self {
        self.options = self.options.allow_frozen_changes();
        self
    }
}

impl<'a> ApplyRequest<'a> {
    /// Gives every step to a function, when it begins and when it ends.
    pub fn progress(mut self, progress: impl Fn(&Event) + Send + Sync + 'a) -> Self {
        self.progress = Box::new(progress);
        self
    }
}

impl<'a> DestroyRequest<'a> {
    /// Gives every step to a function, when it begins and when it ends.
    pub fn progress(mut self, progress: impl Fn(&Event) + Send + Sync + 'a) -> Self {
        self.progress = Box::new(progress);
        self
    }

    /// What becomes of data. By default, what holds data is kept.
    pub fn data(mut self, data: Data) -> Self {
        self.data = data;
        self
    }
}

/// Options that every request has.
macro_rules! runs {
    ($($request:ident)*) => {
        $(impl $request<'_> {
            /// All options at once.
            pub fn options(mut self, options: Options) -> Self {
                self.options = options;
                self
            }

            /// Names the run, in the place of a name that is made: another one for every run. It stands in the claim that other
            /// runs see.
            pub fn run(mut self, name: impl Into<String>) -> Self {
                self.options.run = name.into();
                self
            }

            /// Does not wait for the claim of a run that was interrupted.
            pub fn take_over(mut self) -> Self {
                self.options = self.options.take_over();
                self
            }
        })*
    };
}

runs! { PlanRequest ApplyRequest DestroyRequest RevokeRequest }

/// Awaiting a request carries it out.
macro_rules! awaited {
    ($request:ident, $output:ty, |$self:ident| $work:expr) => {
        impl<'a> IntoFuture for $request<'a> {
            type Output = Result<$output>;
            type IntoFuture = BoxFuture<'a, Self::Output>;

            fn into_future($self) -> Self::IntoFuture {
                Box::pin($work)
            }
        }
    };
}

awaited!(PlanRequest, Plan, |self| async move {
    self.admin.provision.plan(self.release, self.previous, &self.options).await
});
awaited!(ApplyRequest, Deployment, |self| async move {
    self.admin.provision.apply(self.plan, &self.options, &*self.progress).await
});
awaited!(DestroyRequest, DestroyReport, |self| async move {
    self.admin.provision.destroy(self.deployment, self.data, &self.options, &*self.progress).await
});
awaited!(RevokeRequest, (), |self| async move { self.admin.provision.revoke(self.deployment, &self.options).await });

impl fmt::Debug for ApplyRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApplyRequest")
            .field("id", &self.plan.id)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for DestroyRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("DestroyRequest");
        shown.field("id", &self.deployment.id).field("data", &self.data).field("options", &self.options);
        shown.finish_non_exhaustive()
    }
}
